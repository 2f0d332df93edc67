"""The running kernel as an oracle for RPS: on which CPU does a packet arrive that came in by a TAP?

A TAP of a namespace of their own with rps_cpus set, and one AF_PACKET socket for each CPU in a PACKET_FANOUT_CPU group.
The kernel's hash has a key of its own, so where a flow goes cannot be foretold; but which packets go together can, and
which do not go at all. The child is started as in kernel_gro.py, and all is gone when it ends.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from kernel_gro import IFF_NO_PI, IFF_TAP, SETTLE_S, SO_RCVBUFFORCE, SOL_PACKET, TUNSETIFF, Interface, enter_namespace

PACKET_FANOUT, PACKET_FANOUT_CPU = 18, 2
ETH_P_ALL = 0x0003


def ask(rps_cpus: str, frames: list[bytes]) -> list[int]:
    """The CPU on which each frame came up. RuntimeError: the kernel cannot be asked here, or lost one."""
    run = subprocess.run(
        [sys.executable, __file__, rps_cpus],
        input=json.dumps([f.hex() for f in frames]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if run.returncode:
        raise RuntimeError(run.stderr.strip().splitlines()[-1])
    return json.loads(run.stdout)


def received_rps() -> list[int]:
    """IPIs so far, by CPU; of the whole machine."""
    return [int(line.split()[9], 16) for line in Path("/proc/net/softnet_stat").read_text().splitlines()]


def main() -> None:
    frames = [bytes.fromhex(f) for f in json.load(sys.stdin)]
    enter_namespace()
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cpus[:1])
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI))
    Interface("tap0").up()
    Path("/sys/class/net/tap0/queues/rx-0/rps_cpus").write_text(sys.argv[1])
    sniffers = []
    for _ in range(os.cpu_count()):
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sniffer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        sniffer.bind(("tap0", ETH_P_ALL))
        sniffer.setsockopt(SOL_PACKET, PACKET_FANOUT, 7 | PACKET_FANOUT_CPU << 16)
        sniffer.settimeout(0.2)
        sniffers.append(sniffer)
    time.sleep(SETTLE_S)
    # A number behind each frame tells them apart. Not all at once: a backlog holds a thousand.
    for i, frame in enumerate(frames):
        os.write(tap, frame + i.to_bytes(4))
        if i % 256 == 255:
            time.sleep(0.02)
    where = {}
    for cpu, sniffer in enumerate(sniffers):
        try:
            while True:
                where[int.from_bytes(sniffer.recv(65536)[-4:])] = cpu
        except TimeoutError:
            pass
    if sorted(where) != list(range(len(frames))):
        sys.exit(f"{len(where)} of {len(frames)} frames came up")
    json.dump([where[i] for i in range(len(frames))], sys.stdout)


if __name__ == "__main__":
    main()
