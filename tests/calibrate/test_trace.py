"""The text of perf script and ftrace: what a line says, and what a recording of a known machine says about it."""

import random
from dataclasses import dataclass, field

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from vnic.calibrate import from_trace
from vnic.calibrate import trace as trace_module
from vnic.calibrate.trace import Event, Trace
from vnic.cli.commands import main
from vnic.errors import ConfigError
from vnic.knobs.cost import profile, shipped

BASE = {key: figure.value for key, (figure, _) in shipped("linux").figures().items()}

LINES = {  # text -> what it is
    "  swapper     0 [003]  4022.123456789: irq:softirq_entry: vec=3 [action=NET_RX]": (3, 0, "softirq_entry", 3),
    "  swapper     0 [003]  4022.123456789: irq:softirq_exit: vec=3 [action=NET_RX]": (3, 0, "softirq_exit", 3),
    "ksoftirqd/1    22 [001]  4022.123456789:       napi:napi_poll: napi poll on napi struct 0xffff88810a2c4010 for"
    " device eth0 work 17 budget 64": (1, 22, "napi_poll", 17),
    "my app: 2   812/815 [001]  4022.123456789: sched:sched_waking: comm=re ader pid=77 prio=120 target_cpu=000": (
        *(1, 815, "sched_waking", 77),
    ),
    "reader 812 [001] 4022.123456789: sched:sched_waking: reader:77 [120] CPU:001": (1, 812, "sched_waking", 77),
    "swapper 0 [000] 4022.123456789: sched:sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R"
    " ==> next_comm=reader next_pid=77 next_prio=120": (0, 0, "sched_switch", 77),
    "swapper 0 [000] 4022.123456789: sched:sched_switch: swapper/0:0 [120] R ==> reader:77 [120]": (
        *(0, 0, "sched_switch", 77),
    ),
    "reader 77 [000] 4022.123456789: syscalls:sys_enter_recvfrom: fd: 0x00000004, size: 0x000007d0": (
        *(0, 77, "sys_enter_recvfrom", 0),
    ),
    "reader 77 [000] 4022.123456789: syscalls:sys_exit_recvfrom: 0x40": (0, 77, "sys_exit_recvfrom", 64),
    "reader 77 [000] 4022.123456789: syscalls:sys_exit_recvmsg: 0xfffffffffffffff5": (0, 77, "sys_exit_recvmsg", -11),
    "perf 9 [001] 4022.123456789: ipi:ipi_send_cpu: cpu=2 callsite=x+0x20 callback=generic_smp_call_function_single_"
    "interrupt+0x0": (1, 9, "ipi_send_cpu", 2),
    "perf 9 [002] 4022.123456789: irq_vectors:call_function_single_entry: vector=251": (
        *(2, 9, "call_function_single_entry", 251),
    ),
    "perf 9 [002] 4022.123456789: irq:irq_handler_entry: irq=36 name=virtio1-req.0": (2, 9, "irq_handler_entry", 36),
    "          <idle>-0       [003] d.s1.  4022.123456789: softirq_entry: vec=3 [action=NET_RX]": (
        *(3, 0, "softirq_entry", 3),
    ),
    "     re-ad er-77      (     77) [000] d..2.  4022.123456789: sched_switch: prev_comm=a prev_pid=1 ==> next_comm=b"
    " next_pid=5 next_prio=120": (0, 77, "sched_switch", 5),
    "          reader-77      [000] .....  4022.123456789: sys_recvfrom(fd: 3, ubuf: 7ff, size: 7d0)": (
        *(0, 77, "sys_enter_recvfrom", 0),
    ),
    "          reader-77      [000] .....  4022.123456789: sys_recvfrom -> 0x40": (0, 77, "sys_exit_recvfrom", 64),
    "  reader-77 [000]  4022.123456789: napi_poll: napi poll on napi struct 0 for device a work 2 budget 64": (
        *(0, 77, "napi_poll", 2),
    ),
}
NOT_USED = [
    "swapper 0 [003] 4022.123456789: irq:softirq_entry: vec=1 [action=TIMER]",
    "perf 9 [001] 4022.123456789: ipi:ipi_send_cpu: cpu=2 callsite=x callback=0x0",
    "reader 77 [000] 4022.123456789: syscalls:sys_enter_write: fd: 0x00000004",
    "reader 77 [000] 4022.123456789: skb:kfree_skb: skbaddr=0",
]


def read(text):
    trace = Trace()
    return list(trace.read(text.splitlines(keepends=True))), trace


