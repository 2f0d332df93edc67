"""A reader that polls its queue itself: who has the NAPI, when it lets go, and what the interrupt does meanwhile."""

import pytest
from frames import udp
from timeline import US, Timeline, timelines

from vnic._core import ffi, lib

ONE = {"cpus": 1, "sink": True, "reader_cpu": 0}
FREE = {"cost": "zero"}


@pytest.fixture
def timeline(host):
    return timelines(host, ONE)


def test_the_first_packet_comes_by_interrupt_the_next_are_found_by_the_reader(timeline):
    """The interrupt was on when the reader began: it comes once more, and its handler masks it and does no more."""
    timeline(busy_read=100).play([
        (0, "udp", {"irqs": 1, "read": 1, "state": "SB", "reader": 1, "busy": 0}),
        (50, "udp", {"irqs": 2, "softirqs": 1, "read": 2, "state": "SB", "reader": 1, "busy": 1}),
        (149, "", {"state": "SB", "irqs": 2}),  # each packet gives it 100 us more
        (151, "", {"state": "", "irqs": 2}),
        (200, "udp", {"irqs": 3, "softirqs": 2, "read": 3, "state": "SB", "reader": 2}),
    ])  # fmt: skip


def test_nothing_was_read_yet_so_it_is_not_known_which_queue_to_poll(timeline):
    """Linux: sk_napi_id comes with the first packet."""
    timeline(busy_read=100).play([(0, "frames", {"irqs": 1, "state": "", "busy": 0}), (10, "frames", {"irqs": 2})])


def test_busy_polling_is_off_by_default(timeline):
    timeline().play([(0, "udp", {"state": "", "read": 1, "irqs": 1}), (10, "udp", {"irqs": 2, "busy": 0})])


def test_what_is_more_than_the_budget_goes_to_the_softirq(timeline):
    """Four are found by the reader; the poll with which it lets go takes four more, and as that was a full one, the
    softirq has the rest."""
    timeline(busy_read=100, busy_poll_budget=4).play([(0, "udp", {"runs": 1}), (10, "udp 10", {"runs": 2, "busy": 4})])


def test_an_interrupt_that_comes_meanwhile_leaves_missed_and_that_is_dropped_at_the_end(timeline):
    """One more poll is made anyway, so MISSED need not schedule another."""
    timeline(busy_read=100).play([
        (0, "udp", {"state": "SB", "runs": 1}),
        (20, "irq", {"state": "SMB", "runs": 1}),
        (101, "", {"state": "", "runs": 1}),
    ])  # fmt: skip


def test_who_has_the_napi_keeps_it_and_the_reader_waits(timeline):
    """The softirq polls for 40 us; the reader cannot have it, and takes it when it is free."""
    t = timeline({"RX": 10_000, "RECV": 1000}, busy_read=300)
    t.play([
        (0, "udp 4", {"state": "S"}),
        (60, "", {"state": "SB", "read": 4}),
    ])  # fmt: skip


def test_a_busy_poll_ends_with_one_more_poll_that_finds_what_came_last(timeline):
    """Work as much as the budget: the NAPI goes to the softirq."""
    t = timeline({"POLL": 1000, "RX": 1000}, busy_read=20, busy_poll_budget=2)
    t.play([(0, "udp", {}), (15, "", {"state": "SB"})])
    t.host.feed([(20_500 + i, udp(dport=9)) for i in range(30)])
    t.host.run()
    seen = t.look()
    assert (seen["read"], seen["ring"], seen["state"]) == (31, 0, "")


def test_preferred_the_timer_keeps_the_interrupt_off_after_the_reader_let_go(timeline):
    """gro_flush_timeout and napi_defer_hard_irqs: for so long the reader may come back before a softirq runs."""
    knobs = {"busy_read": 100, "prefer_busy_poll": True, "gro_flush_timeout": 50 * US, "napi_defer_hard_irqs": 3}
    timeline(**knobs).play([
        (0, "udp", {"irqs": 1, "read": 1}),
        (101, "", {"state": "", "timer": 150}),
        (120, "udp", {"irqs": 1, "read": 1}),  # waits for the timer
        (150, "", {"irqs": 1, "read": 2, "state": "SB"}),
    ])  # fmt: skip


def test_preferred_and_not_free_it_says_so(timeline):
    """The softirq that has the NAPI completes a full poll when a reader would rather have it."""
    knobs = {"busy_read": 1000, "prefer_busy_poll": True, "weight": 4, "cpus": 1}
    t = timeline({"RX": 1000, "POLL": 1000}, **knobs)
    t.napi.state |= lib.NAPI_STATE_PREFER_BUSY_POLL
    t.host.feed([(0, udp(dport=9)) for _ in range(9)])
    t.host.run()
    assert (t.look()["read"], t.look()["state"]) == (9, "")


