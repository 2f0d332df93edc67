"""Backlogs: RPS is not synchronous. A CPU that is behind fills its queue, and only its own."""

from itertools import permutations

import frames
import pytest
from costs import charge
from hypothesis import given
from hypothesis import strategies as st
from model.rps import Backlog
from softnet_steps import LIMIT, Steps

import vnic
from vnic._core import ffi, lib


def test_drops_begin_at_limit_plus_one_and_are_charged_to_the_target(host):
    """CPU 1 is in the middle of packet 0 all the time."""
    steps = Steps(host(netdev_max_backlog=10, **LIMIT))
    steps.arrive(1)
    steps.arrive(11)
    cpu0, cpu1 = steps.host.softnet()
    assert (cpu1.input_qlen, cpu1.dropped) == (11, 0)
    steps.arrive(4)
    cpu0, cpu1 = steps.host.softnet()
    assert (cpu1.input_qlen, cpu1.dropped, cpu1.processed) == (11, 4, 0)
    assert (cpu0.input_qlen, cpu0.dropped, cpu0.processed) == (0, 0, 0)
    assert (steps.host.ledger().in_flight_at["backlog"], steps.host.ledger().in_flight_at["cpu"]) == (11, 1)
    steps.host.run()
    assert steps.read() == list(range(12))
    assert steps.host.ledger().fates == {"DELIVERED_UDP": 12, "CPU_BACKLOG": 4}
    assert steps.host.nic.stats().rx_dropped == 4


def test_a_limit_of_0_lets_one_in(host):
    steps = Steps(host(netdev_max_backlog=0, **LIMIT))
    steps.arrive(1)
    steps.arrive(3)
    steps.host.run()
    assert steps.read() == [0, 1]


def test_the_process_queue_is_besides_the_limit(host):
    """A CPU that took all it had into its process queue has room for as many again."""
    steps = Steps(host(netdev_max_backlog=10, **LIMIT))
    steps.arrive(11)
    cpu1 = steps.host.softnet()[1]
    assert (cpu1.process_qlen, cpu1.input_qlen, cpu1.dropped) == (10, 0, 0)
    steps.arrive(13)
    cpu1 = steps.host.softnet()[1]
    assert (cpu1.process_qlen, cpu1.input_qlen, cpu1.dropped) == (10, 11, 2)
    steps.host.run()
    assert steps.read() == list(range(22))


def test_only_the_first_packet_calls_the_target(host):
    """CPU 0 needs 700 ns for an IPI, and it arrives then. None follows while it is under way or the target works."""
    steps = Steps(host(netdev_max_backlog=100, **LIMIT))
    h, c = steps.host, steps.host.machine.c.cpu[1]
    charge(h, IPI=700, HARDIRQ=700)
    steps.arrive(3)
    h.run(until_ns=1399)  # the frames are on the backlog since 700
    assert (c.input_qlen, c.irq_pending, c.irq_ns[lib.IRQ_IPI], c.received_rps) == (3, 1 << lib.IRQ_IPI, 1400, 0)
    h.run(until_ns=1400)
    assert (c.in_hardirq, c.received_rps) == (1, 0)
    h.run(until_ns=2100)
    assert (c.in_hardirq, c.received_rps, c.process_qlen) == (0, 1, 2)
    steps.t = 2200
    steps.arrive(3)
    h.run()
    assert steps.read() == list(range(6))
    assert (c.received_rps, h.machine.c.cpu[0].hardirqs) == (1, 2)
    steps.t = 9000
    steps.arrive(1)
    h.run()
    assert c.received_rps == 2


