"""One of the two runs that are compared: its frames, how long each was in each part of its way, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import check

if TYPE_CHECKING:
    from vnic.events.events import Events
    from vnic.events.frames import Frames

COSTS = ("interrupts", "polls", "ipis", "hardirq_ns", "softirq_ns", "ksoftirqd_ns", "switch_ns", "task_ns", "cpu_ns",
         "memory_bytes")  # fmt: skip
"""What a run costs. cpu_ns: all that the CPUs did; memory_bytes: what the knobs' sizes take, if the facts tell."""
_SWITCHING = 1 << 16
"""CPUs are numbered by 16 bits."""


@dataclass(frozen=True, slots=True)
class Side:
    """One run. The log itself is not kept: two of a million frames are 1.6 GB."""

    label: str
    frames: Frames
    spans: Any
    """struct frame_spans[], a row for each frame."""
    missed: int
    """Records that the log could not hold."""
    costs: dict[str, int | None]
    facts: dict[str, Any] = field(repr=False)

    @property
    def config(self) -> dict[str, Any]:
        """The knobs and arguments of the run; empty if they are not known."""
        return dict(self.facts.get("config", {}))

    @property
    def input(self) -> dict[str, Any]:
        """What was read, as in a report."""
        return dict(self.facts.get("input", {}))


def side(label: str, events: Events) -> Side:
    """Take from a log what a comparison needs."""
    frames = events.frames
    spans = ffi.new("struct frame_spans[]", max(len(frames), 1))
    check(lib.frame_spans(events.c, len(events), frames.c, len(frames), spans), "make the frames' times")
    return Side(label, frames, spans, events.missed, _costs(events), events.facts)


def cpu_times(events: Events, cpus: int) -> list[dict[str, int]]:
    """Return what each CPU's time went into, ns: of work within work the inner one counts."""
    times = ffi.new("struct cpu_times[]", max(cpus, 1))
    check(lib.cpu_times(events.c, len(events), times, cpus), "add up the CPUs' work")
    names = [name for name, _ in ffi.typeof("struct cpu_times").fields]
    return [{name: int(getattr(times[i], name)) for name in names} for i in range(cpus)]


def _costs(events: Events) -> dict[str, int | None]:
    facts = events.facts
    cpus = len(facts.get("cpus", ())) or lib.CPUS_MAX
    parts = cpu_times(events, int(cpus))
    found: dict[str, int | None] = {name: sum(cpu[name] for cpu in parts) for name in parts[0]}
    found["cpu_ns"] = sum(n for n in found.values() if n is not None)
    memory = facts.get("memory")
    found["memory_bytes"] = sum(int(n) for n in memory.values()) if memory else None
    if facts.get("queues"):
        found |= {name: sum(int(q[name]) for q in facts["queues"]) for name in ("interrupts", "polls")}
        found["ipis"] = int(facts["irq"]["ipis"])
    else:
        for name, kind in (("interrupts", "irq"), ("polls", "poll"), ("ipis", "ipi")):
            found[name] = _count(events, kind)
    return {name: found[name] for name in COSTS}


def _count(events: Events, kind: str) -> int:
    from vnic.events.find import find

    return find(events.c, len(events), kinds=[kind], most=1)[1]
