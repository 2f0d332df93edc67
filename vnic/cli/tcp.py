"""The command ``vnic tcp``: a workload of TCP between two hosts and a link, in virtual time."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import click

from vnic.cli.exit import Whole, refusals
from vnic.cli.help import Command
from vnic.cli.names import Setting
from vnic.cli.progress import Progress
from vnic.errors import ConfigError, said
from vnic.look import terminal


@click.command(
    cls=Command,
    examples=(
        "vnic tcp --rtt 10ms --rate 1G --loss 1e-4 --streams 4 --time 2s",
        "vnic tcp --workload rr --set rx-usecs=50  # what a request takes",
        "vnic tcp --bytes 100M --set-b tcp-rmem=4k,64k,64k --json | jq .bounds",
    ),
)
@click.option(
    "--workload",
    "kind",
    type=click.Choice(("bulk", "rr", "crr", "many")),
    default="bulk",
    show_default=True,
    help="bulk: send; rr: ask and answer; crr: with a connection for each; many: send by many streams",
)
@click.option("--rtt", metavar="TIME", help="of the link, both ways together [default: 1ms]")
@click.option("--delay", metavar="TIME", help="of the link, one way, instead of --rtt")
@click.option("--rate", metavar="RATE", default="10G", show_default=True, help="of the link, as 10gbit; inf: no limit")
@click.option("--loss", metavar="P", default="0", show_default=True, help="probability with which a frame is lost")
@click.option(
    "--queue",
    metavar="FRAMES|SIZE",
    default="1000",
    show_default=True,
    help="room before the link: frames, or a size as 64k; inf: no limit",
)
@click.option("--streams", metavar="N", type=Whole(1, 1000), help="connections at once [default: 1; of many 32]")
@click.option("--bytes", "size", metavar="SIZE", help="bulk, many: send so much in all, as 100M")
@click.option("--time", "seconds", metavar="TIME", help="how long, as 500ms [default: 1s]")
@click.option("--requests", metavar="N", type=Whole(1, 10_000_000), help="rr, crr: so many of each stream")
@click.option("--request", metavar="SIZE", default="64", show_default=True, help="rr, crr: bytes of a question")
@click.option("--response", metavar="SIZE", default="1024", show_default=True, help="rr, crr: bytes of an answer")
@click.option("--cpus", type=Whole(1, 512), default=1, show_default=True, help="emulated CPUs of each host")
@click.option(
    "--set", "sets", type=Setting(), multiple=True, metavar="NAME=VALUE", help="a knob of both hosts; repeatable"
)
@click.option(
    "--set-a", type=Setting(), multiple=True, metavar="NAME=VALUE", help="a knob of the sender alone; repeatable"
)
@click.option(
    "--set-b", type=Setting(), multiple=True, metavar="NAME=VALUE", help="a knob of the receiver alone; repeatable"
)
@click.option("--seed", type=Whole(0, 1 << 62), default=0, show_default=True, help="of the losses")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
def tcp(
    *,
    size: str | None,
    seconds: str | None,
    rate: str,
    queue: str,
    loss: str,
    sets: tuple[str, ...],
    set_a: tuple[str, ...],
    set_b: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Run a workload of TCP between two hosts and a link, in virtual time.

    Host a sends or asks, host b receives or answers. Both have all stages: card, ring, interrupts, NAPI, GRO, sockets.
    The link has a queue, a rate, a delay and losses in each direction. The same line gives the same numbers.

    Exit codes: 0 success; 1 a stream did not connect; 2 wrong usage.
    """
    from vnic.runs.tcp_workload import tcp_workload

    with refusals():
        knobs = _knobs("--set", sets)
        with contextlib.closing(Progress("tcp")) as progress:
            report = tcp_workload(
                options.pop("kind"),
                rate=None if rate == "inf" else rate,
                queue=None if queue == "inf" else queue,
                loss=_number("loss", loss),
                bytes=size,
                seconds=None if seconds is None else _seconds(seconds),
                a=_knobs("--set-a", set_a),
                b=_knobs("--set-b", set_b),
                progress=progress,
                **options,
                **knobs,
            )
    if as_json:
        click.echo(json.dumps(report.facts, indent=2))
    else:
        click.echo("\n".join(report.lines(terminal.columns())))


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{name}={said(text)}: must be a probability between 0 and 1, as in 1e-4") from None


def _seconds(text: str) -> float:
    from vnic.knobs.units import measured

    try:
        ns = measured(text, "ns")
    except ValueError as e:
        raise ConfigError(f"time={said(text)}: {e}") from None
    if ns is not None:
        return ns / 1e9
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ConfigError(f"time={said(text)}: must be a time, as in 500ms")
    return seconds


def _knobs(option: str, items: tuple[str, ...]) -> dict[str, Any]:
    """Return knobs by Python's names. ConfigError: an item is not NAME=VALUE, or no knob."""
    from vnic.knobs.table import canonical

    found = {}
    for item in items:
        name, eq, value = item.partition("=")
        if not eq:
            raise ConfigError(f"{option} {said(item)}: must be NAME=VALUE")
        found[canonical(name.strip()).replace("-", "_")] = value.strip()
    return found
