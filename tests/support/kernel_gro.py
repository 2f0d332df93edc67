"""The running kernel as an oracle for GRO: frames into a TAP of a namespace of their own, and what AF_PACKET then sees.

    with KernelGro(features=["rx-gro-list"]) as kernel:
        kernel.deliver([frame, frame])          # [Seen, ...]

A child process makes the namespace; all of it is gone when the child ends. The TAP is opened with IFF_NAPI, so written
frames go through napi_gro_receive(). To have one poll for a whole batch, NAPI is threaded and the writer runs with
SCHED_FIFO on the kthread's CPU: the kthread gets it when the writer waits for the first packet. A marker frame written
after that is polled on its own, and says that the batch is through. The skbs have no hash (one bucket), and nothing
was verified by a card. deliver_slowly() is for what depends on time: it waits until all is quiet.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, Self

WEIGHT = 64
SETTLE_S = 0.3
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NAPI, IFF_NO_PI = 0x0002, 0x0010, 0x1000
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFMTU, SIOCETHTOOL = 0x8913, 0x8914, 0x8922, 0x8946
SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFHWADDR = 0x8916, 0x891C, 0x8924
ETHTOOL_GSTRINGS, ETHTOOL_GSSET_INFO, ETHTOOL_SFEATURES, ETH_SS_FEATURES = 0x1B, 0x37, 0x3B, 4
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
ETH_P_ALL = 0x0003
UDP_GRO = 104
LIMITS = {"gro_max_size": 58, "gro_ipv4_max_size": 64}  # IFLA_*
SO_RCVBUFFORCE = 33
CLOCK_MONOTONIC_COARSE = 6
MARKER = bytes.fromhex("020000000001020000000009") + b"\x88\xb6" + bytes(46)
GSO = {0: "", 1: "tcpv4", 4: "tcpv6", 5: "udp_l4"}


class Seen(NamedTuple):
    """A packet as a tap after GRO sees it."""

    packet: bytes
    """From the Ethernet header on."""
    gso: str
    """tcpv4, tcpv6, udp_l4, or nothing."""
    gso_size: int
    csum: str
    """P: rewritten (partial), V: verified, -: nobody looked."""
    csum_start: int
    """Of a partial one: where the transport header begins, bytes from the Ethernet header on."""


def why_not() -> str | None:
    """Why the kernel cannot be asked here; None: it can."""
    if os.geteuid() != 0:
        return "not root"
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun"
    try:
        with KernelGro() as kernel:
            kernel.deliver([bytes(12) + b"\x88\xb5" + bytes(46)])
    except (OSError, RuntimeError) as e:
        return str(e)
    return None


class KernelGro:
    """The parent's side. OSError or RuntimeError: the child could not set it up."""

    def __init__(self, **config) -> None:
        """Arguments: those of :class:`Child`."""
        command = [sys.executable, __file__, json.dumps(config)]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def _answer(self) -> list:
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(self.child.stderr.read().decode().strip().splitlines()[-1])
        return json.loads(line)

    def _ask(self, what: list) -> list[Seen]:
        self.child.stdin.write(json.dumps(what).encode() + b"\n")
        self.child.stdin.flush()
        return [Seen(bytes.fromhex(packet), *rest) for packet, *rest in self._answer()]

    def deliver(self, frames: list[bytes]) -> list[Seen]:
        """Write a batch at once. Return: what came out, in order."""
        return self._ask([f.hex() for f in frames])

    def deliver_slowly(self, steps: list[tuple[float, list[bytes]]], quiet_s: float) -> list[Seen]:
        """Wait so many seconds, write so many frames, and so on; read until nothing came for a while."""
        return self._ask([quiet_s, *([wait, [f.hex() for f in frames]] for wait, frames in steps)])

    def close(self) -> None:
        for stream in (self.child.stdin, self.child.stdout, self.child.stderr):
            with contextlib.suppress(OSError):
                stream.close()
        self.child.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc) -> None:
        self.close()


# ---- the child ----


def check(rc: int, what: str) -> None:
    if rc:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")


