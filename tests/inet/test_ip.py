"""IPv4 input: each header error, the counter it hits, and whose address it is."""

import struct

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import counted, fates
from scapy.layers.inet import ICMP, IP, UDP, IPOption
from scapy.layers.l2 import Ether

import vnic

good = frames.udp(b"x" * 30)[14:]
ALONE = {"Ip_ReasmReqds": 1, "Ip_ReasmTimeout": 1, "Ip_ReasmFails": 1}


def errors(host):
    return counted(
        host,
        lambda name: (
            name.startswith("Ip")
            and not any(word in name for word in ("Out", "Mcast", "Bcast"))
            and name not in {"Ip_InReceives", "Ip_InDelivers"}
        ),
    )


def outcome(host, frame):
    """Fates, and the IP counters that are not of every packet."""
    return fates(host, frame), errors(host)


def header(**changed):
    """The good packet's header with bytes changed (b0: the first), and its checksum right again."""
    head = bytearray(good[:20])
    for name, value in changed.items():
        head[int(name[1:])] = value
    head[10:12] = b"\0\0"
    head[10:12] = struct.pack("!H", frames.csum(bytes(head)))
    return bytes(head) + good[20:]


@pytest.mark.parametrize(
    ("packet", "fate", "counters"),
    [
        pytest.param(good, "DELIVERED_UDP", {}, id="good"),
        pytest.param(good[:19], "IP_INHDR", {"Ip_InHdrErrors": 1}, id="19 bytes"),
        pytest.param(header(b0=0x65), "IP_INHDR", {"Ip_InHdrErrors": 1}, id="version 6"),
        pytest.param(header(b0=0x44), "IP_INHDR", {"Ip_InHdrErrors": 1}, id="header of 16 bytes"),
        pytest.param(good[:0] + b"\x4f" + good[1:50], "IP_INHDR", {"Ip_InHdrErrors": 1}, id="header over end"),
        pytest.param(
            good[:8] + b"\x3f" + good[9:],
            "IP_CSUM",
            {"Ip_InHdrErrors": 1, "Ip_InCsumErrors": 1},
            id="TTL changed on the way",
        ),
        pytest.param(header(b3=19), "IP_INHDR", {"Ip_InHdrErrors": 1}, id="length below header"),
        pytest.param(
            frames.icmp(total=0)[14:], "IP_INHDR", {"Ip_InHdrErrors": 1}, id="no length, and not merged of several"
        ),
        pytest.param(header(b3=59), "PKT_TOO_SMALL", {"IpExt_InTruncatedPkts": 1}, id="one byte too few"),
        pytest.param(good[:40], "PKT_TOO_SMALL", {"IpExt_InTruncatedPkts": 1}, id="cut"),
        pytest.param(header(b6=0x20), "FRAG_REASM_TIMEOUT", ALONE, id="first fragment"),
        pytest.param(header(b6=0, b7=1), "FRAG_REASM_TIMEOUT", ALONE, id="later fragment"),
        pytest.param(header(b6=0x80), "DELIVERED_UDP", {}, id="reserved bit"),
        pytest.param(header(b9=200), "IP_NOPROTO", {"Ip_InUnknownProtos": 1}, id="protocol 200"),
        pytest.param(header(b9=58), "IP_NOPROTO", {"Ip_InUnknownProtos": 1}, id="ICMPv6 in v4"),
    ],
)
def test_what_an_ip_header_may_be(host, packet, fate, counters):
    h = host()
    h.udp(5000)
    assert outcome(h, frames.eth(packet)) == ({fate: 1}, counters)


def test_bug_a_packet_of_an_unknown_protocol_was_not_delivered(host):
    h = host()
    outcome(h, frames.eth(header(b9=200)))
    assert h.mib()["Ip_InReceives"] == 1
    assert h.mib()["Ip_InDelivers"] == 0


