"""What routers say of our addresses, and whether they are ours alone. RFC 4861, 4862. See also test_twin.py."""

import ipaddress

import frames
import peer
import pytest
from twin_cases.neighbours import OTHER, THIRD, lladdr, na, ns, ping
from twin_cases.routers import AUTO, FOREVER, mtu, pio, ra

import vnic
from vnic._core import lib
from vnic.address import inet_text
from vnic.control import commands

SECOND = 1_000_000_000
OWN = "fe80::ff:fe00:1"


@pytest.fixture
def listener():
    def make(**options):
        own = {"ip": "fd00::2/64", "mac": frames.MAC.hex(":"), "cost": "zero", "accept_ra": True}
        return vnic.Host(**(own | options))

    return make


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


def test_a_host_asks_routers_three_times(listener):
    with listener() as host:
        host.run(until_ns=60 * SECOND)
        asked = solicitations(peer.sent(host))
        assert [round(s.t_ns / SECOND) for s in asked] == [0, 4, 8]
        (first, *_) = asked
        assert (first.src_ip, first.dst_ip, first.ttl) == (OWN, "ff02::2", 255)
        assert first.dst == bytes.fromhex("333300000002")
        assert first.payload[4:] == bytes(4) + b"\1\1" + frames.MAC
        assert host.mib()["Icmp6_OutRouterSolicits"] == 3


def test_a_router_that_answers_is_not_asked_again(listener):
    with listener() as host:
        host.run(until_ns=SECOND)
        seen = peer.sent(host) + feed(host, ra(), at_s=1, for_s=60)
        assert len(solicitations(seen)) == 1


@pytest.mark.parametrize("options", [{"accept_ra": False}, {"ip": "10.0.0.2/24"}])
def test_who_does_not_listen_asks_nobody_and_learns_nothing(listener, options):
    with listener(**options) as host:
        seen = feed(host, ra(pio()), for_s=10)
        assert not solicitations(seen)
        assert AUTO not in addresses(host)
        assert host.machine.c.addrconf.nrouters == 0


def test_an_address_lives_as_long_as_the_router_says(listener):
    with listener() as host:
        feed(host, ra(lladdr(1, OTHER), pio(valid=100, preferred=50)), at_s=1)
        assert AUTO in addresses(host)
        ask = ns(AUTO, src="fd01::5", dst="ff02::1:ff00:1")
        assert [s.payload[0] for s in feed(host, ask, at_s=100)] == [136]
        assert feed(host, ask, ping("fd01::5", dst=AUTO), at_s=102) == []
        assert AUTO not in addresses(host)
        assert host.ledger().fates["IPV6_NDISC_NS_OTHERHOST"] == 1


def test_what_is_behind_a_router_is_reached_as_long_as_it_serves(listener):
    with listener() as host:
        sock = host.udp(7)
        feed(host, ra(lladdr(1, OTHER), life=100), at_s=1)
        sock.sendto(b"x", ("2001:db8::1", 9))
        host.run(until_ns=2 * SECOND)
        assert [s.dst for s in peer.sent(host) if s.proto == 17] == [OTHER]
        feed(host, frames.eth(b"", type=0x9000), at_s=102)
        with pytest.raises(OSError, match="unreachable"):
            sock.sendto(b"x", ("2001:db8::1", 9))


def test_a_router_that_does_not_answer_is_replaced(listener):
    """It is the more preferred one, but fails; when it answers again it serves again."""
    with listener() as host:
        sock = host.udp(7)
        feed(host, ra(lladdr(1, OTHER), src="fe80::7", flags=8), ra(lladdr(1, THIRD), src="fe80::8"), at_s=1)

        def way():
            sock.sendto(b"x", ("2001:db8::1", 9))
            host.run(until_ns=host.now_ns + 1000)
            return [s.dst for s in peer.sent(host) if s.proto == 17]

        assert way() == [OTHER]
        host.run(until_ns=20 * SECOND)
        peer.sent(host)
        assert way() == [THIRD]
        feed(host, ra(lladdr(1, OTHER), src="fe80::7", flags=8), at_s=21)
        assert way() == [OTHER]


