"""Verify the answer of :mod:`vnic.why.answer` by running the same input again. In virtual time that is exact.

Dials are tried in the order of causes.py. Each goes to its last step first. If that ends the cause's losses, bisection
finds the mildest step that does, and the next cause follows with these knobs in place. If no dial alone is enough, the
one that helps most stays at its last step, and the others are tried with it. If none helps, the answer names the part
that is too slow instead of a knob. If it takes several dials, :mod:`vnic.why.cheapest` may look for a cheaper
combination.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vnic.why.answer import Answer, Try, named, setting_of, why, words
from vnic.why.causes import Cause, Dial, causes
from vnic.why.cheapest import cheapest
from vnic.why.facts import Facts
from vnic.why.trials import Trials, total

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.why.causes import Settings
    from vnic.why.trials import Run, Several

RUNS = 48
"""Most runs of one verification."""
_HELPS = 0.9  # a dial helps if the losses fall to this share or below
_ANY_FIFO = {"fifo": 1 << 28}


@dataclass(frozen=True, slots=True)
class _Turned:
    """The dial that ended a cause's losses, and all knobs changed so far."""

    dial: Dial
    settings: Settings


def _turn(cause: Cause, before: Settings, was: int, trials: Trials) -> _Turned | None:
    """Find the mildest step that ends this cause's losses. Losses that it moves elsewhere belong to the next cause."""

    def good(settings: Settings) -> bool:
        found = trials(settings)
        return found is not None and not any(Facts(found).lost().get(f) for f in cause.fates)

    dials, base = [d for d in cause.dials if d.steps], before
    for _ in range(len(dials)):
        for dial in dials:
            if good(base | dial.steps[-1]):
                trials.units.append(frozenset(dial.steps[-1]))
                return _Turned(dial, base | _mildest(dial, base, good))
        reached = {d.knob: n for d in dials if (n := trials.lost(base | d.steps[-1])) is not None}
        best = min(dials, key=lambda d: reached.get(d.knob, was))
        if reached.get(best.knob, was) > _HELPS * was:
            return None
        trials.units.append(frozenset(best.steps[-1]))
        base, dials, was = base | best.steps[-1], [d for d in dials if d is not best], reached[best.knob]
    return None


def _mildest(dial: Dial, base: Settings, good: Callable[[Settings], bool]) -> Settings:
    """Return the first step that is good, by bisection; the last one is known to be good."""
    low, high = 0, len(dial.steps) - 1
    while low < high:
        middle = (low + high) // 2
        if good(base | dial.steps[middle]):
            high = middle
        else:
            low = middle + 1
    return dial.steps[high]


def _prune(settings: Settings, trials: Trials) -> Settings:
    """Remove the knobs without which nothing is lost either."""
    for unit in trials.units:
        fewer = {k: v for k, v in settings.items() if k not in unit}
        if fewer and trials.lost(fewer) == 0:
            settings = fewer
    return settings


def verify(
    facts: dict[str, Any], run: Run, *, runs: int = RUNS, combine: bool = False, together: Several | None = None
) -> Answer:
    """Answer :func:`why`, and run the input again to verify what is enough.

    Args:
        facts: the facts of the run to explain.
        run: runs the same input with some knobs changed; must be deterministic.
        runs: the most runs to make.
        combine: if it takes several dials, look for the cheapest combination of all that help.
        together: runs several at a time; None: they run one after the other.
    """
    answer = replace(why(facts), enough=None)
    trials = Trials(run, runs, hidden=(_ANY_FIFO,), together=together)
    now = facts
    settings: Settings = {}
    turned: list[_Turned] = []
    dials: list[Dial] = []
    found = [c for c in causes(Facts(facts)) if c.fates]
    if not found:
        return answer
    for _ in range(len(found) + 3):
        rest = [c for c in causes(Facts(now)) if c.fates]
        if not rest:
            break
        dials += (d for cause in rest for d in cause.dials)
        one = _turn(rest[0], settings, total(now), trials)
        if one is None:
            break
        turned.append(one)
        settings, now = one.settings, trials(one.settings) or now
    answer = _judge(Facts(facts), answer, found[0], turned, trials)
    if combine and answer.enough is not None:
        enough = cheapest(answer.enough, dials, facts, trials)
        answer = replace(answer, enough=enough, tried=tuple(trials.tried))
        if not set(enough) & set(turned[0].dial.steps[0]):
            limit = named(found[0], None)
            answer = replace(answer, limit=limit, setting=setting_of(Facts(facts), limit))
    return answer


def _judge(f: Facts, answer: Answer, cause: Cause, turned: list[_Turned], trials: Trials) -> Answer:
    """Complete the answer with what the runs showed."""
    first, settings = (turned[0], turned[-1].settings) if turned else (None, {})
    was, limit = answer.frames, named(cause, first.dial if first else None)
    enough: Settings | None = None
    helps: Try | None = None
    if settings and trials.lost(settings) == 0:
        enough = _prune(settings, trials)
        if first and not set(enough) & set(first.dial.steps[0]):
            limit = named(cause, None)
    else:
        helps = min(trials.tried, key=lambda t: t.lost, default=None)
        if helps is not None and helps.lost > _HELPS * was:
            helps = None
        if first is None or (trials.lost(first.settings) or 0) > _HELPS * was:
            limit = named(cause, None)
    note = ""
    if "FIFO_OVERRUN" in answer.lost and limit == cause.slow:
        note = _fifo_note(trials)
    elif first is not None and limit == cause.knob != first.dial.knob:
        note = _not_alone(cause, trials)
    return replace(
        answer,
        limit=limit,
        setting=setting_of(f, limit),
        enough=enough,
        helps=None if helps is None else helps.settings,
        helps_lost=None if helps is None else helps.lost,
        verified=True,
        tried=tuple(trials.tried),
        note=note,
    )


def _not_alone(cause: Cause, trials: Trials) -> str:
    """Say what the limit's own knob achieves alone, at its last step, if another knob was needed."""
    step = next((d.steps[-1] for d in cause.dials if d.knob == cause.knob and d.steps), None)
    lost = None if step is None else trials.lost(step)
    return f"with {words(step)} alone, {lost:,} are still lost" if step and lost else ""


def _fifo_note(trials: Trials) -> str:
    """Say how large a FIFO this input needs; a larger one only delays the loss."""
    found = trials(_ANY_FIFO)
    if found is None or Facts(found).lost().get("FIFO_OVERRUN"):
        return "no FIFO is large enough"
    held = Facts(found).limits["fifo"]["high_water"]
    return f"a larger FIFO only delays the loss: this input needs {held} bytes, a longer one needs more"
