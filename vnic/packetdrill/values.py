"""Names that scripts use for numbers, and expressions as numbers, bytes and addresses."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
from typing import TYPE_CHECKING

from vnic.packetdrill import script as s
from vnic.packetdrill.script import ScriptError
from vnic.packetdrill.text import expression_text

if TYPE_CHECKING:
    from vnic.packetdrill.script import Expression

_OF_SOCKET = ("AF_", "SOCK_", "SOL_", "IPPROTO_", "SO_", "TCP_", "MSG_", "SHUT_", "IP_", "IPV6_")
SIOCINQ, SIOCOUTQ = 0x541B, 0x5411
TCP_INQ = TCP_CM_INQ = 36
MSG_MORE = 0x8000
NAMES: dict[str, int] = {
    **{n: int(getattr(socket, n)) for n in dir(socket) if n.startswith(_OF_SOCKET)},
    **{n: int(getattr(select, n)) for n in dir(select) if n.startswith("POLL")},
    **{n: int(getattr(os, n)) for n in dir(os) if n.startswith("O_")},
    **{n: int(getattr(fcntl, n)) for n in ("F_GETFL", "F_SETFL")},
    **{name: number for number, name in errno.errorcode.items()},
    "IP_MTU_DISCOVER": 10,
    "IP_PMTUDISC_DONT": 0,
    "IP_PMTUDISC_WANT": 1,
    "IP_PMTUDISC_DO": 2,
    "SOL_TCP": socket.IPPROTO_TCP,
    "SOL_IP": socket.IPPROTO_IP,
    "SOL_IPV6": socket.IPPROTO_IPV6,
    "SIOCINQ": SIOCINQ,
    "SIOCOUTQ": SIOCOUTQ,
    "FIONREAD": SIOCINQ,
    "TCP_INQ": TCP_INQ,
    "TCP_CM_INQ": TCP_CM_INQ,
    "TCP_USER_TIMEOUT": 18,
    "TCP_CONGESTION": 13,
    "TCP_CORK": 3,
    "TCP_LINGER2": 8,
    "TCP_DEFER_ACCEPT": 9,
    "TCP_WINDOW_CLAMP": 10,
    "TCP_QUICKACK": 12,
    "TCP_NOTSENT_LOWAT": 25,
    "SO_ZEROCOPY": 60,
    "SO_MAX_PACING_RATE": 47,
    "MSG_MORE": MSG_MORE,
    "MSG_ZEROCOPY": 0x4000000,
    "MSG_FASTOPEN": 0x20000000,
    "NULL": 0,
}


def number(e: Expression, line: int) -> int:
    """Return an expression as a number. ScriptError: it is none, or a name that vnic does not know."""
    if isinstance(e, s.Number):
        return e.value
    if isinstance(e, s.Word):
        if e.name not in NAMES:
            raise ScriptError(line, 0, f"vnic does not know the name {e.name}")
        return NAMES[e.name]
    if isinstance(e, s.Or):
        return number(e.left, line) | number(e.right, line)
    if isinstance(e, s.Call) and e.name in ("htons", "htonl", "inet_addr") and len(e.arguments) == 1:
        return 0 if e.name == "inet_addr" else number(e.arguments[0], line)
    raise ScriptError(line, 0, f"expected a number, found {expression_text(e)}")


def members(e: Expression, line: int) -> dict[str, Expression]:
    """Return the members of ``{name=value, ...}``; of ``name(n)=value`` by the name."""
    if not isinstance(e, s.Struct):
        raise ScriptError(line, 0, f"expected {{name=value, ...}}, found {expression_text(e)}")
    found: dict[str, Expression] = {}
    for item in e.items:
        if not isinstance(item, s.Assign):
            raise ScriptError(line, 0, f"expected name=value, found {expression_text(item)}")
        found[item.target.name] = item.value
    return found


def items(e: Expression, line: int) -> tuple[Expression, ...]:
    """Return the items of ``[a, b]``."""
    if not isinstance(e, s.Array):
        raise ScriptError(line, 0, f"expected [...], found {expression_text(e)}")
    return e.items


def option_value(e: Expression, line: int) -> bytes:
    """Return the bytes of a socket option's value: ``[1]``, ``"cubic"``, ``{onoff=1, linger=0}``."""
    if isinstance(e, s.String):
        return unescaped(e.text)
    if isinstance(e, s.Array) and len(e.items) == 1 and isinstance(e.items[0], s.Struct):
        e = e.items[0]
    if isinstance(e, s.Struct):
        of = members(e, line)
        if set(of) != {"onoff", "linger"}:
            raise ScriptError(line, 0, "vnic knows only {onoff=..., linger=...} as a struct of an option")
        return struct.pack("ii", _int32(of["onoff"], line), _int32(of["linger"], line))
    if isinstance(e, s.Array):
        return b"".join(struct.pack("i", _int32(item, line)) for item in e.items)
    return struct.pack("i", _int32(e, line))


def _int32(e: Expression, line: int) -> int:
    value = number(e, line) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def unescaped(text: str) -> bytes:
    """Return the bytes of a text in quotes."""
    escapes = {"n": "\n", "t": "\t", "0": "\0"}
    out, at = [], 0
    while at < len(text):
        escaped = text[at] == "\\" and at + 1 < len(text)
        at += escaped
        out.append(escapes.get(text[at], text[at]) if escaped else text[at])
        at += 1
    return "".join(out).encode("utf-8", "surrogatepass")


def address(e: Expression, line: int) -> tuple[str | None, int | None]:
    """Return address and port of a sockaddr; None: the script leaves it open, ``...``."""
    if isinstance(e, s.Any_):
        return None, None
    of = members(e, line)
    port = next((v for name, v in of.items() if name.endswith("_port")), None)
    addr = next((v for name, v in of.items() if name.endswith("_addr")), None)
    text = None
    if isinstance(addr, s.Call) and len(addr.arguments) == 1 and isinstance(addr.arguments[0], s.String):
        text = addr.arguments[0].text
    return text, None if port is None else number(port, line)
