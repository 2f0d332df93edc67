"""The decisions of adaptive moderation (``adaptive-rx``), and their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.schema import enum_names

if TYPE_CHECKING:
    from collections.abc import Iterable

TUNES = tuple(n.removeprefix("DIM_").lower() for n in enum_names("dim_tune", ""))


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of adaptive moderation: its measurements, and the step that followed."""

    t_ns: int
    packets_per_ms: int
    bytes_per_ms: int
    interrupts_per_ms: int
    profile: int
    """The profile used from now on, 0 to 4."""
    rx_usecs: int
    rx_frames: int
    tune: str
    """going_right (to more delay), going_left, parking_on_top, parking_tired."""


def decisions(host: Any, i: int) -> list[Decision]:
    """Return the latest decisions for queue ``i``, the oldest first; none if adaptive-rx is off."""
    d = host.dq[i].dim if host.dq[i] != ffi.NULL else ffi.NULL
    return [] if d == ffi.NULL else log(d)


def log(d: Any) -> list[Decision]:
    """Return the latest decisions of a ``struct dim``, the oldest first."""
    found, one = [], ffi.new("struct dim *")
    for n in range(max(0, int(d.decisions) - int(lib.DIM_LOG)), int(d.decisions)):
        e = d.log[n % lib.DIM_LOG]
        one.profile = e.profile
        p = lib.dim_profile(one)
        s = e.stats
        rates = (int(s.ppms), int(s.bpms), int(s.epms))
        found.append(Decision(int(e.t_ns), *rates, int(e.profile), int(p.usecs), int(p.frames), TUNES[e.tune]))
    return found


_HEAD = ("time ms", "packets/ms", "bytes/ms", "irqs/ms", "step", "profile", "rx-usecs", "rx-frames", "decision")
_WIDTHS = (11, 10, 11, 7, 5, 7, 8, 9)
_FIRST_PROFILE = 1


def table(log: Iterable[Decision], *, profile: int = _FIRST_PROFILE) -> str:
    """Return decisions as text, one line each: the measurements, the step that followed, and the new profile.

    ``profile`` is the one in use before the first decision; a step goes right (more delay) or left.
    """
    rows: list[tuple[str, ...]] = [_HEAD]
    for d in log:
        step = "->" if d.profile > profile else "<-" if d.profile < profile else "."
        numbers = (d.packets_per_ms, d.bytes_per_ms, d.interrupts_per_ms, step, d.profile, d.rx_usecs, d.rx_frames)
        rows.append((f"{d.t_ns / 1e6:.3f}", *map(str, numbers), d.tune.replace("_", " ")))
        profile = d.profile
    aligned = ("  ".join(c.rjust(w) for c, w in zip(row[:-1], _WIDTHS, strict=True)) + f"  {row[-1]}" for row in rows)
    return "\n".join(aligned)
