"""Latency of each stage as a strip on one logarithmic axis of time, which all stages share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from vnic.page.told import duration, visible
from vnic.runs.report import STAGE_WORDS

COLUMNS = 24
"""Columns of a strip for each factor of ten; a bucket of the report is narrower."""
HEIGHT = 40
_DECADES_MAX = 12
_SHOWN = ("p50", "p90", "p99", "p999", "max")


@dataclass(frozen=True, slots=True)
class Strip:
    """The latency of one stage."""

    name: str
    words: str
    frames: int
    shown: dict[str, str]
    """Percentile -> time in words."""
    outline: str
    """The histogram; empty: the report has none."""
    marks: dict[str, float]
    """Percentile -> its place."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The axis that the strips share: ``decades`` of ten from ``low`` ns on. The strip's width is 1000."""

    low: float
    decades: int

    @property
    def ticks(self) -> list[str]:
        """The time at which each decade begins."""
        return [duration(self.low * 10**i) for i in range(self.decades)]

    def place(self, ns: float) -> float:
        """Where a time stands, 0 to 1000; 0 ns stands at the begin."""
        if ns <= self.low:
            return 0.0
        return min(1000.0, 1000 * math.log10(ns / self.low) / self.decades)


def axis(least: int, most: int) -> Axis:
    """Return an axis on which all times from ``least`` to ``most`` ns stand."""
    first = math.floor(math.log10(max(1, least)))
    return Axis(10**first, min(_DECADES_MAX, max(1, math.ceil(math.log10(max(2, most)) + 1e-9) - first)))


def strips(facts: dict[str, Any]) -> tuple[Axis, list[Strip]]:
    """Return the axis, and a strip for each stage that frames passed."""
    split = {visible(name, 40): lat for name, lat in list(facts["latency_ns"].items())[:16] if lat["count"]}
    if not split:
        return Axis(1, 1), []
    least = min((lat["min"] for lat in split.values() if lat["max"]), default=1)
    scale = axis(least, max(lat["max"] for lat in split.values()))
    histograms = facts.get("latency_histograms", {})
    return scale, [
        Strip(
            name,
            STAGE_WORDS.get(name, ""),
            lat["count"],
            {key: duration(lat[key]) for key in _SHOWN},
            _outline(histograms.get(name), scale),
            {key: round(scale.place(lat[key]), 1) for key in ("min", "p50", "p99", "max")},
        )
        for name, lat in split.items()
    ]


def _outline(histogram: dict[str, list[int]] | None, scale: Axis) -> str:
    """Return the histogram's outline. A column's height goes by the root of its frames, so that few are seen too."""
    if not histogram or not histogram["frames"]:
        return ""
    columns = [0] * (COLUMNS * scale.decades)
    rows = zip(histogram["low_ns"], histogram["high_ns"], histogram["frames"], strict=True)
    for low, high, frames in rows:
        column = int(scale.place(math.sqrt(max(1, low) * max(1, high))) / 1000 * len(columns))
        columns[min(column, len(columns) - 1)] += frames
    most, step = max(columns) or 1, 1000 / len(columns)
    words = [f"M0 {HEIGHT}"]
    for i, n in enumerate(columns):
        if not n and words[-1].endswith(f"V{HEIGHT}") and i + 1 < len(columns):
            continue
        top = HEIGHT - round(max(1.5, (HEIGHT - 4) * math.sqrt(n / most)) if n else 0, 1)
        words.append(f"H{i * step:.1f}V{top:g}" if n else f"H{i * step:.1f}V{HEIGHT}")
    words.append(f"H1000V{HEIGHT}Z")
    return "".join(words)
