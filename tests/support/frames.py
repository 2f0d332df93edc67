"""Frame builders: Ethernet, IP, TCP and UDP with keyword defaults, checksums right unless told otherwise."""

import ipaddress
import struct

MAC = bytes.fromhex("020000000001")
PEER = bytes.fromhex("020000000002")

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << i for i in range(8))


def csum(data: bytes, start: int = 0) -> int:
    """RFC 1071, the plain way."""
    if len(data) % 2:
        data += b"\0"
    total = start + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(
    payload: bytes,
    *,
    dst: bytes = MAC,
    src: bytes = PEER,
    type: int = 0x0800,
    vlan: int | None = None,
) -> bytes:
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
    return dst + src + tag + struct.pack("!H", type) + payload


def ipv4(
    payload: bytes,
    proto: int,
    *,
    src="10.0.0.1",
    dst="10.0.0.2",
    ttl=64,
    tos=0,
    id=0,
    frag=0x4000,
    options=b"",
    total=None,
    check=None,
) -> bytes:
    ihl = 5 + len(options) // 4
    total = ihl * 4 + len(payload) if total is None else total
    head = (
        struct.pack(
            "!BBHHHBBH4s4s",
            0x40 | ihl,
            tos,
            total,
            id,
            frag,
            ttl,
            proto,
            0,
            ipaddress.IPv4Address(src).packed,
            ipaddress.IPv4Address(dst).packed,
        )
        + options
    )
    check = csum(head) if check is None else check
    return head[:10] + struct.pack("!H", check) + head[12:] + payload


def ipv6(payload: bytes, next: int, *, src="fd00::1", dst="fd00::2", hops=64, tc=0, flow=0, length=None) -> bytes:
    length = len(payload) if length is None else length
    return (
        struct.pack("!IHBB", 6 << 28 | tc << 20 | flow, length, next, hops)
        + ipaddress.IPv6Address(src).packed
        + ipaddress.IPv6Address(dst).packed
        + payload
    )


def pseudo(src: str, dst: str, proto: int, length: int) -> bytes:
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    return a.packed + b.packed + struct.pack("!II", length, proto)


def _ip(l4: bytes, proto: int, src: str, dst: str, **ip) -> tuple[bytes, int]:
    if ":" in src:
        return ipv6(l4, proto, src=src, dst=dst, **ip), 0x86DD
    return ipv4(l4, proto, src=src, dst=dst, **ip), 0x0800


def udp(
    payload=b"x" * 18,
    *,
    sport=1000,
    dport=5000,
    src="10.0.0.1",
    dst="10.0.0.2",
    check=None,
    length=None,
    mac: dict | None = None,
    **ip,
) -> bytes:
    length = 8 + len(payload) if length is None else length
    dgram = struct.pack("!HHHH", sport, dport, length, 0) + payload
    if check is None:
        check = csum(pseudo(src, dst, 17, len(dgram)) + dgram) or 0xFFFF
    packet, ethertype = _ip(dgram[:6] + struct.pack("!H", check) + payload, 17, src, dst, **ip)
    return eth(packet, **({"type": ethertype} | (mac or {})))


def tcp(
    payload=b"",
    *,
    sport=1000,
    dport=80,
    seq=1,
    ack=1,
    flags=ACK,
    window=65535,
    options=b"",
    urg=0,
    src="10.0.0.1",
    dst="10.0.0.2",
    check=None,
    mac: dict | None = None,
    **ip,
) -> bytes:
    doff = 5 + len(options) // 4
    seg = (
        struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack, doff << 4, flags, window, 0, urg)
        + options
        + payload
    )
    if check is None:
        check = csum(pseudo(src, dst, 6, len(seg)) + seg)
    packet, ethertype = _ip(seg[:16] + struct.pack("!H", check) + seg[18:], 6, src, dst, **ip)
    return eth(packet, **({"type": ethertype} | (mac or {})))


def icmp(payload=b"ping", *, type=8, code=0, check=None, mac: dict | None = None, **ip) -> bytes:
    head = struct.pack("!BBHI", type, code, 0, 1)
    check = csum(head + payload) if check is None else check
    return eth(ipv4(head[:2] + struct.pack("!H", check) + head[4:] + payload, 1, **ip), **(mac or {}))


def arp(*, op=1, mac: dict | None = None) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, op) + PEER + b"\x0a\0\0\1" + bytes(6) + b"\x0a\0\0\2"
    return eth(body, **({"type": 0x0806, "dst": b"\xff" * 6} | (mac or {})))


def raw_frames(path) -> list[bytes]:
    """The frames of a capture file, by scapy."""
    from scapy.utils import RawPcapReader

    with RawPcapReader(str(path)) as reader:
        return [data for data, _ in reader]


def icmpv6(payload=b"ping", *, kind=128, check=None, src="fd00::1", dst="fd00::2", mac: dict | None = None) -> bytes:
    message = struct.pack("!BBHI", kind, 0, 0, 1) + payload
    check = csum(pseudo(src, dst, 58, len(message)) + message) if check is None else check
    packet = ipv6(message[:2] + struct.pack("!H", check) + message[4:], 58, src=src, dst=dst)
    return eth(packet, **({"type": 0x86DD} | (mac or {})))


def igmp(*, kind=0x16, check=None, group="224.0.0.251") -> bytes:
    message = struct.pack("!BBH4s", kind, 0, 0, ipaddress.IPv4Address(group).packed)
    check = csum(message) if check is None else check
    packet = ipv4(message[:2] + struct.pack("!H", check) + message[4:], 2, dst=group, ttl=1)
    return eth(packet, dst=b"\x01\0\x5e\0\0\xfb")


def to_all(data=b"payload", *, dst="10.0.0.255", sport=1000, dport=5000):
    """A UDP datagram in a broadcast."""
    return eth(udp(data, src="10.0.0.1", dst=dst, sport=sport, dport=dport)[14:], dst=b"\xff" * 6)
