"""One tree of exceptions: what vnic raises for its own reasons is a VnicError, and Python's own error of that kind."""

import errno
import pickle
import socket

import frames
import pytest

import vnic
from vnic.errors import check
from vnic.own_paths import PathError

IP = "10.0.0.2"


@pytest.mark.parametrize(
    ("number", "also"),
    [
        (errno.EINVAL, OSError),
        (errno.ECONNREFUSED, ConnectionRefusedError),
        (errno.ECONNRESET, ConnectionResetError),
        (errno.EAGAIN, BlockingIOError),
        (errno.EACCES, PermissionError),
    ],
)
def test_a_return_code_is_a_host_error_and_the_os_error_of_its_number(number, also):
    with pytest.raises(vnic.HostError) as refused:
        check(-number, "turn the key")
    error = refused.value
    assert isinstance(error, also)
    assert error.errno == number
    assert str(error).startswith("turn the key: ")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.errno, str(again)) == (type(error), number, str(error))


def test_what_is_no_error_is_returned():
    assert [check(0, "nothing"), check(7, "nothing")] == [0, 7]


@pytest.mark.parametrize(
    ("kind", "also"),
    [
        (vnic.ConfigError, ValueError),
        (vnic.TapError, OSError),
        (vnic.HostError, OSError),
        (vnic.TimedOutError, TimeoutError),
        (vnic.NoThreadError, RuntimeError),
        (PathError, OSError),
    ],
)
def test_each_kind_is_also_what_python_has_for_it(kind, also):
    assert issubclass(kind, vnic.VnicError)
    assert issubclass(kind, also)


def test_reads_that_find_nothing_time_out(host):
    h = host()
    for read in (h.udp(7).recvfrom, h.tcp(8).accept, h.packet_socket().recv):
        with pytest.raises(vnic.TimedOutError):
            read()


def test_a_datagram_that_cannot_be_sent_is_refused_as_by_sendto(host):
    sock = host(ip=f"{IP}/24").udp(9)
    for size, to, number in ((70000, "10.0.0.1", errno.EMSGSIZE), (1, "192.168.0.1", errno.ENETUNREACH)):
        with pytest.raises(vnic.HostError) as refused:
            sock.sendto(bytes(size), (to, 9))
        assert refused.value.errno == number
    with pytest.raises(vnic.HostError, match=r"setsockopt: Protocol not available"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)


def test_the_laws_that_are_broken_have_names(host):
    h = host()
    assert h.laws() is vnic.BrokenLaws.NONE
    assert not h.laws()
    h.machine.c.nic.offered += 1
    assert h.laws() is vnic.BrokenLaws.LEDGER
    h.machine.c.nic.offered -= 1
    assert not h.laws()


@pytest.mark.parametrize("kind", ["udp", pytest.param("packet_socket", marks=pytest.mark.needs("libpcap"))])
def test_a_handler_cannot_close_the_socket_that_a_call_below_it_reads(host, kind):
    """Bug: only calls in vnic/machine/ were looked for, so the socket was freed under its reader."""
    h = host()
    sock = h.packet_socket("udp") if kind == "packet_socket" else h.udp(4000)
    refused = []

    @h.packet_type(0x88B5)
    def handle(burst):
        try:
            sock.close()
        except vnic.VnicError as e:
            refused.append(str(e))

    h.feed([frames.eth(bytes(46), type=0x88B5), frames.udp(dport=4000)])
    assert sock.recv()
    assert len(refused) == 1
    assert "below this one" in refused[0]
