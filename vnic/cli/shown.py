"""Where a report goes: the terminal, standard output as JSON, a file; and what a broken pipe or disk means."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

import click

from vnic.cli.exit import EXIT_FAILED, fail, leave_stdout, refusals
from vnic.look import json_text
from vnic.own_paths import create


def show_report(
    facts: dict[str, Any], *, as_json: bool, write: str | None, quiet: bool = False, output: str | None = None
) -> None:
    """Print the report to stdout; to stderr if the capture goes to stdout. ``output``: into this file instead."""
    if output is not None and output != "-":
        with refusals(), os.fdopen(create(output), "w", encoding="utf-8", errors="backslashreplace") as file:
            _print(facts, as_json=as_json, quiet=quiet, file=file)
        _refuse_broken_capture(facts)
        return
    try:
        _print(facts, as_json=as_json, quiet=quiet, file=sys.stderr if write == "-" else sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe
        leave_stdout()
    except OSError as e:
        leave_stdout()
        fail(EXIT_FAILED, f"the report could not be written: {e.strerror}")
    _refuse_broken_capture(facts)


def _refuse_broken_capture(facts: dict[str, Any]) -> None:
    if (capture := facts.get("capture")) and capture["error"]:
        fail(EXIT_FAILED, capture["error"])


def _print(facts: dict[str, Any], *, as_json: bool, quiet: bool, file: TextIO) -> None:
    if as_json:
        click.echo(json_text.text(facts), file=file)
        return
    if quiet:
        click.echo(_one_line(facts), file=file)
        return
    from vnic.look.terminal import console
    from vnic.runs.report import show

    show(console(file), facts)


def _one_line(facts: dict[str, Any]) -> str:
    """Return the report of ``-q``: what became of the frames."""
    ledger = facts["ledger"]
    lost = {name: n for name, n in ledger["fates"].items() if not name.startswith("DELIVERED_")}
    delivered = sum(ledger["fates"].values()) - sum(lost.values())
    most = sorted(lost.items(), key=lambda item: -item[1])
    reasons = f" ({', '.join(f'{name} {n}' for name, n in most)})" if lost else ""
    return f"{ledger['offered']} frames: {delivered} delivered, {sum(lost.values())} lost{reasons}"
