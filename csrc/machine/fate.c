/* fate.c - why a frame was dropped, or to what it was delivered: a line of text for each fate, received and sent
 *
 * The names are in schema.h: enum fate, enum tx_fate. `grep -rn NAME csrc` finds the line that counts one. Linux:
 * include/net/dropreason-core.h
 */
#include "prelude.h"

const char *fate_text(enum fate fate)
{
	static const char *const text[FATE_MAX] = {
		[DELIVERED_UDP] = "in a UDP socket's queue",
		[DELIVERED_TCP] = "taken by a TCP stream: data queued in order, or a segment without data",
		[DELIVERED_ICMP] = "taken by ICMP",
		[DELIVERED_ICMPV6] = "taken by ICMPv6",
		[DELIVERED_IGMP] = "taken by IGMP",
		[DELIVERED_ARP] = "taken by ARP",
		[DELIVERED_PYTHON] = "taken by a handler written in Python",
		[DELIVERED_DRIVER] = "given to a driver outside this process",
		[DEV_READY] = "the card had no driver, or had stopped",
		[LINK_TYPE] =
			"no packet in it that Ethernet carries: a frame of another link (a beacon, a control message)",
		[RX_LENGTH] = "shorter than an Ethernet header, or longer than the MTU allows (rx_length_errors)",
		[MAC_FILTER] = "not for us: the address filter",
		[VLAN_FILTER] = "not for us: the VLAN filter",
		[PYTHON_FILTER] = "not for us: a filter written in Python",
		[NTUPLE_FILTER] = "dropped by a rule in the card (ethtool -N ... action -1)",
		[FIFO_OVERRUN] = "the card's FIFO was full (rx_fifo_errors)",
		[RX_OVER] = "longer than all buffers the ring can hold (rx_over_errors)",
		[RX_NO_BUFFER] = "no buffer posted, and drop_en is on (rx_fifo_errors)",
		[FAULT] = "in the ring, and the driver never got it: a fault on purpose (--fault)",
		[CPU_BACKLOG] = "the target CPU's backlog was full (netdev_max_backlog)",
		[UNHANDLED_PROTO] = "no protocol handler for it",
		[OTHERHOST] = "for another host: promisc let it in, IP does not take it",
		[PYTHON_DROP] = "dropped by a handler written in Python",
		[PYTHON_QUEUE_FULL] = "the queue to Python was full",
		[PKT_TOO_SMALL] = "shorter than its headers say (snapped captures end here)",
		[IP_INHDR] = "bad IP header",
		[IP_CSUM] = "bad IPv4 header checksum",
		[IP_INVALID_SOURCE] = "a source address that cannot be",
		[IP_LOCAL_SOURCE] = "our own address as source",
		[IP_LOCALNET] = "a loopback address (127.0.0.0/8) on the wire",
		[IP_INVALID_DEST] = "a destination address that cannot be",
		[IP_NOT_JOINED] = "for a group that this host has not joined",
		[IP_SOURCE_ROUTE] = "IPv4 with a source route (accept_source_route is 0)",
		[IP_INADDRERRORS] = "not our IP address",
		[IP_NOPROTO] = "no handler for its IP protocol",
		[IP_INNOROUTES] = "not our IP address, and no way leads to it",
		[IP_OUTNOROUTES] = "no way leads to the sender, who would have got an answer",
		[IPV6_BAD_EXTHDR] = "bad IPv6 extension header",
		[GROUPS_IGNORED] = "a message of IGMP or MLD that a host does not act upon",
		[DUP_FRAG] = "a fragment of what was there already",
		[FRAG_REASM_TIMEOUT] = "the rest of its datagram did not come in time (ipfrag_time, ip6frag_time)",
		[FRAG_TOO_FAR] = "its sender sent too many others before the next fragment (ipfrag_max_dist)",
		[PKT_TOO_BIG] = "fragments of more than 65535 bytes",
		[FRAG_OVERLAP] = "fragments of one datagram overlap: all of them are dropped",
		[FRAG_LENGTH] = "a fragment without data, of a length that cannot be, or beyond the datagram's end",
		[FRAG_ECN] = "fragments of one datagram contradict each other in ECN",
		[FRAG_HIGH_THRESH] = "the memory for fragments was full (ipfrag_high_thresh, ip6frag_high_thresh)",
		[ARP_TARGET] = "ARP that asks for a loopback or group address",
		[NDISC_NO_NEWS] = "neighbour discovery that is not valid, or changes nothing: about an unknown host",
		[IPV6_NDISC_FRAG] = "neighbour discovery in fragments (RFC 6980)",
		[IPV6_NDISC_HOP_LIMIT] = "neighbour discovery that was not sent on this link: its hop limit is not 255",
		[IPV6_NDISC_BAD_CODE] = "neighbour discovery with a code",
		[IPV6_NDISC_BAD_OPTIONS] = "neighbour discovery with bad options",
		[IPV6_NDISC_NS_OTHERHOST] = "a neighbour solicitation for another host",
		[ICMP_CSUM] = "bad ICMP checksum",
		[INVALID_PROTO] = "ICMP that may not be sent to a group or a broadcast address",
		[UDP_CSUM] = "bad UDP checksum",
		[TCP_CSUM] = "bad TCP checksum",
		[TCP_FLAGS] = "TCP flags that cannot be",
		[TCP_RESET] = "a TCP reset to a socket that listens",
		[NO_SOCKET] = "no socket",
		[SOCKET_TABLE_FULL] = "no room for another socket",
		[SOCKET_RCVBUFF] = "the socket's receive buffer was full (rcvbuf)",
		[PROTO_MEM] = "all UDP sockets together held more pages than udp_mem",
		[TCP_OLD_DATA] = "TCP data that was there already",
		[TCP_OVERWINDOW] = "TCP data far outside any window",
		[TCP_OFOMERGE] = "TCP data that waited out of order already",
		[TCP_OFO_DROP] = "the out-of-order queue was full",
		[TCP_CLOSE] = "for a TCP stream that had ended",
		[TCP_RFC7323_PAWS] = "a TCP timestamp older than the connection's latest (PAWS)",
		[TCP_RFC7323_TSECR] = "a TCP timestamp that answers none of this handshake's",
		[TCP_OLD_SEQUENCE] = "a TCP segment before the window",
		[TCP_INVALID_SEQUENCE] = "a TCP segment beyond the window",
		[TCP_INVALID_END_SEQUENCE] = "a TCP segment that ends beyond the window, while data waits to be read",
		[TCP_INVALID_ACK_SEQUENCE] = "a TCP acknowledgement of another handshake",
		[TCP_INVALID_SYN] = "a TCP SYN to a connection that exists",
		[TCP_TOO_OLD_ACK] = "a TCP acknowledgement from long ago",
		[TCP_ACK_UNSENT_DATA] = "a TCP acknowledgement of data that was not sent",
		[TCP_ABORT_ON_DATA] = "TCP data to a connection that its program had closed",
		[TCP_ZEROWINDOW] = "TCP data to a closed window",
		[TCP_OFO_QUEUE_PRUNE] = "TCP data out of order that made room in the receive buffer",
		[TCP_LISTEN_OVERFLOW] = "a TCP handshake while the accept queue was full (backlog)",
		[TCP_REQQFULLDROP] = "a TCP SYN while the queue of half-open connections was full (backlog)",
	};

	return (u32)fate < FATE_MAX ? text[fate] : NULL;
}

const char *tx_fate_text(enum tx_fate fate)
{
	static const char *const text[TX_FATE_MAX] = {
		[TX_SENT] = "on the wire",
		[TX_NEIGH_FAILED] = "no answer came for the next hop's address",
		[TX_NEIGH_QUEUEFULL] = "too much waited for the next hop's address (unres_qlen_bytes)",
		[TX_NEIGH_CREATEFAIL] = "the neighbour table was full (gc_thresh3)",
		[TX_FULL_RING] = "the sending ring or its buffers were full",
		[TX_DEV_READY] = "the card had stopped",
		[TX_BAD_CHAIN] = "the card could not read the chain",
		[TX_WIRE_FULL] = "the wire had no room",
		[TX_WIRE_ERROR] = "the wire refused it",
	};

	return (u32)fate < TX_FATE_MAX ? text[fate] : NULL;
}
