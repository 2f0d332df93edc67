"""Answer ``ip link``: show the card as iproute2 6 prints it, and change it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic.control.reply import Reply
from vnic.linux import ip_link_details, ip_link_stats, netdevice, pseudofile
from vnic.linux.ip_route_words import HELP, paint, printed
from vnic.linux.ip_route_words import INCOMPLETE as _INCOMPLETE
from vnic.linux.ip_route_words import StopError as _StopError
from vnic.linux.ip_route_words import begins_like as _is
from vnic.linux.ip_route_words import read_options as _options
from vnic.linux.ip_route_words import refused as _refused
from vnic.linux.pseudofile import WriteError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.host import Host

_FLAGS = {  # in iproute2's order; UP and the flags after it come last
    netdevice.IFF_BROADCAST: "BROADCAST",
    netdevice.IFF_MULTICAST: "MULTICAST",
    netdevice.IFF_ALLMULTI: "ALLMULTI",
    netdevice.IFF_PROMISC: "PROMISC",
    netdevice.IFF_UP: "UP",
}

_USAGE = """Usage: ip link [ show [ [ dev ] DEVICE ] [ up ] ]
       ip link set [ dev ] DEVICE [ up | down ] [ promisc { on | off } ] [ allmulticast { on | off } ]
               [ multicast on ] [ arp on ] [ address LLADDR ] [ mtu MTU ]
               [ gro_max_size BYTES ] [ gro_ipv4_max_size BYTES ]
