"""Cases of router advertisements, to hosts that listen to them."""

import ipaddress
import struct
from random import Random

import frames

from twin_cases.neighbours import OTHER, OWN, TABLE, THIRD, lladdr, na, nd, ns, ping

LISTEN = ("setting", "net/ipv6/conf/{dev}/accept_ra", "1")
ROUTES = ("routes",)
FOREVER = 0xFFFFFFFF
AUTO = "fd01::ff:fe00:1"


def ra(
    *options: bytes, src="fe80::1", dst="ff02::1", life=1800, hops=0, flags=0, reachable=0, retrans=0, **more
) -> bytes:
    head = struct.pack("!BBHII", hops, flags, life, reachable, retrans)
    return nd(134, head, b"".join(options), src=src, dst=dst, **more)


def pio(prefix="fd01::", plen=64, flags=0xC0, valid=3600, preferred=1800, units=4) -> bytes:
    """Prefix information. ``flags``: 0x80 on the link, 0x40 for addresses."""
    head = bytes((3, units, plen, flags)) + struct.pack("!III", valid, preferred, 0)
    return (head + ipaddress.ip_address(prefix).packed + bytes(64))[: units * 8]


def mtu(n: int, units=1) -> bytes:
    return (bytes((5, units, 0, 0)) + struct.pack("!I", n) + bytes(16))[: units * 8]


def asked(*, src="2001:db8::9", dst="fd00::2") -> bytes:
    return ping(src, dst=dst)


def told(*steps) -> list:
    """Each of the steps, and what the host has learnt by it."""
    return [LISTEN, ROUTES, *(s for step in steps for s in (step, ROUTES))]


def anything(rng: Random) -> list:
    """Advertisements of two routers with any content, and pings that show by which they go.

    A router never changes its hop limit: the kernel's route has the new one only for CPUs that have not used it yet.
    """
    steps = [LISTEN]
    for _ in range(12):
        options = []
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            lives = rng.choice(
                ((3600, 1800), (3600, 3600), (100, 0), (0, 0), (9000, 8000), (FOREVER, FOREVER), (100, 200))
            )
            prefix = rng.choice(("fd01::", "fd02::", "fd01::", "fd02:0:0:0:1::", "fe80::", "2001:db8::", "fd00::"))
            plen, flags = rng.choice((64, 64, 64, 48, 80, 128, 0)), rng.choice((0xC0, 0xC0, 0x80, 0x40, 0))
            if plen == 0:
                flags &= 0x40
            options.append(
                rng.choice(
                    (
                        pio(prefix, plen, flags, *lives),
                        pio(prefix, plen, flags, *lives),
                        pio(prefix, plen, flags, *lives),
                        lladdr(1, rng.choice((OTHER, THIRD))),
                        mtu(rng.choice((1280, 1279, 1400, 1500, 1501))),
                    )
                )
            )
        src = rng.choice(("fe80::1", "fe80::7", "fe80::1", "fe80::7", OWN, "fd00::1"))
        life = rng.choice((1800, 1800, 600, 0, 65000))
        steps += [
            ra(*options, src=src, life=life, hops=7 if src == "fe80::1" else 200, flags=rng.choice((0, 8, 0x10, 0x18))),
            ROUTES,
            rng.choice((asked(), asked(src="fd01::5"), asked(src="fd02::5"), asked(dst=AUTO))),
            TABLE,
        ]
    return steps


