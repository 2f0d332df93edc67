"""Virtual time where theory has the answer: D/D/1, M/D/1, and moderated interrupts.

How the machine is turned into one queue with one server: all work is free but one piece, whose cost
is the service time D.

    server      works when       waits in        LAT_        loses by
    the DMA     COST_DMA = D     FIFO            ring        FIFO_OVERRUN
    the CPU     COST_RX = D      ring            poll        FIFO_OVERRUN, once the ring is full
    another CPU COST_BACKLOG = D its backlog     backlog     CPU_BACKLOG
    the reader  COST_RECV = D    receive queue   socket      SOCKET_RCVBUFF

The link is infinitely fast, so a frame arrives when it is sent; GRO's list has one entry, so nothing
waits for others; an overloaded CPU would starve the reader, so that has one of its own. The waits for
backlog and reader include the service, the CPU's does not, and the ring's is all of FIFO and DMA.
"""

import random
from itertools import accumulate, pairwise

import frames
import pytest
from costs import charge
from hypothesis import given
from hypothesis import strategies as st
from model.sock import frame_truesize

import vnic

DATAGRAM = frames.udp()


def run(times, cost=None, **knobs):
    """All that is asked for here of a host that got a datagram at each of these times."""
    plain = {"cpus": 1, "link": "inf", "gro_normal_batch": 1, "sockets": 16}
    with vnic.Host(sink=True, latency=True, cost="zero", **(plain | knobs)) as host:
        charge(host, **(cost or {}))
        host.feed((t, DATAGRAM) for t in times)
        host.run()
        return host.ledger().fates, host.latencies(), host.nic.queues()[0]


def poisson(n, mean_gap, seed):
    r = random.Random(seed)
    return list(accumulate(round(r.expovariate(1 / mean_gap)) for _ in range(n)))


def lindley(times, service):
    """Waits before service of a single server: W' = max(0, W + D - gap)."""
    wait, waits = 0, [0]
    for gap in (b - a for a, b in pairwise(times)):
        wait = max(0, wait + service - gap)
        waits.append(wait)
    return waits


# ---- D/D/1: everything is constant ----


def test_when_all_is_idle_each_wait_is_the_sum_of_its_costs():
    cost = {
        "DMA": 20, "DMA_PS": 140, "HARDIRQ": 800, "SOFTIRQ": 150, "POLL": 200, "RX": 120, "GRO": 35,
        "RECEIVE": 50, "IP": 60, "UDP": 90, "SOCK": 70, "WAKE": 700, "SWITCH": 1200, "RECV": 350,
        "COPY_PS": 120,
    }  # fmt: skip
    _, waits, _ = run(range(0, 10_000_000, 10_000), cost)
    dma = 20 + len(DATAGRAM) * 140 // 1000
    stack = 50 + 60 + 90 + 70
    copy = 18 * 120 // 1000
    for stage, ns in {
        "ring": dma,
        "moderation": 800,
        "poll": 150 + 200,
        "gro": 35,
        "socket": 700 + 1200 + 350 + copy,
        "total": dma + 800 + 350 + 120 + 35 + stack + 2250 + copy,
    }.items():
        assert (waits[stage].min, waits[stage].max, waits[stage].count) == (ns, ns, 1000), stage


SERVERS = {
    "DMA": ("FIFO_OVERRUN", {"fifo": 600}, 10),
    "RX": ("FIFO_OVERRUN", {"fifo": 600, "rx_ring": 16, "cpus": 2, "reader_cpu": 1}, 10 + 16),
    "BACKLOG": ("CPU_BACKLOG", {"cpus": 2, "rps_cpus": 2, "netdev_max_backlog": 9}, 10 + 10),
    "RECV": ("SOCKET_RCVBUFF", {"cpus": 2, "reader_cpu": 1, "rcvbuf": 10 * frame_truesize(60)}, 10),
}


@pytest.mark.parametrize("server", SERVERS)
@given(service=st.integers(200, 5000), speed=st.fractions(1, 4, max_denominator=7))
def test_an_overloaded_server_loses_what_it_has_no_time_for(server, service, speed):
    """Loss = 1 - mu/lambda, less what fills the room there is (and one frame in service)."""
    fate, knobs, room = SERVERS[server]
    gap, n = max(1, int(service / speed)), 400
    fates, *_ = run(range(0, n * gap, gap), {server: service}, **knobs)
    served = (n - 1) * gap / service
    assert set(fates) <= {"DELIVERED_UDP", fate}
    assert served - 1 <= fates["DELIVERED_UDP"] <= served + room + 2


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_is_just_fast_enough_loses_nothing_and_nobody_waits(server):
    _, knobs, _ = SERVERS[server]
    fates, waits, _ = run(range(0, 400_000, 1000), {server: 1000}, **knobs)
    stage = {"DMA": "ring", "RX": "poll", "BACKLOG": "backlog", "RECV": "socket"}[server]
    assert fates == {"DELIVERED_UDP": 400}
    assert waits[stage].max == (0 if server == "RX" else 1000)


