"""ARP: Ethernet and IPv4, requests and replies; everything else is nobody's."""

import struct

import frames
import pytest
from scapy.layers.l2 import ARP, Ether

ARP_AT = 14


def outcome(host, frame):
    host.feed(frame)
    host.run()
    return host.ledger().fates


def changed(at, fmt, value):
    """A good request with one field changed."""
    frame = bytearray(frames.arp())
    struct.pack_into(fmt, frame, ARP_AT + at, value)
    return bytes(frame)


@pytest.mark.parametrize(
    ("frame", "fate"),
    [
        (frames.arp(op=1), "DELIVERED_ARP"),
        (frames.arp(op=2), "DELIVERED_ARP"),
        (frames.arp(op=0), "UNHANDLED_PROTO"),
        (frames.arp(op=3), "UNHANDLED_PROTO"),  # RARP
        (frames.arp() + bytes(18), "DELIVERED_ARP"),  # padded
        (frames.arp()[:-1], "PKT_TOO_SMALL"),
        (frames.arp()[:ARP_AT], "PKT_TOO_SMALL"),
        (changed(0, "!H", 6), "UNHANDLED_PROTO"),  # IEEE 802
        (changed(2, "!H", 0x86DD), "UNHANDLED_PROTO"),
        (changed(4, "!B", 8), "UNHANDLED_PROTO"),
        (changed(5, "!B", 16), "UNHANDLED_PROTO"),
    ],
)
def test_packets(host, frame, fate):
    assert outcome(host(), frame) == {fate: 1}


def test_what_scapy_builds_is_taken(host):
    request = Ether(dst=b"\xff" * 6, src=frames.PEER) / ARP(hwsrc=frames.PEER, psrc="10.0.0.1", pdst="10.0.0.2")
    reply = Ether(dst=frames.MAC, src=frames.PEER) / ARP(op=2, hwsrc=frames.PEER, psrc="10.0.0.1", pdst="10.0.0.2")
    h = host(mac="02:00:00:00:00:01")
    assert outcome(h, [bytes(request), bytes(reply)]) == {"DELIVERED_ARP": 2}


def test_another_hosts_reply_is_not_ours(host):
    h = host(mac="02:00:00:00:00:01", promisc=True)
    assert outcome(h, frames.arp(op=2, mac={"dst": b"\x02\0\0\0\0\x99"})) == {"OTHERHOST": 1}
