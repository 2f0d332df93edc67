"""One row of the table of knobs: all that the other code, the page of knobs and the tests take about a knob from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from vnic.knobs.parse import Integer
from vnic.knobs.units import is_measured, measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.knobs.fields import Place

Group = Literal["card", "ring", "interrupts", "NAPI", "GRO", "spreading", "sockets", "run"]
"""Where a knob stands in a help text: the part of the path that it belongs to; run: what only vnic has."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One knob: its parser, its place, its default (None: the data plane's own), and a line of help."""

    parse: Callable[[Any], Any]
    place: Place
    default: Any
    help: str
    as_given: bool = False
    """Reports show the value as the user wrote it."""
    linux: str = ""
    """What Linux calls it, if it is neither a sysctl nor a file: a command with its option, or a constant."""
    unit: str = ""
    """The unit, if Linux's name has none: the name with it is a name too."""
    unit_in_name: str = ""
    """The unit, if Linux's name has it."""
    example: Any = None
    """A value other than the default, as a user writes it. A flag and most whole numbers need none."""
    words: tuple[str, ...] = ()
    """Values that are words, for a TAB to offer; a flag needs none."""
    fixed: str = ""
    """Why it cannot change after the host is made."""
    group: Group = field(kw_only=True)
    """The part of the path that it belongs to."""

    @property
    def measure(self) -> str:
        """The unit of the value; empty: it has none."""
        return self.unit or self.unit_in_name

    def value_of(self, given: Any) -> Any:
        """Parse a value, also one with a unit (``64k``, ``2ms``). ValueError: it is wrong, or its unit does not fit."""
        if isinstance(given, str) and (is_measured(self.measure) or isinstance(self.parse, Integer)):
            n = measured(given, self.measure)
            return self.parse(given if n is None else n)
        return self.parse(given)
