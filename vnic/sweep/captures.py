"""The captures that all points of a sweep read: known by their contents, and read by several threads and processes.

A file is read where it lies. What is in memory (a stream, a packed file) stays in this process, and others of this
machine open it through /proc. Of several packed files, which are unpacked in turn, each point unpacks its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vnic.capture_files import Inputs
from vnic.capture_input import CaptureInput
from vnic.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A capture as another process of this machine opens it."""

    path: str
    name: str
    damage: str = ""
    """Why what is in memory is not all of it."""
    place: str = ""
    """Where the bytes in memory are; empty: in the file itself."""
    state: tuple[int, ...] = ()
    """Which file it is, and of when."""
    sha256: str = ""
    """Of its contents, unpacked."""

    def open(self) -> CaptureInput:
        """Open it, under the name that it has in the process that began the sweep. CaptureError: it is gone."""
        if not self.place:
            found = CaptureInput(self.path, in_turn=True)
        else:
            found = CaptureInput(self.place)
            if found.kept is None:
                found.keep(os.open(self.place, os.O_RDONLY | os.O_CLOEXEC))
        found.path, found.name, found.damage = Path(self.path), self.name, self.damage
        return found

    def refuse_another(self) -> None:
        """Raise CaptureError if the file has been written to since the sweep began: its points would not compare."""
        if self.state and _state(self.path) != self.state:
            raise CaptureError(f"{self.name}: it has changed since the sweep began, so begin it again")


def _state(path: str) -> tuple[int, ...]:
    try:
        found = Path(path).stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def digest(opened: CaptureInput, progress: Callable[[int, int], None] | None = None) -> tuple[bytes, int]:
    """Return the SHA-256 and the number of the bytes that are read, unpacked if they are packed.

    CaptureError: it cannot be read.
    """
    fd = opened.open()
    try:
        size, damage = opened.extent(fd)
        at, found = 0, hashlib.sha256(damage.encode())
        while at < size and (data := os.pread(fd, min(_PIECE, size - at), at)):
            found.update(data)
            at += len(data)
            if progress is not None:
                progress(at, size)
        return found.digest(), at
    except OSError as e:
        raise CaptureError(f"{opened.name}: {e.strerror}") from e
    finally:
        os.close(fd)
        opened.release()


def sources(inputs: Sequence[CaptureInput]) -> tuple[Source, ...]:
    """Return how others open these captures, as long as this process keeps them."""
    return tuple(_source(one) for one in inputs)


def _source(one: CaptureInput) -> Source:
    state = _state(str(one.path)) if one.kept is None else ()
    place = "" if one.kept is None else f"/proc/{os.getpid()}/fd/{one.kept}"
    return Source(str(one.path), one.name, one.damage, place, state)


class Captures:
    """The captures of a sweep.

    Args:
        inputs: opened by :func:`vnic.capture_files.gather`; they stay open as long as this object lives.
        progress: called with the bytes read and all bytes, while their contents are summed up.

    Raises:
        CaptureError: a file cannot be read.
    """

    def __init__(self, inputs: Inputs, progress: Callable[[int, int], None] | None = None) -> None:
        self.inputs = inputs
        self.unpacked = 0
        """Bytes that a point takes for the largest file that it unpacks."""
        self.size = 0
        """Bytes of all captures, unpacked."""
        whole, summed = hashlib.sha256(), []
        for one, source in zip(inputs, sources(inputs), strict=True):
            found, size = digest(one, progress)
            whole.update(found)
            self.size += size
            self.unpacked = max(self.unpacked, size if one.in_turn else 0)
            summed.append(replace(source, sha256=found.hex()))
        self.sha256 = whole.hexdigest()
        self.sources: tuple[Source, ...] = tuple(summed)


@contextlib.contextmanager
def opened(sources: Sequence[Source]) -> Iterator[Inputs]:
    """Open all captures for one point; at the end check that they were the same all the time."""
    found: list[CaptureInput] = []
    try:
        for source in sources:
            source.refuse_another()
            found.append(source.open())
        yield Inputs(found)
        for source in sources:
            source.refuse_another()
    finally:
        for one in found:
            one.close()
