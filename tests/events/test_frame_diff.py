"""Two runs of the same frames: the comparison in C says what the one in plain Python says."""

import logged_runs as logged
import overloads
import strategies
from hypothesis import given
from hypothesis import strategies as st
from logged_runs import spans_of
from model import frame_diff as model

from vnic.diff.compare import compare
from vnic.diff.side import side
from vnic.events.log import EventChoice


def both(traffic, options, others, **log):
    a, b = logged.run(traffic, **options, **log), logged.run(traffic, **(options | others), **log)
    return a, b, compare(side("a", a.events), side("b", b.events), changes=10_000, flows=10_000)


def check(a, b, found):
    partial = bool(a.events.missed or b.events.missed)
    plain = model.diff(list(a.frames), list(b.frames), spans_of(a), spans_of(b), partial=partial)
    cells = {(was, now): n for was, row in found.matrix.items() for now, n in row.items()}
    assert cells == dict(plain["matrix"])
    assert [(c.frame, c.was, c.now) for c in found.changes] == plain["changes"]
    assert found.changed == len(plain["changes"])
    assert (found.frames, found.only_a, found.only_b) == (plain["both"], plain["only_a"], plain["only_b"])
    assert found.unfinished == plain["unfinished"]
    flows = {f.flow: (f.frames, f.changed, f.lost_a, f.lost_b) for f in found.flows}
    assert flows == {
        name or "(no ports)": (c["frames"], c["changed"], c["lost_a"], c["lost_b"])
        for name, c in plain["flows"].items()
        if c["changed"]
    }
    assert set(found.latency) == set(plain["times"])
    for part, pairs in plain["times"].items():
        shift = found.latency[part]
        assert (shift.slower, shift.faster) == (plain["slower"][part], plain["faster"][part])
        for which, seen in enumerate((shift.a, shift.b)):
            values = sorted(pair[which] for pair in pairs)
            assert (seen.count, seen.min, seen.max) == (len(values), values[0], values[-1])
            assert seen.mean == sum(values) / len(values)
            exact = values[max(int(0.99 * len(values) + 0.5) - 1, 0)]
            assert exact <= seen.p99 <= exact * 1.016 + 1
    timeline = found.timeline
    assert sum(sum(timeline.get(k, ())) for k in ("worse", "better", "other")) == found.changed
    assert sum(timeline.get("worse", ())) == found.moved(was_lost=False, is_lost=True)
    return found


def test_a_smaller_ring_loses_frames_that_were_delivered():
    found = check(*both(overloads.burst(3000), {}, {"rx_ring": 64}))
    assert found.matrix["DELIVERED_UDP"]["FIFO_OVERRUN"] == found.changed > 0
    assert found.first.frame < found.last.frame
    assert found.moved(was_lost=False, is_lost=True) == found.changed


def test_a_larger_ring_saves_frames():
    found = check(*both(overloads.burst(3000), {}, {"rx_ring": 1024}))
    assert found.moved(was_lost=True, is_lost=False) > 0


@given(
    traffic=strategies.traffic(),
    config=strategies.configs(),
    ring=st.sampled_from((16, 256)),
    rcvbuf=st.sampled_from((3000, 212_992)),
)
def test_any_two_runs(traffic, config, ring, rcvbuf):
    check(*both(traffic, config, {"rx_ring": ring, "rcvbuf": rcvbuf}))


@given(traffic=strategies.traffic(), config=strategies.configs())
def test_the_same_run_twice_has_no_difference(traffic, config):
    _, _, found = both(traffic, config, {})
    assert found.same
    assert found.changed == 0
    assert found.knobs == {}


def test_frames_whose_fate_a_full_log_does_not_know_do_not_count():
    a, b, found = both(overloads.burst(500), {}, {"rx_ring": 64}, chosen=EventChoice(records=2000))
    assert a.events.missed
    assert found.missed == a.events.missed + b.events.missed
    assert found.unfinished > 0
    check(a, b, found)


def test_the_lists_are_bounded_and_the_counts_are_not():
    a, b = logged.run(overloads.burst(3000)), logged.run(overloads.burst(3000), rx_ring=64)
    found = compare(side("a", a.events), side("b", b.events), changes=3, flows=2)
    assert len(found.changes) == 3
    assert len(found.flows) == 2
    assert found.flows_changed == 9
    assert found.changed > 100
    assert found.last.frame > found.changes[-1].frame
