"""What only a look at all records tells: idle CPUs, sleeping readers, ends of the protocols' work and of FIFO waits."""

import pytest
import recorded
from in_use import growth

from vnic._core import ffi, lib
from vnic.events.kinds import NEVER


@pytest.fixture(scope="module", params=["demo, rps", "overload", "interrupted", "fragments"])
def both(request):
    events = recorded.run(request.param)
    rows = events.frames
    c = lib.trace_source_new(events.c, len(events), rows.c, len(rows), len(events.flows))
    return events, ffi.gc(c, lib.trace_source_free)


def pairs(numbers):
    """Each of them with the next; the last one with None."""
    return zip(numbers, [*numbers[1:], None], strict=False)


def test_sizes_are_those_of_the_records(both):
    events, c = both
    assert c.last_ns == max(e.end_ns for e in events)
    assert c.ncpus == max(e.cpu for e in events if e.cpu is not None) + 1
    assert c.nqueues == max(e.queue for e in events if e.queue is not None) + 1
    used = {f.flow for f in events.frames}
    assert {text for i, text in enumerate(events.flows) if c.flow_used[i]} == used


def test_rows_are_found_by_number_and_others_are_not(both):
    events, c = both
    for i, frame in enumerate(events.frames):
        assert lib.trace_row(c, frame.id) == i
    assert {lib.trace_row(c, n) for n in (0, events.frames[-1].id + 1, 1 << 60)} == {NEVER}


def test_rows_with_gaps_are_found_too():
    numbers = (3, 4, 9, 200, 201)
    rows = ffi.new("struct frame_row[]", [{"id": n} for n in numbers])
    c = ffi.gc(lib.trace_source_new(ffi.NULL, 0, rows, 5, 0), lib.trace_source_free)
    found = {n: lib.trace_row(c, n) for n in range(1, 210)}
    assert {n: at for n, at in found.items() if at != NEVER} == {n: i for i, n in enumerate(numbers)}


def test_frames_are_counted_by_fate(both):
    events, c = both
    assert sum(c.frames[i] for i in range(lib.TRACE_FATES)) == len(events.frames)


def test_a_frame_leaves_the_fifo_by_its_dma_or_its_loss(both):
    events, c = both
    dma = {e.frame: e.t_ns for e in events if e.kind == "dma"}
    for i, frame in enumerate(events.frames):
        assert c.left_fifo[i] == dma.get(frame.id, frame.t_fate)


def test_the_protocols_are_done_with_a_packet_at_a_socket_a_wait_or_its_fate(both):
    events, c = both
    ends = {}
    for e in events:
        if e.kind in {"socket", "reorder", "fate"}:
            ends[e.frame] = min(ends.get(e.frame, NEVER), e.end_ns)
    assert [c.stack_end[i] for i in range(len(events.frames))] == [ends.get(f.id, NEVER) for f in events.frames]


def test_a_softirq_has_a_run_of_the_poll_list_if_one_lies_in_it(both):
    events, c = both
    runs = [(e.cpu, e.t_ns, e.end_ns) for e in events if e.kind == "net_rx"]
    for i, e in enumerate(events):
        if e.kind == "softirq":
            inside = any(cpu == e.cpu and e.t_ns <= t and end <= e.end_ns for cpu, t, end in runs)
            assert bool(c.note[i] & lib.TRACE_HAS_NET_RX) == inside


def test_a_cpu_is_idle_behind_a_task_until_it_switches_from_idle(both):
    events, c = both
    for cpu in range(c.ncpus):
        mine = [i for i, e in enumerate(events) if e.cpu == cpu and e.kind in {"task", "switch"}]
        for here, after in pairs(mine):
            if events[here].kind == "task":
                idle = after is None or events[after].args.get("from") == "idle"
                assert bool(c.note[here] & lib.TRACE_THEN_IDLE) == idle


def test_a_reader_sleeps_until_it_is_woken(both):
    events, c = both
    for cpu in range(c.ncpus):
        mine = [
            i
            for i, e in enumerate(events)
            if (e.cpu == cpu and e.args.get("task") == "reader") or (e.kind == "wake" and e.args["target"] == cpu)
        ]
        for here, after in pairs(mine):
            if events[here].kind == "task":
                sleeps = after is None or events[after].kind == "wake"
                assert bool(c.note[here] & lib.TRACE_THEN_SLEEPS) == sleeps


def test_all_memory_is_given_back():
    events = recorded.run("overload")
    rows = events.frames

    def once():
        lib.trace_source_free(lib.trace_source_new(events.c, len(events), rows.c, len(rows), len(events.flows)))

    assert len(events) > 500
    assert growth(once) < len(events)  # the smallest table has a byte a record
