"""Burst or overload? And if it is an overload that lasts: what moves or saves CPU time, and how much the path can take.

Counters cannot tell a burst, which a longer queue holds, from an overload, which fills any queue. Runs can:

* With endless queues nothing is lost, and the longest wait says how far the path falls behind. If the input comes
  three times in a row and the wait grows, then the overload lasts, and no buffer is enough.
* Then the cures are those that save CPU time (batches, moderation) or use other CPUs. A cure holds if the wait no
  longer grows, and, with the buffers that are still needed, three times the input loses nothing.
* The capacity is the highest pace at which three times the input loses nothing: RFC 2544's throughput, for this
  traffic.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.why.answer import setting_of
from vnic.why.causes import THRIFTLESS, causes, rps_masks
from vnic.why.facts import Facts
from vnic.why.rerun import verify
from vnic.why.trials import Trials, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vnic.why.answer import Answer
    from vnic.why.causes import Settings
    from vnic.why.side_by_side import Together

    Rerun = Callable[[Settings, int], dict[str, Any]]
    """Runs the input with some knobs changed, so many times in a row."""

TIMES = 3
"""How often the input comes in a row to see whether the overload lasts."""
_GROWS = 1.5
_NO_WAIT_NS = 200_000
"""A wait below this is no backlog, however it grows."""
_QUEUES = ("FIFO_OVERRUN", "RX_NO_BUFFER", "CPU_BACKLOG", "SOCKET_RCVBUFF", "PROTO_MEM")
"""Fates of frames for which a queue had no room."""
_PACES, _SLOWEST, _FASTEST = 7, 1 / 64, 16.0
_BUFFERS = frozenset({"rx-ring", "fifo", "rx-pool", "netdev-max-backlog", "rcvbuf", "rmem-max", "udp-mem"})


@dataclass(frozen=True, slots=True)
class Load:
    """What came, and what the path can take of it."""

    packets_per_s: float
    duration_ns: int
    wait_ns: int
    """The longest way of a frame to its reader, with endless queues."""
    wait_thrice_ns: int
    """The same, if the input comes three times in a row."""
    overflows: bool = False
    """Three times the input fills even these queues."""
    capacity: float | None = None
    """Packets a second without loss, as configured; None: not found within the runs allowed."""
    best: float | None = None
    """The same with the best knobs that were tried."""
    best_with: Settings | None = None
    """Those knobs."""

    @property
    def lasts(self) -> bool:
        """Does the path fall behind for as long as the load lasts?"""
        return self.overflows or self.wait_thrice_ns > max(_NO_WAIT_NS, _GROWS * self.wait_ns)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self) | {"lasts": self.lasts}


@dataclass(frozen=True, slots=True)
class Cure:
    """Knobs, and what the input comes to with them."""

    settings: Settings
    lost: int
    lost_thrice: int
    """Lost of three times the input."""
    p99_ns: int
    """Latency, of three times the input."""
    cpus: float
    """CPUs busy, on average, of three times the input."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"set": self.settings, **{k: v for k, v in asdict(self).items() if k != "settings"}}


@dataclass(frozen=True, slots=True)
class Advice:
    """What the runs of three times the input showed."""

    load: Load
    enough: Settings | None = None
    """The overload lasts: with these knobs three times the input loses nothing. None: no knob is enough."""
    cures: tuple[Cure, ...] = ()
    """As configured first; then what was tried, the best first."""


class _Runs:
    """The input once and three times, each combination of knobs once."""

    def __init__(self, run: Rerun, left: int) -> None:
        self.once = Trials(lambda settings: run(settings, 1), left)
        self.thrice = Trials(lambda settings: run(settings, TIMES), left)


def _endless(facts: dict[str, Any]) -> Settings:
    """Return queues for three times as many frames: half a gigabyte of buffers and a quarter of FIFO at most."""
    f = Facts(facts)
    frames = TIMES * int(facts["ledger"]["offered"])
    longest = max(1514, int(f.limits["mtu"]["setting"]) + 18)
    pool = max(f.setting("rx-pool"), 1 << (4 * frames).bit_length())
    return {
        "fifo": min(1 << 28, max(f.setting("fifo"), frames * longest)),
        "rx-pool": max(f.setting("rx-pool"), min(1 << 18, pool)),
        "netdev-max-backlog": 1 << 20,
        "rcvbuf": 1 << 30,
        "udp-mem": (1 << 32) - 1,
        "drop-en": False,
    }


def _longest(facts: dict[str, Any] | None) -> int | None:
    waits = facts["latency_ns"].get("total", {}) if facts else {}
    return int(waits["max"]) if waits.get("count") else None


