"""The latency of each stage of the path: percentiles of the data plane's histograms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.counters import shown_as
from vnic.schema import enum_names

if TYPE_CHECKING:
    from collections.abc import Mapping

LATENCIES = tuple(n.removeprefix("LAT_").lower() for n in enum_names("latency", "LAT_MAX"))


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of one stage of the path, nanoseconds. They count frames, not skbs."""

    count: int
    mean: float
    min: int
    p50: int
    p90: int
    p99: int
    p999: int
    max: int

    def __repr__(self) -> str:
        return f"<vnic.Latency {shown_as.latency_line(self)}>"

    def _repr_html_(self) -> str:
        return shown_as.latency_table({"": self})


class Latencies(dict[str, Latency]):
    """Stage -> percentiles. It is a dict; a notebook shows it as a table."""

    def _repr_html_(self) -> str:
        return shown_as.latency_table(self)


def summed(histograms: Mapping[int, Any]) -> dict[str, Any]:
    """Add up the CPUs' histograms. ``histograms``: CPU -> ``struct histogram[LAT_MAX]``. Return: stage -> one."""
    return {name: _sum([h[i] for h in histograms.values()]) for i, name in enumerate(LATENCIES)}


def _sum(histograms: list[Any]) -> Any:
    total = ffi.new("struct histogram *")
    for h in histograms:
        if not h.count:
            continue
        total.min = min(total.min, h.min) if total.count else h.min
        total.max = max(total.max, h.max)
        total.count += h.count
        total.sum += h.sum
        for i, n in enumerate(ffi.unpack(h.bucket, lib.LAT_BUCKETS)):
            if n:
                total.bucket[i] += n
    return total


def percentiles(t: Any) -> Latency:
    """Return the percentiles of a ``struct histogram *`` (at most 1.6 % too high)."""
    p50, p90, p99, p999 = (int(lib.lat_percentile(t, q)) for q in (0.5, 0.9, 0.99, 0.999))
    mean = t.sum / t.count if t.count else 0.0
    return Latency(int(t.count), mean, int(t.min), p50, p90, p99, p999, int(t.max))


def bounds(bucket: int) -> tuple[int, int]:
    """Return the lowest and the highest value that a bucket counts, ns; lib/lat.c has the rule."""
    if bucket < 64:
        return bucket, bucket
    shift = bucket // 64 - 1
    first = bucket % 64 + 64
    return first << shift, ((first + 1) << shift) - 1


def buckets(t: Any) -> dict[str, list[int]]:
    """Return the filled buckets of a ``struct histogram *``, as three columns: bounds in ns, and frames."""
    filled = [(*bounds(i), int(n)) for i, n in enumerate(ffi.unpack(t.bucket, lib.LAT_BUCKETS)) if n]
    low, high, frames = map(list, zip(*filled, strict=True)) if filled else ([], [], [])
    return {"low_ns": low, "high_ns": high, "frames": frames}


def latencies(histograms: Mapping[int, Any]) -> Latencies:
    """Return stage -> percentiles, from CPU -> ``struct histogram[LAT_MAX]``."""
    return Latencies({name: percentiles(total) for name, total in summed(histograms).items()})
