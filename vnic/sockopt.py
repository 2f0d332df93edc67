"""setsockopt(2) and getsockopt(2) of the host's sockets: SO_RCVBUF up to net.core.rmem_max, SO_MEMINFO, UDP_GRO.

The other options are in :mod:`vnic.inet_options`.
Linux: net/core/sock.c __sock_set_rcvbuf(): the buffer is twice the value asked for, because it counts truesize;
sk_get_meminfo().
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from dataclasses import dataclass
from typing import Any

from vnic import cmsg, inet_options, multicast
from vnic._core import lib
from vnic.errors import HostError, refused

RCVBUF_MIN = 2304
"""SOCK_MIN_RCVBUF: of 2048 bytes and a struct sk_buff."""
SO_RCVBUFFORCE = 33
SO_MEMINFO = 55
_UDP_GRO = 104
_INT_MAX = (1 << 31) - 1
_LEVELS = (socket.SOL_SOCKET, socket.IPPROTO_IP, socket.IPPROTO_UDP, socket.IPPROTO_UDPLITE)
_DATAGRAMS = (int(lib.SOCK_UDP), int(lib.SOCK_UDPLITE))


@dataclass(frozen=True, slots=True)
class MemInfo:
    """A socket's memory: the numbers of SO_MEMINFO (Linux: SK_MEMINFO_*), bytes except ``drops``; and the pool's."""

    rmem_alloc: int
    """What the queue is charged: truesize, also of datagrams that were read and are not given back yet."""
    rcvbuf: int
    wmem_alloc: int
    """0, as are ``sndbuf``, ``wmem_queued``, ``optmem`` and ``backlog``: a host has them not."""
    sndbuf: int
    fwd_alloc: int
    """Bytes of the socket's pages that no datagram uses."""
    wmem_queued: int
    optmem: int
    backlog: int
    drops: int
    """Packets dropped."""
    pool_bytes: int
    """Bytes of the receive pool's buffers that the queue holds. Linux has no such number."""

    def packed(self) -> bytes:
        """Return what getsockopt(2) gives: nine words of 32 bits."""
        words = (self.rmem_alloc, self.rcvbuf, self.wmem_alloc, self.sndbuf, self.fwd_alloc, self.wmem_queued,
                 self.optmem, self.backlog, self.drops)  # fmt: skip
        return struct.pack("9I", *(w & 0xFFFFFFFF for w in words))


def rmem_alloc(sock: Any) -> int:
    """Return the truesize that a socket is charged; ``sock`` is the struct. A stream's early segments count."""
    return int(sock.rmem_alloc + sock.ofo_truesize)


def meminfo(host: Any, sock: Any) -> MemInfo:
    """Return a socket's memory; ``host``, ``sock``: the structs."""
    return MemInfo(
        rmem_alloc=rmem_alloc(sock),
        rcvbuf=int(sock.rcvbuf),
        wmem_alloc=0,
        sndbuf=0,
        fwd_alloc=max(int(sock.mem) - int(sock.rmem_alloc), 0),
        wmem_queued=0,
        optmem=0,
        backlog=0,
        drops=int(sock.drops),
        pool_bytes=int(lib.sock_pool_bytes(host, sock)),
    )


def _no_such_option(call: str) -> HostError:
    return refused(errno.ENOPROTOOPT, call)


def set_(host: Any, sock: Any, level: int, name: int, value: int | bytes) -> None:
    """Set an option; ``host``, ``sock``: the structs. HostError: ENOPROTOOPT, no such option; EINVAL, not an int."""
    if multicast.has(sock, level, name):
        multicast.set_(host, sock, level, name, value)
        return
    if not isinstance(value, int):
        value = int.from_bytes(value[:4], sys.byteorder, signed=True) if len(value) >= 4 else _INT_MAX + 1
    if not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise refused(errno.EINVAL, "setsockopt")
    if level == socket.SOL_SOCKET and name == socket.SO_RCVBUF:
        value = min(value & 0xFFFFFFFF, int(host.rmem_max))
    elif level == socket.SOL_SOCKET and name == SO_RCVBUFFORCE:
        value = max(value, 0)
    elif level == socket.IPPROTO_UDP and name == _UDP_GRO and sock.type == lib.SOCK_UDP:
        lib.sock_set_udp_gro(host, sock, bool(value))
        return
    elif sock.type in _DATAGRAMS and inet_options.set_(host, sock, level, name, value):
        return
    else:
        raise _no_such_option("setsockopt")
    sock.rcvbuf = max(min(value, _INT_MAX // 2) * 2, RCVBUF_MIN)


def get(host: Any, sock: Any, level: int, name: int) -> bytes:
    """Return an option's value as the kernel writes it; ``host``, ``sock``: the structs. HostError: ENOPROTOOPT."""
    if level == socket.SOL_SOCKET and name == SO_MEMINFO:
        return meminfo(host, sock).packed()
    if level == socket.SOL_SOCKET and name in (socket.SO_RCVBUF, SO_RCVBUFFORCE):
        return struct.pack("i", sock.rcvbuf)
    if level == socket.IPPROTO_UDP and name == _UDP_GRO and sock.type == lib.SOCK_UDP:
        return struct.pack("i", sock.udp_gro)
    if (on := multicast.get(sock, level, name)) is not None:
        return struct.pack("i", on)
    value = inet_options.get(host, sock, level, name) if sock.type in _DATAGRAMS else None
    if value is not None:
        return struct.pack("i", value)
    if sock.type in _DATAGRAMS and cmsg.is_v4(sock) and level not in _LEVELS:
        raise refused(errno.EOPNOTSUPP, "getsockopt")
    raise _no_such_option("getsockopt")
