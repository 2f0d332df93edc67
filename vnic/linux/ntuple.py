"""The card's ntuple rules (``ethtool -N``): each sends matching frames to a queue or drops them; csrc/card/ntuple.c.

    host.knobs["ntuple-rules"] = ["udp4 dst-port 5000 action 2", "ip4 src-ip 10.0.0.0 m 0.0.0.255 action -1 loc 0"]

The words are those after ``flow-type`` in ethtool. As there, a set bit of a mask means that the bit does not matter.
The matching rule with the lowest location wins. A rule without a location gets the highest free one.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SIZE = int(lib.NTUPLE_RULES)
DROP = -1  # RX_CLS_FLOW_DISC
_WAKE = -2  # RX_CLS_FLOW_WAKE
_EXT, _MAC_EXT = 0x80000000, 0x40000000
_KEY = ffi.sizeof("struct ntuple_key")
_AT = {name: (field.offset, ffi.sizeof(field.type)) for name, field in ffi.typeof("struct ntuple_key").fields}


@dataclass(frozen=True, slots=True)
class Field:
    """A word of a rule: the notation of its value, and its bytes in struct ntuple_key."""

    name: str
    kind: str
    at: int
    size: int
    once: frozenset[str]
    """Two words that share one of these exclude each other."""


def _field(name: str, kind: str, member: str, *once: str, part: tuple[int, int] | None = None) -> Field:
    at, size = _AT[member] if member else (0, 0)
    if part:
        at, size = at + part[0], part[1]
    return Field(name, kind, at, size, frozenset(once or (name,)))


_ENDS = (
    Field("action", "cookie", 0, 0, frozenset({"action"})),
    Field("vf", "byte", 0, 0, frozenset({"vf"})),
    Field("queue", "number", 0, 0, frozenset({"queue"})),
    Field("loc", "number", 0, 0, frozenset({"loc"})),
    _field("vlan-etype", "be", "vlan_etype"),
    _field("vlan", "be", "vlan_tci"),
    Field("user-def", "number", 0, 8, frozenset({"user-def"})),
)
_DST_MAC = _field("dst-mac", "mac", "dst_mac")


def _inet(kind: str, tos: str, *behind: Field) -> tuple[Field, ...]:
    n = 4 if kind == "ip4" else 16
    src, dst = (_field(f"{way}-ip", kind, way, part=(0, n)) for way in ("src", "dst"))
    return (src, dst, _field(tos, "be", "tos"), *behind, *_ENDS, _DST_MAC)


_PORTS = (
    _field("src-port", "be", "l4", "first", part=(0, 2)),
    _field("dst-port", "be", "l4", "second", part=(2, 2)),
)
_SPI = _field("spi", "be", "l4", "first", "second")
_RAW = (_field("l4proto", "be", "l4_proto"), _field("l4data", "be", "l4", "first", "second"), _SPI, *_PORTS)


@dataclass(frozen=True, slots=True)
class FlowType:
    """A type of rules: its number (include/uapi/linux/ethtool.h), its words, and the fields that it always matches."""

    number: int
    title: str
    fields: tuple[Field, ...]
    l3: int = 0
    l4_proto: int | None = None


def _flow_types() -> dict[str, FlowType]:
    found = {}
    for v, tos, first, user in ((4, "tos", 0, 0xD), (6, "tclass", 4, 0xE)):
        kind, over = f"ip{v}", f"over IPv{v}"
        for i, (name, proto) in enumerate((("tcp", 6), ("udp", 17), ("sctp", 132)), 1):
            found[f"{name}{v}"] = FlowType(first + i, f"{name.upper()} {over}", _inet(kind, tos, *_PORTS), v, proto)
        for i, (name, proto) in enumerate((("ah", 51), ("esp", 50))):
            number = (9 if v == 4 else 0xB) + i
            found[f"{name}{v}"] = FlowType(number, f"IPSEC {name.upper()} {over}", _inet(kind, tos, _SPI), v, proto)
        found[kind] = FlowType(user, f"Raw IPv{v}", _inet(kind, tos, *_RAW), v)
    ether = (_field("src", "mac", "src_mac"), _field("dst", "mac", "dst_mac"), _field("proto", "be", "proto"))
    return found | {"ether": FlowType(0x12, "Raw Ethernet", ether + _ENDS)}


FLOW_TYPES = _flow_types()


class WordError(ValueError):
    """ethtool's message about words that are not a rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; ``value`` and ``mask`` are a struct ntuple_key. Here a set bit of the mask matters."""

    flow_type: str
    value: bytes
    mask: bytes
    action: int
    """A queue, or -1: drop."""
    loc: int | None = None
    ext: bool = False
    """Whether it matches a VLAN tag (FLOW_EXT)."""
    mac_ext: bool = False
    """Whether an IP rule also matches the destination MAC address (FLOW_MAC_EXT)."""
    unknown: str = ""
    """A word that the card does not support."""

    def of(self, field: Field) -> tuple[bytes, bytes]:
        """Return the value and mask of a word."""
        part = slice(field.at, field.at + field.size)
        return self.value[part], self.mask[part]

    def __str__(self) -> str:
        words, covered = [self.flow_type], bytearray(_KEY)
        for field in FLOW_TYPES[self.flow_type].fields:
            part = slice(field.at, field.at + field.size)
            value, mask = self.of(field)
            if not any(mask) or any(covered[part]):
                continue
            covered[part] = b"\1" * field.size
            words += [field.name, _shown(field.kind, value)]
            if mask.strip(b"\xff"):
                words += ["m", _shown(field.kind, bytes(0xFF ^ byte for byte in mask))]
        words += ["action", str(self.action)]
        return " ".join(words if self.loc is None else [*words, "loc", str(self.loc)])