@pytest.mark.parametrize("text", LINES, ids=[str(i) for i in range(len(LINES))])
def test_a_line_is_read(text):
    (found,), trace = read(text)
    cpu, pid, name, number = LINES[text]
    assert found == Event(4022_123456789, cpu, pid, name, number)
    assert (trace.format, trace.events, trace.unknown) == (
        "perf" if ":" in text.split("4022.")[1].split()[1][:-1] else "ftrace",
        1,
        0,
    )


@pytest.mark.parametrize("text", NOT_USED)
def test_an_event_without_a_use_is_known_and_left_out(text):
    found, trace = read(text)
    assert (found, trace.events, trace.unknown) == ([], 1, 0)


def test_comments_and_empty_lines_are_not_unknown_and_others_are():
    _, trace = read(f"# tracer: nop\n\n{NOT_USED[0]}\nCPU:1 [LOST 5 EVENTS]\n")
    assert (trace.events, trace.unknown) == (1, 1)


@pytest.mark.parametrize("times", ["4022.123456", "4022.000000"])
def test_times_of_microseconds_are_known_as_coarse(times):
    found, trace = read(f"a 1 [000] {times}: sched:sched_waking: comm=a pid=1")
    assert (found[0].t_ns % 1000, trace.coarse) == (0, True)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not the text of perf script or of ftrace"),
        ("hello\n" * 3000, "is not the text of perf script or of ftrace"),
        (" a-1 [000] d.h1. 123456789012: softirq_entry: vec=3 [action=NET_RX]", "ticks of a CPU's clock"),
    ],
)
def test_what_is_no_such_text(text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read(text)


@given(st.lists(st.sampled_from([*LINES, *NOT_USED]) | st.text(), max_size=30), st.randoms())
def test_mangled_lines_end_in_a_sentence_or_in_events(lines, r):
    lines = [line[: r.randrange(len(line) + 1)] if r.random() < 0.5 else line for line in lines]
    trace = Trace()
    try:
        for event in trace.read(lines):
            assert event.t_ns >= 0
    except ConfigError:
        pass


def test_a_text_that_is_too_long_is_read_up_to_there_and_that_is_said(monkeypatch):
    monkeypatch.setattr(trace_module, "EVENTS_MAX", 600)
    rec, _ = record(True, 0)
    found = figures(rec, event_ns=0)
    assert found.measured["state"][0].startswith("600 events, 0 lines not understood")
    assert any("the text is longer" in line for line in found.measured["state"])


# ---- a machine whose costs are known ----


@dataclass
class Recorder:
    """Writes what perf or ftrace would: each event takes event_ns on its CPU."""

    event_ns: int
    perf: bool = True
    lines: list = field(default_factory=list)

    def put(self, t, cpu, pid, event, rest):
        at = f"{t // 10**9}.{t % 10**9:09}"
        if self.perf:
            line = f"task {pid} [{cpu:03}] {at}: {event}: {rest}"
        elif "sys_enter" in event:
            line = f"task-{pid} [{cpu:03}] d..1. {at}: sys_{event.rpartition('_')[2]}(fd: 3)"
        elif "sys_exit" in event:
            line = f"task-{pid} [{cpu:03}] d..1. {at}: sys_{event.rpartition('_')[2]} -> {rest}"
        else:
            line = f"task-{pid} [{cpu:03}] d..1. {at}: {event.rpartition(':')[2]}: {rest}"
        self.lines.append((t, line))
        return t + self.event_ns

    def softirq(self, t, work, fixed, each, *, wake=0, waker_ns=0):
        t = self.put(t, 1, 0, "irq:softirq_entry", "vec=3 [action=NET_RX]")
        t += fixed + each * work
        if wake:
            t = self.put(t, 1, 0, "sched:sched_waking", f"comm=reader pid={wake} prio=120 target_cpu=000") + waker_ns
        t = self.put(t, 1, 0, "napi:napi_poll", f"napi poll on napi struct 0 for device eth0 work {work} budget 64")
        return self.put(t, 1, 0, "irq:softirq_exit", "vec=3 [action=NET_RX]")

    def text(self):
        return "\n".join(line for _, line in sorted(self.lines, key=lambda row: row[0])) + "\n"


def record(perf, event_ns, *, fixed=3000, each=450, works=(1, 2, 4, 8), seed=1):
    r, rec, t = random.Random(seed), Recorder(event_ns, perf), 10**12
    for _ in range(300):
        t = rec.softirq(t, r.choice(works), fixed, each) + 50_000
    return rec, t


def figures(rec, base="linux", **more):
    events, trace = read(rec.text())
    return from_trace.profile(events, trace, profile(base), name="x", **more)


@pytest.mark.parametrize("perf", [True, False])
@pytest.mark.parametrize("event_ns", [0, 250, 800])
def test_polls_by_their_work_give_a_fixed_part_and_one_for_each_packet(perf, event_ns):
    found = figures(record(perf, event_ns)[0], event_ns=event_ns).own
    assert sum(found[key].value for key in from_trace.FIXED) == pytest.approx(3000, abs=2)
    assert sum(found[key].value for key in from_trace.EACH) == pytest.approx(450, abs=4)
    assert found["ip"].value / found["udp"].value == pytest.approx(BASE["ip"] / BASE["udp"], rel=0.02)


@pytest.mark.parametrize(("perf", "usual"), [(True, 800), (False, 250)])
def test_without_a_number_an_event_takes_what_is_usual_for_the_format(perf, usual):
    found = figures(record(perf, usual)[0]).own
    assert sum(found[key].value for key in from_trace.FIXED) == pytest.approx(3000, abs=2)


def test_polls_of_one_size_only_are_split_by_share():
    found = figures(record(True, 0, works=(4,))[0], event_ns=0).own
    fixed, each = (sum(found[key].value for key in keys) for keys in (from_trace.FIXED, from_trace.EACH))
    assert fixed + 4 * each == pytest.approx(3000 + 4 * 450, abs=16)
    assert fixed / each == pytest.approx(350 / 425, rel=0.02)
    assert "polls of 4 packets only" in found["rx"].source
    assert found["rx"].spread is None


def test_a_wake_up_is_what_a_poll_with_one_takes_longer():
    rec, t = record(True, 100)
    for _ in range(60):
        t = rec.softirq(t, 2, 3000, 450, wake=77, waker_ns=7000) + 50_000
        rec.put(t - 40_000, 0, 0, "sched:sched_switch", "prev_pid=0 ==> next_comm=reader next_pid=77 next_prio=120")
        rec.put(t - 30_000, 0, 77, "sched:sched_switch", "prev_pid=77 ==> next_comm=swapper/0 next_pid=0 next_prio=120")
    found = figures(rec, event_ns=100).own
    assert found["wake-remote"].value == pytest.approx(7000, abs=100)
    assert "wake" not in found
    assert sum(found[key].value for key in from_trace.EACH) == pytest.approx(450, abs=4)


@pytest.mark.parametrize(
    ("idle_ns", "key"), [(30_000, "switch-idle"), (300_000, "switch-idle-100us"), (5_000_000, "switch-idle-1ms")]
)
def test_a_reader_that_sleeps_gives_the_switch_by_how_long_its_cpu_was_idle(idle_ns, key):
    rec, t = Recorder(0), 10**12
    for _ in range(60):
        t = rec.put(t, 0, 77, "syscalls:sys_enter_recvfrom", "fd: 3")
        t = rec.put(t + 100, 0, 77, "sched:sched_switch", "prev_pid=77 ==> next_comm=swapper next_pid=0 next_prio=120")
        t += idle_ns
        rec.softirq(t - 100, 1, 100, 0, wake=77)
        t = rec.put(t + 6000, 0, 0, "sched:sched_switch", "prev_pid=0 ==> next_comm=reader next_pid=77 next_prio=120")
        t = rec.put(t + 2000, 0, 77, "syscalls:sys_exit_recvfrom", "0x40")
    found = figures(rec, {"recv": 300, "wake-remote": 1000}, event_ns=0).own
    assert found[key].value == pytest.approx(8000 - 300 - 1000, abs=1)
    assert {k for k in found if k.startswith("switch")} == {key}
    assert "recv" not in found


def test_a_reader_that_its_own_cpu_wakes_gives_no_switch_of_an_idle_cpu():
    rec, t = Recorder(0), 10**12
    for _ in range(60):
        t = rec.put(t, 1, 77, "syscalls:sys_enter_recvfrom", "fd: 3")
        t = rec.put(t + 100, 1, 77, "sched:sched_switch", "prev_pid=77 ==> next_comm=swapper next_pid=0 next_prio=120")
        t = rec.softirq(t + 30_000, 1, 100, 0, wake=77)
        t = rec.put(t + 1000, 1, 0, "sched:sched_switch", "prev_pid=0 ==> next_comm=reader next_pid=77 next_prio=120")
        t = rec.put(t + 2000, 1, 77, "syscalls:sys_exit_recvfrom", "0x40")
    with pytest.raises(ConfigError, match="has too little: 60 polls, 0 reads, 0 wake-ups"):
        figures(rec, event_ns=0)


def test_a_read_that_does_not_sleep_gives_recv_without_the_copy():
    rec, t = Recorder(0), 10**12
    for i in range(60):
        rec.put(t, 0, 77, "syscalls:sys_enter_recvmsg", "fd: 3")
        t = rec.put(t + 700 + (i % 3), 0, 77, "syscalls:sys_exit_recvmsg", "0x3e8") + 1000
        rec.put(t, 0, 77, "syscalls:sys_enter_recvmsg", "fd: 3")
        t = rec.put(t + 99, 0, 77, "syscalls:sys_exit_recvmsg", "0xfffffffffffffff5") + 1000
    assert figures(rec, {"copy-ps": 200}, event_ns=0).own["recv"].value == 701 - 200


def test_an_ipi_s_delivery_is_from_its_sending_to_its_interrupt():
    rec, t = Recorder(0), 10**12
    for i in range(60):
        rec.put(t, 1, 9, "ipi:ipi_send_cpu", "cpu=0 callsite=x callback=generic_smp_call_function_single_interrupt+0x0")
        if i % 3:  # else the target was awake
            rec.put(t + 5000, 0, 0, "irq_vectors:call_function_single_entry", "vector=251")
        t += 2_000_000
    assert figures(rec, event_ns=0).own["ipi-delivery"].value == 5000


def test_a_softirq_with_an_interrupt_in_it_is_left_out():
    rec, t = record(True, 0)
    for _ in range(900):
        rec.put(t + 100, 1, 0, "irq:irq_handler_entry", "irq=3 name=x")
        rec.put(t + 900, 1, 0, "irq:irq_handler_exit", "irq=3 ret=handled")
        t = rec.softirq(t, 1, 9000, 0) + 50_000
    found = figures(rec, event_ns=0)
    assert sum(found.own[key].value for key in from_trace.FIXED) == pytest.approx(3000, abs=2)
    assert any("an interrupt's handler: 800 ns" in line for line in found.measured["state"])


@given(
    st.lists(st.tuples(st.integers(1, 64), st.integers(0, 10**6)), max_size=3),
    st.integers(-(10**6), 10**6),
    st.integers(0, 10**4),
)
def test_a_straight_line_is_found_whatever_the_works(points, fixed, each):
    works = {work for work, _ in points}
    found = from_trace.line((work, fixed + each * work) for work in works for _ in range(25))
    if len(works) < 2:
        assert found is None
    else:
        assert found == (pytest.approx(fixed, abs=0.01), pytest.approx(each, abs=0.01))


# ---- the command ----


def test_the_command_reads_a_recording_and_writes_a_profile(tmp_path):
    (tmp_path / "rx.txt").write_text(record(True, 800)[0].text())
    out = tmp_path / "mine.toml"
    result = CliRunner().invoke(main, ["calibrate", "--from", str(tmp_path / "rx.txt"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert "300 polls by work" in result.stdout
    found = profile(out)
    assert sum(found.own[key].value for key in from_trace.EACH) == pytest.approx(450, abs=4)
    assert found.base is shipped("linux")


@pytest.mark.parametrize("there", [True, False])
def test_a_recording_that_says_nothing_leaves_the_output_as_it_was(tmp_path, there):
    (tmp_path / "rx.txt").write_text("\n".join(NOT_USED))
    out = tmp_path / "mine.toml"
    if there:
        out.write_text("precious")
    result = CliRunner().invoke(main, ["calibrate", "--from", str(tmp_path / "rx.txt"), "-o", str(out)])
    assert result.exit_code == 2
    assert "rx.txt: has too little: 0 polls, 0 reads, 0 wake-ups" in result.stderr
    assert (out.read_text() == "precious") if there else not out.exists()


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--from", "no.txt"], "no.txt: No such file or directory"),
        (["--from", "/dev/zero"], "is a device"),
        (["--based-on", "windows"], "windows: must be one of linux, zero"),
        (["--event-ns", "5"], "--event-ns: belongs to --from"),
        (["--pin", "x"], "pin x: must be"),
        (["--pin", "auto"], "pin auto: must be two CPUs"),
        (["--pin", "0,0"], "pin 0,0: must be two CPUs"),
        (["-o", "/nonexistent/x.toml"], "No such file or directory"),
    ],
)
def test_wrong_usage_is_one_sentence(args, sentence):
    result = CliRunner().invoke(main, ["calibrate", *args])
    assert result.exit_code in (1, 2)
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
