"""Run the worker: start it, follow its lines, end it whatever happens; then make the profile."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic.calibrate import ladder, state
from vnic.errors import ConfigError, TapError, VnicError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.calibrate.loads import Samples
    from vnic.knobs.cost import Profile

_ENOUGH = 5
"""If so many rounds began on idle CPUs, the others are left out."""
_KINDS: dict[str, type[VnicError]] = {"TapError": TapError, "ConfigError": ConfigError}
_SILENT_S = 60.0
"""Longest time without a line: a step takes less than a second on a machine that works."""


@dataclass(slots=True)
class Run:
    """What the worker has said."""

    rounds: list[Samples] = field(default_factory=list)
    quiet: list[Samples] = field(default_factory=list)
    """The rounds before which both CPUs were idle."""
    facts: dict[str, Any] = field(default_factory=dict)


def measure(
    rounds: int,
    writer: int,
    reader: int | None,
    progress: Callable[[int, int], None] | None = None,
    *,
    wait: float = 0.0,
) -> Run:
    """Measure in a process of its own, and return its samples.

    Args:
        rounds: repetitions.
        writer: CPU that writes the frames.
        reader: CPU that reads them; None: there is no other.
        progress: called with the pieces done, and all pieces.
        wait: seconds in all to wait for the CPUs to become idle before a round.

    Raises:
        TapError: the kernel refuses the namespace or the TAP.
        VnicError: the machine is too busy, or the worker has died.
    """
    run = Run()
    request = {"rounds": rounds, "writer": writer, "reader": reader, "wait": wait}
    follow("vnic.calibrate.worker", request, lambda said: _take(run, said, progress))
    if not run.facts:
        raise VnicError("the measuring process ended early")
    return run


def follow(module: str, request: dict[str, Any], take: Callable[[dict[str, Any]], None]) -> None:
    """Run this module as a process of its own to its end, and give ``take`` each line that it writes.

    Raises:
        TapError, VnicError: what the process says; it stands still; it has died.
    """
    worker = subprocess.Popen(  # noqa: S603 - our own module, and numbers
        [sys.executable, "-P", "-m", module, json.dumps(request)],  # -P: nothing from the current directory
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # an autogroup of its own: its priority ends with it, and Ctrl-C comes to us alone
    )
    try:
        _follow(worker, take)
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.send_signal(signal.SIGKILL)
        worker.wait()
        if worker.stdout:
            worker.stdout.close()


def _follow(worker: subprocess.Popen[bytes], take: Callable[[dict[str, Any]], None]) -> None:
    pieces, heard = list[bytes](), time.monotonic()
    assert worker.stdout is not None  # noqa: S101 - it is a pipe
    fd = worker.stdout.fileno()
    while True:
        if select.select([fd], [], [], 1.0)[0]:
            piece = os.read(fd, 1 << 16)
            if not piece:
                break
            heard = time.monotonic()
            if b"\n" not in piece:
                pieces.append(piece)
                continue
            *lines, rest = (b"".join(pieces) + piece).split(b"\n")
            pieces = [rest]
            for line in lines:
                said = json.loads(line)
                if "error" in said:
                    raise _KINDS.get(said["kind"], VnicError)(said["error"])
                take(said)
        elif time.monotonic() - heard > _SILENT_S:
            raise VnicError(f"the measurement stood still for {_SILENT_S:.0f} s: the machine is too busy")
    if code := worker.wait():
        raise VnicError(f"the measuring process ended early, with exit code {code}")


def _take(run: Run, said: dict[str, Any], progress: Callable[[int, int], None] | None) -> None:
    if "round" in said:
        run.rounds.append(said["round"])
        if said["quiet"]:
            run.quiet.append(said["round"])
    if "facts" in said:
        run.facts = said["facts"]
    if "step" in said and progress:
        progress(said["step"], said["of"])


def profile(
    base: Profile, *, rounds: int, pin: str | None, wait: float, progress: Callable[[int, int], None] | None
) -> Profile:
    """Measure, and return the profile on top of ``base``.

    Raises:
        ConfigError: ``pin`` does not name CPUs of this process.
        VnicError: as :func:`measure`.
    """
    writer, reader = state.choose(pin)
    watch = state.Watch([cpu for cpu in (writer, reader) if cpu is not None])
    run = measure(rounds, writer, reader, progress, wait=wait)
    taken = run.quiet if len(run.quiet) >= _ENOUGH else run.rounds
    facts = {
        **state.machine(writer, reader),
        **watch.facts(_said(run, rounds, only_quiet=taken is run.quiet)),
        "spread": f"quartiles of {len(taken)} rounds' medians",
    }
    what = f"measured by vnic calibrate, {facts['date']}"
    return ladder.profile(taken, base, name="measured", what=what, facts=facts)


def _said(run: Run, rounds: int, *, only_quiet: bool) -> list[str]:
    """Return what the run says about its own circumstances."""
    used = "only these are used" if only_quiet else "all are used"
    said = [
        f"before {len(run.quiet)} of {rounds} rounds both CPUs were idle; {used}",
        f"the measuring threads ran with {run.facts['priority']}, and were preempted {run.facts['preempted']} times",
    ]
    if rates := [samples["hz"] for samples in run.rounds if "hz" in samples]:
        said.append(f"timer tick: {statistics.median(rates):.0f} a second")
    if not run.facts["rps"]:
        said.append("the kernel refused RPS on our TAP: that needs root, not a user namespace")
    return said
