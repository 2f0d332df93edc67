"""Runs with their event log on: random machines and traffic, and what a run's log and table are compared with."""

import random
from typing import Any

import fragments
import frames
from slices import Load, drawn

import vnic
from vnic._core import ffi, lib
from vnic.counters.latency import LATENCIES
from vnic.events.log import EventChoice, EventLog

ALL = EventChoice()


def load_of(seed: int) -> Load:
    """A machine and traffic of tests/support/slices.py; in every second one some are fragments and TCP streams."""
    load, r = drawn(seed), random.Random(seed)
    if seed % 2:
        arrivals = []
        for t, frame in load.frames:
            arrivals.append((t, frame))
            if r.random() < 0.05:
                arrivals += [(t, fragments.frame(f)) for f in fragments.batch(r, r.choice((4, 6)), r.randrange(4) * 16)]
            if r.random() < 0.05:
                arrivals += [(t, frames.tcp(bytes(100), seq=1 + i * 100, sport=77)) for i in range(r.randrange(2, 30))]
        load.frames[:] = arrivals
    return load


def host_of(load: Load, **knobs: Any) -> vnic.Host:
    host = vnic.Host(sink=True, latency=True, **({"sockets": 64} | load.knobs | knobs))
    for what, ns in load.cost.items():
        host.machine.c.cost[what] = ns
    host.feed(load.frames)
    return host


def play(load: Load, choice: EventChoice = ALL, *, frames_at_once: int | None = None, look=None, **knobs: Any):
    """Run it to its end, whole or so many frames at a time. Return: the events. ``look``: called with the host."""
    with host_of(load, **knobs) as host:
        log = EventLog(host, choice)
        while frames_at_once and not host.run(frames=frames_at_once):
            pass
        host.run()
        host.finish()
        assert host.laws() == 0
        events = log.end()
        if look:
            look(host, events)
    return events


def rows_of(events) -> list[bytes]:
    """Each record's bytes."""
    size, data = events.row_size, bytes(events.data)
    return [data[at : at + size] for at in range(0, len(data), size)]


def sums(host: vnic.Host) -> dict[str, tuple[int, int]]:
    """Count and sum of each stage's histogram, of all CPUs together."""
    found = dict.fromkeys(LATENCIES, (0, 0))
    for i in range(host.machine.c.ncpus):
        lat = host.machine.c.cpu[i].lat
        if lat == ffi.NULL:
            continue
        for which, name in enumerate(LATENCIES):
            count, total = found[name]
            found[name] = count + int(lat[which].count), total + int(lat[which].sum)
    return found


def made(*records: dict[str, int | str], missed: int = 0, flows=("",)):
    """Events of these records, given by their fields; a kind by its name."""
    from vnic.events.events import Events
    from vnic.events.kinds import KINDS
    from vnic.events.rows import room

    at, keep = room("event_record", len(records))
    for i, record in enumerate(records):
        at[i].cpu, at[i].queue = lib.EVENT_NO_CPU, lib.EVENT_NO_QUEUE
        for name, value in record.items():
            setattr(at[i], name, KINDS.index(value) if name == "kind" else value)
    return Events(at, len(records), keep, flows=list(flows), missed=missed, facts={})
