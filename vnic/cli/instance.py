"""The commands that talk to a running instance, with the arguments of ethtool, ip, sysctl, cat, vmstat and tcpdump."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.exit import (
    EXIT_FAILED,
    EXIT_USAGE,
    Seconds,
    Whole,
    fail,
    interruptible,
    leave_stdout,
    refusals,
    until_signal,
)
from vnic.cli.help import Command
from vnic.control.reply import understanding
from vnic.errors import ConfigError, VnicError
from vnic.look import tables, terminal
from vnic.schema import POINTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.shell_completion import CompletionItem

    from vnic.control.reply import Reply
    from vnic.linux.sysctl_files import Lines

_ON = click.option("--on", metavar="NAME|PID", help="instance to ask [default: the only one]")
_RAW = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": ["--help"]}


_AGAIN = 20
"""Lines of vnic stat after which its headings come again."""
_ALWAYS = "-color=always"
"""For -color=auto on a terminal: the instance has none."""
_OWN_JSON = frozenset({"ethtool", "ip"})
"""Tools that print JSON themselves."""


def print_reply(reply: Reply, *, as_json: bool) -> None:
    """Print the tool's output, and exit with its code."""
    try:
        if as_json and reply.data is not None:
            click.echo(json.dumps(reply.data, indent=2))
        else:
            click.echo(reply.out, nl=False, color=True)  # ip -c colours a pipe too
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe
        leave_stdout()
    click.echo(reply.err, nl=False, err=True)
    sys.exit(reply.code)


def take(argv: tuple[str, ...]) -> tuple[list[str], str | None, bool]:
    """Take vnic's own ``--on`` and ``--json`` out of another tool's arguments."""
    rest, on, as_json = [], None, False
    words = iter(argv)
    for word in words:
        if word == "--json":
            as_json = True
        elif word == "--on" or word.startswith("--on="):
            on = next(words, None) if word == "--on" else word.removeprefix("--on=")
            if not on:
                raise ConfigError("--on: needs the instance's name or pid")
        else:
            rest.append(word)
    return rest, on, as_json