def test_what_strangers_can_fill_is_bounded(listener):
    with listener() as host:
        for i in range(3000):
            options = [pio(f"fd01:{i:x}:{j:x}::", valid=FOREVER, preferred=FOREVER) for j in range(20)]
            host.feed([ra(*options, src=f"fe80::1:{i:x}", life=9000)], at_ns=i * SECOND // 100)
        host.run(until_ns=31 * SECOND)
        c = host.machine.c
        assert sum(":" in a for a in addresses(host)) == 16
        assert (c.addrconf.nrouters, sum(p.in_use for p in c.addrconf.prefix)) == (16, 32)
        assert c.neigh.entries <= 1024


def test_hop_limit_and_mtu_are_those_of_the_link(listener):
    with listener() as host:
        feed(host, ra(mtu(1280), hops=9), ns(src="fd00::7", dst="fd00::2"), at_s=1)
        host.udp(7).sendto(bytes(1300), ("fd00::7", 9))
        host.run(until_ns=2 * SECOND)
        sent = [s for s in peer.sent(host) if s.proto == 17]
        assert [len(s.frame) for s in sent] == [14 + 1280, 14 + 40 + 8 + 1308 - 1232]
        assert {s.ttl for s in sent} == {9}


def test_times_of_the_link_are_those_of_its_neighbours(listener):
    with listener() as host:
        feed(host, ra(reachable=10_000, retrans=500), ns(), na(0b010), at_s=1)
        assert {n.ip: n.state for n in host.neighbours()}["fd00::7"] == "REACHABLE"
        host.udp(7).sendto(b"x", ("fd00::9", 9))
        host.run(until_ns=10 * SECOND)
        asked = [s.t_ns for s in peer.sent(host) if s.payload[:1] == b"\x87" and s.payload[8:24][-1] == 9]
        assert [round((t - asked[0]) / SECOND, 1) for t in asked] == [0, 0.5, 1]
        feed(host, ping("fd00::7"), at_s=12)
        assert {n.ip: n.state for n in host.neighbours()}["fd00::7"] == "DELAY"


def test_ip_shows_what_was_learnt(listener):
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


@pytest.fixture
def careful(listener):
    return lambda **options: listener(**({"accept_ra": False, "dad_transmits": 2} | options))


def test_a_host_asks_whether_its_addresses_are_free(careful):
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


def test_an_address_that_may_not_be_ours_is_not_defended_and_not_used(careful):
    with careful() as host:
        assert [s.payload[0] for s in feed(host, ns(), at_s=0.5) if s.payload[0] == 136] == []
        assert commands.answer(host, "ip", ["addr"]).out.count(" tentative ") == 2
        with pytest.raises(OSError, match="unreachable"):
            host.udp(7).sendto(b"x", ("fd00::7", 9))


@pytest.mark.parametrize(
    "other", [na(0b001, "fd00::2", dst="ff02::1"), ns(options=b"", src="::", dst="ff02::1:ff00:2")]
)
def test_who_has_our_address_keeps_it(careful, other):
    """RFC 4862 section 5.4: another host has it, or wants it at the same time."""
    with careful() as host:
        feed(host, other, at_s=0.5)
        host.run(until_ns=10 * SECOND)
        peer.sent(host)
        assert feed(host, ns(), at_s=11) == []
        assert " dadfailed tentative " in commands.answer(host, "ip", ["addr"]).out
        assert [s.payload[0] for s in feed(host, ns(OWN, src="fe80::7", dst=OWN), at_s=12)] == [136]


def test_our_own_probe_that_comes_back_does_not_count(careful):
    """RFC 7527: its nonce tells."""
    with careful() as host:
        host.run(until_ns=SECOND // 2)
        for s in probes(peer.sent(host)):
            feed(host, s.frame, at_s=0.6)
        host.run(until_ns=10 * SECOND)
        assert "dadfailed" not in commands.answer(host, "ip", ["addr"]).out


def test_routers_are_asked_when_our_address_is_known_to_be_ours(careful):
    with careful(accept_ra=True) as host:
        host.run(until_ns=60 * SECOND)
        assert [round(s.t_ns / SECOND) for s in solicitations(peer.sent(host))] == [2, 6, 10]


def test_a_lifetime_is_a_number_of_32_bits(listener):
    with listener() as host:
        feed(host, ra(pio(valid=FOREVER - 1, preferred=FOREVER - 1)), at_s=1)
        net = next(n for n in host.machine.c.ip[0 : host.machine.c.nips] if inet_text(n.addr) == AUTO)
        assert abs(net.valid - FOREVER * SECOND) < 2 * SECOND
