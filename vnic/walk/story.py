"""The story of a frame: its stages, its companions, what stood in front of it if it was lost.

``vnic walk --json`` prints {"schema": "vnic.walk/1", "notes": [...], "stories": [...]}. A story has, with times in ns:

    frame, flow, len, queue, fate, text, lost   the frame, and what its fate means
    faults                                      names of the faults on purpose that hit the frame (--fault)
    t_wire_ns, total_ns                         when it arrived, and how long its way took
    records_missing                             the log was full: stages may be missing
    stages                                      stage, t_ns, since_wire_ns, took_ns, where, cpu, queue, by, what, file;
                                                cpu_ns: what the CPU did meanwhile;
                                                met: what, value, limit, unit, knob, near
    companions                                  how (merged, reassembled), frames, first_ns, last_ns; null: none
    before                                      of a lost frame: places (name, frames, text), cpu, since_ns, cpu_ns,
                                                knob, why, attempt (settings that may help)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from vnic.walk import met
from vnic.walk.before import Before, before
from vnic.walk.waits import Waits
from vnic.walk.way import Stage, way

if TYPE_CHECKING:
    from vnic.events.events import Events
    from vnic.events.frames import Frame

SCHEMA = "vnic.walk/1"


@dataclass(frozen=True, slots=True)
class Companions:
    """The other frames of the packet that a frame became part of."""

    how: str
    """merged: by GRO; reassembled: fragments of one datagram."""
    frames: list[int]
    """All frames of the packet, this one too."""
    first_ns: int
    """When the first one arrived; ``last_ns``: the last one."""
    last_ns: int


@dataclass(slots=True)
class Story:
    """The story of one frame."""

    frame: Frame
    stages: list[Stage]
    companions: Companions | None = None
    before: Before | None = None
    missed: int = 0
    """Records that the log could not hold: stages may be missing."""
    text: str = field(default="")
    """What the fate means."""
    faults: list[str] = field(default_factory=list)
    """What the card did wrong with the frame on purpose, by its names in ``--fault``."""

    @property
    def total_ns(self) -> int:
        """From the wire to the end of its way."""
        return self.stages[-1].end_ns - self.stages[0].begin_ns if self.stages else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object; times in ns."""
        wire = self.stages[0].begin_ns if self.stages else 0
        return {
            "frame": self.frame.id,
            "flow": self.frame.flow,
            "len": self.frame.len,
            "fate": self.frame.fate,
            "text": self.text,
            "lost": self.frame.lost,
            "queue": self.frame.queue,
            "faults": self.faults,
            "t_wire_ns": wire,
            "total_ns": self.total_ns,
            "records_missing": self.missed,
            "stages": [self._stage(stage, wire) for stage in self.stages],
            "companions": None if self.companions is None else asdict(self.companions),
            "before": None if self.before is None else asdict(self.before),
        }

    @staticmethod
    def _stage(stage: Stage, wire: int) -> dict[str, Any]:
        return {
            "stage": stage.name,
            "t_ns": stage.begin_ns,
            "since_wire_ns": stage.begin_ns - wire,
            "took_ns": stage.took_ns,
            "where": stage.where,
            "cpu": stage.cpu,
            "queue": stage.queue,
            "by": stage.by,
            "what": stage.what,
            "cpu_ns": stage.cpu_ns,
            "met": [asdict(m) | {"near": m.near} for m in stage.met],
            "file": f"csrc/{stage.file}",
        }


def story(events: Events, frame: int) -> Story | None:
    """Tell the story of a frame; None: the log has no row for it."""
    from vnic._core import ffi, lib
    from vnic.counters.snapshots import FATES

    row = events.frames.by_id(frame)
    if row is None or row.t_wire is None:
        return None
    records = events.of_frame(frame)
    stages = way(events, row, records)
    waits = Waits(events, row, records)
    for stage in stages:
        waits.tell(stage)
    met.tell(stages, records, events.facts.get("config", {}))
    text = "" if row.fate is None else bytes(ffi.string(lib.fate_text(FATES.index(row.fate)))).decode()
    faults = [str(e.args["fault"]) for e in records if e.kind == "fault" and e.frame == row.id]
    stood = None if faults else before(events, row)  # nothing stood in its way
    return Story(row, stages, _companions(events, row), stood, events.missed, text, faults)


def _companions(events: Events, row: Frame) -> Companions | None:
    joins = events.find(kinds=["gro_out", "ordered", "gro_merge"], frames=(row.skb, row.skb), joined=True)
    ids = sorted({e.frame for e in joins if e.skb == row.skb} | {row.skb, row.id})
    if len(ids) < 2:
        return None
    rows = [r for n in ids if (r := events.frames.by_id(n)) is not None and r.t_wire is not None]
    how = "reassembled" if any(e.kind == "ordered" and e.skb for e in joins) else "merged"
    arrivals = [r.t_wire for r in rows if r.t_wire is not None]
    return Companions(how, ids, min(arrivals), max(arrivals))
