"""TAP devices: make or attach to one, hand its file descriptor to the card. The kernel's refusals become sentences."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import ConfigError, TapError
from vnic.wire import Wire

if TYPE_CHECKING:
    from vnic.host import Host

_TUN = "/dev/net/tun"
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x0100
_IFNAMSIZ = 16


def _info(ipr: Any, name: str) -> Any | None:
    index = ipr.link_lookup(ifname=name)
    return list(ipr.get_links(index[0]))[0] if index else None  # noqa: RUF015


def _tx_dropped(link: Any) -> int:
    """What the kernel sends is what the card receives: its queue in between was full."""
    stats = link.get_attr("IFLA_STATS64")
    return int(stats["tx_dropped"])


def _tun_flags(link: Any | None, name: str) -> int:
    """What TUNSETIFF has to say to match an interface that exists: only MULTI_QUEUE must be the same."""
    if link is None:
        return _IFF_TAP | _IFF_NO_PI
    linkinfo = link.get_attr("IFLA_LINKINFO")
    data = linkinfo.get_attr("IFLA_INFO_DATA") if linkinfo else None
    if linkinfo is None or linkinfo.get_attr("IFLA_INFO_KIND") != "tun" or data is None:
        raise TapError(f"{name} exists and is no TAP")
    if data.get_attr("IFLA_TUN_TYPE") != 2:
        raise TapError(f"{name} is a TUN (IP packets), not a TAP (Ethernet frames)")
    return _IFF_TAP | _IFF_NO_PI | (_IFF_MULTI_QUEUE if data.get_attr("IFLA_TUN_MULTI_QUEUE") else 0)


def _open() -> int:
    try:
        return os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as e:
        raise TapError(f"{_TUN} is missing: load the module with 'modprobe tun'") from e
    except OSError as e:
        raise TapError(f"{_TUN}: {e.strerror}: run as root, or ask for access to the device") from e


def _attach(fd: int, name: str, flags: int) -> None:
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    except OSError as e:
        why = {
            errno.EBUSY: "another process is attached to it",
            errno.EPERM: "not permitted: needs CAP_NET_ADMIN, or a TAP that belongs to you",
            errno.EINVAL: "it exists with other settings (multi_queue), or is no TAP",
        }.get(e.errno or 0, e.strerror)
        raise TapError(f"attach to {name}: {why}") from e


class TapWire(Wire):
    """The wire of a live host: a TAP interface, made if it is missing (then it is gone when closed) and set up.

    Args:
        name: interface, at most 15 characters.
        host_ip: the kernel's own address on an interface that is made here, with prefix.
        fifo_bytes: the card's FIFO, so that there are slots for all frames it can hold.

    Raises:
        TapError: the kernel refused; the text says why and what mends it.
    """

    def __init__(self, name: str, *, host_ip: str | None = None, fifo_bytes: int = 65536) -> None:
        from pyroute2 import IPRoute

        if not 0 < len(name.encode()) < _IFNAMSIZ or "/" in name or name in (".", ".."):
            raise ConfigError(f"{name!r} cannot be an interface's name (1 to 15 characters)")
        self.name = name
        self._fd = _open()
        try:
            with IPRoute() as ipr:
                link = _info(ipr, name)
                _attach(self._fd, name, _tun_flags(link, name))
                self.made = link is None
                self._set_up(ipr, host_ip)
                link = _info(ipr, name)
                self.mtu = int(link.get_attr("IFLA_MTU"))  # type: ignore[union-attr]
                self._dropped_before = _tx_dropped(link)
        except BaseException:
            os.close(self._fd)
            raise
        slots = fifo_bytes // 60 + 2 + 2 * lib.BURST
        self._tap = lib.tap_wire_new(self._fd, self.mtu + 128, slots)
        if self._tap == ffi.NULL:
            os.close(self._fd)
            raise MemoryError("no memory for the TAP's slots")
        super().__init__(ffi.addressof(self._tap.wire))

    def _set_up(self, ipr: Any, host_ip: str | None) -> None:
        from pyroute2.netlink.exceptions import NetlinkError

        index = ipr.link_lookup(ifname=self.name)[0]
        try:
            if self.made and host_ip is not None:
                address, _, prefix = host_ip.partition("/")
                ipr.addr("add", index=index, address=address, prefixlen=int(prefix or 24))
            if self.made:
                ipr.link("set", index=index, state="up")
        except (NetlinkError, ValueError) as e:
            raise TapError(f"set {self.name} up: {e}") from e

    def kernel_drops(self) -> int | None:
        """Frames lost in the kernel's own queue since this wire exists: the card never saw them. None: it is gone."""
        from pyroute2 import IPRoute

        with IPRoute() as ipr:
            link = _info(ipr, self.name)
        return None if link is None else _tx_dropped(link) - self._dropped_before

    def refill(self, host: Host) -> None:
        """A TAP never asks."""

    def close(self) -> None:
        """Detach; an interface that was made here is gone with that."""
        lib.tap_wire_free(self._tap)
        self._tap = ffi.NULL
        os.close(self._fd)