def test_live_packets_are_handed_over_in_bursts_and_the_rest_with_the_ipi(host):
    """The target's lock is taken once a burst, and no packet waits for more than a burst behind it."""
    h = host(cpus=3, rx_pool=1024)
    cpu, pool = h.machine.c.cpu[0], ffi.addressof(h.machine.c.dq[0].pool)
    cpu.live = 1
    sent = {1: 0, 2: 0}
    for i in range(400):
        target = 1 + i % 4 // 3
        skb = ffi.addressof(pool.skbs, lib.rx_pool_get(pool))
        skb.segs = 1
        assert lib.enqueue_to_backlog(cpu, skb, target) == 0
        sent[target] += 1
        queued = {c: int(h.machine.c.cpu[c].input_qlen) for c in sent}
        assert queued == {c: n // lib.BURST * lib.BURST for c, n in sent.items()}
        assert cpu.enqueue_frames == sum(sent.values()) - sum(queued.values())
    lib.net_rps_send_ipi(cpu)
    assert {c: h.machine.c.cpu[c].input_qlen for c in sent} == sent
    assert [h.machine.c.cpu[c].irq_pending >> lib.IRQ_IPI & 1 for c in sent] == [1, 1]
    h.machine.c.netdev_max_backlog = sent[1] + 9
    free = lib.rx_pool_free_count(pool)
    for _ in range(lib.BURST):
        skb = ffi.addressof(pool.skbs, lib.rx_pool_get(pool))
        skb.segs = 1
        assert lib.enqueue_to_backlog(cpu, skb, 1) == 0
    assert (h.machine.c.cpu[1].input_qlen, h.machine.c.cpu[1].dropped) == (sent[1] + 10, lib.BURST - 10)
    assert (cpu.rx_dropped, cpu.fates[lib.CPU_BACKLOG]) == (lib.BURST - 10,) * 2
    assert lib.rx_pool_free_count(pool) == free - 10
    cpu.live = cpu.fates[lib.CPU_BACKLOG] = 0
    for c in sent:
        while (skb := h.machine.c.cpu[c].input_head) != ffi.NULL:
            h.machine.c.cpu[c].input_head = skb.next
            lib.kfree_skb_list(h.machine.c.cpu[c], skb)
        h.machine.c.cpu[c].input_qlen = h.machine.c.cpu[c].backlog_frames = 0
    cpu.in_hand = 0  # the packets came from nowhere


def test_the_head_counter_follows_the_tail_counter(host):
    """RFS may move a flow when head has reached what tail was at its last packet."""
    steps = Steps(host(netdev_max_backlog=100, **LIMIT))
    c = steps.host.machine.c.cpu[1]
    steps.arrive(5)
    assert (c.input_queue_head, c.input_queue_tail) == (0, 5)
    steps.take(2)
    assert (c.input_queue_head, c.input_queue_tail) == (0, 5)  # Linux adds it when the poll ends
    steps.host.run()
    assert (c.input_queue_head, c.input_queue_tail) == (5, 5)


@given(
    limit=st.integers(0, 12),
    plan=st.lists(st.tuples(st.booleans(), st.integers(1, 20)), max_size=15),
)
def test_a_stalled_cpu_drops_as_the_model_says(limit, plan):
    """CPU 0 brings some, CPU 1 takes some, in any order. What CPU 1 is in the middle of is in its hand."""
    backlog, hand, done = Backlog(limit), [], []
    with vnic.Host(cost="zero", link="inf", netdev_max_backlog=limit, **LIMIT) as h:
        steps = Steps(h)
        for arrives, n in plan:
            if arrives:
                for packet in range(steps.sent, steps.sent + n):
                    backlog.enqueue(packet)
                steps.arrive(n, flow=1 + n % 3)
                hand = hand or backlog.take()
            else:
                steps.take(n)
                for _ in range(n):
                    done += hand
                    hand = backlog.take()
            stat = h.softnet()[1]
            assert (stat.input_qlen, stat.process_qlen, stat.dropped) == (
                len(backlog.input), len(backlog.process), len(backlog.dropped))  # fmt: skip
            assert h.ledger().closed
        assert steps.read() == done
        h.run()
        assert h.ledger().in_flight_at["backlog"] == h.softnet()[0].dropped == h.laws() == 0


@pytest.mark.parametrize("limit", [5, 50])
def test_an_overloaded_cpu_loses_only_what_is_its_own_and_reorders_nothing(host, limit):
    """Flow 1 brings ten times what its CPU can do, the others a fraction."""
    knobs = {"cpus": 3, "rps_cpus": "6", "netdev_max_backlog": limit, "rcvbuf": 1 << 30}
    h = host(gro=False, **knobs)
    h.machine.c.cost[lib.COST_BACKLOG] = 1000
    cpu_of, got = {}, {}

    @h.packet_type(0x0800)
    def tap(burst):
        for i, packet in enumerate(burst):
            flow = int.from_bytes(packet[20:22])
            cpu_of[flow] = h.machine.c.upcalls.slot[(h.machine.c.upcalls.tail + i) % lib.UPCALLS_MAX].cpu
            got.setdefault(flow, []).append(int.from_bytes(packet[28:30]))

    heavy = [(i * 100, frames.udp(i.to_bytes(2), sport=1)) for i in range(1000)]
    light = [(i * 2500, frames.udp(i.to_bytes(2), sport=flow)) for i in range(40) for flow in range(2, 6)]
    h.feed(sorted(heavy + light))
    h.run()
    victim = cpu_of[1]
    dropped = [s.dropped for s in h.softnet()]
    assert dropped[victim] > 700
    assert sum(dropped) == dropped[victim] == h.ledger().fates["CPU_BACKLOG"]
    elsewhere = [flow for flow in range(2, 6) if cpu_of[flow] != victim]
    assert 0 < len(elsewhere) < 4
    assert all(got[flow] == list(range(40)) for flow in elsewhere)
    assert all(packets == sorted(packets) for packets in got.values())


@pytest.mark.parametrize(("by", "to"), list(permutations(range(3), 2)))
def test_live_a_packet_for_any_other_cpu_is_there_when_the_ipi_goes_out(host, by, to):
    h = host(cpus=3, rx_pool=1024)
    cpu, target, pool = h.machine.c.cpu[by], h.machine.c.cpu[to], ffi.addressof(h.machine.c.dq[0].pool)
    cpu.live = 1
    skb = ffi.addressof(pool.skbs, lib.rx_pool_get(pool))
    skb.segs = cpu.in_hand = 1
    assert lib.enqueue_to_backlog(cpu, skb, to) == 0
    lib.net_rps_send_ipi(cpu)
    assert (target.input_qlen, target.irq_pending, cpu.enqueue_frames) == (1, 1 << lib.IRQ_IPI, 0)
    assert target.input_head == skb
    cpu.live = 0
    target.input_head = ffi.NULL
    target.input_qlen = target.backlog_frames = 0
    lib.kfree_skb_list(target, skb)


def test_a_backlogs_weight_is_dev_weight_times_its_bias(host):
    def squeezes(**knobs):
        h = host(cpus=2, rps_cpus="2", cost="linux", netdev_budget=16, link="100G", **knobs)
        h.feed([frames.udp(b"x")] * 200)
        h.run()
        return [(s.processed, s.time_squeeze, s.net_rx_runs) for s in h.softnet()]

    assert squeezes(dev_weight=2, dev_weight_rx_bias=4) == squeezes(dev_weight=8)
    assert squeezes(dev_weight=2, dev_weight_rx_bias=4) != squeezes(dev_weight=2)
    h = host(cpus=2)
    h.knobs["dev-weight-rx-bias"] = 3
    assert [int(h.machine.c.cpu[i].backlog.weight) for i in range(2)] == [192, 192]
