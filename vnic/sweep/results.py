"""The results of a sweep as one plain dict, schema ``vnic.sweep/1``. ``-o OUT.json`` and ``--json`` write it.

    schema      "vnic.sweep/1"
    vnic        the version that computed it
    input       files (names), sha256 (of their contents), bytes, selected (the options that chose frames), left_out
                and error (sentences: members of a directory, why the input ended early; null: it did not)
    base        what all points share: vnic.Host's arguments and knobs that were given
    axes        [{knob, unit, values}]: in the order given. Values are numbers, flags or text, as reports have them
    objectives  [{name, meaning, better}]: what the front trades, in the order by which points are ranked. name is the
                way to it in a point (latency_ns.p99); better is "less" for each
    points      [{point, knobs, front, rank, error, ...}], in the order of the grid, in which the last axis changes
                first. Points that were not run, because the sweep was interrupted, are not there
    front       numbers of the points on the Pareto front, best first
    order       numbers of all points, best first; those without a result last
    planned     how many points the grid has: len(points), unless the sweep was interrupted

A point has ``point`` (its number in the grid), ``knobs`` (axis -> value), ``front`` (true: no other point is better in
one objective and worse in none), ``rank`` (1: the best), ``error`` (null, or one sentence, and then nothing else), and:

    offered, delivered, lost        frames
    loss_share                      lost / offered
    lost_by_limits                  frames that a limit lost: the others, a filter or the lack of a socket
    fates                           fate -> frames, of the lost ones
    latency_ns                      {p50, p99, max} from the last bit on the wire to read(); null: nothing was read
    interrupts, frames_per_interrupt
    cpu_ns, cpu_ns_per_frame        time that the emulated CPUs did not sleep, readers included; per offered frame
    time_squeeze                    as in /proc/net/softnet_stat, of all CPUs
    limits                          limit -> [how often it bound, frames that it lost]; those that bound only
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic.capture_select import ALL, Selection
from vnic.counters.snapshots import FATES
from vnic.sweep.front import OBJECTIVES, ranked
from vnic.sweep.points import SCHEMA, Point, this_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vnic.sweep.axes import Axis
    from vnic.sweep.replayed import Row


@dataclass
class Results:
    """What came out: the points that have a row, in the order of the grid."""

    axes: tuple[Axis, ...]
    files: tuple[str, ...]
    sha256: str
    size: int = 0
    select: Selection = ALL
    left_out: tuple[str, ...] = ()
    base: Mapping[str, Any] = field(default_factory=dict)
    planned: int = 0
    rows: dict[int, tuple[Point, Row]] = field(default_factory=dict)
    """Number of a point -> the point and its row."""

    def add(self, point: Point, row: Row) -> None:
        """Take one point's row."""
        self.rows[point.number] = point, row

    @property
    def failed(self) -> list[tuple[Point, str]]:
        """The points without a result, each with its sentence."""
        return [(point, row["error"]) for _, (point, row) in sorted(self.rows.items()) if row["error"] is not None]

    @property
    def input_error(self) -> str:
        """Why the input ended early; empty if it did not."""
        return next((row["input_error"] for _, row in self.rows.values() if row.get("input_error")), "")


def as_json(results: Results) -> dict[str, Any]:
    """Return the dict that the head of this file describes."""
    numbers = sorted(results.rows)
    rows = [results.rows[n][1] for n in numbers]
    order, on_front = ranked(rows)
    rank = {i: nth for nth, i in enumerate(order, 1)}
    return {
        "schema": SCHEMA,
        "vnic": this_version(),
        "input": {
            "files": list(results.files),
            "sha256": results.sha256,
            "bytes": results.size,
            "selected": results.select.as_dict(),
            "left_out": list(results.left_out),
            "error": results.input_error or None,
        },
        "base": dict(results.base),
        "axes": [{"knob": a.knob, "unit": a.unit, "values": [v.shown for v in a.values]} for a in results.axes],
        "objectives": [{"name": name, "meaning": text, "better": "less"} for name, text in OBJECTIVES.items()],
        "planned": results.planned,
        "points": [
            {"point": n, "knobs": results.rows[n][0].shown, "front": i in on_front, "rank": rank[i]}
            | {name: value for name, value in rows[i].items() if name not in ("input_error", "lasts")}
            for i, n in enumerate(numbers)
        ],
        "front": [numbers[i] for i in order if i in on_front],
        "order": [numbers[i] for i in order],
    }


def columns(found: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the points as columns of one type each, for CSV and Parquet: name -> a value for each point."""
    points: Sequence[Mapping[str, Any]] = found["points"]
    seen = {name for p in points for name in p.get("fates", {})}
    table: dict[str, list[Any]] = {name: [p[name] for p in points] for name in ("point", "rank", "front")}
    for axis in found["axes"]:
        values = [p["knobs"][axis["knob"]] for p in points]
        table[axis["knob"]] = values if len({type(v) for v in axis["values"]}) == 1 else [str(v) for v in values]
    for name in ("offered", "delivered", "lost", "loss_share", "lost_by_limits"):
        table[name] = [p.get(name) for p in points]
    for fate in (name for name in FATES if name in seen):
        table[f"lost_{fate}"] = [p["fates"].get(fate, 0) if "fates" in p else None for p in points]
    for name in ("p50", "p99", "max"):
        table[f"{name}_ns"] = [p["latency_ns"][name] if "latency_ns" in p else None for p in points]
    for name in ("interrupts", "frames_per_interrupt", "cpu_ns", "cpu_ns_per_frame", "time_squeeze"):
        table[name] = [p.get(name) for p in points]
    table["limits"] = [limits_text(p["limits"]) if "limits" in p else None for p in points]
    table["error"] = [p["error"] for p in points]
    return table


def limits_text(limits: Mapping[str, Sequence[int]], *, lost_only: bool = False) -> str:
    """Return the limits that bound, with the frames that each lost: ``fifo 396, rx-ring``."""
    shown = {name: lost for name, (_, lost) in limits.items() if lost or not lost_only}
    return ", ".join(f"{name} {lost}" if lost else name for name, lost in shown.items())