def _follows(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from vnic.cli.names import passed_on

    return passed_on(ctx.command.name or "", [*ctx.params.get("argv", ())], incomplete)


def _export(directory: str, on: str | None) -> None:
    """Write every file of an instance below a directory, for programs that read a copy of /proc and /sys."""
    from vnic.control.client import Connection, find
    from vnic.own_paths import Tree

    with Connection(find(on).path) as c:
        paths = [p for p in c.ask("show").names() if p.startswith("/")]
        texts: dict[str, str] = {}
        for first in range(0, len(paths), 200):  # a request has a size limit
            texts |= c.ask("show", paths[first : first + 200]).texts()
    with Tree(directory) as tree:
        for path, text in texts.items():
            tree.write(path.lstrip("/"), text)
        tree.link("proc/self/net", "../net")  # programs read either; in Linux /proc/net is a link to self/net


def _ask(name: str, argv: list[str], on: str | None) -> Reply:
    """Return the answer of the instance, or the one that is the same for any. ConfigError: there is no instance."""
    from vnic.control.client import Connection, find

    lines = _lines(argv) if name == "sysctl" else None
    requests = [argv] if lines is None else list(lines.requests())
    anyhow = on is None and lines is None
    try:
        path = find(on, among=argv).path
    except ConfigError:
        from vnic.control.commands import without_host

        reply = without_host(name, argv) if anyhow else None
        if reply is None:
            raise
        return reply
    with Connection(path) as c:
        replies = [c.ask(name, request, columns=terminal.columns()) for request in requests]
    return replies[0] if lines is None else lines.answered(replies)


def _lines(argv: list[str]) -> Lines | None:
    """Read the files of sysctl -p and --system here: they are this user's, not the instance's."""
    from vnic.linux.sysctl_files import read_all

    return read_all(argv)


def _passed_on(name: str, text: str, arguments: str, examples: Sequence[str] = ()) -> click.Command:
    """Make a command that passes its arguments on to an instance."""

    @click.command(name, cls=Command, examples=examples, context_settings=_RAW, help=text, options_metavar="")
    @click.argument("argv", nargs=-1, type=click.UNPROCESSED, shell_complete=_follows, metavar=arguments)
    def command(argv: tuple[str, ...]) -> None:
        with refusals():
            rest, on, as_json = take(argv)
            if name == "ip" and sys.stdout.isatty():
                rest = [_ALWAYS if re.fullmatch("--?c(o(l(or?)?)?)?=auto", word) else word for word in rest]
            if as_json and name in _OWN_JSON:
                rest, as_json = ["--json", *rest], False
            reply = _ask(name, rest, on)
        print_reply(reply, as_json=as_json)

    return command


ethtool = _passed_on(
    "ethtool",
    "Run ethtool on an instance's card.\n\nThe arguments are ethtool's: DEV, or -i -g -G -l -L -c -C -k -K -x -X -n"
    " -N -S and others with DEV. --on NAME|PID selects the instance, --json prints JSON.",
    "[OPTION] DEV [ARGUMENT]...",
    ("vnic ethtool -S vt0", "vnic ethtool -G vt0 rx 1024", "vnic ethtool -C vt0 rx-usecs 50"),
)
ip = _passed_on(
    "ip",
    "Run ip link, addr, neigh, route or maddr on an instance.\n\nThe arguments are ip's: link set DEV ..., or [-d] [-s"
    " [-s]] link|addr|neigh|route|maddr [show]. --on NAME|PID selects the instance, --json prints JSON.",
    "[OPTION]... OBJECT [COMMAND]...",
    ("vnic ip -s -s link show vt0", "vnic ip link set vt0 promisc on", "vnic ip neigh"),
)
sysctl = _passed_on(
    "sysctl",
    "Run sysctl on an instance.\n\nNames are Linux's below net.core, net.ipv4 and net.ipv6; -a prints all, -p FILE sets"
    " what a file says. Those without effect keep their value. --on NAME|PID selects the instance, --json prints JSON.",
    "[-a|-p FILE] NAME[=VALUE]...",
    ("vnic sysctl -a", "vnic sysctl net.core.netdev_max_backlog=5000"),
)
_show = _passed_on("show", "Print files and knobs of an instance.", "[NAME]...")


@click.command(
    "show",
    cls=Command,
    context_settings=_RAW,
    options_metavar="",
    examples=(
        "vnic show  # list all files",
        "vnic show /proc/net/dev softnet_stat rx-usecs  # files and knobs",
        "vnic show knobs  # all knobs; vnic show config: as a file for --config",
        "vnic show limits  # each limit of the path, and how often it was reached",
        "vnic show --export DIR  # all files below DIR, for programs that read",
    ),
)
@click.argument(
    "argv",
    nargs=-1,
    type=click.UNPROCESSED,
    shell_complete=_follows,
    metavar="[NAME...|limits|knobs|config|--export DIR]",
)
@click.pass_context
def show(ctx: click.Context, argv: tuple[str, ...]) -> None:
    """Print files and knobs of an instance: /proc, /sys, limits.

    --on NAME|PID selects the instance, --json prints JSON.
    """
    if "--export" not in argv:
        ctx.invoke(_show, argv=argv)
        return
    at = argv.index("--export")
    with refusals():
        rest, on, _ = take(argv[:at] + argv[at + 2 :])
        if rest or len(argv) < at + 2:
            raise ConfigError("--export: needs one directory and nothing else: vnic show --export DIR")
        _export(argv[at + 1], on)


set_ = _passed_on(
    "set",
    "Change a knob of an instance, or write to a file.\n\nvnic set PATH VALUE does what echo VALUE > PATH does in"
    " Linux; vnic set rx-usecs 50 sets a knob, vnic set net.core.netdev_budget 600 a sysctl. --on NAME|PID selects the"
    " instance.",
    "NAME VALUE...",
    ("vnic set rx-usecs 50", "vnic set /sys/class/net/vt0/queues/rx-0/rps_cpus f"),
)


@click.command("ls", cls=Command, examples=("vnic ls", "vnic ls --json"))
@click.option("--json", "as_json", is_flag=True, help="one JSON array on stdout")
def ls(*, as_json: bool) -> None:
    """List the running instances that you may talk to."""
    from vnic.control.client import instances

    with refusals():
        there = instances()
    if as_json:
        click.echo(json.dumps([{"name": i.name, "pid": i.pid, "socket": str(i.path)} for i in there], indent=2))
        return
    columns = (tables.left("name"), tables.Column("pid"), tables.left("socket"))
    if there:
        tables.show(terminal.console(), columns, ((i.name, str(i.pid), str(i.path)) for i in there))


@click.command(
    cls=Command,
    examples=("vnic stat", "vnic stat 1 10", "vnic stat 0.5 --json-lines | jq .lost"),
)
@click.argument("interval", type=Seconds(0.01, 86_400), default=1.0)
@click.argument("count", type=Whole(1, 1 << 40), required=False)
@_ON
@click.option("--json-lines", is_flag=True, help="print one JSON object per interval")
def stat(*, interval: float, count: int | None, on: str | None, json_lines: bool) -> None:
    """Print an instance's rates, one line per interval.

    INTERVAL is in seconds; vnic stat 1 10 prints 10 lines. Losses are frames in the interval, CPUs are percent busy.
    Without COUNT, Ctrl-C ends it.
    """
    from vnic.control.client import find
    from vnic.control.rates import Layout, difference

    with interruptible(), until_signal() if count is None else contextlib.nullcontext():
        with refusals():
            path = find(on).path
            before, lines, due = _sample(path), 0, time.monotonic()
        while count is None or lines < count:
            due += interval
            time.sleep(max(0.0, due - time.monotonic()))
            with refusals(), understanding():
                now = _sample(path)
                line = difference(now, before)
                if lines % _AGAIN == 0:  # the terminal may have another size now
                    layout = Layout.of(len(line.busy), terminal.columns())
                rates = json.dumps(line.as_dict()) + "\n" if json_lines else layout.line(line)
            try:
                if lines % _AGAIN == 0 and not json_lines:
                    click.echo(layout.head(), nl=False)
                click.echo(rates, nl=False)
            except BrokenPipeError:  # the reader closed the pipe
                leave_stdout()
                return
            before, lines = now, lines + 1


def _sample(path: Any) -> dict[str, Any]:
    from vnic.control.client import Connection

    # a new connection each time, because an instance with many connections closes the one idle longest
    with Connection(path) as c, understanding():
        return dict(c.ask("sample").data)


@click.command(
    cls=Command,
    examples=(
        "vnic capture -w gro.pcapng",
        "vnic capture --at stack -f 'udp port 53' -w - | tshark -r -",
    ),
)
@_ON
@click.option(
    "--at",
    multiple=True,
    type=click.Choice(POINTS),
    default=("gro",),
    show_default=True,
    help="point of the path to capture at; repeatable",
)
@click.option("-f", "--filter", "expression", metavar="FILTER", help="filter expression, as for tcpdump")
@click.option("-w", "--write", default="-", show_default=True, metavar="OUT.pcapng|-", help="file; -: standard output")
@click.option("--duration", type=Seconds(), help="stop after this time")
@click.option("--json", "as_json", is_flag=True, help="print the counts as JSON; to stderr if the capture is on stdout")
def capture(
    *, on: str | None, at: tuple[str, ...], expression: str | None, write: str, duration: float | None, as_json: bool
) -> None:
    """Capture packets of a running instance until Ctrl-C."""
    from vnic import bpf, own_paths
    from vnic.control.client import Connection, find

    if write == "-" and sys.stdout.isatty():
        fail(EXIT_USAGE, "a capture cannot go to a terminal: use -w FILE, or pipe it into a program")
    argv = [word for point in at for word in ("--at", point)]
    with interruptible(), refusals(), contextlib.ExitStack() as stack:
        if expression is not None:  # compile here, not in the instance, because this may resolve a host name
            program = bpf.compile(expression)
            argv += ["-f", str(program)] + ["--tag-in-bytes"] * program.tag_in_bytes
        c = stack.enter_context(Connection(find(on).path))
        fd = 1
        if write != "-":  # the instance truncates the file after its checks, when the capture begins
            fd = own_paths.create(write, truncate=False)
            stack.callback(os.close, fd)
            argv.append("--truncate")
        begun = c.ask("capture", argv, fd=fd)
        if begun.code:
            print_reply(begun, as_json=False)
        unasked = False
        with until_signal():
            unasked = c.wait(duration, fd=fd)
        counts = _counts(c.answer() if unasked else c.ask("capture", seconds=None))
    _show_counts(counts, as_json=as_json, err=write == "-")
    if counts["error"] or unasked:
        fail(EXIT_FAILED, str(counts["error"] or "the instance has ended"))


def _counts(reply: Reply) -> dict[str, Any]:
    """Return the counts of a finished capture. VnicError: the capture failed; the text says why."""
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
    """Keep a finished replay's host and answer the other commands until Ctrl-C or SIGTERM."""
    with refusals(), serve(), until_signal():
        click.echo("vnic: the replay is over; vnic ls shows its instance until Ctrl-C", err=True)
        while True:
            time.sleep(3600)