"""

_DIGITS_MAX = 64


def command(host: Host, argv: Sequence[str]) -> Reply:
    """Answer ``ip [OPTIONS] link ...``. Exit codes: 255 usage, 1 no such device, 2 the kernel refused."""
    try:
        options, words = _options(list(argv))
        return _link(host, options, words)
    except _StopError as stop:
        return stop.reply


def _link(host: Host, options: list[str], words: list[str]) -> Reply:
    if not words or _is(words[0], "help"):
        raise _StopError(HELP, 255)
    if not _is(words[0], "link"):
        raise _StopError(f'Object "{words[0]}" is unknown, try "ip help".\n', 1)
    verb = words[1] if len(words) > 1 else "show"
    if _is(verb, "set"):
        return _set(host, words[2:])
    if any(_is(verb, name) for name in ("show", "list", "lst")):
        return _show(host, options, words[2:])
    if _is(verb, "help"):
        raise _StopError(_USAGE, 255)
    if any(_is(verb, name) for name in ("add", "delete", "replace", "change", "property", "afstats", "xstats")):
        raise _refused(f"this host has one card, {host.name}, and keeps it")
    raise _StopError(f'Command "{verb}" is unknown, try "ip link help".\n', 255)


# ---- show ----


def _shown_flags(host: Host) -> list[str]:
    flags, carrier = netdevice.flags(host), netdevice.carrier(host)
    names = [name for bit, name in _FLAGS.items() if flags & bit]
    if netdevice.up(host):
        names = [*names, "LOWER_UP"] if carrier else ["NO-CARRIER", *names]
    return names


def link_facts(host: Host) -> dict[str, Any]:
    """Return the card's properties by iproute2's JSON names."""
    return {
        "ifindex": netdevice.ifindex(host),
        "ifname": host.name,
        "flags": _shown_flags(host),
        "mtu": netdevice.mtu(host),
        "qdisc": "noqueue",
        "operstate": netdevice.operstate(host).upper(),
        "linkmode": "DEFAULT",
        "group": "default",
        "link_type": "ether",
        "address": netdevice.mac(host).hex(":"),
        "broadcast": "ff:ff:ff:ff:ff:ff",
    }


def brief(facts: dict[str, Any]) -> str:
    """Format name and state as -br does."""
    name, state = facts["ifname"], facts["operstate"]
    return paint("ifname", f"{name:<16} ") + paint(state, f"{state:<14} ")


def state_words(facts: dict[str, Any]) -> str:
    """Format the state."""
    state = facts["operstate"]
    return "state " + paint(state, f"{state} ")


def ether(facts: dict[str, Any]) -> str:
    """Format the line of the link-layer addresses."""
    own, all_ = paint("mac", facts["address"]), paint("mac", facts["broadcast"])
    return f"    link/{facts['link_type']} {own} brd {all_}"


def _show(host: Host, options: list[str], words: list[str]) -> Reply:
    name, only_up = None, False
    while words:
        word = words.pop(0)
        if word == "up":
            only_up = True
            continue
        if word == "dev":
            if not words:
                raise _StopError(_INCOMPLETE, 255)
            word = words.pop(0)
        if name is not None:
            raise _StopError(f'Error: either "dev" is duplicate, or "{word}" is a garbage.\n', 255)
        name = word
    if name is not None and name != host.name:
        raise _StopError(f'Device "{name}" does not exist.\n', 1)
    level = options.count("statistics")
    facts = link_facts(host) | (ip_link_details.facts(host) if "details" in options else {})
    stats = netdevice.link_stats(host) | {"carrier_changes": sum(netdevice.carrier_changes(host))}
    if "brief" in options:
        found = {key: facts[key] for key in ("ifname", "operstate", "address", "flags")}
    else:
        found = facts | ({"stats64": ip_link_stats.as_json(stats, level)} if level else {})
    if only_up and not netdevice.up(host):
        found = {}  # iproute2 prints the empty braces
    shown = [found]
    if not found or "json" in options:
        return printed(options, "", shown)
    flags = ",".join(facts["flags"])
    if "brief" in options:
        return printed(options, f"{brief(facts)}{paint('mac', facts['address'] + ' ')}<{flags}> \n", shown)
    state = f"qdisc {facts['qdisc']} {state_words(facts)}mode {facts['linkmode']} group {facts['group']} "
    lines = [
        f"{facts['ifindex']}: {paint('ifname', facts['ifname'] + ': ')}<{flags}> mtu {facts['mtu']} {state}",
        f"{ether(facts)}{ip_link_details.text(facts)}",
        *(ip_link_stats.as_text(stats, level) if level else ()),
    ]
    return printed(options, ("\\" if "oneline" in options else "\n").join(lines) + "\n", shown)


# ---- set ----


@dataclass
class _Change:
    """The request of ``ip link set``, before any part of it is done."""

    dev: str | None = None
    flags: dict[int, bool] = field(default_factory=dict)
    address: bytes | None = None
    mtu: int | None = None
    gro: dict[str, int] = field(default_factory=dict)


_SWITCHES = {
    "promisc": netdevice.IFF_PROMISC,
    "allmulticast": netdevice.IFF_ALLMULTI,
    "multicast": netdevice.IFF_MULTICAST,
    "arp": netdevice.IFF_NOARP,
}

_ELSEWHERE = (
    "name",
    "txqueuelen",
    "txqlen",
    "qlen",
    "alias",
    "carrier",
    "dynamic",
    "trailers",
    "broadcast",
    "brd",
    "netns",
)
"""Properties that ip knows and this card cannot change."""


def _on_off(key: str, value: str) -> bool:
    if value not in ("on", "off"):
        raise _StopError(f'Error: argument of "{key}" must be "on" or "off", not "{value}"\n', 1)
    return value == "on"


def _lladdr(text: str) -> bytes:
    """Parse hexadecimal bytes separated by colons, as ll_addr_a2n() does."""
    octets = []
    for part in text.split(":"):
        found = re.match(r"\s*\+?(?:0[xX])?([0-9a-fA-F]+)", part)
        if found is None or int(found[1], 16) > 255:
            raise _StopError(f'"{part}" is invalid lladdr.\n', 1)
        octets.append(int(found[1], 16))
    return bytes(octets)


def _strtol(text: str) -> int | None:
    """Parse an ASCII number in C's notation: decimal, octal or hexadecimal. None: not a number, or far too long."""
    if len(text) > _DIGITS_MAX or not re.fullmatch(r"\s*[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)", text, re.ASCII):
        return None
    digits = text.strip().lower()
    octal = re.fullmatch("([+-]?)0([0-9]+)", digits)
    try:
        return int(octal[1] + octal[2], 8) if octal else int(digits, 0)
    except ValueError:  # 08
        return None


