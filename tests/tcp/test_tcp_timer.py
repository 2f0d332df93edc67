"""Schedules: of what is sent again, of probes, delayed acknowledgements and keepalives. Virtual time is exact."""

import errno
import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tcp_talk import ACK, FIN, MS, OPT, PLAIN, RST, SECOND, SYN, Talk, opened

from vnic import HostError
from vnic._core import ffi, lib

HOUR = 3600


def wheel(now, ns, tick=MS):
    """Linux's timer wheel, the plain way: levels of 64 buckets, each eight times as coarse as the one before."""
    ticks, at, unit = -(-ns // tick), now // tick - (-ns // tick), 1
    while ticks >= 63 * unit:
        unit *= 8
    return (at + unit) // unit * unit * tick


@given(st.integers(0, 1 << 44), st.integers(0, 1 << 42), st.sampled_from([MS, 4 * MS, 10 * MS]))
def test_a_timer_runs_when_linuxs_wheel_runs_it(now, ns, tick):
    h = ffi.new("struct host *")
    h.jiffy_ns = tick
    at = lib.tcp_jiffies_later(h, now, ns)
    assert at == wheel(now, ns, tick)
    assert now + ns <= at <= now + ns + ns // 8 + 2 * tick  # never early, at most an eighth and two ticks late


def gaps(talk):
    times = [t for t, _ in talk.said]
    return [(b - a) / SECOND for a, b in itertools.pairwise(times)]


def near(expected):
    """The wheel is at most an eighth late, and never early."""
    return pytest.approx([e * 1.0625 for e in expected], rel=0.06)


def test_a_syn_goes_again_five_times_each_second_and_then_ever_later():
    with Talk() as talk:
        talk.step(("connect",))
        talk.wait(300)
        assert {(s.flags, s.seq, s.len) for _, s in talk.said} == {(SYN, 0, 0)}
        assert gaps(talk) == near([1, 1, 1, 1, 1, 2, 4, 8, 16, 32])
        with pytest.raises(TimeoutError):
            talk.sock.recv_nowait()
        assert talk.mib("TcpExt_TCPSynRetrans") == 10
        assert talk.sock.state == "CLOSE"


def test_a_syn_ack_goes_again_five_times_and_then_it_is_forgotten():
    with Talk() as talk:
        talk.step(("syn", OPT))
        talk.wait(300)
        assert {(s.flags, s.seq, s.ack) for _, s in talk.said} == {(SYN | ACK, 0, 1)}
        assert gaps(talk) == near([1, 2, 4, 8, 16])
        assert talk.tcp.reqs == 0
        (answer,) = talk.seg()
        assert answer.flags == RST


def test_a_segment_that_nobody_acknowledges_goes_again_and_each_wait_is_twice_as_long():
    with Talk() as talk:
        c = talk.open(PLAIN)
        talk.send(b"x" * 100)
        talk.wait(2 * HOUR)
        assert {(s.seq, s.len) for _, s in talk.said} == {(1, 100)}
        rto = 0.2
        expected = []
        while len(expected) < 15:
            expected.append(min(rto, 120))
            rto *= 2
        assert gaps(talk)[:10] == near(expected[:10])
        assert max(gaps(talk)) <= 120 * 1.125
        assert len(talk.said) == 16
        with pytest.raises(HostError) as e:
            c.recv_nowait()
        assert e.value.errno == errno.ETIMEDOUT
        assert c.recv_nowait() == b""  # once
        assert talk.mib("TcpExt_TCPAbortOnTimeout") == 1


def test_an_acknowledgement_ends_the_backoff():
    with opened(PLAIN) as talk:
        talk.send(b"x" * 100)
        talk.wait(3)
        assert talk.sock.tcp_info().backoff > 2
        talk.seg(ack=101)
        talk.said.clear()
        talk.send(b"y" * 100)  # of the first nothing could be measured: the backoff stays for one more, by Karn's rule
        talk.seg(ack=201)
        assert talk.sock.tcp_info().backoff == 0
        talk.said.clear()
        talk.send(b"z" * 100)
        talk.wait(0.5)
        assert gaps(talk)[:1] == near([0.2])


def test_user_timeout_ends_it_sooner():
    with Talk() as talk:
        c = talk.open(PLAIN)
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
        talk.send(b"x")
        talk.wait(4.5)
        assert c.state == "ESTABLISHED"
        talk.wait(2.5)
        assert c.state == "CLOSE"


def test_a_silent_tail_is_probed_after_two_round_trips():
    """RFC 8985 section 7: one segment in flight waits for a delayed acknowledgement too."""
    with opened(OPT) as talk:
        for i in range(20):  # RTT 1 ms
            talk.send(b"x" * 1448)
            talk.seg(ack=1 + 1448 * (i + 1), ts=0)
        talk.said.clear()
        end = 1 + 1448 * 20
        assert talk.sock.send_nowait(b"y" * 14480) == 14480
        talk.collect(100)
        assert [s.seq for _, s in talk.said][:10] == [end + 1448 * i for i in range(10)]
        again = talk.said[10]
        assert again[1].seq == end + 9 * 1448
        assert again[0] - talk.said[9][0] < 20 * MS
        assert talk.mib("TcpExt_TCPLossProbes") == 1


def test_no_probe_without_sack():
    with opened(PLAIN) as talk:
        talk.send(b"y" * 2920)
        talk.wait(0.15)
        assert [s.seq for _, s in talk.said] == [1, 1461]


# ---- a closed window ----


def test_a_closed_window_is_asked_ever_later_and_for_ever_while_the_peer_answers():
    with opened(PLAIN) as talk:
        talk.seg(window=0)
        talk.send(b"x" * 100)
        for _ in range(40):
            talk.wait(30)
            talk.seg(window=0)
        assert talk.sock.state == "ESTABLISHED"
        assert {(s.seq, s.len) for _, s in talk.said} == {(0, 0)}
        assert gaps(talk)[:4] == near([0.4, 0.8, 1.6, 3.2])
        assert max(gaps(talk)) <= 136
        ((data),) = talk.seg(window=1000)
        assert (data.seq, data.len) == (1, 100)


def test_nobody_answers_the_probes():
    with Talk() as talk:
        c = talk.open(PLAIN)
        talk.seg(window=0)
        talk.send(b"x" * 100)
        talk.wait(2 * HOUR)
        assert len(talk.said) == 15
        with pytest.raises(TimeoutError):
            c.recv_nowait()


def test_a_window_that_opens_a_little_gets_no_silly_segment_but_the_probe_fills_it():
    with opened(PLAIN) as talk:
        talk.seg(window=0)
        talk.send(b"x" * 5000)
        assert talk.seg(window=10) == []
        probes = talk.wait(1)
        assert [(s.seq, s.len) for s in probes][:1] == [(1, 10)]


# ---- delayed acknowledgements ----


def settle(talk, n=30):
    """The first segments are acknowledged at once; then the talk is known."""
    for i in range(n):
        talk.data(1 + 1460 * i, 1460, flags=ACK)
        talk.wait(0.03)
        talk.sock.recv_nowait()
    talk.wait(0.06)
    talk.said.clear()
    return 1 + 1460 * n


def test_the_first_segments_are_acknowledged_at_once():
    with opened(PLAIN) as talk:
        assert [len(talk.data(1 + 1460 * i, 1460)) for i in range(8)] == [1] * 8


def test_a_segment_alone_is_acknowledged_after_a_delay():
    with opened(PLAIN) as talk:
        at = settle(talk)
        began = talk.now
        assert talk.data(at, 100) == []
        (ack,) = talk.wait(0.3)
        assert ack.ack == at + 100
        assert 40 * MS <= talk.said[-1][0] - began <= 220 * MS
        assert talk.mib("TcpExt_DelayedACKs") >= 1


def test_each_second_full_segment_is_acknowledged():
    """RFC 9293 section 3.8.6.3."""
    with opened(PLAIN) as talk:
        at = settle(talk)
        assert talk.data(at, 1460) == []
        (ack,) = talk.data(at + 1460, 1460)
        assert ack.ack == at + 2920


def test_data_carries_the_acknowledgement_that_waits():
    with opened(PLAIN) as talk:
        at = settle(talk)
        assert talk.data(at, 100) == []
        (answer,) = talk.send(b"answer")
        assert (answer.ack, answer.len) == (at + 100, 6)
        talk.seg(seq=at + 100, ack=7)
        assert talk.wait(0.5) == []


# ---- keepalive ----


def alive(idle=10, interval=5, count=3):
    talk = opened(PLAIN)
    c = talk.sock
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return talk


def test_silence_is_broken_and_without_an_answer_the_connection_ends():
    with alive() as talk:
        began = talk.now
        talk.wait(60)
        assert [(s.flags, s.seq, s.len) for _, s in talk.said] == [(ACK, 0, 0)] * 3 + [(RST | ACK, 1, 0)]
        assert [(t - began) / SECOND for t, _ in talk.said] == near([10, 15, 20, 25])
        with pytest.raises(TimeoutError):
            talk.sock.recv_nowait()


def test_an_answer_keeps_it():
    """Linux: tcp_ack() clears icsk_probes_out and sets rcv_tstamp, which keepalive_time_elapsed() looks at."""
    with alive() as talk:
        for _ in range(10):
            for _ in range(30):
                if talk.wait(0.5):
                    talk.seg()
                    break
        assert talk.sock.state == "ESTABLISHED"
        assert gaps(talk) == near([10] * 9)


def test_without_the_option_silence_lasts():
    with opened(PLAIN) as talk:
        assert talk.wait(10 * HOUR) == []
        assert talk.sock.state == "ESTABLISHED"


# ---- orphans ----


def test_an_orphan_in_fin_wait_2_is_forgotten_after_a_minute():
    with opened(PLAIN) as talk:
        talk.step(("close",))
        talk.seg(ack=2)
        assert talk.tcp.orphans == 1
        talk.wait(50)
        assert talk.tcp.orphans == 1
        talk.wait(20)
        assert talk.tcp.orphans == 0
        (answer,) = talk.fin(ack=2)
        assert answer.flags & RST


def test_an_orphan_gives_up_sooner_than_a_connection():
    with opened(PLAIN) as talk:
        talk.send(b"x")
        talk.step(("close",))
        talk.wait(HOUR)
        assert talk.tcp.orphans == 0
        assert 8 <= len(talk.said) <= 11
        assert FIN & max(s.flags for _, s in talk.said)
