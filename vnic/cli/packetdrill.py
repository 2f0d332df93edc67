"""The command ``vnic packetdrill``: run scripts of packetdrill in virtual time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from vnic.cli.exit import EXIT_FAILED, EXIT_USAGE, fail, interruptible, leave_stdout, refusals
from vnic.cli.help import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vnic.packetdrill.result import Result


@click.command(
    name="packetdrill",
    cls=Command,
    examples=(
        "vnic packetdrill close.pkt  # does vnic do what the script says?",
        "vnic packetdrill --trace close.pkt  # with each packet and call",
        "vnic packetdrill --json tests/*.pkt | jq .passed",
    ),
)
@click.argument("scripts", nargs=-1, required=True, metavar="SCRIPT...")
@click.option("--trace", is_flag=True, help="print each packet and call, with its time")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
def packetdrill(scripts: tuple[str, ...], *, trace: bool, as_json: bool) -> None:
    """Run packetdrill scripts against vnic's TCP.

    Each script gets a host of its own, with a TCP endpoint, in virtual time. vnic reads the part of packetdrill's
    language that docs/packetdrill.md lists. If a line does not hold, vnic prints it beside what the host did. No shell
    gets a script's commands: vnic knows sysctl and a few others, and refuses the rest by name.

    Exit codes: 0 all scripts hold; 1 one does not; 2 wrong usage, or a script that vnic cannot read.
    """
    unreadable: list[str] = []
    results: list[Result] = []
    with interruptible(), refusals():
        for result in _results(scripts, unreadable):
            results.append(result)
            if not as_json:
                _print(result, trace=trace)
    if as_json:
        said = {"passed": sum(r.passed for r in results), "scripts": [r.as_dict() for r in results]}
        click.echo(json.dumps(said | {"unreadable": unreadable}, indent=2))
    if unreadable:
        fail(EXIT_USAGE, "; ".join(unreadable[:5]))
    if not all(r.passed for r in results):
        fail(EXIT_FAILED, f"{sum(not r.passed for r in results)} of {len(results)} scripts do not hold")


def _results(scripts: tuple[str, ...], unreadable: list[str]) -> Iterator[Result]:
    from vnic.packetdrill import ScriptError, run

    for path in scripts:
        try:
            yield run(path)
        except ScriptError as e:
            unreadable.append(f"{path}: {e}")
        except OSError as e:
            unreadable.append(f"{path}: {e.strerror or e}")


def _print(result: Result, *, trace: bool) -> None:
    try:
        if trace:
            click.echo("\n".join(result.trace))
            for line in result.unread:
                click.echo(f"{line}  // no line expects it")
        click.echo(f"{result.path}: {'holds' if result.passed else 'does not hold'}")
        if result.failure is not None:
            click.echo(str(result.failure))
    except BrokenPipeError:
        leave_stdout()
