"""The command ``vnic send``: send a capture's frames at their times, and report how exact the times were."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from vnic.cli.exit import Seconds, Whole, incomplete, refusals
from vnic.cli.reading import Reading

_BAR = 40
_NOT_SENT = {
    "too_long": "longer than the interface's MTU of {mtu}",
    "too_short": "shorter than an Ethernet header",
    "aliens": "without a packet that Ethernet carries",
    "dropped": "dropped: the kernel's queue was full",
}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIR...")
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
    files: tuple[str, ...],
    *,
    speed: str | None,
    pps: float | None,
    mbps: float | None,
    topspeed: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Send captures' frames (pcap, pcapng) at their times.

    FILE and DIR are as for vnic replay. The pace is the recording's, a multiple of it, or a constant rate. Each frame
    has an absolute due time, so delays do not add up. Ctrl-C ends the run with a report.

    Exit codes: 0 success; 1 a file or the interface ended early, or a file of a directory was left out; 2 wrong usage
    or an unreadable file; 3 the kernel refused the interface.
    """
    from vnic.capture_files import gather
    from vnic.runs import send as send_

    with refusals():
        how = send_.pace(speed=speed, pps=pps, mbps=mbps, topspeed=topspeed)
        inputs = gather(files, reading=Reading())
        facts = send_.send(inputs, how=how, progress=_Progress(), waiting=_say_gap, command=True, **options)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo("\n".join(report(facts)))
    why = facts["error"] or facts["input"]["error"]
    ended = f"sending ended early: {why}; the report covers the frames sent until then" if why else ""
    incomplete(facts["input"]["left_out"], ended)


class _Progress:
    """A line of progress on stderr, shown only on a terminal and only if the run takes long."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self, frames: int, ns: int) -> None:
        self._calls += 1
        if self._calls >= 5 and sys.stderr.isatty():
            click.echo(f"\r\x1b[K{frames} frames in {ns / 1e9:.1f} s\r", nl=False, err=True)


def _say_gap(ns: int) -> None:
    minutes, seconds = divmod(ns // 10**9, 60)
    hours, minutes = divmod(minutes, 60)
    words = f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""  # erase the line of progress
    click.echo(
        f"{clear}vnic: the next frame is due in {words}; --maxsleep MS limits such gaps, Ctrl-C ends the run", err=True
    )


def _rate(rate: dict[str, float] | None) -> str:
    return "-" if rate is None else f"{rate['pps']:,.1f} frames/s, {rate['mbps']:,.3f} Mb/s"


def _time(ns: float) -> str:
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if ns >= size:
            return f"{ns / size:.4g} {unit}"
    return f"{ns:g} ns"


def report(facts: dict[str, Any]) -> list[str]:
    """Format the facts as lines for a person."""
    to, sent, late, gaps = facts["to"], facts["sent"], facts["late"], facts["gap_error_ns"]
    how = f"into {to['interface']}" if to["by"] == "tap" else f"out of {to['interface']}"
    lines = [
        f"{sent['frames']} frames, {sent['bytes']} bytes {how} in {_time(sent['duration_ns'])}"
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
        lines.append(f"  shortened {short} gaps by {_time(facts['shortened']['ns'])} in all (--maxsleep)")
    if to["dropped"]:
        lines.append(f"  dropped   {to['dropped']} by {to['interface']}'s queue: its reader is too slow")
    if facts["queue_full"]:
        lines.append(f"  full      {facts['queue_full']} frames found the kernel's queue full")
    if not gaps["count"]:
        return lines
    lines.append(f"  late      {late['frames']} by more than {_time(late['over_ns'])}, at most {_time(late['max_ns'])}")
    lines.append(
        f"  gaps      off by p50 {_time(gaps['p50'])}, p99 {_time(gaps['p99'])}, max {_time(gaps['max'])}"
        " (asked against reached)"
    )
    most = max(o["frames"] for o in gaps["octaves"])
    for o in gaps["octaves"]:
        bar = "#" * -(-o["frames"] * _BAR // most)
        lines.append(f"    < {_time(o['below_ns']):>9} {o['frames']:>9} {bar}".rstrip())
    return lines
