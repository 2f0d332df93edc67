"""The running kernel as the twin of a host: frames into a TAP of a namespace, and all that came of each.

A TAP without IFF_NAPI takes a frame up to the socket before write() returns, so what a frame did is known when it has:
the replies wait in the TAP, the counters have moved, the tracepoint skb:kfree_skb has said why it was dropped.

The namespace is this object's own; the thread that makes it goes back to its old one. What would disturb the comparison
is set aside: entries of the neighbour table do not age, nothing is asked twice, fragments wait for an hour, no error is
limited. The loopback device is down, because vnic has none: what a host sends to itself is lost in both.
"""

import contextlib
import ctypes
import fcntl
import ipaddress
import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import frames
from kernel_gro import IFF_NO_PI, IFF_TAP, TUNSETIFF
from twin_hosts import ADDRESSES, ERROR, MSG_ERRQUEUE, Outcome, Sock, Steps, told, told_of

CLONE_NEWNET = 0x40000000
TRACING = Path("/sys/kernel/tracing")
HOUR_MS = "3600000"
REPORTS_MS = "20"
"""Between two reports of a change: so one need not wait for long until all are sent."""
QUIET_S = 0.3
NUD_NOARP, NTF_ROUTER = 0x40, 0x80
NUD = {1: "INCOMPLETE", 2: "REACHABLE", 4: "STALE", 8: "DELAY", 16: "PROBE", 32: "FAILED"}

_SETTINGS = {
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/icmp_msgs_per_sec": "1000000",
    "net/ipv4/icmp_msgs_burst": "1000000",
    "net/ipv4/ipfrag_time": "3600",
    "net/ipv6/ip6frag_time": "3600",
    "net/ipv6/icmp/ratelimit": "0",
    "net/ipv6/auto_flowlabels": "0",
    "net/ipv4/neigh/{dev}/locktime": "360000",
    "net/ipv4/neigh/{dev}/base_reachable_time_ms": HOUR_MS,
    "net/ipv4/neigh/{dev}/retrans_time_ms": HOUR_MS,
    "net/ipv4/neigh/{dev}/delay_first_probe_time": "3600",
    "net/ipv6/neigh/{dev}/base_reachable_time_ms": HOUR_MS,
    "net/ipv6/neigh/{dev}/retrans_time_ms": HOUR_MS,
    "net/ipv6/neigh/{dev}/delay_first_probe_time": "3600",
    "net/ipv4/conf/{dev}/igmpv3_unsolicited_report_interval": REPORTS_MS,
    "net/ipv6/conf/{dev}/mldv2_unsolicited_report_interval": REPORTS_MS,
    "net/ipv6/conf/{dev}/accept_dad": "0",
    "net/ipv6/conf/{dev}/accept_ra": "0",
    "net/ipv6/conf/{dev}/router_solicitations": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/{dev}/rp_filter": "0",
}

_DROP = re.compile(rb"kfree_skb: .* protocol=(\d+) location=(\S+) reason: (\S+)")
_COPIES = ("__udp4_lib_err", "__udp6_lib_err", "skb_errqueue_purge", "inet_sock_destruct")
"""Who frees the copies for error queues: the message that they are of was taken."""


_NO_PACKETS_OF_OURS = (
    "skb_release_data",
    "tun_net_xmit",
    "arp_error_report",
    "ndisc_error_report",
    "tcp_v6_send_response",
)
"""Who frees pieces, with their packet; what another namespace sends, or asks in vain; answers without a way."""
IFA_F_PERMANENT, RTM_F_CLONED = 0x80, 0x200
OWN_PREFIXES = ("fe80::/64", "fd00::/64")


def _left(seconds: int) -> str:
    """A lifetime's rest, in whole ten seconds."""
    return "forever" if seconds == 0xFFFFFFFF else str(round(seconds / 10))


