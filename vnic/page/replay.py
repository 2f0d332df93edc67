"""What the page of a replay or a live run shows: the report's numbers, in the order and the words of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic import __version__
from vnic._core import lib
from vnic.counters.gro import GRO_ENDS, end_text
from vnic.counters.standing import sentences
from vnic.fault import FAULTS
from vnic.page import configured, drawing, times, waits
from vnic.page.found import found as found_by_why
from vnic.page.input import described
from vnic.page.passing import Passed, counters, funnel_words, is_delivered, limit_row, passing, read_by_programs
from vnic.page.told import duration, number, rate, share, visible
from vnic.runs.report import CPU_COLUMNS, QUEUE_COLUMNS, STAGE_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FLOWS_MAX = 50
"""Flows of GRO that the page lists; it says how many more the report has."""
_ROWS_MAX = 64
_FEW = 10
"""So few lost frames are counted in the headline, and more are a share."""


def context(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of templates/replay.html.j2. LookupError, TypeError, ValueError: this is no report."""
    passed = passing(facts)
    ledger = _ledger(facts)
    wide = drawing.draw(passed, drawing.LYING)
    tall = drawing.draw(passed, drawing.STANDING)
    axis, strips = waits.strips(facts)
    line = times.series(facts)
    rows = configured.rows(facts["config"])
    why = found_by_why(facts, ledger["lost"])
    return {
        "title": described(facts)["name"],
        "version": __version__,
        "schema": visible(facts["schema"], 40),
        "lacks": lacks(facts),
        "input": described(facts),
        "ledger": ledger,
        "verdict": _verdict(ledger),
        "why": why,
        "figures": _figures(facts, ledger),
        "pictures": (("wide", wide), ("tall", tall)),
        "stages": [_stage(facts, p, rows) for p in passed],
        "funnel": [p for p in passed if p.stage.funnel or p.stage.id == "wire"],
        "read": read_by_programs(facts),
        "funnel_words": funnel_words,
        "line": line,
        "axis": axis,
        "strips": strips,
        "has_histograms": bool(facts.get("latency_histograms")),
        "queues": _counters("rx-", facts["queues"], "queue", QUEUE_COLUMNS),
        "cpus": _counters("", facts["cpus"], "cpu", CPU_COLUMNS),
        "gro": _gro(facts["gro"]),
        "irq": facts["irq"],
        "standing": sentences(facts["standing"][:8]),
        "faults": [_fault(row) for row in facts.get("faults", ())[: lib.NIC_FAULTS_MAX]],
        "limits": [limit_row(row) for row in facts["limits"]],
        "changed": [row for row in rows if row.differs],
        "config": configured.groups(rows),
        "of_queues": configured.of_queues(facts["config"]),
        "label": drawing.label,
        "share": share,
    }


def lacks(facts: dict[str, Any]) -> list[str]:
    """Return what an older report, or one without a time line, does not have: a sentence each."""
    found = []
    if "latency_histograms" not in facts:
        found.append("The report has no histograms of latency: the strips show percentiles only.")
    if facts["schema"].startswith("vnic.run/"):
        found.append("A live run has no time line.")
    elif not facts.get("timeline"):
        found.append("The report has no time line: vnic replay --html has one, and --json with --timeline.")
    return found


def _ledger(facts: dict[str, Any]) -> dict[str, Any]:
    given = facts["ledger"]
    delivered = sum(n for fate, n in given["fates"].items() if is_delivered(fate))
    lost = sum(given["fates"].values()) - delivered
    offered, flying = given["offered"], given["in_flight"]
    for n in (delivered, lost, offered, flying):
        number(n)
    return {
        "offered": offered,
        "delivered": delivered,
        "lost": lost,
        "in_flight": flying,
        "closed": delivered + lost + flying == offered,
    }


