"""The answer of ``vnic why`` in a report, as the page tells it; without one, what the counters alone say."""

from __future__ import annotations

from typing import Any

from vnic.errors import ConfigError
from vnic.exports.commands import Shell
from vnic.page.told import duration, number, visible
from vnic.why.answer import why, words
from vnic.why.facts import ON_SCREEN

_LINES_MAX = 40


def found(facts: dict[str, Any], lost: int) -> dict[str, Any] | None:
    """Return the answer in words. None: the report has no answer, or nothing to explain."""
    answer = facts.get("why")
    if answer is None:
        if not lost:
            return None
        try:
            answer = why(facts).as_dict() | {"unverified": "it was not asked to replay"}
        except ConfigError:
            return None
    settings = answer["enough"] or answer["helps"] or answer["only_now"] or {}
    return {
        "lost": answer["lost"],
        "limit": visible(answer["limit"] or "", 60),
        "setting": "" if answer["setting"] is None else visible(answer["setting"], 60),
        "cause": visible(answer["cause"]),
        "evidence": [visible(line) for line in answer["evidence"][:_LINES_MAX]],
        "enough": visible(words(answer["enough"])) if answer["enough"] else "",
        "helps": visible(words(answer["helps"])) if answer["helps"] and not answer["enough"] else "",
        "helps_lost": answer["helps_lost"],
        "verified": bool(answer["verified"]),
        "unverified": visible(answer.get("unverified") or ""),
        "note": visible(answer["note"] or ""),
        "load": _load(answer["load"]),
        "cures": [_cure(cure) for cure in answer["cures"][:_LINES_MAX]],
        "tried": [(visible(words(t["set"])), number(t["lost"])) for t in answer["tried"][:_LINES_MAX]],
        "besides": [
            (number(row["frames"]), visible(row["fate"], 60), visible(ON_SCREEN.get(row["why"], row["why"])))
            for row in answer["besides"][:_LINES_MAX]
        ],
        "then": [visible(line) for line in answer["then"][:_LINES_MAX]],
        "commands": _commands(settings),
    }


def _commands(settings: dict[str, Any]) -> list[str]:
    """Return the settings as commands for a real machine."""
    if not settings:
        return []
    own = {name: value for name, value in settings.items() if name not in ("each_queue", "cost")}
    return [visible(line, 400) for line in Shell().lines(own, settings.get("each_queue"))[:_LINES_MAX]]


def _load(load: dict[str, Any] | None) -> str:
    if not load:
        return ""
    if load["lasts"]:
        return "The overload lasts: the path falls behind for as long as the load goes on, so no buffer is enough."
    wait = duration(load["wait_ns"])
    return (
        f"It is a burst: with endless queues the longest wait is {wait}, and it does not grow if the input comes again."
    )


def _cure(cure: dict[str, Any]) -> tuple[str, str, str, str, str]:
    return (
        visible(words(cure["set"])) or "as configured",
        number(cure["lost"]),
        number(cure["lost_thrice"]),
        duration(cure["p99_ns"]),
        number(cure["cpus"]),
    )
