"""Compare two runs of the same frames: csrc/events/frame_diff.c, and what its numbers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.counters.latency import LATENCIES
from vnic.counters.snapshots import FATES
from vnic.diff.result import Change, Diff, FlowChange, Percentiles, Shift, SideFacts
from vnic.errors import ConfigError

if TYPE_CHECKING:
    from vnic.diff.side import Side

BINS = 200
"""Bins of the time line."""
NO_FATE = "NO_FATE"
"""The fate of a frame that was still on its way, or whose fate's record is missing."""
_NAMES = (*FATES, NO_FATE)
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


def compare(a: Side, b: Side, *, changes: int = 1000, flows: int = 10) -> Diff:
    """Compare two runs.

    Args:
        a: the base.
        b: the other one.
        changes: most frames that the result lists; all are counted.
        flows: most flows that the result lists.

    Raises:
        ConfigError: the runs had different frames.
    """
    _refuse_other_input(a, b)
    work = _Work(a, b, changes)
    c = work.c
    lib.frame_diff(c, work.table_a, work.table_b)
    if c.unlike or (c.only_a + c.only_b and not (a.missed or b.missed)):
        raise ConfigError(_unlike(a, b, c))
    matrix = work.matrix()
    listed = [work.change(c.changes[i]) for i in range(min(int(c.changed), changes))]
    return Diff(
        a=_side_facts(a, matrix, 0),
        b=_side_facts(b, matrix, 1),
        frames=int(c.both),
        only_a=int(c.only_a),
        only_b=int(c.only_b),
        unfinished=int(c.unfinished),
        changed=int(c.changed),
        matrix=matrix,
        first=work.change(c.first) if c.changed else None,
        last=work.change(c.last) if c.changed else None,
        changes=listed,
        flows=work.flows(flows),
        flows_changed=sum(1 for i in range(int(c.nflows)) if c.flows[i].changed),
        timeline=work.timeline(),
        latency={name: work.shift(i) for i, name in enumerate(LATENCIES) if c.a[i].count},
        cost={name: (a.costs[name], b.costs[name]) for name in a.costs},
        knobs=_knobs(a.config, b.config),
    )


def changed_frames(a: Side, b: Side) -> dict[int, tuple[str, str]]:
    """Return frame -> its fates in both runs, for all frames whose fate changed."""
    work = _Work(a, b, min(len(a.frames), len(b.frames)))
    lib.frame_diff(work.c, work.table_a, work.table_b)
    rows_a, rows_b = a.frames.c, b.frames.c
    return {
        int(rows_a[x.a].id): (_fate(rows_a[x.a]), _fate(rows_b[x.b]))
        for x in (work.c.changes[i] for i in range(int(work.c.changed)))
    }


def _refuse_other_input(a: Side, b: Side) -> None:
    wanted, given = (s.input.get("selected") or {} for s in (a, b))
    for name in ("filter", "limit", "from", "to", "loop", "start", "stop"):
        if wanted.get(name) != given.get(name):
            raise ConfigError(f"{b.label}: not the same frames as {a.label}: another selection ({name})")


def _unlike(a: Side, b: Side, c: Any) -> str:
    if c.unlike:
        return f"{b.label}: not the same frames as {a.label}: {int(c.unlike):,} of {int(c.both):,} differ in length"
    return f"{b.label}: not the same frames as {a.label}: {len(a.frames):,} there, {len(b.frames):,} here"


def _fate(row: Any) -> str:
    return FATES[row.fate] if row.fate < len(FATES) else NO_FATE


def _lost(fate: str) -> bool:
    return not fate.startswith("DELIVERED_") and fate != NO_FATE


class _Work:
    """The memory of one comparison."""

    def __init__(self, a: Side, b: Side, changes: int) -> None:
        self._a, self._b = a, b
        n = len(FATES) + 1
        self._matrix = ffi.new("uint64_t[]", n * n)
        self._changes = ffi.new("struct frame_change[]", max(changes, 1))
        self._flows = ffi.new("struct flow_change[]", max(len(a.frames.flows), 1))
        self._bins = ffi.new("struct change_bin[]", BINS)
        first, last = self._times()
        self.c = c = ffi.new("struct frame_diff *")
        c.matrix, c.changes, c.changes_max = self._matrix, self._changes, changes
        c.flows, c.nflows = self._flows, len(a.frames.flows)
        c.bins, c.nbins, c.bins_from, c.bin_ns = self._bins, BINS, first, max(1, -(-(last - first + 1) // BINS))
        c.partial = bool(a.missed or b.missed)
        self.table_a = self._table(a)
        self.table_b = self._table(b)

    @staticmethod
    def _table(side: Side) -> Any:
        return ffi.new("struct frame_table_of *", (side.frames.c, side.spans, len(side.frames)))

    def _times(self) -> tuple[int, int]:
        rows, n = self._a.frames.c, len(self._a.frames)
        return (int(rows[0].t_wire), int(rows[n - 1].t_wire)) if n else (0, 0)

    def matrix(self) -> dict[str, dict[str, int]]:
        n = len(_NAMES)
        cells = ffi.unpack(self._matrix, n * n)
        found: dict[str, dict[str, int]] = {}
        for at, frames in enumerate(cells):
            if frames:
                found.setdefault(_NAMES[at // n], {})[_NAMES[at % n]] = int(frames)
        return found

    def change(self, pair: Any) -> Change:
        row, other = self._a.frames.c[pair.a], self._b.frames.c[pair.b]
        return Change(int(row.id), int(row.t_wire), self._a.frames.flows[row.flow], _fate(row), _fate(other))

    def flows(self, most: int) -> list[FlowChange]:
        names = self._a.frames.flows
        rows = [(i, self._flows[i]) for i in range(len(names)) if self._flows[i].changed]
        rows.sort(key=lambda row: (-int(row[1].changed), row[0]))
        return [
            FlowChange(names[i] or "(no ports)", int(f.frames), int(f.changed), int(f.lost_a), int(f.lost_b))
            for i, f in rows[:most]
        ]

    def timeline(self) -> dict[str, Any]:
        if not self.c.changed:
            return {}
        return {
            "from_ns": int(self.c.bins_from),
            "bin_ns": int(self.c.bin_ns),
            **{name: [int(getattr(x, name)) for x in self._bins] for name in ("worse", "better", "other")},
        }

    def shift(self, part: int) -> Shift:
        a, b = (self._percentiles(h[part]) for h in (self.c.a, self.c.b))
        return Shift(a, b, int(self.c.slower[part]), int(self.c.faster[part]))

    @staticmethod
    def _percentiles(h: Any) -> Percentiles:
        at = ffi.addressof(h)
        values = {name: int(lib.lat_percentile(at, q)) for name, q in _QUANTILES.items()}
        return Percentiles(int(h.count), h.sum / h.count if h.count else 0.0, int(h.min), **values, max=int(h.max))


def _side_facts(side: Side, matrix: dict[str, dict[str, int]], which: int) -> SideFacts:
    fates: dict[str, int] = {}
    for was, row in matrix.items():
        for now, frames in row.items():
            name = (was, now)[which]
            fates[name] = fates.get(name, 0) + frames
    lost = sum(n for name, n in fates.items() if _lost(name))
    files = side.input.get("files", [])
    return SideFacts(side.label, list(files), fates, lost, side.missed, side.config)


def _knobs(a: dict[str, Any], b: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {k: (a.get(k), b.get(k)) for k in dict.fromkeys([*a, *b]) if a.get(k) != b.get(k)}
