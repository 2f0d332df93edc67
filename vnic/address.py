"""IP addresses: conversion between text and ``struct inet_addr``, and the addresses of a host."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import ConfigError, quoted, said
from vnic.knobs.parse import whole
from vnic.tap.rtnetlink import Address, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable

_ADDRESSES_MAX = 16
SocketAddress = tuple[str, int]


def inet_addr(text: str) -> Any:
    """Return the ``struct inet_addr *`` of an address in text form. ConfigError: the text is not an address."""
    if not isinstance(text, (str, ipaddress.IPv4Address, ipaddress.IPv6Address)):
        raise ConfigError(f"{text!r} is not an IP address")  # ipaddress takes numbers, and True
    try:
        ip = ipaddress.ip_address(text)
    except ValueError as e:
        raise ConfigError(f"{quoted(text)} is not an IP address") from e
    value = int(ip) | (0xFFFF << 32 if ip.version == 4 else 0)
    return ffi.new("struct inet_addr *", {"hi": value >> 64, "lo": value & (1 << 64) - 1})


def inet_text(addr: Any) -> str:
    """Return the text form of a ``struct inet_addr``."""
    value = int(addr.hi) << 64 | int(addr.lo)
    if value >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(value & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address(value))


def _add(c: Any, net: Address) -> None:
    c.ip[c.nips].addr = inet_addr(str(net.ip))[0]
    c.ip[c.nips].prefix = net.network.prefixlen
    c.nips += 1


def address_list(what: str, given: str | Iterable[str]) -> list[str]:
    """Return the addresses given, one or several, as a list. ConfigError: the value is neither."""
    try:
        return [given] if isinstance(given, str) else list(given)
    except TypeError:
        raise ConfigError(f"{what}={given!r}: must be an address, or several") from None


def configure(c: Any, ip: str | Iterable[str], gateway: str | Iterable[str]) -> None:
    """Give a ``struct host *`` its addresses and next hops. ConfigError: one is not an address, or too many."""
    if ip != "any":
        addresses = address_list("ip", ip)
        if len(addresses) > _ADDRESSES_MAX:
            raise ConfigError(f"at most {_ADDRESSES_MAX} IP addresses")
        c.ip_any = 0
        nets = [_ours(text) for text in addresses]
        for net in nets:
            _add(c, net)
    for text in address_list("gateway", gateway):
        if ip == "any":
            raise ConfigError(f"gateway {said(text)}: a host whose address is any does not send")
        addr = inet_addr(text)
        _refuse_gateway(ipaddress.ip_address(inet_text(addr)), nets)
        of_family = 0 if lib.inet_addr_is4(addr) else 1
        if c.gateway[of_family].hi or c.gateway[of_family].lo:
            raise ConfigError(f"gateway {text}: IPv4 and IPv6 have one gateway each, and {text} is the second")
        c.gateway[of_family] = addr[0]


def _ours(text: str) -> Address:
    try:
        return parse_address(text)
    except ConfigError as e:
        if "is not an address" not in str(e):
            raise
        raise ConfigError(f"{quoted(text)} is not an IP address") from e


def _refuse_gateway(addr: ipaddress.IPv4Address | ipaddress.IPv6Address, ours: Iterable[Address]) -> None:
    """Refuse a gateway that is not another host on one of our networks (fib_check_nh(), ip6_route_check_nh())."""
    nets = [net for net in ours if net.version == addr.version]
    if any(net.ip == addr for net in nets):
        raise ConfigError(f"gateway {addr}: is our own address")
    here = [net.network for net in nets if addr in net.network]
    if addr.version == 4 and any(addr == net.broadcast_address and net.prefixlen < 31 for net in here):
        here = []
    reached = here or (addr.version == 6 and addr.is_link_local and nets)
    if not reached or addr.is_multicast or addr.is_unspecified or addr.is_loopback:
        known = ", ".join(map(str, nets)) or f"we have no IPv{addr.version} address"
        raise ConfigError(f"gateway {addr}: Nexthop has invalid gateway: it is no host on a network of ours ({known})")


def mac_for(ip: str | Iterable[str]) -> str | None:
    """Return a locally administered MAC address made of the host's first IP address, for a host without a given one.

    Two hosts on one wire get different addresses, and a host the same one in each run. None: its IP address is any.
    """
    first = next(iter([ip] if isinstance(ip, str) else ip), "any")
    if first == "any":
        return None
    try:
        packed = parse_address(first).ip.packed
    except ValueError:
        return None  # configure() says so
    return (b"\x02\x00" + packed[-4:]).hex(":")


def add_link_local(c: Any) -> None:
    """Give a host that answers a link-local address (RFC 4291, appendix A). Call it after the MAC address is set.

    It keeps the address if its MAC address changes.
    """
    own = [ipaddress.ip_address(inet_text(c.ip[i].addr)) for i in range(c.nips)]
    if c.answers and any(a.version == 6 for a in own):
        mac = bytes(c.nic.filter.addr)
        eui64 = bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]
        _add(c, ipaddress.ip_interface((b"\xfe\x80" + bytes(6) + eui64, 64)))


def socket_address(address: SocketAddress) -> tuple[Any, int]:
    """Return ``(ip, port)`` in the data plane's form. ConfigError: the value is not an address."""
    if not isinstance(address, (tuple, list)) or len(address) != 2:
        raise ConfigError(f"{address!r}: an address is (ip, port)")
    return inet_addr(address[0]), whole("port", address[1], 0, 65535)
