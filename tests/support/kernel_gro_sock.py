"""The running kernel as an oracle for what GRO's packets cost a socket: a child with kernel_gro's TAP, and SO_MEMINFO.

The TAP is opened with O_NONBLOCK, so its driver puts each frame into a fragment of a page.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time

import frames
from kernel_gro import SO_RCVBUFFORCE, Child
from kernel_sock import ADDRESS, PORT, SO_MEMINFO, words

POLL_S = 0.01
"""The kernel's NAPI thread is on the CPU of the child, which has SCHED_FIFO: it polls all while that sleeps."""
PATIENCE_S = 5.0
"""On a busy machine the thread may get its CPU later."""


def rmem_alloc(feature: str | None, batches: list[list[bytes]]) -> list[int]:
    """What a socket is charged for each batch, polled at once and read before the next. No feature: it has UDP_GRO."""
    request = json.dumps([feature, [[frame.hex() for frame in batch] for batch in batches]])
    done = subprocess.run([sys.executable, __file__], input=request, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    feature, batches = json.load(sys.stdin)
    ports = {"udp_ports" if feature else "udp_gro_ports": [PORT]}
    child = Child(features=[feature] if feature else [], address=ADDRESS, mac=frames.MAC.hex(), **ports)
    child.sniffer.close()  # its clones make the kernel copy segments
    os.set_blocking(child.tap, False)
    (sock,) = child.socks
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    charged = []
    for batch in batches:
        for frame in batch:
            os.write(child.tap, bytes.fromhex(frame))
        time.sleep(POLL_S)
        select.select([sock], [], [], PATIENCE_S)
        charged.append(words(sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36)).rmem_alloc)
        try:
            while sock.recv(1 << 17):
                pass
        except BlockingIOError:
            pass
    sys.stdout.write(json.dumps(charged))


if __name__ == "__main__":
    main()
