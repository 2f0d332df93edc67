"""Frames a second between a vhost-user back-end and DPDK's virtio-user driver, two cores, no huge pages.

The driver is testpmd with virtio-user both times; its port's statistics are what counts. The back-end is vnic's card,
or testpmd's net_vhost. "in": the back-end sends as fast as it can, testpmd counts. "out": testpmd sends as fast
as it can (txonly), and the back-end takes all: net_vhost drops them (rxonly); vnic's card copies each to memory of its
own, and offers it to a wire that is full.

Usage: bench_vhost.py SECONDS      prints a JSON line for each case and back-end
       bench_vhost.py card SOCKET SIZE in|out      is vnic's card until it is killed
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import needs
from programs import CORE

DRIVERS = {"mergeable": "", "not mergeable": ",mrg_rxbuf=0"}
SIZES = (64, 1514)
OTHER = min(os.sched_getaffinity(0) - {CORE}, default=CORE)
MEMORY = ["--no-huge", "-m", "256", "--no-pci", "--no-telemetry"]


def udp(flow: int, size: int) -> bytes:
    """A UDP frame of so many bytes, with right checksums."""
    import frames

    return frames.udp(bytes(size - 42), sport=1024 + flow)


def card(path: str, size: int, way: str) -> None:
    """Be vnic's card: its wire gives frames without end, or takes none."""
    import vnic
    from vnic.vhost.card import VhostCard

    if way == "in":
        wire = vnic.MemoryWire(arena_bytes=2048 * 1024, frames=1024)
    else:
        wire, _far = vnic.JointWire.pair()
    with VhostCard(path, wire=wire, mac="any", link="inf") as the_card:
        if way == "in":
            the_card.feed([udp(flow, size) for flow in range(1024)])
            wire._mem.loops = 1 << 60
        the_card.start(pin=[CORE])
        signal.pause()


def testpmd(prefix: str, core: int, main: int, vdev: str, mode: str, size: int) -> subprocess.Popen:
    """Start a testpmd that forwards on this core, and shows its statistics each second."""
    return subprocess.Popen(
        [
            "stdbuf", "-oL", "dpdk-testpmd", "-l", f"{main},{core}", "--main-lcore", str(main), *MEMORY,
            f"--file-prefix={prefix}", "--vdev", vdev, "--", f"--forward-mode={mode}", "--auto-start", "--burst=64",
            "--port-topology=loop", "--no-mlockall", "--total-num-mbufs=16384", "--nb-cores=1", "--stats-period=1",
            f"--txpkts={size}", "--txonly-multi-flow",
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=needs.others_env(),
    )  # fmt: skip


def rates(driver: subprocess.Popen, word: str, seconds: float) -> list[int]:
    """Let it run, and end it. Return: the frames a second that it has seen."""
    time.sleep(seconds)
    driver.send_signal(signal.SIGINT)
    out, _ = driver.communicate(timeout=20)
    return [int(n) for n in re.findall(rf"{word}-pps:\s+(\d+)", out) if int(n) > 1000]


def case(back_end: str, way: str, driver: str, size: int, seconds: float) -> list[int]:
    """Measure one case. Return: frames a second, once a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "v")
        if back_end == "vnic":
            there = subprocess.Popen([sys.executable, __file__, "card", path, str(size), way])
        else:
            mode = "txonly" if way == "in" else "rxonly"
            there = testpmd("bench-back", CORE, OTHER, f"net_vhost0,iface={path},queues=1", mode, size)
        front = None
        try:
            end = time.monotonic() + 20
            while not path.exists() and time.monotonic() < end:
                time.sleep(0.05)
            mode, word = ("rxonly", "Rx") if way == "in" else ("txonly", "Tx")
            front = testpmd(
                "bench-front", OTHER, CORE, f"net_virtio_user0,path={path},queues=1{DRIVERS[driver]}", mode, size
            )
            return rates(front, word, seconds)
        finally:
            for process in (front, there):
                if process is not None:
                    process.kill()
                    process.wait()


def idle(seconds: float) -> float:
    """Return the CPU time of a card, ns a second, whose driver is there and sends nothing."""
    from front_end import FrontEnd

    import vnic
    from vnic.vhost.card import VhostCard

    with tempfile.TemporaryDirectory() as folder, VhostCard(Path(folder, "v"), wire=vnic.JointWire.pair()[0]) as c:
        c.start()
        with FrontEnd(c.path) as front:
            front.start()
            time.sleep(0.5)
            before = time.process_time_ns()
            time.sleep(seconds)
            return (time.process_time_ns() - before) / seconds


def main() -> None:
    """Measure all cases, the back-ends in turn."""
    used = idle(float(sys.argv[1]))
    print(json.dumps({"kind": "vhost", "name": "vhost_idle", "what": "idle", "ns_min": used, "ns_median": used}))
    for way, words in (("in", "into"), ("out", "out of")):
        for size in SIZES:
            for driver in DRIVERS:
                for back_end in ("vnic", "dpdk"):
                    seen = sorted(case(back_end, way, driver, size, float(sys.argv[1])))
                    if not seen:
                        sys.exit(f"{back_end}: testpmd saw no frame")
                    name = f"vhost_{way}{size}_{driver.replace(' ', '_')}_{back_end}"
                    row = {
                        "kind": "vhost",
                        "name": name,
                        "what": f"{back_end}: {words} testpmd, {size} bytes, {driver}",
                        "ns_min": 1e9 / seen[-1],
                        "ns_median": 1e9 / statistics.median(seen),
                    }
                    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "card":
        card(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        main()
