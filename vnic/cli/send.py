"""The command ``vnic send``: send a capture's frames at their times, and report how exact the times were."""

from __future__ import annotations

import contextlib
import functools
import json
from typing import Any

import click

from vnic.cli.exit import EXIT_FAILED, Seconds, Whole, fail, refusals
from vnic.cli.help import Command
from vnic.cli.progress import Progress
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
    cls=Command,
    examples=(
        "sudo vnic send a.pcap --tap vt0  # the kernel receives the frames",
        "sudo vnic send a.pcap --dev eth0 --speed 2",
        "sudo vnic send a.pcap --dev veth1 --pps 100000 --loop 0 --duration 10",
    ),
)
@click.argument("file")
@click.option(
    "--tap", metavar="NAME", help="write into this TAP: the kernel receives the frames; created if it does not exist"
)
@click.option(
    "--dev", metavar="NAME", help="send out of this interface: to a vnic run attached to it, or to a real network"
)
@click.option("--netns", metavar="NAME", help="network namespace of the interface: a name as for ip netns, or a path")
@click.option("--speed", metavar="VALUE", help="multiple of the recorded speed, or max [default: 1]")
@click.option("--pps", type=float, help="constant rate in frames per second")
@click.option("--mbps", type=float, help="constant rate in Mb/s of captured frame bytes")
@click.option("--topspeed", is_flag=True, help="send as fast as possible")
@click.option(
    "--loop", type=Whole(0, 1 << 62), default=1, show_default=True, help="passes over the file; 0: until Ctrl-C"
)
@click.option("--limit", type=Whole(1, 1 << 62), help="stop after this many frames")
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
    file: str,
    *,
    speed: str | None,
    pps: float | None,
    mbps: float | None,
    topspeed: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Send a capture's frames (pcap, pcapng) at their times.

    The pace is the recording's, a multiple of it, or a constant rate. Each frame has an absolute due time, so delays do
    not add up. Ctrl-C ends the run with a report.

    Exit codes: 0 success; 1 the file or the interface ended early; 2 wrong usage or an unreadable file; 3 the kernel
    refused the interface.
    """
    from vnic.runs import send as send_

    with refusals():
        how = send_.pace(speed=speed, pps=pps, mbps=mbps, topspeed=topspeed)
        with contextlib.closing(Progress(f"send {file}", first_s=_FIRST_S)) as progress:
            facts = send_.send(
                file,
                how=how,
                progress=lambda frames, ns: progress(frames, 0, f"{count(frames, 'frame')} in {ns / 1e9:.1f} s"),
                waiting=functools.partial(_say_gap, progress),
                command=True,
                **options,
            )
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo("\n".join(report(facts, terminal.columns())))
    if why := facts["error"] or facts["input"]["error"]:
        fail(EXIT_FAILED, f"sending ended early: {why}; the report covers the frames sent until then")


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
