"""The path as a picture: a band of frames, from which losses fall off. It lies, or stands for phones.

───[FIFO]────[DMA]───      The band's width is the number of frames. A part that ends at a stage turns away from the
==========┐==========      band there: down in the lying picture, to the right in the standing one. All geometry is
          │                made for the lying one; the standing one swaps x and y.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from vnic.page.stages import ZONES
from vnic.page.told import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vnic.page.passing import Passed

_LEAST = 1.6
"""So wide is a part of very few frames, so that it is seen."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a picture. ``step``: from a stage to the next, along the path. ``across``: where the band begins."""

    step: float
    begin: float
    across: float
    width: float
    """Of the band with all frames."""
    turn: float
    """Radius of the inner corner where a part turns away."""
    away: float
    """Where the parts that turned away end, at least."""
    standing: bool
    breadth: float = 0
    """Of the whole standing picture."""


LYING = Shape(step=75, begin=4, across=122, width=118, turn=12, away=276, standing=False)
STANDING = Shape(step=60, begin=4, across=8, width=78, turn=5, away=108, standing=True, breadth=340)


@dataclass(frozen=True, slots=True)
class Part:
    """Frames that leave the band."""

    outline: str
    middle: str
    """The line on which its dots run; empty: too narrow for them."""
    kind: str
    frames: int
    fate: str
    """The most frequent one."""
    more: int
    """How many others there are."""
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the template draws."""

    shape: Shape
    width: float
    height: float
    band: str
    streams: tuple[str, ...]
    parts: tuple[Part, ...]
    stages: tuple[tuple[float, Passed], ...]
    """(begin along the path, stage)"""
    zones: tuple[tuple[float, float, str], ...]
    """(begin, length, name)"""


class _Path:
    """The text of an SVG path; ``along`` and ``across`` become x and y, or y and x."""

    def __init__(self, shape: Shape) -> None:
        self._standing = shape.standing
        self._words: list[str] = []

    def _point(self, along: float, across: float) -> str:
        a, b = (across, along) if self._standing else (along, across)
        return f"{a:.1f} {b:.1f}"

    def to(self, along: float, across: float) -> _Path:
        self._words.append(f"{'L' if self._words else 'M'}{self._point(along, across)}")
        return self

    def arc(self, radius: float, along: float, across: float, *, left: bool) -> _Path:
        """A quarter of a circle to a point. ``left``: as seen in the lying picture."""
        sweep = int(left == self._standing)
        self._words.append(f"A{radius:.1f} {radius:.1f} 0 0 {sweep} {self._point(along, across)}")
        return self

    def text(self, *, closed: bool = False) -> str:
        return "".join(self._words) + "Z" * closed


def _widths(passed: Sequence[Passed], shape: Shape) -> list[float]:
    """Return the band's width in front of each stage, and behind the last."""
    offered = max(1, passed[0].before)
    return [_wide(n, offered, shape) for n in (*(p.before for p in passed), passed[-1].after)]


def _wide(frames: int, offered: int, shape: Shape) -> float:
    return max(_LEAST, shape.width * frames / offered) if frames > 0 else 0.0


def draw(passed: Sequence[Passed], shape: Shape) -> Picture:
    """Lay the picture out."""
    widths = _widths(passed, shape)
    ends = shape.begin + shape.step * len(passed)
    outline = _Path(shape).to(shape.begin, shape.across).to(ends, shape.across)
    edge = [(ends, widths[-1])]
    for i in reversed(range(len(passed))):
        at = _leaves(shape, i)
        edge += [(at, widths[i + 1]), (at, widths[i])]
    for along, wide in [*edge, (shape.begin, widths[0])]:
        outline.to(along, shape.across + wide)
    parts = tuple(_parts(passed, widths, shape))
    zones = []
    for zone, group in groupby(enumerate(passed), key=lambda item: item[1].stage.zone):
        members = [i for i, _ in group]
        zones.append((shape.begin + shape.step * members[0], shape.step * len(members), ZONES[zone]))
    deep = max([part.y for part in parts], default=shape.away - 30) + 34
    size = (shape.breadth, ends + 4) if shape.standing else (ends + 4, max(deep, 250))
    return Picture(
        shape,
        *size,
        outline.text(closed=True),
        tuple(_streams(widths[-1], ends, shape)),
        parts,
        tuple((shape.begin + shape.step * i, p) for i, p in enumerate(passed)),
        tuple(zones),
    )


def _leaves(shape: Shape, i: int) -> float:
    """Where along the path frames leave at stage i."""
    return shape.begin + shape.step * (i + 0.32)


def _streams(width: float, ends: float, shape: Shape) -> Iterable[str]:
    for part in (0.2, 0.5, 0.8) if width > 12 else (0.5,) if width else ():
        across = shape.across + width * part
        yield _Path(shape).to(shape.begin, across).to(ends, across).text()


def _parts(passed: Sequence[Passed], widths: Sequence[float], shape: Shape) -> Iterable[Part]:
    free = [0.0] * 6
    for i, p in enumerate(passed):
        inner, gone = shape.across + widths[i], max(1, p.before - p.after)
        for kind, delivered in (("lost", False), ("taken", True)):
            ended = [e for e in p.ended if e.delivered is delivered]
            frames = sum(e.frames for e in ended)
            if not frames:
                continue
            width = max(_LEAST / 2, (widths[i] - widths[i + 1]) * frames / gone)
            most = max(ended, key=lambda e: e.frames)
            begin = _leaves(shape, i) + shape.turn
            end = shape.away if shape.standing else shape.away + 38 * _row(free, begin, most.fate, len(ended))
            place = (shape.away + 8, begin) if shape.standing else (begin, end + 18)
            yield Part(
                *_turned(shape, _leaves(shape, i), inner, width, end), kind, frames, most.fate, len(ended) - 1, *place
            )
            inner -= width


def _row(free: list[float], begin: float, fate: str, reasons: int) -> int:
    """Return the first line of labels with room here, and take it."""
    needs = 8 + max(7.0 * len(fate), 70) + 20 * (reasons > 1)
    row = next((i for i, used in enumerate(free) if used <= begin), len(free) - 1)
    free[row] = begin + needs
    return row


def _turned(shape: Shape, at: float, inner: float, width: float, end: float) -> tuple[str, str]:
    """Return the outline of a part that turns away, and its middle line."""
    r, outer, half = shape.turn, inner - width, width / 2
    outline = _Path(shape).to(at, outer).arc(r + width, at + r + width, inner + r, left=False)
    outline.to(at + r + width, end).to(at + r, end).to(at + r, inner + r).arc(r, at, inner, left=True)
    middle = _Path(shape).to(at - 10, inner - half).to(at, inner - half)
    middle.arc(r + half, at + r + half, inner + r, left=False).to(at + r + half, end)
    return outline.text(closed=True), middle.text() if width >= 6 else ""


def label(part: Part) -> str:
    """Return a part's number with its sign, which tells lost from delivered without colour."""
    return f"{'✗' if part.kind == 'lost' else '→'} {number(part.frames)}"
