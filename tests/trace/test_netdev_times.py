"""netdev-times, the script of Linux's perf for real machines, runs on a trace's text and prints the log's times.

Debian's package linux-perf has the script. It is not ours and not here; dpkg says where it is.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import needs
import overloads
import pytest
import recorded
from paths import TESTS

from vnic.trace.write import write

pytestmark = pytest.mark.needs("perf")

HUNK = re.compile(r"^(\d+)\.(\d{6})sec cpu=(\d+)$")
IRQ = re.compile(r"^  irq_entry\(\+(\d+\.\d{3})msec irq=(\d+):(\S+)\)$")
SOFTIRQ = re.compile(r"^  softirq_entry\(\+(\d+\.\d{3})msec\)$")
POLL = re.compile(r"^  napi_poll_exit\(\+(\d+\.\d{3})msec (\S+)\)$")
RECEIVE = re.compile(r"^         \|---netif_receive_skb\(\+(\d+\.\d{3})msec skb=([0-9a-f]+) len=(\d+)\)$")
COPY = re.compile(r"^         \|      skb_copy_datagram_iovec\(\+(\d+\.\d{3})msec (\d+):(\S+)\)$")


def script():
    """The script's path and perf's folder."""
    for package in ("linux-perf", "linux-perf-6.1"):
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=False).stdout
        for path in listed.splitlines():
            if path.endswith("scripts/python/netdev-times.py"):
                return Path(path), Path(path).parents[2]
    return None


@pytest.fixture
def netdev_times(tmp_path):
    """Run the script on the events' text, and return what it prints."""
    if (found := script()) is None:
        pytest.skip("no package of dpkg's has scripts/python/netdev-times.py")
    path, perf = found

    def run(events, *arguments):
        write(events, tmp_path / "a.ftrace")
        env = needs.others_env() | {"PERF_EXEC_PATH": str(perf), "PYTHONDONTWRITEBYTECODE": "1"}
        env["PYTHONPATH"] = os.pathsep.join(map(str, (TESTS / "support", TESTS)))
        command = [sys.executable, str(TESTS / "support/perf_script.py"), str(path), str(tmp_path / "a.ftrace")]
        done = subprocess.run([*command, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def hunks(text):
    """The script's blocks: a handled interrupt, its softirq, and what happened in it; times in ns."""
    found = []
    for row in text.splitlines():
        if head := HUNK.match(row):
            found.append(
                {"base": int(head[1]) * 10**9 + int(head[2]) * 1000, "cpu": int(head[3]), "irqs": [], "in": []}
            )
            found[-1]["softirq"] = None
        elif irq := IRQ.match(row):
            found[-1]["irqs"].append((irq[1], int(irq[2]), irq[3]))
        elif softirq := SOFTIRQ.match(row):
            found[-1]["softirq"] = softirq[1]
        elif poll := POLL.match(row):
            found[-1]["in"].append(("poll", poll[1], poll[2]))
        elif received := RECEIVE.match(row):
            found[-1]["in"].append(("receive", received[1], int(received[2], 16), int(received[3]), None))
        elif copy := COPY.match(row):
            found[-1]["in"][-1] = (*found[-1]["in"][-1][:4], (copy[1], int(copy[2]), copy[3]))
    return found


def msec(base, t):
    return f"{(t - base) / 1_000_000:.3f}"


def expected(events):
    """The same blocks from the log: each run of the poll list behind an interrupt of the card, without RPS."""
    out = []
    rows = {f.id: f for f in events.frames}
    pending, waits = [], None
    for e in sorted(events, key=lambda e: (e.t_ns, -e.dur_ns)):
        if e.kind == "hardirq" and e.args["source"] == "queue":
            pending.append(e)
        if e.kind == "net_rx":
            waits = (e, pending)
            pending = []
            within = [x for x in events if e.t_ns <= x.t_ns and x.end_ns <= e.end_ns and x.cpu == e.cpu]
            softirq = max((s for s in events if s.kind == "softirq" and s.t_ns <= e.t_ns), key=lambda s: s.t_ns)
            base = waits[1][0].t_ns
            marks = []
            for x in sorted(within, key=lambda x: (x.end_ns, x.kind == "poll")):
                if x.kind == "poll":
                    marks.append((x.end_ns, ("poll", msec(base, x.end_ns), "vnic0")))
                if x.kind == "receive":
                    read = rows[x.frame].t_read
                    copied = (msec(base, read), 1000 + rows[x.frame].read_cpu, f"reader/{rows[x.frame].read_cpu}")
                    skb = 0xFFFF888000000000 + x.frame * 256
                    marks.append((x.t_ns, ("receive", msec(base, x.t_ns), skb, x.args["len"], copied)))
            out.append(
                {
                    "base": base // 1000 * 1000,
                    "cpu": e.cpu,
                    "irqs": [(msec(base, h.t_ns), 24 + h.queue, f"vnic0-rx-{h.queue}") for h in waits[1]],
                    "softirq": msec(base, softirq.t_ns),
                    "in": [mark for _, mark in marks],
                }
            )
    return out


def test_it_prints_the_logs_times_of_interrupts_softirqs_polls_and_reads(netdev_times):
    bursts = [(k * 200_000 + t, data) for k in range(12) for t, data in overloads.burst(1 + k % 5)]
    events = recorded.record(bursts, rx_usecs=20, rx_frames=64, reader_cpu=1)
    found = hunks(netdev_times(events, "rx"))
    assert len(found) == 12
    assert found == expected(events)
    assert sum(len(h["in"]) for h in found) == 12 + len(bursts)  # a poll each, and every packet


def test_it_reads_a_captures_text_and_finds_every_packet_of_the_polled_cpu(netdev_times):
    """Packets that end in kfree_skb are left out: there the script of Linux 6.1 looks for a key that it never sets."""
    events = recorded.record(recorded.interrupted()[:200], queues=2, cpus=1, rcvbuf=1 << 20)
    assert {f.fate for f in events.frames} == {"DELIVERED_UDP"}
    found = hunks(netdev_times(events, "rx", "dev=vnic0"))
    shown = [mark[2] for h in found for mark in h["in"] if mark[0] == "receive"]
    assert len(shown) == len(set(shown))
    assert set(shown) <= {0xFFFF888000000000 + f.id * 256 for f in events.frames}
    assert found
    assert all(mark[4] is not None for h in found for mark in h["in"] if mark[0] == "receive")
