"""Read the texts in a directory, a tar archive (sosreport) or a file; .gz, .bz2, .xz, and .zst if Python has it.

Nothing is extracted. A link is not followed, neither in an archive nor in a directory; only the named path itself may
be one. Each text, all texts together, the entries, and the bytes of an archive have a limit.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import os
import re
import stat
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, Any

from vnic.errors import ConfigError, one_line, said
from vnic.imports import kernel_texts, texts
from vnic.own_paths import open_regular, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vnic.imports.machine import Machine

    Progress = Callable[[str, int], None]

TEXT_MAX = 1 << 24
"""Longest text in bytes."""
TEXTS_MAX = 1 << 28
"""All texts of known tools together, in bytes."""
ENTRIES_MAX = 1 << 18
"""Most files of a directory, or members of an archive."""
ARCHIVE_MAX = 1 << 33
"""Most bytes of an archive, decompressed. vnic reads all of them in passing, and keeps the texts."""
_PIECE = 1 << 20
_PATH_MAX = 512
_SNIFFED = 1 << 13
"""Bytes at a file's beginning in which a known first line must be, unless the user named the file."""
_NOT_HERE = re.compile(
    r"(?:.*/)?(?:etc|usr|var|run|opt|home|root|netns|namespaces|sos_logs|sos_reports|sos_strings)/.*"
    r"|(?:.*/)?[^/]*netns[^/]*"
)
"""Files of a sosreport that are not the running machine's state, or another network namespace's."""
_DAMAGED = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError, OverflowError, RecursionError)


class _Stream:
    """A decompressed archive for tarfile: read forward only, in bounded pieces."""

    def __init__(self, raw: IO[bytes], name: str, progress: Progress | None) -> None:
        self._raw, self._name, self._progress, self._at = raw, name, progress, 0

    def tell(self) -> int:
        return self._at

    def read(self, n: int) -> bytes:
        if not 0 <= n <= TEXT_MAX:
            raise tarfile.ReadError(f"a header of {n} bytes")
        data = self._raw.read(n)
        self._at += len(data)
        if self._at > ARCHIVE_MAX:
            raise ConfigError(f"{self._name}: has more than {ARCHIVE_MAX >> 30} GiB")
        if self._progress is not None:
            self._progress(self._name, self._at)
        return data

    def seek(self, to: int) -> None:
        if to < self._at:
            raise tarfile.ReadError("goes backwards")
        while self._at < to and self.read(min(_PIECE, TEXT_MAX, to - self._at)):
            pass


def _zstd(raw: IO[bytes], name: str) -> IO[bytes]:
    try:
        module: Any = importlib.import_module("compression.zstd")
    except ImportError:
        raise ConfigError(f"{name}: this Python has no zstd (3.14 has): decompress it first, with zstd -d") from None
    opened: IO[bytes] = module.ZstdFile(raw)
    return opened


def _decompressed(raw: IO[bytes], name: str) -> IO[bytes]:
    """Return the stream, decompressed if it begins as gzip, bzip2, xz or zstd do."""
    first = raw.read(6)
    raw.seek(0)
    if first[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw))
    if first[:3] == b"BZh":
        return io.BufferedReader(bz2.BZ2File(raw))
    if first == b"\xfd7zXZ\0":
        return io.BufferedReader(lzma.LZMAFile(raw))
    if first[:4] == b"\x28\xb5\x2f\xfd":
        return io.BufferedReader(_zstd(raw, name))  # type: ignore[type-var]
    return raw


