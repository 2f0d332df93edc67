"""Answer ``vnic why``: where a run lost frames, by which limit, on what evidence, and which knob would be enough.

:func:`why` reads the facts of a run and estimates what would be enough. :mod:`vnic.why.rerun` verifies it by running.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vnic.control.reply import Reply
from vnic.counters.standing import sentences
from vnic.errors import ConfigError
from vnic.look import tables
from vnic.look.lines import hanging
from vnic.look.units import duration, rate
from vnic.why.causes import THRIFTLESS, Cause, Dial, causes
from vnic.why.facts import ON_SCREEN, Facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vnic.host import Host
    from vnic.why.causes import Settings
    from vnic.why.load import Advice, Load

SCHEMA = "vnic.why/1"
_STAGES = {
    "ring": "the card: DMA, and frames waiting for a buffer (fifo, rx-ring)",
    "moderation": "the interrupt and its moderation",
    "poll": "frames wait for their CPU's poll",
    "gro": "GRO holds packets to merge them",
    "stack": "the CPUs' work on the packets: driver, steering, protocols",
    "backlog": "packets wait for another CPU (rps-cpus)",
    "reorder": "the sender: missing data arrived late",
    "socket": "the reader",
}


@dataclass(frozen=True, slots=True)
class Try:
    """Knobs with which the input was run again."""

    settings: Settings
    lost: int
    """Frames still lost by limits."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Why frames were lost, and what helps."""

    offered: int
    lost: dict[str, int]
    """Fate -> frames lost by a limit, in the order of the path."""
    limit: str = ""
    """The knob that was reached; or the part that is too slow, if no value of a knob is enough."""
    setting: int | str | None = None
    """The knob's value."""
    text: str = ""
    evidence: tuple[str, ...] = ()
    enough: Settings | None = None
    """With these knobs no limit loses a frame (an estimate unless ``verified``). None: none were found."""
    helps: Settings | None = None
    """No knobs are enough; with these, fewer frames are lost."""
    helps_lost: int | None = None
    verified: bool = False
    tried: tuple[Try, ...] = ()
    note: str = ""
    besides: tuple[tuple[str, int, str], ...] = ()
    """(fate, frames, why) of the losses that no limit caused."""
    then: tuple[str, ...] = ()
    """Later limits on the path that lost frames too."""
    advice: Advice | None = None
    """Whether an overload lasts, what the path can take, and what was tried; None: not looked into."""
    only_now: Settings | None = None
    """An overload that lasts: these knobs hold this input, and no longer one."""
    standing: tuple[str, ...] = ()
    """A sentence for each queue whose ring holds frames that no interrupt announces; they are not lost."""

    @property
    def frames(self) -> int:
        """Frames lost by limits."""
        return sum(self.lost.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "schema": SCHEMA,
            "offered": self.offered,
            "lost": self.frames,
            "fates": self.lost,
            "limit": self.limit or None,
            "setting": self.setting,
            "cause": self.text,
            "evidence": list(self.evidence),
            "enough": self.enough,
            "helps": self.helps,
            "helps_lost": self.helps_lost,
            "only_now": self.only_now,
            "load": self.advice.load.as_dict() if self.advice else None,
            "cures": [cure.as_dict() for cure in self.advice.cures] if self.advice else [],
            "verified": self.verified,
            "tried": [{"set": t.settings, "lost": t.lost} for t in self.tried],
            "note": self.note or None,
            "besides": [{"fate": f, "frames": n, "why": why} for f, n, why in self.besides],
            "then": list(self.then),
            "standing": list(self.standing),
        }


# ---- what the counters say ----


def named(cause: Cause, dial: Dial | None) -> str:
    """Name the limit, given the dial that helps."""
    if dial is not None and (dial.knob == cause.knob or dial.knob in THRIFTLESS):
        return dial.knob
    return cause.slow or cause.knob


def setting_of(f: Facts, limit: str) -> int | str | None:
    """Return the limit's value; None: it is not a knob."""
    found = f.limits[limit]["setting"] if limit in f.limits else f.config.get(limit)
    return found if found is None or isinstance(found, (int, str)) else str(found)


