"""Virtual time: parts add up, no clock goes backwards, and nothing depends on where a run stops.

tests/whole/test_virtual_time.py compares its instants with the event model's.
"""

from itertools import pairwise

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.events import Machine
from virtual_time import Case, Flow, draw, host_of, seen

import vnic
from vnic._core import lib

seeds = st.integers(0, 2**32)
several = st.fixed_dictionaries(
    {
        "cpus": st.sampled_from((2, 3, 4)),
        "queues": st.sampled_from((1, 2, 3)),
        "rps_cpus": st.sampled_from(((), (1,), (0, 1))),
        "reader_cpu": st.sampled_from((None, 0, 1)),
        "threaded": st.just(False),
        "busy_read": st.just(0),
    }
)
FLOW = Flow.of(18, 1000, 5000)


def at(*times):
    return [(t, FLOW) for t in times]


def fed(case, **knobs):
    host = host_of(case.machine, **knobs)
    host.feed((t, flow.data) for t, flow in case.arrivals)
    return host


# ---- the order of time ----

PLENTY = {
    "gro_normal_batch": 1, "rcvbuf": 1 << 30, "netdev_max_backlog": 1 << 20, "gro_flush_timeout": 0, "rx_usecs_irq": 0,
    "rx_frames_irq": 0, "drop_en": False,
}  # fmt: skip
"""Nothing is lost behind the card."""


def parts(spent):
    return sum(spent.values()) - spent["total"]


@given(seeds, several)
def test_the_parts_of_the_way_add_up_so_none_is_negative_or_counted_twice(seed, fixed):
    """A histogram clamps at 0: had a stage begun before the last one ended, the sum would be too large."""
    case = draw(seed, **(fixed | PLENTY), rx_usecs=7, rx_frames=0)
    with fed(case) as host:
        host.run()
        spent = {s: round(w.count * w.mean) for s, w in host.latencies().items()}
    assert parts(spent) == spent["total"]


@given(seeds, several, st.sampled_from((0, 200)))
def test_they_add_up_on_a_wire_that_is_pulled_too(seed, fixed, dma):
    """The card's clock is that of the CPU that was the last to become idle, also where its own work takes no time."""
    case = draw(seed, **(fixed | PLENTY), rx_usecs=0, rx_frames=1, fifo=1 << 20, rx_ring=256)
    case.machine.cost |= {"DMA": dma, "DMA_PS": dma}
    with fed(case, speed="max") as host:
        assert lib.wire_pulled(host.wire.c)
        host.run()
        spent = {s: round(w.count * w.mean) for s, w in host.latencies().items()}
        assert host.ledger().delivered == len(case.arrivals)
    assert parts(spent) == spent["total"]


@given(seeds, several)
def test_no_clock_goes_backwards(seed, fixed):
    with fed(draw(seed, **fixed)) as host:
        clocks = []
        while not host.run(frames=1):
            clocks.append([host.machine.c.nic.now, *(host.machine.c.cpu[i].now for i in range(fixed["cpus"]))])
    assert all(a <= b for before, after in pairwise(clocks) for a, b in zip(before, after, strict=True))


# ---- the same again ----


def test_two_runs_write_the_same_bytes(tmp_path):
    case = draw(6, cpus=3, queues=2, rps_cpus=(0, 1), rcvbuf=212992)
    written = []
    for name in ("a", "b"):
        with fed(case) as host:
            tap = vnic.Capture(host, tmp_path / name)
            host.run()
            tap.close()
            written.append(((tmp_path / name).read_bytes(), repr(seen(host))))
    assert written[0] == written[1]
    assert len(written[0][0]) > 100 * 60


@given(seeds, several, st.lists(st.integers(1, 200), min_size=1, max_size=8))
def test_where_a_run_is_interrupted_makes_no_difference(seed, fixed, slices):
    case = draw(seed, **fixed)
    with fed(case) as host:
        host.run()
        whole = seen(host)
    with fed(case) as host:
        for frames_ in slices:
            host.run(frames=frames_)
        host.run(until_ns=host.now_ns + 10_000)
        host.run()
        assert seen(host) == whole


