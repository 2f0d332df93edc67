"""Random machines of every mode, run whole and in parts: what a run does must not depend on where it is stopped."""

import random
from dataclasses import dataclass
from typing import Any

import frames

import vnic
from vnic._core import lib

Seen = dict[str, Any]
MOST_SLICES = 3000


@dataclass
class Load:
    """A machine and what arrives there."""

    knobs: dict[str, Any]
    cost: dict[int, int]
    frames: list[tuple[int, bytes]]


def drawn(seed: int) -> Load:
    r = random.Random(seed)
    cpus = r.choice((1, 1, 2, 3, 4, 8))
    queues = r.randint(1, min(cpus, 4))
    usecs = r.choice((0, 0, 5, 50))
    ring = r.choice((16, 64, 256))
    knobs: dict[str, Any] = {
        "cpus": cpus,
        "queues": queues,
        "link": r.choice(("10G", "1G", "100G", "inf")),
        "rx_usecs": usecs,
        "rx_frames": r.choice((0, 8, 32) if usecs else (1, 1, 8, 32)),
        "weight": r.choice((4, 16, 64)),
        "netdev_budget": r.choice((10, 64, 300)),
        "rcvbuf": r.choice((5000, 50_000, 212_992)),
        "netdev_max_backlog": r.choice((5, 50, 1000)),
        "fifo": r.choice((4096, 65536)),
        "rx_ring": ring,
        "cost": "linux" if r.random() < 0.8 else "zero",
    }
    rare = {
        0.5: {"rps_cpus": r.randrange(1 << cpus)},
        0.3: {"rps_sock_flow_entries": 1024, "rps_flow_cnt": 256},
        0.25: {"threaded": True},
        0.26: {"busy_read": r.choice((5, 50))},
        0.24: {"gro_flush_timeout": r.choice((10_000, 50_000)), "napi_defer_hard_irqs": r.choice((0, 2))},
        0.15: {"prefer_busy_poll": True},
        0.31: {"reader_cpu": r.randrange(cpus)},
        0.2: {"rx_pool": 64 if ring <= 64 else 512},
        0.32: {"hz": r.choice((100, 1000))},
    }
    for chance, given in rare.items():
        if r.random() < chance:
            knobs |= given
    if r.random() < 0.2:
        del knobs["rx_usecs"], knobs["rx_frames"]
        knobs["adaptive_rx"] = True
    cost = {c: r.choice((0, 1, 7, 100, 1000, 5000)) for c in range(lib.COST_MAX)} if r.random() < 0.3 else {}
    return Load(knobs, cost, list(_traffic(r)))


def _traffic(r: random.Random):
    """UDP, TCP with a gap here and there, and an unknown protocol; often several frames at one instant."""
    rate, seq, t = r.choice((5e4, 3e5, 1e6, 3e6)), {}, 0.0
    for i in range(r.randint(50, 600)):
        if r.random() < 0.9 or not i:
            t += r.expovariate(rate)
        flow, n, kind = (r.randint(5000, 5003), r.randint(1, 9)), r.choice((18, 18, 100, 1400)), r.random()
        if kind < 0.8:
            frame = frames.udp(b"x" * n, dport=flow[0], sport=flow[1])
        elif kind < 0.97:
            at = seq.get(flow, 1) + (n if r.random() < 0.1 else 0)
            frame = frames.tcp(b"y" * n, seq=at, dport=flow[0], sport=flow[1])
            seq[flow] = at + n & 0xFFFFFFFF
        else:
            frame = frames.eth(bytes(46), type=0x88B5)
        yield int(t * 1e9), frame


def host_of(load: Load) -> vnic.Host:
    host = vnic.Host(sink=True, latency=True, sockets=64, **load.knobs)
    for what, ns in load.cost.items():
        host.machine.c.cost[what] = ns
    host.feed(load.frames)
    return host


def cpu_times(host: vnic.Host) -> list[dict[str, int]]:
    """Where each CPU's time went. All but ``now`` add up to ``now``."""
    times = []
    for i in range(host.machine.c.ncpus):
        cpu = host.machine.c.cpu[i]
        times.append(
            {
                "now": int(cpu.now), "idle": int(cpu.idle_ns), "hardirq": int(cpu.hardirq_ns),
                "softirq": int(cpu.softirq_ns), "switch": int(cpu.switch_ns), "reader": int(cpu.reader.busy_ns),
                "ksoftirqd": int(cpu.ksoftirqd_task.busy_ns),
                "threads": sum(int(cpu.napis[n].thread.busy_ns) for n in range(cpu.nnapis)),
            }
        )  # fmt: skip
    return times


def check_times(host: vnic.Host) -> None:
    for times in cpu_times(host):
        assert sum(times.values()) == 2 * times["now"], times


def outcome(host: vnic.Host) -> Seen:
    """All that a host at rest can tell."""
    return {
        "fates": host.ledger().fates,
        "softnet": host.softnet(),
        "nic": host.nic.stats(),
        "queues": host.nic.queues(),
        "latencies": host.latencies(),
        "mib": dict(host.mib()),
        "cpus": cpu_times(host),
        "now": host.now_ns,
    }


class Watch:
    """What has to hold wherever a run stops: the ledger is closed, clocks add up, and none goes back."""

    def __init__(self, host: vnic.Host) -> None:
        self.host, self.clocks = host, [0] * host.machine.c.ncpus

    def look(self) -> None:
        assert self.host.ledger().closed, self.host.ledger()
        times = cpu_times(self.host)
        for i, before in enumerate(self.clocks):
            assert sum(times[i].values()) == 2 * times[i]["now"], times[i]
            assert before <= times[i]["now"]
        self.clocks = [t["now"] for t in times]


def play(load: Load, step: str | int = "whole") -> Seen:
    """Run it: "whole", in "steps", "frames" 7 at a time, or slices of so many ns."""
    with host_of(load) as host:
        watch = Watch(host)
        if step == "steps":
            while host.step():
                watch.look()
        elif step == "frames":
            while not host.run(frames=7):
                watch.look()
        elif step != "whole":
            for i in range(1, MOST_SLICES):
                host.run(until_ns=i * step)
                watch.look()
                if host.ledger().offered == len(load.frames) and not host.ledger().in_flight:
                    break
        host.run()
        host.finish()
        watch.look()
        assert host.laws() == 0
        return outcome(host)
