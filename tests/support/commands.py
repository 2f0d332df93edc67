"""How tests give commands: to the program in this process or one of its own, and to the tools that a host answers."""

import os
import subprocess
import sys

import click
from click.testing import CliRunner

from vnic.cli.commands import main
from vnic.linux import ethtool as tool

BY_NAME = {name: main.get_command(click.Context(main), name) for name in main.list_commands(click.Context(main))}
"""Every command of the command line."""

VNIC = [sys.executable, "-m", "vnic"]


def invoke(*args, **options):
    """``vnic ARGS`` in this process: click's result."""
    return CliRunner().invoke(main, [str(arg) for arg in args], **options)


def vnic_process(*args, environment=None, **options):
    """``vnic ARGS`` in a process of its own, without input unless some is given; what it writes is bytes."""
    if not {"stdin", "input"} & set(options):
        options["stdin"] = subprocess.DEVNULL
    env = None if environment is None else os.environ | environment
    return subprocess.run([*VNIC, *args], capture_output=True, timeout=60, check=False, env=env, **options)


def answer(command, host, *argv):
    """What a Linux tool's command says to a host: its output, its errors, its exit code."""
    reply = command(host, argv)
    return reply.out, reply.err, reply.code


def ethtool(host, line, *, code=0, err=""):
    """``ethtool LINE`` asked of a host: its reply, which ends as expected."""
    reply = tool.command(host, line.split())
    assert (reply.code, reply.err) == (code, err)
    return reply
