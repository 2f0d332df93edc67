"""The command line's entry point, with ``vnic replay`` and ``vnic run``. Options have Linux's names for the knobs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from vnic.cli import instance, send
from vnic.cli import tap as cli_tap
from vnic.cli.calibrate import calibrate
from vnic.cli.costs import costs
from vnic.cli.exit import (
    EXIT_FAILED,
    EXIT_USAGE,
    Group,
    Seconds,
    Whole,
    fail,
    incomplete,
    interruptible,
    leave_stdout,
    refusals,
)
from vnic.cli.import_ import import_
from vnic.cli.options import host_arguments, host_options
from vnic.cli.paste import DEV, as_options, pasted
from vnic.cli.progress import Progress
from vnic.cli.validate import validate
from vnic.cli.why import why

if TYPE_CHECKING:
    from vnic.host import Host


def _show(facts: dict[str, Any], *, as_json: bool, write: str | None) -> None:
    """Print the report to stdout; to stderr if the capture goes to stdout."""
    try:
        _print(facts, as_json=as_json, err=write == "-")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe
        leave_stdout()
    except OSError as e:
        leave_stdout()
        fail(EXIT_FAILED, f"the report could not be written: {e.strerror}")
    if (capture := facts.get("capture")) and capture["error"]:
        fail(EXIT_FAILED, capture["error"])


def _print(facts: dict[str, Any], *, as_json: bool, err: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, indent=2), err=err)
        return
    from rich.console import Console

    from vnic.runs.report import show

    console = Console(highlight=False, stderr=err)
    if not console.is_terminal and "COLUMNS" not in os.environ:  # a pipe has no width of its own
        console = Console(highlight=False, width=132, stderr=err)
    show(console, facts)


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


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "VNIC"})
@click.version_option(package_name="vnic", message="%(prog)s %(version)s")
def main() -> None:
    """A network card and the Linux receive path in user space."""


main.add_command(cli_tap.setup)
main.add_command(cli_tap.doctor)
main.add_command(why)
main.add_command(send.send)
main.add_command(import_)
main.add_command(costs)
main.add_command(calibrate)
main.add_command(validate)
for _command in instance.COMMANDS:
    main.add_command(_command)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIR...")
@click.option(
    "--hold", is_flag=True, help="after the replay, keep answering vnic show, vnic ethtool and so on until Ctrl-C"
)
@as_options("the configuration")
@host_options(replay=True)
def replay(
    files: tuple[str, ...],
    *,
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
    input), a named pipe or a compressed capture; vnic reads those into memory first, up to half of the free memory. Of
    a directory, vnic reads the captures in it by the time of their first packets. Files follow one another.

    Exit codes: 0 success; 1 an input ended early, or a file of a directory was left out; 2 wrong usage, a wrong knob or
    unreadable input.
    """
    from vnic.capture_files import gather
    from vnic.cli.reading import Reading
    from vnic.control.server import Control
    from vnic.runs.replay import replay as run_replay

    def stay(host: Host, facts: dict[str, Any]) -> None:
        progress.close()
        _show(facts, as_json=as_json, write=write)
        instance.hold(lambda: Control(host, facts=lambda: facts))

    if form is not None and (as_json or hold or write is not None):
        fail(EXIT_USAGE, "--as stands in place of the report: not with --json, --hold or --write")
    with interruptible(), refusals(), contextlib.closing(Progress("replay", in_bytes=True)) as progress:
        result = run_replay(
            gather(files, reading=Reading()),
            write=write,
            at=at,
            progress=progress,
            then=stay if hold else None,
            **host_arguments(options),
        )
    if form is not None:
        _paste(result.facts, form, dev)
    elif not hold:
        _show(result.facts, as_json=as_json, write=write)
    ended = (
        f"the input ended early: {result.error}; the report covers the frames read until then" if result.error else ""
    )
    incomplete(result.facts["input"]["left_out"], ended)


@main.command()
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
            gateway=gateway,
            sink=arguments["ip"] == "any" if sink is None else sink,
            **arguments,
        )
    _show(facts, as_json=as_json, write=write)
    if facts["input"]["error"]:
        fail(EXIT_FAILED, f"the run ended early: {facts['input']['error']}; the report covers the frames until then")


if __name__ == "__main__":
    main()
