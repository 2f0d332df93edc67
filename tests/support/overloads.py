"""Traffic that makes just one limit the one that binds: for test_limits.py and test_why.py, in virtual time.

A frame of 60 bytes takes 67 ns on a wire of 10 Gbit/s, a CPU of the cost profile "linux" about 400 ns to a socket's
queue, and a reader 400 more.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import Any

import fragments
import frames

import vnic
from vnic.runs.replay import facts

LINE_RATE = 67


@dataclass(frozen=True)
class Overload:
    """What comes, on what host, and what is to be said about it."""

    made: Callable[[], list]
    options: dict[str, Any]
    limit: str
    """The knob that loses frames (or what is too slow); of a limit that only delays: that knob."""
    enough: dict[str, Any] | None = None
    bound: set[str] = field(default_factory=set)
    """Other limits that bind as well, without losing anything."""
    at: str = ""
    """The limit that frames are lost at, if that is another: the FIFO is full because the ring is empty."""

    @cached_property
    def traffic(self) -> list:
        """What comes, made when a test first asks."""
        return self.made()


def burst(n, gap=LINE_RATE, *, size=18, flows=9, ports=(5001,)):
    @cache
    def frame(sport, dport):
        return frames.udp(b"x" * size, sport=sport, dport=dport)

    return [(i * gap, frame(1000 + i % flows, ports[i % len(ports)])) for i in range(n)]


def stream(n, gap):
    return [(i * gap, frames.tcp(b"x" * 1448, seq=1 + 1448 * i, id=i)) for i in range(n)]


def twelve_flows(n):
    return [(i * 100, frames.tcp(b"x" * 100, seq=1 + 100 * (i // 12), id=i, sport=1 + i % 12)) for i in range(n)]


def halves(n, family=4):
    """First the first halves of n datagrams, then the others."""
    cut = [fragments.cut(family, fragments.datagram(family, bytes(2000)), [1000], id=i) for i in range(n)]
    return [(k * 1_000_000 + i * 5000, fragments.frame(c[k])) for k in (0, 1) for i, c in enumerate(cut)]


def capture(traffic):
    """The bytes of a capture file, stamped in ns."""
    out = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    for t, data in traffic:
        out += struct.pack("<IIII", t // 10**9, t % 10**9, len(data), len(data)) + data
    return out


def facts_of(traffic, options):
    """All facts of a host that got this."""
    with vnic.Host(**({"sink": True, "latency": True} | options)) as host:
        host.feed(traffic)
        host.finish()
        return facts(host, schema="test", input_facts={})


def again(traffic, was):
    """What verify() wants: run the same with other settings."""
    return lambda settings: facts_of(traffic, was["config"] | settings)


LOSES = {
    "mtu": Overload(partial(burst, 20, 5000, size=1400), {"mtu": 1000}, "mtu", {"mtu": 1428}),
    "fifo": Overload(partial(burst, 1500, 1), {"link": "100G", "rx_ring": 4096}, "fifo", {"fifo": 131072}),
    "rx-buf-len": Overload(
        partial(burst, 10, 5000, size=4000), {"rx_buf_len": 128, "rx_ring": 16}, "rx-buf-len", {"rx-buf-len": 256}
    ),
    "rx-ring": Overload(partial(burst, 2000), {}, "rx-ring", {"rx-ring": 1024}, at="fifo"),
    "rx-ring, drop-en": Overload(partial(burst, 1500), {"drop_en": True}, "rx-ring", {"rx-ring": 2048}),
    "rx-pool": Overload(
        partial(burst, 2500, 300, size=1000),
        {"cpus": 1, "rx_pool": 512, "rcvbuf": 1 << 24},
        "rx-pool",
        {"rx-pool": 4096},
        {"rx-ring"},
        at="fifo",
    ),
    "rx-usecs": Overload(
        partial(burst, 2000, 1000),
        {"rx_usecs": 5000, "rx_ring": 64, "fifo": 8192},
        "rx-usecs",
        {"rx-usecs": 156, "rx-frames": 0},
        {"rx-ring"},
        at="fifo",
    ),
    "rx-frames": Overload(
        partial(burst, 2000, 1000),
        {"rx_frames": 2000, "fifo": 8192},
        "rx-frames",
        {"rx-usecs": 100, "rx-frames": 2000},
        {"rx-ring"},
    ),
    "weight": Overload(
        partial(burst, 8000, 1000, ports=(5001, 5002, 5003)),
        {"weight": 1},
        "weight",
        {"weight": 64},
        {"rx-ring"},
        at="fifo",
    ),
    "gro-max-size": Overload(
        partial(stream, 10000, 1300),
        {"cpus": 1, "gro_max_size": 2000, "rcvbuf": 1 << 22},
        "gro-max-size",
        {"gro-max-size": 65536, "gro-ipv4-max-size": 65536},
        at="rcvbuf",
    ),
    "flow-limit-cpus": Overload(
        partial(burst, 3000, flows=1),
        {"rps_cpus": "2", "rx_ring": 4096, "reader_cpu": 2, "flow_limit_cpus": "1", "rcvbuf": 1 << 24},
        "flow-limit-cpus",
        {"flow-limit-cpus": "0"},
        {"dev-weight"},
    ),
    "netdev-max-backlog": Overload(
        partial(burst, 4200),
        {"rps_cpus": "2", "rx_ring": 4096, "reader_cpu": 2, "rcvbuf": 1 << 24},
        "netdev-max-backlog",
        {"netdev-max-backlog": 2048},
        {"dev-weight"},
    ),
    "ipfrag-high-thresh": Overload(
        partial(halves, 60), {"ipfrag_high_thresh": 65536}, "ipfrag-high-thresh", {"ipfrag-high-thresh": 131072}
    ),
    "ip6frag-high-thresh": Overload(
        partial(halves, 60, 6), {"ip6frag_high_thresh": 65536}, "ip6frag-high-thresh", {"ip6frag-high-thresh": 131072}
    ),
    "ipfrag-max-dist": Overload(partial(halves, 100), {}, "ipfrag-max-dist", {"ipfrag-max-dist": 128}),
    "sockets": Overload(
        partial(burst, 100, 5000, ports=range(5000, 5040)), {"sockets": 16}, "sockets", {"sockets": 64}
    ),
    "udp-mem": Overload(
        partial(burst, 400, 460, size=1400),
        {"cpus": 2, "link": "100G", "rcvbuf": 1 << 24, "udp_mem": 8},
        "udp-mem",
        {"udp-mem": 64},
        {"netdev-budget"},
    ),
    "rcvbuf": Overload(
        partial(burst, 3000, 460, size=1400),
        {"cpus": 2, "link": "100G"},
        "rcvbuf",
        {"rcvbuf": 1 << 20},
        {"netdev-budget"},
    ),
}

DELAYS = {
    "rx-usecs": Overload(partial(burst, 200, 1000), {"rx_usecs": 50}, "rx-usecs"),
    "rx-frames": Overload(partial(burst, 200, 1000), {"rx_frames": 20, "rx_usecs": 500}, "rx-frames"),
    "weight": Overload(partial(burst, 1000, 500), {"weight": 4}, "weight"),
    "netdev-budget": Overload(partial(burst, 1000, 500), {"netdev_budget": 16, "weight": 8}, "netdev-budget"),
    "netdev-budget-usecs": Overload(
        partial(burst, 8000, 1300, ports=(5000,)),
        {"cpus": 1, "netdev_budget_usecs": 1, "hz": 1000, "rcvbuf": 1 << 24},
        "netdev-budget-usecs",
    ),
    "(softirq restarts)": Overload(partial(burst, 1500), {"rx_ring": 4096}, "(softirq restarts)"),
    "(softirq time)": Overload(partial(burst, 20000, 400), {"rx_ring": 4096, "weight": 1024}, "(softirq time)"),
    "dev-weight": Overload(partial(burst, 300, 500), {"rps_cpus": "2", "dev_weight": 4, "reader_cpu": 2}, "dev-weight"),
    "gro-max-size": Overload(partial(stream, 100, 1200), {"gro_max_size": 2000, "rx_usecs": 20}, "gro-max-size"),
    "(gro bucket)": Overload(
        partial(twelve_flows, 120),
        {"rxhash": False, "rx_usecs": 100},
        "(gro bucket)",
    ),
}
