"""Cases of transport: UDP, UDP-Lite, TCP without state, what sockets hear of errors, their options."""

import socket
import struct

import frames
from twin_hosts import Step

IP, IP6, SOL, LITE = socket.IPPROTO_IP, socket.IPPROTO_IPV6, socket.SOL_SOCKET, socket.IPPROTO_UDPLITE
RECVERR, RECVERR6, MTU_DISCOVER, MTU_DISCOVER6 = 11, 25, 10, 23
V6 = {"src": "fd00::1", "dst": "fd00::2"}


def udp4(
    src: str = "10.0.0.2", dst: str = "10.0.0.1", ports: tuple[int, int] = (6000, 7000), data: bytes = b"data"
) -> bytes:
    """A datagram that a socket may have sent, to be quoted."""
    body = struct.pack("!HHHH", *ports, 8 + len(data), 0) + data
    return frames.ipv4(body, 17, src=src, dst=dst)


def udp6(
    src: str = "fd00::2", dst: str = "fd00::1", ports: tuple[int, int] = (6000, 7000), data: bytes = b"data"
) -> bytes:
    """The same of IPv6."""
    return frames.ipv6(struct.pack("!HHHH", *ports, 8 + len(data), 0) + data, 17, src=src, dst=dst)


def error4(kind: int, code: int, quote: bytes, rest: bytes = bytes(4), dst: str = "10.0.0.2") -> bytes:
    """An ICMP error."""
    message = bytes((kind, code, 0, 0)) + rest + quote
    message = message[:2] + struct.pack("!H", frames.csum(message)) + message[4:]
    return frames.eth(frames.ipv4(message, 1, src="10.0.0.1", dst=dst))


def error6(kind: int, code: int, quote: bytes, rest: bytes = bytes(4)) -> bytes:
    """An ICMPv6 error."""
    message = bytes((kind, code, 0, 0)) + rest + quote
    check = frames.csum(frames.pseudo("fd00::1", "fd00::2", 58, len(message)) + message)
    message = message[:2] + struct.pack("!H", check) + message[4:]
    return frames.eth(frames.ipv6(message, 58, src="fd00::1", dst="fd00::2"), type=0x86DD)


def mtu(n: int) -> bytes:
    """The second word of "fragmentation needed"."""
    return struct.pack("!HH", 0, n)


ALL4 = [(3, c) for c in range(17)] + [(4, 0), (11, 0), (11, 1), (12, 0), (12, 1)]
ALL6 = [(1, c) for c in range(9)] + [(2, 0), (3, 0), (3, 1), (4, 0), (4, 1), (4, 3)]


def _errors4(name: str, quote: bytes, *options: tuple[int, int, int]) -> list[Step]:
    steps: list[Step] = [("setsockopt", name, *o) for o in options]
    for kind, code in ALL4:
        steps += [error4(kind, code, quote, b"\x07\0\x04\xd2"), ("recverr", name), ("recverr", name)]
    return steps


def _errors6(name: str, quote: bytes, *options: tuple[int, int, int]) -> list[Step]:
    steps: list[Step] = [("setsockopt", name, *o) for o in options]
    for kind, code in ALL6:
        steps += [error6(kind, code, quote, struct.pack("!I", 1300)), ("recverr", name), ("recverr", name)]
    return steps


def _sizes(name: str, level: int, option: int, to: tuple[str, int] | None, learned: Step) -> list[Step]:
    steps: list[Step] = [("setsockopt", name, level, RECVERR if level == IP else RECVERR6, 1)]
    for value in (0, 1, 2, 3, 4, 5):
        steps.append(("setsockopt", name, level, option, value))
        steps += [("send", name, bytes(n), to) for n in (100, 1200, 1300, 1452, 1472, 1473, 3000)]
        steps += [("recverr", name)] * 3
    steps += [learned, ("recverr", name), ("getsockopt", name, level, 14 if level == IP else 24)]
    for value in (0, 1, 2, 3, 4, 5):
        steps.append(("setsockopt", name, level, option, value))
        steps += [("send", name, bytes(n), to) for n in (100, 1200, 1300, 1452, 1472, 1473)]
        steps += [("recverr", name)] * 3
    return steps


