"""The work of GRO: segments merged, information lost by merging, and the reason each hold ended; total and per flow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vnic._core import ffi, lib
from vnic.address import inet_text
from vnic.counters.snapshots import Snapshot
from vnic.schema import enum_names

GRO_ENDS = tuple(n.removeprefix("GRO_").lower() for n in enum_names("gro_end", "GRO_END_MAX"))
"""Reasons why a hold ended; the first: it has not ended."""


@dataclass(frozen=True, slots=True)
class GroStats(Snapshot):
    """The work of GRO over all queues."""

    merged: int
    """Segments appended to a held packet."""
    held: int
    """Segments held as the first of a packet."""
    normal: int
    """Frames that passed without a hold."""
    flushed_skbs: int
    flushed_segs: int
    ended: dict[str, int]
    """Reason -> holds that ended for it, without zeros; :func:`end_text` explains each."""
    lost_ids: int
    """IP ids lost in merges of IPv4 packets; each merge also loses a boundary and a time of arrival (``merged``)."""
    lost_psh: int
    """Merges in which a segment carried PSH; the merged packet does not tell which segment."""

    @property
    def frames_per_skb(self) -> float:
        """Over all packets that left GRO."""
        skbs = self.flushed_skbs + self.normal
        return (self.flushed_segs + self.normal) / skbs if skbs else 0.0


def stats(host: Any) -> GroStats:
    """Return GRO's counters over all CPUs."""
    cpus = [host.cpu[i] for i in range(host.ncpus)]
    return GroStats(
        merged=sum(int(c.gro_merged) for c in cpus),
        held=sum(int(c.gro_held_total) for c in cpus),
        normal=sum(int(c.gro_normal) for c in cpus),
        flushed_skbs=sum(int(c.gro_flushed_skbs) for c in cpus),
        flushed_segs=sum(int(c.gro_flushed_segs) for c in cpus),
        ended={r: n for i, r in enumerate(GRO_ENDS) if (n := sum(int(c.gro_ended[i]) for c in cpus))},
        lost_ids=sum(int(c.gro_lost_ids) for c in cpus),
        lost_psh=sum(int(c.gro_lost_psh) for c in cpus),
    )


def end_text(reason: str) -> str:
    """Return one line about a reason why holds end."""
    return bytes(ffi.string(lib.gro_end_text(GRO_ENDS.index(reason)))).decode()


@dataclass(frozen=True, slots=True)
class GroFlow:
    """The work of GRO on one flow (``gro_flows``)."""

    proto: str
    src: str
    sport: int
    dst: str
    dport: int
    frames: int
    """Frames held, or merged into a held packet."""
    skbs: int
    """Packets that they became; ``frames - skbs`` boundaries and times of arrival are lost."""
    lost_ids: int
    lost_psh: int
    spread_ns: int
    """Time from the first to the last arrival in a merged packet, summed."""
    spread_max_ns: int
    ended: dict[str, int]


def flows(host: Any) -> list[GroFlow]:
    """Return the accounts of all CPUs, the flow with most frames first."""
    rows: dict[tuple[Any, ...], GroFlow] = {}
    for t in (host.cpu[i].gro_flows for i in range(host.ncpus)):
        for f in (t.flow[i] for i in range(t.mask + 1)) if t != ffi.NULL else ():
            if not f.used:
                continue
            k = f.key
            key = ({6: "tcp", 17: "udp"}[k.proto], inet_text(k.src), int(k.sport), inet_text(k.dst), int(k.dport))
            ended = {GRO_ENDS[i]: int(n) for i, n in enumerate(f.ended) if n}
            row = GroFlow(*key, f.frames, f.skbs, f.lost_ids, f.lost_psh, f.spread_ns, f.spread_max_ns, ended)
            rows[key] = _add_rows(rows[key], row) if key in rows else row
    return sorted(rows.values(), key=lambda f: (-f.frames, f.src, f.sport, f.dst, f.dport))


def _add_rows(a: GroFlow, b: GroFlow) -> GroFlow:
    """Add up one flow's accounts on two CPUs."""
    summed = ("frames", "skbs", "lost_ids", "lost_psh", "spread_ns")
    return replace(
        a,
        **{name: getattr(a, name) + getattr(b, name) for name in summed},
        spread_max_ns=max(a.spread_max_ns, b.spread_max_ns),
        ended={k: a.ended.get(k, 0) + b.ended.get(k, 0) for k in GRO_ENDS if k in a.ended or k in b.ended},
    )
