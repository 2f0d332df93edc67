"""Read and change a kernel interface through rtnetlink, and turn its IPv6 on or off in /proc/sys."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vnic.errors import ConfigError, TapError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface

IFNAMSIZ = 16
IPV4_MIN_MTU = 68
"""RFC 791, section 3.2; Linux: ETH_MIN_MTU."""
IPV6_MIN_MTU = 1280
"""RFC 8200, section 5; Linux: IPV6_MIN_MTU."""
_NO_NAME = re.compile(r"[\s/:\x00-\x1f\x7f\xa0\ud800-\udfff]")
_IFF_UP = 0x1
_IFA_F_NODAD = 0x02
_TYPE_TAP = 2
_LINK_LOCAL = 253  # scope


@dataclass(frozen=True, slots=True)
class Tap:
    """The properties of an interface that is a TUN or TAP device."""

    is_tap: bool
    """Ethernet frames; False: IP packets."""
    owner: int | None
    group: int | None
    """Who may attach without CAP_NET_ADMIN. If both are set, both must match; if neither is, every user may."""
    persistent: bool
    multi_queue: bool
    vnet_hdr: bool
    queues: int | None
    """Queues attached now; None: the kernel does not say, so at most one."""


@dataclass(frozen=True, slots=True)
class Link:
    """The state of an interface at one moment."""

    index: int
    up: bool
    carrier: bool
    """A process is attached."""
    mtu: int
    """Bytes."""
    tx_dropped: int
    """Frames the kernel could not queue for the attached process; the kernel's transmit is the card's receive."""
    tap: Tap | None
    """None: not a TUN or TAP."""


def check_name(name: str) -> str:
    """Check an interface's name (dev_valid_name() of net/core/dev.c). ConfigError: it is invalid, or a template.

    From the template ``x%d`` the kernel makes x0 or x1, so a later search for x%d fails. Bytes that are not UTF-8 are
    refused too. The kernel accepts them, but a name should be printable.
    """
    if "%" in name:
        raise ConfigError(f"{quoted(name)} is a template from which the kernel makes a name: give the name itself")
    size = len(name.encode("utf-8", "surrogatepass"))
    if not 0 < size < IFNAMSIZ or name in (".", "..") or _NO_NAME.search(name):
        raise ConfigError(f"{quoted(name)} cannot be an interface's name (1 to 15 characters)")
    return name


def parse_address(text: str) -> Address:
    """Parse ``ADDR/PREFIX``. ConfigError: not an address, or not one that an interface can have.

    If the text has no prefix, the prefix is 24, or 64 for IPv6. This holds for ``--ip`` of all commands,
    ``vnic.Host(ip=...)`` and ``--host-ip``. ``ip address add`` takes 32 or 128 instead, but a host with only such an
    address has no route to its neighbours.
    """
    try:
        net = ipaddress.ip_interface(text if isinstance(text, str) else "")
    except ValueError as e:
        raise ConfigError(f"{quoted(text)} is not an address with a prefix, such as 10.0.0.1/24 or fd00::1/64") from e
    if "/" not in text:
        net = ipaddress.ip_interface(f"{text}/{24 if net.version == 4 else 64}")
    if isinstance(net, ipaddress.IPv6Interface):
        _refuse_ipv6(net)
    return net


def _refuse_ipv6(net: ipaddress.IPv6Interface) -> None:
    """Refuse an address that Linux refuses (inet6_addr_add() of net/ipv6/addrconf.c), or one with a scope."""
    if net.scope_id:
        raise ConfigError(f"{net}: must not name an interface")
    if net.ip.ipv4_mapped:
        raise ConfigError(f"{net}: is an IPv4 address: write {net.ip.ipv4_mapped}")
    if net.ip.is_multicast or net.ip.is_unspecified or net.ip.is_loopback:
        raise ConfigError(f"{net}: cannot be the address of an interface")


def parse_addresses(texts: Iterable[str] | str | None) -> list[Address]:
    """Parse one address, several or none."""
    return [parse_address(t) for t in ([texts] if isinstance(texts, str) else texts or ())]


def refuse_mtu(mtu: int, addresses: Iterable[Address]) -> None:
    """Refuse an MTU that is too small for these addresses. The kernel would only say "Invalid argument"."""
    for address in addresses:
        least = IPV6_MIN_MTU if address.version == 6 else IPV4_MIN_MTU
        if mtu < least:
            raise ConfigError(f"{address}: IPv{address.version} needs an MTU of at least {least}, not {mtu}")


def _tap(linkinfo: Any) -> Tap | None:
    data = linkinfo.get_attr("IFLA_INFO_DATA") if linkinfo else None
    if data is None or linkinfo.get_attr("IFLA_INFO_KIND") != "tun":
        return None
    return Tap(
        is_tap=data.get_attr("IFLA_TUN_TYPE") == _TYPE_TAP,
        owner=data.get_attr("IFLA_TUN_OWNER"),
        group=data.get_attr("IFLA_TUN_GROUP"),
        persistent=bool(data.get_attr("IFLA_TUN_PERSIST")),
        multi_queue=bool(data.get_attr("IFLA_TUN_MULTI_QUEUE")),
        vnet_hdr=bool(data.get_attr("IFLA_TUN_VNET_HDR")),
        queues=data.get_attr("IFLA_TUN_NUM_QUEUES"),
    )


class Links:
    """A netlink socket. It stays in the namespace in which it was opened; reading needs no privilege."""

    def __init__(self) -> None:
        from pyroute2 import IPRoute

        self._ipr = IPRoute()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._ipr.close()

    def find(self, name: str) -> Link | None:
        """Return the interface of that name, or None."""
        from pyroute2.netlink.exceptions import NetlinkError

        index = self._ipr.link_lookup(ifname=name)
        link = None
        with contextlib.suppress(NetlinkError):  # it was deleted just now
            link = next(iter(self._ipr.get_links(index[0]) if index else ()), None)
        if link is None:
            return None
        return Link(
            index=index[0],
            up=bool(link["flags"] & _IFF_UP),
            carrier=bool(link.get_attr("IFLA_CARRIER")),
            mtu=int(link.get_attr("IFLA_MTU")),
            tx_dropped=int(link.get_attr("IFLA_STATS64")["tx_dropped"]),
            tap=_tap(link.get_attr("IFLA_LINKINFO")),
        )

    def addresses(self, link: Link) -> list[Address]:
        """Return the kernel's addresses on the interface, without link-local ones."""
        found = self._ipr.get_addr(index=link.index)
        return [
            ipaddress.ip_interface(f"{a.get_attr('IFA_LOCAL') or a.get_attr('IFA_ADDRESS')}/{a['prefixlen']}")
            for a in found
            if a["scope"] != _LINK_LOCAL
        ]

    def remove_address(self, name: str, link: Link, address: Address) -> None:
        """Remove an address from the interface."""
        with _refusals(f"take the address {address} from {name}"):
            self._ipr.addr("del", index=link.index, address=str(address.ip), prefixlen=address.network.prefixlen)

    def add_address(self, name: str, link: Link, address: Address) -> None:
        """Add an address. IPv6 skips duplicate detection, because vnic is the only peer, so it is usable at once."""
        flags = {"flags": _IFA_F_NODAD} if address.version == 6 else {}
        with _refusals(f"give {name} the address {address}"):
            self._ipr.addr(
                "add", index=link.index, address=str(address.ip), prefixlen=address.network.prefixlen, **flags
            )

    def set(self, name: str, link: Link, **what: Any) -> None:
        """Change the link as ``ip link set`` does: ``state="up"``, ``mtu=1400``."""
        with _refusals(f"set {name} {' '.join(f'{k} {v}' for k, v in what.items())}"):
            self._ipr.link("set", index=link.index, **what)

    def delete(self, name: str, link: Link) -> None:
        """Delete the interface, even while a process is attached."""
        with _refusals(f"delete {name}"):
            self._ipr.link("del", index=link.index)


@contextlib.contextmanager
def _refusals(doing: str) -> Iterator[None]:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as e:
        why = "not permitted: needs CAP_NET_ADMIN" if e.code == errno.EPERM else os.strerror(e.code)
        raise TapError(f"{doing}: {why}") from e


def _ipv6_switch(name: str) -> Path:
    return Path("/proc/sys/net/ipv6/conf") / name / "disable_ipv6"


def ipv6_enabled(name: str) -> bool:
    """Return whether the kernel speaks IPv6 on the interface: router solicitations, MLD reports."""
    try:
        return _ipv6_switch(name).read_text().strip() == "0"
    except OSError:  # the kernel has no IPv6
        return False


def set_ipv6(name: str, *, enabled: bool) -> None:
    """Turn IPv6 on or off. OSError: not permitted, or /proc/sys is read-only here."""
    if ipv6_enabled(name) != enabled:
        _ipv6_switch(name).write_text("0" if enabled else "1")
