"""Work takes time, and interrupts preempt it at any nanosecond. All instants are computed by hand."""

import contextlib
import threading

import frames
import peer
import pytest
from clock_lines import NOTHING, costed, cpu, interrupt, napi, reads, seen_at, spent
from costs import charge
from hypothesis import given, settings
from hypothesis import strategies as st
from model.rss import rss
from slices import check_times, cpu_times, drawn, host_of, outcome

import vnic
from vnic._core import ffi, lib

POLL = {"HARDIRQ": 7, "SOFTIRQ": 5, "POLL": 3, "RX": 11}
READER = {"HARDIRQ": 7, "SWITCH": 20, "RECV": 10, "COPY_PS": 500}


# ---- one line, an interrupt at every nanosecond of it ----


@pytest.mark.parametrize("t", range(60))
def test_an_interrupt_at_every_ns_of_a_poll(host, t):
    """Queue 0: hardirq 0-7, softirq 7-12, poll 12-15, the frame 15-26. Queue 1 has nothing, and its poll costs 3."""
    h = costed(host, POLL, queues=2)
    left_gro = []

    @h.packet_type(0x88B5)
    def take(burst):
        left_gro.extend(burst.t_ns)

    h.feed(NOTHING, at_ns=0)
    interrupt(h, 1, t)
    h.run()
    if t <= 26:  # at 26 too: a hardirq due at the very end of a charge comes before what stands behind the charge
        assert (left_gro, h.now_ns) == ([33], 36)
        assert spent(h) == {"hardirq": 14, "softirq": 5 + 3 + 11 + 3, "now": 36}
        assert (cpu(h).softirqs, cpu(h).net_rx_runs) == (1, 1)  # the running loop polls it too
    else:
        assert (left_gro, h.now_ns) == ([26], t + 15)
        idle = {"idle": t - 26} if t > 26 else {}
        assert spent(h) == idle | {"hardirq": 14, "softirq": 2 * (5 + 3) + 11, "now": t + 15}
        assert cpu(h).softirqs == 2


@pytest.mark.parametrize("t", range(70))
def test_an_interrupt_at_every_ns_of_a_switch_and_a_copy(host, t):
    """The hardirq 0-7 wakes the reader, the switch takes 7-27, the datagram of 18 bytes 27-46."""
    h = costed(host, READER, queues=2, sink=True)
    h.feed(frames.udp(bytes(18)), at_ns=0)
    interrupt(h, 1, t)
    h.run()
    late = 7 if t <= 46 else 0
    assert h.latencies()["total"].max == 46 + late
    idle = {"idle": t - 46} if t > 46 else {}
    assert spent(h) == idle | {"hardirq": 14, "switch": 20, "reader": 19, "now": max(53, t + 7)}


@pytest.mark.parametrize("t", range(0, 60, 3))
def test_an_irq_exit_runs_the_softirq_above_the_reader(host, t):
    """The reader copies 20-39; the other queue's hardirq takes 7, its softirq and its poll 8."""
    h = costed(host, READER | POLL | {"HARDIRQ": 0, "SOFTIRQ": 0, "POLL": 0, "RX": 0}, queues=2, sink=True)
    h.feed(frames.udp(bytes(18)), at_ns=0)
    h.run(until_ns=0)  # its softirq is over
    charge(h, HARDIRQ=7, SOFTIRQ=5, POLL=3)
    interrupt(h, 1, t)
    h.run()
    assert h.latencies()["total"].max == (39 + 15 if t <= 39 else 39)
    assert spent(h)["softirq"] == 8


def test_the_order_of_interrupts(host):
    """By their instants; of one instant a queue's before the IPI, lower queues first, then a watchdog."""
    h = costed(host, {"HARDIRQ": 10, "SOFTIRQ": 100}, cpus=2, queues=8)
    lib.raise_hardirq(cpu(h), 4, 0)
    cpu(h, 1).now = 3
    lib.raise_ipi(cpu(h, 1), cpu(h))
    n = napi(h, 6)
    lib.napi_timer_start(n, 3)
    lib.raise_hardirq(cpu(h), 2, 3)
    lib.raise_hardirq(cpu(h), 0, 3)

    def scheduled():
        queues = [q for q in (0, 2, 4, 6) if napi(h, q).state & lib.NAPI_STATE_SCHED]
        return queues, int(cpu(h).received_rps)

    assert seen_at(h, range(140), scheduled) == {
        0: ([], 0), 10: ([4], 0), 20: ([0, 4], 0), 30: ([0, 2, 4], 0), 40: ([0, 2, 4], 1), 50: ([0, 2, 4, 6], 1)
    }  # fmt: skip
    h.run()
    assert (cpu(h).hardirqs, cpu(h).softirqs) == (4, 1)
    assert spent(h) == {"hardirq": 50, "softirq": 100, "now": 150}


