"""The points of a sweep: every combination of its axes' values, each with a name that holds for ever.

A point's key is the SHA-256 of all that its result depends on: the captures' contents, the selection, the knobs as
their parsers read them, vnic's version, and the schema of a row. So ``1ms`` and ``1000us`` are one point, a capture may
be renamed, and the figures of a cost profile count, and not its file's name.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from vnic.knobs.table import KNOBS, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vnic.capture_select import Selection
    from vnic.sweep.axes import Axis, Value

SCHEMA = "vnic.sweep/1"


@cache
def this_version() -> str:
    """Return vnic's version."""
    return version("vnic")


@dataclass(frozen=True, slots=True)
class Point:
    """One combination. ``number``: its place in the grid; the last axis changes first."""

    number: int
    values: tuple[tuple[str, Value], ...]

    @property
    def options(self) -> dict[str, Any]:
        """The varied knobs as Host() takes them."""
        return {knob.replace("-", "_"): value.given for knob, value in self.values}

    @property
    def shown(self) -> dict[str, Any]:
        """The varied knobs as a report has them."""
        return {knob: value.shown for knob, value in self.values}


def grid(axes: Sequence[Axis]) -> list[Point]:
    """Return all combinations of the axes' values."""
    names = [axis.knob for axis in axes]
    combinations = itertools.product(*(axis.values for axis in axes))
    return [Point(n, tuple(zip(names, values, strict=True))) for n, values in enumerate(combinations)]


def _plain(value: Any) -> Any:
    """Return a parsed value as JSON has it."""
    if isinstance(value, bytes):
        return value.hex()
    if getattr(value, "default", False):
        return "default"  # the RSS table follows the queues
    return value


def settled(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return Host()'s arguments by their own names, knobs parsed: the part of a key that all points share.

    ConfigError: a knob's value is wrong.
    """
    found = {}
    for name, value in options.items():
        knob = name.replace("_", "-")
        found[knob] = _plain(read(knob, value)) if knob in KNOBS else value
    return found


def key(captures: str, select: Selection, base: Mapping[str, Any], point: Point) -> str:
    """Return a point's name. ``base``: :func:`settled` options; the point's own values replace them."""
    knobs = {**base, **{knob: _plain(value.parsed) for knob, value in point.values}}
    whole = [SCHEMA, this_version(), captures, select.as_dict(), knobs]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()
