"""The card's sending half beside a driver of another process: what it reads is checked, what is wrong is not sent."""

import struct
from itertools import pairwise

import frames
import pytest
from foreign_driver import FEATURES
from peer import Peer, host_with

from vnic._core import ffi, lib

HDR = 20
NEXT, WRITE, INDIRECT = 1, 2, 4


class Ring:
    """The sending ring by hand: descriptors anywhere in it, a chain's head in the available ring."""

    def __init__(self, host):
        self.host, self.nic = host, ffi.addressof(host.machine.c.nic)
        self.c = host.machine.c.nic.config.tx
        self.mem = ffi.buffer(host.machine.c.nic.dma.base, host.machine.c.nic.dma.size)
        self.posted = 0

    def put(self, at, data):
        self.mem[at : at + len(data)] = data
        return at

    def desc(self, i, addr, length, flags=0, next_=0):
        self.put(self.c.desc + 16 * i, struct.pack("<QIHH", addr, length, flags, next_))

    def post(self, head):
        self.put(self.c.avail + 4 + 2 * (self.posted % self.c.size), struct.pack("<H", head))
        self.posted += 1
        self.put(self.c.avail + 2, struct.pack("<H", self.posted & 0xFFFF))
        lib.nic_tx_kick(self.nic, self.host.now_ns)
        self.host.run()

    def used(self):
        """The last used entry."""
        idx = struct.unpack("<H", self.mem[self.c.used + 2 : self.c.used + 4])[0]
        at = self.c.used + 4 + 8 * ((idx - 1) % self.c.size)
        return idx, *struct.unpack("<II", self.mem[at : at + 8])


@pytest.fixture
def ring():
    with host_with(Peer({})) as host:
        yield Ring(host)


FRAME = frames.udp(b"x" * 100)


def header(flags=0, gso=0, start=0, offset=0):
    return struct.pack("<BBHHHHHIHH", flags, gso, 0, 0, start, offset, 0, 0, 0, 0)


@pytest.mark.parametrize("cuts", [[], [HDR], [HDR, HDR + 14], [5, 19, 20, 21, 100]])
def test_a_chain_is_gathered_wherever_it_is_cut(ring, cuts):
    whole = header() + FRAME
    at = ring.put(ring.c.buffers, whole)
    bounds = [0, *cuts, len(whole)]
    for i, (a, b) in enumerate(pairwise(bounds)):
        last = b == len(whole)
        ring.desc(7 + i, at + a, b - a, 0 if last else NEXT, 0 if last else 8 + i)
    ring.post(7)
    assert [s.frame for s in ring.host.wire.source.seen] == [FRAME]
    assert ring.used() == (1, 7, 0)


def test_a_short_frame_is_padded(ring):
    at = ring.put(ring.c.buffers, header() + FRAME[:40])
    ring.desc(0, at, HDR + 40)
    with pytest.raises(AssertionError):  # the decoder misses the rest of the datagram
        ring.post(0)
    assert ring.host.machine.c.nic.wire.tx_bytes == 60


@pytest.mark.parametrize("proto", [6, 17])
def test_a_partial_checksum_is_completed(ring, proto):
    whole = bytearray((frames.udp if proto == 17 else frames.tcp)(b"y" * 33))
    field = 34 + (6 if proto == 17 else 16)
    want = bytes(whole)
    length = len(whole) - 34
    partial = 0xFFFF ^ frames.csum(frames.pseudo("10.0.0.1", "10.0.0.2", proto, length))
    whole[field : field + 2] = struct.pack("!H", partial)
    at = ring.put(ring.c.buffers, header(flags=1, start=34, offset=field - 34) + whole)
    ring.desc(0, at, HDR + len(whole))
    ring.post(0)
    (s,) = ring.host.wire.source.seen
    assert s.frame == want


def test_the_doorbell_is_silent_while_the_card_has_frames_to_send():
    """10 Mbit/s: a frame takes 0.8 ms, and those behind it wait in the ring. The driver rings for the first only."""
    peer = Peer({"10.0.0.9": frames.PEER})
    with host_with(peer, link="10M") as host:
        sock, tx = host.udp(7), host.machine.c.nic.tx
        sock.sendto(b"", ("10.0.0.9", 9))
        host.run()
        for _ in range(3):
            before = int(tx.kicks)
            sock.sendto(bytes(1000), ("10.0.0.9", 9))
            start = host.now_ns
            host.run(until_ns=start + 100_000)
            assert tx.kicks == before + 1
            for i in range(5):
                sock.sendto(bytes(1000), ("10.0.0.9", 9))
                host.run(until_ns=start + 100_000 * (i + 2))
            assert tx.kicks == before + 1
            host.run()
        assert len([s for s in peer.seen if s.proto == 17]) == 1 + 3 * 6


