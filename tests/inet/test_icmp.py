"""ICMP, ICMPv6 and IGMP: length and checksum decide; echo is answered, errors are sent. See also test_icmp_limit.py."""

import frames
import peer
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import counted, fates
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import Ether

import vnic
from vnic._core import lib


def outcome(host, frame):
    """Fates, and ICMP's counters."""
    return fates(host, frame), counted(host, lambda name: "Icmp" in name)


def short_echo():
    """Four bytes of an ICMPv6 echo request, with the right sum."""
    return b"\x80\0" + frames.csum(frames.pseudo("fd00::1", "fd00::2", 58, 4) + b"\x80\0").to_bytes(2, "big")


@pytest.mark.parametrize(
    ("frame", "fate", "counters"),
    [
        (frames.icmp(), "DELIVERED_ICMP", {"Icmp_InMsgs": 1, "Icmp_InEchos": 1}),
        (frames.icmp(b""), "DELIVERED_ICMP", {"Icmp_InMsgs": 1, "Icmp_InEchos": 1}),
        (frames.icmp(b"odd"), "DELIVERED_ICMP", {"Icmp_InMsgs": 1, "Icmp_InEchos": 1}),
        (
            frames.icmp(check=1),
            "ICMP_CSUM",
            {"Icmp_InMsgs": 1, "Icmp_InErrors": 1, "Icmp_InCsumErrors": 1},
        ),
        (
            frames.eth(frames.ipv4(bytes(7), 1)),  # the sum over these is wrong, and comes first
            "ICMP_CSUM",
            {"Icmp_InMsgs": 1, "Icmp_InErrors": 1, "Icmp_InCsumErrors": 1},
        ),
        (
            frames.eth(frames.ipv4(b"\x08\0\xf7\xff\0\0\0", 1)),
            "PKT_TOO_SMALL",
            {"Icmp_InMsgs": 1, "Icmp_InErrors": 1},
        ),
        (frames.icmp(type=0), "DELIVERED_ICMP", {"Icmp_InMsgs": 1, "Icmp_InEchoReps": 1}),
        (frames.icmp(type=9), "DELIVERED_ICMP", {"Icmp_InMsgs": 1}),
        (frames.icmp(type=17), "DELIVERED_ICMP", {"Icmp_InMsgs": 1, "Icmp_InAddrMasks": 1}),
        (frames.icmp(type=19), "UNHANDLED_PROTO", {"Icmp_InMsgs": 1, "Icmp_InErrors": 1}),
        (frames.icmp(type=42), "DELIVERED_ICMP", {"Icmp_InMsgs": 1}),
        (frames.icmp(type=43), "DELIVERED_ICMP", {"Icmp_InMsgs": 1}),
        (frames.icmp(b"abc", type=13), "PKT_TOO_SMALL", {"Icmp_InMsgs": 1, "Icmp_InTimestamps": 1, "Icmp_InErrors": 1}),
        (
            frames.icmp(type=8, dst="224.0.0.1"),
            "INVALID_PROTO",
            {"Icmp_InMsgs": 1, "Icmp_InEchos": 1, "Icmp_InErrors": 1},
        ),
        (
            frames.icmp(bytes(19), type=3),
            "PKT_TOO_SMALL",
            {"Icmp_InMsgs": 1, "Icmp_InDestUnreachs": 1, "Icmp_InErrors": 1},
        ),
        (frames.icmp(bytes(28), type=11), "IP_INHDR", {"Icmp_InMsgs": 1, "Icmp_InTimeExcds": 1, "Icmp_InErrors": 1}),
        (frames.icmpv6(), "DELIVERED_ICMPV6", {"Icmp6_InMsgs": 1, "Icmp6_InEchos": 1}),
        (frames.icmpv6(b"odd"), "DELIVERED_ICMPV6", {"Icmp6_InMsgs": 1, "Icmp6_InEchos": 1}),
        (
            frames.icmpv6(check=1),
            "ICMP_CSUM",
            {"Icmp6_InMsgs": 1, "Icmp6_InErrors": 1, "Icmp6_InCsumErrors": 1},
        ),
        (
            frames.eth(frames.ipv6(bytes(7), 58), type=0x86DD),
            "ICMP_CSUM",
            {"Icmp6_InMsgs": 1, "Icmp6_InErrors": 1, "Icmp6_InCsumErrors": 1},
        ),
        (
            frames.eth(frames.ipv6(short_echo(), 58), type=0x86DD),
            "PKT_TOO_SMALL",
            {"Icmp6_InMsgs": 1, "Icmp6_InErrors": 1},
        ),
        (
            peer.nd(135, "fd00::2", src="fd00::1", dst="fd00::2"),
            "DELIVERED_ICMPV6",
            {"Icmp6_InMsgs": 1, "Icmp6_InNeighborSolicits": 1},
        ),
        (
            peer.nd(136, "fd00::1", src="fd00::1", dst="fd00::2"),
            "DELIVERED_ICMPV6",
            {"Icmp6_InMsgs": 1, "Icmp6_InNeighborAdvertisements": 1},
        ),
        (frames.igmp(), "DELIVERED_IGMP", {}),
        (frames.igmp(check=1), "ICMP_CSUM", {}),
        (frames.eth(frames.ipv4(bytes(7), 2)), "PKT_TOO_SMALL", {}),
    ],
)
def test_what_an_icmp_message_may_be(host, frame, fate, counters):
    assert outcome(host(), frame) == ({fate: 1}, counters)


