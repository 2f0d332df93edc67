"""TCP of a live host against the kernel's on a TAP, beside a bare forwarder between two TAPs.

One stream each way, in frames of up to 64 KB. The forwarder has the kernel's TCP at both ends: it shows what TAPs carry
on this machine. Then short connections on several lanes: connect, 60 bytes, an answer of 60, close.
At last two hosts in virtual time, and what idle connections take: resident bytes of the process, in virtual time.

Usage: bench_tcp.py FORWARDER SECONDS      prints a JSON line for each case; needs root, works in namespaces of its own
"""

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time

import frames
from frames import ACK, SYN
from peer import arp

import vnic
from vnic.tap import tun
from vnic.tap.netns import own

SEGMENT = 1448
MB = 1 << 20
PORT = 80
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 21\r\n\r\n" + b"a" * 21
LANES = 4
IDLE = 50_000
IFF_TAP_NO_PI_VNET = 0x5002


def say(name: str, what: str, ns: float, **more: float) -> None:
    """One figure."""
    print(json.dumps({"name": name, "what": what, "ns_min": ns, "ns_median": ns} | more), flush=True)


def pump(send, seconds: float) -> int:
    """Send zeros for so long. Return: bytes."""
    piece, n, end = memoryview(bytes(MB)), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        n += send(piece)
    return n


def kernel_sends(address: str, seconds: float) -> None:
    with socket.create_connection((address, PORT), timeout=10) as s:
        pump(s.send, seconds)


def drain(read) -> tuple[int, float]:
    """Read all of a stream. Return: bytes, seconds since the first."""
    buffer, n, began = bytearray(MB), 0, None
    while got := read(buffer):
        began = began or time.monotonic()
        n += got
    return n, time.monotonic() - (began or 0)


def stream_out(host: vnic.Host, server: vnic.tcp.TcpServer, seconds: float) -> float:
    """ns a segment that vnic sends."""
    found: list = []

    def peer() -> None:
        with socket.create_connection(("10.0.0.2", PORT), timeout=10) as s:
            found.append(drain(s.recv_into))

    reading = threading.Thread(target=peer, daemon=True)
    reading.start()
    c = server.accept(timeout=10)
    pump(lambda piece: c.send(piece, timeout=10), seconds)
    c.close()
    reading.join(30)
    n, took = found[0]
    return took * 1e9 / (n / SEGMENT)


def stream_in(host: vnic.Host, server: vnic.tcp.TcpServer, seconds: float) -> float:
    """ns a segment that vnic receives."""
    writing = threading.Thread(target=kernel_sends, args=("10.0.0.2", seconds), daemon=True)
    writing.start()
    c = server.accept(timeout=10)
    n, took = drain(lambda buffer: c.recv_into(buffer, timeout=10))
    c.close()
    writing.join(30)
    return took * 1e9 / (n / SEGMENT)


def clients(seconds: float) -> int:
    """Be the load: short connections on several lanes. Return: how many."""
    over, counts = time.monotonic() + seconds, [0] * LANES

    def client(lane: int) -> None:
        while time.monotonic() < over:
            with socket.create_connection(("10.0.0.2", PORT), timeout=5) as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n".ljust(60))
                while s.recv(4096):
                    pass
            counts[lane] += 1

    lanes = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(LANES)]
    for t in lanes:
        t.start()
    for t in lanes:
        t.join(30)
    return sum(counts)


