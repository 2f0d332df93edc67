"""Show the results of a sweep on a terminal: what varied, the best points first, and the trade-offs among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic.look import tables
from vnic.look.lines import hanging
from vnic.look.units import count, duration, size
from vnic.sweep.results import limits_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    Found = Mapping[str, Any]

ROWS = 20
"""Rows of the table, unless the user asks for another number."""
_MARK = "*"


def show(console: Console, found: Found, *, rows: int = ROWS, columns: int | None = None) -> None:
    """Print the dict of :func:`vnic.sweep.results.as_json`: at most so many rows, the best first."""
    for line in _head(found, columns):
        console.print(line, markup=False, soft_wrap=True)
    done = [p for p in _ordered(found) if p["error"] is None]
    if done:
        console.print()
        tables.show(console, _columns(found), [_row(found, p) for p in done[:rows]])
        console.print()
        for line in _below(found, done, rows, columns):
            console.print(line, markup=False, soft_wrap=True)


def one_line(found: Found) -> str:
    """Return the result in one line: how many points, and the best."""
    done = [p for p in _ordered(found) if p["error"] is None]
    text = f"{count(len(done), 'point')}, {len(found['front'])} on the Pareto front"
    if not done:
        return text
    best = done[0]
    p99 = best["latency_ns"]["p99"]
    return f"{text}; best: {knobs_text(best['knobs'])}: {best['lost']} lost, p99 " + (
        "none" if p99 is None else duration(p99)
    )


def knobs_text(knobs: Mapping[str, Any]) -> str:
    """Return knobs as --set takes them."""
    return " ".join(f"{name}={_text(value)}" for name, value in knobs.items())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ordered(found: Found) -> list[Mapping[str, Any]]:
    points = {p["point"]: p for p in found["points"]}
    return [points[n] for n in found["order"]]


def _head(found: Found, columns: int | None) -> Iterator[str]:
    names = ", ".join(found["input"]["files"][:3]) + f" and {len(found['input']['files']) - 3} more" * (
        len(found["input"]["files"]) > 3
    )
    frames = max((p["offered"] for p in found["points"] if p["error"] is None), default=0)
    sizes = " x ".join(f"{axis['knob']} ({len(axis['values'])})" for axis in found["axes"])
    short = len(found["points"]) < found["planned"]
    done = (
        f"{len(found['points']):,} of {count(found['planned'], 'point')}" if short else count(found["planned"], "point")
    )
    yield hanging("", f"{names}  {count(frames, 'frame')}, {size(found['input']['bytes'])}: {done}, {sizes}", columns)


def _columns(found: Found) -> list[tables.Column]:
    numbers = "lost", "loss", "p50", "p99", "interrupts", "frames/irq", "CPU time", "a frame", "squeezed"
    axes = [tables.Column(axis["knob"], right=_is_number(axis["values"])) for axis in found["axes"]]
    return [tables.left(""), *axes, *(tables.Column(name) for name in numbers), tables.words("limits that bound")]


def _is_number(values: Sequence[Any]) -> bool:
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def _row(found: Found, p: Mapping[str, Any]) -> list[str]:
    waits = (p["latency_ns"][name] for name in ("p50", "p99"))
    return [
        _MARK if p["front"] else "",
        *(_text(p["knobs"][axis["knob"]]) for axis in found["axes"]),
        f"{p['lost']:,}",
        _share(p["loss_share"]),
        *("-" if ns is None else duration(ns) for ns in waits),
        f"{p['interrupts']:,}",
        _ratio(p["frames_per_interrupt"]),
        duration(p["cpu_ns"]),
        duration(p["cpu_ns_per_frame"]),
        f"{p['time_squeeze']:,}",
        limits_text(p["limits"]),
    ]


def _ratio(n: float) -> str:
    """Return three digits of a small number, and all that stand before the point of a large one."""
    return f"{n:,.0f}" if n >= 99.95 else f"{n:.3g}"


def _share(share: float) -> str:
    """Return a share in percent; it is 0 or 100 only if that is exact."""
    if share in (0, 1):
        return f"{share:.0%}"
    return f"{min(max(share, 0.0001), 0.9999):.2%}"


def _below(found: Found, done: Sequence[Mapping[str, Any]], rows: int, columns: int | None) -> Iterator[str]:
    front = count(len(found["front"]), "point")
    names = "loss, p99, interrupts and CPU time"
    yield hanging(
        "",
        f"{_MARK} {front} on the Pareto front: no other is better in one of {names}, less being better "
        "in each, and worse in none",
        columns,
    )
    yield hanging(
        "",
        "best first: fewest lost, then p99, interrupts, CPU time; p50 and p99 are of frames that a reader"
        " got; CPU time is of all emulated CPUs",
        columns,
    )
    if len(done) > rows:
        hidden = {p["point"] for p in done[rows:]}
        marked = len(hidden & set(found["front"]))
        yield hanging(
            "",
            f"{count(len(hidden), 'more point')}, {marked} of them on the front: --rows {len(done)} shows"
            " them, -o OUT.csv has them",
            columns,
        )
