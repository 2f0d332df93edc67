"""Floods of each kind, for a minute: the host answers pings all the while, and its memory stays flat."""

import ipaddress
import os
import socket
import struct
from collections import Counter
from itertools import count
from pathlib import Path
from random import Random

import frames
import peer
import pytest
import twin_inputs
from peer import Peer
from twin_cases import groups, ipv4, ipv6, neighbours, routers

from vnic import cmsg

SECOND = 1_000_000_000
A_SECOND = 250
"""Frames."""
SLACK = 2 << 20
"""Bytes that the process may grow by: Python's own, not one for each frame."""
OWN4, OWN6 = "10.0.0.2", "fd00::2"
NEAR, NEAR6, FAR6 = "10.0.0.0/8", "fd00::/64", "2001:db8::/32"
ARP, SOLICITATION, HERE = b"\x08\x06", b"\x86\xdd\x3a\x87", b"here?"
GATEWAY, GATEWAY6 = "10.0.0.1", "fd00::1"


def somebody(rng, net):
    """An address of the net, but none of its first ones."""
    net = ipaddress.ip_network(net)
    return str(net[rng.randrange(1 << 10, net.num_addresses - 1)])


def mac(rng):
    return b"\2" + rng.randbytes(5)


def _quote4(rng):
    return frames.ipv4(
        struct.pack("!HHHH", 6000, 7000, 12, 0) + b"data", 17, src=OWN4, dst=somebody(rng, "192.0.0.0/8")
    )


def _quote6(rng):
    return ipv6.quote(dst=somebody(rng, FAR6))


def _router(rng):
    options = [neighbours.lladdr(1, mac(rng))]
    options += [
        routers.pio(
            somebody(rng, f"fd{rng.randrange(1, 256):02x}::/16"), plen=rng.choice((64, 64, 80)), valid=v, preferred=1
        )
        for v in (1, 3600)
    ]
    return routers.ra(*options, src=somebody(rng, "fe80::/64"), life=rng.choice((0, 1, 1800)))


def _fragment4(rng):
    return frames.eth(
        frames.ipv4(rng.randbytes(64), 17, id=rng.randrange(1 << 16), src=somebody(rng, NEAR), frag=0x2000)
    )


_ids = count()


def _fragment6(rng):
    return ipv6.chain(ipv6.fragment(0, more=True, id=next(_ids)), data=rng.randbytes(64), src=somebody(rng, NEAR6))


def _query(rng):
    group = rng.choice(("0.0.0.0", "224.0.0.1", f"239.0.0.{rng.randrange(256)}"))
    return groups.query3(rng.randrange(256), group, tuple(somebody(rng, NEAR) for _ in range(rng.randrange(3))))


def _query6(rng):
    group = rng.choice(("::", "ff02::1", f"ff02::{rng.randrange(1, 1 << 16):x}"))
    return groups.query2(rng.randrange(9999), group, tuple(somebody(rng, NEAR6) for _ in range(rng.randrange(3))))


def _option(rng):
    return ipv4._ping(options=rng.randbytes(4 * rng.randrange(1, 11)), src=somebody(rng, NEAR))


def _headers6(rng):
    chosen = rng.choices((ipv6.HOPOPTS, ipv6.DSTOPTS, ipv6.ROUTING, ipv6.FRAGMENT), k=rng.randrange(1, 6))
    return ipv6.chain(*((kind, bytes((0,)) + rng.randbytes(6)) for kind in chosen), src=somebody(rng, NEAR6))


def _anything(rng):
    while not isinstance(made := twin_inputs.frame(rng)[1], bytes):
        pass
    return made


