"""Cases of groups."""

import ipaddress
import socket
import struct
from random import Random

import frames

IP, IPV6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6
ADD, DROP, ALL = socket.IP_ADD_MEMBERSHIP, socket.IP_DROP_MEMBERSHIP, 49
JOIN, LEAVE, ALL6 = socket.IPV6_JOIN_GROUP, socket.IPV6_LEAVE_GROUP, 29
ALERT4, ALERT6 = b"\x94\4\0\0", b"\5\2\0\0\1\0"
LINK = "fe80::1"


def mreq(group: str, own: str = "10.0.0.2") -> bytes:
    """A struct ip_mreq."""
    return socket.inet_aton(group) + socket.inet_aton(own)


def mreq6(group: str, index: int = 0) -> bytes:
    """A struct ipv6_mreq."""
    return ipaddress.IPv6Address(group).packed + struct.pack("i", index)


def mac(group: str) -> bytes:
    """The Ethernet address of a group, or of the host."""
    a = ipaddress.ip_address(group)
    if not a.is_multicast:
        return frames.MAC
    return b"\x01\0\x5e" + bytes((a.packed[1] & 127,)) + a.packed[2:] if a.version == 4 else b"\x33\x33" + a.packed[12:]


def igmp(
    kind: int, code: int = 0, group: str = "0.0.0.0", more: bytes = b"", *, to: str = "", check=None, **ip
) -> bytes:
    """An IGMP message; ``more`` follows its first 8 bytes."""
    message = struct.pack("!BBH4s", kind, code, 0, socket.inet_aton(group)) + more
    check = frames.csum(message) if check is None else check
    message = message[:2] + struct.pack("!H", check) + message[4:]
    to = to or ("224.0.0.1" if group == "0.0.0.0" else group)
    ip = {"ttl": 1, "options": ALERT4, "tos": 0xC0} | ip
    return frames.eth(frames.ipv4(message, 2, dst=to, **ip), dst=mac(to))


def query3(
    code: int = 1, group: str = "0.0.0.0", sources: tuple[str, ...] = (), *, qrv=2, qqic=125, n=None, **ip
) -> bytes:
    """An IGMPv3 query; ``n``: how many sources it claims to have."""
    more = struct.pack("!BBH", qrv, qqic, len(sources) if n is None else n) + b"".join(map(socket.inet_aton, sources))
    return igmp(0x11, code, group, more, **ip)


