"""RPS: which CPU goes on with a packet."""

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.rps import cpu_of

import vnic
from vnic._core import ffi, lib


def steered(host, flow_hash, queue=0):
    fields = {"hash": flow_hash, "hash_report": lib.HASH_TCPV4, "queue": queue}
    return lib.get_rps_cpu(host.machine.c.cpu[0], ffi.new("struct sk_buff *", fields))


@given(mask=st.integers(1, 2**64 - 1), hashes=st.lists(st.integers(1, 2**32 - 1), max_size=20))
def test_the_hash_as_a_fraction_picks_from_the_mask(mask, hashes):
    cpus = [i for i in range(64) if mask >> i & 1]
    with vnic.Host(cpus=64, rx_pool=64, sockets=16, rps_cpus=mask) as h:
        for x in [1, *hashes, 2**32 - 1]:
            assert steered(h, x) == cpu_of(x, cpus)


@pytest.mark.parametrize(
    ("mask", "flow_hash", "cpu"),
    [
        ("0", 5, -1),  # no map: it stays
        ("f", 0, -1),  # no hash: it stays
        ("2", 0xFFFFFFFF, 1),
        ("1", 7, 0),
        ("a", 0x7FFFFFFF, 1),
        ("a", 0x80000000, 3),
        ("f0", 8, -1),  # CPUs that are not there
        ("12", 0xFFFFFFFF, 1),
    ],
)
def test_the_map_has_the_masks_cpus_that_exist(host, mask, flow_hash, cpu):
    assert steered(host(rps_cpus=mask), flow_hash) == cpu


def test_a_packet_steered_to_its_own_cpu_goes_through_the_backlog_too(host):
    h = host(rps_cpus="1")
    sock = h.udp(5000)
    h.feed([frames.udp(bytes([i])) for i in range(20)])
    h.run()
    assert [sock.recvfrom()[0][0] for _ in range(20)] == list(range(20))
    assert h.machine.c.cpu[0].input_queue_tail == h.machine.c.cpu[0].input_queue_head == 20
    assert [s.received_rps for s in h.softnet()] == [0, 0, 0, 0]


@pytest.mark.parametrize("rxhash", [True, False])
def test_flows_are_spread_and_never_split(host, rxhash):
    """The kernel spread 20 flows over two CPUs and split none."""
    h = host(rps_cpus="c", rxhash=rxhash)
    sent = [frames.udp(bytes([i]), sport=flow) for i in range(10) for flow in range(1000, 1040)]
    cpus, order = {}, {}

    @h.packet_type(0x0800)
    def tap(burst):
        for i, packet in enumerate(burst):
            cpu = h.machine.c.upcalls.slot[(h.machine.c.upcalls.tail + i) % lib.UPCALLS_MAX].cpu
            flow = bytes(packet[20:22])
            cpus.setdefault(flow, set()).add(cpu)
            order.setdefault(flow, []).append(packet[28])

    h.feed(sent)
    h.run()
    assert all(len(c) == 1 for c in cpus.values())
    assert {c for some in cpus.values() for c in some} == {2, 3}
    assert set(map(tuple, order.values())) == {tuple(range(10))}
    assert [s.processed for s in h.softnet()][:2] == [0, 0]


def test_one_ipi_per_target_for_a_run_of_net_rx_action(host):
    h = host(rps_cpus="e", rxhash=False)
    for run in (1, 2):
        h.feed([frames.udp(sport=p) for p in range(60)])
        h.run()
        assert [s.received_rps for s in h.softnet()] == [0, run, run, run]
        assert h.softnet()[0].net_rx_runs == run


def test_a_merged_packet_is_steered_once(host):
    h = host(rps_cpus="2")
    h.feed([frames.tcp(b"x" * 100, seq=i * 100) for i in range(40)])
    h.run()
    assert (h.machine.c.cpu[1].input_queue_tail, h.softnet()[1].processed) == (1, 1)
