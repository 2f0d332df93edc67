"""Seen and predicted, side by side: medians over the repetitions, and how far apart they are."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from vnic.calibrate import ladder, measure, state
from vnic.errors import ConfigError, VnicError
from vnic.look.tables import Column
from vnic.validate.load import Seen
from vnic.validate.predict import Outcome, costs, outcome, predict
from vnic.validate.scenario import RATES, SCENARIOS, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vnic.calibrate.loads import Samples
    from vnic.knobs.cost import Facts, Profile

SCHEMA = "vnic.validate/1"
AIM_LOST, AIM_P50 = 0.10, 0.25
"""What vnic wants to reach on a quiet machine: relative errors of losses and of the median latency."""
_SLACK_LOST = 0.005
"""Losses below half a percent are none: a reader that another task preempts once loses as many."""


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario at one rate."""

    scenario: str
    pps: int
    frames: int
    seen: tuple[Outcome, ...]
    predicted: tuple[Outcome, ...]
    """In the order of the repetitions."""

    def middle(self, which: str, name: str) -> float:
        """Return the median of a figure. ``which``: ``seen`` or ``predicted``."""
        return float(statistics.median(getattr(one, name) for one in getattr(self, which)))

    def spread(self, name: str) -> tuple[float, float]:
        """Return the least and the most of what was seen."""
        values = [float(getattr(one, name)) for one in self.seen]
        return min(values), max(values)

    def error(self, name: str) -> float | None:
        """Return predicted / seen - 1; None: nothing was seen, nor predicted beyond the noise."""
        seen, predicted = self.middle("seen", name), self.middle("predicted", name)
        if name == "lost" and max(seen, predicted) < _SLACK_LOST:
            return None
        return predicted / seen - 1 if seen else None


