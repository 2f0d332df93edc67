"""Options of datagram sockets that are about IP, ICMP's errors and UDP-Lite: setsockopt(2) and getsockopt(2).

Linux: net/ipv4/ip_sockglue.c do_ip_setsockopt(), net/ipv6/ipv6_sockglue.c, net/core/sock.c, net/ipv4/udp.c. The values
are in ``struct inet_sock`` of the data plane.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Any

from vnic import cmsg
from vnic._core import ffi, lib
from vnic.address import inet_addr
from vnic.errors import refused

_IP, _IP6, _SOCKET, _LITE = socket.IPPROTO_IP, socket.IPPROTO_IPV6, socket.SOL_SOCKET, socket.IPPROTO_UDPLITE
IP_MTU, IPV6_MTU = 14, 24
_SO_PROTOCOL, _SO_DOMAIN = 38, 39
_UDPLITE_SEND_CSCOV, _UDPLITE_RECV_CSCOV = 10, 11
_COVERAGE_MIN = 8  # the header
_TTL = 64


@dataclass(frozen=True, slots=True)
class _Field:
    """A member of struct inet_sock, and the values that it takes; others are EINVAL. ``default``: what -1 is."""

    name: str
    least: int
    most: int
    default: int | None = None


_BYTE = {"least": 0, "most": 255}
_PMTUDISC = {"least": 0, "most": 5}

_FIELDS = {
    (_IP, 1): _Field("tos", -(1 << 31), (1 << 31) - 1),  # IP_TOS: the low byte counts
    (_IP, 2): _Field("uc_ttl", -1, 255, _TTL),  # IP_TTL
    (_IP, 10): _Field("pmtudisc", **_PMTUDISC),  # IP_MTU_DISCOVER
    (_IP, 33): _Field("mc_ttl", -1, 255, 1),  # IP_MULTICAST_TTL
    (_IP6, 16): _Field("hop_limit", -1, 255, _TTL),  # IPV6_UNICAST_HOPS
    (_IP6, 18): _Field("mcast_hops", -1, 255, 1),  # IPV6_MULTICAST_HOPS
    (_IP6, 23): _Field("pmtudisc6", **_PMTUDISC),  # IPV6_MTU_DISCOVER
    (_IP6, 67): _Field("tclass", -1, 255),  # IPV6_TCLASS: -1 is 0
}

_FLAGS = {
    (_SOCKET, socket.SO_REUSEADDR): "reuse",
    (_SOCKET, socket.SO_BROADCAST): "broadcast",
    (_SOCKET, socket.SO_REUSEPORT): "reuseport",
    (_IP, cmsg.IP_RECVERR): "recverr",
    (_IP6, cmsg.IPV6_RECVERR): "recverr6",
    (_IP6, 62): "dontfrag",  # IPV6_DONTFRAG
}

_CMSGS = {
    (_IP, 8): cmsg.PKTINFO,  # IP_PKTINFO
    (_IP, 12): cmsg.TTL,  # IP_RECVTTL
    (_IP, 13): cmsg.TOS,  # IP_RECVTOS
    (_IP6, 49): cmsg.PKTINFO6,  # IPV6_RECVPKTINFO
    (_IP6, 51): cmsg.HOPLIMIT,  # IPV6_RECVHOPLIMIT
    (_IP6, 66): cmsg.TCLASS,  # IPV6_RECVTCLASS
}


def _inet(host: Any, sock: Any) -> Any:
    return host.socks.inet[sock.index]


def _has(sock: Any, level: int) -> bool:
    """Does the socket have options of this level? Those of IPv6 only if it is one."""
    return level in (_IP, _SOCKET) or (level == _IP6 and not cmsg.is_v4(sock))


def set_(host: Any, sock: Any, level: int, name: int, value: int) -> bool:
    """Set an option; ``host``, ``sock``: the structs. Return: is it one of these?

    HostError: EINVAL, the value is out of its range.
    """
    inet, key = _inet(host, sock), (level, name)
    if level == _LITE and sock.type == lib.SOCK_UDPLITE:
        return _set_coverage(inet, name, value)
    if not _has(sock, level):
        return False
    if field := _FIELDS.get(key):
        _set_field(inet, key, field, value)
    elif flag := _FLAGS.get(key):
        _set_flag(host, sock, flag, bool(value))
    elif bit := _CMSGS.get(key):
        inet.cmsgs = inet.cmsgs | bit if value else inet.cmsgs & ~bit
    else:
        return False
    return True


def _set_field(inet: Any, key: tuple[int, int], field: _Field, value: int) -> None:
    if not field.least <= value <= field.most or (key == (_IP, 2) and value == 0):
        raise refused(errno.EINVAL, "setsockopt")
    if field.name == "tos":
        value &= 0xFF
    setattr(inet, field.name, 0 if field.name == "tclass" and value < 0 else value)


def _set_flag(host: Any, sock: Any, flag: str, on: bool) -> None:  # noqa: FBT001
    if flag.startswith("recverr"):
        if on and lib.sock_errors_init(host, sock) < 0:
            raise refused(errno.ENOMEM, "setsockopt")
        if not on:
            lib.sock_errors_purge(host, sock)
    setattr(_inet(host, sock), flag, on)


def _set_coverage(inet: Any, name: int, value: int) -> bool:
    if name not in (_UDPLITE_SEND_CSCOV, _UDPLITE_RECV_CSCOV):
        return False
    covered = 0 if value == 0 else min(max(value, _COVERAGE_MIN), 65535)
    if name == _UDPLITE_SEND_CSCOV:
        inet.pcslen, inet.send_cscov = covered, 1
    else:
        inet.pcrlen, inet.recv_cscov = covered, 1
    return True


def get(host: Any, sock: Any, level: int, name: int) -> int | None:
    """Return an option's value; ``host``, ``sock``: the structs. None: it is none of these.

    HostError: ENOTCONN, only a connected socket has a path MTU.
    """
    inet, key = _inet(host, sock), (level, name)
    if level in (_LITE, socket.IPPROTO_UDP):
        return {_UDPLITE_SEND_CSCOV: int(inet.pcslen), _UDPLITE_RECV_CSCOV: int(inet.pcrlen)}.get(name)
    if not _has(sock, level):
        return None
    if key in ((_IP, IP_MTU), (_IP6, IPV6_MTU)):
        if not sock.rport:
            raise refused(errno.ENOTCONN, "getsockopt")
        return int(lib.ip_route_mtu(host, ffi.addressof(sock.raddr)))
    value = _of_inet(inet, key)
    return _of_the_socket(sock, key) if value is None else value


def _of_inet(inet: Any, key: tuple[int, int]) -> int | None:
    if field := _FIELDS.get(key):
        value = int(getattr(inet, field.name))
        return field.default if value < 0 and field.default is not None else value
    if flag := _FLAGS.get(key):
        return int(getattr(inet, flag))
    if bit := _CMSGS.get(key):
        return int(bool(inet.cmsgs & bit))
    return None


def _of_the_socket(sock: Any, key: tuple[int, int]) -> int | None:
    if key == (_SOCKET, socket.SO_ERROR):
        return -int(lib.sock_error(sock))
    if key == (_SOCKET, socket.SO_TYPE):
        return int(socket.SOCK_DGRAM)
    if key == (_SOCKET, _SO_PROTOCOL):
        return int(socket.IPPROTO_UDPLITE if sock.type == lib.SOCK_UDPLITE else socket.IPPROTO_UDP)
    if key == (_SOCKET, _SO_DOMAIN):
        return int(socket.AF_INET if cmsg.is_v4(sock) else socket.AF_INET6)
    return None


def is_taken(host: Any, kind: int, port: int, addr: str | None, *, reuse: bool, reuseport: bool) -> bool:
    """Does a bound socket keep another of its kind from this port and address? Linux: udp_lib_lport_inuse().

    ``kind``: enum sock_type; ``addr`` None: any. Both may have SO_REUSEADDR, or both SO_REUSEPORT. Sinks yield.
    """
    wanted = None if addr is None else inet_addr(addr)[0]
    at = host.socks.port[kind // 2][port]
    while at:
        sock, inet = host.socks.socks[at], host.socks.inet[at]
        at = sock.port_next
        if sock.sink or (
            wanted is not None and not sock.any and (sock.laddr.hi, sock.laddr.lo) != (wanted.hi, wanted.lo)
        ):
            continue
        if not (reuse and inet.reuse) and not (reuseport and inet.reuseport):
            return True
    return False
