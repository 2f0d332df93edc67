"""The process that measures: ``python -m vnic.calibrate.worker '{"rounds": 15, "writer": 1, "reader": 0}'``.

It writes a JSON object a line to stdout: ``{"step": n, "of": m}`` after each piece, ``{"round": {name: ns}}``, and at
the end ``{"facts": {...}}``; or ``{"error": text, "kind": name}``. It holds the namespace, the TAPs and the sockets,
and its session holds the priority, so whatever ends it leaves nothing behind.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

from vnic.calibrate import sandbox
from vnic.calibrate.loads import Loads, Samples
from vnic.errors import VnicError


def _say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def measure(rounds: int, writer: int, reader: int | None) -> None:
    """Take the rounds, and say each."""
    priority = sandbox.raise_priority()
    sandbox.enter()
    loads = Loads(writer, reader)
    pieces = sum(1 for _ in loads.steps())  # the first round warms everything up, and counts the pieces
    for nth in range(rounds):
        samples: Samples = {}
        for i, part in enumerate(loads.steps()):
            samples |= part
            _say(step=nth * pieces + i + 1, of=rounds * pieces)
        _say(round=samples)
    used = resource.getrusage(resource.RUSAGE_SELF)
    _say(facts={"rps": loads.rps, "priority": priority, "preempted": used.ru_nivcsw})


def main() -> None:
    """Measure as the only argument says; an error is a line too."""
    sandbox.end_with_parent()
    try:
        measure(**json.loads(sys.argv[1]))
    except VnicError as e:
        _say(error=str(e), kind=type(e).__name__)
    except OSError as e:
        _say(error=f"{e.filename or 'calibrate'}: {e.strerror}", kind="VnicError")


if __name__ == "__main__":
    main()