def test_the_sum_of_icmpv6_covers_the_pseudo_header(host):
    """A sum that is right without the addresses is wrong."""
    message = bytes([128, 0, 0, 0, 0, 0, 0, 1])
    plain = message[:2] + frames.csum(message).to_bytes(2, "big") + message[4:]
    assert outcome(host(), frames.eth(frames.ipv6(plain, 58), type=0x86DD))[0] == {"ICMP_CSUM": 1}


@given(st.binary(max_size=2000), st.sampled_from((128, 200, 2048)))
def test_what_scapy_builds_is_delivered_in_buffers_of_any_size(payload, rx_buf_len):
    with vnic.Host(cost="zero", link="inf", rx_buf_len=rx_buf_len) as host:
        host.feed(
            [
                Ether(dst=frames.MAC, src=frames.PEER, type=0x0800)
                / IP(src="1.2.3.4", dst="5.6.7.8")
                / ICMP()
                / payload,
                Ether(dst=frames.MAC, src=frames.PEER, type=0x86DD)
                / IPv6(src="::5", dst="::6")
                / ICMPv6EchoRequest(data=payload),
                Ether(dst=frames.MAC, src=frames.PEER, type=0x86DD)
                / IPv6(src="::5", dst="ff02::1")
                / ICMPv6ND_NS(tgt="::6"),
            ]
        )
        host.run()
        assert host.ledger().fates == {"DELIVERED_ICMP": 1, "DELIVERED_ICMPV6": 2}


# ---- answers ----


def pings(v6, n, size=32):
    make = frames.icmpv6 if v6 else frames.icmp
    return [make(bytes([i & 255]) * size) for i in range(n)]


@pytest.mark.parametrize("v6", [False, True])
@given(size=st.integers(0, 9000), buf=st.sampled_from([256, 2048]), mtu=st.sampled_from([1280, 1500, 9000]))
def test_an_echo_request_comes_back_byte_for_byte(v6, size, buf, mtu):
    data = bytes(i * 11 & 255 for i in range(size))
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero", rx_buf_len=buf, mtu=mtu) as host:
        ask = peer.nd(135, "fd00::2", src="fd00::1", dst="fd00::2") if v6 else peer.arp(1, "10.0.0.1", "10.0.0.2")
        host.feed([ask, (frames.icmpv6 if v6 else frames.icmp)(data)])
        host.run(until_ns=10**9)
        replies = [s for s in peer.sent(host) if s.proto in (1, 58) and s.payload[0] != 136]
        if size + 8 + (40 if v6 else 20) > mtu:
            if not host.ledger().fates.get("DELIVERED_ICMPV6" if v6 else "DELIVERED_ICMP", 0) > v6:
                return  # longer than the card takes
            whole = peer.reassembled(replies)
        else:
            (reply,) = replies
            whole = reply.payload
        assert (whole[0], whole[4:]) == (129 if v6 else 0, bytes([0, 0, 0, 1]) + data)


def test_a_ping_to_all_is_not_answered_by_ipv4():
    """icmp_echo_ignore_broadcasts. IPv6 answers groups, from an address of its own."""
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero") as host:
        host.feed([peer.arp(1, "10.0.0.1", "10.0.0.2"), peer.nd(135, "fd00::2", src="fd00::1", dst="fd00::2")])
        host.feed([frames.icmp(dst="10.0.0.255", mac={"dst": b"\xff" * 6}), frames.icmp(dst="224.0.0.1")])
        host.feed(frames.icmpv6(dst="ff02::1", mac={"dst": bytes.fromhex("333300000001")}))
        host.run(until_ns=10**9)
        assert [s.src_ip for s in peer.sent(host) if s.proto in (1, 58) and s.payload[0] in (0, 129)] == ["fd00::2"]


# ---- errors ----


def errors(*fed, until_ns=10**9, **knobs):
    """Errors a known neighbour gets for frames: (type, code, what is quoted, ..), and the host's counters."""
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero", **knobs) as host:
        host.feed([peer.arp(1, "10.0.0.1", "10.0.0.2"), peer.nd(135, "fd00::2", src="fd00::1", dst="fd00::2")])
        host.run(until_ns=1)
        host.feed(fed, at_ns=1000)
        host.run(until_ns=until_ns)
        found = [s for s in peer.sent(host) if s.proto in (1, 58) and s.payload[0] in (1, 2, 3, 4, 11, 12)]
        return [(s.payload[0], s.payload[1], s.payload[8:], s.dst_ip, s.tos) for s in found], host.mib()


