"""The command ``vnic trace``: a capture's replay, or an event file, as a time line for Perfetto or as ftrace's text."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.event_options import choice_of, choice_options, say_missed
from vnic.cli.exit import incomplete, interruptible, refusals
from vnic.cli.options import host_arguments, host_options
from vnic.cli.words import HostCommand
from vnic.errors import ConfigError

if TYPE_CHECKING:
    from vnic.events.events import Events
    from vnic.events.log import EventChoice
    from vnic.runs.replay import Result


def _replayed(files: tuple[str, ...], output: str, chosen: EventChoice, options: dict[str, Any]) -> Result:
    from pathlib import Path

    from vnic.capture_files import gather
    from vnic.cli.reading import Reading
    from vnic.runs.replay import replay

    arguments = host_arguments(options)
    with contextlib.closing(Reading()) as reading:
        opened = gather(files, reading=reading)
    if Path(output).exists() and any(i.is_file(Path(output)) for i in opened):
        raise ConfigError(f"{output}: is an input, so it cannot be the output")
    return replay(opened, events=chosen, **arguments)


def _loaded(files: tuple[str, ...], chosen: EventChoice, options: dict[str, Any]) -> Events:
    from vnic.cli.events import load

    if chosen.filter is not None:
        raise ConfigError(
            f"{files[0]}: is an event file, without the frames' bytes: --events-filter cannot look at them"
        )
    events = load(files, options)
    return events.select(from_ns=chosen.from_ns, until_ns=chosen.until_ns, frames=chosen.frames)


@click.command(
    cls=HostCommand,
    examples=(
        "vnic trace a.pcapng -o a.pftrace  # open it in ui.perfetto.dev",
        "vnic trace a.pcapng -o a.ftrace --rps-cpus f  # for perf's scripts",
        "vnic replay a.pcapng --events run.vnic-events  # record once",
        "vnic trace run.vnic-events -o run.pftrace --events-from 20ms",
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", metavar="OUT", required=True, help="write to OUT.pftrace or OUT.ftrace")
@choice_options
@host_options(replay=True, write=False)
def trace(files: tuple[str, ...], *, output: str, as_json: bool, **options: Any) -> None:
    """Write a time line of a run: for Perfetto, or as the kernel's tracer prints it.

    OUT.pftrace is for ui.perfetto.dev: the work of each CPU and of the card, waits, losses, fills, and arrows that
    follow a frame. OUT.ftrace has a line for each tracepoint that the same work passes in Linux, so scripts for real
    machines read it. FILE is an event file (vnic replay --events FILE), or a capture, which is replayed with the
    options below.

    Exit codes: 0 success; 1 an input ended early; 2 wrong usage, or a file that vnic cannot read.
    """
    from vnic.events.file import is_event_file
    from vnic.trace.write import form_of, write

    if as_json:
        raise click.UsageError("--json: a trace has no JSON; vnic events --json prints the records")
    ended = ""
    with interruptible(), refusals():
        form_of(output)
        chosen = choice_of(options)
        if any(is_event_file(file) for file in files):
            events = _loaded(files, chosen, options)
            say_missed(events)
            write(events, output, chosen=chosen.words())
        else:
            result = _replayed(files, output, chosen, options)
            if result.events is None:
                raise AssertionError("replay(events=...) keeps a log")
            say_missed(result.events)
            write(result.events, output)
            ended = result.error
    incomplete((), f"the input ended early: {ended}; the trace covers the frames read until then" if ended else "")
