"""net_rx_action: round robin over the poll list, within the budget. The NAPIs here only report work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.napi import poll_order
from softnet_steps import MS, NEVER, Line

import vnic
from vnic._core import lib


@pytest.mark.parametrize(
    ("budget", "scripts", "runs", "squeezes"),
    [
        (300, {"a": [5]}, ["a"], 0),
        (300, {"a": [0], "b": [63]}, ["ab"], 0),
        # at most once a run; who used the whole weight goes to the end of the line
        (300, {"a": [64, 64, 10], "b": [5]}, ["ab", "a", "a"], 0),
        (300, {"a": [64], "b": [64], "c": []}, ["abc", "ab"], 0),
        # the budget is looked at after a poll: it may be overshot by a poll less one
        (65, {"a": [64], "b": [64], "c": [1]}, ["ab", "cab"], 1),
        (64, {"a": [64], "b": [1]}, ["a", "ba"], 1),
        (63, {"a": [64], "b": [64, 1]}, ["a", "b", "ab"], 2),
        # a squeeze counts even when nothing is left to do
        (5, {"a": [5]}, ["a"], 1),
        (6, {"a": [5]}, ["a"], 0),
        (1, {"a": [1], "b": [1]}, ["a", "b"], 2),
    ],
)
def test_who_is_polled_in_which_run(host, budget, scripts, runs, squeezes):
    line = Line(host(netdev_budget=budget), scripts)
    line.schedule()
    assert ["".join(run) for run in line.runs()] == runs
    assert line.host.softnet()[0].time_squeeze == squeezes


@given(
    scripts=st.dictionaries(
        st.sampled_from("abcdef"),
        st.lists(st.integers(0, 8) | st.just(8), max_size=8).map(lambda w: trim(w, 8)),
        min_size=1,
    ),
    budget=st.integers(1, 40),
)
def test_the_order_is_the_models(scripts, budget):
    with vnic.Host(rx_pool=64, sockets=16, netdev_budget=budget) as h:
        line = Line(h, scripts, weight=8)
        line.schedule()
        assert line.runs() == poll_order(scripts, weight=8, budget=budget)
        assert h.softnet()[0].net_rx_runs == len(poll_order(scripts, weight=8, budget=budget))


def trim(work, weight):
    """A NAPI is polled until it does less than its weight."""
    return next((work[: i + 1] for i, w in enumerate(work) if w < weight), work)


@pytest.mark.parametrize(
    ("hz", "usecs", "start_ms", "poll_ms", "polls"),
    [
        (1000, None, 0, 0.5, 4),  # the default is two jiffies
        (1000, None, 0.9, 0.5, 3),  # whole jiffies are compared: the first may be nearly over
        (250, None, 0, 1, 8),
        (250, None, 3.9, 1, 5),
        (250, 1, 0, 1, 4),  # rounded up to one jiffy
        (250, 4001, 0, 1, 8),
        (100, 10_000, 0, 5, 2),
    ],
)
def test_the_time_limit_is_in_jiffies(host, hz, usecs, start_ms, poll_ms, polls):
    line = Line(host(hz=hz, netdev_budget_usecs=usecs), dict.fromkeys("abcdefghij", ()))
    line.cpu.now = int(start_ms * MS)
    for name in line.napis:
        line.napis[name].poll = line.answer(name, iter([line.busy(int(poll_ms * MS))]))
    line.schedule()
    assert len(line.run()) == polls
    assert (line.cpu.time_squeeze, line.cpu.softirq_pending) == (1, 1)


def test_squeezed_the_line_is_the_rest_then_the_new_then_the_repolled(host):
    line = Line(host(netdev_budget=128), {"a": [64, 0], "b": [], "c": [64], "d": [], "n": []})
    line.napis["b"].poll = line.answer("b", iter([lambda: line.schedule("n")]))
    line.schedule(*"abcd")
    assert line.runs() == [["a", "b", "c"], ["d", "n", "a", "c"]]


def test_what_is_scheduled_meanwhile_is_polled_in_the_same_run_if_nobody_waits(host):
    line = Line(host(), {"a": [], "n": []})
    line.napis["a"].poll = line.answer("a", iter([lambda: line.schedule("n")]))
    line.schedule("a")
    assert line.runs() == [["a", "n"]]


def test_but_not_before_those_that_are_to_be_polled_again(host):
    line = Line(host(), {"a": [], "b": [64], "n": []})
    line.napis["a"].poll = line.answer("a", iter([lambda: line.schedule("n")]))
    line.schedule(*"ab")
    assert line.runs() == [["a", "b"], ["n", "b"]]


def test_ipis_go_out_at_the_end_of_the_run(host):
    """The CPU fed last comes first; an IPI is raised when the sender begins with it, and arrives at its own time."""
    line = Line(host(), {"a": [], "b": []})
    line.host.machine.c.cost[lib.COST_IPI] = 700
    line.host.machine.c.cost[lib.COST_IPI_DELIVERY] = 500
    cpus, pending = [line.host.machine.c.cpu[i] for i in range(4)], []

    def ipis():
        return [c.irq_pending >> lib.IRQ_IPI & 1 for c in cpus]

    def steer():
        for fed in (1, 3):
            cpus[fed].rps_ipi_next, line.cpu.rps_ipi_list = line.cpu.rps_ipi_list, cpus[fed]
        return 1

    def look():
        pending.extend(ipis())
        return 1

    line.napis["a"].poll = line.answer("a", iter([steer]))
    line.napis["b"].poll = line.answer("b", iter([look]))
    line.schedule()
    line.run()
    assert pending == [0, 0, 0, 0]
    assert ipis() == [0, 1, 0, 1]
    assert [cpus[i].irq_ns[lib.IRQ_IPI] for i in (1, 3)] == [1200, 500]
    for c in cpus:
        c.irq_pending, c.irq_next, c.host.next[c.cpu] = 0, NEVER, NEVER
