"""IPv6 input: the header, what comes behind it, and whose address it is. Extension headers: test_exthdrs.py."""

import frames
import pytest
from outcomes import counted, fates
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN
from scapy.layers.l2 import Ether

HOPOPTS, ROUTING, FRAGMENT, NONE, DSTOPTS = 0, 43, 44, 59, 60
TCP, UDP_PROTO = 6, 17
DATAGRAM = frames.udp(b"payload", src="fd00::1", dst="fd00::2")[54:]


def errors(host):
    return counted(host, lambda name: name.startswith("Ip6") and name not in {"Ip6_InReceives", "Ip6_InDelivers"})


def outcome(host, packet):
    """Fates, and the IPv6 counters that are not of every packet."""
    return fates(host, frames.eth(packet, type=0x86DD)), errors(host)


def chain(*headers, upper=UDP_PROTO, payload=DATAGRAM, **ip):
    """An IPv6 packet with (type, body) extension headers; bodies of 6, 14, .. bytes."""
    types = [kind for kind, _ in headers] + [upper]
    data = b"".join(bytes([types[i + 1], len(body) // 8]) + body for i, (_, body) in enumerate(headers))
    return frames.ipv6(data + payload, types[0], **ip)


PAD = b"\x01\x04" + bytes(4)  # PadN of 4


@pytest.mark.parametrize(
    ("packet", "fate", "counters"),
    [
        pytest.param(chain(), "DELIVERED_UDP", {}, id="good"),
        pytest.param(chain()[:39], "IP_INHDR", {"Ip6_InHdrErrors": 1}, id="39 bytes"),
        pytest.param(b"\x45" + chain()[1:], "UNHANDLED_PROTO", {"Ip6_InHdrErrors": 1}, id="version 4 by its type"),
        pytest.param(chain(length=16), "PKT_TOO_SMALL", {"Ip6_InTruncatedPkts": 1}, id="one byte too few"),
        pytest.param(chain(src="ff02::1"), "IP_INHDR", {"Ip6_InHdrErrors": 1}, id="multicast source"),
        pytest.param(
            chain(src="::ffff:10.0.0.1"),
            "IP_INHDR",
            {"Ip6_InHdrErrors": 1},
            id="bug: an IPv4 address in IPv6's clothes",
        ),
        pytest.param(chain(dst="ff10::1"), "IP_INHDR", {"Ip6_InHdrErrors": 1}, id="a group of scope 0"),
        pytest.param(chain(upper=99), "IP_NOPROTO", {"Ip6_InUnknownProtos": 1}, id="protocol 99"),
        pytest.param(chain(upper=1), "IP_NOPROTO", {"Ip6_InUnknownProtos": 1}, id="ICMPv4 in v6"),
        pytest.param(chain(upper=NONE), "IP_NOPROTO", {}, id="no next header"),
        pytest.param(chain(upper=103), "IP_NOPROTO", {}, id="PIM"),
        pytest.param(
            chain((FRAGMENT, bytes(6))), "DELIVERED_UDP", {"Ip6_ReasmReqds": 1, "Ip6_ReasmOKs": 1}, id="atomic fragment"
        ),
        pytest.param(
            chain((HOPOPTS, PAD), (FRAGMENT, b"\0\1" + bytes(4)), payload=bytes(40)),
            "FRAG_REASM_TIMEOUT",
            {"Ip6_ReasmReqds": 1, "Ip6_ReasmTimeout": 1, "Ip6_ReasmFails": 1},
            id="fragment behind options",
        ),
    ],
)
def test_what_an_ipv6_header_may_be(host, packet, fate, counters):
    h = host()
    h.udp(5000)
    assert outcome(h, packet) == ({fate: 1}, counters)


def test_what_scapy_builds_is_delivered(host):
    h = host()
    sock = h.udp(5000)
    options = [PadN(optdata=b"\0" * 4)]
    ip = IPv6(src="2001:db8::1", dst="fd00::2")
    headers = IPv6ExtHdrHopByHop(options=options) / IPv6ExtHdrRouting(segleft=0)
    headers /= IPv6ExtHdrDestOpt(options=options)
    h.feed(Ether(dst=frames.MAC, src=frames.PEER, type=0x86DD) / ip / headers / UDP(sport=7, dport=5000) / b"hello")
    assert sock.recvfrom() == (b"hello", ("2001:db8::1", 7))


@pytest.mark.parametrize("padding", [b"\0", b"\xff" * 18])
def test_padding_is_trimmed(host, padding):
    h = host()
    sock = h.udp(5000)
    outcome(h, chain() + padding)
    assert sock.recv() == b"payload"


@pytest.mark.parametrize(
    ("dst", "fate"),
    [
        ("fd00::2", "DELIVERED_ICMPV6"),
        ("fd00::3", "IP_INADDRERRORS"),
        ("fd00::", "IP_INADDRERRORS"),  # no broadcast in IPv6
        ("ff02::1", "DELIVERED_ICMPV6"),
        ("::1", "IP_INHDR"),  # not from a wire
        ("ff01::1", "IP_INHDR"),
        ("ff02::1:ff00:2", "DELIVERED_ICMPV6"),
        ("ff02::1:ff00:3", "IP_NOT_JOINED"),
        ("ff02::2", "IP_NOT_JOINED"),
        ("ff05::1", "IP_NOT_JOINED"),
        ("2001:db8::1", "IP_INNOROUTES"),
        ("::ffff:10.0.0.2", "IP_INNOROUTES"),
    ],
)
def test_whose_address_it_is(host, dst, fate):
    h = host(ip=["10.0.0.2/24", "fd00::2/64"])
    h.feed(frames.icmpv6(dst=dst))
    h.run()
    assert h.ledger().fates == {fate: 1}


def test_the_loopback_address_does_not_come_from_a_wire(host):
    h = host(ip="fd00::2/64")
    h.feed(frames.icmpv6(src="::1"))
    h.run()
    assert h.ledger().fates == {"IP_INHDR": 1}


def test_a_jumbo_payload_length_of_0_is_nothing_we_take(host):
    h = host()
    h.udp(5000)
    jumbo = b"\xc2\x04\0\1\0\0"
    assert outcome(h, chain((HOPOPTS, jumbo), length=0))[0] == {"PKT_TOO_SMALL": 1}
