"""Values with a unit: ``64k``, ``1M``, ``50us``, ``2ms``. The knob's own unit decides what a value may be.

A size counts bytes, and k, M, G are powers of 1024, as for tc(8). A time is converted to the knob's unit, and has to be
a whole number of it. A number without a unit has the knob's.
"""

from __future__ import annotations

import re
from fractions import Fraction

TIMES = {
    "ns": 1, "nsec": 1, "nsecs": 1,
    "us": 10**3, "usec": 10**3, "usecs": 10**3, "µs": 10**3, "μs": 10**3,
    "ms": 10**6, "msec": 10**6, "msecs": 10**6,
    "s": 10**9, "sec": 10**9, "secs": 10**9,
    "min": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
"""Unit -> ns."""
SIZES = {f"{scale}{end}": 1024**i for i, scale in enumerate(("", "k", "m", "g")) for end in ("", "b", "ib")} | {
    "byte": 1,
    "bytes": 1,
}
"""Unit in small letters -> bytes."""
del SIZES["ib"], SIZES[""]
_QUANTITY = re.compile(r"\s*([+-]?[0-9]{1,40}(?:\.[0-9]{1,20})?)\s*([A-Za-zµμ]{1,8})\s*", re.ASCII)
_NAMES = {"usecs": "us"}


def is_measured(unit: str) -> bool:
    """Is this a unit of time or of size? Others count things: packets, pages, descriptors."""
    return unit in TIMES or unit == "bytes"


def measured(text: str, unit: str) -> int | None:
    """Return the number, in ``unit``, of a text with another unit; None: the text has none.

    ValueError: the unit does not fit, or the value is not a whole number of ``unit``.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    number, given = Fraction(found[1]), found[2]
    if given in TIMES and unit in TIMES:
        n = number * TIMES[given] / TIMES[unit]
    elif given.lower() in SIZES and unit == "bytes":
        n = number * SIZES[given.lower()]
    elif given in TIMES or given.lower() in SIZES:
        kind = "a time" if given in TIMES else "a size"
        raise ValueError(f"is {kind}, and this knob {_is(unit)}")
    else:
        return None
    if n.denominator != 1:
        raise ValueError(f"is not a whole number of {_NAMES.get(unit, unit)}")
    return int(n)


def _is(unit: str) -> str:
    if unit in TIMES:
        return f"is a time in {_NAMES.get(unit, unit)}, as in 50us or 2ms"
    if unit == "bytes":
        return "is a size in bytes, as in 64k or 1M"
    return f"counts {unit}" if unit else "is a number without a unit"