def test_a_reader_polls_no_queue_of_another_cpu(host):
    t = Timeline(host(cpus=2, sink=True, reader_cpu=1, busy_read=100))
    t.play([(0, "udp", {"read": 1, "state": ""}), (10, "udp", {"irqs": 2, "busy": 0})])


STEERED = {"cpus": 2, "rps_cpus": "2", "busy_read": 100}


def test_what_a_busy_reader_steers_away_goes_at_once(timeline):
    """Bug: the IPI waited for the next poll, in virtual time until the reader gave up."""
    timeline(**STEERED).play([
        (0, "udp", {"read": 1, "ipis": [0, 1]}),
        (50, "udp", {"read": 2, "irqs": 2, "ipis": [0, 2], "busy": 1}),
    ])  # fmt: skip


def test_what_the_last_poll_steers_away_goes_too(timeline):
    """Bug: with prefer-busy-poll a full last poll left a softirq pending that nobody ran."""
    knobs = {"prefer_busy_poll": True, "busy_poll_budget": 2, "gro_flush_timeout": 1000 * US, "napi_defer_hard_irqs": 3}
    t = timeline({"POLL": 1000, "RX": 1000}, **STEERED, **knobs)
    t.host.feed([(0, udp(dport=9))])
    t.host.feed([(102_050, udp(dport=9)), (102_050, udp(dport=9))])
    t.host.run(until_ns=300_000)
    assert (t.look()["read"], t.cpu.softirq_pending, t.cpu.rps_ipi_list) == (3, 0, ffi.NULL)


@pytest.mark.parametrize("knobs", [{}, STEERED, {"cpus": 2, "rps_cpus": "3", "busy_read": 30}])
@pytest.mark.parametrize("cost", ["zero", "linux"])
@pytest.mark.parametrize("step_ns", [700, 1000, 33_333, 200_000])
def test_how_a_run_is_sliced_changes_nothing(timeline, knobs, cost, step_ns):
    """Bug: who spins for nothing jumped to the end of the slice."""
    arrivals = [(i * i * 97 % 900_000 + i * 700, udp(dport=9, sport=1 + i % 5)) for i in range(300)]

    def outcome(step):
        t = timeline(cost=cost, latency=True, **({"busy_read": 100} | knobs))
        t.host.feed(sorted(arrivals))
        for until in range(step, 3_000_000, step):
            t.host.run(until_ns=until)
        t.host.run()
        return t.host.ledger(), t.host.softnet(), t.host.nic.queues(), t.host.latencies()

    assert outcome(step_ns) == outcome(3_000_000)


def test_the_watchdog_takes_the_preference_back(timeline):
    """The reader did not come back in time: the softirq may poll as it likes."""
    t = timeline()
    t.napi.state = lib.NAPI_STATE_PREFER_BUSY_POLL
    lib.napi_watchdog(t.napi)
    assert t.napi.state == lib.NAPI_STATE_SCHED
    t.napi.state, t.cpu.poll_list, t.cpu.softirq_pending = 0, ffi.NULL, 0


def test_ksoftirqd_has_its_turn_when_the_slice_is_over(timeline):
    """A busy reader is a task like any other: 3 ms, then the other one."""
    t = timeline({"POLL": 1000}, busy_read=100_000)
    t.play([(0, "udp", {}), (1000, "", {"state": "SB"})])
    t.cpu.ksoftirqd_task.runnable = 1
    t.host.run(until_ns=5_000_000)
    assert t.cpu.ksoftirqd_runs == 1
    t.play([(6000, "udp", {}), (6005, "", {"read": 2})])


@pytest.mark.parametrize("costs", [{}, {"POLL": 700, "RX": 300, "RECV": 400, "RECEIVE": 90}])
def test_every_datagram_is_read_whatever_the_knobs(timeline, costs):
    knobs = {"busy_read": 30, "gro_flush_timeout": 20_000, "napi_defer_hard_irqs": 2}
    for prefer in (False, True):
        t = timeline(costs, prefer_busy_poll=prefer, **knobs)
        t.host.feed([(i * 1700 + i % 7 * 300, udp(dport=9)) for i in range(2000)])
        t.host.run()
        assert t.host.ledger().fates == {"DELIVERED_UDP": 2000}
        assert t.look()["read"] == 2000
        assert t.look()["busy"] > 0


def test_fewer_softirqs_and_wake_ups_is_what_it_is_for(timeline):
    """Each round begins with the interrupt on, as in Linux, unless a timer keeps it off."""

    def load(**knobs):
        t = timeline(cost="linux", **knobs)
        t.host.feed([(i * 20_000, udp(dport=9)) for i in range(500)])
        t.host.run()
        return t.look()

    timer = {"prefer_busy_poll": True, "gro_flush_timeout": 200_000, "napi_defer_hard_irqs": 2}
    counted = ("irqs", "softirqs", "reader", "read")
    sleeping, busy, preferred = (
        [seen[name] for name in counted] for seen in (load(), load(busy_read=50), load(busy_read=50, **timer))
    )
    assert sleeping == [500, 500, 500, 500]
    assert busy == [500, 1, 1, 500]
    assert preferred == [1, 3, 1, 500]  # at the end the timer polls twice


