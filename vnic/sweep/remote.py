"""What runs on a dask worker: it finds the captures by path and contents, or gets them once, and replays points.

A worker keeps the contents that it got in memory, and the sums of the files that it has read, as long as it lives.
"""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vnic.capture_files import Inputs
from vnic.capture_input import CaptureInput
from vnic.errors import CaptureError, ConfigError
from vnic.sweep.captures import Source, digest
from vnic.sweep.points import this_version
from vnic.sweep.replayed import Row, Task, of_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

_lock = threading.Lock()
_kept: dict[str, CaptureInput] = {}
"""SHA-256 -> what this worker holds in memory."""
_seen: dict[tuple[object, ...], str] = {}
"""A file and its state -> the SHA-256 of its contents."""


class NoCaptureError(Exception):
    """This worker has no capture of these contents."""


@dataclass(frozen=True, slots=True)
class Contents:
    """A capture on its way to the workers."""

    source: Source
    data: bytes


def has_all(sources: Sequence[Source], wanted: str) -> bool:
    """Can this worker read all these captures?

    ConfigError: it has another version of vnic than the one wanted, whose rows would not compare.
    """
    if this_version() != wanted:
        raise ConfigError(f"has vnic {this_version()}, and this is {wanted}: install the same on both")
    return all(_is_here(source) for source in sources)


def _is_here(source: Source) -> bool:
    if source.sha256 in _kept:
        return True
    try:
        found = Path(source.path).stat()
        if not stat.S_ISREG(found.st_mode):  # /dev/stdin, which is another here
            return False
        key = (source.path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        with _lock:
            if key not in _seen:
                _seen[key] = digest(CaptureInput(source.path, in_turn=True))[0].hex()
            return _seen[key] == source.sha256
    except (OSError, ValueError, CaptureError):
        return False


def _keep(contents: Contents) -> None:
    """Put a capture into this worker's memory, once."""
    source = contents.source
    with _lock:
        if source.sha256 in _kept:
            return
        memfd = os.memfd_create("capture", os.MFD_CLOEXEC)
        try:
            view = memoryview(contents.data)
            while view:
                view = view[os.write(memfd, view) :]
            place = f"/proc/{os.getpid()}/fd/{memfd}"
            _kept[source.sha256] = replace(source, place=place).open()
        finally:
            os.close(memfd)


def replayed_there(task: Task, sent: Sequence[Contents] | None) -> Row:
    """Replay a point on this worker. ``sent``: the captures, if some worker could not read them.

    Raises:
        NoCaptureError: it cannot read them either, and they were not sent.
    """
    for contents in sent or ():
        _keep(contents)
    inputs = Inputs()
    for source in task.sources:
        if not _is_here(source):
            raise NoCaptureError(source.name)
        inputs.append(_kept.get(source.sha256) or replace(source, place="", state=()).open())
    try:
        return of_inputs(task, inputs)
    except CaptureError as e:
        raise NoCaptureError(str(e)) from None
