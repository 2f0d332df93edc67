"""Names that the C enums have, and the points of the path at which packets can be captured."""

from __future__ import annotations

from vnic._core import ffi


def enum_names(name: str, last: str) -> tuple[str, ...]:
    """Return the names of a C enum in order, without the last one, which only counts them."""
    elements = ffi.typeof(f"enum {name}").elements
    return tuple(elements[i] for i in sorted(elements) if elements[i] != last)


POINTS = tuple(n.removeprefix("POINT_").lower() for n in enum_names("packet_point", "POINTS"))
"""wire, nic, gro, stack"""