class Trace:
    """The tracepoint skb:kfree_skb of this process, in a tracing instance of its own."""

    def __init__(self) -> None:
        if not TRACING.joinpath("instances").is_dir():
            ctypes.CDLL(None).mount(b"none", os.fsencode(TRACING), b"tracefs", 0, None)
        self.path = TRACING / "instances" / f"vnic{os.getpid()}"
        self.path.mkdir(exist_ok=True)
        (self.path / "set_event_pid").write_text(str(os.getpid()))
        (self.path / "events/skb/kfree_skb/enable").write_text("1")
        self.fd = os.open(self.path / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)

    def read(self) -> list[tuple[str, str]]:
        """(function, reason) of the packets dropped since the last call."""
        text = b""
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self.fd, 1 << 16):
                text += more
        found = [(where.split(b"+")[0].decode(), why.decode()) for _, where, why in _DROP.findall(text)]
        return [(where, why) for where, why in found if where not in _COPIES]

    def close(self) -> None:
        os.close(self.fd)
        (self.path / "events/skb/kfree_skb/enable").write_text("0")
        self.path.rmdir()


def _fragment_ids(frame: bytes) -> Iterator[bytes]:
    """The ids of the fragment headers among the headers that an IPv6 packet begins with."""
    kind, at = frame[20:21], 54
    while kind in (b"\0", b"\x2b", b"\x2c", b"\x3c") and len(frame) >= at + 8:
        if kind == b"\x2c":
            yield frame[at + 4 : at + 8]
        kind, at = frame[at : at + 1], at + (8 if kind == b"\x2c" else 8 * (frame[at + 1] + 1))


