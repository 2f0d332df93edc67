"""One talk between vnic and a peer of plain segments, in exact virtual time: tcp_sides.VnicSide, with the times."""

from frames import ACK, FIN, PSH, RST, SYN
from peer import arp
from tcp_sides import DPORT, PEER, SIDE, SPORT, VnicSide

OPT = {"mss": 1460, "wscale": 7, "sack": True, "ts": True}
PLAIN = {"mss": 1460}
MS = 1_000_000
SECOND = 1_000_000_000
DAY_MS = 86_400_000


def know_the_peer(host, now):
    """An answer to ARP makes the neighbour reachable, for half a day at least: the peer answers no more."""
    host.feed([(now, arp(1, PEER, SIDE)), (now, arp(2, PEER, SIDE))])
    host.run(until_ns=now)


class Talk(VnicSide):
    """``said``: (time in ns, segment) of all that vnic sent. A step takes a millisecond."""

    def __init__(self, **knobs):
        super().__init__(**({"hz": 1000, "neigh_base_reachable_time_ms": DAY_MS} | knobs))
        self.step_ms = 1
        self.said = []
        self.begin(SPORT)

    def begin(self, sport, backlog=5):
        super().begin(sport, backlog)
        know_the_peer(self.host, self.now)
        self.said.clear()

    def collect(self, ms):
        self.now += int(ms * MS)
        self.host.run(until_ns=self.now - 1)
        new = [(t, s) for t, frame in self.host.nic.sent() if (s := self.peer.see(frame)) is not None]
        self.said += new
        return [s for _, s in new]

    def end(self):
        if self.host is not None and not self.host.closed:
            self.host.finish()
            assert not self.host.laws()
        super().end()

    def open(self, options=OPT, **segment):
        """The peer opens. Return: our connection."""
        self.run([("syn", options), ("seg", segment), ("accept",)])
        assert self.sock is not None
        self.said.clear()
        return self.sock

    def connect(self, options=OPT):
        """We open. Return: our connection."""
        self.run([("connect",), ("synack", options)])
        self.said.clear()
        return self.sock

    def seg(self, **segment):
        """Return: what vnic says to a segment within a millisecond."""
        return self.step(("seg", segment))[0]

    def data(self, seq, n, **segment):
        return self.seg(seq=seq, len=n, **({"flags": ACK | PSH} | segment))

    def fin(self, seq=1, **segment):
        return self.seg(seq=seq, flags=FIN | ACK, **segment)

    def send(self, data):
        """Return: what goes out of it within a millisecond."""
        assert self.sock.send_nowait(data) == len(data)
        return self.collect(1)

    def wait(self, seconds):
        self.peer.clock += int(seconds * 1000)
        return self.collect(seconds * 1000)

    def mib(self, name):
        return self.host.mib()[name]

    @property
    def tcp(self):
        return self.host.machine.c.tcp

    @property
    def at(self):
        """Times of all that was said, in ms since the first."""
        return [round((t - self.said[0][0]) / MS) for t, _ in self.said]


def opened(options=OPT, **knobs):
    talk = Talk(**knobs)
    talk.open(options)
    return talk


__all__ = [
    "ACK", "DAY_MS", "DPORT", "FIN", "MS", "OPT", "PEER", "PLAIN", "PSH", "RST", "SECOND", "SIDE", "SPORT", "SYN",
    "Talk", "know_the_peer", "opened",
]  # fmt: skip
