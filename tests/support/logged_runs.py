"""Runs with the event log on: the log, the facts, and the sums of the run's own latency histograms."""

from dataclasses import dataclass
from typing import Any

import overloads

import vnic
from vnic._core import ffi, lib
from vnic.counters.latency import LATENCIES
from vnic.events.log import EventChoice, EventLog
from vnic.runs.replay import facts

ALL = EventChoice()


@dataclass
class Logged:
    """What a run with a log leaves."""

    events: Any
    facts: dict
    sums: dict
    counts: dict
    latencies: dict

    @property
    def frames(self):
        return self.events.frames


def run(traffic, *, chosen=ALL, **options):
    """A host with this traffic, run out: Logged. ``python``: of strategies.configs(), is left out."""
    options.pop("python", None)
    with vnic.Host(**({"sink": True, "latency": True} | options)) as host:
        log = EventLog(host, chosen)
        host.feed(traffic)
        host.finish()
        found = facts(host, schema="vnic.replay/1", input_facts={})
        split = {name: [h[i] for h in host.machine.histograms.values()] for i, name in enumerate(LATENCIES)}
        sums = {name: sum(int(h.sum) for h in of) for name, of in split.items()}
        counts = {name: sum(int(h.count) for h in of) for name, of in split.items()}
        return Logged(log.end(found), found, sums, counts, dict(host.latencies()))


CASES = {
    "overload": (overloads.burst(1500), {}),
    "RPS": (overloads.burst(1500), {"queues": 2, "rps_cpus": "f", "rx_usecs": 50}),
    "merged": (overloads.stream(200, 1200), {"rx_usecs": 20}),
    "held": (overloads.twelve_flows(300), {"gro_flush_timeout": 20_000}),
    "fragments": (overloads.halves(20), {}),
    "fragments by RPS": (overloads.halves(20, 6), {"rps_cpus": "f"}),
    "out of order": ([(1000 * i, f) for i, (_, f) in enumerate(overloads.stream(40, 0)[::-1])], {}),
}
"""Name -> traffic and options: a run of each kind of way."""


def spans_of(run):
    """Of each frame: part of the latency split -> ns."""
    rows = run.frames
    spans = ffi.new("struct frame_spans[]", max(len(rows), 1))
    assert lib.frame_spans(run.events.c, len(run.events), rows.c, len(rows), spans) == 0
    return [
        {name: int(spans[i].ns[k]) for k, name in enumerate(LATENCIES) if spans[i].seen >> k & 1}
        for i in range(len(rows))
    ]
