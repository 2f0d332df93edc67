"""The command ``vnic sweep``: one capture through a grid of settings, and what each costs."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.exit import EXIT_FAILED, EXIT_USAGE, Whole, fail, incomplete, interruptible, leave_stdout, refusals
from vnic.cli.help import Option
from vnic.cli.options import host_arguments, host_options
from vnic.cli.progress import Progress
from vnic.cli.selection import selection_of, selection_options
from vnic.cli.words import HostCommand
from vnic.errors import ConfigError, one_line, quoted
from vnic.look import terminal
from vnic.look.units import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from click.shell_completion import CompletionItem

    from vnic.sweep.captures import Captures
    from vnic.sweep.store import Store
    from vnic.sweep.sweep import Sweep

_WORKERS_MAX = 4096
_STORED = ".points.jsonl"
_FAILED_SHOWN = 5


class Executor(click.ParamType):  # type: ignore[type-arg]
    """Where the points run."""

    name = "executor"
    _HERE = ("threads", "processes")

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the words that begin like this."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in (*self._HERE, "dask://") if word.startswith(incomplete)]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the name; for a cluster only its form."""
        if value in self._HERE:
            return value
        if str(value).startswith("dask://"):
            from vnic.sweep.cluster import address

            try:
                address(value)
            except ConfigError as e:
                self.fail(str(e), param, ctx)
            return value
        return self.fail(f"{quoted(value)} is not threads, processes or dask://HOST:PORT", param, ctx)


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):  # stderr is closed
        click.echo(f"vnic: {one_line(sentence)}", err=True)


def _fixed(options: dict[str, Any]) -> dict[str, str]:
    """Return knob -> the option of the command line that sets it. What a file sets, an axis replaces."""
    from vnic.knobs.table import canonical

    context, found = click.get_current_context(), {}
    for name, value in options.items():
        if value is None or context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        if name in ("sets", "sysctls"):
            for item in value:
                with contextlib.suppress(ConfigError):  # host_arguments() says what is wrong
                    found[canonical(item.partition("=")[0].strip())] = f"--set {item}"
        else:
            found[name.replace("_", "-")] = f"--{name.replace('_', '-')}"
    return found


def _place(store: str | None, outputs: Sequence[str], *, keep: bool) -> str | None:
    """Return the store's file: as named, or beside the first output; None: nothing is stored."""
    if store is not None or not outputs or not keep:
        return store
    return str(Path(outputs[0]).with_suffix(_STORED))


@contextlib.contextmanager
def _stored(path: str | None) -> Iterator[Store | None]:
    from vnic.sweep.store import Store

    if path is None:
        yield None
        return
    with Store(path) as store:
        for fault in store.faults():
            _say(fault)
        yield store


