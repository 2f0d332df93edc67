"""Machines with hand-picked costs, and interrupts at instants of a test's choice."""

import frames
from costs import charge
from slices import cpu_times

from vnic._core import ffi, lib

NOTHING = frames.eth(bytes(46), type=0x88B5)  # no handler takes it


def costed(host, cost, **knobs):
    """A host in which only this costs time, in ns."""
    h = host(**({"cpus": 1, "latency": True} | knobs))
    charge(h, **cost)
    return h


def cpu(h, i=0):
    return h.machine.c.cpu[i]


def napi(h, queue):
    return ffi.addressof(h.machine.c.dq[queue].napi)


def interrupt(h, queue, at):
    """The card interrupts for a queue whose ring is empty."""
    lib.raise_hardirq(cpu(h, queue % h.machine.c.ncpus), queue, at)


def spent(h, i=0):
    """Where a CPU's time went, without what is 0; now is the sum of the others."""
    times = cpu_times(h)[i]
    assert sum(times.values()) == 2 * times["now"]
    return {what: ns for what, ns in times.items() if ns}


def reads(h):
    socks = h.machine.c.socks
    return sum(int(socks.socks[i].reads) for i in range(1, socks.used))


def seen_at(h, instants, look):
    """What look() tells when the run has come to each instant, and the instants after which it changed."""
    log, last = {}, None
    for t in instants:
        h.run(until_ns=t)
        now = look()
        if now != last:
            log[t] = last = now
    return log
