"""The command ``vnic walk``: the story of frames, a line a stage."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import click

from vnic.cli import names
from vnic.cli.event_options import FrameNumbers
from vnic.cli.exit import EXIT_USAGE, Whole, fail, incomplete, interruptible, leave_stdout, refusals
from vnic.cli.help import Option
from vnic.cli.options import host_arguments, host_options
from vnic.cli.progress import Progress
from vnic.cli.selection import selection_of, selection_options
from vnic.cli.words import HostCommand
from vnic.errors import ConfigError, quoted

if TYPE_CHECKING:
    from vnic.events.events import Events
    from vnic.walk.story import Story

_SOME = 5


class _Walk(HostCommand):
    """Lets ``--lost`` and ``--slowest`` stand without a value, also in front of a file's name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            if param.name == "expression" and isinstance(param, click.Option):  # it leaves no frame out here
                param.help = "tell of frames that match, an expression as for tcpdump; all frames are replayed"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does."""
        from vnic.walk.chosen import fate_of

        done: list[str] = []
        for at, word in enumerate(args):
            following = args[at + 1] if at + 1 < len(args) else ""
            valued = following.isdecimal() or (word == "--lost" and fate_of(following) is not None)
            done.append(f"{word}={_SOME}" if word in ("--lost", "--slowest") and not valued else word)
            if word == "--":
                return super().parse_args(ctx, [*done, *args[at + 1 :]])
        return super().parse_args(ctx, done)


@click.command(
    name="walk",
    cls=_Walk,
    examples=(
        "vnic walk your.pcapng --frame 17  # from the wire to read()",
        "vnic walk a.pcap --lost --rx-ring 64  # what stood in front of them",
        "vnic walk a.pcap --lost SOCKET_RCVBUFF --most 1 --explain",
        "vnic walk a.pcap --slowest 3 --step  # a key for each stage",
        "vnic walk a.pcap -f 'udp port 53' --json | jq '.stories[].total_ns'",
    ),
)
@click.argument("files", nargs=-1, metavar="FILE|DIR...|EVENTS")
@click.option(
    "--frame",
    "--frames",
    "frames",
    multiple=True,
    type=FrameNumbers(),
    metavar="N,N-N",
    help="these frames, as 17 or 17,20-22",
)
@click.option(
    "--lost",
    type=names.Fate(),
    metavar="[N|FATE]",
    help=f"the first N lost frames [{_SOME}], or the first with this fate",
)
@click.option("--slowest", metavar="[N]", help=f"the N frames that took longest from wire to read() [{_SOME}]")
@click.option(
    "--most", type=Whole(1, 1000), default=_SOME, show_default=True, help="stories of -f and of --lost FATE at most"
)
@click.option("--explain", is_flag=True, help="for each stage, say what it does and how it loses frames")
@click.option("--step", is_flag=True, help="wait for a key at each stage; q leaves")
@click.option(
    "--records", cls=Option, group="run", type=Whole(1, 1 << 32), metavar="N", help="records that the log holds at most"
)
@selection_options()
@host_options(replay=True, write=False)
def walk(
    files: tuple[str, ...],
    *,
    frames: tuple[list[tuple[int, int]], ...],
    lost: str | None,
    slowest: str | None,
    most: int,
    explain: bool,
    step: bool,
    records: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Tell the story of a frame: a line a stage, from the wire to its fate.

    Each line says when the stage began, how long it took, where, what the frame waited for, what made it go on, and
    what it met there: the fill of the ring, the FIFO, the backlog or the socket beside the limit. For a lost frame,
    vnic adds which frames stood in front of it, what the CPU did meanwhile, and the limit. Without a choice, vnic tells
    of the slowest frame.

    FILE is a capture, which is replayed with the given options; EVENTS is a file of vnic replay --events. Frames have
    the numbers 1, 2, 3, ... in the order of arrival: those of the packets in vnic replay --write OUT --at wire. They
    are Wireshark's numbers of FILE, if FILE is one capture and no frames are left out (--from, -c) or cut (GSO).

    Exit codes: 0 success; 1 an input ended early, or there is no such frame; 2 wrong usage or unreadable input.
    """
    from vnic.cli.sides import believing
    from vnic.walk import step as stepping

    chosen = [*frames, lost, slowest, options["expression"]]
    if sum(c is not None for c in chosen) > 1 and not (frames and len(frames) == len([c for c in chosen if c])):
        fail(EXIT_USAGE, "--frame, --lost, --slowest, -f: give only one way to choose frames")
    if step and as_json:
        fail(EXIT_USAGE, "--step and --json: give only one form")
    with interruptible(), refusals():
        if step:
            stepping.check()
        with believing(files):
            stories, notes, error, left_out = _stories(
                files,
                [pair for given in frames for pair in given],
                lost=lost,
                slowest=slowest,
                most=most,
                records=records,
                options=options,
            )
        if not stories:
            fail(1, "; ".join(notes) or "there are no frames")
        _print(stories, notes, as_json=as_json, explain=explain, step=step)
    incomplete(left_out, f"the input ended early: {error}; the log covers the frames read until then" if error else "")


