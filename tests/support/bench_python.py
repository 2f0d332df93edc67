"""What a Python user pays a frame: reading datagrams in batches, and a protocol handled in Python.

JSON lines, for scripts/bench.

Run by the interpreter that has vnic. Frames of 64 bytes lie in memory; virtual time, no costs.
"""

import json
import statistics
import sys
import time

import frames

import vnic

RUNS, BATCH, FRAMES = 9, 256, 256 * 64


def report(name: str, what: str, ns: list[float]) -> None:
    row = {"kind": "python", "name": name, "what": what, "ns_min": min(ns), "ns_median": statistics.median(ns)}
    sys.stdout.write(json.dumps(row) + "\n")


def host() -> vnic.Host:
    return vnic.Host(cost="zero", link="inf", speed="max", rcvbuf=1 << 28)


def read_in_batches() -> list[float]:
    ns = []
    with host() as h:
        sock = h.udp(5000)
        for _ in range(RUNS):
            h.feed([frames.udp(bytes(22))] * FRAMES)
            h.run()
            start, n = time.perf_counter(), 0
            while batch := sock.recvmmsg_nowait(BATCH):
                n += len(batch)
            ns.append((time.perf_counter() - start) * 1e9 / n)
            assert n == FRAMES
    return ns


def handle_protocol() -> list[float]:
    ns, seen = [], 0
    with host() as h:

        @h.protocol(253)
        def count(burst):
            nonlocal seen
            seen += len(burst)

        for i in range(RUNS):
            h.feed([frames.eth(frames.ipv4(bytes(30), 253))] * FRAMES)
            start = time.perf_counter()
            h.run()
            ns.append((time.perf_counter() - start) * 1e9 / FRAMES)
            assert seen == (i + 1) * FRAMES
    return ns


report("python_recvmmsg", f"UdpSocket.recvmmsg_nowait, batches of {BATCH}: the read alone", read_in_batches())
report("python_protocol", "a @host.protocol stage in Python: the whole path", handle_protocol())
