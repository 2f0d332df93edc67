"""What the page of a comparison shows (``vnic.diff/1``): which fates, times and costs another setting changes."""

from __future__ import annotations

from typing import Any

from vnic import __version__
from vnic.knobs.describe import unit
from vnic.knobs.table import KNOBS
from vnic.linux.places import place
from vnic.page import configured, moved, shifts
from vnic.page.moved import count
from vnic.page.told import duration, number, setting, share, size, visible

FLOWS_MAX = 50
CHANGES_MAX = 100
"""Flows and frames that the page lists; it says how many more there are."""
_KNOBS_MAX, _RULES_MAX, _FILES_MAX = 200, 20, 20
_COSTS = {
    "interrupts": ("interrupts", "raised by the card"),
    "polls": ("polls", "of the receive queues"),
    "ipis": ("IPIs", "interrupts from CPU to CPU"),
    "hardirq_ns": ("hardirqs", "CPU time"),
    "softirq_ns": ("softirqs", "CPU time"),
    "ksoftirqd_ns": ("ksoftirqd", "CPU time"),
    "switch_ns": ("switches", "CPU time between tasks"),
    "task_ns": ("tasks", "CPU time of readers"),
    "cpu_ns": ("all CPU time", "the sum of the five above"),
    "memory_bytes": ("memory", "that the knobs' sizes take"),
}
_FIGURES = {"interrupts": "interrupts", "cpu_ns": "CPU time", "memory_bytes": "memory"}


