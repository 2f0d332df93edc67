"""Virtual time is the event model's, to the nanosecond: every counter, clock and wait of random machines."""

from hypothesis import given
from hypothesis import strategies as st
from model.events import Machine
from virtual_time import STAGES, Case, Flow, differences, draw, run_model, run_vnic

from vnic.knobs.cost import LINUX

seeds = st.integers(0, 2**32)

UNDISTURBED = {
    "cpus": 1, "queues": 1, "rps_cpus": (), "weight": 1024, "gro_normal_batch": 1, "drop_en": False,
    "netdev_max_backlog": 1000, "busy_read": 0, "rx_ring": 256, "netdev_budget": 10_000, "netdev_budget_usecs": 10**6,
}  # fmt: skip
"""A machine in which no work is preempted, if switches and reads are free: where the step made no difference."""
INSTANT = {
    "cpus": 1, "weight": 1024, "dev_weight": 1024, "netdev_budget": 10_000, "rx_ring": 1024, "fifo": 1 << 23,
    "gro_flush_timeout": 0, "busy_read": 0,
}  # fmt: skip
"""A machine in which free work is over at the instant it comes: nothing is left to ksoftirqd, no ring is full."""


def compare(case, **knobs):
    assert differences(run_vnic(case, **knobs), run_model(case)) == []


@given(seeds)
def test_where_nothing_is_preempted(seed):
    case = draw(seed, **UNDISTURBED)
    case.machine.cost |= {"SWITCH": 0, "RECV": 0, "COPY_PS": 0}
    compare(case)


@given(seeds)
def test_where_work_is_free(seed):
    case = draw(seed, **INSTANT)
    case.machine.cost = {}
    compare(case)


@given(seeds)
def test_any_machine(seed):
    compare(draw(seed))


@given(seeds)
def test_the_reader_on_the_interrupted_cpu(seed):
    compare(draw(seed, cpus=1, threaded=False))


def test_a_difference_is_found_in_each_kind_of_number():
    """The comparison itself: another cost is another clock, another knob is another count."""
    flow = Flow.of(18, 1000, 5000)
    case = Case(Machine(cost=dict(LINUX), rps_cpus=(0,)), [(i * 300, flow) for i in range(50)])
    was = run_model(case)
    case.machine.cost["RX"] += 1
    found = {line.split(":")[0] for line in differences(run_model(case), was)}
    assert {
        "cpu 0 now_ns",
        *(f"cpu 0 stage {stage}" for stage in ("poll", "gro", "backlog", "socket", "total")),
    } <= found
    assert {f"cpu 0 stage {stage}" for stage in STAGES} <= was.keys()
    case.machine.cost["RX"] -= 1
    assert differences(run_model(case), was) == []
    case.machine.netdev_budget = 1
    assert "cpu 0 time_squeeze: vnic" in " ".join(differences(run_model(case), was))