# ---- M/D/1 ----

WAITS = {
    "DMA": ("ring", 1, {}),
    "RX": ("poll", 0, {}),
    "BACKLOG": ("backlog", 1, {"cpus": 2, "rps_cpus": 2}),
    "RECV": ("socket", 1, {"cpus": 2, "reader_cpu": 1}),
}
ROOM = {"rx_ring": 4096, "fifo": 1 << 20, "rcvbuf": 1 << 30, "netdev_max_backlog": 1 << 20}


@pytest.mark.parametrize("server", WAITS)
@given(seed=st.integers(0, 2**32), load=st.floats(0.1, 1.5))
def test_the_waits_are_lindleys_recursion(server, seed, load):
    stage, services, knobs = WAITS[server]
    times = poisson(300, 1000 / load, seed)
    _, waits, _ = run(times, {server: 1000}, **(ROOM | knobs))
    expected = [w + 1000 * services for w in lindley(times, 1000)]
    got = waits[stage]
    assert (got.count, got.min, got.max) == (300, min(expected), max(expected))
    assert got.mean == sum(expected) / 300


@pytest.mark.slow
@pytest.mark.parametrize("server", WAITS)
@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_the_mean_wait_is_pollaczek_and_khinchines(server, load):
    """W = rho D / (2 (1 - rho)). 40000 Poisson arrivals; the bound is some three standard errors."""
    stage, services, knobs = WAITS[server]
    _, waits, _ = run(poisson(40_000, 1000 / load, seed=1), {server: 1000}, **(ROOM | knobs))
    expected = load * 1000 / (2 * (1 - load))
    assert waits[stage].mean - 1000 * services == pytest.approx(expected, rel=0.06)


# ---- moderated interrupts. Work is free: a poll takes no time, so a round begins with the next frame ----


@given(usecs=st.integers(1, 200), gap=st.integers(100, 30_000))
def test_rx_usecs_takes_a_round_of_frames_for_each_interrupt(usecs, gap):
    """A frame that comes at the very moment the timer ends is of the round."""
    after, n = usecs * 1000, 600
    size = after // gap + 1
    full, rest = divmod(n, size)
    _, waits, queue = run(range(0, n * gap, gap), {"DMA": 1}, rx_usecs=usecs, rx_frames=0, **ROOM)
    waited = sum(after - gap * i for i in range(size)) * full + sum(after - gap * i for i in range(rest))
    assert queue.interrupts == queue.interrupts_by_usecs == full + (rest > 0)
    assert queue.moderation_delay_ns == queue.interrupts * after
    assert (waits["moderation"].mean, waits["moderation"].max) == (waited / n, after)


@given(count=st.integers(1, 100), gap=st.integers(100, 30_000))
def test_rx_frames_takes_that_many_for_each_interrupt_and_the_rest_stay(count, gap):
    n = 600
    full = n // count
    fates, waits, queue = run(range(0, n * gap, gap), {"DMA": 1}, rx_usecs=0, rx_frames=count, **ROOM)
    assert queue.interrupts == queue.interrupts_by_frames == full
    assert fates == {"DELIVERED_UDP": full * count}
    assert queue.moderation_delay_ns == full * (count - 1) * gap
    assert waits["moderation"].mean == gap * (count - 1) / 2


@given(usecs=st.integers(1, 200), count=st.integers(2, 64), gap=st.integers(100, 30_000))
def test_of_rx_usecs_and_rx_frames_the_first_one_counts(usecs, count, gap):
    n = 600
    by_time = usecs * 1000 // gap + 1
    size = min(by_time, count)
    full, rest = divmod(n, size)
    _, _, queue = run(range(0, n * gap, gap), {"DMA": 1}, rx_usecs=usecs, rx_frames=count, **ROOM)
    by_frames = full if count <= by_time else 0
    assert queue.interrupts_by_frames == by_frames
    assert queue.interrupts_by_usecs == full + (rest > 0) - by_frames
