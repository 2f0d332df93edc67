"""Control messages, and errors as recvmsg(2) gives them: what a socket asked to be told of a datagram.

Linux: net/ipv4/ip_sockglue.c ip_cmsg_recv(), ip_recv_error(); net/ipv6/datagram.c.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass
from typing import Any

from vnic._core import ffi, lib
from vnic.address import inet_text

Cmsg = tuple[int, int, bytes]
"""Level, type, data: an item of socket.recvmsg()'s ancdata."""

MSG_ERRQUEUE = 0x2000
IP_RECVERR, IPV6_RECVERR = 11, 25
_ORIGIN_LOCAL = 1  # SO_EE_ORIGIN_LOCAL
_IP_TOS, _IP_TTL, _IP_PKTINFO, _IPV6_PKTINFO, _IPV6_HOPLIMIT, _IPV6_TCLASS, _UDP_GRO = 1, 2, 8, 50, 52, 67, 104

# What a socket asks for: bits of inet_sock.cmsgs
PKTINFO, TTL, TOS, PKTINFO6, HOPLIMIT, TCLASS = 1, 2, 4, 8, 16, 32


@dataclass(frozen=True, slots=True)
class SocketError:
    """An error of a socket's error queue (IP_RECVERR): struct sock_extended_err, and the addresses that go with it."""

    errno: int
    """As ``ECONNREFUSED`` of the module errno."""
    origin: int
    """SO_EE_ORIGIN_LOCAL (1), _ICMP (2) or _ICMP6 (3)."""
    type: int
    """ICMP's type; 0 of a local error."""
    code: int
    """ICMP's code."""
    info: int
    """EMSGSIZE: the path MTU, bytes; EPROTO: ICMP's pointer to the fault."""
    offender: str | None
    """Who sent the message; None: it is a local error."""
    data: bytes
    """What the message quotes of the datagram."""
    destination: tuple[str, int]
    """Where the datagram went."""


def is_v4(sock: Any) -> bool:
    """Is the socket one of IPv4 only, as those bound to an address of IPv4? ``sock``: the struct."""
    return not sock.any and bool(lib.inet_addr_is4(ffi.addressof(sock.laddr)))


def datagram(sock: Any, asked: int, f: Any, gro: int) -> list[Cmsg]:
    """Return the control messages of a datagram, in Linux's order; ``asked``: bits; ``f``: a struct sock_from."""
    found: list[Cmsg] = []
    v4 = bool(lib.inet_addr_is4(ffi.addressof(f.addr)))
    if gro:
        found.append((socket.IPPROTO_UDP, _UDP_GRO, struct.pack("i", gro)))
    if asked & PKTINFO6 and not is_v4(sock):
        found.append((socket.IPPROTO_IPV6, _IPV6_PKTINFO, _packed6(f.dst) + struct.pack("i", 1)))
    if v4 and asked & PKTINFO:
        info = struct.pack("i4s4s", 1, _packed4(f.spec_dst), _packed4(f.dst))
        found.append((socket.IPPROTO_IP, _IP_PKTINFO, info))
    if v4 and asked & TTL:
        found.append((socket.IPPROTO_IP, _IP_TTL, struct.pack("i", f.ttl)))
    if v4 and asked & TOS:
        found.append((socket.IPPROTO_IP, _IP_TOS, bytes((f.tos,))))
    if not v4 and asked & HOPLIMIT:
        found.append((socket.IPPROTO_IPV6, _IPV6_HOPLIMIT, struct.pack("i", f.ttl)))
    if not v4 and asked & TCLASS:
        found.append((socket.IPPROTO_IPV6, _IPV6_TCLASS, struct.pack("i", f.tos)))
    return found


def _packed4(addr: Any) -> bytes:
    return ipaddress.IPv4Address(inet_text(addr)).packed


def _packed6(addr: Any) -> bytes:
    """The address; one of IPv4 mapped into IPv6."""
    return struct.pack("!QQ", addr.hi, addr.lo)


def error(e: Any, data: bytes) -> SocketError:
    """Return a struct sock_exterr as what it means."""
    return SocketError(
        errno=int(e.err),
        origin=int(e.origin),
        type=int(e.type),
        code=int(e.code),
        info=int(e.info),
        offender=None if e.origin == _ORIGIN_LOCAL else inet_text(e.header.addr),
        data=data,
        destination=(inet_text(e.dst), int(e.port)),
    )


def of_error(sock: Any, asked: int, e: Any) -> list[Cmsg]:
    """Return the control messages of an error: what was asked of the message that told of it, and :func:`extended`."""
    told = [] if e.origin == _ORIGIN_LOCAL else datagram(sock, asked, e.header, 0)
    return [*told, extended(sock, e)]


def extended(sock: Any, e: Any) -> Cmsg:
    """Return IP_RECVERR or IPV6_RECVERR: a struct sock_extended_err and the offender's address."""
    offender_ = e.header.addr
    head = struct.pack("=IBBBBII", e.err, e.origin, e.type, e.code, 0, e.info, 0)
    local = e.origin == _ORIGIN_LOCAL
    if is_v4(sock):
        offender = bytes(16) if local else struct.pack("=HH4s8x", socket.AF_INET, 0, _packed4(offender_))
        return socket.IPPROTO_IP, IP_RECVERR, head + offender
    offender = bytes(28) if local else struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, _packed6(offender_), 0)
    return socket.IPPROTO_IPV6, IPV6_RECVERR, head + offender


def fitting(messages: list[Cmsg], room: int) -> tuple[list[Cmsg], int]:
    """Return those that a buffer of ``room`` bytes takes, and MSG_CTRUNC if one is cut or left out."""
    kept: list[Cmsg] = []
    for level, kind, data in messages:
        space = socket.CMSG_LEN(len(data))
        if room < space:
            if room > socket.CMSG_LEN(0):
                kept.append((level, kind, data[: room - socket.CMSG_LEN(0)]))
            return kept, socket.MSG_CTRUNC
        kept.append((level, kind, data))
        room = max(room - socket.CMSG_SPACE(len(data)), 0)
    return kept, 0
