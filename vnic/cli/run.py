"""The command ``vnic run``: a live host on a TAP device. Options have Linux's names for the knobs."""

from __future__ import annotations

import contextlib
import functools
import shlex
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.exit import EXIT_FAILED, EXIT_USAGE, Seconds, Whole, fail, refusals
from vnic.cli.options import host_arguments, host_options
from vnic.cli.shown import show_report
from vnic.cli.words import HostCommand

if TYPE_CHECKING:
    from vnic.host import Host


def _say_attached(host: Host, *, netns: str | None, socket: str | None) -> None:
    """Say on stderr where a live host is, and what to type next."""
    ip = host.config["ip"]
    ours = "any address" if ip == "any" else ", ".join(map(str, ip))
    where = f"attached to {host.name}" if socket is None else f"{host.name} is for the back-end at {socket},"
    ping = [] if ip == "any" or socket is not None else [f"{_enter(netns)}ping {str(ip[0]).partition('/')[0]}"]
    words = [*ping, f"vnic stat --on {host.name}", f"vnic why --on {host.name}", f"vnic ethtool -S {host.name}"]
    with contextlib.suppress(OSError):  # stderr is closed
        click.echo(f"vnic: {where} as {ours}; Ctrl-C ends the run with a report", err=True)
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


@click.command(
    cls=HostCommand,
    examples=(
        "sudo vnic run --host-ip 10.0.0.1/24  # creates vt0, and listens to it",
        "sudo vnic run --ip 10.0.0.2/24 --host-ip 10.0.0.1/24 --duration 10",
        "sudo vnic run --ip 10.0.0.2/24 --serve iperf3 --serve http:80:/srv",
        "sudo vnic run --write - | wireshark -k -i -",
        "vnic run --vhost /tmp/v.sock  # on a port of DPDK's net_vhost",
    ),
)
@click.option("--tap", default="vt0", show_default=True, help="TAP device; created if it does not exist")
@click.option("--vhost", metavar="SOCKET", help="a port of a vhost-user back-end (DPDK, Open vSwitch), not a TAP")
@click.option("--listen", is_flag=True, help="with --vhost: the back-end connects [default: it listens]")
@click.option("--vhost-queues", type=Whole(1, 1 << 16), default=1, show_default=True, help="pairs of rings of the port")
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
@click.option(
    "--serve",
    multiple=True,
    metavar="KIND[:PORT][:DIR]",
    help="offer a server: http:80:DIR, iperf3, echo, discard, chargen; with tcp=endpoint; repeatable",
)
@click.option("-q", "--quiet", is_flag=True, help="do not say at the start where the host is attached")
@host_options(replay=False)
def run(
    *,
    tap: str,
    vhost: str | None,
    listen: bool,
    vhost_queues: int,
    duration: float | None,
    gateway: tuple[str, ...],
    sink: bool | None,
    host_ip: tuple[str, ...],
    netns: str | None,
    tap_queues: int,
    vnet_hdr: bool,
    pin: str | None,
    serve: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    write: str | None,
    at: tuple[str, ...],
    **options: Any,
) -> None:
    """Run a live host on a TAP device, or on a switch's port, until Ctrl-C.

    At the end vnic prints a report. The card has a thread, and so has each emulated CPU. With addresses (--ip
    10.0.0.2/24 --ip fd00::2/64) the host answers ARP, neighbour discovery and ping, and sends ICMP errors; with --ip
    any it only listens. vnic drops all privileges once the TAP is attached and the files are open.

    Exit codes: 0 success; 1 the interface disappeared; 2 wrong usage or a wrong knob; 3 the kernel refused the TAP; 130
    a second Ctrl-C, which ends the run at once.
    """
    from vnic.runs.live import run as run_live

    if listen and vhost is None:
        fail(EXIT_USAGE, "--listen goes with --vhost")
    with refusals():
        _load_report()
        arguments = host_arguments(options)
        if serve:
            arguments.setdefault("tcp", "endpoint")
        facts = run_live(
            tap,
            vhost=vhost,
            listen=listen,
            vhost_queues=vhost_queues,
            duration=duration,
            host_ip=host_ip,
            netns=netns,
            tap_queues=tap_queues,
            vnet_hdr=vnet_hdr,
            pin=pin,
            write=write,
            at=at,
            serve=serve,
            command=True,
            ready=None if quiet else functools.partial(_say_attached, netns=netns, socket=vhost),
            gateway=gateway,
            sink=arguments["ip"] == "any" if sink is None else sink,
            **arguments,
        )
    show_report(facts, as_json=as_json, write=write)
    if facts["input"]["error"]:
        fail(EXIT_FAILED, f"the run ended early: {facts['input']['error']}; the report covers the frames until then")
