"""The receive queue of a socket, and its readers. What the queue is charged: test_sock_mem.py."""

import errno
import os
import select

import frames
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.sock import frame_truesize

import vnic
from vnic._core import ffi, lib
from vnic.knobs.cost import LINUX


def test_rcvbuf_can_be_changed(host):
    h = host()
    sock = h.udp(5000)
    assert sock.rcvbuf == 212_992
    sock.rcvbuf = 0
    h.feed([frames.udp()] * 3)
    h.run()
    assert sock.drops == 2


def test_closing_a_socket_gives_its_buffers_back(host):
    h = host()
    sock = h.udp(5000)
    h.feed([frames.udp(b"x" * 1000)] * 50)
    h.run()
    pool = ffi.addressof(h.machine.c.dq[0].pool)
    before = lib.rx_pool_free_count(pool)
    sock.close()
    assert lib.rx_pool_free_count(pool) == before + 50
    assert h.laws() == 0


def test_a_datagram_longer_than_the_buffer_is_cut_and_says_so(host):
    h = host()
    sock = h.udp(5000)
    h.feed(frames.udp(b"0123456789"))
    h.run()
    buf, sender = ffi.new("char[4]"), ffi.new("struct sock_from *")
    assert lib.sock_recv(h.machine.c, sock._c, buf, 4, sender) == 4
    assert ffi.buffer(buf)[:] == b"0123"
    assert sender.truncated == 1
    assert sock.recvfrom_nowait() is None


def test_a_datagram_over_many_buffers_comes_in_one_piece(host):
    h = host(rx_buf_len=128)
    sock = h.udp(5000)
    payload = bytes(i % 251 for i in range(5000))
    h.feed(frames.udp(payload))
    assert sock.recv() == payload


@pytest.mark.parametrize("reader", [0, 1])
def test_live_a_reader_is_woken_once_and_its_cpu_if_that_sleeps(host, reader):
    """CPU 0 takes the packets: it is awake."""
    h = host(cpus=2, sink=True, reader_cpu=reader)
    h.feed(frames.udp())
    h.run()
    c, sk = h.machine.c, h.machine.c.socks.socks[1]
    target, fd = c.cpu[reader], os.eventfd(0, os.EFD_NONBLOCK)
    was, target.wake_fd, target.sleeping, before = target.wake_fd, fd, 1, target.reader.wakeups
    for i in range(2):
        c.cpu[i].live = 1
    for _ in range(2):
        lib.sock_data_ready(c.cpu[0], ffi.addressof(sk))
        assert (target.ready, sk.on_ready, target.reader.runnable) == (ffi.addressof(sk), 1, 1)
        assert (target.reader.wakeups - before, target.sleeping) == (1, 1 - reader)
    assert select.select([fd], [], [], 0)[0] == [fd] * reader
    for i in range(2):
        c.cpu[i].live = 0
    target.ready, sk.on_ready, target.reader.runnable = ffi.NULL, 0, 0
    target.wake_fd, target.sleeping = was, 0
    os.close(fd)


def test_reading_runs_the_host_until_something_is_there(host):
    h = host()
    sock = h.udp(5000)
    h.feed([*[frames.icmp()] * 200, frames.udp(b"at last")], gap_ns=10)
    assert sock.recv() == b"at last"


def test_reading_what_never_comes_times_out(host):
    h = host()
    sock = h.udp(5000)
    h.feed(frames.icmp())
    with pytest.raises(TimeoutError, match="no datagram"):
        sock.recv()
    with pytest.raises(TimeoutError, match="no stream"):
        h.tcp(80).accept()


def test_sockets_know_their_addresses_and_close_by_with(host):
    h = host()
    with h.udp(5000, "fd00::2", reuse_addr=True) as six, h.udp(5000, reuse_addr=True) as wildcard:
        assert six.local == ("fd00::2", 5000)
        assert wildcard.local == ("", 5000)
    h.feed(frames.udp())
    h.run()
    assert h.ledger().fates == {"NO_SOCKET": 1}


@pytest.mark.parametrize(("port", "addr"), [(65536, None), (-1, None), (1, "10.0.0"), (1, "x")])
def test_what_cannot_be_bound_is_a_config_error(host, port, addr):
    with pytest.raises(vnic.ConfigError):
        host().udp(port, addr)


# ---- a reader of its own ----


