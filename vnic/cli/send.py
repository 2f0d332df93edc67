"""The command ``vnic send``: send a capture's frames at their times, and report how exact the times were."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from typing import Any

import click

from vnic.capture_select import Selection, left_out
from vnic.cli.exit import Seconds, incomplete, refusals
from vnic.cli.progress import Progress
from vnic.cli.reading import Reading
from vnic.cli.selection import selection_options
from vnic.cli.words import HostCommand
from vnic.errors import ConfigError, said
from vnic.look import terminal
from vnic.look.bars import WIDTH, bar
from vnic.look.lines import hanging
from vnic.look.terminal import ENDLESS
from vnic.look.units import count, duration

_FIRST_S = 1.0

_NOT_SENT = {
    "too_long": "longer than the interface's MTU of {mtu}",
    "too_short": "shorter than an Ethernet header",
    "aliens": "without a packet that Ethernet carries",
    "dropped": "dropped: the kernel's queue was full",
}


@click.command(
    cls=HostCommand,
    examples=(
        "sudo vnic send a.pcap --tap vt0  # the kernel receives the frames",
        "sudo vnic send a.pcap eth0 --speed 2  # out of eth0, as with -i eth0",
        "sudo vnic send a.pcap --dev veth1 --pps 100000 --loop 0 --duration 10",
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIR... [DEV]")
@click.option(
    "--tap", metavar="NAME", help="write into this TAP: the kernel receives the frames; created if it does not exist"
)
@click.option(
    "-i", "--dev", metavar="NAME", help="send out of this interface: to a vnic run attached to it, or to a real network"
)
@click.option("--netns", metavar="NAME", help="network namespace of the interface: a name as for ip netns, or a path")
@selection_options(endless=True)
@click.option(
    "-x",
    "--speed",
    "--multiplier",
    "speed",
    metavar="VALUE",
    help="multiple of the recorded speed, or max [default: 1]",
)
@click.option("--duration", type=Seconds(), help="send the frames that are due in this time")
@click.option(
    "--maxsleep",
    type=Seconds(0, 1e12),
    metavar="MS",
    help="shorten longer gaps between two frames to this many ms",
)
@click.option("--drop", is_flag=True, help="drop frames while the kernel's queue is full [default: wait]")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
def send(
    files: tuple[str, ...],
    *,
    dev: str | None,
    tap: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Send captures' frames (pcap, pcapng) at their times.

    FILE and DIR are as for vnic replay. DEV is the interface to send out of, as --dev; it stands last, and is the name
    of no file. The pace is the recording's, a multiple of it, or a constant rate. Each frame has an absolute due time,
    so delays do not add up. Ctrl-C ends the run with a report.

    Exit codes: 0 success; 1 a file or the interface ended early, or a file of a directory was left out; 2 wrong usage
    or an unreadable file; 3 the kernel refused the interface.
    """
    from vnic.capture_files import gather
    from vnic.pace import pace
    from vnic.runs import send as send_

    with refusals():
        files, interface = _split(files, dev or tap)
        how = pace(**{name: options.pop(name) for name in ("speed", "pps", "mbps", "topspeed")})
        select = Selection(options.pop("expression"), start=options.pop("start"), stop=options.pop("stop"))
        options |= {"dev": dev or interface, "tap": tap, "select": select, "how": how}
        with contextlib.closing(Reading()) as reading:
            inputs = gather(files, reading=reading)
        with contextlib.closing(Progress("send", first_s=_FIRST_S)) as progress:
            facts = send_.send(
                inputs,
                progress=lambda frames, ns: progress(frames, 0, f"{count(frames, 'frame')} in {ns / 1e9:.1f} s"),
                waiting=functools.partial(_say_gap, progress),
                command=True,
                **options,
            )
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo("\n".join(report(facts, terminal.columns())))
    why = facts["error"] or facts["input"]["error"]
    ended = f"sending ended early: {why}; the report covers the frames sent until then" if why else ""
    incomplete(facts["input"]["left_out"], ended)


