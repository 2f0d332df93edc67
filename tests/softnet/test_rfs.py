"""RFS: packets go where their reader runs, and a flow that moves is never reordered."""

import random

import frames
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.rps import Rfs, hash_32
from tcp_streams import sockets, stream

import vnic
from vnic._core import ffi, lib

ON = {"rps_flow_cnt": 64, "rps_sock_flow_entries": 64}
HASHES = [0x10000000 * i + 0x1234 * i + 4 for i in range(1, 12)]


def packet(h, flow, queue=0):
    skb = ffi.new("struct sk_buff *", {"hash": flow, "hash_report": lib.HASH_TCPV4, "queue": queue})
    return skb, lib.get_rps_cpu(h.machine.c.cpu[0], skb)


def queued(h, flow):
    """Steer a packet and queue it there, as far as the counters go."""
    skb, cpu = packet(h, flow)
    if cpu >= 0:
        h.machine.c.cpu[cpu].input_queue_tail = (h.machine.c.cpu[cpu].input_queue_tail + 1) % 2**32
        if skb.rflow:
            lib.rfs_queued(h.machine.c, skb.rflow, h.machine.c.cpu[cpu].input_queue_tail)
    return cpu


@pytest.mark.parametrize("knobs", [{}, {"rps_flow_cnt": 64}, {"rps_sock_flow_entries": 64}])
def test_rfs_needs_both_tables(host, knobs):
    h = host(**knobs)
    lib.rps_record_sock_flow(h.machine.c, HASHES[0], 2)
    assert packet(h, HASHES[0])[1] == -1


def test_a_reader_draws_its_flow(host):
    h = host(**ON)
    assert packet(h, HASHES[0])[1] == -1
    lib.rps_record_sock_flow(h.machine.c, HASHES[0], 2)
    assert packet(h, HASHES[0])[1] == 2


def test_rps_decides_where_no_reader_is_known(host):
    h = host(rps_cpus="8", **ON)
    lib.rps_record_sock_flow(h.machine.c, HASHES[0], 2)
    assert [packet(h, flow)[1] for flow in HASHES[:2]] == [2, 3]


def test_another_flow_with_the_same_entry_is_told_by_its_upper_bits(host):
    h = host(**ON)
    lib.rps_record_sock_flow(h.machine.c, 0x11110005, 2)
    assert packet(h, 0x22220005)[1] == -1
    lib.rps_record_sock_flow(h.machine.c, 0x22220005, 3)
    assert [packet(h, flow)[1] for flow in (0x11110005, 0x22220005)] == [-1, 3]


def test_a_flow_moves_only_when_its_old_cpu_has_taken_all(host):
    h = host(**ON)
    flow = HASHES[0]
    lib.rps_record_sock_flow(h.machine.c, flow, 1)
    assert [queued(h, flow) for _ in range(3)] == [1, 1, 1]
    lib.rps_record_sock_flow(h.machine.c, flow, 2)
    assert queued(h, flow) == 1
    h.machine.c.cpu[1].input_queue_head += 3
    assert queued(h, flow) == 1  # the fourth is still there, now a fifth too
    h.machine.c.cpu[1].input_queue_head += 2
    assert queued(h, flow) == 2
    assert (h.softnet()[0].rfs_moved, h.softnet()[0].rfs_waited) == (2, 2)


def test_the_counters_wrap(host):
    h = host(**ON)
    flow = HASHES[0]
    for cpu in range(4):
        h.machine.c.cpu[cpu].input_queue_head = h.machine.c.cpu[cpu].input_queue_tail = 2**32 - 1
    lib.rps_record_sock_flow(h.machine.c, flow, 1)
    assert queued(h, flow) == 1
    lib.rps_record_sock_flow(h.machine.c, flow, 2)
    assert queued(h, flow) == 1
    h.machine.c.cpu[1].input_queue_head = 1
    assert queued(h, flow) == 2


@pytest.mark.parametrize(("given_", "size"), [(1, 1), (2, 2), (3, 4), (1000, 1024)])
def test_tables_are_rounded_up_to_powers_of_two(host, given_, size):
    h = host(rps_flow_cnt=given_, rps_sock_flow_entries=given_)
    assert (1 << h.machine.c.rps_flow_log[0] - 1, h.machine.c.rps_sock_flow.mask + 1) == (size, size)
    lib.rps_record_sock_flow(h.machine.c, HASHES[3], 3)
    assert packet(h, HASHES[3])[1] == 3


