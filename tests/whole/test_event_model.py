"""The event model (model/events) against closed forms, laws, and time lines that are written by hand.

test_virtual_time.py compares vnic with the model, so nothing here runs vnic.
"""

import random
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.events import Frame, Machine, World, simulate
from model.events.machine import NEVER, STAMPS, wire
from model.events.sock import Rcvbuf
from virtual_time import draw

seeds = st.integers(0, 2**32)

# ---- time lines: a hardirq at every nanosecond of a hardirq, a poll, a wake-up, a switch, a read ----

COST = {
    "HARDIRQ": 10, "SOFTIRQ": 20, "POLL": 30, "RX": 40, "GRO": 5, "RECEIVE": 6, "IP": 7, "UDP": 8, "SOCK": 9,
    "WAKE": 50, "SWITCH": 60, "RECV": 70,
}  # fmt: skip
# A lonely datagram at 0: handler 10, softirq 30, POLL 60, RX 100, GRO 105, RECEIVE 111, IP 118, UDP 126, SOCK 135,
# WAKE 185, SWITCH 245, read 315.


def of_queue(index, *times):
    return [Frame(t, queue=index) for t in times]


def test_a_lonely_datagram_is_charged_in_the_order_of_the_path():
    (frame,) = simulate(Machine(cost=COST), of_queue(0, 0)).frames
    assert frame.stamp == {
        "wire": 0, "ring": 0, "seen": 10, "taken": 60, "gro": 100, "up": 105, "socket": 135, "dequeued": 245,
        "read": 315,
    }  # fmt: skip


@pytest.mark.parametrize("t", range(1, 340))
def test_a_hardirq_at_every_nanosecond(t):
    """Queue 1 interrupts the CPU at t, while the datagram of queue 0 that came at 0 is on its way."""
    world = simulate(Machine(queues=2, cost=COST), [*of_queue(0, 0), *of_queue(1, t)])
    first, second = (frame.stamp for frame in world.frames)
    cpu = world.cpus[0]
    softirqs, wakeups = 1, 1
    if t <= 135:  # All is 10 ns later from there on. The NAPI is polled next, by the same softirq.
        want = (145, 300, 430, 500)  # Up to 10, it is due in the first hardirq: irq_exit comes behind both.
    elif t <= 185:  # The datagram is queued, the wake-up takes 10 ns more.
        want = (135, 300, 430, 500)
    elif t <= 315:  # The switch (until 245) or the read takes longer by a hardirq and its softirq: 135 in all.
        want, softirqs = (135, t + 135, 450, 520), 2
    else:  # The reader sleeps.
        want, softirqs, wakeups = (135, t + 135, 315, t + 315), 2, 2
    assert (first["socket"], second["socket"], first["read"], second["read"]) == want
    assert (cpu.count["softirqs"], cpu.reader.wakeups) == (softirqs, wakeups)
    assert cpu.now == sum(cpu.busy.values()) + cpu.idle_ns == want[-1]


@pytest.mark.parametrize("t", range(1, 51))
def test_a_wake_up_takes_effect_when_it_is_paid(t):
    """CPU 0 pays from 135 to 185 for the wake-up of CPU 1's reader. CPU 1 queues its own datagram at t + 135."""
    world = simulate(Machine(cpus=2, queues=2, reader_cpu=1, cost=COST), [*of_queue(0, 0), *of_queue(1, t)])
    first, second = (frame.stamp for frame in world.frames)
    assert (first["socket"], second["socket"]) == (135, t + 135)
    assert (first["dequeued"], first["read"], second["read"]) == (185 + 60, 315, 385)
    assert world.cpus[1].reader.wakeups == 1
    assert world.cpus[1].idle_ns == t + 185 - (t + 135)