def _verdict(ledger: dict[str, Any]) -> dict[str, str]:
    offered, lost = ledger["offered"], ledger["lost"]
    if not offered:
        return {"mark": "none", "text": "No frame came."}
    if not lost:
        return {"mark": "good", "text": "Every frame was delivered." if offered > 1 else "The frame was delivered."}
    few = lost < _FEW
    part = f"{lost} of {number(offered)} frames" if few else f"{share(lost, offered)} of the frames"
    return {"mark": "lost", "text": f"{part} {'was' if lost == 1 else 'were'} lost."}


def _fault(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return the cells of a rule of --fault: the rule, chances, hits, what happens."""
    return visible(row["rule"], 120), number(row["chances"]), number(row["hits"]), FAULTS[row["kind"]]


def _figures(facts: dict[str, Any], ledger: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return (name, value, more) of the figures under the verdict."""
    total, irq, gro = facts["latency_ns"].get("total"), facts["irq"], facts["gro"]
    ns = facts["input"].get("duration_ns") or 0
    found = []
    if ns > 0:
        found.append(("offered", f"{rate(ledger['offered'] * 1e9 / ns)}/s", f"frames, for {duration(ns)}"))
    if total and total["count"]:
        found.append(("latency p50", duration(total["p50"]), "last bit on the wire to read()"))
        found.append(("latency p99", duration(total["p99"]), f"at most {duration(total['max'])}"))
    found.append(("interrupts", number(irq["interrupts"]), f"{number(irq['frames_per_interrupt'])} frames each"))
    if gro["frames_per_skb"]:
        found.append(("GRO", f"{gro['frames_per_skb']:.2f}", "frames per packet"))
    if facts["cpus"]:
        busiest = max(facts["cpus"], key=lambda c: c["busy"])
        found.append(("busiest CPU", share(max(0, busiest["busy"]), 1), f"CPU {number(busiest['cpu'])}"))
    return found


def _stage(facts: dict[str, Any], p: Passed, rows: Sequence[configured.Row]) -> dict[str, Any]:
    """Return what the picture tells of one stage when it is chosen."""
    split = facts["latency_ns"]
    return {
        "passed": p,
        "counters": counters(facts, p.stage),
        "limits": [limit_row(row) for row in p.limits],
        "knobs": [row for name in p.stage.knobs for row in rows if row.name == name],
        "latency": [
            (name, STAGE_WORDS[name], split[name]) for name in p.stage.latency if name in split and split[name]["count"]
        ],
    }


def _counters(prefix: str, rows: list[dict[str, Any]], key: str, columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the table of counters of queues or CPUs; those that had nothing to do are one line if there are many."""
    working = rows
    if len(rows) > 8:
        working = [row for row in rows if any(row[name] for name in columns.values())]
    cells = [(f"{prefix}{number(row[key])}", [row[name] for name in columns.values()], row) for row in working]
    most = [max([0, *(row[name] for row in working)]) for name in columns.values()]
    return {
        "heads": list(columns),
        "rows": cells[:_ROWS_MAX],
        "more": max(0, len(cells) - _ROWS_MAX),
        "idle": len(rows) - len(working),
        "most": most,
    }


def _gro(gro: dict[str, Any]) -> dict[str, Any]:
    ended = sorted(gro["ended"].items(), key=lambda item: (-item[1], item[0]))
    flows = gro["flows"]
    return {
        "facts": gro,
        "ended": [(n, end_text(reason) if reason in GRO_ENDS else visible(reason, 40)) for reason, n in ended[:32]],
        "ended_all": sum(n for _, n in ended),
        "flows": [_flow(flow) for flow in flows[:FLOWS_MAX]],
        "more": max(0, len(flows) - FLOWS_MAX),
    }


def _flow(f: dict[str, Any]) -> dict[str, Any]:
    often = max(f["ended"], key=lambda reason: f["ended"][reason]) if f["ended"] else ""
    name = f"{f['proto']} {f['src']}:{f['sport']} → {f['dst']}:{f['dport']}"
    numbers = [number(f[key]) for key in ("frames", "skbs", "lost_ids", "lost_psh")]
    words = end_text(often) if often in GRO_ENDS else visible(often, 40)
    return {"name": visible(name, 120), "cells": [*numbers, duration(f["spread_max_ns"])], "often": words}
