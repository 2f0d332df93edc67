"""What is received: order, windows, SACK and DSACK, the buffer that grows, and what has no room."""

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tcp_pair import Pair, transfer
from tcp_talk import ACK, FIN, OPT, PLAIN, PSH, RST, Talk, opened


def expected(n, first=1):
    return bytes((first + i) % 251 for i in range(n))


# Talk's peer sends bytes by their place in each segment: a segment's data begins with seq % 251.


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 1460)), max_size=20), st.booleans())
def test_segments_in_any_order_are_the_stream(pieces, sack):
    """Each is a piece of one text; then all of it comes in order, once more."""
    with opened(OPT if sack else PLAIN, gro=False) as talk:
        for seq, n in pieces:
            talk.data(seq, n)
        for seq in range(1, 5000, 1000):
            talk.data(seq, 1000)
        got = b""
        while piece := talk.sock.recv_nowait():
            got += piece
        assert got == expected(5000)
        assert talk.sock._c.rcv_nxt == talk.sock._tcp.copied_seq
        assert talk.sock.tcp_info().bytes_received == 5000


def test_each_segment_out_of_order_is_acknowledged_at_once_the_latest_run_first():
    with opened(OPT) as talk:
        runs = [(301, 401), (501, 601), (701, 801)]
        said = [talk.data(a, b - a)[0].sacks for a, b in runs]
        assert said == [(runs[0],), (runs[1], runs[0]), (runs[2], runs[1], runs[0])]
        (ack,) = talk.data(401, 100)
        assert (ack.ack, ack.sacks) == (1, ((301, 601), (701, 801)))
        (ack,) = talk.data(1, 300)
        assert (ack.ack, ack.sacks) == (601, ((701, 801),))
        (ack,) = talk.data(601, 100)
        assert (ack.ack, ack.sacks) == (801, ())


def test_more_runs_than_fit_lose_the_oldest():
    with opened(OPT) as talk:
        for seq in range(201, 2001, 200):
            said = talk.data(seq, 100) + talk.wait(0.002)
        assert said[-1].sacks == ((1801, 1901), (1601, 1701), (1401, 1501))


def test_sacks_are_put_together_when_many_come():
    """Linux's SACK compression: the first three at once."""
    with opened(OPT) as talk:
        assert [len(talk.data(seq, 100)) for seq in (301, 501, 701)] == [1, 1, 1]
        talk.put(talk.peer.segment({"seq": 901, "len": 100}))
        talk.put(talk.peer.segment({"seq": 1101, "len": 100}))
        assert len(talk.collect(3)) <= 1


@pytest.mark.parametrize(("seq", "n", "said"), [(1, 100, (1, 101)), (51, 50, (51, 101)), (51, 100, (51, 101))])
def test_what_came_twice_is_said(seq, n, said):
    """RFC 2883."""
    with opened(OPT) as talk:
        talk.data(1, 100)
        got = talk.data(seq, n) + talk.wait(0.3)
        assert got[0].sacks == (said,)


def test_a_segment_that_is_queued_out_of_order_already_is_said_too():
    with opened(OPT) as talk:
        talk.data(201, 100)
        (ack,) = talk.data(221, 20)
        assert ack.sacks == ((221, 241), (201, 301))


def test_what_a_longer_segment_covers_is_said():
    with opened(OPT) as talk:
        talk.data(1449, 1)
        (ack,) = talk.data(201, 1460)
        assert ack.sacks == ((1449, 1450), (201, 1661))


def test_what_the_next_segment_brings_a_second_time_is_said():
    with opened(OPT) as talk:
        talk.data(101, 1460)
        (ack,) = talk.data(1, 536)
        assert (ack.ack, ack.sacks) == (1561, ((101, 537),))


def test_what_is_queued_behind_a_fin_is_dropped():
    with opened(PLAIN) as talk:
        talk.data(101, 10)
        (ack,) = talk.data(1, 100, flags=FIN | ACK) + talk.wait(0.1)  # no hole was filled: it is delayed
        assert ack.ack == 102
        assert (len(talk.sock.recv_nowait()), talk.sock.recv_nowait()) == (100, b"")


def test_a_fin_inside_what_is_queued_is_said_as_a_duplicate():
    with opened(OPT) as talk:
        talk.data(4449, 536)
        (ack,) = talk.fin(4449)
        assert ack.sacks == ((4449, 4450), (4449, 4985))


