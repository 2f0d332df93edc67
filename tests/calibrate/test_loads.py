"""What the loads measure: gaps of a spinning thread; and, on a running kernel, that physics' order holds."""

import contextlib
import errno
import itertools
import os
import random
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic._core import ffi, lib
from vnic.calibrate import measure
from vnic.calibrate.loads import after_each, periodic

MS = 1_000_000


def noise(r, until, lengths=(300, 900), n=1000):
    return [(at, at + r.randrange(*lengths)) for at in r.sample(range(until), n)]


# ---- the timer tick among gaps ----


@pytest.mark.parametrize("hz", [100, 250, 300, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_the_tick_is_found_by_its_phase_among_other_gaps(hz, seed):
    r, period = random.Random(seed), 10**9 // hz
    phase, length = r.randrange(period), 7000
    ticks = [phase + i * period + r.randrange(5000) for i in range(hz // 2)]
    ticks = [(at, at + length) for at in ticks if r.random() > 0.1]
    found = periodic(sorted([*ticks, *noise(r, 500 * MS)]), period)
    assert sorted(found)[len(found) // 2] == length
    assert len(found) == pytest.approx(len(ticks), rel=0.2)


def test_gaps_without_that_period_have_no_tick():
    assert periodic([], 4 * MS) == []
    assert periodic([(5, 9)], 4 * MS) == []
    assert periodic(sorted(noise(random.Random(1), 500 * MS)), 4 * MS) == []
    assert periodic([(i * 3 * MS, i * 3 * MS + 7000) for i in range(100)], 4 * MS) == []


# ---- interrupts after writes ----


def test_a_gap_belongs_to_the_write_before_it_and_the_longest_wins():
    writes = [(1000, 3000), (101_000, 103_000), (201_000, 203_000)]
    gaps = [(500, 900), (2500, 9000), (20_000, 20_400), (103_500, 110_000), (180_000, 180_300)]
    assert after_each(writes, gaps, 90_000) == ([6500, 6500], [-500, 500])


@given(st.integers(0, 2**32), st.integers(-1500, 20_000), st.integers(1000, 9000))
def test_each_write_s_interrupt_is_found_among_noise(seed, delivery, length):
    r = random.Random(seed)
    writes = [(at, at + 2000) for at in range(0, 50 * MS, 100_000)]
    irqs = [(end + delivery, end + delivery + length) for _, end in writes]
    gaps = sorted([*irqs, *noise(r, 50 * MS, (300, 900), 500)])
    assert after_each(writes, gaps, 60_000) == ([length] * len(writes), [delivery] * len(writes))


# ---- the C side, without a TAP ----


def test_a_refused_write_and_an_empty_read_are_steps_of_the_ladder_too():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        at = ffi.new("struct rung[]", 3)
        keep = []
        for rung, kind in zip(at, (lib.RUNG_CLOCK, lib.RUNG_SYSCALL, lib.RUNG_EMPTY), strict=True):
            keep.append(ffi.new("u64[]", 4))
            rung.kind, rung.fd, rung.sock, rung.write_ns = kind, -1, s.fileno(), keep[-1]
        here = os.sched_getaffinity(0)
        try:
            assert lib.calibrate_ladder(at, 3, max(here), 4, 5, 1) == 0
            assert os.sched_getaffinity(0) == {max(here)}
        finally:
            os.sched_setaffinity(0, here)
        assert all(ns > 0 for times in keep for ns in times)


@pytest.mark.parametrize("kind", ["RUNG_WRITE", "RUNG_REFUSED"])
def test_a_descriptor_that_takes_no_frame_ends_the_ladder(kind):
    here = os.sched_getaffinity(0)
    at, frame, times = ffi.new("struct rung[]", 1), ffi.new("u8[]", 60), ffi.new("u64[]", 4)
    at[0].kind, at[0].fd, at[0].frame, at[0].len, at[0].write_ns = getattr(lib, kind), -1, frame, 60, times
    try:
        assert lib.calibrate_ladder(at, 1, max(here), 4, 5, 1) < 0
    finally:
        os.sched_setaffinity(0, here)


@pytest.fixture
def pair():
    """What is written to the first is read from the second. The thread may run where it could before."""
    here = os.sched_getaffinity(0)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(s) for s in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)]
    os.sched_setaffinity(0, here)


class Queued:
    """A rung whose frames reach a socket, four repetitions; before they are measured all its times are 0."""

    def __init__(self, to, sock):
        self.frame, self.writes, self.reads, self.first = ffi.new("u8[]", 60), *(ffi.new("u64[]", 4) for _ in range(3))
        self.at = ffi.new("struct rung[]", 1)
        self.at[0].kind, self.at[0].fd, self.at[0].sock = lib.RUNG_QUEUED, to.fileno(), sock.fileno()
        self.at[0].frame, self.at[0].len = self.frame, 60
        self.at[0].write_ns, self.at[0].read_ns = self.writes, self.reads

    def ladder(self, cpus):
        return lib.calibrate_ladder(self.at, 1, max(cpus), 4, 5, 2)

    def remote(self, cpus):
        return lib.calibrate_remote(self.at, min(cpus), max(cpus), 4, 5, self.first)


@pytest.mark.parametrize("measure", [Queued.ladder, Queued.remote])
def test_what_was_written_is_read_in_each_repetition(pair, measure):
    rung, cpus = Queued(*pair), os.sched_getaffinity(0)
    for _ in range(3 * (measure is Queued.remote)):
        pair[0].send(b"of before")  # which it throws away
    assert measure(rung, cpus) == 0
    assert os.sched_getaffinity(0) == {max(cpus) if measure is Queued.ladder else min(cpus)}
    assert all(ns > 0 for times in (rung.writes, rung.reads) for ns in times)
    assert all(ns > 0 for ns in rung.first) == (measure is Queued.remote)
    with pytest.raises(BlockingIOError):
        pair[1].recv(60, socket.MSG_DONTWAIT)


@pytest.mark.parametrize("measure", [Queued.ladder, Queued.remote])
def test_what_was_written_and_did_not_come_ends_it(pair, measure):
    rung = Queued(pair[0], pair[0])  # none writes to this end
    assert measure(rung, os.sched_getaffinity(0)) == -errno.ENODATA
    assert list(rung.reads) == [0] * 4


@pytest.mark.parametrize("burst", [0, 1, 3])
def test_each_burst_has_a_beginning_and_an_end_and_a_gap_before_it(pair, burst):
    n, room, gap = 20, 100, 50_000
    cpus, frame = os.sched_getaffinity(0), ffi.new("u8[]", 60)
    begun, written, first, last = (ffi.new("u64[]", size) for size in (n, n, room, room))
    s = ffi.new("struct steals *")
    s.frame, s.len, s.n, s.room, s.gap_ns, s.burst, s.fd = frame, 60, n, room, gap, burst, pair[0].fileno()
    s.writer, s.spinner, s.ngaps = min(cpus), max(cpus), 77
    s.begun_ns, s.written_ns, s.from_ns, s.until_ns = begun, written, first, last
    before = lib.clock_ns()
    assert lib.calibrate_steals(s) == 0
    after = lib.clock_ns()
    ends = [before, *written]
    assert all(end + gap <= begin <= end_ for end, begin, end_ in zip(ends, begun, written, strict=False))
    assert ends[-1] <= after
    assert s.ngaps <= room
    assert all(before <= first[i] < last[i] - lib.STEAL_MIN_NS for i in range(s.ngaps))
    for _ in range(n * burst):
        assert pair[1].recv(100, socket.MSG_DONTWAIT) == bytes(60)
    with pytest.raises(BlockingIOError):
        pair[1].recv(100, socket.MSG_DONTWAIT)
    s.fd = 1 << 20
    assert lib.calibrate_steals(s) == (-errno.EBADF if burst else 0)


def test_a_cpu_that_is_not_there_ends_the_ladder():
    at = ffi.new("struct rung[]", 1)
    assert lib.calibrate_ladder(at, 1, 1023, 1, 1, 1) < 0


def test_a_single_write_that_nobody_reads_is_waited_for_and_ends_it(pair):
    """The first one already. The reader has no CPU of its own: it looks into a socket to which none writes."""
    frame, writes, reads, gaps = ffi.new("u8[]", 60), *(ffi.new("u64[]", 1) for _ in range(3))
    with Path("/dev/null").open("wb") as nowhere:
        w = ffi.new("struct wakes *")
        w.frame, w.len, w.n, w.fd, w.sock = frame, 60, 1, nowhere.fileno(), pair[1].fileno()
        w.write_ns, w.read_ns, w.gap_ns = writes, reads, gaps
        w.how, w.writer, w.reader = lib.READER_SPINS, min(os.sched_getaffinity(0)), 1023
        assert lib.calibrate_wakes(w) == -errno.ETIMEDOUT
    assert (writes[0] > 0, reads[0]) == (True, 0)


# ---- the running kernel ----


@pytest.fixture
def interfaces():
    """The interfaces of this namespace are the same afterwards."""
    names = lambda: sorted(p.name for p in Path("/sys/class/net").iterdir())  # noqa: E731
    before = names()
    yield
    assert names() == before


@pytest.mark.root
@pytest.mark.slow
def test_on_the_running_kernel_a_step_further_takes_longer(interfaces):
    cpus = sorted(os.sched_getaffinity(0))
    writer, reader = cpus[-1], cpus[-2] if len(cpus) > 1 else None
    steps = []
    run = measure.measure(2, writer, reader, lambda done, of: steps.append((done, of)))
    assert len(run.rounds) == 2
    assert steps == [(i + 1, steps[0][1]) for i in range(steps[0][1])]
    for m in run.rounds:
        assert all(ns >= 0 for name, ns in m.items() if name != "delivery")
        for less, more in itertools.pairwise(["clock", "syscall", "refused", "ether", "badsum", "udp"]):
            assert m[less] < m[more]
        assert m["ether"] < m["napi.ether"] < m["napi.badsum"]
        assert m["syscall"] < m["empty"] < m["recv.udp"]
        if reader is not None:
            assert m["none.20us.write"] < m["sleep.20us.write"]
    assert run.facts["priority"]
    assert run.facts["preempted"] >= 0


@pytest.mark.root
def test_a_worker_that_cannot_have_a_tap_says_so(monkeypatch):
    monkeypatch.setattr(measure.sys, "executable", "/bin/false")
    with pytest.raises(Exception, match="the measuring process ended early, with exit code 1"):
        measure.measure(1, 0, None)
