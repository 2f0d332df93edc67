"""Find records: about a frame, of a CPU or a queue, that overlap a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.events.kinds import NEVER, NO_CPU

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 200_000
"""Most records that a search returns: a story of more helps no reader."""


def find(
    records: Any,
    n: int,
    *,
    kinds: Iterable[str] | None = None,
    frames: tuple[int, int] | None = None,
    joined: bool = False,
    cpu: int | None = -1,
    queue: int = -1,
    from_ns: int = 0,
    until_ns: int = NEVER,
    most: int = MOST,
) -> tuple[list[int], int]:
    """Return the numbers of the records that meet all of it, in order, and how many there are.

    :meth:`Events.select` copies records for tables and files; this is for stories, which ask often about short times.

    Args:
        records: struct event_record *, sorted.
        n: how many.
        kinds: their names; None: all.
        frames: first and last frame that they are about.
        joined: also records of frames that became part of a packet of these.
        cpu: None: the card; -1: any.
        queue: -1: any.
        from_ns: they end at this time or later.
        until_ns: they begin at this time or earlier.
        most: return only so many numbers.
    """
    from vnic.events.select import kind_bits

    wanted = ffi.new(
        "struct event_search *",
        {
            "kinds": kind_bits(kinds),
            "first_frame": frames[0] if frames else 0,
            "last_frame": frames[1] if frames else 0,
            "joined": joined,
            "from_ns": max(from_ns, 0),
            "until_ns": until_ns,
            "cpu": NO_CPU if cpu is None else lib.EVENT_ANY if cpu < 0 else cpu,
            "queue": lib.EVENT_ANY if queue < 0 else queue,
        },
    )
    room = 64 if frames and frames[0] == frames[1] else 1024
    while True:
        at = ffi.new("uint64_t[]", min(room, most))
        found = int(lib.events_find(records, n, wanted, at, min(room, most)))
        if found <= room or room >= most:
            return list(ffi.unpack(at, min(found, room, most))), found
        room = found
