"""The command ``vnic why``: explain the losses of a capture, of a ``--json`` report, or of a running instance."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vnic.capture_files import Inputs, gather
from vnic.capture_select import ALL, Selection
from vnic.cli.exit import EXIT_USAGE, Whole, fail, incomplete, interruptible, refusals
from vnic.cli.instance import print_reply
from vnic.cli.options import host_arguments, host_options
from vnic.cli.paste import DEV, as_options, pasted
from vnic.cli.progress import Progress
from vnic.cli.reading import Reading
from vnic.cli.selection import selection_of, selection_options
from vnic.cli.words import HostCommand
from vnic.control.reply import Reply
from vnic.errors import ConfigError, VnicError
from vnic.knobs.table import canonical
from vnic.look import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vnic.capture_input import CaptureInput
    from vnic.why.answer import Answer
    from vnic.why.causes import Settings
    from vnic.why.load import Rerun

_NO_FILE = "the capture no longer exists"
_NO_REPORT = "not a report of vnic replay --json or vnic run --json"
_MOST = 1 << 28
"""Largest report in bytes: one with counters of very many flows."""
_ARGUMENTS = frozenset({"cpus", "ip", "seed", "each_queue"})
"""Arguments of Host() that a report has besides knobs."""
_CHANGED = "an unchanged rerun loses other frames: the capture or vnic has changed"
_NO_RUN = "--runs 0 allows no rerun"


def _report(opened: CaptureInput) -> dict[str, Any] | None:
    """Return the facts in a report; None: no JSON object begins here, so it is a capture. CaptureError: unreadable."""
    data = opened.head(1)
    if data != b"{":
        return None
    data = opened.head(_MOST + 1)
    if len(data) > _MOST:
        raise ConfigError(f"{opened.name}: begins like a report, but is larger than {_MOST >> 20} MiB")
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError):
        raise ConfigError(f"{opened.name}: begins like a report, but is not JSON") from None
    if not isinstance(facts, dict) or not _is_report(facts):
        raise ConfigError(f"{opened.name}: {_NO_REPORT}")
    return dict(facts)


def _is_report(facts: dict[str, Any]) -> bool:
    """Check the parts that a rerun needs: files, CPUs, and a config of knobs and arguments that Host() has."""
    given, config, cpus = facts.get("input", {}), facts.get("config"), facts.get("cpus", [])
    files = given.get("files", []) if isinstance(given, dict) else None
    return (
        isinstance(files, list)
        and all(isinstance(f, str) and "\0" not in f for f in files)
        and isinstance(cpus, list)
        and isinstance(config, dict)
        and all(key in _ARGUMENTS or _is_knob(key) for key in config)
    )


def _is_knob(name: str) -> bool:
    try:
        canonical(name)
    except ConfigError:
        return False
    return True


@contextlib.contextmanager
def _believing(path: Path) -> Iterator[None]:
    """Turn the errors of reading an untrusted report inside this block into a ConfigError."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError) as e:
        if isinstance(e, VnicError):
            raise
        raise ConfigError(f"{path}: {_NO_REPORT}") from e


class Told:
    """Shows how many of the allowed runs were made, and what is tried."""

    def __init__(self, runs: int, progress: Progress | None) -> None:
        self._most, self._progress, self._made = 3 * runs, progress, 0

    def __call__(self, settings: Settings, times: int) -> None:
        """Tell of one run."""
        from vnic.why.answer import words

        if self._progress is not None:
            again, made = f" {times} times in a row" * (times > 1), self._made
            note = f"{made + 1}. replay{again}: {words(settings) or 'as configured'}"
            self._progress(made, max(made, self._most), note)
        self._made += 1


def counted(run: Rerun, told: Told) -> Rerun:
    """Return ``run`` in a wrapper that tells of each run before it begins."""

    def again(settings: Settings, times: int) -> dict[str, Any]:
        told(settings, times)
        return run(settings, times)

    return again


@dataclass(frozen=True, slots=True)
class Explained:
    """The answer for one input."""

    answer: Answer
    unverified: str
    """Why the answer is not verified; empty if it is."""
    config: dict[str, Any]
    """Arguments of Host that the input was replayed with."""
    left_out: tuple[str, ...] = ()
    error: str = ""
    """Why the input ended early; empty if it did not."""


def explain_report(path: Path, facts: dict[str, Any], *, runs: int, progress: Progress | None = None) -> Explained:
    """Answer for a report."""
    from vnic.runs.replay import replay
    from vnic.why.answer import why
    from vnic.why.load import consult
    from vnic.why.side_by_side import side_by_side

    options = {"cpus": len(facts.get("cpus", ()))} | facts["config"]
    files = facts.get("input", {}).get("files")
    if not runs or not files:
        return Explained(why(facts), "only a replay can be run again" if runs else _NO_RUN, options)
    there = [p if (p := Path(name)).is_absolute() or p.exists() else path.parent / p for name in files]
    if not all(p.exists() for p in there):
        return Explained(why(facts), _NO_FILE, options)
    inputs = gather(there)
    select = Selection.from_dict(facts["input"].get("selected", {}))
    with contextlib.closing(Progress("why: first replay", in_bytes=True)) as first:
        again = replay(inputs, select=select, progress=first, **options).facts
    if again["ledger"] != facts["ledger"]:
        return Explained(why(facts), _CHANGED, options)

    def run(settings: Settings, times: int) -> dict[str, Any]:
        return replay(inputs, select=select, times=times, **(options | settings)).facts

    told = Told(runs, progress)
    together = side_by_side(inputs, select, options, told)
    return Explained(consult(facts, counted(run, told), runs=runs, together=together), "", options)


