"""CUBIC against RFC 9438 in floating point, and HyStart's two signs."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnic._core import ffi, lib

C, BETA = 0.4, 717 / 1024
MS = 1_000_000


def sock(cwnd=100, ssthresh=1, **fields):
    tp = ffi.new("struct tcp_sock *")
    tp.cwnd, tp.ssthresh, tp.cwnd_clamp = cwnd, ssthresh, 0xFFFFFFFF
    lib.cubic_reset(tp)
    for name, value in fields.items():
        setattr(tp, name, value)
    return tp


@given(st.integers(2, 1_000_000), st.integers(0, 1_000_000))
def test_a_loss_reduces_by_beta_and_remembers_where(cwnd, last):
    tp = sock(cwnd, bic_last_max=last)
    assert lib.cubic_ssthresh(tp) == max(cwnd * 717 // 1024, 2)
    assert tp.bic_last_max == pytest.approx(cwnd * (1 + BETA) / 2 if cwnd < last else cwnd, abs=1)
    assert tp.bic_epoch == 0


@given(st.integers(20, 20_000))
def test_k_is_the_time_until_the_window_is_where_it_was(w_max):
    tp = sock(w_max)
    tp.cwnd = lib.cubic_ssthresh(tp)
    lib.cubic_avoid(tp, 1, 10**12)
    k = ((w_max - tp.cwnd) / C) ** (1 / 3)
    assert tp.bic_k / 1024 == pytest.approx(k, rel=0.01, abs=0.01)
    assert tp.bic_origin == w_max


@settings(max_examples=20)
@given(st.integers(50, 2000), st.sampled_from([20, 50, 100]))
def test_the_window_follows_the_curve(w_max, rtt_ms):
    """A round trip at a time, all of cwnd acknowledged, for 1.6 K."""
    tp = sock(w_max, bic_delay_min_us=rtt_ms * 1000)
    tp.cwnd = lib.cubic_ssthresh(tp)
    start, now = tp.cwnd, 10**12
    k = math.cbrt((w_max - start) / C) if hasattr(math, "cbrt") else ((w_max - start) / C) ** (1 / 3)
    w_est = float(start)
    for _ in range(int(1.6 * k * 1000 / rtt_ms)):
        acked = tp.cwnd
        for i in range(acked):
            lib.cubic_avoid(tp, 1, now + i * rtt_ms * MS // acked)
        now += rtt_ms * MS
        w_est += 3 * (1 - BETA) / (1 + BETA)
        t = (now - 10**12) / 1e9
        curve = C * (t - k) ** 3 + w_max
        assert tp.cwnd >= start
        assert tp.cwnd <= max(C * (t + 2 * rtt_ms / 1000 - k) ** 3 + w_max, w_est * 1.1, 1.0 * start) + 4
        assert tp.cwnd >= min(curve, C * (t - 3 * rtt_ms / 1000 - k) ** 3 + w_max) * 0.93 - 3


def test_where_cubic_is_slow_it_grows_as_reno_does():
    """RFC 9438 section 4.3: a short round trip, a small window."""
    tp = sock(20, bic_delay_min_us=1000)
    tp.cwnd = lib.cubic_ssthresh(tp)
    start, now, rounds = tp.cwnd, 10**12, 40
    for _ in range(rounds):
        for i in range(acked := tp.cwnd):
            lib.cubic_avoid(tp, 1, now + i * MS // acked)
        now += MS
    per_round = 3 * (1 - BETA) / (1 + BETA)
    assert tp.cwnd == pytest.approx(start + rounds * per_round, abs=4)


def test_slow_start_comes_first_and_its_rest_counts():
    tp = sock(10, ssthresh=15)
    lib.cubic_avoid(tp, 3, 10**12)
    assert tp.cwnd == 13
    lib.cubic_avoid(tp, 3, 10**12)
    assert (tp.cwnd, tp.bic_epoch) == (15, 10**12)


def test_silence_is_no_time_on_the_curve():
    tp = sock(100, bic_delay_min_us=1000)
    tp.cwnd = lib.cubic_ssthresh(tp)
    lib.cubic_avoid(tp, 1, 10**12)
    tp.lsndtime = 10**12 + MS
    lib.cubic_idle_end(tp, 10**12 + 5000 * MS)
    assert tp.bic_epoch == 10**12 + 4999 * MS
    before = tp.bic_epoch
    lib.cubic_idle_end(tp, tp.lsndtime)
    assert tp.bic_epoch == before


@given(st.integers(0, 1 << 30), st.integers(0, 2**31), st.integers(1, 1 << 20), st.integers(0, 1 << 50))
def test_no_state_lets_it_fail(last_max, delay_us, cwnd, later):
    tp = sock(cwnd, bic_last_max=last_max, bic_delay_min_us=delay_us)
    for now in (10**12, 10**12 + later, 10**12 + 2 * later):
        lib.cubic_avoid(tp, 5, now)
        assert tp.bic_cnt >= 2
        assert cwnd <= tp.cwnd <= cwnd + 15


# ---- HyStart ----


def slow_starting(cwnd=32):
    return sock(cwnd, ssthresh=0x7FFFFFFF, snd_nxt=1000, snd_una=1)


def test_a_longer_round_trip_ends_slow_start():
    tp = slow_starting()
    now = 10**12
    for i in range(20):
        lib.cubic_acked(tp, 20_000, now + i * 10 * MS)
    assert (tp.bic_delay_min_us, tp.hy_found) == (20_000, 0)
    tp.snd_una, tp.snd_nxt = 1001, 2000  # a new round, in which all takes longer
    for i in range(20):
        lib.cubic_acked(tp, 26_000, now + (30 + i) * 10 * MS)
    assert (tp.hy_found, tp.ssthresh) == (1, tp.cwnd)


def test_acknowledgements_in_a_row_for_half_a_round_trip_end_it_too():
    tp = slow_starting()
    now = 10**12
    for i in range(30):
        lib.cubic_acked(tp, 20_000, now + i * MS)
        if tp.hy_found:
            break
    assert 9 <= i <= 12
    assert tp.ssthresh == tp.cwnd


@pytest.mark.parametrize("cwnd", [15, 2])
def test_a_small_window_starts_on(cwnd):
    tp = slow_starting(cwnd)
    for i in range(100):
        lib.cubic_acked(tp, 20_000 + 1000 * i, 10**12 + i * MS)
    assert (tp.hy_found, tp.ssthresh) == (0, 0x7FFFFFFF)
