"""The command ``vnic calibrate``: measure the costs of the running kernel, or read them from a trace."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vnic.cli.costs import show
from vnic.cli.exit import Whole, interruptible, refusals
from vnic.cli.help import Command
from vnic.cli.progress import Progress
from vnic.errors import ConfigError
from vnic.own_paths import create, open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vnic.knobs.cost import Profile


_LINE_MAX = 4096
"""Most characters of a line to read at once, because a file without line ends must not fill the memory."""


@click.command(
    cls=Command,
    examples=(
        "sudo vnic calibrate -o mine.toml  # vnic replay --cost mine.toml uses it",
        "vnic calibrate --from perf-script.txt --based-on server -o server.toml",
    ),
)
@click.option("-o", "--output", metavar="FILE.toml", help="save the profile, for vnic replay --cost FILE.toml")
@click.option("--from", "trace", metavar="TRACE", help="text of perf script or ftrace, instead of measuring; -: stdin")
@click.option("--based-on", metavar="PROFILE", default="linux", show_default=True, help="gives what is not measured")
@click.option("--rounds", type=Whole(1, 200), default=15, show_default=True, help="repetitions; each takes a second")
@click.option(
    "--wait",
    type=Whole(0, 86_400),
    default=20,
    show_default=True,
    help="wait so long in all for idle CPUs, s; 0: not",
)
@click.option("--pin", metavar="CPU,CPU", help="real CPUs of the writer and the reader [default: two quiet ones]")
@click.option(
    "--event-ns",
    type=Whole(0, 100_000),
    help="with --from: time that recording an event took, ns [default: 800 for perf, 250 for ftrace]",
)
@click.option("--quiet", is_flag=True, help="print no table")
def calibrate(
    output: str | None,
    trace: str | None,
    *,
    based_on: str,
    rounds: int,
    wait: int,
    pin: str | None,
    event_ns: int | None,
    quiet: bool,
) -> None:
    """Measure what the running kernel's receive path costs, in less than a minute.

    vnic writes frames to TAPs of its own, in a network namespace of its own, on two CPUs. It sends nothing to any
    network, changes no setting, and leaves nothing behind. Other work on the machine makes the spread wider, and does
    not stop. Run it as root; in some kernels a user namespace is enough.

    With --from, vnic reads a recording of another machine: docs/costs.md has the commands that make one.

    Exit codes: 0 success; 1 the machine is too busy; 2 wrong usage, or an unreadable file; 3 the kernel refused.
    """
    from vnic.calibrate import measure
    from vnic.knobs.cost_file import of_a_command, write

    with refusals():
        base = of_a_command(based_on)
        if trace is None and event_ns is not None:
            raise ConfigError("--event-ns: belongs to --from TRACE")
        if output is not None:
            _refuse_unwritable(output)
        with interruptible(), contextlib.closing(Progress("calibrate")) as progress:
            if trace is not None:
                profile = _from_trace(trace, base, event_ns, progress)
            else:
                profile = measure.profile(base, rounds=rounds, pin=pin, wait=wait, progress=progress)
        if output is not None:
            _save(output, write(profile))
    if not quiet:
        show(profile)
    if output is not None:
        click.echo(f"vnic: {output}: written; vnic replay --cost {output} uses it", err=True)


def _from_trace(path: str, base: Profile, event_ns: int | None, progress: Callable[[int, int], None]) -> Profile:
    """Read a recording line by line, because it may be larger than the memory."""
    from vnic.calibrate import from_trace
    from vnic.calibrate.trace import Trace

    fd = os.dup(0) if path == "-" else open_regular(path)
    with os.fdopen(fd, errors="replace") as file:
        size, at, trace = os.fstat(fd).st_size, 0, Trace()

        def lines() -> Iterator[str]:
            nonlocal at
            for nth, line in enumerate(iter(lambda: file.readline(_LINE_MAX), "")):
                at += len(line)
                if nth % 10_000 == 0:
                    progress(at, max(size, at))
                yield line

        name = "standard input" if path == "-" else path
        try:
            return from_trace.profile(trace.read(lines()), trace, base, name="measured", event_ns=event_ns)
        except ConfigError as e:
            raise ConfigError(f"{name}: {e}") from None


def _refuse_unwritable(path: str) -> None:
    """Refuse an unwritable file before a minute of measuring. Leave an old file unchanged, and no new one behind."""
    new = not os.path.lexists(path)
    os.close(create(path, truncate=False))
    if new:
        Path(path).unlink()


def _save(path: str, text: str) -> None:
    with os.fdopen(create(path), "w", encoding="utf-8") as file:
        file.write(text)
