"""From the events of a recording to figures: polls by their work, wake-ups, reads.

A poll's time is a line over its packets: a fixed part (softirq + poll) and a part for each packet (rx to sock). The
recording does not split these sums, so each key has its share of the profile below. Each event takes time itself, which
is taken off: ``event_ns`` for each event inside an interval, and for the one at its begin.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vnic.errors import ConfigError
from vnic.knobs.cost import KEYS, Figure, Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vnic.calibrate.trace import Event, Trace

EVENT_NS = {"perf": 800, "ftrace": 250}
"""What recording one event takes; docs/costs.md: measured on a guest."""
FIXED, EACH = ("softirq", "poll"), ("rx", "gro", "receive", "ip", "udp", "sock")
_ENOUGH = 20
"""Samples below which a median says nothing."""
_CHUNKS = 5
_LONG_NS = 20_000_000
"""A longer interval was not one piece of work."""
_LATE_NS = 1_000_000
"""An IPI that raises no interrupt for so long found its target awake, which needs none."""
_SOON_NS = 20_000
"""A softirq that begins later was not raised by that interrupt."""


@dataclass(frozen=True, slots=True)
class Poll:
    """One softirq with one poll: packets, time, wake-ups of readers on the same CPU and on others, events inside."""

    work: int
    ns: int
    local: int
    remote: int
    events: int


@dataclass(slots=True)
class _Softirq:
    since: int
    work: int = 0
    polls: int = 0
    events: int = 0
    woken: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Intervals:
    """What the events add up to, ns."""

    polls: list[Poll] = field(default_factory=list)
    woken: list[tuple[int, int]] = field(default_factory=list)
    """A reader that another CPU woke: how long its CPU was idle, and from the wake-up to its return from recv()."""
    reads: list[tuple[int, int]] = field(default_factory=list)
    """A recv() that did not sleep: its time, and its bytes."""
    handlers: list[int] = field(default_factory=list)
    """From an interrupt handler's entry to its exit."""
    to_softirq: list[int] = field(default_factory=list)
    """From an interrupt handler's exit to the softirq's entry."""
    deliveries: list[int] = field(default_factory=list)
    """From an IPI's sending to its interrupt."""


class Follower:
    """Turn events, in the order of their times, into intervals."""

    def __init__(self) -> None:
        self.out = Intervals()
        self._softirq: dict[int, _Softirq] = {}
        self._handler: dict[int, int] = {}
        self._handled: dict[int, int] = {}
        self._sent: dict[int, int] = {}
        self._idle: dict[int, int] = {}
        self._waking: dict[int, tuple[int, int, bool]] = {}
        self._woken: dict[int, tuple[int, int]] = {}
        self._entered: dict[int, int] = {}
        self._ran_on: dict[int, int] = {}
        self._ran_at: dict[int, int] = {}

    def take(self, e: Event) -> None:
        """Take one event. In a softirq its own recording is part of that softirq's time."""
        if s := self._softirq.get(e.cpu):
            s.events += e.name != "softirq_exit"
        if e.name.startswith("sys_enter_"):
            self._entered[e.pid] = e.t_ns
        elif e.name.startswith("sys_exit_"):
            self._read(e)
        else:
            getattr(self, f"_{e.name}")(e)

    def _softirq_entry(self, e: Event) -> None:
        self._softirq[e.cpu] = _Softirq(e.t_ns)
        handled = self._handled.pop(e.cpu, None)
        if handled is not None and e.t_ns - handled < _SOON_NS:
            self.out.to_softirq.append(e.t_ns - handled)

    def _softirq_exit(self, e: Event) -> None:
        s = self._softirq.pop(e.cpu, None)
        if s is not None and s.polls == 1 and s.work and e.t_ns - s.since < _LONG_NS:
            here = [self._ran_on.get(pid) == e.cpu for pid in s.woken]
            self.out.polls.append(Poll(s.work, e.t_ns - s.since, sum(here), len(here) - sum(here), s.events))

    def _napi_poll(self, e: Event) -> None:
        if s := self._softirq.get(e.cpu):
            s.work += e.number
            s.polls += 1

    def _irq_handler_entry(self, e: Event) -> None:
        self._handler[e.cpu] = e.t_ns
        if s := self._softirq.get(e.cpu):
            s.polls += 2  # the interrupt's time is in this softirq: leave it out

    def _irq_handler_exit(self, e: Event) -> None:
        if (since := self._handler.pop(e.cpu, None)) is not None:
            self.out.handlers.append(e.t_ns - since)
        self._handled[e.cpu] = e.t_ns

    def _ipi_send_cpu(self, e: Event) -> None:
        if e.t_ns - self._sent.get(e.number, -_LATE_NS) >= _LATE_NS:  # of several, the first raises the interrupt
            self._sent[e.number] = e.t_ns

    def _call_function_single_entry(self, e: Event) -> None:
        if (sent := self._sent.pop(e.cpu, None)) is not None and e.t_ns - sent < _LATE_NS:
            self.out.deliveries.append(e.t_ns - sent)

    def _sched_waking(self, e: Event) -> None:
        s = self._softirq.get(e.cpu)
        if s:
            s.woken.append(e.number)
        self._waking[e.number] = (e.t_ns, e.cpu, s is not None)

    def _sched_switch(self, e: Event) -> None:
        was_idle = self._idle.pop(e.cpu, None)
        self._ran_on[e.number], self._ran_at[e.number] = e.cpu, e.t_ns
        if not e.number:
            self._idle[e.cpu] = e.t_ns
            return
        waking, waker, by_packet = self._waking.pop(e.number, (0, 0, False))
        if by_packet and waker != e.cpu and was_idle is not None and waking >= was_idle:
            self._woken[e.number] = (waking - was_idle, waking)
        else:
            self._woken.pop(e.number, None)

    def _read(self, e: Event) -> None:
        entered = self._entered.pop(e.pid, None)
        woken = self._woken.pop(e.pid, None)
        if entered is None or e.number <= 0:
            return
        if woken and woken[1] > entered and e.t_ns - woken[1] < _LONG_NS:
            self.out.woken.append((woken[0], e.t_ns - woken[1]))
        elif self._ran_at.get(e.pid, 0) <= entered and e.t_ns - entered < _LONG_NS:  # it kept its CPU
            self.out.reads.append((e.t_ns - entered, e.number))


