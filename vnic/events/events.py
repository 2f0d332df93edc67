"""The records of a run in the order of time, and the table of frames that follows from them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from vnic.events import frames as frames_
from vnic.events.find import find
from vnic.events.kinds import KINDS, NO_CPU, NO_QUEUE, OF
from vnic.events.rows import Rows, Words, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from vnic.events.frames import Frames


class Event(NamedTuple):
    """One thing that happened."""

    t_ns: int
    """When it began, ns of the run."""
    dur_ns: int
    """How long it took; 0: an instant."""
    frame: int
    """Its number: 1, 2, 3, ... in the order of arrival; of a packet, its first frame's. 0: it is about no frame."""
    skb: int
    """The packet that the frame has become part of, named by its first frame; 0: its own."""
    arg: int
    """By kind."""
    cpu: int | None
    """Where; None: the card, or a thread of Python's."""
    queue: int | None
    """The receive queue; None: none."""
    kind: str
    """What happened: docs/events.md has the kinds."""

    @property
    def end_ns(self) -> int:
        """When it was over."""
        return self.t_ns + self.dur_ns

    @property
    def args(self) -> dict[str, Any]:
        """What ``arg`` holds, by name."""
        return OF[self.kind].args(self.arg)


class Events(Rows[Event]):
    """The records, sorted by when they began; of one instant, in the order of their ends.

    ``len()``, index, slice, iteration; numpy, Arrow and bytes of the same memory.
    """

    _struct = "event_record"
    columns = tuple(column for column in columns_of("event_record") if column.name not in {"more", "spare"})
    """Without ``more``, which counts frames for who sees records only: here each frame has its own fate in a row."""
    none: ClassVar[Mapping[str, int]] = {"cpu": NO_CPU, "queue": NO_QUEUE}
    name = "events"

    def __init__(self, at: Any, n: int, keep: Any, *, flows: Sequence[str], missed: int, facts: dict[str, Any]) -> None:
        super().__init__(at, n, keep)
        self.flows = flows
        """Texts of the flows, by number; 0: no flow."""
        self.missed = missed
        """Records that found no room: the first ones are there, these came later."""
        self.facts = facts
        """What the run was: ``config``, ``input`` and more, as in a report. May be empty."""

    def words(self) -> dict[str, Words]:
        """Return the columns whose numbers stand for texts, and these."""
        return {"kind": Words(KINDS)}

    @classmethod
    def load(cls, path: str | Path) -> Events:
        """Read what :meth:`save` has written. CaptureError: it is not an event file, or not a good one."""
        from vnic.events.file import load

        return load(path)

    def save(self, path: str | Path) -> None:
        """Write the records to a file: a table by the name's end, as :meth:`Rows.save`; else all, for :meth:`load`."""
        from vnic.events.written import save_events

        save_events(self, path)

    def select(
        self,
        *,
        from_ns: int = 0,
        until_ns: int | None = None,
        frames: Iterable[int | tuple[int, int]] | None = None,
        kinds: Iterable[str] | None = None,
        cpu: int | None = None,
        queue: int | None = None,
    ) -> Events:
        """Return some of the records, each condition narrowing them down.

        Args:
            from_ns: those that end at this time of the run or later.
            until_ns: those that begin at this time or earlier.
            frames: numbers of frames, and of the packets they become part of, from then on; ranges are (first, last).
            kinds: of these kinds.
            cpu: on this CPU.
            queue: of this receive queue.

        Raises:
            ConfigError: a bound or a kind that cannot be.
        """
        from vnic.events.select import select

        return select(self, from_ns=from_ns, until_ns=until_ns, frames=frames, kinds=kinds, cpu=cpu, queue=queue)

    @cached_property
    def frames(self) -> Frames:
        """A row for each frame."""
        return frames_.make(self._at, len(self), self.flows, self.missed)

    def of_frame(self, frame: int) -> list[Event]:
        """Return the records of a frame: its own, and from where it joined a packet, the packet's."""
        row = self.frames.by_id(frame)
        head = frame if row is None else row.skb
        if head == frame:
            return [e for e in self.select(frames=[frame]) if e.frame == frame]
        mine = list(self.select(frames=[frame, head]))
        own = [e for e in mine if e.frame == frame]
        joined = max((e.end_ns for e in own if e.skb), default=0)
        packets = [e for e in mine if e.frame == head and e.t_ns >= joined]
        return sorted([*own, *packets], key=lambda e: e.t_ns)

    def find(self, **wanted: Any) -> list[Event]:
        """Return the records that meet all of it, in the order of time; see :func:`vnic.events.find.find`."""
        return [self._row(self._at[i]) for i in find(self._at, len(self), **wanted)[0]]

    def _row(self, c: Any) -> Event:
        return Event(
            int(c.t_ns),
            int(c.dur_ns),
            int(c.frame),
            int(c.skb),
            int(c.arg),
            None if c.cpu == NO_CPU else int(c.cpu),
            None if c.queue == NO_QUEUE else int(c.queue),
            KINDS[c.kind],
        )

    def __repr__(self) -> str:
        return f"<vnic events: {len(self):,} records" + f", {self.missed:,} missing" * bool(self.missed) + ">"
