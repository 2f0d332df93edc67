"""The command ``vnic report``: a report's JSON as a page of HTML."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from vnic.cli.exit import EXIT_FAILED, fail, leave_stdout, refusals
from vnic.cli.help import Command
from vnic.errors import ConfigError
from vnic.own_paths import instead_of, read

_MOST = 1 << 28
"""Largest report in bytes."""


def load(path: str) -> Any:
    """Return the JSON value in a file ("-": standard input). ConfigError: it is none; OSError: it is unreadable."""
    data = read("/dev/stdin" if path == "-" else path, _MOST)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ConfigError("not JSON, or cut short") from None


@click.command(
    cls=Command,
    examples=(
        "vnic replay a.pcap --json --timeline | vnic report - -o r.html",
        "sudo vnic run --duration 10 --json | vnic report - -o live.html",
        "vnic diff a.pcap --set rx-ring=1024 --json | vnic report - -o d.html",
        "vnic report old.json -o old.html  # the page says what it lacks",
    ),
)
@click.argument("result", metavar="RESULT.json")
@click.option("-o", "--output", required=True, metavar="OUT.html", help="the page to write; -: to stdout")
def report(result: str, *, output: str) -> None:
    """Make a page of a report: one HTML file, offline.

    RESULT.json is what --json of vnic replay, run, diff or sweep printed (-: standard input), also of an older version
    of vnic. --html OUT.html of vnic replay, diff and sweep makes the same page at once. The page of a run has the path
    as a picture, each stage with its counters, limits, knobs and latency; time lines; losses; what vnic why found; the
    configuration. It needs jinja2: pip install 'vnic[report]'.

    Exit codes: 0 success; 1 the page could not be written; 2 wrong usage, or not a report.
    """
    from vnic.page.make import page

    with refusals():
        try:
            text = page(load(result))
        except ConfigError as e:
            raise ConfigError(f"{result}: {e}") from None
        if output != "-":
            with instead_of(output) as file:
                file.write(text.encode())
            return
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader closed the pipe
        leave_stdout()
    except OSError as e:
        leave_stdout()
        fail(EXIT_FAILED, f"the page could not be written: {e.strerror}")
