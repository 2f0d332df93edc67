"""Present the card as Linux's struct net_device: flags, carrier, speed, and all of rtnl_link_stats64."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vnic._core import lib
from vnic.linux.pseudofile import WriteError

if TYPE_CHECKING:
    from vnic.host import Host

IFF_UP, IFF_BROADCAST, IFF_NOARP, IFF_PROMISC, IFF_ALLMULTI, IFF_MULTICAST = 0x1, 0x2, 0x80, 0x100, 0x200, 0x1000
FLAG_KNOBS = {IFF_PROMISC: "promisc", IFF_ALLMULTI: "allmulti"}
MTU_MIN, MTU_MAX = 68, 65535  # ETH_MIN_MTU, ETH_MAX_MTU
GRO_MAX_SIZE = 8 * 65535  # GRO_MAX_SIZE of include/linux/netdevice.h

LINK_STATS = (
    *("rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped"),
    *("multicast", "collisions"),
    *("rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors", "rx_fifo_errors", "rx_missed_errors"),
    *("tx_aborted_errors", "tx_carrier_errors", "tx_fifo_errors", "tx_heartbeat_errors", "tx_window_errors"),
    *("rx_compressed", "tx_compressed", "rx_nohandler", "rx_otherhost_dropped"),
)
"""The fields of struct rtnl_link_stats64, in order."""

ALWAYS_0 = {
    "collisions": "no other station sends on this wire",
    "tx_aborted_errors": "after collisions, and this wire has none",
    "tx_carrier_errors": "there is no carrier signal to lose",
    "tx_heartbeat_errors": "a signal of 10BASE5 transceivers",
    "tx_window_errors": "after late collisions, and this wire has none",
    "rx_compressed": "of CSLIP and PPP",
    "tx_compressed": "of CSLIP and PPP",
}
"""Counters that are always 0 here, so that :class:`vnic.counters.snapshots.DeviceStats` lacks them -> the reason."""


def link_stats(host: Host) -> dict[str, int]:
    """Return the fields of struct rtnl_link_stats64 by name, in their order."""
    counted = host.nic.stats().as_dict()
    return {name: counted.get(name, 0) for name in LINK_STATS}


def ifindex(_host: Host) -> int:
    """Return the index of the only interface."""
    return int(lib.VNIC_IFINDEX)


def up(host: Host) -> bool:
    """Return IFF_UP: whether a driver has the card."""
    return bool(host.machine.c.nic.up)


def carrier(host: Host) -> bool:
    """Return the carrier: it is lost when the capture ends or the TAP device is gone."""
    return not host.wire.c.eof


def carrier_changes(host: Host) -> tuple[int, int]:
    """Return how often the carrier came up (with the driver) and went down (with the end of the wire)."""
    return int(up(host)), int(up(host) and not carrier(host))


def flags(host: Host) -> int:
    """Return net_device.flags, without IFF_RUNNING and IFF_LOWER_UP, which Linux computes when asked."""
    return (
        IFF_BROADCAST
        | IFF_MULTICAST
        | (IFF_UP if up(host) else 0)
        | sum(bit for bit, knob in FLAG_KNOBS.items() if host.knobs[knob])
    )


def change_flags(host: Host, wanted: int) -> dict[str, bool]:
    """Return the knobs to change for these flags. As in Linux, flags that only report a state are ignored.

    WriteError: EOPNOTSUPP, for a flag that this card cannot change.
    """
    if not wanted & IFF_UP and up(host):
        raise WriteError(errno.EOPNOTSUPP, f"{host.name} cannot be taken down: stop the instance instead")
    if wanted & IFF_UP and not up(host):
        what = "its driver is another process" if host.machine.c.nic.external_driver else "its wire has ended"
        raise WriteError(errno.EOPNOTSUPP, f"{host.name} cannot be brought up: {what}")
    if not wanted & IFF_MULTICAST:
        raise WriteError(errno.EOPNOTSUPP, f"{host.name} cannot turn multicast off: its filter refuses groups")
    if wanted & IFF_NOARP:
        raise WriteError(errno.EOPNOTSUPP, f"{host.name} cannot turn ARP off: it answers for its addresses")
    return {knob: bool(wanted & bit) for bit, knob in FLAG_KNOBS.items()}


def operstate(host: Host) -> str:
    """Return the operational state of RFC 2863 in sysfs's words."""
    return "up" if up(host) and carrier(host) else "down"


def mac(host: Host) -> bytes:
    """Return the card's address, also while it accepts every unicast frame (mac any)."""
    return bytes(host.machine.c.nic.filter.addr)


def mtu(host: Host) -> int:
    """Return the MTU in bytes; without a limit it is the highest of Ethernet."""
    return int(host.knobs["mtu"]) or MTU_MAX


def speed(host: Host) -> int:
    """Return the wire's rate in Mbit/s; -1 (SPEED_UNKNOWN) for a live or infinitely fast wire."""
    link = 0 if host.live else int(host.knobs["link"])
    return round(link / 1_000_000) if link else -1
