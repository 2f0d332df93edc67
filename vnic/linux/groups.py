"""Format /proc/net/igmp and igmp6, and list memberships: the groups that a host has joined, the latest first.

Linux: net/ipv4/igmp.c, net/ipv6/mcast.c.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.address import inet_text
from vnic.linux import netdevice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vnic.host import Host

_CLOCK_NS = 10_000_000  # a tick of USER_HZ
_TIMER_RUNNING, _LAST_REPORTER, _LOADED, _NOREPORT = 1, 2, 4, 8  # MAF_*
_ALL_NODES = ipaddress.IPv6Address("ff02::1")
_LINK_LOCAL = 2


def _groups(family: Any) -> Iterator[tuple[Any, str]]:
    i = int(family.newest)
    while i:
        group = family.group[i]
        yield group, inet_text(group.addr)
        i = int(group.older)


def _timer(host: Host, group: Any) -> int | None:
    """Ticks until the group is reported; None: that is not planned."""
    if group.timer_ns == (1 << 64) - 1:
        return None
    return max(int(group.timer_ns) - int(lib.host_now(host.machine.c, ffi.NULL)), 0) // _CLOCK_NS


def memberships(host: Host) -> list[dict[str, Any]]:
    """Return family (``link``: the card's list), address and users of each group, as ``ip maddr`` shows them."""
    mf = host.machine.c.nic.filter
    link = [bytes(ffi.buffer(mf.mc[i])).hex(":") for i in range(mf.nmc)]
    found = [{"family": "link", "address": address, "users": 1} for address in link]
    for family, name in zip(host.machine.c.mc.family, ("inet", "inet6"), strict=True):
        found += [{"family": name, "address": text, "users": int(group.users)} for group, text in _groups(family)]
    return found


def igmp(host: Host) -> str:
    """/proc/net/igmp."""
    family = host.machine.c.mc.family[0]
    now = int(lib.host_now(host.machine.c, ffi.NULL))
    querier = "V1" if now < family.v1_seen else "V2" if now < family.v2_seen else "V3"
    lines = []
    for group, text in _groups(family):
        timer = _timer(host, group)
        address = int.from_bytes(socket.inet_aton(text), "little")  # as a machine like this prints it
        lines.append(
            f"\t\t\t\t{address:08X} {group.users:5} {int(timer is not None)}:{timer or 0:08X}\t\t{group.reporter}\n"
        )
    head = f"{netdevice.ifindex(host)}\t{host.name:<10}: {len(lines):5} {querier:>7}\n"
    return "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n" + head + "".join(lines)


def igmp6(host: Host) -> str:
    """/proc/net/igmp6."""
    text = ""
    for group, name in _groups(host.machine.c.mc.family[1]):
        address, timer = ipaddress.IPv6Address(name), _timer(host, group)
        scope = address.packed[1] & 15
        flags = _TIMER_RUNNING * (timer is not None) | _LAST_REPORTER * bool(group.reporter)
        flags |= _LOADED * (scope >= _LINK_LOCAL) | _NOREPORT * (address == _ALL_NODES or scope < _LINK_LOCAL)
        device = f"{netdevice.ifindex(host):<4} {host.name:<15}"
        text += f"{device} {address.packed.hex()} {group.users:5} {flags:08X} {timer or 0}\n"
    return text