@pytest.mark.parametrize(
    ("options", "fate"),
    [
        (b"\x01\x01\x01\x00", "DELIVERED_UDP"),
        (b"\x00\xff\xff\xff", "DELIVERED_UDP"),  # nothing behind the end counts
        (b"\x07\x03\x04\x00", "DELIVERED_UDP"),  # record route, empty
        (b"\x94\x04\x00\x00", "DELIVERED_UDP"),  # router alert
        (b"\x01\x01\x01\x07", "IP_INHDR"),  # no room for a length
        (b"\x07\x01\x00\x00", "IP_INHDR"),  # does not count itself
        (b"\x07\x00\x00\x00", "IP_INHDR"),
        (b"\x07\x05\x04\x00", "IP_INHDR"),  # ends behind the header
        (b"\x44" * 40, "IP_INHDR"),
    ],
)
def test_ip_options(host, options, fate):
    h = host()
    h.udp(5000)
    assert outcome(h, frames.udp(options=options))[0] == {fate: 1}


def test_options_do_not_move_the_payload(host):
    h = host()
    sock = h.udp(5000)
    packet = IP(src="10.0.0.1", dst="10.0.0.2", options=IPOption(b"\x94\x04\x00\x00"))
    h.feed(Ether(dst=frames.MAC, src=frames.PEER, type=0x800) / packet / UDP(sport=7, dport=5000) / b"behind options")
    assert sock.recvfrom() == (b"behind options", ("10.0.0.1", 7))


@pytest.mark.parametrize("padding", [b"\0", b"\xff" * 18])
def test_padding_is_trimmed(host, padding):
    h = host()
    sock = h.udp(5000)
    h.feed(frames.udp(b"real") + padding)
    assert sock.recv() == b"real"


# ---- addresses ----


@pytest.mark.parametrize(
    ("src", "fate"),
    [
        ("10.0.0.1", "DELIVERED_ICMP"),
        ("0.0.0.0", "IP_INVALID_SOURCE"),  # only who sends to all may ask for an address
        ("0.0.0.5", "DELIVERED_ICMP"),
        ("10.0.0.2", "IP_LOCAL_SOURCE"),
        ("10.0.0.255", "DELIVERED_ICMP"),  # rp_filter 0
        ("224.0.0.1", "IP_INVALID_SOURCE"),
        ("239.255.255.255", "IP_INVALID_SOURCE"),
        ("240.0.0.1", "DELIVERED_ICMP"),
        ("255.255.255.255", "IP_INVALID_SOURCE"),
        ("127.0.0.1", "IP_LOCALNET"),
    ],
)
def test_martian_sources(host, src, fate):
    h = host(ip="10.0.0.2/24")
    assert outcome(h, frames.icmp(src=src, dst="10.0.0.2"))[0] == {fate: 1}


@pytest.mark.parametrize(
    ("src", "dst", "fate"),
    [
        ("10.0.0.1", "0.0.0.0", "IP_INVALID_DEST"),
        ("10.0.0.1", "127.0.0.1", "IP_LOCALNET"),
        ("10.0.0.1", "240.0.0.1", "IP_INADDRERRORS"),
        ("0.0.0.0", "255.255.255.255", "INVALID_PROTO"),  # a DHCP client's would be taken, a ping is not
        ("0.0.0.0", "0.0.0.0", "INVALID_PROTO"),
        ("10.0.0.2", "10.0.0.255", "IP_LOCAL_SOURCE"),
        ("10.0.0.2", "10.0.0.9", "IP_INADDRERRORS"),
        ("10.0.0.1", "224.0.0.2", "IP_NOT_JOINED"),
        ("127.0.0.1", "224.0.0.1", "IP_LOCALNET"),
        ("224.0.0.1", "224.0.0.1", "IP_INVALID_SOURCE"),
        ("0.0.0.0", "224.0.0.1", "INVALID_PROTO"),
        ("10.0.0.2", "224.0.0.1", "IP_LOCAL_SOURCE"),
    ],
)
def test_martian_pairs(host, src, dst, fate):
    h = host(ip="10.0.0.2/24")
    fates, counters = outcome(h, frames.icmp(src=src, dst=dst))
    assert fates == {fate: 1}
    assert counters == ({"Ip_InAddrErrors": 1} if fate == "IP_INADDRERRORS" else {})


