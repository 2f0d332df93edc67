"""The command ``vnic diff``: two runs of the same frames, compared frame by frame."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vnic.cli import names
from vnic.cli.exit import EXIT_FAILED, EXIT_USAGE, Whole, fail, incomplete, interruptible, leave_stdout, refusals
from vnic.cli.help import Option
from vnic.cli.options import host_arguments, host_options, read_config
from vnic.cli.progress import Progress
from vnic.cli.selection import selection_of, selection_options
from vnic.cli.words import HostCommand
from vnic.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.capture_files import Inputs
    from vnic.capture_input import CaptureInput
    from vnic.capture_select import Selection
    from vnic.diff.result import Diff
    from vnic.diff.side import Side

_CONFIGS = "vnic.diff.configs"


def _keep_paths(ctx: click.Context, _param: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Keep the files' names: they may be two sides."""
    ctx.meta[_CONFIGS] = paths
    return paths


class _Diff(HostCommand):
    """Here --config may name two sides, and --set is what differs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            if param.name == "config":
                param.callback = _keep_paths
                param.help = "the base's options and knobs; given twice: a's file and b's"
            if param.name == "sets":
                param.help = "what differs in b: any knob; repeatable"


@click.command(
    name="diff",
    cls=_Diff,
    examples=(
        "vnic diff your.pcapng --set rx-ring=1024  # what a larger ring changes",
        "vnic diff a.pcap --rx-usecs 50 --set rx-usecs=0 --set rx-frames=1",
        "vnic diff a.pcap --config a.toml --config b.toml --fail-on p99+10%",
        "vnic diff old.events new.events --json | jq .frames",
        "vnic diff a.pcap --set queues=4 --write changed.pcapng  # with comments",
        "vnic diff a.pcap --set rx-ring=1024 --html diff.html  # a page",
    ),
)
@click.argument("files", nargs=-1, metavar="FILE|DIR...|EVENTS EVENTS")
@click.option(
    "--fail-on",
    multiple=True,
    metavar="RULE",
    type=names.Rule(),
    help="exit with 1 also if this got worse: p99+10%, socket.p99+10%, interrupts+20%, cpu+10%, memory+50%, changed; "
    "lost+N or lost+N%: only if so many more are lost; none: never; repeatable",
)
@click.option("--flows", type=Whole(0, 10_000), default=10, show_default=True, help="flows to list at most")
@click.option(
    "--changes", type=Whole(0, 1_000_000), default=1000, show_default=True, help="frames to list in the JSON at most"
)
@click.option(
    "-w",
    "--write",
    metavar="OUT.pcapng|-",
    help="save the frames whose fate changed, with comments; -: to stdout, and the comparison to stderr",
)
@click.option("-o", "--output", metavar="OUT", help="write the comparison, or the JSON, to this file")
@click.option(
    "--html",
    metavar="OUT.html",
    help="write the comparison as a page too; -: to stdout, and the comparison to stderr (pip: vnic[report])",
)
@click.option(
    "--base",
    multiple=True,
    metavar="NAME=VALUE",
    cls=Option,
    group="run",
    help="set any knob of both sides, as vnic replay --set; repeatable",
)
@click.option(
    "--records",
    cls=Option,
    group="run",
    type=Whole(1, 1 << 32),
    metavar="N",
    help="records that each log holds at most",
)
@selection_options()
@host_options(replay=True, write=False)
@click.pass_context
def diff(
    ctx: click.Context,
    /,
    files: tuple[str, ...],
    *,
    fail_on: tuple[str, ...],
    flows: int,
    changes: int,
    write: str | None,
    output: str | None,
    html: str | None,
    base: tuple[str, ...],
    records: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare two runs frame by frame: what would another setting have done.

    vnic replays FILE twice: with the given options, and with --set on top; or with two --config files, a's and b's. Of
    two files of vnic replay --events, vnic compares what is in them. It prints the frames whose fate changed, by fate
    and by flow, when, how the latency of each stage shifted, and what it cost.

    Frames have the numbers of their arrival: those of the packets in vnic replay --write OUT --at wire, and Wireshark's
    numbers of FILE, if FILE is one capture and no frames are left out (--from, -c) or cut (GSO).

    Exit codes: 0 nothing got worse; 1 more frames are lost, a rule of --fail-on says so, or an input ended early; 2
    wrong usage, a wrong knob, unreadable input, or runs of different frames.
    """
    from vnic.cli.html import PageFile
    from vnic.diff.worse import judge, rules

    with interruptible(), refusals(), contextlib.ExitStack() as stack:
        checked = rules(fail_on)
        if html == "-" == write:
            fail(EXIT_USAGE, "--html - and --write -: only one of them can have standard output")
        work = _plan(ctx, files, base, options, records=records)
        if write is not None:
            work.refuse_input(write)
        page = None if html is None else stack.enter_context(PageFile(html, work.inputs))
        found = work.compare(changes=changes, flows=flows)
        found.worse = judge(found, checked)
        if write is not None:
            work.write(write)
        if page is not None:
            page.put(found.as_json())
        _print(found, as_json=as_json, output=output, err="-" in (write, html))
    incomplete(work.left_out, f"the input ended early: {work.error}" if work.error else "")
    sys.exit(found.exit_code)