class Texts:
    """The texts of one input after the other; what cannot be read is in ``machine.unread``."""

    def __init__(self, machine: Machine, progress: Progress | None = None) -> None:
        self._machine, self._progress = machine, progress
        self._left = TEXTS_MAX

    def read(self, path: str | Path) -> int:
        """Read a directory, an archive or a file. Return the number of texts of known tools.

        Raises:
            ConfigError: the archive is damaged or too large.
            OSError: the path cannot be read.
        """
        name = said(path)
        if str(path) == "-":
            return self._named("standard input", read("/dev/stdin", TEXT_MAX))
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except NotADirectoryError:
            return self._file(path, name)
        except ValueError:
            raise ConfigError(f"{name}: a name cannot have a zero byte") from None
        try:
            return sum(self._text(at, data) for at, data in self._directory(fd, name))
        except RecursionError:
            raise ConfigError(f"{name}: its directories are nested too deeply") from None
        finally:
            os.close(fd)

    # ---- a file, an archive ----

    def _file(self, path: str | Path, name: str) -> int:
        try:
            fd = open_regular(path)
        except OSError:
            return self._named(str(path), read(path, TEXT_MAX))  # a pipe that is open in this process
        with os.fdopen(fd, "rb") as raw:
            try:
                opened = _decompressed(raw, name)
                begin = opened.peek(512) if isinstance(opened, io.BufferedReader) else b""
                if begin[257:262] == b"ustar":
                    return sum(self._text(at, data) for at, data in self._members(opened, name))
                data = opened.read(TEXT_MAX + 1)
            except ConfigError:
                raise
            except _DAMAGED as e:
                raise ConfigError(f"{name}: cannot be read: {said(e) or 'it is damaged'}") from None
        if len(data) > TEXT_MAX:
            raise ConfigError(f"{name}: is longer than {TEXT_MAX >> 20} MiB, and is no tar archive")
        return self._named(re.sub(r"\.(?:gz|bz2|xz|zst)$", "", str(path)), data)

    def _members(self, opened: IO[bytes], name: str) -> Iterator[tuple[str, bytes]]:
        """Yield path and contents of the archive's regular files that may be texts."""
        stream = _Stream(opened, name, self._progress)
        with tarfile.TarFile(fileobj=stream, mode="r") as archive:  # type: ignore[arg-type]
            for entries in range(ENTRIES_MAX + 1):
                member = archive.next()
                if member is None:
                    return
                if entries == ENTRIES_MAX:
                    raise ConfigError(f"{name}: has more than {ENTRIES_MAX} members")
                archive.members.clear()  # type: ignore[attr-defined]
                if not member.isreg() or member.issparse() or not _may_be_text(member.name, member.size):
                    continue
                stream.seek(member.offset_data)
                data = stream.read(member.size)
                if len(data) < member.size:
                    raise tarfile.ReadError("it ends early")
                yield member.name, data

    # ---- a directory ----

    def _directory(self, top: int, name: str) -> Iterator[tuple[str, bytes]]:
        """Yield relative path and contents of the regular files below that may be texts."""
        entries = 0
        for at, directories, files, fd in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            directories.sort()
            for file in sorted(files):
                path = os.path.normpath(f"{at}/{file}")
                entries += 1
                if entries > ENTRIES_MAX:
                    raise ConfigError(f"{name}: has more than {ENTRIES_MAX} files")
                if not _may_be_text(path, 0):
                    continue
                try:
                    data = self._contents(file, fd, known=kernel_texts.is_file(path))
                except OSError as e:
                    self._machine.unread.append(f"{said(path)}: {e.strerror}")
                    continue
                if data:
                    yield path, data

    def _contents(self, file: str, directory: int, *, known: bool) -> bytes:
        """Return a file's bytes; empty: a link, a special file, too long, or it does not begin like a known text."""
        there = os.stat(file, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(there.st_mode):
            return b""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with os.fdopen(os.open(file, flags, dir_fd=directory), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                return b""
            begin = opened.read(_SNIFFED)
            if not known and not texts.is_known(_decoded(begin)):
                return b""
            data = begin + opened.read(max(0, TEXT_MAX + 1 - len(begin)))
        return data if len(data) <= TEXT_MAX else b""

    # ---- one text ----

    def _named(self, path: str, data: bytes) -> int:
        """Read a text whose file the user named."""
        text = _decoded(data)
        known = bool(text) and texts.read(self._machine, path, text)
        if not known:
            self._machine.unread.append(f"{said(path)}: no text of a tool that vnic knows")
        return int(known)

    def _text(self, path: str, data: bytes) -> int:
        """Read a text that lies in a directory or an archive."""
        path = one_line(path)
        if not kernel_texts.is_file(path) and not texts.is_known(_decoded(data[:_SNIFFED])):
            return 0
        self._left -= len(data)
        if self._left < 0:
            raise ConfigError(f"the texts have more than {TEXTS_MAX >> 20} MiB together")
        return int(texts.read(self._machine, path, _decoded(data)))


def _may_be_text(path: str, size: int) -> bool:
    return 0 <= size <= TEXT_MAX and len(path) <= _PATH_MAX and _NOT_HERE.fullmatch(path) is None


def _decoded(data: bytes) -> str:
    """Return the text; empty: it has a zero byte, so it is none."""
    return "" if b"\0" in data else data.decode("utf-8", "replace")