def _idle(f: Facts) -> tuple[str, str, tuple[str, ...]]:
    """Nothing was lost. Return the nearest limit, the reason, and the evidence."""
    if f.stand:
        return "rx-frames", "frames wait until rx-frames is reached", (f"{f.of('interrupts')} interrupts in all",)
    waited = f.of("no_buffer")
    fills = {}
    for knob in ("fifo", "rx-pool", "netdev-max-backlog"):
        x = f.limits[knob]
        fills[knob] = (x["high_water"] or 0) / max(1, x["setting"])
    fullest = max(fills, key=lambda k: fills[k])
    evidence = [f"{fullest} was at most {fills[fullest]:.0%} full"]
    if waited:
        evidence.insert(0, f"{waited} frames had to wait for a buffer")
    limit, text = "", "no limit came close"
    if waited:
        limit, text = "rx-ring", "the ring was empty at times; the FIFO held the frames that arrived meanwhile"
    elif fills[fullest] >= 0.5:
        limit, text = fullest, "it was more than half full"
    stages = {k: v for k, v in f.all["latency_ns"].items() if k in _STAGES and v["count"]}
    if stages:
        worst = max(stages, key=lambda k: stages[k]["mean"] * stages[k]["count"])
        mean, total = stages[worst]["mean"], f.all["latency_ns"]["total"]["mean"]
        whole = f" of {total / 1000:.1f} us" if total else ""  # without a reader there is no total
        evidence.append(f"latency: {worst} is {mean / 1000:.1f} us{whole} on average")
        if not limit:
            knobs = {"moderation": _held_back(f), "gro": "gro-flush-timeout" * bool(f.setting("gro-flush-timeout"))}
            limit = knobs.get(worst, "")
            text = f"no limit came close; most of the latency: {_STAGES[worst]}"
    return limit, text, tuple(evidence)


def _held_back(f: Facts) -> str:
    usecs, frames = f.of("interrupts_by_usecs"), f.of("interrupts_by_frames")
    if f.config["adaptive-rx"]:
        return "adaptive-rx"
    if not f.setting("rx-usecs") and f.setting("rx-frames") == 1:
        return ""  # no moderation: the delay is the interrupt's own
    return "rx-usecs" if usecs >= frames or not f.setting("rx-frames") else "rx-frames"


def _likely(cause: Cause) -> Dial | None:
    """Return the first dial that the counters call enough."""
    return next((d for d in cause.dials if d.steps and d.guess() is not None), None)


def why(facts: dict[str, Any]) -> Answer:
    """Explain the facts of a run (:func:`vnic.runs.replay.facts`) without running anything.

    Raises:
        ConfigError: these are not the facts of a run.
    """
    try:
        f = Facts(facts)
        found = causes(f)
        stand = tuple(sentences(f.stand))
        answer = Answer(int(facts["ledger"]["offered"]), f.lost(), besides=tuple(f.besides()), standing=stand)
        if not found:
            limit, text, evidence = _idle(f)
            return replace(answer, limit=limit, setting=setting_of(f, limit), text=text, evidence=evidence)
    except (KeyError, TypeError) as e:
        raise ConfigError(f"not a report of this version of vnic: it lacks {e}") from None
    cause, likely = found[0], [_likely(c) for c in found]
    limit = named(cause, likely[0])
    reckoned: Settings = {}
    for dial in reversed(likely):  # if two causes ask for the same knob, the first one wins
        reckoned |= (dial.guess() if dial else None) or {}
    return replace(
        answer,
        limit=limit,
        setting=setting_of(f, limit),
        text=cause.text,
        evidence=cause.evidence,
        enough=reckoned if all(likely) else None,
        then=tuple(f"{c.knob}: {c.frames} frames ({c.text})" for c in found[1:]),
    )


# ---- in words ----


def words(settings: Settings) -> str:
    """Format knobs as ``vnic replay --set`` takes them."""
    return " ".join(f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in settings.items())


def _frames(n: int) -> str:
    return f"{n:,} frame{'s' * (n != 1)}"


def _verified(a: Answer) -> str:
    if a.advice is not None and a.advice.load.lasts:
        return f"{_THRICE} with each line below" if a.advice.cures else "with endless queues only"
    if a.enough is not None:
        same = (t for t in a.tried if t.lost and set(t.settings) == set(a.enough))
        closest = min(same, key=lambda t: (_differ(t.settings, a.enough or {}), t.lost), default=None)
        less = f" ({words(closest.settings)}: {closest.lost:,})" if closest else ""
        return f"run again with {words(a.enough)}: 0 lost instead of {a.frames:,}{less}"
    shown = sorted(a.tried, key=lambda t: t.lost)[:3]
    return "run again: " + "; ".join(f"{words(t.settings)}: {t.lost:,} lost" for t in shown) + f"; before: {a.frames:,}"


def _differ(one: Settings, other: Settings) -> int:
    """Return how many knobs differ."""
    return sum(one[knob] != value for knob, value in other.items())


_THRICE = "run again once and three times in a row"


