"""Points in a plane: two measures of each setting of a sweep, and the edge of those that no other one beats in both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 440, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 14, 14, 52
_LOG_FROM = 8
"""The axis is logarithmic if its largest value is so many times its smallest one."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What an axis shows. Less is better."""

    name: str
    words: Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values stand, from ``begin`` to ``end`` of the picture."""

    low: float
    high: float
    logarithmic: bool
    begin: float
    end: float

    def place(self, value: float) -> float:
        """Return where a value stands."""
        if self.logarithmic:
            part = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return round(self.begin + part * (self.end - self.begin), 1)

    def ticks(self) -> list[float]:
        """Return round values along it."""
        if self.logarithmic:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            steps = (1, 2, 5) if last - first < 2 else (1, 3) if last - first < 4 else (1,)
            found = [s * 10.0**e for e in range(first, last + 1, 1 + (last - first) // 6) for s in steps]
        else:
            raw = (self.high - self.low) / 5
            step = 10.0 ** math.floor(math.log10(raw))
            step *= next(s for s in (1, 2, 5, 10) if s * step >= raw)
            found = [step * i for i in range(math.ceil(self.high / step) + 1)]
        return [v for v in found if self.low <= v <= self.high]


def axis(values: Sequence[float], begin: float, end: float) -> Axis:
    """Return an axis for these values, with a margin."""
    positive = [v for v in values if v > 0]
    most, least = max(positive, default=1.0), min(positive, default=1.0)
    if len(positive) == len(values) and most >= _LOG_FROM * least:
        return Axis(least / 1.15, most * 1.15, logarithmic=True, begin=begin, end=end)
    return Axis(0.0, most * 1.08, logarithmic=False, begin=begin, end=end)


@dataclass(frozen=True, slots=True)
class Dot:
    """One setting."""

    number: int
    x: float
    y: float
    front: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything that the template draws."""

    x_name: str
    y_name: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    dots: tuple[Dot, ...]
    edge: str
    """A line through the points that no other one beats in both measures."""
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def plot(x: Measure, y: Measure, points: Sequence[tuple[int, float, float, bool]]) -> Plot:
    """Lay a picture out. ``points``: (number, x, y, on the front)."""
    across = axis([p[1] for p in points], _LEFT, WIDTH - _RIGHT)
    up = axis([p[2] for p in points], HEIGHT - _BOTTOM, _TOP)
    dots = [Dot(n, across.place(a), up.place(b), front) for n, a, b, front in points]
    edge, best = [], math.inf
    for _, a, b, _ in sorted(points, key=lambda p: (p[1], p[2])):
        if b < best:
            best = b
            edge.append((across.place(a), up.place(b)))
    words = [f"M{edge[0][0]} {_TOP}V{edge[0][1]}"] if edge else []
    words += [f"H{a}V{b}" for a, b in edge[1:]]
    return Plot(
        x.name,
        y.name,
        tuple((across.place(v), x.words(v)) for v in across.ticks()),
        tuple((up.place(v), y.words(v)) for v in up.ticks()),
        tuple(sorted(dots, key=lambda d: d.front)),
        "".join(words) + (f"H{WIDTH - _RIGHT}" if words else ""),
    )
