"""ICMP, ICMPv6 and IGMP: length and checksum decide."""

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import Ether

import vnic


def outcome(host, frame):
    """Fates, and what the snmp counters of ICMP say."""
    host.feed(frame)
    host.run()
    return host.ledger().fates, {n: v for n, v in host.mib().items() if v and "Icmp" in n}


@pytest.mark.parametrize(
    ("frame", "fate", "counters"),
    [
        (frames.icmp(), "DELIVERED_ICMP", {"Icmp_InMsgs": 1}),
        (frames.icmp(b""), "DELIVERED_ICMP", {"Icmp_InMsgs": 1}),
        (frames.icmp(b"odd"), "DELIVERED_ICMP", {"Icmp_InMsgs": 1}),
        (
            frames.icmp(check=1),
            "ICMP_CSUM",
            {"Icmp_InMsgs": 1, "Icmp_InErrors": 1, "Icmp_InCsumErrors": 1},
        ),
        (
            frames.eth(frames.ipv4(bytes(7), 1)),
            "PKT_TOO_SMALL",
            {"Icmp_InMsgs": 1, "Icmp_InErrors": 1},
        ),
        (frames.icmpv6(), "DELIVERED_ICMPV6", {"Icmp6_InMsgs": 1}),
        (frames.icmpv6(b"odd"), "DELIVERED_ICMPV6", {"Icmp6_InMsgs": 1}),
        (
            frames.icmpv6(check=1),
            "ICMP_CSUM",
            {"Icmp6_InMsgs": 1, "Icmp6_InErrors": 1, "Icmp6_InCsumErrors": 1},
        ),
        (
            frames.eth(frames.ipv6(bytes(7), 58), type=0x86DD),
            "PKT_TOO_SMALL",
            {"Icmp6_InMsgs": 1, "Icmp6_InErrors": 1},
        ),
        (frames.igmp(), "DELIVERED_IGMP", {}),
        (frames.igmp(check=1), "ICMP_CSUM", {}),
        (frames.eth(frames.ipv4(bytes(7), 2)), "PKT_TOO_SMALL", {}),
    ],
)
def test_messages(host, frame, fate, counters):
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