def _load(a: Answer) -> Iterator[tuple[str, str]]:
    """Yield the lines about what came, and what the path can take of it."""
    if a.advice is None:
        return
    load = a.advice.load
    yield "Load", f"{rate(load.packets_per_s)} packets/s for {duration(load.duration_ns)}" + _capacity(load)
    waits = f"with endless queues the longest wait is {duration(load.wait_ns)}, and "
    if load.overflows:
        yield "Overload", "it lasts: queues of hundreds of megabytes overflow if the input comes three times in a row"
    elif load.lasts:
        again = f"{duration(load.wait_thrice_ns)} if the input comes three times in a row"
        yield "Overload", f"it lasts: {waits}{again}: no buffer is enough"
    else:
        yield (
            "Burst",
            f"{waits}{duration(load.wait_thrice_ns)} if the input comes three times in a row: it does not grow",
        )


def _capacity(load: Load) -> str:
    parts = []
    if load.capacity is not None:
        parts.append(f"{rate(load.capacity)} pass without loss as configured")
    if load.best is not None:
        parts.append(f"{rate(load.best)} with {words(load.best_with or {})}")
    return f"; {', '.join(parts)}" if parts else ""


def _cures(a: Answer, columns: int | None) -> str:
    """Return the table of what was tried."""
    if a.advice is None or not a.advice.cures:
        return ""
    heads = (tables.left("tried"), *map(tables.Column, ("lost", "lost of 3x", "p99", "CPUs busy")))
    rows = (
        (
            words(cure.settings) or "as configured",
            f"{cure.lost:,}",
            f"{cure.lost_thrice:,}",
            duration(cure.p99_ns),
            f"{cure.cpus:.2f}",
        )
        for cure in a.advice.cures
    )
    return "\n" + tables.text(heads, rows, columns)


def _enough(a: Answer) -> str:
    if a.advice is not None and a.advice.load.lasts:
        if a.enough is not None:
            return f"{words(a.enough)}, also if the input comes three times in a row"
        return "none of the knobs tried: fewer packets, or a faster CPU"
    if a.enough is not None:
        return words(a.enough) + ("" if a.verified else ", estimated from the counters")
    if a.helps is not None:
        return f"none of the knobs tried; with {words(a.helps)}, {_frames(a.helps_lost or 0)} are still lost"
    if a.verified:
        return "none of the knobs tried, and none helps" + (f": {a.limit} is too slow" if a.setting is None else "")
    return "unknown: the counters do not tell"


def text(a: Answer, *, unverified: str = "only a replay can be run again", columns: int | None = None) -> str:
    """Format the answer as a few lines for a person, on a terminal of so many columns; None: of any length."""
    lines = []
    if a.frames or a.limit == "the card's thread":
        share = a.frames / a.offered if a.offered else 0
        fates = ", ".join(f"{f} {n:,}" for f, n in a.lost.items())
        lines.append(("Lost", f"{_frames(a.frames)} of {a.offered:,} ({share:.1%}): {fates}"))
        setting = "" if a.setting is None else f" ({a.setting})"
        lines.append(("Limit", f"{a.limit}{setting}: {a.text}"))
        lines += [("Evidence", e) for e in a.evidence]
        if a.note:
            lines.append(("", a.note))
        lines += _load(a)
        lines.append(("Enough", _enough(a)))
        if a.only_now is not None:
            lines.append(("", f"{words(a.only_now)} holds this input, but none that goes on"))
        lines.append(("Verified", _verified(a) if a.verified else f"no: {unverified}"))
    else:
        lines.append(("Lost", f"none of {_frames(a.offered)} by a limit"))
        lines.append(("Nearest", f"{a.limit}: {a.text}" if a.limit else a.text))
        lines += [("Evidence", e) for e in a.evidence]
    lines += [("Standing", s) for s in a.standing]
    lines += [("Also lost", f"{_frames(n)} {fate}: {ON_SCREEN.get(why_, why_)}") for fate, n, why_ in a.besides[:3]]
    return "".join(f"{hanging(f'{head:9} ', line, columns)}\n" for head, line in lines) + _cures(a, columns)


def show(host: Host, argv: Sequence[str]) -> Reply:
    """Answer ``vnic why`` for a running host. Exit code 2: arguments were given, and none are taken."""
    from vnic.runs.replay import facts

    if argv:
        return Reply(err=f"vnic: why {argv[0]}: a running host takes no arguments\n", code=2)
    answer = why(facts(host, schema="", input_facts={}))
    return Reply(out=text(answer), data=answer.as_dict(), fitted=lambda columns: text(answer, columns=columns))
