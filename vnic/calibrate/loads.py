"""One round of samples: medians in ns, by name. ladder.py explains each; csrc/wire/calibrate.c takes the times."""

from __future__ import annotations

import bisect
import errno
import os
import random
import socket
import statistics
import time
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.calibrate.sandbox import PORT, Device, open_tap
from vnic.calibrate.state import softnet
from vnic.errors import VnicError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Samples = dict[str, float]

BATCH, WARM, REPS = 32, 8, 100
_REMOTE_REPS = 50
SINGLES = {"20us": (0, 100_000, 600), "200us": (100_000, 1_000_000, 250), "2ms": (1_000_000, 3_000_000, 50)}
"""About how long the reader sleeps before each write -> least and most ns, and how many writes."""
_FEWEST = 20
"""If less than one in so many samples of a load can be used, the round has no sample of it."""
_MEAN_NS = 20_000
"""Short sleeps are drawn: packets that come at random find a CPU that has just gone to sleep more often than others."""
_IPI_GAP_NS, _IPI_WRITES = 60_000, 500
_BURST, _BURSTS, _BURST_GAP_NS = 64, 60, 400_000
_TICK_NS = 250_000_000
_GAPS = 1 << 16
_MONOTONIC_COARSE = 6
_PHASE_NS = 40_000
"""A tick comes at most so much later than the earliest one of its phase."""
_LINE = 64


_HOW = {"none": lib.READER_NONE, "spin": lib.READER_SPINS, "sleep": lib.READER_SLEEPS}
_CALLS = {
    "clock": lib.RUNG_CLOCK,
    "syscall": lib.RUNG_SYSCALL,
    "empty": lib.RUNG_EMPTY,
    "refused": lib.RUNG_REFUSED,
}


def _median(values: Iterable[int], per: int = 1) -> float:
    return statistics.median(values) / per


class Frame:
    """A frame at the begin of a cache line: where it lies decides how fast it is copied."""

    def __init__(self, data: bytes) -> None:
        self.len = len(data)
        self._memory = ffi.new("u8[]", self.len + _LINE)
        self.at = self._memory + -int(ffi.cast("uintptr_t", self._memory)) % _LINE
        ffi.memmove(self.at, data, self.len)


