"""Hypothesis strategies: traffic from well-formed to hostile, and configs of a host.

Hypothesis draws what kinds of bursts come, and when; a burst's bytes come from a seed. So examples are large, quickly
made, and still shrink to the one burst that matters.
"""

import struct
from random import Random

import fragments
import frames
from frames import ACK, CWR, FIN, PSH, RST, SYN, URG
from hypothesis import strategies as st

V4 = {"src": "10.0.0.1", "dst": "10.0.0.2"}
V6 = {"src": "fd00::1", "dst": "fd00::2"}
DATA = bytes(range(256)) * 6
THEIRS, GROUP, BROADCAST = b"\x02\0\0\0\0\x99", b"\x01\0\x5e\0\0\xfb", b"\xff" * 6


def _udp(r: Random) -> bytes:
    link = {
        "dst": r.choice([frames.MAC] * 6 + [THEIRS, GROUP, BROADCAST]),
        "vlan": r.choice([None] * 6 + [0, 5, 0x6005]),
    }
    ip = r.choice([V4, V4, V6, {"src": "10.0.0.1", "dst": "10.0.0.77"}, {"src": "224.0.0.1", "dst": "10.0.0.2"}])
    return frames.udp(
        DATA[: r.choice([0, 1, 18, 300, r.randrange(1473)])],
        sport=r.randrange(1000, 1020),
        dport=r.choice([53, 5000, 5000, 5001, r.randrange(65536)]),
        check=r.choice([None] * 8 + [0, 1]),
        mac=link,
        **ip,
    )


def _tcp(r: Random) -> bytes:
    return frames.tcp(
        DATA[: r.randrange(1461)],
        sport=r.choice([1000, 1001, 0]),
        seq=r.choice([r.randrange(4000), r.randrange(2**32)]),
        flags=r.choice([SYN, ACK, ACK, ACK | PSH, ACK | FIN, RST, SYN | FIN, 0, ACK | CWR, ACK | URG]),
        check=r.choice([None] * 9 + [1]),
        **r.choice([V4, V6]),
    )


def _other(r: Random) -> bytes:
    return r.choice(
        [
            frames.icmp(DATA[: r.randrange(1000)], check=r.choice([None, None, 1])),
            frames.icmpv6(DATA[: r.randrange(1000)]),
            frames.igmp(),
            frames.arp(op=r.randrange(4)),
            frames.eth(r.randbytes(r.randrange(60)), type=r.randrange(1501)),  # LLC
            frames.eth(r.randbytes(r.randrange(60)), type=0x88B5),
            frames.eth(frames.ipv4(b"unknown", 253)),
            frames.udp(frag=0x2000),
        ]
    )


def _hostile(r: Random) -> bytes:
    """Lengths that lie, chains of extension headers, stacks of tags."""
    length = r.choice([0, 1, 7, 8, 19, 20, 21, 39, 40, 1500, 65535])
    kind = r.randrange(7)
    if kind == 0:
        return frames.udp(b"x" * 30, total=length)
    if kind == 1:
        return frames.udp(b"x" * 30, length=length)
    if kind == 2:
        return frames.udp(b"x" * 30, **V6)[:18] + struct.pack("!H", length) + bytes(60)
    if kind == 3:
        segment = struct.pack("!HHIIBB", 1, 80, 0, 0, r.randrange(256), ACK) + bytes(26)
        return frames.eth(frames.ipv4(segment, 6))
    if kind == 4:
        return frames.eth(bytes([0x40 | r.randrange(16)]) + frames.ipv4(b"x" * 30, 17)[1:])
    if kind == 5:
        headers = [
            bytes([r.choice((0, 43, 44, 59, 60, 17, 6)), r.randrange(4)]) + bytes(6) for _ in range(r.randrange(20))
        ]
        return frames.eth(frames.ipv6(b"".join(headers), r.choice((0, 43, 60))), type=0x86DD)
    tags = struct.pack("!HH", 0x8100, r.choice((0, 5))) * r.randrange(1, 8)
    return frames.MAC + frames.PEER + tags + frames.udp()[12:]


def _mutated(r: Random) -> bytes:
    frame = bytearray(r.choice([_udp, _tcp, _other])(r))
    for _ in range(r.randrange(1, 4)):
        frame[r.randrange(min(len(frame), 80))] = r.randrange(256)
    return bytes(frame)


def _stream(r: Random) -> list[bytes]:
    """Segments of one flow that GRO would like to merge; maybe some out of place, lost or doubled."""
    ip, size, n = r.choice([V4, V6]), r.choice([1, 100, 1448]), r.randrange(2, 40)
    order = list(range(n)) if r.random() < 0.5 else [r.randrange(n) for _ in range(n)]
    start, sport = r.choice((1, 2**32 - 3000)), r.randrange(1000, 1010)
    return [frames.tcp(DATA[:size], sport=sport, seq=start + i * size, **ip) for i in order]


