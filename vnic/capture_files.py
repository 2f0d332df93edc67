"""Which captures a command line means: files, directories, rotating sets, streams; and in which order.

A directory stands for the captures in it, not for those below it: names with .pcap or .cap in them, as rotating tools
and compressors write them (x.pcap0, x.pcap.gz, x_00001_20260101120000.pcapng), and files that begin like a capture,
whatever their name is. They are read in the order of their first packets' times, those without a packet last. So are
the files of a rotating set that stand side by side in an argument list, because a shell sorts x.pcap10 before x.pcap2.
All others are read in the order given.

A member of a directory that is no capture, or that cannot be read, is left out, and a sentence says why. A file
that was named is refused instead, before anything is read.
"""

from __future__ import annotations

import os
import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from vnic.capture_input import STDIN, CaptureInput
from vnic.errors import CaptureError, ConfigError, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vnic.capture_input import Reading

_NAMED = re.compile(r"\.(pcap|pcapng|cap)", re.IGNORECASE)
_MAGICS = tuple(
    bytes.fromhex(magic)
    for magic in (
        *("0a0d0d0a", "a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "a1b2cd34", "34cdb2a1"),
        *("1c0001ac", "ac01001c", "1c0001ab", "ab01001c"),
    )
)
"""First bytes of pcapng, and of pcap's kinds in both byte orders (csrc/wire/pcap.c)."""
_ROTATED = re.compile(
    r"(?P<stem>.+?)"
    r"(?:_\d{5}_\d{14}(?P<shark>\.\w+)"  # dumpcap -b: x_00001_20260101120000.pcapng
    r"|(?P<dump>\.(?:pcap|pcapng|cap|dmp))\d*)"  # tcpdump -C: x.pcap, x.pcap1, x.pcap2
    r"(?P<packed>\.(?:gz|bz2|xz|zst|lz4))?",
    re.IGNORECASE,
)
_STDIN_NAMES = frozenset({STDIN, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
_MEMBERS_MAX = 1 << 20


class Inputs(list[CaptureInput]):
    """Captures in the order in which they are read."""

    def __init__(self, found: Sequence[CaptureInput] = (), left_out: Sequence[str] = ()) -> None:
        super().__init__(found)
        self.left_out = tuple(left_out)
        """A sentence for each member of a directory that is not read."""


def gather(
    paths: Sequence[str | Path | CaptureInput], *, report: bool = False, reading: Reading | None = None
) -> Inputs:
    """Return all inputs, streams read to the end.

    Args:
        paths: files, directories, FIFOs, ``-``.
        report: accept a report as JSON, too.
        reading: called now and then while a stream is read.

    Raises:
        ConfigError: none, or standard input twice.
        CaptureError: a file or a stream is not a capture, or a directory has none.
    """
    if not paths:
        raise ConfigError("no capture file given: name one, or - for standard input")
    if sum(str(p) in _STDIN_NAMES for p in paths) > 1:
        raise ConfigError("standard input (-) can be read only once")
    found: list[CaptureInput] = []
    left_out: list[str] = list(paths.left_out) if isinstance(paths, Inputs) else []
    several = len(paths) > 1
    for _, group in groupby(enumerate(paths), key=_set_of):
        members = [path for _, path in group]
        opened = []
        for path in members:
            if isinstance(path, CaptureInput):
                opened.append(path)
            elif _is_directory(path):
                found += _members(Path(path), left_out, reading)
            else:
                opened.append(CaptureInput(path, report=report, reading=reading, in_turn=several))
        found += _by_time(opened) if len(members) > 1 else opened
    return Inputs(found, left_out)


def _is_directory(path: str | Path) -> bool:
    try:
        return str(path) != STDIN and Path(path).is_dir()
    except (OSError, ValueError):
        return False  # opening it says why


def _set_of(numbered: tuple[int, str | Path | CaptureInput]) -> object:
    """Return a key that the files of a rotating set share, and no others."""
    i, path = numbered
    if isinstance(path, CaptureInput) or (found := _ROTATED.fullmatch(Path(path).name)) is None:
        return i
    return Path(path).parent, found["stem"], found["shark"], found["dump"]


def _by_time(opened: list[CaptureInput]) -> list[CaptureInput]:
    times = [(i.look(), i) for i in opened]
    return [i for _, i in sorted(times, key=lambda x: (x[0] is None, x[0] or 0))]


def _members(folder: Path, left_out: list[str], reading: Reading | None) -> list[CaptureInput]:
    """Return a directory's captures. CaptureError: it has none, or cannot be read."""
    try:
        names = sorted(entry.name for entry in _entries(folder))
    except OSError as e:
        raise CaptureError(f"{folder}: {e.strerror}") from e
    good, bad = [], []
    for name in names:
        path = folder / name
        try:
            if not _may_be_one(path, name):
                continue
            _refuse_fifo(path)
            opened = CaptureInput(path, reading=reading, in_turn=True)
            good.append((opened.look(), opened))
        except CaptureError as e:
            bad.append(f"{e}: left out")
    if not good:
        why = f" ({said(bad[0])}{', and others' * (len(bad) > 1)})" if bad else ""
        raise CaptureError(f"{folder}: a directory without a capture{why}: name one that has *.pcap* files in it")
    left_out += bad
    good.sort(key=lambda x: (x[0] is None, x[0] or 0))  # stable: equal times stay in the order of names
    return [opened for _, opened in good]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for n, entry in enumerate(entries):
            if n == _MEMBERS_MAX:
                raise CaptureError(f"{folder}: more than {_MEMBERS_MAX:,} files: name those to read")
            if not entry.name.startswith(".") and not entry.is_dir():
                yield entry


def _refuse_fifo(path: Path) -> None:
    if path.is_fifo():
        raise CaptureError(f"{path}: a FIFO, and not a regular file")


def _may_be_one(path: Path, name: str) -> bool:
    if _NAMED.search(name):
        return True
    if not path.is_file():  # a FIFO, a socket, a device, a dangling link: not by such a name
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) in _MAGICS
    except OSError:
        return False
