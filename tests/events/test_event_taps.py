"""A log with nothing left out: each frame has its arrival and its fate, the ledger's, and the latency split's times."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged import host_of, load_of, play, rows_of, sums

import vnic
from vnic.errors import VnicError
from vnic.events.log import EventLog

SPLIT = {
    "ring": ("t_wire", "t_ring"),
    "moderation": ("t_ring", "t_irq"),
    "poll": ("t_irq", "t_poll"),
    "socket": ("t_socket", "t_read"),
}
"""A stage of the latency split: between these two times of a row."""


def waits(frames, begin, end):
    """(count, sum) of what frames waited that came out of the wait, and that the driver took."""
    waited = [max(0, getattr(f, end) - getattr(f, begin)) for f in frames if getattr(f, end) is not None and f.t_poll]
    return len(waited), sum(waited)


def compare(host, events):
    frames, ledger = list(events.frames), host.ledger()
    assert len(frames) == ledger.offered
    assert Counter(f.fate for f in frames) == {fate: n for fate, n in ledger.fates.items() if n}
    split = sums(host)
    for stage, (begin, end) in SPLIT.items():
        assert waits(frames, begin, end) == split[stage], stage
    read, total = waits(frames, "t_wire", "t_read"), split["total"]
    # A datagram may be shorter than its fragments together: read() copies nothing of the last ones.
    if any(f.t_read and not f.flow for f in frames):
        assert total <= read
    else:
        assert total == read
    in_gro = [e.dur_ns for e in events if e.kind == "gro_out"]
    assert (len(in_gro), sum(in_gro)) == split["gro"]
    arrivals, fates = (Counter(e.frame for e in events if e.kind == kind) for kind in ("wire", "fate"))
    assert set(arrivals.values()) <= {1}
    assert set(fates.values()) <= {1}


@given(st.integers(0, 2**32))
def test_fates_are_the_ledgers_and_times_are_the_latency_splits(seed):
    play(load_of(seed), look=compare)


@given(st.integers(0, 2**32), st.sampled_from((1, 7, 64)))
def test_two_runs_are_the_same_to_the_byte_however_they_are_sliced(seed, at_once):
    load = load_of(seed)
    whole = play(load)
    assert bytes(play(load).data) == bytes(whole.data)
    assert sorted(rows_of(play(load, frames_at_once=at_once))) == sorted(rows_of(whole))


@given(st.integers(0, 2**32))
def test_the_log_changes_nothing(seed):
    seen = []
    with host_of(load_of(seed)) as host:
        host.finish()
        seen.append((host.ledger(), host.now_ns, sums(host), host.softnet()))
    play(load_of(seed), look=lambda host, _: seen.append((host.ledger(), host.now_ns, sums(host), host.softnet())))
    assert seen[0] == seen[1]


def test_a_host_has_one_log_at_a_time(host):
    h = host(sink=True)
    with EventLog(h) as log:
        with pytest.raises(VnicError, match="the host has an event log already"):
            EventLog(h)
        assert len(log.end()) == 0
    with EventLog(h) as log:
        assert log.missed == 0
    with pytest.raises(TypeError, match="an event log needs a host"):
        EventLog("x")


def test_nothing_is_logged_before_it_is_on_and_after_its_end(host):
    import frames

    h = host(sink=True, latency=True)
    h.feed([frames.udp()])
    h.run()
    with EventLog(h) as log:
        h.feed([frames.udp()])
        h.run()
        events = log.end()
        h.feed([frames.udp()])
        h.run()
    assert [e.frame for e in events if e.kind == "wire"] == [2]
    assert len(log.end()) == len(events)


def test_flows_are_in_words_by_the_number_in_the_arrival(host):
    import frames

    h = host(sink=True)
    with vnic.EventLog(h) as log:
        h.feed([frames.udp(sport=9, dport=53), frames.tcp(src="fd00::1", dst="fd00::2", dport=80), frames.arp()])
        h.run()
        rows = log.end().frames
    first, second, third = (f.flow for f in rows)
    assert first == "udp 10.0.0.1:9 > 10.0.0.2:53"
    assert second.startswith("tcp [fd00::1]:")
    assert third == ""
