"""A capture in which a card is overrun: 20 ms of a link of 10 Gbit/s, with three bursts at its full rate.

What it is made of: UDP of few flows at random times all the time; trains of TCP segments, which GRO merges; three
bursts of small datagrams back to back, each longer than a ring of 256 descriptors and a FIFO of 64 kB can hold; pings,
ARP, and a few datagrams with a wrong checksum. With Linux's defaults the card's FIFO loses most of the frames that are
lost, and a socket whose reader shares its CPU with the interrupt loses others. Nothing here depends on the machine: the
bytes are always the same.

Usage: python tests/support/overload_capture.py OUT.pcap
"""

import random
import struct
import sys
from pathlib import Path

import frames
from captures import T0, S, pcap

US, MS = 1_000, 1_000_000
LINK_BITS_PER_NS = 10
DURATION_NS = 20 * MS
BURSTS = ((4 * MS, 1800), (9 * MS, 3600), (15 * MS, 2600))
"""Begin and number of frames."""
SEED = 7


def on_the_wire(frame: bytes) -> int:
    """How long the frame takes on the link: with preamble, checksum and gap, and padded; ns."""
    return (max(len(frame), 60) + 24) * 8 // LINK_BITS_PER_NS


def steady(chance: random.Random) -> list:
    """UDP of six flows, a datagram every 4 us on average."""
    out, t = [], 0.0
    while (t := t + chance.expovariate(1 / (4 * US))) < DURATION_NS:
        flow = chance.randrange(6)
        out.append((int(t), frames.udp(bytes(chance.choice((30, 120, 512))), sport=2000 + flow, dport=5000 + flow)))
    return out


def trains() -> list:
    """Four TCP streams: each sends 16 full segments back to back, every 1.6 ms."""
    out, sent = [], [0] * 4
    for begin in range(200 * US, DURATION_NS, 400 * US):
        stream, t = begin // (400 * US) % 4, begin
        for i in range(16):
            seq, flags = 1 + 1448 * sent[stream], frames.ACK | frames.PSH * (i == 15)
            segment = frames.tcp(
                bytes(1448), sport=40000 + stream, dport=8080, seq=seq, flags=flags, id=sent[stream] & 0xFFFF
            )
            out.append((t, segment))
            t += on_the_wire(segment)
            sent[stream] += 1
    return out


def bursts() -> list:
    """Small datagrams of 40 flows at the link's full rate: to eight ports, then all to one, then to eight again."""
    out = []
    for (begin, n), ports in zip(BURSTS, (8, 1, 8), strict=True):
        kinds = [frames.udp(bytes(22), sport=3000 + i, dport=5100 + i % ports) for i in range(40)]
        out += [(begin + i * on_the_wire(kinds[0]), kinds[i * 7 % 40]) for i in range(n)]
    return out


def odd_ones() -> list:
    """A ping every 2 ms, ARP, and datagrams with a wrong checksum."""
    out = [(t, frames.icmp(bytes(32))) for t in range(MS, DURATION_NS, 2 * MS)]
    out += [(t, frames.arp()) for t in range(3 * MS, DURATION_NS, 5 * MS)]
    return out + [(t, frames.udp(bytes(30), dport=5003, check=0x1234)) for t in range(700 * US, DURATION_NS, 3 * MS)]


def traffic() -> list:
    """All frames: (time in ns, bytes), in order. Two that would meet on the link follow each other."""
    arrivals = sorted([*steady(random.Random(SEED)), *trains(), *bursts(), *odd_ones()], key=lambda arrival: arrival[0])
    out, free = [], 0
    for t, frame in arrivals:
        begin = max(t, free)
        out.append((begin, frame))
        free = begin + on_the_wire(frame)
    return out


def capture() -> bytes:
    """The bytes of the file, stamped in ns."""
    records = (struct.pack("<IIII", *divmod(T0 + t, S), *[len(frame)] * 2) + frame for t, frame in traffic())
    return pcap([], nano=True) + b"".join(records)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit((__doc__ or "").rsplit("\n\n", 1)[-1])
    Path(sys.argv[1]).write_bytes(capture())