def test_sinks_are_read_by_the_cpu_of_their_port(host):
    h = host(sink=True, cpus=4)
    h.feed([frames.udp(dport=5000 + i) for i in range(4)])
    h.run()
    assert [cpu.reader_wakeups for cpu in h.softnet()] == [1, 1, 1, 1]
    assert h.machine.c.dq[0].pool.nfree + h.machine.c.dq[0].pool.size - h.machine.c.dq[0].pool.fresh + 256 == 32768


def test_reader_cpu_takes_all_readers(host):
    h = host(sink=True, cpus=4, reader_cpu=2)
    h.feed([frames.udp(dport=5000 + i) for i in range(4)], gap_ns=1000)
    h.run()
    assert [cpu.reader_wakeups for cpu in h.softnet()] == [0, 0, 4, 0]


def test_a_datagram_waits_for_wake_up_switch_and_system_call(host):
    """D/D/1 with room: nothing queues, so the socket's part of the way is the reader's costs."""
    h = host(sink=True, cpus=2, reader_cpu=1, cost="linux", latency=True, gro=False)
    h.feed([frames.udp(b"x" * 100)] * 10, gap_ns=1_000_000)
    h.run()
    reading = LINUX["RECV"] + 100 * LINUX["COPY_PS"] // 1000
    socket = h.latencies()["socket"]
    assert socket.count == 10
    assert reading + LINUX["WAKE"] <= socket.min + 8  # who queued it goes on meanwhile
    assert socket.max <= reading + LINUX["WAKE"] + LINUX["SWITCH"]


def test_a_reader_too_slow_for_its_datagrams_fills_the_receive_buffer(host):
    h = host(sink=True, cpus=2, reader_cpu=1, cost="linux", rcvbuf=100_000)
    n, gap, reading = 2000, 450, LINUX["RECV"] + 1400 * LINUX["COPY_PS"] // 1000
    assert reading == 518
    h.feed([frames.udp(b"x" * 1400)] * n, gap_ns=gap)
    h.run()
    fates = h.ledger().fates
    queued = 100_000 // frame_truesize(1442)
    assert fates["DELIVERED_UDP"] == pytest.approx(n * gap / reading + queued, rel=0.01)
    assert fates["SOCKET_RCVBUFF"] + fates["DELIVERED_UDP"] == n
    assert h.mib()["Udp_RcvbufErrors"] == fates["SOCKET_RCVBUFF"]


@given(
    lengths=st.lists(st.integers(0, 1400), max_size=40),
    vlen=st.integers(1, 50),
    buf_len=st.sampled_from([128, 2048]),
)
@settings(max_examples=40)
def test_recvmmsg_is_as_many_recvs(lengths, vlen, buf_len):
    bodies = [bytes([i]) * n for i, n in enumerate(lengths)]
    with vnic.Host(rcvbuf=1 << 24, rx_buf_len=buf_len, cost="zero", link="inf") as h:
        sock = h.udp(5000)
        h.feed([frames.udp(b, src=f"10.0.0.{i + 1}", sport=100 + i) for i, b in enumerate(bodies)])
        h.run()
        got, senders = [], []
        while batch := sock.recvmmsg_nowait(vlen):
            assert len(batch) == min(vlen, len(bodies) - len(got))
            got += [bytes(d) for d in batch]
            assert [bytes(batch[i]) for i in range(len(batch))] == got[-len(batch) :]
            senders += [batch.sender(i) for i in range(len(batch))]
        assert got == bodies
        assert senders == [(f"10.0.0.{i + 1}", 100 + i) for i in range(len(bodies))]
        assert h.laws() == 0


def test_what_does_not_fit_stays_queued(host):
    h = host(rcvbuf=1 << 20)
    sock = h.udp(5000)
    h.feed([frames.udp(bytes(100)), frames.udp(bytes(200)), frames.udp(bytes(50))])
    h.run()
    buf, ends, senders = ffi.new("char[]", 299), ffi.new("uint32_t[]", 8), ffi.new("struct sock_from[]", 8)

    def take(size):
        n = lib.sock_recvmmsg(h.machine.c, sock._c, buf, size, ends, senders, 8)
        return n, list(ends[0:n]) if n > 0 else []

    assert take(299) == (1, [100])
    assert take(199) == (-errno.EMSGSIZE, [])
    assert take(250) == (2, [200, 250])
    assert take(299) == (0, [])


@pytest.mark.parametrize("vlen", [0, -1, 1025])
def test_recvmmsgs_vlen_is_bounded(host, vlen):
    with pytest.raises(vnic.ConfigError, match="vlen is 1 to 1024"):
        host().udp(5000).recvmmsg_nowait(vlen)
