"""The options that keep the event log, the table of frames and a trace, and that choose what they keep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vnic.capture_select import moment
from vnic.cli.exit import EXIT_USAGE, Whole, fail
from vnic.cli.help import Option
from vnic.cli.selection import Time
from vnic.errors import ConfigError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vnic.capture_input import CaptureInput
    from vnic.events.events import Events
    from vnic.events.log import EventChoice

_F = TypeVar("_F", bound="Callable[..., Any]")
_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", re.ASCII)
RECORDS_MAX = 1 << 32
_CHOICE_NAMES = ("events_from", "events_to", "events_frames", "events_filter", "events_max")


class RunTime(Time):
    """A time of the run: seconds after its begin, or a time with a unit. It stays as written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the value."""
        try:
            relative = moment(value).relative
        except ValueError:
            relative = False
        if not relative:
            self.fail(f"{value!r} must be seconds of the run as in 1.5, or a time with a unit as in 200ms", param, ctx)
        return value


class FrameNumbers(click.ParamType):  # type: ignore[type-arg]
    """Numbers of frames and ranges of them: ``17,20-30``."""

    name = "frames"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return [(first, last)]."""
        if isinstance(value, list):
            return value
        found = []
        for part in str(value).split(","):
            if not (numbers := _RANGE.fullmatch(part.strip())) or not int(numbers[1]):
                self.fail(f"{value!r} must be numbers of frames, as in 17,20-30; the first frame is 1", param, ctx)
            first, last = int(numbers[1]), int(numbers[2] or numbers[1])
            if last < first:
                self.fail(f"{value!r}: {part.strip()} ends before it begins", param, ctx)
            found.append((first, last))
        return found


def _option(*names: str, **how: Any) -> Callable[[_F], _F]:
    return click.option(*names, cls=Option, group="events", **how)


_FILES = (
    _option(
        "--events",
        metavar="FILE",
        help="write what happened to each frame, all of it, for vnic events; a table if FILE ends in .parquet,"
        " .arrow, .csv or .jsonl",
    ),
    _option(
        "--frames",
        metavar="OUT",
        help="write a table with a row for each frame, its times at each stage and its fate: OUT.parquet, .arrow,"
        " .csv or .jsonl",
    ),
    _option(
        "--trace",
        metavar="OUT",
        help="write a time line: OUT.pftrace for ui.perfetto.dev, or OUT.ftrace, the text of the kernel's tracer",
    ),
)
_CHOICES = (
    _option(
        "--events-from",
        type=RunTime(),
        metavar="TIME",
        help="keep what happens from this time of the run on; all frames are replayed, other than with --from",
    ),
    _option("--events-to", type=RunTime(), metavar="TIME", help="keep what happens until this time of the run"),
    _option(
        "--events-frames",
        type=FrameNumbers(),
        metavar="N,M-K",
        help="keep what happens to these frames, by their numbers in the order of arrival, and to packets that they"
        " become part of",
    ),
    _option(
        "--events-filter",
        metavar="FILTER",
        help="keep what happens to frames that match, an expression as for tcpdump; all frames are replayed, other"
        " than with -f",
    ),
    _option(
        "--events-max",
        type=Whole(1, RECORDS_MAX),
        metavar="N",
        help="keep at most so many records, of 48 bytes [default: 16777216]; vnic says how many are missing",
    ),
)


def event_options(f: _F) -> _F:
    """Decorate a command with all of them; :func:`event_files_of` takes them."""
    for option in reversed((*_FILES, *_CHOICES)):
        f = option(f)
    return f


def choice_options(f: _F) -> _F:
    """Decorate a command with those that choose; :func:`choice_of` takes them."""
    for option in reversed(_CHOICES):
        f = option(f)
    return f


@dataclass(frozen=True, slots=True)
class EventFiles:
    """The files that are wanted, and the choice of records; ``chosen`` None: no file is."""

    events: str | None
    frames: str | None
    trace: str | None
    chosen: EventChoice | None

    def refuse_inputs(self, inputs: Iterable[CaptureInput]) -> None:
        """Raise ConfigError if a file is an input: it would be replaced."""
        from pathlib import Path

        inputs = list(inputs)
        for path in (self.events, self.frames, self.trace):
            if path is not None and Path(path).exists() and any(i.is_file(Path(path)) for i in inputs):
                raise ConfigError(f"{path}: is an input, so it cannot be the output")

    def write(self, events: Events) -> None:
        """Write them, and say on stderr what the log could not hold."""
        say_missed(events)
        if self.events is not None:
            events.save(self.events)
        if self.frames is not None:
            events.frames.save(self.frames)
        if self.trace is not None:
            from vnic.trace.write import write

            write(events, self.trace)


def say_missed(events: Events) -> None:
    """Say on stderr how many records are missing, if any are."""
    if events.missed:
        text = f"the event log was full after {len(events):,} records: {events.missed:,} later ones are missing"
        click.echo(f"vnic: {one_line(text)}; --events-max N keeps more", err=True)


def choice_of(options: dict[str, Any]) -> EventChoice:
    """Take the options of :func:`choice_options` out of a command's. ConfigError: a bound cannot be."""
    from vnic.events.log import RECORDS, EventChoice

    given = {name: options.pop(name) for name in _CHOICE_NAMES}
    chosen = EventChoice(
        from_ns=ns_of(given["events_from"]) or 0,
        until_ns=ns_of(given["events_to"]),
        frames=given["events_frames"],
        filter=given["events_filter"],
        records=given["events_max"] or RECORDS,
    )
    chosen.check()
    return chosen


def event_files_of(options: dict[str, Any]) -> EventFiles:
    """Take the options of :func:`event_options` out of a command's.

    ConfigError: they do not fit, or a name's end is none of a table or trace. MissingExtraError: a table's extra is
    missing.
    """
    files = {name: options.pop(name) for name in ("events", "frames", "trace")}
    named = [(name, path) for name, path in files.items() if path is not None]
    if not named:
        if unused := [name for name in _CHOICE_NAMES if options.pop(name) is not None]:
            option = unused[0].replace("_", "-")
            fail(EXIT_USAGE, f"--{option} chooses what --events, --frames and --trace keep: name a file")
        return EventFiles(None, None, None, None)
    from vnic.events.written import check_name, form_of
    from vnic.trace.write import form_of as trace_form_of

    check = {"events": check_name, "frames": form_of, "trace": trace_form_of}
    for i, (name, path) in enumerate(named):
        check[name](path)
        if same := next((other for other, its in named[:i] if its == path), None):
            fail(EXIT_USAGE, f"--{same} and --{name}: both are {path}")
    return EventFiles(**files, chosen=choice_of(options))


def ns_of(time: Any) -> int | None:
    """Return a time of :class:`RunTime` in ns."""
    return None if time is None else moment(time).ns
