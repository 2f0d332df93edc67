"""GRO in plain Python: frames in, packets out, in the order in which the stack gets them. Linux 6.18's rules.

One bucket, one moment, nothing verified by a card, no packet beyond 64 KB. A flow has at most one held packet; what
may not join it ends it. Ethernet, then IPv4 or IPv6, then one tunnel at most, then TCP or UDP.
"""

import struct
from dataclasses import dataclass, field

from frames import CWR, FIN, PSH, RST, SYN, URG, csum

HELD_MAX = 8
LIST_MAX = UDP_MAX = 64
ENDS = URG | PSH | RST | SYN | FIN
EXTENSIONS = {0, 43, 60}  # hop-by-hop, routing, destination options
TCP, UDP = 6, 17
TUNNELS = {4: 4, 41: 6}


class Refused(Exception):
    """Before the transport look-up: up at once, past what is held."""


@dataclass
class Level:
    """An IP header."""

    at: int
    version: int
    flow: tuple
    fixed: tuple
    """What must be equal to the first packet's."""
    id: int | None
    proto: int
    end: int
    odd: bool
    """Padded, or the reserved bit is set: never merged, but in order."""


@dataclass
class Segment:
    """What got as far as the transport look-up."""

    packet: bytes
    """From the IP header on, padding included."""
    levels: list[Level]
    flow: tuple
    fixed: tuple
    """What of the transport header must be equal to the first segment's."""
    l4: int
    header: int
    seq: int
    flags: int
    odd: bool
    listed: bool = False
    verified: bool = False

    @property
    def proto(self) -> int:
        return self.levels[-1].proto

    @property
    def payload(self) -> bytes:
        return self.packet[self.l4 + self.header :]


@dataclass
class Held:
    """A first segment, and those that joined it."""

    first: Segment
    joined: list[Segment] = field(default_factory=list)
    fixed_id: list[bool] = field(default_factory=lambda: [False, False])

    def length(self) -> int:
        return len(self.first.packet) + sum(len(s.payload) for s in self.joined)

    def network_differs(self, s: Segment) -> bool:
        """Each level decides for itself whether its ids are all the same; both are looked at in any case."""
        differs = False
        for n, (a, b) in enumerate(zip(self.first.levels, s.levels, strict=True)):
            same = a.fixed == b.fixed
            if same and a.id is not None:
                delta = (b.id - a.id) % 65536
                if not self.joined and delta == 0:
                    self.fixed_id[n] = True
                same = delta == (0 if self.fixed_id[n] else len(self.joined) + 1)
            differs = differs or not same
        return differs

    def refuses(self, s: Segment, limit: int) -> bool:
        """May s not join?"""
        if s.proto == TCP and (s.flags & CWR or s.fixed != self.first.fixed):
            return True
        if self.network_differs(s):
            return True
        if s.proto == TCP:
            after = self.first.seq + sum(len(x.payload) for x in [self.first, *self.joined])
            if not 0 < len(s.payload) <= len(self.first.payload) or s.seq != after % 2**32:
                return True
        elif len(s.payload) > len(self.first.payload):
            return True
        if self.first.listed:
            if s.proto == TCP and (s.flags != self.first.flags or len(self.joined) + 1 >= LIST_MAX):
                return True
            return self.first.verified != s.verified or self.length() + len(s.packet) >= 65536
        return self.length() + len(s.payload) >= limit or s.odd

    def complete(self) -> tuple[bytes, int]:
        """The packet that goes up, and how many segments it speaks for."""
        first = self.first
        packet = bytearray(first.packet)
        if not self.joined:
            return bytes(packet), 1
        packet += b"".join(s.payload for s in self.joined)
        if not first.listed:
            for s in self.joined:
                if s.proto == TCP:
                    packet[first.l4 + 13] |= s.flags & (FIN | PSH)
        l4_len = len(packet) - first.l4
        if first.proto == UDP:
            packet[first.l4 + 4 : first.l4 + 6] = l4_len.to_bytes(2, "big")
        for level in first.levels:
            length = len(packet) - level.at
            if level.version == 4:
                packet[level.at + 2 : level.at + 4] = length.to_bytes(2, "big")
                packet[level.at + 10 : level.at + 12] = b"\0\0"
                check = csum(bytes(packet[level.at : level.at + 20])).to_bytes(2, "big")
                packet[level.at + 10 : level.at + 12] = check
            else:
                packet[level.at + 4 : level.at + 6] = (length - 40).to_bytes(2, "big")
        if not first.listed or (first.proto == UDP and len(first.levels) > 1):
            at = first.l4 + (16 if first.proto == TCP else 6)
            packet[at : at + 2] = (~pseudo_csum(packet, first.levels[-1], l4_len) & 0xFFFF).to_bytes(2, "big")
        return bytes(packet), 1 + len(self.joined)


def pseudo_csum(packet: bytes, level: Level, l4_len: int, data: bytes = b"") -> int:
    at, n = (level.at + 12, 8) if level.version == 4 else (level.at + 8, 32)
    return csum(bytes(packet[at : at + n]) + struct.pack("!II", l4_len, level.proto) + data)


def parse_ipv4(packet: bytes, at: int) -> Level:
    if len(packet) < at + 20 or packet[at] != 0x45:
        raise Refused
    _, tos, total, ip_id, frag, ttl, proto = struct.unpack_from("!BBHHHBB", packet, at)
    if frag & 0x3FFF or csum(packet[at : at + 20]):
        raise Refused
    odd = total != len(packet) - at or bool(frag & 0x8000)
    addresses = packet[at + 12 : at + 20]
    return Level(at, 4, (4, addresses, proto), (tos, ttl, frag & 0x4000), ip_id, proto, at + 20, odd)