@dataclass(slots=True)
class _Work:
    """The two sides, and how they are made."""

    a: Callable[[], Side]
    b: Callable[[], Side]
    replay_to: Callable[[int], Any] | None = None
    inputs: Sequence[CaptureInput] = ()
    left_out: tuple[str, ...] = ()
    error: str = ""
    files: tuple[str, ...] = ()
    """Event files."""
    sides: tuple[Side, Side] | None = None

    def compare(self, *, changes: int, flows: int) -> Diff:
        from vnic.cli.sides import believing
        from vnic.diff.compare import compare

        a = self.a()  # one after the other: a log is large
        b = self.b()
        self.sides = (a, b)
        with believing(self.files):
            return compare(a, b, changes=changes, flows=flows)

    def refuse_input(self, path: str) -> None:
        """Raise ConfigError if the frames that changed would replace a capture that is read."""
        if Path(path).exists() and any(i.is_file(Path(path)) for i in self.inputs):
            raise ConfigError(f"{path}: is an input, so it cannot be the output")

    def write(self, path: str) -> None:
        from vnic.diff.changed import write
        from vnic.diff.compare import changed_frames

        if self.replay_to is None or self.sides is None:
            raise ConfigError("--write needs the packets: event files have none, so name their capture and --set")
        write("/dev/stdout" if path == "-" else path, changed_frames(*self.sides), self.replay_to)


def _plan(
    ctx: click.Context, files: tuple[str, ...], base: tuple[str, ...], options: dict[str, Any], *, records: int | None
) -> _Work:
    from vnic.cli.sides import gathered
    from vnic.events.file import is_event_file

    configs, sets = ctx.meta.get(_CONFIGS, ()), options.pop("sets")
    logged = [name for name in files if is_event_file(name)]
    if logged:
        if len(logged) != 2 or len(files) != 2 or sets or configs:
            raise ConfigError("of event files, diff compares two, without --set and --config; or name a capture")
        return _Work(lambda: _loaded(files[0]), lambda: _loaded(files[1]), files=files)
    if len(configs) > 2:
        raise ConfigError(f"--config: {len(configs)} files: one is the base, two are the two sides")
    if not sets and len(configs) != 2:
        raise ConfigError("what differs? Give --set NAME=VALUE, a second --config, or two event files")
    inputs = gathered(files)
    named = ", ".join(files[:3]) + f" and {len(files) - 3} more" * (len(files) > 3)
    first, second = configs[:1], configs[-1:]
    changes = " ".join(sets)
    labels = [
        ", ".join(part for part in (named, *first) if part),
        ", ".join(part for part in (named, *second, changes) if part),
    ]
    sides = [
        _Replayed(ctx, inputs, label, options=options, paths=paths, sets=own, records=records)
        for label, paths, own in ((labels[0], first, base), (labels[1], second, (*base, *sets)))
    ]
    work = _Work(sides[0].make, sides[1].make, sides[0].replay_to, inputs, inputs.left_out)
    for side in sides:
        side.work = work
    return work


def _loaded(name: str) -> Side:
    from vnic.cli.sides import believing
    from vnic.diff.side import side
    from vnic.events.file import load

    with believing([name]):
        return side(name, load(name))


class _Replayed:
    """A side that is replayed."""

    work: _Work

    def __init__(
        self,
        ctx: click.Context,
        inputs: Inputs,
        label: str,
        *,
        options: dict[str, Any],
        paths: tuple[str, ...],
        sets: tuple[str, ...],
        records: int | None,
    ) -> None:
        from vnic.events.log import ALL, EventChoice

        found = read_config(ctx, paths)
        mine = {k: v for k, v in found.items() if ctx.get_parameter_source(k) is ParameterSource.DEFAULT}
        given = options | mine
        self._inputs, self._label = inputs, label
        self._select: Selection = selection_of(given)
        self._arguments = host_arguments(given | {"sets": sets})
        self._choice = ALL if records is None else EventChoice(records=records)

    def make(self) -> Side:
        """Replay it."""
        from vnic.diff.side import side
        from vnic.runs.replay import replay

        with contextlib.closing(Progress("diff", in_bytes=True)) as progress:
            result = replay(
                self._inputs,
                select=self._select,
                events=self._choice,
                progress=progress,
                **self._arguments,
            )
        self.work.error = result.error
        if result.events is None:
            raise AssertionError("replay(events=...) returns a log")
        return side(self._label, result.events)

    def replay_to(self, fd: int) -> None:
        """Replay it once more, with a capture at the wire."""
        from vnic.capture import Capture
        from vnic.capture_wire import CaptureWire
        from vnic.host import Host

        options: dict[str, Any] = {"sink": True} | self._arguments
        with (
            CaptureWire(self._inputs, select=self._select) as wire,
            Host(wire=wire, **options) as host,
            Capture(host, fd, at="wire") as capture,
        ):
            host.machine.peek()
            capture.set_base(int(wire.c.base_ns))
            host.finish()


def _print(found: Diff, *, as_json: bool, output: str | None, err: bool) -> None:
    from vnic.diff.shown import show
    from vnic.look.terminal import console
    from vnic.own_paths import instead_of

    if output is not None and output != "-":
        with instead_of(output) as raw:
            text = json.dumps(found.as_json(), indent=2) + "\n" if as_json else _text(found)
            raw.write(text.encode("utf-8", "backslashreplace"))
        return
    try:
        if as_json:
            click.echo(json.dumps(found.as_json(), indent=2), err=err)
        else:
            show(console(err=err), found)
        sys.stdout.flush()
    except BrokenPipeError:
        leave_stdout()
    except OSError as e:
        leave_stdout()
        fail(EXIT_FAILED, f"the comparison could not be written: {e.strerror}")


def _text(found: Diff) -> str:
    import io

    from vnic.diff.shown import show
    from vnic.look.terminal import console

    file = io.StringIO()
    show(console(file), found)
    return file.getvalue()
