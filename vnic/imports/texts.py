"""Find out which tools printed a text, by its contents or its path, and hand each part to its parser.

A text may hold the output of several tools, one after the other: each has a first line of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vnic.imports import ethtool_rss, ethtool_texts, ip_link, json_texts, kernel_texts
from vnic.imports.machine import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vnic.imports.machine import Machine

    Parser = Callable[[Machine, str, re.Match[str], list[str]], None]

_REFUSALS = ("Cannot ", "netlink error: ", "rxclass: ", "no stats available", "No data available", "RX classification")
_OTHERS = (
    r"(?:Pause|Time stamping|EEE|FEC|Module|MAC Merge|PSE|PLCA)[^:\n]{1,80}:$",
    "Permanent address: ",
    "Private flags for ",
    "The sub commands will be applied to ",
)
_FIRST: dict[str, tuple[str, Parser | None]] = {
    "driver": (r"driver: ", ethtool_texts.driver),
    "rings": (r"Ring parameters for (\S{1,64}):$", ethtool_texts.rings),
    "channels": (r"Channel parameters for (\S{1,64}):$", ethtool_texts.channels),
    "coalesce": (r"Coalesce parameters for (\S{1,64}):$", ethtool_texts.coalesce),
    "queue": (r"Queue: ([0-9]{1,9})$", ethtool_texts.queue_coalesce),
    "features": (r"(?:Features|Offload parameters) for (\S{1,64}):$", ethtool_texts.features),
    "indirection": (
        r"RX flow hash indirection table for (\S{1,64}) with ([0-9]{1,9}) RX ring",
        ethtool_rss.indirection,
    ),
    "rules": (r"([0-9]{1,9}) RX rings available$", ethtool_rss.rules),
    "flow-hash": (r"([A-Za-z0-9/ ]{1,40}) flows use these fields for computing Hash flow key:$", ethtool_rss.flow_hash),
    "statistics": (r"NIC statistics:$", ethtool_texts.statistics),
    "settings": (r"Settings for (\S{1,64}):$", ethtool_texts.settings),
    "link": (r"[0-9]{1,9}: ([^\s:@]+)(?:@[^\s:]*)?: <([A-Z0-9_,-]*)>(.*)", ip_link.link),
    "interrupts": (r"[ \t]+CPU[0-9]{1,6}(?:[ \t]+CPU[0-9]{1,6})*[ \t]*$", kernel_texts.interrupts),
    "softnet": (r"[0-9a-f]{8}(?: [0-9a-f]{8}){8,}[ \t]*$", kernel_texts.softnet_stat),
    "snmp": (r"Ip: Forwarding ", kernel_texts.snmp),
    "sysctl": (r"(?:abi|crypto|debug|dev|fs|kernel|net|sunrpc|user|vm)[./][^\s=]+ ?=", kernel_texts.sysctl),
    "refused": (rf"(?:{'|'.join(_REFUSALS)})", None),
    "other": (rf"(?:{'|'.join(_OTHERS)})", None),
}
"""Kind of text -> its first line, and its parser."""
_KINDS = tuple((kind, re.compile(first, re.ASCII)) for kind, (first, _) in _FIRST.items())
_ANY = re.compile("|".join(f"^(?:{first})" for first, _ in _FIRST.values()), re.ASCII | re.MULTILINE)
_LINES = frozenset({"softnet", "sysctl", "refused"})
"""Kinds that are recognized line by line."""
_LINE_MAX = 1 << 16

_DEVICE = re.compile(
    r"ethtool(?:[ _]+--?[A-Za-z][A-Za-z-]*)*[ _]+(?P<dev>[^\s_-]\S{0,63}?)(?:[ _]+rx-flow-hash[ _]+\w+)?"
    r"(?:\.(?:txt|text|out|log|json))*",
    re.ASCII,
)


def device_of(path: str) -> str:
    """Return the interface that a file's name says, as ethtool_-g_eth0 does; empty: it says none."""
    found = _DEVICE.fullmatch(path.rsplit("/", 1)[-1])
    return found["dev"] if found else ""


def _parts(text: str) -> Iterator[tuple[str, re.Match[str], list[str]]]:
    """Divide a text by the tools that printed it: the kind, the match of its first line, all its lines."""
    kind, head, lines = "", None, list[str]()
    for whole in text.splitlines():
        line = whole[:_LINE_MAX]
        new, match = next(((k, m) for k, first in _KINDS if (m := first.match(line))), ("", None))
        if match is None or (new == kind and new in _LINES):
            lines.append(line)
            continue
        if head is not None:
            yield kind, head, lines
        kind, head, lines = new, match, [line]
    if head is not None:
        yield kind, head, lines


def is_known(text: str) -> bool:
    """Is there any line in the text that a parser knows?"""
    return text.lstrip()[:1] in ("[", "{") or _ANY.search(text) is not None


def read(machine: Machine, path: str, text: str, *, dev: str = "") -> bool:
    """Read one text. ``dev``: its interface, if neither text nor path says it. Return: is it of a known tool?"""
    if kernel_texts.file(machine, path, text):
        return True
    dev = device_of(path) or dev
    if text.lstrip()[:1] in ("[", "{"):
        return json_texts.read(machine, dev, path, text)
    if _ANY.search(text) is None:
        return False
    known = False
    for kind, head, lines in _parts(text):
        known = True
        if kind == "refused":
            machine.refused += [(dev, f"{path}: {cut(line)}") for line in lines[:1]]
        parser = _FIRST[kind][1]
        if parser is not None:
            parser(machine, dev, head, lines)
    return known
