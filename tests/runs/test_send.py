"""vnic send: the plan beside exact fractions, steps under a clock of the test's own, and real frames on a TAP."""

import contextlib
import ctypes
import errno
import json
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import frames
import needs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_tap import live_tap, settle, wait_until

import vnic
from vnic._core import ffi, lib
from vnic.capture_select import Selection
from vnic.cli.send import report
from vnic.pace import pace
from vnic.runs import send as send_
from vnic.tap import tun

NEVER = 2**64 - 1
FRAMES = [frames.udp(bytes([i]) * (10 + 7 * i)) for i in range(20)]


def pcap(packets, link=1):
    """(stamp in ns, frame) or (stamp, frame, length on the wire)"""
    out = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, link)
    for t, data, *length in packets:
        out += struct.pack("<IIII", t // 10**9, t % 10**9, len(data), *(length or [len(data)])) + data
    return out


@pytest.fixture
def capture(tmp_path):
    def make(packets=None, gap_ns=1000):
        path = tmp_path / "in.pcap"
        path.write_bytes(pcap(packets if packets is not None else [(i * gap_ns, f) for i, f in enumerate(FRAMES)]))
        return path

    return make


# ---- the plan ----


def plan(pace, rate, passes):
    """When each frame is due, by exact fractions; passes: lists of (stamp, length), length 0: it is not sent."""
    due, before, sent, bits = [], Fraction(0), 0, 0
    for frames_ in passes:
        first = last = frames_[0][0]
        for t, length in frames_:
            last = max(last, t)
            due.append(
                {
                    lib.PACE_RECORDED: (before + last - first) * Fraction(10**6, rate),
                    lib.PACE_PPS: Fraction(sent * 10**12, rate),
                    lib.PACE_BPS: Fraction(bits * 10**9, rate),
                    lib.PACE_TOPSPEED: 0,
                }[pace]
                // 1
            )
            sent += length > 0
            bits += 8 * length
        before += last - first
        if len(frames_) > 1:
            before += (last - first) // (len(frames_) - 1)
    return due


def c_plan(pace, rate, passes):
    s = ffi.new("struct schedule *", {"pace": pace, "rate": rate})
    due = []
    for i, frames_ in enumerate(passes):
        if i:
            lib.schedule_loop(s)
        due += [lib.schedule_next(s, t, length) for t, length in frames_]
    return due


stamped = st.tuples(st.integers(0, 10**10), st.sampled_from([0, 60, 1514]) | st.integers(14, 9000))


@pytest.mark.parametrize("pace", [lib.PACE_RECORDED, lib.PACE_PPS, lib.PACE_BPS, lib.PACE_TOPSPEED])
@given(st.integers(1, 4 * 10**9), st.lists(stamped, min_size=1, max_size=40), st.integers(1, 4))
def test_the_plan_is_exact(pace, rate, recorded, passes):
    due = c_plan(pace, rate, [recorded] * passes)
    assert due == plan(pace, rate, [recorded] * passes)
    assert due == sorted(due)


@pytest.mark.slow
@pytest.mark.parametrize(
    "pace, rate", [(lib.PACE_RECORDED, 3_000_001), (lib.PACE_PPS, 333_333_333), (lib.PACE_BPS, 777_777_777)]
)
def test_a_million_frames_drift_by_nothing(pace, rate):
    """Frames of 100 bytes every 7 us, 10 of them over and over: the millionth is where the exact plan has it."""
    s, n = ffi.new("struct schedule *", {"pace": pace, "rate": rate}), 1_000_000
    for i in range(n):
        if i and i % 10 == 0:
            lib.schedule_loop(s)
        due = lib.schedule_next(s, 5 + i % 10 * 7000, 100)
    i = n - 1
    assert (
        due
        == {
            lib.PACE_RECORDED: i * 7000 * 10**6 // rate,
            lib.PACE_PPS: i * 10**12 // rate,
            lib.PACE_BPS: i * 800 * 10**9 // rate,
        }[pace]
    )


def bounded(due, lengths, most):
    """A plan in which no gap between two frames that are sent is longer."""
    out, saved, last = [], 0, 0
    for t, length in zip(due, lengths, strict=True):
        t = min(t - saved, last + most)  # noqa: PLW2901
        if length:
            saved += max(0, due[len(out)] - saved - t)
            last = t
        out.append(t)
    return out, saved


@pytest.mark.parametrize("pace", [lib.PACE_RECORDED, lib.PACE_PPS, lib.PACE_BPS])
@given(
    st.integers(1, 4 * 10**9),
    st.lists(stamped, min_size=1, max_size=40),
    st.integers(1, 4),
    st.integers(1, 10**10),
)
def test_no_gap_is_longer_than_the_longest(pace, rate, recorded, passes, most):
    s = ffi.new("struct schedule *", {"pace": pace, "rate": rate, "max_gap_ns": most})
    due = []
    for i in range(passes):
        if i:
            lib.schedule_loop(s)
        due += [lib.schedule_next(s, t, length) for t, length in recorded]
    lengths = [length for _ in range(passes) for _, length in recorded]
    want, saved = bounded(plan(pace, rate, [recorded] * passes), lengths, most)
    assert due == want
    assert s.saved_ns == saved
    sent = [t for t, length in zip(due, lengths, strict=True) if length]
    assert all(b - a <= most for a, b in pairwise([0, *sent]))


def test_time_that_goes_backwards_stands_still_and_is_counted(sender):
    s = sender([(t, FRAMES[0]) for t in (100, 50, 120, 110)], loop=2)
    assert [t for t, _ in play(s)] == [0, 0, 20, 20, 26, 26, 46, 46]  # 6: the mean gap
    assert send_.facts(s)["input"]["time_backwards"] == 4


def test_damaged_stamps_end_in_146_years():
    assert c_plan(lib.PACE_RECORDED, 1, [[(0, 60), (2**63, 60)]]) == [0, 2**62]


@pytest.mark.parametrize(
    "asked, c, rate",
    [
        ({}, lib.PACE_RECORDED, 1_000_000),
        ({"speed": "2.5"}, lib.PACE_RECORDED, 2_500_000),
        ({"speed": "max"}, lib.PACE_TOPSPEED, 1),
        ({"topspeed": True}, lib.PACE_TOPSPEED, 1),
        ({"pps": 0.5}, lib.PACE_PPS, 500),
        ({"mbps": 12.5}, lib.PACE_BPS, 12_500_000),
    ],
)
def test_a_pace_is_how_fast_frames_leave(asked, c, rate):
    how = pace(**asked)
    assert (how.c, how.rate) == (c, rate)


@pytest.mark.parametrize(
    "asked, sentence",
    [
        ({"pps": 1, "mbps": 1}, "--pps and --mbps: give only one"),
        ({"speed": "1", "topspeed": True}, "--speed and --topspeed: give only one"),
        ({"pps": 0}, "pps=0: must be between 0.001 and 1e"),
        ({"mbps": float("nan")}, "mbps=nan: must be between"),
        ({"speed": "fast"}, "speed=fast: must be a factor"),
    ],
)
def test_what_is_no_pace(asked, sentence):
    with pytest.raises(vnic.ConfigError, match=sentence):
        pace(**asked)


# ---- steps, under a clock of our own ----


class Nowhere:
    """A socket of the test's own instead of an interface: what is written comes out at the other end."""

    def __init__(self, to=lib.SEND_TAP, mtu=1500):
        self.name, self.mtu, self.to = "nowhere", mtu, to
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.near.setblocking(False)
        self.far.setblocking(False)
        self.fd = self.near.fileno()

    def got(self):
        found = []
        while True:
            try:
                found.append(self.far.recv(65536))
            except BlockingIOError:
                return found

    def dropped(self):
        return 0

    def close(self):
        self.near.close()
        self.far.close()


@pytest.fixture
def sender(capture):
    made = []

    def make(packets=None, *, to=lib.SEND_TAP, mtu=1500, how=None, path=None, **options):
        how = pace(**(how or {}))
        s = send_.Sender(path or capture(packets), Nowhere(to, mtu), how, **options)
        s.c.start_ns = 10**12
        made.append(s)
        return s

    yield make
    for s in made:
        s.target.close()
        s.wire.close()


def play(s, lateness=lambda: 0):
    """Send all, each look at the clock so late. Return: [(when it was due, after the start; frame)]"""
    now, out = s.c.start_ns, []
    while (rc := lib.send_step(s.c, now)) != -errno.ENODATA:
        assert rc >= 0
        got = s.target.got()
        assert len(got) == rc
        out += [(now - s.c.start_ns, f) for f in got]
        if s.c.next_ns != NEVER:
            now = max(now, s.c.next_ns) + lateness()
    return out


@pytest.mark.parametrize("to", [lib.SEND_TAP, lib.SEND_DEV])
def test_each_leaves_at_its_time(sender, to):
    s = sender(to=to, how={"speed": 0.5}, loop=3)
    assert play(s) == [(2000 * i, f) for i, f in enumerate(FRAMES * 3)]
    found = send_.facts(s)
    assert found["sent"] == {"frames": 60, "bytes": 3 * sum(map(len, FRAMES)), "duration_ns": 59 * 2000}
    assert found["rate"]["asked"] == found["rate"]["reached"]
    assert found["rate"]["asked"]["pps"] == 500_000
    assert (found["late"]["frames"], found["gap_error_ns"]["max"], found["input"]["passes"]) == (0, 0, 3)


@given(st.lists(st.integers(0, 400_000), min_size=1, max_size=30), st.sampled_from([lib.SEND_TAP, lib.SEND_DEV]))
def test_who_is_late_catches_up_and_the_plan_stays(late, to):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as d:
        path = Path(d) / "in.pcap"
        path.write_bytes(pcap([(i * 10_000, f) for i, f in enumerate(FRAMES)]))
        s = send_.Sender(path, Nowhere(to), pace(), loop=10)
        s.c.start_ns, turn = 10**12, iter(late * 300)
        out = play(s, lambda: next(turn))
        assert [f for _, f in out] == FRAMES * 10
        lateness = [t - i * 10_000 for i, (t, _) in enumerate(out)]
        assert min(lateness) >= 0
        assert s.c.late_max_ns == max(lateness)
        assert s.c.late == sum(n > lib.SEND_LATE_NS for n in lateness)
        assert s.c.last_due_ns == 199 * 10_000
        errors = [abs(out[i + 1][0] - out[i][0] - 10_000) for i in range(199)]
        assert (s.c.gap_error.count, s.c.gap_error.sum, s.c.gap_error.max) == (199, sum(errors), max(errors))
        s.target.close()
        s.wire.close()


def test_nothing_leaves_before_the_start(sender):
    s = sender()
    assert lib.send_step(s.c, s.c.start_ns - 1) == 0
    assert (s.target.got(), s.c.next_ns) == ([], s.c.start_ns)


@pytest.mark.parametrize("to, most", [(lib.SEND_TAP, 1), (lib.SEND_DEV, 64)])
def test_how_many_frames_leave_at_once(sender, to, most):
    packets = [(i, FRAMES[0]) for i in range(100)]
    s = sender(packets, to=to)
    assert lib.send_step(s.c, s.c.start_ns + 10**9) == most
    top = sender(packets, to=to, how={"topspeed": True})
    assert lib.send_step(top.c, top.c.start_ns) == 64


@pytest.mark.parametrize(
    "options, n",
    [
        ({"limit": 7}, 7),
        ({"limit": 1}, 1),
        ({"limit": 20}, 20),
        ({"limit": 21}, 20),
        ({"loop": 0, "limit": 1234}, 1234),
        ({"loop": 7}, 140),
        ({"loop": 0, "duration": 1e-3}, 1000),  # due at 0, 1, .. 999 us
        ({"loop": 0, "duration": 1.0001e-3}, 1001),
        ({"duration": 1}, 20),
        ({"duration": 0}, 0),
    ],
)
def test_when_sending_ends(sender, options, n):
    assert [f for _, f in play(sender(**options))] == (FRAMES * 70)[:n]


def test_at_top_speed_the_duration_is_by_the_clock(sender):
    s = sender(how={"topspeed": True}, loop=0, duration=1e-3)
    assert lib.send_step(s.c, s.c.start_ns + 999_999) > 0
    assert lib.send_step(s.c, s.c.start_ns + 1_000_000) == -errno.ENODATA
    assert send_.facts(s)["rate"]["asked"] is None


def test_of_another_link_what_ethernet_cannot_carry_is_not_sent(sender, tmp_path):
    """Linux cooked: a packet of IPv4, and two of 802.3 without LLC, which has no Ethernet type."""
    cooked = struct.Struct("!HHH8sH")
    four = frames.udp(b"carried")[14:]
    raw = [cooked.pack(0, 1, 6, frames.PEER + bytes(2), proto) + four for proto in (0x0800, 1, 1)]
    path = tmp_path / "cooked.pcap"
    path.write_bytes(pcap([(i * 10, data) for i, data in enumerate(raw)], link=113))
    s = sender(path=path)
    assert [f[14:] for _, f in play(s)] == [four]
    assert send_.facts(s)["not_sent"] == {"too_long": 0, "too_short": 0, "aliens": 2, "dropped": 0}


def test_a_packet_without_an_address_of_its_link_goes_to_the_first_card(sender, tmp_path):
    path, four = tmp_path / "raw.pcap", frames.udp(b"raw")[14:]
    path.write_bytes(pcap([(0, four)], link=101))
    assert [f for _, f in play(sender(path=path))] == [bytes.fromhex("020000000001 0200000000fe 0800") + four]


def test_what_an_interface_does_not_take(sender):
    """Longer than the MTU (a tag does not count) or shorter than a header: counted, and the others keep their times."""
    good, tagged = frames.eth(bytes(100)), frames.eth(bytes(100), vlan=7)
    packets = [(0, good), (10, good + b"x"), (20, tagged), (30, tagged + b"x"), (40, b"x" * 13), (50, good)]
    s = sender(packets, mtu=100, loop=2)
    assert play(s) == [(t + shift, f) for shift in (0, 60) for t, f in ((0, good), (20, tagged), (50, good))]
    found = send_.facts(s)
    assert found["not_sent"] == {"too_long": 4, "too_short": 2, "aliens": 0, "dropped": 0}
    text = "\n".join(report(found))
    assert "4 longer than the interface's MTU of 100" in text
    assert "2 shorter than an Ethernet header" in text
    by_rate = sender(packets, mtu=100, how={"pps": 1000})
    assert [t for t, _ in play(by_rate)] == [0, 10**6, 2 * 10**6]


@pytest.mark.parametrize("packets", [[], [(0, bytes(2000))]])
def test_nothing_to_send_ends_though_it_is_to_be_looped_for_ever(sender, packets):
    s = sender(packets, loop=0)
    assert play(s) == []
    assert send_.facts(s)["rate"] == {"asked": None, "reached": None}


def test_frames_captured_in_part_are_sent_so_and_counted(sender):
    s = sender([(0, FRAMES[0], 1400), (1, FRAMES[1])])
    assert [f for _, f in play(s)] == FRAMES[:2]
    assert "1 sent as captured: the capture's snap length cut them" in "\n".join(report(send_.facts(s)))


def test_a_file_that_breaks_off_is_sent_as_far_as_it_is_good(sender, tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(pcap([(i * 1000, f) for i, f in enumerate(FRAMES)])[:-1])
    s = sender(path=path, loop=5)
    assert [f for _, f in play(s)] == FRAMES[:-1]
    assert send_.facts(s)["input"]["error"] == f"{path}: truncated in frame 20"


@pytest.mark.parametrize("to", [lib.SEND_TAP, lib.SEND_DEV])
def test_a_full_queue_is_waited_for(sender, to):
    s = sender(to=to, how={"topspeed": True}, loop=1000)
    sent = 0
    while (rc := lib.send_step(s.c, s.c.start_ns)) > 0:
        sent += rc
    assert rc == -errno.EAGAIN == lib.send_step(s.c, s.c.start_ns)
    assert (s.c.queue_full, s.c.dropped) == (1, 0)
    found = s.target.got()
    while lib.send_step(s.c, s.c.start_ns) > 0:
        pass
    assert s.c.queue_full == 2  # another frame
    found += s.target.got()
    while lib.send_step(s.c, s.c.start_ns) != -errno.ENODATA:
        found += s.target.got()
    assert found == FRAMES * 1000
    assert sent < s.c.frames == 20_000


@pytest.mark.parametrize("to", [lib.SEND_TAP, lib.SEND_DEV])
def test_a_full_queue_is_not_waited_for_when_the_caller_says_so(sender, to):
    s = sender(to=to, how={"topspeed": True}, loop=1000, drop=True)
    while lib.send_step(s.c, s.c.start_ns) >= 0:
        pass
    assert s.c.queue_full == s.c.dropped > 0
    assert len(s.target.got()) == s.c.frames == 20_000 - s.c.dropped
    assert f"{s.c.dropped} dropped: the kernel's queue was full" in "\n".join(report(send_.facts(s)))


@pytest.mark.parametrize("to", [lib.SEND_TAP, lib.SEND_DEV])
def test_what_the_kernel_finds_too_long_is_skipped(sender, to):
    """The MTU became smaller meanwhile."""
    s = sender([(0, FRAMES[0]), (10, bytes(60_000)), (20, FRAMES[1])], to=to, mtu=65_000)
    s.target.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    assert play(s) == [(0, FRAMES[0]), (20, FRAMES[1])]
    assert s.c.too_long == 1


def test_a_slice_of_the_real_clock_ends(sender):
    """The only one that looks at the clock: what is due in a year is not waited for, what is due is sent."""
    s = sender([(0, FRAMES[0]), (365 * 86400 * 10**9, FRAMES[1])])
    s.c.start_ns = lib.clock_ns()
    assert lib.send_run(s.c, lib.clock_ns() + 10**6) == 1
    assert s.target.got() == FRAMES[:1]
    done = sender(how={"pps": 1e5})
    done.run()
    assert done.target.got() == FRAMES


def test_the_threads_timer_slack_is_its_own_again_when_it_has_sent(sender):
    """It is 1 ns while frames wait for their moment."""
    get, put = 30, 29  # PR_GET_TIMERSLACK, PR_SET_TIMERSLACK
    prctl = ctypes.CDLL(None).prctl
    was = prctl(get, 0, 0, 0, 0)
    prctl(put, 76_543, 0, 0, 0)
    try:
        sender(how={"pps": 1e5}).run()
        assert prctl(get, 0, 0, 0, 0) == 76_543
    finally:
        prctl(put, was, 0, 0, 0)


@pytest.mark.root
def test_while_frames_wait_for_their_moment_the_threads_timer_slack_is_1_ns(sender):
    """The usual 50 us would be added to each sleep."""
    s, tid = sender(how={"topspeed": True}, loop=1000), []
    s.c.start_ns = lib.clock_ns()

    def run():
        tid.append(threading.get_native_id())
        lib.send_run(s.c, lib.clock_ns() + 20 * 10**9)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: s.c.queue_full)  # nobody reads
    slack = Path(f"/proc/{tid[0]}/timerslack_ns").read_text()
    s.c.end_ns = 0
    thread.join()
    assert int(slack) == 1


def test_who_waits_for_the_next_frame_sleeps(sender):
    """A wait that looks at the clock all the time would give the CPU to none."""
    s = sender([(0, FRAMES[0]), (60 * 10**6, FRAMES[1]), (120 * 10**6, FRAMES[2])])
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    s.run()
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw >= before + 2
    assert s.target.got() == FRAMES[:3]


@pytest.mark.parametrize("waits_for", ["the queue", "the next frame"])
def test_a_signal_ends_the_wait_and_not_the_sending(sender, waits_for):
    """Python handles it, and goes on: 0 would say that all is sent."""
    s = sender(how={"topspeed": True}, loop=1000)
    if waits_for == "the next frame":
        s = sender([(0, FRAMES[0]), (365 * 86400 * 10**9, FRAMES[1])])
    s.c.start_ns = lib.clock_ns()
    me, over, seen = threading.get_ident(), threading.Event(), []
    was = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))

    def ask():
        while not over.wait(0.002):
            signal.pthread_kill(me, signal.SIGUSR1)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        assert lib.send_run(s.c, lib.clock_ns() + 20 * 10**9) == 1
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGUSR1, was)
    assert seen
    assert s.c.ended == 0


