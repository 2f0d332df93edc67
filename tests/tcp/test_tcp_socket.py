"""The program's calls: what they return in each state, and the ways in which a connection ends."""

import errno
import io
import socket
import struct

import pytest
from tcp_pair import A, B, Pair, begin, transfer
from tcp_talk import ACK, FIN, OPT, PEER, PLAIN, RST, SYN, Talk, opened

import vnic
from vnic import HostError, TimedOutError, VnicError

LINGER_0 = struct.pack("ii", 1, 0)


def outcome(call):
    """What a call returns, or the name of its error."""
    try:
        return call()
    except (HostError, TimedOutError) as e:
        return errno.errorcode.get(e.errno, type(e).__name__) if e.errno else type(e).__name__


def syn_sent():
    talk = Talk()
    talk.step(("connect",))
    return talk


def established():
    return opened(PLAIN)


def fin_wait_1():
    talk = opened(PLAIN)
    talk.step(("shutdown", 1))
    return talk


def fin_wait_2():
    talk = fin_wait_1()
    talk.seg(ack=2)
    return talk


def closing():
    talk = fin_wait_1()
    talk.fin(ack=1)
    return talk


def time_wait():
    talk = fin_wait_2()
    talk.fin(ack=2)
    return talk


def close_wait():
    talk = opened(PLAIN)
    talk.fin()
    return talk


def last_ack():
    talk = close_wait()
    talk.step(("shutdown", 1))
    return talk


def over():
    talk = last_ack()
    talk.seg(seq=2, ack=2)
    return talk


def was_reset():
    talk = opened(PLAIN)
    talk.seg(flags=RST)
    return talk


STATES = {
    syn_sent: ("SYN_SENT", None, None, "ENOTCONN"),
    established: ("ESTABLISHED", None, 3, None),
    fin_wait_1: ("FIN_WAIT1", None, "EPIPE", None),
    fin_wait_2: ("FIN_WAIT2", None, "EPIPE", None),
    closing: ("CLOSING", b"", "EPIPE", None),
    time_wait: ("CLOSE", b"", "EPIPE", "ENOTCONN"),
    close_wait: ("CLOSE_WAIT", b"", 3, None),
    last_ack: ("LAST_ACK", b"", "EPIPE", None),
    over: ("CLOSE", b"", "EPIPE", "ENOTCONN"),
    was_reset: ("CLOSE", "ECONNRESET", "ECONNRESET", "ENOTCONN"),
}


@pytest.mark.parametrize("made", STATES, ids=lambda f: f.__name__)
def test_each_call_in_each_state(made):
    state, received, sent, shut = STATES[made]
    for call, result in (
        (lambda c: c.recv_nowait(), received),
        (lambda c: c.send_nowait(b"abc"), sent),
        (lambda c: c.shutdown(socket.SHUT_WR), shut),
    ):
        with made() as talk:
            c = talk.sock
            assert c.state == state
            assert c.tcp_info().state == state
            assert c.peer == (PEER, talk.peer.sport)
            assert outcome(lambda call=call, c=c: call(c)) == result
            assert c.recv_nowait(0) == b""
            assert outcome(lambda c=c: c.send(b"")) == 0


def test_an_error_is_told_once():
    with was_reset() as talk:
        c = talk.sock
        assert outcome(c.recv_nowait) == "ECONNRESET"
        assert c.recv_nowait() == b""
        assert outcome(lambda: c.send_nowait(b"x")) == "EPIPE"
    with was_reset() as talk:
        assert talk.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
        assert talk.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert talk.sock.recv_nowait() == b""


def test_a_reset_after_the_peers_end_is_a_broken_pipe():
    with close_wait() as talk:
        talk.seg(seq=2, flags=RST)
        assert outcome(lambda: talk.sock.send_nowait(b"x")) == "EPIPE"


def test_data_before_a_reset_is_not_lost():
    with opened(PLAIN) as talk:
        talk.data(1, 10)
        talk.seg(seq=11, flags=RST)
        assert len(talk.sock.recv_nowait()) == 10
        assert outcome(talk.sock.recv_nowait) == "ECONNRESET"