class Loads:
    """The TAPs and frames of a run, and the CPUs: ``reader`` is None if there is one CPU only."""

    def __init__(self, writer: int, reader: int | None) -> None:
        self._writer, self._reader = writer, reader
        self._plain, self._napi = open_tap(0, napi=False), open_tap(1, napi=True)
        self._own, self._far = open_tap(2, napi=True), open_tap(3, napi=True)
        self._held: Any = None
        """What C points to during a call."""
        self.rps = self._own.steer(1 << writer) and (reader is None or self._far.steer(1 << reader))
        frames = {
            "ether": self._plain.unhandled(60),
            "badsum": self._plain.frame(60, checksum="bad"),
            "udp": self._plain.frame(60),
            "udp1514": self._plain.frame(1514),
            "sum1514": self._plain.frame(1514, checksum="good"),
            "napi.ether": self._napi.unhandled(60),
            "napi.badsum": self._napi.frame(60, checksum="bad"),
            "own.badsum": self._own.frame(60, checksum="bad"),
            "far.badsum": self._far.frame(60, checksum="bad"),
        }
        self._frames = {name: Frame(data) for name, data in frames.items()}
        self._short = Frame(bytes(4))
        """Shorter than an Ethernet header: the TAP refuses it before it makes an skb."""

    def steps(self) -> Iterator[Samples]:
        """Take one round, in pieces of half a second at most."""
        yield self._ladder()
        if self._reader is not None:
            yield self._remote_reads(self._reader)
            for how in ("none", "spin"):
                yield self._wakes(how, "20us", self._reader)
            for gap in SINGLES:
                yield self._wakes("sleep", gap, self._reader)
        for how in ("none", "sleep"):
            yield self._wakes(how, "20us", self._writer, prefix="same.")
        if self._reader is not None:
            yield self._ticks()
            if self.rps:
                yield self._single(self._napi, "napi.badsum")
                yield self._steals()
                yield self._bursts(self._reader)

    def _socket(self) -> socket.socket:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((self._plain.ip, PORT))
        return s

    def _ladder(self) -> Samples:
        rungs = [
            *((name, kind, self._plain) for name, kind in _CALLS.items()),
            *((name, lib.RUNG_WRITE, self._plain) for name in ("ether", "badsum")),
            *((name, lib.RUNG_QUEUED, self._plain) for name in ("udp", "udp1514", "sum1514")),
            *((name, lib.RUNG_WRITE, self._napi) for name in ("napi.ether", "napi.badsum")),
            *([("own.badsum", lib.RUNG_WRITE, self._own)] if self.rps else []),
        ]
        at = ffi.new("struct rung[]", len(rungs))
        writes, reads = ([ffi.new("u64[]", REPS) for _ in rungs] for _ in range(2))
        frames = [self._frames.get(name, self._short) for name, *_ in rungs]
        with self._socket() as sock:
            for i, (_, kind, device) in enumerate(rungs):
                at[i].kind, at[i].fd, at[i].sock = kind, device.fd, sock.fileno()
                at[i].frame, at[i].len, at[i].write_ns, at[i].read_ns = frames[i].at, frames[i].len, writes[i], reads[i]
            _check(lib.calibrate_ladder(at, len(rungs), self._writer, REPS, BATCH, WARM), "write to a TAP")
        out = {name: _median(writes[i], BATCH) for i, (name, *_) in enumerate(rungs)}
        queued = {f"recv.{n}": _median(reads[i], BATCH) for i, (n, k, _) in enumerate(rungs) if k == lib.RUNG_QUEUED}
        return out | queued

    def _remote_reads(self, reader: int) -> Samples:
        out: Samples = {}
        with self._socket() as sock:
            for name in ("udp", "udp1514"):
                rung = ffi.new("struct rung *")
                writes, reads, first = (ffi.new("u64[]", _REMOTE_REPS) for _ in range(3))
                frame = self._frames[name]
                rung.frame, rung.len, rung.fd, rung.sock = frame.at, frame.len, self._plain.fd, sock.fileno()
                rung.write_ns, rung.read_ns = writes, reads
                rc = lib.calibrate_remote(rung, self._writer, reader, _REMOTE_REPS, BATCH, first)
                _check(rc, "read on another CPU")
                out[f"remote.{name}"] = _median(reads, BATCH)
                if name == "udp":
                    out["first"], out["next"] = _median(first), _median(writes, BATCH)
        return out

    def _wakes(self, how: str, gap: str, reader: int, prefix: str = "") -> Samples:
        gaps = drawn(*SINGLES[gap]) if reader != self._writer else [_MEAN_NS] * SINGLES[gap][2]
        n, w = len(gaps), self._singles(self._plain, "udp", gaps)
        w.how, w.reader = _HOW[how], reader
        with self._socket() as sock:
            w.sock = sock.fileno()
            writes, reads = self._run_singles(w)
        if how == "none":
            return {f"{prefix}{how}.{gap}.write": _median(writes)}
        # The scheduler may let a reader on the writer's CPU preempt it: then the write's time has the reader's in it,
        # and the read came before the write's end. Such phases last for many writes, which are left out.
        came = [(write, read) for write, read in zip(writes, reads, strict=True) if read or not prefix]
        if len(came) * _FEWEST < n:
            return {}
        name = f"{prefix}{how}.{gap}"
        return {f"{name}.write": _median([w for w, _ in came]), f"{name}.read": _median([r for _, r in came])}

    def _single(self, device: Device, name: str) -> Samples:
        return {
            f"single.{name}": _median(self._run_singles(self._singles(device, name, [_IPI_GAP_NS] * _IPI_WRITES))[0])
        }

    def _singles(self, device: Device, name: str, gaps_ns: list[int]) -> Any:
        """Return a request for single writes without a reader, from one CPU while the other one is idle."""
        w, frame, n = ffi.new("struct wakes *"), self._frames[name], len(gaps_ns)
        w.write_ns, w.read_ns, w.gap_ns = self._held = (
            *(ffi.new("u64[]", n) for _ in range(2)),
            ffi.new("u64[]", gaps_ns),
        )
        w.frame, w.len, w.n, w.fd, w.sock, w.how = frame.at, frame.len, n, device.fd, -1, lib.READER_NONE
        w.writer, w.reader = self._writer, self._reader if self._reader is not None else self._writer
        return w

    def _run_singles(self, w: Any) -> tuple[list[int], list[int]]:
        _check(lib.calibrate_wakes(w), "write single frames to a TAP")
        return ffi.unpack(w.write_ns, w.n), ffi.unpack(w.read_ns, w.n)

    def _gaps(self, burst: int, gap_ns: int, n: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Spin on the reader's CPU while this one writes. Return: begin and end of each burst, and of each gap."""
        s, frame = ffi.new("struct steals *"), self._frames["far.badsum"]
        begun, written, first, last = (ffi.new("u64[]", size) for size in (n, n, _GAPS, _GAPS))
        s.frame, s.len, s.begun_ns, s.written_ns, s.from_ns, s.until_ns = (
            frame.at,
            frame.len,
            begun,
            written,
            first,
            last,
        )
        s.gap_ns, s.n, s.burst, s.writer, s.spinner, s.room = gap_ns, n, burst, self._writer, self._reader, _GAPS
        s.fd = self._far.fd
        _check(lib.calibrate_steals(s), "time a spinning thread")
        gaps = zip(ffi.unpack(first, s.ngaps), ffi.unpack(last, s.ngaps), strict=True) if s.ngaps else ()
        return list(zip(begun, written, strict=True)), list(gaps)

    def _steals(self) -> Samples:
        writes, gaps = self._gaps(1, _IPI_GAP_NS, _IPI_WRITES)
        stolen, delivery = after_each(writes, gaps, _IPI_GAP_NS)
        if len(stolen) * _FEWEST < _IPI_WRITES:
            return {}
        busy = _median([end - begin for begin, end in writes])
        return {"stolen": _median(stolen), "delivery": _median(delivery), "busy.far.badsum": busy}

    def _bursts(self, reader: int) -> Samples:
        """Hand over bursts by RPS: most of their packets cost the other CPU no interrupt of their own."""
        before = softnet((reader,))
        bursts, gaps = self._gaps(_BURST, _BURST_GAP_NS, _BURSTS)
        ipis = softnet((reader,))["received_rps"] - before["received_rps"]
        stolen = _median(in_each(bursts, gaps, _BURST_GAP_NS))
        return {"burst.stolen": stolen, "burst.ipis": ipis / _BURSTS, "burst.frames": _BURST}

    def _ticks(self) -> Samples:
        """Time the tick. The lower quartile is the tick alone: others have RCU's and timers' softirqs in them."""
        period_ns = round(time.clock_getres(_MONOTONIC_COARSE) * 1e9)  # this clock moves at each tick
        _, gaps = self._gaps(0, _TICK_NS, 1)
        found = periodic(gaps, period_ns)
        return {"hz": 1e9 / period_ns} | ({"tick": statistics.quantiles(found, n=4)[0]} if found else {})


def drawn(least: int, most: int, n: int) -> list[int]:
    """Return n times to sleep: short ones as between packets at random, longer ones evenly. The same in each round."""
    r = random.Random(1)
    if least:
        return [r.randrange(least, most) for _ in range(n)]
    return [min(most, round(r.expovariate(1 / _MEAN_NS))) for _ in range(n)]


def after_each(
    writes: list[tuple[int, int]], gaps: list[tuple[int, int]], within_ns: int
) -> tuple[list[int], list[int]]:
    """Match a spinning thread's gaps with writes on another CPU. Return: lengths, and when after the write each began.

    The longest gap between a write's begin and the next write is the interrupt's: shorter ones are the machine's noise.
    The gap may begin before the write has ended, while the writer is on its way out of the kernel: less than 0.
    """
    begins, ends = [first for first, _ in gaps], [last for _, last in gaps]
    lengths, delays = [], []
    for begin, end in writes:
        near = gaps[bisect.bisect_right(ends, begin) : bisect.bisect_left(begins, begin + within_ns)]
        if near:
            first, last = max(near, key=lambda gap: gap[1] - gap[0])
            lengths.append(last - first)
            delays.append(first - end)
    return lengths, delays


def in_each(bursts: list[tuple[int, int]], gaps: list[tuple[int, int]], after_ns: int) -> list[int]:
    """Return how much of a spinning thread's time is missing from each burst's begin to ``after_ns`` after its end."""
    begins = [first for first, _ in gaps]
    out = []
    for begin, end in bursts:
        near = gaps[bisect.bisect_left(begins, begin) : bisect.bisect_left(begins, end + after_ns)]
        out.append(sum(last - first for first, last in near))
    return out


def periodic(gaps: list[tuple[int, int]], period_ns: int) -> list[int]:
    """Find the tick among a spinning thread's gaps: at one phase, in most periods. Return: lengths; none: no tick."""
    if not gaps:
        return []
    phases = sorted(first % period_ns for first, _ in gaps)
    around = phases + [phase + period_ns for phase in phases]
    best = max(phases, key=lambda p: bisect.bisect_right(around, p + _PHASE_NS) - bisect.bisect_left(around, p))
    longest: dict[int, int] = {}
    for first, last in gaps:
        if (first - best) % period_ns <= _PHASE_NS:
            nth = (first - best) // period_ns
            longest[nth] = max(longest.get(nth, 0), last - first)
    span = gaps[-1][1] - gaps[0][0]
    return list(longest.values()) if len(longest) >= max(5, 0.6 * span / period_ns) else []


def _check(rc: int, doing: str) -> None:
    if rc == -errno.ENODATA:
        raise VnicError(f"{doing}: the kernel lost datagrams on their way to a socket with room")
    if rc == -errno.ETIMEDOUT:
        raise VnicError(f"{doing}: the reader had no CPU for a second: the machine is too busy")
    if rc < 0:
        raise VnicError(f"{doing}: {os.strerror(-rc)}")
