"""``vnic why``: the one answer. Where frames were lost, by which limit, how that is known, and what is enough.

:func:`why` reads the facts of a run; what it says would be enough is reckoned. :mod:`vnic.why.rerun` runs it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vnic.control.reply import Reply
from vnic.counters.standing import sentences
from vnic.errors import ConfigError
from vnic.why.causes import THRIFTLESS, Cause, Dial, causes
from vnic.why.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.host import Host
    from vnic.why.causes import Settings

SCHEMA = "vnic.why/1"
_STAGES = {
    "ring": "the card: its DMA, and frames that wait for a buffer (fifo, rx-ring)",
    "moderation": "the interrupt is held back",
    "poll": "frames wait for their CPU's poll",
    "gro": "GRO holds packets to merge them",
    "backlog": "packets wait for another CPU (rps-cpus)",
    "reorder": "the sender: what was missing came late",
    "socket": "the reader",
}


@dataclass(frozen=True, slots=True)
class Try:
    """A setting that was run."""

    settings: Settings
    lost: int
    """Frames still lost by limits."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Why frames were lost, and what helps."""

    offered: int
    lost: dict[str, int]
    """Fate -> frames, of those lost because of a limit, in the order of the path."""
    limit: str = ""
    """The knob that bound; or what is too slow, if no setting of a knob is enough."""
    setting: int | str | None = None
    """What the knob was set to."""
    text: str = ""
    evidence: tuple[str, ...] = ()
    enough: Settings | None = None
    """With these, no frame is lost by a limit (not verified: so it is reckoned). None: none was found."""
    helps: Settings | None = None
    """Nothing is enough; with these fewer are lost."""
    helps_lost: int | None = None
    verified: bool = False
    tried: tuple[Try, ...] = ()
    note: str = ""
    besides: tuple[tuple[str, int, str], ...] = ()
    """Fate, frames and why, of what was lost without a limit's doing."""
    then: tuple[str, ...] = ()
    """Limits further on that lost frames too."""
    standing: tuple[str, ...] = ()
    """Frames that are not lost, and stand in a ring: a sentence for each queue."""

    @property
    def frames(self) -> int:
        """Lost by limits."""
        return sum(self.lost.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
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
            "verified": self.verified,
            "tried": [{"set": t.settings, "lost": t.lost} for t in self.tried],
            "note": self.note or None,
            "besides": [{"fate": f, "frames": n, "why": why} for f, n, why in self.besides],
            "then": list(self.then),
            "standing": list(self.standing),
        }


# ---- what the counters say ----


def named(cause: Cause, dial: Dial | None) -> str:
    """What the limit is, if this dial is what helps."""
    if dial is not None and (dial.knob == cause.knob or dial.knob in THRIFTLESS):
        return dial.knob
    return cause.slow or cause.knob


def setting_of(f: Facts, limit: str) -> int | str | None:
    """What it was set to; None: it is no knob."""
    found = f.limits[limit]["setting"] if limit in f.limits else f.config.get(limit)
    return found if found is None or isinstance(found, (int, str)) else str(found)


def _idle(f: Facts) -> tuple[str, str, tuple[str, ...]]:
    """Nothing was lost: the limit that is nearest, and why it is said to be."""
    if f.stand:
        return "rx-frames", "frames wait for more of them", (f"{f.of('interrupts')} interrupts in all",)
    waited = f.of("no_buffer")
    fills = {}
    for knob in ("fifo", "rx-pool", "netdev-max-backlog"):
        x = f.limits[knob]
        fills[knob] = (x["high_water"] or 0) / max(1, x["setting"])
    fullest = max(fills, key=lambda k: fills[k])
    evidence = [f"{fullest} was {fills[fullest]:.0%} full at most"]
    if waited:
        evidence.insert(0, f"{waited} frames had to wait for a buffer")
    limit, text = "", "no limit was near"
    if waited:
        limit, text = "rx-ring", "the ring was empty at times; the FIFO held what came meanwhile"
    elif fills[fullest] >= 0.5:
        limit, text = fullest, "it filled more than half"
    stages = {k: v for k, v in f.all["latency_ns"].items() if k in _STAGES and v["count"]}
    if stages:
        worst = max(stages, key=lambda k: stages[k]["mean"] * stages[k]["count"])
        mean, total = stages[worst]["mean"], f.all["latency_ns"]["total"]["mean"]
        whole = f" of {total / 1000:.1f} us" if total else ""  # nobody has read from a socket: there is no whole
        evidence.append(f"latency: {worst} is {mean / 1000:.1f} us{whole} on average")
        if not limit:
            knobs = {"moderation": _held_back(f), "gro": "gro-flush-timeout" * bool(f.setting("gro-flush-timeout"))}
            limit = knobs.get(worst, "")
            text = f"no limit was near; most of the latency: {_STAGES[worst]}"
    return limit, text, tuple(evidence)


