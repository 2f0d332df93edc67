"""Segments and bytes: IPv4, TCP with its options, checksums; ICMP that quotes a segment. RFC 791, 792, 9293."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from vnic.packetdrill.icmp_names import CODES, TYPES
from vnic.packetdrill.script import Opt

FLAG_BITS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128}
ECN_BITS = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}
_KINDS = {0: "eol", 1: "nop", 2: "mss", 3: "wscale", 4: "sackOK", 5: "sack", 8: "TS"}
_FORMS = {"mss": "!H", "wscale": "!B", "sackOK": "!", "TS": "!II"}
_TCP, _ICMP = socket.IPPROTO_TCP, socket.IPPROTO_ICMP
_IP_HEADER, _TCP_HEADER, _QUOTED_BYTES = 20, 20, 8


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment in an IP packet, as it is on the wire: numbers of the wire, flags as a script has them."""

    src: str
    dst: str
    sport: int
    dport: int
    flags: str
    seq: int
    ack: int
    window: int
    urg: int
    options: tuple[Opt, ...]
    length: int
    tos: int = 0
    ttl: int = 64


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _pseudo(src: bytes, dst: bytes, length: int) -> bytes:
    return src + dst + struct.pack("!BBH", 0, _TCP, length)


def ip_packet(src: str, dst: str, proto: int, payload: bytes, *, tos: int = 0, ttl: int = 64) -> bytes:
    """Return an IPv4 packet around a payload whose checksum is right already."""
    head = struct.pack("!BBHHHBBH", 0x45, tos, _IP_HEADER + len(payload), 0, 0x4000, ttl, proto, 0)
    head += socket.inet_aton(src) + socket.inet_aton(dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def options_bytes(options: tuple[Opt, ...]) -> bytes:
    """Return the options of a header, padded with zeros to a multiple of 4."""
    out = b""
    for o in options:
        if o.kind in ("nop", "eol"):
            out += b"\1" if o.kind == "nop" else b"\0"
            continue
        body = struct.pack(f"!{len(o.values)}I", *o.values) if o.kind == "sack" else b""
        if o.kind in _FORMS:
            body = struct.pack(_FORMS[o.kind], *o.values)
        number = next(n for n, kind in _KINDS.items() if kind == o.kind)
        out += bytes((number, 2 + len(body))) + body
    return out + b"\0" * (-len(out) % 4)


def header(s: Segment) -> bytes:
    """Return the TCP header, its checksum zero."""
    options = options_bytes(s.options)
    flags = sum(FLAG_BITS[f] for f in s.flags)
    ports = struct.pack("!HHII", s.sport, s.dport, s.seq, s.ack)
    return ports + struct.pack("!BBHHH", (_TCP_HEADER + len(options)) << 2, flags, s.window, 0, s.urg) + options


def build(s: Segment) -> bytes:
    """Return the IP packet of a segment, with valid checksums. Its payload is zeros."""
    head = header(s)
    body = head + b"\0" * s.length
    pseudo = _pseudo(socket.inet_aton(s.src), socket.inet_aton(s.dst), len(body))
    total = checksum(pseudo + head)  # zeros change no sum
    body = body[:16] + struct.pack("!H", total) + body[18:]
    return ip_packet(s.src, s.dst, _TCP, body, tos=s.tos, ttl=s.ttl)


def _read_options(raw: bytes) -> tuple[Opt, ...]:
    found: list[Opt] = []
    while raw:
        kind, size = raw[0], 1 if raw[0] < 2 else raw[1] if len(raw) > 1 else 0
        if not 1 <= size <= len(raw) or (kind > 1 and size < 2):
            found.append(Opt("broken", tuple(raw)))
            break
        body, name = raw[2:size] if kind > 1 else b"", _KINDS.get(kind, f"option {kind}")
        if name in _FORMS and struct.calcsize(_FORMS[name]) == len(body):
            found.append(Opt(name, struct.unpack(_FORMS[name], body)))
        elif name == "sack" and len(body) % 8 == 0:
            found.append(Opt(name, struct.unpack(f"!{len(body) // 4}I", body)))
        else:
            found.append(Opt(name, tuple(body)))
        raw = raw[size:]
    return tuple(found)


def _tcp_of(packet: bytes) -> bytes:
    """Return the segment's bytes; none: the packet is cut, or carries something else."""
    if len(packet) < _IP_HEADER or packet[0] >> 4 != 4 or packet[9] != _TCP:
        return b""
    th = packet[(packet[0] & 15) * 4 : struct.unpack("!H", packet[2:4])[0]]
    return th if len(th) >= _TCP_HEADER and _TCP_HEADER <= (th[12] >> 4) * 4 <= len(th) else b""


def read(packet: bytes) -> Segment | None:
    """Return the segment of an IP packet. None: it has none, or is cut."""
    th = _tcp_of(packet)
    if not th:
        return None
    sport, dport, seq, ack, doff, bits, window, _, urg = struct.unpack("!HHIIBBHHH", th[:_TCP_HEADER])
    doff = (doff >> 4) * 4
    flags = "".join(f for f, bit in FLAG_BITS.items() if bits & bit)
    src, dst = (socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16))
    options = _read_options(th[_TCP_HEADER:doff])
    length, tos, ttl = len(th) - doff, packet[1], packet[8]
    return Segment(src, dst, sport, dport, flags, seq, ack, window, urg, options, length, tos, ttl)


def sums_are_right(packet: bytes) -> bool:
    """Are the checksums of the IP header and of the segment right?"""
    th = _tcp_of(packet)
    pseudo = _pseudo(packet[12:16], packet[16:20], len(th))
    return checksum(packet[: (packet[0] & 15) * 4]) == 0 and checksum(pseudo + th) == 0


def icmp_packet(kind: str, code: str | None, mtu: int | None, router: str, quoted: Segment) -> bytes:
    """Return the ICMP message that a router, or the peer, sends because of a segment of ours."""
    whole = ip_packet(quoted.src, quoted.dst, _TCP, header(quoted) + b"\0" * quoted.length)
    number = 0 if code is None else CODES[kind][code]
    body = struct.pack("!BBHHH", TYPES[kind], number, 0, 0, mtu or 0) + whole[: _IP_HEADER + _QUOTED_BYTES]
    return ip_packet(router, quoted.src, _ICMP, body[:2] + struct.pack("!H", checksum(body)) + body[4:])