# ---- bugs there were ----


def test_a_poll_sees_what_came_while_it_set_out():
    """The second poll begins at 1110 and looks at the ring at 2110; the frame is there since 1600."""
    case = Case(Machine(weight=1, cost={"DMA": 100, "POLL": 1000, "RX": 10}), at(0, 1500))
    with fed(case) as host:
        host.run()
        (queue,) = host.nic.queues()
    assert (queue.full_polls, queue.polls, queue.interrupts) == (2, 3, 1)


def test_an_ipi_does_not_wait_until_the_reader_is_done():
    """CPU 1 reads from 15100 on, 10000 ns a datagram; at 119100 the IPI for the last one comes."""
    cost = {"DMA": 100, "IPI": 15000, "RECV": 10000}
    case = Case(Machine(cpus=2, rps_cpus=(1,), reader_cpu=1, cost=cost), at(*[0] * 20, 104_000))
    with fed(case) as host:
        host.run()
        assert 15_000 <= host.latencies()["backlog"].max < 15_000 + 10_000


def test_a_watchdog_does_not_wait_until_the_reader_is_done():
    """A segment is held from 21 on, for 20000 ns; the CPU reads on, 10000 ns a datagram."""
    case = Case(Machine(cost={"DMA": 1, "RECV": 10000}), at(*range(20)))
    with fed(case, gro_flush_timeout=20_000) as host:
        host.feed(frames.tcp(b"held"), at_ns=20)
        host.run()
        assert 20_000 <= host.latencies()["gro"].max < 30_000


@pytest.mark.parametrize(("reader", "rounds", "runs"), [(1, 10, 2), (0, 1, 3)])
def test_ksoftirqd_goes_to_sleep_when_nothing_is_pending(reader, rounds, runs):
    """It begins after ten rounds of one packet, or after the one that woke the reader, and is through with the last."""
    cost = {"DMA": 10, "RX": 1000, "SOFTIRQ": 100}
    machine = Machine(cpus=2, reader_cpu=reader, weight=1, netdev_budget=1, hz=100, cost=cost)
    case = Case(machine, at(*range(0, 30_000, 1000)))
    with fed(case) as host:
        host.run()
        cpu = host.softnet()[0]
    assert cpu.ksoftirqd_runs == cpu.softirqs - 1 >= runs
    assert cpu.ksoftirqd_busy_ns == (30 - rounds) * 1000 + cpu.ksoftirqd_runs * 100


def test_the_reader_gives_the_cpu_back_when_its_slice_is_over():
    """After 3 ms and not when it has nothing to read, though no other clock has anything planned."""
    case = Case(Machine(weight=1, netdev_budget=1, hz=1000, cost={"DMA": 1, "RX": 10**6, "RECV": 10**6}), at(*[0] * 60))
    with fed(case) as host:
        host.run()
        (cpu,) = host.softnet()
    assert (cpu.now_ns, cpu.idle_ns) == (120 * 10**6 + 1, 1)
    assert cpu.ksoftirqd_runs > 10


def test_a_reader_does_not_start_before_it_was_woken():
    """CPU 0 wakes it at 5100 (DMA 100, WAKE 5000); then it switches and reads."""
    cost = {"DMA": 100, "WAKE": 5000, "SWITCH": 700, "RECV": 50}
    with fed(Case(Machine(cpus=2, rps_cpus=(1,), reader_cpu=1, cost=cost), at(0))) as host:
        host.run()
        assert host.latencies()["socket"].max == 5000 + 700 + 50


def test_progress_is_called_between_the_slices_of_a_long_run(host, monkeypatch):
    monkeypatch.setattr("vnic.machine.machine._SLICE_FRAMES", 10)
    for run in (lambda h, seen: h.run(progress=seen), lambda h, seen: h.finish(progress=seen)):
        h, calls = host(sink=True), []
        h.feed([frames.udp()] * 95, gap_ns=10_000)
        run(h, lambda h=h, calls=calls: calls.append(h.ledger().offered))
        assert len(calls) == 9
        assert calls == sorted(calls)
    with pytest.raises(TypeError, match="is not callable"):
        host().run(progress=5)
