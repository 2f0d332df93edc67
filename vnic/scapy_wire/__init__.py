"""scapy on a wire of ours: sockets, an interface, neighbours."""
