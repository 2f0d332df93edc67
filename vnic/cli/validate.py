"""The command ``vnic validate``: compare vnic with the running kernel, or with another machine's counters."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.exit import Whole, interruptible, refusals
from vnic.cli.help import Command
from vnic.cli.progress import Progress
from vnic.cli.reading import Reading
from vnic.errors import ConfigError, one_line
from vnic.look import tables, terminal
from vnic.look.lines import hanging

if TYPE_CHECKING:
    from vnic.validate.compare import Report
    from vnic.validate.counters import Compared


@click.command(
    cls=Command,
    examples=(
        "sudo vnic validate",
        "vnic validate --from before after --capture rx.pcap --cost server.toml",
    ),
)
@click.option("--repetitions", type=Whole(1, 50), default=5, show_default=True, help="loads of each kind and rate")
@click.option("--rates", metavar="PPS,...", help="packets a second [default: 20000 to 300000]")
@click.option("--wait", type=Whole(0, 86_400), default=60, show_default=True, help="wait so long for idle CPUs, s")
@click.option("--pin", metavar="CPU,CPU", help="real CPUs of the writer and the reader [default: two quiet ones]")
@click.option("--from", "texts", nargs=2, metavar="BEFORE AFTER", help="texts of another machine, as for vnic import")
@click.option("--capture", metavar="FILE", help="with --from: what its interface received in between")
@click.option("--dev", metavar="DEV", help="with --from: the interface")
@click.option("--cost", default="linux", show_default=True, help="profile: with --from, all; else what is not measured")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
@click.option("--markdown", is_flag=True, help="tables for a page")
def validate(
    *,
    repetitions: int,
    rates: str | None,
    wait: int,
    pin: str | None,
    texts: tuple[str, str] | None,
    capture: str | None,
    dev: str | None,
    cost: str,
    as_json: bool,
    markdown: bool,
) -> None:
    """Send the same packets through the running kernel and through vnic, and compare.

    vnic writes datagrams to TAPs of its own, in a network namespace of its own, up to overload. It measures the costs
    anew before each load, as vnic calibrate does, and replays the writes with them. Nothing is chosen with a result in
    sight. It takes three minutes, and needs root and two idle CPUs.

    With --from, it compares another machine: texts from before and after some traffic, and a capture of that traffic.

    Exit codes: 0 success, however far apart the figures are; 1 the machine is too busy; 2 wrong usage, or an unreadable
    file; 3 the kernel refused.
    """
    with refusals():
        if (texts is None) != (capture is None):
            raise ConfigError("--from BEFORE AFTER and --capture FILE belong together")
        with interruptible(), contextlib.closing(Progress("validate")) as progress:
            if texts is not None and capture is not None:
                from vnic.validate.counters import compare

                with contextlib.closing(Reading()) as reading:
                    found = compare(*texts, capture, dev=dev, progress=reading, reading=progress, cost=cost)
                click.echo(json.dumps(found.as_dict(), indent=2) if as_json else _compared(found))
                return
            if dev is not None:
                raise ConfigError("--dev: belongs to --from BEFORE AFTER")
            report = _measured(rates, cost, repetitions=repetitions, pin=pin, wait=wait, progress=progress)
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        _show(report, markdown=markdown)


def _measured(rates: str | None, cost: str, **how: Any) -> Report:
    from vnic.knobs.cost_file import of_a_command
    from vnic.validate.compare import validate as measure
    from vnic.validate.scenario import RATES

    base = of_a_command(cost)
    chosen = RATES if rates is None else tuple(_rate(word) for word in rates.split(","))
    return measure(base, rates=chosen, **how)


def _rate(word: str) -> int:
    try:
        pps = int(word)
    except ValueError:
        pps = 0
    if not 1000 <= pps <= 10_000_000:
        raise ConfigError(f"--rates {one_line(word)}: must be packets a second, from 1000 to 10000000")
    return pps


def _show(report: Report, *, markdown: bool) -> None:
    from vnic.cli.costs import lines
    from vnic.validate import compare

    if markdown:
        click.echo(compare.markdown(report), nl=False)
        return
    from rich.text import Text

    out = terminal.console()
    for title, table, rows in compare.tables(report):
        out.print(Text(title, style="italic"))
        tables.show(out, table, rows)
    for line in [*compare.summary(report), *lines(report.facts, terminal.columns())]:
        out.print(Text(line), soft_wrap=True)


def _compared(found: Compared) -> str:
    columns = (tables.left(""), *map(tables.Column, ("seen", "predicted", "error")))
    rows = (
        (c.name, f"{c.seen:,}", f"{c.predicted:,}", "" if c.error is None else f"{c.error:+.1%}")
        for c in found.counters
    )
    wide = terminal.columns()
    told = [hanging(f"{c.name}: ", c.what, wide) for c in found.counters]
    told += [hanging("", one_line(note), wide) for note in found.notes]
    head = f"{found.dev or 'the card'}: how counters moved there, and in vnic\n"
    return head + tables.text(columns, rows, wide) + "\n".join(told)
