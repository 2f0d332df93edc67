"""What counts as worse, for the exit code: the rules of ``--fail-on``.

    lost            more frames are lost: this rule always holds, unless another one about lost replaces it
    lost+10         more frames are lost, by more than that; also lost+1%
    changed         a frame has another fate, better or worse
    p99+10%         a percentile of the whole latency is higher by more than that: p50, p90, p99, p999, max, mean
    socket.p99+10%  of one part of the way: ring, moderation, poll, gro, backlog, reorder, stack, socket
    interrupts+20%  a cost is higher: interrupts, polls, ipis, cpu, memory
    none            nothing counts: the exit code is 0

Percentiles come from histograms whose buckets are up to 1.6 % wide: a rule below 2 % may miss or fire by a bucket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnic.counters.latency import LATENCIES
from vnic.diff.result import Worse
from vnic.errors import ConfigError, quoted
from vnic.look.units import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.diff.result import Diff

_ALWAYS = "lost"
_FORM = re.compile(r"([a-z0-9.]{1,40})(?:\+([0-9]{1,9}(?:\.[0-9]{1,6})?)(%?))?", re.ASCII)
_VALUES = ("mean", "p50", "p90", "p99", "p999", "max")
PLAIN = ("lost", "changed", "none")
_COSTS = {"interrupts": "interrupts", "polls": "polls", "ipis": "ipis", "cpu": "cpu_ns", "memory": "memory_bytes"}

GROWING = (*_VALUES, *(f"{part}.p99" for part in LATENCIES if part != "total"), *_COSTS, "lost")
"""What a TAB offers in front of +N%."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: ``what`` may grow by ``most``, a number or percent."""

    text: str
    what: str
    most: float
    percent: bool

    def allows(self, was: float, now: float) -> bool:
        """Is this growth allowed?"""
        return now <= was + (was * self.most / 100 if self.percent else self.most)


def rules(texts: Sequence[str]) -> list[Rule]:
    """Parse rules, and add the one that always holds. ConfigError: a text is no rule, or "none" is not alone."""
    found = [rule for text in texts if (rule := _rule(text)) is not None]
    if len(found) < len(texts):
        if found:
            raise ConfigError("--fail-on none: give no other rule")
        return []
    if all(rule.what != _ALWAYS for rule in found):
        found.insert(0, Rule(_ALWAYS, _ALWAYS, 0, percent=False))
    return found


def _rule(text: str) -> Rule | None:
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        raise _wrong(text)
    what, most, percent = found[1], found[2], bool(found[3])
    if what in ("none", "changed"):
        if most is not None:
            raise _wrong(text)
        return None if what == "none" else Rule(text, what, 0, percent=False)
    stage, dot, value = what.rpartition(".")
    timed = value in _VALUES and (stage in LATENCIES if dot else True)
    if what not in (*_COSTS, "lost") and not timed:
        raise _wrong(text)
    if (timed or what in _COSTS) and (most is None or not percent):
        raise ConfigError(f"--fail-on {quoted(text)}: needs percent, as in {what}+10%")
    return Rule(text, what, float(most or 0), percent)


def _wrong(text: str) -> ConfigError:
    return ConfigError(
        f"--fail-on {quoted(text)}: must be lost, lost+N, lost+N%, changed, none, or one that grows by percent: "
        f"p99+10%, socket.p99+10%, {', '.join(f'{name}+10%' for name in _COSTS)}"
    )


def judge(diff: Diff, rules_: Sequence[Rule]) -> list[Worse]:
    """Return what got worse by these rules."""
    found = []
    for rule in rules_:
        values = _values(diff, rule.what)
        if values is not None and not rule.allows(*values):
            found.append(Worse(rule.text, rule.what, *values))
    return found


def _values(diff: Diff, what: str) -> tuple[float, float] | None:
    """Return a value in both runs; None: it is not known."""
    if what == "lost":
        return diff.a.lost, diff.b.lost
    if what == "changed":
        return 0, diff.changed
    if what in _COSTS:
        was, now = diff.cost[_COSTS[what]]
        return None if was is None or now is None else (was, now)
    stage, _, value = what.rpartition(".")
    shift = diff.latency.get(stage or "total")
    return None if shift is None else (getattr(shift.a, value), getattr(shift.b, value))


def text(worse: Worse) -> str:
    """Return what got worse in words: ``p99+10%: 1 ms -> 1.2 ms``."""
    if worse.what in ("lost", "changed"):
        return f"{worse.rule}: {worse.was:,.0f} -> {worse.now:,.0f} frames"
    if worse.what in _COSTS and worse.what != "cpu":
        return f"{worse.rule}: {worse.was:,.0f} -> {worse.now:,.0f}"
    return f"{worse.rule}: {duration(worse.was)} -> {duration(worse.now)}"
