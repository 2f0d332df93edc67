"""The result of a comparison. ``as_json()`` is a plain dict, "vnic.diff/1"; times are ns, and a key never goes away.

schema        "vnic.diff/1"
a, b          the two runs: label, files, fates (of the frames in both), lost, records_missing, config
knobs         knob -> [in a, in b], only those that differ
frames        compared (in both), only_a, only_b, unfinished (a log was full, so their fate is not known: they do
              not count below), changed, newly_lost, saved, otherwise
matrix        fate in a -> fate in b -> frames; those without change too
first, last   the first and the last frame whose fate changed: frame, t_ns, flow, was, is; null: none did
changes       the first of all of them, in order; frames.changed counts all
flows         flows with the most frames that changed: flow, frames, changed, lost_a, lost_b
flows_changed how many flows have one
timeline      from_ns, bin_ns, and per bin the frames that changed: worse (lost only in b), better, other; {}: none
latency_ns    part of the latency split, and total -> a, b (count, mean, min, p50, p90, p99, p999, max over frames
              that were there in both), slower, faster (frames, one by one)
cost          interrupts, polls, ipis, hardirq_ns ... cpu_ns, memory_bytes -> [in a, in b]; null: not known
worse         what got worse by the rules of --fail-on: rule, what, was, is
exit_code     0 or 1
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

SCHEMA = "vnic.diff/1"


class Change(NamedTuple):
    """A frame whose fate changed; ``t_ns``: when it arrived in a."""

    frame: int
    t_ns: int
    flow: str
    was: str
    now: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as in the JSON."""
        return {"frame": self.frame, "t_ns": self.t_ns, "flow": self.flow, "was": self.was, "is": self.now}


@dataclass(frozen=True, slots=True)
class FlowChange:
    """What became of a flow's frames."""

    flow: str
    frames: int
    changed: int
    lost_a: int
    lost_b: int


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Times of one part of the way, ns; percentiles at most 1.6 % too high."""

    count: int
    mean: float
    min: int
    p50: int
    p90: int
    p99: int
    p999: int
    max: int


@dataclass(frozen=True, slots=True)
class Shift:
    """How the times of one part shifted, over frames that were there in both runs."""

    a: Percentiles
    b: Percentiles
    slower: int
    faster: int


@dataclass(frozen=True, slots=True)
class SideFacts:
    """One of the runs."""

    label: str
    files: list[str]
    fates: dict[str, int]
    lost: int
    records_missing: int
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Worse:
    """Something that got worse than a rule allows."""

    rule: str
    what: str
    was: float
    now: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as in the JSON."""
        return {"rule": self.rule, "what": self.what, "was": self.was, "is": self.now}


@dataclass(slots=True)
class Diff:
    """What differs between two runs of the same frames."""

    a: SideFacts
    b: SideFacts
    frames: int
    only_a: int
    only_b: int
    unfinished: int
    changed: int
    matrix: dict[str, dict[str, int]]
    first: Change | None
    last: Change | None
    changes: list[Change]
    flows: list[FlowChange]
    flows_changed: int
    timeline: dict[str, Any]
    latency: dict[str, Shift]
    cost: dict[str, tuple[int | None, int | None]]
    knobs: dict[str, tuple[Any, Any]]
    worse: list[Worse] = field(default_factory=list)

    @property
    def missed(self) -> int:
        """Records that the two logs could not hold."""
        return self.a.records_missing + self.b.records_missing

    def moved(self, *, was_lost: bool, is_lost: bool) -> int:
        """Return the frames that changed and were lost or not in a, and in b."""
        return sum(
            n
            for was, row in self.matrix.items()
            for now, n in row.items()
            if was != now and (_lost(was), _lost(now)) == (was_lost, is_lost)
        )

    @property
    def same(self) -> bool:
        """Is there no difference at all: no fate, no time, no cost?"""
        times = all(x.a == x.b and not x.slower + x.faster for x in self.latency.values())
        costs = all(was == now for was, now in self.cost.values())
        return not (self.changed or self.only_a or self.only_b) and times and costs

    @property
    def exit_code(self) -> int:
        """1: something got worse."""
        return int(bool(self.worse))

    def as_json(self) -> dict[str, Any]:
        """Return the dict that this module describes."""
        return {
            "schema": SCHEMA,
            "a": asdict(self.a),
            "b": asdict(self.b),
            "knobs": {name: list(pair) for name, pair in self.knobs.items()},
            "frames": {
                "compared": self.frames,
                "only_a": self.only_a,
                "only_b": self.only_b,
                "unfinished": self.unfinished,
                "changed": self.changed,
                "newly_lost": self.moved(was_lost=False, is_lost=True),
                "saved": self.moved(was_lost=True, is_lost=False),
                "otherwise": self.moved(was_lost=True, is_lost=True) + self.moved(was_lost=False, is_lost=False),
            },
            "matrix": self.matrix,
            "first": None if self.first is None else self.first.as_dict(),
            "last": None if self.last is None else self.last.as_dict(),
            "changes": [change.as_dict() for change in self.changes],
            "flows": [asdict(flow) for flow in self.flows],
            "flows_changed": self.flows_changed,
            "timeline": self.timeline,
            "latency_ns": {name: asdict(shift) for name, shift in self.latency.items()},
            "cost": {name: list(pair) for name, pair in self.cost.items()},
            "worse": [w.as_dict() for w in self.worse],
            "exit_code": self.exit_code,
        }


def _lost(fate: str) -> bool:
    return not fate.startswith("DELIVERED_") and fate != "NO_FATE"
