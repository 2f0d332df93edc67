"""What ICMP teaches about single destinations: path MTUs and gateways, how long, and how many."""

import ipaddress
import socket
import struct

import frames
import peer
import pytest

import vnic
from vnic._core import ffi, lib

SECOND = 1_000_000_000
IP_MTU_DISCOVER, WANT, DO = 10, 1, 2
GATEWAY, OTHER = "10.0.0.254", "10.0.0.253"
MACS = {GATEWAY: bytes.fromhex("0200000000fe"), OTHER: bytes.fromhex("0200000000fd")}


def host(**options):
    return vnic.Host(**({"ip": ["10.0.0.2/24", "fd00::2/64"], "gateway": GATEWAY, "cost": "zero"} | options))


def addr(ip):
    n = int(ipaddress.ip_address(ip))
    n |= 0xFFFF << 32 if "." in ip else 0
    return ffi.new("struct inet_addr *", {"hi": n >> 64, "lo": n & (1 << 64) - 1})


def mtu(h, ip):
    return lib.ip_route_mtu(h.machine.c, addr(ip))


def learn(h, ip, value):
    lib.ip_route_learn_mtu(h.machine.c.cpu[0], addr(ip), value)


def message(kind, code, rest, quoted_dst, src="10.0.0.1", quoted_src="10.0.0.2"):
    """An error about an echo reply of ours."""
    quote = frames.ipv4(bytes(8), 1, src=quoted_src, dst=quoted_dst)
    head = bytes((kind, code, 0, 0)) + rest
    check = struct.pack("!H", frames.csum(head + quote))
    return frames.eth(frames.ipv4(head[:2] + check + head[4:] + quote, 1, src=src))


def too_big(value, dst="10.0.0.1", **more):
    return message(3, 4, struct.pack("!HH", 0, value), dst, **more)


def at(h, t, *fed):
    h.feed(list(fed), at_ns=t)
    h.run(until_ns=t + 10**6)


def test_a_path_mtu_holds_for_ten_minutes_for_its_destination():
    with host() as h:
        at(h, SECOND, too_big(1280))
        assert (mtu(h, "10.0.0.1"), mtu(h, "10.0.0.9")) == (1280, 1500)
        at(h, 600 * SECOND, frames.udp())
        assert mtu(h, "10.0.0.1") == 1280
        at(h, 602 * SECOND, frames.udp())
        assert mtu(h, "10.0.0.1") == 1500


@pytest.mark.parametrize(
    ("told", "held"), [(0, 552), (551, 552), (552, 552), (1499, 1499), (1500, 1500), (1501, 1500), (65535, 1500)]
)
def test_what_a_path_mtu_may_be(told, held):
    with host() as h:
        learn(h, "10.0.0.1", told)
        assert mtu(h, "10.0.0.1") == held


@pytest.mark.parametrize(
    ("told", "held"), [(0, 1500), (1279, 1500), (1280, 1280), (1499, 1499), (1500, 1500), (9000, 1500)]
)
def test_what_a_path_mtu_may_be_in_ipv6(told, held):
    with host() as h:
        learn(h, "fd00::1", told)
        assert mtu(h, "fd00::1") == held


def test_a_path_mtu_only_shrinks_and_an_old_one_is_believed_again():
    with host() as h:
        at(h, SECOND, too_big(1280))
        at(h, 2 * SECOND, too_big(1400))
        assert mtu(h, "10.0.0.1") == 1280
        at(h, 200 * SECOND, too_big(1280))  # no news in the first five minutes
        at(h, 500 * SECOND, too_big(1280))
        at(h, 1099 * SECOND, frames.udp())
        assert mtu(h, "10.0.0.1") == 1280
        at(h, 1101 * SECOND, frames.udp())
        assert mtu(h, "10.0.0.1") == 1500


@pytest.mark.parametrize(
    ("told", "how", "size", "packets", "df"),
    [
        (1280, WANT, 100, 1, True),
        (1280, WANT, 1400, 2, False),
        (1280, DO, 100, 1, True),
        (100, WANT, 100, 1, False),  # locked at 552: less is not believed, and routers may cut what is longer
        (100, DO, 100, 1, True),
    ],
)
def test_who_wants_no_fragments_says_so_unless_the_path_mtu_is_locked(told, how, size, packets, df):
    with host() as h, h.udp(7) as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, how)
        at(h, SECOND, peer.arp(1, "10.0.0.1", "10.0.0.2"), too_big(told))
        peer.sent(h)
        sock.sendto(bytes(size), ("10.0.0.1", 9))
        h.run(until_ns=2 * SECOND)
        assert [s.df for s in peer.sent(h) if s.proto == 17] == [df] * packets


