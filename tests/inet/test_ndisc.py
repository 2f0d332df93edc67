"""Neighbour discovery: who is answered, what is believed. RFC 4861. What is sent: test_ndisc_output.py."""

import frames
import pytest
from peer import nd, quiet, sent

import vnic

SECOND = 1_000_000_000
GROUP = bytes.fromhex("3333ff000002")
OTHER = bytes.fromhex("020000000099")


def answers(*fed, until_ns=SECOND):
    """What a host sends that gets these frames, whom it knows then, and the frames' fates."""
    with quiet(vnic.Host(ip=["fd00::2/64"], mac="02:00:00:00:00:01", cost="zero")) as host:
        host.feed(fed)
        host.run(until_ns=until_ns)
        return sent(host), host.neighbours(), host.ledger().fates


@pytest.mark.parametrize(
    ("src", "dst", "to", "mac"),
    [
        ("fd00::1", "ff02::1:ff00:2", GROUP, frames.PEER),
        ("fd00::1", "fd00::2", frames.MAC, None),
        ("fe80::5", "fd00::2", frames.MAC, frames.PEER),
    ],
)
def test_a_solicitation_is_answered_and_its_sender_remembered(src, dst, to, mac):
    seen, known, _ = answers(nd(135, "fd00::2", src=src, dst=dst, to=to, mac=mac))
    advert = [s for s in seen if s.payload[0] == 136]
    if mac is None:  # nobody knows yet where the answer goes: it waits for an answer itself
        assert (advert, seen[0].payload[0], known[0].state) == ([], 135, "INCOMPLETE")
        return
    (a,) = advert
    assert (a.src_ip, a.dst_ip, a.ttl, a.dst) == ("fd00::2", src, 255, frames.PEER)
    to_group = dst != "fd00::2"
    assert a.payload[4] >> 5 == (0b011 if to_group else 0b010)  # solicited, override; no router
    assert a.payload[24:] == (b"\x02\x01" + frames.MAC if to_group else b"")
    assert (known[0].ip, known[0].mac) == (src, frames.PEER.hex(":"))


@pytest.mark.parametrize(
    ("fate", "frame"),
    [
        ("IPV6_NDISC_HOP_LIMIT", nd(135, "fd00::2", src="fd00::1", dst="fd00::2", hops=254)),
        ("IPV6_NDISC_NS_OTHERHOST", nd(135, "fd00::3", src="fd00::1", dst="fd00::2")),
        ("NDISC_NO_NEWS", nd(135, "ff02::1", src="fd00::1", dst="fd00::2")),
        (
            "NDISC_NO_NEWS",
            nd(135, "fd00::2", src="::", dst="ff02::1:ff00:2", to=GROUP),
        ),  # no address, but a MAC address
        ("NDISC_NO_NEWS", nd(135, "fd00::2", src="::", dst="fd00::2", mac=None)),
        ("NDISC_NO_NEWS", nd(136, "fd00::1", src="fd00::1", dst="fd00::2", flags=3)),  # nobody asked: no entry is made
        ("NDISC_NO_NEWS", nd(136, "fd00::2", src="fd00::1", dst="fd00::2", flags=3)),  # somebody else has our address
    ],
)
def test_what_is_wrong_is_ignored(fate, frame):
    seen, known, fates = answers(frame)
    assert (seen, known, fates) == ([], [], {fate: 1})


@pytest.mark.parametrize(
    ("flags", "mac", "state", "believed"),
    [
        (0b010, frames.PEER, "REACHABLE", frames.PEER),  # solicited, the same
        (0b011, OTHER, "REACHABLE", OTHER),  # override
        (0b010, OTHER, "DELAY", frames.PEER),  # another, but it must not override
        (0b001, OTHER, "STALE", OTHER),  # unsolicited: it moved
        (0b010, None, "REACHABLE", frames.PEER),  # no option: the known one is meant
    ],
)
def test_an_advertisement_changes_what_is_known(flags, mac, state, believed):
    ask = nd(135, "fd00::2", src="fd00::1", dst="fd00::2")
    tell = (SECOND, nd(136, "fd00::1", src="fd00::1", dst="fd00::2", flags=flags, mac=mac))
    _, known, _ = answers(ask, tell, until_ns=2 * SECOND)
    assert (known[0].state, known[0].mac) == (state, believed.hex(":"))


def test_a_solicitation_that_spans_buffers_is_answered():
    """Options that nobody knows make it long; the checksum has been verified over all of it."""
    unknown = bytes((99, 31)) + bytes(31 * 8 - 2)
    frame = nd(135, "fd00::2", src="fd00::1", dst="fd00::2", option=None)
    packet = frame[14:]
    message = packet[40:42] + b"\0\0" + packet[44:] + unknown
    check = frames.csum(frames.pseudo("fd00::1", "fd00::2", 58, len(message)) + message)
    whole = message[:2] + check.to_bytes(2) + message[4:]
    long = frame[:14] + frames.ipv6(whole, 58, src="fd00::1", dst="fd00::2", hops=255)
    with vnic.Host(ip="fd00::2/64", mac="02:00:00:00:00:01", cost="zero", rx_buf_len=128) as h:
        h.feed([long])
        h.run(until_ns=1000)
        assert h.ledger().fates == {"DELIVERED_ICMPV6": 1}
        assert [s.payload[0] for s in sent(h)] == [136]


def test_a_host_with_ipv6_has_a_link_local_address():
    seen, _, _ = answers(
        nd(135, "fe80::ff:fe00:1", src="fe80::5", dst="ff02::1:ff00:1", to=bytes.fromhex("3333ff000001"))
    )
    assert seen[0].src_ip == "fe80::ff:fe00:1"
