"""Searching the log: the same records as a plain loop finds."""

import logged_runs as logged
import overloads
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic.errors import ConfigError
from vnic.events.find import find
from vnic.events.kinds import KINDS

RUN = logged.run(overloads.burst(200), queues=2, rps_cpus="f", rx_usecs=5)
ALL = list(RUN.events)
END = max(e.end_ns for e in ALL)


def plain(kinds, frames, joined, cpu, queue, from_ns, until_ns):
    def is_about(e):
        return frames is None or any(frames[0] <= n <= frames[1] for n in (e.frame, *([e.skb] if joined else [])))

    return [
        i
        for i, e in enumerate(ALL)
        if (kinds is None or e.kind in kinds)
        and is_about(e)
        and cpu in (-1, e.cpu)
        and queue in (-1, e.queue)
        and e.end_ns >= from_ns
        and e.t_ns <= until_ns
    ]


@given(
    kinds=st.none() | st.sets(st.sampled_from(KINDS), min_size=1),
    frames=st.none() | st.tuples(st.integers(1, 220), st.integers(0, 50)).map(lambda t: (t[0], t[0] + t[1])),
    joined=st.booleans(),
    cpu=st.sampled_from((-1, -1, None, 0, 1, 3)),
    queue=st.sampled_from((-1, -1, 0, 1)),
    times=st.tuples(st.integers(0, END), st.integers(0, END)).map(sorted),
)
def test_a_search_finds_what_a_loop_finds(kinds, frames, joined, cpu, queue, times):
    found, n = find(
        RUN.events.c, len(ALL), kinds=kinds, frames=frames, joined=joined, cpu=cpu, queue=queue,
        from_ns=times[0], until_ns=times[1],
    )  # fmt: skip
    assert found == plain(kinds, frames, joined, cpu, queue, *times)
    assert n == len(found)


def test_a_search_returns_the_first_ones_and_counts_all():
    found, n = find(RUN.events.c, len(ALL), kinds=["wire"], most=7)
    assert [ALL[i].frame for i in found] == [1, 2, 3, 4, 5, 6, 7]
    assert n == 200


def test_a_kind_that_does_not_exist_is_an_error():
    with pytest.raises(ConfigError, match="no kind of event"):
        find(RUN.events.c, len(ALL), kinds=["never"])


def test_the_records_of_a_merged_frame_are_its_own_and_then_the_packets():
    run = logged.run(overloads.stream(8, 0))
    frame = next(f for f in run.frames if f.skb != f.id)
    mine = run.events.of_frame(frame.id)
    joined = max(e.end_ns for e in mine if e.frame == frame.id)
    assert {e.frame for e in mine} == {frame.id, frame.skb}
    assert all(e.t_ns >= joined for e in mine if e.frame == frame.skb)
    assert [e.kind for e in mine if e.frame == frame.skb and e.dur_ns][-2:] == ["socket", "read"]
