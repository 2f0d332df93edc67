"""The common ground of files in /proc and /sys: parse written numbers and masks as Linux does, and refuse as it does.

Reading a file of a host returns the kernel's text for it. A failed write raises :class:`WriteError` with the kernel's
errno. If the kernel would accept the value and this host cannot, ``reason`` says why.
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
    from collections.abc import Mapping

    from vnic.host import Host
    from vnic.knobs.settings import Settings

Read = Callable[["Host"], str]
Write = Callable[["Host", str], None]


class WriteError(OSError):
    """A write that fails: ``errno`` and ``strerror`` are Linux's, ``reason`` is vnic's own sentence, or empty."""

    def __init__(self, number: int, reason: str = "") -> None:
        super().__init__(number, os.strerror(number))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class File:
    """One file: functions that read and write it (None: read-only), and the source of its number for docs/files.md."""

    read: Read
    source: str
    write: Write | None = None


def no_such_file(path: str) -> FileNotFoundError:
    """Return ENOENT with the path."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def get(tree: Mapping[str, File], host: Host, path: str) -> str:
    """Return a file's text. FileNotFoundError: the file does not exist."""
    if path not in tree:
        raise no_such_file(path)
    return tree[path].read(host)


def put(tree: Mapping[str, File], host: Host, path: str, text: str) -> None:
    """Write as ``echo text > path`` does. OSError: the errno of open() or write(); EACCES for a read-only file."""
    if path not in tree:
        raise no_such_file(path)
    file = tree[path]
    if file.write is None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    file.write(host, text)


def change(knobs: Settings, given: dict[str, Any]) -> None:
    """Change knobs for a file. WriteError: EINVAL, and why vnic cannot take a value that Linux could."""
    try:
        knobs.update(given)
    except ConfigError as e:
        raise WriteError(errno.EINVAL, str(e)) from None


def kstrtoul(text: str, bits: int = 64) -> int:
    """Parse a number as sysfs does (lib/kstrtox.c): base by prefix, at most one newline at the end.

    WriteError: EINVAL, not a number; ERANGE, too many bits.
    """
    if not re.fullmatch(r"\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\n?", text):
        raise WriteError(errno.EINVAL)
    return number(text.strip("+\n"), bits)


def number(text: str, bits: int) -> int:
    """Parse digits in C's notation: 0x1f, 017, 15. WriteError: ERANGE, too many bits."""
    if len(text.lstrip("0xX")) > bits:  # too long in any base; int() would raise another error for thousands of digits
        raise WriteError(errno.ERANGE)
    n = int(text, 8) if re.fullmatch("0[0-7]+", text) else int(text, 0)
    if n >> bits:
        raise WriteError(errno.ERANGE)
    return n


def cpumap(mask: int, cpus: int) -> str:
    """Format a mask of CPUs as ``%*pb`` does: hexadecimal, enough digits for ``cpus``, a comma every 32 bits."""
    chunks = []
    for low in range(0, cpus, 32):
        digits = (min(cpus - low, 32) + 3) // 4
        chunks.append(f"{mask >> low & (1 << 32) - 1:0{digits}x}")
    return ",".join(reversed(chunks))


def parse_cpumap(text: str, cpus: int) -> int:
    """Parse a written mask (lib/bitmap-str.c): groups of at most 8 digits, separated by commas or blanks.

    Parsing starts at the end; any character that is not a digit ends a group of 8.
    WriteError: EINVAL, not a mask; EOVERFLOW, too many digits or groups, or a CPU that does not exist.
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
    """Format a mask of CPUs as ``%*pbl`` does: ``0-3,5``."""
    cpus = [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1]
    firsts = [cpu for cpu in cpus if not mask & 1 << cpu >> 1]
    lasts = [cpu for cpu in cpus if not mask >> cpu + 1 & 1]
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(firsts, lasts, strict=True))


_RANGE = re.compile(r"(all|N|[0-9]+)(?:(?<!all)-(N|[0-9]+))?(?::(N|[0-9]+)/(N|[0-9]+))?", re.IGNORECASE)


def parse_cpulist(text: str, cpus: int) -> int:
    """Parse a written list (lib/bitmap-str.c): ``0-3,8``, ``all``, ``N`` (the last), ``0-7:1/2`` (1 of each 2).

    WriteError: EINVAL, not a list; ERANGE, a CPU that does not exist; EOVERFLOW, a number over 32 bits.
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
    """Return the size of a hash table for ``entries``: rounded up to a power of two; 0 stays 0."""
    return 1 << (entries - 1).bit_length() if entries else 0