CASES: dict[str, list] = {
    "a router": told(ra(lladdr(1, OTHER)), asked(), ra(life=600), asked(), ra(life=0), ra(life=0)),
    "a router whose MAC address nobody knows": told(
        ra(src="fe80::7"), asked(), na(0b111, "fe80::7", src="fe80::7", dst=OWN)
    ),
    "a router of others, of the host itself": told(ra(src="fd00::1"), ra(src=OWN), ra(src="fe80::1", hops=9)),
    "preferences": told(
        ra(lladdr(1, OTHER), src="fe80::7", flags=0x18),
        asked(),
        ra(lladdr(1, THIRD), src="fe80::8", flags=0x08),
        asked(),
        ra(src="fe80::7", flags=0x08),
        ra(src="fe80::8", flags=0x10),
        asked(),
        ra(src="fe80::7", life=0),
        asked(),
    ),
    "a router becomes a host": told(
        ra(lladdr(1, OTHER), src="fe80::7"), na(0b011, "fe80::7", src="fe80::7", dst=OWN), TABLE, asked()
    ),
    "a prefix": told(ra(pio()), ns(AUTO, src="fd01::5", dst=AUTO), asked(src="fd01::5", dst=AUTO), asked(dst=AUTO)),
    "a prefix for addresses only": told(ra(lladdr(1, OTHER), pio(flags=0x40)), asked(src="fd01::5", dst=AUTO)),
    "a prefix on the link only": told(
        ra(pio(flags=0x80)), asked(src="fd01::5"), ra(pio(flags=0x80, valid=0, preferred=0))
    ),
    "a prefix for nothing": told(ra(pio(flags=0))),
    "prefixes that are not valid": told(
        ra(pio("fe80::")),
        ra(pio("ff02::")),
        ra(pio(preferred=3601)),
        ra(pio(units=3)),
        ra(pio("fd03::", units=5)),
        ra(pio("fd04::", plen=129)),
        ra(pio("fd05::", plen=255)),
        ra(pio(plen=48)),
        ra(pio("fd06::", plen=128)),
        ra(pio("fd07::5:6:7:8")),
    ),
    "two hours at least": told(
        ra(pio(valid=9000, preferred=8000)),
        ra(pio(valid=100, preferred=50)),
        ra(pio(valid=3600, preferred=3600)),
        ra(pio(valid=0, preferred=0)),
        ra(pio(valid=8000, preferred=0)),
        ra(pio(valid=FOREVER, preferred=FOREVER)),
        ra(pio(valid=100, preferred=100)),
        ra(pio(valid=0, preferred=0)),
    ),
    "an address that is over from the start": told(ra(pio(valid=0, preferred=0)), ra(pio(valid=300, preferred=0))),
    "its network is ours already": told(
        ra(pio("fd00::")), asked(src="fd00::5"), ra(pio("fd00::", valid=0, preferred=0))
    ),
    "sixteen addresses": told(*(ra(pio(f"fd01:{i:x}::")) for i in range(20))),
    "MTU": told(
        *(ra(mtu(n)) for n in (1280, 1279, 0, 1500, 1501, 9000, 1400)), ra(mtu(1300), mtu(1400)), ra(mtu(1290, 2))
    ),
    "hop limits": told(ra(hops=9), asked(src="fd00::1"), ra(hops=0), ra(hops=255), asked(src="fd00::1"), ra(hops=1)),
    "each router's hop limit": told(
        ra(lladdr(1, OTHER), src="fe80::7", hops=9), ra(lladdr(1, THIRD), src="fe80::8", hops=200, flags=8), asked()
    ),
    "times": told(
        ra(reachable=20000, retrans=500),
        ra(),
        ra(reachable=100, retrans=10),
        ra(reachable=40, retrans=4),
        ra(reachable=7000000, retrans=5000),
    ),
    "options out of order": told(ra(mtu(1400), pio(), lladdr(1, OTHER), pio("fd02::")), TABLE, asked()),
    "options that are not valid": told(ra(pio()[:-1]), ra(pio() + b"\0"), ra(lladdr(1, OTHER, 2), pio()), TABLE),
    "a host that does not listen": [ROUTES, ra(lladdr(1, OTHER), pio(), hops=9), ROUTES, TABLE],
    **{f"anything {i}": anything(Random(i)) for i in range(12)},
}


def quoted(body: bytes = b"", next_=58, *, src="fd00::2", dst="2001:db8::1") -> bytes:
    """A redirected header option: a packet of ours."""
    packet = frames.ipv6(body or bytes((128, 0, 0, 0, 0, 0, 0, 1)), next_, src=src, dst=dst)
    packet += bytes(-len(packet) % 8)
    return bytes((4, 1 + len(packet) // 8)) + bytes(6) + packet


def redirect(*options: bytes, target="fe80::7", dest="2001:db8::1", src="fe80::1", dst="fd00::2", **more) -> bytes:
    rest = bytes(4) + ipaddress.ip_address(target).packed + ipaddress.ip_address(dest).packed
    return nd(137, rest, b"".join(options), src=src, dst=dst, **more)


def way(*steps) -> list:
    """After each of the steps: which way answers to 2001:db8::1 go, and who is known."""
    ask = asked(src="2001:db8::1")
    return [LISTEN, ra(lladdr(1, OTHER)), ask, *(s for step in steps for s in (step, ask, TABLE))]


TO = lladdr(2, THIRD)
UDP = struct.pack("!HHHH", 5000, 9, 12, 0) + b"data"

CASES |= {
    "redirects": way(redirect(TO), redirect(TO, target="fe80::8", src="fe80::7"), redirect(TO, target="fe80::9")),
    "redirects to a neighbour": way(redirect(TO, target="2001:db8::1"), asked()),
    "redirects without a MAC address": way(redirect(), ra(lladdr(1, THIRD), src="fe80::7")),
    "redirects that are not valid": way(
        redirect(TO, src="fe80::9"),
        redirect(TO, src="fd00::1"),
        redirect(TO, target="fd00::7"),
        redirect(TO, dest="ff02::1"),
        redirect(TO, target="2001:db8::2"),
        redirect(lladdr(2, THIRD, 2)),
        redirect(TO + b"\0"),
        redirect(TO, hops=254),
        redirect(TO, code=1),
        redirect(TO, dest="fd00::1"),
        redirect(TO, dest="fd00::2"),
    ),
    "redirects that quote a ping": way(redirect(TO, quoted())),
    "redirects that quote a datagram": way(redirect(TO, quoted(UDP, 17))),
    "redirects that quote what no socket sent": way(
        redirect(TO, quoted(struct.pack("!HHHH", 4, 9, 12, 0) + b"data", 17))
    ),
    "redirects that quote too little": way(
        redirect(TO, bytes((4, 1)) + bytes(6)), redirect(TO, quoted()[:48][:1] + b"\6" + quoted()[2:48])
    ),
    "redirects that quote another host's packet": way(redirect(TO, quoted(src="fd00::9"))),
    "redirects to hosts that listen to no router": [redirect(TO), asked(src="2001:db8::1"), TABLE],
}
