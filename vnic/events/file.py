r"""All of a run's log in one file, and back: what it was, the records, the flows, and a checksum.

    magic       8 bytes, \x89 v n i c E V \n
    sizes       <IIQQQ: the format's version, bytes of the header, records, bytes of the flows, bytes of the file
    header      JSON: vnic's version, the record's columns, names behind its numbers, records that are missing, facts of
                the run (its config, input and counts, as in a report); spaces up to a multiple of 8
    records     struct event_record (csrc/lib/lib.h), in the order of time
    flows       a line of text for each, number 1 first
    checksum    BLAKE2b of all before it, 16 bytes

A reader trusts none of it. It reads the file once, into memory of its own, so that no other process changes what it has
checked; and csrc/events/event_check.c looks at each number that an index or a name is made from.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, BinaryIO

from vnic._core import ffi, lib
from vnic.counters.gro import GRO_ENDS
from vnic.counters.snapshots import FATES
from vnic.errors import CaptureError, said
from vnic.events.events import Events
from vnic.events.kinds import HARDIRQS, KINDS
from vnic.events.rows import room
from vnic.own_paths import instead_of, open_regular

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"\x89vnicEV\n"
VERSION = 1
_SIZES = struct.Struct("<IIQQQ")
_FRONT = len(MAGIC) + _SIZES.size
_DIGEST = 16
_HEADER_MAX = 1 << 26
_FLOW_MAX = 120
_FLOWS = re.compile(rf"(?:[\x20-\x7e]{{1,{_FLOW_MAX}}}\n)*", re.ASCII)
_ROW = int(ffi.sizeof("struct event_record"))
_PIECE = 1 << 24
_NAMES = {"kinds": KINDS, "fates": FATES, "hardirqs": HARDIRQS, "gro_ends": GRO_ENDS}


def _names() -> dict[str, list[Any]]:
    """Return what the numbers of a record mean to this version of vnic."""
    return {name: list(names) for name, names in _NAMES.items()} | {"columns": [list(c) for c in Events.columns]}


def is_event_file(path: str | Path) -> bool:
    """Does this file begin like one? False also if it cannot be read."""
    try:
        fd = open_regular(path)
    except OSError:
        return False
    with os.fdopen(fd, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


class _Sum:
    """A file, and the checksum of what went through."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash = file, hashlib.blake2b(digest_size=_DIGEST)

    def write(self, data: bytes | memoryview) -> None:
        for at in range(0, len(data), _PIECE):
            self._hash.update(data[at : at + _PIECE])
            self._file.write(data[at : at + _PIECE])

    def read(self, n: int) -> bytes:
        data = self._file.read(n)
        self._hash.update(data)
        return data

    def read_into(self, to: memoryview) -> int:
        done = 0
        while done < len(to):
            piece = to[done : done + _PIECE]
            n = self._file.readinto(piece)  # type: ignore[attr-defined]
            self._hash.update(piece[:n])
            done += n
            if not n:
                break
        return done

    @property
    def digest(self) -> bytes:
        return self._hash.digest()


def write(events: Events, file: BinaryIO) -> None:
    """Write it all to an open file."""
    head = {"vnic": version("vnic"), "names": _names(), "missed": events.missed, "facts": events.facts}
    header = json.dumps(head, default=str).encode()
    header += b" " * (-(_FRONT + len(header)) % 8)
    flows = "".join(f"{text}\n" for text in events.flows[1:]).encode()
    size = _FRONT + len(header) + len(events.data) + len(flows) + _DIGEST
    out = _Sum(file)
    out.write(MAGIC + _SIZES.pack(VERSION, len(header), len(events), len(flows), size))
    out.write(header)
    out.write(events.data)
    out.write(flows)
    file.write(out.digest)


def save(events: Events, path: str | Path) -> None:
    """Write an event file. OSError: it cannot be written; no part of it has the name."""
    with instead_of(path) as file:
        write(events, file)


def load(path: str | Path) -> Events:
    """Read an event file.

    Raises:
        CaptureError: it is not one; another version of vnic wrote it; it was cut short, or edited.
        OSError: it cannot be read.
        MemoryError: there is no memory for its records.
    """
    with os.fdopen(open_regular(path), "rb", buffering=0) as file:
        try:
            return _load(_Sum(file), os.fstat(file.fileno()).st_size)
        except _BadFileError as e:
            raise CaptureError(f"{said(path)}: {e}") from None


class _BadFileError(Exception):
    """The second half of a sentence about the file."""


def _load(file: _Sum, size: int) -> Events:
    n, flows_size, head = _begin(file, size)
    at, keep = room("event_record", n)
    if file.read_into(memoryview(ffi.buffer(at, n * _ROW))) != n * _ROW:
        raise _BadFileError("the file was cut short while vnic read it")
    texts = file.read(flows_size)
    digest = file.digest
    if file.read(_DIGEST) != digest:
        raise _BadFileError("the checksum is wrong: the file was damaged or edited, so record the run again")
    text = texts.decode("ascii", "replace")
    if not _FLOWS.fullmatch(text):
        raise _BadFileError("its table of flows is not one that vnic writes")
    flows = ["", *text.split("\n")[:-1]]
    limits = ffi.new("struct event_limits *", (len(flows) - 1, len(HARDIRQS), len(GRO_ENDS)))
    bad = lib.events_check(at, n, limits)
    if bad != n:
        raise _BadFileError(f"record {bad} is not one that vnic writes")
    return Events(at, n, keep, flows=flows, missed=head["missed"], facts=head["facts"])


def _begin(file: _Sum, size: int) -> tuple[int, int, dict[str, Any]]:
    """Read what stands before the records. Return: records, bytes of the flows, header."""
    front = file.read(_FRONT)
    if front[: len(MAGIC)] != MAGIC[: len(front)] or not front:
        raise _BadFileError("is not an event file of vnic")
    if len(front) < _FRONT:
        raise _BadFileError("the file was cut short: it ends in its first bytes")
    form, header_size, n, flows_size, whole = _SIZES.unpack_from(front, len(MAGIC))
    if form != VERSION:
        raise _BadFileError(f"is an event file of version {form}, and this vnic reads version {VERSION}")
    if size < whole:
        raise _BadFileError(f"the file was cut short: {size:,} of {whole:,} bytes are there")
    if header_size > _HEADER_MAX or size != whole or _FRONT + header_size + n * _ROW + flows_size + _DIGEST != whole:
        raise _BadFileError("the sizes in its first bytes do not fit: the file was damaged or edited")
    return n, flows_size, _header(file.read(header_size))


def _header(data: bytes) -> dict[str, Any]:
    try:
        head = json.loads(data)
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or not isinstance(head.get("facts"), dict):
        raise _BadFileError("its header is not one that vnic writes: the file was damaged or edited")
    if head.get("names") != _names():
        other = said(head.get("vnic"))
        raise _BadFileError(f"vnic {other} wrote it, with other kinds of records: record the run again")
    missed = head.get("missed")
    if not isinstance(missed, int) or isinstance(missed, bool) or not 0 <= missed < 1 << 63:
        raise _BadFileError("its header is not one that vnic writes: the file was damaged or edited")
    return head
