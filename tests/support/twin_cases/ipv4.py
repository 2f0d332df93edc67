"""Cases of ipv4: headers, addresses, options, ICMP, path MTUs."""

import struct

import frames
import peer

ALL = b"\xff" * 6
GROUP = b"\x01\0\x5e\0\0\1"
US, OTHER = "10.0.0.2", "10.1.0.2"
HOSTS = {name: bytes(map(int, name.split("."))) for name in ("10.0.0.1", "10.0.0.2", "10.0.0.7", "192.0.2.1")}


def _message(kind: int, data: bytes = b"", *, code: int = 0, rest: bytes = b"\x12\x34\0\1") -> bytes:
    head = bytes((kind, code, 0, 0)) + rest
    return head[:2] + struct.pack("!H", frames.csum(head + data)) + head[4:] + data


def _ping(data: bytes = b"ping", *, mac: bytes = frames.MAC, **ip) -> bytes:
    return frames.eth(frames.ipv4(_message(8, data), 1, **ip), dst=mac)


def _icmp(
    kind: int, data: bytes = b"", *, code: int = 0, rest: bytes = bytes(4), mac: bytes = frames.MAC, **ip
) -> bytes:
    return frames.eth(frames.ipv4(_message(kind, data, code=code, rest=rest), 1, **ip), dst=mac)


def _udp(dport: int = 5000, *, mac: bytes = frames.MAC, **ip) -> bytes:
    return frames.udp(b"data", dport=dport, mac={"dst": mac}, **ip)


def _padded(options: bytes) -> bytes:
    return options + bytes(-len(options) % 4)


def _changed(packet: bytes, at: int, value: int, right: bool = True) -> bytes:
    """An IPv4 packet with a byte of its header changed, and its checksum right or as it was."""
    head = bytearray(packet[:20])
    head[at] = value
    if right:
        head[10:12] = bytes(2)
        head[10:12] = struct.pack("!H", frames.csum(bytes(head)))
    return bytes(head) + packet[20:]


PACKET = frames.ipv4(_message(8, bytes(22)), 1)


def _headers() -> dict[str, list]:
    cut = {n: [frames.eth(PACKET[:n])] for n in (0, 1, 19, 20, 27, 49)}
    firsts = {
        f"first byte {b:#x}": [frames.eth(_changed(PACKET, 0, b))] for b in (0x05, 0x35, 0x40, 0x44, 0x46, 0x4F, 0x55)
    }
    lengths = {n: [frames.eth(frames.ipv4(PACKET[20:], 1, total=n))] for n in (0, 19, 20, 27, 28, 49, 50, 51, 65535)}
    return {
        **{f"a packet cut to {n} bytes": steps for n, steps in cut.items()},
        **firsts,
        **{f"total length {n}": steps for n, steps in lengths.items()},
        "a wrong checksum": [frames.eth(_changed(PACKET, 8, 63, right=False))],
        "no checksum": [frames.eth(frames.ipv4(PACKET[20:], 1, check=0))],
        "a wrong checksum and a wrong length": [frames.eth(frames.ipv4(PACKET[20:], 1, total=60, check=1))],
        "VLAN tags cut off": [frames.eth(PACKET[:2] + b"\x7b\xc6" + PACKET[:n], type=0x8100) for n in range(4)]
        + [frames.eth(PACKET[:n], type=0x8100) for n in range(4)]
        + [frames.eth(b"\0\0\x81\0" + PACKET[:n], type=0x8100) for n in range(9)],
        "padding": [frames.eth(PACKET + bytes(18)), frames.eth(PACKET + b"\xff" * 18)],
        "the reserved bit, DF with an offset": [_ping(frag=0x8000), _ping(frag=0x4001)],
        "TTL 0, 1": [_ping(ttl=0), _ping(ttl=1)],
    }