def connections(server: vnic.tcp.TcpServer, seconds: float) -> float:
    """ns a short connection; the load is another process."""

    def serve() -> None:
        with contextlib.suppress(vnic.VnicError):
            while True:
                c = server.accept(timeout=5)
                c.recv(4096, timeout=5)
                c.send(ANSWER, timeout=5)
                c.close()

    for _ in range(2):
        threading.Thread(target=serve, daemon=True).start()
    command = [sys.executable, __file__, "clients", str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return seconds * 1e9 / max(int(done.stdout), 1)


def with_vnic(seconds: float) -> None:
    with own():
        wire = vnic.TapWire("vt0", host_ip="10.0.0.1/24")
        options = {"flow_control": True, "fifo": 1 << 20, "rx_ring": 1024, "tcp": "endpoint", "ip": "10.0.0.2/24"}
        with vnic.Host(live=True, wire=wire, **options) as host, host.running():
            server = host.listen(PORT, backlog=256)
            say("tcp_out_vnic", "a stream out of vnic, per 1448 bytes", stream_out(host, server, seconds))
            say("tcp_in_vnic", "a stream into vnic, per 1448 bytes", stream_in(host, server, seconds))
            say("tcp_crr_vnic", "connect, 60 bytes, 60 back, close", connections(server, seconds))


def tap(name: str, address: str) -> int:
    """Make a TAP with virtio headers, up and with an address. Return: its descriptor."""
    fd = tun.attach(name, IFF_TAP_NO_PI_VNET, link=None)[0]
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
    for line in (f"ip link set {name} up", f"ip addr add {address}/24 dev {name}"):
        subprocess.run(line.split(), check=True, timeout=20)
    return fd


def with_forwarder(program: str, seconds: float) -> None:
    """The kernel's TCP at both ends, in two namespaces."""
    with own():
        a = tap("fa", "10.0.0.1")
        ready, found, go = threading.Event(), [], threading.Event()

        def other() -> None:
            with own():
                found.append(tap("fb", "10.0.0.2"))
                with socket.create_server(("10.0.0.2", PORT)) as server:
                    server.settimeout(20)
                    ready.set()
                    c, _ = server.accept()
                    with c:
                        found.append(drain(c.recv_into))
                go.set()

        reading = threading.Thread(target=other, daemon=True)
        reading.start()
        ready.wait(10)
        b = found.pop()
        with subprocess.Popen([program, str(a), str(b)], pass_fds=(a, b)) as forwarder:
            try:
                kernel_sends("10.0.0.2", seconds)
                go.wait(20)
            finally:
                forwarder.kill()
        n, took = found[0]
        say("tcp_forwarder", "a stream through a bare forwarder, per 1448 bytes", took * 1e9 / (n / SEGMENT))
        os.close(a)
        os.close(b)


# ---- in virtual time: two hosts and a link; memory ----


def in_memory() -> None:
    """Real time for each segment from program to program, ACKs included; start-up is left out."""

    def seconds(megabytes: int) -> float:
        began = time.perf_counter()
        vnic.tcp_workload("bulk", bytes=megabytes * 1_000_000, rate="10G", rtt="1ms", cost="zero", latency=False)
        return time.perf_counter() - began

    seconds(10)
    least = min(seconds(310) - seconds(10) for _ in range(3))
    say("tcp_link", "two hosts in virtual time, per 1448 bytes", least * 1e9 / (300e6 / SEGMENT))


def resident() -> int:
    """Bytes."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def opened(host: vnic.Host, server: vnic.tcp.TcpServer, ports: range, now: int) -> list:
    """Handshakes from these ports. Return: the connections, accepted."""

    def segment(port: int, **fields: int) -> bytes:
        return frames.tcp(sport=port, dport=server.local[1], options=b"\2\4\5\xb4\4\2\1\1", **fields)

    host.feed([(now, segment(p, flags=SYN, seq=100, ack=0)) for p in ports])
    host.run(until_ns=now + 999_999)
    isn = {
        int.from_bytes(f[36:38], "big"): int.from_bytes(f[38:42], "big")
        for _, f in host.nic.sent()
        if f[12:14] == b"\x08\0" and f[23] == 6
    }
    host.feed([(now + MB, segment(p, flags=ACK, seq=101, ack=(isn[p] + 1) % 2**32)) for p in ports])
    host.run(until_ns=now + 2 * MB)
    host.nic.sent()
    got = []
    while (c := server.accept_nowait()) is not None:
        got.append(c)
    return got


def idle() -> None:
    """Bytes that an idle connection takes, its Python object included."""
    day = 86_400_000
    options = {"cost": "zero", "cpus": 1, "tcp": "endpoint", "neigh_base_reachable_time_ms": day, "fifo": 1 << 26}
    with vnic.Host(ip="10.0.0.2/16", sockets=2 * IDLE, **options) as host:
        known = [arp(1, "10.0.0.1", "10.0.0.2"), arp(2, "10.0.0.1", "10.0.0.2")]
        host.feed([(0, f) for f in known])
        host.run(until_ns=0)
        server = host.listen(PORT, backlog=4096)
        now, all_of_them = MB, opened(host, server, range(1024, 2024), MB)
        before = resident()
        for first in range(2024, 2024 + IDLE, 1000):
            now += 4 * MB
            all_of_them += opened(host, server, range(first, first + 1000), now)
        assert len(all_of_them) == IDLE + 1000
        say("tcp_idle", "an idle connection: resident bytes", (resident() - before) / IDLE)


def main() -> None:
    """Measure all."""
    program, seconds = sys.argv[1], float(sys.argv[2])
    if program == "clients":
        print(clients(seconds))
        return
    with_forwarder(program, seconds)
    with_vnic(seconds)
    in_memory()
    idle()


if __name__ == "__main__":
    main()
