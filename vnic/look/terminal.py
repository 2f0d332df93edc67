"""The terminal: how wide lines may be, and whether they may have colours.

A terminal has a width, and so has a pipe if COLUMNS says so. In any other pipe or file a line is as long as its
content, so that each line stays one fact for grep. With NO_COLOR, in a pipe and in a file, text is plain.
"""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

ENDLESS = 10_000
"""Columns where nothing limits them."""


def columns(file: IO[str] | None = None) -> int | None:
    """Return the columns that a line may have in this stream (None: stdout). None: any number."""
    file = file or sys.stdout
    if (given := os.environ.get("COLUMNS", "")).isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(file.fileno()).columns or 80 if file.isatty() else None
    except (OSError, ValueError, AttributeError):  # not a file with a descriptor
        return None


def console(file: IO[str] | None = None, *, err: bool = False, width: int | None = None) -> Console:
    """Return rich's console for a stream (None: stdout, or stderr), of this width, or of the stream's."""
    from rich.console import Console

    stream = file or (sys.stderr if err else sys.stdout)
    how: dict[str, Any] = {"highlight": False, "width": width or columns(stream) or ENDLESS, "soft_wrap": False}
    if file is not None:
        how["file"] = file
    if os.environ.get("NO_COLOR"):
        how["color_system"] = None
    return Console(stderr=err, **how)