def enter_namespace() -> None:
    """A network and a mount namespace, with a sysfs that shows it."""
    libc = ctypes.CDLL(None, use_errno=True)
    check(libc.unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare")
    check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")
    check(libc.mount(b"sysfs", b"/sys", b"sysfs", 0, None), "mount /sys")
    for which in ("all", "default"):
        path = Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6")
        if path.exists():
            path.write_text("1")


class Interface:
    """What ip and ethtool would do, by ioctl."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def ioctl(self, request: int, rest: bytes = b"") -> bytes:
        return fcntl.ioctl(self.sock, request, struct.pack("16s", self.name.encode()) + rest.ljust(24, b"\0"))

    def up(self) -> None:
        (flags,) = struct.unpack_from("H", self.ioctl(SIOCGIFFLAGS), 16)
        self.ioctl(SIOCSIFFLAGS, struct.pack("H", flags | 1))

    def limit(self, attribute: int, value: int) -> None:
        """RTM_NEWLINK with one attribute (pyroute2 0.9 does not know gro_ipv4_max_size)."""
        body = struct.pack("BxHiII", 0, 0, socket.if_nametoindex(self.name), 0, 0)
        body += struct.pack("HHI", 8, attribute, value)
        request = struct.pack("IHHII", 16 + len(body), 16, 5, 1, 0) + body  # NLM_F_REQUEST | NLM_F_ACK
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
            netlink.send(request)
            check(struct.unpack_from("i", netlink.recv(4096), 16)[0], f"netlink attribute {attribute}")

    def address(self, ip: str) -> None:
        for request, value in ((SIOCSIFADDR, ip), (SIOCSIFNETMASK, "255.255.255.0")):
            self.ioctl(request, struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value)))

    def ethtool(self, request: bytes, size: int) -> bytes:
        buffer = ctypes.create_string_buffer(request, size)
        self.ioctl(SIOCETHTOOL, struct.pack("P", ctypes.addressof(buffer)))
        return buffer.raw

    def feature(self, name: str) -> None:
        """Switch a feature on by its kernel name."""
        answer = self.ethtool(struct.pack("IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0), 24)
        (n,) = struct.unpack_from("I", answer, 16)
        strings = self.ethtool(struct.pack("III", ETHTOOL_GSTRINGS, ETH_SS_FEATURES, n), 12 + 32 * n)
        names = [strings[12 + 32 * i : 44 + 32 * i].split(b"\0")[0].decode() for i in range(n)]
        words, i = (n + 31) // 32, names.index(name)
        blocks = [(1 << i % 32 if w == i // 32 else 0,) * 2 for w in range(words)]
        request = struct.pack("II", ETHTOOL_SFEATURES, words) + b"".join(struct.pack("II", *b) for b in blocks)
        self.ethtool(request, len(request))


class Child:
    """A TAP with threaded NAPI, and a tap behind it."""

    def __init__(
        self,
        *,
        features: list[str] = (),
        mtu: int = 65521,
        limits: dict[str, int] | None = None,
        flush_timeout_ns: int = 0,
        udp_gro_ports: list[int] = (),
        udp_ports: list[int] = (),
        address: str = "192.168.1.100",
        mac: str = "020000000001",
    ) -> None:
        enter_namespace()
        self.tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tap, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI | IFF_NAPI))
        device = Interface("tap0")
        device.ioctl(SIOCSIFHWADDR, struct.pack("H6s", 1, bytes.fromhex(mac)))
        device.ioctl(SIOCSIFMTU, struct.pack("i", mtu))
        for feature in features:
            device.feature(feature)
        for name, value in (limits or {}).items():
            device.limit(LIMITS[name], value)
        Path("/sys/class/net/tap0/gro_flush_timeout").write_text(str(flush_timeout_ns))
        device.up()
        device.address(address)
        self.socks = [self.bind(socket.SOCK_DGRAM, address, port) for port in (*udp_gro_ports, *udp_ports)]
        for sock in self.socks[: len(udp_gro_ports)]:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        self.thread()
        self.sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # nothing until it is bound
        self.sniffer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self.sniffer.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.sniffer.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sniffer.bind(("tap0", ETH_P_ALL))
        self.sniffer.settimeout(2)
        time.sleep(SETTLE_S)
        self.deliver([])

    @staticmethod
    def bind(kind: int, address: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, kind)
        sock.bind((address, port))
        return sock

    def thread(self) -> None:
        """Threaded NAPI; its kthread and this process on one CPU, this one first."""
        Path("/sys/class/net/tap0/threaded").write_text("1")
        processes = (p for p in Path("/proc").iterdir() if p.name.isdigit())
        kthreads = [int(p.name) for p in processes if self.comm(p).startswith("napi/tap0")]
        if not kthreads:
            raise RuntimeError("the kernel's NAPI thread cannot be seen from here")
        cpu = min(os.sched_getaffinity(0))
        for pid in kthreads:
            os.sched_setaffinity(pid, {cpu})
        os.sched_setaffinity(0, {cpu})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))

    @staticmethod
    def comm(process: Path) -> str:
        try:
            return (process / "comm").read_text().strip()
        except OSError:
            return ""

    def receive(self) -> tuple[bytes, bytes]:
        data = self.sniffer.recv(10 + (1 << 19))
        return data[:10], data[10:]

    def deliver(self, frames: list[bytes]) -> list[list]:
        for frame in frames:
            os.write(self.tap, frame)
        seen = [self.receive()] if frames else []
        if len(frames) > WEIGHT:
            time.sleep(0.005)  # more than one poll: the marker must not get into the last
        os.write(self.tap, MARKER)
        while not seen or seen[-1][1] != MARKER:
            seen.append(self.receive())
        return [self.describe(*one) for one in seen[:-1]]

    def deliver_slowly(self, quiet_s: float, steps: list) -> list[list]:
        tick = time.clock_gettime_ns(CLOCK_MONOTONIC_COARSE)
        while time.clock_gettime_ns(CLOCK_MONOTONIC_COARSE) == tick:
            pass  # begin with a jiffy: GRO's ages are counted in those
        for wait, frames in steps:
            time.sleep(wait)
            for frame in frames:
                os.write(self.tap, frame)
        seen = []
        self.sniffer.settimeout(quiet_s)
        with contextlib.suppress(TimeoutError):
            while True:
                seen.append(self.receive())
        self.sniffer.settimeout(2)
        return [self.describe(*one) for one in seen]

    @staticmethod
    def describe(vnet: bytes, packet: bytes) -> list:
        flags, gso, _, size, start, _ = struct.unpack("<BBHHHH", vnet)
        state = "P" if flags & 1 else "V" if flags & 2 else "-"
        return [packet.hex(), GSO[gso & 0x7F] + "+ecn" * (gso >> 7), size, state, start if flags & 1 else 0]


def main() -> None:
    child = Child(**json.loads(sys.argv[1]))
    sys.stdout.write("[]\n")
    sys.stdout.flush()
    for line in sys.stdin:
        what = json.loads(line)
        if what and isinstance(what[0], float):
            quiet, *steps = what
            answer = child.deliver_slowly(quiet, [(t, [bytes.fromhex(f) for f in frames]) for t, frames in steps])
        else:
            answer = child.deliver([bytes.fromhex(f) for f in what])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
