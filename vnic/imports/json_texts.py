"""Parse JSON: ``ethtool --json`` of any option, ``ip -j -d link``, and vnic's own ``--json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vnic.imports import ip_link
from vnic.imports.machine import cut

if TYPE_CHECKING:
    from vnic.imports.machine import Card, Machine

_RINGS = ("rx", "rx-mini", "rx-jumbo", "tx", "rx-buf-len")
_CHANNELS = ("rx", "tx", "other", "combined")
_COALESCE_WORD = ("adaptive-rx", "rx-usecs", "rx-frames")
_LARGEST = 1 << 63
_TABLE_MAX = 1 << 16


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST


def _numbers(given: dict[str, Any], names: tuple[str, ...], suffix: str = "") -> dict[str, int]:
    return {name: given[name + suffix] for name in names if _whole(given.get(name + suffix))}


def _rings(card: Card, given: dict[str, Any]) -> None:
    card.rings.update(_numbers(given, _RINGS))
    card.rings_max.update(_numbers(given, _RINGS, "-max"))


def _channels(card: Card, given: dict[str, Any]) -> None:
    now, most = given.get("current", given), given.get("max")
    if isinstance(now, dict):
        card.channels.update(_numbers(now, _CHANNELS))
    card.channels_max.update(_numbers(most, _CHANNELS) if isinstance(most, dict) else {})
    card.channels_max.update(_numbers(given, _CHANNELS, "-max"))


def _coalesce(card: Card, given: dict[str, Any]) -> None:
    found = {name.replace("frame-", "frames-"): value for name, value in given.items() if isinstance(value, bool)}
    found |= {name.replace("frame-", "frames-"): value for name, value in given.items() if _whole(value)}
    queue = found.pop("queue", None)
    into = card.coalesce if queue is None else card.queue_coalesce.setdefault(int(queue), {})
    into.update({name: int(value) for name, value in found.items()})


def _features(card: Card, given: dict[str, Any]) -> None:
    for name, state in given.items():
        if isinstance(state, dict) and isinstance(state.get("active"), bool):
            card.features[name] = state["active"]


def _indirection(card: Card, given: dict[str, Any]) -> None:
    table, key = given.get("rss-indirection-table"), given.get("rss-hash-key")
    if isinstance(table, list) and all(_whole(queue) for queue in table):
        card.indir = table[:_TABLE_MAX]
    if isinstance(key, str):
        try:
            card.key = list(bytes.fromhex(key.replace(":", "")))
        except ValueError:
            card.key = []
    elif isinstance(key, list) and all(_whole(byte) and byte < 256 for byte in key):
        card.key = key[:_TABLE_MAX]
    if _whole(given.get("rx-rings")):
        card.queues = [given["rx-rings"]]
    if isinstance(name := given.get("rss-hash-function"), str):
        card.hash_functions[name] = True
    if isinstance(xfrm := given.get("rss-input-transformation"), str):
        card.transformations[xfrm] = True
    elif isinstance(xfrm, dict):
        card.transformations.update({name: on for name, on in xfrm.items() if isinstance(on, bool)})


def _link(card: Card, given: dict[str, Any]) -> None:
    if isinstance(names := given.get("flags"), list):
        ip_link.flags(card, [name for name in names if isinstance(name, str)])
    for name, value in given.items():
        if _whole(value):
            ip_link.count(card, name, value)
    if given.get("link_type") == "ether" and isinstance(given.get("address"), str):
        card.words["address"] = given["address"][:64]
    if isinstance(master := given.get("master"), str):
        card.words["master"] = master[:64]
    if given.get("xdp"):
        card.words["xdp"] = "on"


def _one(machine: Machine, dev: str, given: dict[str, Any]) -> bool:
    name = given.get("ifname", dev)
    card = machine.card(name if isinstance(name, str) and len(name) <= 64 else "")
    if "ifindex" in given:
        _link(card, given)
    elif "rss-indirection-table" in given or "rss-hash-key" in given:
        _indirection(card, given)
    elif "combined-max" in given or "other-max" in given or "current" in given or "combined" in given:
        _channels(card, given)
    elif "rx-max" in given or "tx-max" in given:
        _rings(card, given)
    elif any(name in given for name in _COALESCE_WORD):
        _coalesce(card, given)
    elif any(isinstance(state, dict) and "active" in state for state in given.values()):
        _features(card, given)
    elif isinstance(given.get("driver"), str):
        card.driver.update({name: str(value)[:256] for name, value in given.items() if isinstance(value, str)})
    elif all(name.startswith("net.") for name in given):
        machine.sysctl.update({name: str(value) for name, value in given.items() if isinstance(value, (str, int))})
    else:
        return False
    return True


def read(machine: Machine, dev: str, path: str, text: str) -> bool:
    """Read one JSON text: an object, or a list of them. Return: is it of a known tool?"""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        machine.unknown(path, [f"not JSON: {cut(text[:200])}"])
        return False
    known = False
    for one in given if isinstance(given, list) else [given]:
        if isinstance(one, dict) and one:
            known |= _one(machine, dev, one)
    return known