@pytest.mark.parametrize("t", range(40))
def test_an_ipi_at_every_nanosecond_of_a_poll(t):
    """CPU 1 polls its own queue from t on; the IPI of CPU 0 comes at 165 (RPS 10, IPI 50) and takes 10 ns there."""
    cost = {"HARDIRQ": 10, "SOFTIRQ": 20, "POLL": 30, "RX": 40, "GRO": 5, "RPS": 10, "IPI": 50, "BACKLOG": 100}
    world = simulate(Machine(cpus=2, queues=2, rps_cpus=(1,), cost=cost), [*of_queue(0, 0), *of_queue(1, t + 101)])
    (mine, theirs), cpu = (frame.stamp for frame in world.frames), world.cpus[1]
    assert mine["backlog"] == 10 + 20 + 30 + 40 + 5 + 10
    # CPU 1: hardirq at t + 101, SOFTIRQ, POLL and RX until t + 201, GRO, RPS. The IPI at 165 falls into the poll.
    assert theirs["backlog"] == t + 101 + 105 + 10 + 10
    # The backlog was CPU 0's to schedule; CPU 1 polls it behind its own queue, the older packet first.
    assert (mine["off_backlog"], theirs["off_backlog"]) == (theirs["backlog"] + 100, theirs["backlog"] + 200)
    assert (cpu.count["received_rps"], cpu.count["hardirqs"], cpu.count["softirqs"]) == (1, 2, 1)


def test_of_one_instant_queues_come_before_ipis_and_lower_queues_first():
    """CPU 0 raises an IPI at 165. Queues 3 and 1 interrupt CPU 1 then too."""
    cost = {"HARDIRQ": 10, "SOFTIRQ": 20, "POLL": 30, "RX": 40, "GRO": 5, "RPS": 10, "IPI": 50}
    frames = [*of_queue(0, 0), *of_queue(3, 165), *of_queue(1, 165)]
    world = simulate(Machine(cpus=2, queues=4, rps_cpus=(1,), cost=cost), frames)
    assert [frame.stamp["seen"] for frame in frames[1:]] == [185, 175]
    assert [frame.stamp["taken"] for frame in frames[1:]] == [195 + 20 + 30 + 55 + 30, 195 + 20 + 30]
    assert world.cpus[1].count["softirqs"] == 1


def test_ksoftirqd_finds_nothing_when_an_interrupt_ran_its_softirq():
    """It is woken after ten passes, at 40. An interrupt at 500 polls all, in the middle of the switch to it."""
    cost = {"HARDIRQ": 10, "SOFTIRQ": 20, "RX": 1, "SWITCH": 1000}
    machine = Machine(cpus=2, queues=3, reader_cpu=1, weight=1, netdev_budget=1, hz=100, cost=cost)
    cpu = simulate(machine, [*of_queue(0, *[0] * 11), *of_queue(2, 500)]).cpus[0]
    assert (cpu.count["ksoftirqd_by_restarts"], cpu.count["ksoftirqd_runs"], cpu.count["softirqs"]) == (1, 1, 2)
    assert cpu.busy["ksoftirqd"] == 0
    assert cpu.now == 10 + 20 + 10 + 1000 + 10 + 20 + 2


