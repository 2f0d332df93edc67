"""What the kernel says of an interface, and what it is asked to change: rtnetlink, and IPv6's switch in /proc/sys."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vnic.errors import ConfigError, TapError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface

IFNAMSIZ = 16
_IFF_UP = 0x1
_IFA_F_NODAD = 0x02
_TYPE_TAP = 2
_LINK_LOCAL = 253  # scope


@dataclass(frozen=True, slots=True)
class Tap:
    """The side of a TUN or TAP that its file descriptors see."""

    is_tap: bool
    """Ethernet frames; False: IP packets."""
    owner: int | None
    group: int | None
    """Who may attach without CAP_NET_ADMIN: both have to fit where both are set; everybody where none is."""
    persistent: bool
    multi_queue: bool
    vnet_hdr: bool
    queues: int | None
    """Attached now; None: not said, there is one at most."""


@dataclass(frozen=True, slots=True)
class Link:
    """An interface, at one moment."""

    index: int
    up: bool
    carrier: bool
    """Somebody is attached."""
    mtu: int
    """Bytes."""
    tx_dropped: int
    """Frames the kernel could not queue for whoever is attached: what it sends is what a card receives."""
    tap: Tap | None
    """None: it is no TUN or TAP."""


def check_name(name: str) -> str:
    """ConfigError if this cannot be an interface's name."""
    if (
        not 0 < len(os.fsencode(name)) < IFNAMSIZ
        or not name.isprintable()
        or "/" in name
        or name in (".", "..")
        or any(c.isspace() for c in name)
    ):
        raise ConfigError(f"{name!r} cannot be an interface's name (1 to 15 characters)")
    return name


def parse_address(text: str) -> Address:
    """``ADDR/PREFIX``; the prefix may be missing (24, IPv6: 64). ConfigError: it is none."""
    try:
        net = ipaddress.ip_interface(text)
    except ValueError as e:
        raise ConfigError(f"{text!r} is not an address with a prefix, as 10.0.0.1/24 or fd00::1/64") from e
    if "/" not in text:
        net = ipaddress.ip_interface(f"{text}/{24 if net.version == 4 else 64}")
    return net


def parse_addresses(texts: Iterable[str] | str | None) -> list[Address]:
    """One, several or none."""
    return [parse_address(t) for t in ([texts] if isinstance(texts, str) else texts or ())]


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
    """A netlink socket; it stays in the namespace it was opened in, and reading needs no privilege."""

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
        """The interface of that name; None: there is none."""
        index = self._ipr.link_lookup(ifname=name)
        if not index:
            return None
        link = next(iter(self._ipr.get_links(index[0])))
        return Link(
            index=index[0],
            up=bool(link["flags"] & _IFF_UP),
            carrier=bool(link.get_attr("IFLA_CARRIER")),
            mtu=int(link.get_attr("IFLA_MTU")),
            tx_dropped=int(link.get_attr("IFLA_STATS64")["tx_dropped"]),
            tap=_tap(link.get_attr("IFLA_LINKINFO")),
        )

    def addresses(self, link: Link) -> list[Address]:
        """The kernel's own, without link-local ones."""
        found = self._ipr.get_addr(index=link.index)
        return [
            ipaddress.ip_interface(f"{a.get_attr('IFA_LOCAL') or a.get_attr('IFA_ADDRESS')}/{a['prefixlen']}")
            for a in found
            if a["scope"] != _LINK_LOCAL
        ]

    def add_address(self, name: str, link: Link, address: Address) -> None:
        """One more; an IPv6 one counts at once, without asking whether somebody else has it (nobody can)."""
        flags = {"flags": _IFA_F_NODAD} if address.version == 6 else {}
        with _refusals(f"give {name} the address {address}"):
            self._ipr.addr(
                "add", index=link.index, address=str(address.ip), prefixlen=address.network.prefixlen, **flags
            )

    def set(self, name: str, link: Link, **what: Any) -> None:
        """``state="up"``, ``mtu=1400``: what ``ip link set`` does."""
        with _refusals(f"set {name} {' '.join(f'{k} {v}' for k, v in what.items())}"):
            self._ipr.link("set", index=link.index, **what)

    def delete(self, name: str, link: Link) -> None:
        """The interface is gone, whoever is attached."""
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
    """Does the kernel speak IPv6 there: router solicitations, MLD reports, that nobody asked for?"""
    try:
        return _ipv6_switch(name).read_text().strip() == "0"
    except OSError:  # a kernel without
        return False


def set_ipv6(name: str, *, enabled: bool) -> None:
    """Turn it on or off. OSError: not permitted, or /proc/sys is read-only here."""
    if ipv6_enabled(name) != enabled:
        _ipv6_switch(name).write_text("0" if enabled else "1")
