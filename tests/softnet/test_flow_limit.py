"""The flow limit: a backlog that fills up drops the heaviest flow first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.rps import FlowLimit
from softnet_steps import Steps

import vnic
from vnic._core import ffi, lib

FLOWS = [0x1000001 * i for i in range(1, 9)]


def limited(h, flow, qlen, cpu=0):
    skb = ffi.new("struct sk_buff *", {"hash": flow, "hash_report": lib.HASH_TCPV4})
    return bool(lib.skb_flow_limit(h.machine.c.cpu[cpu], skb, qlen))


def test_off_unless_the_enqueueing_cpu_has_it(host):
    h = host(flow_limit_cpus="2")
    assert not any(limited(h, FLOWS[0], 999) for _ in range(200))
    assert any(limited(h, FLOWS[0], 999, cpu=1) for _ in range(200))
    assert [s.flow_limit_count > 0 for s in h.softnet()] == [False, True, False, False]


@pytest.mark.parametrize(
    ("limit", "qlen", "counted"), [(1000, 499, False), (1000, 500, True), (7, 3, True), (7, 2, False)]
)
def test_the_flow_limit_looks_once_the_queue_is_half_full(host, limit, qlen, counted):
    h = host(flow_limit_cpus="1", netdev_max_backlog=limit)
    assert any(limited(h, FLOWS[0], qlen) for _ in range(200)) == counted


def test_more_than_half_of_the_last_128_is_too_much(host):
    h = host(flow_limit_cpus="1")
    assert [limited(h, FLOWS[0], 900) for _ in range(66)] == [False] * 64 + [True] * 2
    assert not limited(h, FLOWS[1], 900)


def test_the_history_is_128_long(host):
    """scaling.rst says 256."""
    h = host(flow_limit_cpus="1")
    for _ in range(64):
        limited(h, FLOWS[0], 900)
    for flow in FLOWS[1:] * 9:
        limited(h, flow, 900)
    assert limited(h, FLOWS[0], 900)  # 64 of the last 128 are its own
    for flow in FLOWS[1:] * 9:
        limited(h, flow, 900)
    assert not limited(h, FLOWS[0], 900)


@given(
    plan=st.lists(st.tuples(st.sampled_from(FLOWS[:3]), st.sampled_from([0, 499, 500, 1000])), max_size=400),
    table_len=st.sampled_from([1, 2, 64, 4096]),
)
def test_the_flow_limit_drops_as_the_model_does(plan, table_len):
    model = FlowLimit(table_len)
    with vnic.Host(rx_pool=64, sockets=16, flow_limit_cpus=1, flow_limit_table_len=table_len) as h:
        for flow, qlen in plan:
            assert limited(h, flow, qlen) == model.drops(flow, qlen, 1000)


def test_a_small_flow_gets_through_a_flood(host):
    """Ten flood packets for each one of the small flow, and a CPU that takes nothing meanwhile."""

    def small_flow_lost(**knobs):
        h = host(cpus=2, rps_cpus="2", gro=False, rcvbuf=1 << 30, **knobs)
        steps = Steps(h)
        for _ in range(150):
            steps.arrive(10, flow=1)
            steps.arrive(1, flow=2)
        c = h.softnet()
        h.run()
        got = [port for data, (_, port) in iter(steps.sock.recvfrom_nowait, None)]
        assert h.ledger().fates["CPU_BACKLOG"] == sum(s.dropped for s in c) == c[1].dropped
        return 150 - got.count(2), c[0].flow_limit_count

    lost, limit_drops = small_flow_lost()
    assert (lost > 25, limit_drops) == (True, 0)
    lost, limit_drops = small_flow_lost(flow_limit_cpus="1")
    assert lost == 0
    assert limit_drops > 200


def test_the_drop_is_charged_to_the_target_and_counted_on_the_enqueueing_cpu(host):
    h = host(cpus=2, rps_cpus="2", gro=False, flow_limit_cpus="1", rcvbuf=1 << 30)
    Steps(h).arrive(800)
    h.run()
    cpu0, cpu1 = h.softnet()
    assert cpu0.flow_limit_count > 0
    assert (cpu0.dropped, cpu1.flow_limit_count) == (0, 0)
    assert cpu1.dropped >= cpu0.flow_limit_count
