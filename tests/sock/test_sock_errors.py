"""sock_errors.c: the queue of errors of a socket, its bounds, and how a program reads it."""

import errno
import socket

import frames
import pytest
from outcomes import fates
from twin_cases.transport import error4, udp4

import vnic

IP, RECVERR, MSG_ERRQUEUE = socket.IPPROTO_IP, 11, 0x2000


@pytest.fixture
def h():
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero") as made:
        yield made


def test_the_sockets_errno_is_the_next_errors(h):
    sock = h.udp(5001)
    sock.setsockopt(IP, RECVERR, 1)
    fates(h, *[error4(3, code, udp4(ports=(5001, 7))) for code in (0, 1, 2)])
    assert sock.recverr().errno == errno.ENETUNREACH
    with pytest.raises(OSError) as caught:
        sock.recvfrom_nowait()
    assert caught.value.errno == errno.EHOSTUNREACH
    assert [sock.recverr().errno for _ in range(2)] == [errno.EHOSTUNREACH, errno.ENOPROTOOPT]
    assert sock.recvfrom_nowait() is None


def test_the_queue_is_bounded_by_the_receive_buffer_and_by_its_ring(h):
    sock = h.udp(6000, "10.0.0.2")
    sock.setsockopt(IP, RECVERR, 1)
    sock.rcvbuf = 5000
    fates(h, *[error4(3, 3, udp4(data=bytes([i]))) for i in range(20)])
    waiting = []
    while told := sock.recverr():
        waiting.append(told.data[0])
    assert waiting == list(range(6))
    sock.rcvbuf = 1 << 30
    for round_ in range(3):  # around the ring, however it is cut
        fates(h, *[error4(3, 3, udp4(data=bytes([i % 251]) * (900 + i % 7))) for i in range(400)])
        n = 0
        while told := sock.recverr():
            assert told.data == bytes([n % 251]) * (900 + n % 7), round_
            n += 1
        assert 200 < n < 400


def test_recvmsg_gives_what_the_kernels_gives(h):
    sock = h.udp(6000, "10.0.0.2")
    with pytest.raises(BlockingIOError):
        sock.recvmsg(100, 100, MSG_ERRQUEUE)
    with pytest.raises(BlockingIOError):
        sock.recvmsg(100, 100, socket.MSG_DONTWAIT)
    with pytest.raises(OSError, match="recvmsg"):
        sock.recvmsg(100, 100, socket.MSG_PEEK)
    sock.setsockopt(IP, RECVERR, 1)
    sock.setsockopt(IP, 12, 1)
    fates(h, error4(3, 3, udp4(data=b"longer")))
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    data, told, flags, to = sock.recvmsg(4, 200, MSG_ERRQUEUE)
    assert (data, flags, to) == (b"long", MSG_ERRQUEUE | socket.MSG_TRUNC, ("10.0.0.1", 7000))
    assert [(level, kind, len(value)) for level, kind, value in told] == [(IP, 2, 4), (IP, RECVERR, 32)]
    fates(h, frames.udp(b"hello", dport=6000, src="10.0.0.1", dst="10.0.0.2"))
    assert sock.recvmsg(100, 20) == (b"hello", [(IP, 2, b"\x40\0\0\0")], 0, ("10.0.0.1", 1000))
    fates(h, frames.udp(b"hello", dport=6000, src="10.0.0.1", dst="10.0.0.2"))
    assert sock.recvmsg(2, 18) == (
        b"he",
        [(IP, 2, b"\x40\0")],
        socket.MSG_CTRUNC | socket.MSG_TRUNC,
        ("10.0.0.1", 1000),
    )
    fates(h, frames.udp(b"hello", dport=6000, src="10.0.0.1", dst="10.0.0.2"))
    assert sock.recvmsg(100) == (b"hello", [], socket.MSG_CTRUNC, ("10.0.0.1", 1000))


def test_an_error_queue_goes_with_its_socket(h):
    for _ in range(3):
        sock = h.udp(6000, "10.0.0.2")
        sock.setsockopt(IP, RECVERR, 1)
        fates(h, error4(3, 3, udp4()))
        sock.close()
    again = h.udp(6000, "10.0.0.2")
    assert (again.recverr(), again.getsockopt(IP, RECVERR)) == (None, 0)