def line(points: Iterable[tuple[int, float]]) -> tuple[float, float] | None:
    """Fit time over work: medians for each work with enough samples, weighted by their errors. None: one work only.

    Return: the fixed part, and the part for each packet.
    """
    by: dict[int, list[float]] = defaultdict(list)
    for work, ns in points:
        by[work].append(ns)
    known = [(work, statistics.median(ns), len(ns) ** 0.5) for work, ns in by.items() if len(ns) >= _ENOUGH]
    if len(known) < 2:
        return None
    total = sum(weight for *_, weight in known)
    mean_work = sum(work * weight for work, _, weight in known) / total
    mean_ns = sum(ns * weight for _, ns, weight in known) / total
    spread = sum(weight * (work - mean_work) ** 2 for work, _, weight in known)
    slope = sum(weight * (work - mean_work) * (ns - mean_ns) for work, ns, weight in known) / spread
    return mean_ns - slope * mean_work, slope


class _Figures:
    """The figures found so far, on top of the profile below."""

    def __init__(self, base: Profile) -> None:
        self.base = {key: float(figure.value) for key, (figure, _) in base.figures().items()}
        self.own: dict[str, Figure] = {}

    def now(self, key: str) -> float:
        return float(self.own[key].value) if key in self.own else self.base[key]

    def put(self, key: str, values: Sequence[float], source: str) -> None:
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        whole = [max(0, round(v)) for v in (low, middle, high)]
        self.own[key] = Figure(whole[1], source, (whole[0], whole[2]))

    def share(self, keys: Sequence[str], parts: Sequence[float], source: str) -> None:
        """Give each key its share of the sum. ``parts``: the whole recording's first, then those of its chunks."""
        total = sum(self.base[key] for key in keys)
        for key in keys:
            factor = self.base[key] / total if total else 1 / len(keys)
            value, *chunks = (max(0, round(part * factor)) for part in parts)
            spread = (min([value, *chunks]), max([value, *chunks])) if chunks else None
            self.own[key] = Figure(value, source, spread)


def profile(events: Iterable[Event], trace: Trace, base: Profile, *, name: str, event_ns: int | None = None) -> Profile:
    """Return the profile of a recording, on top of ``base``. ConfigError: it has too little of everything."""
    follower = Follower()
    for event in events:
        follower.take(event)
    cost = EVENT_NS[trace.format] if event_ns is None else event_ns
    figures, found = _Figures(base), follower.out
    _polls(figures, found.polls, cost)
    _reads(figures, found, cost)
    if len(found.deliveries) >= _ENOUGH:
        figures.put(
            "ipi-delivery", [ns - cost for ns in found.deliveries], "ipi_send_cpu to call_function_single_entry"
        )
    if not figures.own:
        raise ConfigError(
            f"has too little: {len(found.polls)} polls, {len(found.reads)} reads, {len(found.woken)} wake-ups;"
            f" {_ENOUGH} of one kind are the least"
        )
    own = {key: figures.own[key] for key in KEYS if key in figures.own}
    return Profile(name, f"from a recording of {trace.format}", base, own, _facts(trace, found, cost, base, own))