@click.command(
    cls=HostCommand,
    examples=(
        "vnic sweep a.pcap --vary rx-usecs=0,10,50 --vary rx-ring=256..4096x2",
        "vnic sweep a.pcap --vary weight=16..64+16 -o w.csv  # again: goes on",
        "vnic sweep a.pcap --vary rx-usecs=0,20,50 --html s.html  # a page",
        "vnic sweep a.pcap --vary gro=on,off --queues 2 --json | jq .front",
        "vnic sweep a.pcap --vary queues=1,2 --executor dask://10.0.0.9:8786",
    ),
)
@click.argument("files", nargs=-1, metavar="FILE|DIR...")
@click.option("-r", "--read", multiple=True, metavar="FILE", help="as FILE, before those; repeatable")
@click.option(
    "--vary",
    multiple=True,
    metavar="KNOB=VALUES",
    help="a knob and its values: 0,10,50 or 256..4096x2 (each twice the last) or 0..100+10 (each 10 more), also mixed; "
    "semicolons separate values that have commas; also cpus and seed; repeatable",
)
@selection_options()
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="OUT",
    help="write all points to OUT.csv, OUT.parquet or OUT.json; repeatable",
)
@click.option(
    "--html",
    metavar="OUT.html",
    help="write the results as a page too; -: to stdout, and the table to stderr (pip: vnic[report])",
)
@click.option(
    "--store",
    metavar="FILE",
    help="keep each point there as it is done, and do not run those that are there already"
    f" [default: beside -o: OUT{_STORED}]",
)
@click.option("--no-store", "keep", flag_value=False, default=True, type=bool, help="keep nothing beside -o")
@click.option(
    "--executor",
    cls=Option,
    type=Executor(),
    default="threads",
    show_default=True,
    metavar="WHERE",
    help="threads, processes, or dask://HOST:PORT, a scheduler of dask: a dask cluster runs any code that it is sent, "
    "so trusted networks only",
)
@click.option(
    "--workers",
    type=Whole(1, _WORKERS_MAX),
    help="points that run at a time, if they fit into the memory [default: the real cores]",
)
@click.option("--rows", type=Whole(1, 1 << 20), default=20, show_default=True, help="rows of the table, best first")
@click.option("-q", "--quiet", is_flag=True, help="print one line instead of the table, and no progress")
@host_options(replay=True, write=False)
def sweep(
    files: tuple[str, ...],
    *,
    read: tuple[str, ...],
    vary: tuple[str, ...],
    outputs: tuple[str, ...],
    html: str | None,
    store: str | None,
    keep: bool,
    executor: str,
    workers: int | None,
    rows: int,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Replay captures with every combination of settings, and compare.

    Each point of the grid is a replay as by vnic replay. The table has its losses, latency, interrupts and CPU time,
    the best first, and marks the Pareto front: the points that no other beats in one of these without losing in
    another. A point that was kept is not run again, so a sweep that was stopped goes on where it was. A grid has at
    most 10,000 points.

    Exit codes: 0 success; 1 a point has no result, an input ended early, or a file of a directory was left out; 2 wrong
    usage, a wrong knob or unreadable input.
    """
    from vnic.cli.html import PageFile
    from vnic.sweep import files as files_
    from vnic.sweep.axes import axes as parse_axes
    from vnic.sweep.sweep import Sweep, refuse_both

    def report(one: Sweep) -> None:
        """Write and print what is done: all, or what an interrupted sweep has."""
        found = _written(one, outputs)
        if page is not None:
            page.put(found)
        _print(found, rows=rows, as_json=as_json, quiet=quiet, err=html == "-")

    page: PageFile | None = None
    with interruptible(), refusals(), contextlib.ExitStack() as stack:
        axes = parse_axes(vary)
        refuse_both(axes, _fixed(options))
        for path in outputs:
            files_.check(path)
        if not keep and store is not None:
            fail(EXIT_USAGE, "--store and --no-store: give only one")
        select = selection_of(options)
        arguments = host_arguments(options)
        with _stored(_place(store, outputs, keep=keep)) as kept:
            captures = _captures((*read, *files))
            page = None if html is None else stack.enter_context(PageFile(html, captures.inputs))
            one = Sweep(captures, axes, arguments, select=select, store=kept)
            try:
                _run(one, executor, workers, quiet=quiet)
            except (KeyboardInterrupt, Exception):
                if one.results.rows:
                    report(one)
                    _say_stopped(one, outputs)
                raise
        _refuse_nothing(one)
        report(one)
    _end(one)


def _captures(files: Sequence[str]) -> Captures:
    from vnic.capture_files import gather
    from vnic.cli.reading import Reading
    from vnic.sweep.captures import Captures

    with contextlib.closing(Reading()) as reading:
        inputs = gather(files, reading=reading)
    with contextlib.closing(Progress("sweep: reading", in_bytes=True, first_s=0.5)) as reading_bytes:
        return Captures(inputs, reading_bytes)


def _run(one: Sweep, executor: str, workers: int | None, *, quiet: bool) -> None:
    with contextlib.closing(Progress("sweep", first_s=0.5)) as progress:
        one.run(executor, workers, None if quiet else progress)


def _written(one: Sweep, outputs: Sequence[str]) -> dict[str, Any]:
    """Return the results as JSON, and write them to each output."""
    from vnic.sweep import files as files_
    from vnic.sweep.results import as_json

    found = as_json(one.results)
    for path in outputs:
        files_.write(path, found)
    return found


def _say_stopped(one: Sweep, outputs: Sequence[str]) -> None:
    into = f"; {', '.join(outputs)} has them" if outputs else ""
    _say(f"stopped: {len(one.results.rows):,} of {count(len(one.grid), 'point')} are done{into}")


def _print(found: dict[str, Any], *, rows: int, as_json: bool, quiet: bool, err: bool) -> None:
    from vnic.sweep import shown

    try:
        if as_json:
            click.echo(json.dumps(found, indent=2), err=err)
        elif quiet:
            click.echo(shown.one_line(found), err=err)
        else:
            shown.show(
                terminal.console(err=err), found, rows=rows, columns=terminal.columns(sys.stderr if err else None)
            )
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe
        leave_stdout()


def _refuse_nothing(one: Sweep) -> None:
    """If all points failed for one reason, the request is wrong: say the reason, and exit."""
    whys = {why for _, why in one.results.failed}
    if len(one.results.failed) == len(one.results.rows) and len(whys) == 1:
        fail(EXIT_USAGE, f"no point has a result: {whys.pop()}")


def _end(one: Sweep) -> None:
    """Report failed points and missing input, and exit; return if the results are complete."""
    from vnic.sweep.shown import knobs_text

    failed, early = one.results.failed, one.results.input_error
    for point, why in failed[:_FAILED_SHOWN]:
        _say(f"{knobs_text(point.shown)}: {why}")
    ended = f"the input ended early: {early}; the points are of the frames read until then" if early else ""
    if failed:
        for sentence in (*one.results.left_out, *([ended] if ended else [])):
            _say(sentence)
        fail(EXIT_FAILED, f"{count(len(failed), 'point')} of {len(one.results.rows):,} without a result")
    incomplete(one.results.left_out, ended)
