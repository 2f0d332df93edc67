"""The loads of ``vnic validate``, fixed before anything is measured: nothing is chosen with a result in sight."""

from __future__ import annotations

import random
from dataclasses import dataclass

RATES = (20_000, 50_000, 100_000, 150_000, 200_000, 250_000, 300_000)
"""Packets a second, from idle to overload of a reader that works."""
WORK_NS = 4000
"""What a reader that works does after each datagram, about: the loop is measured before each load."""
FRAME = 100
"""Bytes of a frame."""
RCVBUF = 32768
"""SO_RCVBUF, so small that an overload shows within milliseconds."""
SECONDS, FRAMES_MAX = 0.2, 30_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """Where the packets go. The writer's CPU has the softirq; the reader is on the other CPU."""

    name: str
    what: str
    rps: bool = False
    """RPS hands packets over to the reader's CPU."""
    work: bool = True
    """The reader works after each datagram."""


SCENARIOS = (
    Scenario("plain", "the softirq is on one CPU, a reader that works on the other", rps=False),
    Scenario("idle reader", "the same, and the reader does nothing but read", work=False),
    Scenario("rps", "RPS hands over to the CPU of a reader that works", rps=True),
)


def arrivals(pps: int, seed: int, *, frames: int | None = None) -> list[int]:
    """Return when each frame is due, ns: a Poisson process. ``frames``: how many; None: as SECONDS has."""
    n = min(FRAMES_MAX, round(pps * SECONDS)) if frames is None else frames
    chance, at, out = random.Random(f"{seed} {pps}"), 0.0, []
    for _ in range(n):
        out.append(round(at))
        at += chance.expovariate(pps) * 1e9
    return out