def test_a_hardirq_is_not_interrupted(host):
    """Raised in the middle of the first one, the second begins at its end."""
    h = costed(host, {"HARDIRQ": 100}, queues=2)
    interrupt(h, 1, 0)
    interrupt(h, 0, 50)
    assert seen_at(h, range(0, 300, 10), lambda: int(cpu(h).hardirqs)) == {0: 0, 100: 1, 200: 2}
    assert h.now_ns == 200


@pytest.mark.parametrize("t", [0, 5, 10, 15, 20, 25, 29, 30, 31])
def test_a_frame_is_taken_if_it_is_there_when_the_one_before_is_done(host, t):
    """The poll looks at its ring at 0, 10, 20 and 30. The card comes first in a tie."""
    h = costed(host, {"RX": 10}, gro_normal_batch=1)
    h.feed([(at, NOTHING) for at in sorted((0, 0, 0, t))])
    h.run()
    assert h.nic.queues()[0].interrupts == (1 if t <= 30 else 2)
    assert h.now_ns == (40 if t <= 30 else t + 10)


# ---- a wake-up ----


def test_a_reader_is_woken_once_while_its_wake_up_is_being_paid_for(host):
    """CPUs 0 and 1 feed the reader of CPU 2. CPU 0 pays 0-40; CPU 1's datagram comes at 10, and needs no wake-up."""
    h = costed(host, {"WAKE": 40, "RECV": 5}, cpus=3, queues=2, sink=True, reader_cpu=2)
    for i in range(lib.RSS_INDIR_SIZE):
        h.machine.c.nic.rss.indir[i] = i & 1
    of_queue = [next(i for i in range(1, 99) if rss("10.0.0.1", "10.0.0.2", 17, i, 9)[0] & 1 == q) for q in (0, 1)]
    first, second = (frames.udp(sport=sport, dport=9) for sport in of_queue)
    h.feed([(0, first), (10, second)])
    assert seen_at(h, range(60), lambda: reads(h)) == {0: 0, 45: 1, 50: 2}
    assert cpu(h, 2).reader.wakeups == 1
    assert [spent(h, i).get("softirq") for i in (0, 1)] == [40, None]
    check_times(h)


# ---- at one instant, paid for behind it ----


@pytest.mark.parametrize("output", [0, 30])
def test_what_is_done_under_a_lock_is_paid_for_once_behind_it(host, output):
    """Each echo is sent under the lock of what is sent."""
    h = costed(host, {"OUTPUT": output}, ip="10.0.0.2/24")
    h.feed([(0, peer.arp(1, "10.0.0.1", "10.0.0.2")), *[(1000 * i, frames.icmp()) for i in range(1, 6)]])
    h.run(until_ns=10_000)
    assert [t for t, _ in h.nic.sent()] == [1000 * i + output for i in range(6)]
    assert spent(h).get("softirq", 0) == 6 * output
    assert (cpu(h).owed, cpu(h).atomic, cpu(h).owed_wake) == (0, 0, ffi.NULL)


# ---- the machine stopped in the middle of packets ----

BUSY = {
    "HARDIRQ": 7,
    "POLL": 3,
    "RX": 11,
    "RPS": 5,
    "IPI": 9,
    "BACKLOG": 6,
    "SOCK": 4,
    "WAKE": 8,
    "SWITCH": 10,
    "RECV": 13,
}
STEERED = {"cpus": 3, "rps_cpus": "6", "sink": True, "reader_cpu": 2}


def loaded(host, **knobs):
    h = costed(host, BUSY, **(STEERED | knobs))
    h.feed([(i * 13, frames.udp(bytes([i]), sport=1 + i % 5)) for i in range(20)])
    return h


def end_of_load():
    with vnic.Host(cost="zero", link="inf", latency=True, **STEERED) as h:
        charge(h, **BUSY)
        h.feed([(i * 13, frames.udp(bytes([i]), sport=1 + i % 5)) for i in range(20)])
        h.run()
        return h.now_ns


END = end_of_load()


def test_the_split_adds_up_to_the_total_to_the_ns(host):
    h = loaded(host)
    h.run()
    sums = {stage: round(w.count * w.mean) for stage, w in h.latencies().items()}
    assert sums.pop("total") == sum(sums.values()) > 0
    check_times(h)


def test_a_host_is_freed_wherever_its_cpus_are():
    for t in range(0, END, 7):
        with vnic.Host(cost="zero", link="inf", **STEERED) as h:
            charge(h, **BUSY)
            h.feed([(i * 13, frames.udp(bytes([i]), sport=1 + i % 5)) for i in range(20)])
            h.run(until_ns=t)
            assert h.ledger().closed
            check_times(h)


