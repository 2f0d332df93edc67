"""The command ``vnic vhost``: vnic's card for a driver in another process, by vhost-user."""

from __future__ import annotations

from typing import Any

import click

from vnic.cli.exit import EXIT_FAILED, EXIT_USAGE, Seconds, Whole, fail, refusals
from vnic.cli.options import host_arguments, host_options
from vnic.cli.selection import selection_of, selection_options
from vnic.cli.shown import show_report
from vnic.cli.words import HostCommand


@click.command(
    cls=HostCommand,
    examples=(
        "vnic vhost /tmp/v.sock --replay a.pcap  # into a guest's kernel",
        "vnic vhost /tmp/v.sock --peer /tmp/w.sock  # two guests on one wire",
        "sudo vnic vhost /tmp/v.sock --tap vt0 --host-ip 10.0.0.1/24",
    ),
)
@click.argument("socket", metavar="SOCKET")
@click.option(
    "--connect", is_flag=True, help="the front-end listens, and the card connects [default: the card listens]"
)
@click.option("--tap", metavar="NAME", help="the other side is a TAP device; created if it does not exist")
@click.option("--replay", "replayed", multiple=True, metavar="FILE", help="the other side is a capture; repeatable")
@click.option("--peer", metavar="SOCKET2", help="the other side is a second card, for another front-end")
@click.option(
    "--host-ip", multiple=True, metavar="ADDR/PREFIX", help="address of the kernel's side of the TAP; repeatable"
)
@click.option("--netns", metavar="NAME", help="network namespace of the TAP: a name as for ip netns, or a path")
@click.option("--tap-queues", type=Whole(1, 1 << 16), default=1, show_default=True, help="TAP queues to attach to")
@click.option(
    "--offer", multiple=True, metavar="FEATURE", help="offer a virtio feature too, as HASH_REPORT; repeatable"
)
@click.option("--withhold", multiple=True, metavar="FEATURE", help="do not offer this virtio feature; repeatable")
@click.option("--duration", type=Seconds(), help="stop after this time [default: when a capture is over, or at Ctrl-C]")
@click.option("--hold", is_flag=True, help="go on after the end of a capture, until Ctrl-C")
@click.option("-q", "--quiet", is_flag=True, help="do not say at the start where the card is")
@selection_options()
@host_options(replay=False)
def vhost(
    socket: str,
    *,
    connect: bool,
    tap: str | None,
    replayed: tuple[str, ...],
    peer: str | None,
    host_ip: tuple[str, ...],
    netns: str | None,
    tap_queues: int,
    offer: tuple[str, ...],
    withhold: tuple[str, ...],
    duration: float | None,
    hold: bool,
    quiet: bool,
    as_json: bool,
    write: str | None,
    at: tuple[str, ...],
    **options: Any,
) -> None:
    """Be the network card of a guest, by vhost-user, until Ctrl-C.

    QEMU, User Mode Linux and DPDK's virtio-user attach by SOCKET. Frames that arrive go through the card's filter, RSS,
    FIFO, DMA and interrupt moderation into the driver's rings, where the ledger ends (DELIVERED_DRIVER). What the
    driver sends goes out on the other side: a TAP device, another card, or nowhere. There is no host behind the card.

    Exit codes: 0 success; 1 the run ended early; 2 wrong usage or a wrong knob; 3 the kernel refused the TAP.
    """
    from vnic.runs.vhost import run as run_vhost

    if sum((tap is not None, bool(replayed), peer is not None)) > 1:
        fail(EXIT_USAGE, "the other side is one of --tap, --replay and --peer")
    with refusals():
        select = selection_of(options)
        arguments = host_arguments(options)
        facts = run_vhost(
            socket,
            connect=connect,
            tap=tap,
            replayed=replayed,
            peer=peer,
            select=select,
            host_ip=host_ip,
            netns=netns,
            tap_queues=tap_queues,
            offer=offer,
            withhold=withhold,
            duration=duration,
            hold=hold,
            write=write,
            at=at,
            command=True,
            quiet=quiet,
            **arguments,
        )
    show_report(facts, as_json=as_json, write=write)
    if facts["input"]["error"]:
        fail(EXIT_FAILED, f"the run ended early: {facts['input']['error']}; the report covers the frames until then")
