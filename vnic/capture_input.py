"""A source of a capture: a file; or standard input, a pipe or a FIFO, which go into memory first.

A source that can be read only once (``-``, ``/dev/stdin``, ``<(zcat x.pcap.gz)``, a FIFO with a writer) is read into a
sealed memfd. From there on it is a file like the others, and good for any number of replays. It may take half of the
free memory. A compressed source is kept in the same way, whatever its name is (vnic/unpack.py); of several one at a
time. If its data is damaged, the bytes before are read like a file that ends there, and the reason is said. A sparse
file ends where its data ends: the zeros behind were never written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import re
import select
import stat
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic import unpack
from vnic._core import ffi, lib
from vnic.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Reading = Callable[[str, int], None]
    """Called now and then while a stream is read: its name, and the bytes so far."""

STDIN = "-"
_CHUNK = 1 << 20
_HEAD = 24  # pcap's file header
_LOOK_MS = 500
_PCAPNG, _REPORT = b"\x0a\x0d\x0d\x0a", b"{"
_PAGE = (b"<!doc", b"<html")
_LOOK = 1 << 20
"""Bytes of a packed capture that are unpacked to find its first packet."""
_HOLE = 1 << 20
"""Smallest hole at the end of a sparse file that is not read."""
_EXTENTS_MAX = 4096
_NULL = os.makedev(1, 3)
_DESCRIPTOR, _DESCRIPTOR_MAX = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,7})"), (1 << 20) - 1
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_GROUPS = {
    "": (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    "memory": (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
}
"""Controllers of a line in /proc/self/cgroup -> the hierarchy, and its files for the limit and the use."""
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
_KINDS = {
    stat.S_IFDIR: os.strerror(errno.EISDIR),
    stat.S_IFCHR: "a device, and not a regular file",
    stat.S_IFBLK: "a device, and not a regular file",
    stat.S_IFSOCK: "a socket, and not a regular file",
}


class CaptureInput:
    """A capture that can be read any number of times.

    Args:
        path: path of a file or a FIFO; or ``-``, standard input.
        report: accept a report as JSON, too.
        reading: called now and then while a stream is read, or a packed one unpacked.
        in_turn: unpack a packed file only when it is opened, and forget it in release().

    Raises:
        CaptureError: the source cannot be read, has no end, is not a capture, or is too large for the memory.
    """

    def __init__(
        self, path: str | Path, *, report: bool = False, reading: Reading | None = None, in_turn: bool = False
    ) -> None:
        self.path = Path(path)
        self.name = "standard input" if str(path) == STDIN else str(path)
        self._report, self._reading = report, reading
        self._fd: int | None = None
        self._drop: Callable[[], object] = lambda: None
        self.damage = ""
        self._came = 0
        """Bytes of a stream so far, as they are kept: unpacked."""
        self.in_turn = self._streams = False
        kept = None
        try:
            fd = self._open(str(path))
            try:
                found = os.fstat(fd)
                self.size = found.st_size
                packed, moved = self._is_packed(fd), self._offset(fd, found)
                self.in_turn = in_turn and packed and stat.S_ISREG(found.st_mode) and not moved
                if not self.in_turn and (packed or moved or not stat.S_ISREG(found.st_mode)):
                    kept = self._read(fd, found)
                elif str(path) == STDIN:
                    kept = os.dup(fd)
            finally:
                os.close(fd)
        except (OSError, ValueError) as e:
            raise CaptureError(f"{self.name}: {getattr(e, 'strerror', None) or e}") from e
        if kept is not None:  # other files are opened again in their turn: there may be thousands
            self.keep(kept)

    @property
    def kept(self) -> int | None:
        """The descriptor of what is in memory; None: the file itself is read."""
        return self._fd

    def keep(self, kept: int) -> None:
        """Read from this descriptor from now on."""
        self._fd, self._drop = kept, weakref.finalize(self, os.close, kept)
        self.size = os.fstat(kept).st_size

    @staticmethod
    def _offset(fd: int, found: os.stat_result) -> int:
        return os.lseek(fd, 0, os.SEEK_CUR) if stat.S_ISREG(found.st_mode) else 0

    def _is_packed(self, fd: int) -> bool:
        """Is this a regular file, and packed? A stream shows that when it is read."""
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return False
        return unpack.kind_of(os.pread(fd, unpack.HEAD, self._offset(fd, found))) is not None

    def _open(self, given: str) -> int:
        own = _DESCRIPTOR.fullmatch(given)
        number = 0 if given in (STDIN, "/dev/stdin") else int(own[1]) if own else None
        if number is not None and number <= _DESCRIPTOR_MAX:
            if os.isatty(number):
                raise CaptureError(f"{self.name} is a terminal, and no capture comes from there")
            found = os.fstat(number)
            self._streams = given == STDIN or stat.S_ISSOCK(found.st_mode)  # a socket cannot be opened by its path
            if self._streams:
                return os.dup(number)
        elif _URL.match(given) and not self.path.exists():
            raise CaptureError(f"{given}: vnic reads files, and no URLs: curl -sSL URL | vnic replay -")
        found = self.path.stat()
        self._check(found)
        return os.open(self.path, _OPEN)

    def _check(self, found: os.stat_result) -> None:
        why = _KINDS.get(stat.S_IFMT(found.st_mode))
        ends = stat.S_ISSOCK(found.st_mode) or (stat.S_ISCHR(found.st_mode) and found.st_rdev == _NULL)
        if why is not None and not (ends and self._streams):
            raise CaptureError(f"{self.name}: {why}")

    def open(self) -> int:
        """Return a descriptor of the caller's own, to be read by offset. CaptureError: gone, or too large."""
        if self.in_turn and self._fd is None:
            self._unpack()
        try:
            fd = os.dup(self._fd) if self._fd is not None else os.open(self.path, _OPEN)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                os.close(fd)
                raise CaptureError(f"{self.name}: another file has replaced it since the start")
        except (OSError, ValueError) as e:
            raise CaptureError(f"{self.name}: {getattr(e, 'strerror', None) or e}") from e
        return fd

    def head(self, most: int) -> bytes:
        """Return the first bytes, at most so many. CaptureError: the file is gone."""
        fd = self.open()
        try:
            return os.pread(fd, min(most, os.fstat(fd).st_size), 0)
        except OSError as e:
            raise CaptureError(f"{self.name}: {e.strerror}") from e
        finally:
            os.close(fd)

    def begin(self, pcap: Any) -> int:
        """Let a ``struct pcap_wire`` continue with this file. Return: its bytes. CaptureError: not a capture."""
        fd = self.open()
        size, damage = self.extent(fd)
        lib.pcap_wire_damaged(pcap, damage.encode())
        if lib.pcap_wire_open(pcap, fd, size) < 0:  # it closes fd, now or after the last byte
            raise CaptureError(f"{self.name}: {damage or self._said(self.head(_HEAD), pcap)}")
        return size

    def extent(self, fd: int) -> tuple[int, str]:
        """Return how many bytes of this descriptor are read, and why no more; empty: it is all."""
        found = os.fstat(fd)
        size, damage = found.st_size, self.damage
        if found.st_blocks * 512 + _HOLE < size and (end := _end_of_data(fd, size)) + _HOLE < size:
            return end, f"a sparse file: no data was written behind byte {end:,} of {size:,}"
        return size, damage

    def look(self) -> int | None:
        """Return the time of the first packet, ns since 1970; None: none is near. CaptureError: not a capture."""
        pcap = lib.pcap_wire_new()
        if pcap == ffi.NULL:
            raise MemoryError("no memory for the wire")
        try:
            if self.in_turn and self._fd is None:
                first = self._unpacked_head()  # C reads from it until the wire is freed
                if lib.pcap_wire_open_memory(pcap, ffi.from_buffer(first), len(first)) < 0:
                    raise CaptureError(f"{self.name}: {self.damage or self._said(first, pcap)}")
            else:
                self.begin(pcap)
            frame = ffi.new("struct frame *")
            n = pcap.wire.read_burst(ffi.addressof(pcap.wire), frame, 1)
            return int(frame.t_ns) if n == 1 else None
        finally:
            lib.pcap_wire_free(pcap)

    def release(self) -> None:
        """Forget the unpacked bytes of a file that can be unpacked again."""
        if self.in_turn:
            self._drop()
            self._fd, self._drop, self.damage = None, lambda: None, ""

    def _unpack(self) -> None:
        try:
            fd = os.open(self.path, _OPEN)
            try:
                self.keep(self._read(fd, os.fstat(fd)))
            finally:
                os.close(fd)
        except (OSError, ValueError) as e:
            raise CaptureError(f"{self.name}: {getattr(e, 'strerror', None) or e}") from e

    def _unpacked_head(self) -> bytes:
        try:
            fd = os.open(self.path, _OPEN)
            try:
                first, pieces = b"", self._pieces(fd)
                while len(first) < _LOOK and (more := next(pieces, b"")):
                    first += more
            finally:
                os.close(fd)
        except (OSError, ValueError) as e:
            raise CaptureError(f"{self.name}: {getattr(e, 'strerror', None) or e}") from e
        return first

    def is_file(self, path: Path) -> bool:
        """Is this still the same file?"""
        there = path.stat()
        own = os.fstat(self._fd) if self._fd is not None else self.path.stat()
        return os.path.samestat(there, own)

    def close(self) -> None:
        """Close the descriptor. Those from open() stay open."""
        self._drop()

    # ---- streams ----

    def _read(self, fd: int, found: os.stat_result) -> int:
        """Read a stream to its end into a memfd, and seal it. Return: the memfd."""
        self._check(found)
        memfd = os.memfd_create("capture", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            self._came, most, head = 0, most_bytes(), b""
            for data in self._pieces(fd):
                if len(head) < _HEAD:
                    head += data[: _HEAD - len(head)]
                    if len(head) == _HEAD and not (self._report and head.startswith(_REPORT)):
                        self._probe(head)
                self._came += len(data)
                self._bound(self._came, most)
                self._tell(self._came)
                view = memoryview(data)
                while view:
                    view = view[os.write(memfd, view) :]
            fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, _SEALS)
        except BaseException:
            os.close(memfd)
            raise
        return memfd

    def _pieces(self, fd: int) -> Iterator[bytes]:
        """The stream's bytes, unpacked if they are packed. Damage in packed data ends it, and is noted."""
        pieces, first = self._raw(fd), b""
        while len(first) < unpack.HEAD and (more := next(pieces, b"")):
            first += more
        whole = itertools.chain((first,) if first else (), pieces)
        if (kind := unpack.kind_of(first)) is None:
            yield from whole
            return
        try:
            yield from unpack.unpacked(kind, whole)
        except unpack.MissingUnpackerError as e:
            raise CaptureError(f"{self.name}: {e}") from None
        except unpack.DamagedError as e:
            self.damage = str(e)

    def _raw(self, fd: int) -> Iterator[bytes]:
        total = 0
        while data := self._next(fd, total):
            total += len(data)
            yield data

    def _tell(self, so_far: int) -> None:
        if self._reading is not None:
            self._reading(self.name, so_far)

    def _bound(self, total: int, most: int) -> None:
        if total > most:
            raise CaptureError(
                f"{self.name}: more than {most >> 20} MiB came, half of the memory that is free: save it first"
            )

    def _next(self, fd: int, total: int) -> bytes:
        """Return the next bytes, at most 1 MiB; none at the end. Report progress while it waits."""
        poll, asks_first, waited = select.poll(), os.get_blocking(fd), False
        poll.register(fd, select.POLLIN)
        while True:
            if waited:
                self._tell(self._came or total)
            if (asks_first or waited) and not poll.poll(_LOOK_MS):
                waited = True
                continue
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                waited = True
                continue
            if not data and not total and not waited and _is_named_fifo(fd):
                raise CaptureError(
                    f"{self.name}: not a regular file, and no process writes to this FIFO: start the writer first"
                )
            return data

    def _probe(self, head: bytes) -> None:
        """Refuse a stream that is not a capture at its begin: it may never end."""
        if head.startswith(_PCAPNG):
            return
        pcap = lib.pcap_wire_new()
        try:
            if pcap != ffi.NULL and lib.pcap_wire_open_memory(pcap, ffi.from_buffer(head), len(head)) < 0:
                raise CaptureError(f"{self.name}: {self._said(head, pcap)}")
        finally:
            lib.pcap_wire_free(pcap)

    def _said(self, head: bytes, pcap: Any) -> str:
        """Return why this begin is no capture: what it is instead, or else what the reader found."""
        text = bytes(ffi.string(pcap.error_text)).decode()
        if not text.startswith("not a capture file"):
            return text
        if head.startswith(_REPORT):
            return f"{text}: it begins like a report, which vnic why explains: vnic why FILE"
        if head.lstrip().lower().startswith(_PAGE):
            return f"{text}: it is a web page; download the capture itself"
        kind = unpack.kind_of(head)
        return f"{text}: it is {kind}-compressed twice; unpack it once first" if kind else text


