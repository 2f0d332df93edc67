"""Live hosts on wires written in Python. The fixture ``live`` (tests/conftest.py) makes them for a test."""

import contextlib
import threading
import time

import vnic


class Answering:
    """No frame comes in; what the host sends is taken."""

    def read_burst(self, max_frames):
        time.sleep(0.0005)
        return []

    def write_burst(self, burst):
        pass


class Bursts:
    """Hands out the bursts that it was given, then waits until its test sets ``end``."""

    def __init__(self, bursts):
        self.bursts = list(bursts)
        self.end = threading.Event()

    def read_burst(self, max_frames):
        if self.bursts:
            return self.bursts.pop(0)
        if self.end.wait(0.01):
            return None
        return []


@contextlib.contextmanager
def live_hosts(**defaults):
    """Yields make(bursts, **knobs); at the end the wires end and the hosts are closed."""
    made = []

    def make(bursts, **knobs):
        host = vnic.Host(wire=vnic.PythonWire(Bursts(bursts)), live=True, **(defaults | knobs))
        made.append(host)
        return host

    try:
        yield make
    finally:
        for host in made:
            host.wire.source.end.set()
            host.close()
