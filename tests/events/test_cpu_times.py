"""What each CPU's time went into: no instant counts twice, and none is missing."""

import logged_runs as logged
import overloads
import pytest
import strategies
from hypothesis import given
from in_use import growth

from vnic._core import ffi, lib
from vnic.diff.side import cpu_times


def busy(cpu, began=0):
    return cpu["now_ns"] - began - cpu["idle_ns"]


@pytest.mark.parametrize(
    "options",
    [{}, {"queues": 2, "rps_cpus": "f", "rx_usecs": 50}, {"reader_cpu": 0}, {"gro_flush_timeout": 20_000}],
    ids=str,
)
def test_the_parts_are_all_that_a_cpu_did(options):
    run = logged.run(overloads.burst(2000), **options)
    for cpu, parts in zip(run.facts["cpus"], cpu_times(run.events, 4), strict=True):
        assert sum(parts.values()) == busy(cpu)
        assert parts["ksoftirqd_ns"] == cpu["ksoftirqd_busy_ns"]


@given(traffic=strategies.traffic(), config=strategies.configs())
def test_no_part_is_more_than_a_cpu_did_for_any_traffic(traffic, config):
    run = logged.run(traffic, **config)
    for cpu, parts in zip(run.facts["cpus"], cpu_times(run.events, config["cpus"]), strict=True):
        assert sum(parts.values()) <= busy(cpu)
        assert all(ns >= 0 for ns in parts.values())


RECORDS = [
    # begin, end, kind, argument, and who owns how much
    (0, 100, lib.EVENT_TASK, lib.TASK_READER),
    (20, 60, lib.EVENT_SOFTIRQ, 0),
    (30, 35, lib.EVENT_HARDIRQ, 0),
    (100, 200, lib.EVENT_TASK, lib.TASK_KSOFTIRQD),
    (110, 190, lib.EVENT_SOFTIRQ, 1),
    (120, 130, lib.EVENT_HARDIRQ, 0),
]


def test_of_work_within_work_the_inner_one_counts():
    e = ffi.new("struct event_record[]", len(RECORDS))
    for at, (begin, end, kind, arg) in enumerate(RECORDS):
        e[at].t_ns, e[at].dur_ns, e[at].kind, e[at].arg, e[at].cpu = begin, end - begin, kind, arg, 1
    times = ffi.new("struct cpu_times[2]")
    assert lib.cpu_times(e, len(RECORDS), times, 2) == 0
    t = times[1]
    assert (t.hardirq_ns, t.softirq_ns, t.ksoftirqd_ns, t.task_ns) == (15, 35, 70, 60 + 20)
    assert times[0].task_ns == 0


def test_what_was_noted_of_each_cpu_is_given_back():
    e, times = ffi.new("struct event_record[1]"), ffi.new("struct cpu_times[1000]")
    assert growth(lambda: lib.cpu_times(e, 1, times, 1000)) < 1000
