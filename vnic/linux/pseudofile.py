"""What files of /proc and /sys have in common: how Linux reads a number or a mask that is written, and refuses it.

A file of vnic is read with a host, and its text is what the kernel's would be. Writing raises :class:`WriteError` with
the kernel's errno. Where the kernel would have taken the value and this host can't, ``reason`` says why.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError

if TYPE_CHECKING:
    from vnic.host import Host
    from vnic.knobs.live import Settings

Read = Callable[["Host"], str]
Write = Callable[["Host", str], None]


class WriteError(OSError):
    """A write that fails: ``errno`` and ``strerror`` are Linux's, ``reason`` is vnic's own sentence, or empty."""

    def __init__(self, number: int, reason: str = "") -> None:
        super().__init__(number, os.strerror(number))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class File:
    """One file: its text, what a write does (None: read-only), and where the number comes from, for docs/files.md."""

    read: Read
    source: str
    write: Write | None = None


def no_such_file(path: str) -> FileNotFoundError:
    """ENOENT, naming the path."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def put(file: File, host: Host, path: str, text: str) -> None:
    """As ``echo text > path``. OSError: what open() or write() would say; EACCES if it can only be read."""
    if file.write is None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    file.write(host, text)


def change(knobs: Settings, given: dict[str, Any]) -> None:
    """Change knobs for a file. WriteError: with EINVAL, and why vnic can't, though Linux could."""
    try:
        knobs.update(given)
    except ConfigError as e:
        raise WriteError(errno.EINVAL, str(e)) from None


def kstrtoul(text: str, bits: int = 64) -> int:
    """A number as sysfs reads it (lib/kstrtox.c): base by its prefix, one newline at the end, nothing else.

    WriteError: EINVAL, it is none; ERANGE, it has more bits.
    """
    if not re.fullmatch(r"\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\n?", text):
        raise WriteError(errno.EINVAL)
    return number(text.strip("+\n"), bits)


def number(text: str, bits: int) -> int:
    """Digits in C's notation: 0x1f, 017, 15. WriteError: ERANGE, it has more bits."""
    if len(text.lstrip("0xX")) > bits:  # whatever the base; int() refuses thousands of digits in its own way
        raise WriteError(errno.ERANGE)
    n = int(text, 8) if re.fullmatch("0[0-7]+", text) else int(text, 0)
    if n >> bits:
        raise WriteError(errno.ERANGE)
    return n


def cpumap(mask: int, cpus: int) -> str:
    """A mask of CPUs as ``%*pb`` prints it: hexadecimal, as many digits as ``cpus`` need, a comma every 32 bits."""
    chunks = []
    for low in range(0, cpus, 32):
        digits = (min(cpus - low, 32) + 3) // 4
        chunks.append(f"{mask >> low & (1 << 32) - 1:0{digits}x}")
    return ",".join(reversed(chunks))


def parse_cpumap(text: str, cpus: int) -> int:
    """A mask that is written (lib/bitmap-str.c): groups of at most 8 digits, commas or blanks between them.

    It is read from its end; what is no digit ends a group of 8, whatever it is.
    WriteError: EINVAL, it is none; EOVERFLOW, too many digits, groups, or a CPU that is not there.
    """
    mask = 0
    rest = re.sub(r"[\s,]+$", "", text.split("\n", 1)[0])
    for low in range(0, cpus + 32, 32):
        if not rest:
            break
        if low >= cpus:
            raise WriteError(errno.EOVERFLOW)
        group = re.search(r"[^\s,]{1,8}$", rest)[0]  # type: ignore[index]
        if not re.fullmatch("[0-9a-fA-F]+", group):
            raise WriteError(errno.EINVAL)
        mask |= int(group, 16) << low
        rest = rest[: -len(group)]
        if len(group) == 8 and rest:
            if re.fullmatch("[0-9a-fA-F]", rest[-1]):
                raise WriteError(errno.EOVERFLOW)
            rest = rest[:-1]
        rest = re.sub(r"[\s,]+$", "", rest)
    if mask >> cpus:
        raise WriteError(errno.EOVERFLOW)
    return mask


def cpulist(mask: int) -> str:
    """A mask of CPUs as ``%*pbl`` prints it: ``0-3,5``."""
    cpus = [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1]
    firsts = [cpu for cpu in cpus if not mask & 1 << cpu >> 1]
    lasts = [cpu for cpu in cpus if not mask >> cpu + 1 & 1]
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(firsts, lasts, strict=True))


_RANGE = re.compile(r"(all|N|[0-9]+)(?:(?<!all)-(N|[0-9]+))?(?::(N|[0-9]+)/(N|[0-9]+))?", re.IGNORECASE)


def parse_cpulist(text: str, cpus: int) -> int:
    """A list that is written (lib/bitmap-str.c): ``0-3,8``, ``all``, ``N`` (the last), ``0-7:1/2`` (1 of each 2).

    WriteError: EINVAL, it is none; ERANGE, a CPU that is not there; EOVERFLOW, a number over 32 bits.
    """

    def value(digits: str) -> int:
        n = cpus - 1 if digits == "N" else int(digits) if digits.isdecimal() else -1
        if n < 0:
            raise WriteError(errno.EINVAL)
        if n >> 32:
            raise WriteError(errno.EOVERFLOW)
        return n

    mask = 0
    rest = text.split("\n", 1)[0].lstrip(" \t,")
    while rest:
        found = _RANGE.match(rest)
        behind = rest[found.end() :] if found else rest
        if found is None or (behind and not found[4] and behind[0] not in " \t,"):
            raise WriteError(errno.EINVAL)
        whole = found[1].lower() == "all"
        first = 0 if whole else value(found[1])
        last = cpus - 1 if whole else value(found[2] or found[1])
        used, group = (value(found[3]), value(found[4])) if found[3] else (last + 1, last + 1)
        if first > last or not group or used > group:
            raise WriteError(errno.EINVAL)
        if last >= cpus:
            raise WriteError(errno.ERANGE)
        mask |= sum(1 << cpu for cpu in range(first, last + 1) if (cpu - first) % group < used)
        rest = behind.lstrip(" \t,")
    return mask


def table_size(entries: int) -> int:
    """Of a hash table that was asked for with so many: rounded up to a power of two, 0 stays 0."""
    return 1 << (entries - 1).bit_length() if entries else 0
