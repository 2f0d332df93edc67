"""Runs whose whole log is kept, made once: what traces, texts and tables are compared with."""

from functools import cache

import frames
import overloads
from paths import CAPTURES

import vnic
from vnic.events.log import EventLog
from vnic.runs.replay import facts


def record(traffic, **options):
    """The events of a host in virtual time that got this."""
    with vnic.Host(**({"sink": True, "latency": True} | options)) as host:
        log = EventLog(host)
        host.feed(traffic)
        host.finish()
        return log.end(facts(host, schema="test", input_facts={}))


def demo(**options):
    """Those of the shipped capture."""
    events = vnic.replay([CAPTURES / "demo.pcapng"], events=True, **options).events
    assert events is not None
    return events


def interrupted():
    """Two queues of one CPU, one of them rarely: its interrupts preempt the other's polls."""
    busy = [(i * 400, frames.udp(b"x", sport=1000, dport=5000)) for i in range(2000)]
    rare = [(i * 9_973 + 11, frames.udp(b"x", sport=1003, dport=5001)) for i in range(80)]
    return sorted(busy + rare, key=lambda f: f[0])


RUNS = {
    "demo": demo,
    "demo, rps": lambda: demo(rps_cpus="f", queues=2),
    "demo, no cost": lambda: demo(cost="zero"),
    "guest": lambda: demo(cost="kvm-guest-6.18", rps_cpus="f", rx_usecs=50, rx_frames=8),
    "overload": lambda: record(overloads.burst(6000), rcvbuf=20000, netdev_max_backlog=100, rps_cpus="2"),
    "ring": lambda: record(overloads.burst(4000), rx_ring=16, fifo=4096),
    "interrupted": lambda: record(interrupted(), queues=2, cpus=1),
    "tcp": lambda: record(overloads.stream(500, 1300), rx_usecs=20, rx_frames=16),
    "fragments": lambda: record(overloads.halves(20)),
    "threaded": lambda: record(overloads.burst(500), threaded=True),
    "restarts": lambda: record(overloads.burst(500), netdev_budget=4, weight=2, cpus=2, reader_cpu=1, hz=100),
}


@cache
def run(name):
    """The events of one of RUNS."""
    return RUNS[name]()