BAD = {
    "outside the region": lambda r, n: r.desc(0, r.host.machine.c.nic.dma.size - 10, n),
    "address wraps": lambda r, n: r.desc(0, 2**64 - 8, n),
    "for the card to write": lambda r, n: r.desc(0, r.c.buffers, n, WRITE),
    "indirect": lambda r, n: r.desc(0, r.c.buffers, n, INDIRECT),
    "a loop": lambda r, _n: r.desc(0, r.c.buffers, 30, NEXT, 0),
    "next beyond the ring": lambda r, n: r.desc(0, r.c.buffers, n, NEXT, 256),
    "longer than any frame": lambda r, _n: r.desc(0, r.c.buffers, 70000),
    "no frame": lambda r, _n: r.desc(0, r.c.buffers, HDR + 13),
    "shorter than the header": lambda r, _n: r.desc(0, r.c.buffers, 3),
    "segmentation that was not offered": lambda r, n: (
        r.put(r.c.buffers, header(flags=1, gso=5, start=34, offset=6)), r.desc(0, r.c.buffers, n)),
    "a checksum behind the end": lambda r, n: (
        r.put(r.c.buffers, header(flags=1, start=34, offset=200)), r.desc(0, r.c.buffers, n)),
    "a checksum that starts behind the end": lambda r, n: (
        r.put(r.c.buffers, header(flags=1, start=60000)), r.desc(0, r.c.buffers, n)),
}  # fmt: skip


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_bad_chain_is_given_back_unsent(ring, make):
    ring.put(ring.c.buffers, header() + FRAME)
    make(ring, HDR + len(FRAME))
    ring.post(0)
    assert ring.host.wire.source.seen == []
    assert ring.used() == (1, 0, 0)
    assert ring.host.tx_ledger().fates == {"TX_BAD_CHAIN": 1}
    at = ring.put(ring.c.buffers, header() + FRAME)  # and the next one goes
    ring.desc(1, at, HDR + len(FRAME))
    ring.post(1)
    assert len(ring.host.wire.source.seen) == 1


@pytest.mark.parametrize("index", ["head", "idx"])
def test_an_index_that_cannot_be_stops_the_card(ring, index):
    if index == "head":
        ring.post(9999)
    else:
        ring.put(ring.c.avail + 2, struct.pack("<H", 300))
        lib.nic_tx_kick(ring.nic, ring.host.now_ns)
        ring.host.run()
    assert ring.host.machine.c.nic.up == 0
    assert ring.host.machine.c.nic.config.device_status & lib.VIRTIO_S_NEEDS_RESET


def test_the_checksum_offload_is_offered_as_the_knob_says():
    assert not FEATURES & 1 << lib.VIRTIO_NET_F_CSUM
    for tx in (True, False):
        with host_with(Peer({}), tx=tx) as host:
            assert host.machine.c.nic.config.driver_features >> lib.VIRTIO_NET_F_CSUM & 1 == tx


@pytest.mark.parametrize("under_way", [0, 1, 2])
def test_what_is_under_way_and_what_waits_is_lost_when_the_card_stops_and_sending_goes_on(under_way):
    """10 Mbit/s: a frame of 1000 bytes takes 0.8 ms. Whose last bit is not out comes home unsent."""
    peer = Peer({"10.0.0.9": frames.PEER})
    with host_with(peer, link="10M") as host:
        sock = host.udp(7)
        sock.sendto(b"", ("10.0.0.9", 9))
        host.run()
        sent, before = len(peer.seen), host.tx_ledger()
        start = host.now_ns
        for _ in range(3):
            sock.sendto(bytes(1000), ("10.0.0.9", 9))
        host.run(until_ns=start + under_way * 900_000 + 100_000)
        assert len(peer.seen) - sent == under_way
        lib.nic_purge(ffi.addressof(host.machine.c.nic))
        change, ring = host.tx_ledger(), host.machine.c.tx.vq
        assert change.in_flight == 0
        assert ring.used.idx == ring.avail.idx  # the driver hears of it at once, not with the next that is sent
        assert {ring.used.ring[i].len for i in range(ring.used.idx)} == {0}
        assert change.fates.get("TX_DEV_READY", 0) == 3 - under_way
        assert change.fates["TX_SENT"] - before.fates["TX_SENT"] == under_way
        sock.sendto(b"again", ("10.0.0.9", 9))
        host.run()
        assert peer.seen[-1].payload[8:] == b"again"
        lib.driver_tx_reclaim(host.machine.c)
        assert host.machine.c.tx.nfree == lib.TX_POOL_SIZE
