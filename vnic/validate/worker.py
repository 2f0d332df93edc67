"""The process that measures: ``python -m vnic.validate.worker REQUEST``, with JSON: loads, writer, reader, wait.

It writes a JSON object a line: ``{"round": {name: ns}, "quiet": bool}`` before each load and after the last one,
``{"load": n, ...}`` after each load, ``{"step": n, "of": m}`` now and then, and ``{"facts": {...}}`` at the end; or
``{"error": text, "kind": name}``.
"""

from __future__ import annotations

import resource
from typing import Any

from vnic.calibrate import sandbox
from vnic.calibrate.loads import Loads, Samples
from vnic.calibrate.state import Patience
from vnic.calibrate.worker import run, say
from vnic.errors import TapError
from vnic.validate.load import Bench, loops_of
from vnic.validate.scenario import SCENARIOS, WORK_NS, arrivals


def measure(loads: list[list[Any]], writer: int, reader: int, wait: float) -> None:
    """Send these loads, [scenario's name, packets a second, seed], and take a round of samples before each."""
    priority = sandbox.raise_priority()
    sandbox.enter()
    ladder, bench, looking = Loads(writer, reader), Bench(writer, reader), Patience([writer, reader], wait)
    if not bench.rps:
        raise TapError("the kernel refused RPS on our TAP: that needs root, not a user namespace")
    scenarios, work = {s.name: s for s in SCENARIOS}, loops_of(WORK_NS)
    for _ in ladder.steps():
        pass  # warms everything up
    for nth in range(len(loads) + 1):
        while not (quiet := looking.quiet()) and looking.left():
            say(step=nth, of=len(loads))
        samples: Samples = {}
        for part in ladder.steps():
            samples |= part
        say(round=samples, quiet=quiet)
        if nth < len(loads):
            name, pps, seed = loads[nth]
            say(load=nth, **bench.run(scenarios[name], arrivals(pps, seed), work).as_line())
        say(step=nth, of=len(loads))
    used = resource.getrusage(resource.RUSAGE_SELF)
    say(facts={"priority": priority, "preempted": used.ru_nivcsw})


if __name__ == "__main__":
    run(measure)
