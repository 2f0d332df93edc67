"""Frames for the twins: each header with fields that are mostly right, and now and then anything.

``frame(rng)`` returns a label and a frame. The label says what the frame is made of: differences are counted by kind.
"""

import ipaddress
import itertools
import socket
import struct
from random import Random

import frames
import twin_neighbours
from twin_hosts import Step
from twin_ipv4 import any_options, full_options, piece, quoted
from twin_ipv4 import often as _often
from twin_ipv4 import some_bytes as _bytes

PEER4, PEER6 = "10.0.0.1", "fd00::1"
LINK_LOCAL = "fe80::ff:fe00:1"
"""The hosts' own, made of frames.MAC (RFC 4291 appendix A)."""
MAC_OF = {"fe80::1": bytes.fromhex("020000000002")}
BROADCAST = b"\xff" * 6

SRC4 = ("10.0.0.1", "10.0.0.7", "10.1.0.9", "10.0.0.2", "10.1.0.2", "10.0.0.255", "10.0.0.0", "10.1.255.255")
SRC4 += ("0.0.0.0", "0.0.0.5", "127.0.0.1", "127.9.9.9", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255")
SRC4 += ("192.0.2.9", "169.254.1.1")
DST4 = ("10.0.0.2", "10.1.0.2", "10.0.0.255", "10.1.255.255", "10.0.0.0", "10.1.0.0", "10.0.0.9", "10.1.0.77")
DST4 += ("255.255.255.255", "0.0.0.0", "127.0.0.1", "224.0.0.1", "224.0.0.2", "224.0.0.99", "239.1.2.3", "240.0.0.1")
DST4 += ("192.0.2.7", "0.1.2.3")
SRC6 = ("fd00::1", "fd00::7", "fe80::1", "fd00::2", LINK_LOCAL, "::", "::1", "::ffff:10.0.0.1", "ff02::1", "ff05::5")
SRC6 += ("2001:db8::9", "fd00::", "::10.0.0.1", "fec0::1")
DST6 = (
    "fd00::2",
    LINK_LOCAL,
    "ff02::1",
    "ff02::1:ff00:2",
    "ff02::1:ff00:1",
    "ff01::1",
    "ff02::99",
    "ff05::1",
    "ff0e::1",
)
DST6 += ("ff00::", "ff02::2", "fd00::9", "fe80::9", "::1", "::", "fd00::", "::ffff:10.0.0.2", "2001:db8::1", "ff02::16")


# ---- transport ----


def _udp(rng: Random, src: str, dst: str, *, proto: int = 17) -> bytes:
    port = rng.choice((5000, 5001, 6000, 5999, 9, 0))
    sport = rng.choice((7000, 7000, 1000, 0))
    data = _bytes(rng, 60)
    length = _often(rng, 8 + len(data), (0, 7, 8, 9, 4 + len(data), 9 + len(data), 65535), 0.1)
    head = struct.pack("!HHHH", sport, port, length, 0)
    covered = len(head) + len(data)
    if proto == 17 and 8 <= length <= covered:
        covered = length
    if proto == 136 and 8 <= length <= covered:
        covered = length
    check = frames.csum(
        frames.pseudo(src, dst, proto, len(head) + len(data) if proto == 136 else covered) + (head + data)[:covered]
    )
    check = _often(rng, check or 0xFFFF, (0, 1), 0.1)
    return head[:6] + struct.pack("!H", check) + data


def _tcp(rng: Random, src: str, dst: str) -> bytes:
    flags = _often(rng, rng.choice((2, 16, 4, 20, 1, 17, 18, 24)), tuple(range(256)), 0.2)
    data = _bytes(rng, 40) if rng.random() < 0.4 else b""
    doff = _often(rng, 5, (0, 4, 6, 15), 0.08)
    port = rng.choice((9, 80, 443, 5000))
    head = struct.pack(
        "!HHIIBBHHH",
        1000,
        port,
        rng.randrange(1 << 32),
        rng.randrange(1 << 32),
        doff << 4 | rng.randrange(2),
        flags,
        500,
        0,
        0,
    )
    check = frames.csum(frames.pseudo(src, dst, 6, len(head) + len(data)) + head + data)
    check = _often(rng, check, (0, 1), 0.08)
    return head[:16] + struct.pack("!H", check) + head[18:] + data


def _icmp(rng: Random, src: str, dst: str) -> bytes:
    kind = rng.choice(
        (8, 8, 8, 3, 3, 3, 3, 0, 4, 5, 9, 10, 11, 12, 13, 13, 14, 15, 17, 18, 30, 40, 42, 43, rng.randrange(256))
    )
    code = _often(rng, 0, tuple(range(20)), 0.6 if kind in (3, 5, 11, 12) else 0.1)
    rest = rng.choice((b"\0\0\0\0", b"\x12\x34\0\1", b"\0\0\x02\x40", b"\0\0\x05\0", b"\x0a\0\0\x07", rng.randbytes(4)))
    if kind in (3, 4, 5, 11, 12):
        data = quoted(rng)
    elif kind in (13, 14):
        data = _often(rng, struct.pack("!III", 1000, 0, 0), (b"", b"abcd", bytes(20)))
    else:
        data = _bytes(rng, 100)
    message = bytes((kind, code, 0, 0)) + rest + data
    if rng.random() < 0.05:
        message = message[: rng.randrange(9)]
    check = _often(rng, frames.csum(message), (0, 1), 0.05)
    return message[:2] + struct.pack("!H", check) + message[4:] if len(message) >= 4 else message


def _igmp(rng: Random) -> bytes:
    kind = rng.choice((0x11, 0x12, 0x16, 0x17, 0x22, 0x13, rng.randrange(256)))
    message = struct.pack("!BBH4s", kind, rng.choice((0, 1)), 0, rng.choice((bytes(4), b"\xe0\0\0\x63"))) + _bytes(
        rng, 8
    )
    if rng.random() < 0.1:
        message = message[: rng.randrange(8)]
    check = _often(rng, frames.csum(message), (0, 1), 0.1)
    return message[:2] + struct.pack("!H", check) + message[4:] if len(message) >= 4 else message


def _lladdr(rng: Random, kind: int) -> bytes:
    mac = _often(rng, frames.PEER, (b"\x02\0\0\0\0\7", frames.MAC, BROADCAST), 0.2)
    return bytes((kind, 1)) + mac


def _nd_options(rng: Random, usual: int) -> bytes:
    out = b""
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 3))):
        out += rng.choice(
            (
                _lladdr(rng, usual),
                _lladdr(rng, usual),
                _lladdr(rng, usual),
                _lladdr(rng, 3 - usual),
                bytes((usual, 2)) + frames.PEER + bytes(8),
                bytes((usual, 0)) + frames.PEER,
                bytes((14, 1)) + rng.randbytes(6),
                bytes((rng.randrange(256), 1)) + rng.randbytes(6),
                rng.randbytes(rng.randrange(9)),
            )
        )
    return out


