"""What routers say of our addresses, and whether they are ours alone. RFC 4861, 4862. See also test_twin.py."""

import frames
import peer
import pytest
from twin_cases.neighbours import OTHER, lladdr, na, ns, ping
from twin_cases.routers import AUTO, FOREVER, mtu, pio, ra

import vnic
from vnic._core import lib
from vnic.address import inet_text
from vnic.control import commands

SECOND = 1_000_000_000
OWN = "fe80::ff:fe00:1"


def listener(**options):
    own = {"ip": "fd00::2/64", "mac": frames.MAC.hex(":"), "cost": "zero", "accept_ra": True}
    return vnic.Host(**(own | options))


def feed(host, *fed, at_s=None, for_s=0.001):
    at = host.now_ns if at_s is None else int(at_s * SECOND)
    host.feed(list(fed), at_ns=at)
    host.run(until_ns=at + int(for_s * SECOND))
    return peer.sent(host)


def addresses(host):
    lib.addrconf_expire(host.machine.c, host.now_ns)
    return [inet_text(host.machine.c.ip[i].addr) for i in range(host.machine.c.nips)]


def solicitations(seen):
    return [s for s in seen if s.proto == 58 and s.payload[0] == 133]


def test_a_router_that_answers_is_not_asked_again():
    with listener() as host:
        host.run(until_ns=SECOND)
        seen = peer.sent(host) + feed(host, ra(), at_s=1, for_s=60)
        assert len(solicitations(seen)) == 1


@pytest.mark.parametrize("options", [{"accept_ra": False}, {"ip": "10.0.0.2/24"}])
def test_who_does_not_listen_asks_nobody_and_learns_nothing(options):
    with listener(**options) as host:
        seen = feed(host, ra(pio()), for_s=10)
        assert not solicitations(seen)
        assert AUTO not in addresses(host)
        assert host.machine.c.addrconf.nrouters == 0


def test_an_address_lives_as_long_as_the_router_says():
    with listener() as host:
        feed(host, ra(lladdr(1, OTHER), pio(valid=100, preferred=50)), at_s=1)
        assert AUTO in addresses(host)
        ask = ns(AUTO, src="fd01::5", dst="ff02::1:ff00:1")
        assert [s.payload[0] for s in feed(host, ask, at_s=100)] == [136]
        assert feed(host, ask, ping("fd01::5", dst=AUTO), at_s=102) == []
        assert AUTO not in addresses(host)
        assert host.ledger().fates["IPV6_NDISC_NS_OTHERHOST"] == 1


def test_hop_limit_and_mtu_are_those_of_the_link():
    with listener() as host:
        feed(host, ra(mtu(1280), hops=9), ns(src="fd00::7", dst="fd00::2"), at_s=1)
        host.udp(7).sendto(bytes(1300), ("fd00::7", 9))
        host.run(until_ns=2 * SECOND)
        sent = [s for s in peer.sent(host) if s.proto == 17]
        assert [len(s.frame) for s in sent] == [14 + 1280, 14 + 40 + 8 + 1308 - 1232]
        assert {s.ttl for s in sent} == {9}


def test_times_of_the_link_are_those_of_its_neighbours():
    with listener() as host:
        feed(host, ra(reachable=10_000, retrans=500), ns(), na(0b010), at_s=1)
        assert {n.ip: n.state for n in host.neighbours()}["fd00::7"] == "REACHABLE"
        host.udp(7).sendto(b"x", ("fd00::9", 9))
        host.run(until_ns=10 * SECOND)
        asked = [s.t_ns for s in peer.sent(host) if s.payload[:1] == b"\x87" and s.payload[8:24][-1] == 9]
        assert [round((t - asked[0]) / SECOND, 1) for t in asked] == [0, 0.5, 1]
        feed(host, ping("fd00::7"), at_s=12)
        assert {n.ip: n.state for n in host.neighbours()}["fd00::7"] == "DELAY"


