"""How many frames pass each stage, what ends there, and which of its limits were reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vnic.page.stages import STAGES, Stage, read
from vnic.page.told import number, setting, share, visible
from vnic.runs.funnel import FUNNEL
from vnic.runs.report import fate_text

_ENDS = {name: fates for name, _, fates in FUNNEL}
_WORDS = {name: words for name, words, _ in FUNNEL}
_LAST = ("DELIVERED_UDP", "DELIVERED_TCP")


def is_delivered(fate: str) -> bool:
    """Is this fate a delivery, and no loss?"""
    return fate.startswith("DELIVERED_")


@dataclass(frozen=True, slots=True)
class Ended:
    """Frames that end at a stage."""

    fate: str
    frames: int

    @property
    def delivered(self) -> bool:
        """Are they delivered?"""
        return is_delivered(self.fate)

    @property
    def text(self) -> str:
        """The line of text of the fate; empty: this version of vnic does not know it."""
        try:
            return fate_text(self.fate)
        except ValueError:
            return ""


@dataclass(frozen=True, slots=True)
class Passed:
    """One stage in this run."""

    stage: Stage
    before: int
    """Frames that come to it."""
    ended: tuple[Ended, ...]
    limits: tuple[dict[str, Any], ...]
    fill: float | None
    """The largest part of its limit that was in use, 0 to 1; None: not measured."""

    @property
    def after(self) -> int:
        """Frames that go on."""
        return self.before - sum(e.frames for e in self.ended)

    @property
    def lost(self) -> int:
        """Frames lost here."""
        return sum(e.frames for e in self.ended if not e.delivered)

    @property
    def losing(self) -> bool:
        """Did one of its limits lose frames?"""
        return any(x["lost"] for x in self.limits)

    @property
    def bound(self) -> bool:
        """Was one of its limits reached? Moderation's are there to be reached."""
        return any(x["bound"] for x in self.limits if x["knob"] not in ("rx-usecs", "rx-frames"))

    @property
    def spoken(self) -> str:
        """The stage in a sentence, for people who hear the page."""
        words = [f"{self.stage.title}: {number(self.after)} frames pass"]
        words += [f"{number(e.frames)} {'end as' if e.delivered else 'are lost:'} {e.fate}" for e in self.ended]
        if self.fill is not None:
            words.append(f"at most {share(self.fill, 1)} full")
        return ", ".join(words)


def passing(facts: dict[str, Any]) -> list[Passed]:
    """Return the stages in the order of the path, with the frames of this run."""
    fates = {visible(name, 60): n for name, n in facts["ledger"]["fates"].items()}
    limits = {row["knob"]: row for row in facts["limits"]}
    known = {fate for ends in _ENDS.values() for fate in ends} | set(_LAST)
    left, found = facts["ledger"]["offered"], []
    for stage in STAGES:
        names: tuple[str, ...] = _ENDS.get(stage.funnel, ())
        if stage.id == "socket":  # fates of another version of vnic end at the latest here
            names += tuple(sorted(set(fates) - known))
        ended = tuple(Ended(name, fates[name]) for name in names if fates.get(name))
        row = Passed(stage, left, ended, tuple(limits[k] for k in stage.limits if k in limits), _fill(facts, stage))
        left = row.after
        found.append(row)
    return found


def read_by_programs(facts: dict[str, Any]) -> list[Ended]:
    """Return the deliveries of the frames that pass all stages."""
    fates = facts["ledger"]["fates"]
    return [Ended(name, fates[name]) for name in _LAST if fates.get(name)]


def _fill(facts: dict[str, Any], stage: Stage) -> float | None:
    row = next((x for x in facts["limits"] if x["knob"] == stage.fill), None)
    if row is None or not row["setting"]:
        return None
    if stage.id == "ring":
        return _ring_fill(facts, row)
    return None if row["high_water"] is None else min(1.0, row["high_water"] / row["setting"])


def _ring_fill(facts: dict[str, Any], row: dict[str, Any]) -> float | None:
    """Return the part of the ring's buffers that held frames. A frame without a buffer means: all of them."""
    if row["bound"]:
        return 1.0
    most = [max(values, default=0) for values in facts.get("timeline", {}).get("ring_max", {}).values()]
    return min(1.0, max(most) / row["setting"]) if most else None


def limit_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a limit as the page's tables show it."""
    high, value = row["high_water"], row["setting"]
    fill = high / value if isinstance(value, int) and value and high is not None else None
    return {
        "knob": visible(row["knob"], 60),
        "setting": setting(value, row["unit"]),
        "bound": row["bound"],
        "lost": row["lost"],
        "most": "" if high is None else setting(high, row["unit"]) + " needed" * (row["knob"] == "rcvbuf"),
        "fill": None if fill is None else max(0.0, min(1.0, fill)),
        "meaning": visible(row["meaning"]),
    }


def counters(facts: dict[str, Any], stage: Stage) -> list[tuple[str, int | float]]:
    """Return (words, value) of the stage's counters that the report has."""
    return [(words, value) for words, path in stage.counters if (value := read(facts, path)) is not None]


def funnel_words(stage: Stage) -> str:
    """Return what a frame that passes this row of the funnel has passed."""
    return _WORDS.get(stage.funnel, "")
