"""A row for each frame that arrived: when it passed each stage, its queue, CPUs and packet, and its fate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from vnic._core import ffi, lib
from vnic.counters.snapshots import FATES
from vnic.errors import check
from vnic.events.kinds import NEVER, NO_CPU, flow_text
from vnic.events.rows import Rows, Words, columns_of, room

if TYPE_CHECKING:
    from collections.abc import Sequence


class Frame(NamedTuple):
    """A frame's way. Times are ns of the run; None: it did not get there."""

    id: int
    """Its number: 1, 2, 3, ... in the order of arrival."""
    skb: int
    """The packet that it ended in, named by its first frame."""
    t_wire: int | None
    """Its last bit was on the wire."""
    t_ring: int | None
    """Its DMA was done."""
    t_irq: int | None
    """The handler of the interrupt that told of it ran. A poll that finds it without one: the poll's own time."""
    t_poll: int | None
    """The driver took it off the ring."""
    t_gro: int | None
    """It left GRO."""
    t_backlog: int | None
    """Its packet was put into a CPU's backlog (RPS)."""
    t_stack: int | None
    """Its packet was shown to the packet taps and the protocols."""
    t_socket: int | None
    """Its packet was put into a socket's queue."""
    t_read: int | None
    """read() had copied it."""
    t_fate: int | None
    """It met its fate."""
    len: int
    """Bytes on the wire."""
    flow: str
    """``udp 10.0.0.1:40000 > 10.0.0.2:5000``; empty without ports."""
    queue: int | None
    """Its receive queue."""
    cpu: int | None
    """The CPU that polled it."""
    stack_cpu: int | None
    """The CPU that ran the protocols."""
    read_cpu: int | None
    """The CPU of its reader."""
    segs: int
    """Frames in its packet."""
    fate: str | None
    """What became of it, a name of docs/python.md; None: it was in flight when the log ended."""

    @property
    def lost(self) -> bool:
        """Did it end as a loss?"""
        return self.fate is not None and not self.fate.startswith("DELIVERED_")


class Frames(Rows[Frame]):
    """The rows, by arrival. ``len()``, index, slice, iteration; numpy, Arrow and bytes of the same memory."""

    _struct = "frame_row"
    columns = columns_of("frame_row")
    none = (
        dict.fromkeys((name for name in Frame._fields if name.startswith("t_")), NEVER)
        | dict.fromkeys(("queue", "cpu", "stack_cpu", "read_cpu"), NO_CPU)
        | {"flow": 0, "fate": int(lib.FRAME_NO_FATE)}
    )
    name = "frames"

    def __init__(self, at: Any, n: int, keep: Any, flows: Sequence[str], missed: int) -> None:
        super().__init__(at, n, keep)
        self.flows = flows
        """Texts of the flows, by the column ``flow``; 0: no flow."""
        self.missed = missed
        """Records that the log could not hold: rows may lack times, and frames may have no row."""

    def words(self) -> dict[str, Words]:
        """Return the columns whose numbers stand for texts, and these."""
        return {"flow": Words(self.flows[1:], 1), "fate": Words(FATES)}

    def by_id(self, frame: int) -> Frame | None:
        """Return the row of a frame; None: it has no row."""
        low, high = 0, len(self)
        while low < high:
            mid = (low + high) // 2
            if int(self._at[mid].id) < frame:
                low = mid + 1
            else:
                high = mid
        return self[low] if low < len(self) and int(self._at[low].id) == frame else None

    def _row(self, c: Any) -> Frame:
        times = (int(getattr(c, name)) for name in _TIMES)
        places = (int(getattr(c, name)) for name in _PLACES)
        row: list[Any] = [int(c.id), int(c.skb), *(None if t == NEVER else t for t in times)]
        row += [int(c.len), self.flows[c.flow], *(None if n == NO_CPU else n for n in places), int(c.segs)]
        row += [FATES[c.fate] if c.fate != lib.FRAME_NO_FATE else None]
        return Frame(*row)

    def __repr__(self) -> str:
        return f"<vnic frames: {len(self):,} rows" + f", {self.missed:,} records missing" * bool(self.missed) + ">"


_TIMES = tuple(name for name in Frame._fields if name.startswith("t_"))
_PLACES = ("queue", "cpu", "stack_cpu", "read_cpu")


def flow_texts(keys: Any, n: int) -> list[str]:
    """Return the texts of ``n`` flows behind row 0, which is no flow."""
    return ["", *(flow_text(keys[i]) for i in range(1, n + 1))]


def make(records: Any, n: int, flows: Sequence[str], missed: int) -> Frames:
    """Make the table from ``n`` records (struct event_record *), in any order."""
    found = check(lib.frame_table(records, n, ffi.NULL, 0), "make the table of frames")
    rows, keep = room("frame_row", found)
    check(lib.frame_table(records, n, rows, found), "make the table of frames")
    return Frames(rows, found, keep, flows, missed)
