"""TCP of the running kernel and TCP of vnic, each behind a TAP or a wire of its own, given the same segments and calls.

A script is a list of steps. After each the side has STEP_MS to say something: so delayed acknowledgements (40 ms)
belong to the step that they answer. Numbers are relative: ``seq`` to the peer's first, ``ack`` to the side's.

    ("syn", options)        the peer's SYN: a dict with mss, wscale, sack, ts
    ("seg", segment)        a dict: flags, seq, ack, len, window, ts (ms since the first), sacks; the rest has defaults
    ("connect",)            the side sends a SYN; ("synack", options): the peer's answer
    ("info", names)         members of TCP_INFO
    ("sysctl", values)      of net.ipv4, before the talk
    ("accept",) ("recv", n) ("send", n) ("shutdown", how) ("close",) ("linger",) ("nodelay",) ("wait", ms)
"""

import contextlib
import errno
import fcntl
import os
import pathlib
import select
import socket
import struct
import subprocess
import time
from dataclasses import dataclass, field

import frames
from frames import ACK, FIN, PSH, RST, SYN
from peer import arp

import vnic
from vnic import tcp

STEP_MS = 90
SIDE, PEER = "10.0.0.2", "10.0.0.1"
SPORT, DPORT = 40000, 80
ISS = 1000
INFO = [
    "rto",
    "ato",
    "snd_mss",
    "rcv_mss",
    "unacked",
    "sacked",
    "lost",
    "retrans",
    "fackets",
    "last_data_sent",
    "last_ack_sent",
    "last_data_recv",
    "last_ack_recv",
    "pmtu",
    "rcv_ssthresh",
    "rtt",
    "rttvar",
    "snd_ssthresh",
    "snd_cwnd",
    "advmss",
    "reordering",
    "rcv_rtt",
    "rcv_space",
    "total_retrans",
]
_TUNSETIFF, _IFF_TAP_NO_PI = 0x400454CA, 0x1002


@dataclass(frozen=True)
class Seen:
    """A segment that the side sent. ``window`` is scaled; ``ts``: are there timestamps?"""

    flags: int
    seq: int
    ack: int
    len: int
    window: int
    options: tuple = ()
    sacks: tuple = ()
    ecn: int = 0


@dataclass
class Peer:
    """The numbers of a talk, as the peer knows them."""

    irs: int | None = None
    shift: int = 0
    peer_shift: int = 0
    ts: bool = False
    ts_recent: int = 0
    sport: int = SPORT
    dport: int = DPORT
    clock: int = 0

    def options(self, o):
        out = struct.pack("!BBH", 2, 4, o["mss"]) if o.get("mss") else b""
        if o.get("sack"):
            out += b"\4\2"
        if o.get("ts"):
            out += struct.pack("!BBII", 8, 10, 1_000_000 + self.clock, self.ts_recent if o.get("echo") else 0)
        if o.get("wscale") is not None:
            out += struct.pack("!BBB", 3, 3, o["wscale"])
        return out + b"\1" * (-len(out) % 4)

    def segment(self, s):
        flags = s.get("flags", ACK)
        options = b""
        if self.ts and not s.get("no_ts"):
            ecr = s.get("ecr", self.ts_recent)
            options = b"\1\1" + struct.pack("!BBII", 8, 10, (1_000_000 + self.clock + s.get("ts", 0)) % 2**32, ecr)
        if sacks := s.get("sacks"):
            options += b"\1\1" + struct.pack("!BB", 5, 2 + 8 * len(sacks))
            for a, b in sacks:
                options += struct.pack("!II", (self.irs + a) % 2**32, (self.irs + b) % 2**32)
        data = bytes((s.get("seq", 1) + i) % 251 for i in range(s.get("len", 0)))
        ack = 0 if not flags & ACK else ((self.irs or 0) + s.get("ack", 1)) % 2**32
        return frames.tcp(
            data, sport=self.sport, dport=self.dport, flags=flags, seq=ISS + s.get("seq", 1), ack=ack,
            window=s.get("window", 0xFFFF), options=options, src=PEER, dst=SIDE, tos=s.get("ecn", 0),
        )  # fmt: skip

    def see(self, frame):
        """Return what a frame says, None: it is none of this talk."""
        if frame[12:14] != b"\x08\0" or frame[23] != 6:
            return None
        total = struct.unpack("!H", frame[16:18])[0]
        ip = frame[14 : 14 + total]
        th = ip[(ip[0] & 15) * 4 :]
        sport, dport, seq, ack, doff, flags, window = struct.unpack("!HHIIBBH", th[:16])
        if self.irs is not None and (sport, dport) != (self.dport, self.sport):
            return None  # of an earlier talk
        if flags & SYN:
            self.irs, self.sport, self.dport = seq, dport, sport
        data, opt, said, sacks = th[(doff >> 4) * 4 :], th[20 : (doff >> 4) * 4], [], []
        while opt and opt[0]:
            if opt[0] == 1:
                opt = opt[1:]
                continue
            kind, body, opt = opt[0], opt[2 : opt[1]], opt[opt[1] :]
            if kind == 8:
                if not flags & RST:
                    self.ts_recent = struct.unpack("!I", body[:4])[0]
                said.append("ts")
            elif kind == 5:
                for i in range(0, len(body), 8):
                    a, b = struct.unpack("!II", body[i : i + 8])
                    sacks.append(((a - ISS) % 2**32, (b - ISS) % 2**32))
            elif kind == 3:
                self.shift = body[0]
                said.append(("wscale", body[0]))
            elif kind == 2:
                said.append(("mss", struct.unpack("!H", body)[0]))
            elif kind == 4:
                said.append("sack")
        relative = 0 if flags & RST and not seq else (seq - (self.irs or 0)) % 2**32
        return Seen(
            flags & ~PSH, relative, (ack - ISS) % 2**32 if flags & ACK else 0, len(data),
            window if flags & SYN else window << self.shift, tuple(said), tuple(sacks), ip[1] & 3,
        )  # fmt: skip


