"""A connection's life: its states, what wakes the program, and that its place, its ring and its timers go with it."""

import os
import select
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tcp_pair import B, Pair, begin, transfer
from tcp_talk import ACK, FIN, OPT, PLAIN, RST, Talk, opened

from vnic import VnicError

RETURNS = (OSError, VnicError)


def test_the_states_of_a_talk_that_we_end():
    with Talk() as talk:
        talk.step(("connect",))
        assert talk.sock.state == "SYN_SENT"
        talk.step(("synack", OPT))
        assert talk.sock.state == "ESTABLISHED"
        talk.sock.shutdown(socket.SHUT_WR)
        assert talk.sock.state == "FIN_WAIT1"
        talk.collect(1)
        talk.seg(ack=2)
        assert talk.sock.state == "FIN_WAIT2"
        talk.fin(ack=2)
        assert (talk.sock.state, talk.tcp.tws) == ("CLOSE", 1)


def test_the_states_of_a_talk_that_the_peer_ends():
    with opened(OPT) as talk:
        talk.fin()
        assert talk.sock.state == "CLOSE_WAIT"
        talk.sock.shutdown(socket.SHUT_WR)
        assert talk.sock.state == "LAST_ACK"
        talk.collect(1)
        talk.seg(seq=2, ack=2)
        assert (talk.sock.state, talk.tcp.tws) == ("CLOSE", 0)


def is_readable(c):
    got = bool(select.select([c.fileno()], [], [], 0)[0])
    c.acknowledge()
    return got


@pytest.mark.parametrize(
    "event",
    [{"flags": ACK, "len": 10}, {"flags": FIN | ACK}, {"flags": RST}],
    ids=["data", "the end", "a reset"],
)
def test_what_wakes_a_reader(event):
    with opened(PLAIN) as talk:
        assert not is_readable(talk.sock)
        talk.seg(**event)
        assert is_readable(talk.sock)
        talk.sock.acknowledge()
        talk.seg(seq=1, ack=1)
        assert not is_readable(talk.sock)


def test_a_connection_wakes_the_listener():
    with Talk() as talk:
        fd = talk.server.fileno()
        assert not select.select([fd], [], [], 0)[0]
        talk.run([("syn", OPT), ("seg", {})])
        assert select.select([fd], [], [], 0)[0]


def test_room_wakes_a_writer_that_found_none():
    with opened(PLAIN) as talk:
        while talk.sock.send_nowait(bytes(100_000)):
            pass
        talk.sock.acknowledge()
        for _ in range(100):
            talk.seg(ack=1 + talk.sock.tcp_info().bytes_sent)
        assert is_readable(talk.sock)
        assert talk.sock.send_nowait(b"x") == 1


def test_closing_closes_the_descriptor():
    with opened(PLAIN) as talk:
        fd = talk.sock.fileno()
        talk.sock.close()
        with pytest.raises(OSError):
            os.fstat(fd)


def test_info_is_of_the_talk():
    with Pair() as p:
        ours, theirs, _ = p.connected()
        data = bytes(200_000)
        assert transfer(p, ours, theirs, data) == data
        p.run(0.1)
        a, b = ours.tcp_info(), theirs.tcp_info()
        assert (a.bytes_sent, a.bytes_acked, b.bytes_received) == (200_000,) * 3
        assert (a.unacked, a.notsent_bytes, a.retrans, a.lost, a.total_retrans, a.bytes_retrans) == (0,) * 6
        assert a.data_segs_out == b.data_segs_in == -(-200_000 // 1448)
        assert a.segs_out == b.segs_in + 1  # the SYN was of the request
        assert a.delivered == a.data_segs_out
        assert a.min_rtt <= a.rtt
        assert b.rcv_mss == 1448


step = st.one_of(
    st.tuples(st.just("seg"), st.integers(0, 12), st.integers(0, 12), st.integers(0, 63), st.integers(0, 3)),
    st.tuples(st.just("send"), st.integers(1, 5000)),
    st.tuples(st.just("recv"), st.integers(0, 5000)),
    st.tuples(st.just("shutdown"), st.integers(0, 2)),
    st.tuples(st.just("close")),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.3, 3, 70])),
)


@settings(max_examples=60)
@given(st.booleans(), st.lists(step, max_size=25))
def test_no_order_of_segments_and_calls_breaks_it(connects, steps):
    """Any flags, numbers near the right ones, any calls: the laws hold, and after an hour nothing is left."""
    with Talk() as talk:
        talk.connect() if connects else talk.open()
        for kind, *args in steps:
            c = talk.sock
            try:
                if kind == "seg":
                    seq, ack, flags, n = args
                    talk.seg(seq=seq, ack=ack, flags=flags, len=n * 4)
                elif kind == "wait":
                    talk.wait(*args)
                elif not c.closed:
                    {
                        "send": lambda n, c=c: c.send_nowait(bytes(n)), "recv": c.recv_nowait, "shutdown": c.shutdown,
                        "close": c.close,
                    }[kind](*args)  # fmt: skip
                    talk.collect(1)
            except RETURNS:
                pass
            if not c.closed:
                assert c.tcp_info().state == c.state
        talk.sock.close()
        talk.wait(3600)
        assert (talk.tcp.orphans, talk.tcp.tws, talk.tcp.reqs) == (0, 0, 0)
        assert talk.host.ledger().in_flight == 0


def test_a_place_is_whole_again():
    """What one connection left says nothing in the next one in its place."""
    with Pair(a={"sockets": 16}, b={"sockets": 16}) as p:
        server = p.b.listen(80)
        for _ in range(30):
            ours = begin(p.a, B, 80)
            theirs = p.until(server.accept_nowait)
            p.until(lambda c=ours: c.state == "ESTABLISHED")
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ours.send(bytes(20_000))
            p.run(0.002)
            theirs.close()  # unread data: a reset
            p.run(0.01)
            ours.close()
            p.run(0.01)
        fresh = begin(p.a, B, 80)
        assert fresh.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        info = fresh.tcp_info()
        assert (info.bytes_sent, info.snd_cwnd, info.total_retrans) == (0, 10, 0)
        assert [h.machine.c.tcp.orphans for h in p.hosts] == [0, 0]
