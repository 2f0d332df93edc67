"""A Perfetto trace, read by Perfetto's own package, says what the log says: slices, waits, losses, fills, arrows."""

from collections import Counter, defaultdict

import frames
import pftraces
import pytest
import recorded
from paths import CAPTURES

import vnic
from vnic.events.log import EventChoice, EventLog
from vnic.trace.write import write

CPU_SLICES = {
    "hardirq": ("hardirq", None),
    "softirq": ("softirq", "softirq"),
    "net_rx": ("softirq", "net_rx_action"),
    "poll": ("softirq", "napi_poll"),
    "wake": ("softirq", "try_to_wake_up"),
    "skb": ("softirq", "build sk_buff"),
    "task": ("tasks", None),
    "switch": ("tasks", None),
    "read": ("tasks", "recvmsg"),
}
"""Kind -> the CPU's track, and the name there; None: it is of several names."""
HARDIRQS = {"queue": "irq handler", "ipi": "call_function_single", "watchdog": "napi_watchdog (hrtimer)"}
WAITS = {
    "ring": "wait: ring",
    "gro_release": "wait: GRO",
    "backlog_out": "wait: backlog",
    "ordered": "wait: fragments and TCP order",
}


def read(events, path, **how):
    write(events, path, **how)
    return pftraces.read(path.read_bytes())


@pytest.fixture(scope="module", params=recorded.RUNS)
def both(request, tmp_path_factory):
    events = recorded.run(request.param)
    return events, read(events, tmp_path_factory.mktemp("trace") / "a.pftrace")


def name_of(event):
    track, name = CPU_SLICES[event.kind]
    if event.kind == "hardirq":
        name = HARDIRQS[event.args["source"]]
    if event.kind == "task":
        name = event.args["task"].replace("napi/", "napi thread ")
    if event.kind == "switch":
        name = f"switch to {event.args['to'].replace('napi/', 'napi thread ')}"
    return f"CPU {event.cpu} {track}", name, event.t_ns, event.end_ns


def test_each_piece_of_work_is_a_slice_of_its_cpu_for_as_long(both):
    events, trace = both
    wanted = Counter(name_of(e) for e in events if e.kind in CPU_SLICES)
    found = Counter((s.track, s.name, s.t, s.end) for s in trace.slices if s.track.startswith("CPU "))
    received = Counter((f"CPU {e.cpu} softirq", "netif_receive_skb", e.t_ns) for e in events if e.kind == "receive")
    assert Counter(row[:3] for row in found.elements() if row[1] == "netif_receive_skb") == received
    assert Counter({row: n for row, n in found.items() if row[1] != "netif_receive_skb"}) == wanted
    assert not any("end_ns" in s.args for s in trace.slices)  # in virtual time nothing crosses, so nothing is cut


def test_softirqs_hold_runs_of_the_poll_list_which_hold_polls(both):
    events, trace = both
    if events.facts["config"]["threaded"]:
        return
    free = events.facts["config"]["cost"] == "zero"
    for s in trace.slices:
        if s.end > s.t and not free and s.name in {"net_rx_action", "napi_poll", "build sk_buff"}:
            assert s.depth == {"net_rx_action": 1, "napi_poll": 2, "build sk_buff": 3}[s.name]


def test_the_work_on_a_packet_lasts_from_its_handler_to_its_socket_or_its_loss(both):
    events, trace = both
    rows = {f.id: f for f in events.frames}
    found = {s.args["frame"]: s for s in trace.slices if s.name == "netif_receive_skb"}
    waits = {e.frame: e.end_ns for e in events if e.kind == "reorder"}
    assert found
    for frame, s in found.items():
        row = rows[frame]
        assert s.t == row.t_stack
        if frame in waits:
            assert s.end == waits[frame]
        elif row.t_socket is not None:
            assert s.end == row.t_socket
        elif row.lost:
            assert s.end == row.t_fate


def test_waits_are_slices_on_lanes(both):
    events, trace = both
    wanted = Counter((WAITS[e.kind], e.frame, e.t_ns, e.end_ns) for e in events if e.kind in WAITS and e.dur_ns)
    found = Counter((s.track, s.args["frame"], s.t, s.end) for s in trace.slices if s.name in WAITS.values())
    assert found == wanted