def _quoted6(rng: Random) -> bytes:
    sport, port = rng.choice(((6000, 7000), (5000, 7000), (5001, 7000), (9, 9)))
    src = _often(rng, "fd00::2", (LINK_LOCAL, "fd00::1", "2001:db8::1"), 0.1)
    dst = _often(rng, "fd00::1", ("ff02::1", "fe80::1", "fd00::2"), 0.1)
    next_ = _often(rng, 17, (6, 58, 136, 59, 200), 0.2)
    body = struct.pack("!HHHH", sport, port, 12, 0) + b"data"
    if next_ == 58:
        body = struct.pack("!BBHHH", rng.choice((128, 129, 1)), 0, 0, 1, 1)
    if rng.random() < 0.1:
        body = body[: rng.randrange(8)]
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        kind, body = _extension(rng, next_, body)
        next_ = kind
    whole = frames.ipv6(body, next_, src=src, dst=dst)
    return whole[: rng.randrange(len(whole))] if rng.random() < 0.05 else whole


def _icmpv6(rng: Random, src: str, dst: str) -> bytes:
    kind = rng.choice(
        (
            128,
            128,
            128,
            1,
            1,
            1,
            2,
            3,
            4,
            4,
            129,
            130,
            131,
            132,
            133,
            134,
            135,
            135,
            136,
            136,
            137,
            139,
            143,
            5,
            100,
            127,
            200,
            rng.randrange(256),
        )
    )
    code = _often(rng, 0, tuple(range(9)), 0.6 if kind in (1, 3, 4) else 0.1)
    target = rng.choice(("fd00::2", LINK_LOCAL, "fd00::1", "fd00::7", "ff02::1", "::"))
    if kind in (135, 136):
        flags = rng.choice((0, 0x20, 0x40, 0x60, 0xE0))
        data = bytes((flags, 0, 0, 0)) + ipaddress.ip_address(target).packed + _nd_options(rng, 1 if kind == 135 else 2)
    elif kind in (1, 2, 3, 4):
        data = rng.choice((bytes(4), b"\0\0\5\0", b"\0\0\0\x28")) + _quoted6(rng)
    else:
        data = b"\x12\x34\0\1" + _bytes(rng, 100)
    message = bytes((kind, code, 0, 0)) + data
    if rng.random() < 0.05:
        message = message[: rng.randrange(len(message))]
    check = frames.csum(frames.pseudo(src, dst, 58, len(message)) + message)
    check = _often(rng, check, (0, 1), 0.05)
    return message[:2] + struct.pack("!H", check) + message[4:] if len(message) >= 4 else message


