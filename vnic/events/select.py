"""Some of the records, and some of the rows of frames. csrc/events/event_select.c chooses the records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import ConfigError, check, quoted
from vnic.events.events import Events
from vnic.events.frames import Frames
from vnic.events.kinds import KINDS, NEVER
from vnic.events.rows import room
from vnic.knobs.parse import TIME_MAX_NS, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vnic.events.frames import Frame

FRAME_MAX = TIME_MAX_NS
"""The highest number that a frame may have."""


def ranges(frames: Iterable[int | tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges in ascending order, and apart. ConfigError: one cannot be."""
    pairs = []
    for given in frames:
        first, last = given if isinstance(given, tuple) else (given, given)
        whole("frames", first, 1, FRAME_MAX)
        if whole("frames", last, 1, FRAME_MAX) < first:
            raise ConfigError(f"frames={first}-{last}: the last is before the first")
        pairs.append((first, last))
    apart: list[tuple[int, int]] = []
    for first, last in sorted(pairs):
        if apart and first <= apart[-1][1] + 1:
            apart[-1] = (apart[-1][0], max(apart[-1][1], last))
        else:
            apart.append((first, last))
    return apart


def kind_bits(kinds: Iterable[str] | None) -> int:
    """Return a bit for each kind. ConfigError: there is no such kind."""
    if kinds is None:
        return (1 << len(KINDS)) - 1
    bits = 0
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(f"{quoted(kind)} is no kind of event: {', '.join(KINDS)}")
        bits |= 1 << KINDS.index(kind)
    return bits


def select(
    events: Events,
    *,
    from_ns: int,
    until_ns: int | None,
    frames: Iterable[int | tuple[int, int]] | None,
    kinds: Iterable[str] | None,
    cpu: int | None,
    queue: int | None,
) -> Events:
    """See :meth:`Events.select`."""
    wanted: Any = ffi.new("struct event_wanted *")
    wanted.from_ns = whole("from_ns", from_ns, 0, TIME_MAX_NS)
    wanted.until_ns = NEVER if until_ns is None else whole("until_ns", until_ns, 0, TIME_MAX_NS)
    wanted.kinds = kind_bits(kinds)
    wanted.cpu = lib.EVENT_ANY if cpu is None else whole("cpu", cpu, 0, lib.CPUS_MAX - 1)
    wanted.queue = lib.EVENT_ANY if queue is None else whole("queue", queue, 0, lib.NIC_QUEUES_MAX - 1)
    chosen: Any = ffi.NULL
    if frames is not None:
        apart = ranges(frames)
        chosen = ffi.new("struct event_range[]", apart or 1)
        wanted.nframes = len(apart)
    wanted.frames = chosen
    n = check(lib.events_select(events.c, len(events), wanted, ffi.NULL), "select events")
    at, keep = room("event_record", n)
    check(lib.events_select(events.c, len(events), wanted, at), "select events")
    return Events(at, n, keep, flows=events.flows, missed=events.missed, facts=events.facts)


def select_frames(frames: Frames, wanted: Callable[[Frame], bool]) -> Frames:
    """Return the rows for which ``wanted`` is true."""
    kept = [i for i, frame in enumerate(frames) if wanted(frame)]
    at, keep = room("frame_row", len(kept))
    for to, i in enumerate(kept):
        at[to] = frames.c[i]
    return Frames(at, len(kept), keep, frames.flows, frames.missed)
