"""The commands that ask a running instance: in the words of ethtool, ip, sysctl, cat, vmstat and tcpdump."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from vnic.capture import POINTS
from vnic.cli.exit import EXIT_FAILED, EXIT_USAGE, Seconds, Whole, fail, interruptible, leave_stdout, refusals
from vnic.control.reply import understanding
from vnic.errors import ConfigError, VnicError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.control.reply import Reply

_ON = click.option("--on", metavar="NAME|PID", help="which instance [default: the only one]")
_RAW = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": ["--help"]}


_ETHTOOL_JSON = frozenset({"-k", "--show-features", "--show-offload"})


def print_reply(reply: Reply, *, as_json: bool) -> None:
    """What the tool would print, and its exit code."""
    try:
        if as_json and reply.data is not None:
            click.echo(json.dumps(reply.data, indent=2))
        else:
            click.echo(reply.out, nl=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader had enough
        leave_stdout()
    click.echo(reply.err, nl=False, err=True)
    sys.exit(reply.code)


def _take(argv: tuple[str, ...]) -> tuple[list[str], str | None, bool]:
    """Our own ``--on`` and ``--json`` out of another tool's arguments."""
    rest, on, as_json = [], None, False
    words = iter(argv)
    for word in words:
        if word == "--json":
            as_json = True
        elif word == "--on" or word.startswith("--on="):
            on = next(words, None) if word == "--on" else word.removeprefix("--on=")
            if not on:
                raise ConfigError("--on: say the instance's name or pid")
        else:
            rest.append(word)
    return rest, on, as_json


def _export(directory: str, on: str | None) -> None:
    """Every file of an instance below a directory, for what reads a copy of /proc and /sys."""
    from vnic.control.client import Connection, find
    from vnic.own_paths import Tree

    with Connection(find(on).path) as c:
        paths = [p for p in c.ask("show").names() if p.startswith("/")]
        texts: dict[str, str] = {}
        for first in range(0, len(paths), 200):  # a request has its limit
            texts |= c.ask("show", paths[first : first + 200]).texts()
    with Tree(directory) as tree:
        for path, text in texts.items():
            tree.write(path.lstrip("/"), text)
        tree.link("proc/self/net", "../net")  # programs look for both at once, and /proc/net is a link to there


def _passed_on(name: str, text: str) -> click.Command:
    @click.command(name, context_settings=_RAW, help=text)
    @click.argument("argv", nargs=-1, type=click.UNPROCESSED)
    def command(argv: tuple[str, ...]) -> None:
        from vnic.control.client import Connection, find

        with refusals():
            rest, on, as_json = _take(argv)
            with Connection(find(on, among=rest).path) as c:
                if as_json and name == "ethtool" and _ETHTOOL_JSON.intersection(rest):
                    reply, as_json = c.ask(name, ["--json", *rest]), False  # the tool's own
                else:
                    reply = c.ask(name, rest)
        print_reply(reply, as_json=as_json)

    return command


ethtool = _passed_on(
    "ethtool",
    "ethtool for an instance's card: ethtool DEV, or ethtool -i -g -G -l -L -c -C -k -K -x -X -n -N -S ... DEV.",
)
ip = _passed_on("ip", "ip link set DEV ..., ip [-d] [-s [-s]] link|addr|neigh|route [show], of an instance.")
sysctl = _passed_on(
    "sysctl", "sysctl [-a] NAME[=VALUE]...: net.core.*, net.ipv4.ipfrag_*, net.ipv6.ip6frag_* of an instance."
)
_show = _passed_on("show", "Print files of an instance: /proc/net/dev, /sys/class/net/DEV/...; no PATH: list them all.")


@click.command("show", context_settings=_RAW)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def show(ctx: click.Context, argv: tuple[str, ...]) -> None:
    r"""Print files of an instance: /proc/net/dev, /sys/class/net/DEV/mtu; a directory: what is in it.

    \b
    vnic show               all there are
    vnic show limits        each limit of the path, and how often it bound
    vnic show --export DIR  all of them into files below DIR, for programs that read a copy
    """
    if "--export" not in argv:
        ctx.invoke(_show, argv=argv)
        return
    at = argv.index("--export")
    with refusals():
        rest, on, _ = _take(argv[:at] + argv[at + 2 :])
        if rest or len(argv) < at + 2:
            raise ConfigError("--export: say a directory, and nothing else: vnic show --export DIR")
        _export(argv[at + 1], on)


set_ = _passed_on("set", "PATH VALUE: write to a file of an instance, as echo VALUE > PATH would.")


@click.command("ls")
@click.option("--json", "as_json", is_flag=True, help="one JSON array on stdout")
def ls(*, as_json: bool) -> None:
    """List the instances that run and may be asked."""
    from vnic.control.client import instances

    with refusals():
        there = instances()
    if as_json:
        click.echo(json.dumps([{"name": i.name, "pid": i.pid, "socket": str(i.path)} for i in there], indent=2))
        return
    for i in there:
        click.echo(f"{i.name:<16} pid {i.pid:<8} {i.path}")


