"""Where the frames of a report came from, in words."""

from __future__ import annotations

from typing import Any

from vnic.capture_select import pace_words
from vnic.page.told import duration, number, size, visible
from vnic.runs.report import remarks

FILES_MAX = 20


def described(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the input's name, its size in words, its files, and remarks about it."""
    i = facts["input"]
    files = i.get("files")
    name = visible(i["device"] if files is None else _short(files[0]) if files else "no file", 80)
    more = len(files or ()) - 1
    elapsed = duration(facts["elapsed_ns"])
    words = [f"{number(i['frames'])} frames", size(i["bytes"])]
    if files is None:
        words += [f"received for {duration(i['duration_ns'])}", f"host up for {elapsed}"]
    else:
        words += [f"captured over {duration(i['duration_ns'])}", f"replayed in {elapsed}"]
    return {
        "name": f"{name} and {more:,} more" if more > 0 else name,
        "live": files is None,
        "words": words,
        "files": [visible(f, 400) for f in (files or [])[:FILES_MAX]],
        "more_files": max(0, len(files or ()) - FILES_MAX),
        "pace": visible(pace_words(i.get("selected") or {}) or ""),
        "remarks": [(number(n), visible(text)) for n, text in remarks(i)[:40] if n],
        "left_out": [visible(text) for text in (i.get("left_out") or ())[:FILES_MAX]],
        "error": visible(i["error"]) if i.get("error") else "",
    }


def _short(file: str) -> str:
    """Return a file's name without its directories."""
    return file.rstrip("/").rpartition("/")[2] or file
