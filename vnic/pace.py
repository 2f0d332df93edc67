"""The pace of a capture's frames: as recorded, a multiple of it, a constant rate, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vnic._core import lib
from vnic.errors import ConfigError, said
from vnic.knobs.parse import parse_speed


@dataclass(frozen=True, slots=True)
class Pace:
    """The requested pace, for C and in words."""

    c: int
    rate: int
    text: str


def pace(*, speed: Any = None, pps: float | None = None, mbps: float | None = None, topspeed: bool = False) -> Pace:
    """Return the pace for one of these, or as recorded for none. ConfigError: several, or a rate out of range."""
    given = [name for name, value in (("speed", speed), ("pps", pps), ("mbps", mbps)) if value is not None]
    given += ["topspeed"] if topspeed else []
    if len(given) > 1:
        raise ConfigError(f"--{given[0]} and --{given[1]}: give only one pace")
    if pps is not None:
        return Pace(lib.PACE_PPS, _rate("pps", pps, 0.001, 1e9, 1000), f"{pps:g} frames a second")
    if mbps is not None:
        return Pace(lib.PACE_BPS, _rate("mbps", mbps, 0.001, 1e6, 1_000_000), f"{mbps:g} Mb/s")
    try:
        factor = None if topspeed else parse_speed(1 if speed is None else speed)
    except ValueError as e:
        raise ConfigError(f"speed={speed}: {e}") from None
    if factor is None:
        return Pace(lib.PACE_TOPSPEED, 1, "as fast as possible")
    words = "as recorded" if factor == 1 else f"{factor:g} times as fast as recorded"
    return Pace(lib.PACE_RECORDED, max(1, round(factor * 1_000_000)), words)


def _rate(name: str, value: Any, low: float, high: float, scale: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{name}={said(value)}: must be a number")
    if not low <= value <= high:
        raise ConfigError(f"{name}={value:g}: must be between {low:g} and {high:g}")
    return round(value * scale)