def test_an_empty_entry_that_looks_like_a_hash_leads_nowhere(host):
    h = host(cpus=3, **ON)
    assert packet(h, 0xFFFF)[1] == -1


@given(
    cpus=st.integers(1, 5),
    plan=st.lists(st.tuples(st.sampled_from("rrpppppt"), st.sampled_from(HASHES), st.integers(0, 9)), max_size=80),
    flow_log=st.integers(0, 3),
)
def test_rfs_steers_as_the_model_does(cpus, plan, flow_log):
    """Readers move, packets come, backlogs are worked off, in any order; rows are shared when the table is small."""
    model = Rfs(cpus=cpus, flow_log=flow_log, sock_log=4)
    with vnic.Host(cpus=cpus, rx_pool=64, sockets=16, rps_flow_cnt=1 << flow_log, rps_sock_flow_entries=16) as h:
        for what, flow, n in plan:
            if what == "r":
                lib.rps_record_sock_flow(h.machine.c, flow, n % cpus)
                model.record(flow, n % cpus)
            elif what == "p":
                expected = model.steer(flow)
                assert queued(h, flow) == (-1 if expected is None else expected)
            else:
                model.take(n % cpus, n)
                h.machine.c.cpu[n % cpus].input_queue_head = model.heads[n % cpus]
        for cpu in range(cpus):
            h.machine.c.cpu[cpu].input_queue_head = h.machine.c.cpu[cpu].input_queue_tail = 0


# ---- the whole path ----


@pytest.mark.parametrize("rxhash", [True, False])
def test_after_the_first_read_packets_come_to_the_readers_cpu(host, rxhash):
    h = host(sink=True, reader_cpu=2, gro=False, rxhash=rxhash, **ON)
    segments = stream(1000, 3)
    for i, segment in enumerate(segments):
        h.feed(segment)
        h.run()
        assert [s.processed for s in h.softnet()] == [1, 0, i, 0]
    assert h.softnet()[0].rfs_steered == 2


def test_a_connected_datagram_socket_draws_too_and_one_that_is_not_does_not(host):
    """Linux: a socket without a peer stands for many flows."""
    h = host(**ON)
    connected, wildcard = h.udp(5000, "10.0.0.2"), h.udp(5001)
    connected.cpu, wildcard.cpu = 2, 3
    peer = ffi.new("struct inet_addr *", {"hi": 0, "lo": 0xFFFF << 32 | 0x0A000001})
    assert lib.sock_connect(h.machine.c, connected._c, peer, 1000) == 0
    for _ in range(2):
        h.feed([frames.udp(dport=5000), frames.udp(dport=5001)])
        h.run()
        connected.recvfrom()
        wildcard.recvfrom()
    assert [s.processed for s in h.softnet()] == [3, 0, 1, 0]


@pytest.mark.parametrize("read", ["recvfrom_nowait", "recvmmsg_nowait"])
def test_a_reader_that_finds_nothing_draws_its_flow_too(host, read):
    """Linux: inet_recvmsg() records the CPU before it looks for data."""
    h = host(ip="10.0.0.2/24", **ON)
    sock = h.udp(5000)
    sock.connect(("10.0.0.1", 1000))
    h.feed(frames.udp(sport=1000, dport=5000))
    h.run()
    sock.recv()
    sock.cpu = 2
    assert not getattr(sock, read)()
    h.feed(frames.udp(sport=1000, dport=5000))
    h.run()
    assert [s.processed for s in h.softnet()] == [1, 0, 1, 0]


def test_the_cpu_of_a_reader_is_one_that_exists(host):
    sock = host(cpus=2).udp(5000)
    assert sock.cpu == 0
    with pytest.raises(vnic.ConfigError, match=r"cpu=2: the host has CPUs 0 to 1"):
        sock.cpu = 2


