"""Tasks of one CPU: who runs next, for how long, and what it costs to change. All instants are computed by hand."""

import frames
import pytest
from clock_lines import NOTHING, costed, cpu, interrupt, napi, reads, seen_at, spent
from softnet_steps import MS, NEVER

from vnic._core import lib

READER, KSOFTIRQD = lib.TASK_READER, lib.TASK_KSOFTIRQD


@pytest.mark.parametrize(
    ("last", "ran_for", "reader", "ksoftirqd", "yields", "end"),
    [
        (lib.TASK_NONE, 0, False, False, 0, NEVER),
        (lib.TASK_NONE, 0, True, False, 1, 3 * MS),  # the idle task yields at once
        (READER, 2 * MS, True, True, 0, 3 * MS),
        (READER, 3 * MS - 1, True, True, 0, 3 * MS),
        (READER, 3 * MS, True, True, 1, 3 * MS),
        (READER, 9 * MS, True, False, 0, NEVER),  # to nobody
        (KSOFTIRQD, 3 * MS, True, True, 1, 3 * MS),
        (KSOFTIRQD, 3 * MS, False, True, 0, NEVER),
    ],
)
def test_a_task_yields_when_its_slice_is_over_and_another_can_run(host, last, ran_for, reader, ksoftirqd, yields, end):
    sd = cpu(host(cpus=1))
    sd.now, sd.slice_start, sd.last_task = 50 * MS + ran_for, 50 * MS, last
    sd.reader.runnable, sd.ksoftirqd_task.runnable = reader, ksoftirqd
    assert (lib.need_resched(sd), lib.slice_end(sd)) == (yields, end if end == NEVER else 50 * MS + end)
    sd.reader.runnable = sd.ksoftirqd_task.runnable = 0


@pytest.mark.parametrize(("at", "yields"), [(99, 0), (100, 1), (101, 1)])
def test_a_reader_that_another_cpu_woke_can_run_from_then_on(host, at, yields):
    sd = cpu(host(cpus=1))
    sd.reader.runnable, sd.reader_ns, sd.now = 1, 100, at
    assert lib.need_resched(sd) == yields
    sd.reader.runnable = 0


def test_to_pick_another_task_than_the_last_one_costs_a_switch(host):
    """Behind the idle task too; not to go on with the same."""
    h = costed(host, {"SWITCH": 100, "RECV": 10}, sink=True)
    h.feed([(at, frames.udp()) for at in (0, 0, 105, 1000)])
    h.run()
    assert spent(h) == {"switch": 200, "reader": 40, "idle": 1000 - 130, "now": 1110}
    assert cpu(h).reader.wakeups == 2


@pytest.mark.parametrize("t", range(0, 140, 10))
def test_an_interrupt_preempts_the_switch(host, t):
    h = costed(host, {"SWITCH": 100, "RECV": 10, "HARDIRQ": 7}, queues=2, sink=True)
    h.feed(frames.udp(), at_ns=0)
    interrupt(h, 1, t)
    h.run()
    assert spent(h)["switch"] == 100
    assert h.latencies()["total"].max == 7 + 100 + 10 + (7 if t <= 117 else 0)


def test_tasks_take_turns_in_slices_that_begin_behind_the_switch(host):
    """A NAPI's task and the reader: 0.5 ms for the switch, 3 polls or datagrams of 1 ms each; 20 times 7 ms.

    The last poll used its weight, so one more is made: a switch, and it finds nothing.
    """
    h = costed(
        host, {"SWITCH": MS // 2, "RX": MS, "RECV": MS}, threaded=True, weight=1, sink=True, hz=1000, gro_normal_batch=1
    )
    h.feed([frames.udp() for _ in range(60)], at_ns=0)
    log = seen_at(h, range(0, 18 * MS, MS // 2), lambda: (int(h.machine.c.dq[0].napi.packets), reads(h)))
    assert {t / MS: seen for t, seen in log.items()} == {
        0: (0, 0), 1.5: (1, 0), 2.5: (2, 0), 3.5: (3, 0), 5: (3, 1), 6: (3, 2), 7: (3, 3),
        8.5: (4, 3), 9.5: (5, 3), 10.5: (6, 3), 12: (6, 4), 13: (6, 5), 14: (6, 6),
        15.5: (7, 6), 16.5: (8, 6), 17.5: (9, 6),
    }  # fmt: skip
    h.run()
    assert spent(h) == {"switch": 20 * MS + MS // 2, "threads": 60 * MS, "reader": 60 * MS, "now": 140 * MS + MS // 2}


def test_they_come_in_the_order_of_their_wake_ups(host):
    """Queue 2's task is picked at once. While the CPU switches to it, those of queues 1 and 0 wake up."""
    h = costed(host, {"SWITCH": 100}, queues=3, threaded=True)
    for queue, at in ((2, 0), (1, 10), (0, 20)):
        interrupt(h, queue, at)
    runs = seen_at(h, range(0, 400, 10), lambda: [int(napi(h, q).thread.runs) for q in range(3)])
    assert runs == {0: [0, 0, 0], 100: [0, 0, 1], 200: [0, 1, 1], 300: [1, 1, 1]}


def test_a_wake_up_counts_when_it_is_paid_for(host):
    """The handler of queue 1 pays 30, in its hardirq. It is another's turn until then."""
    h = costed(host, {"WAKE": 30, "SWITCH": 100}, queues=2, threaded=True)
    interrupt(h, 1, 0)
    interrupt(h, 0, 5)  # a hardirq is not interrupted: 30-60
    runs = seen_at(h, range(0, 400, 5), lambda: [int(napi(h, q).thread.runs) for q in range(2)])
    assert runs == {0: [0, 0], 160: [0, 1], 260: [1, 1]}
    assert spent(h) == {"hardirq": 60, "switch": 200, "now": 260}


def test_ksoftirqd_and_the_reader_share_a_cpu(host):
    """The softirq ends with the packet that wakes the reader; ksoftirqd does the others, in turn with the reader."""
    cost = {"RX": MS, "RECV": MS}
    h = costed(host, cost, sink=True, weight=1, netdev_budget=1, hz=100, gro_normal_batch=1)
    h.feed([NOTHING] * 6 + [frames.udp() for _ in range(20)], at_ns=0)
    h.run()
    assert cpu(h).ksoftirqd_by_restarts == 0  # the first datagram makes the reader due, after 7 rounds
    assert spent(h) == {"softirq": 7 * MS, "ksoftirqd": 19 * MS, "reader": 20 * MS, "now": 46 * MS}


def test_a_queue_goes_while_its_task_waits_for_its_turn(host):
    """Tasks are numbered by the NAPI's place: the one behind it moves up, and is run all the same."""
    for t in range(0, 400, 25):
        h = costed(host, {"SWITCH": 100, "RX": 50}, queues=3, threaded=True, sink=True)
        for i in range(lib.RSS_INDIR_SIZE):
            h.machine.c.nic.rss.indir[i] = i % 3
        h.feed([(0, frames.udp(sport=i)) for i in range(1, 20)])
        h.run(until_ns=t)
        h.knobs.queues = 1
        h.run()
        assert h.ledger().fates == {"DELIVERED_UDP": 19}
        assert (h.ledger().in_flight, h.laws()) == (0, 0)
        h.close()
