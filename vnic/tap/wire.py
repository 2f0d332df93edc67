"""The wire of a live host: attach to a TAP device, or create it, and give its file descriptors to the card."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.errors import ConfigError, TapError
from vnic.machine.uninterrupted import uninterrupted
from vnic.tap import tun
from vnic.tap.netns import inside
from vnic.tap.rtnetlink import Address, Link, Links, check_name, parse_addresses, refuse_mtu, set_ipv6
from vnic.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

LANES_MAX = int(lib.TAP_LANES_MAX)


def _tun_flags(link: Link | None, name: str, lanes: int, *, vnet_hdr: bool) -> int:
    """Return the flags for TUNSETIFF. For an existing interface MULTI_QUEUE must match; the rest is free."""
    flags = tun.IFF_TAP | tun.IFF_NO_PI | (tun.IFF_VNET_HDR if vnet_hdr else 0)
    if link is None:
        return flags | (tun.IFF_MULTI_QUEUE if lanes > 1 else 0)
    if link.tap is None:
        raise TapError(f"{name} exists and is not a TAP")
    if not link.tap.is_tap:
        raise TapError(f"{name} is a TUN (IP packets), not a TAP (Ethernet frames)")
    return flags | (tun.IFF_MULTI_QUEUE if link.tap.multi_queue else 0)


def _refuse_sharing(link: Link | None, name: str, lanes: int, *, ours: int = 0) -> None:
    """Refuse more queues than the device has, and a device in use, because multi_queue would divide the frames."""
    if link is None or link.tap is None:
        return
    if lanes > 1 and not link.tap.multi_queue:
        raise TapError(
            f"{name} was created without multi_queue, so it has one queue, not {lanes}: "
            f"run '{tun.delete_command(name)}', then '{tun.setup_command(name)}'"
        )
    if (link.tap.queues or 0) > ours:
        others = tun.attached_to(name)
        raise TapError(
            f"attach to {name}: another process is attached to it" + (f": {', '.join(others)}" if others else "")
        )


class TapWire(Wire):
    """The wire of a live host: a TAP device. If it does not exist, the wire creates it, and it disappears on close.

    Args:
        name: interface, at most 15 characters.
        host_ip: addresses of the kernel's side, with prefix; one, or several.
        netns: its network namespace, by name (``ip netns``) or path; None: the caller's.
        lanes: queues to attach to, 1 to 16; more than one needs a multi_queue TAP.
        vnet_hdr: exchange partial checksums and frames of 64 KB (TSO, USO) with the kernel; the wire segments them.
        fifo_bytes: size of the card's FIFO; the wire has slots for all frames that fit.

    Raises:
        ConfigError: an invalid name or address.
        TapError: the kernel refused; the text says why and how to fix it.
    """

    def __init__(
        self,
        name: str,
        *,
        host_ip: Sequence[str] | str | None = None,
        netns: str | None = None,
        lanes: int = 1,
        vnet_hdr: bool = True,
        fifo_bytes: int = 65536,
    ) -> None:
        self.name = check_name(name)
        if not 1 <= lanes <= LANES_MAX:
            raise ConfigError(f"{lanes} lanes: must be between 1 and {LANES_MAX}")
        self._vnet_hdr = vnet_hdr
        self._fds: list[int] = []
        self._counters = -1

        def make() -> None:
            try:
                with inside(netns), Links() as links:
                    self._attach(links, parse_addresses(host_ip), lanes)
                self._allocate(fifo_bytes)
            except BaseException:
                self._give_back()
                raise

        uninterrupted(make)

    def _attach(self, links: Links, addresses: list[Address], lanes: int) -> None:
        link = links.find(self.name)
        _refuse_sharing(link, self.name, lanes)
        self.made = link is None
        self._fds = tun.attach(
            self.name, _tun_flags(link, self.name, lanes, vnet_hdr=self._vnet_hdr), link=link, queues=lanes
        )
        link = self._there(links)
        _refuse_sharing(link, self.name, lanes, ours=lanes)  # again, because another process may have attached
        if self.made or any(a.version == 6 for a in addresses):
            self._quiet(addresses)
        refuse_mtu(link.mtu, addresses)
        for address in addresses:
            if address not in links.addresses(link):
                links.add_address(self.name, link, address)
        if self.made:
            links.set(self.name, link, state="up")
        self.mtu = link.mtu
        self._counters = os.open("/proc/thread-self/net/dev", os.O_RDONLY | os.O_CLOEXEC)  # bound to this namespace
        self._dropped_before = self._dropped() or 0

    def _allocate(self, fifo_bytes: int) -> None:
        slots, size = lib.tap_nslots(fifo_bytes), lib.tap_slot_size(self.mtu)
        self._made(lib.tap_wire_new(self._fds, len(self._fds), size, slots, self._vnet_hdr), lib.tap_wire_free)

    @property
    def _tap(self) -> Any:
        return self._whole()

    def __repr__(self) -> str:
        return f"<vnic.TapWire {self.name}{' closed' if self.closed else ''}>"

    def _there(self, links: Links) -> Link:
        link = links.find(self.name)
        if link is None:
            raise TapError(f"{self.name} was deleted while vnic attached")
        return link

    def _quiet(self, addresses: list[Address]) -> None:
        """Turn the kernel's IPv6 off unless an address needs it. If that fails, the IPv6 frames are only noise."""
        with contextlib.suppress(OSError):
            set_ipv6(self.name, enabled=any(a.version == 6 for a in addresses))

    @property
    def fds(self) -> tuple[int, ...]:
        """A file descriptor for each lane."""
        return tuple(self._fds)

    def kernel_drops(self) -> int | None:
        """Return the frames that the kernel's queue has dropped since the wire opened; None: the interface is gone."""
        self.c  # noqa: B018 - is it open?
        dropped = self._dropped()
        return None if dropped is None else dropped - self._dropped_before

    def _dropped(self) -> int | None:
        """Read the transmit drops in /proc/net/dev; the kernel's transmit is the card's receive."""
        text, size = b"", 1 << 16
        while part := os.pread(self._counters, size, len(text)):
            text += part
        rows = (line.split(b":", 1) for line in text.splitlines() if b":" in line)
        return next((int(row[1].split()[11]) for row in rows if row[0].strip() == self.name.encode()), None)

    def lane_facts(self) -> list[dict[str, int]]:
        """Return for each lane its read system calls and the frames they read."""
        lanes = (self._tap.lane[i] for i in range(self._tap.nlanes))
        return [{"reads": int(lane.reads), "frames": int(lane.frames)} for lane in lanes]

    def vnet_facts(self) -> dict[str, int] | None:
        """Return the counters of virtio headers; None: the wire uses none."""
        names = ("gso_frames", "gso_segments", "gso_taken", "csum_filled", "bad_vnet")
        return {name: int(getattr(self._tap, name)) for name in names} if self._vnet_hdr else None

    def end_text(self) -> str | None:
        """Return in one sentence why the wire ended; None: it has not."""
        why = -int(self.c.error)
        if not why:
            return None
        return f"{self.name} is gone ({'it was deleted' if why == errno.EBADFD else os.strerror(why)})"

    def facts(self) -> dict[str, Any]:
        """Return what a report says of the wire."""
        return {
            "lanes": self.lane_facts(),
            "vnet_hdr": self.vnet_facts(),
            "kernel_drops": self.kernel_drops(),
            "error": self.end_text(),
        }

    def refill(self) -> None:
        """Do nothing, because the data plane reads the TAP."""

    def _in_child(self) -> None:
        """Close the child's copies, which would keep the interface, and a queue without a reader."""
        ring = lib.tap_uring_fd(self._struct.uring)
        if ring >= 0:
            os.close(ring)
        tun.close_all(self._fds)

    def _give_back(self) -> None:
        """Detach; an interface created here disappears."""
        super()._give_back()
        tun.close_all(self._fds)
        fd, self._counters = self._counters, -1
        if fd >= 0:
            os.close(fd)
