"""Where one knob is not enough: the cheapest combination of those that help.

One dial after another (vnic/why/rerun.py) finds a combination, but it never looks back: the first dial that ends the
first cause's losses stays, though another would have ended the next cause's too. So the dials that help are tried
together: each alone, then each two, and so on, at their last steps, until some combinations are enough. Of each of
these, the mildest steps are found, and of all that the cheapest is the answer.

Cheapest: on this machine, if it has enough CPUs; then with the fewest knobs; then with the least memory; then with the
least CPU time. Knobs that change together (rx-usecs and rx-frames) count as one. Memory is what the host states (rings,
buffers, pools) and what a socket and fragments may hold (rcvbuf, ipfrag-high-thresh); the FIFO's bytes are the card's.

A combination is called enough only if it was run. It is the cheapest if a larger value never loses more than a smaller
one, and if the runs allowed suffice for the search.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vnic.why.trials import total

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vnic.why.causes import Dial, Settings
    from vnic.why.trials import Trials

_HELD = ("rcvbuf", "ipfrag-high-thresh", "ip6frag-high-thresh")
Cost = tuple[int, int, int, int]


def cheapest(greedy: Settings, dials: Iterable[Dial], facts: dict[str, Any], trials: Trials) -> Settings:
    """Return the cheapest settings that are enough.

    Args:
        greedy: settings that are enough; if they are of one dial, they are the answer.
        dials: all that are worth a try.
        facts: of the run as configured.
        trials: runs the input with other knobs.
    """
    known = _distinct(dials, greedy)
    if len(_of(known, greedy)) < 2:
        return greedy
    helping = list(_helping(known, greedy, total(facts), trials))
    found = [greedy]
    for n in range(1, len(_of(known, greedy)) + 1):
        groups = [g for g in itertools.combinations(helping, n) if _disjoint(g)]
        trials.several([_last(g) for g in groups])
        good = [g for g in groups if trials.lost(_last(g)) == 0]
        for group in good:
            found += _mildest(group, trials)
        if good:
            break
    return min(found, key=lambda settings: cost(settings, known, trials(settings) or facts))


def cost(settings: Settings, dials: Sequence[Dial], facts: dict[str, Any]) -> Cost:
    """Return what to compare: further CPUs, knobs, bytes, ns of CPU time. ``facts``: of the run with these settings."""
    held = sum(int(facts["config"].get(knob, 0)) for knob in _HELD)
    busy = sum(int(cpu["now_ns"]) - int(cpu["idle_ns"]) for cpu in facts["cpus"])
    return int("cpus" in settings), len(_of(dials, settings)), sum(facts["memory"].values()) + held, busy


def _distinct(dials: Iterable[Dial], greedy: Settings) -> list[Dial]:
    """Return each dial once, the first that came. One that needs more CPUs only if nothing else was enough."""
    found: dict[frozenset[str], Dial] = {}
    for dial in dials:
        if dial.steps and ("cpus" in greedy or "cpus" not in dial.steps[-1]):
            found.setdefault(frozenset(dial.steps[-1]), dial)
    return list(found.values())


def _of(dials: Sequence[Dial], settings: Settings) -> list[Dial]:
    """Return the dials that these settings turn."""
    return [dial for dial in dials if dial.knob in settings]


def _helping(dials: Sequence[Dial], greedy: Settings, was: int, trials: Trials) -> Iterator[Dial]:
    """Yield the dials of the settings found, and those that lose fewer frames alone."""
    trials.several([dial.steps[-1] for dial in dials])
    for dial in dials:
        lost = trials.lost(dial.steps[-1])
        if dial.knob in greedy or (lost is not None and lost < was):
            yield dial


def _disjoint(group: Sequence[Dial]) -> bool:
    knobs = [knob for dial in group for knob in dial.steps[-1]]
    return len(knobs) == len(set(knobs))


def _last(group: Sequence[Dial]) -> Settings:
    return _merged(dial.steps[-1] for dial in group)


def _merged(steps: Iterable[Settings]) -> Settings:
    merged: Settings = {}
    for step in steps:
        merged |= step
    return merged


def _mildest(group: Sequence[Dial], trials: Trials) -> list[Settings]:
    """Return settings that are enough, and with a milder step of the last dial are not: one for each of the others'.

    The bisections go on side by side: each round runs one point of each.
    """
    *others, last = sorted(group, key=lambda dial: len(dial.steps))
    if math.prod(len(dial.steps) for dial in others) > trials.left:
        others = [_fixed(dial) for dial in others]
    bases = [_merged(steps) for steps in itertools.product(*(dial.steps for dial in others))]
    trials.several([base | last.steps[-1] for base in bases])
    bases = [base for base in bases if trials.lost(base | last.steps[-1]) == 0]
    ends = [[0, len(last.steps) - 1] for _ in bases]
    while open_ := [i for i, (low, high) in enumerate(ends) if low < high]:
        trials.several([bases[i] | last.steps[sum(ends[i]) // 2] for i in open_])
        for i in open_:
            middle = sum(ends[i]) // 2
            good = trials.lost(bases[i] | last.steps[middle]) == 0
            ends[i][1 if good else 0] = middle if good else middle + 1
    return [base | last.steps[high] for base, (_, high) in zip(bases, ends, strict=True)]


def _fixed(dial: Dial) -> Dial:
    """Return the dial at its last step: there are not enough runs for the others."""
    return replace(dial, steps=dial.steps[-1:])
