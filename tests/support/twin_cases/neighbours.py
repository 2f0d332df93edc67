"""Cases of neighbours: ARP, neighbour discovery, and what a host believes after them.

A ping from a neighbour follows most messages: where the answer goes shows which MAC address is believed.
"""

import ipaddress
import struct

import frames

ALL = b"\xff" * 6
OTHER, THIRD = (bytes((2, 0, 0, 0, 0, i)) for i in (7, 8))
OWN = "fe80::ff:fe00:1"
GROUP, GROUP_MAC = "ff02::1:ff00:2", b"\x33\x33\xff\0\0\2"
TABLE = ("neighbours",)


def ping(src: str = "10.0.0.7", **more) -> bytes:
    """A ping of the family of ``src``."""
    return frames.icmpv6(src=src, **more) if ":" in src else frames.icmp(src=src, **more)


def arp(op: int, sip: str, tip: str, sha: bytes = frames.PEER, **fields) -> bytes:
    """An ARP packet: hrd, pro, hln, pln, tha, dst (Ethernet), more (bytes behind it), cut (its length)."""
    f = {
        "hrd": 1,
        "pro": 0x800,
        "hln": 6,
        "pln": 4,
        "tha": bytes(6),
        "dst": ALL if op == 1 else frames.MAC,
        "more": b"",
    }
    f |= fields
    body = struct.pack("!HHBBH", f["hrd"], f["pro"], f["hln"], f["pln"], op) + sha + ipaddress.ip_address(sip).packed
    body += f["tha"] + ipaddress.ip_address(tip).packed + f["more"]
    return frames.eth(body[: f.get("cut")], dst=f["dst"], src=sha, type=0x0806)


def nd(
    kind: int, rest: bytes, options: bytes = b"", *, src: str, dst: str, code: int = 0, hops: int = 255, frag=None
) -> bytes:
    """A message of neighbour discovery: what follows the checksum, and options."""
    message = bytes((kind, code, 0, 0)) + rest + options
    message = (
        message[:2] + struct.pack("!H", frames.csum(frames.pseudo(src, dst, 58, len(message)) + message)) + message[4:]
    )
    next_ = 58
    if frag is not None:
        message, next_ = struct.pack("!BBHI", 58, 0, frag, 1) + message, 44
    a = ipaddress.ip_address(dst)
    to = b"\x33\x33" + a.packed[12:] if a.is_multicast else frames.MAC
    return frames.eth(frames.ipv6(message, next_, src=src, dst=dst, hops=hops), dst=to, type=0x86DD)


def lladdr(kind: int, mac: bytes = frames.PEER, units: int = 1) -> bytes:
    return bytes((kind, units)) + mac + bytes(max(0, units - 1) * 8)


def ns(target="fd00::2", options: bytes | None = None, *, src="fd00::7", dst="fd00::2", mac=OTHER, **more) -> bytes:
    options = lladdr(1, mac) if options is None else options
    return nd(135, bytes(4) + ipaddress.ip_address(target).packed, options, src=src, dst=dst, **more)


def na(
    flags=0b011, target="fd00::7", options: bytes | None = None, *, src="fd00::7", dst="fd00::2", mac=OTHER, **more
) -> bytes:
    """``flags``: router, solicited, override."""
    options = lladdr(2, mac) if options is None else options
    return nd(
        136, bytes((flags << 5, 0, 0, 0)) + ipaddress.ip_address(target).packed, options, src=src, dst=dst, **more
    )


def ra(options: bytes = b"", *, src="fe80::7", dst="ff02::1", life=1800, **more) -> bytes:
    return nd(134, struct.pack("!BBHII", 64, 0, life, 0, 0), options, src=src, dst=dst, **more)


def redirect(target="fe80::7", dest="2001:db8::1", options=b"", *, src="fe80::1", dst="fd00::2", **more) -> bytes:
    rest = bytes(4) + ipaddress.ip_address(target).packed + ipaddress.ip_address(dest).packed
    return nd(137, rest, options, src=src, dst=dst, **more)


SENDERS = (
    "127.0.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "0.0.0.5",
    "10.0.0.2",
    "10.1.0.2",
    "10.0.0.255",
    "10.0.0.0",
)
SENDERS += ("192.0.2.9",)
FLAGS = range(8)