CALLS = [
    lambda c: c.recv(1), lambda c: c.recv_nowait(), lambda c: c.recv_into(bytearray(1)), lambda c: c.send(b"x"),
    lambda c: c.send_nowait(b"x"), lambda c: c.sendall(b"x"), lambda c: c.shutdown(socket.SHUT_RDWR),
    lambda c: c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    lambda c: c.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), lambda c: c.tcp_info(), lambda c: c.state,
    lambda c: c.peer, lambda c: c.local, lambda c: c.fileno(), lambda c: c.rcvbuf, lambda c: c.cpu, lambda c: c.drops,
    lambda c: c.proto, lambda c: c.acknowledge(), lambda c: c.meminfo(),
]  # fmt: skip


@pytest.mark.parametrize("call", range(len(CALLS)))
@pytest.mark.parametrize("whole_host", [False, True])
def test_each_call_on_a_closed_connection_is_refused(call, whole_host):
    with opened(PLAIN) as talk:
        c = talk.sock
        c.close()
        if whole_host:
            talk.host.close()
        assert c.closed
        with pytest.raises(VnicError):
            CALLS[call](c)
        c.close()


def test_each_call_on_a_closed_server_is_refused():
    with Talk() as talk:
        talk.server.close()
        for call in ("accept", "accept_nowait", "backlog", "state", "local", "fileno"):
            with pytest.raises(VnicError):
                getattr(talk.server, call)()
        talk.server.close()
        assert talk.server.closed


# ---- receiving and sending ----


def test_recv_takes_as_much_as_there_is():
    with opened(PLAIN) as talk:
        c = talk.sock
        talk.data(1, 100)
        talk.data(101, 100)
        text = bytes((1 + i) % 251 for i in range(200))
        assert c.recv(150) == text[:150]
        buffer = bytearray(100)
        assert c.recv_into(buffer) == 50
        assert buffer[:50] == text[150:]
        assert c.recv_nowait() is None
        with pytest.raises(TimedOutError):
            c.recv(timeout=0)
        with pytest.raises(TimedOutError):
            c.recv_into(buffer)


def test_numbers_and_buffers_are_checked():
    with opened(PLAIN) as talk:
        c = talk.sock
        for bad in (-1, 1 << 31, "1", None, 1.5):
            with pytest.raises((vnic.ConfigError, TypeError)):
                c.recv_nowait(bad)
        with pytest.raises((TypeError, ValueError, BufferError)):
            c.recv_into(b"readonly")
        for bad in ("text", None, 5):
            with pytest.raises(TypeError):
                c.send(bad)
        with pytest.raises(HostError) as e:
            c.shutdown(3)
        assert e.value.errno == errno.EINVAL


def test_send_takes_what_fits_and_says_so():
    with opened(PLAIN) as talk:
        c = talk.sock
        n = c.send_nowait(bytes(1 << 20))
        assert 16384 <= n < 1 << 20
        assert c.send_nowait(b"x") is None
        talk.collect(1)
        talk.seg(ack=1 + 1460 * 10)
        assert c.send_nowait(b"x" * (1 << 20)) > 1000
        with pytest.raises(TimeoutError):  # virtual time runs until the connection has given up
            c.send(b"x")


def test_sendbuf_bounds_it():
    with opened(PLAIN) as talk:
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10000)
        assert talk.sock.send_nowait(bytes(1 << 20)) == 20000


def test_sendall_and_sendfile_of_views(tmp_path):
    data = bytes(i % 251 for i in range(5000))
    (tmp_path / "f").write_bytes(data)
    with Pair() as p:
        ours, theirs, _ = p.connected()
        ours.sendall(memoryview(data)[1000:])
        with (tmp_path / "f").open("rb") as f:
            assert ours.sendfile(f, 100, 200) == 200
            assert ours.sendfile(f, 4990) == 10
            assert ours.sendfile(f, 6000) == 0
        expected = data[1000:] + data[100:300] + data[4990:]
        got = bytearray()
        p.until(lambda: got.extend(theirs.recv_nowait() or b"") or len(got) == len(expected))
        assert got == expected
    with pytest.raises((OSError, io.UnsupportedOperation, VnicError)):
        ours.sendfile(io.BytesIO(b"x"))


