"""A listener in virtual time, and peers that have no program: a port each."""

import frames
from frames import ACK, SYN
from peer import arp, nd
from tcp_talk import DAY_MS, PEER, SIDE

import vnic

PEER6, SIDE6 = "fd00::1", "fd00::2"


class Server:
    """``isn``, ``tsval``: port -> the number that our SYN-ACK began with, its timestamp."""

    def __init__(self, backlog, *, v6=False):
        self.ends = {"src": PEER6, "dst": SIDE6} if v6 else {"src": PEER, "dst": SIDE}
        self.v6 = v6
        ms = {"neigh6_base_reachable_time_ms" if v6 else "neigh_base_reachable_time_ms": DAY_MS}
        ip = f"{SIDE6}/64" if v6 else f"{SIDE}/24"
        self.host = vnic.Host(ip=ip, cost="zero", cpus=1, tcp="endpoint", hz=1000, **ms)
        self.host.feed([(0, f) for f in self._known()])
        self.host.run(until_ns=0)
        self.server = self.host.listen(80, backlog=backlog)
        self.now = 1_000_000
        self.isn, self.tsval = {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.host.close()

    def _known(self):
        """What makes the peer a reachable neighbour."""
        if not self.v6:
            return [arp(1, PEER, SIDE), arp(2, PEER, SIDE)]
        ask = nd(135, SIDE6, src=PEER6, dst=SIDE6, option=1)
        return [ask, nd(136, PEER6, src=PEER6, dst=SIDE6, flags=3, option=2)]

    def put(self, port, **segment):
        """Return: flags of the answers within a millisecond."""
        return [flags for _, flags in self.puts([(port, segment)])]

    def puts(self, segments):
        self.host.feed(
            [
                (self.now, frames.tcp(segment.pop("data", b""), sport=port, dport=80, **segment, **self.ends))
                for port, segment in segments
            ]
        )
        return self.wait(0.001)

    def wait(self, seconds):
        self.now += int(seconds * 1e9)
        self.host.run(until_ns=self.now - 1)
        said = []
        ethertype, proto, th = (b"\x86\xdd", 20, 54) if self.v6 else (b"\x08\0", 23, 34)
        for _, f in self.host.nic.sent():
            if f[12:14] == ethertype and f[proto] == 6:
                port, flags = int.from_bytes(f[th + 2 : th + 4], "big"), f[th + 13]
                said.append((port, flags))
                if flags & SYN:
                    self.isn[port] = int.from_bytes(f[th + 4 : th + 8], "big")
                    self.tsval[port] = f[th + 28 : th + 32]  # behind MSS and two bytes; nonsense without timestamps
        return said

    def syn(self, port, **segment):
        return self.put(port, flags=SYN, seq=100, ack=0, **segment)

    def third(self, port, **segment):
        return self.third_of(port, self.isn[port], **segment)

    def third_of(self, port, isn, **segment):
        return self.put(port, **({"seq": 101, "ack": (isn + 1) % 2**32} | segment))

    def open(self, port):
        self.syn(port)
        return self.third(port)

    def connections(self):
        """Return: all that wait to be accepted, accepted."""
        got = []
        while (c := self.server.accept_nowait()) is not None:
            got.append(c)
        return got

    def accepted(self):
        """Return: their ports."""
        return [c.peer[1] for c in self.connections()]

    def mib(self, name):
        return self.host.mib()[name]


__all__ = ["ACK", "SYN", "Server"]
