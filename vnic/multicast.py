"""Sockets in multicast groups: the options of ip(7) and ipv6(7), with the bytes that Python's socket module takes.

IP_ADD_MEMBERSHIP and IP_DROP_MEMBERSHIP take a struct ip_mreq or ip_mreqn, IPV6_JOIN_GROUP and IPV6_LEAVE_GROUP a
struct ipv6_mreq. IP_MULTICAST_ALL, IPV6_MULTICAST_ALL off: the socket takes datagrams to groups that it has joined
itself, and to no others. vnic has no filters of sources: IP_ADD_SOURCE_MEMBERSHIP, MCAST_JOIN_GROUP and their like are
refused.

Linux: net/ipv4/ip_sockglue.c, net/ipv4/igmp.c, net/ipv6/ipv6_sockglue.c, net/ipv6/mcast.c.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.address import inet_addr, inet_text
from vnic.errors import ConfigError, check, quoted, refused, said

if TYPE_CHECKING:
    from collections.abc import Callable

IP_MULTICAST_ALL, IPV6_MULTICAST_ALL = 49, 29
_IP, _IPV6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6
_MREQ, _MREQN, _MREQ6 = 8, 12, 20
_INT = 4


def _ours4(host: Any, packed: bytes) -> bool:
    return any(inet_text(net.addr) == socket.inet_ntoa(packed) for net in host.ip[0 : host.nips])


def _card4(host: Any, value: bytes) -> bool:
    """Does a struct ip_mreq or ip_mreqn lead to the card: by its index, one of our addresses, or a route?"""
    index = struct.unpack("=i", value[8:12])[0] if len(value) >= _MREQN else 0
    if index:
        return index == lib.VNIC_IFINDEX
    if value[4:8] != bytes(4):
        return _ours4(host, value[4:8])
    return bool(host.gateway[0].lo or host.gateway[0].hi or host.ip_any)


def _names_card(value: bytes) -> bool:
    return value[4:8] != bytes(4) or (len(value) >= _MREQN and value[8:12] != bytes(4))


def _join(host: Any, sock: Any, value: bytes) -> int:
    if len(value) < _MREQ or not ipaddress.IPv4Address(value[:4]).is_multicast:
        return -errno.EINVAL
    if not _card4(host, value):
        return -errno.ENODEV
    return int(lib.sock_mc_join(host, sock, inet_addr(socket.inet_ntoa(value[:4]))))


def _leave(host: Any, sock: Any, value: bytes) -> int:
    if len(value) < _MREQ:
        return -errno.EINVAL
    if not _card4(host, value):
        return -errno.EADDRNOTAVAIL if _names_card(value) else -errno.ENODEV
    if not ipaddress.IPv4Address(value[:4]).is_multicast:
        return -errno.EADDRNOTAVAIL
    return int(lib.sock_mc_leave(host, sock, inet_addr(socket.inet_ntoa(value[:4]))))


def _group6(value: bytes) -> tuple[int, Any]:
    """Return what a struct ipv6_mreq asks for: 0 and the group; or -errno."""
    if len(value) < _MREQ6:
        return -errno.EINVAL, None
    group = ipaddress.IPv6Address(value[:16])
    if not group.is_multicast:
        return -errno.EINVAL, None
    return struct.unpack("=i", value[16:20])[0], inet_addr(str(group))


def _change6(value: bytes, elsewhere: int, call: Callable[[Any], int]) -> int:
    """Call with the group; ``elsewhere``: the errno if the index is another card's."""
    index, group = _group6(value)
    if group is None:
        return index
    return call(group) if index in (0, lib.VNIC_IFINDEX) else -elsewhere


def _join6(host: Any, sock: Any, value: bytes) -> int:
    return _change6(value, errno.ENODEV, lambda group: int(lib.sock_mc_join(host, sock, group)))


def _leave6(host: Any, sock: Any, value: bytes) -> int:
    return _change6(value, errno.EADDRNOTAVAIL, lambda group: int(lib.sock_mc_leave(host, sock, group)))


def _only(sock: Any, bit: int, on: int) -> int:
    sock.mc_only = sock.mc_only & ~bit | (0 if on else bit)
    return 0


def _all4(_host: Any, sock: Any, value: bytes) -> int:
    if not value:
        return -errno.EINVAL
    on = struct.unpack("=i", value[:_INT])[0] if len(value) >= _INT else value[0]
    return _only(sock, lib.MC_ONLY_IP, on) if on in (0, 1) else -errno.EINVAL


def _all6(_host: Any, sock: Any, value: bytes) -> int:
    if len(value) < _INT:
        return -errno.EINVAL
    return _only(sock, lib.MC_ONLY_IPV6, struct.unpack("=i", value[:_INT])[0])


_OPTIONS: dict[tuple[int, int], Callable[[Any, Any, bytes], int]] = {
    (_IP, socket.IP_ADD_MEMBERSHIP): _join,
    (_IP, socket.IP_DROP_MEMBERSHIP): _leave,
    (_IP, IP_MULTICAST_ALL): _all4,
    (_IPV6, socket.IPV6_JOIN_GROUP): _join6,
    (_IPV6, socket.IPV6_LEAVE_GROUP): _leave6,
    (_IPV6, IPV6_MULTICAST_ALL): _all6,
}


def has(sock: Any, level: int, name: int) -> bool:
    """Is this an option of a socket's groups? ``sock``: the struct. A socket with an IPv4 address has none of IPv6."""
    is4 = not sock.any and lib.inet_addr_is4(ffi.addressof(sock.laddr))
    return (level, name) in _OPTIONS and sock.type == lib.SOCK_UDP and not (level == _IPV6 and is4)


def set_(host: Any, sock: Any, level: int, name: int, value: int | bytes) -> None:
    """Set one of these options; ``host``, ``sock``: the structs. HostError: the errno of setsockopt(2)."""
    if not isinstance(value, int):
        data = bytes(memoryview(value))
    elif -(1 << 31) <= value < 1 << 31:
        data = value.to_bytes(_INT, sys.byteorder, signed=True)
    else:
        raise refused(errno.EINVAL, "setsockopt")
    rc = _OPTIONS[level, name](host, sock, data)
    if rc < 0:
        raise refused(-rc, "setsockopt")


def get(sock: Any, level: int, name: int) -> int | None:
    """Return the value of IP_MULTICAST_ALL or IPV6_MULTICAST_ALL; None: it is another option."""
    bit = {(_IP, IP_MULTICAST_ALL): lib.MC_ONLY_IP, (_IPV6, IPV6_MULTICAST_ALL): lib.MC_ONLY_IPV6}.get((level, name))
    return None if bit is None or not has(sock, level, name) else int(not sock.mc_only & bit)


def _group(group: str) -> Any:
    addr = inet_addr(group)
    if not ipaddress.ip_address(inet_text(addr)).is_multicast:
        raise ConfigError(f"{quoted(group)} is not a multicast group")
    return addr


def join(host: Any, sock: Any, group: str) -> None:
    """Join a group on the card. ConfigError: not a group; HostError: EADDRINUSE, ENOBUFS, ENOMEM."""
    check(lib.sock_mc_join(host, sock, _group(group)), f"join {said(group)}")


def leave(host: Any, sock: Any, group: str) -> None:
    """Leave a group. ConfigError: not a group; HostError: EADDRNOTAVAIL."""
    check(lib.sock_mc_leave(host, sock, _group(group)), f"leave {said(group)}")
