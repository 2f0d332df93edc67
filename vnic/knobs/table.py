"""Every knob by its Linux name, with its parser, its place and its default. All other code reads this one table.

The rows are in vnic/knobs/card_rows.py, host_rows.py, inet_rows.py and tcp_rows.py.

Dashes and underscores are equal, and so are ``net.core.netdev_budget`` and ``netdev-budget``. Where Linux has a
default, the table has the same.
"""

from __future__ import annotations

import difflib
import random
import re
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, quoted, said
from vnic.knobs.card_rows import CARD
from vnic.knobs.host_rows import HOST
from vnic.knobs.parse import Numbers

if TYPE_CHECKING:
    from vnic.knobs.knob import Knob

KNOBS: dict[str, Knob] = CARD | HOST
"""The order matters where one knob depends on another, and reports show it."""

ALIASES = {
    "rx-checksumming": "rx",
    "tx-checksumming": "tx",
    "receive-hashing": "rxhash",
    "tcp-segmentation-offload": "tso",
    "tx-tcp-segmentation": "tso",
    "tx-tcp6-segmentation": "tso",
    "generic-receive-offload": "gro",
    "rx-gro": "gro",
    "rx-checksum": "rx",
    "rx-hashing": "rxhash",
    "large-receive-offload": "lro",
    "rx-lro": "lro",
    "rxvlan": "rx-vlan-offload",
    "rx-vlan-hw-parse": "rx-vlan-offload",
    "ntuple-filters": "ntuple",
    "rx-ntuple-filter": "ntuple",
    "flow-limit-cpu-bitmap": "flow-limit-cpus",
    "rmem-default": "rcvbuf",
    "ring": "rx-ring",
    "combined": "queues",
}


UNITS = {name: knob.unit for name, knob in KNOBS.items() if knob.unit}
"""Units missing in Linux's names. ``gro-flush-timeout-ns`` is a name too."""

START_ONLY = {name: knob.fixed for name, knob in KNOBS.items() if knob.fixed}
"""Knob -> why it cannot change after the host is made."""

_NAME_MAX = 64  # characters compared: the search's time grows with them
_NAMES = {name: name for name in KNOBS} | {f"{name}-{unit}": name for name, unit in UNITS.items()} | ALIASES


def names_of(name: str) -> list[str]:
    """Return all names of a knob of the table, its own first."""
    return [name, *(other for other, of in _NAMES.items() if of == name and other != name)]


def canonical(name: str) -> str:
    """Return the knob's name in the table. ConfigError, with the nearest names: there is no such knob."""
    if not isinstance(name, str):
        raise ConfigError(f"there is no knob {name!r}")
    key = re.sub(r"^net\.(core|ipv4|ipv6)\.", "", name.lower()).replace("_", "-")
    if key not in _NAMES:
        near = difflib.get_close_matches(key[:_NAME_MAX], KNOBS, 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"there is no knob {quoted(name)}{hint}")
    return _NAMES[key]


def _bad(name: str, value: Any, why: ValueError) -> ConfigError:
    return ConfigError(f"{name}={said(value)}: {why}")


def read(name: str, value: Any = None) -> Any:
    """Return the parsed value of a knob (None: its default). ConfigError: as :func:`apply`."""
    knob = KNOBS[canonical(name)]
    try:
        return knob.value_of(knob.default if value is None else value)
    except ValueError as e:
        raise _bad(name, value, e) from None


def refuse_no_interrupt(usecs: int, frames: int) -> None:
    """Raise ConfigError if moderation would never raise an interrupt."""
    if not usecs and not frames:
        raise ConfigError("rx-usecs=0 and rx-frames=0: there would never be an interrupt")


def shown(name: str, parsed: Any, given: Any) -> Any:
    """Return a knob's value as a report shows it: numbers and flags parsed, all others as written."""
    if isinstance(parsed, (bool, int, float)) and not KNOBS[name].as_given:
        return parsed
    return str(parsed if isinstance(parsed, Numbers) else given)


def apply(host: Any, wire: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Set all knobs, given and default ones, before host_start(). Return: name -> value in effect.

    Raises:
        ConfigError: one sentence naming the knob, the value and what is allowed.
    """
    named = {canonical(name): value for name, value in given.items()}
    values = {name: value for name, value in named.items() if value is not None}
    if "rx-usecs" in values and read("rx-usecs", values["rx-usecs"]):
        values.setdefault("rx-frames", 0)  # else the default of 1 frame would win
    effective: dict[str, Any] = {}
    for name, knob in KNOBS.items():
        value = values.get(name, knob.default)
        if value is None:
            continue
        try:
            parsed = knob.value_of(value)
            knob.place.put(host, wire, parsed, None)
        except ValueError as e:
            raise _bad(name, value, e) from None
        effective[name] = shown(name, parsed, value)
    irq = host.nic.queue[0].irq
    refuse_no_interrupt(irq.rx_usecs, irq.rx_frames)
    return effective


def siphash_key(seed: int) -> tuple[int, int]:
    """Return the software flow hash's key for a seed: two 64-bit numbers."""
    keys = random.Random(seed)
    return keys.getrandbits(64), keys.getrandbits(64)
