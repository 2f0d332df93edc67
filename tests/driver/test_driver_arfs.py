"""Accelerated RFS, the driver's half: filters come to the queue of a reader's CPU, and expire."""

from steering import ON, by_queue, play
from tcp_streams import stream

from vnic._core import lib


def test_filters_of_flows_that_are_over_expire(host):
    """A row of a table of 2 is active for 20 packets of its CPU's backlog."""
    h = host(reader_cpu=2, **(ON | {"rps_flow_cnt": 2}))
    for port in range(1000, 1500):
        play(h, stream(port, 4))
    assert h.nic.arfs().expired > 0
    assert h.nic.arfs().filters == h.nic.arfs().added - h.nic.arfs().expired < 40


def test_a_filter_may_expire_when_its_row_has_another_or_its_flow_was_quiet(host):
    """Quiet: 10 times as many packets as the table has rows went through its CPU's backlog since."""
    h = host(**(ON | {"rps_flow_cnt": 2}))
    row, cpu = h.machine.c.rps_flow[1][1], h.machine.c.cpu[3]
    row.filter, row.cpu, row.last_qtail = 5, 3, 1000
    for head, expires in ((1000, 0), (1019, 0), (1020, 1), (990, 0)):
        cpu.input_queue_head = head
        assert lib.rps_may_expire_flow(h.machine.c, 1, 1, 5) == expires
    assert lib.rps_may_expire_flow(h.machine.c, 1, 1, 6) == 1
    assert lib.rps_may_expire_flow(h.machine.c, 1, 2, 5) == 1
    cpu.input_queue_head = 0


def test_a_row_with_a_filter_of_an_active_flow_is_left_to_it(host):
    """Tables of one row each: the second flow keeps its queue, and RFS moves its packets."""
    h = host(reader_cpu=2, **(ON | {"rps_flow_cnt": 1}))
    h.machine.c.cpu[2].input_queue_head = h.machine.c.cpu[2].input_queue_tail = 0
    play(h, stream(1000, 4))
    play(h, stream(1001, 4))
    assert h.nic.arfs().added == 1
    assert h.mib()["TcpExt_TCPOFOQueue"] == 0


def test_more_queues_than_cpus_and_more_cpus_than_queues(host):
    for queues, cpus, reader, queue in ((4, 2, 1, 1), (2, 4, 3, 1), (3, 4, 3, 0)):
        h = host(reader_cpu=reader, **(ON | {"queues": queues, "cpus": cpus}))
        assert lib.arfs_queue(h.machine.c, reader) == queue
        play(h, stream(1000, 10))
        assert by_queue(h)[queue] >= 8
