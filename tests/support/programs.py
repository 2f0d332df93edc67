"""The C programs of tests/c for the scripts that measure: built as the extension is, run on one core; their figures."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
from pathlib import Path

from paths import ROOT

CORE = max(os.sched_getaffinity(0))
"""The last core: the first ones get more interrupts."""


def build(program: str = "bench_path") -> Path:
    """Build a program with the flags of the extension; return where it is."""
    command = [ROOT / "scripts/build-tests", "bench", program, "-DCMAKE_BUILD_TYPE=Release"]
    return Path(subprocess.check_output(command, text=True).strip(), program)


def pinned() -> list[str]:
    """Prefix that keeps a program on CORE."""
    return ["taskset", "-c", str(CORE)] if shutil.which("taskset") else []


def lines(command: list) -> list[dict]:
    """Run a program that prints JSON lines."""
    out = subprocess.check_output([str(c) for c in command], text=True, stderr=subprocess.DEVNULL, timeout=300)
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


class Rows(dict):
    """Measurements by name; rounds are put together: the least of the minima, the median of the medians."""

    def add(self, row: dict) -> None:
        """Another round's."""
        known = self.setdefault(row["name"], {**row, "medians": []})
        known["medians"].append(row["ns_median"])
        if row["ns_min"] < known["ns_min"]:
            known.update({k: row[k] for k in ("ns_min", "cycles_min") if k in row})
        known["ns_median"] = statistics.median(known["medians"])


def targets(rows: Rows, wanted: list[tuple]) -> list[dict]:
    """Each target (what, whose figure, its unit, the limit) with what was measured; left out if its peer is missing."""
    out = []
    for what, name, unit, limit in wanted:
        if any(n not in rows for n in name.split("/")):
            continue
        first, *other = (rows[n] for n in name.split("/"))
        key = "cycles_min" if unit == "cycles" else "ns_min"
        value = first[key] / other[0][key] if other else first[key]
        met = None if limit is None else value <= limit
        out.append({"what": what, "value": value, "unit": unit, "limit": limit, "met": met})
    return out


def target_line(t: dict) -> list[str]:
    """Cells of a table."""
    digits = 2 if t["unit"] == "x" else 1
    limit = "" if t["limit"] is None else f"{t['limit']:.3g} {t['unit']}"
    return [
        t["what"],
        f"{t['value']:.{digits}f} {t['unit']}",
        limit,
        {True: "met", False: "**not met**", None: ""}[t["met"]],
    ]
