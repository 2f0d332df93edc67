"""setsockopt() of a socket of the host, beside the running kernel's; net.core.rmem_max bounds it."""

import errno
import socket
from pathlib import Path

import frames
import pytest
from model.sock import frame_truesize

from vnic.control import commands

LEVEL, RCVBUF, FORCE = socket.SOL_SOCKET, socket.SO_RCVBUF, 33
UDP_GRO = 104
VALUES = [0, 1, 1000, 1151, 1152, 1153, 2304, 5000, 100_000, 106_496, 212_991, 212_992, 212_993, 1 << 20, (1 << 31) - 1,
          -1, -5000, -(1 << 31)]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_the_buffer_is_as_large_as_the_running_kernels(host, value):
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    mine = host(rmem_max=limit).udp(5000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as real:
        real.setsockopt(LEVEL, RCVBUF, value)
        mine.setsockopt(LEVEL, RCVBUF, value)
        assert mine.getsockopt(LEVEL, RCVBUF) == real.getsockopt(LEVEL, RCVBUF) == mine.rcvbuf


@pytest.mark.root
@pytest.mark.parametrize("value", [v for v in VALUES if v < 1 << 20])
def test_so_rcvbufforce_sets_what_linux_sets(host, netns, value):
    mine = host().udp(5000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as real:
        real.setsockopt(LEVEL, FORCE, value)
        mine.setsockopt(LEVEL, FORCE, value)
        assert mine.getsockopt(LEVEL, RCVBUF) == real.getsockopt(LEVEL, RCVBUF)


def test_the_sysctl_lets_a_socket_ask_for_more(host):
    h = host(rmem_max=212_992)
    sock = h.udp(5000)
    sock.setsockopt(LEVEL, RCVBUF, 1 << 24)
    assert sock.rcvbuf == 2 * 212_992
    h.feed([frames.udp(b"x" * 1400)] * 250)
    h.run()
    fit = 2 * 212_992 // frame_truesize(1442)
    assert h.ledger().fates == {"DELIVERED_UDP": fit, "SOCKET_RCVBUFF": 250 - fit}
    assert commands.answer(h, "sysctl", ["-w", "net.core.rmem_max=16777216"]).code == 0
    sock.setsockopt(LEVEL, RCVBUF, 1 << 24)
    assert sock.rcvbuf == 2 << 24
    h.feed([frames.udp(b"x" * 1400)] * 250)
    h.run()
    assert h.ledger().fates["DELIVERED_UDP"] == fit + 250


@pytest.mark.parametrize(("value", "code"), [("2304", 0), ("2303", 1), ("134217728", 0), ("x", 1)])
def test_the_sysctls_range(host, value, code):
    h = host()
    assert commands.answer(h, "sysctl", [f"net.core.rmem_max={value}"]).code == code
    assert h.knobs.rmem_max == (4_194_304 if code else int(value))


def test_udp_gro(host):
    sock = host().udp(5000)
    assert sock.getsockopt(socket.IPPROTO_UDP, UDP_GRO) == 0
    sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    assert sock.gro
    assert sock.getsockopt(socket.IPPROTO_UDP, UDP_GRO) == 1


@pytest.mark.parametrize(("level", "name"), [(LEVEL, socket.SO_SNDBUF), (socket.IPPROTO_UDP, 1), (99, RCVBUF)])
def test_an_option_that_is_not_there(host, level, name):
    sock = host().udp(5000)
    for call in (lambda: sock.setsockopt(level, name, 1), lambda: sock.getsockopt(level, name)):
        with pytest.raises(OSError) as e:
            call()
        assert e.value.errno == errno.ENOPROTOOPT


def test_a_stream_has_no_udp_gro_and_no_value_over_32_bits(host):
    listener = host().tcp(80)
    with pytest.raises(OSError, match="Protocol not available"):
        listener.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    with pytest.raises(OSError, match="Invalid argument"):
        listener.setsockopt(LEVEL, RCVBUF, 1 << 31)
