"""The table of frames is what plain Python makes of the same records."""

from hypothesis import given
from hypothesis import strategies as st
from logged import load_of, made, play
from model.frame_table import table


@given(st.integers(0, 2**32))
def test_the_table_is_the_models(seed):
    events = play(load_of(seed))
    assert list(events.frames) == table(list(events), events.flows)


@given(st.integers(0, 2**32), st.integers(1, 3000))
def test_also_of_a_part_of_the_records(seed, records):
    from vnic.events.log import EventChoice

    events = play(load_of(seed), EventChoice(records=records))
    assert list(events.frames) == table(list(events), events.flows)


def test_frames_that_are_far_apart_take_no_memory_for_those_between():
    far = 1 << 61
    events = made(
        {"frame": far, "kind": "wire", "arg": 60},
        {"frame": 3, "kind": "wire", "arg": 70},
        {"frame": 3, "kind": "gro_merge", "skb": far},
        {"frame": far, "kind": "fate", "arg": 1},
    )
    assert list(events.frames) == table(list(events), events.flows)
    assert [(f.id, f.skb, f.fate) for f in events.frames] == [(3, far, "DELIVERED_TCP"), (far, far, "DELIVERED_TCP")]


def test_packets_that_name_each_other_end():
    """No run writes that, but a file may have it."""
    events = made(
        *({"frame": n, "kind": "wire"} for n in (1, 2)),
        {"frame": 1, "kind": "gro_merge", "skb": 2},
        {"frame": 2, "kind": "gro_merge", "skb": 1},
    )
    assert [f.id for f in events.frames] == [1, 2]


def test_no_records_are_no_rows():
    assert list(made().frames) == []
    assert list(made({"kind": "irq"}).frames) == []


def test_a_row_is_found_by_its_number():
    frames = made(*({"frame": n, "kind": "wire", "arg": n} for n in (2, 5, 9))).frames
    assert [frames.by_id(n).len for n in (2, 5, 9)] == [2, 5, 9]
    assert [frames.by_id(n) for n in (1, 3, 10)] == [None] * 3
    assert not frames[0].lost