def test_a_frame_waits_in_the_fifo_until_its_dma_and_in_the_socket_until_it_is_read(both):
    events, trace = both
    dma = {e.frame: e.t_ns for e in events if e.kind == "dma"}
    fifo = {e.frame: e.t_ns for e in events if e.kind == "fifo"}
    assert {s.args["frame"]: (s.t, s.end) for s in trace.slices if s.name == "wait: FIFO"} == {
        frame: (t, dma[frame]) for frame, t in fifo.items() if dma[frame] > t
    }
    queued = {f.id: f for f in events.frames if f.t_socket is not None and f.skb == f.id}
    sockets = {s.args["frame"]: s for s in trace.slices if s.name == "wait: socket"}
    assert sockets.keys() == queued.keys()
    number = {e.frame: e.args["sock"] for e in events if e.kind == "socket"}
    assert {frame: s.args["sock"] for frame, s in sockets.items()} == {frame: number[frame] for frame in sockets}
    for frame, s in sockets.items():
        assert s.t == queued[frame].t_socket
        assert queued[frame].t_read is None or s.end == queued[frame].t_read
        assert ("unfinished" in s.args) == (queued[frame].t_read is None)


def test_lanes_are_as_few_as_waits_overlap(both):
    _, trace = both
    waits = defaultdict(list)
    for s in trace.slices:
        if s.name.startswith("wait:"):
            waits[s.name] += [(s.t, 1), (s.end, -1)]
    for name, edges in waits.items():
        most, now = 1, 0
        for _, step in sorted(edges):  # an end before a begin of the same instant
            now += step
            most = max(most, now)
        assert len(trace.uuids[name]) == most


def test_losses_are_instants_of_their_own_track_and_as_many_as_the_ledger_has(both):
    events, trace = both
    segs = {f.id: f.segs for f in events.frames}
    found = Counter()
    for mark in trace.instants:
        if mark.track == "losses, by fate":
            found[mark.name] += segs[mark.args["frame"]]
            assert mark.args["fate"] == mark.name
            assert mark.ending == [mark.args["frame"]]
    wanted = {n: k for n, k in events.facts["ledger"]["fates"].items() if not n.startswith("DELIVERED_")}
    assert found == wanted


def test_fills_are_those_of_the_records_and_end_empty(both):
    events, trace = both
    ring = [n for name, row in trace.counters.items() if "in the ring" in name for _, n in row]
    assert max(ring) == max(e.args["ring"] for e in events if e.kind == "dma")
    assert max(ring) <= events.facts["config"]["rx-ring"]
    fifo = trace.counters["FIFO bytes"]
    assert max(n for _, n in fifo) == max(e.args["fifo_bytes"] for e in events if e.kind == "fifo")
    ends = {name: row[-1][1] for name, row in trace.counters.items() if "socket" not in name and row}
    assert set(ends.values()) == {0}


def test_a_backlog_is_as_long_as_what_was_put_in_and_not_taken(both):
    events, trace = both
    length = Counter()
    wanted = defaultdict(list)
    edges = [(e.t_ns, 1, e.args["target"]) for e in events if e.kind == "backlog"]
    edges += [(e.end_ns, -1, e.cpu) for e in events if e.kind == "backlog_out"]
    for _, step, cpu in sorted(edges):
        length[cpu] += step
        wanted[cpu].append(length[cpu])
    for cpu, values in wanted.items():
        assert max(n for _, n in trace.counters[f"CPU {cpu}: backlog length"]) in {max(values), max(values) + 1}
        assert len(trace.counters[f"CPU {cpu}: backlog length"]) == len(values)


