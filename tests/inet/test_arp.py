"""ARP: Ethernet and IPv4, requests and replies; who asks for us is answered, who talks to us is remembered."""

import struct

import frames
import peer
import pytest
from outcomes import fates
from scapy.layers.l2 import ARP, Ether

import vnic

ARP_AT = 14


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
        (changed(0, "!H", 6), "DELIVERED_ARP"),  # IEEE 802
        (changed(0, "!H", 2), "UNHANDLED_PROTO"),
        (changed(24, "!B", 127), "ARP_TARGET"),
        (changed(24, "!B", 224), "ARP_TARGET"),
        (changed(2, "!H", 0x86DD), "UNHANDLED_PROTO"),
        (changed(4, "!B", 8), "UNHANDLED_PROTO"),
        (changed(5, "!B", 16), "UNHANDLED_PROTO"),
    ],
)
def test_what_an_arp_packet_may_be(host, frame, fate):
    assert fates(host(), frame) == {fate: 1}


def test_what_scapy_builds_is_taken(host):
    request = Ether(dst=b"\xff" * 6, src=frames.PEER) / ARP(hwsrc=frames.PEER, psrc="10.0.0.1", pdst="10.0.0.2")
    reply = Ether(dst=frames.MAC, src=frames.PEER) / ARP(op=2, hwsrc=frames.PEER, psrc="10.0.0.1", pdst="10.0.0.2")
    h = host(mac="02:00:00:00:00:01")
    assert fates(h, bytes(request), bytes(reply)) == {"DELIVERED_ARP": 2}


def test_another_hosts_reply_is_not_ours(host):
    h = host(mac="02:00:00:00:00:01", promisc=True)
    assert fates(h, frames.arp(op=2, mac={"dst": b"\x02\0\0\0\0\x99"})) == {"DELIVERED_ARP": 1}
    assert h.neighbours() == []


OTHER = bytes.fromhex("020000000099")


@pytest.fixture
def answers():
    def ask(*fed, until_ns=1_000_000_000):
        with vnic.Host(ip="10.0.0.2/24", cost="zero") as host:
            host.feed(fed)
            host.run(until_ns=until_ns)
            seen = [s for s in peer.sent(host) if s.ethertype == 0x0806]
            return [(s.dst, s.payload) for s in seen], [(n.ip, n.mac, n.state) for n in host.neighbours()]

    return ask


def reply(to_ip, to_mac):
    return peer.arp(2, "10.0.0.2", to_ip, sha=frames.MAC, to_mac=to_mac)[14:]


def test_who_asks_for_us_is_answered_and_remembered(answers):
    seen, known = answers(peer.arp(1, "10.0.0.1", "10.0.0.2"))
    assert seen == [(frames.PEER, reply("10.0.0.1", frames.PEER))]
    assert known == [("10.0.0.1", frames.PEER.hex(":"), "STALE")]


def test_who_looks_whether_our_address_is_free_is_answered_and_not_remembered(answers):
    """RFC 5227: the sender's address is 0.0.0.0."""
    seen, known = answers(peer.arp(1, "0.0.0.0", "10.0.0.2"))
    assert seen == [(frames.PEER, reply("0.0.0.0", frames.PEER))]
    assert known == []


@pytest.mark.parametrize(
    "frame",
    [
        peer.arp(1, "10.0.0.1", "10.0.0.3"),  # for somebody else
        peer.arp(2, "10.0.0.1", "10.0.0.2"),  # an answer nobody asked for
        peer.arp(1, "10.0.0.1", "10.0.0.1"),  # gratuitous
        peer.arp(1, "10.0.0.2", "10.0.0.2"),  # somebody has our address
        peer.arp(1, "10.0.0.1", "127.0.0.1"),
        peer.arp(1, "10.0.0.1", "224.0.0.1"),
    ],
)
def test_what_does_not_ask_for_us_makes_no_entry(answers, frame):
    assert answers(frame) == ([], [])


@pytest.mark.parametrize(
    ("op", "to", "dst", "at_ms", "state"),
    [
        (2, "10.0.0.2", frames.MAC, 1001, "REACHABLE"),  # an answer to us
        (2, "10.0.0.2", frames.MAC, 1000, None),  # within the lock time
        (2, "10.0.0.2", b"\xff" * 6, 1001, "STALE"),  # to all
        (1, "10.0.0.3", b"\xff" * 6, 1000, None),  # a request for another
        (1, "10.0.0.3", b"\xff" * 6, 1001, "STALE"),
        (1, "10.0.0.1", b"\xff" * 6, 1, "STALE"),  # gratuitous: it moved
        (1, "10.0.0.2", b"\xff" * 6, 1, "STALE"),  # it asks us
    ],
)
def test_a_known_one_is_updated(answers, op, to, dst, at_ms, state):
    moved = (at_ms * 1_000_000, peer.arp(op, "10.0.0.1", to, sha=OTHER, dst=dst))
    _, known = answers(peer.arp(1, "10.0.0.1", "10.0.0.2"), moved, until_ns=2_000_000_000)
    assert known == [("10.0.0.1", (OTHER if state else frames.PEER).hex(":"), state or "STALE")]


def test_who_asks_for_us_from_no_address_of_a_host_is_not_answered(answers):
    for sip in ("127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.0.2"):
        assert answers(peer.arp(1, sip, "10.0.0.2")) == ([], [])