def test_ip_shows_what_was_learnt():
    """As the real tool shows it of a kernel that heard the same."""

    def shown(line):
        return commands.answer(host, "ip", line.split()).out

    with listener() as host:
        feed(
            host,
            ra(
                lladdr(1, OTHER),
                pio(),
                pio("fd02::", valid=FOREVER, preferred=FOREVER),
                pio("fd03::", preferred=0),
                pio("fd04::", flags=0x80, plen=56),
                mtu(1400),
                hops=9,
                flags=8,
            ),
            ra(src="fe80::7", life=600),
            at_s=1,
            for_s=0.5,
        )
        feed(host, frames.eth(b"", type=0x9000), at_s=1.4)
        assert shown("-6 addr").partition("\n")[2].replace(" \n", "\n") == """\
    inet6 fd03::ff:fe00:1/64 scope global deprecated dynamic mngtmpaddr
       valid_lft 3600sec preferred_lft 0sec
    inet6 fd02::ff:fe00:1/64 scope global dynamic mngtmpaddr
       valid_lft forever preferred_lft forever
    inet6 fd01::ff:fe00:1/64 scope global dynamic mngtmpaddr
       valid_lft 3600sec preferred_lft 1800sec
    inet6 fd00::2/64 scope global nodad
       valid_lft forever preferred_lft forever
    inet6 fe80::ff:fe00:1/64 scope link nodad
       valid_lft forever preferred_lft forever
"""  # fmt: skip
        assert (
            shown("-6 route").replace("vnic0", "twin0")
            == """\
fd00::/64 dev twin0 proto kernel metric 256 pref medium
fd01::/64 dev twin0 proto kernel metric 256 expires 3599sec pref medium
fd02::/64 dev twin0 proto kernel metric 256 pref medium
fd03::/64 dev twin0 proto kernel metric 256 expires 3599sec pref medium
fd04::/56 dev twin0 proto kernel metric 256 expires 3599sec pref medium
fe80::/64 dev twin0 proto kernel metric 256 pref medium
default via fe80::1 dev twin0 proto ra metric 1024 expires 1799sec mtu 1400 hoplimit 9 pref high
default via fe80::7 dev twin0 proto ra metric 1024 expires 599sec pref medium
"""
        )


# ---- is an address ours alone? ----


def probes(seen):
    return [s for s in seen if s.proto == 58 and s.payload[0] == 135 and s.src_ip == "::"]


def careful(**options):
    return listener(**({"accept_ra": False, "dad_transmits": 2} | options))


def test_an_address_that_may_not_be_ours_is_not_defended_and_not_used():
    with careful() as host:
        assert [s.payload[0] for s in feed(host, ns(), at_s=0.5) if s.payload[0] == 136] == []
        assert commands.answer(host, "ip", ["addr"]).out.count(" tentative ") == 2
        with pytest.raises(OSError, match="unreachable"):
            host.udp(7).sendto(b"x", ("fd00::7", 9))


@pytest.mark.parametrize(
    "other", [na(0b001, "fd00::2", dst="ff02::1"), ns(options=b"", src="::", dst="ff02::1:ff00:2")]
)
def test_who_has_our_address_keeps_it(other):
    """RFC 4862 section 5.4: another host has it, or wants it at the same time."""
    with careful() as host:
        feed(host, other, at_s=0.5)
        host.run(until_ns=10 * SECOND)
        peer.sent(host)
        assert feed(host, ns(), at_s=11) == []
        assert " dadfailed tentative " in commands.answer(host, "ip", ["addr"]).out
        assert [s.payload[0] for s in feed(host, ns(OWN, src="fe80::7", dst=OWN), at_s=12)] == [136]


def test_our_own_probe_that_comes_back_does_not_count():
    """RFC 7527: its nonce tells."""
    with careful() as host:
        host.run(until_ns=SECOND // 2)
        for s in probes(peer.sent(host)):
            feed(host, s.frame, at_s=0.6)
        host.run(until_ns=10 * SECOND)
        assert "dadfailed" not in commands.answer(host, "ip", ["addr"]).out


def test_routers_are_asked_when_our_address_is_known_to_be_ours():
    with careful(accept_ra=True) as host:
        host.run(until_ns=60 * SECOND)
        assert [round(s.t_ns / SECOND) for s in solicitations(peer.sent(host))] == [2, 6, 10]


def test_a_lifetime_is_a_number_of_32_bits():
    with listener() as host:
        feed(host, ra(pio(valid=FOREVER - 1, preferred=FOREVER - 1)), at_s=1)
        net = next(n for n in host.machine.c.ip[0 : host.machine.c.nips] if inet_text(n.addr) == AUTO)
        assert abs(net.valid - FOREVER * SECOND) < 2 * SECOND
