"""A host of vnic as the twin of the running kernel: in virtual time, on a wire in memory."""

import errno
import socket
from dataclasses import replace
from typing import Self

import frames
from twin_hosts import ADDRESSES, ERROR, MSG_ERRQUEUE, Outcome, Sock, Steps, told_of

import vnic
from vnic._core import lib
from vnic.address import inet_text
from vnic.linux import snmp

STEP_NS = 100_000
NEVER = (1 << 64) - 1
GROUPS_NS = 2_000_000_000
"""In this time a host has reported the groups of its addresses twice (RFC 3810, 6.1)."""


def _left(until_ns: int, now_ns: int) -> str:
    """A lifetime's rest, in whole ten seconds: the kernel's clock runs too."""
    return "forever" if not until_ns else str(round((until_ns - now_ns) / 1e10))


class VnicTwin(Steps):
    """A host with the addresses of ADDRESSES, and sockets."""

    name = "vnic"

    def __init__(self, **knobs) -> None:
        self._knobs = {"cost": "zero", "link": "inf", "cpus": 1, "ipfrag_time": 3600, "ip6frag_time": 3600}
        self._knobs |= {
            "icmp_ratelimit": 0,
            "icmp6_ratelimit": 0,
            "icmp_msgs_per_sec": 1000000,
            "icmp_msgs_burst": 1000000,
        }
        self._knobs |= {"mac": frames.MAC.hex(":"), "promisc": True}  # a TAP of the kernel filters nothing
        self._knobs |= {"rx_pool": 4096, "sockets": 1024, "strict_csum": True} | knobs
        self.host: vnic.Host | None = None

    def open(self, socks: dict[str, Sock]) -> None:
        """Begin anew with these sockets."""
        self.close()
        self.host = self._host()
        self._asks_again = False
        self.socks = {}
        for name, s in socks.items():
            if s.proto == socket.IPPROTO_TCP:
                self.host.tcp(s.port, s.address or None)
                continue
            self.socks[name] = sock = self.host.udp(s.port, s.address or None, lite=s.proto == socket.IPPROTO_UDPLITE)
            if s.peer:
                sock.connect(s.peer)
        self._run(GROUPS_NS)
        self.counters = self._counts()
        self.fates = self.host.ledger().fates
        self.outcome()

    def _host(self) -> vnic.Host:
        return vnic.Host(ip=list(ADDRESSES), **self._knobs)

    def _sent(self) -> list[bytes]:
        return [frame for _, frame in self.host.nic.sent()]

    def _counts(self) -> dict[str, int]:
        stats = self.host.nic.stats()
        names = ("rx_packets", "rx_dropped", "tx_packets")
        messages = {f"IcmpMsg_{name}": n for name, n in snmp.icmp_messages(self.host).items()}
        messages |= {f"Icmp6_{name}": n for name, n in snmp.icmp6_messages(self.host).items()}
        return self.host.mib() | {f"Dev_{name}": getattr(stats, name) for name in names} | messages

    def counted(self) -> set[str]:
        """The counters that vnic has, and Linux has a name for."""
        named = {name for name in self.counters if name.startswith("Dev_") or snmp.counted(name)}
        ways = ("IcmpMsg_In", "IcmpMsg_Out", "Icmp6_In")  # what ICMPv6 sends has names
        return named | {f"{way}Type{n}" for way in ways for n in range(256)}

    def frame(self, frame: bytes) -> Outcome:
        """Put a frame on the wire."""
        now = self.host.now_ns
        self.host.feed([frame], at_ns=now)
        self.host.run(until_ns=now + STEP_NS)
        return self.outcome()

    def send(self, name: str, data: bytes, to: tuple[str, int] | None = None) -> Outcome:
        """Send a datagram from a socket."""
        return self._call(name, lambda sock: sock.sendto(data, to) if to else sock.send(data))

    def recverr(self, name: str) -> Outcome:
        """Read the oldest error of a socket's error queue, and then its errno."""

        def call(sock: vnic.UdpSocket) -> tuple:
            data, told, flags, sender = sock.recvmsg(2000, 200, MSG_ERRQUEUE)
            return (data, told_of(told), flags, sender), sock.getsockopt(*ERROR)

        return self._call(name, call)

    def shut_one(self, name: str) -> Outcome:
        """Close a socket."""
        self.socks.pop(name).close()
        return self.outcome()

    def wait(self, seconds: float) -> Outcome:
        """Let time pass; the frames sent meanwhile are sorted, because their order is random."""
        self._run(int(seconds * 1e9))
        after = self.outcome()
        return replace(after, replies=sorted(after.replies), drops=[])

    def _run(self, ns: int) -> None:
        """Run for so long; the clock shows it, though an idle host's stands still.

        No neighbour is asked again, unless the case says after which time.
        """
        until = self.host.now_ns + ns
        c = self.host.machine.c
        for neighbour in c.neigh.entry[0 : c.neigh.used]:
            if not self._asks_again:
                neighbour.timer_ns = NEVER
        self.host.run(until_ns=until)
        c.nic.now = max(c.nic.now, until)

    def _call(self, name: str, call) -> Outcome:
        try:
            said = call(self.socks[name])
        except vnic.HostError as e:
            said = f"errno {e.errno}"
        now = self.host.now_ns
        self.host.run(until_ns=now + STEP_NS)
        return self.outcome(said)

    def setting(self, name: str, value: str) -> Outcome:
        """Change a sysctl of the kernel's; vnic may have a knob of that name."""
        knob = name.rpartition("/")[2].replace("_", "-")
        if knob == "ratelimit":
            knob = "icmp6-ratelimit"
        if knob in self.host.knobs:
            self.host.knobs[knob] = int(value)
        elif knob == "retrans-time-ms":
            self._asks_again = True
            self.host.machine.c.neigh.times["ipv6" in name].retrans_ns = int(value) * 1_000_000
        return self.outcome()

    def routes(self) -> Outcome:
        """What routers have said: addresses, prefixes, routers."""
        c = self.host.machine.c
        lib.addrconf_expire(c, self.host.now_ns)
        told = {}
        for net in (c.ip[i] for i in range(c.nips)):
            if net.flags & lib.NET_AUTO:
                told[inet_text(net.addr)] = (
                    f"{_left(net.valid, self.host.now_ns)} {_left(net.preferred, self.host.now_ns)}"
                )
        for p in c.addrconf.prefix:
            if p.in_use and not 0 < p.valid < self.host.now_ns:
                told[f"{inet_text(p.addr)}/{p.len}"] = _left(p.valid, self.host.now_ns)
        for r in c.addrconf.router[0 : c.addrconf.nrouters]:
            if r.until >= self.host.now_ns:
                told[f"via {inet_text(r.addr)}"] = (
                    f"{_left(r.until, self.host.now_ns)} {('low', 'medium', 'high')[r.pref]}"
                )
        told["hop limit, mtu"] = f"{c.addrconf.hop_limit or 64} {c.addrconf.mtu or 1500}"
        times = c.neigh.times[1]
        told["times"] = f"{times.reachable_ns // 10**6} {times.retrans_ns // 10**6}"
        outcome = self.outcome()
        outcome.told = told
        return outcome

    def neighbours(self) -> Outcome:
        """Who is known: address -> state, MAC address, whether it is a router."""
        told = {n.ip: f"{n.state} {n.mac} {'router' if n.router else ''}".rstrip() for n in self.host.neighbours()}
        outcome = self.outcome()
        outcome.told = told
        return outcome

    def _sent_fates(self) -> dict[str, int]:
        """The fates of packets that did not leave; Linux has a reason for those of neighbours."""
        fates = self.host.tx_ledger().fates
        return {name.removeprefix("TX_"): n for name, n in fates.items() if name.startswith("TX_NEIGH_")}

    def outcome(self, answer: object = None) -> Outcome:
        """What has happened since the last call."""
        sent = self._sent()
        got = {name: said for name, sock in self.socks.items() if (said := self._read(sock))}
        counters, fates = self._counts(), self.host.ledger().fates | self._sent_fates()
        moved = {
            name: n - self.counters.get(name, 0) for name, n in counters.items() if n != self.counters.get(name, 0)
        }
        drops = [f for f, n in fates.items() for _ in range(n - self.fates.get(f, 0)) if not f.startswith("DELIVERED")]
        self.counters, self.fates = counters, fates
        return Outcome(sent, moved, got, drops, said=answer)

    @staticmethod
    def _read(sock) -> list:
        said: list = []
        while True:
            try:
                data, told, _, sender = sock.recvmsg(1 << 17, 1000, socket.MSG_DONTWAIT)
            except vnic.HostError as e:
                if e.errno == errno.EAGAIN:
                    return said
                said.append(e.errno)
                continue
            said.append((data, *sender, *told_of(told)))

    def close(self) -> None:
        if self.host:
            self.host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc) -> None:
        self.close()