# ---- IPv4 ----


def _ipv4(rng: Random) -> tuple[str, bytes]:
    if rng.random() < 0.06:
        return piece(rng)
    src, dst = _often(rng, PEER4, SRC4), _often(rng, "10.0.0.2", DST4)
    kind = rng.choice(("icmp", "icmp", "icmp", "udp", "udp", "tcp", "udplite", "igmp", "other"))
    if kind == "icmp":
        proto, body = 1, _icmp(rng, src, dst)
        kind += str(body[0]) if body else "-"
    elif kind in ("udp", "udplite"):
        proto = 17 if kind == "udp" else 136
        body = _udp(rng, src, dst, proto=proto)
    elif kind == "tcp":
        proto, body = 6, _tcp(rng, src, dst)
    elif kind == "igmp":
        proto, body = 2, _igmp(rng)
        kind += str(body[0]) if body else "-"
    else:
        proto, body = rng.choice((4, 41, 47, 50, 0, 58, 200, 132, 255)), _bytes(rng, 40)
    options = rng.choice((any_options, full_options))(rng) if rng.random() < 0.25 else b""
    frag = _often(rng, rng.choice((0, 0x4000)), (0x2000, 0x2001, 1, 0x8000, 0x4001, 0x1FFF), 0.06)
    packet = frames.ipv4(
        body,
        proto,
        src=src,
        dst=dst,
        ttl=_often(rng, 64, (0, 1, 255), 0.1),
        tos=_often(rng, 0, (1, 2, 3, 0x10, 0xB8, 0xC0, 0xFF), 0.2),
        id=rng.randrange(1 << 16),
        frag=frag,
        options=options,
        total=_often(rng, None, (0, 19, 20, 21, 28, 60, 65535), 0.03),
        check=_often(rng, None, (0, 1), 0.02),
    )
    if rng.random() < 0.03:
        packet = bytes((rng.choice((0x35, 0x44, 0x46, 0x4F, 0x55, 0x05)),)) + packet[1:]
    if rng.random() < 0.05:
        packet += rng.randbytes(rng.choice((1, 4, 18)))
    label = "ip4" + (" options" if options else "") + (" frag" if frag & 0x3FFF else "")
    to = _destination(rng, dst)
    return f"{label} {kind}", frames.eth(packet, dst=to)


def _destination(rng: Random, dst: str) -> bytes:
    """The Ethernet address that goes with it, mostly."""
    a = ipaddress.ip_address(dst)
    usual = frames.MAC
    if a.version == 4 and (dst == "255.255.255.255" or dst.endswith(".255")):
        usual = BROADCAST
    elif a.is_multicast:
        usual = (
            b"\x01\0\x5e" + bytes((a.packed[1] & 127,)) + a.packed[2:]
            if a.version == 4
            else b"\x33\x33" + a.packed[12:]
        )
    others = (frames.MAC, frames.MAC, BROADCAST, b"\x02\0\0\0\0\x33", b"\x01\0\x5e\0\0\1", b"\x33\x33\0\0\0\1")
    return _often(rng, usual, others, 0.08)


# ---- IPv6 ----


_begun = itertools.count()
_first_id = [0]


def begin() -> None:
    """A new batch: IPv6 fragments that become whole belong to no datagram of an earlier one, which a kernel keeps."""
    _first_id[0] = next(_begun) * 6 % 65536


