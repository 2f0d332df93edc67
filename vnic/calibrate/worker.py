"""The process that measures: ``python -m vnic.calibrate.worker '{"rounds": 9, "writer": 1, "reader": 0, "wait": 20}'``.

It writes a JSON object a line to stdout: ``{"step": n, "of": m}`` after each piece, ``{"round": {name: ns}, "quiet":
bool}``, and at the end ``{"facts": {...}}``; or ``{"error": text, "kind": name}``. It holds the namespace, the TAPs and
the sockets, and its session holds the priority, so whatever ends it leaves nothing behind.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import TYPE_CHECKING, Any

from vnic.calibrate import sandbox
from vnic.calibrate.loads import Loads, Samples
from vnic.calibrate.state import Patience
from vnic.errors import VnicError

if TYPE_CHECKING:
    from collections.abc import Callable


def say(**what: Any) -> None:
    """Write a line."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def measure(rounds: int, writer: int, reader: int | None, wait: float) -> None:
    """Take the rounds, and say each. ``wait``: seconds in all for the CPUs to become idle before a round."""
    priority = sandbox.raise_priority()
    sandbox.enter()
    loads, looking = Loads(writer, reader), Patience([cpu for cpu in (writer, reader) if cpu is not None], wait)
    pieces = sum(1 for _ in loads.steps())  # the first round warms everything up, and counts the pieces
    for nth in range(rounds):
        done, samples = nth * pieces, Samples()
        while not (quiet := looking.quiet()) and looking.left():
            say(step=done, of=rounds * pieces)
        for i, part in enumerate(loads.steps()):
            samples |= part
            say(step=done + i + 1, of=rounds * pieces)
        say(round=samples, quiet=quiet)
    used = resource.getrusage(resource.RUSAGE_SELF)
    say(facts={"rps": loads.rps, "priority": priority, "preempted": used.ru_nivcsw})


def run(what: Callable[..., None]) -> None:
    """Measure as the only argument says; an error is a line too."""
    sandbox.end_with_parent()
    try:
        what(**json.loads(sys.argv[1]))
    except VnicError as e:
        say(error=str(e), kind=type(e).__name__)
    except OSError as e:
        say(error=f"{e.filename or 'calibrate'}: {e.strerror}", kind="VnicError")


if __name__ == "__main__":
    run(measure)
