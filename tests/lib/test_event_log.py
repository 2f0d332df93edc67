"""The log is bounded and says what it left out; what it keeps is what a filter behind it would have kept."""

from collections import Counter

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged import host_of, load_of, play, rows_of

import vnic
from vnic.errors import ConfigError
from vnic.events.log import EventChoice, EventLog

seeds = st.integers(0, 2**32)


def in_order_of_writing(load):
    """The records as the log has them before it sorts them."""
    from vnic._core import ffi

    with host_of(load) as host:
        log = EventLog(host)
        host.finish()
        (c,) = log._logs
        data = bytes(ffi.buffer(c.slot, int(c.head) * ffi.sizeof("struct event_record")))
        log.end()
    size = ffi.sizeof("struct event_record")
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(seeds, st.integers(1, 2000))
def test_a_full_log_keeps_the_first_records_and_counts_the_others(seed, room):
    load = load_of(seed)
    written = in_order_of_writing(load)
    events = play(load, EventChoice(records=room))
    assert sorted(rows_of(events)) == sorted(written[:room])
    assert events.missed == events.frames.missed == max(0, len(written) - room)
    assert (f"{events.missed:,} missing" in repr(events)) == bool(events.missed)


@given(seeds, st.integers(0, 3_000_000), st.integers(0, 3_000_000))
def test_a_time_keeps_what_overlaps_it(seed, begin, length):
    load = load_of(seed)
    whole, chosen = play(load), play(load, EventChoice(from_ns=begin, until_ns=begin + length))
    wanted = [e for e in whole if e.end_ns >= begin and e.t_ns <= begin + length]
    assert Counter(chosen) == Counter(wanted)
    assert list(whole.select(from_ns=begin, until_ns=begin + length)) == wanted


def followed(written, chosen):
    """The records, in the order of writing, about these frames, and about packets from where they joined them."""
    chosen, kept = set(chosen), []
    for e in written:
        if e.frame in chosen:
            kept.append(e)
            if e.skb:
                chosen.add(e.skb)
    return kept


def events_of(load, rows):
    """Records from their bytes."""
    from vnic._core import ffi
    from vnic.events.events import Events
    from vnic.events.rows import room

    at, keep = room("event_record", len(rows))
    ffi.memmove(at, b"".join(rows), len(b"".join(rows)))
    return Events(at, len(rows), keep, flows=[""], missed=0, facts={})


@given(seeds, st.sets(st.integers(1, 300), min_size=1, max_size=8))
def test_frames_are_followed_into_the_packets_that_they_join(seed, numbers):
    load = load_of(seed)
    written = events_of(load, in_order_of_writing(load))
    kept = play(load, EventChoice(frames=sorted(numbers)))
    assert Counter(kept) == Counter(followed(written, numbers))


@given(seeds, st.integers(1, 200), st.integers(0, 50))
def test_a_range_is_its_frames(seed, first, more):
    load = load_of(seed)
    ranges, each = ([(first, first + more)], range(first, first + more + 1))
    assert rows_of(play(load, EventChoice(frames=ranges))) == rows_of(play(load, EventChoice(frames=each)))


@pytest.mark.needs("libpcap")
@given(seeds)
def test_a_filter_is_the_frames_that_match(seed):
    load = load_of(seed)
    numbers = [n for n, (_, data) in enumerate(load.frames, 1) if data[12:14] == b"\x08\0" and data[23] == 6]
    by_filter = play(load, EventChoice(filter="ip proto \\tcp"))
    assert rows_of(by_filter) == rows_of(play(load, EventChoice(frames=numbers)))


def test_a_frame_joins_its_packet_also_before_the_time_that_is_kept(host):
    """The log looks for joins at all times, and keeps those of one."""

    def run(**choice):
        h = host(sink=True, latency=True, gro_flush_timeout=1_000_000, napi_defer_hard_irqs=1, cost="linux", link="1G")
        with EventLog(h, EventChoice(frames=[2], **choice)) as log:
            h.feed([(i * 1000, frames.tcp(bytes(100), seq=1 + 100 * i)) for i in range(3)])
            h.run()
            h.finish()
            return log.end()

    whole = run()
    join = next(e for e in whole if e.skb)
    after = [e for e in whole if e.t_ns > join.end_ns]
    assert {e.frame for e in after} >= {1}
    assert [e for e in run(from_ns=join.end_ns + 1) if e.t_ns > join.end_ns] == after


@pytest.mark.parametrize(
    "choice, sentence",
    [
        ({"from_ns": -1}, "from_ns=-1: must be between 0 and"),
        ({"from_ns": 2, "until_ns": 1}, "events end at 1 ns, before they begin, at 2 ns"),
        ({"records": -1}, "records=-1: must be between 0 and"),
        ({"frames": [0]}, "frames=0: must be between 1 and"),
        ({"frames": [(5, 4)]}, "frames=5-4: the last is before the first"),
        ({"frames": ["x"]}, "frames='x': must be a whole number"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(host, choice, sentence):
    h = host()
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        EventLog(h, EventChoice(**choice))
    with EventLog(h):
        pass  # none was left on


def test_a_filter_that_cannot_be_is_refused(host):
    with pytest.raises(vnic.VnicError, match="filter"):
        EventLog(host(), EventChoice(filter="no such word"))
