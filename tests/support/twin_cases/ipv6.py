"""Cases of IPv6 up to the protocol, and of ICMPv6."""

import itertools
import socket
import struct
from collections.abc import Iterable, Iterator

import frames
from twin_hosts import Step
from twin_inputs import DST6, LINK_LOCAL, SRC6

HOPOPTS, ROUTING, FRAGMENT, AH, ICMPV6, NONE, DSTOPTS, NOBODY = 0, 43, 44, 51, 58, 59, 60, 200
OWN, PEER, OTHER, ALL_NODES = "fd00::2", "fd00::1", "fd00::9", "ff02::1"
GROUP_MAC = b"\x33\x33\0\0\0\1"
OF_OTHERS = (6, 17, 136, *range(130, 138), 143)
"""Protocols and types of ICMPv6 that other modules have the cases of."""


_ids = itertools.count(1 << 30, 256)
"""Of fragments: the kernel keeps those that do not become whole, for an hour."""


def chain(*headers: tuple[int, bytes], upper: int = NOBODY, data: bytes = b"data", **ip) -> bytes:
    """An IPv6 frame: (kind, body without the next header's number) of each header, then data."""
    mac = ip.pop("mac", GROUP_MAC if ip.get("dst", OWN).startswith("ff") else frames.MAC)
    kinds = [kind for kind, _ in headers] + [upper]
    body = b"".join(bytes((kinds[i + 1],)) + rest for i, (_, rest) in enumerate(headers)) + data
    return frames.eth(frames.ipv6(body, kinds[0], **ip), dst=mac, type=0x86DD)


