"""From samples to figures. Each figure is a difference of samples of one round; over the rounds: median and quartiles.

The samples are those of loads.py, ns each:

    clock syscall empty   one call of the clock, a system call, a recv() of nothing
    refused               a write that the TAP refuses before it makes an skb
    ether                 a frame that no handler takes: dropped in __netif_receive_skb_core()
    badsum                a datagram with a bad checksum: dropped in udp_rcv()
    udp udp1514 sum1514   a queued datagram: without a checksum, 60 and 1514 bytes; with one
    napi.* own.* far.*    the same, received in a softirq; with RPS to the writer's CPU; with RPS to the other CPU
    recv.* remote.*       recv() of those on the CPU that wrote them; on the other one
    single.* busy.*       one write at a time: the other CPU is idle; it spins
    none.* spin.* sleep.* one write at a time: no reader; one that spins on the other CPU, or sleeps there
    same.*                the same, with the reader on the writer's CPU
    first next            the first write after 300 us of sleep; the ones behind it
    burst.*               bursts with RPS to the other CPU: the time that each takes there, its IPIs and its frames
    stolen delivery       an interrupt's time that a spinning thread misses; from the write's end to it
    hz tick               the timer tick: its rate, and the time that a spinning thread misses
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from vnic.knobs.cost import KEYS, Figure, Profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.knobs.cost import Facts

_PAYLOAD, _PAYLOAD_MORE, _UDP_LENGTH = 18, 1454, 1480
"""Bytes: payload of a frame of 60, how much more one of 1514 has, and the bytes under its checksum."""


def _share(base: Mapping[str, float], key: str, other: str) -> float:
    """Return a key's part of a sum that the ladder cannot split: as in the profile below; half, if it has neither."""
    both = base[key] + base[other]
    return base[key] / both if both else 0.5


def _backlog(m: Mapping[str, float], c: dict[str, float], b: Mapping[str, float]) -> float:
    """Return what one packet more costs the CPU that RPS chose, less its way up to UDP. One CPU: a share of the sum."""
    if "burst.stolen" not in m or "stolen" not in m:
        return (m["own.badsum"] - m["napi.badsum"]) * _share(b, "backlog", "rps")
    alone, ipis = m["stolen"] - m["clock"], m["burst.ipis"]
    packet = (m["burst.stolen"] - ipis * alone) / max(1, m["burst.frames"] - ipis)
    return packet - c["ip"] - b["receive"]


