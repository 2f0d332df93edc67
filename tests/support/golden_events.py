"""A small run in which everything happens that the log has a record for, as text: tests/golden/events.txt.

scripts/generate writes it, so that a change of what is logged, or when, is seen as lines that differ.
"""

import io

import fragments
import frames
from logged import play
from paths import TESTS
from slices import Load

from vnic.events import text, written

GOLDEN = TESTS / "golden/events.txt"


def load() -> Load:
    """Three TCP segments that GRO merges; a segment too early; a datagram in fragments, and one that stays incomplete;
    a burst of datagrams that overruns FIFO, ring, backlog and receive buffer; an answered ping; an unknown protocol."""
    parts = [fragments.frame(f) for f in fragments.cut(4, fragments.datagram(4, bytes(40)), [0, 16, 32])]
    lone = [fragments.frame(f) for f in fragments.cut(4, fragments.datagram(4, bytes(40)), [0, 16, 32], id=2)][:2]
    arrivals = [(i * 100, frames.tcp(bytes(100), seq=1 + 100 * i, dport=80)) for i in range(3)]
    arrivals += [
        (30_000, frames.tcp(bytes(100), seq=501, dport=80)),
        (40_000, frames.tcp(bytes(200), seq=301, dport=80)),
    ]
    arrivals += [(60_000 + 100 * i, part) for i, part in enumerate(parts[::-1])]
    arrivals += [(80_000 + 100 * i, part) for i, part in enumerate(lone)]
    arrivals += [(100_000, frames.udp(bytes(20), sport=1, dport=53)) for _ in range(30)]
    arrivals += [(200_000, frames.icmp()), (210_000, frames.eth(bytes(46), type=0x88B5))]
    arrivals += [(300_000, frames.udp(dport=53))]
    knobs = {
        "cpus": 3, "queues": 2, "rx_ring": 16, "fifo": 1300, "link": "inf", "rps_cpus": 4, "netdev_max_backlog": 3,
        "rcvbuf": 2500, "rx_usecs": 20, "rx_frames": 2, "gro_flush_timeout": 20_000, "napi_defer_hard_irqs": 1,
        "threaded": True, "ip": "10.0.0.2/24", "faults": ("hash-wrong:nth=5",),
    }  # fmt: skip
    return Load(knobs, {}, arrivals)


def golden() -> str:
    """The records, then the rows of the frames."""
    events = play(load())
    lines = [text.HEAD, *(text.line(event, events.flows) for event in events)]
    rows = io.BytesIO()
    written.csv(events.frames, rows)
    return "\n".join(lines) + "\n\n" + rows.getvalue().decode()
