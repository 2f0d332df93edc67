"""setsockopt(2) and getsockopt(2) of the emulated host's sockets: SO_RCVBUF up to net.core.rmem_max, UDP_GRO.

Linux: net/core/sock.c __sock_set_rcvbuf(): the buffer is twice the value asked for, because it counts truesize.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

from vnic._core import lib
from vnic.errors import HostError, refused

RCVBUF_MIN = 2304
"""SOCK_MIN_RCVBUF: of 2048 bytes and a struct sk_buff."""
_RCVBUFFORCE = 33
_UDP_GRO = 104
_INT_MAX = (1 << 31) - 1


def _no_such_option(call: str) -> HostError:
    return refused(errno.ENOPROTOOPT, call)


def set_(host: Any, sock: Any, level: int, name: int, value: int) -> None:
    """Set an option; ``host``, ``sock``: the structs. HostError: ENOPROTOOPT, no such option; EINVAL, not an int."""
    if not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise refused(errno.EINVAL, "setsockopt")
    if level == socket.SOL_SOCKET and name == socket.SO_RCVBUF:
        value = min(value & 0xFFFFFFFF, int(host.rmem_max))
    elif level == socket.SOL_SOCKET and name == _RCVBUFFORCE:
        value = max(value, 0)
    elif level == socket.IPPROTO_UDP and name == _UDP_GRO and sock.type == lib.SOCK_UDP:
        lib.sock_set_udp_gro(host, sock, bool(value))
        return
    else:
        raise _no_such_option("setsockopt")
    sock.rcvbuf = max(min(value, _INT_MAX // 2) * 2, RCVBUF_MIN)


def get(sock: Any, level: int, name: int) -> int:
    """Return an option's value; ``sock`` is the struct. HostError: ENOPROTOOPT."""
    if level == socket.SOL_SOCKET and name in (socket.SO_RCVBUF, _RCVBUFFORCE):
        return int(sock.rcvbuf)
    if level == socket.IPPROTO_UDP and name == _UDP_GRO and sock.type == lib.SOCK_UDP:
        return int(sock.udp_gro)
    raise _no_such_option("getsockopt")