def moving_readers(seed, *, broken):
    """Streams of four flows to busy CPUs while their readers move about. Return: (segments out of order, moves).

    broken: before each frame the rule is taken away: every row looks as if all of it had been drained.
    """
    r = random.Random(seed)
    knobs = {"cost": "zero", "link": "inf", "gro": False, "rcvbuf": 1 << 30, "sockets": 64, "reader_cpu": 1}
    tables = {"rps_flow_cnt": 4096, "rps_sock_flow_entries": 65536}
    with vnic.Host(cpus=4, sink=True, netdev_max_backlog=100_000, **knobs, **tables) as h:
        h.machine.c.cost[lib.COST_BACKLOG] = 1500
        next_seq = dict.fromkeys(range(1, 5), 1)
        for i in range(1500):
            port = r.choice([1, 1, 1, 2, 3, 4])  # one is heavy: its CPU is behind
            at = i // 50 * 60_000 + i % 50 * 500  # bursts, and pauses in which the readers have a turn
            h.feed([(at, frames.tcp(b"x", seq=next_seq[port], sport=port, dport=80))])
            next_seq[port] += 1
            h.run(until_ns=at)
            if i % 25 == 0:
                for sk in sockets(h):
                    sk.reader_cpu = r.randrange(1, 4)
            if broken:
                for row in h.machine.c.rps_flow[0][0:4096]:
                    if row.cpu < 4:
                        row.last_qtail = h.machine.c.cpu[row.cpu].input_queue_head
        h.run()
        assert h.ledger().fates == {"DELIVERED_TCP": 1500}
        return h.mib()["TcpExt_TCPOFOQueue"], h.softnet()[0].rfs_moved


@pytest.mark.slow
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_no_flow_is_ever_reordered_while_it_moves(seed):
    reordered, moved = moving_readers(seed, broken=False)
    assert reordered == 0
    assert moved > 1


@pytest.mark.slow
def test_without_the_rule_flows_are_reordered():
    assert sum(reordered for reordered, _ in (moving_readers(seed, broken=True) for seed in range(3))) > 20


def test_from_rps_to_rfs_a_flow_changes_at_once(host):
    """Linux: the row knows no CPU yet, so what RPS queued elsewhere is not waited for."""
    h = host(rps_cpus="8", **ON)
    assert queued(h, HASHES[0]) == 3
    lib.rps_record_sock_flow(h.machine.c, HASHES[0], 1)
    assert queued(h, HASHES[0]) == 1


def test_hash_32_is_the_golden_ratios():
    """include/linux/hash.h: GOLDEN_RATIO_32."""
    assert [hash_32(1, 8), hash_32(0xFFFFFFFF, 8), hash_32(5, 0)] == [0x61, 0x9E, 0]


@given(st.lists(st.integers(0, 300), max_size=12))
def test_all_tables_of_sockets_take_at_most_twice_the_memory_of_the_largest(sizes):
    """A reader may write into an old one at any time, so none is freed."""
    with vnic.Host(cost="zero", sockets=16) as h:
        for entries in sizes:
            assert lib.rfs_set_sock_entries(h.machine.c, entries) == 0
            assert (h.machine.c.rps_sock_flow != ffi.NULL) == (entries > 0)
        there, t = [], h.machine.c.rps_sock_tables
        while t:
            there.append(t.size)
            t = t.older
        assert sum(there) <= 2 * max(there, default=0)
        assert max(there, default=0) >= max(sizes, default=0)


@pytest.mark.parametrize("knobs", [{"rps_cpus": "f"}, {"rps_flow_cnt": 64, "rps_cpus": "f"}])
def test_a_packet_that_rfs_did_not_steer_has_no_row_whatever_its_buffers_last_had(host, knobs):
    h = host(**knobs)
    skb = ffi.new("struct sk_buff *", {"hash": HASHES[0], "hash_report": lib.HASH_TCPV4, "rflow": 9})
    lib.get_rps_cpu(h.machine.c.cpu[0], skb)
    assert skb.rflow == 0


def test_who_reads_a_stream_draws_its_flow(host):
    h = host(**ON)
    listener = h.tcp(80)
    segments = stream(1000, 3)
    h.feed(segments[0])
    h.run()
    reader = listener.accept()
    reader.cpu = 2
    for segment in segments[1:]:
        assert reader.read(1000)
        h.feed(segment)
        h.run()
    assert [s.processed for s in h.softnet()] == [1, 0, 2, 0]
