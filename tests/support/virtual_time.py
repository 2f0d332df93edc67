"""Random machines, run by vnic and by the event model (tests/model/events): everything that both can tell.

The costs are vnic's, each drawn around the figure of the profile "linux", so that most machines are near overload.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import frames
from costs import charge
from model.events import Frame, Machine, World
from model.events.machine import FOLLOWS, NEVER
from model.rss import rss

import vnic
from vnic._core import ffi, lib
from vnic.counters.latency import LATENCIES
from vnic.knobs.cost import LINUX

STAGES = {
    "ring": ("wire", "ring"),
    "moderation": ("ring", "seen"),
    "poll": ("seen", "taken"),
    "gro": ("gro", "up"),
    "backlog": ("backlog", "off_backlog"),
    "socket": ("socket", "read"),
    "total": ("wire", "read"),
}
"""A stage of the latency split: from this stamp of a frame to that one."""
CARD_COUNTERS = ("packets", "no_buffer", "interrupts", "interrupts_by_usecs", "interrupts_by_frames")
CPU_COUNTERS = (
    "processed",
    "dropped",
    "time_squeeze",
    "time_squeeze_usecs",
    "received_rps",
    "hardirqs",
    "softirqs",
    "net_rx_runs",
    "ksoftirqd_runs",
    "ksoftirqd_by_restarts",
    "ksoftirqd_by_time",
    "ksoftirqd_by_resched",
)
Seen = dict[str, Any]


def queue_of(hash_: int, queues: int) -> int:
    """The queue by the default indirection table: 128 entries, with more than 64 queues 2^n, two a queue at least."""
    entries = 128
    while entries < 2 * queues:
        entries *= 2
    return hash_ % entries % queues


@dataclass
class Flow:
    """A datagram as bytes, and as the model wants it."""

    data: bytes
    port: int
    hash: int
    payload: int

    @classmethod
    def of(cls, payload: int, sport: int, dport: int) -> "Flow":
        hash_, _ = rss("10.0.0.1", "10.0.0.2", 17, sport, dport)
        return cls(frames.udp(bytes(payload), sport=sport, dport=dport), dport, hash_, payload)

    def frame(self, at: int, queues: int) -> Frame:
        return Frame(at, len(self.data), self.port, self.hash, queue_of(self.hash, queues), self.payload)


@dataclass
class Case:
    """A machine and what arrives: when, and of which flow."""

    machine: Machine
    arrivals: list[tuple[int, Flow]]

    def frames(self) -> list[Frame]:
        return [flow.frame(at, self.machine.queues) for at, flow in self.arrivals]

    def reader_is_interrupted(self) -> bool:
        """Is there a datagram whose queue interrupts the CPU of its reader?"""
        m = self.machine
        return any(
            (flow.port % m.cpus if m.reader_cpu is None else m.reader_cpu) == queue_of(flow.hash, m.queues) % m.cpus
            for _, flow in self.arrivals
        )


# ---- drawing ----


def instants(r: random.Random, n: int) -> Iterator[int]:
    """Poisson, at a constant rate, in bursts at line rate, or on and off."""
    gap, burst = r.choice((300, 700, 1000, 2000, 5000, 20_000)), r.choice((3, 20, 150))
    pattern = r.choice(("poisson", "constant", "bursts", "on-off"))
    at = 0
    for i in range(n):
        yield at
        if pattern == "poisson":
            at += round(r.expovariate(1 / gap))
        elif pattern == "constant":
            at += gap
        elif pattern == "bursts":
            at += r.choice((0, 7, 67)) if (i + 1) % burst else gap * burst
        else:
            at += round(r.expovariate(1 / gap)) + (0 if (i + 1) % burst else gap * burst * 2)


def costs(r: random.Random) -> dict[str, int]:
    percent = r.choice((50, 100, 100, 300))
    drawn = {name: ns * r.randrange(percent // 2, percent * 2) // 100 for name, ns in LINUX.items() if name != "OUTPUT"}
    return drawn | {"DMA": r.choice((20, 20, 200, 1500))} | (kinds(r, drawn) if r.random() < 0.5 else {})


def kinds(r: random.Random, drawn: dict[str, int]) -> dict[str, int]:
    """Some of the costs that depend on what the CPU did before, or on which CPU it is."""
    own = {kind: drawn[general] * r.randrange(50, 300) // 100 for kind, general in FOLLOWS.items() if general in drawn}
    own |= {"SWITCH_IDLE_100US": r.randrange(6000), "SWITCH_IDLE_1MS": r.randrange(20_000)}
    own |= {"IPI_DELIVERY": r.choice((1, 500, 3000)), "FIRST_PACKET": r.randrange(5000), "TICK": r.choice((1, 2000))}
    return {kind: ns for kind, ns in own.items() if r.random() < 0.5}


def draw(seed: int, **fixed: Any) -> Case:
    """Half of the machines have their readers on the CPU that the queues interrupt."""
    r = random.Random(seed)
    cpus = r.choice((1, 1, 2, 3, 4, 8))
    cpus = fixed.get("cpus", cpus)
    usecs, count = r.choice(((0, 1), (0, 1), (0, 1), (20, 0), (50, 8), (200, 32), (0, 4)))
    usecs_irq, count_irq = r.choice(((0, 0), (0, 0), (0, 0), (30, 0), (50, 4)))
    deferred = r.choice(((0, 0), (0, 0), (0, 0), (20_000, 0), (20_000, 2), (100_000, 10)))
    rps = r.choice(((), (), (0,), tuple(range(cpus)), (cpus - 1,)))
    knobs = {
        "cpus": cpus,
        "queues": r.choice((1, 1, 2, 4)),
        "rx_ring": r.choice((16, 17, 60, 256, 256, 1000)),
        "fifo": r.choice((2000, 4000, 65536)),
        "rx_usecs": usecs,
        "rx_frames": count,
        "rx_usecs_irq": usecs_irq,
        "rx_frames_irq": count_irq,
        "hz": r.choice((100, 250, 250, 1000)),
        "weight": r.choice((1, 4, 16, 64, 64, 64, 512)),
        "dev_weight": r.choice((4, 64, 64)),
        "netdev_budget": r.choice((8, 60, 300, 300, 5000)),
        "netdev_budget_usecs": r.choice((1000, 8000)),
        "netdev_max_backlog": r.choice((0, 5, 1000, 1000)),
        "gro_normal_batch": r.choice((1, 8, 8)),
        "gro_flush_timeout": deferred[0],
        "napi_defer_hard_irqs": deferred[1],
        "threaded": r.random() < 0.15,
        "drop_en": r.random() < 0.1,
        "busy_read": r.choice((*[0] * 8, 20, 100)),
        "busy_poll_budget": r.choice((1, 8, 64)),
        "rps_cpus": tuple(sorted(set(rps))),
        "reader_cpu": 0 if r.random() < 0.5 else r.choice((None, cpus - 1)),
        "rcvbuf": r.choice((2624, 10_000, 40_000, 212_992, 212_992)),
        "cost": costs(r),
    }
    if knobs["busy_read"]:
        knobs["queues"] = 1  # so that there is no choice which queue a socket with datagrams of several polls
    lengths = r.choice(((18,), (18, 400, 1472), tuple(range(18, 1473, 97))))
    flows = [
        Flow.of(r.choice(lengths), r.randrange(1024, 65536), 5000 + r.randrange(4))
        for _ in range(
            max(r.choice((1, 3, 16)), 4 * min(fixed.get("queues", 1), 64) if fixed.get("queues", 1) > 4 else 0)
        )
    ]
    machine = Machine(**(knobs | fixed))
    return Case(machine, [(at, r.choice(flows)) for at in instants(r, r.choice((50, 300, 300, 600, 600, 3000)))])


# ---- running ----


def host_of(machine: Machine, **knobs: Any) -> vnic.Host:
    """The same machine as a host, on a wire that takes no time."""
    ours = {f.name: getattr(machine, f.name) for f in fields(machine)}
    cost, rps = ours.pop("cost"), ours.pop("rps_cpus")
    ours["rps_cpus"] = sum(1 << cpu for cpu in rps)
    unset = [name for name, value in ours.items() if value is None]
    given = {name: value for name, value in ours.items() if name not in unset}
    host = vnic.Host(**({"sink": True, "latency": True, "cost": "zero", "link": "inf", "sockets": 64} | given | knobs))
    charge(host, **cost)
    return host


def run_vnic(case: Case, until: int | None = None, **knobs: Any) -> Seen:
    with host_of(case.machine, **knobs) as host:
        host.feed((at, flow.data) for at, flow in case.arrivals)
        host.run(until_ns=until)
        return seen(host)


def run_model(case: Case, until: int = NEVER - 1) -> Seen:
    return foreseen(World(case.machine, case.frames()).run(until))


def bucket(ns: int) -> int:
    """A bucket of lat.c's histograms: exact below 64 ns, then 64 an octave."""
    octave = ns.bit_length() - 1
    return ns if ns < 64 else (octave - 5) * 64 + (ns >> (octave - 6) & 63)


