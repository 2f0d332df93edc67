"""Selected records are those that Python's own conditions choose, and the log's own, of a log that has all."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged import load_of, made, play

from vnic.errors import ConfigError
from vnic.events.events import Event
from vnic.events.kinds import KINDS
from vnic.events.log import EventChoice
from vnic.events.select import ranges

seeds = st.integers(0, 2**32)
maybe = st.none()


@given(
    seeds,
    maybe | st.integers(0, 2_000_000),
    maybe | st.integers(0, 2_000_000),
    maybe | st.sets(st.sampled_from(KINDS), min_size=1),
    maybe | st.integers(0, 4),
    maybe | st.integers(0, 3),
)
def test_each_condition_narrows_down(seed, begin, length, kinds, cpu, queue):
    events = play(load_of(seed))
    until = None if length is None else (begin or 0) + length
    got = events.select(from_ns=begin or 0, until_ns=until, kinds=kinds, cpu=cpu, queue=queue)
    assert list(got) == [
        e
        for e in events
        if e.end_ns >= (begin or 0)
        and (until is None or e.t_ns <= until)
        and (kinds is None or e.kind in kinds)
        and (cpu is None or e.cpu == cpu)
        and (queue is None or e.queue == queue)
    ]
    assert (got.flows, got.missed, got.facts) == (events.flows, events.missed, events.facts)


def joins(events: list[Event], numbers: set[int]) -> dict[int, int]:
    """Frames whose records are wanted, and from when on. A packet's join may come after its own records: look again."""
    since = dict.fromkeys(numbers, 0)
    while True:
        before = dict(since)
        for e in events:
            if e.skb and e.frame in since and e.end_ns >= since[e.frame] and since.get(e.skb, 1 << 63) > e.end_ns:
                since[e.skb] = e.end_ns
        if since == before:
            return since


@given(seeds, st.sets(st.integers(1, 300), min_size=1, max_size=8))
def test_frames_are_followed_into_the_packets_that_they_join(seed, numbers):
    load = load_of(seed)
    events = play(load)
    since = joins(list(events), numbers)
    got = events.select(frames=sorted(numbers))
    assert list(got) == [e for e in events if e.frame in since and e.end_ns >= since[e.frame]]
    chosen = list(play(load, EventChoice(frames=sorted(numbers))))
    more = [e for e in got if e not in chosen]
    assert [e for e in chosen if e not in got] == []
    assert all(e.end_ns == since[e.frame] for e in more)  # of the instant of the join: the log knows which came first


def test_packets_of_packets_are_followed_64_deep():
    """At worst each is told of before the one that it joins, as here, at the same instant."""
    chain = [{"frame": n, "skb": n + 1, "kind": "gro_merge"} for n in range(64, 0, -1)]
    events = made(*chain, {"frame": 65, "kind": "read"}, {"frame": 99, "kind": "read"})
    assert sorted(e.frame for e in events.select(frames=[1])) == list(range(1, 66))


@given(seeds, st.integers(1, 100))
def test_the_records_of_one_frame_are_among_those_selected(seed, number):
    events = play(load_of(seed))
    of_frame, selected = events.of_frame(number), list(events.select(frames=[number]))
    assert [e for e in of_frame if e not in selected] == []
    assert [e for e in selected if e.frame == number] == [e for e in of_frame if e.frame == number]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9)), max_size=12))
def test_ranges_are_ascending_and_apart(pairs):
    got = ranges([(first, first + more) for first, more in pairs])
    assert all(a[1] + 1 < b[0] for a, b in pairwise(got))
    covered = {n for first, more in pairs for n in range(first, first + more + 1)}
    assert {n for first, last in got for n in range(first, last + 1)} == covered


def test_no_frames_are_no_records():
    events = made({"frame": 1, "kind": "wire"}, {"kind": "irq"})
    assert list(events.select(frames=[])) == []
    assert [e.kind for e in events.select(frames=[(1, 1 << 61)])] == ["wire"]
    assert len(events.select()) == 2


@pytest.mark.parametrize(
    "how, sentence",
    [
        ({"kinds": ["wired"]}, "'wired' is no kind of event: wire, fifo,"),
        ({"frames": [0]}, "frames=0: must be between 1 and"),
        ({"frames": [(3, 2)]}, "frames=3-2: the last is before the first"),
        ({"cpu": 512}, "cpu=512: must be between 0 and 511"),
        ({"queue": -1}, "queue=-1: must be between 0 and 127"),
        ({"from_ns": 0.5}, "from_ns=0.5: must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(how, sentence):
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        made().select(**how)
