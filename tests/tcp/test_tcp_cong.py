"""Slow start, additive increase and Reno, alone and in a connection."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tcp_pair import MS, Pair, transfer
from tcp_talk import PLAIN, opened

from vnic._core import ffi, lib


def sock(cwnd, ssthresh=0x7FFFFFFF, **fields):
    tp = ffi.new("struct tcp_sock *")
    tp.cwnd, tp.ssthresh, tp.cwnd_clamp, tp.cong, tp.cwnd_limited = cwnd, ssthresh, 0xFFFFFFFF, lib.TCP_CONG_RENO, 1
    for name, value in fields.items():
        setattr(tp, name, value)
    return tp


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(0, 1000))
def test_slow_start_stops_at_ssthresh_and_returns_the_rest(cwnd, ssthresh, acked):
    if cwnd >= ssthresh:
        return
    tp = sock(cwnd, ssthresh)
    rest = lib.tcp_slow_start(tp, acked)
    assert tp.cwnd == min(cwnd + acked, ssthresh)
    assert rest == acked - (tp.cwnd - cwnd)


@given(st.integers(1, 200), st.lists(st.integers(0, 50), max_size=50))
def test_additive_increase_is_one_for_each_w(w, acks):
    tp = sock(100)
    for n in acks:
        lib.tcp_ai(tp, w, n)
    assert tp.cwnd == 100 + sum(acks) // w


def test_reno_grows_by_one_a_round_trip():
    tp = sock(10, ssthresh=5)
    for rounds in range(1, 20):
        for _ in range(tp.cwnd):
            lib.tcp_cong_avoid(tp, 1, 0)
        assert tp.cwnd == 10 + rounds


def test_a_window_that_bounds_nothing_does_not_grow():
    tp = sock(10, ssthresh=5, cwnd_limited=0)
    lib.tcp_cong_avoid(tp, 100, 0)
    assert tp.cwnd == 10
    tp = sock(10, cwnd_limited=0, max_packets_out=6)  # in slow start half of it is enough
    lib.tcp_cong_avoid(tp, 2, 0)
    assert tp.cwnd == 12


@given(st.integers(0, 1 << 20))
def test_reno_halves(cwnd):
    assert lib.tcp_cong_ssthresh(sock(cwnd)) == max(cwnd // 2, 2)


def test_it_never_grows_beyond_its_clamp():
    tp = sock(10, cwnd_clamp=12)
    lib.tcp_cong_avoid(tp, 100, 0)
    assert tp.cwnd == 12


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_in_flight_is_what_is_neither_here_nor_lost(out, again, sacked, lost):
    tp = sock(1, packets_out=out + sacked + lost, retrans_out=again, sacked_out=sacked, lost_out=lost)
    assert lib.tcp_in_flight(tp) == out + again


# ---- in a connection ----


@pytest.mark.parametrize("cong", [b"reno", b"cubic"])
def test_slow_start_doubles_each_round_trip(cong):
    with opened(PLAIN) as talk:
        c = talk.sock
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, cong)
        talk.seg(window=65535)
        at, flights = 1, []
        for _ in range(3):
            c.send_nowait(bytes(1460 * 40))
            talk.collect(30)
            n = len(talk.said)
            flights.append(n)
            talk.said.clear()
            at += 1460 * n
            for i in range(n):
                talk.seg(ack=at - 1460 * (n - 1 - i))
            flights[-1] = flights[-1]
            at_after = talk.sock.tcp_info().snd_cwnd
            at += 1460 * 0
            if at_after >= 40:
                break
        assert flights[0] == 10
        assert talk.sock.tcp_info().snd_cwnd >= 20


@pytest.mark.parametrize("cong", [b"reno", b"cubic"])
def test_one_loss_reduces_once(cong):
    lost = []

    def plan(side, n, frame):
        if side == 0 and n == 60 and not lost:
            lost.append(n)
            return None
        return 5 * MS

    with Pair(delay=5 * MS, plan=plan) as p:
        ours, theirs, _ = p.connected()
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, cong)
        data = bytes(600_000)
        assert transfer(p, ours, theirs, data) == data
        info = ours.tcp_info()
        assert lost == [60]
        assert info.total_retrans == 1
        assert info.snd_ssthresh < 200
        assert p.a.mib()["TcpExt_TCPSackRecovery"] == 1
        assert p.a.mib()["TcpExt_TCPTimeouts"] == 0


def test_after_silence_the_window_is_small_again():
    """RFC 2861: it halves for each timeout of silence, down to the first window."""
    with Pair(delay=5 * MS) as p:
        ours, theirs, _ = p.connected()
        transfer(p, ours, theirs, bytes(400_000))
        grown = ours.tcp_info().snd_cwnd
        assert grown > 20
        p.run(10)
        ours.send(b"x")
        assert ours.tcp_info().snd_cwnd == 10


def test_what_the_program_does_not_send_opens_no_window():
    with Pair(delay=5 * MS) as p:
        ours, theirs, _ = p.connected()
        for _ in range(100):
            assert transfer(p, ours, theirs, b"x" * 100) == b"x" * 100
        assert ours.tcp_info().snd_cwnd == 10
