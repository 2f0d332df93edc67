"""Fates of a frame in two runs, as a matrix: rows are the fates in a, columns those in b, and the diagonal is the same.

A fate that no frame left and none came to has no row. Delivered fates stand first, so four quarters tell the kinds of
change without colour:

                  delivered    lost
    delivered     same         newly lost
    lost          saved        otherwise
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic.page.told import share, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

FATES_MAX = 24
"""Fates with a row and a column of their own; the others, which are rare, share one."""
LEVELS = 6
"""Shades of a cell."""
SIGNS = {"same": "=", "newly": "✗", "saved": "→", "other": "↔"}
WORDS = {"same": "the same", "newly": "newly lost", "saved": "saved", "other": "otherwise"}
_NO_FATE = "NO_FATE"
_REST = "others"


@dataclass(frozen=True, slots=True)
class Cell:
    """Frames with one fate in a and one in b."""

    frames: int
    kind: str
    """A key of SIGNS."""
    share: str
    """Of the frames with this fate in a."""
    level: int
    """How dark; 0: no frames."""


@dataclass(frozen=True, slots=True)
class Row:
    """A fate in a."""

    fate: str
    cells: tuple[Cell, ...]
    frames: int
    first_lost: bool
    """The first row of lost frames: a line stands above it."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Everything that the template draws."""

    columns: tuple[tuple[str, int, bool], ...]
    """(fate in b, frames, the first of the lost ones)"""
    rows: tuple[Row, ...]
    frames: int
    rest: int
    """Fates that share a row and a column."""
    kept: tuple[tuple[str, int], ...]
    """(fate, frames): fates that no frame left and none came to. They have no row."""


def count(n: Any) -> int:
    """Return a count of a report. ValueError: it is none."""
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 1 << 64:
        raise ValueError(f"{visible(n)} is not a count")
    return n


def is_lost(fate: str) -> bool:
    """Is this the end of a frame that was not delivered?"""
    return not fate.startswith("DELIVERED_") and fate != _NO_FATE


def kind(was: str, now: str) -> str:
    """Return which change of fate this is, a key of SIGNS."""
    if was == now:
        return "same"
    before, after = is_lost(was), is_lost(now)
    return "other" if before == after else "newly" if after else "saved"


def matrix(found: Mapping[str, Mapping[str, Any]]) -> Matrix:
    """Lay the matrix out. TypeError, AttributeError, ValueError: this is no matrix of a report."""
    cells = {(was, now): count(n) for was, row in found.items() for now, n in row.items()}
    often: dict[str, int] = {}
    for pair, n in cells.items():
        for fate in set(pair):
            often[fate] = often.get(fate, 0) + n
    moving = {fate for (was, now), n in cells.items() if was != now and n for fate in (was, now)}
    kept = [fate for fate in often if fate not in moving and often[fate]]
    often = {fate: n for fate, n in often.items() if fate in moving}
    cells = {pair: n for pair, n in cells.items() if pair[0] in moving and pair[1] in moving}
    names = sorted(often, key=lambda fate: -often[fate])
    own, rest = names[:FATES_MAX], names[FATES_MAX:]
    order = sorted(own, key=lambda fate: (is_lost(fate), fate == _NO_FATE, -often[fate]))
    grid: dict[tuple[str, str], dict[str, int]] = {}
    for (was, now), n in cells.items():
        where = (was if was in own else _REST, now if now in own else _REST)
        kinds = grid.setdefault(where, {})
        kinds[kind(was, now)] = kinds.get(kind(was, now), 0) + n
    shown = [*order, *([_REST] if rest else [])]
    sums_b = {now: sum(sum(grid.get((was, now), {}).values()) for was in shown) for now in shown}
    first = next((fate for fate in shown if is_lost(fate)), "")
    return Matrix(
        tuple((visible(now, 60), sums_b[now], now == first) for now in shown),
        tuple(_row(was, shown, grid, first=was == first) for was in shown),
        sum(cells.values()),
        len(rest),
        tuple((visible(fate, 60), found[fate][fate]) for fate in kept[:FATES_MAX]),
    )


def _row(was: str, shown: list[str], grid: dict[tuple[str, str], dict[str, int]], *, first: bool) -> Row:
    frames = sum(sum(grid.get((was, now), {}).values()) for now in shown)
    cells = []
    for now in shown:
        kinds = grid.get((was, now), {})
        n = sum(kinds.values())
        most = max(kinds, key=lambda k: kinds[k]) if kinds else kind(was, now)
        level = math.ceil(LEVELS * math.sqrt(n / frames)) if n else 0
        cells.append(Cell(n, most, share(n, frames), level))
    return Row(visible(was, 60), tuple(cells), frames, first)


def totals(found: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return how many frames each kind of change has."""
    sums = dict.fromkeys(SIGNS, 0)
    for was, row in found.items():
        for now, n in row.items():
            sums[kind(was, now)] += count(n)
    return sums
