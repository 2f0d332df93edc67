"""What ``vnic walk`` and ``vnic diff`` read: captures to replay, or files of events that a replay wrote."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from vnic.capture_files import gather
from vnic.cli.reading import Reading
from vnic.errors import CaptureError, ConfigError, VnicError, said
from vnic.events.file import is_event_file, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vnic.capture_files import Inputs
    from vnic.events.events import Events


def events_of(files: Sequence[str]) -> Events | None:
    """Return the log in a file of events; None: the files are captures. ConfigError: an event file beside others."""
    if not any(is_event_file(name) for name in files):
        return None
    if len(files) > 1:
        raise ConfigError(f"{files[0]}: give one event file, or captures")
    return load(files[0])


@contextlib.contextmanager
def believing(files: Sequence[str]) -> Iterator[None]:
    """Turn errors of using an event file's facts inside this block into a CaptureError: they may be edited."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError) as e:
        logged = [name for name in files if is_event_file(name)]
        if isinstance(e, VnicError) or not logged:
            raise
        raise CaptureError(f"{said(logged[0])}: its facts are not those of a run: record the run again") from e


def gathered(files: Sequence[str]) -> Inputs:
    """Open captures; show progress while a pipe is read."""
    with contextlib.closing(Reading()) as reading:
        return gather(files, reading=reading)
