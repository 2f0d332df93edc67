"""A story as text: a line a stage on a wide terminal, and sentences that go on below on a narrow one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.fault import FAULTS
from vnic.look import tables
from vnic.look.lines import hanging
from vnic.look.units import count, duration
from vnic.walk.before import ranges
from vnic.walk.explain import DROPS, EXPLAIN, drop_stage
from vnic.walk.waits import use_text
from vnic.why.answer import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from vnic.walk.story import Story
    from vnic.walk.way import Met, Stage

WIDE, NARROW = 150, 84
"""Columns from which on a stage's sentence stands behind its line; below which the absolute time has no column."""
_INDENT = "     "


def title(story: Story) -> str:
    """Return the first line: which frame, when, its end."""
    frame = story.frame
    what = f", {frame.flow}" if frame.flow else ""
    return f"frame {frame.id:,}: {count(frame.len, 'byte')}{what}; on the wire at {at_text(story.stages[0].begin_ns)}"


def at_text(ns: int) -> str:
    """Return an absolute time of the run, to the nanosecond: 4.031269993 s."""
    return f"{ns // 10**9}.{ns % 10**9:09d} s"


def met_text(met: Met) -> str:
    """Return a fill beside its limit: ring 12/256; a limit that is near names its knob."""
    unit = f" {met.unit}" if met.unit else ""
    text = f"{met.what} {met.value:,}" + (f"/{met.limit:,}" if met.limit is not None else "") + unit
    return text + (f" (near its limit: {met.knob})" if met.near else "")


def sentence(stage: Stage, story: Story) -> str:
    """Return what happened in a stage, what made the frame go on, what its CPU did, what it met."""
    parts = [stage.what] if stage.name != "fate" else [f"{stage.what}: {story.text}" if stage.what else "none yet"]
    if stage.name in _WAITS and stage.by and stage.took_ns:
        parts.append(f"goes on by {stage.by}")
    own = {"idle", "softirq"} | ({f"poll of queue {stage.queue}"} if stage.name == "poll" else set())
    if stage.cpu_ns.keys() - own:
        parts.append(f"meanwhile {use_text(stage.cpu_ns)}")
    parts += [met_text(m) for m in stage.met]
    return "; ".join(parts)


def show(out: Console, story: Story, *, explain: bool = False) -> None:
    """Print a story."""
    heading(out, story)
    head, *lines = _lines(story, out.width)
    out.print(head, style="dim", soft_wrap=True, markup=False)
    for stage, line in zip(stage_rows(story), lines, strict=True):
        if explain or out.width < WIDE:
            out.print(line, style="bold", soft_wrap=True, markup=False)
            below = below_line(stage, story, out.width, explain=explain)
        else:
            below = iter(hanging(f"{line:{max(map(len, lines))}}  ", sentence(stage, story), out.width).splitlines())
        for text in below:
            out.print(text, soft_wrap=True, markup=False)
    for line in ending(story, out.width):
        out.print(line, soft_wrap=True, markup=False)


_WAITS = frozenset({"fifo", "moderation", "backlog", "reorder", "socket"})
_COLUMNS = [
    tables.left("at"),
    tables.Column("since wire"),
    tables.Column("took"),
    tables.left("stage", "bold"),
    tables.left("where"),
    tables.left("file", "dim"),
]


def heading(out: Console, story: Story) -> None:
    """Print what comes before the stages."""
    from rich.text import Text

    out.print(Text(hanging("", title(story), out.width), style="bold"), soft_wrap=True)


def _row(stage: Stage, story: Story) -> list[str]:
    since = f"+{duration(stage.begin_ns - story.stages[0].begin_ns)}"
    took = duration(stage.took_ns) if stage.name not in ("wire", "fate") else ""
    return [at_text(stage.begin_ns), since, took, stage.name, stage.where, stage.file]


def _lines(story: Story, width: int) -> list[str]:
    """Return the heads and one line for each stage. A narrow one lacks the absolute time, which the first line has."""
    rows = [_row(s, story) for s in stage_rows(story)]
    skip = 1 if width < NARROW else 0
    return tables.text(_COLUMNS[skip:], [row[skip:] for row in rows], max(width, NARROW)).splitlines()


def stage_rows(story: Story) -> list[Stage]:
    """Return the stages that are worth a line: those without time only if something was met or happened there."""
    always = {"wire", "dma", "poll", "read", "fate"}
    return [s for s in story.stages if s.took_ns or s.met or s.name in always]


def below_line(stage: Stage, story: Story, width: int, *, explain: bool) -> Iterator[str]:
    """Yield the sentences below a stage's line."""
    yield from hanging(_INDENT, sentence(stage, story), width).splitlines()
    if explain:
        for text in explained(stage, story):
            for nth, line in enumerate(hanging(_INDENT + "| ", text, min(width, 100)).splitlines()):
                yield line if not nth else _INDENT + "| " + line.lstrip()
        yield ""


def explained(stage: Stage, story: Story) -> list[str]:
    """Return the sentences for learners about a stage: what it does, and how it loses frames."""
    texts = [EXPLAIN[stage.name], *([DROPS[stage.name]] if stage.name in DROPS else [])]
    where = drop_stage(story.frame.fate) if stage.name == "fate" and story.frame.fate else None
    if where is not None and where not in (s.name for s in stage_rows(story)):
        texts.append(DROPS[where])
    return texts


def ending(story: Story, width: int) -> Iterator[str]:
    """Yield what comes after the stages: the total, companions, what stood in front of a lost frame."""
    frame = story.frame
    said = "" if frame.fate is not None else ": no fate yet"
    lines = [("total", f"{duration(story.total_ns)} from the wire to its end{said}")]
    lines += [("on purpose", f"fault {name}: {FAULTS[name]}") for name in story.faults]
    if (with_ := story.companions) is not None:
        others = ranges([n for n in with_.frames if n != frame.id])
        lost = f"{len(with_.frames) - 1} of {len(with_.frames)} arrival times"
        spread = f"arrivals over {duration(with_.last_ns - with_.first_ns)}"
        if with_.how == "merged":
            text = f"with {others}: one packet from here on; {spread}. Merging lost {lost} and the frames' borders"
        else:
            text = f"with {others}: fragments of one datagram; {spread}"
        lines.append((with_.how, text))
    if (told := story.before) is not None:
        lines += [("before it", place.text) for place in told.places if place.text]
        if told.cpu is not None and told.cpu_ns:
            since = duration(sum(told.cpu_ns.values()))
            lines.append(("meanwhile", f"CPU {told.cpu} in the {since} before: {use_text(told.cpu_ns, 5)}"))
        lines += [("limit", f"{told.knob}: {told.why}")] if told.knob else []
        if told.attempt:
            settings = " ".join(f"--set {setting}" for setting in words(told.attempt).split())
            lines.append(("try", f"vnic diff FILE {settings}"))
    near = sorted({m.knob for s in story.stages for m in s.met if m.near})
    if near:
        lines.append(("near", f"at least 90 % used: {', '.join(near)}"))
    if story.missed:
        lines.append(
            ("missing", f"the log is full: {count(story.missed, 'record')} found no room, so stages may be missing")
        )
    for head, text in lines:
        yield from hanging(f"{head:12} ", text, width).splitlines()