def test_a_message_about_what_we_did_not_send_teaches_nothing():
    with host() as h:
        at(h, SECOND, too_big(1280, quoted_src="10.0.0.9"), too_big(1280, dst="10.0.0.1", quoted_src="192.0.2.1"))
        assert h.machine.c.routes.used == 0


def test_who_was_learned_first_is_forgotten_first():
    rows = lib.ROUTE_ROWS * lib.ROUTE_DEPTH
    with host(ip=["10.0.0.2/8"], gateway=[]) as h:
        everybody = [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(300, 300 + 3 * rows)]
        for n, ip in enumerate(everybody):
            h.machine.c.cpu[0].now = n + 1
            learn(h, ip, 1280)
            assert mtu(h, ip) == 1280
        held = [mtu(h, ip) == 1280 for ip in everybody]
        assert sum(held) <= rows
        assert sum(held[-lib.ROUTE_DEPTH :]) == lib.ROUTE_DEPTH
        assert sum(held[:rows]) < sum(held[rows : 2 * rows]) < sum(held[-rows:])


# ---- redirects ----


FAR = "192.0.2.1"


@pytest.fixture
def routed():
    with host() as h:
        at(h, SECOND, *neighbours())
        yield h


def neighbours():
    return [peer.arp(1, ip, "10.0.0.2", sha=mac) for ip, mac in MACS.items()]


def redirect(gateway=OTHER, *, src=GATEWAY, dst=FAR, code=1):
    return message(5, code, ipaddress.ip_address(gateway).packed, dst, src=src)


def goes_to(h, t):
    """The MAC address that an answer to a host far away goes to at this time."""
    at(h, t, *neighbours())
    peer.sent(h)
    at(h, t + 10**6, frames.icmp(src=FAR))
    (answer,) = (s for s in peer.sent(h) if s.proto == 1)
    return answer.dst


def test_a_redirect_holds_for_five_minutes_for_its_destination(routed):
    assert goes_to(routed, 2 * SECOND) == MACS[GATEWAY]
    at(routed, 3 * SECOND, redirect())
    assert goes_to(routed, 4 * SECOND) == MACS[OTHER]
    at(routed, 5 * SECOND, frames.icmp(src="192.0.2.9"))
    assert [s.dst for s in peer.sent(routed) if s.proto == 1] == [MACS[GATEWAY]]
    assert goes_to(routed, 302 * SECOND) == MACS[OTHER]
    assert goes_to(routed, 304 * SECOND) == MACS[GATEWAY]


@pytest.mark.parametrize(
    "wrong",
    [
        redirect(src=OTHER),  # not the gateway in use
        redirect(src="10.0.0.1"),
        redirect(GATEWAY),
        redirect("10.0.0.2"),
        redirect("10.0.0.255"),
        redirect("224.0.0.1"),
        redirect("0.0.0.0"),
        redirect("10.0.0.77"),  # nobody whose address is known
        redirect(dst="10.0.0.1"),  # it needs no gateway
        redirect(code=4),
    ],
)
def test_which_redirects_are_not_believed(routed, wrong):
    at(routed, 3 * SECOND, wrong)
    assert goes_to(routed, 4 * SECOND) == MACS[GATEWAY]


def test_only_the_gateway_in_use_may_redirect_again(routed):
    at(routed, 3 * SECOND, redirect())
    at(routed, 4 * SECOND, redirect("10.0.0.252"))  # from the old one
    assert goes_to(routed, 5 * SECOND) == MACS[OTHER]
    at(routed, 6 * SECOND, redirect(GATEWAY, src=OTHER))
    assert goes_to(routed, 7 * SECOND) == MACS[GATEWAY]


def test_a_redirect_keeps_a_path_mtu(routed):
    at(routed, 3 * SECOND, too_big(1280, dst=FAR, src=FAR), redirect())
    assert (goes_to(routed, 4 * SECOND), mtu(routed, FAR)) == (MACS[OTHER], 1280)