def _options6(rng: Random, room: int) -> bytes:
    out = b""
    while len(out) < room:
        left = room - len(out)
        kind = rng.choice(
            (0, 1, 1, 1, 5, 0xC2, 0xC9, 0x1E, 0x3E, 0x5E, 0x7E, 0x9E, 0xBE, 0xDE, 0xFE, rng.randrange(256))
        )
        if kind == 0 or left < 2:
            out += b"\0"
            continue
        most = left - 2
        length = _often(rng, min(most, rng.choice((0, 1, 2, 4, most))), (0, most, most + 1, 255), 0.1)
        data = bytes(length) if kind == 1 and rng.random() < 0.8 else rng.randbytes(length)
        if kind == 5:
            data = bytes(length)
        out += bytes((kind, length)) + data
    return out[:room]


def _extension(rng: Random, next_: int, body: bytes) -> tuple[int, bytes]:
    """Put a header before the body. Return: its number, and both."""
    kind = rng.choice((0, 60, 60, 43, 44, 51, 59, 135))
    if kind in (0, 60, 135):
        units = rng.choice((0, 0, 1, 2))
        room = 6 + units * 8
        some = bytes(7) + b"\x1e" + bytes(room - 8) if units else b"\1\4" + bytes(4)
        body_ = some if rng.random() < 0.4 else _options6(rng, room)
        head = bytes((next_, _often(rng, units, (0, 5, 255), 0.05))) + body_
    elif kind == 43:
        type_ = rng.choice((0, 2, 3, 4, 5, 253))
        left = rng.choice((0, 0, 1, 2, 255))
        units = rng.choice((0, 2, 4))
        head = (
            bytes((next_, units, type_, left))
            + bytes(4)
            + b"".join(
                ipaddress.ip_address(rng.choice(("fd00::2", "fd00::1", "ff02::1"))).packed for _ in range(units // 2)
            )
        )
    elif kind == 44:
        field = _often(rng, 0, (1, 1, 8, 8, 9, 16, 17, 0xFFF8, 2, 4), 0.4)
        if field & 1:
            body = body[: len(body) & ~7] if rng.random() < 0.9 else body
        id_ = rng.choice(
            (_first_id[0], _first_id[0] + 1, rng.randrange(1 << 17, 1 << 30))
        )  # some become whole, or overlap
        head = struct.pack("!BBHI", next_, _often(rng, 0, (255,), 0.1), field, id_)
    elif kind == 51:
        head = bytes((next_, 1, 0, 0)) + bytes(8)
    else:
        head = b""
    return kind, head + body


def _ipv6(rng: Random) -> tuple[str, bytes]:
    src, dst = _often(rng, PEER6, SRC6), _often(rng, "fd00::2", DST6)
    kind = rng.choice(("icmp6", "icmp6", "icmp6", "udp", "udp", "tcp", "udplite", "other"))
    if kind == "icmp6":
        next_, body = 58, _icmpv6(rng, src, dst)
        kind += f"-{body[0]}" if body else "-"
    elif kind in ("udp", "udplite"):
        next_ = 17 if kind == "udp" else 136
        body = _udp(rng, src, dst, proto=next_)
    elif kind == "tcp":
        next_, body = 6, _tcp(rng, src, dst)
    else:
        next_, body = rng.choice((0, 1, 2, 4, 41, 47, 59, 200, 132, 255)), _bytes(rng, 40)
    label = "ip6"
    for _ in range(rng.choice((0, 0, 0, 0, 0, 1, 1, 2, 3))):
        next_, body = _extension(rng, next_, body)
        label += f" x{next_}"
    hops = (
        255
        if kind[6:] in ("133", "134", "135", "136", "137") and rng.random() < 0.9
        else _often(rng, 64, (0, 1, 255), 0.1)
    )
    packet = frames.ipv6(
        body,
        next_,
        src=src,
        dst=dst,
        hops=hops,
        tc=_often(rng, 0, (1, 2, 3, 0xB8, 0xFF), 0.2),
        flow=_often(rng, 0, (1, 0xFFFFF), 0.1),
        length=_often(rng, None, (0, 1, 8, len(body) + 1, 65535), 0.03),
    )
    if rng.random() < 0.02:
        packet = bytes((rng.choice((0x40, 0x50, 0x00)),)) + packet[1:]
    if rng.random() < 0.05:
        packet += rng.randbytes(rng.choice((1, 4, 18)))
    return f"{label} {kind}", frames.eth(packet, dst=_destination(rng, dst), type=0x86DD)


# ---- ARP ----


def _arp(rng: Random) -> tuple[str, bytes]:
    op = _often(rng, rng.choice((1, 1, 2)), (0, 3, 4, 8, 9, 0x100), 0.1)
    sip = _often(rng, PEER4, SRC4, 0.4)
    tip = _often(rng, "10.0.0.2", DST4, 0.4)
    sha = _often(rng, frames.PEER, (b"\x02\0\0\0\0\7", frames.MAC, BROADCAST, bytes(6)), 0.3)
    body = struct.pack(
        "!HHBBH",
        _often(rng, 1, (6, 0, 2, 0x100), 0.1),
        _often(rng, 0x800, (0x86DD, 0), 0.05),
        _often(rng, 6, (0, 4, 8), 0.05),
        _often(rng, 4, (0, 6, 16), 0.05),
        op,
    )
    body += sha + ipaddress.ip_address(sip).packed
    body += _often(rng, bytes(6), (frames.MAC, BROADCAST), 0.3) + ipaddress.ip_address(tip).packed
    if rng.random() < 0.05:
        body = body[: rng.randrange(28)]
    elif rng.random() < 0.5:
        body += bytes(18)
    to = rng.choice((BROADCAST, frames.MAC)) if op == 1 else _often(rng, frames.MAC, (BROADCAST,), 0.3)
    return f"arp{op}", frames.eth(body, dst=to, src=_often(rng, frames.PEER, (sha,), 0.2), type=0x0806)


def _other(rng: Random) -> tuple[str, bytes]:
    kind = rng.choice((0x8100, 0x88CC, 0x0004, 60, 0x8847, 0x9000))
    return f"ether {kind:x}", frames.eth(_bytes(rng, 60), type=kind, dst=rng.choice((frames.MAC, BROADCAST)))


# ---- our sockets ----

_OPTIONS = tuple((socket.IPPROTO_IP, n) for n in (1, 2, 8, 10, 11, 12, 13))
_OPTIONS += tuple((socket.IPPROTO_IPV6, n) for n in (16, 23, 25, 49, 51, 62, 66, 67))
_OPTIONS += ((socket.IPPROTO_UDPLITE, 10), (socket.IPPROTO_UDPLITE, 11))


def _sock(rng: Random) -> tuple[str, tuple]:
    """What a program does with a socket: sends, sets an option, reads errors. Frames quote what was sent."""
    name = rng.choice(("any", "own4", "own6", "conn4", "conn6", "lite", "lite4"))
    v6 = name in ("own6", "conn6") or (name in ("any", "lite") and rng.random() < 0.5)
    what = rng.choice(("send", "send", "send", "option", "option", "errors"))
    if what == "errors":
        return "sock errors", ("recverr", name)
    if what == "option":
        level, option = rng.choice(_OPTIONS)
        value = rng.choice((0, 1, 1, 2, 3, 4, 5, 8, 20, 64, 255, -1, 256))
        return "sock option", (rng.choice(("setsockopt",) * 4 + ("getsockopt",)), name, level, option, value)
    to = (
        _often(rng, PEER6, ("fd00::7", "2001:db8::9"), 0.1)
        if v6
        else _often(rng, PEER4, ("10.0.0.7", "192.0.2.9"), 0.1)
    )
    size = rng.choice((0, 1, 100, 1280, 1452, 1453, 1472, 1473, 3000, rng.randrange(4000)))
    given = (to, rng.choice((7000, 7000, 9, 0))) if name[:4] != "conn" or rng.random() < 0.2 else None
    if name == "lite4" and rng.random() < 0.5:
        given = None
    return "sock send", ("send", name, rng.randbytes(size), given)


def frame(rng: Random) -> tuple[str, Step]:
    """A frame, or another step, and what it is."""
    make = rng.choice(
        (_ipv4,) * 8 + (_ipv6,) * 8 + (_arp,) * 3 + (_other,) + (_sock,) * 2 + (twin_neighbours.frame,) * 4
    )
    label, made = make(rng)
    if not isinstance(made, bytes):
        return label, made
    if rng.random() < 0.03:  # a bit of it is wrong
        at = rng.randrange(14, len(made)) if len(made) > 14 else 0
        if at:
            made = made[:at] + bytes((made[at] ^ 1 << rng.randrange(8),)) + made[at + 1 :]
            label += " flipped"
    return label, made
