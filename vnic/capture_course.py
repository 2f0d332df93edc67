"""The order in which a capture wire reads its files: all files are a pass, passes follow each other (``--loop``).

    file 1, file 2 | file 1, file 2 | ...      passes: each begins after the last frame, by the mean gap
    all of that    | all of that    | ...      times: each begins with the last frame, as vnic why runs an input

A limit ends a time, so the next one has as many frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.capture_select import Selecting

if TYPE_CHECKING:
    from vnic.capture_select import Selection


class Course:
    """Which file is next. ``next``: the number of files of this pass that were opened."""

    def __init__(self, select: Selection, *, times: int, files: int) -> None:
        """Begin before the first file. ConfigError: the filter is refused."""
        self._selecting = Selecting(select, again=times > 1) if select else None
        self._loop = self._passes_left = select.loop
        self._times_left, self._files, self._picked = times, files, 0
        self.passes = 1
        """The number of this pass."""
        self.next = 0
        self.repeats = select.loop * times
        """Most passes in all."""

    def begin(self, pcap: Any) -> None:
        """Let the wire hand out the selected frames only."""
        if self._selecting is not None:
            self._selecting.begin(pcap)

    @property
    def more(self) -> bool:
        """Is there another file after the current one, in this pass or another?"""
        return self.next < self._files or self._passes_left > 1 or self._times_left > 1

    @property
    def facts(self) -> dict[str, Any] | None:
        """What was asked for, and the frames that it took and left out; None: all frames are read, once."""
        return None if self._selecting is None else self._selecting.facts(self.passes)

    def give_up(self) -> None:
        """No file can be opened any more."""
        self.next, self._passes_left, self._times_left = self._files, 1, 1
        if self._selecting is not None:
            self._selecting.c.again = 0

    def resumes(self, wire: Any) -> bool:
        """Did the wire only pause between many frames that it skips? Then it goes on."""
        if self._selecting is None or not self._selecting.c.paused:
            return False
        self._selecting.c.paused = wire.hungry = 0
        return True

    def step(self, wire: Any) -> int:
        """Go to the next file. Return: REBASE_PASS, REBASE_TIME, or 0 for a file that begins neither."""
        s = None if self._selecting is None else self._selecting.c
        at_limit = s is not None and s.taken >= s.limit
        rebase = self._begin_pass(s, wire, at_limit) if at_limit or self.next == self._files else 0
        self.next += 1
        return rebase if wire.started and wire.schedule == ffi.NULL else 0

    def _begin_pass(self, s: Any, wire: Any, at_limit: bool) -> int:  # noqa: FBT001
        self.next, self.passes = 0, self.passes + 1
        taken = 0 if s is None else int(s.picked) - self._picked
        self._picked += taken
        if at_limit or self._passes_left == 1:
            self._times_left -= 1
            self._passes_left = self._loop
            if s is not None:
                s.taken, s.again = 0, self._times_left > 1
            return int(lib.REBASE_TIME)
        self._passes_left = self._passes_left - 1 if taken else 1  # a pass without a frame: one more, as empty
        wire.gap_ns = (wire.last_ts - wire.pass_ns) // (taken - 1) if taken > 1 else 0
        return int(lib.REBASE_PASS)