@pytest.mark.parametrize("bit", ["SCHED", "DISABLE", "IN_BUSY_POLL"])
@pytest.mark.parametrize("prefer", [0, 1])
def test_a_napi_that_is_not_free_is_left_alone_and_waited_for_no_longer_than_the_reader_may(host, bit, prefer):
    h = host(cpus=1, busy_read=100, prefer_busy_poll=prefer)
    cpu, napi, state = h.machine.c.cpu[0], h.machine.c.dq[0].napi, getattr(lib, f"NAPI_STATE_{bit}")
    h.feed([udp()] * 3)
    lib.nic_run(ffi.addressof(h.machine.c.nic), h.machine.c.nic.now)  # the ring has work
    h.machine.c.cost[lib.COST_POLL] = 60_000
    cpu.busy.queue, napi.state = 1, state
    assert lib.busy_poll_begin(cpu) == 1
    assert [lib.napi_busy_loop(cpu) for _ in range(2)] == [1, 0]
    assert (cpu.now, cpu.busy.napi, napi.polls, napi.packets) == (100_000, ffi.NULL, 0, 0)  # a look costs nothing
    assert napi.state == state | (lib.NAPI_STATE_PREFER_BUSY_POLL if prefer else 0)
    assert h.mib()["TcpExt_BusyPollRxPackets"] == 0
    napi.state = 0


@pytest.mark.parametrize("cpus", [1, 2])
def test_no_reader_polls_any_more_when_its_time_is_over(host, cpus):
    """The card publishes at once for those that poll without an interrupt, so it counts them."""
    h = host(cpus=cpus, sink=True, reader_cpu=0, cost="zero", busy_read=100)
    for _ in range(3):
        h.feed(udp())
        h.run()
        assert h.machine.c.spinners == 0


# ---- irq-suspend-timeout ----

SUSPENDED = {
    "busy_read": 200, "prefer_busy_poll": True, "gro_flush_timeout": 20 * US, "napi_defer_hard_irqs": 100,
    "irq_suspend_timeout": 1000 * US,
}  # fmt: skip


def test_each_packet_that_the_reader_gets_puts_the_timer_off(timeline):
    """Linux: ep_suspend_napi_irqs(). A packet takes the reader longer than gro-flush-timeout."""
    rows = [(0, "udp", {}), (70, "udp", {}), (140, "udp", {}), (210, "udp", {}), (500, "", {"read": 4, "irqs": 1})]
    without = timeline({"RECV": 50_000}, **SUSPENDED | {"irq_suspend_timeout": 0})
    without.play(rows)
    t = timeline({"RECV": 50_000}, **SUSPENDED)
    t.play([(0, "udp", {}), (60, "", {"read": 1, "state": "SB", "timer": 1000})])
    t.play(rows[1:-1])
    t.play([(300, "", {"read": 4, "irqs": 1, "softirqs": 1, "timer": 1210})])
    assert without.look()["softirqs"] > 1


def test_a_reader_that_polled_in_vain_hands_over_to_the_softirq(timeline):
    """Linux: ep_busy_loop() -> napi_resume_irqs(). The softirq polls at once, and by timer from then on."""
    t = timeline(**SUSPENDED)
    t.play([
        (0, "udp", {"read": 1, "softirqs": 1, "timer": 1000}),
        (199, "", {"state": "SB", "softirqs": 1}),
        (201, "", {"state": "", "softirqs": 2, "timer": 220, "irqs": 1}),
        (210, "udp", {"read": 1, "irqs": 1}),  # the interrupt is off: the timer's poll finds it
        (220, "", {"read": 2, "softirqs": 3, "irqs": 1}),
    ])  # fmt: skip


def test_the_timeout_is_the_way_back_when_the_reader_does_not_come(timeline):
    """It is busy with one packet for longer than that: the watchdog lets the softirq poll."""
    timeline({"RECV": 3_000_000}, **SUSPENDED).play([
        (0, "udp", {"irqs": 1}),
        (990, "udp", {"irqs": 1, "softirqs": 1, "packets": 1}),
        (1005, "", {"irqs": 1, "softirqs": 2, "packets": 2}),
    ])  # fmt: skip


@pytest.mark.parametrize("off", ["irq_suspend_timeout", "prefer_busy_poll", "busy_read"])
def test_it_needs_a_reader_that_prefers_to_poll(timeline, off):
    t = timeline(**SUSPENDED | {off: 0})
    t.play([(0, "udp", {"read": 1, "irqs": 1}), (10, "", {"timer": 20})])