def _with_endless(runs: _Runs, settings: Settings, endless: Settings) -> Load | None:
    """Return the longest waits with endless queues, of the input once and three times."""
    once, thrice = runs.once(settings | endless), runs.thrice(settings | endless)
    waits = _longest(once), _longest(thrice)
    if thrice is None or waits[0] is None or waits[1] is None:
        return None
    lost = Facts(thrice).lost()
    return Load(0, 0, waits[0], waits[1], overflows=any(lost.get(fate) for fate in _QUEUES))


def consult(facts: dict[str, Any], run: Rerun, *, runs: int, together: Together | None = None) -> Answer:
    """Explain the losses, verify what is enough, and say whether it is enough if the load goes on.

    Arguments as of :func:`advise`. Of a burst, what is enough holds if the same comes again; of an overload that lasts,
    what holds this input only is ``only_now``.
    """
    several = None if together is None else lambda wanted: together(wanted, 1)
    advice = advise(facts, run, runs=runs)
    lasts = advice is not None and advice.load.lasts
    answer = verify(facts, lambda settings: run(settings, 1), runs=runs, combine=not lasts, together=several)
    if advice is None:
        return answer
    if not advice.load.lasts:
        return replace(answer, advice=advice, enough=_again(answer.enough, run, runs))
    f = Facts(facts)
    cause, cure = next(c for c in causes(f) if set(c.fates) & set(_QUEUES)), advice.enough or {}
    knob = next((k for k in cure if k in THRIFTLESS or k in ("rx-usecs", "gro")), None)
    limit = knob or cause.slow or cause.knob
    helps = None if advice.enough else answer.helps
    return replace(
        answer,
        advice=advice,
        enough=advice.enough,
        only_now=answer.enough if answer.enough != advice.enough else None,
        helps=helps,
        helps_lost=answer.helps_lost if helps else None,
        limit=limit,
        setting=setting_of(f, limit),
        note="",
    )


def _again(enough: Settings | None, run: Rerun, runs: int) -> Settings | None:
    """Return what is enough for a burst that comes three times; what is enough for one, if nothing more is found."""
    if enough is None or not total(run(enough, TIMES)):
        return enough
    found = run({}, TIMES)
    return verify(found, lambda settings: run(settings, TIMES), runs=runs).enough or enough


def advise(facts: dict[str, Any], run: Rerun, *, runs: int) -> Advice | None:
    """Return whether the overload lasts, and what helps then. None: no queue was full, or there is no latency to see.

    Args:
        facts: the facts of the run to explain.
        run: runs the same input, so many times in a row, with some knobs changed; must be deterministic.
        runs: the most runs to make, of each kind.
    """
    f = Facts(facts)
    if not any(f.lost().get(fate) for fate in _QUEUES):
        return None
    trials, endless = _Runs(run, runs), _endless(facts)
    load = _with_endless(trials, {}, endless)
    duration = int(facts["input"].get("duration_ns", 0))
    if load is None or not duration:
        return None
    load = replace(load, packets_per_s=int(facts["ledger"]["offered"]) * 1e9 / duration, duration_ns=duration)
    if not load.lasts:
        return Advice(load)
    best: Settings | None = None
    for settings in _cures(f, trials, endless):
        best = _with_buffers(settings, trials)
        if best is not None:
            best = _minimal(best, trials)
            break
    table = _table(f, best, trials)
    most = best or _least_bad(table)
    pace = _Pace(load.packets_per_s, facts["config"].get("speed"), trials.thrice)
    capacity = pace.without_loss({}, _SLOWEST, 1.0)
    reached = None if most is None else pace.without_loss(most, *((1.0, _FASTEST) if best else (_SLOWEST, 1.0)))
    load = replace(load, capacity=capacity, best=reached, best_with=most if reached else None)
    return Advice(load, best, table)


def _least_bad(table: tuple[Cure, ...]) -> Settings | None:
    """Return what loses least, if it is better than the knobs as they are."""
    best = min(table, key=lambda c: c.lost_thrice, default=None)
    return best.settings or None if best else None


# ---- what saves or moves CPU time ----


def _singles(f: Facts) -> Iterator[Settings]:
    """Yield one change each, the cheapest first: work in larger batches, other CPUs of this machine, more CPUs."""
    for knob, default in THRIFTLESS.items():
        if f.limits[knob]["bound"] and f.setting(knob) < default and knob != "netdev-budget-usecs":
            yield {knob: default} | ({"gro-ipv4-max-size": default} if knob == "gro-max-size" else {})
    if f.config.get("gro") is False:
        yield {"gro": True}
    interrupts = f.of("interrupts")
    if 4 * interrupts > int(f.all["ledger"]["offered"]) and not f.config["adaptive-rx"]:
        for usecs in (20, 50, 100):
            if f.setting("rx-usecs") < usecs:
                yield {"rx-usecs": usecs, "rx-frames": 0}
    idle = min(f.cpus, key=lambda c: (c["busy"], -c["cpu"]))
    if len(f.cpus) > 1 and idle["busy"] < 0.5 and str(f.config["reader-cpu"]) != str(idle["cpu"]):
        yield {"reader-cpu": idle["cpu"]}
    if str(f.config["reader-cpu"]) != "any":
        yield {"reader-cpu": "any"}
    yield from rps_masks(f)
    n, queues = len(f.cpus), f.setting("queues")
    yield from ({"queues": q} for q in sorted({2, 4, 8, n}) if queues < q <= min(n, lib.NIC_QUEUES_MAX))


