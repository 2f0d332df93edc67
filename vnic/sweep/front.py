"""Which points are the best trade-offs: no other point is better in one thing, and worse in none.

The things are those of :data:`OBJECTIVES`. Of each, less is better. A point without a latency, because no frame came to
a reader, has the worst. Points without a result are never on the front.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.sweep.replayed import Row

OBJECTIVES: dict[str, str] = {
    "lost": "frames that no socket and no protocol got",
    "latency_ns.p99": "latency that 99 % of the frames stay below, of those that a reader got",
    "interrupts": "hardware interrupts",
    "cpu_ns": "time that the emulated CPUs did not sleep, all together",
}
"""Name, which is its place in a point -> what it is. In each, less is better; in this order, points are best first."""


def score(row: Row) -> tuple[float, ...]:
    """Return the objectives of a row with a result."""
    p99 = row["latency_ns"]["p99"]
    return row["lost"], math.inf if p99 is None else p99, row["interrupts"], row["cpu_ns"]


def _dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Is ``a`` better than ``b`` in one thing, and worse in none? They are not equal."""
    return all(x <= y for x, y in zip(a, b, strict=True))


def front(scores: Sequence[tuple[float, ...]]) -> set[tuple[float, ...]]:
    """Return the scores that no other one dominates."""
    kept: list[tuple[float, ...]] = []
    for one in sorted(set(scores)):  # what dominates it comes before it
        if not any(_dominates(other, one) for other in kept):
            kept.append(one)
    return set(kept)


def ranked(rows: Sequence[Row]) -> tuple[list[int], set[int]]:
    """Return the places of all rows, best first, those without a result last; and the places on the front."""
    scores: dict[int, Any] = {i: score(row) for i, row in enumerate(rows) if row["error"] is None}
    best = front(list(scores.values()))
    order = sorted(scores, key=lambda i: (scores[i], i)) + [i for i in range(len(rows)) if i not in scores]
    return order, {i for i, one in scores.items() if one in best}
