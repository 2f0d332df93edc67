"""The text of the kernel's tracer says what the event log says, in the kernel's own formats."""

import re
from collections import Counter, defaultdict
from pathlib import Path

import frames
import ftraces
import pytest
import recorded
from paths import CAPTURES

import vnic
from vnic.counters.snapshots import FATES
from vnic.events.log import EventChoice
from vnic.trace import reasons
from vnic.trace.write import write

TRACEFS = Path("/sys/kernel/tracing/events")


def text_of(events, path, **how):
    write(events, path, **how)
    return path.read_text()


@pytest.fixture(scope="module", params=[name for name in recorded.RUNS if name != "demo, no cost"])
def both(request, tmp_path_factory):
    events = recorded.run(request.param)
    comments, lines = ftraces.read(text_of(events, tmp_path_factory.mktemp("trace") / "a.ftrace"))
    return events, comments, lines


def skb(frame):
    return f"{0xFFFF888000000000 + frame * 256:016x}"


def of(lines, *names):
    return [row for row in lines if row.event in names]


def test_the_head_is_the_kernels_and_counts_the_lines(both):
    _, comments, lines = both
    assert comments[:2] == ["# tracer: nop", "#"]
    cpus = max(row.cpu for row in lines) + 1
    assert comments[2] == f"# entries-in-buffer/entries-written: {len(lines)}/{len(lines)}   #P:{cpus}"
    kernels = [c for c in comments if not c.startswith("# vnic: ")]
    assert kernels[-1] == "#              | |         |   |||||     |         |"


def test_handlers_enter_and_exit_when_their_interrupts_are_handled(both):
    events, _, lines = both
    wanted = [(e.cpu, e.t_ns, e.end_ns, str(24 + e.queue)) for e in events if e.args.get("source") == "queue"]
    entries = of(lines, "irq_handler_entry")
    exits = of(lines, "irq_handler_exit")
    found = [(a.cpu, a.t_ns, b.t_ns, a.fields["irq"]) for a, b in zip(entries, exits, strict=True)]
    assert sorted(found) == sorted(wanted)
    assert all(row.fields["name"] == f"vnic0-rx-{int(row.fields['irq']) - 24}" for row in entries)
    assert all(row.flags[0] == "d" and row.flags[2] in "hH" for row in (*entries, *exits))


def test_a_handler_raises_net_rx_and_a_threaded_one_does_not(both):
    events, _, lines = both
    raised = Counter((row.cpu, row.t_ns) for row in of(lines, "softirq_raise"))
    threaded = events.facts["config"]["threaded"]
    wanted = Counter(
        (e.cpu, e.end_ns)
        for e in events
        if e.kind == "hardirq" and (e.args["source"] == "ipi" or (e.args["source"] == "queue" and not threaded))
    )
    assert raised == wanted


def test_softirqs_and_polls_are_those_of_the_log(both):
    events, _, lines = both
    runs = Counter((e.cpu, e.end_ns) for e in events if e.kind == "net_rx")
    net_rx = "vec=3 [action=NET_RX]"
    assert Counter((r.cpu, r.t_ns) for r in of(lines, "softirq_exit") if r.text == net_rx) == runs
    entries = [r for r in of(lines, "softirq_entry") if r.text == net_rx]
    assert len(entries) == runs.total()
    assert events is not recorded.run("restarts") or runs.total() > 2 * sum(e.kind == "softirq" for e in events)
    softirqs = {(e.cpu, e.t_ns) for e in events if e.kind in {"softirq", "net_rx"}}
    assert {(r.cpu, r.t_ns) for r in entries} <= softirqs
    wanted = Counter((e.cpu, e.end_ns, str(e.args["work"]), str(e.args["weight"])) for e in events if e.kind == "poll")
    polls = of(lines, "napi_poll")
    assert Counter((r.cpu, r.t_ns, r.fields["work"], r.fields["budget"]) for r in polls) == wanted
    assert {r.fields["dev"] for r in polls} <= {"vnic0", "(no_device)"}


def test_entries_and_exits_of_a_cpu_pair_and_nest(both):
    _, _, lines = both
    stacks = defaultdict(list)
    for row in lines:
        for what in ("irq_handler", "softirq", "call_function_single", "local_timer", "sys_recvmsg"):
            key = what if what != "sys_recvmsg" else f"{what} {row.pid}"
            stack = stacks[row.cpu if what != "sys_recvmsg" else key]
            if row.event == f"{what}_entry" or (row.event == what == "sys_recvmsg" and row.text.startswith("(")):
                stack.append(key)
            elif row.event == f"{what}_exit" or (row.event == what == "sys_recvmsg"):
                assert stack.pop() == key
    assert all(not stack or stack[0].startswith("sys_recvmsg") for stack in stacks.values())