def mld(
    kind: int, delay: int = 0, group: str = "::", more: bytes = b"", *, to="", src=LINK, hops=1, alert=ALERT6, code=0
):
    """An MLD message; ``alert``: the options of its hop-by-hop header, None: it has none."""
    message = struct.pack("!BBHHH16s", kind, code, 0, delay, 0, ipaddress.IPv6Address(group).packed) + more
    to = to or ("ff02::1" if group == "::" else group)
    check = frames.csum(frames.pseudo(src, to, 58, len(message)) + message)
    message = message[:2] + struct.pack("!H", check) + message[4:]
    if alert is None:
        return frames.eth(frames.ipv6(message, 58, src=src, dst=to, hops=hops), dst=mac(to), type=0x86DD)
    whole = bytes((58, (len(alert) - 6) // 8)) + alert + message
    return frames.eth(frames.ipv6(whole, 0, src=src, dst=to, hops=hops), dst=mac(to), type=0x86DD)


def query2(
    delay: int = 50, group: str = "::", sources: tuple[str, ...] = (), *, qrv=2, qqic=125, n=None, **how
) -> bytes:
    """An MLDv2 query."""
    packed = b"".join(ipaddress.IPv6Address(s).packed for s in sources)
    return mld(130, delay, group, struct.pack("!BBH", qrv, qqic, len(sources) if n is None else n) + packed, **how)


def opt(name: str, level: int, option: int, value) -> tuple:
    """A step: set an option."""
    return ("setsockopt", name, level, option, value)


def add(group: str, name: str = "any", own: str = "10.0.0.2") -> tuple:
    """A step: join an IPv4 group."""
    return opt(name, IP, ADD, mreq(group, own))


def drop(group: str, name: str = "any", own: str = "10.0.0.2") -> tuple:
    """A step: leave it."""
    return opt(name, IP, DROP, mreq(group, own))


def join(group: str, name: str = "any") -> tuple:
    """A step: join an IPv6 group."""
    return opt(name, IPV6, JOIN, mreq6(group))


def leave(group: str, name: str = "any") -> tuple:
    """A step: leave it."""
    return opt(name, IPV6, LEAVE, mreq6(group))


def twice(*steps) -> tuple:
    """A step: do these, and wait until a change was reported twice, or a query was answered."""
    return ("reported", 2, *steps)


def soon(*steps) -> tuple:
    """A step: do these, and wait until a query was answered."""
    return ("later", 0.3, *steps)


def unheard(*steps) -> tuple:
    """A step: do these for their errors."""
    return ("unheard", *steps)


def udp(group: str, port: int = 5000, **how) -> bytes:
    """A datagram to a group."""
    src = "10.0.0.1" if "." in group else "fd00::1"
    return frames.udp(src=src, dst=group, dport=port, mac={"dst": mac(group)}, **how)


G, H, SIX, SEVEN = "239.1.2.3", "224.0.0.99", "ff05::6", "ff02::7"
SHORT3, SHORT2 = query3(1, qrv=1, qqic=1), query2(10, qrv=2, qqic=1)
"""After these an older querier is soon forgotten: its interval is short."""
KINDS = (0x12, 0x16, 0x17, 0x22, 0x13, 0x14, 0x15, 0x1E, 0x1F, 0x99)

GROUPS4 = (G, H, "239.129.2.3", "224.0.0.251")
GROUPS6 = (SIX, SEVEN, "ff01::8", "ff02::1:ff00:2")


def _change(rng: Random) -> tuple:
    v4 = rng.random() < 0.5
    name = rng.choice(("any", "own4") if v4 else ("any", "own6"))
    step = rng.choice((add, drop) if v4 else (join, leave))
    return step(rng.choice(GROUPS4 if v4 else GROUPS6), name)


def _query(rng: Random) -> bytes:
    sources = {"n": rng.choice((None, None, None, 0, 1, 2))}
    to = rng.choice(("", "", "", "10.0.0.2"))
    if rng.random() < 0.5:
        group = rng.choice(("0.0.0.0", *GROUPS4))
        return query3(rng.choice((0, 1, 1)), group, ("10.0.0.5",) * rng.randrange(2), to=to, **sources)
    odd = rng.choice(({}, {}, {}, {"hops": 2}, {"alert": None}, {"src": "fd00::1"}, {"code": 1}))
    group = rng.choice(("::", *GROUPS6[:2], "ff02::1:ff00:1"))
    return query2(
        rng.choice((0, 50, 80)), group, ("fd00::5",) * rng.randrange(2), to=to and "fd00::2", **sources, **odd
    )


def _old_querier(rng: Random) -> list:
    """One that is soon forgotten. Nothing is joined meanwhile: a second report would come within 10 seconds."""
    if rng.random() < 0.5:
        asked = igmp(0x11, rng.choice((0, 1)), rng.choice(("0.0.0.0", *GROUPS4)))
        # version 1 may answer 10 seconds later, when another report may have come before
        asked = igmp(0x11, 1, rng.choice(("0.0.0.0", *GROUPS4))) if asked[39] == 0 else asked
        return [soon(SHORT3, asked), soon(drop(rng.choice(GROUPS4))), ("wait", 1.2)]
    asked = mld(130, 50, rng.choice(("::", *GROUPS6[:2])))
    return [soon(SHORT2), soon(asked), soon(leave(rng.choice(GROUPS6))), ("wait", 2.2)]


def sequence(rng: Random, length: int) -> list:
    """Random joins, leaves, queries and datagrams."""
    steps: list = []
    while len(steps) < length:
        what = rng.random()
        if what < 0.4:
            steps.append(("reported", 2, *(_change(rng) for _ in range(rng.choice((1, 1, 2, 3))))))
        elif what < 0.6:
            steps.append(soon(_query(rng)))
        elif what < 0.7:
            report = rng.choice((igmp(0x16, 0, rng.choice(GROUPS4)), mld(131, 0, rng.choice(GROUPS6[:2]))))
            steps.append(soon(_query(rng), report))
        elif what < 0.75:
            steps += _old_querier(rng)
        elif what < 0.8:
            level, option = rng.choice(((IP, ALL), (IPV6, ALL6)))
            steps.append(opt(rng.choice(("any", "own4", "own6")), level, option, rng.randrange(2)))
        else:
            steps.append(udp(rng.choice(GROUPS4 + GROUPS6 + ("224.0.0.1", "ff02::1")), rng.choice((5000, 5001, 9))))
    return steps


CASES: dict[str, list] = {
    "errors of IPv4": [
        *(add(G, own="0.0.0.0"), add(G, own="10.0.0.9"), add("10.0.0.9"), add("10.0.0.9", own="10.0.0.9"), drop(G)),
        *(drop(G, own="0.0.0.0"), drop("10.0.0.9"), drop(G, own="10.0.0.9"), drop("10.0.0.9", own="10.0.0.9")),
        *(opt("any", IP, ADD, v) for v in (b"1234567", 5, b"")),
        *(opt("any", IP, DROP, v) for v in (b"1234567", mreq(G) + struct.pack("i", 999), mreq(G)[:4] + bytes(8))),
        unheard(add(G), add(G), add(G, "own6"), add(G, own="10.1.0.2"), opt("any", IP, ADD, mreq(H) + bytes(4))),
        unheard(opt("any", IP, ADD, mreq(H) + struct.pack("i", 999)), opt("any", IP, ADD, mreq("224.0.0.98") + b"123")),
        unheard(drop(G), drop(G)),
    ],
    "errors of IPv6": [
        *(
            leave(SIX),
            join("fd00::9"),
            join("::ffff:239.1.2.3"),
            leave("fd00::9"),
            join(SIX, "own4"),
            leave(SIX, "own4"),
        ),
        *(opt("any", IPV6, JOIN, v) for v in (bytes(19), mreq6(SEVEN, 999), 1, mreq6(SEVEN, -1))),
        unheard(join(SIX), join(SIX), opt("any", IPV6, LEAVE, mreq6(SIX, 999)), leave(SIX), leave(SIX)),
    ],
    "twenty groups of IPv4": [
        unheard(*(add(f"239.7.7.{n}") for n in range(22)), add("239.7.7.21", "own4"), drop("239.7.7.3")),
        soon(query3()),
    ],
    "many groups of IPv6": [unheard(*(join(f"ff05::{n:x}") for n in range(90))), soon(query2())],
    "all or not all": [
        *(opt("any", IP, ALL, v) for v in (0, 2, b"", b"\1", b"\2", b"\1\0\0\0\0")),
        *(opt("any", IPV6, ALL6, v) for v in (b"\1", 7, 0, b"")),
        *(opt("own4", IPV6, ALL6, 7), opt("own4", IP, ALL, 0), opt("own6", IP, ALL, 0)),
    ],
    "datagrams to groups": [
        *(udp(G), udp(SIX), udp("224.0.0.1"), udp("ff02::1"), udp("ff01::1"), udp("ff02::1:ff00:2")),
        *(twice(add(G), join(SIX)), udp(G), udp(SIX), udp(G, 9), udp(SIX, 9)),
        *(twice(drop(G), leave(SIX)), udp(G), udp(SIX)),
    ],
    "whose groups": [
        *(twice(add(G, "own4"), join(SIX, "own6")), udp(G), udp(SIX)),
        *(opt("any", IP, ALL, 0), opt("any", IPV6, ALL6, 0)),
        *(udp(G), udp(SIX), udp("224.0.0.1"), udp("ff02::1"), twice(add(G), join(SIX)), udp(G), udp(SIX)),
        *(opt("any", IP, ALL, 1), udp("224.0.0.1"), opt("any", IPV6, ALL6, 1), udp("ff02::1")),
    ],
    "IGMPv3 joins, twice": [twice(add(G)), twice(add(G, "own4")), soon(drop(G)), twice(drop(G, "own4"))],
    "IGMPv3 left and joined at once": [twice(add(G)), twice(drop(G), add(G))],
    "closed": [twice(add(G, "own4"), join(SIX, "own6")), twice(("shut_one", "own4"), ("shut_one", "own6"))],
    "IGMPv3 queries": [
        *(twice(add(G), add(H)), soon(query3()), soon(query3(1, G)), soon(query3(1, H, to="10.0.0.2"))),
        *(soon(query3(1, G, ("10.0.0.5", "10.0.0.6"))), soon(query3(1, "239.9.9.9")), soon(query3(0, G))),
        *(soon(query3(1, sources=("10.0.0.5",))), soon(query3(1, G, ("10.0.0.5",), n=2))),
        soon(query3(1, G, ("10.0.0.5",), n=0)),
    ],
    "IGMPv3 queries, odd ones": [
        *(twice(add(G), add(H)), soon(query3(1, G, ttl=64, options=b"", src="0.0.0.0"))),
        *(soon(query3(1, G, src="192.0.2.9")), soon(query3(1, qqic=0x8F, qrv=7)), soon(igmp(0x11, 1, G, b"a"))),
        *(soon(igmp(0x11, 1, G, b"abc")), soon(igmp(0x11, 1, G, b"\2", check=1))),
    ],
    "IGMPv2": [
        *(twice(add(G)), soon(SHORT3, igmp(0x11, 1)), ("later", 0.05, add(H)), soon(query3(1))),
        *(soon(igmp(0x11, 1, H)), soon(drop(H))),
    ],
    "IGMPv2, and then 3": [soon(SHORT3, igmp(0x11, 1)), ("wait", 1.2), twice(add(G))],
    "IGMPv2, another reports": [
        *(twice(add(G)), soon(SHORT3), ("later", 0.7, igmp(0x11, 5), igmp(0x16, 0, G)), soon(drop(G))),
    ],
    "IGMPv1": [soon(SHORT3), ("later", 0.05, igmp(0x11, 0), add(G)), soon(drop(G)), ("wait", 1.2), twice(add(G))],
    "IGMP of all kinds": [igmp(kind, 0, "224.0.0.1") for kind in KINDS]
    + [igmp(kind, 0, G, to="10.0.0.2") for kind in KINDS]
    + [igmp(kind, 0, G, check=3) for kind in KINDS],
    "MLDv2 joins, twice": [twice(join(SIX)), twice(join(SIX, "own6")), soon(leave(SIX)), twice(leave(SIX, "own6"))],
    "MLDv2 left and joined at once": [twice(join(SIX)), twice(leave(SIX), join(SIX))],
    "MLDv2 inside the host": [
        *(twice(join("ff01::9"), join("ff00::9")), udp("ff01::9"), soon(query2(20))),
        *(soon(query2(20, "ff01::9", to="ff02::1")), twice(leave("ff01::9"))),
    ],
    "MLDv2 queries": [
        *(twice(join(SIX), join(SEVEN)), soon(query2()), soon(query2(50, SIX)), soon(query2(50, SEVEN, to="fd00::2"))),
        *(soon(query2(50, SIX, ("fd00::5", "fd00::6"))), soon(query2(50, "ff05::99")), soon(query2(0, SIX))),
        *(soon(query2(50, "fd00::5", to="ff02::1")), soon(query2(sources=("fd00::5",)))),
        *(soon(query2(50, SIX, ("fd00::5",), n=2)), soon(query2(50, SIX, ("fd00::5",), n=0))),
    ],
    "MLDv2 queries that do not count": [
        *(soon(query2(src="fd00::1")), soon(query2(src="::")), soon(query2(hops=2)), soon(query2(hops=255))),
        *(soon(query2(alert=None)), soon(query2(alert=b"\5\2\0\1\1\0")), soon(query2(alert=b"\1\0\5\2\0\0"))),
        *(soon(query2(alert=b"\0\0\5\2\0\0")), soon(query2(alert=b"\1\4\0\0\0\0"))),
    ],
    "MLDv2 queries, odd ones": [
        *(soon(query2(code=7)), soon(query2(qrv=7, qqic=0x9A)), soon(mld(130, 50, more=b"a"))),
        *(soon(mld(130, 50, more=b"abc")), soon(query2(50, "ff02::1")), soon(query2(50, "ff02::1:ff00:2"))),
        *(soon(query2(50, "ff02::1:ff00:1", to="ff02::1")), soon(mld(130, 50, more=query2()[-4:] + b"12345"))),
    ],
    "MLDv2 robust": [soon(query2(qrv=4)), ("reported", 5, join(SIX))],
    "IGMPv3 robust": [soon(query3(qrv=4)), ("reported", 5, add(G))],
    "MLDv1": [
        *(twice(join(SIX)), soon(SHORT2), soon(mld(130, 50)), soon(query2(50)), soon(mld(130, 50, SIX))),
        *(soon(mld(130, 0)), soon(leave(SIX))),
    ],
    "MLDv1, another reports": [
        *(twice(join(SIX)), soon(SHORT2), ("later", 0.8, mld(130, 400, SIX), mld(131, 0, SIX)), soon(leave(SIX))),
    ],
    "MLD reports and their kin": [
        *(mld(kind, 0, "ff02::1:ff00:2") for kind in (131, 132, 143)),
        *(mld(kind, 0, SIX, to="fd00::2", src="fd00::1", hops=9, alert=None) for kind in (131, 132, 143)),
        *(mld(kind, 0, SIX, to="ff02::1", src="::") for kind in (131, 132, 143)),
    ],
}
CASES |= {f"random {seed}": sequence(Random(seed), 20) for seed in range(3)}