def _more_cpus(f: Facts) -> Iterator[Settings]:
    """Yield machines with more CPUs: this one has not enough."""
    for n in (2, 4, 8):
        if n > len(f.cpus):
            yield {"cpus": n, "queues": n, "reader-cpu": "any"}


def _cures(f: Facts, trials: _Runs, endless: Settings) -> Iterator[Settings]:
    """Yield what ends the overload: single changes, then two together, then more CPUs."""
    singles = list(_singles(f))
    steady, waits = [], dict[int, int]()
    for i, settings in enumerate(singles):
        found = _with_endless(trials, settings, endless)
        if found is None:
            continue
        waits[i] = found.wait_thrice_ns
        if not found.lasts:
            steady.append(settings)
    yield from sorted(steady, key=lambda s: (_cost(s), _p99(trials.thrice(s | endless))))
    near = sorted(waits, key=lambda i: waits[i])[:4]
    for a, b in itertools.combinations(near, 2):
        both = singles[a] | singles[b]
        if set(singles[a]) & set(singles[b]) or both in steady:
            continue
        found = _with_endless(trials, both, endless)
        if found is not None and not found.lasts:
            yield both
    for settings in _more_cpus(f):
        found = _with_endless(trials, settings, endless)
        if found is not None and not found.lasts:
            yield settings


def _cost(settings: Settings) -> int:
    """Return in which order to prefer: what saves CPU time, what moves work, what takes further CPUs."""
    ranks = {"reader-cpu": 1, "rps-cpus": 2, "queues": 2, "cpus": 3}
    return max((ranks.get(knob, 0) for knob in settings), default=0)


def _p99(facts: dict[str, Any] | None) -> int:
    return int(facts["latency_ns"]["total"]["p99"]) if facts else 1 << 62


# ---- with what it still needs ----


def _with_buffers(settings: Settings, trials: _Runs) -> Settings | None:
    """Return the cure with the buffers that three times the input still needs. None: no buffer is enough."""
    found = trials.thrice(settings)
    if found is None:
        return None
    if not total(found):
        return settings
    answer = verify(found, lambda more: trials.thrice.run(settings | more), runs=max(0, min(24, trials.thrice.left)))
    trials.thrice.left -= len(answer.tried)
    more = answer.enough
    if more is None or not set(more) <= _BUFFERS:
        return None
    return settings | more


def _minimal(settings: Settings, trials: _Runs) -> Settings:
    """Remove the knobs without which three times the input loses nothing either."""
    for knob in list(settings):
        fewer = {k: v for k, v in settings.items() if k != knob}
        if fewer and trials.thrice.lost(fewer) == 0:
            settings = fewer
    return settings


@dataclass(frozen=True, slots=True)
class _Pace:
    """The input at other paces. ``speed``: the knob's value; None or a word: the input has no pace."""

    packets_per_s: float
    speed: Any
    thrice: Trials

    def without_loss(self, settings: Settings, low: float, high: float) -> float | None:
        """Return the highest rate without loss between low and high times the input's, within 4 %; None: unknown."""
        if not isinstance(self.speed, (int, float)) or isinstance(self.speed, bool):
            return None

        def lost(factor: float) -> int | None:
            return self.thrice.lost(settings | {"speed": round(self.speed * factor, 6)})

        if lost(low) != 0:
            return None
        for _ in range(_PACES):
            middle = (low * high) ** 0.5
            found = lost(middle)
            if found is None:
                return None
            low, high = (low, middle) if found else (middle, high)
        return self.packets_per_s * low


def _table(f: Facts, best: Settings | None, trials: _Runs) -> tuple[Cure, ...]:
    """Return the input as configured, the cure, and the other single changes that help most."""
    rows = [r for s in ({}, *([best] if best else [])) if (r := _row(s, trials)) is not None]
    others = [r for s in _singles(f) if s != best and (r := _row(s, trials)) is not None]
    others.sort(key=lambda r: (r.lost_thrice, r.p99_ns))
    return (*rows, *others[:4])


def _row(settings: Settings, trials: _Runs) -> Cure | None:
    once, thrice = trials.once(settings), trials.thrice(settings)
    if once is None or thrice is None:
        return None
    return Cure(settings, total(once), total(thrice), _p99(thrice), sum(cpu["busy"] for cpu in thrice["cpus"]))
