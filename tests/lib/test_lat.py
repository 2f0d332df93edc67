"""Histograms: percentiles against sorting."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic._core import ffi, lib
from vnic.counters import latency

VALUES = st.one_of(st.integers(0, 200), st.integers(0, 10**6), st.integers(0, 2**62))


def histogram(samples):
    h = ffi.new("struct histogram *")
    for value, frames in samples:
        lib.lat_record(h, value, frames)
    return h


@given(
    samples=st.lists(st.tuples(VALUES, st.integers(1, 64)), min_size=1, max_size=60),
    q=st.floats(0, 1),
)
def test_percentiles_are_at_most_1_6_percent_too_high(samples, q):
    exact = sorted(v for v, frames in samples for _ in range(frames))
    nearest = exact[max(math.floor(q * len(exact) + 0.5), 1) - 1]
    assert nearest <= lib.lat_percentile(histogram(samples), q) <= nearest * 1.016


@given(samples=st.lists(st.tuples(VALUES, st.integers(1, 64)), min_size=1, max_size=60))
def test_count_sum_and_extremes_are_exact(samples):
    h = histogram(samples)
    values = [v for v, _ in samples]
    total = sum(v * frames for v, frames in samples) % 2**64
    assert (h.count, h.sum, h.min, h.max) == (
        sum(frames for _, frames in samples), total, min(values), max(values))  # fmt: skip
    assert sum(h.bucket) == h.count


@pytest.mark.parametrize("value", [0, 1, 63, 64, 127, 128, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_one_sample_is_every_percentile(value):
    h = histogram([(value, 1)])
    got = {lib.lat_percentile(h, q) for q in (0, 0.5, 0.999, 1)}
    assert got == {min(value, 2**63 - 1)}


def test_an_empty_histogram_has_no_percentiles():
    assert lib.lat_percentile(histogram([]), 0.99) == 0


@given(value=st.one_of(st.integers(0, 200), st.integers(0, 2**63 - 1)))
def test_a_bucket_has_the_bounds_that_python_says(value):
    filled = latency.buckets(histogram([(value, 3)]))
    assert filled["frames"] == [3]
    assert filled["low_ns"][0] <= value <= filled["high_ns"][0] <= max(value, filled["low_ns"][0] * 1.016)


def test_buckets_lie_side_by_side_and_none_is_missing():
    edges = [latency.bounds(i) for i in range(lib.LAT_BUCKETS)]
    assert edges[0][0] == 0
    assert all(high + 1 == low for (_, high), (low, _) in pairwise(edges))


def test_only_filled_buckets_are_told():
    assert latency.buckets(histogram([])) == {"low_ns": [], "high_ns": [], "frames": []}
    assert latency.buckets(histogram([(5, 1), (5, 2), (63, 1)])) == {
        "low_ns": [5, 63], "high_ns": [5, 63], "frames": [3, 1]}  # fmt: skip