@dataclass(slots=True)
class Report:
    """A whole validation."""

    rows: list[Row]
    facts: Facts
    profile: Profile
    """The costs over the whole time. Each row was predicted with those measured around it."""
    drift: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Key -> least and most of the rows' own figures: the machine's states."""

    def reached(self, name: str, aim: float) -> tuple[int, int]:
        """Return how many rows are within this relative error, and of how many."""
        errors = [e for row in self.rows if (e := row.error(name)) is not None]
        return sum(abs(e) <= aim for e in errors), len(errors)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        names = [f.name for f in fields(Outcome)]
        return {
            "schema": SCHEMA,
            "facts": self.facts,
            "scenarios": {s.name: s.what for s in SCENARIOS},
            "rows": [
                {
                    "scenario": row.scenario,
                    "pps": row.pps,
                    "frames": row.frames,
                    "seen": {n: {"median": row.middle("seen", n), "range": row.spread(n)} for n in names},
                    "predicted": {n: row.middle("predicted", n) for n in names},
                    "error": {n: row.error(n) for n in names},
                    "repetitions": [
                        {"seen": asdict(a), "predicted": asdict(b)}
                        for a, b in zip(row.seen, row.predicted, strict=True)
                    ],
                }
                for row in self.rows
            ],
            "reached": {"lost": self.reached("lost", AIM_LOST), "p50": self.reached("p50", AIM_P50)},
            "cost": {key: figure.value for key, (figure, _) in self.profile.figures().items()},
            "cost_range": self.drift,
        }


def validate(
    base: Profile,
    *,
    scenarios: Sequence[Scenario] = SCENARIOS,
    rates: Sequence[int] = RATES,
    repetitions: int,
    pin: str | None,
    wait: float,
    progress: Callable[[int, int], None] | None,
) -> Report:
    """Send the loads through the kernel, then replay each with the costs measured around it.

    Raises:
        ConfigError: ``pin`` does not name two CPUs of this process.
        TapError: the kernel refuses a namespace, a TAP, or RPS.
        VnicError: the machine is too busy.
    """
    writer, reader = state.choose(pin)
    if reader is None:
        raise ConfigError("validate needs two CPUs: a writer's and a reader's")
    watch = state.Watch([writer, reader])
    cells = [(s, pps) for s in scenarios for pps in rates]
    loads = [[s.name, pps, nth] for s, pps in cells for nth in range(repetitions)]
    rounds, seen, facts = _measure(loads, writer, reader, wait, progress)
    rows, drift = [], dict[str, list[int]]()
    for nth, (scenario, pps) in enumerate(cells):
        first = nth * repetitions
        around, own = rounds[first : first + repetitions + 1], seen[first : first + repetitions]
        rows.append(_row(scenario, pps, around, own, base))
        for key, (figure, _) in ladder.profile(around, base, name="", what="", facts={}).figures().items():
            drift.setdefault(key, []).append(figure.value)
    said = [f"the measuring threads ran with {facts['priority']}, and were preempted {facts['preempted']} times"]
    whole = {**state.machine(writer, reader), **watch.facts(said)}
    profile = ladder.profile(rounds, base, name="measured", what="over the whole validation", facts=whole)
    ranges = {key: (min(v), max(v)) for key, v in drift.items() if max(v)}
    return Report(rows, whole, profile, ranges)


def _measure(
    loads: list[list[Any]], writer: int, reader: int, wait: float, progress: Callable[[int, int], None] | None
) -> tuple[list[Samples], list[Seen], dict[str, Any]]:
    rounds: list[Samples] = []
    seen: list[Seen] = []
    facts: dict[str, Any] = {}

    def take(line: dict[str, Any]) -> None:
        if "round" in line:
            rounds.append(line["round"])
        elif "load" in line:
            seen.append(Seen.of_line(line))
        elif "facts" in line:
            facts.update(line["facts"])
        elif progress:
            progress(line["step"], line["of"])

    request = {"loads": loads, "writer": writer, "reader": reader, "wait": wait}
    measure.follow("vnic.validate.worker", request, take)
    if not facts or len(rounds) != len(loads) + 1 or len(seen) != len(loads):
        raise VnicError("the measuring process ended early")
    return rounds, seen, facts


def _row(scenario: Scenario, pps: int, rounds: Sequence[Samples], seen: Sequence[Seen], base: Profile) -> Row:
    hz = round(statistics.median(samples["hz"] for samples in rounds))
    predicted = [predict(scenario, one, costs(rounds, base, one), hz) for one in seen]
    return Row(scenario.name, pps, len(seen[0].begun_ns), tuple(map(outcome, seen)), tuple(predicted))


# ---- in words ----

COLUMNS = (
    ("lost", "lost %", 100.0),
    ("wakeups", "wake-ups /1000", 1000.0),
    ("ipis", "IPIs /1000", 1000.0),
    ("p50", "p50 us", 1e-3),
    ("p99", "p99 us", 1e-3),
    ("busy", "reader's CPU %", 100.0),
)
"""Figure, head, factor."""


def cells(row: Row) -> list[str]:
    """Return a row of the table: seen [least-most] predicted, for each column."""
    out = [f"{row.pps // 1000}"]
    for name, _, factor in COLUMNS:
        low, high = (_short(v * factor) for v in row.spread(name))
        middle, predicted = (_short(row.middle(which, name) * factor) for which in ("seen", "predicted"))
        out += [middle if low == high == middle else f"{middle} [{low}-{high}]", predicted]
    return out


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}"


def _groups(report: Report) -> Iterator[tuple[str, str, Iterator[Row]]]:
    """Yield each scenario's name, what it is, and its rows."""
    told = {s.name: s.what for s in SCENARIOS}
    for name, rows in itertools.groupby(report.rows, key=lambda row: row.scenario):
        yield name, told[name], rows


def tables(report: Report) -> Iterator[tuple[str, list[Column], list[list[str]]]]:
    """Yield the title, the columns and the rows of a table for each scenario."""
    columns = [Column(head) for head in ("kpps", *(h for _, title, _ in COLUMNS for h in (title, "predicted")))]
    for name, what, group in _groups(report):
        yield f"{name}: {what}", columns, [cells(row) for row in group]


def summary(report: Report) -> list[str]:
    """Return what the tables add up to."""
    lost, p50 = report.reached("lost", AIM_LOST), report.reached("p50", AIM_P50)
    return [
        f"losses within {AIM_LOST:.0%}: {lost[0]} of {lost[1]} rows that lose",
        f"p50 within {AIM_P50:.0%}: {p50[0]} of {p50[1]} rows",
    ]


def markdown(report: Report) -> str:
    """Return the tables for a page."""
    out = []
    for name, what, group in _groups(report):
        heads = [head for _, title, _ in COLUMNS for head in (f"{title}: seen", "predicted")]
        out += [f"**{name}**: {what}.", "", "| kpps | " + " | ".join(heads) + " |", "|--:" * (len(heads) + 1) + "|"]
        out += ["| " + " | ".join(cells(row)) + " |" for row in group]
        out.append("")
    return "\n".join([*out, *(f"* {line}" for line in summary(report))]) + "\n"
