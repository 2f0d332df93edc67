"""A wire that joins two live cards: what one sends arrives at the other."""

from __future__ import annotations

from typing import Any, Self

from vnic._core import ffi, lib
from vnic.errors import check
from vnic.wire import Wire


class JointWire(Wire):
    """One end of a wire between two live cards; :meth:`pair` makes both. Each belongs to a host or card of its own.

    A frame that finds 1024 others waiting for the reader is lost by the sender (TX_WIRE_FULL). When one card is closed,
    what the other sends goes nowhere.
    """

    def __init__(self, struct: Any) -> None:
        self._made(struct, lib.joint_wire_free)

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Make a wire. Return: its two ends."""
        ends = ffi.new("struct joint_wire *[2]")
        check(lib.joint_wires_new(ends, ends + 1), "make a wire between two cards")
        return cls(ends[0]), cls(ends[1])

    def _stop_reading(self) -> None:
        super()._stop_reading()
        lib.joint_wire_shut(self._whole())
