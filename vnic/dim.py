"""What adaptive moderation (``adaptive-rx``) decided, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vnic._core import ffi, lib
from vnic.stats import enum_names

TUNES = tuple(n.removeprefix("DIM_").lower() for n in enum_names("dim_tune", ""))


@dataclass(frozen=True, slots=True)
class Decision:
    """One of adaptive moderation's: what it had measured, and where that led."""

    t_ns: int
    packets_per_ms: int
    bytes_per_ms: int
    interrupts_per_ms: int
    profile: int
    """The one used from now on, 0 to 4."""
    rx_usecs: int
    rx_frames: int
    tune: str
    """going_right (to more delay), going_left, parking_on_top, parking_tired."""


def decisions(host: Any, i: int) -> list[Decision]:
    """The latest decisions for queue ``i``, the oldest first; none: adaptive-rx is off."""
    d = host.dq[i].dim if host.dq[i] != ffi.NULL else ffi.NULL
    if d == ffi.NULL:
        return []
    found, one = [], ffi.new("struct dim *")
    for n in range(max(0, int(d.decisions) - int(lib.DIM_LOG)), int(d.decisions)):
        e = d.log[n % lib.DIM_LOG]
        one.profile = e.profile
        p = lib.dim_profile(one)
        s = e.stats
        rates = (int(s.ppms), int(s.bpms), int(s.epms))
        found.append(Decision(int(e.t_ns), *rates, int(e.profile), int(p.usecs), int(p.frames), TUNES[e.tune]))
    return found