_VALUES = (-2, -1, 0, 1, 5, 6, 8, 64, 255, 256)
_NAMES = ((SOL, 2), (SOL, 6), (SOL, 15), (SOL, 3), (SOL, 4), (SOL, 38), (SOL, 39), (SOL, 1000))
_NAMES += tuple((IP, n) for n in (1, 2, 8, 10, 11, 12, 13, 14, 33))
_NAMES += tuple((IP6, n) for n in (16, 18, 23, 24, 25, 49, 51, 62, 66, 67))
_NAMES += ((LITE, 10), (LITE, 11), (LITE, 12))


def _options(name: str) -> list[Step]:
    steps: list[Step] = []
    for level, option in _NAMES:
        if (level, option) in (
            (IP, 14),
            (IP6, 24),
        ):  # read in the cases of path MTU discovery: an option forgets the route
            continue
        if (level, option) not in ((SOL, 15), (SOL, 1000)):
            steps += [
                step
                for v in _VALUES
                for step in (("setsockopt", name, level, option, v), ("getsockopt", name, level, option))
            ]
        else:
            steps.append(("getsockopt", name, level, option))
    return steps


ASKED = [("setsockopt", "any", *o, 1) for o in ((IP, 8), (IP, 12), (IP, 13), (IP6, 49), (IP6, 51), (IP6, 66))]
TOLD = ASKED + [("setsockopt", "own4", IP, n, 1) for n in (8, 12, 13)]


def _tcp(flags: int, *, v6: bool = False, data: bytes = b"", dport: int = 81, **header) -> bytes:
    return frames.tcp(
        data, flags=flags, dport=dport, **(V6 if v6 else {"src": "10.0.0.1", "dst": "10.0.0.2"}), **header
    )


