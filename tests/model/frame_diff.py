"""The comparison of two runs in plain Python: rows (vnic.events.frames.Frame) and spans (part -> ns) of both."""

from collections import Counter

NONE = "NO_FATE"


def is_lost(fate):
    return fate != NONE and not fate.startswith("DELIVERED_")


def diff(a, b, spans_a, spans_b, *, partial=False):
    """What csrc/events/frame_diff.c finds, as a dict."""
    rows_b = {row.id: (row, spans) for row, spans in zip(b, spans_b, strict=True)}
    found = {
        "matrix": Counter(), "flows": {}, "changes": [], "unlike": 0, "unfinished": 0, "times": {}, "slower": Counter(),
        "faster": Counter(), "only_a": 0, "only_b": 0, "both": 0,
    }  # fmt: skip
    for row, spans in zip(a, spans_a, strict=True):
        if row.id not in rows_b:
            found["only_a"] += 1
            continue
        other, others = rows_b.pop(row.id)
        found["both"] += 1
        was, now = row.fate or NONE, other.fate or NONE
        if row.len != other.len:
            found["unlike"] += 1
            continue
        if partial and NONE in (was, now):
            found["unfinished"] += 1
            continue
        found["matrix"][was, now] += 1
        flow = found["flows"].setdefault(row.flow, Counter())
        flow.update(frames=1, changed=was != now, lost_a=is_lost(was), lost_b=is_lost(now))
        if was != now:
            found["changes"].append((row.id, was, now))
        for part in spans.keys() & others.keys():
            found["times"].setdefault(part, []).append((spans[part], others[part]))
            found["slower"][part] += others[part] > spans[part]
            found["faster"][part] += others[part] < spans[part]
    found["only_b"] = len(rows_b)
    return found
