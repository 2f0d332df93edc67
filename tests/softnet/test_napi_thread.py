"""The task of a threaded NAPI that busy-polls: no interrupt, no sleep, each poll of an empty ring at its instant."""

import pytest
from costs import charge
from frames import icmpv6, udp
from timeline import timelines
from virtual_time import differences, draw, run_model, run_vnic

from vnic._core import lib

ONE = {"cpus": 2, "sink": True, "reader_cpu": 1, "threaded": "busy-poll"}
MS = 1_000_000


@pytest.fixture
def timeline(host):
    return timelines(host, ONE)


def test_after_the_first_interrupt_there_is_no_other(timeline):
    timeline().play([
        (0, "udp", {"irqs": 1, "wakeups": 1, "read": 1, "state": "SBTt"}),
        (50, "udp", {"irqs": 1, "wakeups": 1, "read": 2, "state": "SBTt", "runs": 0}),
        (10_000, "udp 9", {"irqs": 1, "wakeups": 1, "read": 11, "state": "SBTt"}),
    ])  # fmt: skip


def test_however_many_frames_it_takes_there_is_no_other_interrupt(host):
    """The index at which the ring would interrupt is half the space of 65536 ahead: each poll moves it on."""
    h = host(**ONE)
    frame = udp(dport=9)
    h.feed([(i * 1000, frame) for i in range(70_000)])
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 70_000}
    assert [int(q.interrupts) for q in h.nic.queues()] == [1]


def test_polls_follow_each_other_and_a_frame_waits_for_the_next(timeline):
    """Polls of an empty ring end at 1000, 2000, ... ns after the first one that has found it empty."""
    t = timeline({"POLL": 1000, "RX": 10})
    t.host.feed([(0, udp(dport=9))])
    t.host.run(until_ns=5000)
    polls = int(t.napi.polls)
    t.host.feed([(7_300, udp(dport=9)), (7_301, udp(dport=9)), (99_010, udp(dport=9)), (99_011, udp(dport=9))])
    t.host.run(until_ns=7_400)
    assert t.look()["ring"] == 2
    t.host.run(until_ns=150_000)
    # The first poll takes the first frame until 1010: looks are at 1010 + n * 1000, the one at 8010 takes two frames,
    # and from then on looks are at 8030 + n * 1000: 99030 comes after all of the last two.
    taken = t.look()
    assert (taken["read"], taken["ring"], taken["packets"]) == (5, 0, 5)
    assert taken["polls"] == 1 + 7 + 91
    assert taken["polls"] - polls >= 90


@pytest.mark.parametrize("seed", range(12))
def test_all_instants_are_those_of_a_cpu_that_takes_one_poll_after_the_other(seed):
    """The event model takes each poll of an empty ring by itself. What differs: polls that are under way at the end."""
    case = draw(seed, threaded="busy-poll")
    del case.arrivals[400:]
    until = case.arrivals[-1][0] + 997_000 * (seed % 4 + 1)
    case.arrivals = [a for a in case.arrivals if a[0] < 20 * MS]
    running = ("polls", "now_ns", "idle_ns", "busy_ns")
    got, want = (
        {name: n for name, n in run(case, min(until, 24 * MS)).items() if not name.endswith(running)}
        for run in (run_vnic, run_model)
    )
    assert differences(got, want) == []


@pytest.mark.parametrize("queues", [1, 3])
def test_a_run_ends_although_the_tasks_never_do(host, queues):
    """Several on one CPU too."""
    h = host(cpus=1, queues=queues, sink=True, threaded="busy-poll", hz=1000)
    charge(h, POLL=100, RX=50, SWITCH=300)
    h.feed([(i * 1000, udp(dport=9, sport=i)) for i in range(300)])
    h.run()
    ledger = h.ledger()
    assert (ledger.closed, ledger.fates) == (True, {"DELIVERED_UDP": 300})
    assert sum(int(q.interrupts) for q in h.nic.queues()) == queues


@pytest.mark.parametrize("addresses", [None, ["10.0.0.2/24", "fd00::2/64"]])
def test_a_run_ends_although_ticks_come_for_ever(host, addresses):
    """Bug that fuzz_rx found: with a cost for the tick, the tick of a CPU that busy-polls was work to come."""
    h = host(cpus=2, queues=4, sink=True, threaded="busy-poll", **{"ip": addresses} if addresses else {})
    charge(h, POLL=100, RX=50, TICK=100)
    h.feed([(i * 1000, udp(dport=9, sport=i)) for i in range(100)])
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 100}
    h.run(until_ns=h.now_ns + 100 * MS)
    h.feed([(h.now_ns + 1000, udp(dport=9))])
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 101}


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_run_ends_with_the_last_work_and_not_after_a_slice_of_ticks(host, cpus):
    """A CPU alone, too, for which the card acts without a detour: a few ticks, not thousands."""
    h = host(cpus=cpus, sink=True, threaded="busy-poll", ip="10.0.0.2/24")
    charge(h, POLL=100, RX=50, TICK=100)
    h.feed([(i * 1000, udp(dport=9, sport=i)) for i in range(100)])
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 100}
    assert h.now_ns < 20 * MS
    assert h.machine.c.steps < 2000


