"""A live host on a TAP in the test's own network namespace (the netns fixture), and scapy to send into it."""

import contextlib
import socket
import threading
import time
from pathlib import Path

import frames

import vnic
from vnic.tap.wire import TapWire


@contextlib.contextmanager
def live_tap(name="vt0", *, lanes=1, host_ip=None, vnet_hdr=True, **options):
    wire = TapWire(name, lanes=lanes, host_ip=host_ip, vnet_hdr=vnet_hdr)
    # a FIFO for all that a test sends: the CPUs' threads may get no processor for a while
    with vnic.Host(**({"wire": wire, "live": True, "latency": True, "fifo": 1 << 24} | options)) as host:
        host.start()
        yield host


def wait_until(condition, seconds=20, sleep=0.005):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(sleep)


def tasks(pid="self"):
    """The threads of a process: their numbers, as text, and names. Those that are gone meanwhile are not among them."""
    names, at = {}, Path(f"/proc/{pid}/task")
    for task in at.iterdir() if at.exists() else ():
        with contextlib.suppress(OSError):
            names[task.name] = (task / "comm").read_text().strip()
    return names


def descriptors():
    """How many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def settle(host, n):
    wait_until(lambda: host.ledger().offered >= n and not host.ledger().in_flight)


def send_all(name, all_frames):
    from scapy.arch.linux import L2Socket

    with contextlib.closing(L2Socket(iface=name)) as s:
        for f in all_frames:
            s.send(f)


@contextlib.contextmanager
def sending(name):
    """Frames of many flows, without end, from a thread; also when the interface goes away."""
    over = threading.Event()

    def send():
        with contextlib.closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as s, contextlib.suppress(OSError):
            s.bind((name, 0))
            while not over.is_set():
                for frame in burst:
                    s.send(frame)

    burst = [frames.udp(sport=1000 + i) for i in range(64)]
    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)
