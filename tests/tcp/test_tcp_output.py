"""What is sent, and when: windows, Nagle, cork, PSH, the numbers a stranger cannot guess, a ring that is full."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tcp_pair import B, Pair, begin, transfer
from tcp_talk import ACK, FIN, OPT, PLAIN, Talk, opened

NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
CORK = (socket.IPPROTO_TCP, socket.TCP_CORK)


def lengths(said):
    return [s.len for s in said]


# ---- Nagle: RFC 896, as Minshall has it ----


def test_one_short_segment_is_out_at_a_time():
    with opened(PLAIN) as talk:
        assert lengths(talk.send(b"a" * 10)) == [10]
        assert lengths(talk.send(b"b" * 10)) == []
        assert lengths(talk.send(b"c" * 10)) == []
        assert lengths(talk.seg(ack=11)) == [20]


def test_full_segments_do_not_wait_but_their_rest_does():
    with opened(PLAIN) as talk:
        assert lengths(talk.send(b"a" * 10)) == [10]
        assert lengths(talk.send(b"b" * 3000)) == [1460, 1460]
        assert lengths(talk.seg(ack=11)) == [80]


def test_a_rest_behind_full_ones_goes_at_once():
    with opened(PLAIN) as talk:
        assert lengths(talk.send(b"b" * 3000)) == [1460, 1460, 80]


def test_nodelay_sends_at_once_also_what_waits():
    with opened(PLAIN) as talk:
        talk.send(b"a")
        talk.send(b"b")
        talk.sock.setsockopt(*NODELAY, 1)
        assert lengths(talk.collect(1)) == [1]
        assert lengths(talk.send(b"c")) == [1]


def test_a_listeners_nodelay_is_its_connections():
    with Talk() as talk:
        talk.server._tcp.nodelay = 1
        talk.open(PLAIN)
        assert talk.sock.getsockopt(*NODELAY) == 1


def test_a_cork_holds_short_ones_until_it_is_drawn():
    with opened(PLAIN) as talk:
        talk.sock.setsockopt(*CORK, 1)
        assert lengths(talk.send(b"a" * 100)) == []
        assert lengths(talk.send(b"b" * 1400)) == [1460]
        talk.sock.setsockopt(*CORK, 0)
        assert lengths(talk.collect(1)) == [40]


def test_the_end_takes_a_short_one_along():
    with opened(PLAIN) as talk:
        talk.send(b"a" * 10)
        talk.send(b"b" * 10)
        talk.sock.shutdown(socket.SHUT_WR)
        (last,) = talk.collect(1)
        assert (last.flags, last.seq, last.len) == (FIN | ACK, 11, 10)


# ---- windows ----


@pytest.mark.parametrize(("window", "sent"), [(10_000, 10_000), (1460, 1460), (3000, 2920), (800, 800), (1, 0)])
def test_the_peers_window_bounds_what_is_out(window, sent):
    with Talk() as talk:
        talk.open(PLAIN, window=window)
        said = talk.send(b"x" * 14_000)
        assert sum(lengths(said)) in (sent, sent // 1460 * 1460)
        assert all(s.seq + s.len <= 1 + window for s in said)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 65535)), min_size=1, max_size=12))
def test_nothing_is_ever_sent_beyond_an_offered_window(steps):
    with opened(PLAIN) as talk:
        talk.sock.send_nowait(bytes(60_000))
        talk.collect(1)
        edge, acked = 64_241, 1
        for n, window in steps:
            out = sorted({s.seq + s.len for _, s in talk.said if s.len})
            acked = max(acked, out[min(n, len(out) - 1)] if out else 1)
            edge = max(edge, acked + window)
            talk.seg(ack=acked, window=window)
            talk.wait(0.3)
            assert all(s.seq + s.len <= edge for _, s in talk.said)


def test_a_segment_that_only_updates_the_window_lets_more_go():
    with Talk() as talk:
        talk.open(PLAIN, window=1460)
        assert lengths(talk.send(b"x" * 5000)) == [1460]
        assert lengths(talk.seg(window=5000)) == [1460, 1460, 620]


def test_an_old_segments_window_is_not_believed():
    """RFC 9293 section 3.10.7.4: snd_wl1, snd_wl2."""
    with opened(PLAIN) as talk:
        talk.data(1, 100)
        talk.data(101, 100, window=2000)
        assert talk.sock.tcp_info().snd_wnd == 2000
        talk.seg(seq=1, window=60_000)
        assert talk.sock.tcp_info().snd_wnd == 2000


def test_ten_segments_are_out_at_first():
    """RFC 6928."""
    with opened(OPT) as talk:
        assert lengths(talk.send(b"x" * 16_000)) == [1448] * 10


def test_the_bytes_are_those_that_were_written_around_the_ring():
    data = bytes(i % 251 for i in range(300_000))
    with Pair() as p:
        ours, theirs, _ = p.connected()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
        assert transfer(p, ours, theirs, data, chunk=777) == data


def test_psh_is_on_the_last_of_what_was_written():
    with Pair() as p:
        ours, theirs, _ = p.connected()
        before = len(p.frames[0])
        ours.send(bytes(4000))
        p.run(0.002)
        flags = [f[47] for _, f in p.frames[0][before:] if len(f) > 100]
        assert [bool(x & 8) for x in flags] == [False, False, True]
        assert len(theirs.recv_nowait()) == 4000


# ---- numbers ----


def first_numbers(ports=20, at=0):
    with Pair() as p:
        p.run(at)
        isn = []
        for i in range(ports):
            begin(p.a, B, 1000 + i)
        p.run(0.01)
        for _, f in p.frames[0]:
            if f[12:14] == b"\x08\0" and f[23] == 6 and f[47] == 2:
                isn.append(int.from_bytes(f[38:42], "big"))
        return isn


def test_first_numbers_differ_by_connection_and_are_functions_of_the_seed():
    """RFC 6528."""
    one, again = first_numbers(), first_numbers()
    assert one == again
    assert len(set(one)) == 20
    spread = sorted(one)
    assert spread[-1] - spread[0] > 1 << 30


def test_a_later_connection_of_the_same_ports_has_a_later_number():
    one, later = first_numbers(), first_numbers(at=1)
    ticks = {(b - a) % 2**32 for a, b in zip(one, later, strict=True)}
    assert all(t == pytest.approx(1e9 / 64, rel=0.01) for t in ticks)


# ---- a full ring ----


def test_a_full_ring_delays_and_loses_nothing():
    """The card sends a frame after the other, slowly; more is written than the ring takes."""
    with Pair(a={"link": "10M"}) as p:
        ours, theirs, _ = p.connected()
        data = bytes(i % 251 for i in range(200_000))
        assert transfer(p, ours, theirs, data) == data
        assert ours.tcp_info().state == "ESTABLISHED"


def test_ipv6_segments_are_20_bytes_shorter():
    with Pair() as p:
        p.b.listen(80)
        ours = begin(p.a, "fd00::2", 80)
        p.until(lambda: ours.state == "ESTABLISHED")
        assert ours.tcp_info().snd_mss == 1500 - 40 - 20 - 12


def test_a_fin_waits_for_a_closed_window_too():
    """Linux: tcp_snd_wnd_test(); the probes ask."""
    with opened(PLAIN) as talk:
        talk.seg(window=0)
        talk.sock.shutdown(socket.SHUT_WR)
        assert talk.collect(10) == []
        assert [s.flags for s in talk.wait(0.5)][:1] == [ACK]
        assert [s.flags for s in talk.seg(window=10)] == [FIN | ACK]