def most_bytes() -> int:
    """Return the most bytes of a stream: half of the memory that is free, here and in the control groups around us."""
    free = 2 << 30
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, value = line.split(":")
        if name == "MemAvailable":
            free = int(value.split()[0]) * 1024
    return min([free, *_group_free()]) // 2


def _group_free() -> Iterator[int]:
    """Yield the free bytes of the control groups (version 2, else 1) that limit this process: beyond, it is killed."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, inside = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            top, most, used = _GROUPS[controllers]
            group = Path(inside.lstrip("/"))
            for at in (top / group, *(top / parent for parent in group.parents)):
                with contextlib.suppress(OSError, ValueError):  # no limit: there is no file, or it says max
                    limit = int((at / most).read_text(encoding="ascii"))
                    yield max(0, limit - int((at / used).read_text(encoding="ascii")) + _cache(at))


def _cache(group: Path) -> int:
    """Return the bytes of file cache that the kernel gives up before a group is full."""
    for line in (group / "memory.stat").read_text(encoding="ascii").splitlines():
        name, value = line.split()
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _end_of_data(fd: int, size: int) -> int:
    """Return the end of a sparse file's last data, with more pieces than we look at: its size."""
    end = 0
    for _ in range(_EXTENTS_MAX):
        try:
            end = os.lseek(fd, os.lseek(fd, end, os.SEEK_DATA), os.SEEK_HOLE)
        except OSError as e:
            return end if e.errno == errno.ENXIO else size  # no more data; or no such question here
        if end >= size:
            break
    return size


def _is_named_fifo(fd: int) -> bool:
    return stat.S_ISFIFO(os.fstat(fd).st_mode) and not str(Path(f"/proc/self/fd/{fd}").readlink()).startswith("pipe:")