@pytest.mark.parametrize("size", [0, 100, 540, 541, 1400])
def test_a_port_without_a_socket_is_unreachable(size):
    frame = frames.udp(bytes(size), dport=9)
    assert errors(frame)[0] == [(3, 3, frame[14:][:548], "10.0.0.1", 0xC0)]
    frame = frames.udp(bytes(size), dport=9, src="fd00::1", dst="fd00::2")
    assert errors(frame)[0] == [(1, 4, frame[14:][:1232], "fd00::1", 0)]


def test_an_unknown_protocol_is_unreachable():
    frame = frames.eth(frames.ipv4(b"x" * 30, 253))
    assert errors(frame)[0] == [(3, 2, frame[14:], "10.0.0.1", 0xC0)]


@pytest.mark.parametrize(
    "frame",
    [
        frames.udp(dport=9, dst="10.0.0.255", mac={"dst": b"\xff" * 6}),
        frames.udp(dport=9, mac={"dst": b"\xff" * 6}),
        frames.udp(dport=9, dst="224.0.0.1", mac={"dst": bytes.fromhex("01005e000001")}),
        frames.udp(dport=9, src="0.0.0.0"),
        frames.udp(dport=9, src="fd00::1", dst="ff02::1", mac={"dst": bytes.fromhex("333300000001")}),
        frames.udp(dport=9, src="::", dst="fd00::2"),
        frames.udp(dport=9, check=1),
    ],
)
def test_nobody_hears_of_what_was_for_many_or_from_nobody(frame):
    """RFC 1122 section 3.2.2, RFC 4443 section 2.4. No error is made, so no limit is asked either."""
    found, mib = errors(frame)
    assert found == []
    assert [n for n, v in mib.items() if v and n.endswith(("_OutDestUnreachs", "_OutRateLimitHost"))] == []


# ---- timestamps ----


def test_a_timestamp_request_is_answered_with_the_time_of_day():
    """RFC 792: ms since midnight; in virtual time the day begins with the host."""
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as h:
        asking = frames.icmp(b"\0\0\0\7" + bytes(30), type=13, code=5)
        h.feed([peer.arp(1, "10.0.0.1", "10.0.0.2"), asking], at_ns=(86_400 + 3) * 10**9)
        h.run(until_ns=86_404 * 10**9)
        (answer,) = (s.payload for s in peer.sent(h) if s.proto == 1)
        assert answer[:2] + answer[4:] == bytes((14, 0)) + b"\0\0\0\1" + b"\0\0\0\7" + (3000).to_bytes(4, "big") * 2


# ---- errors ----


@pytest.mark.parametrize("kind", [3, 4, 5, 11, 12])
def test_nobody_hears_of_an_error_about_an_error(kind):
    """First fragments that never become whole: of an error nobody hears, of an echo request one does."""

    def first_fragment(kind):
        return frames.eth(frames.ipv4(bytes([kind, 0, 0, 0]) + bytes(28), 1, frag=0x2000, id=kind))

    assert errors(first_fragment(kind), until_ns=60 * 10**9)[0] == []
    assert [e[:2] for e in errors(first_fragment(8), until_ns=60 * 10**9)[0]] == [(11, 1)]


@pytest.mark.parametrize(("build", "headers"), [(frames.icmp, 34), (frames.icmpv6, 54)])
def test_who_adds_up_a_checksum_pays_by_the_byte(host, build, headers):
    """The card adds up none of ICMP: its CPU does."""
    h = host(cpus=1)
    h.machine.c.cost[lib.COST_CSUM_PS] = 1_000_000  # 1 us a byte
    h.feed(build())
    h.run()
    assert h.softnet()[0].now_ns == (len(build()) - headers) * 1000


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("size", [2, 9000])
def test_an_answers_checksum_that_comes_out_as_0_stays_0(v6, size):
    """Only in UDP 0 has a meaning of its own (RFC 1071, RFC 8200 section 8.1)."""
    make, ask = (
        (frames.icmpv6, peer.nd(135, "fd00::2", src="fd00::1", dst="fd00::2"))
        if v6
        else (frames.icmp, peer.arp(1, "10.0.0.1", "10.0.0.2"))
    )

    def answer(data):
        with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero", mtu=9100) as host:
            host.feed([ask, make(data)])
            host.run(until_ns=10**9)
            return next(s for s in peer.sent(host) if s.proto in (1, 58) and s.payload[0] in (0, 129))

    missing = answer(bytes(size)).payload[2:4]
    assert answer(missing + bytes(size - 2)).payload[2:4] == b"\0\0"
