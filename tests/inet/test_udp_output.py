"""What the options of a socket make of its datagrams. The twins compare values and errors."""

import errno
import socket

import pytest
from peer import arp, nd, sent

import vnic

IP, IP6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6


@pytest.fixture
def h():
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero") as made:
        made.feed([arp(1, "10.0.0.1", "10.0.0.2"), nd(135, "fd00::2", src="fd00::1", dst="fd00::2")])
        made.run(until_ns=1_000_000)
        made.nic.sent()
        yield made


def packets(h):
    h.run(until_ns=h.now_ns + 1_000_000)
    return [s for s in sent(h) if s.proto == 17]


@pytest.mark.parametrize(
    ("to", "ttl", "options"),
    [
        ("10.0.0.1", 64, ()),
        ("10.0.0.1", 7, ((IP, 2, 7), (IP, 33, 8), (IP6, 16, 9))),
        ("224.0.0.5", 1, ((IP, 2, 7),)),
        ("224.0.0.5", 8, ((IP, 2, 7), (IP, 33, 8))),
        ("fd00::1", 64, ((IP, 2, 7),)),
        ("fd00::1", 9, ((IP6, 16, 9), (IP6, 18, 10))),
        ("ff02::5", 1, ((IP6, 16, 9),)),
        ("ff02::5", 10, ((IP6, 16, 9), (IP6, 18, 10))),
    ],
)
def test_ttl_and_hop_limit(h, to, ttl, options):
    sock = h.udp(5000)
    for option in options:
        sock.setsockopt(*option)
    sock.sendto(b"x", (to, 9))
    assert [p.ttl for p in packets(h)] == [ttl]


def test_tos_and_traffic_class(h):
    sock = h.udp(5000)
    sock.setsockopt(IP, 1, 0xB8)
    sock.setsockopt(IP6, 67, 0x28)
    sock.sendto(b"x", ("10.0.0.1", 9))
    sock.sendto(b"x", ("fd00::1", 9))
    assert [p.tos for p in packets(h)] == [0xB8, 0x28]


@pytest.mark.parametrize(
    ("discover", "df", "frames"),
    [(0, False, 2), (1, True, 2), (2, True, None), (3, True, None), (4, False, None), (5, False, 2)],
)
def test_dont_fragment(h, discover, df, frames):
    sock = h.udp(5000)
    sock.setsockopt(IP, 10, discover)
    sock.sendto(bytes(1472), ("10.0.0.1", 9))
    assert [p.df for p in packets(h)] == [df]
    if frames:
        sock.sendto(bytes(1473), ("10.0.0.1", 9))
        assert [p.df for p in packets(h)] == [False] * frames
    else:
        with pytest.raises(OSError) as caught:
            sock.sendto(bytes(1473), ("10.0.0.1", 9))
        assert caught.value.errno == errno.EMSGSIZE


@pytest.mark.parametrize("to", ["10.0.0.255", "255.255.255.255"])
def test_a_broadcast_must_be_asked_for(h, to):
    sock = h.udp(5000)
    for call in (lambda: sock.sendto(b"x", (to, 9)), lambda: sock.connect((to, 9))):
        with pytest.raises(PermissionError):
            call()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.sendto(b"x", (to, 9))
    assert [(p.dst_ip, p.dst) for p in packets(h)] == [(to, b"\xff" * 6)]