@given(st.lists(st.integers(0, 2**40), max_size=50))
def test_times_are_counted_by_powers_of_two(values):
    h = ffi.new("struct histogram *")
    for v in values:
        lib.lat_record(h, v, 1)
    rows = send_.octaves(h)
    for row in rows:
        assert row["frames"] == sum(row["from_ns"] <= v < row["below_ns"] for v in values)
    assert sum(row["frames"] for row in rows) == len(values)
    assert all(a["below_ns"] == b["from_ns"] for a, b in pairwise(rows))


# ---- real interfaces ----

root = pytest.mark.root
in_netns = pytest.mark.usefixtures("netns")


def tap(name, *options):
    needs.run("ip", "tuntap", "add", "dev", name, "mode", "tap")
    needs.run("ip", "link", "set", name, "up", *options)


@contextlib.contextmanager
def attached(name):
    """Somebody who never reads."""
    fds = tun.attach(name, tun.IFF_TAP | tun.IFF_NO_PI, link=None)
    yield
    tun.close_all(fds)


def listen(name):
    """What comes in by an interface."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.bind((name, 3))
    s.settimeout(10)
    return s


def received(s, n):
    found = []
    while len(found) < n:
        data, address = s.recvfrom(65536)
        if address[2] != socket.PACKET_OUTGOING:
            found.append(data)
    return found


@root
@in_netns
@pytest.mark.parametrize("how", [{}, {"pps": 20_000}, {"mbps": 100}, {"topspeed": True}], ids=str)
def test_the_interface_of_a_tap_receives_exactly_the_frames_in_order(capture, how):
    tap("vt0")
    with listen("vt0") as s:
        found = send_.send(capture(), tap="vt0", how=pace(**how), loop=5)
        assert received(s, 100) == FRAMES * 5
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.recv(65536)
    assert (found["sent"]["frames"], found["error"], found["interrupted"]) == (100, None, False)


@root
@in_netns
def test_what_is_sent_out_of_a_tap_is_what_a_card_on_it_receives(capture):
    with live_tap("vt0", sink=True, gro=False) as host:
        with pytest.raises(vnic.TapError, match=r"another process is attached.*use --dev vt0"):
            send_.send(capture(), tap="vt0")
        with host.packet_socket() as seen:
            found = send_.send(capture(), dev="vt0", how=pace(pps=50_000), loop=4)
            settle(host, 80)
            assert [bytes(p.data) for p in seen.recv_nowait(100)] == FRAMES * 4
        assert (found["sent"]["frames"], found["to"]["dropped"]) == (80, 0)
        host.stop()
        assert host.laws() == 0


@root
@in_netns
def test_what_nobody_reads_is_counted(capture):
    tap("vt0")
    with attached("vt0"):
        found = send_.send(capture(), dev="vt0", how=pace(topspeed=True), loop=500)
    assert found["to"]["dropped"] > 0
    assert found["to"]["dropped"] >= 10_000 - 1000  # what a TAP's queue holds
    assert "by vt0's queue: its reader is too slow" in "\n".join(report(found))


@root
@in_netns
@pytest.mark.parametrize("by", ["tap", "dev"])
def test_an_interface_that_vanishes_ends_it(capture, by):
    tap("vt0")
    done = {}

    def run():
        done.update(send_.send(capture(), **{by: "vt0"}, how=pace(pps=1000), loop=0))

    with listen("vt0") as s, attached("vt0") if by == "dev" else contextlib.nullcontext():
        thread = threading.Thread(target=run)
        thread.start()
        s.recv(65536)
        needs.run("ip", "link", "del", "vt0")
        thread.join(20)
    assert done["error"] in ("vt0 is gone: it was deleted", "vt0 is down: run 'ip link set vt0 up'")
    assert done["sent"]["frames"] > 0


@root
@in_netns
@pytest.mark.parametrize("by", ["tap", "dev"])
def test_an_interface_that_is_down(capture, by):
    needs.run("ip", "tuntap", "add", "dev", "vt0", "mode", "tap")
    assert send_.send(capture(), **{by: "vt0"})["error"] == "vt0 is down: run 'ip link set vt0 up'"


@root
@in_netns
def test_interfaces_that_cannot_be(capture):
    needs.run("ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
    tap("vt1")
    path = capture()
    for options, sentence in [
        ({"dev": "nope"}, "there is no interface nope"),
        ({"dev": "tun0"}, "tun0 does not take Ethernet frames"),
        ({"dev": "vt1"}, "vt1 has no carrier"),
        ({"tap": "lo"}, "is not a TAP"),
        ({"dev": "lo", "netns": "nowhere-at-all"}, "network namespace nowhere-at-all"),
    ]:
        with pytest.raises(vnic.TapError, match=sentence):
            send_.send(path, **options)


@root
@in_netns
def test_send_reaches_an_interface_in_another_namespace(capture, other_netns):
    from vnic.tap.netns import inside

    with inside(other_netns):
        tap("vt0", "mtu", "100")
        s = listen("vt0")
    found = send_.send(capture(), tap="vt0", netns=other_netns)
    short = [f for f in FRAMES if len(f) <= 114]
    assert received(s, len(short)) == short
    assert (found["to"]["mtu"], found["not_sent"]["too_long"]) == (100, 20 - len(short))
    s.close()


# ---- the command ----

COMMAND = [sys.executable, "-c", "from vnic.cli.send import send; send(prog_name='vnic send')"]


def command(*args, before=""):
    code = f"{before}from vnic.cli.send import send; send(prog_name='vnic send')"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, timeout=60, check=False
    )


@root
@in_netns
def test_the_command_reports(capture):
    needs.run("ip", "link", "set", "lo", "up")
    done = command(capture(), "--dev", "lo", "--pps", "10000", "--loop", "3", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["schema"], found["sent"]["frames"]) == ("vnic.send/1", 60)
    assert sum(o["frames"] for o in found["gap_error_ns"]["octaves"]) == 59
    done = command(capture(), "--dev", "lo", "--pps", "10000", "--loop", "3")
    assert "60 frames, 4080 bytes out of lo in" in done.stdout.replace(f"{3 * sum(map(len, FRAMES))}", "4080")
    assert "asked     10000 frames a second: 10,000.0 frames/s" in done.stdout
    assert "gaps      off by p50" in done.stdout


@root
@in_netns
def test_without_privileges_it_says_what_is_needed(capture):
    done = command(
        capture(), "--dev", "lo", before="from vnic.tap import privileges as capabilities; capabilities.drop(); "
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "vnic: send out of lo: not permitted: needs CAP_NET_RAW, so run it as root\n"
    done = command(
        capture(), "--tap", "vt9", before="from vnic.tap import privileges as capabilities; capabilities.drop(); "
    )
    assert done.returncode == 3
    assert "needs CAP_NET_ADMIN" in done.stderr


@root
@in_netns
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_with_a_report(capture, number):
    needs.run("ip", "link", "set", "lo", "up")
    with listen("lo") as s:
        args = [str(capture()), "--dev", "lo", "--pps", "100", "--loop", "0", "--json"]
        with subprocess.Popen([*COMMAND, *args], stdout=subprocess.PIPE, text=True) as p:
            s.settimeout(60)
            s.recv(65536)
            p.send_signal(number)
            out, _ = p.communicate(timeout=60)
    assert p.returncode == 0
    assert json.loads(out)["interrupted"] is True


HOURS = [(0, FRAMES[0]), (65_536 * 10**9, FRAMES[1]), (65_537 * 10**9, FRAMES[2])]


@root
@in_netns
@pytest.mark.needs("ip")
def test_a_long_gap_is_said_and_ctrl_c_ends_it_at_once(capture):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with subprocess.Popen(
        [*COMMAND, str(capture(HOURS)), "--dev", "lo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as p:
        said = p.stderr.readline()
        assert (
            said == "vnic: the next frame is due in 18 h 12 min; --maxsleep MS limits such gaps, Ctrl-C ends the run\n"
        )
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
    assert (p.returncode, err) == (0, "")
    assert out.startswith("1 frames")
    assert "(interrupted)" in out.splitlines()[0]


@root
@in_netns
@pytest.mark.needs("ip")
def test_maxsleep_bounds_a_gap_in_a_pass_and_between_two(capture):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    done = command(capture(HOURS), "--dev", "lo", "--maxsleep", "1", "--loop", "2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts["sent"]["frames"] == 6
    assert facts["shortened"]["gaps"] == 5
    mean = 65_537 * 10**9 // 2
    assert facts["shortened"]["ns"] == 2 * 65_537 * 10**9 + mean - 5 * 10**6
    done = command(capture(HOURS), "--dev", "lo", "--maxsleep", "0.5")
    assert "shortened 2 gaps" in done.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("loop", value) for value in (True, -1, 1.5, 1 << 64)],
        *[("limit", 0), ("limit", 10**30), ("duration", float("nan")), ("duration", "5")],
        *[("maxsleep", value) for value in (0, float("inf"), True)],
    ],
)
def test_a_number_that_can_be_none_is_refused(capture, name, value):
    with pytest.raises(vnic.ConfigError, match=f"{name}={value}: must be"):
        send_.send(capture(), dev="lo", **{name: value})


@pytest.mark.slow
@pytest.mark.parametrize("ms", ["0", "-1", "nan", "inf", "x", "1e99"])
def test_what_is_no_maxsleep(capture, ms):
    done = command(capture(), "--dev", "lo", f"--maxsleep={ms}")
    assert done.returncode == 2
    assert "Invalid value for '--maxsleep'" in done.stderr


@root
@in_netns
def test_a_file_that_breaks_off_exits_1(tmp_path):
    needs.run("ip", "link", "set", "lo", "up")
    path = tmp_path / "cut.pcap"
    path.write_bytes(pcap([(0, FRAMES[0]), (1, FRAMES[1])])[:-1])
    done = command(path, "--dev", "lo")
    assert done.returncode == 1
    assert done.stdout.startswith("1 frames")
    assert done.stderr.endswith("truncated in frame 2; the report covers the frames sent until then\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "args, sentence",
    [
        (["{file}"], "give either --tap NAME"),
        (["{file}", "--tap", "a", "--dev", "b"], "give either --tap NAME"),
        (["{file}", "--dev", "lo", "--pps", "1", "--mbps", "1"], "give only one pace"),
        (["{file}", "--dev", "a name"], "cannot be an interface's name"),
        (["{file}", "--dev", "lo", "--limit", "0"], "limit"),
    ],
)
def test_what_exits_2(capture, args, sentence):
    done = command(*(a.format(file=capture()) for a in args))
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr


@root
@in_netns
@pytest.mark.parametrize("content, sentence", [(b"", "an empty file"), (b"hello, world", "not a capture file")])
def test_what_is_no_capture_exits_2(tmp_path, content, sentence):
    path = tmp_path / "bad"
    path.write_bytes(content)
    done = command(path, "--dev", "lo")
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr


@pytest.mark.needs("libpcap")
def test_a_filter_and_times_leave_frames_out_and_the_pace_is_of_the_others(sender, capture):
    packets = [(i * 1000, frames.arp() if i % 2 else FRAMES[i]) for i in range(20)]
    s = sender(packets, loop=2, select=Selection("udp", start="4us", stop="0.000012"))
    wanted = [FRAMES[i] for i in (4, 6, 8, 10)]
    assert play(s) == [(2000 * i, f) for i, f in enumerate(wanted * 2)]
    found = send_.facts(s)
    assert found["input"]["selected"] == {
        "filter": "udp", "from": "4us", "to": "0.000012", "frames": 8, "filtered": 8, "outside": 24, "passes": 1
    }  # fmt: skip
    assert found["input"]["passes"] == 2
    lines = report(found)
    assert "  left out  8 not wanted by the filter 'udp': not on the wire" in lines
    assert "  left out  24 outside of --from 4us --to 0.000012: not on the wire" in lines


@pytest.mark.needs("libpcap")
def test_many_frames_that_are_left_out_do_not_end_the_sending(sender, tmp_path):
    """The sender pauses to look at signals, and goes on."""
    path, once = tmp_path / "many.pcap", pcap([(0, frames.arp())])
    path.write_bytes(once[:24] + once[24:] * (lib.SELECT_SKIP_MAX + 9) + pcap([(5000, FRAMES[1])])[24:])
    s = sender(path=path, select=Selection("udp"))
    assert [f for _, f in play(s)] == [FRAMES[1]]
    assert not s.c.asks