def test_packets_are_received_with_their_length_above_ethernet(both):
    events, _, lines = both
    wanted = Counter((e.cpu, e.t_ns, skb(e.frame), str(e.args["len"])) for e in events if e.kind == "receive")
    received = of(lines, "netif_receive_skb")
    assert Counter((r.cpu, r.t_ns, r.fields["skbaddr"], r.fields["len"]) for r in received) == wanted
    assert all(r.flags[2] == "s" or events.facts["config"]["threaded"] for r in received)
    single = {skb(f.id): f.len - 14 for f in events.frames if f.segs == 1}
    assert all(int(r.fields["len"]) == single[r.fields["skbaddr"]] for r in received if r.fields["skbaddr"] in single)


def test_losses_of_the_host_are_freed_with_linuxs_reason_and_those_of_the_card_are_counted(both):
    events, comments, lines = both
    lost = [f for f in events.frames if f.lost and f.skb == f.id]
    wanted = Counter((skb(f.id), f.t_fate, reasons.reason(f.fate)) for f in lost if f.fate not in reasons.CARD)
    freed = of(lines, "kfree_skb")
    assert Counter((r.fields["skbaddr"], r.t_ns, r.fields["reason"]) for r in freed) == wanted
    card = Counter(f.fate for f in events.frames if f.fate in reasons.CARD)
    said = [c for c in comments if "the card lost frames" in c]
    assert said == [
        "# vnic: the card lost frames before there was an sk_buff, so no line tells of them: "
        + ", ".join(f"{fate} {n}" for fate, n in sorted(card.items()))
    ] * bool(card)


def test_reads_copy_free_and_return_the_bytes(both):
    events, _, lines = both
    wanted = [(e.cpu, e.end_ns, skb(e.frame), str(e.args["len"])) for e in events if e.kind == "read"]
    copies = of(lines, "skb_copy_datagram_iovec")
    assert sorted((r.cpu, r.t_ns, r.fields["skbaddr"], r.fields["len"]) for r in copies) == sorted(wanted)
    results = [r for r in of(lines, "sys_recvmsg") if r.text.startswith(" -> ")]
    assert Counter(int(r.text.split()[-1], 16) for r in results) == Counter(int(row[3]) for row in wanted)
    assert all(r.comm == f"reader/{r.cpu}" and r.pid == 1000 + r.cpu for r in (*copies, *results))
    udp = {skb(f.id) for f in events.frames if f.t_read and f.fate == "DELIVERED_UDP" and f.skb == f.id}
    assert udp <= {r.fields["skbaddr"] for r in of(lines, "consume_skb")}


def test_switches_follow_from_one_task_to_the_next(both):
    events, _, lines = both
    now = defaultdict(int)
    for row in lines:
        assert row.pid == now[row.cpu]
        assert (row.comm == "<idle>") == (row.pid == 0)
        if row.event == "sched_switch":
            assert int(row.fields["prev_pid"]) == now[row.cpu]
            now[row.cpu] = int(row.fields["next_pid"])
    wanted = Counter((e.cpu, e.end_ns) for e in events if e.kind == "switch")
    woken = [r for r in of(lines, "sched_switch") if int(r.fields["next_pid"])]
    assert Counter((r.cpu, r.t_ns) for r in woken) == wanted
    wakes = Counter((e.cpu, e.t_ns, f"{e.args['target']:03}") for e in events if e.kind == "wake")
    assert Counter((r.cpu, r.t_ns, r.fields["target_cpu"]) for r in of(lines, "sched_waking")) == wakes
    assert len(of(lines, "sched_wakeup")) == wakes.total()


def test_a_reader_that_has_read_all_sleeps_in_recv_until_it_is_woken(both):
    _, _, lines = both
    asleep = {}
    for row in lines:
        if row.event == "sched_switch" and row.fields["prev_comm"].startswith("reader/"):
            asleep[row.fields["prev_pid"]] = row.fields["prev_state"] == "S"
        if row.event == "sched_waking":
            assert asleep.get(row.fields["pid"], True)
            asleep[row.fields["pid"]] = False
        if row.event == "sched_switch" and row.fields["next_comm"].startswith("reader/"):
            assert not asleep.get(row.fields["next_pid"], False)


def test_ipis_name_their_target(both):
    events, _, lines = both
    wanted = Counter((e.cpu, e.t_ns, str(e.args["target"])) for e in events if e.kind == "ipi")
    assert Counter((r.cpu, r.t_ns, r.fields["cpu"]) for r in of(lines, "ipi_send_cpu")) == wanted
    handled = Counter((e.cpu, e.t_ns) for e in events if e.args.get("source") == "ipi")
    assert Counter((r.cpu, r.t_ns) for r in of(lines, "call_function_single_entry")) == handled


def fields_of(path):
    """The fields that the running kernel's format prints, in order."""
    shown = re.search(r'^print fmt: "(.*?)"', (TRACEFS / path / "format").read_text(), re.MULTILINE)
    assert shown
    return re.findall(r"(\w+)=", shown[1])


