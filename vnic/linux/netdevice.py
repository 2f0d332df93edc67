"""The card as Linux's struct net_device shows it: flags, carrier, speed, and all of rtnl_link_stats64."""

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
    "collisions": "nobody else sends on this wire",
    "tx_aborted_errors": "of collisions, which there are none of",
    "tx_carrier_errors": "there is no carrier signal to lose",
    "tx_heartbeat_errors": "a signal of 10BASE5 transceivers",
    "tx_window_errors": "of late collisions, which there are none of",
    "rx_compressed": "of CSLIP and PPP",
    "tx_compressed": "of CSLIP and PPP",
}
"""What :class:`vnic.counters.snapshots.DeviceStats` has no field for, as it can be nothing but 0 here, and why."""


def link_stats(host: Host) -> dict[str, int]:
    """The fields of struct rtnl_link_stats64 by name, in their order."""
    counted = host.nic.stats().as_dict()
    return {name: counted.get(name, 0) for name in LINK_STATS}


def ifindex(_host: Host) -> int:
    """There is one interface."""
    return int(lib.VNIC_IFINDEX)


def up(host: Host) -> bool:
    """A driver has the card: IFF_UP."""
    return bool(host.c.nic.up)


def carrier(host: Host) -> bool:
    """Can anything still come? Not once the capture is at its end, or the TAP is gone."""
    return not host.wire.c.eof


def carrier_changes(host: Host) -> tuple[int, int]:
    """How often the carrier came (with the driver), and how often it went (with the end of the wire)."""
    return int(up(host)), int(up(host) and not carrier(host))


def flags(host: Host) -> int:
    """net_device.flags: no IFF_RUNNING and IFF_LOWER_UP, which Linux works out when it is asked."""
    return (
        IFF_BROADCAST
        | IFF_MULTICAST
        | (IFF_UP if up(host) else 0)
        | sum(bit for bit, knob in FLAG_KNOBS.items() if host.knobs[knob])
    )


def change_flags(host: Host, wanted: int) -> dict[str, bool]:
    """The knobs to change for these flags. As in Linux, those that say what is so are not looked at.

    WriteError: with EOPNOTSUPP, for what this card can't be without.
    """
    if not wanted & IFF_UP and up(host):
        raise WriteError(errno.EOPNOTSUPP, f"{host.name} can't be taken down: stop the instance")
    if wanted & IFF_UP and not up(host):
        what = "its driver is another process" if host.c.nic.external_driver else "its wire has ended"
        raise WriteError(errno.EOPNOTSUPP, f"{host.name} can't be brought up: {what}")
    if not wanted & IFF_MULTICAST:
        raise WriteError(errno.EOPNOTSUPP, f"{host.name} can't be without multicast: its filter is what refuses groups")
    if wanted & IFF_NOARP:
        raise WriteError(errno.EOPNOTSUPP, f"{host.name} can't be without ARP: it answers for the addresses it has")
    return {knob: bool(wanted & bit) for bit, knob in FLAG_KNOBS.items()}


def operstate(host: Host) -> str:
    """RFC 2863's, as sysfs writes it."""
    return "up" if up(host) and carrier(host) else "down"


def mac(host: Host) -> bytes:
    """The card's own address, also while it takes every unicast frame for its own."""
    return bytes(host.c.nic.filter.addr)


def mtu(host: Host) -> int:
    """Bytes; no limit is as good as Ethernet's highest one."""
    return int(host.knobs["mtu"]) or MTU_MAX


def speed(host: Host) -> int:
    """Mbit/s of the wire; -1 (SPEED_UNKNOWN) if it has none: a live one, or an infinitely fast one."""
    link = 0 if host.live else int(host.knobs["link"])
    return round(link / 1_000_000) if link else -1