# ---- half close ----


def test_after_shut_wr_the_other_direction_goes_on():
    data = bytes(i % 251 for i in range(100_000))
    with Pair() as p:
        ours, theirs, _ = p.connected()
        assert transfer(p, ours, theirs, data) == data
        ours.shutdown(socket.SHUT_WR)
        p.until(lambda: theirs.recv_nowait() == b"")
        p.run(0.3)
        assert (ours.state, theirs.state) == ("FIN_WAIT2", "CLOSE_WAIT")
        assert transfer(p, theirs, ours, data) == data
        theirs.close()
        p.until(lambda: ours.recv_nowait() == b"")
        ours.close()
        p.run(0.1)
        assert [h.machine.c.tcp.orphans for h in p.hosts] == [0, 0]


def test_shut_rd_ends_reading_here_and_says_nothing():
    with opened(PLAIN) as talk:
        talk.sock.shutdown(socket.SHUT_RD)
        assert talk.collect(1) == []
        assert talk.sock.recv_nowait() == b""
        assert talk.sock.send_nowait(b"x") == 1


def test_shutdown_twice_sends_one_fin():
    with opened(PLAIN) as talk:
        talk.sock.shutdown(socket.SHUT_WR)
        talk.sock.shutdown(socket.SHUT_RDWR)
        (fin,) = talk.collect(1)
        assert fin.flags == FIN | ACK


# ---- close ----


def test_close_sends_what_was_written_before_the_fin():
    with opened(PLAIN) as talk:
        c = talk.sock
        talk.seg(window=2000)
        assert c.send_nowait(b"x" * 5000) == 5000
        talk.step(("close",))
        acked = 1
        for _ in range(30):
            acked = max([acked, *((s.seq + s.len) for _, s in talk.said)])
            if any(s.flags & FIN for _, s in talk.said):
                break
            talk.seg(ack=acked, window=2000)
        last = next(s for _, s in talk.said if s.flags & FIN)
        assert last.seq + last.len == 5001
        talk.fin(ack=5002)
        assert (talk.tcp.orphans, talk.tcp.tws) == (0, 1)


def test_close_with_unread_data_is_a_reset():
    """RFC 2525 section 2.17."""
    with opened(PLAIN) as talk:
        talk.data(1, 10)
        ((rst,), _) = talk.step(("close",))
        assert (rst.flags, rst.seq, rst.ack) == (RST | ACK, 1, 11)
        assert (talk.mib("TcpExt_TCPAbortOnClose"), talk.tcp.orphans) == (1, 0)


def test_close_with_data_out_of_order_is_none():
    with opened(PLAIN) as talk:
        talk.data(100, 10)
        ((fin,), _) = talk.step(("close",))
        assert fin.flags == FIN | ACK


def test_close_after_reading_all_and_the_end_is_none():
    with opened(PLAIN) as talk:
        talk.data(1, 10, flags=FIN | ACK)
        assert len(talk.sock.recv_nowait()) == 10
        ((fin,), _) = talk.step(("close",))
        assert (fin.flags, fin.ack) == (FIN | ACK, 12)
        talk.seg(seq=12, ack=2)
        assert (talk.tcp.orphans, talk.tcp.tws) == (0, 0)


def test_linger_for_no_time_is_a_reset():
    with opened(PLAIN) as talk:
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        talk.send(b"abc")
        ((rst,), _) = talk.step(("close",))
        assert (rst.flags, rst.seq) == (RST | ACK, 4)
        assert (talk.tcp.orphans, talk.tcp.tws) == (0, 0)


def test_data_to_a_closed_connection_is_reset():
    with opened(PLAIN) as talk:
        talk.step(("close",))
        talk.seg(ack=2)
        (rst,) = talk.data(1, 10, ack=2)
        assert rst.flags & RST
        assert talk.tcp.orphans == 0
        assert talk.mib("TcpExt_TCPAbortOnData") == 1


def test_closing_a_connection_that_is_being_made_sends_nothing_more():
    with syn_sent() as talk:
        talk.step(("close",))
        assert talk.wait(30) == []
        assert talk.tcp.orphans == 0


