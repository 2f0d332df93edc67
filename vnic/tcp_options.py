"""Options of TCP connections: setsockopt(2), tcp(7). Linux: net/ipv4/tcp.c do_tcp_setsockopt(), net/core/sock.c."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import Any, NamedTuple

from vnic._core import lib
from vnic.errors import refused

_INT_MAX = (1 << 31) - 1
_RCVBUF_MIN, _SNDBUF_MIN = 2304, 4608
_USER_TIMEOUT, _CONGESTION, _CORK = 18, 13, 3
_CONTROL = {b"cubic": lib.TCP_CONG_CUBIC, b"reno": lib.TCP_CONG_RENO}
_RANGES = {
    socket.TCP_KEEPIDLE: ("keepidle_s", 1, 32767),
    socket.TCP_KEEPINTVL: ("keepintvl_s", 1, 32767),
    socket.TCP_KEEPCNT: ("keepcnt", 1, 127),
    socket.TCP_MAXSEG: ("user_mss", 88, 32767),
    _USER_TIMEOUT: ("user_timeout_ms", 0, _INT_MAX),
}
_KEEPALIVE = {
    socket.TCP_KEEPIDLE: "keepalive_time",
    socket.TCP_KEEPINTVL: "keepalive_intvl",
    socket.TCP_KEEPCNT: "keepalive_probes",
}
"""Options that are the host's until they are set."""
_FLAGS = {socket.TCP_NODELAY: "nodelay", _CORK: "cork"}


class Structs(NamedTuple):
    """The structs of a connection: ``struct host *``, ``struct sock *``, ``struct tcp_sock``."""

    host: Any
    sock: Any
    tcp: Any


def _whole(value: int | bytes) -> int:
    if not isinstance(value, int):
        value = int.from_bytes(value[:4], sys.byteorder, signed=True) if len(value) >= 4 else _INT_MAX + 1
    if not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise refused(errno.EINVAL, "setsockopt")
    return value


def set_(of: Structs, level: int, name: int, value: int | bytes) -> None:
    """Set an option. HostError: ENOPROTOOPT, EINVAL; ENOENT, no such congestion control."""
    if level == socket.SOL_SOCKET:
        _set_socket(of, name, value)
    elif level != socket.IPPROTO_TCP:
        raise refused(errno.ENOPROTOOPT, "setsockopt")
    elif name == _CONGESTION:
        word = bytes(value).rstrip(b"\0") if not isinstance(value, int) else b""
        if word not in _CONTROL:
            raise refused(errno.ENOENT, "setsockopt")
        of.tcp.cong, of.tcp.cong_set = _CONTROL[word], 1
    elif name in _FLAGS:
        setattr(of.tcp, _FLAGS[name], bool(_whole(value)))
        if bool(_whole(value)) == (name == socket.TCP_NODELAY):  # TCP_CORK holds nothing back any more
            lib.tcp_push(of.host, of.sock)
    elif name in _RANGES:
        field, low, high = _RANGES[name]
        if not low <= (number := _whole(value)) <= high:
            raise refused(errno.EINVAL, "setsockopt")
        setattr(of.tcp, field, number)
        lib.tcp_options_changed(of.host, of.sock)
    else:
        raise refused(errno.ENOPROTOOPT, "setsockopt")


def _set_socket(of: Structs, name: int, value: int | bytes) -> None:
    host, sock, tcp = of
    if name == socket.SO_LINGER:
        if isinstance(value, int) or len(value) < 8:
            raise refused(errno.EINVAL, "setsockopt")
        on, seconds = struct.unpack("ii", value[:8])
        tcp.linger_on, tcp.linger_s = bool(on), max(seconds, 0)
    elif name == socket.SO_KEEPALIVE:
        tcp.keepalive = bool(_whole(value))
        lib.tcp_options_changed(host, sock)
    elif name == socket.SO_RCVBUF:
        number = min(_whole(value) & 0xFFFFFFFF, int(host.rmem_max))
        sock.rcvbuf, tcp.rcvbuf_locked = max(min(number, _INT_MAX // 2) * 2, _RCVBUF_MIN), 1
        lib.tcp_options_changed(host, sock)
    elif name == socket.SO_SNDBUF:
        number = min(_whole(value) & 0xFFFFFFFF, int(host.tcp.wmem_max))
        tcp.sndbuf, tcp.sndbuf_locked = max(min(number, _INT_MAX // 2) * 2, _SNDBUF_MIN), 1
    else:
        raise refused(errno.ENOPROTOOPT, "setsockopt")


def get(of: Structs, level: int, name: int) -> bytes:
    """Return an option's value as the kernel writes it. HostError: ENOPROTOOPT."""
    tcp = of.tcp
    if level == socket.SOL_SOCKET:
        return _get_socket(of.sock, tcp, name)
    if level == socket.IPPROTO_TCP:
        if name == _CONGESTION:
            return next(word for word, number in _CONTROL.items() if number == tcp.cong).ljust(16, b"\0")
        if name == socket.TCP_MAXSEG:
            unconnected = tcp.user_mss and tcp.state in (lib.TCPS_CLOSE, lib.TCPS_LISTEN)
            return struct.pack("i", tcp.user_mss if unconnected else tcp.mss_cache)
        if name in _FLAGS:
            return struct.pack("i", getattr(tcp, _FLAGS[name]))
        if name in _RANGES:
            own = getattr(tcp, _RANGES[name][0])
            return struct.pack("i", own or (getattr(of.host.tcp, _KEEPALIVE[name]) if name in _KEEPALIVE else 0))
    raise refused(errno.ENOPROTOOPT, "getsockopt")


def _get_socket(sock: Any, tcp: Any, name: int) -> bytes:
    if name == socket.SO_LINGER:
        return struct.pack("ii", tcp.linger_on, tcp.linger_s)
    if name == socket.SO_ERROR:
        return struct.pack("i", -lib.sock_error(sock))
    values = {
        socket.SO_KEEPALIVE: tcp.keepalive,
        socket.SO_RCVBUF: sock.rcvbuf,
        socket.SO_SNDBUF: tcp.sndbuf,
        socket.SO_TYPE: socket.SOCK_STREAM,
        socket.SO_PROTOCOL: socket.IPPROTO_TCP,
        socket.SO_ACCEPTCONN: tcp.state == lib.TCPS_LISTEN,
    }
    if name not in values:
        raise refused(errno.ENOPROTOOPT, "getsockopt")
    return struct.pack("i", int(values[name]))