def _count(word: str, option: str) -> int:
    if not word.isdecimal() or not 1 <= len(word) <= 4 or int(word) < 1:
        raise ConfigError(f"{option} {quoted(word)}: must be a number from 1 to 9999")
    return int(word)


def _stories(
    files: tuple[str, ...],
    numbered: list[tuple[int, int]],
    *,
    lost: str | None,
    slowest: str | None,
    most: int,
    records: int | None,
    options: dict[str, Any],
) -> tuple[list[Story], list[str], str, tuple[str, ...]]:
    """Return the stories, notes about what is not told, why the input ended early, and files that were left out."""
    from vnic.cli.sides import events_of, gathered
    from vnic.walk.chosen import bounded
    from vnic.walk.logged import Run
    from vnic.walk.story import story

    expression = options.pop("expression")
    wanted = bounded(numbered) if numbered else None
    logged = events_of(files)
    run: Run | None = None
    left_out: tuple[str, ...] = ()
    matching: list[int] = []
    if logged is None:
        select = selection_of(options | {"expression": None})
        for name in ("limit", "start", "stop", "loop", "pps", "mbps", "topspeed"):
            options.pop(name)
        with contextlib.closing(Progress("walk", in_bytes=True)) as progress:
            inputs = gathered(files)
            left_out = inputs.left_out
            run = Run(inputs, host_arguments(options), select=select, progress=progress, records=records)
            if expression is not None:
                matching = run.matching(expression)
                wanted = [(n, n) for n in matching[:most]]
            events = run.whole() if wanted is None else run.around(wanted)
    else:
        if expression is not None:
            raise ConfigError("-f needs the packets: an event file has none, so name its capture instead")
        events = logged
    ids, notes = _ids(events, wanted, lost=lost, slowest=slowest, most=most)
    if expression is not None and run is not None:
        notes += [f"{len(wanted or ())} of {len(matching):,} frames that match: --most tells more"] * (
            len(matching) > most
        )
        notes += ["no frame matches"] * (not matching)
    found = [(n, story(events, n)) for n in ids]
    gone = [n for n, s in found if s is None]
    if gone:
        from vnic.walk.before import ranges

        last = events.frames[-1].id if len(events.frames) else 0
        notes.append(f"no frame {ranges(gone)}: the log has {len(events.frames):,} frames, the last one is {last:,}")
    if events.missed:
        notes.append(f"the log is full: {events.missed:,} records found no room; --records N holds more")
    return [s for _, s in found if s is not None], notes, "" if run is None else run.error, left_out


def _ids(
    events: Events, wanted: list[tuple[int, int]] | None, *, lost: str | None, slowest: str | None, most: int
) -> tuple[list[int], list[str]]:
    from vnic.walk import chosen

    if wanted is not None:
        return list(dict.fromkeys(n for low, high in wanted for n in range(low, high + 1))), []
    if lost is not None:
        fate = chosen.fate_of(lost)
        if fate is None and not lost.isdecimal():
            raise ConfigError(f"--lost {quoted(lost)}: must be a number, or a fate as FIFO_OVERRUN")
        n = most if fate is not None else _count(lost, "--lost")
        ids, there = chosen.lost(events.frames, fate, n)
        which = f" with the fate {fate}" if fate else ""
        if not there:
            return [], [f"no frame was lost{which}"]
        more = "--most" if fate else "--lost"
        return ids, [f"{len(ids):,} of {there:,} lost frames{which}: {more} tells more"] * (there > len(ids))
    ids = chosen.slowest(events.frames, 1 if slowest is None else _count(slowest, "--slowest"))
    return ids, [] if ids else ["no frame was read by a program"]


def _print(stories: list[Story], notes: list[str], *, as_json: bool, explain: bool, step: bool) -> None:
    if as_json:
        from vnic.walk.story import SCHEMA

        told = {"schema": SCHEMA, "notes": notes, "stories": [s.as_dict() for s in stories]}
        click.echo(json.dumps(told, indent=2))
        return
    from vnic.look.terminal import console
    from vnic.walk import shown
    from vnic.walk import step as stepping

    out = console()
    try:
        for nth, story in enumerate(stories):
            if nth:
                out.print()
            if not step:
                shown.show(out, story, explain=explain)
            elif not stepping.step(out, story, explain=explain):
                return
        for note in notes:
            out.print(f"\n{note}" if note is notes[0] else note, soft_wrap=True, markup=False)
    except BrokenPipeError:
        leave_stdout()
