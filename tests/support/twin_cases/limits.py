"""Cases of what is bounded by numbers and by time: errors to a host, fragments that wait, questions for a neighbour."""

import frames
import peer

from twin_cases import ipv6
from twin_cases.neighbours import TABLE

FAR, FAR6 = "10.1.0.9", "fd00::9"
ERRORS = [
    ("setting", "net/ipv4/icmp_ratelimit", "400"),
    ("setting", "net/ipv6/icmp/ratelimit", "400"),
    ("wait", 2.5),  # the kernel does not forget what it sent before
]
ASK = [
    ("setting", "net/ipv4/neigh/{dev}/retrans_time_ms", "100"),
    ("setting", "net/ipv6/neigh/{dev}/retrans_time_ms", "100"),
]


def closed(src: str) -> bytes:
    """A datagram to a port that no socket has."""
    return frames.udp(dport=9, src=src, dst="fd00::2" if ":" in src else "10.0.0.2")


def part(id: int, at: int = 0, *, src: str = "10.0.0.1", length: int = 16, more: bool = True) -> bytes:
    """A fragment of IPv4, of a ping."""
    echo = b"\x08\0" + frames.csum(b"\x08\0\0\0" + bytes(2 * length - 4)).to_bytes(2, "big") + bytes(2 * length - 4)
    data = echo[at : at + length]
    return frames.eth(frames.ipv4(data, 1, src=src, id=id, frag=at // 8 | (0x2000 if more else 0)))


def part6(id: int, at: int = 0, *, length: int = 16, more: bool = True) -> bytes:
    return ipv6.chain(ipv6.fragment(at, more=more, id=id), upper=200, data=bytes(length))


def others(n: int, src: str = "10.0.0.1") -> list[bytes]:
    return [part(1000 + i, src=src) for i in range(n)]


CASES: dict[str, list] = {
    "errors to a host: six at once, then one in a while": [
        *ERRORS,
        *(closed("10.0.0.1") for _ in range(9)),
        closed(FAR),
        ("wait", 0.5),
        *(closed("10.0.0.1") for _ in range(3)),
    ],
    "errors of IPv6 to a host": [
        *ERRORS,
        *(closed("fd00::1") for _ in range(9)),
        ("wait", 0.5),
        *(closed("fd00::1") for _ in range(3)),
    ],
    "fragments wait for so long": [
        ("setting", "net/ipv4/ipfrag_time", "1"),
        part(1),
        part(2, 16, more=False),
        ("wait", 1.4),
        part(1, 16, more=False),
    ],
    "fragments of IPv6 wait for so long": [
        ("setting", "net/ipv6/ip6frag_time", "1"),
        part6(1),
        part6(2, 16, more=False),
        ("wait", 1.4),
        part6(1, 16, more=False),
    ],
    "64 fragments of the same sender in between": [part(1), *others(63), part(1, 16, more=False)],
    "65 fragments of the same sender in between": [part(1), *others(64), part(1, 16, more=False), part(1)],
    "66 fragments of the same sender in between": [part(1), *others(65), part(1, 16, more=False), part(1)],
    "many fragments of another sender in between": [part(1), *others(80, "10.0.0.7"), part(1, 16, more=False)],
    "ipfrag_max_dist": [
        ("setting", "net/ipv4/ipfrag_max_dist", "3"),
        part(1),
        *others(2),
        part(1, 16, more=False),
        part(2),
        *others(3),
        part(2, 16, more=False),
        part(2),
    ],
    "more than ipfrag_high_thresh waits": [
        ("setting", "net/ipv4/ipfrag_low_thresh", "5000"),
        ("setting", "net/ipv4/ipfrag_high_thresh", "6000"),
        *others(12),
        part(1000, 16, more=False),
        part(1),
    ],
    "more than ip6frag_high_thresh waits": [
        ("setting", "net/ipv6/ip6frag_low_thresh", "5000"),
        ("setting", "net/ipv6/ip6frag_high_thresh", "6000"),
        *(part6(1000 + i) for i in range(12)),
        part6(1000, 16, more=False),
        part6(1),
    ],
    "arp: three questions": [*ASK, ("send", "any", b"x", ("10.0.0.66", 7000)), ("questions", 0.7), TABLE],
    "nd: three questions": [*ASK, ("send", "own6", b"x", ("fd00::66", 7000)), ("questions", 0.7), TABLE],
    "arp: answered after the second question": [
        *ASK,
        ("send", "any", b"x", ("10.0.0.66", 7000)),
        ("wait", 0.15),
        peer.arp(2, "10.0.0.66", "10.0.0.2"),
        ("wait", 0.5),
        TABLE,
    ],
    "arp: what waits for an answer is bounded": [
        *(("send", name, bytes((i,)) * 1000, ("10.0.0.66", 7000)) for i in range(250) for name in ("any", "own4")),
        peer.arp(2, "10.0.0.66", "10.0.0.2"),
    ],
    "nd: what waits for an answer is bounded": [
        *(("send", "own6", bytes((i,)) * 1000, ("fd00::66", 7000)) for i in range(250)),
        peer.nd(136, "fd00::66", src="fd00::66", dst="fd00::2", flags=3),
    ],
}
