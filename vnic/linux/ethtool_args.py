"""Read ethtool's arguments and word its refusals, for all its options; facts are from ethtool 6.1.

As in the real tool there are two dialects. -g -G -l -L -c -C -k -K use netlink: errors are ``netlink error: ...``, with
the offset of the wrong attribute in the request. -i -x -X -n -N -S -Q use ioctls: errors are perror()'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnic.control.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from vnic.errors import VnicError
    from vnic.host import Host

BAD_ARGS = Reply(err="ethtool: bad command line argument(s)\nFor more information run ethtool -h\n", code=1)
EINVAL = "Invalid argument"
EOPNOTSUPP = "Operation not supported"
ENODEV = "No such device"

_ATTR = 8  # bytes of an attribute with one number
_HEADER = 28  # bytes before the device's name: nlmsghdr, genlmsghdr, the nest, the attribute's own header


class RefusedError(Exception):
    """A command ends here, with this answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.err)
        self.reply = reply


def bad_args() -> RefusedError:
    """Return the old parser's answer to any mistake."""
    return RefusedError(BAD_ARGS)


def ioctl_error(doing: str, why: str, code: int = 1) -> RefusedError:
    """Return an error in perror()'s format."""
    return RefusedError(Reply(err=f"{doing}: {why}\n", code=code))


def netlink_error(message: str, errno: str = EINVAL, *, code: int = 1, offset: int | None = None) -> RefusedError:
    """Return a netlink error: the kernel's message, if any, then the errno's text."""
    at = "" if offset is None else f" (offset {offset})"
    first = f"netlink error: {message}{at}\n" if message else ""
    return RefusedError(Reply(err=f"{first}netlink error: {errno}\n", code=code))


def netlink_refusal(e: VnicError, *, code: int = 1) -> RefusedError:
    """Return a knob's error as a driver's message, with EOPNOTSUPP if the knob is fixed."""
    text = str(e)
    if text.endswith(EOPNOTSUPP) or "cannot be changed now" in text:
        return netlink_error(text.removesuffix(f": {EOPNOTSUPP}"), EOPNOTSUPP, code=code)
    return netlink_error(text, code=code)


def aligned(length: int) -> int:
    """Return the length of an attribute's value with netlink's padding."""
    return (length + 3) & ~3


def first_offset(dev: str) -> int:
    """Return the offset of the first attribute after the device's name."""
    return _HEADER + aligned(len(dev.encode()) + 1)


def need_device(host: Host, dev: str, *, code: int = 1) -> None:
    """Refuse a name that is not the card's, as netlink does."""
    if dev != host.name:
        raise netlink_error("no device matches name", ENODEV, code=code, offset=24)


def need_ioctl_device(host: Host, dev: str, doing: str, *, code: int = 1) -> None:
    """Refuse a name that is not the card's, as an ioctl does."""
    if dev != host.name:
        raise ioctl_error(doing, ENODEV, code)


def no_more(args: Sequence[str]) -> None:
    """Refuse arguments after the device of a netlink command that only shows something."""
    if args:
        raise RefusedError(Reply(err=f"ethtool: unexpected parameter '{args[0]}'\n", code=1))


def u32(text: str) -> int | None:
    """Parse a number below 2^32, decimal or with 0x; a leading 0 is not octal. None: not such a number."""
    match = re.fullmatch(r"\s*\+?(0[xX][0-9a-fA-F]+|[0-9]+)", text)
    if match is None:
        return None
    try:
        n = int(match[1], 16 if match[1][:2] in ("0x", "0X") else 10)
    except ValueError:  # thousands of digits
        return None
    return n if n < 1 << 32 else None


def c_int(text: str, low: int, high: int) -> int:
    """Parse a number as strtoll() does, with a leading 0 octal. RefusedError: not such a number."""
    match = re.fullmatch(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)", text)
    if match is None:
        raise bad_args()
    digits = match[2]
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
    try:
        n = int(digits, base) * (-1 if match[1] == "-" else 1)
    except ValueError:
        raise bad_args() from None
    if not low <= n <= high:
        raise bad_args()
    return n


@dataclass(frozen=True, slots=True)
class Given:
    """One parameter of a netlink command."""

    value: int | bool
    offset: int
    """Offset of its attribute in the request."""


def _refused(option: str, what: str) -> RefusedError:
    return RefusedError(Reply(err=f"ethtool ({option}): {what}\n", code=1))


def _pairs(option: str, args: Sequence[str], known: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield each ``name value`` pair. RefusedError: a name is unknown, comes twice, or has no value."""
    seen = set()
    for i in range(0, len(args), 2):
        name = args[i]
        if name not in known:
            raise _refused(option, f"unknown parameter '{name}'")
        if name in seen:
            raise _refused(option, f"duplicate parameter '{name}'")
        if i + 1 == len(args):
            raise _refused(option, f"no value for parameter '{name}'")
        seen.add(name)
        yield name, args[i + 1]


def parameters(option: str, dev: str, args: Sequence[str], kinds: Mapping[str, type]) -> dict[str, Given]:
    """Parse ``name value`` pairs; ``kinds``: name -> int or bool (on, off). RefusedError: a pair is wrong."""
    given: dict[str, Given] = {}
    offset = first_offset(dev)
    for name, text in _pairs(option, args, kinds):
        value = {"on": True, "off": False}.get(text) if kinds[name] is bool else u32(text)
        if value is None:
            raise _refused(option, f"invalid value '{text}' for parameter '{name}'")
        given[name] = Given(value, offset)
        offset += _ATTR
    return given


def link_words(
    option: str, args: Sequence[str], words: Mapping[str, tuple[str, ...] | None], numbers: Iterable[str] = ()
) -> dict[str, str]:
    """Parse ``name value`` pairs as text; ``words``: name -> allowed values, None: any."""
    given: dict[str, str] = {}
    for name, text in _pairs(option, args, words):
        allowed = words[name]
        if (allowed is not None and text not in allowed) or (name in numbers and u32(text) is None):
            raise _refused(option, f"invalid value '{text}' for parameter '{name}'")
        given[name] = text
    return given
