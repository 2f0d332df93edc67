"""The report's time line as the series that a page's charts draw: bounded, and checked."""

from __future__ import annotations

from typing import Any

from vnic.page.told import visible

BINS_MAX = 2048
REASONS_MAX = 8
"""Reasons of loss with a line of their own; the others share one."""
_PLACES_MAX = 6
"""Queues and CPUs with a line of their own: the fullest."""


def series(facts: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the charts draw; None: the report has no time line. LookupError and so on: it is not one."""
    line = facts.get("timeline")
    if not line:
        return None
    bins = min(int(line["bins"]), BINS_MAX, len(line["offered"]))
    if bins < 1 or line["bin_ns"] <= 0:
        return None
    limits = {row["knob"]: row["setting"] for row in facts["limits"]}
    names = facts["queues"], facts["cpus"]
    return {
        "begin_ns": _whole(line["begin_ns"]),
        "bin_ns": _whole(line["bin_ns"]),
        "bins": bins,
        "offered": _column(line["offered"], bins),
        "delivered": _column(line["delivered"], bins),
        "interrupts": _column(line["interrupts"], bins),
        "polls": _column(line["polls"], bins),
        "lost": _lost(line["lost"], bins),
        "fill": [
            {"name": "FIFO", "limit": limits.get("fifo"), "most": _column(line["fifo_bytes_max"], bins)},
            *_fullest("ring", line["ring_max"], limits.get("rx-ring"), bins, len(names[0])),
            *_fullest("backlog of CPU", line["backlog_max"], limits.get("netdev-max-backlog"), bins, len(names[1])),
        ],
    }


def _whole(n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 1 << 64:
        raise ValueError(f"{visible(n)} is not a count")
    return n


def _column(values: list[Any], bins: int) -> list[int]:
    return [_whole(n) for n in values[:bins]]


def _lost(lost: dict[str, list[Any]], bins: int) -> list[dict[str, Any]]:
    columns = {visible(fate, 60): _column(values, bins) for fate, values in lost.items()}
    often = sorted(columns.items(), key=lambda item: -sum(item[1]))
    shown = [{"name": fate, "frames": frames} for fate, frames in often[:REASONS_MAX] if any(frames)]
    rest = [frames for _, frames in often[REASONS_MAX:]]
    if any(map(any, rest)):
        together = [sum(column) for column in zip(*rest, strict=True)]
        shown.append({"name": f"{len(rest)} other reasons", "frames": together})
    return shown


def _fullest(name: str, places: dict[str, list[Any]], limit: Any, bins: int, all_of_them: int) -> list[dict[str, Any]]:
    columns = {visible(place, 12): _column(values, bins) for place, values in places.items()}
    often = sorted(columns.items(), key=lambda item: -max(item[1], default=0))[:_PLACES_MAX]
    alone = name == "ring" and all_of_them == 1
    return [
        {"name": name if alone else f"{name} {place}", "limit": limit, "most": most}
        for place, most in often
        if any(most)
    ]