KERNELS = (
    *("irq/irq_handler_entry", "irq/irq_handler_exit", "irq/softirq_entry", "irq/softirq_exit", "irq/softirq_raise"),
    *("net/netif_receive_skb", "net/napi_gro_receive_entry", "skb/kfree_skb", "skb/consume_skb"),
    *("skb/skb_copy_datagram_iovec", "sched/sched_switch", "sched/sched_waking", "sched/sched_wakeup"),
    *("ipi/ipi_send_cpu", "irq_vectors/call_function_single_entry"),
)


@pytest.mark.parametrize("path", KERNELS)
def test_the_fields_of_a_line_are_the_running_kernels(path, tmp_path):
    try:
        kernels = fields_of(path)
    except OSError as e:
        pytest.skip(f"the running kernel does not say: {e}")
    name = path.rpartition("/")[2]
    _, lines = ftraces.read(text_of(recorded.run("demo, rps"), tmp_path / "a.ftrace"))
    found = of(lines, name)
    assert found
    assert [field for field, _ in ftraces.FIELD.findall(found[0].text)] == kernels


def test_reasons_are_names_of_the_running_kernel():
    try:
        known = (TRACEFS / "skb/kfree_skb/format").read_text()
    except OSError as e:
        pytest.skip(f"the running kernel does not say: {e}")
    names = set(re.findall(r'\{ \d+, "(\w+)" \}', known))
    losses = [f for f in FATES if not f.startswith("DELIVERED_") and f not in reasons.CARD]
    assert {reasons.reason(fate) for fate in losses} <= names
    assert not reasons.OURS & names


def test_the_same_run_gives_the_same_text(tmp_path):
    texts = [text_of(recorded.demo(rps_cpus="f", queues=2), tmp_path / f"{i}.ftrace") for i in range(2)]
    assert texts[0] == texts[1]


def test_chosen_frames_have_lines_alone_and_a_comment(tmp_path):
    events = vnic.replay([CAPTURES / "demo.pcapng"], events=EventChoice(frames=[(17, 20), 30])).events
    comments, lines = ftraces.read(text_of(events, tmp_path / "a.ftrace"))
    assert "# vnic: chosen: frames 17-20, 30; the rest of the run is not here" in comments
    packets = {row.fields["skbaddr"] for row in lines if "skbaddr" in row.fields}
    assert packets == {skb(f) for f in (17, 18, 19, 20, 30)}
    assert all(row.comm.startswith("reader/") for row in of(lines, "skb_copy_datagram_iovec"))


def test_a_full_log_says_what_is_missing(tmp_path):
    events = vnic.replay([CAPTURES / "demo.pcapng"], events=EventChoice(records=1024)).events
    comments, _ = ftraces.read(text_of(events, tmp_path / "a.ftrace"))
    assert f"# vnic: the event log was full: {events.missed} later records are missing" in comments


def test_a_run_without_frames_is_a_head_alone(tmp_path):
    comments, lines = ftraces.read(text_of(recorded.record([]), tmp_path / "a.ftrace"))
    assert "# vnic: there are no events" in comments
    assert not lines


def test_work_without_cost_leaves_pairs_whole(tmp_path):
    _, lines = ftraces.read(text_of(recorded.run("demo, no cost"), tmp_path / "a.ftrace"))
    count = Counter(row.event for row in lines)
    assert count["softirq_entry"] == count["softirq_exit"]
    assert count["irq_handler_entry"] == count["irq_handler_exit"]


def test_seconds_have_as_many_digits_as_they_need(tmp_path):
    packet = frames.udp(b"x")
    events = recorded.record([(123_456_789_000_000_001, packet)])
    _, lines = ftraces.read(text_of(events, tmp_path / "a.ftrace"))
    assert {row.t_ns for row in lines} >= {e.t_ns for e in events if e.kind in {"hardirq", "receive"}}
    assert min(row.t_ns for row in lines) > 123_456_789 * 10**9 - 10**9


def test_a_napi_s_own_task_has_a_pid_of_its_own(tmp_path):
    traffic = [(i * 20_000, frames.udp(b"x", sport=1000 + i)) for i in range(200)]
    events = recorded.record(traffic, cpus=3, queues=3, threaded=True)
    _, lines = ftraces.read(text_of(events, tmp_path / "a.ftrace"))
    pids = {}
    for row in of(lines, "sched_switch"):
        if row.fields["next_comm"].startswith("napi/"):
            pids.setdefault(row.cpu, set()).add(int(row.fields["next_pid"]))
    assert pids == {cpu: {4000 + 256 * cpu} for cpu in range(3)}


def test_each_cpus_ksoftirqd_has_a_pid_of_its_own(tmp_path):
    _, lines = ftraces.read(text_of(recorded.run("overload"), tmp_path / "a.ftrace"))
    found = {(row.comm, row.pid) for row in lines if row.comm.startswith("ksoftirqd/")}
    assert found == {("ksoftirqd/0", 100), ("ksoftirqd/1", 101)}
