"""One connection of a script: its addresses, and how numbers of the script become numbers of the wire.

The script's peer has the wire's numbers. Ours differ by what the host chose for its first one, and timestamps by the
host's clock; the first segments that the host sends tell both.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from vnic.packetdrill.script import IpInfo, Opt, Tcp
from vnic.packetdrill.segment import ECN_BITS, Segment

_U32 = 0xFFFFFFFF


@dataclass
class Flow:
    """``lport`` 0: not known yet, the first SYN tells it. ``shift``: a number of the wire minus the script's."""

    local: str
    remote: str
    lport: int
    rport: int
    learnt: bool = False
    shift: int = 0
    stamps: dict[int, int] = field(default_factory=dict)
    """A timestamp of ours: the script's -> the wire's."""
    first: tuple[int, int] | None = None
    """The first of them."""

    def owns(self, s: Segment) -> bool:
        """Is this outbound segment one of ours?"""
        if s.dst != self.remote or s.dport != self.rport or s.src != self.local:
            return False
        return s.sport == self.lport or (not self.lport and "S" in s.flags)

    def learn(self, script: Tcp, wire: Segment) -> None:
        """Learn our first number, port and timestamps from a segment that the script expects."""
        self.lport = self.lport or wire.sport
        if "S" in wire.flags and "S" in script.flags and not self.learnt:
            self.learnt, self.shift = True, (wire.seq - script.seq) & _U32
        ours, theirs = _stamp(wire.options), _stamp(script.options or ())
        if ours is not None and theirs is not None:
            self.stamps[theirs[0]] = ours[0]
            self.first = self.first or (theirs[0], ours[0])

    def _wire_stamp(self, of_script: int) -> int:
        if of_script in self.stamps or self.first is None or not of_script:
            return self.stamps.get(of_script, of_script)
        return (self.first[1] + of_script - self.first[0]) & _U32

    def inbound(self, p: Tcp) -> Segment:
        """Return the segment that the peer sends."""
        if "S" in p.flags and "." not in p.flags:
            self.learnt = False
        options = []
        for o in p.options or ():
            if o.kind == "TS":
                o = replace(o, values=(o.values[0], self._wire_stamp(o.values[1])))  # noqa: PLW2901 - the wire's
            elif o.kind == "sack":
                o = replace(o, values=tuple((v + self.shift) & _U32 for v in o.values))  # noqa: PLW2901
            options.append(o)
        ack = (p.ack + self.shift) & _U32 if "." in p.flags else 0
        tos = p.ip.tos if p.ip.tos is not None else ECN_BITS.get(p.ip.ecn or "", 0)
        window = 0 if p.window is None else p.window
        return Segment(
            self.remote, self.local, self.rport, self.lport, p.flags, p.seq, ack, window, p.urg, tuple(options),
            p.length, tos, 64 if p.ip.ttl is None else p.ip.ttl,
        )  # fmt: skip

    def quoted(self, seq: int, length: int) -> Segment:
        """Return the segment of ours that an ICMP message quotes."""
        wire = (seq + self.shift) & _U32
        return Segment(self.local, self.remote, self.lport, self.rport, ".", wire, 0, 0, 0, (), length)

    def outbound(self, s: Segment) -> Tcp:
        """Return what a segment that the host sent is in the script's numbers; timestamps stay the wire's."""
        ecn = next(name for name, bits in ECN_BITS.items() if bits == s.tos & 3)
        return Tcp(
            False, s.flags, (s.seq - self.shift) & _U32, s.length, s.ack, s.window, s.urg, s.options,
            IpInfo(ecn, s.tos, s.ttl),
        )  # fmt: skip

    def elapsed(self, of_script: int, of_wire: int) -> tuple[int, int] | None:
        """Return how far two timestamps are from the first, the script's and the wire's. None: this is the first."""
        if self.first is None:
            return None
        return tuple(  # type: ignore[return-value]
            (((a - b) & _U32) ^ 0x80000000) - 0x80000000
            for a, b in ((of_script, self.first[0]), (of_wire, self.first[1]))
        )


def _stamp(options: tuple[Opt, ...]) -> tuple[int, int] | None:
    return next(((o.values[0], o.values[1]) for o in options if o.kind == "TS" and len(o.values) == 2), None)
