"""The configuration of a run: each knob with its value and Linux's default, those that differ first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vnic.exports.toml import changed
from vnic.knobs.describe import unit
from vnic.knobs.table import KNOBS
from vnic.linux.places import place
from vnic.page.told import setting, visible

GROUPS = {
    "card": "Card",
    "ring": "Ring",
    "interrupts": "Interrupts",
    "spreading": "Spreading over queues and CPUs",
    "NAPI": "NAPI",
    "GRO": "GRO",
    "sockets": "Addresses and sockets",
    "run": "The run itself",
}
_ARGUMENTS = {
    "cpus": ("emulated CPUs", 4, "run"),
    "ip": ("the host's addresses", "any", "sockets"),
    "seed": ("seed of the software flow hash", 0, "run"),
}
_QUEUES_MAX = 128


@dataclass(frozen=True, slots=True)
class Row:
    """A knob."""

    name: str
    value: str
    usual: str
    """Linux's default."""
    differs: bool
    words: str
    place: str
    """Where Linux has it."""
    group: str


def _shown(name: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return visible(", ".join(visible(v) for v in value[:64]))
    return setting(value, unit(KNOBS[name]) if name in KNOBS else "")


def _differing(config: dict[str, Any]) -> set[str]:
    """Return the knobs that a new host would not have by itself.

    A cost profile may be a file, which a report must not make vnic read: its name is enough.
    """
    found = set(changed({name: value for name, value in config.items() if name != "cost"}))
    return found | {"cost"} if config.get("cost", "linux") not in ("linux", "zero") else found


def rows(config: dict[str, Any]) -> list[Row]:
    """Return a row for each knob of the configuration that this version of vnic knows."""
    differs, found = _differing(config), []
    for name, value in config.items():
        if name in KNOBS:
            knob = KNOBS[name]
            usual, words, group = knob.default, knob.help, str(knob.group)
            if name == "netdev-budget-usecs":
                usual = 2_000_000 // int(config.get("hz", 250))
        elif name in _ARGUMENTS:
            words, usual, group = _ARGUMENTS[name]
        else:
            continue
        where = place(name) if name in KNOBS else ""
        found.append(Row(name, _shown(name, value), _shown(name, usual), name in differs, words, where, group))
    return found


def of_queues(config: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return (queue, knob, value) of the queues that have knobs of their own."""
    own = config.get("each_queue") or {}
    return [
        (visible(queue, 12), visible(name, 60), setting(value))
        for queue, knobs in list(own.items())[:_QUEUES_MAX]
        for name, value in list(knobs.items())[:32]
    ]


def groups(found: list[Row]) -> list[tuple[str, list[Row]]]:
    """Return (name of the group, its rows), without empty groups."""
    return [(title, own) for group, title in GROUPS.items() if (own := [r for r in found if r.group == group])]
