"""ndisc_output.c: what neighbour discovery sends: answers, questions to neighbours and routers, probes."""

import ipaddress

import frames
import peer
from hypothesis import given
from hypothesis import strategies as st
from peer import nd, quiet, sent
from test_autoconf import OWN, SECOND, careful, feed, listener, probes, solicitations
from test_ndisc import GROUP, answers
from twin_cases.neighbours import ns

import vnic
from vnic.control import commands


def test_who_looks_for_a_duplicate_gets_an_answer_for_all():
    seen, known, _ = answers(nd(135, "fd00::2", src="::", dst="ff02::1:ff00:2", to=GROUP, mac=None))
    (a,) = seen
    assert (a.dst_ip, a.dst, a.payload[4] >> 5) == ("ff02::1", bytes.fromhex("333300000001"), 0b001)
    assert known == []


@given(st.integers(3, 2**64 - 1))
def test_who_is_not_known_is_asked_in_the_group_of_its_address(n):
    """RFC 4291 section 2.7.1: ff02::1:ff00:0 and the lowest 24 bits. RFC 2464: 33:33 and the group's lowest 32."""
    target = ipaddress.IPv6Address("fd00::") + n
    with quiet(vnic.Host(ip=["fd00::2/64"], cost="zero")) as host:
        host.udp(7).sendto(b"x", (str(target), 9))
        host.run(until_ns=SECOND)
        asked = sent(host)[0]
    group = int(ipaddress.IPv6Address("ff02::1:ff00:0")) | n & 0xFFFFFF
    assert asked.dst_ip == str(ipaddress.IPv6Address(group))
    assert asked.dst == b"\x33\x33" + group.to_bytes(16)[12:]
    assert ipaddress.IPv6Address(asked.payload[8:24]) == target


def test_a_host_asks_routers_three_times():
    with listener() as host:
        host.run(until_ns=60 * SECOND)
        asked = solicitations(peer.sent(host))
        assert [round(s.t_ns / SECOND) for s in asked] == [0, 4, 8]
        (first, *_) = asked
        assert (first.src_ip, first.dst_ip, first.ttl) == (OWN, "ff02::2", 255)
        assert first.dst == bytes.fromhex("333300000002")
        assert first.payload[4:] == bytes(4) + b"\1\1" + frames.MAC
        assert host.mib()["Icmp6_OutRouterSolicits"] == 3


def test_a_host_asks_whether_its_addresses_are_free():
    with careful() as host:
        host.run(until_ns=60 * SECOND)
        asked = probes(peer.sent(host))
        targets = [str(ipaddress.IPv6Address(s.payload[8:24])) for s in asked]
        assert sorted(targets) == sorted(["fd00::2", OWN] * 2)
        assert sorted({round(s.t_ns / SECOND, 3) for s in asked}) == [0, 1]
        assert {s.dst_ip for s in asked} == {"ff02::1:ff00:2", "ff02::1:ff00:1"}
        assert all(s.payload[24:26] == b"\x0e\1" and len(s.payload) == 32 for s in asked)  # a nonce
        assert [s.payload[0] for s in feed(host, ns(), at_s=61)] == [136]
        assert "tentative" not in commands.answer(host, "ip", ["addr"]).out
