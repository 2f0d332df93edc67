"""Numbers with units, three digits each: times, bytes, rates. No report rounds in another way."""

from __future__ import annotations

_TIMES = (("s", 1e9), ("ms", 1e6), ("us", 1e3))
_BYTES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_NARROW = (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6))
_RATES = ((" G", 1e9), (" M", 1e6), (" k", 1e3))


def _digits(n: float, units: tuple[tuple[str, float], ...]) -> tuple[str, str]:
    """Return three digits and the largest unit that leaves a digit before the point: 999.9 ms is 1 s."""
    for unit, scale in units:
        if n >= 0.9995 * scale:
            value = n / scale
            return (f"{value:.3g}" if value < 999.5 else f"{value:.0f}"), unit
    return "", ""


def duration(ns: float) -> str:
    """Format a time in ns: 1.23 ms. Hours of it stay seconds."""
    text, unit = _digits(ns, _TIMES)
    return f"{text} {unit}" if unit else f"{ns:.3g} ns"


def size(n: float) -> str:
    """Format bytes with a decimal unit, and one digit after the point: 231.5 MB."""
    for unit, scale in _BYTES:
        if n >= scale:
            return f"{n / scale:,.1f} {unit}"
    return f"{n:.0f} B"


def rate(per_s: float) -> str:
    """Format a number per second: 1.25 M, 12.3 k, 999."""
    text, unit = _digits(per_s, _RATES)
    return f"{text}{unit}" if unit else f"{per_s:.3g}"


def narrow(n: float) -> str:
    """Format a number in at most six characters: 999999, 1.23M; beyond 2^64 it grows on."""
    return f"{n:.0f}" if n < 999_999.5 else "".join(_digits(n, _NARROW))


def count(n: int, noun: str) -> str:
    """Return the number with its noun: 1 frame, 2,000 frames."""
    return f"{n:,} {noun}{'s' * (n != 1)}"
