"""Options of an IPv4 header, where no kernel is asked: in replays, in fragments that are sent, with any bytes."""

import ipaddress

import frames
import peer
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import fates

import vnic

US = ipaddress.ip_address("10.0.0.2").packed
ROUTE = b"\x07\x0b\4" + bytes(8) + b"\0"
TIMES = b"\x44\x14\5\1" + bytes(16)
ALERT = b"\x94\4\0\0"


def answers(*fed, mtu=1500, at_ns=0):
    """The IPv4 headers and payloads of what a host sends to a known neighbour."""
    with vnic.Host(ip="10.0.0.2/24", cost="zero", mtu=mtu) as host:
        host.feed([peer.arp(1, "10.0.0.1", "10.0.0.2"), *fed], at_ns=at_ns)
        host.run(until_ns=at_ns + 10**9)
        packets = [f[14:] for _, f in host.nic.sent() if f[12:14] == b"\x08\0"]
    heads = [p[: (p[0] & 15) * 4] for p in packets]
    assert all(frames.csum(h) == 0 for h in heads)
    ends = [int.from_bytes(p[2:4], "big") for p in packets]
    return [(h, p[len(h) : end]) for h, p, end in zip(heads, packets, ends, strict=True)]


def test_an_echo_reply_records_the_route_and_the_time():
    ((head, _),) = answers(frames.icmp(options=ROUTE), at_ns=5 * 10**9)
    assert head[20:] == b"\x07\x0b\x0c" + US + US + b"\0"
    ((head, _),) = answers(frames.icmp(options=TIMES), at_ns=5 * 10**9)
    now = (5000).to_bytes(4, "big")
    assert head[20:] == b"\x44\x14\x15\1" + US + now + US + now


@pytest.mark.parametrize("mtu", [576, 1280, 1500])
def test_only_the_first_fragment_has_options_that_are_not_copied(mtu):
    data = bytes(i & 255 for i in range(3000))
    parts = [  # a router alert is not answered
        frames.eth(frames.ipv4(part, 1, frag=at // 8 | more, options=ALERT + ROUTE, id=7))
        for at, more, part in _cut(frames.icmp(data)[34:], 500)
    ]
    replies = answers(*parts, mtu=mtu)
    assert len(replies) > 2
    later = [b"\1" * 11 + b"\0"] * (len(replies) - 1)
    assert [h[20:] for h, _ in replies] == [b"\x07\x0b\x0c" + US + US + b"\0", *later]
    assert all(len(h) + len(p) <= mtu for h, p in replies)
    assert [int.from_bytes(h[6:8], "big") & 0x1FFF for h, _ in replies] == [
        sum(len(p) for _, p in replies[:i]) // 8 for i in range(len(replies))
    ]
    assert b"".join(p for _, p in replies)[8:] == data


def _cut(message, size):
    ats = range(0, len(message), size // 8 * 8)
    return [(at, 0x2000 if at + ats.step < len(message) else 0, message[at : at + ats.step]) for at in ats]


@pytest.mark.parametrize("options", [ROUTE, TIMES])
def test_a_replay_leaves_packets_as_they_are(host, options, tmp_path):
    h = host()
    tap = vnic.Capture(h, tmp_path / "seen.pcap", at="stack")
    h.feed(frames.icmp(options=options))
    h.run()
    tap.close()
    assert frames.raw_frames(tmp_path / "seen.pcap") == [frames.icmp(options=options)]
    assert h.ledger().fates == {"DELIVERED_ICMP": 1}


@pytest.mark.parametrize("options", [b"\x07\1\0\0", b"\x07\7\3\0\0\0\0\0", b"\x86\6\0\0\0\0\0\0"])
def test_a_replay_refuses_bad_options_too(host, options):
    assert fates(host(), frames.icmp(options=options)) == {"IP_INHDR": 1}


@given(st.binary(max_size=40), st.sampled_from((1, 17, 200)), st.sampled_from((128, 2048)))
def test_whatever_the_options_are_answers_have_headers_that_are_right(options, proto, buf):
    options += bytes(-len(options) % 4)
    body = frames.icmp(b"data")[34:] if proto == 1 else b"\0\1\0\2\0\x0c\0\0data"
    with vnic.Host(ip="10.0.0.2/24", cost="zero", rx_buf_len=buf) as host:
        host.feed([peer.arp(1, "10.0.0.1", "10.0.0.2"), frames.eth(frames.ipv4(body, proto, options=options))])
        host.run(until_ns=10**9)
        assert host.ledger().closed
        for _, frame in host.nic.sent():
            if frame[12:14] == b"\x08\0":
                ihl = (frame[14] & 15) * 4
                assert frames.csum(frame[14 : 14 + ihl]) == 0
                assert frames.csum(frame[14 + ihl : 14 + int.from_bytes(frame[16:18], "big")]) == 0