@pytest.mark.parametrize(
    "change",
    [
        {"rx_ring": 512}, {"rps_cpus": "1"}, {"threaded": True}, {"queues": 2}, {"netdev_max_backlog": 1},
        {"busy_read": 10}, {"gro": False}, {"rps_sock_flow_entries": 64}, {"smp_affinity": 2},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_knob_is_changed_wherever_its_cpus_are(host, change):
    for t in range(0, END, 11):
        h = loaded(host)
        h.run(until_ns=t)
        clocks = [times["now"] for times in cpu_times(h)]
        for name, value in change.items():
            setattr(h.knobs, name, value)
        assert all(a <= times["now"] for a, times in zip(clocks, cpu_times(h), strict=True))
        h.run()
        check_times(h)
        ledger = h.ledger()
        assert (ledger.offered, ledger.in_flight, h.laws()) == (20, 0, 0)
        assert ledger.fates.get("DELIVERED_UDP", 0) + ledger.fates.get("CPU_BACKLOG", 0) == 20
        h.close()


def test_a_socket_is_closed_wherever_its_cpus_are(host):
    for t in range(0, END, 7):
        h = loaded(host, sink=False)
        sock = h.udp(5000)
        h.run(until_ns=t)
        sock.close()
        h.run()
        check_times(h)
        assert (h.ledger().in_flight, h.laws()) == (0, 0)
        assert set(h.ledger().fates) <= {"DELIVERED_UDP", "NO_SOCKET"}
        h.close()


def test_a_handler_fails_and_the_run_goes_on(host):
    """Python has its turn while the CPUs are in the middle of packets; so it has if it raises an exception."""
    h = loaded(host)
    seen, alone = [], loaded(host)
    alone.packet_type(0x0800)(lambda _burst: None)
    alone.run()

    @h.packet_type(0x0800)
    def take(burst):
        seen.append((h.now_ns, h.ledger().in_flight_at["cpu"]))
        if len(seen) % 3 == 0:
            raise ZeroDivisionError

    failed = 0
    while True:
        try:
            h.run()
            break
        except ZeroDivisionError:
            failed += 1
    assert failed == len(seen) // 3 > 2
    assert any(in_hand for _, in_hand in seen)
    assert cpu_times(h) == cpu_times(alone)
    assert (h.ledger().offered, h.ledger().in_flight, h.laws()) == (20, 0, 0)


def test_two_threads_run_a_host_in_turn(host):
    """A fiber belongs to no thread."""
    h, alone, turn = loaded(host), loaded(host), [threading.Event(), threading.Event()]
    errors = []

    def run(me):
        try:
            for t in range(me, END, 2):
                assert turn[me].wait(30)
                turn[me].clear()
                h.run(until_ns=t)
                turn[1 - me].set()
        except BaseException as e:  # noqa: BLE001
            errors.append(e)
        finally:
            turn[1 - me].set()

    threads = [threading.Thread(target=run, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    turn[0].set()
    for thread in threads:
        thread.join(60)
    assert not errors
    alone.run()
    h.run()
    assert outcome(h) == outcome(alone)


@settings(max_examples=max(3, settings.default.max_examples // 4))
@given(st.lists(st.integers(0, 2**32), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_hosts_that_run_in_turn_do_not_know_of_each_other(seeds, r):
    loads = [drawn(seed) for seed in seeds]
    alone = []
    for load in loads:
        with host_of(load) as h:
            h.run()
            alone.append(outcome(h))
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(host_of(load)) for load in loads]
        waiting = list(range(len(hosts)))
        while waiting:
            i = r.choice(waiting)
            if hosts[i].run(frames=r.randint(1, 40)):
                waiting.remove(i)
        assert [outcome(h) for h in hosts] == alone


# ---- by hand ----


def test_planned_for_an_idle_cpu_and_taken_back_it_sleeps_on(host):
    """The timer is stopped: the CPU's clock does not move to where it was due."""
    h = costed(host, {})
    lib.mod_timer(cpu(h), lib.TIMER_NEIGH, 5000)
    h.run(until_ns=10)
    lib.mod_timer(cpu(h), lib.TIMER_NEIGH, 2**64 - 1)
    h.run()
    assert (cpu(h).now, cpu(h).idle_ns, cpu(h).softirqs) == (0, 0, 0)
    assert ffi.addressof(h.machine.c.nic).now <= 10


@pytest.mark.parametrize(("idle_ns", "more_ns"), [(299_999, 0), (300_000, 1000)])
def test_after_so_long_the_caches_are_cold(host, idle_ns, more_ns):
    h = costed(host, {"FIRST_PACKET": 1000})
    h.feed(NOTHING, at_ns=idle_ns)
    h.run()
    assert cpu(h).now == idle_ns + more_ns
