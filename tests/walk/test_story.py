"""The story of a frame: what it waited for, what it met, its companions, what stood in front of it."""

import logged_runs as logged
import overloads
import pytest

from vnic._core import ffi, lib
from vnic.walk.before import ranges
from vnic.walk.story import story
from vnic.walk.waits import cpu_use, use_text


def stage(told, name):
    return next(s for s in told.stages if s.name == name)


def first(run, fate):
    return next(f.id for f in run.frames if f.fate == fate)


def test_a_frame_waits_for_rx_usecs():
    run = logged.run(overloads.burst(1), rx_usecs=50, rx_frames=0)
    waits = stage(story(run.events, 1), "moderation")
    assert "50 us for rx-usecs" in waits.what
    assert waits.by == "the interrupt of queue 0, by rx-usecs"
    assert waits.took_ns >= 50_000


def test_a_frame_waits_for_its_turn_in_the_poll():
    run = logged.run(overloads.burst(20), rx_usecs=50, rx_frames=0)
    assert "19 frames before it" in stage(story(run.events, 20), "poll").what


def test_a_frame_waits_for_the_cpu_that_runs_a_reader():
    run = logged.run(overloads.burst(400), reader_cpu=0)
    used = {what for f in range(1, 401, 10) for s in story(run.events, f).stages for what in s.cpu_ns}
    assert "reader" in used


def test_a_frame_behind_one_without_a_buffer_names_it():
    run = logged.run(overloads.burst(900), rx_ring=64)
    stuck = {e.frame for e in run.events if e.kind == "no_buffer"}
    told = next(
        s.what
        for f in run.frames
        if f.id not in stuck and f.t_ring is not None
        for s in story(run.events, f.id).stages
        if s.name == "fifo" and "found no buffer" in s.what
    )
    assert any(f"frame {n:,} in front of it found no buffer in ring 0" in told for n in stuck)


def test_what_a_frame_met_stands_beside_the_limit():
    run = logged.run(overloads.burst(3000), rx_ring=64, netdev_max_backlog=10, rps_cpus="2", rcvbuf=5000)
    seen = {}
    for f in run.frames[::20]:
        for s in story(run.events, f.id).stages:
            for m in s.met:
                seen.setdefault(m.knob, []).append(m)
                assert m.near == (m.value * 10 >= m.limit * 9)
    limits = {"fifo": 65536, "rx-ring": 64, "netdev-max-backlog": 10, "rcvbuf": 5000}
    assert {knob: seen[knob][0].limit for knob in limits} == limits
    assert all(m.value <= m.limit + 1 for knob in limits if knob != "rcvbuf" for m in seen[knob])
    assert any(m.near for m in seen["fifo"])


def test_a_queues_own_ring_is_the_limit():
    run = logged.run(overloads.burst(1), each_queue={0: {"rx_usecs": 3}})
    assert stage(story(run.events, 1), "dma").met[0].limit == 256


def test_a_merged_frame_has_companions():
    run = logged.run(overloads.stream(8, 0))
    frame = next(f for f in run.frames if f.skb != f.id)
    with_ = story(run.events, frame.id).companions
    assert with_.how == "merged"
    assert {frame.id, frame.skb} <= set(with_.frames)
    assert len(with_.frames) == frame.segs
    assert story(run.events, frame.skb).companions.frames == with_.frames


def test_a_fragment_has_siblings():
    run = logged.run(overloads.halves(3))
    with_ = story(run.events, 1).companions
    assert (with_.how, with_.frames) == ("reassembled", [1, 4])
    assert with_.last_ns - with_.first_ns == run.frames.by_id(4).t_wire - run.frames.by_id(1).t_wire


def test_a_frame_alone_has_no_companions():
    assert story(logged.run(overloads.burst(1)).events, 1).companions is None


def test_in_front_of_a_fifo_overrun_stand_the_frames_of_fifo_and_ring():
    run = logged.run(overloads.burst(3000))
    frame = first(run, "FIFO_OVERRUN")
    told = story(run.events, frame).before
    rows = {f.id: f for f in run.frames}
    at = rows[frame].t_fate
    fifo = [
        n for n, f in rows.items() if n < frame and (f.t_ring is None or f.t_ring > at) and f.fate != "FIFO_OVERRUN"
    ]
    ring = [n for n, f in rows.items() if f.t_ring is not None and f.t_ring <= at < f.t_poll]
    assert [p.frames for p in told.places] == [fifo, ring]
    assert told.cpu == 0
    assert "poll of queue 0" in told.cpu_ns
    assert told.knob == "rx-ring"
    assert "did not poll in time" in told.why
    assert list(told.attempt) == ["rx-ring"]
    assert told.attempt["rx-ring"] > 256


def test_in_front_of_a_full_backlog_stand_its_packets():
    run = logged.run(overloads.burst(2000), rps_cpus="2", netdev_max_backlog=10)
    frame = first(run, "CPU_BACKLOG")
    told = story(run.events, frame).before
    assert told.places[0].name == "backlog of CPU 1"
    assert len(told.places[0].frames) == 11
    assert (told.cpu, told.knob) == (1, "netdev-max-backlog")


def test_in_front_of_a_full_socket_stand_its_packets():
    run = logged.run(overloads.burst(2000), rcvbuf=1000, queues=2, rps_cpus="f")
    told = story(run.events, first(run, "SOCKET_RCVBUFF")).before
    assert told.places[0].name == "socket"
    assert told.places[0].frames
    assert told.knob == "rcvbuf"


def test_of_drop_en_the_ring_is_the_limit():
    run = logged.run(overloads.burst(3000), drop_en=True, rx_ring=64)
    told = story(run.events, first(run, "RX_NO_BUFFER")).before
    assert told.knob == "rx-ring"


def test_without_a_limit_there_is_no_knob():
    run = logged.run(overloads.burst(1), sink=False)
    told = story(run.events, 1)
    assert (told.frame.fate, told.before.knob, told.text) == ("NO_SOCKET", "", "no socket")


def test_without_facts_the_fate_names_the_limit():
    run = logged.run(overloads.burst(3000))
    run.events.facts.clear()
    told = story(run.events, first(run, "FIFO_OVERRUN")).before
    assert (told.knob, told.why) == ("fifo", bytes(ffi.string(lib.fate_text(lib.FIFO_OVERRUN))).decode())


def test_a_frame_that_is_not_there_has_no_story():
    assert story(logged.run(overloads.burst(1)).events, 2) is None


@pytest.mark.parametrize("options", [{}, {"rps_cpus": "f"}, {"reader_cpu": 0}], ids=str)
def test_what_a_cpu_did_adds_up_to_the_time(options):
    run = logged.run(overloads.burst(800), **options)
    for cpu in range(4):
        used = cpu_use(run.events, cpu, 1000, 300_000)
        assert sum(used.values()) == 299_000
    assert cpu_use(run.events, 0, 5, 5) == {}


def test_the_largest_parts_come_first():
    assert use_text({"reader": 2000, "idle": 1000, "IPIs": 3}, 2) == "reader 2 us, idle 1 us"


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], ""),
        ([5], "5"),
        ([1, 2, 3, 9], "1-3, 9"),
        ([1, 3, 5, 7, 9, 11], "1, 3, 5, ..., 11"),
        ([1000, 1001], "1,000-1,001"),
    ],
)
def test_ranges(numbers, text):
    assert ranges(numbers) == text