class KernelTwin(Steps):
    """A TAP with the addresses of ADDRESSES in a namespace of its own, and sockets."""

    name = "kernel"
    report_s = 0.08

    def __init__(self, trace: Trace | None = None) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._libc, self._home = libc, os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        self._changed: dict[Path, str] = {}
        self._away = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.trace = trace or Trace()
        self._traces = not trace
        self._device()
        self._files = [os.open(f"/proc/thread-self/net/{f}", os.O_RDONLY) for f in ("snmp", "netstat", "snmp6", "dev")]
        self._texts: list[bytes] = [b""] * len(self._files)
        self._counters: list[dict[str, int]] = [{}] * len(self._files)
        libc.setns(self._home, CLONE_NEWNET)
        self.socks: dict[str, tuple[Sock, socket.socket]] = {}
        self._fragments: set[tuple[str, str, int, int]] = set()
        self._fragments6: set[tuple[ipaddress.IPv6Address, ipaddress.IPv6Address, bytes]] = set()
        self._stirred = False  # what its groups or a querier did may come later
        self._settle()

    def _anew(self) -> None:
        """Make another device: one keeps what queriers said for minutes, and reports groups after they were left."""
        os.close(self.fd)
        with self._inside():
            self._device()
        self._settle()
        self.outcome()
        self._stirred = False

    def _settle(self) -> None:
        """Wait until the kernel has reported its groups twice, at random times (RFC 3810 section 6.1)."""
        quiet, end = time.monotonic(), time.monotonic() + 5
        while time.monotonic() < min(end, quiet + QUIET_S):
            time.sleep(0.02)
            if self._replies():
                quiet = time.monotonic()

    def _device(self) -> None:
        from pyroute2 import IPRoute

        dev = "twin0"
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", dev.encode(), IFF_TAP | IFF_NO_PI))
        for name, value in _SETTINGS.items():
            Path("/proc/sys", name.format(dev=dev)).write_text(value)
        with IPRoute() as ipr:
            self.index = ipr.link_lookup(ifname=dev)[0]
            ipr.link("set", index=self.index, state="up", address=frames.MAC.hex(":"))
            for address in ADDRESSES:
                ip, bits = address.split("/")
                more = {"broadcast": str(told(address).network.broadcast_address)} if ":" not in ip else {"flags": 2}
                ipr.addr("add", index=self.index, address=ip, prefixlen=int(bits), **more)

    @contextlib.contextmanager
    def _inside(self):
        self._libc.setns(self._away, CLONE_NEWNET)
        try:
            yield
        finally:
            self._libc.setns(self._home, CLONE_NEWNET)

    def open(self, socks: dict[str, Sock]) -> None:
        """Forget what earlier frames left behind, and open sockets."""
        self.shut()
        self._end_fragments()
        if self._stirred:
            self._anew()
        with self._inside():
            self._forget()
            for name, s in socks.items():
                self.socks[name] = s, self._bind(s)
        self.outcome()

    def _forget(self) -> None:
        from pyroute2 import IPRoute

        if any(path.name == "accept_ra" for path in self._changed):
            self._forget_routers()
        for path, value in reversed(self._changed.items()):  # of a lower and an upper limit the last first
            path.write_text(value)
        self._changed.clear()
        for family in "ipv4", "ipv6":
            Path(f"/proc/sys/net/{family}/route/flush").write_text("1")
        with IPRoute() as ipr:
            # Their exceptions go with the routes; a flush only empties them.
            for net in (told(a) for a in ADDRESSES if ":" not in a):
                route = {"dst": str(net.network), "oif": self.index, "prefsrc": str(net.ip), "scope": 253, "proto": 2}
                ipr.route("del", **route)
                ipr.route("add", **route)
            for what in "del", "add":  # a flush leaves the path MTUs of IPv6
                ipr.route(what, dst="fd00::/64", oif=self.index, priority=256, family=socket.AF_INET6, proto=2)
            for family in socket.AF_INET, socket.AF_INET6:
                for n in ipr.get_neighbours(family=family, ifindex=self.index):
                    if n["state"] != NUD_NOARP:
                        ipr.neigh("del", ifindex=self.index, dst=n.get_attr("NDA_DST"), family=family)

    def _end_fragments(self) -> None:
        """End the datagrams that wait for fragments: two last fragments, at different places, contradict each other."""
        for src, dst, id_, proto in self._fragments:
            for offset in 8125, 1:
                last = frames.ipv4(bytes(8), proto, src=src, dst=dst, id=id_, frag=offset)
                outcome = self._write(frames.eth(last))
                if outcome.counters.get("Ip_ReasmFails") and "FRAG_TOO_FAR" not in outcome.drops:
                    break
        self._fragments.clear()
        for src, dst, id_ in self._fragments6:
            for offset in 65000, 8:
                last = bytes((58, 0)) + offset.to_bytes(2, "big") + id_ + bytes(8)
                packet = frames.ipv6(last, 44, src=str(src), dst=str(dst))
                mac = b"\x33\x33" + dst.packed[12:] if dst.is_multicast else frames.MAC
                if self._write(frames.eth(packet, type=0x86DD, dst=mac)).counters.get("Ip6_ReasmFails"):
                    break
        self._fragments6.clear()

    def _forget_routers(self) -> None:
        from pyroute2 import IPRoute

        conf = Path("/proc/sys/net/ipv6/conf/twin0")
        (conf / "accept_ra").write_text("0")
        with IPRoute() as ipr:
            for a in ipr.get_addr(family=socket.AF_INET6, index=self.index):
                if not a["flags"] & IFA_F_PERMANENT:
                    ipr.addr("del", index=self.index, address=a.get_attr("IFA_ADDRESS"), prefixlen=a["prefixlen"])
            for r in self._ra_routes(ipr):
                ipr.route("del", **r)
        (conf / "hop_limit").write_text("64")
        (conf / "mtu").write_text("1500")
        for name in "base_reachable_time_ms", "retrans_time_ms":
            Path(f"/proc/sys/net/ipv6/neigh/twin0/{name}").write_text(HOUR_MS)

    def _ra_routes(self, ipr) -> list[dict]:
        """The routes that routers advertised, as route() takes them."""
        found = []
        for r in ipr.get_routes(family=socket.AF_INET6, table=254):
            dst = f"{r.get_attr('RTA_DST') or '::'}/{r['dst_len']}"
            if dst not in OWN_PREFIXES and not r["flags"] & RTM_F_CLONED:
                via = r.get_attr("RTA_GATEWAY")
                found.append({"dst": dst, "oif": self.index, "priority": r.get_attr("RTA_PRIORITY")})
                found[-1] |= {"family": socket.AF_INET6} | ({"gateway": via} if via else {})
        return found

    @staticmethod
    def _bind(s: Sock) -> socket.socket:
        family = socket.AF_INET if "." in s.address else socket.AF_INET6
        if s.proto == socket.IPPROTO_TCP:
            return socket.create_server((s.address or "::", s.port), family=family, dualstack_ipv6=not s.address)
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, s.proto)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((s.address or "::", s.port))
        if s.peer:
            sock.connect(s.peer)
        return sock

    def frame(self, frame: bytes) -> Outcome:
        """Put a frame on the wire."""
        self._stirred |= _is_query(frame)
        if frame[12:14] == b"\x08\x00" and int.from_bytes(frame[20:22], "big") & 0x3FFF and len(frame) >= 34:
            src, dst = (str(ipaddress.IPv4Address(frame[i : i + 4])) for i in (26, 30))
            self._fragments.add((src, dst, int.from_bytes(frame[18:20], "big"), frame[23]))
        if frame[12:14] == b"\x86\xdd":
            src, dst = (ipaddress.IPv6Address(frame[i : i + 16].ljust(16, b"\0")) for i in (22, 38))
            self._fragments6.update((src, dst, id_) for id_ in _fragment_ids(frame))
        return self._write(frame)

    def _write(self, frame: bytes) -> Outcome:
        try:
            os.write(self.fd, frame)
        except OSError as e:
            return Outcome(refused=e.errno)
        return self.outcome()

    def send(self, name: str, data: bytes, to: tuple[str, int] | None = None) -> Outcome:
        """Send a datagram from a socket."""

        def call(sock: socket.socket) -> int:
            if not to:
                return sock.send(data)
            mapped = sock.family == socket.AF_INET6 and "." in to[0]
            return sock.sendto(data, ("::ffff:" + to[0] if mapped else to[0], to[1]))

        return self._call(name, call)

    def setsockopt(self, name: str, level: int, option: int, value: int | bytes) -> Outcome:
        """Set an option of a socket."""
        self._stirred |= isinstance(value, bytes)  # of groups
        return super().setsockopt(name, level, option, value)

    def recverr(self, name: str) -> Outcome:
        """Read the oldest error of a socket's error queue, and then its errno."""

        def call(sock: socket.socket) -> tuple:
            data, messages, flags, sender = sock.recvmsg(2000, 200, MSG_ERRQUEUE)
            sender = (sender[0].removeprefix("::ffff:"), sender[1])
            return (data, told_of(messages), flags, sender), sock.getsockopt(*ERROR)

        return self._call(name, call)

    def shut_one(self, name: str) -> Outcome:
        """Close a socket."""
        self.socks.pop(name)[1].close()
        return self.outcome()

    def wait(self, seconds: float) -> Outcome:
        """Let time pass; the frames sent meanwhile are sorted, because their order is random."""
        self._stirred = True
        time.sleep(seconds)
        after = self.outcome()
        return replace(after, replies=sorted(after.replies), drops=[])

    def _call(self, name: str, call) -> Outcome:
        with self._inside():
            try:
                said = call(self.socks[name][1])
            except OSError as e:
                said = f"errno {e.errno}"
        return self.outcome(said)

    def setting(self, name: str, value: str) -> Outcome:
        """Change a sysctl until the next start."""
        path = Path("/proc/sys", name.format(dev="twin0"))
        with self._inside():
            self._changed.setdefault(path, path.read_text())
            path.write_text(value)
        return self.outcome()

    def routes(self) -> Outcome:
        """What routers have said: addresses, prefixes, routers."""
        from pyroute2 import IPRoute

        told = {}
        with self._inside(), IPRoute() as ipr:
            for a in ipr.get_addr(family=socket.AF_INET6, index=self.index):
                if not a["flags"] & IFA_F_PERMANENT:
                    life = a.get_attr("IFA_CACHEINFO")
                    told[a.get_attr("IFA_ADDRESS")] = f"{_left(life['ifa_valid'])} {_left(life['ifa_preferred'])}"
            for r in ipr.get_routes(family=socket.AF_INET6, table=254):
                if r.get_attr("RTA_OIF") != self.index or r["flags"] & RTM_F_CLONED:
                    continue
                expires = r.get_attr("RTA_CACHEINFO")["rta_expires"]
                left = str(round(expires / 1000)) if expires else "forever"
                if via := r.get_attr("RTA_GATEWAY"):
                    told[f"via {via}"] = f"{left} {('medium', 'high', '', 'low')[r.get_attr('RTA_PREF')]}"
                elif (dst := f"{r.get_attr('RTA_DST')}/{r['dst_len']}") not in OWN_PREFIXES:
                    told[dst] = left
            conf, neigh = (Path(f"/proc/sys/net/ipv6/{d}/twin0") for d in ("conf", "neigh"))
            hops, mtu = ((conf / name).read_text().strip() for name in ("hop_limit", "mtu"))
            usual = {"base_reachable_time_ms": "30000", "retrans_time_ms": "1000"}
            times = [
                text if (text := (neigh / name).read_text().strip()) != HOUR_MS else n for name, n in usual.items()
            ]
        told["hop limit, mtu"] = f"{hops} {mtu}"
        told["times"] = " ".join(times)
        outcome = self.outcome()
        outcome.told = told
        return outcome

    def neighbours(self) -> Outcome:
        """Who is known: address -> state, MAC address, whether it is a router. Groups are not among them."""
        from pyroute2 import IPRoute

        told = {}
        with self._inside(), IPRoute() as ipr:
            for n in ipr.get_neighbours(ifindex=self.index):
                if n["state"] != NUD_NOARP:
                    state = NUD.get(n["state"], "NONE")
                    router = n["flags"] & NTF_ROUTER and "router"
                    told[n.get_attr("NDA_DST")] = f"{state} {n.get_attr('NDA_LLADDR')} {router or ''}".rstrip()
        outcome = self.outcome()
        outcome.told = told
        return outcome

    def outcome(self, said: object = None) -> Outcome:
        """What has happened since the last call."""
        read = self._read()  # a wrong checksum may be found here
        drops = [d for d in self.trace.read() if d[0] not in _NO_PACKETS_OF_OURS]
        replies = self._replies()
        return Outcome(
            replies, self._moved(), read, [why for _, why in drops], [where for where, _ in drops], said=said
        )

    def _replies(self) -> list[bytes]:
        replies = []
        with contextlib.suppress(BlockingIOError):
            while True:
                replies.append(os.read(self.fd, 1 << 16).ljust(60, b"\0"))
        return replies

    def _read(self) -> dict[str, list]:
        got: dict[str, list] = {}
        for name, (_, sock) in self.socks.items():
            said = []
            if sock.type == socket.SOCK_STREAM:
                continue
            while True:
                try:
                    data, messages, _, sender = sock.recvmsg(1 << 17, 1000)
                except BlockingIOError:
                    break
                except OSError as e:
                    said.append(e.errno)
                else:
                    said.append((data, str(told(sender[0].removeprefix("::ffff:")).ip), sender[1], *told_of(messages)))
            if said:
                got[name] = said
        return got

    def _moved(self) -> dict[str, int]:
        moved: dict[str, int] = {}
        for i, fd in enumerate(self._files):
            text = os.pread(fd, 1 << 16, 0)
            if text == self._texts[i]:
                continue
            now = (_pairs, _pairs, _lines, _device)[i](text.decode())
            old = self._counters[i]
            moved |= {k: n - old.get(k, 0) for k, n in now.items() if n != old.get(k, 0)}
            self._texts[i], self._counters[i] = text, now
        return moved

    def shut(self) -> None:
        """Close the sockets."""
        for _, sock in self.socks.values():
            sock.close()
        self.socks = {}

    def close(self) -> None:
        self.shut()
        if self._traces:
            self.trace.close()
        for fd in (*self._files, self.fd, self._away, self._home):
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc) -> None:
        self.close()