def _held_back(f: Facts) -> str:
    usecs, frames = f.of("interrupts_by_usecs"), f.of("interrupts_by_frames")
    if f.config["adaptive-rx"]:
        return "adaptive-rx"
    if not f.setting("rx-usecs") and f.setting("rx-frames") == 1:
        return ""  # it is not: that is the interrupt's own time
    return "rx-usecs" if usecs >= frames or not f.setting("rx-frames") else "rx-frames"


def _likely(cause: Cause) -> Dial | None:
    """The first dial that could be enough, for all the counters know."""
    return next((d for d in cause.dials if d.steps and d.guess() is not None), None)


def why(facts: dict[str, Any]) -> Answer:
    """Read the facts of a run (:func:`vnic.runs.replay.facts`); nothing is run.

    Raises:
        ConfigError: they are no facts of a run.
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
        raise ConfigError(f"no report of this version of vnic: it says nothing about {e}") from None
    cause, likely = found[0], [_likely(c) for c in found]
    limit = named(cause, likely[0])
    reckoned: Settings = {}
    for dial in reversed(likely):  # what two causes ask for: the first one's
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
    """As replay's ``--set`` takes them."""
    return " ".join(f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in settings.items())


def _frames(n: int) -> str:
    return f"{n:,} frame{'s' * (n != 1)}"


def _verified(a: Answer) -> str:
    if a.enough is not None:
        same = (t for t in a.tried if t.lost and set(t.settings) == set(a.enough))
        closest = min(same, key=lambda t: t.lost, default=None)
        less = f" ({words(closest.settings)}: {closest.lost:,})" if closest else ""
        return f"run again with {words(a.enough)}: 0 lost instead of {a.frames:,}{less}"
    shown = sorted(a.tried, key=lambda t: t.lost)[:3]
    return (
        "run again: " + "; ".join(f"{words(t.settings)}: {t.lost:,} lost" for t in shown) + f"; as it was: {a.frames:,}"
    )


def _enough(a: Answer) -> str:
    if a.enough is not None:
        return words(a.enough) + ("" if a.verified else ", as the counters have it")
    if a.helps is not None:
        return f"nothing that was tried; with {words(a.helps)} {_frames(a.helps_lost or 0)} are still lost"
    if a.verified:
        return "nothing that was tried, and nothing helps" + (f": {a.limit} is too slow" if a.setting is None else "")
    return "no setting that the counters tell"


def text(a: Answer, *, unverified: str = "only a replay can be run again") -> str:
    """For a person, a few lines."""
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
        lines.append(("Enough", _enough(a)))
        lines.append(("Verified", _verified(a) if a.verified else f"no: {unverified}"))
    else:
        lines.append(("Lost", f"nothing of {_frames(a.offered)} by a limit"))
        lines.append(("Nearest", f"{a.limit}: {a.text}" if a.limit else a.text))
        lines += [("Evidence", e) for e in a.evidence]
    lines += [("Standing", s) for s in a.standing]
    lines += [("Besides", f"{_frames(n)} {fate}: {why_}") for fate, n, why_ in a.besides[:3]]
    return "".join(f"{head:9} {line}\n" for head, line in lines)


def show(host: Host, argv: Sequence[str]) -> Reply:
    """``vnic why`` of a host that runs. Exit code 2: it takes no arguments."""
    from vnic.runs.replay import facts

    if argv:
        return Reply(err=f"vnic: why {argv[0]}: a host that runs takes no arguments\n", code=2)
    answer = why(facts(host, schema="vnic.run/1", input_facts={}))
    return Reply(out=text(answer), data=answer.as_dict())
