"""Frames for the twins: a few neighbours that change their MAC addresses, and pings that show who is believed.

``frame(rng)`` returns a label that begins with "near", and a frame.
"""

import ipaddress
import struct
from random import Random

import frames

OWN4, OWN6 = ("10.0.0.2", "10.1.0.2"), ("fd00::2", "fe80::ff:fe00:1")
NEAR4 = ("10.0.0.1", "10.0.0.7", "10.1.0.9", "192.0.2.9")
NEAR6 = ("fd00::1", "fd00::7", "fe80::1", "fe80::7", "2001:db8::9")
MACS = (
    *(bytes((2, 0, 0, 0, 1, i)) for i in range(3)),
    frames.PEER,
    frames.MAC,
    b"\xff" * 6,
    bytes(6),
    b"\1\0\x5e\0\0\1",
)
_CHANCES = (8, 8, 4, 8, 1, 1, 1, 1)
ALL = b"\xff" * 6


def mac(rng: Random) -> bytes:
    return rng.choices(MACS, _CHANCES)[0]


def arp(rng: Random) -> tuple[str, bytes]:
    """A request or reply: to us, to another, about itself, a probe; to all or to one."""
    op = rng.choice((1, 1, 2))
    sip = rng.choice((*NEAR4, *NEAR4, "0.0.0.0", "10.0.0.2", "10.0.0.255", "10.0.0.0", "127.0.0.1", "0.0.0.5"))
    tip = rng.choice((*OWN4, *OWN4, sip, sip, "10.0.0.77", "10.0.0.255", "255.255.255.255", "0.0.0.0", "224.0.0.1"))
    sha = mac(rng)
    tha = rng.choice((bytes(6), sha, sha, frames.MAC, ALL))
    body = struct.pack("!HHBBH", rng.choice((1, 1, 1, 6)), 0x800, 6, 4, op) + sha + ipaddress.ip_address(sip).packed
    body += tha + ipaddress.ip_address(tip).packed
    to = rng.choice((ALL, frames.MAC)) if op == 1 else rng.choice((frames.MAC, frames.MAC, ALL, b"\1\0\x5e\0\0\1"))
    return f"near arp{op}", frames.eth(body, dst=to, src=mac(rng), type=0x0806)


def option(rng: Random, usual: int) -> bytes:
    """An option of neighbour discovery; mostly a MAC address."""
    at = rng.random()
    if at < 0.75:
        return bytes((usual, 1)) + mac(rng)
    other = (
        bytes((3 - usual, 1)) + mac(rng),
        bytes((usual, 2)) + mac(rng) + bytes(8),
        bytes((usual, 0)) + mac(rng),
        bytes((14, 1)) + rng.randbytes(6),
        bytes((5, 1, 0, 0)) + struct.pack("!I", rng.choice((1280, 1400, 9000))),
        bytes((3, 4, 64, rng.choice((0, 0x80, 0xC0))))
        + struct.pack("!III", 600, 300, 0)
        + ipaddress.ip_address("fd01::").packed,
        bytes((4, 1)) + bytes(6),
        bytes((rng.randrange(256), rng.randrange(4))) + rng.randbytes(6),
        rng.randbytes(rng.randrange(1, 9)),
    )
    return rng.choice(other)


def nd(rng: Random, kind: int) -> bytes:
    """The head of a message, without its checksum."""
    if kind == 133:
        return bytes(8)
    if kind == 134:
        life = rng.choice((0, 1800))
        return bytes((134, 0, 0, 0, 64, rng.choice((0, 0x40, 0x18)))) + struct.pack("!HII", life, 0, 0)
    targets = (
        (*OWN6, *OWN6, *OWN6, "fd00::9", "ff02::1", "::ffff:10.0.0.2")
        if kind == 135
        else (*NEAR6, *NEAR6, *OWN6, "::ffff:10.0.0.1")
    )
    target = ipaddress.ip_address(rng.choice(targets)).packed
    if kind == 137:
        return bytes((137, 0)) + bytes(6) + target + ipaddress.ip_address(rng.choice((*NEAR6, *OWN6))).packed
    flags = rng.choice((0, 0x20, 0x40, 0x60, 0x80, 0xA0, 0xC0, 0xE0))
    return bytes((kind, 0, 0, 0, flags, 0, 0, 0)) + target


def discovery(rng: Random) -> tuple[str, bytes]:
    """A message of neighbour discovery."""
    kind = rng.choice((135, 135, 135, 136, 136, 136, 134, 133, 137))
    src = rng.choice((*NEAR6, *NEAR6, *NEAR6, "::", "fd00::2"))
    dst = rng.choice((*OWN6, "ff02::1:ff00:2", "ff02::1:ff00:1", "ff02::1"))
    message = bytearray(nd(rng, kind))
    message[0] = kind
    if rng.random() < 0.03:
        message[1] = rng.randrange(256)
    for _ in range(rng.choice((0, 0, 1, 1, 1, 1, 2))):
        message += option(rng, 2 if kind in (136, 137) else 1)
    if rng.random() < 0.03:
        del message[rng.randrange(8, len(message) + 1) :]
    check = frames.csum(frames.pseudo(src, dst, 58, len(message)) + message)
    message[2:4] = struct.pack("!H", check)
    next_, body = 58, bytes(message)
    if rng.random() < 0.03:
        next_, body = 44, struct.pack("!BBHI", 58, 0, 0, 1) + body
    packet = frames.ipv6(body, next_, src=src, dst=dst, hops=rng.choice((255,) * 30 + (254, 1)))
    a = ipaddress.ip_address(dst)
    to = b"\x33\x33" + a.packed[12:] if a.is_multicast else frames.MAC
    return f"near nd{kind}", frames.eth(packet, dst=to, src=mac(rng), type=0x86DD)


def ping(rng: Random) -> tuple[str, bytes]:
    """A ping from a neighbour: the answer shows the MAC address that is believed."""
    if rng.random() < 0.5:
        return "near ping4", frames.icmp(src=rng.choice(NEAR4[:3]), dst=rng.choice(OWN4))
    return "near ping6", frames.icmpv6(src=rng.choice(NEAR6[:4]), dst=rng.choice(OWN6))


def frame(rng: Random) -> tuple[str, bytes]:
    """A frame of a neighbour, and what it is."""
    return rng.choice((arp, arp, discovery, discovery, discovery, ping, ping))(rng)