def _split(words: tuple[str, ...], given: str | None) -> tuple[tuple[str, ...], str | None]:
    """Return the files, and the interface behind them. ConfigError: another interface is given."""
    last = words[-1]
    if len(words) < 2 or last == "-" or "/" in last or os.path.lexists(last):
        return words, None
    if given is not None:
        raise ConfigError(f"{said(last)}: no such file, and the interface {said(given)} is given already")
    return words[:-1], last


def _say_gap(progress: Progress, ns: int) -> None:
    minutes, seconds = divmod(ns // 10**9, 60)
    hours, minutes = divmod(minutes, 60)
    words = f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    progress.close()
    click.echo(f"vnic: the next frame is due in {words}; --maxsleep MS limits such gaps, Ctrl-C ends the run", err=True)


def _rate(rate: dict[str, float] | None) -> str:
    return "-" if rate is None else f"{rate['pps']:,.1f} frames/s, {rate['mbps']:,.3f} Mb/s"


def _fitted(lines: list[str], columns: int | None) -> list[str]:
    return [hanging("", lines[0], columns), *(hanging(line[:12], line[12:], columns) for line in lines[1:])]


def report(facts: dict[str, Any], columns: int | None = None) -> list[str]:
    """Format the facts as lines for a person, on a terminal of so many columns; None: of any length."""
    to, sent, late, gaps = facts["to"], facts["sent"], facts["late"], facts["gap_error_ns"]
    how = f"into {to['interface']}" if to["by"] == "tap" else f"out of {to['interface']}"
    lines = [
        f"{sent['frames']} frames, {sent['bytes']} bytes {how} in {duration(sent['duration_ns'])}"
        + (" (interrupted)" if facts["interrupted"] else ""),
        f"  asked     {facts['pace']}" + (f": {_rate(facts['rate']['asked'])}" if facts["rate"]["asked"] else ""),
        f"  reached   {_rate(facts['rate']['reached'])}",
    ]
    lines += [f"  not sent  {n} {_NOT_SENT[why].format(**to)}" for why, n in facts["not_sent"].items() if n]
    lines += [f"  left out  {n} {why}" for n, why in left_out(facts["input"].get("selected")) if n]
    if cut := facts["input"]["cut"]:
        lines.append(f"  cut       {cut} sent as captured: the capture's snap length cut them")
    lines += [
        f"  link      {link['carried']} of {link['name']}: given an Ethernet header"
        for link in facts["input"]["links"]
        if link["carried"]
    ]
    if short := facts["shortened"]["gaps"]:
        lines.append(f"  shortened {short} gaps by {duration(facts['shortened']['ns'])} in all (--maxsleep)")
    if to["dropped"]:
        lines.append(f"  dropped   {to['dropped']} by {to['interface']}'s queue: its reader is too slow")
    if facts["queue_full"]:
        lines.append(f"  full      {facts['queue_full']} frames found the kernel's queue full")
    if not gaps["count"]:
        return _fitted(lines, columns)
    lines.append(
        f"  late      {late['frames']} by more than {duration(late['over_ns'])}, at most {duration(late['max_ns'])}"
    )
    lines.append(
        f"  gaps      off by p50 {duration(gaps['p50'])}, p99 {duration(gaps['p99'])}, max {duration(gaps['max'])}"
        " (asked against reached)"
    )
    lines = _fitted(lines, columns)
    most = max(o["frames"] for o in gaps["octaves"])
    numbers = [f"{o['frames']:,}" for o in gaps["octaves"]]
    room = max(map(len, numbers))
    # the bar is the last column: the less room there is, the shorter it is
    width = min(WIDTH, max(8, (columns or ENDLESS) - len("    < 12.3 ms  ") - room - 1))
    for o, number in zip(gaps["octaves"], numbers, strict=True):
        lines.append(f"    < {duration(o['below_ns']):>7} {number:>{room}} {bar(o['frames'], most, width)}".rstrip())
    return lines