def _is_query(frame: bytes) -> bool:
    """May it be a query of IGMP or MLD?"""
    if frame[12:14] == b"\x86\xdd":
        return frame[20:22] == b"\0\1"  # extension headers, hop limit
    return frame[12:14] == b"\x08\0" and frame[23:24] == b"\2" and b"\x11" in frame[34:75]


def _pairs(text: str) -> dict[str, int]:
    """Of snmp and netstat: a line of names, a line of values."""
    lines = text.splitlines()
    return {
        f"{names.split(':')[0]}_{name}": int(n)
        for names, values in zip(lines[::2], lines[1::2], strict=True)
        for name, n in zip(names.split()[1:], values.split()[1:], strict=True)
    }


def _device(text: str) -> dict[str, int]:
    """Of dev: what the stack counts of this TAP; its driver counts no errors and no groups."""
    numbers = [int(n) for n in text.partition("twin0:")[2].split()]
    return {"Dev_rx_packets": numbers[1], "Dev_rx_dropped": numbers[3], "Dev_tx_packets": numbers[9]}


def _lines(text: str) -> dict[str, int]:
    """Of snmp6: Ip6InReceives and its value."""
    rows = {}
    for line in text.splitlines():
        name, n = line.split()
        group = re.match("Ip6|Icmp6|Udp6|UdpLite6", name)[0]
        rows[f"{group}_{name.removeprefix(group)}"] = int(n)
    return rows