def _mtu(text: str, change: _Change) -> int:
    if change.mtu is not None:
        raise _StopError(f'Error: duplicate "mtu": "{text}" is the second value.\n', 255)
    n = _strtol(text)
    if n is None or not -(1 << 31) <= n < 1 << 31:
        raise _StopError(f'Error: argument "{text}" is wrong: Invalid "mtu" value\n\n', 255)
    return n


def _size(word: str, text: str) -> int:
    """Parse as get_unsigned() does: 32 bits, decimal, octal or hexadecimal."""
    n = _strtol(text)
    if n is None or not 0 <= n < 1 << 32:
        raise _StopError(f'Error: argument "{text}" is wrong: Invalid "{word}" value\n\n', 255)
    return n


def _parse(host: Host, words: list[str]) -> _Change:
    change = _Change()

    def value() -> str:
        if not words:
            raise _StopError(_INCOMPLETE, 255)
        return words.pop(0)

    while words:
        word = words.pop(0)
        if word in ("up", "down"):
            change.flags[netdevice.IFF_UP] = word == "up"
        elif word == "arp":
            change.flags[netdevice.IFF_NOARP] = not _on_off(word, value())
        elif word in _SWITCHES:
            change.flags[_SWITCHES[word]] = _on_off(word, value())
        elif word == "address":
            change.address = _lladdr(value())
        elif word == "mtu":
            change.mtu = _mtu(value(), change)
        elif word in ("gro_max_size", "gro_ipv4_max_size"):
            change.gro[word] = _size(word, value())
        elif word in _ELSEWHERE:
            raise _refused(f"{host.name} cannot change its {word}")
        elif word == "help":
            raise _StopError(_USAGE, 255)
        else:
            name = value() if word == "dev" else word
            if change.dev is not None:
                raise _StopError(f'Error: either "dev" is duplicate, or "{name}" is a garbage.\n', 255)
            change.dev = name
    return change


def _set(host: Host, words: list[str]) -> Reply:
    """Make all requested changes, or none."""
    change = _parse(host, words)
    if change.dev is None:
        raise _StopError('Not enough information: "dev" argument is required.\n', 255)
    if change.dev != host.name:
        raise _StopError(f'Cannot find device "{change.dev}"\n', 1)
    knobs: dict[str, Any] = {}
    if (mac := change.address) is not None:
        if len(mac) != 6:
            raise _StopError(f"Invalid address length {len(mac)} - must be 6 bytes\n", 1)
        if mac[0] & 1 or not any(mac):
            raise _refused("", "Cannot assign requested address")
        knobs["mac"] = mac.hex(":")
    if change.mtu is not None:
        if change.mtu < netdevice.MTU_MIN:
            raise _StopError("Error: mtu less than device minimum.\n", 2)
        if change.mtu > netdevice.MTU_MAX:
            raise _StopError("Error: mtu greater than device maximum.\n", 2)
        knobs["mtu"] = change.mtu
    for word, n in change.gro.items():
        if n > netdevice.GRO_MAX_SIZE:
            raise _StopError(f"Error: too big {word}.\n", 2)
        knobs[word.replace("_", "-")] = n
    try:
        if change.flags:
            flags = netdevice.flags(host)
            for bit, on in change.flags.items():
                flags = flags | bit if on else flags & ~bit
            wanted = netdevice.change_flags(host, flags)
            knobs |= {knob: wanted[knob] for bit, knob in netdevice.FLAG_KNOBS.items() if bit in change.flags}
        if knobs:
            pseudofile.change(host.knobs, knobs)
    except WriteError as e:
        raise _refused(e.reason, str(e.strerror)) from None
    return Reply()