def _addresses() -> dict[str, list]:
    sources = (
        "0.0.0.0",
        "0.0.0.5",
        "10.0.0.0",
        "10.0.0.2",
        "10.1.0.2",
        "10.0.0.255",
        "10.1.255.255",
        "127.0.0.1",
        "127.9.9.9",
    )
    sources += ("192.0.2.9", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255")
    targets = (
        "10.0.0.2",
        "10.1.0.2",
        "10.0.0.0",
        "10.0.0.9",
        "10.0.0.255",
        "10.1.255.255",
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
    )
    targets += ("192.0.2.7", "224.0.0.1", "224.0.0.2", "239.1.2.3", "240.0.0.1", "255.255.255.255")
    found = {f"from {s}": [make(src=s, dst=d) for d in targets for make in (_ping, _udp)] for s in sources}
    found |= {f"to {d}": [_ping(dst=d, mac=mac) for mac in (frames.MAC, ALL, GROUP)] for d in targets}
    return found | {
        "ours in a frame for all": [_ping(mac=ALL), _udp(mac=ALL), _udp(mac=GROUP), _udp(5000, mac=ALL)],
        "another protocol for all": [frames.eth(frames.ipv4(b"x", 200, dst=d), dst=ALL) for d in (US, "10.0.0.255")],
    }


def _compiled() -> dict[str, bytes]:
    """Options by what is wrong with them, or what they ask for."""
    one, two, seven = HOSTS["10.0.0.1"], HOSTS["10.0.0.2"], HOSTS["10.0.0.7"]
    return {
        "nothing": bytes(4),
        "bytes behind the end": b"\0\xff\x07\x01",
        "NOPs": b"\1\1\1\1",
        "no room for a length": b"\1\1\1\x07",
        "length 0": b"\x07\0\0\0",
        "length 1": b"\x55\1\0\0",
        "a length beyond the header": b"\x55\5\0\0",
        "an unknown option": b"\x55\4\1\2",
        "record route": b"\x07\x0b\4" + bytes(8),
        "record route, no room for more than us": b"\x07\7\4" + bytes(4),
        "record route, full": b"\x07\7\x08" + one,
        "record route, far beyond its end": b"\x07\7\xff" + one,
        "record route, two bytes left": b"\x07\x09\x08" + bytes(6),
        "record route, a byte left for the answer": b"\x07\x08\4" + bytes(5),
        "record route, pointer 3": b"\x07\7\3" + bytes(4),
        "record route, pointer 0": b"\x07\7\0" + bytes(4),
        "record route of 2 bytes": b"\x07\2\1\1",
        "record route of 3 bytes": b"\x07\3\4",
        "record route twice": b"\x07\3\4\x07\3\4",
        "record route, odd": b"\x07\x0c\6" + bytes(9),
        "times": b"\x44\x0c\5\0" + bytes(8),
        "times, full": b"\x44\x08\x09\0" + bytes(4),
        "times, full for the 15th host": b"\x44\x08\x09\xe0" + bytes(4),
        "times, full for the 16th host": b"\x44\x08\x09\xf0" + bytes(4),
        "times, no room for two": b"\x44\x08\5\0" + bytes(4),
        "times, two bytes left for the answer": b"\x44\x0a\5\0" + bytes(6),
        "times, two bytes left": b"\x44\x06\5\0" + bytes(2),
        "times, pointer 4": b"\x44\x08\4\0" + bytes(4),
        "times of 3 bytes": b"\x44\3\5\1",
        "times of 4 bytes": b"\x44\4\5\0",
        "times of 4 bytes, pointer 0": b"\x44\4\0\0",
        "times twice": b"\x44\4\5\0\x44\4\5\0",
        "addresses and times": b"\x44\x14\5\1" + bytes(16),
        "addresses and times, room for one": b"\x44\x0c\5\1" + bytes(8),
        "addresses and times, a half left": b"\x44\x08\5\1" + bytes(4),
        "addresses and times, a half left for the answer": b"\x44\x10\5\1" + bytes(12),
        "addresses and times, full": b"\x44\x0c\x0d\1" + bytes(8),
        "prespecified: ours": b"\x44\x0c\5\3" + two + bytes(4),
        "prespecified: ours twice": b"\x44\x14\5\3" + two + bytes(4) + two + bytes(4),
        "prespecified: ours, then another's": b"\x44\x14\5\3" + two + bytes(4) + one + bytes(4),
        "prespecified: another's": b"\x44\x0c\5\3" + one + bytes(4),
        "prespecified: a group, everybody, nobody": b"\x44\x1c\5\3"
        b"\xe0\0\0\1" + bytes(4) + b"\xff" * 4 + bytes(4) + bytes(8),
        "prespecified: our broadcast": b"\x44\x0c\5\3\x0a\0\0\xff" + bytes(4),
        "prespecified, full": b"\x44\x0c\x0d\xf3" + two + bytes(4),
        "prespecified, a half left": b"\x44\x08\5\3" + two,
        "flag 2": b"\x44\x0c\5\2" + bytes(8),
        "flag 15, full": b"\x44\x08\x09\x1f" + bytes(4),
        "loose source route": b"\x83\x0b\4" + seven + one,
        "strict source route": b"\x89\x0b\x08" + seven + one,
        "a source route that has ended": b"\x83\7\x08" + seven,
        "a source route without addresses": b"\x83\3\4",
        "a source route of 2 bytes": b"\x83\2\1\1",
        "a source route with pointer 3": b"\x83\7\3" + seven,
        "two source routes": b"\x83\3\4\x89\3\4",
        "router alert": b"\x94\4\0\0",
        "router alert 1": b"\x94\4\0\1",
        "router alert of 2 bytes": b"\x94\2\1\1",
        "router alert of 6 bytes": b"\x94\6\0\0\0\0",
        "CIPSO": b"\x86\x0a\0\0\0\1\1\4\0\1",
        "CIPSO without a domain": b"\x86\x0a\0\0\0\0\1\4\0\1",
        "CIPSO of 6 bytes": b"\x86\6\0\0\0\1",
        "CIPSO twice": b"\x86\2\x86\2",
        "a route, times, then a fault": b"\x07\x0b\4" + bytes(8) + b"\x44\x0c\5\0" + bytes(8) + b"\x07\3\4",
        "a source route, then a fault": b"\x83\x0f\x0c" + seven + HOSTS["192.0.2.1"] + one + b"\x55\1",
        "a source route over its sender, then a fault": b"\x83\x0f\x10" + one + seven + one + b"\x55\1",
        "a source route back over us, then a fault": b"\x89\x0b\x0c" + two + two + b"\x55\1",
        "a source route with a pointer beyond its end, then a fault": b"\x83\x0b\xff" + seven + bytes(4) + b"\x55\1",
        "a label, then a route": b"\x86\x0a\0\0\0\1\1\4\0\1\x07\7\4" + bytes(4),
        "40 bytes": b"\x07\x27\4" + bytes(36),
        "40 bytes of times": b"\x44\x24\5\0" + bytes(32) + b"\1\1\1\1",
    }


def _options() -> dict[str, list]:
    found = {}
    for n, (name, options) in enumerate(_compiled().items()):
        o = _padded(options)
        found[f"options: {name}"] = [
            _ping(options=o),
            _icmp(13, bytes(12), options=o),
            _udp(9, options=o),
            frames.eth(frames.ipv4(b"x" * 600, 200, options=o)),
            _ping(options=o, dst=OTHER, src="10.1.0.9"),
            _ping(options=o, dst="10.0.0.9"),
            _ping(options=o, dst="10.0.0.255", mac=ALL),
            _ping(options=o, dst="224.0.0.1", mac=GROUP),
            _ping(options=o, dst="224.0.0.99", mac=GROUP),
            _ping(options=o, src="192.0.2.9"),
            _icmp(3, PACKET, code=1, options=o),
            _icmp(30, options=o),
            _ping(options=o, frag=1, id=100 + n),
        ]
    return found


def _cut(message: bytes, size: int, *, options: list[bytes], **ip) -> list[bytes]:
    """A packet in fragments, each with options of its own."""
    return [
        frames.eth(
            frames.ipv4(
                message[at : at + size],
                1,
                frag=at // 8 | (0x2000 if at + size < len(message) else 0),
                options=_padded(options[n % len(options)]),
                **ip,
            )
        )
        for n, at in enumerate(range(0, len(message), size))
    ]


def _whole() -> dict[str, list]:
    message = _message(8, bytes(range(40)))
    route, times = b"\x07\x0b\4" + bytes(8), b"\x44\x14\5\1" + bytes(16)
    whole = _cut(message, 16, options=[route], id=1)
    mixed = _cut(message, 16, options=[times, route], id=2)
    return {
        "fragments with a route": whole,
        "fragments with other options in each": mixed,
        "fragments with options, the last first": _cut(message, 16, options=[times, route, b""], id=3)[::-1],
        "a fragment with bad options": _cut(message, 16, options=[b"", b"\x07\1", b""], id=4),
        "a fragmented unknown protocol": [
            frames.eth(frames.ipv4(bytes(16), 200, id=5, frag=0x2000, options=_padded(route))),
            frames.eth(frames.ipv4(bytes(5), 200, id=5, frag=2)),
        ],
    }


def _quote(body: bytes = _message(0, bytes(8)), proto: int = 1, **ip) -> bytes:
    return frames.ipv4(body, proto, **({"src": US, "dst": "10.0.0.1"} | ip))


def _messages() -> dict[str, list]:
    found = {
        f"ICMP type {k}": [_icmp(k, bytes(n), mac=m, dst=d) for n in (0, 4, 12, 28, 40) for d, m in DESTINATIONS]
        for k in TYPES
    }
    for kind in (3, 4, 5, 11, 12):
        found[f"ICMP type {kind}: codes"] = [
            _icmp(kind, quote, code=code)
            for code in range(20)
            for quote in (
                _quote(),
                _quote(bytes(20), 6),
                _quote(b"\x17\x70\x1b\x58" + bytes(8), 136),
                _quote(bytes(8), 47),
            )
        ]
        found[f"ICMP type {kind}: short quotes"] = [
            _icmp(kind, q[:n])
            for q in (_quote(), _quote(options=b"\1" * 4), b"\x44" + bytes(40), b"\x4f" + bytes(60))
            for n in (0, 19, 20, 27, 28, 29, 31, 32)
        ]
    short = [frames.eth(frames.ipv4(_message(k)[:n], 1)) for k in (8, 13, 30) for n in range(9)]
    right = [struct.pack("!BBH", 8, 0, frames.csum(b"\x08\0\0\0" + bytes(n))) + bytes(n) for n in range(4)]
    return found | {
        "ICMP under 8 bytes": short + [frames.eth(frames.ipv4(m, 1)) for m in right],
        "wrong ICMP checksums": [frames.icmp(type=k, check=1) for k in (0, 3, 8, 13, 42, 99)],
        "pings of zeros": [_icmp(8, bytes(n)) for n in (0, 1, 2, 100)],
        "a ping with each TOS": [_ping(tos=t) for t in (1, 2, 3, 0x10, 0xB8, 0xC0, 0xFF)],
        "timestamps of other lengths": [_icmp(13, bytes(n), code=3) for n in (3, 4, 5, 12, 100)],
        "a timestamp with each TOS": [_icmp(13, bytes(12), tos=t) for t in (3, 0xFF)],
    }


DESTINATIONS = ((US, frames.MAC), ("10.0.0.255", ALL), ("224.0.0.1", GROUP), (US, ALL))
TYPES = (0, 1, 2, 6, 7, 8, 9, 10, 13, 14, 15, 16, 17, 18, 19, 30, 40, 41, 42, 43, 44, 255)


def _errors() -> dict[str, list]:
    def unknown(body: bytes = b"body", **ip) -> bytes:
        mac = ip.pop("mac", frames.MAC)
        return frames.eth(frames.ipv4(body, 200, **ip), dst=mac)

    return {
        "errors: each TOS": [unknown(tos=t) for t in (1, 2, 3, 0x10, 0x1F, 0xB8, 0xC0, 0xE0, 0xFF)],
        "errors: long quotes": [unknown(bytes(n)) for n in (527, 528, 529, 548, 1400, 1480)],
        "errors: long quotes with options": [
            unknown(bytes(n), options=b"\x07\x27\4" + bytes(37)) for n in (450, 487, 488, 489, 1400, 1440)
        ],
        "errors: whom nobody tells": [
            unknown(mac=ALL),
            unknown(mac=GROUP),
            unknown(dst="10.0.0.255", mac=ALL),
            unknown(dst="224.0.0.1", mac=GROUP),
            unknown(dst="255.255.255.255"),
            unknown(src="192.0.2.9"),
            unknown(src="240.0.0.1"),
            unknown(src="0.0.0.0", dst="255.255.255.255"),
        ],
        "errors: to a broadcast address and to an unknown neighbour": [
            unknown(src="10.0.0.255"),
            unknown(src="10.0.0.77"),
        ],
        "errors: from each address": [unknown(src=s, dst=d) for s in ("10.0.0.1", "10.1.0.9") for d in (US, OTHER)],
        "errors: about ICMP": [_icmp(k, options=b"\x07\1\0\0") for k in range(45)],
        "errors: about the end of a packet": [
            frames.eth(frames.ipv4(b"x" * 8, 1, frag=f, options=b"\x07\1\0\0")) for f in (0x2000, 1)
        ],
        "errors: about ICMP without a byte": [frames.eth(frames.ipv4(b"", 1, options=b"\x07\1\0\0"))],
    }


def _too_big(mtu: int, quote: bytes | None = None, **ip) -> bytes:
    return _icmp(3, _quote() if quote is None else quote, code=4, rest=struct.pack("!HH", 0, mtu), **ip)


def _mtus() -> dict[str, list]:
    big, rather = _ping(bytes(1400)), _ping(bytes(700))
    route = _ping(bytes(1400), options=b"\x94\4\0\0\x07\x0b\4" + bytes(9))
    long_ = frames.eth(frames.ipv4(bytes(1400), 200))
    found = {
        f"path MTU {m}": [_too_big(m), big, rather, route, long_]
        for m in (0, 68, 551, 552, 553, 576, 577, 1280, 1499, 1500, 9000)
    }
    redirect = _icmp(5, _quote(), code=1, rest=HOSTS["10.0.0.7"])
    return found | {
        "a path MTU that grows and shrinks": [
            _too_big(1280),
            _too_big(1400),
            big,
            _too_big(576),
            big,
            _too_big(60),
            big,
            _too_big(1500),
            big,
        ],
        "a path MTU for one neighbour": [_too_big(576), _ping(bytes(1400), src="10.1.0.9", dst=OTHER), big],
        "a path MTU about what we cannot have sent": [
            _too_big(576, _quote(src="10.0.0.9")),
            _too_big(576, _quote(dst="10.0.0.9")),
            _too_big(576, _quote(_message(8))),
            _too_big(576, _quote(bytes(20), 6)),
            _too_big(576, _quote(bytes(8), 47)),
            _icmp(3, _quote(), code=20, rest=struct.pack("!HH", 0, 576)),
            _icmp(11, _quote(), code=4, rest=struct.pack("!HH", 0, 576)),
            big,
        ],
        "a path MTU told by another": [_too_big(576, src="10.1.0.9"), big],
        "a redirect for a neighbour": [redirect, big, _icmp(5, _quote(), code=1, rest=HOSTS["10.0.0.1"]), big],
        "a redirect to a neighbour that is not known": [
            _too_big(1280),
            redirect,
            redirect,
            _ping(),
            peer.arp(2, "10.0.0.7", US, sha=b"\2\0\0\0\0\7"),
            _ping(),
            redirect,
            _ping(),
            ("neighbours",),
        ],
        "a redirect for a neighbour with a path MTU": [
            peer.arp(1, "10.0.0.7", US, sha=b"\2\0\0\0\0\7"),
            _too_big(1280),
            redirect,
            _ping(),
            big,
        ],
    }


CASES: dict[str, list] = _headers() | _addresses() | _options() | _whole() | _messages() | _errors() | _mtus()
