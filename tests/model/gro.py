"""TCP GRO in plain Python: frames in, packets out, in the order in which the stack gets them.

One bucket, one moment. A flow has at most one held packet; a segment that may not join it ends it.
"""

import struct
from dataclasses import dataclass, field

from frames import CWR, FIN, PSH, RST, SYN, URG, csum

HELD_MAX = 8
ENDS = URG | PSH | RST | SYN | FIN
EXTENSIONS = {0, 43, 60}  # hop-by-hop, routing, destination options


@dataclass
class Segment:
    """A segment that got as far as the transport look-up."""

    packet: bytes
    """From the IP header on, padding included."""
    flow: tuple
    fixed: tuple
    """What IP and TCP headers must share with the first segment's."""
    l4: int
    seq: int
    ip_id: int | None
    flags: int
    payload: bytes
    suspicious: bool
    """Padded, or the reserved bit is set: never merged, but in order."""


@dataclass
class Held:
    """A first segment, and those that joined it."""

    first: Segment
    joined: list[Segment] = field(default_factory=list)

    @property
    def segments(self):
        return [self.first, *self.joined]

    def length(self):
        return len(self.first.packet) + sum(len(s.payload) for s in self.joined)

    def id_follows(self, s: Segment) -> bool:
        if s.ip_id is None:
            return True
        deltas = [(x.ip_id - self.first.ip_id) & 0xFFFF for x in [*self.segments, s]]
        return deltas in (list(range(len(deltas))), [0] * len(deltas))

    def takes(self, s: Segment, limit: int) -> bool:
        return (
            not s.suspicious
            and not s.flags & CWR
            and s.fixed == self.first.fixed
            and self.id_follows(s)
            and 0 < len(s.payload) <= len(self.first.payload)
            and s.seq == (self.first.seq + sum(len(x.payload) for x in self.segments)) % 2**32
            and self.length() + len(s.payload) < limit
        )

    def complete(self) -> tuple[bytes, int]:
        """The packet that goes up, and how many segments it speaks for."""
        packet = bytearray(self.first.packet)
        if not self.joined:
            return bytes(packet), 1
        l4 = self.first.l4
        packet += b"".join(s.payload for s in self.joined)
        for s in self.joined:
            packet[l4 + 13] |= s.flags & (FIN | PSH)
        l4_len = len(packet) - l4
        if packet[0] >> 4 == 4:
            packet[2:4] = len(packet).to_bytes(2, "big")
            packet[10:12] = b"\0\0"
            packet[10:12] = csum(bytes(packet[:20])).to_bytes(2, "big")
            addresses = packet[12:20]
        else:
            packet[4:6] = (len(packet) - 40).to_bytes(2, "big")
            addresses = packet[8:40]
        pseudo = ~csum(bytes(addresses) + struct.pack("!II", l4_len, 6)) & 0xFFFF
        packet[l4 + 16 : l4 + 18] = pseudo.to_bytes(2, "big")
        return bytes(packet), 1 + len(self.joined)


def parse_ipv4(packet: bytes):
    """(flow, what must be equal, id, where TCP begins, suspicious); None: refused at once."""
    _, tos, total, ip_id, frag, ttl, proto = struct.unpack_from("!BBHHHBB", packet)
    if proto != 6 or packet[0] != 0x45 or frag & 0x3FFF or csum(packet[:20]):
        return None
    odd = total != len(packet) or bool(frag & 0x8000)
    return packet[12:20], (tos, ttl, frag & 0x4000), ip_id, 20, odd


def parse_ipv6(packet: bytes):
    word, length, first, hops = struct.unpack_from("!IHBB", packet)
    at, following = 40, first
    while following in EXTENSIONS:
        following, at = packet[at], at + 8 * (packet[at + 1] + 1)
    if following != 6:
        return None
    flow = (word & 0xFFFFF, first, packet[8:at])
    return flow, (word >> 20 & 0xFF, hops), None, at, length + 40 != len(packet)


def parse(frame: bytes, *, verified: bool) -> Segment | None:
    packet = frame[14:]
    network = parse_ipv4(packet) if frame[12:14] == b"\x08\0" else parse_ipv6(packet)
    if network is None:
        return None
    addresses, ip_fixed, ip_id, l4, suspicious = network
    tcp = packet[l4:]
    if len(tcp) < 20 or not 20 <= tcp[12] >> 4 << 2 <= len(tcp):
        return None
    pair = packet[12:20] if packet[0] >> 4 == 4 else packet[8:40]
    if not (suspicious or verified) and csum(pair + struct.pack("!II", len(tcp), 6) + tcp):
        return None
    thlen = tcp[12] >> 4 << 2
    word = struct.unpack_from("!I", tcp, 12)[0] & ~((FIN | PSH) << 16)
    return Segment(
        packet=packet,
        flow=(frame[:14], addresses, tcp[:4]),
        fixed=(ip_fixed, word, tcp[8:12], tcp[20:thlen]),
        l4=l4,
        seq=int.from_bytes(tcp[4:8], "big"),
        ip_id=ip_id,
        flags=tcp[13],
        payload=tcp[thlen:],
        suspicious=suspicious,
    )


class Gro:
    """``out`` has (packet, segments) in the order of delivery."""

    def __init__(self, *, max_size: int = 65536) -> None:
        self.max_size = max_size
        self.held: list[Held] = []
        self.out: list[tuple[bytes, int]] = []

    def complete(self, held: Held) -> None:
        self.held.remove(held)
        self.out.append(held.complete())

    def receive(self, frame: bytes) -> None:
        s = parse(frame, verified=False)
        if s is None:
            self.out.append((frame[14:], 1))
            return
        p = next((h for h in self.held if h.first.flow == s.flow), None)
        joins = p is not None and p.takes(s, self.max_size)
        short = len(s.payload) < (len(p.first.payload) if joins else 1)
        ends = short or bool(s.flags & ENDS)
        if joins:
            p.joined.append(s)
        if p is not None and (ends or not joins):
            self.complete(p)
        if joins:
            return
        if ends or s.suspicious:
            self.out.append((s.packet, 1))
            return
        if len(self.held) == HELD_MAX:
            self.complete(self.held[0])
        self.held.append(Held(s))

    def flush(self) -> None:
        while self.held:
            self.complete(self.held[0])
