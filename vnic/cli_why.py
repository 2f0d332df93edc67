"""``vnic why``: the one answer, for captures or for a report of ``vnic replay --json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vnic.capture_input import CaptureInput, gather
from vnic.cli_control import print_reply
from vnic.cli_options import addresses, host_options, knobs
from vnic.cli_reading import Reading
from vnic.errors import ConfigError
from vnic.refusals import refusals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.why import Answer

_NO_FILE = "the capture is not there any more"
_CHANGED = "run again as it was, other frames are lost: the capture, or vnic, was changed"


def _report(opened: CaptureInput) -> dict[str, Any] | None:
    """The facts in a report; None: it begins like no JSON object, so it is a capture. CaptureError: unreadable."""
    data = opened.map()
    if data[:1] != b"{":
        return None
    try:
        facts = json.loads(data[:])
    except (ValueError, RecursionError):
        raise ConfigError(f"{opened.name}: begins like a report, but is no JSON") from None
    if not isinstance(facts, dict) or not isinstance(facts.get("config"), dict) or not _is_report(facts):
        raise ConfigError(f"{opened.name}: no report of vnic replay --json, or vnic run --json")
    return dict(facts)


def _is_report(facts: dict[str, Any]) -> bool:
    """As far as a run again needs it."""
    files = facts.get("input", {}).get("files", []) if isinstance(facts.get("input", {}), dict) else None
    return (
        isinstance(files, list) and all(isinstance(f, str) for f in files) and isinstance(facts.get("cpus", []), list)
    )


def explain_report(path: Path, facts: dict[str, Any], *, runs: int) -> tuple[Answer, str]:
    """The answer for a report, and why it could not be verified (empty: it was, or nothing was to be)."""
    from vnic.replay import replay
    from vnic.verify import verify
    from vnic.why import why

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
    from vnic.replay import replay
    from vnic.verify import verify
    from vnic.why import why

    facts = replay(files, **options).facts
    if not runs:
        return why(facts), "no run was allowed"
    return verify(facts, lambda settings: replay(files, **(facts["config"] | settings)).facts, runs=runs), ""


def _ask(on: str | None, *, as_json: bool) -> None:
    from vnic.client import Connection, find

    with refusals(), Connection(find(on).path) as c:
        reply = c.ask("why")
    print_reply(reply, as_json=as_json)


@click.command(name="why")
@click.argument("files", nargs=-1, metavar="[FILE...|REPORT.json]")
@click.option("--on", metavar="NAME|PID", help="which instance, if there is no FILE [default: the only one]")
@click.option(
    "--runs",
    type=click.IntRange(0, 1000),
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
    from vnic.why import text

    if not files:
        _ask(on, as_json=as_json)
        return
    with refusals():
        opened = gather(files, report=len(files) == 1, reading=Reading())
        report = _report(opened[0]) if len(files) == 1 else None
        if report is not None:
            answer, unverified = explain_report(Path(files[0]), report, runs=runs)
        else:
            given = {"cpus": cpus, "ip": addresses(ip), "seed": seed} | knobs(options, sets)
            answer, unverified = explain(opened, given, runs=runs)
    if as_json:
        click.echo(json.dumps(answer.as_dict() | {"unverified": unverified or None}, indent=2))
    else:
        click.echo(text(answer, unverified=unverified), nl=False)