def test_a_context_manager_closes():
    with opened(PLAIN) as talk:
        with talk.sock:
            pass
        (fin,) = talk.collect(1)
        assert fin.flags == FIN | ACK


# ---- connect ----


def test_a_connect_that_nobody_answers_times_out_and_leaves_nothing():
    with Talk() as talk:
        with pytest.raises(TimeoutError):
            talk.host.connect(PEER, 5)
        assert talk.tcp.orphans == 0


def test_a_port_that_nobody_listens_at_refuses():
    with Pair() as p:
        c = begin(p.a, B, 81)
        p.until(lambda: c.state == "CLOSE")
        assert outcome(c.recv_nowait) == "ECONNREFUSED"
        assert p.a.mib()["Tcp_AttemptFails"] == 1


@pytest.mark.parametrize(
    ("to", "source", "number"),
    [
        ("192.0.2.1", None, errno.ENETUNREACH),
        ("2001:db8::1", None, errno.ENETUNREACH),
        (PEER, ("10.0.0.77", 0), errno.EADDRNOTAVAIL),
    ],
)
def test_where_no_segment_can_go(to, source, number):
    with Talk() as talk:
        with pytest.raises(HostError) as e:
            talk.host.connect(to, 80, source=source)
        assert e.value.errno == number
        assert talk.tcp.orphans == 0


def test_a_pair_of_addresses_and_ports_is_used_once():
    with Pair() as p:
        ours, *_ = p.connected()
        with pytest.raises(HostError) as e:
            begin(p.a, B, 80, ours.local)
        assert e.value.errno == errno.EADDRNOTAVAIL
        other = begin(p.a, B, 80)
        assert other.local[1] != ours.local[1]
        same = begin(p.a, B, 82, (A, ours.local[1]))
        p.until(lambda: same.state == "CLOSE")


def test_ports_are_chosen_from_linuxs_range():
    with Pair() as p:
        ports = {begin(p.a, B, 80).local[1] for _ in range(50)}
        assert len(ports) == 50
        assert all(32768 <= port < 61000 for port in ports)


@pytest.mark.parametrize("port", [0, -1, 65536, "80"])
def test_the_peers_port_is_checked(port):
    with Talk() as talk, pytest.raises((VnicError, TypeError)):
        talk.host.connect(PEER, port)


def test_both_open_at_once():
    with Pair() as p:
        a, b = begin(p.a, B, 2000, (A, 1000)), begin(p.b, A, 1000, (B, 2000))
        p.until(lambda: a.state == b.state == "ESTABLISHED")
        assert transfer(p, a, b, b"one") == b"one"
        assert transfer(p, b, a, b"two") == b"two"


def test_a_host_closes_with_connections_in_any_state():
    with Pair() as p:
        ours, theirs, server = p.connected()
        ours.send(b"x" * 10_000)
        theirs.send(b"y" * 10_000)
        theirs.close()
        begin(p.a, B, 80)
        begin(p.a, B, 81)
        p.run(0.002)
        assert server.state == "LISTEN"


def test_no_place_is_left_behind():
    """Connections come and go: their places are used again."""
    with Pair(a={"sockets": 16}, b={"sockets": 16}) as p:
        server = p.b.listen(80)
        for i in range(60):
            c = begin(p.a, B, 80)
            s = p.until(server.accept_nowait)
            p.until(lambda c=c: c.state == "ESTABLISHED")
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
            (c, s)[i % 2].close() if i % 2 else c.close()
            p.run(0.004)
            c.close()
            s.close()
            p.run(0.004)
        assert [h.machine.c.tcp.orphans for h in p.hosts] == [0, 0]


def test_when_all_places_are_taken():
    with Pair(a={"sockets": 16}) as p:
        p.b.listen(80)
        results = [outcome(lambda: begin(p.a, B, 80) and "begun") for _ in range(20)]
        assert results[:10] == ["begun"] * 10
        assert results[-1] == "ENOBUFS"


def test_a_syn_in_the_middle_of_a_talk_is_challenged():
    with opened(OPT) as talk:
        (ack,) = talk.seg(seq=5, flags=SYN)
        assert (ack.flags, ack.ack) == (ACK, 1)
        assert talk.sock.state == "ESTABLISHED"
