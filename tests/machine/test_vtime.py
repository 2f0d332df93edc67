"""Virtual time against an independent event simulation (model/path.py): equal to the nanosecond.

With one CPU and catch-up 1 the two are the same machine: every fate, counter, clock and wait agrees.
With several CPUs csrc/ looks at the others' clocks once a step (a packet, or gro_normal_batch of them
when GRO's list goes up), not once a cost. It equals the simulation that does so too, and comes near
the one that makes an event of every cost: what is left is a reader, or a backlog's CPU, that is seen
as it was when the step began.
"""

import random
from collections import Counter
from itertools import pairwise

import frames
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from model.path import Config, Frame, Path
from model.rss import rss

import vnic
from vnic._core import ffi, lib
from vnic.knobs.cost import LINUX

KNOBS = {
    "ring": "rx_ring",
    "budget": "netdev_budget",
    "budget_usecs": "netdev_budget_usecs",
    "max_backlog": "netdev_max_backlog",
    "batch": "gro_normal_batch",
}
STAGES = ("ring", "moderation", "poll", "gro", "backlog", "reorder", "socket", "total")
CPU_COUNTERS = (
    "processed",
    "time_squeeze",
    "received_rps",
    "hardirqs",
    "softirqs",
    "net_rx_runs",
    "ksoftirqd_runs",
    "reader_wakeups",
)


# ---- the two machines ----


def datagram(sport, dport, payload, queues=1):
    """As bytes for the card and, but for the time, as a Frame for the model."""
    hash_, _ = rss("10.0.0.1", "10.0.0.2", 17, sport, dport)
    data = frames.udp(bytes(payload), sport=sport, dport=dport)
    return data, {"len": len(data), "port": dport, "hash": hash_, "queue": hash_ % 128 % queues}


def arrivals_at(*times, sport=1000, dport=5000, payload=18):
    data, fields = datagram(sport, dport, payload)
    return [(data, Frame(t, **fields)) for t in times]


def machine(config, arrivals, *, catch_up=1, **knobs):
    """A host for the config; the arrivals are on its wire."""
    ours = {"cost", "rps", "ps_per_byte", "reader_cpu"}
    host = vnic.Host(
        sink=True,
        latency=True,
        cost="zero",
        link="inf",
        sockets=64,
        catch_up=catch_up,
        reader_cpu=config.reader_cpu,
        rps_cpus=sum(1 << cpu for cpu in config.rps),
        **{KNOBS.get(k, k): v for k, v in vars(config).items() if k not in ours},
        **knobs,
    )
    host.wire.c.ps_per_byte = config.ps_per_byte
    for name, ns in config.cost.items():
        host.c.cost[getattr(lib, f"COST_{name}")] = ns
    host.feed((frame.sent, data) for data, frame in arrivals)
    return host


def bucket(ns):
    """lat.c's histogram: exact below 64 ns, then 64 buckets an octave."""
    octave = ns.bit_length() - 1
    return ns if ns < 64 else (octave - 5) * 64 + (ns >> (octave - 6) & 63)


def waits_seen(host):
    waits = {}
    for cpu in range(host.c.ncpus):
        for stage, h in zip(STAGES, host.c.cpu[cpu].lat[0 : lib.LAT_MAX], strict=True):
            if h.count:
                counts = enumerate(ffi.unpack(h.bucket, lib.LAT_BUCKETS))
                waits[stage, cpu] = (h.sum, h.min, h.max, {b: n for b, n in counts if n})
    return waits