@click.command()
@click.argument("interval", type=Seconds(0.01, 86_400), default=1.0)
@click.argument("count", type=Whole(1, 1 << 40), required=False)
@_ON
@click.option("--json-lines", is_flag=True, help="a JSON object for each interval")
def stat(*, interval: float, count: int | None, on: str | None, json_lines: bool) -> None:
    """Rates of an instance, one line an interval: vnic stat 1 10. Losses are frames, CPUs percent. Ctrl-C ends it."""
    from vnic.control.client import find
    from vnic.control.rates import difference, head, text

    with interruptible(), contextlib.suppress(KeyboardInterrupt):
        with refusals():
            path = find(on).path
            before, lines, due = _sample(path), 0, time.monotonic()
        while count is None or lines < count:
            due += interval
            time.sleep(max(0.0, due - time.monotonic()))
            with refusals(), understanding():
                now = _sample(path)
                line = difference(now, before)
                rates = json.dumps(line.as_dict()) + "\n" if json_lines else text(line)
            try:
                if lines % 20 == 0 and not json_lines:
                    click.echo(head(len(line.busy)), nl=False)
                click.echo(rates, nl=False)
            except BrokenPipeError:  # the reader had enough
                leave_stdout()
                return
            before, lines = now, lines + 1


def _sample(path: Any) -> dict[str, Any]:
    from vnic.control.client import Connection

    # anew each time: an instance ends connections that are quiet when there are many
    with Connection(path) as c, understanding():
        return dict(c.ask("sample").data)


@click.command()
@_ON
@click.option(
    "--at", multiple=True, type=click.Choice(POINTS), default=("gro",), show_default=True, help="points of the path"
)
@click.option("-f", "--filter", "expression", metavar="FILTER", help="as tcpdump takes it")
@click.option("-w", "--write", default="-", show_default=True, metavar="OUT.pcapng|-", help="file, or standard output")
@click.option("--duration", type=Seconds(), help="stop after so many seconds")
@click.option("--json", "as_json", is_flag=True, help="the counts as JSON, on stderr if the capture is on stdout")
def capture(
    *, on: str | None, at: tuple[str, ...], expression: str | None, write: str, duration: float | None, as_json: bool
) -> None:
    """Capture what passes a point of a running instance, until Ctrl-C: vnic capture -w - | tshark -r -."""
    from vnic import bpf, own_paths
    from vnic.control.client import Connection, find

    if write == "-" and sys.stdout.isatty():
        fail(EXIT_USAGE, "a capture is not for a terminal: -w FILE, or into a pipe")
    argv = [word for point in at for word in ("--at", point)]
    with interruptible(), refusals(), contextlib.ExitStack() as stack:
        if expression is not None:  # here: it may have to ask for a host's name
            program = bpf.compile(expression)
            argv += ["-f", str(program)] + ["--tag-in-bytes"] * program.tag_in_bytes
        c = stack.enter_context(Connection(find(on).path))
        fd = 1
        if write != "-":  # what is in it stays, until the capture has begun
            fd = own_paths.create(write, truncate=False)
            stack.callback(os.close, fd)
            argv.append("--truncate")
        begun = c.ask("capture", argv, fd=fd)
        if begun.code:
            print_reply(begun, as_json=False)
        unasked = False
        with contextlib.suppress(KeyboardInterrupt):
            unasked = c.wait(duration, fd=fd)
        counts = _counts(c.answer() if unasked else c.ask("capture", seconds=None))
    _show_counts(counts, as_json=as_json, err=write == "-")
    if counts["error"] or unasked:
        fail(EXIT_FAILED, str(counts["error"] or "the instance has ended"))


def _counts(reply: Reply) -> dict[str, Any]:
    """Of a capture that is over. VnicError: why there are none."""
    if reply.code:
        raise VnicError(reply.err.strip())
    with understanding():
        return {name: reply.data[name] for name in ("packets", "drops", "late", "error")}


def _show_counts(counts: dict[str, Any], *, as_json: bool, err: bool) -> None:
    if as_json:
        click.echo(json.dumps(counts), err=err)
    else:
        click.echo(f"{counts['packets']} packets captured, {counts['drops']} missing, {counts['late']} late", err=True)


def hold(serve: Callable[[], contextlib.AbstractContextManager[Any]]) -> None:
    """A replay is over and its host stays, to be asked, until Ctrl-C."""
    with refusals(), serve(), contextlib.suppress(KeyboardInterrupt):
        click.echo("vnic: the replay is over and can be asked (vnic ls); Ctrl-C ends it", err=True)
        while True:
            time.sleep(3600)


COMMANDS = (ls, ethtool, ip, sysctl, show, set_, stat, capture)
