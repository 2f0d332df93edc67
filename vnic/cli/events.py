"""The command ``vnic events``: print an event log's records, or those of a capture's replay; or the table of frames."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vnic._core import lib
from vnic.cli.event_options import RECORDS_MAX, FrameNumbers, RunTime, ns_of, say_missed
from vnic.cli.exit import EXIT_USAGE, Whole, fail, interruptible, leave_stdout, refusals
from vnic.cli.options import host_arguments, host_options
from vnic.cli.words import HostCommand
from vnic.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vnic.events.events import Events
    from vnic.events.frames import Frame, Frames

_AT_ONCE = 1 << 12
"""Records that are made into text at once: head ends it soon."""
_OWN = ("start", "stop", "numbers", "kinds", "cpu", "queue", "lost", "most")


def _record(files: tuple[str, ...], own: dict[str, Any], options: dict[str, Any]) -> Events:
    """Replay captures with their log on. What needs no look at the whole run, the log itself chooses."""
    from vnic.capture_files import gather
    from vnic.cli.reading import Reading
    from vnic.events.log import RECORDS, EventChoice
    from vnic.runs.replay import replay

    whole = own["lost"]
    chosen = EventChoice(
        from_ns=0 if whole else ns_of(own["start"]) or 0,
        until_ns=None if whole else ns_of(own["stop"]),
        frames=None if whole else own["numbers"],
        records=own["most"] or RECORDS,
    )
    arguments = host_arguments(options)
    with contextlib.closing(Reading()) as reading:
        opened = gather(files, reading=reading)
    result = replay(opened, events=chosen, **arguments)
    if result.error:
        click.echo(f"vnic: the input ended early: {result.error}", err=True)
    if result.events is None:
        raise AssertionError("replay(events=...) keeps a log")
    return result.events


def load(files: tuple[str, ...], options: dict[str, Any]) -> Events:
    """Read an event file. ConfigError: there are other files, or options of a replay, which has been."""
    from vnic.events.file import load

    if len(files) > 1:
        raise ConfigError(f"{files[0]}: is an event file: name no other file beside it")
    context = click.get_current_context()
    for name in options:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = next(p.opts[0] for p in context.command.params if p.name == name)
            raise ConfigError(f"{files[0]}: is an event file, of a run that is over: {option} has no effect on it")
    return load(files[0])


def _selected(events: Events, own: dict[str, Any]) -> Events:
    numbers = own["numbers"]
    if own["lost"]:
        lost = [frame.id for frame in events.frames if frame.lost]
        numbers = lost if numbers is None else [n for n in lost if any(a <= n <= b for a, b in numbers)]
    return events.select(
        from_ns=ns_of(own["start"]) or 0,
        until_ns=ns_of(own["stop"]),
        frames=numbers,
        kinds=None if own["kinds"] is None else [kind.strip() for kind in own["kinds"].split(",")],
        cpu=own["cpu"],
        queue=own["queue"],
    )


def _selected_frames(frames: Frames, own: dict[str, Any]) -> Frames:
    from vnic.events.select import select_frames

    if own["kinds"] is not None:
        raise ConfigError("--kind chooses records, and --frames prints frames: leave one of them out")
    start, stop, numbers = ns_of(own["start"]), ns_of(own["stop"]), own["numbers"]

    def wanted(frame: Frame) -> bool:
        times = [t for t in frame[2:12] if t is not None]
        return (
            (numbers is None or any(a <= frame.id <= b for a, b in numbers))
            and (not own["lost"] or frame.lost)
            and (own["queue"] is None or frame.queue == own["queue"])
            and (own["cpu"] is None or own["cpu"] in {frame.cpu, frame.stack_cpu, frame.read_cpu})
            and (start is None or max(times, default=0) >= start)
            and (stop is None or min(times, default=0) <= stop)
        )

    return select_frames(frames, wanted)


def _lines(events: Events, *, as_json: bool) -> Iterator[str]:
    from vnic.events import text

    if as_json:
        for at in range(0, len(events), _AT_ONCE):
            yield "".join(f"{line}\n" for line in text.json_lines(events, at, at + _AT_ONCE))
        return
    yield text.HEAD + "\n"
    for event in events:
        yield text.line(event, events.flows) + "\n"


def _print(found: Events | Frames, *, as_json: bool) -> None:
    from vnic.events import written
    from vnic.events.frames import Frames

    try:
        if isinstance(found, Frames):
            (written.json_lines if as_json else written.csv)(found, sys.stdout.buffer)
        else:
            sys.stdout.writelines(_lines(found, as_json=as_json))
        sys.stdout.flush()
    except BrokenPipeError:  # head has seen enough
        leave_stdout()


@click.command(
    cls=HostCommand,
    examples=(
        "vnic events a.pcapng --lost | head -40  # what happened to lost frames",
        "vnic replay a.pcapng --queues 4 --events run.vnic-events  # record once",
        "vnic events run.vnic-events --frame 17",
        "vnic events run.vnic-events --kind hardirq,poll --from 20ms --to 21ms",
        "vnic events run.vnic-events --frames -o frames.parquet",
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--frames", "table", is_flag=True, help="a row for each frame instead of the records, as CSV")
@click.option("--from", "start", type=RunTime(), metavar="TIME", help="from this time of the run on: 1.5, 200ms")
@click.option("--to", "stop", type=RunTime(), metavar="TIME", help="until this time of the run")
@click.option(
    "--frame",
    "numbers",
    type=FrameNumbers(),
    metavar="N,M-K",
    help="of these frames, by their numbers in the order of arrival, and of packets that they become part of",
)
@click.option("--lost", is_flag=True, help="of frames that were lost")
@click.option("--kind", "kinds", metavar="KIND,KIND", help="of these kinds; docs/events.md lists them")
@click.option("--cpu", type=Whole(0, int(lib.CPUS_MAX) - 1), help="on this CPU")
@click.option("--queue", type=Whole(0, int(lib.NIC_QUEUES_MAX) - 1), help="of this receive queue")
@click.option(
    "--events-max", "most", type=Whole(1, RECORDS_MAX), metavar="N", help="of a capture: keep so many records"
)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="write to this file: a table if its name ends in .parquet, .arrow, .csv or .jsonl; else an event file",
)
@host_options(replay=True, write=False)
def events(files: tuple[str, ...], *, table: bool, output: str | None, as_json: bool, **options: Any) -> None:
    """Print what happened to each frame, and when.

    A line is a record: its time in the run, how long it lasted, where, the frame, and what happened. FILE is an event
    file (vnic replay --events FILE), or a capture, which is replayed with the options below.

    Exit codes: 0 success; 2 wrong usage, or a file that vnic cannot read.
    """
    from vnic.events.file import is_event_file
    from vnic.events.written import check_name, form_of

    own = {name: options.pop(name) for name in _OWN}
    if output is not None and as_json:
        fail(EXIT_USAGE, "--json prints, and -o writes a file: name it .jsonl")
    with interruptible(), refusals():
        if output is not None:
            (form_of if table else check_name)(output)
        read = any(is_event_file(file) for file in files)
        log = load(files, options) if read else _record(files, own, options)
        say_missed(log)
        found = _selected_frames(log.frames, own) if table else _selected(log, own)
        if output is None:
            _print(found, as_json=as_json)
        else:
            found.save(output)
