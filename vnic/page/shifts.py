"""What shifted between two runs: the latency of each stage as dumbbells, and the changes of fate over time as bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vnic.page.moved import SIGNS, WORDS, count
from vnic.page.told import duration, number, visible
from vnic.page.waits import Axis, axis
from vnic.runs.report import STAGE_WORDS

_PERCENTILES = ("p50", "p99", "max")
_STAGES_MAX = 16
_BINS_MAX = 2048
_MINUS, _TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
HEIGHT = 100
"""Of a lane of the changes over time."""
_LANES = (("better", "saved"), ("worse", "newly"), ("other", "other"))
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Pair:
    """One value in a and in b. Less is better."""

    name: str
    was: str
    now: str
    growth: str
    trend: str
    """more, less or same."""
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Shift:
    """One stage."""

    name: str
    words: str
    slower: int
    faster: int
    pairs: tuple[Pair, ...]


def trend(was: float, now: float) -> str:
    """Return whether b has more, less or the same."""
    return "same" if was == now else "more" if now > was else "less"


def growth(was: float, now: float) -> str:
    """Return by how much b has more than a, in percent, or how many times as much; empty: the same."""
    if was == now:
        return ""
    if not was:
        return "new"
    if now >= 10 * was:
        return f"{_TIMES} {number(float(round(now / was)))}"
    percent = 100 * (now - was) / was
    if abs(percent) < 0.1:
        return f"{'+' if percent > 0 else _MINUS}< 0.1 %"
    return f"{percent:+.{int(abs(percent) < 9.95)}f} %".replace("-", _MINUS)


def shifts(found: dict[str, Any]) -> tuple[Axis, list[Shift]]:
    """Return the axis that all stages share, and the stages. LookupError and so on: these are none of a report."""
    split = list(found["latency_ns"].items())[:_STAGES_MAX]
    shown = [count(x[side][p]) for _, x in split for side in "ab" for p in _PERCENTILES]
    scale = axis(min((ns for ns in shown if ns), default=1), max(shown, default=1))
    return scale, [
        Shift(
            visible(name, 40),
            STAGE_WORDS.get(name, ""),
            count(x["slower"]),
            count(x["faster"]),
            tuple(_pair(p, x["a"][p], x["b"][p], scale) for p in _PERCENTILES),
        )
        for name, x in split
    ]


def _pair(name: str, was: int, now: int, scale: Axis) -> Pair:
    places = (round(scale.place(ns), 1) for ns in (was, now))
    return Pair(name, duration(was), duration(now), growth(was, now), trend(was, now), *places)


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind of change over time."""

    kind: str
    sign: str
    words: str
    frames: int
    most: str
    """The largest bin in words."""
    bars: tuple[tuple[int, float, str], ...]
    """(bin, height, words), without empty ones."""


@dataclass(frozen=True, slots=True)
class Times:
    """The changes over time."""

    bins: int
    bin: str
    ticks: tuple[str, ...]
    lanes: tuple[Lane, ...]


def times(found: dict[str, Any]) -> Times | None:
    """Return the changes over time; None: there were none. LookupError and so on: this is no time line of a report."""
    line = found["timeline"]
    if not line:
        return None
    begin, width = count(line["from_ns"]), count(line["bin_ns"])
    columns = [[count(n) for n in line[key][:_BINS_MAX]] for key, _ in _LANES]
    bins, most = len(columns[0]), max(max(column, default=0) for column in columns)
    if not width or not bins or {len(column) for column in columns} != {bins}:
        raise ValueError("its time line has bins of no width, or lists of different lengths")
    lanes = tuple(_lane(kind, column, most, begin, width) for (_, kind), column in zip(_LANES, columns, strict=True))
    ticks = tuple(duration(begin + width * bins * i // _TICKS) for i in range(_TICKS))
    return Times(bins, duration(width), ticks, lanes)


def _lane(kind: str, column: list[int], most: int, begin: int, width: int) -> Lane:
    bars = tuple(
        (i, round(max(4.0, HEIGHT * n / most), 1), f"at {duration(begin + i * width)}: {n:,} {WORDS[kind]}")
        for i, n in enumerate(column)
        if n
    )
    peak = max(range(len(column)), key=lambda i: column[i])
    told = f"at most {column[peak]:,} in a bin, at {duration(begin + peak * width)}" if bars else ""
    return Lane(kind, SIGNS[kind], WORDS[kind], sum(column), told, bars)
