"""What the page of a sweep shows (``vnic.sweep/1``): the trade-off between losses, latency, interrupts and CPU time."""

from __future__ import annotations

from typing import Any

from vnic import __version__
from vnic.page import scatter, told
from vnic.page.input import FILES_MAX
from vnic.page.told import duration, number, rate, setting, share, visible

POINTS_MAX = 300
"""Settings that the page shows: the best ones; it says how many more the results have."""
_AXES_MAX, _VALUES_MAX = 8, 40

_LOST = scatter.Measure("frames lost", rate)
_P99 = scatter.Measure("latency, p99", duration)
_INTERRUPTS = scatter.Measure("interrupts", rate)
_CPU = scatter.Measure("CPU time per frame", duration)


def context(found: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of templates/sweep.html.j2. LookupError, TypeError, ValueError: these are no results."""
    points = {_whole(p["point"]): p for p in found["points"]}
    done = [points[n] for n in found["order"] if points[n]["error"] is None]
    shown, knobs = done[:POINTS_MAX], [axis["knob"] for axis in found["axes"][:_AXES_MAX]]
    files = found["input"]["files"]
    return {
        "title": visible(files[0] if files else "sweep", 80),
        "version": __version__,
        "schema": visible(found["schema"], 40),
        "more_inputs": max(0, len(files) - 1),
        "files": [visible(f, 400) for f in files[:FILES_MAX]],
        "sha256": visible(found["input"]["sha256"], 80),
        "verdict": _verdict(done),
        "best": _point(done[0], knobs) if done else None,
        "done": len(done),
        "planned": _whole(found["planned"]),
        "front": sum(bool(p["front"]) for p in done),
        "plots": _plots(shown),
        "knobs": [visible(k, 60) for k in knobs],
        "rows": [_point(p, knobs) for p in shown],
        "more": len(done) - len(shown),
        "axes": [_axis(axis, done) for axis in found["axes"][:_AXES_MAX]],
        "objectives": [(visible(o["name"], 60), visible(o["meaning"])) for o in found["objectives"][:8]],
        "base": [(visible(k, 60), setting(v)) for k, v in list(found["base"].items())[:200]],
        "failed": [(_words(p, knobs), visible(p["error"])) for p in found["points"] if p["error"] is not None][:50],
        "missing": max(0, found["planned"] - len(points)),
        "error": visible(found["input"]["error"] or ""),
        "line": None,
    }


def _whole(n: Any) -> int:
    number(n)
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"{n} is not a count")
    return n


def _words(point: dict[str, Any], knobs: list[str]) -> str:
    return " ".join(f"{visible(k, 60)}={setting(point['knobs'][k]).replace(',', '')}" for k in knobs)


def _verdict(done: list[dict[str, Any]]) -> dict[str, str]:
    if not done:
        return {"mark": "none", "text": "No setting has a result."}
    enough = sum(not p["lost_by_limits"] for p in done)
    if enough:
        of = f"{enough:,} of {len(done):,} settings"
        return {"mark": "good", "text": f"{of} lose{'s' * (enough == 1)} no frame to a limit."}
    least = min(p["lost"] / max(1, p["offered"]) for p in done)
    return {"mark": "lost", "text": f"Every setting loses frames: {share(least, 1)} at least."}


def _point(p: dict[str, Any], knobs: list[str]) -> dict[str, Any]:
    waits, losing = p["latency_ns"], {k: lost for k, (_, lost) in p["limits"].items() if lost}
    return {
        "number": _whole(p["point"]),
        "rank": number(p["rank"]),
        "front": bool(p["front"]),
        "words": _words(p, knobs),
        "values": [setting(p["knobs"][k]) for k in knobs],
        "lost": _whole(p["lost"]),
        "share": p["lost"] / max(1, p["offered"]),
        "percent": share(p["lost"], max(1, p["offered"])),
        "p50": duration(waits["p50"]) if waits else "",
        "p99": duration(waits["p99"]) if waits else "",
        "interrupts": number(p["interrupts"]),
        "cpu": duration(p["cpu_ns_per_frame"]),
        "limits": ", ".join(f"{visible(k, 40)} {number(lost)}" for k, lost in list(losing.items())[:6]),
    }


def _plots(shown: list[dict[str, Any]]) -> list[scatter.Plot]:
    read = [p for p in shown if p["latency_ns"]]
    if not read:
        return []
    p99, lost, interrupts, cpu = (
        [p["latency_ns"]["p99"] for p in read],
        [p["lost"] for p in read],
        [p["interrupts"] for p in read],
        [p["cpu_ns_per_frame"] for p in read],
    )
    pairs = ((_P99, p99, _LOST, lost), (_INTERRUPTS, interrupts, _P99, p99), (_CPU, cpu, _LOST, lost))
    found = []
    for x, xs, y, ys in pairs:
        for n in (*xs, *ys):
            told.number(n)
        rows = [(_whole(p["point"]), a, b, bool(p["front"])) for p, a, b in zip(read, xs, ys, strict=True)]
        found.append(scatter.plot(x, y, rows))
    return found


def _axis(axis: dict[str, Any], done: list[dict[str, Any]]) -> dict[str, Any]:
    """Return for each value of a knob the best that any setting with it comes to."""
    rows = []
    for value in axis["values"][:_VALUES_MAX]:
        own = [p for p in done if p["knobs"][axis["knob"]] == value]
        if own:
            least = min(own, key=lambda p: p["lost"])
            p99 = [p["latency_ns"]["p99"] for p in own if p["latency_ns"]]
            cpu = min(p["cpu_ns_per_frame"] for p in own)
            part = least["lost"] / max(1, least["offered"])
            rows.append((setting(value), number(least["lost"]), part, duration(min(p99)) if p99 else "", duration(cpu)))
    return {"knob": visible(axis["knob"], 60), "unit": visible(axis["unit"] or "", 20), "rows": rows}