def _polls(figures: _Figures, polls: list[Poll], cost: int) -> None:
    quiet = [(p.work, float(p.ns - cost * (p.events + 1))) for p in polls if not p.local and not p.remote]
    if len(quiet) < _ENOUGH:
        return
    fits, source = _fits(figures.base, quiet)
    figures.share(FIXED, [fixed for fixed, _ in fits], f"{source}: the fixed part, by share")
    figures.share(EACH, [each for _, each in fits], f"{source}: each packet, by share")
    fixed, each = (sum(figures.now(key) for key in keys) for keys in (FIXED, EACH))
    for key, kind, other in (("wake", "local", "remote"), ("wake-remote", "remote", "local")):
        more = [
            (p.ns - cost * (p.events + 1) - fixed - each * p.work) / getattr(p, kind)
            for p in polls
            if getattr(p, kind) and not getattr(p, other)
        ]
        if len(more) >= _ENOUGH:
            figures.put(key, more, f"{len(more)} polls that woke a reader - those that did not")


def _fits(base: dict[str, float], polls: list[tuple[int, float]]) -> tuple[list[tuple[float, float]], str]:
    """Return the fixed part and that of a packet, of the whole recording and of its chunks; and the source."""
    if (whole := line(polls)) is not None:
        size = -(-len(polls) // _CHUNKS)
        chunks = [line(polls[i : i + size]) for i in range(0, len(polls), size)]
        return [whole, *(chunk for chunk in chunks if chunk)], f"{len(polls)} polls by work"
    work = statistics.mode(work for work, _ in polls)
    took = statistics.median(ns for w, ns in polls if w == work)
    fixed, each = (sum(base[key] for key in keys) for keys in (FIXED, EACH))
    part = fixed / (fixed + work * each) if fixed + each else 0.5
    return [(took * part, took * (1 - part) / work)], f"{len(polls)} polls of {work} packets only"


def _reads(figures: _Figures, found: Intervals, cost: int) -> None:
    if len(found.reads) >= _ENOUGH:
        copy = figures.base["copy-ps"]
        reads = [ns - cost - copy * size / 1000 for ns, size in found.reads]
        figures.put("recv", reads, f"{len(reads)} calls that did not sleep, less the copy")
    depths = (
        ("switch-idle", 0, 100_000),
        ("switch-idle-100us", 100_000, 1_000_000),
        ("switch-idle-1ms", 1_000_000, 1 << 62),
    )
    for key, least, most in depths:
        taken = figures.now("recv") + figures.now("wake-remote") + 2 * cost
        ns = [took - taken for idle, took in found.woken if least <= idle < most]
        if len(ns) >= _ENOUGH:
            figures.put(key, ns, f"{len(ns)} wake-ups, from sched_waking to the reader's return - wake-remote - recv")


def _facts(
    trace: Trace, found: Intervals, cost: int, base: Profile, own: dict[str, Figure]
) -> dict[str, str | list[str]]:
    said = [f"{trace.events} events, {trace.unknown} lines not understood; {cost} ns an event are taken off"]
    if trace.cut:
        said.append("the text is longer: vnic reads no more events than these")
    for what, values in (
        ("an interrupt's handler", found.handlers),
        ("from its exit to the softirq", found.to_softirq),
    ):
        if len(values) >= _ENOUGH:
            low, middle, high = statistics.quantiles(values, n=4)
            said.append(f"{what}: {middle:.0f} ns, quartiles {low:.0f} and {high:.0f}, with an event's time")
    if trace.coarse:
        said.append("the times are whole microseconds, so short figures are rough: perf script --ns has more")
    missing = [key for key in KEYS if key not in own]
    return {
        "state": said,
        "spread": "polls: least and most of 5 parts of the recording; others: quartiles",
        "not-separated": [
            "softirq + poll, and rx to sock: only the sums are measured; the split is that of the profile below",
            "the packets are taken for UDP to sockets; other traffic makes rx to sock wrong",
            f"not measured, so from {base.name}: {', '.join(missing)}",
        ],
    }
