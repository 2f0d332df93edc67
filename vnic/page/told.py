"""Numbers and texts as a page tells them. Every text from outside passes :func:`visible`; the template escapes it."""

from __future__ import annotations

from typing import Any

from vnic.errors import one_line
from vnic.look import units

TEXT_MAX = 240
_MOST = 1 << 64
_ONES = ("frames", "packets", "bytes", "sockets", "pages", "buffers", "descriptors", "fragments", "rounds")
"""Units whose plural only adds a letter."""


def visible(value: object, most: int = TEXT_MAX) -> str:
    """Return a text on one line, with escapes for control characters and those that turn the direction, and cut."""
    text = str(value)
    return one_line(text[:most]) + ("…" if len(text) > most else "")


def number(value: Any) -> str:
    """Format a number with commas. ValueError: it is no number of a report."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{visible(value)} is not a number")  # noqa: TRY004 - of a report, not of a caller
    if isinstance(value, int) and abs(value) < _MOST:
        return f"{value:,}"
    if abs(value) < _MOST:  # false for nan
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    raise ValueError("a number is out of range")


def share(part: float, whole: float) -> str:
    """Format a part as percent, never rounded to all or nothing: < 0.1 %; 100 % only if it is all."""
    if not whole or not part:
        return "0 %"
    if part == whole:
        return "100 %"
    percent = 100 * part / whole
    if percent < 0.1 or percent > 99.9:
        return "< 0.1 %" if percent < 1 else "> 99.9 %"
    return f"{percent:.1f} %" if percent < 10 or percent > 99 else f"{percent:.3g} %"


def duration(ns: float) -> str:
    """Format a time in ns, three digits: 1.23 ms."""
    number(ns)
    return units.duration(ns).replace(" us", " µs")


def size(n: float) -> str:
    """Format bytes: 231.5 MB."""
    number(n)
    return units.size(n)


def rate(per_s: float) -> str:
    """Format a number per second: 1.25 M."""
    number(per_s)
    return units.rate(per_s)


def setting(value: Any, unit: str = "") -> str:
    """Format a knob's value."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "on" if value else "off"
    shown = f"{value:,}" if isinstance(value, int) and abs(value) < _MOST else visible(value)
    unit = {"us": "µs", "usecs": "µs"}.get(unit, visible(unit, 20))
    if not unit or unit == "mask" or not isinstance(value, int):
        return shown
    return f"{shown} {unit[:-1] if value == 1 and unit in _ONES else unit}"


def sentence(text: str) -> str:
    """Return a text with a capital letter at its begin and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '…')) else '.'}" if text else ""


FILTERS = {
    "sentence": sentence,
    "visible": visible,
    "number": number,
    "duration": duration,
    "size": size,
    "rate": rate,
    "setting": setting,
}
