"""The store of a sweep: a line of JSON for each point that is done, appended when it is done. The next sweep reads it.

A line stands for itself: the point's key (vnic/sweep/points.py), its knobs, its row, and a checksum of all that. So a
store may hold many sweeps of many captures, lines may come in any order, and it can be cut at any byte: what is whole
counts, and all else is left where it is. A line whose checksum is wrong was edited or damaged, and never counts.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any, Self

from vnic.errors import ConfigError
from vnic.look.units import count
from vnic.own_paths import create, open_regular
from vnic.sweep.points import SCHEMA, this_version
from vnic.sweep.replayed import is_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from vnic.sweep.replayed import Row

_BEGIN = b'{"schema": "vnic.sweep/'
_LINE_MAX = 1 << 20
_PIECE = 1 << 20
_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Store:
    """A store that this process writes to. A context manager.

    Args:
        path: its file; made if it is missing.

    Raises:
        ConfigError: another process writes to it, or the file is something else.
        OSError: it cannot be opened or read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._fd = create(path, truncate=False)
        try:
            self._lock()
            self._mended = False
            self.rows: dict[str, Row] = {}
            """Key -> row, of the good lines of this version."""
            self.damaged = self.others = 0
            """Lines that are cut or edited; and those of another version of vnic."""
            for line in self._lines():
                self._read(line)
        except BaseException:
            os.close(self._fd)
            raise
        self._end = os.lseek(self._fd, 0, os.SEEK_END)

    def _lock(self) -> None:
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise ConfigError(f"{self.path}: is not a file, so it cannot be a store")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{self.path}: another sweep writes to it: wait for its end, or name another") from None

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines without their ends. ConfigError: the file is no store."""
        fd, left, first = open_regular(self.path), b"", True
        try:
            while data := os.read(fd, _PIECE):
                left += data
                if first and not left.startswith(_BEGIN[: len(left)]):
                    raise ConfigError(f"{self.path}: is not a store of vnic sweep: name another file")
                first = False
                *lines, left = left.split(b"\n")
                yield from lines
                if len(left) > _LINE_MAX:
                    raise ConfigError(f"{self.path}: has a line of more than {_LINE_MAX:,} bytes, so it is no store")
        finally:
            os.close(fd)
        if left:
            self._mended = True  # the next line needs an end in front of it
            yield left

    def _read(self, line: bytes) -> None:
        text, _, check = line.rpartition(b', "check": "')
        if check != _check(text) + b'"}':
            self.damaged += 1
            return
        found = json.loads(text + b"}")
        if not is_row(found["row"]):
            self.damaged += 1
        elif (found["schema"], found["vnic"]) != (SCHEMA, this_version()) or not _KEY.fullmatch(found["key"]):
            self.others += 1
        else:
            self.rows[found["key"]] = found["row"]

    def append(self, key: str, captures: str, knobs: Mapping[str, Any], row: Row) -> None:
        """Write one point. OSError: the file took only a part, which is cut off again."""
        head = {"schema": SCHEMA, "vnic": this_version(), "key": key, "captures": captures}
        text = json.dumps(head | {"knobs": dict(knobs), "row": row})[:-1].encode()
        line = b"\n" * self._mended + text + b', "check": "' + _check(text) + b'"}\n'
        os.lseek(self._fd, self._end, os.SEEK_SET)
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as e:
            os.ftruncate(self._fd, self._end)
            raise OSError(e.errno, e.strerror, self.path) from None
        self._end += len(line)
        self._mended = False
        self.rows[key] = row

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each kind of lines that do not count."""
        if self.damaged:
            yield f"{self.path}: {count(self.damaged, 'line')} cut or edited: left there, and not used"
        if self.others:
            yield f"{self.path}: {count(self.others, 'point')} of another version of vnic: left there, and not used"

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _check(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()
