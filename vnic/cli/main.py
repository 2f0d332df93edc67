"""The commands ``vnic replay`` and ``vnic run``. Options have Linux's names for the knobs."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any, TextIO

import click

from vnic.cli.commands import main
from vnic.cli.exit import (
    EXIT_FAILED,
    EXIT_USAGE,
    Seconds,
    Whole,
    fail,
    incomplete,
    interruptible,
    leave_stdout,
    refusals,
)
from vnic.cli.options import host_arguments, host_options
from vnic.cli.paste import DEV, as_options, pasted
from vnic.cli.progress import Progress
from vnic.cli.selection import selection_of, selection_options
from vnic.cli.words import HostCommand
from vnic.own_paths import create

if TYPE_CHECKING:
    from vnic.host import Host


def _show(
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
        click.echo(json.dumps(facts, indent=2), file=file)
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


def _say_attached(host: Host, *, netns: str | None) -> None:
    """Say on stderr where a live host is, and what to type next."""
    ip = host.config["ip"]
    ours = "any address" if ip == "any" else ", ".join(map(str, ip))
    ping = [] if ip == "any" else [f"{_enter(netns)}ping {str(ip[0]).partition('/')[0]}"]
    words = [*ping, f"vnic stat --on {host.name}", f"vnic why --on {host.name}", f"vnic ethtool -S {host.name}"]
    with contextlib.suppress(OSError):  # stderr is closed
        click.echo(f"vnic: attached to {host.name} as {ours}; Ctrl-C ends the run with a report", err=True)
        click.echo(f"vnic: in another terminal: {'; '.join(words)}", err=True)


def _enter(netns: str | None) -> str:
    """Return the words that run a command in a network namespace: a name, as for ip netns, or a path."""
    if netns is None:
        return ""
    return f"sudo nsenter --net={shlex.quote(netns)} " if "/" in netns else f"sudo ip netns exec {shlex.quote(netns)} "


def _load_report() -> None:
    """Print an empty report into memory, so that rich imports now.

    It imports lazily, and its files may be unreadable once vnic has dropped its privileges.
    """
    import io

    from rich.console import Console

    from vnic.host import Host
    from vnic.runs.replay import facts
    from vnic.runs.report import show

    with Host(cpus=1, fifo=1024) as host:
        nothing = facts(host, schema="", input_facts={"device": "", "frames": 0, "bytes": 0, "duration_ns": 0})
        show(Console(file=io.StringIO(), force_terminal=True, emoji=True), nothing)


def _paste(facts: dict[str, Any], form: str, dev: str | None) -> None:
    from vnic.exports.toml import changed

    own = {name: facts["config"][name] for name in ("each_queue",) if facts["config"].get(name)}
    with refusals():
        text = pasted(form, "", changed(facts["config"]) | own, facts["config"], dev=dev or DEV)
    click.echo(text, nl=False)


@click.command(
    cls=HostCommand,
    examples=(
        "vnic replay your.pcapng  # Linux's defaults: the fate of each frame",
        "vnic replay a.pcap --queues 4 --rx-usecs 50 --rps-cpus f --speed max",
        "vnic replay a.pcap -f 'udp port 53' --from 1.5 --to 3 --loop 10",
        "vnic replay a.pcap --json | jq .ledger.fates",
        "vnic replay a.pcap --at stack --write - | tshark -r -  # and its fate",
    ),
)
@click.argument("files", nargs=-1, metavar="FILE|DIR...")
@click.option("-r", "--read", multiple=True, metavar="FILE", help="as FILE, before those; repeatable")
@selection_options()
@click.option("-q", "--quiet", is_flag=True, help="print one line instead of the tables, and no progress")
@click.option("-o", "--output", metavar="OUT", help="write the report, or the JSON, to this file")
@click.option(
    "--hold", is_flag=True, help="after the replay, keep answering vnic show, vnic ethtool and so on until Ctrl-C"
)
@as_options("the configuration")
@host_options(replay=True)
def replay(
    files: tuple[str, ...],
    *,
    read: tuple[str, ...],
    quiet: bool,
    output: str | None,
    hold: bool,
    form: str | None,
    dev: str | None,
    as_json: bool,
    write: str | None,
    at: tuple[str, ...],
    **options: Any,
) -> None:
    """Replay captures (pcap, pcapng) in virtual time, without root.

    The frames pass the card and the receive path; the report gives the fate of every frame. FILE may be - (standard
    input), a named pipe or a compressed capture; vnic reads those into memory first, up to half of the free memory.
    Of a directory, vnic reads the captures in it by the time of their first packets. Files follow one another.

    Exit codes: 0 success; 1 an input ended early, or a file of a directory was left out; 2 wrong usage, a wrong knob or
    unreadable input.
    """
    from vnic.capture_files import gather
    from vnic.cli.instance import hold as keep_answering
    from vnic.cli.reading import Reading
    from vnic.control.server import Control
    from vnic.runs.replay import replay as run_replay

    def stay(host: Host, facts: dict[str, Any]) -> None:
        progress.close()
        _show(facts, as_json=as_json, write=write, quiet=quiet, output=output)
        keep_answering(lambda: Control(host, facts=lambda: facts))

    if form is not None and (as_json or hold or quiet or write is not None or output is not None):
        fail(EXIT_USAGE, "--as stands in place of the report: not with --json, --hold, --write, -q or -o")
    with interruptible(), refusals(), contextlib.closing(Progress("replay", in_bytes=True)) as progress:
        select = selection_of(options)
        with contextlib.closing(Reading()) as reading:
            opened = gather((*read, *files), reading=reading)
        result = run_replay(
            opened,
            select=select,
            write=write,
            at=at,
            progress=None if quiet else progress,
            then=stay if hold else None,
            **host_arguments(options),
        )
    if form is not None:
        _paste(result.facts, form, dev)
    elif not hold:
        _show(result.facts, as_json=as_json, write=write, quiet=quiet, output=output)
    ended = f"the input ended early: {result.error}; the report covers the frames read until then"
    incomplete(result.facts["input"]["left_out"], ended if result.error else "")


@click.command(
    cls=HostCommand,
    examples=(
        "sudo vnic run --host-ip 10.0.0.1/24  # creates vt0, and listens to it",
        "sudo vnic run --ip 10.0.0.2/24 --host-ip 10.0.0.1/24 --duration 10",
        "sudo vnic run --write - | wireshark -k -i -",
    ),
)
@click.option("--tap", default="vt0", show_default=True, help="TAP device; created if it does not exist")
@click.option("--duration", type=Seconds(), help="stop after this time")
@click.option("--gateway", multiple=True, metavar="ADDR", help="next hop for destinations outside our networks")
@click.option(
    "--sink/--no-sink", default=None, help="open a socket with a reader for every port [default: on with --ip any]"
)
@click.option(
    "--host-ip", multiple=True, metavar="ADDR/PREFIX", help="address of the kernel's side of the TAP; repeatable"
)
@click.option("--netns", metavar="NAME", help="network namespace of the TAP: a name as for ip netns, or a path")
@click.option(
    "--tap-queues",
    type=Whole(1, 1 << 16),
    default=1,
    show_default=True,
    help="TAP queues to attach to",
)
@click.option(
    "--vnet-hdr/--no-vnet-hdr",
    default=True,
    help="exchange partial checksums and unsegmented TSO and USO frames with the kernel [default: on]",
)
@click.option(
    "--pin", metavar="CPU,CPU,...|auto", help="real CPUs: the first for the card's thread, the others for emulated CPUs"
)
@click.option("-q", "--quiet", is_flag=True, help="do not say at the start where the host is attached")
@host_options(replay=False)
def run(
    *,
    tap: str,
    duration: float | None,
    gateway: tuple[str, ...],
    sink: bool | None,
    host_ip: tuple[str, ...],
    netns: str | None,
    tap_queues: int,
    vnet_hdr: bool,
    pin: str | None,
    quiet: bool,
    as_json: bool,
    write: str | None,
    at: tuple[str, ...],
    **options: Any,
) -> None:
    """Run a live host on a TAP device until Ctrl-C.

    At the end vnic prints a report. The card has a thread, and so has each emulated CPU. With addresses (--ip
    10.0.0.2/24 --ip fd00::2/64) the host answers ARP, neighbour discovery and ping, and sends ICMP errors; with --ip
    any it only listens. vnic drops all privileges once the TAP is attached and the files are open.

    Exit codes: 0 success; 1 the interface disappeared; 2 wrong usage or a wrong knob; 3 the kernel refused the TAP; 130
    a second Ctrl-C, which ends the run at once.
    """
    from vnic.runs.live import run as run_live

    with refusals():
        _load_report()
        arguments = host_arguments(options)
        facts = run_live(
            tap,
            duration=duration,
            host_ip=host_ip,
            netns=netns,
            tap_queues=tap_queues,
            vnet_hdr=vnet_hdr,
            pin=pin,
            write=write,
            at=at,
            command=True,
            ready=None if quiet else functools.partial(_say_attached, netns=netns),
            gateway=gateway,
            sink=arguments["ip"] == "any" if sink is None else sink,
            **arguments,
        )
    _show(facts, as_json=as_json, write=write)
    if facts["input"]["error"]:
        fail(EXIT_FAILED, f"the run ended early: {facts['input']['error']}; the report covers the frames until then")


__all__ = ["main", "replay", "run"]
