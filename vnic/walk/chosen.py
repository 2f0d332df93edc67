"""Which frames a story is told of: by number, lost ones, the slowest."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from vnic.counters.snapshots import FATES
from vnic.errors import ConfigError
from vnic.events.kinds import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.events.frames import Frames

_MOST = 10_000
"""Stories at once."""
_LARGEST = (1 << 32) - 2


def bounded(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges. ConfigError: they are more frames than one call tells of."""
    n = sum(last - first + 1 for first, last in ranges)
    if n > _MOST:
        raise ConfigError(f"{n:,} frames: vnic tells at most {_MOST:,} stories at once")
    if any(last > _LARGEST for _, last in ranges):
        raise ConfigError(f"frames have the numbers 1 to {_LARGEST:,}")
    return list(ranges)


def _offset(frames: Frames, name: str) -> int:
    return next(column.offset for column in frames.columns if column.name == name)


def _column(frames: Frames, name: str) -> Any:
    """Return a column of 8-byte numbers, without a Python object for each row."""
    offset = _offset(frames, name)
    return memoryview(frames.data).cast("Q")[offset // 8 :: frames.row_size // 8] if len(frames) else ()


def _fates(frames: Frames) -> bytes:
    offset = _offset(frames, "fate")
    return bytes(frames.data[offset :: frames.row_size])


def lost(frames: Frames, fate: str | None, most: int) -> tuple[list[int], int]:
    """Return the numbers of the first lost frames, with this fate or any, and how many there are."""
    ids, found, n = _column(frames, "id"), [], 0
    wanted = {FATES.index(fate)} if fate else {i for i, f in enumerate(FATES) if not f.startswith("DELIVERED_")}
    for at, number in enumerate(_fates(frames)):
        if number in wanted:
            n += 1
            if n <= most:
                found.append(int(ids[at]))
    return found, n


def slowest(frames: Frames, most: int) -> list[int]:
    """Return the numbers of the frames that took longest from the wire to the program, the slowest first."""
    took = (
        (read - wire, -number)
        for number, wire, read in zip(*(_column(frames, name) for name in ("id", "t_wire", "t_read")), strict=True)
        if NEVER not in (read, wire) and read >= wire
    )
    return [-number for _, number in heapq.nlargest(most, took)]


def fate_of(word: str) -> str | None:
    """Return the fate that a word names; None: it names none that is a loss."""
    name = word.upper().replace("-", "_")
    return name if name in FATES and not name.startswith("DELIVERED_") else None