BURSTS = {
    "udp": lambda r: [_udp(r) for _ in range(r.randrange(1, 20))],
    "one": lambda r: [_udp(r)] * r.randrange(1, 80),
    "tcp": lambda r: [_tcp(r) for _ in range(r.randrange(1, 10))],
    "stream": _stream,
    "streams": lambda r: [s for pair in zip(_stream(r), _stream(r), strict=False) for s in pair],
    "other": lambda r: [_other(r) for _ in range(r.randrange(1, 10))],
    "hostile": lambda r: [_hostile(r) for _ in range(r.randrange(1, 10))],
    "mutated": lambda r: [_mutated(r) for _ in range(r.randrange(1, 10))],
    "cut": lambda r: [f[: r.randrange(90)] for f in (_udp(r), _tcp(r), _other(r))],
    "fragments": lambda r: [fragments.frame(f) for f in fragments.batch(r, r.choice((4, 6)), r.randrange(4) * 16)],
    "padded": lambda r: [_udp(r) + bytes(r.randrange(60)), _tcp(r) + bytes(r.randrange(60))],
    "noise": lambda r: [r.randbytes(r.randrange(200))],
    "long": lambda r: [frames.udp(bytes(r.randrange(9000)))],
}


@st.composite
def traffic(draw):
    """[(t_ns, frame)], from back to back to far apart."""
    bursts = st.tuples(
        st.sampled_from(sorted(BURSTS)),
        st.integers(0, 2**16),
        st.sampled_from((0, 0, 1, 100, 5000, 1_000_000)),
    )
    t, out = 0, []
    for kind, seed, gap in draw(st.lists(bursts, min_size=1, max_size=25)):
        for frame in BURSTS[kind](Random(seed)):
            t += gap
            out.append((t, frame))
    return out


@st.composite
def configs(draw):
    """Keyword arguments of vnic.Host; and python: are there handlers and a filter in Python?"""
    cpus = draw(st.integers(1, 4))
    usecs = draw(st.sampled_from((0, 0, 1, 20, 500)))
    config = {
        "cpus": cpus,
        "queues": draw(st.integers(1, 4)),
        "rx_ring": draw(st.sampled_from((16, 17, 100, 256))),
        "rx_buf_len": draw(st.sampled_from((128, 200, 256, 1000, 2048))),
        "rx_pool": draw(st.sampled_from((64, 65, 300, 2000))),
        "fifo": draw(st.sampled_from((65536, 65536, 4000, 60))),
        "rps_cpus": draw(st.integers(0, (1 << cpus) - 1)),
        "rps_flow_cnt": draw(st.sampled_from((0, 0, 1, 64))),
        "rps_sock_flow_entries": draw(st.sampled_from((0, 1, 1024))),
        "flow_limit_cpus": draw(st.sampled_from((0, 0, 15))),
        "flow_limit_table_len": draw(st.sampled_from((1, 4096))),
        "ntuple": draw(st.booleans()),
        "gro": draw(st.booleans()),
        "gro_flush_timeout": draw(st.sampled_from((0, 0, 10_000, 20_000_000))),
        "napi_defer_hard_irqs": draw(st.sampled_from((0, 0, 1, 10))),
        "rx_usecs": usecs,
        "rx_frames": draw(st.sampled_from((1, 2, 16) if usecs == 0 else (0, 1, 8))),
        "threaded": draw(st.sampled_from((False, False, True))),
        "busy_read": draw(st.sampled_from((0, 0, 5, 50))),
        "busy_poll_budget": draw(st.sampled_from((1, 8))),
        "prefer_busy_poll": draw(st.booleans()),
        "rx_gro_list": draw(st.sampled_from((False, False, True))),
        "rx_udp_gro_forwarding": draw(st.booleans()),
        "gro_max_size": draw(st.sampled_from((65536, 65536, 2000, 500_000))),
        "gro_flows": draw(st.sampled_from((0, 0, 16))),
        "weight": draw(st.sampled_from((1, 7, 64))),
        "netdev_budget": draw(st.sampled_from((1, 10, 300))),
        "netdev_budget_usecs": draw(st.sampled_from((1, 2000, 8000))),
        "netdev_max_backlog": draw(st.sampled_from((0, 5, 1000))),
        "hz": draw(st.sampled_from((100, 250, 1000))),
        "rcvbuf": draw(st.sampled_from((0, 3000, 20_000, 212_992))),
        "reader_cpu": draw(st.sampled_from(("any", 0, cpus - 1))),
        "sockets": draw(st.sampled_from((16, 17, 1000))),
        "cost": draw(st.sampled_from(("linux", "zero"))),
        "mtu": draw(st.sampled_from((0, 0, 0, 576))),
        "mac": draw(st.sampled_from(("any", "02:00:00:00:00:01"))),
        "promisc": draw(st.booleans()),
        "rxhash": draw(st.booleans()),
        "rx": draw(st.booleans()),
        "drop_en": draw(st.booleans()),
        "link": draw(st.sampled_from(("inf", "100M", "10G"))),
        "speed": draw(st.sampled_from(("1", "max"))),
        "ip": draw(st.sampled_from(("any", "any", "10.0.0.2/24"))),
        "sink": draw(st.booleans()),
        "python": draw(st.sampled_from((False, False, True))),
    }
    if config["rx_frames"] > 1 and usecs == 0:
        config["rx_frames"] = 1  # frames that stay fewer than that would wait for ever, as on a real card
    return config