def test_an_arrow_follows_a_frame_from_the_wire_to_the_read(both):
    events, trace = both
    for frame in events.frames:
        passed = trace.arrows[frame.id]
        names = [mark.name for mark in passed]
        assert names[0] == "frame on the wire"
        if frame.t_ring is not None:
            assert [name for name in names if name != "no buffer in the ring"][1] == "DMA"
        if frame.skb != frame.id:
            assert "recvmsg" not in names  # its packet's first frame goes on
        elif frame.t_read is not None:
            assert names[-1] == "recvmsg"
            assert names.count("build sk_buff") == 1
            assert [mark.name for mark in passed if frame.id in mark.ending] == ["recvmsg"]
        assert all(mark.args["frame"] == frame.id for mark in passed if frame.id in mark.ending)
        assert sum(frame.id in mark.ending for mark in passed) <= 1


def test_a_merged_frames_arrow_ends_where_its_packet_takes_it(both):
    events, trace = both
    merged = [e for e in events if e.kind == "gro_merge"]
    found = [m for m in trace.instants if m.name == "GRO merge"]
    assert Counter((m.t, m.args["frame"], tuple(m.ending), tuple(m.flows)) for m in found) == Counter(
        (e.t_ns, e.frame, (e.frame,), (e.skb,)) for e in merged
    )


def test_an_interrupt_has_an_arrow_to_its_handler(both):
    _, trace = both
    for number, marks in trace.arrows.items():
        if number >> 56 and len(marks) == 2:
            assert (marks[0].name, marks[1].name) in {
                ("interrupt raised", "irq handler"),
                ("IPI", "call_function_single"),
                ("try_to_wake_up", "reader"),
            }
    handlers = [s for s in trace.slices if s.name in {"irq handler", "call_function_single"}]
    assert handlers
    assert all(s.ending for s in handlers)


def test_marks_say_frame_flow_length_and_fate(both):
    events, trace = both
    rows = {f.id: f for f in events.frames}
    said = [m for m in (*trace.slices, *trace.instants) if "frame" in m.args]
    for mark in said:
        row = rows[mark.args["frame"]]
        assert mark.args.get("flow", "") == row.flow
        assert (mark.args["len"], mark.args["fate"]) == (row.len, row.fate)
        assert mark.args.get("packet", row.id) == row.skb
        assert mark.args.get("segs", 1) == max(row.segs, 1)
    assert len({m.args["frame"] for m in said}) == len(events.frames)


def test_hardirqs_preempt_a_poll_and_split_nothing(tmp_path):
    trace = read(recorded.run("interrupted"), tmp_path / "a.pftrace")
    polls = [s for s in trace.slices if s.name == "napi_poll"]
    inside = [h for h in trace.slices if h.name == "irq handler" if any(p.t < h.t and h.end < p.end for p in polls)]
    assert inside
    assert all(h.track == "CPU 0 hardirq" and h.depth == 0 for h in inside)


def test_moderation_is_a_slice_from_the_first_frame_to_the_interrupt(tmp_path):
    events = recorded.run("tcp")
    trace = read(events, tmp_path / "a.pftrace")
    wanted = [(e.t_ns, e.end_ns, e.args["by"]) for e in events if e.kind == "irq"]
    assert [(s.t, s.end) for s in trace.slices if s.name == "moderation"] == [
        row[:2] for row in wanted if row[1] > row[0]
    ]
    raised = [(m.t, m.args["by"]) for m in trace.instants if m.name == "interrupt raised"]
    assert raised == [row[1:] for row in wanted]


def test_groups_and_tracks_have_names_and_an_order(tmp_path):
    trace = read(recorded.run("demo, rps"), tmp_path / "a.pftrace")
    root = trace.descriptors[0]
    assert (root.process_ordering, root.thread_ordering) == (1, 1)  # by rank
    groups = [d for d in trace.descriptors.values() if d.HasField("process")]
    assert [d.process.process_name for d in sorted(groups, key=lambda d: d.sibling_order_rank)] == [
        *("losses", "card vnic0", "CPU 0", "CPU 1", "CPU 2", "CPU 3", "packets that wait"),
    ]
    assert len({d.process.pid for d in groups}) == len(groups)
    threads = [d for d in trace.descriptors.values() if d.HasField("thread")]
    assert len({(d.thread.pid, d.thread.tid) for d in threads}) == len(threads)
    names = [d.thread.thread_name for d in sorted(threads, key=lambda d: d.sibling_order_rank)]
    assert names[:5] == [
        "losses, by fate",
        "notes",
        "card: wire",
        "card: frames without a buffer",
        "card: DMA, queue 0",
    ]
    assert names[-3:] == ["CPU 3 hardirq", "CPU 3 softirq", "CPU 3 tasks"]


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(recorded.demo(rps_cpus="f", queues=2), tmp_path / f"{name}.pftrace")
    assert (tmp_path / "a.pftrace").read_bytes() == (tmp_path / "b.pftrace").read_bytes()


