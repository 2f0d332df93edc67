"""Any log that event_check.c takes: stories and comparisons of it end, whatever its records say."""

import json

import logged_runs
import overloads
import pytest
from commands import invoke
from hypothesis import given
from hypothesis import strategies as st
from logged import made

from vnic._core import ffi, lib
from vnic.counters.gro import GRO_ENDS
from vnic.diff.compare import compare
from vnic.diff.side import side
from vnic.errors import ConfigError
from vnic.events.file import load, save
from vnic.events.kinds import HARDIRQS, KINDS
from vnic.walk import chosen
from vnic.walk.story import story

RECORD = st.fixed_dictionaries(
    {
        "t_ns": st.integers(0, 50) | st.integers(0, 1 << 62),
        "dur_ns": st.integers(0, 50) | st.integers(0, 1 << 61),
        "frame": st.integers(0, 5),
        "skb": st.sampled_from((0, 0, 1, 2, 3)),
        "arg": st.integers(0, 12) | st.integers(0, (1 << 64) - 1),
        "cpu": st.sampled_from((0, 1, 3, int(lib.EVENT_NO_CPU))),
        "queue": st.sampled_from((0, 1, int(lib.EVENT_NO_QUEUE))),
        "kind": st.sampled_from(KINDS),
    }
)


@given(
    records=st.lists(RECORD, min_size=1, max_size=40),
    arrived=st.sets(st.integers(1, 5), min_size=1),
    missed=st.sampled_from((0, 7)),
)
def test_a_story_and_a_comparison_end(records, arrived, missed):
    wires = [{"t_ns": n, "frame": n, "kind": "wire", "arg": 60} for n in arrived]
    ordered = sorted([*wires, *records], key=lambda r: r["t_ns"])
    events = made(*ordered, missed=missed, flows=("", "udp 10.0.0.1:1 > 10.0.0.2:2"))
    limits = ffi.new("struct event_limits *", (1, len(HARDIRQS), len(GRO_ENDS)))
    if lib.events_check(events.c, len(events), limits) != len(events):
        return
    for row in events.frames:
        told = story(events, row.id)
        if told is not None:
            assert told.total_ns == sum(s.took_ns for s in told.stages)
            json.dumps(told.as_dict())
    chosen.slowest(events.frames, 3)
    chosen.lost(events.frames, None, 3)
    one = side("one", events)
    assert compare(one, one).changed == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"config": 5},
        {"config": {"rx-ring": []}, "queues": [5]},
        {"cpus": 7},
        {"memory": [1]},
        {"input": {"selected": 3}},
    ],
    ids=str,
)
def test_facts_that_were_edited_are_one_sentence(tmp_path, wrong):
    run = logged_runs.run(overloads.burst(2000))
    path = tmp_path / "edited.events"
    run.events.facts.update(wrong)
    save(run.events, path)
    assert load(path).facts
    for command in (["walk", path, "--lost", "1"], ["diff", path, path]):
        done = invoke(*command)
        assert done.exit_code in (0, 2), done.output
        assert len(done.stderr.splitlines()) == (done.exit_code == 2)
        assert "bug" not in done.stderr


def test_a_comparison_with_a_run_of_other_frames_is_refused():
    a, b = logged_runs.run(overloads.burst(5)), logged_runs.run(overloads.burst(6))
    with pytest.raises(ConfigError, match="5 there, 6 here"):
        compare(side("a", a.events), side("b", b.events))
