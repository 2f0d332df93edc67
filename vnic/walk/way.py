"""The stages of a frame's way, cut so that every nanosecond from the wire to its end is in exactly one.

    wire | fifo dma | moderation hardirq softirq poll | skb gro [rps backlog] receive [reorder] | socket read

A record says when its stage ended, so a stage lasts from the end of the one before. Only the time in the ring is cut
further: the wait for the interrupt, its handler, the softirq, and the turn within the poll.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vnic.events.kinds import OF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.events.events import Event, Events
    from vnic.events.frames import Frame

FILES = {
    "wire": OF["wire"].file,
    "fifo": OF["fifo"].file,
    "dma": OF["dma"].file,
    "moderation": "card/irq.c",
    "hardirq": OF["hardirq"].file,
    "softirq": OF["net_rx"].file,
    "poll": OF["poll"].file,
    "skb": OF["skb"].file,
    "gro": OF["gro_out"].file,
    "rps": OF["rps"].file,
    "backlog": OF["backlog"].file,
    "receive": OF["receive"].file,
    "reorder": OF["reorder"].file,
    "socket": OF["socket"].file,
    "read": OF["read"].file,
    "fate": OF["fate"].file,
}
"""Stage -> its file in csrc/. In the order of the path."""
PARTS = {
    "fifo": "ring",
    "dma": "ring",
    "moderation": "moderation",
    "hardirq": "moderation",
    "softirq": "poll",
    "poll": "poll",
    "skb": "stack",
    "gro": "gro",
    "rps": "stack",
    "backlog": "backlog",
    "receive": "stack",
    "reorder": "reorder",
    "socket": "socket",
    "read": "socket",
}
"""Stage -> the part of the latency split (enum latency) that its time belongs to."""
_CLOSED_BY = {"skb": "skb", "gro_out": "gro", "rps": "rps", "backlog_out": "backlog", "reorder": "receive",
              "ordered": "reorder", "socket": "receive"}  # fmt: skip
"""Kind of a record that ends a stage -> the stage."""


@dataclass(slots=True)
class Stage:
    """A stage of the way, from ``begin_ns`` to ``end_ns``."""

    name: str
    begin_ns: int
    end_ns: int
    cpu: int | None = None
    """None: the card."""
    queue: int | None = None
    record: Event | None = None
    """The record that ended it."""
    context: str = ""
    """What ran there: hardirq, softirq, ksoftirqd, task."""
    by: str = ""
    """What made the frame go on."""
    what: str = ""
    """What happened, or what the frame waited for."""
    cpu_ns: dict[str, int] = field(default_factory=dict)
    """While the frame waited: what its CPU did, and how long."""
    met: list[Met] = field(default_factory=list)

    @property
    def took_ns(self) -> int:
        """How long."""
        return self.end_ns - self.begin_ns

    @property
    def file(self) -> str:
        """The stage's file in csrc/."""
        return FILES[self.name]

    @property
    def where(self) -> str:
        """The card, or CPU and context."""
        return "card" if self.cpu is None else f"CPU {self.cpu} {self.context}".rstrip()


@dataclass(frozen=True, slots=True)
class Met:
    """What a frame met in a stage: a fill, beside its limit."""

    what: str
    value: int
    limit: int | None
    unit: str
    knob: str

    @property
    def near(self) -> bool:
        """Was the limit near: is 90 % of it used?"""
        return self.limit is not None and self.limit > 0 and self.value * 10 >= self.limit * 9


class _Cutter:
    """Cuts a way into stages; ``at`` is the end of the last one."""

    def __init__(self, events: Events, frame: Frame) -> None:
        self.events, self.frame = events, frame
        self.stages: list[Stage] = []
        self.at = frame.t_wire or 0

    def cut(self, name: str, end_ns: int, record: Event, *, cpu: int | None = -1) -> Stage:
        """End a stage. A live host's clocks differ a little: no stage ends before it begins."""
        end = max(end_ns, self.at)
        where = record.cpu if cpu == -1 else cpu
        stage = Stage(name, self.at, end, where, record.queue, record)
        self.stages.append(stage)
        self.at = end
        return stage

    def ring(self, record: Event) -> None:
        """Cut the wait in the ring: until the interrupt, its handler, until the poll, the turn in the poll."""
        told = min(max(int(record.arg), record.t_ns), record.end_ns)
        handler = self._handler(record, told)
        if handler is not None:
            self.cut("moderation", max(handler.t_ns, record.t_ns), record, cpu=None)
            self.cut("hardirq", told, handler)
        elif told > record.t_ns:
            self.cut("moderation", told, record, cpu=None)
        poll = poll_of(self.events, record)
        if poll is not None and poll.t_ns > self.at:
            self.cut("softirq", poll.t_ns, record)
        self.cut("poll", record.end_ns, record)

    def _handler(self, record: Event, told: int) -> Event | None:
        """Return the record of the handler that ended at this instant; None: no interrupt told of the frame."""
        if told <= record.t_ns:
            return None
        found = self.events.find(
            kinds=["hardirq"], cpu=record.cpu, queue=record.queue or 0, from_ns=told, until_ns=told
        )
        return next((e for e in found if e.end_ns == told and e.args["source"] == "queue"), None)


def poll_of(events: Events, ring: Event) -> Event | None:
    """Return the poll in which the driver took a frame, by its record ``ring``."""
    if ring.queue is None:
        return None
    end = ring.end_ns
    found = events.find(kinds=["poll"], cpu=ring.cpu, queue=ring.queue, from_ns=end, until_ns=end)
    return found[-1] if found else None


def way(events: Events, frame: Frame, records: Sequence[Event]) -> list[Stage]:
    """Return the stages of a frame's way, from its records (:meth:`Events.of_frame`). Empty: none has a time."""
    cutter = _Cutter(events, frame)
    pending = ""  # the stage that a frame is in if it ends here
    order = sorted(records, key=lambda e: e.end_ns)
    for e in order:
        if e.kind == "wire":
            cutter.stages.append(Stage("wire", cutter.at, cutter.at, None, e.queue, e))
            pending = "fifo"
        elif e.kind == "dma":
            cutter.cut("fifo", e.t_ns, e)
            cutter.cut("dma", e.end_ns, e)
            pending = "moderation"
        elif e.kind == "ring":
            cutter.ring(e)
            pending = "skb"
        elif e.kind in _CLOSED_BY:
            cutter.cut(_CLOSED_BY[e.kind], e.end_ns, e)
            pending = {"skb": "gro", "reorder": "reorder", "socket": "socket"}.get(e.kind, "receive")
        elif e.kind == "backlog":
            pending = "backlog"
        elif e.kind == "read":
            cutter.cut("socket", e.t_ns, e)
            cutter.cut("read", e.end_ns, e)
        elif e.kind == "fate":
            if e.end_ns > cutter.at and pending and pending != "socket":
                cutter.cut(pending, e.end_ns, e)
            cutter.stages.append(Stage("fate", cutter.at, cutter.at, e.cpu, e.queue, e))
    return cutter.stages