def test_chosen_frames_have_their_marks_alone_and_a_note(tmp_path):
    path = tmp_path / "a.pftrace"
    events = vnic.replay([CAPTURES / "demo.pcapng"], events=EventChoice(frames=[(17, 20), 30])).events
    trace = read(events, path)
    notes = [m for m in trace.instants if m.track == "notes"]
    assert [m.name for m in notes] == ["chosen: frames 17-20, 30; the rest of the run is not here"]
    assert notes[0].args == {"records": str(len(events)), "frames": "5"}
    assert {m.args["frame"] for m in (*trace.slices, *trace.instants) if "frame" in m.args} == {17, 18, 19, 20, 30}


def test_a_full_log_says_what_is_missing(tmp_path):
    events = vnic.replay([CAPTURES / "demo.pcapng"], events=EventChoice(records=1024)).events
    trace = read(events, tmp_path / "a.pftrace")
    missing = f"the event log was full: {events.missed} later records are missing"
    assert [m.name for m in trace.instants if m.track == "notes"] == [missing]
    assert events.missed > 0


def test_a_run_without_frames_is_a_trace_that_says_so(tmp_path):
    trace = read(recorded.record([]), tmp_path / "a.pftrace")
    assert [m.name for m in trace.instants] == ["there are no events"]
    assert not trace.slices


def test_frames_of_the_card_are_instants_of_their_own_tracks(tmp_path):
    starved = recorded.run("ring")
    answers = recorded.record([(i * 1000, frames.icmp()) for i in range(5)], ip="10.0.0.2/24", sink=False)
    tracks = {"wire": "card: wire", "sent": "card: sent", "no_buffer": "card: frames without a buffer"}
    for events, kinds in ((starved, {"wire", "no_buffer"}), (answers, {"wire", "sent"})):
        trace = read(events, tmp_path / "a.pftrace")
        wanted = Counter((tracks[e.kind], e.t_ns) for e in events if e.kind in tracks)
        assert {e.kind for e in events if e.kind in tracks} == kinds
        assert Counter((m.track, m.t) for m in trace.instants if m.track in tracks.values()) == wanted


def test_a_live_hosts_trace_nests_too(live, tmp_path):
    burst = [frames.udp(b"x" * 18, sport=1000 + i % 7, dport=5000) for i in range(500)]
    host = live([burst] * 4, queues=2, cpus=2, sink=True, latency=True, rps_cpus="3")
    with EventLog(host) as log:
        with host.running():
            while sum(host.ledger().fates.values()) < 2000:
                host.wait(0.01)
        events = log.end()
    trace = read(events, tmp_path / "a.pftrace")
    assert len([m for m in trace.instants if m.name == "frame on the wire"]) == 2000


def test_where_slices_cross_the_inner_one_is_cut_and_says_when_it_ended(tmp_path):
    """Only in a live log: its CPUs read their clocks one after the other."""
    events = recorded.record([(i * 50_000, frames.udp(b"x", sport=1000 + i)) for i in range(5)])
    at = [i for i, e in enumerate(events) if e.kind == "poll"][2]
    poll = events.c[at]
    outer = min(e.end_ns for e in events if e.kind == "net_rx" and e.t_ns <= poll.t_ns and e.end_ns > poll.t_ns)
    poll.dur_ns = outer - poll.t_ns + 777
    [cut] = [s for s in read(events, tmp_path / "a.pftrace").slices if "end_ns" in s.args]
    assert (cut.name, cut.t, cut.end, int(cut.args["end_ns"])) == ("napi_poll", poll.t_ns, outer, outer + 777)
