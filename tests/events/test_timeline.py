"""The time line: as a plain model of it, whatever comes in whichever order; and its sums are the ledger's."""

import overload_capture
import pytest
import timeline_model
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic._core import ffi, lib
from vnic.counters.snapshots import FATES
from vnic.counters.timeline import Timeline
from vnic.events.log import EventChoice, EventLog
from vnic.runs.replay import replay

KINDS = st.sampled_from([
    lib.EVENT_WIRE, lib.EVENT_FIFO, lib.EVENT_NO_BUFFER, lib.EVENT_DMA, lib.EVENT_IRQ, lib.EVENT_POLL,
    lib.EVENT_SOCKET, lib.EVENT_BACKLOG, lib.EVENT_FATE, lib.EVENT_WAKE])  # fmt: skip
TIMES = st.one_of(st.integers(0, 3000), st.integers(0, 10**6), st.integers(0, 1 << 62))


@st.composite
def records(draw):
    out = []
    for _ in range(draw(st.integers(1, 40))):
        kind, arg = draw(KINDS), draw(st.integers(0, 70_000))
        if kind == lib.EVENT_FATE:
            arg = draw(st.integers(0, len(FATES) - 1))
        elif kind in (lib.EVENT_BACKLOG, lib.EVENT_SOCKET):
            arg = arg << 32 | draw(st.integers(0, 2))
        queue = draw(st.sampled_from([0, 1, lib.EVENT_NO_QUEUE] if kind == lib.EVENT_POLL else [0, 1]))
        out.append((draw(TIMES), kind, queue, arg, draw(st.integers(0, 65535))))
    return out


def noted(given, first_bin_ns):
    t = ffi.gc(lib.timeline_new(first_bin_ns, 2, 3), lib.timeline_free)
    for end, kind, queue, arg, more in given:
        took = end // 3
        lib.timeline_note(t, ffi.new("struct event_record *", {
            "t_ns": end - took, "dur_ns": took, "kind": kind, "queue": queue, "arg": arg, "more": more}))  # fmt: skip
    return t


def columns(t):
    n = int(t.bins)
    found = {"offered": t.offered, "delivered": t.delivered, "interrupts": t.interrupts, "polls": t.polls}
    found |= {"fifo": t.fifo_max, "socket": t.socket_max}
    found |= {("lost", name): t.lost[i] for i, name in enumerate(FATES)}
    found |= {("ring", i): t.ring_max + i * lib.TIMELINE_BINS for i in range(2)}
    found |= {("backlog", i): t.backlog_max + i * lib.TIMELINE_BINS for i in range(3)}
    lists = {name: list(ffi.unpack(column, n)) for name, column in found.items()}
    return {name: values for name, values in lists.items() if any(values)}


@given(records(), st.sampled_from([1, 7, 1000]))
def test_it_is_as_its_model(given, first_bin_ns):
    begin, width, n, expected = timeline_model.bins_of(given, first_bin_ns)
    t = noted(given, first_bin_ns)
    assert (int(t.begin_ns), int(t.bin_ns), int(t.bins)) == (begin, width, n)
    assert columns(t) == expected


def test_bins_double_only_when_they_are_used_up():
    last = 1000 + lib.TIMELINE_BINS * 10 - 1
    wire = (lib.EVENT_WIRE, 0, 60, 0)
    assert noted([(1000, *wire), (last, *wire)], 10).bin_ns == 10
    t = noted([(1000, *wire), (last, *wire), (last + 1, *wire)], 10)
    assert (t.bin_ns, t.bins, list(t.offered)[255:258]) == (20, 257, [1, 1, 0])


def test_a_queue_and_a_cpu_that_came_later_have_no_column():
    odd = [(5, lib.EVENT_DMA, 7, 3, 0), (5, lib.EVENT_BACKLOG, 0, 9 << 32 | 7, 0)]
    assert columns(noted(odd, 10)) == {}


@pytest.fixture(scope="module")
def overload(tmp_path_factory):
    path = tmp_path_factory.mktemp("timeline") / "a.pcap"
    path.write_bytes(overload_capture.capture())
    return path


CONFIGS = {
    "linux": {},
    "spread": {"queues": 2, "rps_cpus": "c", "netdev_max_backlog": 100, "rx_usecs": 50, "rx_ring": 64},
    "filters": {"mac": "02:00:00:00:00:99", "mtu": 600, "drop_en": True},
    "left": {"rx_frames": 5000},
}


@pytest.mark.parametrize("options", CONFIGS.values(), ids=CONFIGS)
def test_its_sums_are_the_counters(overload, options):
    facts = replay([overload], timeline=True, **options).facts
    line, ledger = facts["timeline"], facts["ledger"]
    lost = {fate: n for fate, n in ledger["fates"].items() if not fate.startswith("DELIVERED_")}
    assert sum(line["offered"]) == ledger["offered"]
    assert {fate: sum(frames) for fate, frames in line["lost"].items()} == lost
    assert sum(line["delivered"]) == ledger["offered"] - sum(lost.values())
    assert sum(line["interrupts"]) == facts["irq"]["interrupts"]
    assert sum(line["polls"]) == sum(q["polls"] for q in facts["queues"])
    limits = {row["knob"]: row for row in facts["limits"]}
    assert max(line["fifo_bytes_max"]) == limits["fifo"]["high_water"]
    most = max(max(v) for v in line["ring_max"].values())
    assert most <= limits["rx-ring"]["setting"]
    assert most == limits["rx-ring"]["setting"] or not limits["rx-ring"]["bound"]
    assert max(max(v) for v in line["backlog_max"].values()) == limits["netdev-max-backlog"]["high_water"]
    assert {len(v) for v in (line["offered"], line["socket_bytes_max"], *line["ring_max"].values())} == {line["bins"]}
    assert 256 < line["bins"] <= 512


def test_nothing_else_changes_with_a_time_line(overload):
    plain, seen = (replay([overload], timeline=on).facts for on in (False, True))
    del seen["timeline"]
    assert plain == seen


def test_it_is_the_same_twice_and_beside_a_log_of_events(overload):
    a = replay([overload], timeline=True)
    b = replay([overload], timeline=True, events=True)
    assert a.facts["timeline"] == b.facts["timeline"]
    assert a.events is None
    assert len(b.events) > a.facts["ledger"]["offered"]


def test_a_run_without_a_frame_has_no_bins():
    with vnic.Host(cpus=1) as host:
        line = Timeline(host)
        EventLog(host, EventChoice(records=0), observe=line.observe)
        host.run()
        told = line.as_dict()
    assert (told["bins"], told["offered"], told["ring_max"], told["lost"]) == (0, [], {"0": []}, {})
