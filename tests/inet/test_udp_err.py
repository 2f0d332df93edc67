"""What sockets hear of ICMP errors. The twins compare which error means what; here is what a program in Python sees."""

import errno
import socket

import frames
import pytest
from outcomes import fates
from test_route import mtu as route_mtu
from twin_cases.transport import error4, error6, mtu, udp4, udp6

import vnic

IP, IP6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6
RECVERR, RECVERR6 = 11, 25


@pytest.fixture
def h():
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero") as made:
        yield made


def test_an_error_tells_all_that_is_known(h):
    sock = h.udp(5001)
    sock.setsockopt(IP, RECVERR, 1)
    sock.setsockopt(IP6, RECVERR6, 1)
    fates(h, error4(3, 13, udp4(ports=(5001, 7))), error6(4, 1, udp6(ports=(5001, 8)), b"\0\0\0\6"))
    four, six = sock.recverr(), sock.recverr()
    assert (four.errno, four.origin, four.type, four.code, four.info) == (errno.EHOSTUNREACH, 2, 3, 13, 0)
    assert (four.offender, four.data, four.destination) == ("10.0.0.1", b"data", ("10.0.0.1", 7))
    assert (six.errno, six.origin, six.type, six.code, six.info) == (errno.EPROTO, 3, 4, 1, 6)
    assert (six.offender, six.data, six.destination) == ("fd00::1", b"data", ("fd00::1", 8))
    assert sock.recverr() is None


def test_a_socket_that_did_not_ask_hears_only_what_is_fatal_to_its_connection(h):
    sock = h.udp(6000, "10.0.0.2")
    fates(h, error4(3, 3, udp4()))
    assert sock.recvfrom_nowait() is None
    sock.connect(("10.0.0.1", 7000))
    fates(h, error4(3, 1, udp4()))
    assert sock.recvfrom_nowait() is None
    fates(h, error4(3, 3, udp4()))
    with pytest.raises(ConnectionRefusedError):
        sock.recvfrom_nowait()
    assert sock.recverr() is None


def test_a_learned_path_mtu_is_told_once_and_then_by_the_send_itself(h):
    sock = h.udp(6000, "10.0.0.2")
    sock.connect(("10.0.0.1", 7000))
    sock.setsockopt(IP, RECVERR, 1)
    sock.setsockopt(IP, 10, 2)  # IP_MTU_DISCOVER: IP_PMTUDISC_DO
    assert sock.getsockopt(IP, 14) == 1500
    fates(h, error4(3, 4, udp4(), mtu(1000)))
    assert sock.getsockopt(IP, 14) == 1000
    told = sock.recverr()
    assert (told.errno, told.info, told.offender) == (errno.EMSGSIZE, 1000, "10.0.0.1")
    with pytest.raises(OSError) as caught:
        sock.send(bytes(973))
    assert caught.value.errno == errno.EMSGSIZE
    told = sock.recverr()
    assert (told.errno, told.origin, told.info, told.offender, told.data) == (errno.EMSGSIZE, 1, 1000, None, b"")
    assert sock.send(bytes(972)) == 972


def test_a_path_mtu_is_learned_from_a_message_about_an_answer_that_no_socket_sent(h):
    quote = frames.ipv6(bytes((129, 0)) + bytes(6), 58, src="fd00::2", dst="fd00::1")
    fates(h, error6(1, 0, quote, mtu(1300)))
    assert route_mtu(h, "fd00::1") == 1500
    fates(h, error6(2, 0, quote, mtu(1300)))
    assert (route_mtu(h, "fd00::1"), route_mtu(h, "fd00::9")) == (1300, 1500)
