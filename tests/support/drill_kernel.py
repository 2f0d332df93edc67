"""The running kernel as a back end of vnic.packetdrill: a TUN in a namespace of its own, sockets that never wait."""

import contextlib
import errno
import fcntl
import os
import queue
import select
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from tcp_sides import INFO

from vnic.packetdrill import Runner, load, options_of
from vnic.packetdrill.values import MSG_MORE, SIOCINQ, SIOCOUTQ
from vnic.packetdrill.virtual import LOCAL, REMOTE
from vnic.tap.netns import own

_TUNSETIFF, _IFF_TUN_NO_PI = 0x400454CA, 0x1001
SLACKS_US = (20_000, 35_000, 70_000)


class KernelBackend:
    """``name``: of the TUN, in the caller's namespace."""

    def __init__(self, mtu=1500, name="tun0"):
        self.local, self.remote, self.largest = LOCAL, REMOTE, 65535
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN_NO_PI))
        for line in (
            f"ip link set {name} mtu {mtu} up",
            f"ip addr add {LOCAL}/24 dev {name}",
            f"ip route add default dev {name}",
        ):
            subprocess.run(line.split(), check=True, timeout=20)
        self.sysctl("net.ipv4.tcp_no_metrics_save", "1")
        self.frames = []
        self.began = time.monotonic_ns()

    def close(self):
        os.close(self.fd)

    def now_us(self):
        return (time.monotonic_ns() - self.began) // 1000

    def run(self, until_us):
        while (left := until_us - self.now_us()) >= 0:
            if select.select([self.fd], [], [], left / 1e6)[0]:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        packet = os.read(self.fd, 65536)
                        self.frames.append((self.now_us(), packet))
                return
            if not left:
                return

    def put(self, packets):
        for packet in packets:
            os.write(self.fd, packet)
        self.run(self.now_us())

    def sent(self):
        frames, self.frames = self.frames, []
        return frames

    def socket(self):
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        return KernelSocket(sock)

    def sysctl(self, name, value):
        path = Path("/proc/sys", *name.split("."))
        if path.exists() and path.name != "tcp_congestion_control":  # of other kernels; a socket's option does it
            path.write_text(value)


def _or_none(call):
    try:
        return call()
    except BlockingIOError:
        return None


class KernelSocket:
    def __init__(self, sock):
        self.sock = sock
        sock.setblocking(False)

    def bind(self, port):
        self.sock.bind((LOCAL, port))

    def listen(self, backlog):
        self.sock.listen(backlog)

    def accept(self):
        made = _or_none(self.sock.accept)
        return None if made is None else KernelSocket(made[0])

    def connect(self, addr, port):
        self.peer = (addr, port)
        error = self.sock.connect_ex(self.peer)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
        return not error

    def connected(self):
        poll = select.poll()
        poll.register(self.sock, select.POLLOUT)
        if not poll.poll(0):
            return None
        return self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or self.sock.connect_ex(self.peer)

    def recvmsg(self, n, flags):
        got = _or_none(lambda: self.sock.recvmsg(n, 256, flags))
        if got is None:
            return None
        return len(got[0]), [(a, b, struct.unpack("i", c[:4])[0]) for a, b, c in got[1]]

    def send(self, n, flags):
        return _or_none(lambda: self.sock.send(bytes(n), flags & (MSG_MORE | socket.MSG_OOB) | socket.MSG_NOSIGNAL))

    def writable(self):
        return bool(self.poll() & (select.POLLOUT | select.POLLERR | select.POLLHUP))

    def poll(self):
        poll = select.poll()
        poll.register(self.sock, 0xFFF | select.POLLRDHUP)
        return next((events for _, events in poll.poll(0)), 0)

    def shutdown(self, how):
        self.sock.shutdown(how)

    def close(self):
        self.sock.close()

    def setsockopt(self, level, name, value):
        self.sock.setsockopt(level, name, value)

    def getsockopt(self, level, name, size):
        return self.sock.getsockopt(level, name, size)

    def _ioctl(self, request):
        return struct.unpack("i", fcntl.ioctl(self.sock, request, b"\0" * 4))[0]

    def queued(self):
        return self._ioctl(SIOCINQ)

    def unacknowledged(self):
        return self._ioctl(SIOCOUTQ)

    def info(self):
        raw = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 248)
        found = dict(zip(("state", "ca_state", "retransmits", "probes", "backoff", "options"), raw[:6], strict=True))
        found |= zip(INFO, struct.unpack("24I", raw[8:104]), strict=True)
        found["delivered"] = struct.unpack("I", raw[192:196])[0]
        buffers = {"SK_MEMINFO_RCVBUF": socket.SO_RCVBUF, "SK_MEMINFO_SNDBUF": socket.SO_SNDBUF}
        sizes = {name: self.sock.getsockopt(socket.SOL_SOCKET, option) for name, option in buffers.items()}
        return sizes | {f"tcpi_{name}": number for name, number in found.items()}


def run_on_kernel(path, slack_us):
    """Return the kernel's result of a script, in a namespace made for it."""
    script = load(path)
    with own(), contextlib.closing(KernelBackend(options_of(script).mtu)) as backend:
        return Runner(str(path), script, backend, slack_us).run()


def kernels_result(path):
    """Return the first result that holds; the kernel runs in real time, on a machine that may be busy."""
    for slack in SLACKS_US:
        result = run_on_kernel(path, slack)
        if result.passed:
            break
    return result


LANES = 8


def kernels_results(paths):
    """Path -> result, of several scripts at once, each in a namespace of its own."""
    todo, found = queue.Queue(), {}
    for path in paths:
        todo.put(path)

    def work():
        with contextlib.suppress(queue.Empty):
            while True:
                path = todo.get_nowait()
                found[path] = kernels_result(path)

    lanes = [threading.Thread(target=work, daemon=True) for _ in range(LANES)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join(120)
    return found