CASES: dict[str, list] = {
    # ---- ARP ----
    **{f"arp: a request from {s}": [arp(1, s, "10.0.0.2"), TABLE] for s in SENDERS},
    **{f"arp: a reply from {s}": [arp(2, s, "10.0.0.2"), TABLE] for s in SENDERS},
    **{
        f"arp: a request for {t}": [arp(1, "10.0.0.7", t), arp(1, "10.0.0.1", t, OTHER), ping("10.0.0.1"), TABLE]
        for t in (
            "10.1.0.2",
            "10.0.0.9",
            "127.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "10.0.0.255",
            "0.0.0.0",
            "10.0.0.0",
        )
    },
    "arp: a probe for our address, for another": [arp(1, "0.0.0.0", "10.0.0.2"), arp(1, "0.0.0.0", "10.0.0.9"), TABLE],
    "arp: a reply from nobody": [arp(2, "0.0.0.0", "10.0.0.2"), TABLE],
    "arp: IEEE 802": [arp(1, "10.0.0.7", "10.0.0.2", hrd=6), ping(), arp(2, "10.0.0.7", "10.0.0.2", hrd=6), TABLE],
    **{
        f"arp: {name} {value}": [arp(1, "10.0.0.7", "10.0.0.2", **{name: value}), TABLE]
        for name, values in {"hrd": (0, 2, 0x100), "pro": (0x86DD, 0), "hln": (0, 4, 8), "pln": (0, 6, 16)}.items()
        for value in values
    },
    **{
        f"arp: op {op}": [arp(op, "10.0.0.1", "10.0.0.2", OTHER), ping("10.0.0.1"), TABLE]
        for op in (0, 3, 4, 8, 9, 256)
    },
    "arp: too short, padded": [
        *(arp(1, "10.0.0.7", "10.0.0.2", cut=n) for n in (0, 7, 8, 27)),
        arp(1, "10.0.0.7", "10.0.0.2", more=b"x" * 18),
        ping(),
    ],
    "arp: to us alone, to a group, to another": [
        arp(1, "10.0.0.7", "10.0.0.2", dst=frames.MAC),
        arp(1, "10.0.0.8", "10.0.0.2", dst=b"\1\0\x5e\0\0\1"),
        arp(2, "10.0.0.1", "10.0.0.2", OTHER, dst=b"\2\0\0\0\0\x63"),
        TABLE,
    ],
    "arp: an answer nobody asked for makes no entry": [arp(2, "10.0.0.7", "10.0.0.2"), TABLE],
    "arp: an answer makes a stale one reachable": [arp(2, "10.0.0.1", "10.0.0.2"), TABLE, ping("10.0.0.1"), TABLE],
    "arp: an answer to all, to a group, confirms nothing": [
        arp(2, "10.0.0.1", "10.0.0.2", dst=ALL),
        TABLE,
        arp(2, "10.0.0.1", "10.0.0.2", dst=b"\1\0\x5e\0\0\1"),
        TABLE,
    ],
    "arp: another answer within the lock time is not believed": [
        arp(2, "10.0.0.1", "10.0.0.2", OTHER),
        ping("10.0.0.1"),
        TABLE,
    ],
    "arp: after the lock time it is": [
        ("setting", "net/ipv4/neigh/{dev}/locktime", "100"),
        ("wait", 1.3),
        arp(2, "10.0.0.1", "10.0.0.2", OTHER),
        ping("10.0.0.1"),
        arp(2, "10.0.0.1", "10.0.0.2", THIRD),
        ping("10.0.0.1"),
        TABLE,
    ],
    "arp: who is sent to counts as changed, for the lock time": [
        ("setting", "net/ipv4/neigh/{dev}/locktime", "100"),
        ("wait", 1.3),
        ping("10.0.0.1"),
        arp(2, "10.0.0.1", "10.0.0.2", OTHER),
        ping("10.0.0.1"),
        TABLE,
    ],
    "arp: a request for us is believed at once": [
        arp(1, "10.0.0.1", "10.0.0.2", OTHER),
        ping("10.0.0.1"),
        arp(1, "10.0.0.1", "10.0.0.2", THIRD, dst=frames.MAC),
        ping("10.0.0.1"),
        TABLE,
    ],
    "arp: a request for another is not": [arp(1, "10.0.0.1", "10.0.0.9", OTHER), ping("10.0.0.1"), TABLE],
    "arp: gratuitous ones are believed at once": [
        arp(1, "10.0.0.1", "10.0.0.1", OTHER),
        ping("10.0.0.1"),
        arp(2, "10.0.0.1", "10.0.0.1", THIRD, tha=THIRD, dst=ALL),
        ping("10.0.0.1"),
        arp(2, "10.0.0.1", "10.0.0.1", OTHER, dst=ALL),
        ping("10.0.0.1"),
        arp(1, "10.0.0.7", "10.0.0.7", OTHER),
        TABLE,
    ],
    "arp: odd MAC addresses": [
        step
        for i, mac in enumerate((frames.MAC, ALL, bytes(6), b"\1\0\x5e\0\0\1"))
        for step in (arp(1, f"10.0.0.{20 + i}", "10.0.0.2", mac), ping(f"10.0.0.{20 + i}"))
    ],
    "arp: who is not known is asked, the answer goes out": [
        ping(),
        ping(),
        TABLE,
        arp(2, "10.0.0.7", "10.0.0.2", OTHER),
        TABLE,
        ping(),
        TABLE,
    ],
    "arp: who is asked and asks us": [ping(), arp(1, "10.0.0.7", "10.0.0.2", OTHER), TABLE],
    "arp: the question comes from the address of the last that waits": [
        ping("10.0.0.8", dst="10.1.0.2"),
        ping("10.1.0.5", dst="10.0.0.2"),
    ],
    "arp: while asked, any packet from it will do": [
        ping(),
        arp(1, "10.0.0.7", "10.0.0.9", OTHER),
        ping(),
        TABLE,
    ],
    # ---- neighbour discovery ----
    "nd: a solicitation to us, to our group, to all": [
        ns(),
        ns(dst=GROUP, src="fd00::8"),
        ns(dst="ff02::1", src="fd00::9"),
        ns(OWN, dst=OWN, src="fe80::7"),
        ns(OWN, dst="ff02::1:ff00:1", src="fe80::8"),
        TABLE,
    ],
    "nd: a solicitation without its sender's MAC address": [
        ns(options=b""),
        TABLE,
        ns(options=b"", dst=GROUP, src="fd00::8"),
        TABLE,
    ],
    "nd: a solicitation from a known one without it": [ns(options=b"", dst=GROUP, src="fd00::1"), TABLE],
    "nd: a solicitation for others": [
        ns("fd00::9"),
        ns("fd00::9", dst="ff02::1"),
        ns("ff02::1"),
        ns("::"),
        ns("::ffff:10.0.0.2"),
        TABLE,
    ],
    "nd: from elsewhere, from ourselves": [
        ns(src="2001:db8::9"),
        ns(src="fd00::2"),
        ns(src=OWN),
        ns(src="fe80::9"),
        TABLE,
    ],
    "nd: somebody wants our address": [
        ns(options=b"", src="::", dst=GROUP),
        ns(options=b"", src="::", dst="ff02::1:ff00:1"),
        ns(OWN, options=b"", src="::", dst="ff02::1:ff00:1"),
        ns(options=b"", src="::", dst="ff02::1"),
        ns(options=b"", src="::"),
        ns(src="::", dst=GROUP),
        ns("fd00::9", options=b"", src="::", dst="ff02::1:ff00:9"),
        ns(options=bytes((14, 1)) + b"nonce!", src="::", dst=GROUP),
        TABLE,
    ],
    "nd: options": [
        ns(options=lladdr(1) + b"\0"),
        ns(options=lladdr(1, OTHER, 2)),
        ns(options=lladdr(1, OTHER) + lladdr(1, THIRD)),
        ping("fd00::7"),
        ns(options=lladdr(1, OTHER, 0)),
        ns(options=lladdr(2, THIRD)),
        ping("fd00::7"),
        ns(options=bytes((14, 1)) + b"nonce!" + lladdr(1, THIRD)),
        ping("fd00::7"),
        ns(options=bytes((200, 3)) + bytes(22) + lladdr(1, OTHER)),
        ping("fd00::7"),
        ns(options=bytes((200, 3)) + bytes(21)),
        ns(options=lladdr(1, OTHER)[:7]),
        ns(options=b"\1"),
        TABLE,
    ],
    "nd: options of an advertisement": [
        ns(),
        na(options=lladdr(2, THIRD) + b"\0"),
        na(options=lladdr(2, THIRD, 2)),
        na(options=lladdr(1, THIRD)),
        TABLE,
        na(options=lladdr(2, OTHER) + lladdr(2, THIRD)),
        na(options=lladdr(2, THIRD, 0)),
        na(options=b"\2"),
        TABLE,
    ],
    "nd: options in much data": [
        ns(options=bytes((200, 255)) + bytes(8 * 140 - 2)),
        ns(options=(bytes((200, 20)) + bytes(158)) * 8),
    ],
    "nd: hop limit and code": [
        step
        for make in (ns, na, ra, redirect)
        for step in (make(hops=254), make(hops=0), make(code=1), make(code=255, hops=64))
    ],
    "nd: short ones": [
        nd(kind, bytes(n), src="fe80::7", dst=OWN)
        for kind in (133, 134, 135, 136, 137)
        for n in (0, 4, 8, 11, 12, 19, 20, 35, 36)
    ],
    "nd: in a fragment": [make(frag=0) for make in (ns, na, ra, redirect)],
    "nd: in two fragments": [
        nd(135, bytes(4) + ipaddress.ip_address("fd00::2").packed, src="fd00::7", dst="fd00::2", frag=1),
        frames.eth(
            frames.ipv6(struct.pack("!BBHI", 58, 0, 24, 1) + lladdr(1), 44, src="fd00::7", hops=255), type=0x86DD
        ),
        TABLE,
    ],
    **{
        f"nd: an advertisement {flags:03b} about a {state} one, {mac_name}": [
            *first,
            na(flags, mac=mac) if mac else na(flags, options=b""),
            TABLE,
            ping("fd00::7"),
            TABLE,
        ]
        for flags in FLAGS
        for state, first in {
            "stale": (ns(),),
            "delayed": (ns(), ping("fd00::7")),
            "reachable": (ns(), na(0b010)),
            "unanswering": (ping("fd00::7"),),
            "unknown": (),
        }.items()
        for mac_name, mac in {"the same": OTHER, "another": THIRD, "none": None}.items()
    },
    **{
        f"nd: an advertisement {flags:03b} to all": [ns(), na(flags, mac=THIRD, dst="ff02::1"), TABLE, ping("fd00::7")]
        for flags in FLAGS
    },
    "nd: an advertisement about our own address": [na(f, t) for f in FLAGS for t in ("fd00::2", OWN)] + [TABLE],
    "nd: an advertisement about a group, IPv4, nobody": [
        na(target="ff02::1"),
        na(target="::ffff:10.0.0.1"),
        na(target="::"),
        ping("10.0.0.1"),
        TABLE,
    ],
    "nd: once a router": [
        ns(),
        na(0b111),
        TABLE,
        na(0b001),
        TABLE,
        na(0b101, mac=THIRD),
        TABLE,
        na(0b000, mac=OTHER),
        TABLE,
    ],
    "nd: a solicitation replaces the address of a reachable one": [
        ns(),
        na(0b010),
        ns(mac=THIRD),
        TABLE,
        ping("fd00::7"),
        ns(mac=OTHER, dst=GROUP),
        ping("fd00::7"),
        TABLE,
    ],
    "nd: a router solicitation": [
        nd(133, bytes(4), lladdr(1), src="fe80::7", dst="ff02::2"),
        nd(133, bytes(4), lladdr(1), src="fe80::7", dst="ff02::1"),
        nd(133, bytes(4), src="::", dst=OWN),
        nd(133, bytes(4), lladdr(1, units=0), src="fe80::7", dst=OWN),
        TABLE,
    ],
    "nd: a router's advertisement makes it known": [
        ra(),
        TABLE,
        ra(lladdr(1, OTHER)),
        TABLE,
        ping("fe80::7", dst=OWN),
        ra(lladdr(1, THIRD), dst=OWN),
        ping("fe80::7", dst=OWN),
        TABLE,
    ],
    "nd: a router's advertisement that is not valid": [
        ra(src="fd00::7"),
        ra(lladdr(1, units=0)),
        ra(lladdr(1, OTHER, 2)),
        ra(lladdr(1) + b"\1"),
        ra(src=OWN),
        TABLE,
    ],
    "nd: redirects from who is no gateway": [
        redirect(),
        redirect(options=lladdr(2, OTHER)),
        redirect(src="fd00::1"),
        redirect("fd00::7"),
        redirect(dest="ff02::1"),
        redirect("2001:db8::1"),
        redirect(options=lladdr(2, OTHER) + b"\0"),
        TABLE,
    ],
}
