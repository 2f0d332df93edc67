"""The command line. Options have Linux's names; the table of knobs is vnic/knobs/table.py."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from vnic.cli import instance, send
from vnic.cli import tap as cli_tap
from vnic.cli.exit import EXIT_FAILED, Group, Seconds, Whole, fail, interruptible, leave_stdout, refusals
from vnic.cli.options import addresses, host_options, knobs
from vnic.cli.why import why

if TYPE_CHECKING:
    from vnic.host import Host


def _show(facts: dict[str, Any], *, as_json: bool, write: str | None) -> None:
    """The report: to stdout, unless the capture is there."""
    try:
        _print(facts, as_json=as_json, err=write == "-")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader had enough
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
    """Show one of nothing to nobody: rich imports as it goes, and without privileges its files may be out of reach."""
    import io

    from rich.console import Console

    from vnic.host import Host
    from vnic.runs.replay import facts
    from vnic.runs.report import show

    with Host(cpus=1, fifo=1024) as host:
        nothing = facts(host, schema="", input_facts={"device": "", "frames": 0, "bytes": 0, "duration_ns": 0})
        show(Console(file=io.StringIO(), force_terminal=True, emoji=True), nothing)


class _Progress:
    """A bar on stderr, on a terminal only, and only once a run takes its time."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

            self._bar = Progress(
                "replay",
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("replay", total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "VNIC"})
@click.version_option(package_name="vnic", message="%(prog)s %(version)s")
def main() -> None:
    """A network card and the Linux receive path in user space."""


main.add_command(cli_tap.setup)
main.add_command(cli_tap.doctor)
main.add_command(why)
main.add_command(send.send)
for _command in instance.COMMANDS:
    main.add_command(_command)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--hold", is_flag=True, help="stay when it is over, and answer vnic show, ethtool -S and so on, until Ctrl-C"
)
@host_options(replay=True)
def replay(
    files: tuple[str, ...],
    *,
    hold: bool,
    cpus: int,
    ip: tuple[str, ...],
    seed: int,
    sets: tuple[str, ...],
    as_json: bool,
    write: str | None,
    at: tuple[str, ...],
    **options: Any,
) -> None:
    """Send captures (pcap, pcapng) through the card and the receive path, in virtual time; no root.

    FILE can be - (standard input), a pipe or a FIFO: those are read into memory first, at most half of what is free.

    Says what became of every frame. Exit code: 0 done, 1 the input ended early, 2 usage, configuration or input that
    cannot be read.
    """
    from vnic.capture_input import gather
    from vnic.cli.reading import Reading
    from vnic.control.server import Control
    from vnic.runs.replay import replay as run_replay

    def stay(host: Host, facts: dict[str, Any]) -> None:
        progress.close()
        _show(facts, as_json=as_json, write=write)
        instance.hold(lambda: Control(host, facts=lambda: facts))

    with interruptible(), refusals(), contextlib.closing(_Progress()) as progress:
        result = run_replay(
            gather(files, reading=Reading()),
            write=write,
            at=at,
            progress=progress,
            then=stay if hold else None,
            cpus=cpus,
            ip=addresses(ip),
            seed=seed,
            **knobs(options, sets),
        )
    if not hold:
        _show(result.facts, as_json=as_json, write=write)
    if result.error:
        fail(EXIT_FAILED, f"the input ended early: {result.error}; what was read is reported")


@main.command()
@click.option("--tap", default="vt0", show_default=True, help="TAP interface; made if it is missing")
@click.option("--duration", type=Seconds(), help="stop after so many seconds")
@click.option("--gateway", multiple=True, metavar="ADDR", help="next hop for all that is not on our networks")
@click.option("--sink/--no-sink", default=None, help="a socket and a reader for every port [default: on with --ip any]")
@click.option("--host-ip", multiple=True, metavar="ADDR/PREFIX", help="the kernel's own address; can be repeated")
@click.option("--netns", metavar="NAME", help="network namespace the TAP is in, as of ip netns, or a path")
@click.option(
    "--tap-queues",
    type=Whole(1, 1 << 16),
    default=1,
    show_default=True,
    help="queues of the TAP to read: lanes of the wire",
)
@click.option(
    "--vnet-hdr/--no-vnet-hdr", default=True, help="checksums, TSO and USO are left to the wire [default: on]"
)
@click.option("--pin", metavar="CPU,CPU,...|auto", help="real CPUs: the card's thread, then the emulated CPUs in turn")
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
    cpus: int,
    ip: tuple[str, ...],
    seed: int,
    sets: tuple[str, ...],
    as_json: bool,
    write: str | None,
    at: tuple[str, ...],
    **options: Any,
) -> None:
    """Attach to a TAP and be a host on it, live: a thread for the card, one for each CPU. Ctrl-C ends it with a report.

    With addresses (--ip 10.0.0.2/24, --ip fd00::2/64) it answers ARP, neighbour discovery and ping, and errors go
    back to who sent; with --ip any it only listens. All privileges are given up once the TAP is attached and the files
    are open. Exit code: 0 done, 1 the interface went away, 2 usage or configuration, 3 the kernel refuses the TAP,
    130 a second Ctrl-C, which ends it at once.
    """
    from vnic.runs.live import run as run_live

    with refusals():
        _load_report()
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
            cpus=cpus,
            ip=addresses(ip),
            gateway=gateway,
            sink=not ip or "any" in ip if sink is None else sink,
            seed=seed,
            **knobs(options, sets),
        )
    _show(facts, as_json=as_json, write=write)
    if facts["input"]["error"]:
        fail(EXIT_FAILED, f"the run ended early: {facts['input']['error']}; what was received is reported")


if __name__ == "__main__":
    main()
