"""Parse what ethtool 4 to 6 prints for -i, -g, -l, -c, -Q -c, -k, -S, and for an interface alone.

Each parser gets the machine, the interface if the file's name says it, the match of the first line, and all lines.
A parameter that the driver lacks is ``n/a`` in newer versions and 0 in older ones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vnic.imports.machine import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vnic.imports.machine import Machine

_NONE = frozenset({"n/a", "not set", ""})
_STATES = {"on": 1, "off": 0, "yes": 1, "no": 0}
_QUEUES_MAX = 4096
_STATISTICS_MAX = 1 << 16


def pairs(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (name, value, line) for each line with a colon; ("", "", line) for other lines that are not blank."""
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and name.strip():
            yield name.strip(), value.strip(), line
        elif line.strip():
            yield "", "", line


def driver(machine: Machine, dev: str, _head: re.Match[str], lines: list[str]) -> None:
    """-i: name, version, bus."""
    known = machine.card(dev).driver
    for name, value, line in pairs(lines):
        if name in ("driver", "version", "bus-info") or name.startswith(("firmware-", "expansion-rom-", "supports-")):
            known[name] = value
        else:
            machine.unknown("ethtool -i", [line])


_RINGS = {"RX": "rx", "RX Mini": "rx-mini", "RX Jumbo": "rx-jumbo", "TX": "tx", "RX Buf Len": "rx-buf-len"}
_RINGS |= {"CQE Size": "cqe-size", "TX Push": "tx-push", "RX Push": "rx-push", "TX push buff len": "tx-push-buf-len"}
_RINGS |= {"TCP data split": "tcp-data-split", "HDS thresh": "hds-thresh"}
_CHANNELS = {"RX": "rx", "TX": "tx", "Other": "other", "Combined": "combined"}


def _tables(
    machine: Machine, what: str, names: dict[str, str], lines: list[str], both: tuple[dict[str, int], dict[str, int]]
) -> None:
    """Parse the two tables of -g and -l: the maximums, and the present values."""
    maximum, now = both
    into = now
    for name, value, line in pairs(lines[1:]):
        if name == "Pre-set maximums":
            into = maximum
        elif name == "Current hardware settings":
            into = now
        elif name not in names or ((n := number(value)) is None and value not in _NONE | _STATES.keys() | {"auto"}):
            machine.unknown(what, [line])
        elif n is not None and n >= 0:
            into[names[name]] = n


def rings(machine: Machine, _dev: str, head: re.Match[str], lines: list[str]) -> None:
    """-g: descriptors."""
    card = machine.card(head[1])
    _tables(machine, "ethtool -g", _RINGS, lines, (card.rings_max, card.rings))


def channels(machine: Machine, _dev: str, head: re.Match[str], lines: list[str]) -> None:
    """-l: queues."""
    card = machine.card(head[1])
    _tables(machine, "ethtool -l", _CHANNELS, lines, (card.channels_max, card.channels))


_ADAPTIVE = re.compile(r"(?:(Adaptive) RX: (\S+)\s+TX: (\S+)|CQE mode RX: (\S+)\s+TX: (\S+))\s*", re.ASCII)
_COALESCE = re.compile(
    r"(?:rx|tx)-(?:usecs|frames?)(?:-(?:irq|low|high))?|stats-block-usecs|sample-interval|pkt-rate-(?:low|high)|"
    r"tx-aggr-(?:max-bytes|max-frames|time-usecs)|(?:rx|tx)-profile",
    re.ASCII,
)


def _coalesce(machine: Machine, what: str, lines: Iterable[str], into: dict[str, int]) -> None:
    for name, value, line in pairs(lines):
        if both := _ADAPTIVE.fullmatch(line.strip()):
            prefix, rx, tx = ("adaptive", both[2], both[3]) if both[1] else ("cqe-mode", both[4], both[5])
            into |= {f"{prefix}-{way}": _STATES[word] for way, word in (("rx", rx), ("tx", tx)) if word in _STATES}
        elif not _COALESCE.fullmatch(name) or ((n := number(value)) is None and value not in _NONE):
            machine.unknown(what, [line])
        elif n is not None and n >= 0:
            into[name.replace("frame-", "frames-")] = n


def coalesce(machine: Machine, _dev: str, head: re.Match[str], lines: list[str]) -> None:
    """-c: moderation."""
    _coalesce(machine, "ethtool -c", lines[1:], machine.card(head[1]).coalesce)


def queue_coalesce(machine: Machine, dev: str, head: re.Match[str], lines: list[str]) -> None:
    """-Q ... -c: moderation of one queue."""
    queue = int(head[1])
    if queue < _QUEUES_MAX:
        _coalesce(machine, "ethtool -Q -c", lines[1:], machine.card(dev).queue_coalesce.setdefault(queue, {}))


def features(machine: Machine, _dev: str, head: re.Match[str], lines: list[str]) -> None:
    """-k: offloads."""
    card = machine.card(head[1])
    for name, value, line in pairs(lines[1:]):
        state = value.split(maxsplit=1)[0] if value else ""
        if state in ("on", "off"):
            card.features[name] = state == "on"
        else:
            machine.unknown("ethtool -k", [line])


def statistics(machine: Machine, dev: str, _head: re.Match[str], lines: list[str]) -> None:
    """-S: the driver's own counters."""
    counts = machine.card(dev).statistics
    for name, value, line in pairs(lines[1:]):
        n = number(value)
        if n is None or len(counts) >= _STATISTICS_MAX:
            machine.unknown("ethtool -S", [line])
        else:
            counts[name] = n


def settings(machine: Machine, _dev: str, head: re.Match[str], lines: list[str]) -> None:
    """``ethtool DEV``: the link. Other lines (modes, PHY, Wake-on-LAN) mean nothing here."""
    card = machine.card(head[1])
    for name, value, _ in pairs(lines[1:]):
        if name == "Speed" and (found := re.fullmatch(r"([0-9]{1,9})Mb/s.*", value, re.ASCII)):
            card.link["speed"] = int(found[1])
        elif name == "Duplex" and value:
            card.words["duplex"] = value.lower()
