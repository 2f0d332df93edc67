"""A run over time: frames, losses, interrupts, and the fill of its queues in up to 512 bins of one width.

The event log shows each record to csrc/events/timeline.c, so no record need be kept. Without a time line nothing of
this exists, and the stages pay the event log's one branch. Virtual time only: live, several threads would write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import ffi as ffi_
from vnic._core import lib
from vnic.counters.snapshots import FATES

if TYPE_CHECKING:
    from vnic.host import Host

ffi: Any = ffi_
_FIRST_BIN_NS = 1_000


class Timeline:
    """Counts and fills over time, of a host that has not run yet.

    ``observe`` is the argument of that name of :class:`vnic.events.log.EventLog`. The time line must outlive the log.
    """

    def __init__(self, host: Host) -> None:
        c = host.machine.c
        made = lib.timeline_new(_FIRST_BIN_NS, c.nic.nqueues_open, c.ncpus)
        if made == ffi.NULL:
            raise MemoryError("no memory for the time line")
        self._c: Any = ffi.gc(made, lib.timeline_free)
        self.observe: tuple[Any, Any] = (ffi.addressof(lib, "timeline_note"), self._c)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object: a list with a number for each bin under each name."""
        c, bins = self._c, int(self._c.bins)

        def of(column: Any) -> list[int]:
            return list(ffi.unpack(column, bins)) if bins else []

        def of_each(columns: Any, n: int) -> dict[str, list[int]]:
            return {str(i): of(columns + i * lib.TIMELINE_BINS) for i in range(n)}

        lost = {name: of(c.lost[i]) for i, name in enumerate(FATES)}
        return {
            "begin_ns": int(c.begin_ns),
            "bin_ns": int(c.bin_ns),
            "bins": bins,
            "offered": of(c.offered),
            "delivered": of(c.delivered),
            "lost": {name: frames for name, frames in lost.items() if any(frames)},
            "interrupts": of(c.interrupts),
            "polls": of(c.polls),
            "fifo_bytes_max": of(c.fifo_max),
            "ring_max": of_each(c.ring_max, int(c.nqueues)),
            "backlog_max": of_each(c.backlog_max, int(c.ncpus)),
            "socket_bytes_max": of(c.socket_max),
        }