def test_it_does_not_end_while_a_timer_runs(host):
    """Who pinged is asked for three times, a second apart."""
    h = host(cpus=1, threaded="busy-poll", ip="fd00::2/64", mac="02:00:00:00:00:01")
    charge(h, POLL=100, TICK=100)
    h.feed([icmpv6()])
    h.run()
    assert h.now_ns > 3_000_000_000
    assert sum(frame[54] == 135 for _, frame in h.nic.sent()) >= 3


def test_the_cpu_is_busy_to_the_end(timeline):
    t = timeline({"POLL": 100, "RX": 10})
    t.host.feed([(0, udp(dport=9))])
    t.host.run(until_ns=MS)
    cpu = t.host.softnet()[0]
    assert (cpu.now_ns, cpu.idle_ns, t.host.nic.queues()[0].thread_busy_ns) == (MS, 0, MS)


def test_switched_off_and_on_again(timeline):
    t = timeline()
    t.play([(0, "udp", {"state": "SBTt"}), (10, "", {"state": "SBTt"})])
    t.host.knobs.threaded = False
    t.play([(20, "", {"state": ""}), (30, "udp", {"irqs": 2, "read": 2, "state": ""})])
    t.host.knobs.threaded = True
    t.play([(40, "udp", {"irqs": 3, "read": 3, "state": "T"})])
    t.host.knobs.threaded = "busy-poll"
    t.play([(50, "udp", {"irqs": 4, "read": 4, "state": "SBTt"}), (60, "udp", {"irqs": 4, "read": 5})])


def test_a_ring_can_change_and_the_driver_can_go_while_the_task_polls(timeline):
    t = timeline({"POLL": 100})
    t.play([(0, "udp", {"state": "SBTt"}), (10, "", {"read": 1})])
    t.host.knobs.update({"rx-ring": 512, "queues": 1})
    t.host.feed([(20_000 + i, udp(dport=9)) for i in range(400)])
    t.host.run()
    assert t.host.ledger().fates == {"DELIVERED_UDP": 401}
    t.host.knobs.queues = 2
    t.host.knobs.queues = 1
    t.host.feed([(9 * MS, udp(dport=9))])
    t.host.run()
    assert t.host.ledger().fates == {"DELIVERED_UDP": 402}


def test_moved_to_another_cpu_and_switched_off_before_it_ran_again(host):
    h = host(**ONE)
    h.feed([(0, udp(dport=9))])
    h.run()
    h.knobs.queue(0)["smp-affinity"] = 2
    h.knobs.threaded = False
    h.feed([(1_000_000 * i, udp(dport=9)) for i in range(1, 4)])
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 4}
    assert h.softnet()[1].hardirqs >= 3
    assert h.machine.c.dq[0].napi.state == 0


def test_each_queue_has_its_own_mode(host):
    h = host(cpus=2, queues=2, sink=True, each_queue={1: {"threaded": "busy-poll"}})
    h.feed([(i * 10_000, udp(dport=9, sport=i)) for i in range(200)])
    h.run()
    first, second = h.nic.queues()
    assert (first.thread_wakeups, second.thread_wakeups, second.interrupts) == (0, 1, 1)
    assert first.interrupts == first.packets > 50
    assert (h.knobs.queue(0)["threaded"], h.knobs.queue(1)["threaded"]) == (False, "busy-poll")


def test_gro_holds_a_packet_no_longer_than_a_jiffy_although_the_napi_never_completes(timeline):
    """gro_flush_normal() after each poll; below 1000 Hz it flushes all."""
    for hz, held in ((250, 0), (1000, 1)):
        t = timeline({"POLL": 1000}, hz=hz)
        t.play([(0, "tcp", {}), (5, "", {"held": held}), (990, "", {"held": held}), (1010, "", {"held": 0, "read": 1})])


def test_a_reader_cannot_have_the_napi_of_such_a_task(timeline):
    timeline({"POLL": 100, "RECV": 10}, cpus=1, reader_cpu=0, busy_read=50).play([
        (0, "udp", {"state": "SBTt"}),
        (9_000, "", {"read": 1, "state": "SBTt", "busy": 0}),
    ])  # fmt: skip


def test_napi_disable_ends_it(timeline):
    t = timeline()
    t.play([(0, "udp", {"state": "SBTt"})])
    lib.machine_settle(t.host.machine.c)
    assert lib.napi_disable(t.napi) == 0
    t.play([(10, "", {"state": "DT"})])
    assert lib.napi_disable(t.napi) == 1
    t.play([(11, "", {"state": "SN"}), (12, "enable", {"state": "T"})])