def seen(host):
    """All that can be seen of a host at rest."""
    ledger = host.ledger()
    assert ledger.closed
    return {
        "fates": ledger.fates,
        "in ring": ledger.in_flight_at["ring"],
        "queues": [
            {
                "frames": q.packets,
                "no_buffer": q.no_buffer,
                "interrupts": q.interrupts,
                "by_usecs": q.interrupts_by_usecs,
                "by_frames": q.interrupts_by_frames,
                "delay": q.moderation_delay_ns,
                "delay_max": q.moderation_delay_ns_max,
                "polls": q.polls,
                "full_polls": q.full_polls,
            }
            for q in host.nic.queues()
        ],
        "cpus": [
            {"now": s.now_ns, "idle": s.idle_ns, "dropped": s.dropped}
            | {name: getattr(s, name) for name in CPU_COUNTERS}
            for s in host.softnet()
        ],
        "waits": waits_seen(host),
    }


def foreseen(path):
    """The same of the model."""
    in_ring = Counter(f.queue for f in path.frames if "ring" in f.at)
    return {
        "fates": path.fates(),
        "in ring": sum("ring" in f.at and "taken" not in f.at for f in path.frames),
        "queues": [
            {"frames": in_ring[q.index], "delay_max": q.delay_max}
            | {k: q.count[k] for k in ("no_buffer", "interrupts", "by_usecs", "by_frames", "delay")}
            | {"polls": q.napi.polls, "full_polls": q.napi.full_polls}
            for q in path.queues
        ],
        "cpus": [
            {"now": c.now, "idle": c.idle_ns, "dropped": c.backlog_drops}
            | {name: c.count[name] for name in CPU_COUNTERS}
            for c in path.cpus
        ],
        "waits": {key: (sum(w), min(w), max(w), dict(Counter(map(bucket, w)))) for key, w in path.waits().items()},
    }


# ---- random machines: costs from usual to three times that, so most of them are overloaded ----


