"""ethtool DEV, -s, -T, -P: the link as the card has it, and who stamps packets.

The card is as a virtio-net one: no PHY, no modes to advertise, nothing to negotiate, a port that is no kind of plug.
The wire has a rate: the knob ``link``.
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
_QUESTIONS = 5  # of a listing: modes, the link's kind, Wake-on-LAN, message level, state


def settings_text(dev: str, *, speed: int, port: str, link: bool) -> str:
    """As ``ethtool DEV`` shows a card without a PHY. ``speed``: Mbit/s, -1: unknown."""
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
    """``ethtool DEV``. The real tool does not look at what follows the name."""
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
"""What -s takes: words, or None: numbers and masks."""


def change(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-s: no driver of a card without a PHY has it. Without a parameter nothing is asked of the card."""
    numbers = {"speed", "lanes", "phyad"}
    if not link_words("-s", args, _CHANGES, numbers):
        return Reply()
    need_device(host, dev, code=_NO_SETTINGS)
    raise netlink_error("", EOPNOTSUPP, code=_NO_SETTINGS)


def time_stamping(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-T: packets are stamped when they leave GRO, by the CPU's clock. What is sent is not. The card has no clock."""
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
    """-P: its address is given to it by software, each time it is made."""
    if dev != host.name:
        raise netlink_error("", "No such device")
    return Reply("Permanent address: not set\n", data={"ifname": dev, "permanent-address": None})