@dataclass
class Side:
    """What both sides share: the steps. A subclass sends frames, lets time pass, and makes system calls."""

    peer: Peer = field(default_factory=Peer)
    sock: object = None
    server: object = None
    step_ms: int = STEP_MS

    def call_alike(self, kind, *args):
        """Call what a socket of the kernel and one of vnic have with the same words."""
        s = self.sock
        if kind == "shutdown":
            return _errno(lambda: s.shutdown(args[0]))
        if kind == "nodelay":
            return s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if kind == "linger":
            return s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert kind == "close", kind
        self.sock = None
        return _errno(s.close)

    def _put_syn(self, o, flags, ack, options):
        ports = {"sport": self.peer.sport, "dport": self.peer.dport, "src": PEER, "dst": SIDE, "tos": o.get("ecn", 0)}
        window = o.get("window", 64240)
        self.put(frames.tcp(flags=o.get("flags", flags), seq=ISS, ack=ack, window=window, options=options, **ports))

    def step(self, step):
        """Do a step. Return: what the side said, and what the call returned."""
        kind, *args = step
        if kind == "info":
            return [], self.call(kind, *args)
        if kind == "sysctl":
            return [], self.sysctl(*args)
        self.peer.clock += self.step_ms
        result = None
        if kind == "syn":
            self.peer.ts = bool(args[0].get("ts"))
            self._put_syn(args[0], SYN, 0, self.peer.options(args[0]))
        elif kind == "synack":
            o = args[0]
            self.peer.ts = bool(o.get("ts"))
            ack = (self.peer.irs + o.get("ack", 1)) % 2**32
            self._put_syn(o, SYN | ACK, ack, self.peer.options(o | {"echo": True}))
        elif kind == "seg":
            self.put(self.peer.segment(args[0]))
        elif kind == "wait":
            self.peer.clock += args[0]
            return self.collect(args[0] + self.step_ms), None
        else:
            result = self.call(kind, *args)
        return self.collect(self.step_ms), result

    def run(self, script):
        return [self.step(step) for step in script]


def _errno(call):
    try:
        return call()
    except (BlockingIOError, vnic.TimedOutError):
        return "EAGAIN"
    except OSError as e:
        return "EAGAIN" if e.errno == errno.EINPROGRESS else errno.errorcode.get(e.errno, e.errno)


