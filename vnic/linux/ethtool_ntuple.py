"""Answer ethtool -n and -N: ntuple rules in the tool's words and layout; vnic/linux/ntuple.py implements the rules.

As in the real tool, a set bit of a mask means that the bit does not matter.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from vnic.control.reply import Reply
from vnic.errors import VnicError
from vnic.linux import ntuple
from vnic.linux.ethtool_args import BAD_ARGS, EINVAL, ENODEV, RefusedError, bad_args, c_int, ioctl_error
from vnic.linux.ntuple import FLOW_TYPES, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vnic.host import Host

_U32_MAX = (1 << 32) - 1
TITLES = {
    "src-ip": "Src IP addr",
    "dst-ip": "Dest IP addr",
    "tos": "TOS",
    "tclass": "Traffic Class",
    "src-port": "Src port",
    "dst-port": "Dest port",
    "spi": "SPI",
    "l4proto": "Protocol",
    "l4data": "L4 bytes",
    "src": "Src MAC addr",
    "dst": "Dest MAC addr",
    "proto": "Ethertype",
    "vlan-etype": "VLAN EtherType",
    "vlan": "VLAN",
    "user-def": "User-defined",
    "dst-mac": "Dest MAC addr",
}
RAW = ("spi", "src-port", "dst-port")  # other words for the L4 bytes
_DECIMAL = ("src-port", "dst-port", "spi", "l4proto")


def _value(name: str, kind: str, value: bytes, *, decimal: bool) -> str:
    if kind in ("ip4", "ip6"):
        return str(ipaddress.ip_address(value))
    if kind == "mac":
        return value.hex(":").upper()
    n = int.from_bytes(value, "big")
    return str(n) if decimal else f"0x{n:X}" if name == "proto" else f"{n:#x}"


def rule_text(rule: Rule) -> str:
    """Format a rule as -n shows it."""
    flow = FLOW_TYPES[rule.flow_type]
    text = f"Filter: {rule.loc}\n\t{'Flow' if rule.flow_type == 'ether' else 'Rule'} Type: {flow.title}\n"
    raw = rule.flow_type in ("ip4", "ip6")
    for field in flow.fields:
        extra = field.name in ("vlan-etype", "vlan", "user-def")
        if field.name not in TITLES or (raw and field.name in RAW):
            continue
        if (extra and not rule.ext) or (field.name == "dst-mac" and not rule.mac_ext):
            continue
        value, mask = rule.of(field) if field.name != "user-def" else (bytes(8), bytes(8))
        free = bytes(0xFF ^ byte for byte in mask)
        if field.name == "dst-mac":
            free = mask  # the tool does not invert this mask
        shown = _value(field.name, field.kind, value, decimal=field.name in _DECIMAL)
        if field.name == "spi":
            shown = str(int.from_bytes(value, "big", signed=True))
        text += f"\t{TITLES[field.name]}: {shown} mask: {_value(field.name, field.kind, free, decimal=False)}\n"
    action = "Drop" if rule.action == ntuple.DROP else f"Direct to queue {rule.action}"
    return f"{text}\tAction: {action}\n\n"


def _data(rules: Iterable[Rule]) -> list[str]:
    return [str(rule) for rule in rules]


def show_all(host: Host, dev: str) -> Reply:
    """-n DEV: the number of queues, and all rules."""
    if dev != host.name:
        err = f"Cannot get RX rings: {ENODEV}\nrxclass: Cannot get RX class rule count: {ENODEV}\n"
        raise RefusedError(Reply(err=err + "RX classification rule retrieval failed\n", code=1))
    queues, rules = int(host.machine.c.nic.nqueues), host.knobs["ntuple-rules"]
    out = f"{queues} RX rings available\nTotal {len(rules)} rules\n\n" + "".join(map(rule_text, rules))
    return Reply(out, data={"rx-rings": queues, "rules": _data(rules)})


def show_one(host: Host, dev: str, location: str) -> Reply:
    """-n DEV rule N."""
    loc = c_int(location, 0, _U32_MAX)
    doing = "rxclass: Cannot get RX class rule"
    found = [rule for rule in host.knobs["ntuple-rules"] if rule.loc == loc]
    if dev != host.name or not found:
        why = ENODEV if dev != host.name else EINVAL
        raise RefusedError(Reply(err=f"{doing}: {why}\nCannot get RX classification rule\n", code=1))
    return Reply(rule_text(found[0]), data=_data(found))


def _refused(why: str) -> RefusedError:
    """Return a refusal with exit code 0, as the real tool does."""
    return ioctl_error("rmgr: Cannot insert RX class rule", why, code=0)


def _not_inserted(why: str) -> RefusedError:
    return RefusedError(Reply(err=f"{why}\nCannot insert classification rule\n", code=1))


def insert(host: Host, dev: str, words: Sequence[str]) -> Reply:
    """-N DEV flow-type ...: insert a rule. The tool prints no reason for a rule that the card refuses."""
    if not words:
        raise bad_args()
    try:
        rule = ntuple.parse(words)
    except ntuple.WordError as e:
        out, err = (f"{e}\n", "") if "unrecognized" in str(e) else ("", f"{e}\n")
        raise RefusedError(Reply(out, err + BAD_ARGS.err, 1)) from None
    rules = host.knobs["ntuple-rules"]
    taken = {r.loc for r in rules}
    if dev != host.name:
        raise (
            _refused(ENODEV)
            if rule.loc is not None
            else _not_inserted(f"rxclass: Cannot get RX class rule count: {ENODEV}")
        )
    try:
        loc = ntuple.free_location(taken) if rule.loc is None else rule.loc
    except ValueError:
        raise _not_inserted("rmgr: Cannot find appropriate slot to insert rule") from None
    try:
        ntuple.judge(rule)
        new = replace(rule, loc=loc)
        host.knobs["ntuple-rules"] = ntuple.Rules([*(r for r in rules if r.loc != loc), new])
    except (ValueError, VnicError):
        raise _refused(EINVAL) from None
    return Reply("" if rule.loc is not None else f"Added rule with ID {loc}\n", data=_data([new]))


def delete(host: Host, dev: str, words: Sequence[str]) -> Reply:
    """-N DEV delete N."""
    if not words:
        raise bad_args()
    loc = c_int(words[0], 0, _U32_MAX)
    rules = host.knobs["ntuple-rules"]
    left = ntuple.Rules(r for r in rules if r.loc != loc)
    if dev != host.name or len(left) == len(rules):
        why = ENODEV if dev != host.name else EINVAL
        err = f"rmgr: Cannot delete RX class rule: {why}\nCannot delete classification rule\n"
        raise RefusedError(Reply(err=err, code=1))
    host.knobs["ntuple-rules"] = left
    return Reply()
