"""A comparison as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic.diff.worse import text as worse_text
from vnic.errors import one_line
from vnic.look import tables
from vnic.look.lines import hanging
from vnic.look.units import count, duration, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from vnic.diff.result import Diff

_LABELS = {"interrupts": "interrupts", "polls": "polls", "ipis": "IPIs", "hardirq_ns": "hardirqs",
           "softirq_ns": "softirqs", "ksoftirqd_ns": "ksoftirqd", "switch_ns": "switches", "task_ns": "tasks",
           "cpu_ns": "all CPU time", "memory_bytes": "memory"}  # fmt: skip
_KNOBS_SHOWN = 12


def show(out: Console, diff: Diff) -> None:
    """Print a comparison: the knobs, the fates, when and which flows, the times, what it costs, what got worse."""
    for line in _heading(diff):
        out.print(hanging("", line, out.width), soft_wrap=True, markup=False)
    if diff.same:
        out.print("no difference: the same fates, times and costs")
    else:
        for section in (_fates, _flows, _latency, _cost):
            section(out, diff)
    for line in _ending(diff):
        out.print(hanging("", line, out.width), soft_wrap=True, markup=False)


def _value(value: Any) -> str:
    if value is None:
        return "(not set)"
    return one_line({True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value))


def _heading(diff: Diff) -> Iterator[str]:
    yield f"a: {one_line(diff.a.label)}"
    yield f"b: {one_line(diff.b.label)}"
    shown = list(diff.knobs.items())
    for name, (was, now) in shown[:_KNOBS_SHOWN]:
        yield f"   {name}: {_value(was)} -> {_value(now)}"
    if len(shown) > _KNOBS_SHOWN:
        yield f"   and {len(shown) - _KNOBS_SHOWN} more knobs"
    lost = f"{diff.a.lost:,} lost in a, {diff.b.lost:,} in b"
    yield f"{count(diff.frames, 'frame')} in both: {lost}; {count(diff.changed, 'fate')} changed"


def _fates(out: Console, diff: Diff) -> None:
    if not diff.changed:
        return
    out.print()
    rows = [
        (was, now, f"{n:,}", _kind(was, now))
        for was, row in diff.matrix.items()
        for now, n in sorted(row.items(), key=lambda cell: -cell[1])
        if was != now
    ]
    tables.show(
        out,
        [tables.left("fate in a", "bold"), tables.left("fate in b", "bold"), tables.Column("frames"), tables.left("")],
        rows,
    )
    for word, change in (("first", diff.first), ("last", diff.last)):
        if change is not None:
            flow = f" {change.flow}" if change.flow else ""
            at = f"{change.t_ns // 10**9}.{change.t_ns % 10**9:09d} s"
            line = f"frame {change.frame:,} at {at},{flow}: {change.was} -> {change.now}"
            out.print(hanging(f"{word:6}", line, out.width), soft_wrap=True, markup=False)


def _kind(was: str, now: str) -> str:
    before, after = (not x.startswith("DELIVERED_") and x != "NO_FATE" for x in (was, now))
    return "" if before == after else "newly lost" if after else "saved"


def _flows(out: Console, diff: Diff) -> None:
    if not diff.flows:
        return
    out.print()
    heads = [
        tables.left("flow"),
        *map(tables.Column, ("frames", "changed", "lost in a", "lost in b")),
    ]
    rows = [(f.flow, f"{f.frames:,}", f"{f.changed:,}", f"{f.lost_a:,}", f"{f.lost_b:,}") for f in diff.flows]
    tables.show(out, heads, rows)
    if diff.flows_changed > len(diff.flows):
        out.print(f"and {diff.flows_changed - len(diff.flows):,} more flows with changes", markup=False)


def _latency(out: Console, diff: Diff) -> None:
    if not diff.latency:
        return
    out.print()
    names = ("p50", "p99", "max")
    heads = [tables.left("latency", "bold"), *map(tables.Column, (*names, "slower", "faster"))]
    rows = []
    for part, shift in diff.latency.items():
        cells = [_pair(getattr(shift.a, name), getattr(shift.b, name)) for name in names]
        rows.append((part, *cells, f"{shift.slower:,}", f"{shift.faster:,}"))
    tables.show(out, heads, rows)


def _pair(was: int, now: int) -> str:
    before, after = duration(was), duration(now)
    return before if before == after else f"{before} -> {after}"


def _cost(out: Console, diff: Diff) -> None:
    rows = []
    for name, (was, now) in diff.cost.items():
        if (was is None and now is None) or (not was and not now):
            continue
        rows.append((_LABELS[name], _amount(name, was), _amount(name, now), _growth(was, now)))
    if rows:
        out.print()
        tables.show(out, [tables.left("cost", "bold"), *map(tables.Column, ("a", "b", "change"))], rows)


def _amount(name: str, n: int | None) -> str:
    if n is None:
        return "unknown"
    return duration(n) if name.endswith("_ns") else size(n) if name.endswith("_bytes") else f"{n:,}"


def _growth(was: int | None, now: int | None) -> str:
    if was is None or now is None or was == now:
        return ""
    growth = f"{(now - was) / was:+.1%}" if was else "new"
    return "" if growth.lstrip("+-") == "0.0%" else growth


def _ending(diff: Diff) -> Iterator[str]:
    if diff.worse:
        yield ""
    for worse in diff.worse:
        yield f"worse: {worse_text(worse)}"
    if diff.missed:
        yield ""
        for side, name in ((diff.a, "a"), (diff.b, "b")):
            if side.records_missing:
                missing = f"{side.records_missing:,} records found no room"
                yield f"the log of {name} is full: {missing} (--records N holds more)"
        yield f"{count(diff.unfinished, 'frame')} without a fate in one of the logs do not count"