class KernelSide(Side):
    """The running kernel, behind a TAP in the test's own namespace."""

    def __init__(self, name="k0", sysctls=()):
        super().__init__()
        self.before = {}
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP_NO_PI))
        mac = frames.MAC.hex(":")
        for line in (
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.tcp_no_metrics_save=1",
            f"ip link set {name} address {mac} up", f"ip addr add {SIDE}/24 dev {name}",
            f"ip neigh replace {PEER} lladdr {frames.PEER.hex(':')} dev {name}",
        ):  # fmt: skip
            subprocess.run(line.split(), check=True, timeout=20)
        for setting in sysctls:  # a value may have blanks
            subprocess.run(["sysctl", "-qw", setting], check=True, timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.end()
        os.close(self.fd)

    def sysctl(self, values):
        for name, value in values.items():
            path = pathlib.Path("/proc/sys/net/ipv4", name)
            self.before.setdefault(path, path.read_text())
            path.write_text(str(value))

    def end(self):
        """Forget the talk: reset what is left of it."""
        for path, text in self.before.items():
            path.write_text(text)
        self.before.clear()
        for s in (self.sock, self.server):
            if s is not None:
                with contextlib.suppress(OSError):
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
        self.sock = self.server = None
        self.drain()
        self.peer = Peer()

    def drain(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.read(self.fd, 65536)

    def begin(self, sport, backlog=5):
        """Listen, for a talk with the peer's port ``sport``."""
        self.server = socket.socket()
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        self.server.bind((SIDE, DPORT))
        self.server.listen(backlog)
        self.server.setblocking(False)
        self.peer = Peer(sport=sport)

    def put(self, frame):
        os.write(self.fd, frame)

    def collect(self, ms):
        seen, end = [], time.monotonic() + ms / 1000
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            with contextlib.suppress(BlockingIOError):
                while True:
                    if (s := self.peer.see(os.read(self.fd, 65536))) is not None:
                        seen.append(s)
        return seen

    def call(self, kind, *args):
        if kind == "connect":
            self.sock = socket.socket()
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
            self.sock.setblocking(False)
            return _errno(lambda: self.sock.connect((PEER, self.peer.sport)))
        if kind == "accept":

            def accept():
                self.sock, _ = self.server.accept()
                self.sock.setblocking(False)

            return _errno(accept)
        s = self.sock
        if s is None:
            return "no socket"
        if kind == "recv":
            return _errno(lambda: s.recv(args[0]))
        if kind == "send":
            return _errno(lambda: s.send(bytes(args[0])))
        if kind == "info":
            raw = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            numbers = dict(zip(INFO, struct.unpack("24I", raw[8:104]), strict=True)) | {"ca_state": raw[1]}
            return {name: numbers[name] for name in args[0].split()}
        return self.call_alike(kind, *args)


class VnicSide(Side):
    """vnic, in virtual time."""

    def __init__(self, **knobs):
        super().__init__()
        self.knobs = {"cost": "zero", "cpus": 1, "tcp": "endpoint", "hz": 250, "mac": frames.MAC.hex(":")} | knobs
        self.host = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.end()

    def end(self):
        if self.host is not None:
            self.host.close()
        self.host = self.sock = self.server = None

    def begin(self, sport, backlog=5):
        self.host = vnic.Host(ip=f"{SIDE}/24", **self.knobs)
        self.now = 1_000_000_000
        self.host.feed([(self.now, arp(1, PEER, SIDE))])
        self.server = self.host.listen(DPORT, backlog=backlog)
        self.peer = Peer(sport=sport)
        self.collect(1)

    def sysctl(self, values):
        for name, value in values.items():
            setattr(self.host.machine.c.tcp, name.removeprefix("tcp_"), value)

    def put(self, frame):
        self.host.feed([(self.now, frame)])

    def collect(self, ms):
        self.now += ms * 1_000_000
        self.host.run(until_ns=self.now - 1)
        return [s for _, frame in self.host.nic.sent() if (s := self.peer.see(frame)) is not None]

    def call(self, kind, *args):
        if kind == "connect":
            from tcp_pair import begin

            def connect():
                self.sock = begin(self.host, PEER, self.peer.sport)
                return "EAGAIN"

            return _errno(connect)
        if kind == "accept":

            def accept():
                self.sock = self.server.accept_nowait()
                return "EAGAIN" if self.sock is None else None

            return _errno(accept)
        s = self.sock
        if s is None:
            return "no socket"
        if kind == "recv":
            return _errno(lambda: "EAGAIN" if (d := s.recv_nowait(args[0])) is None else d)
        if kind == "send":
            return _errno(lambda: "EAGAIN" if (n := s.send_nowait(bytes(args[0]))) is None else n)
        if kind == "info":
            info = s.tcp_info()
            states = ("Open", "Disorder", "CWR", "Recovery", "Loss")
            return {n: states.index(info.ca_state) if n == "ca_state" else getattr(info, n) for n in args[0].split()}
        return self.call_alike(kind, *args)


__all__ = ["ACK", "FIN", "PSH", "RST", "SYN", "KernelSide", "Seen", "VnicSide", "tcp"]
