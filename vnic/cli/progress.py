"""Progress on stderr: shown only on a terminal, and only if the work takes long. It leaves no trace."""

from __future__ import annotations

import sys
import time
from typing import Any

_FIRST_S = 0.5


class Progress:
    """A callable that takes the pieces done and all pieces (0: unknown). Close it at the end.

    Args:
        what: the command or the thing, as the line begins.
        in_bytes: the pieces are bytes.
        first_s: work that is over before this shows nothing, s.
    """

    def __init__(self, what: str, *, in_bytes: bool = False, first_s: float = 0.0) -> None:
        self._what, self._in_bytes = what, in_bytes
        self._from = time.monotonic() + first_s
        self._bar: Any = None

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Move the bar. ``note``: a few words behind it."""
        if not sys.stderr.isatty() or time.monotonic() < self._from:
            return
        if self._bar is None:
            self._bar = _bar(in_bytes=self._in_bytes, known=bool(total))
            self._task = self._bar.add_task(self._what, total=total or None, note=note)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total or None, note=note)

    def close(self) -> None:
        """Remove the bar. A later call shows it again."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar(*, in_bytes: bool, known: bool) -> Any:
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from vnic.look.terminal import console

    columns: list[Any] = [TextColumn("{task.description}", markup=False)]
    columns += [BarColumn()] if known else [SpinnerColumn()]
    columns += [DownloadColumn()] if in_bytes and known else []
    columns += [TextColumn("{task.fields[note]}", markup=False)]
    columns += [TimeRemainingColumn()] if known else []
    return Progress(*columns, console=console(err=True), transient=True)
