"""The sending ring: what the card has sent comes back; a full one loses nothing in virtual time, and never a buffer."""

from itertools import pairwise

import frames
import pytest
from peer import Peer, arp, host_with, sent

import vnic
from vnic._core import ffi, lib

PEERS = {"10.0.0.9": frames.PEER}


def test_a_slow_wire_makes_a_sender_wait_and_all_arrives_at_its_pace():
    """A ring of 256 frames; the wire takes 67.2 us for each (10 Mbit/s, 84 bytes)."""
    peer = Peer(PEERS)
    with host_with(peer, link="10M") as host:
        sock = host.udp(7)
        sock.sendto(b"first", ("10.0.0.9", 9))
        host.run()
        for i in range(1000):
            sock.sendto(i.to_bytes(2, "big"), ("10.0.0.9", 9))
        host.run()
        data = [s for s in peer.seen if s.proto == 17][1:]
        assert [int.from_bytes(s.payload[8:], "big") for s in data] == list(range(1000))
        gaps = {b.t_ns - a.t_ns for a, b in pairwise(data[1:])}
        assert min(gaps) == 67_200
        assert host.tx_ledger().fates == {"TX_SENT": 1002}


@pytest.mark.parametrize("taken", [0, 1, 100, 255])
def test_there_is_room_while_fewer_buffers_are_asked_for_than_are_free(taken):
    """frames: one each, and one more for each TX_BUF_LEN bytes; one to spare. The ring may end before the pool does."""
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as host:
        tx = host.machine.c.tx
        for less in ({"tx.vq.nfree": taken}, {"tx.nfree": lib.TX_POOL_SIZE - lib.TX_RING_SIZE + taken}):
            before = tx.vq.nfree, tx.nfree
            tx.vq.nfree -= less.get("tx.vq.nfree", 0)
            tx.nfree -= less.get("tx.nfree", 0)
            for more in range(4):
                for bytes_ in (more * lib.TX_BUF_LEN, (more + 1) * lib.TX_BUF_LEN - 1):
                    got = [bool(lib.driver_tx_room(host.machine.c, frames_, bytes_)) for frames_ in range(300)]
                    free = lib.TX_RING_SIZE - taken
                    assert got == [frames_ + more < free for frames_ in range(300)]
            tx.vq.nfree, tx.nfree = before


def test_answers_that_find_the_ring_full_are_lost_under_a_name():
    """A softirq cannot wait: 600 pings at once, and a wire that takes 67 us for each answer."""
    with vnic.Host(ip="10.0.0.2/24", cost="zero", fifo=1 << 20, speed="1", link="10M") as host:
        host.feed(arp(1, "10.0.0.1", "10.0.0.2"))
        host.run(until_ns=10**9)
        host.wire.c.ps_per_byte = 0
        host.feed([frames.icmp()] * 600)
        host.run(until_ns=10**9 + 1)
        host.wire.c.ps_per_byte = 800_000
        host.run(until_ns=3 * 10**9)
        ledger = host.tx_ledger()
        lost = ledger.fates.get("TX_FULL_RING", 0)
        assert ledger.in_flight == 0
        assert ledger.fates["TX_SENT"] + lost == 601
        assert host.ledger().fates == {"DELIVERED_ARP": 1, "DELIVERED_ICMP": 600}
        assert host.nic.stats().tx_dropped == lost


def test_nobody_fetches_what_is_sent_and_the_wire_is_full():
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as host:
        sock = host.udp(7)
        for _ in range(1200):
            sock.sendto(b"x", ("224.0.0.9", 9))
            host.run()
        assert host.tx_ledger().fates == {"TX_SENT": 1024, "TX_WIRE_FULL": 176}
        assert host.nic.stats().tx_fifo_errors == 176
        assert len(sent(host)) == 1024
        sock.sendto(b"y", ("224.0.0.9", 9))
        host.run()
        assert [s.payload[8:] for s in sent(host)] == [b"y"]


@pytest.mark.parametrize("sizes", [[10] * 300, [60000] * 12, [1, 65507, 9000, 1473] * 20])
def test_every_buffer_comes_home(sizes):
    peer = Peer(PEERS)
    with host_with(peer, mtu=9000) as host:
        sock = host.udp(7)
        for n in sizes:
            sock.sendto(bytes(n), ("10.0.0.9", 9))
        host.run()
        lib.driver_tx_reclaim(host.machine.c)
        assert host.machine.c.tx.nfree == lib.TX_POOL_SIZE
        assert host.machine.c.tx.vq.nfree == lib.TX_RING_SIZE


def test_a_card_that_stopped_sends_nothing():
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as host:
        sock = host.udp(7)
        sock.sendto(b"x", ("224.0.0.9", 9))
        host.machine.c.nic.up = 0
        with pytest.raises(OSError, match="Network is down"):
            sock.sendto(b"x", ("224.0.0.9", 9))
        host.machine.c.nic.up = 1
        lib.nic_purge(ffi.addressof(host.machine.c.nic))
        assert host.tx_ledger() == vnic.counters.snapshots.TxLedger(in_flight=0, fates={"TX_DEV_READY": 2})
