"""The operator's commands: ``vnic setup`` makes a TAP that stays, ``vnic doctor`` says what a live run lacks."""

from __future__ import annotations

import json
import os
import sys

import click

from vnic.cli.exit import EXIT_PRIVILEGE, Whole, interruptible, refusals

_MARKS = {"good": "ok     ", "hint": "hint   ", "missing": "MISSING"}


@click.command()
@click.argument("name")
@click.option(
    "--user",
    default=lambda: os.environ.get("SUDO_USER"),
    show_default="who called sudo",
    help="who may attach without privileges",
)
@click.option("--group", help="likewise; with --user: that user, and only in this group")
@click.option(
    "--queues",
    type=Whole(1, 1 << 16),
    default=1,
    show_default=True,
    help="attach to so many at once, to see that it works",
)
@click.option("--host-ip", multiple=True, metavar="ADDR/PREFIX", help="the kernel's own address; can be repeated")
@click.option("--mtu", type=Whole(68, 65521), help="bytes")
@click.option("--netns", metavar="NAME", help="network namespace, as of ip netns, or a path")
@click.option("--delete", is_flag=True, help="remove it")
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
    """Make a TAP that stays, once, as root. Then vnic run --tap NAME needs no privileges.

    It has multi_queue, an owner, no IPv6 noise, and is up. Run again, it says what is so already and changes the rest.
    Exit code: 0 done, 2 usage, 3 the kernel refuses.
    """
    from vnic.tap import setup as setup_tap

    with interruptible(), refusals():
        if delete:
            steps = setup_tap.delete(name, netns=netns)
        else:
            steps = setup_tap.setup(name, user=user, group=group, queues=queues, host_ip=host_ip, mtu=mtu, netns=netns)
    for step in steps:
        click.echo(f"{name}: {step.text}{'' if step.changed else ' (already so)'}")


@click.command()
@click.argument("name", required=False)
@click.option("--netns", metavar="NAME", help="network namespace the TAP is in, as of ip netns, or a path")
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
def doctor(*, name: str | None, netns: str | None, as_json: bool) -> None:
    """Say what a live run needs, what is there, and the command that mends what is missing.

    Exit code: 0 all good (hints may be left), 3 something is missing.
    """
    from vnic.tap import doctor as doctor_

    with refusals():
        checks = doctor_.doctor(name, netns=netns)
    if as_json:
        click.echo(json.dumps(doctor_.facts(checks), indent=2))
    else:
        for check in checks:
            click.echo(f"{_MARKS[check.state]}  {check.what}: {check.text}")
            if check.mend:
                click.echo(f"         mend: {check.mend}")
    if not doctor_.is_well(checks):
        sys.exit(EXIT_PRIVILEGE)