def seen(host: vnic.Host) -> Seen:
    """All that vnic can tell of a host at rest, flat: name -> number."""
    ledger = host.ledger()
    assert ledger.closed
    told: Seen = {f"fate {fate}": n for fate, n in ledger.fates.items()}
    told |= {
        "rx_fifo_errors": host.nic.stats().rx_fifo_errors,
        "in ring": ledger.in_flight_at["ring"],
        "RcvbufErrors": host.mib()["Udp_RcvbufErrors"],
    }
    for i, q in enumerate(host.nic.queues()):
        told |= {
            f"queue {i} {name}": getattr(q, name)
            for name in (*CARD_COUNTERS, "moderation_delay_ns", "moderation_delay_ns_max", "polls", "full_polls")
        }
        told |= {f"queue {i} {name}": getattr(q, name) for name in ("thread_wakeups", "thread_busy_ns")}
    for i, s in enumerate(host.softnet()):
        told |= {f"cpu {i} {name}": getattr(s, name) for name in (*CPU_COUNTERS, "reader_wakeups", "reader_busy_ns")}
        told |= {f"cpu {i} {name}": getattr(s, name) for name in ("ksoftirqd_busy_ns", "now_ns", "idle_ns")}
        histograms = dict(zip(LATENCIES, host.machine.c.cpu[i].lat[0 : lib.LAT_MAX], strict=True))
        for stage in STAGES:
            h = histograms[stage]
            if h.count:
                counts = enumerate(ffi.unpack(h.bucket, lib.LAT_BUCKETS))
                waits = (h.count, h.sum, h.min, h.max, {b: n for b, n in counts if n})
                told[f"cpu {i} stage {stage}"] = waits
    return {name: value for name, value in told.items() if value}