def test_a_capture_of_the_loopback_device_may_have_its_addresses(host):
    assert outcome(host(), frames.icmp(src="127.0.0.1", dst="127.0.0.1"))[0] == {"DELIVERED_ICMP": 1}


@pytest.mark.parametrize(
    ("dst", "fate"),
    [
        ("10.0.0.2", "DELIVERED_UDP"),
        ("10.0.0.255", "DELIVERED_UDP"),  # the network's broadcast
        ("10.0.0.0", "IP_INADDRERRORS"),  # no longer one
        ("10.0.0.3", "IP_INADDRERRORS"),
        ("10.0.1.255", "IP_INADDRERRORS"),
        ("255.255.255.255", "DELIVERED_UDP"),
        ("224.0.0.1", "NO_SOCKET"),  # a socket of both families has to join it
        ("224.0.0.251", "IP_NOT_JOINED"),
        ("192.168.7.1", "DELIVERED_UDP"),  # the second address
        ("192.168.7.0", "IP_INADDRERRORS"),  # /31 has no broadcast
        ("172.16.0.9", "DELIVERED_UDP"),
        ("172.16.0.10", "IP_INADDRERRORS"),
    ],
)
def test_whose_address_it_is(host, dst, fate):
    h = host(ip=["10.0.0.2/24", "192.168.7.1/31", "172.16.0.9/32", "fd00::2/64"])
    h.udp(5000)
    fates, counters = outcome(h, frames.udp(dst=dst))
    assert fates == {fate: 1}
    assert counters == ({"Ip_InAddrErrors": 1} if fate == "IP_INADDRERRORS" else {})


def test_what_is_for_many_is_counted_apart(host):
    h = host(ip="10.0.0.2/24")
    h.udp(5000)
    many = ("10.0.0.255", "255.255.255.255", "224.0.0.1")
    h.feed([frames.udp(bytes(10), dst=d) for d in (*many, "224.0.0.9", "10.0.0.2")])
    h.feed(frames.udp(dst=many[0], options=b"\x07\1\0\0"))
    h.run()
    assert counted(h, lambda name: "cast" in name) == {
        "IpExt_InBcastPkts": 2,
        "IpExt_InBcastOctets": 2 * 38,
        "IpExt_InMcastPkts": 1,
        "IpExt_InMcastOctets": 38,
    }


def test_a_network_of_everything_has_no_broadcast_but_everybodys(host):
    h = host(ip="10.0.0.2/0")
    h.udp(5000)
    dsts = ("255.255.255.255", "10.0.0.2", "255.255.255.254", "10.0.0.3")
    fates = []
    for dst in dsts:
        before = h.ledger()
        h.feed(frames.udp(dst=dst))
        h.run()
        fates += [*(h.ledger() - before).fates]
    assert fates == ["DELIVERED_UDP"] * 2 + ["IP_INADDRERRORS"] * 2


@given(st.binary(min_size=8, max_size=60), st.integers(0, 255), st.integers(0, 255))
def test_what_scapy_builds_is_delivered(payload, tos, ttl):
    with vnic.Host(cost="zero", link="inf") as host:
        host.feed(
            Ether(dst=frames.MAC, src=frames.PEER, type=0x800)
            / IP(src="1.2.3.4", dst="5.6.7.8", tos=tos, ttl=ttl)
            / ICMP()
            / payload
        )
        host.run()
        assert host.ledger().fates == {"DELIVERED_ICMP": 1}


@given(st.integers(0, 19), st.integers(0, 7))
def test_no_single_flipped_bit_of_the_header_gets_through(at, bit):
    flipped = bytearray(frames.icmp())
    flipped[14 + at] ^= 1 << bit
    with vnic.Host(cost="zero", link="inf") as host:
        host.feed(bytes(flipped))
        host.run()
        assert host.ledger().delivered == 0
        assert errors(host)