def test_ksoftirqd_and_the_reader_take_turns_of_3_ms():
    """1 ms for each poll and each read. The softirq polls one; then reader and ksoftirqd: 1, 3, 3, 3 ... each."""
    machine = Machine(weight=1, netdev_budget=1, hz=1000, cost={"RX": 10**6, "RECV": 10**6})
    world = simulate(machine, of_queue(0, *[0] * 60))
    cpu = world.cpus[0]
    assert cpu.busy == {"softirq": 10**6, "ksoftirqd": 59 * 10**6, "reader": 60 * 10**6} | dict.fromkeys(
        cpu.busy.keys() & {"hardirq", "switch"}, 0
    )
    read = [frame.stamp["read"] // 10**6 for frame in world.frames]
    assert read[:7] == [2, 6, 7, 8, 12, 13, 14]
    assert cpu.now == 120 * 10**6


def test_a_poll_takes_what_comes_while_it_works_and_the_driver_looks_again():
    """Frame 2 comes in the first one's RX. Frame 3 comes as the list goes up: the driver finds it after unmasking."""
    cost = {"POLL": 30, "RX": 40, "RECEIVE": 10}
    world = simulate(Machine(cpus=2, reader_cpu=1, cost=cost), of_queue(0, 0, 50, 115))
    assert [frame.stamp["taken"] for frame in world.frames] == [30, 70, 130 + 30]
    queue = world.queues[0]
    assert (queue.count["interrupts"], queue.polls, world.cpus[0].count["net_rx_runs"]) == (1, 2, 1)


def test_eight_packets_go_up_one_after_the_other():
    cost = {"RX": 40, "GRO": 5, "RECEIVE": 10}
    world = simulate(Machine(cpus=2, reader_cpu=1, cost=cost), of_queue(0, *[0] * 9))
    up = [frame.stamp["up"] for frame in world.frames]
    assert up == [360 + 10 * i for i in range(8)] + [360 + 80 + 45]


def test_a_busy_reader_polls_for_its_time_and_lets_go_to_read():
    """Read at 315; polls of 30 ns at 315, 345, 375. Into the last comes the frame of 400, with an interrupt of 10 ns.

    Queued at 490; one more poll lets go. Read from 520 to 590, 34 polls in vain until 1000 ns are over, and one more.
    """
    world = simulate(Machine(busy_read=1, cost=COST), of_queue(0, 0, 400))
    first, second = (frame.stamp for frame in world.frames)
    assert (first["read"], second["taken"], second["socket"], second["dequeued"]) == (315, 415, 490, 520)
    assert (world.queues[0].count["interrupts"], world.cpus[0].reader.wakeups) == (2, 1)
    assert world.queues[0].polls == 1 + 3 + 1 + 34 + 1
    assert world.cpus[0].now == 590 + 34 * 30 + 30


def test_a_busy_reader_that_polls_for_free_looks_again_when_something_can_have_happened():
    world = simulate(Machine(busy_read=1, cost={"RECV": 70}), of_queue(0, 0, 400, 5000))
    assert [frame.stamp["read"] for frame in world.frames] == [70, 470, 5070]
    assert (world.queues[0].count["interrupts"], world.cpus[0].reader.wakeups) == (3, 2)
    assert world.cpus[0].now == 5070 + 1000


def test_a_spinning_reader_sees_what_another_cpu_queues_at_that_instant():
    """CPU 1 queues at 210, in the middle of the spin of CPU 0: no wake-up, and no poll that would have to end first."""
    machine = Machine(cpus=2, queues=2, reader_cpu=0, busy_read=10, cost={"HARDIRQ": 10, "RECV": 70, "WAKE": 50})
    world = simulate(machine, [*of_queue(0, 0), *of_queue(1, 200)])
    second, reader = world.frames[1].stamp, world.cpus[0].reader
    assert (second["socket"], second["dequeued"], second["read"], reader.wakeups) == (210, 210, 280, 1)
    assert world.cpus[0].now == 280 + 10_000  # The socket is queue 0's, as its first datagram.


def test_a_threaded_poll_is_a_task_and_its_softirqs_wait():
    """Hardirq 10, WAKE 60, SWITCH 120, POLL 150, RX 190, RPS to the own backlog 200: the softirq runs behind the poll.

    It queues at 200 + 20 + 9 = 229, wakes the reader until 279, which switches until 339.
    """
    cost = {name: COST[name] for name in ("HARDIRQ", "WAKE", "SWITCH", "POLL", "RX", "SOFTIRQ", "SOCK")} | {"RPS": 10}
    world = simulate(Machine(threaded=True, rps_cpus=(0,), cost=cost), of_queue(0, 0))
    (frame,), cpu = world.frames, world.cpus[0]
    assert [frame.stamp[s] for s in ("seen", "taken", "backlog", "socket", "dequeued")] == [10, 150, 200, 229, 339]
    assert (cpu.count["softirqs"], cpu.count["ksoftirqd_runs"], cpu.count["time_squeeze"]) == (1, 0, 0)


def test_deferred_interrupts_leave_the_queue_to_the_watchdog():
    """The poll ends at 60. The watchdog is due at 1060 and finds the frame of 500. Two more find nothing."""
    cost = {"HARDIRQ": 10, "SOFTIRQ": 20, "POLL": 30}
    machine = Machine(gro_flush_timeout=1000, napi_defer_hard_irqs=2, cost=cost)
    world = simulate(machine, of_queue(0, 0, 500, 10_000))
    assert [frame.stamp["taken"] for frame in world.frames] == [60, 1120, 10_060]
    assert world.queues[0].count["interrupts"] == 2
    assert world.cpus[0].count["watchdogs"] == 5


# ---- one queue, one server: all work is free but one piece, which takes D = 1000 ns ----

ROOM = {"rx_ring": 4096, "fifo": 1 << 20, "rcvbuf": 1 << 30, "netdev_max_backlog": 1 << 20, "gro_normal_batch": 1}
SERVERS = {
    "DMA": ({}, "wire", "ring", 1),
    "RX": ({"cpus": 2, "reader_cpu": 1}, "ring", "taken", 0),
    "BACKLOG": ({"cpus": 2, "rps_cpus": (1,), "reader_cpu": 0}, "backlog", "off_backlog", 1),
    "RECV": ({"cpus": 2, "reader_cpu": 1}, "socket", "read", 1),
}
"""Server -> knobs, where a wait begins and ends, services in it."""


def waits(server, times, **knobs):
    fixed, begin, end, services = SERVERS[server]
    world = simulate(Machine(**(ROOM | fixed | {"cost": {server: 1000}} | knobs)), [Frame(t) for t in times])
    return [f.stamp[end] - f.stamp[begin] - 1000 * services for f in world.frames if end in f.stamp]


def poisson(n, mean_gap, seed):
    r = random.Random(seed)
    return list(accumulate(round(r.expovariate(1 / mean_gap)) for _ in range(n)))


def lindley(times):
    wait, found = 0, [0]
    for a, b in pairwise(times):
        wait = max(0, wait + 1000 - (b - a))
        found.append(wait)
    return found


@pytest.mark.parametrize("server", SERVERS)
@given(seed=seeds, load=st.floats(0.1, 1.5))
def test_the_waits_are_lindleys_recursion(server, seed, load):
    times = poisson(150, 1000 / load, seed)
    assert waits(server, times) == lindley(times)


@pytest.mark.parametrize("server", SERVERS)
@given(gap=st.integers(400, 3000))
def test_dd1_has_no_waits_below_its_capacity_and_a_ramp_above(server, gap):
    assert waits(server, range(0, 200 * gap, gap)) == [max(0, 1000 - gap) * i for i in range(200)]


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_the_mean_wait_is_pollaczek_and_khinchines(server, load):
    """W = rho D / (2 (1 - rho)). 40000 Poisson arrivals; the bound is some three standard errors."""
    found = waits(server, poisson(40_000, 1000 / load, seed=1))
    assert sum(found) / len(found) == pytest.approx(load * 1000 / (2 * (1 - load)), rel=0.06)


@given(gap=st.integers(306, 4000), n=st.integers(2, 200))
def test_livelock(gap, n):
    """Each frame interrupts, for c = 255 ns in all; the reader has what is left: (1 - c / gap) / RECV datagrams a ns.

    It begins to read at 255 + 50 + 60 and, while it has more than it can read, never stops: when the last interrupt is
    over it has had all the time but that, and it is somewhere in a read.
    """
    cost = COST | {"RECV": 2000, "HARDIRQ": 130}  # 130 + 20 + 30 + 40 + 5 + 30
    world = simulate(Machine(rcvbuf=1 << 30, cost=cost), [Frame(t) for t in range(0, n * gap, gap)])
    end = (n - 1) * gap + 255
    read = sum(f.stamp["read"] <= end for f in world.frames)
    had = end - 255 * n - 50 - 60
    if gap < 2255:
        assert world.cpus[0].reader.wakeups == 1
        assert read == max(0, had // 2000)
    assert world.cpus[0].count["hardirqs"] == n
    # Behind the last interrupt the reader reads on: its work is conserved.
    assert world.cpus[0].busy["reader"] == 2000 * n


@given(usecs=st.integers(1, 200), gap=st.integers(100, 30_000))
def test_rx_usecs_takes_a_round_of_frames_for_each_interrupt(usecs, gap):
    """A frame that comes at the very moment the timer ends is of the round."""
    size = usecs * 1000 // gap + 1
    world = simulate(Machine(**ROOM, rx_usecs=usecs, rx_frames=0), [Frame(i * gap) for i in range(300)])
    assert world.queues[0].count["interrupts_by_usecs"] == -(-300 // size)


@given(count=st.integers(1, 100), gap=st.integers(100, 30_000))
def test_rx_frames_takes_that_many_for_each_interrupt_and_the_rest_stay(count, gap):
    world = simulate(Machine(**ROOM, rx_usecs=0, rx_frames=count), [Frame(i * gap) for i in range(300)])
    assert world.queues[0].count["interrupts_by_frames"] == 300 // count
    assert world.fates() == {"DELIVERED_UDP": 300 // count * count}


def test_a_wire_of_10_gbit_s_puts_frames_67_ns_apart():
    assert [f.at for f in wire([Frame(0), Frame(0), Frame(1000)], 800)] == [67, 134, 1067]


class Halved(Rcvbuf):
    """Another rule: half of the buffer counts."""

    def queue(self, truesize):
        return self.memory.rmem_alloc + truesize <= self.memory.rcvbuf // 2 and super().queue(truesize)


def test_the_rule_of_rcvbuf_can_be_another():
    machine, frames = Machine(rcvbuf=7040, cost={"RECV": 10**6}), [Frame(0) for _ in range(20)]
    assert simulate(machine, [Frame(0) for _ in range(20)]).fates()["DELIVERED_UDP"] == 10
    assert simulate(machine, frames, rcvbuf_rule=Halved).fates()["DELIVERED_UDP"] == 5


# ---- laws, on random machines ----


@given(seeds)
def test_every_frame_has_one_fate_and_every_nanosecond_one_context(seed):
    case = draw(seed)
    world = simulate(case.machine, case.frames())
    in_ring = [f for f in world.frames if "ring" in f.stamp and "taken" not in f.stamp]
    in_fifo = list(world.card.fifo)
    assert all((f.fate is None) == (f in in_ring or f in in_fifo) for f in world.frames)
    for cpu in world.cpus:
        assert cpu.now == sum(cpu.busy.values()) + cpu.idle_ns
        assert not any((cpu.softirq_pending, cpu.poll_list, cpu.input_queue, cpu.process_queue, cpu.runqueue))
        assert cpu.reader.asleep
        assert cpu.ksoftirqd.asleep
    for queue in world.queues:
        assert queue.pool + queue.posted + sum(f.queue == queue.index for f in in_ring) == case.machine.rx_pool
        assert queue.descriptors + queue.posted + len(queue.ring) == case.machine.rx_ring
    for frame in world.frames:
        times = [frame.stamp[stage] for stage in STAMPS if stage in frame.stamp]
        assert times == sorted(times)


@given(seeds)
def test_littles_law(seed):
    """What stands in a place, summed over time, is what its frames waited there: L = lambda W, of each place."""
    case = draw(seed)
    world = World(case.machine, case.frames())
    stood, last = dict.fromkeys(("fifo", "ring", "socket"), 0), 0
    while (now := world.due) < NEVER:
        for place, queues in {
            "fifo": [world.card.fifo],
            "ring": [queue.ring for queue in world.queues],
            "socket": [socket.queue for socket in world.sockets.values()],
        }.items():
            stood[place] += (now - last) * sum(map(len, queues))
        last = now
        world.run(until=now)

    def waited(begin, end):
        return sum(f.stamp.get(end, last) - f.stamp[begin] for f in world.frames if begin in f.stamp)

    lost = sum(last - f.stamp["wire"] for f in world.frames if f.fate in {"FIFO_OVERRUN", "RX_NO_BUFFER"})
    if not case.machine.drop_en:
        assert stood["fifo"] == waited("wire", "ring") - lost
    assert stood["ring"] == waited("ring", "taken")
    assert stood["socket"] == waited("socket", "dequeued")


@given(seeds, st.lists(st.integers(1, 5000), min_size=1, max_size=200))
def test_where_a_run_stops_makes_no_difference(seed, steps):
    case = draw(seed)
    whole, sliced = World(case.machine, case.frames()).run(), World(case.machine, case.frames())
    for until in accumulate(steps):
        sliced.run(until=until)
    sliced.run()
    assert [f.stamp for f in sliced.frames] == [f.stamp for f in whole.frames]
    assert [cpu.busy for cpu in sliced.cpus] == [cpu.busy for cpu in whole.cpus]
