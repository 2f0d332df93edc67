"""The commands for TAP devices: ``vnic setup`` creates one, ``vnic doctor`` checks what a live run needs."""

from __future__ import annotations

import json
import os
import sys

import click

from vnic.cli.exit import EXIT_PRIVILEGE, Whole, interruptible, refusals
from vnic.cli.help import Command
from vnic.look import terminal
from vnic.look.lines import hanging

_MARKS = {"good": "ok     ", "hint": "hint   ", "missing": "MISSING"}


@click.command(
    cls=Command,
    examples=(
        "sudo vnic setup vt0 --host-ip 10.0.0.1/24  # for vnic run --tap vt0",
        "sudo vnic setup vt0 --delete",
    ),
)
@click.argument("name")
@click.option(
    "--user",
    default=lambda: os.environ.get("SUDO_USER"),
    show_default="the user who called sudo",
    help="user who may attach without privileges",
)
@click.option("--group", help="group that may attach without privileges; with --user, both must match")
@click.option(
    "--queues",
    type=Whole(1, 1 << 16),
    default=1,
    show_default=True,
    help="queues to attach to now, as a test",
)
@click.option(
    "--host-ip", multiple=True, metavar="ADDR/PREFIX", help="address of the kernel's side of the TAP; repeatable"
)
@click.option("--mtu", type=Whole(68, 65521), help="MTU in bytes")
@click.option("--netns", metavar="NAME", help="network namespace of the TAP: a name as for ip netns, or a path")
@click.option("--delete", is_flag=True, help="delete the TAP")
def setup(
    name: str,
    *,
    user: str | None,
    group: str | None,
    queues: int,
    host_ip: tuple[str, ...],
    mtu: int | None,
    netns: str | None,
    delete: bool,
) -> None:
    """Create a persistent TAP device, once, as root. Then vnic run --tap NAME needs no privileges.

    The TAP has multi_queue and an owner, is up, and the kernel sends no unsolicited IPv6 frames to it. A second call
    changes only what differs, and says so.

    Exit codes: 0 success; 2 wrong usage; 3 the kernel refused.
    """
    from vnic.tap import setup as setup_tap

    with interruptible(), refusals():
        if delete:
            steps = setup_tap.delete(name, netns=netns)
        else:
            steps = setup_tap.setup(name, user=user, group=group, queues=queues, host_ip=host_ip, mtu=mtu, netns=netns)
    for step in steps:
        click.echo(f"{name}: {step.text}{'' if step.changed else ' (unchanged)'}")


@click.command(cls=Command, examples=("vnic doctor", "vnic doctor vt0"))
@click.argument("name", required=False)
@click.option("--netns", metavar="NAME", help="network namespace of the TAP: a name as for ip netns, or a path")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
def doctor(*, name: str | None, netns: str | None, as_json: bool) -> None:
    """Check what a live run needs.

    For each problem vnic prints the command that fixes it. NAME is a TAP device to check as well. Exit codes: 0 nothing
    is missing (hints may remain); 3 something is missing.
    """
    from vnic.tap import doctor as doctor_

    with refusals():
        checks = doctor_.doctor(name, netns=netns)
    if as_json:
        click.echo(json.dumps(doctor_.facts(checks), indent=2))
    else:
        for check in checks:
            click.echo(hanging(f"{_MARKS[check.state]}  ", f"{check.what}: {check.text}", terminal.columns()))
            if check.mend:
                click.echo(f"         fix: {check.mend}")  # in one line, because people copy it
    if not doctor_.is_well(checks):
        sys.exit(EXIT_PRIVILEGE)
