"""``vnic why``: the one answer, for captures or for a report of ``vnic replay --json``."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vnic.capture_input import CaptureInput, gather
from vnic.cli.exit import Whole, refusals
from vnic.cli.instance import print_reply
from vnic.cli.options import addresses, host_options, knobs
from vnic.cli.reading import Reading
from vnic.errors import ConfigError, VnicError
from vnic.knobs.table import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vnic.why.answer import Answer

_NO_FILE = "the capture is not there any more"
_NO_REPORT = "no report of vnic replay --json, or vnic run --json"
_MOST = 1 << 28
"""Bytes of a report, with an account of very many flows."""
_ARGUMENTS = frozenset({"cpus", "ip", "seed", "each_queue"})
"""Of Host(), that a report has besides knobs."""
_CHANGED = "run again as it was, other frames are lost: the capture, or vnic, was changed"


def _report(opened: CaptureInput) -> dict[str, Any] | None:
    """The facts in a report; None: it begins like no JSON object, so it is a capture. CaptureError: unreadable."""
    data = opened.map()
    if data[:1] != b"{":
        return None
    if len(data) > _MOST:
        raise ConfigError(f"{opened.name}: begins like a report, but has more than {_MOST >> 20} MiB")
    try:
        facts = json.loads(data[:])
    except (ValueError, RecursionError):
        raise ConfigError(f"{opened.name}: begins like a report, but is no JSON") from None
    if not isinstance(facts, dict) or not _is_report(facts):
        raise ConfigError(f"{opened.name}: {_NO_REPORT}")
    return dict(facts)


def _is_report(facts: dict[str, Any]) -> bool:
    """As far as a run again needs it: files, CPUs, and options that Host() has and a report says."""
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
    """Inside, a report is read that anybody may have written: what does not fit is a ConfigError."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError) as e:
        if isinstance(e, VnicError):
            raise
        raise ConfigError(f"{path}: {_NO_REPORT}") from e


def explain_report(path: Path, facts: dict[str, Any], *, runs: int) -> tuple[Answer, str]:
    """The answer for a report, and why it could not be verified (empty: it was, or nothing was to be)."""
    from vnic.runs.replay import replay
    from vnic.why.answer import why
    from vnic.why.rerun import verify

    files = facts.get("input", {}).get("files")
    if not runs or not files:
        return why(facts), "only a replay can be run again" if runs else "no run was allowed"
    there = [p if (p := Path(name)).is_absolute() or p.exists() else path.parent / p for name in files]
    if not all(p.exists() for p in there):
        return why(facts), _NO_FILE
    options = {"cpus": len(facts["cpus"])} | facts["config"]
    again = replay(there, **options).facts
    if again["ledger"] != facts["ledger"]:
        return why(facts), _CHANGED
    return verify(facts, lambda settings: replay(there, **(options | settings)).facts, runs=runs), ""


def explain(files: Sequence[str | CaptureInput], options: dict[str, Any], *, runs: int) -> tuple[Answer, str]:
    """The answer for captures, replayed with these options."""
    from vnic.runs.replay import replay
    from vnic.why.answer import why
    from vnic.why.rerun import verify

    facts = replay(files, **options).facts
    if not runs:
        return why(facts), "no run was allowed"
    return verify(facts, lambda settings: replay(files, **(facts["config"] | settings)).facts, runs=runs), ""


def _ask(on: str | None, *, as_json: bool) -> None:
    from vnic.control.client import Connection, find

    with refusals(), Connection(find(on).path) as c:
        reply = c.ask("why")
    print_reply(reply, as_json=as_json)


@click.command(name="why")
@click.argument("files", nargs=-1, metavar="[FILE...|REPORT.json]")
@click.option("--on", metavar="NAME|PID", help="which instance, if there is no FILE [default: the only one]")
@click.option(
    "--runs",
    type=Whole(0, 1000),
    default=48,
    show_default=True,
    help="replays to verify with, at most; 0: none",
)
@host_options(replay=True, write=False)
def why(
    files: tuple[str, ...],
    *,
    on: str | None,
    runs: int,
    cpus: int,
    ip: tuple[str, ...],
    seed: int,
    sets: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Say why frames are lost: where, by which limit, how that is known, and the setting that would be enough.

    FILE is a capture (- is standard input), replayed with the options given; or what vnic replay --json wrote, with the
    options of then. Then the replay is run again with other settings: what is said of one has been seen. Without FILE a
    running instance is asked, and what would be enough is reckoned from its counters.
    """
    if not files:
        _ask(on, as_json=as_json)
        return
    with refusals():
        opened = gather(files, report=len(files) == 1, reading=Reading())
        report = _report(opened[0]) if len(files) == 1 else None
        if report is not None:
            with _believing(Path(files[0])):
                answer, unverified = explain_report(Path(files[0]), report, runs=runs)
                shown = _shown(answer, unverified, as_json=as_json)
        else:
            given = {"cpus": cpus, "ip": addresses(ip), "seed": seed} | knobs(options, sets)
            answer, unverified = explain(opened, given, runs=runs)
            shown = _shown(answer, unverified, as_json=as_json)
    click.echo(shown, nl=False)


def _shown(answer: Answer, unverified: str, *, as_json: bool) -> str:
    from vnic.why.answer import text

    if as_json:
        return json.dumps(answer.as_dict() | {"unverified": unverified or None}, indent=2) + "\n"
    return text(answer, unverified=unverified)
