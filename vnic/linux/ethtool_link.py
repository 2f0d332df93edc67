"""Answer ethtool DEV, -s, -T and -P: link, time stamping, permanent address.

The card is like a virtio-net one: no PHY, no modes to advertise, no negotiation, no kind of plug. The knob ``link`` is
the wire's rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.control.reply import Reply
from vnic.linux import netdevice
from vnic.linux.ethtool_args import EOPNOTSUPP, RefusedError, link_words, need_device, netlink_error, no_more

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.host import Host

_NO_SETTINGS = 75  # exit code
_QUESTIONS = 5  # requests of one listing: modes, the link's kind, Wake-on-LAN, message level, state


def settings_text(dev: str, *, speed: int, port: str, link: bool) -> str:
    """Format a card without a PHY as ``ethtool DEV`` does. ``speed``: Mbit/s, -1: unknown."""
    none = "\tSupported ports: [  ]\n"
    for who, can in (("Supported", "Supports"), ("Advertised", "Advertised")):
        none += f"\t{who + ' link modes:':<24}Not reported\n\t{who} pause frame use: No\n"
        none += f"\t{can} auto-negotiation: No\n\t{who} FEC modes: Not reported\n"
    rate = f"{speed}Mb/s" if speed > 0 else "Unknown!"
    crossed = "\tMDI-X: Unknown\n" if port == "Twisted Pair" else ""
    return (
        f"Settings for {dev}:\n{none}\tSpeed: {rate}\n\tDuplex: Full\n\tAuto-negotiation: off\n\tPort: {port}\n"
        f"\tPHYAD: 0\n\tTransceiver: internal\n{crossed}\tLink detected: {'yes' if link else 'no'}\n"
    )


def settings(host: Host, dev: str, _args: Sequence[str]) -> Reply:
    """``ethtool DEV``. The real tool ignores arguments after the name."""
    if dev != host.name:
        none = netlink_error("no device matches name", "No such device", offset=24).reply.err
        raise RefusedError(Reply("No data available\n", none * _QUESTIONS, _NO_SETTINGS))
    speed, link = netdevice.speed(host), netdevice.up(host) and netdevice.carrier(host)
    data = {"ifname": dev, "speed": speed, "duplex": "full", "auto-negotiation": False, "link-detected": link}
    return Reply(settings_text(dev, speed=speed, port="Other", link=link), data=data)


_BOOL = ("off", "on")
_CHANGES: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("speed", "lanes", "phyad", "advertise", "msglvl", "wol", "sopass"), None),
    "duplex": ("half", "full"),
    "port": ("tp", "aui", "mii", "fibre", "bnc", "da"),
    "mdix": ("auto", "on", "off"),
    "autoneg": _BOOL,
    "xcvr": ("internal", "external"),
    "master-slave": ("preferred-master", "preferred-slave", "forced-master", "forced-slave"),
}
"""Parameters of -s -> allowed words; None: numbers and masks."""


def change(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-s: refused, as by any driver of a card without a PHY. Without a parameter the card is not asked."""
    numbers = {"speed", "lanes", "phyad"}
    if not link_words("-s", args, _CHANGES, numbers):
        return Reply()
    need_device(host, dev, code=_NO_SETTINGS)
    raise netlink_error("", EOPNOTSUPP, code=_NO_SETTINGS)


def time_stamping(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-T: the CPU stamps received packets when they leave GRO. Sent ones get no stamp, and the card has no clock."""
    no_more(args)
    need_device(host, dev)
    capabilities = ("software-receive", "software-system-clock")
    return Reply(
        f"Time stamping parameters for {dev}:\nCapabilities:\n"
        + "".join(f"\t{name}\n" for name in capabilities)
        + "PTP Hardware Clock: none\nHardware Transmit Timestamp Modes: none\nHardware Receive Filter Modes: none\n",
        data={"ifname": dev, "capabilities": list(capabilities)},
    )


def permanent_address(host: Host, dev: str, _args: Sequence[str]) -> Reply:
    """-P: no permanent address, because software sets the address when it creates the card."""
    if dev != host.name:
        raise netlink_error("", "No such device")
    return Reply("Permanent address: not set\n", data={"ifname": dev, "permanent-address": None})