def foreseen(world: World) -> Seen:
    """The same of the model."""
    told: Seen = {f"fate {fate}": n for fate, n in world.fates().items()}
    told |= {
        "rx_fifo_errors": world.card.rx_fifo_errors,
        "in ring": sum("ring" in f.stamp and "taken" not in f.stamp for f in world.frames),
        "RcvbufErrors": sum(socket.rcvbuf_errors for socket in world.sockets.values()),
    }
    for i, q in enumerate(world.queues):
        told |= {f"queue {i} {name}": q.count[name] for name in CARD_COUNTERS}
        told |= {
            f"queue {i} moderation_delay_ns": sum(q.irq.delays),
            f"queue {i} moderation_delay_ns_max": max(q.irq.delays, default=0),
            f"queue {i} polls": q.polls,
            f"queue {i} full_polls": q.full_polls,
            f"queue {i} thread_wakeups": q.thread.wakeups if q.thread else 0,
            f"queue {i} thread_busy_ns": q.cpu.busy[q.thread.name] if q.thread else 0,
        }
    for i, cpu in enumerate(world.cpus):
        told |= {f"cpu {i} {name}": cpu.count[name] for name in CPU_COUNTERS}
        told |= {
            f"cpu {i} reader_wakeups": cpu.reader.wakeups,
            f"cpu {i} reader_busy_ns": cpu.busy["reader"],
            f"cpu {i} ksoftirqd_busy_ns": cpu.busy["ksoftirqd"],
            f"cpu {i} now_ns": cpu.now,
            f"cpu {i} idle_ns": cpu.idle_ns,
        }
    waits: dict[tuple[int, str], list[int]] = {}
    for frame in world.frames:
        for stage, (begin, end) in STAGES.items():
            if end in frame.stamp and "taken" in frame.stamp:
                waits.setdefault((cpu_of_stage(world, frame, stage), stage), []).append(
                    frame.stamp[end] - frame.stamp[begin]
                )
    for (i, stage), all_ in waits.items():
        told[f"cpu {i} stage {stage}"] = (len(all_), sum(all_), min(all_), max(all_), dict(Counter(map(bucket, all_))))
    return {name: value for name, value in told.items() if value}


def cpu_of_stage(world: World, frame: Frame, stage: str) -> int:
    """The CPU whose histogram has it: the one that ends the stage."""
    if stage in {"socket", "total"}:
        return world.sockets[frame.port].reader.cpu.index
    if stage == "backlog":
        cpus = world.machine.rps_cpus
        return cpus[frame.hash * len(cpus) >> 32]
    return world.queues[frame.queue].cpu.index


def differences(got: Seen, want: Seen) -> list[str]:
    """A line for each number that differs: its name, vnic's, the model's."""
    lines = []
    for name in sorted({*got, *want}):
        a, b = got.get(name, 0), want.get(name, 0)
        if a != b:
            a, b = (x[:4] if isinstance(x, tuple) else x for x in (a, b))
            lines.append(f"{name}: vnic {a}, model {b}")
    return lines