def random_config(r, fixed):
    percent = r.choice((50, 100, 300))
    cost = {name: ns * r.randrange(percent // 2, percent * 2) // 100 for name, ns in LINUX.items() if name != "OUTPUT"}
    cost["DMA"] = r.choice((20, 200, 1500))
    usecs, count = r.choice(((0, 1), (0, 1), (20, 0), (50, 8), (200, 32), (0, 4)))
    drawn = {
        "ring": r.choice((16, 32, 64, 256)),
        "fifo": r.choice((500, 4000, 65536)),
        "rx_usecs": usecs,
        "rx_frames": count,
        "weight": r.choice((1, 4, 16, 64)),
        "budget": r.choice((8, 60, 300)),
        "budget_usecs": r.choice((1000, 8000)),
        "hz": r.choice((100, 250, 1000)),
        "dev_weight": r.choice((4, 64)),
        "max_backlog": r.choice((0, 5, 1000)),
        "batch": r.choice((1, 8)),
        "rcvbuf": r.choice((2624, 10000, 40000, 212992)),
        "ps_per_byte": r.choice((0, 80, 800)),
        "cost": cost,
    }
    return Config(**(drawn | fixed))


def random_arrivals(r, n, queues):
    gap, burst = r.choice((300, 1000, 3000, 10000)), r.choice((3, 20, 150))
    pattern = r.choice(("periodic", "bursts", "poisson"))
    flows = [
        datagram(r.randrange(1024, 65536), 5000 + r.randrange(4), r.choice((18, 400, 1400)), queues)
        for _ in range(r.choice((1, 3, 16)))
    ]
    t, made = 0, []
    for i in range(n):
        data, fields = r.choice(flows)
        made.append((data, Frame(t, **fields)))
        if pattern == "periodic":
            t += gap
        elif pattern == "poisson":
            t += round(r.expovariate(1 / gap))
        elif i % burst == burst - 1:
            t += gap * burst
    return made


def random_case(seed, *, n=None, **fixed):
    r = random.Random(seed)
    config = random_config(r, fixed)
    return config, random_arrivals(r, n or r.choice((50, 300, 600)), config.queues)


def run_both(config, arrivals, *, fine, catch_up=1):
    with machine(config, arrivals, catch_up=catch_up) as host:
        host.run()
        got = seen(host)
    return got, foreseen(Path(config, fine=fine).run(frame for _, frame in arrivals))


seeds = st.integers(0, 2**32)
several = st.fixed_dictionaries(
    {
        "cpus": st.sampled_from((2, 3, 4)),
        "queues": st.sampled_from((1, 2, 3)),
        "rps": st.sampled_from(((), (1,), (0, 1))),
        "reader_cpu": st.sampled_from((None, 0, 1)),
    }
)


# ---- equal ----


@given(seeds, st.sampled_from((1, 1, 2, 4)), st.sampled_from(((), (0,))))
def test_one_cpu_equals_a_simulation_of_every_cost_to_the_nanosecond(seed, queues, rps):
    got, want = run_both(*random_case(seed, queues=queues, rps=rps), fine=True)
    assert got == want


@example(30436, {"cpus": 3, "queues": 3, "rps": (0, 1), "reader_cpu": 0})  # an IPI as a poll ends
@given(seeds, several)
def test_several_cpus_equal_a_simulation_that_looks_around_once_a_step(seed, fixed):
    got, want = run_both(*random_case(seed, **fixed), fine=False)
    assert got == want


# ---- near, and nearer with smaller steps ----


def distance(got, want):
    """Frames that ended otherwise, as a part of all; error of the mean time from wire to reader."""

    def total(waits):
        sums, _, _, counts = zip(*(w for (s, _), w in waits.items() if s == "total"), strict=True)
        return sum(sums) / sum(sum(c.values()) for c in counts)

    fates = {*got["fates"], *want["fates"]}
    moved = sum(abs(got["fates"].get(f, 0) - want["fates"].get(f, 0)) for f in fates) / 2
    there = total(want["waits"])
    return moved / sum(want["fates"].values()), abs(total(got["waits"]) - there) / there


def mean_distances(steps, cases, **fixed):
    """For each catch-up step: over the cases where a twentieth is lost, and something arrives."""
    distances = {step: [] for step in steps}
    for seed in cases:
        config, arrivals = random_case(seed, n=500, **fixed)
        want = foreseen(Path(config, fine=True).run(frame for _, frame in arrivals))
        lost = sum(n for fate, n in want["fates"].items() if fate != "DELIVERED_UDP")
        if lost < 25 or "DELIVERED_UDP" not in want["fates"]:
            continue
        for step in steps:
            with machine(config, arrivals, catch_up=step) as host:
                host.run()
                distances[step].append(distance(seen(host), want))
    columns = [zip(*distances[step], strict=True) for step in steps]
    return [tuple(sum(column) / len(column) for column in pair) for pair in columns]


@pytest.mark.slow
def test_losses_and_waits_converge_as_the_catch_up_step_shrinks():
    means = mean_distances((32, 16, 8, 4, 2, 1), range(40))
    losses, waits = zip(*means, strict=True)
    assert all(larger >= smaller for larger, smaller in pairwise(losses)), losses
    assert all(larger >= smaller for larger, smaller in pairwise(waits)), waits
    assert losses[0] > 0.01
    assert means[-1] == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [{"reader_cpu": 1}, {"rps": (1,)}], ids=["reader", "rps"])
def test_several_cpus_come_near_a_simulation_of_every_cost(fixed):
    """What is left at 1 are cases near saturation, where a wake-up more or less a packet decides."""
    means = mean_distances((64, 8, 1), range(40), cpus=2, rcvbuf=40000, **fixed)
    losses, waits = zip(*means, strict=True)
    assert losses[2] < losses[1] < losses[0]
    assert waits[2] < min(waits[:2])
    assert losses[2] < 0.02
    assert waits[2] < 0.07


# ---- the order of time ----


@given(seeds, several, st.sampled_from((1, 8, 64)))
def test_the_parts_of_the_way_add_up_so_none_is_negative_or_counted_twice(seed, fixed, catch_up):
    """A histogram clamps at 0: had a stage begun before the last one ended, the sum would be too large."""
    plenty = {"batch": 1, "rcvbuf": 1 << 30, "max_backlog": 1 << 20, "rx_usecs": 7, "rx_frames": 0}
    config, arrivals = random_case(seed, **(fixed | plenty))
    with machine(config, arrivals, catch_up=catch_up) as host:
        host.run()
        spent = {s: round(w.count * w.mean) for s, w in host.latencies().items()}
        n = host.ledger().delivered
    work = ["RX", "RECEIVE", "IP", "UDP", "SOCK"] + ["RPS"] * bool(config.rps)
    assert sum(spent.values()) - spent["total"] + n * sum(config.cost[w] for w in work) == spent["total"]


@given(seeds, several, st.sampled_from((0, 200)))
def test_they_add_up_on_a_wire_that_is_pulled_too(seed, fixed, dma):
    """The card's clock is that of the CPU that was the last to become idle, also where its own work takes no time."""
    plenty = {"batch": 1, "rcvbuf": 1 << 30, "max_backlog": 1 << 20, "rx_usecs": 0, "rx_frames": 1, "ps_per_byte": 0}
    config, arrivals = random_case(seed, n=300, **(fixed | plenty | {"fifo": 1 << 20, "ring": 256}))
    config.cost["DMA"] = config.cost["DMA_PS"] = dma
    with machine(config, arrivals, speed="max") as host:
        assert lib.wire_pulled(host.wire.c)
        host.run()
        spent = {s: round(w.count * w.mean) for s, w in host.latencies().items()}
        n = host.ledger().delivered
        assert n == len(arrivals)
    work = ["RX", "RECEIVE", "IP", "UDP", "SOCK"] + ["RPS"] * bool(config.rps)
    assert sum(spent.values()) - spent["total"] + n * sum(config.cost[w] for w in work) == spent["total"]


@given(seeds, several)
def test_no_clock_goes_backwards(seed, fixed):
    config, arrivals = random_case(seed, n=50, **fixed)
    with machine(config, arrivals, catch_up=8) as host:
        clocks = []
        while not host.run(frames=1):
            clocks.append([host.c.nic.now, *(host.c.cpu[i].now for i in range(config.cpus))])
    assert all(a <= b for before, after in pairwise(clocks) for a, b in zip(before, after, strict=True))


@given(seeds, st.booleans())
def test_in_the_simulation_no_frame_goes_back_in_time(seed, fine):
    config, arrivals = random_case(seed, cpus=2, rps=(1,), reader_cpu=0)
    order = ("wire", "ring", "seen", "taken", "skb", "gro", "backlog", "off_backlog", "socket", "read")
    for frame in Path(config, fine=fine).run(frame for _, frame in arrivals).frames:
        times = [frame.at[stage] for stage in order if stage in frame.at]
        assert times == sorted(times)


# ---- the same again ----


def test_two_runs_write_the_same_bytes(tmp_path):
    config, arrivals = random_case(5, n=300, cpus=3, queues=2, rps=(0, 1), rcvbuf=212992)
    written = []
    for name in ("a", "b"):
        with machine(config, arrivals, catch_up=8) as host:
            tap = vnic.Capture(host, tmp_path / name)
            host.run()
            tap.close()
            written.append(((tmp_path / name).read_bytes(), repr(seen(host))))
    assert written[0] == written[1]
    assert len(written[0][0]) > 100 * 60


@given(seeds, several, st.lists(st.integers(1, 200), min_size=1, max_size=8))
def test_where_a_run_is_interrupted_makes_no_difference(seed, fixed, slices):
    config, arrivals = random_case(seed, **fixed)
    with machine(config, arrivals, catch_up=8) as host:
        host.run()
        whole = seen(host)
    with machine(config, arrivals, catch_up=8) as host:
        for frames_ in slices:
            host.run(frames=frames_)
        host.run(until_ns=host.now_ns + 10_000)
        host.run()
        assert seen(host) == whole


# ---- bugs there were ----


def test_a_poll_sees_what_came_while_it_set_out():
    """The second poll begins at 1110 and looks at the ring at 2110; the frame is there since 1600."""
    config = Config(weight=1, ps_per_byte=0, cost={"DMA": 100, "POLL": 1000, "RX": 10})
    with machine(config, arrivals_at(0, 1500)) as host:
        host.run()
        (queue,) = host.nic.queues()
    assert (queue.full_polls, queue.polls, queue.interrupts) == (2, 3, 1)


def test_an_ipi_does_not_wait_until_the_reader_is_done():
    """CPU 1 reads from 15100 on, 10000 ns a datagram; at 119100 the IPI for the last one comes."""
    cost = {"DMA": 100, "IPI": 15000, "RECV": 10000}
    config = Config(cpus=2, rps=(1,), reader_cpu=1, ps_per_byte=0, cost=cost)
    with machine(config, arrivals_at(*[0] * 20, 104_000)) as host:
        host.run()
        assert host.latencies()["backlog"].max == 125_100 - 104_100


def test_a_watchdog_does_not_wait_until_the_reader_is_done():
    """A segment is held from 21 on, for 20000 ns; the CPU reads on, 10000 ns a datagram."""
    config = Config(ps_per_byte=0, cost={"DMA": 1, "RECV": 10000})
    with machine(config, arrivals_at(*range(20)), gro_flush_timeout=20_000) as host:
        host.feed(frames.tcp(b"held"), at_ns=20)
        host.run()
        assert 20_000 <= host.latencies()["gro"].max < 30_000


@pytest.mark.parametrize(("reader", "rounds", "runs"), [(1, 10, 2), (0, 1, 3)])
def test_ksoftirqd_goes_to_sleep_when_nothing_is_pending(reader, rounds, runs):
    """It begins after ten rounds of one packet, or after the one that woke the reader, and is through with the last."""
    cost = {"DMA": 10, "RX": 1000, "SOFTIRQ": 100}
    config = Config(cpus=2, reader_cpu=reader, weight=1, budget=1, hz=100, ps_per_byte=0, cost=cost)
    with machine(config, arrivals_at(*range(0, 30_000, 1000))) as host:
        host.run()
        cpu = host.softnet()[0]
    assert cpu.ksoftirqd_runs == cpu.softirqs - 1 >= runs
    assert cpu.ksoftirqd_busy_ns == (30 - rounds) * 1000 + cpu.ksoftirqd_runs * 100


def test_the_reader_gives_the_cpu_back_when_its_slice_is_over():
    """After 3 ms and not when it has nothing to read, though no other clock has anything planned."""
    config = Config(weight=1, budget=1, hz=1000, cost={"DMA": 1, "RX": 10**6, "RECV": 10**6})
    got, want = run_both(config, arrivals_at(*[0] * 60), fine=True)
    assert got == want
    assert got["cpus"][0]["ksoftirqd_runs"] > 10


def test_a_reader_does_not_start_before_it_was_woken():
    """CPU 0 wakes it at 5100 (DMA 100, WAKE 5000); then it switches and reads."""
    config = Config(
        cpus=2, rps=(1,), reader_cpu=1, ps_per_byte=0, cost={"DMA": 100, "WAKE": 5000, "SWITCH": 700, "RECV": 50}
    )
    with machine(config, arrivals_at(0)) as host:
        host.run()
        assert host.latencies()["socket"].max == 5000 + 700 + 50


def test_progress_is_called_between_the_slices_of_a_long_run(host, monkeypatch):
    monkeypatch.setattr("vnic.host._SLICE_FRAMES", 10)
    for run in (lambda h, seen: h.run(progress=seen), lambda h, seen: h.finish(progress=seen)):
        h, calls = host(sink=True), []
        h.feed([frames.udp()] * 95, gap_ns=10_000)
        run(h, lambda h=h, calls=calls: calls.append(h.ledger().offered))
        assert len(calls) == 9
        assert calls == sorted(calls)
    with pytest.raises(TypeError, match="is not callable"):
        host().run(progress=5)
