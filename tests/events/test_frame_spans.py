"""The time of each frame in each part of its way: its sums are those of the run's own latency histograms."""

import logged_runs as logged
import overloads
import pytest
import strategies
from hypothesis import given
from logged_runs import CASES, spans_of

from vnic._core import ffi, lib
from vnic.counters.latency import LATENCIES


def sums(spans):
    return {name: sum(s.get(name, 0) for s in spans) for name in LATENCIES}


@pytest.mark.parametrize("case", CASES)
def test_the_sums_are_those_of_the_latency_split(case):
    traffic, options = CASES[case]
    run = logged.run(traffic, **options)
    spans = spans_of(run)
    assert sums(spans) == run.sums
    assert any(run.sums.values())


@given(traffic=strategies.traffic(), config=strategies.configs())
def test_the_sums_are_those_of_the_latency_split_for_any_traffic(traffic, config):
    run = logged.run(traffic, **config)
    assert sums(spans_of(run)) == run.sums


@pytest.mark.parametrize("part", ["ring", "moderation", "poll", "total"])
def test_a_part_that_comes_once_has_the_splits_own_values(part):
    run = logged.run(overloads.burst(1500), rx_usecs=30)
    mine = sorted(s[part] for s in spans_of(run) if part in s)
    split = run.latencies[part]
    assert (len(mine), mine[0], mine[-1]) == (split.count, split.min, split.max)
    for q, value in ((0.5, split.p50), (0.99, split.p99)):
        exact = mine[max(int(q * len(mine) + 0.5) - 1, 0)]
        assert exact <= value <= exact * 1.016 + 1


def test_the_parts_of_a_read_frame_add_up_to_its_total():
    for s in spans_of(logged.run(overloads.stream(100, 900), rx_usecs=20, rps_cpus="2")):
        assert sum(ns for name, ns in s.items() if name != "total") == s["total"]


def test_a_frame_that_is_lost_at_the_card_has_no_spans():
    run = logged.run(overloads.burst(3000))
    lost = [s for s, f in zip(spans_of(run), run.frames, strict=True) if f.fate == "FIFO_OVERRUN"]
    assert lost
    assert not any(lost)


def test_rows_with_gaps_in_their_numbers_have_the_same_spans():
    run = logged.run(overloads.burst(60))
    spans = spans_of(run)
    every_third = ffi.new("struct frame_row[]", [run.frames.c[i] for i in range(0, 60, 3)])
    found = ffi.new("struct frame_spans[]", 20)
    assert lib.frame_spans(run.events.c, len(run.events), every_third, 20, found) == 0
    parts = [{name: int(s.ns[i]) for i, name in enumerate(LATENCIES) if s.seen >> i & 1} for s in found]
    assert parts == spans[::3]
    assert any(len(part) > 3 for part in parts)


def test_without_rows_there_is_nothing_to_do():
    assert lib.frame_spans(ffi.NULL, 0, ffi.NULL, 0, ffi.NULL) == 0
