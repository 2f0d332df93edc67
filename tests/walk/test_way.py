"""The stages of a frame's way: every nanosecond is in exactly one, and they agree with the latency split."""

from itertools import pairwise
from random import Random

import frames
import logged_runs as logged
import overloads
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from logged_runs import CASES, spans_of

from vnic.events.log import EventLog
from vnic.walk.story import story
from vnic.walk.way import FILES, PARTS, way


def check(run, row, spans):
    stages = way(run.events, row, run.events.of_frame(row.id))
    assert stages[0].name == "wire"
    assert stages[0].begin_ns == row.t_wire
    for before, after in pairwise(stages):
        assert before.end_ns == after.begin_ns, (before.name, after.name)
    assert all(s.took_ns >= 0 for s in stages)
    end = max(t for t in (row.t_wire, row.t_read, row.t_fate) if t is not None)
    assert sum(s.took_ns for s in stages) == end - row.t_wire
    if row.t_read is not None:
        parts = dict.fromkeys(spans, 0)
        for s in stages:
            if s.name in PARTS and PARTS[s.name] in spans:
                parts[PARTS[s.name]] += s.took_ns
        parts["total"] = sum(s.took_ns for s in stages)
        assert parts == spans
    return stages


def check_all(run, chosen):
    spans = spans_of(run)
    return [check(run, run.frames[i], spans[i]) for i in chosen if run.frames[i].t_wire is not None]


@pytest.mark.parametrize("case", CASES)
def test_the_stages_are_the_whole_way(case):
    traffic, options = CASES[case]
    run = logged.run(traffic, **options)
    check_all(run, range(0, len(run.frames), max(len(run.frames) // 60, 1)))


@given(traffic=strategies.traffic(), config=strategies.configs(), seed=st.integers(0, 1000))
def test_the_stages_are_the_whole_way_for_any_traffic(traffic, config, seed):
    run = logged.run(traffic, **config)
    some = Random(seed).sample(range(len(run.frames)), min(12, len(run.frames)))
    for i in some:
        row = run.frames[i]
        if row.t_wire is not None:
            check(run, row, spans_of(run)[i])
            told = story(run.events, row.id)
            assert told.total_ns == sum(s.took_ns for s in told.stages)
            assert all(s.what or s.name == "fate" for s in told.stages), told.stages
            assert (told.before is not None) == row.lost


def names(run, frame):
    return [s.name for s in way(run.events, run.frames.by_id(frame), run.events.of_frame(frame))]


ALONE = ["wire", "fifo", "dma", "moderation", "hardirq", "softirq", "poll", "skb", "gro", "receive", "fate", "socket",
         "read"]  # fmt: skip


def test_a_lonely_datagram_passes_these_stages():
    assert names(logged.run(overloads.burst(1)), 1) == ALONE


def test_behind_rps_a_packet_waits_in_a_backlog():
    passed = names(logged.run(overloads.burst(1), rps_cpus="2"), 1)
    at = ALONE.index("receive")
    assert passed == [*ALONE[:at], "rps", "backlog", *ALONE[at:]]


def test_a_frame_that_comes_during_a_poll_waits_for_no_interrupt():
    run = logged.run(overloads.burst(20, gap=300))
    assert "hardirq" in names(run, 1)
    assert "hardirq" not in names(run, 20)


def test_a_frame_without_room_has_only_its_fate():
    run = logged.run(overloads.burst(3000))
    lost = next(f for f in run.frames if f.lost)
    assert names(run, lost.id) == ["wire", "fate"]


def test_a_merged_frame_goes_on_with_its_packet():
    run = logged.run(overloads.stream(8, 0))
    frame = next(f for f in run.frames if f.skb != f.id)
    assert names(run, frame.id)[-4:] == ["receive", "fate", "socket", "read"]


def test_a_fragment_waits_for_the_others():
    run = logged.run(overloads.halves(2))
    assert "reorder" in names(run, 1)
    first = next(s for s in way(run.events, run.frames.by_id(1), run.events.of_frame(1)) if s.name == "reorder")
    assert first.took_ns > 900_000


def test_every_stage_has_its_file(pytestconfig):
    for file in FILES.values():
        assert (pytestconfig.rootpath / "csrc" / file).exists(), file
    assert set(PARTS) == set(FILES) - {"wire", "fate"}


def test_the_clocks_of_a_live_host_leave_no_gap(live):
    host = live([[frames.udp(b"x" * 100, sport=1000 + i) for i in range(8)] for _ in range(20)], queues=2, cpus=2,
                rps_cpus=3, latency=True)  # fmt: skip
    log = EventLog(host)
    sock = host.udp(5000)
    with host.running():
        for _ in range(160):
            assert sock.recv(timeout=30)
    events = log.end()
    assert len(events.frames) == 160
    for row in events.frames:
        stages = way(events, row, events.of_frame(row.id))
        assert all(before.end_ns == after.begin_ns for before, after in pairwise(stages))
        assert all(s.took_ns >= 0 for s in stages)
        assert stages[-1].end_ns - stages[0].begin_ns >= 0
        assert story(events, row.id).as_dict()["stages"]
