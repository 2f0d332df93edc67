"""One CPU: hardirq over softirq over tasks."""

import frames
import pytest
from costs import charge
from softnet_steps import MS, NEVER, Line

from vnic._core import lib


@pytest.mark.parametrize(
    ("hz", "poll_ms", "rounds"),
    [
        (1000, 0, 10),  # MAX_SOFTIRQ_RESTART
        (1000, 0.1, 10),
        (1000, 0.3, 7),  # 2 ms are two jiffies
        (250, 0.3, 10),
        (250, 1, 4),  # or one, of 4 ms
        (100, 5, 2),
        (250, 9, 1),
    ],
)
def test_ksoftirqd_takes_over_after_ten_rounds_or_2_ms(host, hz, poll_ms, rounds):
    line = Line(host(hz=hz), {"a": []})
    forever = iter(lambda: line.busy(int(poll_ms * MS), 64), None)
    line.napis["a"].poll = line.answer("a", forever)
    line.schedule()
    lib.do_softirq(line.cpu)
    assert (len(line.polled), line.cpu.ksoftirqd_task.runnable) == (rounds, 1)
    assert line.cpu.softirq_pending == 1


def test_nine_rounds_need_no_ksoftirqd(host):
    line = Line(host(), {"a": [64] * 9})
    line.schedule()
    lib.do_softirq(line.cpu)
    assert (len(line.polled), line.cpu.ksoftirqd_task.runnable) == (10, 0)


@pytest.mark.parametrize(
    ("current", "slice_ms", "waits", "rounds"),
    [
        (0, 0, True, 1),  # the idle task gives way to any
        (0, 0, False, 10),
        (2, 0, True, 10),  # the reader itself was interrupted
        (1, 2.9, True, 10),  # ksoftirqd's slice is not over
        (1, 3, True, 1),
    ],
)
def test_softirqs_are_not_restarted_when_a_task_is_due(host, current, slice_ms, waits, rounds):
    """need_resched()"""
    line = Line(host(hz=1000), {"a": []})
    line.napis["a"].poll = line.answer("a", iter(lambda: 64, None))
    line.schedule()
    line.cpu.now = int(slice_ms * MS)
    line.cpu.last_task, line.cpu.reader.runnable = current, waits
    lib.do_softirq(line.cpu)
    assert (len(line.polled), line.cpu.ksoftirqd_task.runnable) == (rounds, 1)
    line.cpu.reader.runnable = 0


def test_an_interrupt_runs_softirqs_even_while_ksoftirqd_waits_for_its_turn(host):
    """Linux 6.4 and later."""
    h = host()
    cpu = h.machine.c.cpu[0]
    charge(h, SWITCH=1000)
    cpu.ksoftirqd_task.runnable = 1
    h.feed(frames.udp())
    h.run(until_ns=999)
    assert (cpu.processed, cpu.softirqs, cpu.ksoftirqd_runs) == (1, 1, 0)
    h.run(until_ns=1000)
    assert (cpu.softirqs, cpu.ksoftirqd_runs) == (1, 1)  # woken, it runs even if nothing is left


def test_hardirqs_come_before_softirqs_before_tasks(host):
    """An interrupt in the middle of a poll is served at once, the reader when the softirq is done."""
    h = host(cpus=1, sink=True, gro_normal_batch=1)
    cpu, napi = h.machine.c.cpu[0], h.machine.c.dq[0].napi
    charge(h, HARDIRQ=300, RX=1000, RECV=500)
    h.feed([frames.udp() for _ in range(6)])
    h.run(until_ns=2500)  # the poll began at 300
    lib.raise_hardirq(cpu, 0, 2500)
    log = {}
    for t in (2799, 2800, 3599, 3600, 6599, 6600, 7099, 7100, 9600):
        h.run(until_ns=t)
        read = sum(h.machine.c.socks.socks[i].reads for i in range(1, h.machine.c.socks.used))
        log[t] = (cpu.hardirqs, cpu.processed, cpu.reader.runs, read)
    assert log == {
        2799: (1, 2, 0, 0), 2800: (2, 2, 0, 0),  # above the poll
        3599: (2, 2, 0, 0), 3600: (2, 3, 0, 0),  # its third frame is 300 late
        6599: (2, 5, 0, 0), 6600: (2, 6, 1, 0),  # then the reader
        7099: (2, 6, 1, 0), 7100: (2, 6, 1, 1), 9600: (2, 6, 1, 6),
    }  # fmt: skip
    assert napi.polls == 2  # the request in the middle was missed, and made good


def test_a_flood_leaves_the_reader_its_share(host):
    """Far more frames than one CPU can do: ksoftirqd and the reader take turns, 3 ms each."""
    h = host(cpus=1, sink=True, cost="linux", link="10G", reader_cpu=0)
    charge(h, RECV=100_000)  # what the socket holds is more than a slice of work
    h.feed(frames.udp())
    h.wire._mem.loops = 2_000_000
    h.run(until_ns=20 * MS)
    before = h.softnet()[0]
    h.run(until_ns=80 * MS)
    spent = h.softnet()[0] - before
    assert spent.idle_ns == 0
    assert abs(spent.reader_busy_ns - spent.ksoftirqd_busy_ns) < 7 * MS
    assert spent.reader_busy_ns + spent.ksoftirqd_busy_ns > 55 * MS
    h.wire._mem.loops = 0


def test_an_idle_cpu_sleeps_until_something_comes(host):
    h = host(cpus=2)
    h.feed([(5 * MS, frames.udp()), (9 * MS, frames.udp())])
    h.run()
    a, b = h.softnet()
    assert (a.now_ns, a.idle_ns, a.hardirqs, a.softirqs) == (9 * MS, 9 * MS, 2, 2)
    assert (b.now_ns, b.hardirqs, b.softirqs) == (0, 0, 0)


def test_an_interrupt_is_not_kept_waiting_by_one_that_is_for_later(host):
    h = host(cpus=1, queues=2)
    seen = []

    @h.packet_type(0x88B5)
    def tap(burst):
        seen.extend(burst.t_ns)

    lib.raise_hardirq(h.machine.c.cpu[0], 1, 5 * MS)
    h.feed([(1 * MS, frames.eth(bytes(46), type=0x88B5))])
    h.run()
    assert seen == [1 * MS]


def test_queue_i_interrupts_cpu_i_mod_cpus(host):
    h = host(cpus=3, queues=5)
    for i in range(lib.RSS_INDIR_SIZE):
        h.machine.c.nic.rss.indir[i] = 4
    h.feed(frames.udp())
    h.run()
    assert [s.hardirqs for s in h.softnet()] == [0, 1, 0]


@pytest.mark.parametrize("what", ["irq", "ipi", "reader"])
def test_a_cpu_that_goes_to_sleep_remembers_what_is_for_later(host, what):
    h = host()
    sd, other = h.machine.c.cpu[0], h.machine.c.cpu[1]
    other.now = 5 * MS
    if what == "irq":
        lib.raise_hardirq(sd, 0, 5 * MS)
    elif what == "ipi":
        lib.raise_ipi(other, sd)
    else:
        sd.reader.runnable = 1
        lib.reader_wake(other, sd)
    assert (lib.cpu_run(sd), lib.cpu_idle_until(sd), sd.now) == (0, 5 * MS, 0)
    h.run()
    assert (lib.cpu_idle_until(sd), sd.now, sd.idle_ns) == (NEVER, 5 * MS, 5 * MS)
    assert (sd.hardirqs, sd.received_rps, sd.reader.runs) == {"irq": (1, 0, 0), "ipi": (1, 1, 0), "reader": (0, 0, 1)}[
        what
    ]
