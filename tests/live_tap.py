"""A live host on a TAP in the test's own network namespace (the netns fixture), and scapy to send into it."""

import contextlib
import time

import vnic
from vnic.tap import TapWire


@contextlib.contextmanager
def live_tap(name="vt0", **options):
    wire = TapWire(name)
    # a FIFO for all that a test sends: the CPUs' threads may get no processor for a while
    with vnic.Host(**({"wire": wire, "live": True, "latency": True, "fifo": 1 << 24} | options)) as host:
        host.start()
        yield host


def settle(host, frames, seconds=20):
    deadline = time.monotonic() + seconds
    while host.ledger().offered < frames or host.ledger().in_flight:
        assert time.monotonic() < deadline, host.ledger()
        time.sleep(0.005)


def send_all(name, frames):
    from scapy.arch.linux import L2Socket

    with contextlib.closing(L2Socket(iface=name)) as s:
        for f in frames:
            s.send(f)
