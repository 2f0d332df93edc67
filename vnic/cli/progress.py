"""A bar on stderr while a command measures or reads, shown only on a terminal."""

from __future__ import annotations

import sys
from typing import Any


class Progress:
    """A callable that takes the number of pieces done, and of all pieces."""

    def __init__(self, what: str, *, in_bytes: bool = False) -> None:
        self._what, self._in_bytes = what, in_bytes
        self._bar: Any = None

    def __call__(self, done: int, total: int) -> None:
        """Move the bar."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

            columns = [BarColumn(), *([DownloadColumn()] if self._in_bytes else []), TimeRemainingColumn()]
            self._bar = Progress(self._what, *columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._what, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