Formula = Callable[[Mapping[str, float], dict[str, float], Mapping[str, float]], float]
# m: samples; c: figures of this round so far; b: figures of the profile below
FIGURES: list[tuple[str, Formula, str]] = [
    ("rx", lambda m, _c, b: m["ether"] - m["refused"] - b["receive"], "no handler - refused - receive; a TAP's skb"),
    ("ip", lambda m, _c, _b: m["badsum"] - m["ether"], "bad checksum - no handler"),
    ("udp", lambda m, _c, b: (m["udp"] - m["badsum"]) * _share(b, "udp", "sock"), "queued - bad checksum; with sock"),
    ("sock", lambda m, _c, b: (m["udp"] - m["badsum"]) * _share(b, "sock", "udp"), "queued - bad checksum; with udp"),
    (
        "softirq",
        lambda m, _c, b: (m["napi.ether"] - m["ether"]) * _share(b, "softirq", "poll"),
        "no handler, with NAPI - without; with poll",
    ),
    (
        "poll",
        lambda m, _c, b: (m["napi.ether"] - m["ether"]) * _share(b, "poll", "softirq"),
        "no handler, with NAPI - without; with softirq",
    ),
    (
        "gro",
        lambda m, _c, _b: (m["napi.badsum"] - m["napi.ether"]) - (m["badsum"] - m["ether"]),
        "what NAPI adds to UDP - what it adds to no handler; nothing merged",
    ),
    (
        "rps",
        lambda m, _c, b: (m["own.badsum"] - m["napi.badsum"]) * _share(b, "rps", "backlog"),
        "RPS to the same CPU - none: a share of that, as the profile below splits rps + backlog",
    ),
    (
        "backlog",
        _backlog,
        "RPS of bursts to another CPU: its time for a packet more - ip - receive",
    ),
    (
        "csum-ps",
        lambda m, _c, _b: (m["sum1514"] - m["udp1514"]) * 1000 / _UDP_LENGTH,
        "1514 bytes with a checksum - without",
    ),
    (
        "copy-ps",
        lambda m, _c, _b: (m["recv.udp1514"] - m["recv.udp"]) * 1000 / _PAYLOAD_MORE,
        "recv() of 1472 bytes - of 18, in cache",
    ),
    ("recv", lambda m, c, _b: m["recv.udp"] - _PAYLOAD * c["copy-ps"] / 1000, "recv() on the CPU that queued"),
    (
        "copy-remote-ps",
        lambda m, _c, _b: (m["remote.udp1514"] - m["remote.udp"]) * 1000 / _PAYLOAD_MORE,
        "recv() on another CPU: of 1472 bytes - of 18",
    ),
    (
        "recv-remote",
        lambda m, c, _b: m["remote.udp"] - _PAYLOAD * max(0, c["copy-remote-ps"]) / 1000,
        "recv() on another CPU",
    ),
    (
        "wake",
        lambda m, _c, _b: m["same.sleep.20us.write"] - m["same.none.20us.write"],
        "a write with a sleeper - without",
    ),
    (
        "wake-remote",
        lambda m, _c, _b: m["sleep.20us.write"] - m["none.20us.write"],
        "a write with a sleeper on another CPU, idle for 20 us - without",
    ),
    (
        "switch",
        lambda m, _c, _b: m["same.sleep.20us.read"] - m["syscall"] - m["recv.udp"],
        "from the writer's end, which blocks, to the reader's return - syscall - recv",
    ),
    (
        "switch-idle",
        lambda m, _c, _b: m["sleep.20us.read"] - m["spin.20us.read"],
        "from the writer's end to the reader's return: asleep for 20 us - spinning",
    ),
    (
        "switch-idle-100us",
        lambda m, _c, _b: m["sleep.200us.read"] - m["spin.20us.read"],
        "the same, asleep for 200 us",
    ),
    ("switch-idle-1ms", lambda m, _c, _b: m["sleep.2ms.read"] - m["spin.20us.read"], "the same, asleep for 2 ms"),
    (
        "ipi",
        lambda m, c, b: m["busy.far.badsum"] - m["single.napi.badsum"] - c["rps"] + c["ip"] + b["receive"],
        "a write with RPS to a CPU that spins - without RPS, less rps, more ip and receive, which are the target's",
    ),
    (
        "ipi-delivery",
        lambda m, c, _b: c["ipi"] + m["delivery"],
        "ipi, and from the write's end to the interrupt: less than 0 if it comes before",
    ),
    (
        "hardirq-ipi",
        lambda m, c, b: m["stolen"] - m["clock"] - c["softirq"] - c["backlog"] - c["ip"] - b["receive"],
        "the time that a spinning thread misses - softirq, backlog, receive, ip",
    ),
    ("hardirq", lambda _m, c, _b: c["hardirq-ipi"], "an IPI's (hardirq-ipi): no card was measured"),
    ("first-packet", lambda m, _c, _b: m["first"] - m["next"], "the first write after 300 us of sleep - the next 32"),
    (
        "tick",
        lambda m, _c, _b: m["tick"] - m["clock"],
        "the time that a spinning thread misses at the tick, lower quartile: without RCU's and timers' softirqs",
    ),
]
"""Key, formula, source, in the order in which they are computed."""


def of_round(samples: Mapping[str, float], base: Mapping[str, float]) -> dict[str, float]:
    """Return a round's figures; those whose samples are missing are left out."""
    out: dict[str, float] = {}
    for key, formula, _ in FIGURES:
        try:
            out[key] = formula(samples, out, base)
        except KeyError:
            continue
    return out


def summary(values: Sequence[float]) -> tuple[int, tuple[int, int]]:
    """Return the median and the quartiles, as whole numbers of at least 0."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    whole = [max(0, round(v)) for v in (low, middle, high)]
    return whole[1], (whole[0], whole[2])


def profile(rounds: Sequence[Mapping[str, float]], base: Profile, *, name: str, what: str, facts: Facts) -> Profile:
    """Return the profile of these rounds, on top of ``base``. What could not be separated goes into the facts."""
    below = {key: float(figure.value) for key, (figure, _) in base.figures().items()}
    figures = [of_round(samples, below) for samples in rounds]
    own, noise = {}, []
    for key, _, source in sorted(FIGURES, key=lambda row: list(KEYS).index(row[0])):
        values = [figure[key] for figure in figures if key in figure]
        if len(values) * 2 <= len(rounds):
            continue
        value, spread = summary(values)
        own[key] = Figure(value, source, spread)
        if not value:
            noise.append(f"{key}: {statistics.median(values):.0f} {KEYS[key].unit} by the difference, so 0")
    missing = [key for key in KEYS if key not in own]
    facts = facts | {
        "not-separated": [
            *_SUMS,
            *noise,
            f"not measured, so from {base.name}: {', '.join(missing)}",
        ]
    }
    return Profile(name, what, base, own, facts)


_SUMS = (
    "udp + sock, softirq + poll: only the sums are measured; the split is that of the profile below",
    "rps: its share of rps + backlog on one CPU; backlog has the other CPU's cache misses all the way up to UDP",
    "rx: an skb and a copy of a TAP, not of a card; receive is taken from the profile below and subtracted",
    "hardirq: a card's interrupt was not measured, an IPI's was; what it costs depends on what it interrupts",
    "gro, poll, softirq: of polls with one packet; in a batch they cost less a packet",
)
