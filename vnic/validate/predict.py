"""What vnic says becomes of the same writes: a replay with the costs measured around the load.

How a TAP's writer is told to vnic, fixed before any result was seen:

* The write() stands for the card and its interrupt. A frame arrives when its write began; what a write that the TAP
  refuses takes is the hardirq; softirq and poll follow in the same call, as behind an interrupt. DMA costs nothing.
* The reader's work, and its look at the clock, are part of each recv(). A latency ends when recv() returns, so the work
  is taken off.
* The socket's buffer holds as many datagrams as the kernel's: truesize differs, because a TAP allocates its packets in
  another way than a card.
* Nothing else is set: one queue, no moderation, GRO on, Linux's defaults.
"""

from __future__ import annotations

import functools
import statistics
import struct
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic.calibrate import ladder, sandbox
from vnic.host import Host
from vnic.knobs.cost import Figure, Profile
from vnic.runs.replay import replay
from vnic.validate.scenario import FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.calibrate.loads import Samples
    from vnic.validate.load import Seen
    from vnic.validate.scenario import Scenario

_MAC, _IP, _SOURCE = "02:00:00:00:01:04", "10.9.4.1", "10.9.4.2"
_READ = ("recv", "recv-remote")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a load, seen or predicted. Shares are of the frames sent; times in ns."""

    lost: float
    wakeups: float
    ipis: float
    p50: float
    p99: float
    busy: float
    """Share of the time that the reader's CPU was busy: its task, the switches to it, and what interrupts it."""
    processed: float
    time_squeeze: float
    dropped: float
    """Frames lost at the backlog; all others are lost at the socket."""


def costs(rounds: Sequence[Samples], base: Profile, seen: Seen) -> Profile:
    """Return the profile of these rounds, as a TAP's writer and this reader have it."""
    measured = ladder.profile(rounds, base, name="measured", what="between the loads", facts={})
    figures = measured.figures()

    def middle(name: str) -> float:
        return statistics.median(samples[name] for samples in rounds)

    more = seen.work_ns + round(middle("clock"))
    own = {key: Figure(figures[key][0].value + more) for key in _READ}
    own |= {"dma": Figure(0), "dma-ps": Figure(0), "hardirq": Figure(round(middle("refused")))}
    return Profile("tap", "a TAP's writer", measured, own)


def knobs(scenario: Scenario, seen: Seen, hz: int) -> dict[str, Any]:
    """Return the knobs of the replay: CPU 0 is the writer's, CPU 1 the reader's."""
    own = {"cpus": 2, "reader_cpu": 1, "hz": hz, "rcvbuf": round(seen.rcvbuf * truesize() / seen.truesize)}
    ring = {"rx_ring": 4096, "fifo": 1 << 24, "link": "inf", "promisc": True}
    return own | ring | ({"rps_cpus": "2"} if scenario.rps else {})


@functools.cache
def truesize() -> int:
    """Return what vnic charges a socket for one frame of the loads."""
    with Host(ip=f"{_IP}/24", mac=_MAC, cost="zero") as host:
        sock = host.udp(sandbox.PORT)
        host.feed(frame())
        host.run()
        return int(sock.meminfo().rmem_alloc)


@functools.cache
def frame() -> bytes:
    """Return a frame of the loads."""
    return sandbox.udp_frame(_MAC, _SOURCE, _IP, FRAME)


def capture(times_ns: Sequence[int], data: bytes) -> bytes:
    """Return a capture with one frame, over and over, at these times."""
    head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    size = struct.pack("<II", len(data), len(data))
    return head + b"".join(struct.pack("<II", *divmod(t, 10**9)) + size + data for t in times_ns)


def predict(scenario: Scenario, seen: Seen, profile: Profile, hz: int) -> Outcome:
    """Replay the load."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(capture(seen.begun_ns, frame()))
        file.flush()
        cost = {key: figure.value for key, (figure, _) in profile.figures().items()}
        found = replay([file.name], cost=cost, **knobs(scenario, seen, hz)).facts
    n, cpus, total = found["ledger"]["offered"], found["cpus"], found["latency_ns"]["total"]
    fates = found["ledger"]["fates"]

    def of(name: str) -> float:
        return float(sum(cpu[name] for cpu in cpus) / n)

    return Outcome(
        lost=1 - fates.get("DELIVERED_UDP", 0) / n,
        wakeups=of("reader_wakeups"),
        ipis=of("received_rps"),
        p50=total["p50"] - seen.work_ns,
        p99=total["p99"] - seen.work_ns,
        busy=min(1.0, cpus[1]["busy"] * found["elapsed_ns"] / _span(seen)),
        processed=of("processed"),
        time_squeeze=of("time_squeeze"),
        dropped=of("dropped"),
    )


def outcome(seen: Seen) -> Outcome:
    """Return what the kernel did."""
    n = len(seen.begun_ns)
    latencies = sorted(read - begun for begun, read in zip(seen.begun_ns, seen.read_ns, strict=True) if read)

    def at(share: float) -> float:
        return float(latencies[min(len(latencies) - 1, int(len(latencies) * share))]) if latencies else 0.0

    c = seen.counters
    return Outcome(
        lost=1 - len(latencies) / n,
        wakeups=c["sleeps"] / n,
        ipis=c["received_rps"] / n,
        p50=at(0.5),
        p99=at(0.99),
        busy=min(1.0, seen.reader_ns / _span(seen)),
        processed=c["processed"] / n,
        time_squeeze=c["time_squeeze"] / n,
        dropped=c["dropped"] / n,
    )


def _span(seen: Seen) -> int:
    return max(1, max(seen.begun_ns[-1], *seen.read_ns) - seen.begun_ns[0])