def test_a_full_segment_with_psh_is_acknowledged_when_it_was_read():
    """Linux: tcp_measure_rcv_mss() sets ICSK_ACK_PUSHED, so that tcp_cleanup_rbuf() acknowledges."""
    with opened(PLAIN) as talk:
        for i in range(30):
            talk.data(1 + 1460 * i, 1460, flags=ACK)
            talk.wait(0.03)
            talk.sock.recv_nowait()
        talk.wait(0.06)
        assert talk.data(1 + 1460 * 30, 1460, flags=ACK | PSH) == []
        talk.sock.recv_nowait()
        assert len(talk.collect(1)) == 1


# ---- the window ----


def test_the_window_closes_and_a_reader_opens_it():
    with Talk() as talk:
        talk.server.rcvbuf = 20_000  # a connection inherits it
        talk.open(PLAIN)
        at = 1
        for _ in range(100):
            said = talk.data(at, 1000) + talk.wait(0.25)
            window = said[-1].window
            at = said[-1].ack
            if not window:
                break
        assert window == 0
        (again,) = talk.data(at, 1)  # a probe
        assert (again.ack, again.window) == (at, 0)
        got = 0
        while piece := talk.sock.recv_nowait(1000):
            got += len(piece)
        assert got == at - 1
        opened_again = talk.collect(1)
        assert opened_again[-1].window > 4000


def test_the_right_edge_never_moves_back():
    with opened(OPT) as talk:
        edge, at = 0, 1
        for i in range(200):
            for s in talk.data(at, 1448):
                assert s.ack + s.window >= edge
                edge, at = s.ack + s.window, s.ack
            if i % 7 == 0:
                talk.sock.recv_nowait(5000)


def test_data_behind_the_window_is_refused():
    with opened(PLAIN) as talk:
        (ack,) = talk.data(70_000, 10)
        assert (ack.ack, ack.sacks) == (1, ())
        assert talk.sock.recv_nowait() is None
        assert talk.host.ledger().fates.keys() & {"TCP_INVALID_SEQUENCE", "TCP_OVERWINDOW"}


def test_the_buffer_grows_with_what_is_read():
    """Dynamic right-sizing: on a path of 40 ms, 128 KB would bound it to 26 Mbit/s."""
    with Pair(delay=20_000_000) as p:
        ours, theirs, _ = p.connected()
        before = theirs.rcvbuf
        data = bytes(3_000_000)
        assert transfer(p, ours, theirs, data) == data
        assert theirs.rcvbuf > 4 * before
        assert theirs.tcp_info().rcv_wnd > 500_000


def test_a_buffer_that_was_set_does_not_grow():
    with Pair(delay=20_000_000) as p:
        ours, theirs, _ = p.connected()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50_000)
        data = bytes(500_000)
        assert transfer(p, ours, theirs, data) == data
        assert theirs.rcvbuf == 100_000


def test_a_reader_that_sleeps_loses_nothing():
    with Pair() as p:
        ours, theirs, _ = p.connected()
        data = expected(400_000)
        left, got = memoryview(data), bytearray()
        for _ in range(2000):
            if left and (n := ours.send_nowait(left)):
                left = left[n:]
            p.run(0.05)
            got += theirs.recv_nowait(3000) or b""
            if len(got) == len(data):
                break
        assert got == data


# ---- the end of the stream ----


@pytest.mark.parametrize("options", [OPT, PLAIN])
def test_a_fin_ahead_of_data_waits_for_it(options):
    with opened(options) as talk:
        talk.data(101, 100, flags=FIN | ACK)
        assert talk.sock.state == "ESTABLISHED"
        (ack,) = talk.data(1, 100)
        assert ack.ack == 202
        assert talk.sock.state == "CLOSE_WAIT"
        assert (talk.sock.recv_nowait(), talk.sock.recv_nowait()) == (expected(100) + expected(100, 101), b"")


def test_data_behind_the_fin_is_not_the_streams():
    with opened(PLAIN) as talk:
        talk.fin()
        talk.data(2, 10)
        assert talk.sock.recv_nowait() == b""
        assert talk.host.ledger().fates["TCP_CLOSE"] == 1


@pytest.mark.parametrize("seq", [1, 2])
def test_a_reset_after_the_fin_ends_it(seq):
    with opened(PLAIN) as talk:
        talk.fin()
        talk.seg(seq=seq, flags=RST)
        assert talk.sock.state == "CLOSE"
