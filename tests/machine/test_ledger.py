"""The ledger: frames are counted once, wherever they are, and a broken law is seen."""

import frames

from vnic import BrokenLaws
from vnic._core import ffi, lib


def test_a_merged_packet_counts_as_its_segments(host):
    h = host(rcvbuf=0)
    h.tcp(80)
    flow = [frames.tcp(b"x" * 100, seq=1 + 100 * i) for i in range(10)]
    h.feed(flow, at_ns=0)
    h.run()
    assert h.gro().merged == 9
    assert h.ledger().fates == {"DELIVERED_TCP": 10}


def test_the_difference_of_two_ledgers_is_one(host):
    h = host()
    h.udp(5000)
    h.feed(frames.udp())
    h.run()
    before = h.ledger()
    h.feed([frames.udp(), frames.icmp()])
    h.run()
    change = h.ledger() - before
    assert (change.offered, change.fates) == (2, {"DELIVERED_UDP": 1, "DELIVERED_ICMP": 1})
    assert change.closed
    assert (change.delivered, change.dropped) == (2, 0)


def test_a_frame_in_the_fifo_is_in_flight_there(host):
    h = host(cost="linux")  # the card's DMA takes time
    h.udp(5000)
    h.feed([frames.udp()] * 3, at_ns=0)
    h.run(frames=2)
    ledger = h.ledger()
    assert ledger.closed
    assert ledger.in_flight_at["fifo"] == 2
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 3}


def test_the_second_law_misses_a_lost_buffer(host):
    h = host()
    assert h.laws() == 0
    h.machine.c.dq[0].pool.nfree += 1
    assert h.laws() is BrokenLaws.POOLS
    h.machine.c.dq[0].pool.nfree -= 1


def test_the_first_law_misses_a_lost_frame(host):
    h = host()
    h.feed(frames.udp())
    h.run()
    h.machine.c.nic.offered += 1
    assert h.laws() is BrokenLaws.LEDGER
    h.machine.c.nic.offered -= 1


def test_the_second_law_counts_what_the_table_of_sockets_holds_and_nothing_behind_it(host):
    h = host()
    h.udp(5000)
    h.feed(frames.udp())
    h.run()
    table = h.machine.c.socks
    assert (table.used, h.laws()) == (2, 0)
    table.socks[table.used].head = table.socks[1].head
    assert h.laws() == 0
    table.socks[table.used].head = ffi.NULL
    table.socks[table.used].ofo = table.socks[1].head
    assert h.laws() == 0
    table.socks[table.used].ofo = ffi.NULL


def test_the_laws_look_at_open_queues_only_however_many_there_are(host):
    h = host(queues=lib.NIC_QUEUES_MAX)
    h.feed([frames.udp(sport=port) for port in range(1000, 1100)])
    h.run()
    assert h.laws() == 0
    assert sum(q.packets for q in h.nic.queues()) == 100