# ---- words ----


def _shown(kind: str, value: bytes) -> str:
    if kind in ("ip4", "ip6"):
        return socket.inet_ntop(socket.AF_INET if kind == "ip4" else socket.AF_INET6, value)
    return value.hex(":") if kind == "mac" else str(int.from_bytes(value, "big"))


def _number(text: str, bits: int) -> int:
    """Parse a number as strtoull() does: base by prefix; a negative number wraps. ValueError: not a number."""
    match = re.fullmatch(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", text)
    if text == "":
        return 0
    if match is None:
        raise ValueError
    digits = match[2]
    n = int(digits, 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10)
    n = -n % (1 << 64) if match[1] == "-" and n < 1 << 64 else n
    if n >> bits:
        raise ValueError
    return n


def value_bytes(kind: str, size: int, text: str) -> bytes:
    """Parse a value of this kind and size into bytes. ValueError: it is not one."""
    if kind in ("ip4", "ip6"):
        try:
            return socket.inet_pton(socket.AF_INET if kind == "ip4" else socket.AF_INET6, text)
        except OSError:
            raise ValueError from None
    if kind == "mac":
        match = re.match(r"\s*" + r":\s*".join([r"([0-9a-fA-F]{1,2})"] * 6), text)
        if match is None:
            raise ValueError
        return bytes(int(part, 16) for part in match.groups())
    return _number(text, 8 * size).to_bytes(size, "big")


def _read(field: Field, text: str) -> Any:
    if field.kind == "cookie":
        n = _number(text, 64)
        return n - (1 << 64) if n >> 63 else n
    if field.kind in ("number", "byte"):
        return _number(text, 8 if field.kind == "byte" else 8 * field.size or 32)
    return value_bytes(field.kind, field.size, text)


def _given(field: Field, text: str, what: str) -> Any:
    try:
        return _read(field, text)
    except ValueError:
        raise WordError(f"Invalid {field.name} {what}[{text}]") from None


def _context(rest: list[str]) -> int:
    """Parse the number of an RSS context, which the tool checks itself."""
    if not rest:
        raise WordError("'context' missing value")
    text = rest.pop(0)
    try:
        return _number(text, 32)
    except ValueError:
        raise WordError(f"Invalid context value[{text}]") from None


def parse(words: Sequence[str]) -> Rule:
    """Parse the words after ``flow-type``. WordError: the tool's message. :func:`judge` checks the card's abilities."""
    if not words or words[0] not in FLOW_TYPES:
        raise WordError("Add rule, invalid syntax")
    fields = {field.name: field for field in FLOW_TYPES[words[0]].fields}
    value, mask, seen = bytearray(_KEY), bytearray(_KEY), set[str]()
    others: dict[str, int] = {}
    rest = list(words[1:])
    while rest:
        name = rest.pop(0)
        if name == "context":
            others[name] = _context(rest)
            continue
        if name not in fields:
            raise WordError(f"Add rule, unrecognized option[{name}]")
        if not rest:
            break
        field, text = fields[name], rest.pop(0)
        if seen & field.once:
            raise WordError(f"Invalid {name} value[{text}]")
        found = _given(field, text, "value")
        seen |= field.once
        for other in ("queue", "vf"):
            if {"action", other} <= seen:
                raise WordError(f"action and {other} are not compatible")
        part = slice(field.at, field.at + field.size)
        if isinstance(found, bytes):
            value[part], mask[part] = found, b"\xff" * field.size
        else:
            others[name] = found
        if rest and rest[0] in ("m", f"{name}-mask"):
            if len(rest) == 1:
                raise WordError("Add rule, invalid syntax")
            text = rest[1]
            if not field.size:
                raise WordError(f"Invalid {name} mask[{text}]")
            found = _given(field, text, "mask")
            if isinstance(found, bytes):
                mask[part] = bytes(0xFF ^ byte for byte in found)
            del rest[:2]
    unknown = next((name for name in ("user-def", "vf", "context") if name in others), "")
    return Rule(
        words[0],
        bytes(value),
        bytes(mask),
        others.get("queue", others.get("action", 0)),
        others.get("loc"),
        ext=bool(seen & {"vlan", "vlan-etype", "user-def"}),
        mac_ext="dst-mac" in seen,
        unknown=unknown,
    )


def judge(rule: Rule) -> None:
    """Check that this card supports the rule. ValueError: it does not, whatever rules it already has."""
    if rule.unknown or rule.flow_type in ("ah4", "ah6"):
        raise ValueError(f"the card knows no {rule.unknown or rule.flow_type}")
    if not (rule.action == DROP or 0 <= rule.action < lib.NIC_QUEUES_MAX):
        raise ValueError(f"action {rule.action}: must be a queue, or -1 (drop)")
    if rule.loc is not None and rule.loc >= SIZE:
        raise ValueError(f"loc {rule.loc}: must be between 0 and {SIZE - 1}")


# ---- all of them: the knob ----


class Rules(tuple[Rule, ...]):
    """The card's rules, ordered by location."""

    __slots__ = ()

    def __str__(self) -> str:
        return "; ".join(map(str, self))


def parse_rules(value: Any) -> Rules:
    """Parse rules, or text with semicolons or newlines between rules. ValueError: a rule is wrong."""
    given = re.split("[;\n]", value) if isinstance(value, str) else value
    try:
        rules = [r if isinstance(r, Rule) else parse(r.split()) for r in given if r]
    except (TypeError, AttributeError):
        raise ValueError("must be rules in ethtool's words, as in udp4 dst-port 5000 action 2") from None
    found: dict[int, Rule] = {}
    for rule in rules:
        judge(rule)
        if rule.loc is not None and rule.loc in found:
            raise ValueError(f"two rules have the location {rule.loc}")
        if rule.loc is not None:
            found[rule.loc] = rule
    for rule in rules:
        if rule.loc is None:
            loc = free_location(found)
            found[loc] = replace(rule, loc=loc)
    return Rules(found[loc] for loc in sorted(found))


def free_location(taken: Iterable[int]) -> int:
    """Return the location for a rule without one: the free one of lowest priority. ValueError: none is free."""
    free = set(range(SIZE)) - set(taken)
    if not free:
        raise ValueError(f"there is room for {SIZE} rules")
    return max(free)


def _key(rule: Rule) -> tuple[Any, Any]:
    """Return value and mask for the card, including the fields that the rule's type always matches."""
    flow = FLOW_TYPES[rule.flow_type]
    value, mask = (ffi.new("struct ntuple_key *") for _ in range(2))
    ffi.memmove(value, rule.value, _KEY)
    ffi.memmove(mask, rule.mask, _KEY)
    asked = {
        "l3": flow.l3 or None,
        "l4_proto": flow.l4_proto,
        "has_l4": 1 if any(mask.l4) else None,
        "tagged": 1 if any(mask.vlan_tci) or any(mask.vlan_etype) else None,
    }
    for name, must in asked.items():
        if must is not None:
            setattr(value, name, must)
            setattr(mask, name, 0xFF)
    return value, mask


def _by_location(rules: Rules) -> dict[int, Rule]:
    return {rule.loc: rule for rule in rules if rule.loc is not None}  # each rule of a Rules has one


def put(host: Any, rules: Rules) -> None:
    """Install these rules in the card. Unchanged rules keep their counts. ValueError: a queue does not exist."""
    nic = ffi.addressof(host.nic)
    now = _by_location(get(host))
    wanted = _by_location(rules)
    for rule in wanted.values():
        if rule.action >= host.nic.nqueues:
            raise ValueError(f"{rule}: there is no queue {rule.action}: the card has {host.nic.nqueues}")
    for loc in now.keys() - wanted.keys():
        lib.ntuple_delete(nic, loc)
    for loc, rule in wanted.items():
        if now.get(loc) == rule:
            continue
        flags = (_EXT if rule.ext else 0) | (_MAC_EXT if rule.mac_ext else 0)
        queue = lib.NTUPLE_DROP if rule.action == DROP else rule.action
        if lib.ntuple_insert(nic, *_key(rule), FLOW_TYPES[rule.flow_type].number | flags, loc, queue) < 0:
            raise MemoryError


_NAMES = {flow.number: name for name, flow in FLOW_TYPES.items()}


def get(host: Any) -> Rules:
    """Return the card's present rules."""
    found = []
    for i in range(host.nic.rules.count):
        c = host.nic.rules.rule[i]
        name = _NAMES[c.type & 0xFF]
        value, mask = (bytearray(ffi.buffer(words)) for words in (c.value, c.mask))
        own = {field.at + n for field in FLOW_TYPES[name].fields for n in range(field.size)}
        for at in set(range(_KEY)) - own:
            value[at] = mask[at] = 0
        action = DROP if c.queue == lib.NTUPLE_DROP else int(c.queue)
        ext, mac_ext = bool(c.type & _EXT), bool(c.type & _MAC_EXT)
        found.append(Rule(name, bytes(value), bytes(mask), action, int(c.location), ext, mac_ext))
    return Rules(found)


def hits(host: Any) -> dict[int, int]:
    """Return location -> frames that the rule matched."""
    return {int(r.location): int(r.hits) for r in (host.nic.rules.rule[i] for i in range(host.nic.rules.count))}
