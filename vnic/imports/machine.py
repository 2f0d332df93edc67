"""Hold what texts say about a machine and its cards. The parsers fill it in; vnic/imports/clone.py reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.linux.ntuple import Rule

_DIGITS_MAX = 20
_UNKNOWN_MAX = 3
_WORD_MAX = 60


def number(text: str) -> int | None:
    """Parse a decimal number. None: it is not one, or it has more digits than any counter of Linux."""
    text = text.strip()
    return int(text) if len(text) <= _DIGITS_MAX and re.fullmatch("-?[0-9]+", text, re.ASCII) else None


def hexadecimal(text: str) -> int | None:
    """Parse a mask of the kernel: hexadecimal digits, with a comma every 32 bits. None: it is not one."""
    digits = text.strip().removeprefix("0x").replace(",", "")
    return int(digits, 16) if re.fullmatch("[0-9a-fA-F]{1,4096}", digits, re.ASCII) else None


def cut(text: str) -> str:
    """Return a piece of a text for a note, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= _WORD_MAX else f"{text[:_WORD_MAX]}..."


@dataclass(slots=True)
class Card:
    """What texts say about one interface. Empty: no text says it."""

    driver: dict[str, str] = field(default_factory=dict)
    rings: dict[str, int] = field(default_factory=dict)
    rings_max: dict[str, int] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    channels_max: dict[str, int] = field(default_factory=dict)
    coalesce: dict[str, int] = field(default_factory=dict)
    queue_coalesce: dict[int, dict[str, int]] = field(default_factory=dict)
    features: dict[str, bool] = field(default_factory=dict)
    queues: list[int] = field(default_factory=list)
    """Receive queues, as -x and -n count them."""
    indir: list[int] = field(default_factory=list)
    key: list[int] = field(default_factory=list)
    hash_functions: dict[str, bool] = field(default_factory=dict)
    transformations: dict[str, bool] = field(default_factory=dict)
    flow_hash: dict[str, str] = field(default_factory=dict)
    rules: dict[int, Rule] = field(default_factory=dict)
    rules_shown: dict[str, int] = field(default_factory=dict)
    statistics: dict[str, int] = field(default_factory=dict)
    link: dict[str, int] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    """Properties of the link that are no numbers: address, master, xdp, duplex."""
    rps_cpus: dict[int, int] = field(default_factory=dict)
    rps_flow_cnt: dict[int, int] = field(default_factory=dict)
    irqs: list[int] = field(default_factory=list)
    """The interrupts of the card's device (msi_irqs)."""

    def update(self, other: Card) -> None:
        """Take over what another text says about the same interface."""
        for f in fields(self):
            if theirs := getattr(other, f.name):
                mine = getattr(self, f.name)
                if isinstance(mine, dict):
                    mine.update(theirs)
                else:
                    setattr(self, f.name, theirs)

    @property
    def asked(self) -> bool:
        """Did ethtool answer about this interface?"""
        return bool(self.driver or self.rings or self.channels or self.coalesce or self.features or self.indir)


@dataclass(slots=True)
class Interrupt:
    """A line of /proc/interrupts: counts by CPU, and the names of chip and handlers."""

    counts: dict[int, int]
    name: str


@dataclass(slots=True)
class Machine:
    """What texts say about a machine, and which lines the parsers did not understand."""

    cards: dict[str, Card] = field(default_factory=dict)
    """By name; "": a text did not name its interface."""
    cpus: int = 0
    hz: int = 0
    sysctl: dict[str, str] = field(default_factory=dict)
    interrupts: dict[int, Interrupt] = field(default_factory=dict)
    affinity: dict[int, int] = field(default_factory=dict)
    effective: dict[int, int] = field(default_factory=dict)
    softnet: list[list[int]] = field(default_factory=list)
    snmp: dict[str, dict[str, int]] = field(default_factory=dict)
    """/proc/net/snmp: protocol -> counter -> number."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """What a tool could not tell: the interface, if the text says it, and a sentence."""
    unread: list[str] = field(default_factory=list)
    """Files that vnic could not read, or whose text no parser knows."""
    _unknown: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def card(self, dev: str) -> Card:
        """Return what is known about an interface."""
        return self.cards.setdefault(dev, Card())

    def unknown(self, what: str, lines: Iterable[str]) -> None:
        """Count lines that no parser understood, and keep the first of them."""
        for line in lines:
            n, first = self._unknown.get(what, (0, []))
            self._unknown[what] = (n + 1, first if len(first) == _UNKNOWN_MAX else [*first, cut(line)])

    def unknown_lines(self) -> list[str]:
        """Return a sentence for each tool with lines that no parser understood."""
        said = []
        for what, (n, first) in self._unknown.items():
            more = f" and {n - len(first)} more" if n > len(first) else ""
            said.append(f"{what}: {n} line{'s' * (n > 1)} not understood: {'; '.join(first)}{more}")
        return said
