"""Neighbours on a wire: requests and answers of ARP (RFC 826) and neighbour discovery (RFC 4861), as frames."""

from __future__ import annotations

import ipaddress

from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_ARP, _IPV6 = b"\x08\x06", b"\x86\xdd"
_ICMPV6, _NS, _NA, _TARGET = 58, 135, 136, 2
_ALL_NODES = "ff02::1"


def _nd(frame: bytes, kind: int) -> bool:
    return frame[12:14] == _IPV6 and len(frame) >= 78 and frame[20] == _ICMPV6 and frame[54] == kind


def advertised(frame: bytes) -> tuple[str, str] | None:
    """Return IP and MAC address from an ARP reply or a neighbour advertisement; None: the frame is neither."""
    if frame[12:14] == _ARP and len(frame) >= 42 and frame[20:22] == b"\0\2":
        return str(ipaddress.IPv4Address(frame[28:32])), frame[22:28].hex(":")
    if _nd(frame, _NA):
        option = frame[78:86]
        mac = option[2:8] if len(option) == 8 and option[0] == _TARGET else frame[6:12]
        return str(ipaddress.IPv6Address(frame[62:78])), mac.hex(":")
    return None


def asked_for(frame: bytes) -> str | None:
    """Return the address that an ARP request or a neighbour solicitation asks for; None: the frame is neither."""
    if frame[12:14] == _ARP and len(frame) >= 42 and frame[20:22] == b"\0\1":
        return str(ipaddress.IPv4Address(frame[38:42]))
    return str(ipaddress.IPv6Address(frame[62:78])) if _nd(frame, _NS) else None


def answer(frame: bytes, ip: str, mac: str) -> bytes:
    """Return the answer of the machine with this address to such a frame."""
    to = frame[6:12].hex(":")
    if frame[12:14] == _ARP:
        asker = str(ipaddress.IPv4Address(frame[28:32]))
        return bytes(Ether(src=mac, dst=to) / ARP(op=2, hwsrc=mac, psrc=ip, hwdst=to, pdst=asker))
    asker = str(ipaddress.IPv6Address(frame[22:38]))
    solicited = asker != "::"
    head = Ether(src=mac, dst=to) / IPv6(src=ip, dst=asker if solicited else _ALL_NODES, hlim=255)
    return bytes(head / ICMPv6ND_NA(tgt=ip, R=0, S=int(solicited), O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac))


def question(ip: str, src: str, mac: str) -> bytes:
    """Return the request for this address, from the machine with ``src`` and ``mac``."""
    wanted = ipaddress.ip_address(ip)
    if wanted.version == 4:
        return bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mac, psrc=src, pdst=ip))
    group = ipaddress.IPv6Address(b"\xff\x02" + bytes(9) + b"\x01\xff" + wanted.packed[-3:])
    head = Ether(src=mac, dst=group_mac(group)) / IPv6(src=src, dst=str(group), hlim=255)
    return bytes(head / ICMPv6ND_NS(tgt=ip) / ICMPv6NDOptSrcLLAddr(lladdr=mac))


def group_mac(ip: IpAddress) -> str | None:
    """Return the MAC address of a multicast group (RFC 1112, 6.4; RFC 2464, 7) or limited broadcast; None: neither."""
    if ip.version == 4:
        if int(ip) == 0xFFFFFFFF:
            return "ff:ff:ff:ff:ff:ff"
        low = int(ip) & 0x7FFFFF
        return (b"\x01\x00\x5e" + low.to_bytes(3, "big")).hex(":") if ip.is_multicast else None
    return (b"\x33\x33" + ip.packed[-4:]).hex(":") if ip.is_multicast else None
