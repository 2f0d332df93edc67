"""What a CPU tells the event log: all of a small run, in tests/golden/events.txt; and what holds of each random one."""

from collections import Counter

import golden_events
from hypothesis import given
from hypothesis import strategies as st
from logged import load_of, play, sums

from vnic.events.kinds import KINDS


def test_a_small_run_is_told_as_written_down():
    assert golden_events.golden() == golden_events.GOLDEN.read_text(), "scripts/generate writes it"


def test_the_small_run_has_every_kind_of_record():
    words = set(golden_events.GOLDEN.read_text().split())
    assert set(KINDS) - words == set()


@given(st.integers(0, 2**32))
def test_work_of_a_cpu_is_nested(seed):
    """Two spans of one CPU's own work are apart, or one is inside the other."""
    events = play(load_of(seed))
    own = {"hardirq", "softirq", "net_rx", "poll", "switch", "task"}
    for cpu in {e.cpu for e in events if e.cpu is not None}:
        open_: list[int] = []
        spans = sorted((e.t_ns, -e.end_ns) for e in events if e.cpu == cpu and e.kind in own and e.dur_ns)
        for begin, end in ((b, -e) for b, e in spans):
            while open_ and open_[-1] <= begin:
                open_.pop()
            assert not open_ or end <= open_[-1], (cpu, begin, end)
            open_.append(end)


@given(st.integers(0, 2**32))
def test_counters_are_the_records(seed):
    def look(host, events):
        softnet = host.softnet()
        kinds = Counter((e.cpu, e.kind) for e in events)
        for cpu, s in enumerate(softnet):
            assert kinds[cpu, "net_rx"] == s.net_rx_runs
            assert sum(
                e.args["source"] in {"queue", "ipi"} for e in events if e.cpu == cpu and e.kind == "hardirq"
            ) == (s.hardirqs)
            squeezed = sum(e.args["squeezed"] for e in events if e.cpu == cpu and e.kind == "net_rx")
            assert squeezed == s.time_squeeze + s.time_squeeze_usecs or squeezed == s.time_squeeze
        raised = sum(q.interrupts for q in host.nic.queues())
        assert sum(e.kind == "irq" for e in events) == raised
        split = sums(host)
        backlog = [e for e in events if e.kind == "backlog_out"]
        if all(f.segs == 1 for f in events.frames):
            assert (len(backlog), sum(e.dur_ns for e in backlog)) == split["backlog"]

    play(load_of(seed), look=look)
