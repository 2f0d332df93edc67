"""The log that stories need: of a whole run if it fits, else of the chosen frames and of what happened meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic.events.log import EventChoice
from vnic.runs.replay import replay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.capture_input import CaptureInput
    from vnic.capture_select import Selection
    from vnic.events.events import Events
    from vnic.runs.replay import Result

_BEFORE_NS = 10_000_000
"""How much of the time before the first chosen frame is logged too: what filled the queues that it met."""


class Run:
    """A capture with its options: replayed as often as the log has to be chosen anew. Each replay is the same run.

    Args:
        inputs: the captures.
        options: arguments of Host.
        records: most records of a log.
    """

    def __init__(
        self,
        inputs: Sequence[CaptureInput],
        options: dict[str, Any],
        *,
        select: Selection,
        progress: Callable[[int, int], None] | None = None,
        records: int | None = None,
    ) -> None:
        self._inputs, self._options, self._select, self._progress = inputs, options, select, progress
        self._room: dict[str, Any] = {} if records is None else {"records": records}
        self.error = ""
        """Why the input ended early; empty if it did not."""

    def _replay(self, **chosen: Any) -> Result:
        result = replay(
            self._inputs,
            select=self._select,
            events=EventChoice(**(self._room | chosen)),
            progress=self._progress,
            **self._options,
        )
        self.error = result.error
        return result

    def whole(self) -> Events:
        """Return the log of the whole run; of a long one, of its begin."""
        return _events(self._replay())

    def matching(self, expression: str) -> list[int]:
        """Return the numbers of the frames that match a filter."""
        frames = _events(self._replay(filter=expression)).frames
        return [frame.id for frame in frames if frame.t_wire is not None]

    def around(self, frames: list[tuple[int, int]]) -> Events:
        """Return a log that has these frames and what happened meanwhile: the whole one if they are in it."""
        events = self.whole()
        if not events.missed:
            return events
        rows = list(_events(self._replay(frames=frames)).frames)
        begins = [r.t_wire for r in rows if r.t_wire is not None]
        if not begins:
            return events
        ends = [t for r in rows for t in (r.t_read, r.t_fate, r.t_ring) if t is not None]
        return _events(self._replay(from_ns=max(min(begins) - _BEFORE_NS, 0), until_ns=max([*begins, *ends])))


def _events(result: Result) -> Events:
    if result.events is None:
        raise AssertionError("replay(events=...) returns a log")
    return result.events
