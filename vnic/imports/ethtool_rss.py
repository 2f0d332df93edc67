"""Parse what ethtool 4 to 6 prints for -x, -n and -n ... rx-flow-hash: the queue of a flow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vnic.imports.ethtool_texts import pairs
from vnic.imports.machine import number
from vnic.linux import ntuple
from vnic.linux.ethtool_ntuple import RAW
from vnic.linux.ethtool_ntuple import TITLES as WORDS
from vnic.linux.ethtool_rss import FIELD_NAMES, TITLES

if TYPE_CHECKING:
    from vnic.imports.machine import Machine

_ROW = re.compile(r"\s*[0-9]{1,9}:((?:\s+[0-9]{1,9})+)\s*", re.ASCII)
_KEY = re.compile(r"\s*[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2})+:?\s*", re.ASCII)
_TABLE_MAX = 1 << 16
_RULES_MAX = 1 << 14
_HEADINGS = ("RSS hash key", "RSS hash function", "RSS input transformation")


def indirection(machine: Machine, _dev: str, head: re.Match[str], lines: list[str]) -> None:
    """-x: the indirection table, the key, the hash function."""
    card = machine.card(head[1])
    card.queues = [int(head[2])]
    part, table = "table", list[int]()
    for line in lines[1:]:
        text = line.strip()
        if text.removesuffix(":") in _HEADINGS:
            part = text.removesuffix(":")
        elif part == "table" and (row := _ROW.fullmatch(line)):
            table += [int(queue) for queue in row[1].split()][: _TABLE_MAX - len(table)]
        elif part == "RSS hash key" and _KEY.fullmatch(line):
            card.key = list(bytes.fromhex(text.replace(":", "")))
        elif part in _HEADINGS[1:] and (found := re.fullmatch(r"([\w-]+): (on|off)", text)):
            into = card.hash_functions if part == _HEADINGS[1] else card.transformations
            into[found[1]] = found[2] == "on"
        elif "not supported" in text:
            machine.refused.append((head[1], f"ethtool -x, {part.removeprefix('RSS ')}: {text}"))
        elif text:
            machine.unknown("ethtool -x", [line])
    if table:
        card.indir = table


_FLOW_TYPES = {title: name for name, title in reversed(TITLES.items()) if title}
_FIELD_LETTERS = {name: letter for letter, name in FIELD_NAMES.items()}


def flow_hash(machine: Machine, dev: str, head: re.Match[str], lines: list[str]) -> None:
    """-n DEV rx-flow-hash TYPE: the hashed fields, in ethtool's letters."""
    name = _FLOW_TYPES.get(head[1])
    if name is None:
        machine.unknown("ethtool -n rx-flow-hash", lines[:1])
        return
    letters = ""
    for line in (line.strip() for line in lines[1:]):
        if line in _FIELD_LETTERS:
            letters += _FIELD_LETTERS[line]
        elif line and line != "None":
            machine.unknown("ethtool -n rx-flow-hash", [line])
    machine.card(dev).flow_hash[name] = letters


# ---- rules ----

_RULE_TYPES = {flow.title: name for name, flow in ntuple.FLOW_TYPES.items()}
_PAIR = re.compile(r"(.+?): (\S+) mask: (\S+)", re.ASCII)
_ACTION = re.compile(r"Direct to queue ([0-9]{1,9})", re.ASCII)


def rules(machine: Machine, dev: str, head: re.Match[str], lines: list[str]) -> None:
    """-n: the number of queues, and all rules."""
    card = machine.card(dev)
    card.queues = [int(head[1])]
    blocks: list[list[str]] = []
    for name, value, line in pairs(lines[1:]):
        if name == "Filter":
            blocks.append([value])
        elif blocks:
            blocks[-1].append(line.strip())
        elif not line.startswith("Total "):
            machine.unknown("ethtool -n", [line])
    card.rules_shown = {"rules": len(blocks)}
    for location, *block in blocks[:_RULES_MAX]:
        words = _words(block)
        loc = number(location)
        rule = _rule(words)
        if rule is None or loc is None:
            machine.refused.append((dev, f"ethtool -n, filter {location[:20]}: not a rule that vnic knows"))
        else:
            card.rules[loc] = rule


def _rule(words: list[str]) -> ntuple.Rule | None:
    """Parse the words of ethtool -N. None: they are no rule."""
    try:
        return ntuple.parse(words)
    except ValueError:
        return None


def _words(block: list[str]) -> list[str]:
    """Return a rule's block in the words of ethtool -N; empty: one of its lines has no word."""
    flow_type, action, found = "", "", dict[str, tuple[str, str]]()
    for line in block:
        name, _, value = line.partition(": ")
        if name in ("Rule Type", "Flow Type"):
            flow_type = _RULE_TYPES.get(value, "")
        elif name == "Action":
            queue = _ACTION.fullmatch(value)
            action = "-1" if value == "Drop" else queue[1] if queue else ""
        elif pair := _PAIR.fullmatch(line):
            found[pair[1]] = (pair[2], pair[3])
        else:
            return []
    if not flow_type or not action:
        return []
    words = [flow_type]
    raw = flow_type in ("ip4", "ip6")
    for field in ntuple.FLOW_TYPES[flow_type].fields:
        title = WORDS.get(field.name)
        if title not in found or (raw and field.name in RAW):
            continue
        value, mask = found.pop(title)
        if field.name == "dst-mac":
            mask = _inverted(mask)  # the tool does not invert this mask
        if field.name == "spi" and (n := number(value)) is not None:
            value = str(n % (1 << 32))
        if not _free(field, mask):
            words += [field.name, value, "m", mask]
    return [] if found else [*words, "action", action]


def _inverted(mask: str) -> str:
    """Return the MAC address with all bits inverted; the text itself, if it is none."""
    parts = mask.split(":")
    if not all(re.fullmatch("[0-9a-fA-F]{1,2}", part) for part in parts):
        return mask
    return ":".join(f"{0xFF ^ int(part, 16):02x}" for part in parts)


def _free(field: ntuple.Field, mask: str) -> bool:
    """Does no bit of this field matter?"""
    try:
        return ntuple.value_bytes(field.kind, field.size, mask) == b"\xff" * field.size
    except ValueError:
        return False