CASES: dict[str, list[Step]] = {
    "errors, connected": _errors4("conn4", udp4()),
    "errors, connected, asked for": _errors4("conn4", udp4(), (IP, RECVERR, 1)),
    "errors, connected, no path MTU": _errors4("conn4", udp4(), (IP, RECVERR, 1), (IP, MTU_DISCOVER, 0)),
    "errors, not connected": _errors4("own4", udp4(ports=(5001, 7000))),
    "errors, not connected, asked for": _errors4("own4", udp4(ports=(5001, 7000)), (IP, RECVERR, 1)),
    "errors, a socket of both families": _errors4(
        "any", udp4(ports=(5000, 7000)), (IP, RECVERR, 1), (IP6, RECVERR6, 1)
    ),
    "errors of IPv6, connected": _errors6("conn6", udp6()),
    "errors of IPv6, connected, asked for": _errors6("conn6", udp6(), (IP6, RECVERR6, 1)),
    "errors of IPv6, connected, no path MTU": _errors6("conn6", udp6(), (IP6, RECVERR6, 1), (IP6, MTU_DISCOVER6, 0)),
    "errors of IPv6, not connected, asked for": _errors6("own6", udp6(ports=(5001, 7000)), (IP6, RECVERR6, 1)),
    "errors of IPv6, a socket of both families": _errors6("any", udp6(ports=(5000, 7000)), (IP6, RECVERR6, 1)),
    "many errors wait": [
        ("setsockopt", "conn4", IP, RECVERR, 1),
        *[error4(3, c, udp4(data=bytes(100))) for c in range(10)],
        *[("recverr", "conn4")] * 12,
    ],
    "errors are bounded by rcvbuf": [
        ("setsockopt", "conn4", IP, RECVERR, 1),
        ("setsockopt", "conn4", SOL, socket.SO_RCVBUF, 3000),
        *[error4(3, c, udp4(data=bytes(100))) for c in range(12)],
        *[("recverr", "conn4")] * 12,
    ],
    "errors are forgotten": [
        ("setsockopt", "conn4", IP, RECVERR, 1),
        error4(3, 3, udp4()),
        ("setsockopt", "conn4", IP, RECVERR, 0),
        ("recverr", "conn4"),
    ],
    "an error comes back from send": [error4(3, 3, udp4()), ("send", "conn4", b"x"), ("send", "conn4", b"y")],
    "path MTU discovery": _sizes("conn4", IP, MTU_DISCOVER, None, error4(3, 4, udp4(), mtu(1300))),
    "path MTU discovery, not connected": _sizes(
        "own4", IP, MTU_DISCOVER, ("10.0.0.1", 7), error4(3, 4, udp4(ports=(5001, 7)), mtu(1300))
    ),
    "path MTU discovery of IPv6": _sizes(
        "conn6", IP6, MTU_DISCOVER6, None, error6(2, 0, udp6(), struct.pack("!I", 1300))
    ),
    "path MTU discovery of IPv6, not connected": _sizes(
        "own6", IP6, MTU_DISCOVER6, ("fd00::1", 7), error6(2, 0, udp6(ports=(5001, 7)), struct.pack("!I", 1300))
    ),
    "options of IPv4": _options("own4"),
    "options of a connected socket": _options("conn4"),
    "options of IPv6": _options("own6"),
    "options of UDP-Lite": _options("lite4"),
    "TTL and TOS": [
        ("setsockopt", "own4", IP, 2, 7),
        ("setsockopt", "own4", IP, 1, 0xB9),
        ("send", "own4", b"x", ("10.0.0.1", 9)),
        ("setsockopt", "own6", IP6, 16, 7),
        ("setsockopt", "own6", IP6, 67, 0xB9),
        ("send", "own6", b"x", ("fd00::1", 9)),
    ],
    "broadcasts must be asked for": [
        ("send", "own4", b"x", ("10.0.0.255", 9)),
        ("send", "own4", b"x", ("255.255.255.255", 9)),
    ],
    "control messages": [
        *TOLD,
        frames.udp(b"a", dport=5000, src="10.0.0.1", dst="10.0.0.2"),
        frames.udp(b"b", dport=5001, src="10.0.0.1", dst="10.0.0.2"),
        frames.udp(b"c", dport=5000, **V6),
        frames.eth(udp4("10.0.0.1", "10.0.0.255", (7, 5000)), dst=b"\xff" * 6),
    ],
    "UDP-Lite's coverage": [
        ("send", "lite4", bytes(100)),
        *[s for n in (0, 8, 20, 200) for s in (("setsockopt", "lite4", LITE, 10, n), ("send", "lite4", bytes(100)))],
        ("send", "lite", b"", ("10.0.0.1", 9)),
        ("send", "lite", b"abc", ("fd00::1", 9)),
    ],
    "TCP to a closed port": [_tcp(f, v6=v6, data=d) for v6 in (False, True) for d in (b"", b"abc") for f in range(64)],
}
CASES["TCP to a listener, but no SYN"] = [
    _tcp(f, v6=v6, data=d, dport=5555)
    for v6 in (False, True)
    for d in (b"", b"abc")
    for f in range(64)
    if f & 0x17 != 2 and f & 7 != 2  # a SYN alone opens a connection
]
CASES["control messages of errors"] = [
    *TOLD,
    *[("setsockopt", name, IP, RECVERR, 1) for name in ("any", "own4")],
    ("setsockopt", "any", IP6, RECVERR6, 1),
    error4(3, 13, udp4(ports=(5001, 7000))),
    ("recverr", "own4"),
    error4(3, 13, udp4(ports=(5000, 7000))),
    ("recverr", "any"),
    error6(1, 1, udp6(ports=(5000, 7000))),
    ("recverr", "any"),
]
MC_ALL = [
    ("setsockopt", name, level, option, 0)
    for name in ("any", "own4", "own6")
    for level, option in ((IP, 49), (IP6, 29))
]
CASES["groups that others have joined"] = [
    step
    for change in ([], MC_ALL)
    for step in (
        *change,
        frames.eth(udp4("10.0.0.1", "224.0.0.1", (7, 5000)), dst=b"\x01\0\x5e\0\0\1"),
        frames.eth(udp6("fd00::1", "ff02::1", (7, 5000)), dst=b"\x33\x33\0\0\0\1", type=0x86DD),
        frames.udp(b"x", dport=5000, src="fd00::1", dst="ff02::1"),
        frames.udp(b"x", dport=5000, src="10.0.0.1", dst="224.0.0.1"),
        frames.udp(b"x", dport=5000, src="10.0.0.1", dst="10.0.0.255"),
    )
]
