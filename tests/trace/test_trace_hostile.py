"""Records that never were, as an edited event file may have them: the traces are still well-formed."""

import errno
import os
import random

import ftraces
import pftraces
import pytest

from vnic._core import ffi, lib
from vnic.events.events import Events
from vnic.events.kinds import NEVER
from vnic.trace.write import write

CPUS = (0, 3, 511, 65535)
NAME = ffi.new("char[]", b"wait")


def arg(r, kind):
    """What csrc/events/event_check.c lets pass."""
    if kind == lib.EVENT_WIRE:
        return r.randrange(3) << 32 | r.randrange(2000)
    if kind in {lib.EVENT_IPI, lib.EVENT_WAKE, lib.EVENT_RPS, lib.EVENT_BACKLOG}:
        return r.choice(CPUS)
    if kind == lib.EVENT_SWITCH:
        return r.randrange(130) << 32 | r.randrange(130)
    most = {lib.EVENT_HARDIRQ: 4, lib.EVENT_GRO_RELEASE: 20, lib.EVENT_FATE: lib.FATE_MAX, lib.EVENT_TASK: 130}
    return r.randrange(most[kind]) if kind in most else r.choice([0, 1, 3, r.randrange(1 << 63), NEVER])


def records(r, n):
    made, t = ffi.new("struct event_record[]", n), 0
    for e in made:
        t += r.choice([0, 0, 1, 100, 10_000])
        e.kind, e.t_ns, e.dur_ns = r.randrange(lib.EVENT_KINDS), t, r.choice([0, 0, 1, 50, 1000, 1 << 61])
        e.frame, e.skb = r.choice([0, 1, 2, r.randrange(200), 1 << 60]), r.choice([0, 0, 1, 3])
        e.cpu, e.queue = r.choice(CPUS), r.choice([0, 1, 127, 65535])
        e.arg = arg(r, e.kind)
        if e.kind == lib.EVENT_WIRE:
            e.frame = e.frame or 1
    return made


@pytest.mark.parametrize("seed", range(12))
def test_any_records_make_slices_that_nest_and_lines_that_parse(seed, tmp_path):
    made = records(random.Random(seed), 2000)
    events = Events(made, 2000, made, flows=["", "udp 1.1.1.1:1 > 2.2.2.2:2", "tcp x"], missed=0, facts={})
    for form, read in (("pftrace", lambda p: pftraces.read(p.read_bytes())), ("ftrace", lambda p: p.read_text())):
        write(events, tmp_path / f"a.{form}")
        assert read(tmp_path / f"a.{form}")
    for line in (tmp_path / "a.ftrace").read_text().splitlines():
        assert line.startswith("#") or ftraces.LINE.match(line)


@pytest.fixture
def source():
    made = records(random.Random(1), 2000)
    c = lib.trace_source_new(made, 2000, ffi.NULL, 0, 3)
    return ffi.gc(c, lib.trace_source_free), made


def test_a_trace_is_written_piece_by_piece(source):
    file = os.memfd_create("trace")
    names = ffi.new("char *[]", [NAME] * lib.PFT_WAIT_COUNT)
    trace = ffi.gc(lib.pftrace_new(source[0], file, names), lib.pftrace_free)
    assert [lib.pftrace_write(trace, 700) for _ in range(4)] == [1, 1, 0, 0]
    assert os.fstat(file).st_size > 2000
    os.close(file)


def test_a_disk_that_is_full_is_said_at_once(source):
    names = ffi.new("char *[]", [NAME] * lib.PFT_WAIT_COUNT)
    full = os.open("/dev/full", os.O_WRONLY)
    trace = ffi.gc(lib.pftrace_new(source[0], full, names), lib.pftrace_free)
    assert lib.pftrace_write(trace, 1 << 20) == -errno.ENOSPC
    os.close(full)