def parse_ipv6(packet: bytes, at: int) -> Level:
    if len(packet) < at + 40 or packet[at] >> 4 != 6:
        raise Refused
    word, length, first, hops = struct.unpack_from("!IHBB", packet, at)
    end, following = at + 40, first
    while following in EXTENSIONS:
        if len(packet) < end + 8:
            raise Refused
        following, end = packet[end], end + 8 * (packet[end + 1] + 1)
        if len(packet) < end:
            raise Refused
    flow = (6, word & 0xFFFFF, first, packet[at + 8 : end])
    return Level(at, 6, flow, (word >> 20 & 0xFF, hops), None, following, end, length + 40 != len(packet) - at)


def parse_network(packet: bytes, version: int) -> list[Level]:
    """The IP header, and the one in a tunnel."""
    levels = [(parse_ipv4 if version == 4 else parse_ipv6)(packet, 0)]
    inner = TUNNELS.get(levels[0].proto)
    if inner:
        levels.append((parse_ipv4 if inner == 4 else parse_ipv6)(packet, levels[0].end))
    if levels[-1].proto not in {TCP, UDP}:
        raise Refused
    return levels


def parse(frame: bytes) -> Segment:
    """Refused: it never got to the look-up. GRO looks at the checksum only if nothing forbids a merge already."""
    packet = frame[14:]
    levels = parse_network(packet, 4 if frame[12:14] == b"\x08\0" else 6)
    ip, odd = levels[-1], any(level.odd for level in levels)
    l4, flow = packet[ip.end :], (frame[:14], *(level.flow for level in levels))
    if ip.proto == UDP:
        return parse_udp(packet, levels, l4, flow, odd)
    if not odd and pseudo_csum(packet, ip, len(l4), l4):
        raise Refused
    if len(l4) < 20 or not 20 <= l4[12] >> 4 << 2 <= len(l4):
        raise Refused
    header = l4[12] >> 4 << 2
    word = struct.unpack_from("!I", l4, 12)[0] & ~((FIN | PSH) << 16)
    fixed = (word, l4[8:12], l4[20:header])
    seq = int.from_bytes(l4[4:8], "big")
    return Segment(packet, levels, (*flow, l4[:4]), fixed, ip.end, header, seq, l4[13], odd, verified=not odd)


def parse_udp(packet: bytes, levels: list[Level], l4: bytes, flow: tuple, odd: bool) -> Segment:
    if len(l4) < 8 or (not odd and l4[6:8] != b"\0\0" and pseudo_csum(packet, levels[-1], len(l4), l4)):
        raise Refused
    return Segment(packet, levels, (*flow, l4[:4]), (), levels[-1].end, 8, 0, 0, odd, verified=not odd)


class Gro:
    """``out`` has (packet, segments) in the order of delivery.

    udp: no, segments (rx-udp-gro-forwarding, no socket), or list (rx-gro-list, which is TCP's too).
    """

    def __init__(self, *, max_size: int = 65536, udp: str = "no") -> None:
        self.max_size, self.udp = max_size, udp
        self.held: list[Held] = []
        self.out: list[tuple[bytes, int]] = []

    def complete(self, held: Held) -> None:
        self.held.remove(held)
        self.out.append(held.complete())

    def receive(self, frame: bytes) -> None:
        try:
            s = parse(frame)
            s.listed = self.udp == "list"
            (self.receive_tcp if s.proto == TCP else self.receive_udp)(s)
        except Refused:
            self.out.append((frame[14:], 1))

    def hold(self, s: Segment) -> None:
        if len(self.held) == HELD_MAX:
            self.complete(self.held[0])
        self.held.append(Held(s))

    def look_up(self, s: Segment) -> Held | None:
        return next((h for h in self.held if h.first.flow == s.flow), None)

    def receive_tcp(self, s: Segment) -> None:
        p = self.look_up(s)
        joins = p is not None and not p.refuses(s, self.max_size)
        short = len(s.payload) < (len(p.first.payload) if joins else 1)
        ends = short or bool(s.flags & ENDS)
        if joins:
            p.joined.append(s)
        if p is not None and (ends or not joins):
            self.complete(p)
        if joins:
            return
        if ends or s.odd:
            self.out.append((s.packet, 1))
        else:
            self.hold(s)

    def receive_udp(self, s: Segment) -> None:
        length = int.from_bytes(s.packet[s.l4 + 4 : s.l4 + 6], "big")
        no_check = s.packet[s.l4 + 6 : s.l4 + 8] == b"\0\0"
        if self.udp == "no" or no_check or length <= 8 or length != len(s.packet) - s.l4:
            raise Refused
        p = self.look_up(s)
        if p is None:
            if s.odd:
                raise Refused
            self.hold(s)
            return
        if self.udp == "list" and s.verified != p.first.verified and not self.must_not(p, s):
            raise Refused  # in between: it overtakes, and nothing is completed
        joins = not p.refuses(s, self.max_size)
        if joins:
            p.joined.append(s)
        if not joins or len(s.payload) != len(p.first.payload) or len(p.joined) + 1 >= UDP_MAX:
            self.complete(p)
        if joins:
            return
        if s.odd:
            self.out.append((s.packet, 1))
        else:
            self.hold(s)

    @staticmethod
    def must_not(p: Held, s: Segment) -> bool:
        return p.network_differs(s) or len(s.payload) > len(p.first.payload)

    def flush(self) -> None:
        while self.held:
            self.complete(self.held[0])
