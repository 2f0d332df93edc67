"""Sources of captures: files; and standard input, pipes and FIFOs, which go into memory first.

A source that can be read only once (``-``, ``/dev/stdin``, ``<(zcat x.pcap.gz)``, a FIFO with a writer) is read into a
sealed memfd. From there on it is a file like the others, and good for any number of replays. It may take half of the
free memory. So is a compressed source, whatever its name is (vnic/unpack.py). If its data is damaged, what came before
is read like a file that ends there, and the reason is said.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import select
import stat
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic import unpack
from vnic._core import ffi, lib
from vnic.errors import CaptureError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Reading = Callable[[str, int], None]
    """Called now and then while a stream is read: its name, and the bytes so far."""

STDIN = "-"
_CHUNK = 1 << 20
_HEAD = 24  # pcap's file header
_LOOK_MS = 500
_PCAPNG, _REPORT = b"\x0a\x0d\x0d\x0a", b"{"
_NULL = os.makedev(1, 3)
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
        reading: called now and then while a stream is read.

    Raises:
        CaptureError: the source cannot be read, has no end, is not a capture, or is too large for the memory.
    """

    def __init__(self, path: str | Path, *, report: bool = False, reading: Reading | None = None) -> None:
        self.path = Path(path)
        self.name = "standard input" if str(path) == STDIN else str(path)
        self._fd: int | None = None
        self._drop: Callable[[], object] = lambda: None
        self._damage = ""
        try:
            fd = self._open()
            try:
                found = os.fstat(fd)
                self.size = found.st_size
                kept = None
                if not stat.S_ISREG(found.st_mode) or self._is_packed(fd) or os.lseek(fd, 0, os.SEEK_CUR):
                    kept = self._read(fd, found, report=report, reading=reading)
                elif str(path) == STDIN:
                    kept = os.dup(fd)
            finally:
                os.close(fd)
        except (OSError, ValueError) as e:
            raise CaptureError(f"{self.name}: {getattr(e, 'strerror', None) or e}") from e
        if kept is not None:  # other files are opened again in their turn: there may be thousands
            self._fd, self._drop = kept, weakref.finalize(self, os.close, kept)
            self.size = os.fstat(kept).st_size

    @staticmethod
    def _is_packed(fd: int) -> bool:
        return unpack.kind_of(os.pread(fd, unpack.HEAD, os.lseek(fd, 0, os.SEEK_CUR))) is not None

    def _open(self) -> int:
        if str(self.path) == STDIN:
            if os.isatty(0):
                raise CaptureError(f"{self.name} is a terminal, and no capture comes from there")
            return os.dup(0)
        found = self.path.stat()
        self._check(found)
        return os.open(self.path, _OPEN)

    def _check(self, found: os.stat_result) -> None:
        why = _KINDS.get(stat.S_IFMT(found.st_mode))
        ends = stat.S_ISSOCK(found.st_mode) or (stat.S_ISCHR(found.st_mode) and found.st_rdev == _NULL)
        if why is not None and not (ends and str(self.path) == STDIN):
            raise CaptureError(f"{self.name}: {why}")

    def open(self) -> int:
        """Return a descriptor of the caller's own, to be read by offset. CaptureError: the file is gone."""
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
        size = os.fstat(fd).st_size
        lib.pcap_wire_damaged(pcap, self._damage.encode())
        if lib.pcap_wire_open(pcap, fd, size) < 0:  # it closes fd, now or after the last byte
            raise CaptureError(f"{self.name}: {self._damage or bytes(ffi.string(pcap.error_text)).decode()}")
        return size

    def is_file(self, path: Path) -> bool:
        """Is this still the same file?"""
        there = path.stat()
        own = os.fstat(self._fd) if self._fd is not None else self.path.stat()
        return os.path.samestat(there, own)

    def close(self) -> None:
        """Close the descriptor. Those from open() stay open."""
        self._drop()

    # ---- streams ----

    def _read(self, fd: int, found: os.stat_result, *, report: bool, reading: Reading | None) -> int:
        """Read a stream to its end into a memfd, and seal it. Return: the memfd."""
        self._check(found)
        memfd = os.memfd_create("capture", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            total, most, head = 0, most_bytes(), b""
            for data in self._pieces(fd, reading):
                if len(head) < _HEAD:
                    head += data[: _HEAD - len(head)]
                    if len(head) == _HEAD and not (report and head.startswith(_REPORT)):
                        self._probe(head)
                total += len(data)
                self._bound(total, most)
                view = memoryview(data)
                while view:
                    view = view[os.write(memfd, view) :]
            fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, _SEALS)
        except BaseException:
            os.close(memfd)
            raise
        return memfd

    def _pieces(self, fd: int, reading: Reading | None) -> Iterator[bytes]:
        """The stream's bytes, unpacked if they are packed. Damage in what is packed ends it, and is noted."""
        pieces, first = self._raw(fd, reading), b""
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
            self._damage = str(e)

    def _raw(self, fd: int, reading: Reading | None) -> Iterator[bytes]:
        total = 0
        while data := self._next(fd, total, reading):
            total += len(data)
            yield data

    def _bound(self, total: int, most: int) -> None:
        if total > most:
            raise CaptureError(
                f"{self.name}: more than {most >> 20} MiB came, half of the memory that is free: save it first"
            )

    def _next(self, fd: int, total: int, reading: Reading | None) -> bytes:
        """Return the next bytes, at most 1 MiB; none at the end. Report progress while it waits."""
        poll, asks_first, waited = select.poll(), os.get_blocking(fd), False
        poll.register(fd, select.POLLIN)
        while True:
            if reading is not None and (total or waited):
                reading(self.name, total)
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
                raise CaptureError(f"{self.name}: {bytes(ffi.string(pcap.error_text)).decode()}")
        finally:
            lib.pcap_wire_free(pcap)


def gather(
    paths: Sequence[str | Path | CaptureInput], *, report: bool = False, reading: Reading | None = None
) -> list[CaptureInput]:
    """Return all inputs, streams read to the end. ConfigError: none, or standard input twice. CaptureError: as one."""
    if not paths:
        raise ConfigError("no capture file given: name one, or - for standard input")
    if sum(str(p) == STDIN for p in paths) > 1:
        raise ConfigError("standard input (-) can be read only once")
    return [p if isinstance(p, CaptureInput) else CaptureInput(p, report=report, reading=reading) for p in paths]


def most_bytes() -> int:
    """Return the most bytes of a stream: half of the free memory (MemAvailable in /proc/meminfo)."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, value = line.split(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024 // 2
    return 1 << 30


def _is_named_fifo(fd: int) -> bool:
    return stat.S_ISFIFO(os.fstat(fd).st_mode) and not str(Path(f"/proc/self/fd/{fd}").readlink()).startswith("pipe:")