FLOODS = {
    "arp requests": lambda rng: peer.arp(1, somebody(rng, NEAR), OWN4, sha=mac(rng)),
    "arp replies": lambda rng: peer.arp(2, somebody(rng, NEAR), OWN4, sha=mac(rng)),
    "neighbour solicitations": lambda rng: neighbours.ns(src=somebody(rng, NEAR6), mac=mac(rng)),
    "neighbour advertisements": lambda rng: neighbours.na(target=somebody(rng, NEAR6), src=somebody(rng, NEAR6)),
    "router advertisements": _router,
    "redirects of IPv4": lambda rng: ipv4._icmp(
        5, _quote4(rng), code=1, rest=ipaddress.ip_address(somebody(rng, NEAR)).packed
    ),
    "redirects of IPv6": lambda rng: neighbours.redirect(
        somebody(rng, "fe80::/64"), somebody(rng, FAR6), src="fe80::1"
    ),
    "path MTUs of IPv4": lambda rng: ipv4._icmp(
        3, _quote4(rng), code=4, rest=struct.pack("!HH", 0, rng.randrange(68, 1500))
    ),
    "path MTUs of IPv6": lambda rng: ipv6.chain(
        upper=58, data=ipv6.icmpv6(2, struct.pack("!I", rng.randrange(1500)) + _quote6(rng))
    ),
    "errors that a socket with IP_RECVERR does not read": lambda rng: ipv4._icmp(
        3, _quote4(rng), code=rng.randrange(16)
    ),
    "fragments of IPv4": _fragment4,
    "fragments of IPv6": _fragment6,
    "queries of IGMP": _query,
    "queries of MLD": _query6,
    "pings": lambda rng: ipv4._ping(src=somebody(rng, NEAR)),
    "pings of IPv6": lambda rng: frames.icmpv6(src=somebody(rng, NEAR6)),
    "datagrams to a socket that reads none": lambda rng: frames.udp(
        rng.randbytes(200), dport=6000, src=somebody(rng, NEAR)
    ),
    "datagrams to closed ports": lambda rng: frames.udp(dport=rng.randrange(1, 5000), src=somebody(rng, NEAR)),
    "segments to closed ports": lambda rng: frames.tcp(dport=rng.randrange(1, 65536), flags=2, src=somebody(rng, NEAR)),
    "unknown protocols": lambda rng: frames.eth(
        frames.ipv4(b"?" * 8, rng.randrange(140, 256), src=somebody(rng, NEAR))
    ),
    "options of IPv4": _option,
    "extension headers": _headers6,
    "anything": _anything,
}


class Neighbour(Peer):
    """Leaves answers to what the flood asks undecoded."""

    def write_burst(self, burst):
        super().write_burst([(t, f) for t, f in burst if asks(f) or f.rstrip(b"\0").endswith(HERE)])


def asks(frame):
    return frame[12:14] == ARP or frame[12:14] + frame[20:21] + frame[54:55] == SOLICITATION


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_a_minute(name):
    rng, end = Random(name), Neighbour({GATEWAY: frames.PEER, GATEWAY6: frames.PEER})
    with peer.host_with(
        end,
        ip=[f"{OWN4}/8", f"{OWN6}/64", "fe80::2/64"],
        gateway=[GATEWAY, "fe80::1"],
        accept_ra=True,
        link="inf",
        speed="1",
        icmp_msgs_per_sec=100,
    ) as host:
        deaf = host.udp(6000)
        deaf.setsockopt(socket.IPPROTO_IP, cmsg.IP_RECVERR, 1)
        answered = Counter()
        for second in range(60):
            at = second * SECOND
            for i in range(A_SECOND):
                host.feed(FLOODS[name](rng), at_ns=at + i * SECOND // A_SECOND // 2)
            host.feed([frames.icmp(HERE), frames.icmpv6(HERE)], at_ns=at + SECOND * 3 // 4)
            host.run(until_ns=at + SECOND - 1)
            answered.update((s.dst_ip, s.payload[0]) for s in end.seen if s.payload.endswith(HERE))
            end.seen.clear()
            if second == 40:
                began = resident()
        assert resident() - began < SLACK
        assert answered == {(GATEWAY, 0): 60, (GATEWAY6, 129): 60}