def options(kind: int, body: bytes, units: int | None = None) -> tuple[int, bytes]:
    """A header with these options; not padded."""
    return kind, bytes(((len(body) + 2) // 8 - 1 if units is None else units,)) + body


def routing(type_: int, left: int, units: int = 0) -> tuple[int, bytes]:
    return ROUTING, bytes((units, type_, left)) + bytes(4 + 8 * units)


def segments(*to: str, last: int | None = None, left: int = 0, tlvs: bytes = b"", type_: int = 4) -> tuple[int, bytes]:
    """A segment routing header (RFC 8754), the last segment first."""
    body = b"".join(socket.inet_pton(socket.AF_INET6, a) for a in to) + tlvs
    return ROUTING, bytes((len(body) // 8, type_, left, len(to) - 1 if last is None else last, 0, 0, 0)) + body


def fragment(at: int, *, more: bool = False, id: int | None = None, spare: int = 0) -> tuple[int, bytes]:
    """A fragment header; of a datagram of its own without an id."""
    return FRAGMENT, struct.pack("!BHI", spare, at | more, next(_ids) if id is None else id)


def icmpv6(kind: int, rest: bytes = b"\x12\x34\0\1ping", *, code: int = 0, src: str = PEER, dst: str = OWN) -> bytes:
    message = bytes((kind, code, 0, 0)) + rest
    check = frames.csum(frames.pseudo(src, dst, ICMPV6, len(message)) + message)
    return message[:2] + struct.pack("!H", check) + message[4:]


def echo(data: bytes = b"ping", *headers: tuple[int, bytes], kind: int = 128, **ip) -> bytes:
    addresses = {name: ip[name] for name in ("src", "dst") if name in ip}
    return chain(*headers, upper=ICMPV6, data=icmpv6(kind, b"\x12\x34\0\1" + data, **addresses), **ip)


def pad(body: bytes) -> bytes:
    """Options padded to a header's end."""
    n = -(len(body) + 2) % 8
    return body + (b"\0" if n == 1 else b"\1" + bytes((n - 2,)) + bytes(n - 2) if n else b"")


def both(*bodies: bytes, **ip) -> list[Step]:
    """Headers of both kinds with these options, behind them a ping."""
    return [echo(b"ping", options(kind, body), **ip) for kind in (HOPOPTS, DSTOPTS) for body in bodies]


def cut(packet: bytes, *at: int, before: Iterable[tuple[int, bytes]] = (), upper: int = ICMPV6) -> list[Step]:
    """Bytes as fragments, cut at these offsets."""
    ends, same = (*at, len(packet)), next(_ids)
    return [
        chain(*before, fragment(begin, more=end < len(packet), id=same), upper=upper, data=packet[begin:end])
        for begin, end in zip((0, *at), ends, strict=True)
    ]


def paddings() -> Iterator[bytes]:
    for n in range(10):
        yield pad(b"\x1e\0" + bytes(n) + b"\x1e\0")
        if n > 1:
            yield pad(b"\x1e\0" + b"\1" + bytes((n - 2,)) + bytes(n - 2) + b"\x1e\0")
            yield pad(b"\x1e\0" + b"\1" + bytes((n - 2,)) + bytes(n - 2)[:-1] + b"\1"[: n - 2] + b"\x1e\0")
    yield b"\1\2\0\0\1\0"
    yield b"\1\2\0\0\0\1"
    yield b"\1\5" + bytes(4)
    yield bytes(6)
    yield bytes(14)


def counts() -> Iterator[bytes]:
    for n in (1, 8, 9, 20):
        yield pad(b"\x1e\0" * n)
        yield pad(b"\x1e\1\7\0" * n)


def quote(*headers: tuple[int, bytes], upper: int = 17, data: bytes = b"\x17\x70\x1b\x58\0\x0c\0\0data", **ip) -> bytes:
    """A packet that the host may have sent."""
    return chain(*headers, upper=upper, data=data, **({"src": OWN, "dst": PEER} | ip))[14:]


KINDS = [(1, 4, bytes(4)), (1, 0, bytes(4)), (3, 0, bytes(4)), (4, 1, bytes(4)), (2, 0, b"\0\0\5\x14")]
KINDS += [(99, 0, bytes(4))]


def errors(quoted: bytes, kinds: Iterable[tuple[int, int, bytes]] = KINDS) -> list[Step]:
    """Errors that quote a packet: type, code, second word."""
    return [chain(upper=ICMPV6, data=icmpv6(kind, word + quoted, code=code)) for kind, code, word in kinds]


OVERLAPPING = next(_ids)

CASES: dict[str, list[Step]] = {
    "every next header": [chain(upper=n, data=bytes(40)) for n in range(256) if n not in OF_OTHERS],
    "every next header behind an option": [
        chain(options(DSTOPTS, bytes(6)), upper=n, data=bytes(40)) for n in range(256) if n not in OF_OTHERS
    ],
    "every option": [step for n in range(256) for step in both(bytes((n, 4)) + bytes(4))],
    "every option to a group": [step for n in range(256) for step in both(bytes((n, 4)) + bytes(4), dst=ALL_NODES)],
    "padding": [step for body in paddings() for step in both(body)],
    "options by number": [step for body in counts() for step in both(body)],
    "router alert": [step for n in range(5) for step in both(pad(bytes((5, n)) + bytes(n)))],
    "options that overrun their header": both(
        b"\x1e\5\0\0\0\0", b"\x1e\xff\0\0\0\0", b"\0\0\0\0\0\x1e", b"\x1e\2\0\0\x9e\xff"
    ),
    "a trace's place": both(b"\x31\2\0\0\0\0", b"\0\0\x31\2\0\0", b"\0\x31\3\0\0\0"),
    "labels of CALIPSO": both(
        b"\7\x08" + bytes(12),
        b"\7\x0c" + bytes(12),
        b"\7\x08\0\0\0\1\0\0" + bytes(6),
        b"\7\4\0\0\0\1",
        b"\7\x0a\0\0\0\1\1" + bytes(7),
    ),
    "jumbo option": [
        echo(b"ping", options(kind, body), length=length, src=src)
        for kind in (HOPOPTS, DSTOPTS)
        for body in (
            b"\xc2\4\0\1\0\0",
            b"\xc2\4\0\0\0\x20",
            b"\xc2\4\0\0\xff\xff",
            b"\0\0\xc2\2\0\0",
            b"\xc2\3\0\0\0\0",
            b"\0\0\xc2\4\0\0\0\x20" + bytes(6),
            b"\xc2\4\xff\xff\xff\xff",
        )
        for length in (None, 0)
        for src in (PEER, "::")
    ],
    "hop-by-hop cut off": [
        chain(options(HOPOPTS, body, units), upper=ICMPV6, data=data, length=length)
        for body, units in ((bytes(6), 0), (bytes(6), 1), (bytes(6), 255), (b"", 0), (b"\1\4", 0))
        for data in (b"", b"data", bytes(40))
        for length in (None, 0)
    ],
    "destination options cut off": [
        chain(options(DSTOPTS, body, units), upper=ICMPV6, data=data)
        for body, units in ((bytes(6), 0), (bytes(6), 1), (bytes(6), 255), (b"", 0), (b"\1\4", 0))
        for data in (b"", b"data", bytes(40))
    ],
    "hop-by-hop for another address": [
        echo(b"ping", options(HOPOPTS, body), dst=dst)
        for dst in ("fd00::9", "2001:db8::1", "::", "ff02::99", "::ffff:10.0.0.2", "fe80::9")
        for body in (
            b"\1\4" + bytes(4),
            b"\x9e\4" + bytes(4),
            b"\xde\4" + bytes(4),
            b"\x5e\4" + bytes(4),
            b"\1\4\0\0\0\1",
        )
    ],
    "routing headers": [
        echo(b"ping", routing(type_, left, units), **ip)
        for type_ in (0, 1, 2, 3, 4, 5, 253, 255)
        for left in (0, 1, 2, 255)
        for units in (0, 1, 2, 4)
        for ip in ({}, {"dst": ALL_NODES}, {"mac": b"\xff" * 6})
    ],
    "routing headers cut off": [
        chain((ROUTING, bytes((units, type_, left)) + bytes(n)), upper=ICMPV6, data=b"")
        for type_ in (0, 4)
        for left in (0, 1)
        for units in (0, 1, 255)
        for n in (0, 1, 3, 4, 12)
    ],
    "headers in odd orders": [
        echo(b"ping", *headers)
        for headers in (
            (options(DSTOPTS, bytes(6)), options(HOPOPTS, bytes(6))),
            (options(HOPOPTS, bytes(6)), options(HOPOPTS, bytes(6))),
            (options(DSTOPTS, bytes(6)),) * 30,
            (routing(0, 0),) * 5,
            (routing(0, 0), options(DSTOPTS, b"\xbe\4\0\0\0\0")),
            (options(HOPOPTS, bytes(6)), options(DSTOPTS, bytes(6)), routing(5, 1)),
            ((AH, b"\1\0\0" + bytes(8)),),
            (options(DSTOPTS, bytes(6)), (AH, b"\1\0\0" + bytes(8))),
            ((50, bytes(15)),),
            (options(DSTOPTS, bytes(6)), (NONE, bytes(7))),
            ((NONE, bytes(7)),),
            (options(135, bytes(6)),),
        )
    ],
    "fragments of fragments": [
        echo(b"ping", *headers)
        for headers in (
            (fragment(0), fragment(0)),
            (options(HOPOPTS, bytes(6)), fragment(0), options(DSTOPTS, bytes(6)), fragment(8)),
            (fragment(0), fragment(0, more=True)),
            (fragment(0), options(DSTOPTS, b"\xbe\4\0\0\0\0")),
            (fragment(0, spare=255), routing(0, 1)),
            (fragment(6),),
            (fragment(0), (AH, b"\1\0\0" + bytes(8))),
        )
    ],
    "a ping in fragments": [
        *cut(icmpv6(128, b"\x12\x34\0\1" + bytes(100)), 24, 48),
        *cut(icmpv6(128, b"\x12\x34\0\1" + bytes(100)), 24, 48)[::-1],
        *cut(icmpv6(128, b"\x12\x34\0\1" + bytes(100)), 24, before=[options(HOPOPTS, bytes(6)), routing(0, 0)]),
        *cut(icmpv6(128, b"\x12\x34\0\1" + bytes(2500)), 1400),
        *cut(icmpv6(128, b"\x12\x34\0\1" + bytes(30000)), *range(1400, 30000, 1400)),
    ],
    "a datagram in fragments that ends badly": [
        *cut(bytes(100), 24, 48, upper=NOBODY),
        *cut(bytes((NOBODY, 0)) + b"\xbe\4" + bytes(60), 24, upper=DSTOPTS),
        *cut(bytes((ICMPV6, 0, 0, 1)) + bytes(60), 24, upper=ROUTING, before=[options(HOPOPTS, bytes(6))]),
        *cut(bytes((ICMPV6, 0, 0, 0)) + bytes(60), 24, upper=FRAGMENT),
        *cut(bytes((ICMPV6, 0)) + bytes(60), 24, upper=NONE),
        *cut(bytes((ICMPV6, 0)) + bytes(60), 24, upper=HOPOPTS),
        *cut(icmpv6(128, b"\x12\x34\0\1" + bytes(100))[:-1] + b"\1", 24, 48),
        *cut(icmpv6(1, bytes(4) + quote() + bytes(100)), 24, 48),
    ],
    "fragments with odd lengths": [
        chain(fragment(at, more=more), upper=upper, data=bytes(n))
        for (at, more, upper, n) in (
            (at, more, upper, n)
            for at in (0, 8, 65528)
            for more in (False, True)
            for upper in (ICMPV6, 17, NONE, DSTOPTS, NOBODY)
            for n in (0, 1, 7, 8, 9, 16)
        )
    ],
    "fragment headers cut off": [chain((FRAGMENT, bytes(n)), upper=17, data=b"") for n in range(8)],
    "fragments that overlap": [
        chain(fragment(at, more=more, id=OVERLAPPING + nth), upper=ICMPV6, data=bytes(n))
        for at, more, nth, n in (
            (0, True, 1, 32),
            (0, True, 1, 32),
            (24, True, 1, 32),
            (32, False, 1, 8),
            (64, False, 2, 8),
            (64, True, 2, 16),
        )
    ],
    "every address, no protocol": [
        chain(upper=NOBODY, src=src, dst=dst, mac=mac)
        for src in SRC6
        for dst in DST6
        for mac in (frames.MAC, GROUP_MAC)
    ],
    "every address, a ping": [echo(src=src, dst=dst, tc=0x5A, flow=77) for src in SRC6 for dst in DST6],
    "every address, options that ask for an error": [
        chain(options(DSTOPTS, bytes((kind, 4, 0, 0, 0, 0))), src=src, dst=dst)
        for src in SRC6
        for dst in DST6
        for kind in (0x9E, 0xDE)
    ],
    "link-local addresses of no network": [
        chain(src=src, dst=dst) for src in (PEER, "fe80:4::1") for dst in (OWN, "fe80::9", "fe80:0:0:1::9", "febf::1")
    ],
    "every scope of groups": [echo(dst=f"ff{flags:x}{scope:x}::1") for flags in range(16) for scope in range(16)],
    "headers": [
        frames.eth(first + echo()[15:], dst=frames.MAC, type=0x86DD)
        for first in (b"\x40", b"\x45", b"\x50", b"\0", b"\xf0", b"\x6f")
    ]
    + [echo()[: 14 + n] for n in range(1, 49)]
    + [echo(length=n) for n in range(20)]
    + [chain(upper=kind, data=bytes(30), length=0) for kind in (HOPOPTS, DSTOPTS, FRAGMENT, ROUTING, NONE, ICMPV6)],
    "every type of ICMPv6": [
        chain(upper=ICMPV6, data=icmpv6(kind, rest, code=code))
        for kind in range(256)
        if kind not in OF_OTHERS
        for rest in (bytes(4), b"", bytes(40), bytes(4) + quote(upper=NOBODY))
        for code in (0, 9)
    ],
    "ICMPv6 too short": [chain(upper=ICMPV6, data=icmpv6(128)[:n]) for n in range(8)]
    + [chain(upper=ICMPV6, data=icmpv6(kind, bytes(n))) for kind in (1, 2, 128, 129) for n in range(5)],
    "pings": [
        echo(bytes(n), src=src, dst=dst, tc=tc, flow=flow, hops=hops)
        for n in (0, 1, 1400)
        for src in (PEER, "fe80::1")
        for dst in (OWN, LINK_LOCAL, ALL_NODES)
        for tc, flow, hops in ((0, 0, 64), (0xFF, 0xFFFFF, 1), (3, 1, 0))
    ]
    + [chain(upper=ICMPV6, data=icmpv6(128, code=7))],
    "errors about no socket's packets": [
        step
        for quoted in (
            b"",
            quote()[:39],
            quote()[:40],
            quote(upper=NOBODY),
            quote(upper=NONE),
            quote(upper=ICMPV6, data=icmpv6(128)),
            quote(upper=6, data=bytes(20)),
            quote(options(DSTOPTS, bytes(6), 3)),
            quote(fragment(8)),
            quote(fragment(8), upper=NOBODY),
            quote(fragment(0), upper=NOBODY)[:50],
            quote((AH, b"\1\0\0" + bytes(8)), upper=NOBODY),
            quote(routing(0, 1), upper=NOBODY, data=b"7 bytes"),
            quote((FRAGMENT, b""), data=b""),
        )
        for step in errors(quoted)
    ],
    "errors about a socket's packets": [
        step
        for quoted in (
            quote(),
            quote(options(HOPOPTS, bytes(6))),
            quote(routing(0, 1, 2), fragment(0)),
            quote((AH, b"\1\0\0" + bytes(8))),
        )
        for step in errors(quoted)
    ]
    + [
        step
        for quoted in (
            quote(segments(PEER), dst=OTHER),
            quote(segments(OTHER)),
            quote(segments(PEER, OTHER, left=2), dst=OTHER),
            quote(segments(PEER, OTHER, left=3), dst=OTHER),
            quote(segments(OTHER, PEER, last=2)),
            quote(segments(OTHER, PEER, last=0)),
            quote(segments(OTHER, tlvs=b"\4\6abcdef")),
            quote(segments(OTHER, tlvs=b"\4\5abcdef")),
            quote(segments(OTHER, tlvs=b"\4\7abcdef")),
            quote(segments(OTHER, tlvs=b"\4\4abcd\0\0")),
            quote(segments(OTHER, type_=3)),
            quote((ROUTING, bytes((0, 4, 0)) + bytes(4))),
            quote(options(HOPOPTS, bytes(6)), fragment(0), segments(OTHER)),
            quote(routing(0, 0), segments(OTHER)),
            quote(segments(OTHER), segments(PEER)),
            quote(segments(OTHER))[:60],
        )
        for step in errors(quoted)
    ]
    + errors(quote(), kinds=[(kind, code, bytes(4)) for kind in (1, 3, 4) for code in range(9)]),
    "no errors about errors": [
        chain(*headers, upper=ICMPV6, data=icmpv6(kind))
        for kind in (1, 127, 128)
        for headers in (
            [options(DSTOPTS, b"\xbe\4\0\0\0\0")],
            [options(HOPOPTS, b"\xbe\4\0\0\0\0")],
            [options(DSTOPTS, bytes(6)), routing(5, 1)],
            [fragment(0), options(DSTOPTS, b"\xbe\4\0\0\0\0")],
            [options(DSTOPTS, b"\xbe\4\0\0\0\0"), fragment(8)],
            [options(DSTOPTS, b"\xbe\4\0\0\0\0"), (AH, b"\1\0\0" + bytes(8))],
            [options(DSTOPTS, b"\xbe\4\0\0\0\0"), (NONE, bytes(7))],
        )
    ]
    + [
        chain(options(DSTOPTS, b"\xbe\4\0\0\0\0"), *more, upper=ICMPV6, data=data)
        for more in ((), (fragment(0, more=True),))
        for data in (b"", b"\1", b"\x80")
    ],
    "long packets are quoted in part": [
        chain(*headers, data=bytes(range(256)) * (n // 256 + 1), mac=frames.MAC)
        for n in (900, 1200, 1230, 1250, 1400)
        for headers in ([], [options(DSTOPTS, bytes(6))], [options(DSTOPTS, b"\xbe\4\0\0\0\0")])
    ],
}
