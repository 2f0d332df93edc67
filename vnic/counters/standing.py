"""Frames that stand in a ring: moderation waits for more frames before it interrupts, and no timer runs.

Linux allows this: include/uapi/linux/ethtool.h says of rx-usecs and rx-frames that an interrupt comes when
``usecs > 0 && time_since_first_completion >= usecs || max_frames > 0 && completed_frames >= max_frames``. With
rx-usecs 0 the last frames of a burst wait in the ring until others come. So the reports name them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.host import Host


@dataclass(frozen=True, slots=True)
class Standing:
    """A queue, and the frames that stand in its ring."""

    queue: int
    frames: int
    rx_frames: int
    """The queue's rx-frames: frames that raise the interrupt."""
    ended: bool
    """Did they stand there to the end of the run? Then their fate is DEV_READY."""


def standing(host: Host) -> list[Standing]:
    """Return the queues in which frames stand, or stood to the end. Live, they may stand only for a moment."""
    nic, found = host.machine.c.nic, []
    for i in range(nic.nqueues_open):
        q = nic.queue[i]
        now, before = int(lib.irq_standing(ffi.addressof(nic.queue[i]))), int(q.stood)
        found += [Standing(i, n, int(q.irq.rx_frames), ended) for n, ended in ((now, False), (before, True)) if n]
    return found


def as_dicts(host: Host) -> list[dict[str, Any]]:
    """Return them for a report's facts."""
    return [asdict(s) for s in standing(host)]


def sentence(s: dict[str, Any]) -> str:
    """Return a sentence about one queue, with the knob that frees the frames."""
    n, enough = s["frames"], s["rx_frames"]
    if s["ended"]:
        what = f"{n:,} frame{'s' * (n != 1)} stood in the ring of queue {s['queue']} to the end"
    else:
        what = f"{n:,} frame{'s' * (n != 1)} stand{'s' * (n == 1)} in the ring of queue {s['queue']}"
    return f"{what}: rx-frames {enough} waits for more, and with rx-usecs 0 no timer runs (rx-usecs 50 would free them)"


def sentences(found: Iterable[dict[str, Any]]) -> list[str]:
    """Return one sentence for each queue."""
    return [sentence(s) for s in found]
