"""Parse ``ip [-d] [-s] link``: flags, MTU, address, GRO's limits, and what else sits on the interface."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from vnic.imports.machine import Card, number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.imports.machine import Machine

_NUMBERS = ("mtu", "gro_max_size", "gro_ipv4_max_size")
_COUNTS = {"promiscuity": "promisc", "allmulti": "allmulti"}
_FLAGS = {"PROMISC": "promisc", "ALLMULTI": "allmulti"}
_ADDRESS = re.compile(r"\s*link/ether\s+((?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2})\b", re.ASCII)


def flags(card: Card, names: Iterable[str]) -> None:
    """Take over the interface's flags by iproute2's names."""
    there = set(names)
    for name, knob in _FLAGS.items():
        card.link[knob] = max(card.link.get(knob, 0), int(name in there))


def count(card: Card, name: str, n: int) -> None:
    """Take over a number by iproute2's name. A count of users of promisc is as good as the flag."""
    if name in _NUMBERS and n >= 0:
        card.link[name] = n
    elif name in _COUNTS:
        card.link[_COUNTS[name]] = max(card.link.get(_COUNTS[name], 0), int(n > 0))


def link(machine: Machine, _dev: str, head: re.Match[str], lines: list[str]) -> None:
    """One interface of the listing."""
    card = machine.card(head[1])
    flags(card, head[2].split(","))
    found = next((m for line in lines if (m := _ADDRESS.match(line))), None)
    if found:
        card.words["address"] = found[1]
    words = " ".join([head[3], *lines[1:]]).split()
    for name, value in pairwise(words):
        n = number(value)
        if n is not None:
            count(card, name, n)
        if name == "master":
            card.words["master"] = value[:64]
    if any(word in ("xdp", "xdpgeneric", "xdpdrv", "xdpoffload", "xdpmulti") for word in words):
        card.words["xdp"] = "on"