def context(found: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of templates/diff.html.j2. LookupError, TypeError, ValueError: this is no comparison."""
    frames = {name: count(n) for name, n in found["frames"].items()}
    totals, a, b = moved.totals(found["matrix"]), found["a"], found["b"]
    scale, stages = shifts.shifts(found)
    costs = [_cost(name, *found["cost"][name]) for name in _COSTS if any(found["cost"].get(name) or ())]
    return {
        "title": visible(_title(a), 80),
        "version": __version__,
        "schema": visible(found["schema"], 40),
        "frames": frames,
        "known": sum(totals.values()),
        "totals": totals,
        "parts": [(kind, moved.SIGNS[kind], moved.WORDS[kind], totals[kind]) for kind in ("newly", "saved", "other")],
        "verdict": _verdict(found, frames["changed"]),
        "because": _because(found, frames, sum(totals.values())),
        "figures": _figures(found),
        "rules": [_rule(w) for w in found["worse"][:_RULES_MAX]],
        "notices": _notices(found, frames),
        "knobs": [_knob(name, *pair) for name, pair in list(found["knobs"].items())[:_KNOBS_MAX]],
        "matrix": moved.matrix(found["matrix"]),
        "signs": moved.SIGNS,
        "times": shifts.times(found),
        "ends": [(word, _change(found[word])) for word in ("first", "last") if found[word] is not None],
        "flows": [_flow(flow) for flow in found["flows"][:FLOWS_MAX]],
        "more_flows": count(found["flows_changed"]) - min(len(found["flows"]), FLOWS_MAX),
        "changes": [_change(change) for change in found["changes"][:CHANGES_MAX]],
        "more_changes": frames["changed"] - min(len(found["changes"]), CHANGES_MAX),
        "axis": scale,
        "stages": stages,
        "costs": costs,
        "config": _config(a["config"], b["config"]),
        "queues": [(side, *row) for side, x in (("a", a), ("b", b)) for row in configured.of_queues(x["config"])],
        "sides": [(side, visible(x["label"], 400), _files(x)) for side, x in (("a", a), ("b", b))],
        "line": None,
    }


def _title(side: dict[str, Any]) -> str:
    files = side["files"]
    name = str(files[0] if files else side["label"])
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    return (name.rstrip("/").rpartition("/")[2] or name) + more


def _files(side: dict[str, Any]) -> list[str]:
    return [visible(f, 400) for f in side["files"][:_FILES_MAX]]


def _frames(n: int) -> str:
    return f"{n:,} frame{'' if n == 1 else 's'}"


def _verdict(found: dict[str, Any], changed: int) -> dict[str, str]:
    """Return the sentence that the page begins with. More losses are worse, whatever the rules allow."""
    more, rules = count(found["b"]["lost"]) - count(found["a"]["lost"]), found["worse"]
    fates = f"{changed:,} changed {'its' if changed == 1 else 'their'} fate"
    one = abs(more) == 1
    fewer = f"{abs(more):,} {'more' if more > 0 else 'fewer'} frame{'' if one else 's'} {'is' if one else 'are'} lost"
    partial = found["a"]["records_missing"] or found["b"]["records_missing"]
    where = ", in the part that both logs hold" if partial else ""
    if more > 0:
        mark, text = "lost", f"Worse{where}: {fewer}; {fates}"
    elif rules:
        mark, text = "lost", f"Worse by the rule {visible(rules[0]['rule'], 60)}{where}; {fates}"
    elif more < 0:
        mark, text = "good", f"Better{where}: {fewer}; {fates}"
    elif changed:
        mark, text = "even", f"As many frames are lost{where}; {fates}"
    elif where:
        mark, text = "even", f"No fate changed{where}"
    elif _same(found):
        mark, text = "even", "The same: no fate, time or cost changed"
    else:
        mark, text = "even", "The same fates, at other times or costs"
    return {"mark": mark, "text": f"{text}."}


def _same(found: dict[str, Any]) -> bool:
    times = all(x["a"] == x["b"] and not x["slower"] and not x["faster"] for x in found["latency_ns"].values())
    alone = found["frames"]["only_a"] or found["frames"]["only_b"]
    return times and not alone and all(was == now for was, now in found["cost"].values())


def _because(found: dict[str, Any], frames: dict[str, int], known: int) -> str:
    if not frames["changed"]:
        return ""
    newly, saved = frames["newly_lost"], frames["saved"]
    return (
        f"Of {_frames(known)}, a loses {found['a']['lost']:,} and b {found['b']['lost']:,}: {_none_or(newly)} "
        f"{'is' if newly < 2 else 'are'} newly lost, and {_none_or(saved)} {'is' if saved < 2 else 'are'} saved. "
        f"{share(frames['changed'], known)} end in another fate."
    )


def _none_or(n: int) -> str:
    return f"{n:,}" if n else "none"


def _figures(found: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Return (name, in a, in b, growth, trend)."""
    pairs: list[tuple[str, Any, Any, Any]] = [("frames lost", number, found["a"]["lost"], found["b"]["lost"])]
    if "total" in found["latency_ns"]:
        total = found["latency_ns"]["total"]
        pairs.append(("latency, p99", duration, total["a"]["p99"], total["b"]["p99"]))
    pairs += [(words, _words_of(name), *found["cost"].get(name, (None, None))) for name, words in _FIGURES.items()]
    return [
        (name, words(was), words(now), shifts.growth(was, now), shifts.trend(was, now))
        for name, words, was, now in pairs
        if was is not None and now is not None
    ]


def _words_of(cost: str) -> Any:
    return duration if cost.endswith("_ns") else size if cost.endswith("_bytes") else number


def _rule(worse: dict[str, Any]) -> tuple[str, str, str]:
    """Return a rule of --fail-on, and the value in a and in b."""
    what = str(worse["what"])
    plain = what in ("lost", "changed", "interrupts", "polls", "ipis")
    words = number if plain else size if what == "memory" else duration
    return visible(worse["rule"], 60), words(worse["was"]), words(worse["is"])


def _notices(found: dict[str, Any], frames: dict[str, int]) -> list[str]:
    missing = {side: count(found[side]["records_missing"]) for side in "ab"}
    notes = [
        f"The log of {side} is full: {n:,} records found no room, so latency and CPU time are of a part of the run "
        "only. --records N holds more."
        for side, n in missing.items()
        if n
    ]
    if frames["unfinished"]:
        notes.append(f"{_frames(frames['unfinished'])} without a fate in one of the logs do not count.")
    for side, n in (("a", frames["only_a"]), ("b", frames["only_b"])):
        if n:
            notes.append(f"{_frames(n)} {'is' if n == 1 else 'are'} in the log of {side} only, and not compared.")
    return notes


def _value(name: str, value: Any) -> str:
    if value is None:
        return "not set"
    return setting(value, unit(KNOBS[name]) if name in KNOBS else "")


def _knob(name: str, was: Any, now: Any) -> dict[str, str]:
    known = name in KNOBS
    return {
        "name": visible(name, 60),
        "was": _value(name, was),
        "now": _value(name, now),
        "words": KNOBS[name].help if known else "",
        "place": place(name) if known else "",
    }


def _change(change: dict[str, Any]) -> dict[str, str]:
    ns, was, now = count(change["t_ns"]), str(change["was"]), str(change["is"])
    kind = moved.kind(was, now)
    return {
        "frame": number(count(change["frame"])),
        "at": f"{ns // 10**9}.{ns % 10**9:09d} s",
        "flow": visible(change["flow"]),
        "was": visible(was, 60),
        "now": visible(now, 60),
        "kind": kind,
        "sign": moved.SIGNS[kind],
    }


def _flow(flow: dict[str, Any]) -> dict[str, Any]:
    frames, was, now = (count(flow[key]) for key in ("frames", "lost_a", "lost_b"))
    return {
        "name": visible(flow["flow"]),
        "frames": frames,
        "changed": count(flow["changed"]),
        "was": was,
        "now": now,
        "part_was": min(1, was / max(1, frames)),
        "part_now": min(1, now / max(1, frames)),
        "trend": shifts.trend(was, now),
        "growth": f"{now - was:+,}".replace("-", "\N{MINUS SIGN}") if now != was else "",
    }


def _cost(name: str, was: int | None, now: int | None) -> dict[str, Any]:
    title, more = _COSTS[name]
    words, known = _words_of(name), was is not None and now is not None
    most = max(was or 0, now or 0, 1)
    return {
        "name": title,
        "more": more,
        "was": "unknown" if was is None else words(count(was)),
        "now": "unknown" if now is None else words(count(now)),
        "part_was": (was or 0) / most,
        "part_now": (now or 0) / most,
        "growth": shifts.growth(was or 0, now or 0) if known else "",
        "trend": shifts.trend(was or 0, now or 0) if known else "same",
        "sum": name == "cpu_ns",
    }


def _config(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, int, list[dict[str, Any]]]]:
    """Return (group, knobs that differ, its knobs), each knob with both values."""
    rows_a, rows_b = ({r.name: r for r in configured.rows(config)} for config in (a, b))
    found = []
    names = dict.fromkeys([*rows_a, *rows_b])
    for title, rows in configured.groups([rows_a.get(name) or rows_b[name] for name in names]):
        own = [_both(r, _shown(rows_a, r.name), _shown(rows_b, r.name)) for r in rows]
        found.append((title, sum(row["differs"] for row in own), own))
    return found


def _shown(rows: dict[str, configured.Row], name: str) -> str:
    return rows[name].value if name in rows else "not set"


def _both(row: configured.Row, was: str, now: str) -> dict[str, Any]:
    return {
        "name": row.name,
        "was": was,
        "now": now,
        "differs": was != now,
        "usual": row.usual,
        "unusual": row.usual not in (was, now) or was != now,
        "words": row.words,
        "place": row.place,
    }