def explain(
    inputs: Inputs,
    options: dict[str, Any],
    *,
    select: Selection = ALL,
    runs: int,
    progress: Progress | None = None,
) -> Explained:
    """Replay captures with these options, and answer."""
    from vnic.runs.replay import replay
    from vnic.why.answer import why
    from vnic.why.load import consult
    from vnic.why.side_by_side import side_by_side

    with contextlib.closing(Progress("why: first replay", in_bytes=True)) as shown:
        first = replay(inputs, select=select, progress=shown, **options)
    facts, config = first.facts, first.facts["config"]
    if not runs:
        return Explained(why(facts), _NO_RUN, config, inputs.left_out, first.error)

    def run(settings: Settings, times: int) -> dict[str, Any]:
        return replay(inputs, select=select, times=times, **(config | settings)).facts

    told = Told(runs, progress)
    together = side_by_side(inputs, select, config, told)
    answer = consult(facts, counted(run, told), runs=runs, together=together)
    return Explained(answer, "", config, inputs.left_out, first.error)


def _ask(on: str | None, *, as_json: bool, form: str | None, dev: str | None) -> None:
    from vnic.control.client import Connection, find

    with refusals():
        instance = find(on)
        with Connection(instance.path) as c:
            reply = c.ask("why", columns=None if form else terminal.columns())
        if form is not None and not reply.code:
            found = reply.data
            wanted = found["enough"] or found["helps"] or {}
            with Connection(instance.path) as c:
                queues = int(c.ask("show", ["queues"]).out)
            reply = Reply(out=pasted(form, reply.out, wanted, {"queues": queues} | wanted, dev=dev or instance.name))
    print_reply(reply, as_json=as_json)


@click.command(
    name="why",
    cls=HostCommand,
    examples=(
        "vnic why your.pcapng  # as Linux's defaults would have it",
        "vnic why your.pcapng --queues 4 --config eth0.toml",
        "vnic replay a.pcap --json > r.json; vnic why r.json",
        "vnic why  # ask the running instance",
    ),
)
@click.argument("files", nargs=-1, metavar="[FILE|DIR...|REPORT.json]")
@click.option("-r", "--read", multiple=True, metavar="FILE", help="as FILE, before those; repeatable")
@selection_options()
@click.option("--on", metavar="NAME|PID", help="instance to ask if no FILE is given [default: the only one]")
@click.option(
    "--runs",
    type=Whole(0, 1000),
    default=48,
    show_default=True,
    help="most replays of each kind to verify the answer with; 0: none",
)
@as_options("the answer's settings")
@host_options(replay=True, write=False)
def why(
    files: tuple[str, ...],
    *,
    read: tuple[str, ...],
    on: str | None,
    runs: int,
    form: str | None,
    dev: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Explain why frames are lost, and which knob helps.

    The answer names the limit, the evidence, and the mildest value that is enough. FILE is a capture (-: standard
    input) or a directory, which is replayed with the given options. REPORT.json is the output of vnic replay --json,
    which is replayed with its own options. To verify the answer, vnic replays the input with other knobs and counts the
    losses. To tell a burst from an overload that lasts, and to find the capacity, it replays the input three times in a
    row.

    Without FILE, vnic asks a running instance and estimates the answer from its counters.

    Exit codes: 0 success; 1 an input ended early, or a file of a directory was left out; 2 wrong usage, a wrong knob or
    unreadable input.
    """
    if form is not None and as_json:
        fail(EXIT_USAGE, "--as and --json: give only one form")
    files = (*read, *files)
    if not files:
        _ask(on, as_json=as_json, form=form, dev=dev)
        return
    with interruptible(), refusals(), contextlib.closing(Progress("why")) as progress:
        with contextlib.closing(Reading()) as reading:
            opened = gather(files, report=len(files) == 1, reading=reading)
        report = _report(opened[0]) if len(files) == 1 else None
        if report is not None:
            with _believing(Path(files[0])):
                found = explain_report(Path(files[0]), report, runs=runs, progress=progress)
                shown = _shown(found, as_json=as_json, form=form, dev=dev)
        else:
            select = selection_of(options)
            found = explain(opened, host_arguments(options), select=select, runs=runs, progress=progress)
            shown = _shown(found, as_json=as_json, form=form, dev=dev)
    click.echo(shown, nl=False)
    ended = f"the input ended early: {found.error}; the answer is for the frames read until then" if found.error else ""
    incomplete(found.left_out, ended)


def _shown(found: Explained, *, as_json: bool, form: str | None, dev: str | None) -> str:
    from vnic.why.answer import text

    answer = found.answer
    if as_json:
        return json.dumps(answer.as_dict() | {"unverified": found.unverified or None}, indent=2) + "\n"
    said = text(answer, unverified=found.unverified, columns=None if form else terminal.columns())
    if form is None:
        return said
    settings = answer.enough or answer.helps or answer.only_now or {}
    return pasted(form, said, settings, found.config | settings, dev=dev or DEV)
