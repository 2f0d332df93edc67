"""Segments and bytes: IPv4 or IPv6, TCP, checksums; ICMP that quotes a segment. RFC 791, 9293, 792, 4443."""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass

from vnic.packetdrill.icmp_names import CODES, PACKET_TOO_BIG, TYPES4, UNREACHABLE
from vnic.packetdrill.script import Opt

FLAG_BITS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128}
ECN_BITS = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}
_KINDS = {0: "eol", 1: "nop", 2: "mss", 3: "wscale", 4: "sackOK", 5: "sack", 8: "TS"}
_FORMS = {"mss": "!H", "wscale": "!B", "sackOK": "!", "TS": "!II"}
_TCP, _ICMP, _ICMP6 = socket.IPPROTO_TCP, socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6
_TOO_BIG, _UNREACHABLE6, _EXCEEDED6 = 2, 1, 3
_CODES6 = {"net_unreachable": 0, "net_prohibited": 1, "host_unreachable": 3, "port_unreachable": 4}
_QUOTED_BYTES = 8


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


def _addresses(src: str, dst: str) -> tuple[bytes, bytes]:
    return ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed


def _pseudo(src: bytes, dst: bytes, proto: int, length: int) -> bytes:
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, length)
    return src + dst + struct.pack("!II", length, proto)


def ip_packet(src: str, dst: str, proto: int, payload: bytes, *, tos: int = 0, ttl: int = 64) -> bytes:
    """Return an IP packet around a payload whose checksum is right already."""
    a, b = _addresses(src, dst)
    if len(a) == 16:
        return struct.pack("!IHBB", 6 << 28 | tos << 20, len(payload), proto, ttl) + a + b + payload
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(payload), 0, 0x4000, ttl, proto, 0) + a + b
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
    return ports + struct.pack("!BBHHH", (20 + len(options)) << 2, flags, s.window, 0, s.urg) + options


def build(s: Segment) -> bytes:
    """Return the IP packet of a segment, with valid checksums. Its payload is zeros."""
    head = header(s)
    body = head + b"\0" * s.length
    a, b = _addresses(s.src, s.dst)
    total = checksum(_pseudo(a, b, _TCP, len(body)) + head)  # zeros change no sum
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


def read(packet: bytes) -> Segment | None:
    """Return the segment of an IP packet. None: it has none, or is cut."""
    if len(packet) < 40:
        return None
    if packet[0] >> 4 == 4:
        size, proto, total = (packet[0] & 15) * 4, packet[9], struct.unpack("!H", packet[2:4])[0]
        tos, ttl, src, dst = packet[1], packet[8], packet[12:16], packet[16:20]
    else:
        size, proto, total = 40, packet[6], 40 + struct.unpack("!H", packet[4:6])[0]
        tos, ttl, src, dst = (packet[0] & 15) << 4 | packet[1] >> 4, packet[7], packet[8:24], packet[24:40]
    th = packet[size:total]
    if proto != _TCP or len(th) < 20 or (th[12] >> 4) * 4 > len(th):
        return None
    sport, dport, seq, ack, doff, bits, window, _, urg = struct.unpack("!HHIIBBHHH", th[:20])
    doff = (doff >> 4) * 4
    flags = "".join(f for f, bit in FLAG_BITS.items() if bits & bit)
    names = [str(ipaddress.ip_address(a)) for a in (src, dst)]
    options = _read_options(th[20:doff])
    return Segment(names[0], names[1], sport, dport, flags, seq, ack, window, urg, options, len(th) - doff, tos, ttl)


def sums_are_right(packet: bytes) -> bool:
    """Is the IPv4 header's checksum right? IPv6 has none, and a card sums the segment."""
    return packet[0] >> 4 != 4 or checksum(packet[: (packet[0] & 15) * 4]) == 0


def icmp_packet(kind: str, code: str | None, mtu: int | None, router: str, quoted: Segment) -> bytes:
    """Return the ICMP message that a router, or the peer, sends because of a segment of ours."""
    a, _ = _addresses(quoted.src, quoted.dst)
    head = header(quoted)[:_QUOTED_BYTES]
    inner = ip_packet(quoted.src, quoted.dst, _TCP, head + b"\0" * (len(header(quoted)) - len(head) + quoted.length))
    if len(a) == 4:
        number = 0 if code is None else CODES[kind][code]
        inner = inner[: 20 + _QUOTED_BYTES]
        body = struct.pack("!BBHHH", TYPES4[kind], number, 0, 0, mtu or 0) + inner
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        return ip_packet(router, quoted.src, _ICMP, body)
    kinds = {PACKET_TOO_BIG: _TOO_BIG, UNREACHABLE: _UNREACHABLE6}
    number = _CODES6.get(code or "", 0) if kind == UNREACHABLE else 0
    body = struct.pack("!BBHI", kinds.get(kind, _EXCEEDED6), number, 0, mtu or 0) + inner[:1232]
    source = ipaddress.ip_address(router).packed
    total = checksum(_pseudo(source, a, _ICMP6, len(body)) + body)
    return ip_packet(router, quoted.src, _ICMP6, body[:2] + struct.pack("!H", total) + body[4:])
