"""A frame that takes more than one buffer, and chains that are no good."""

import frames
import pytest
from dma_card import RING, Card, header, plain
from foreign_driver import HEADER, INDIRECT, NEXT, WRITE
from hypothesis import given
from hypothesis import strategies as st

from vnic._core import lib

chains = st.lists(st.tuples(st.integers(20, 150), st.lists(st.integers(0, 150), max_size=3)), min_size=1, max_size=RING)


@given(chains, st.integers(14, 1200))
def test_a_frame_fills_chains_and_buffers_in_order_and_nothing_else(shapes, length):
    with Card() as card:
        d, used, descriptors, wanted = card.driver, [], 0, header() + plain(length)
        where = d.buffers
        posted = []  # [[(address, length)]]
        for first, more in shapes:
            lengths = [first, *more][: RING - descriptors]
            if not lengths:
                break
            head = descriptors
            posted.append((head, []))
            for i, n in enumerate(lengths):
                last = i == len(lengths) - 1
                d.describe(descriptors, where, n, WRITE | (0 if last else NEXT), 0 if last else descriptors + 1)
                posted[-1][1].append((where, n))
                where += n + 3
                descriptors += 1
            d.post(head)
        card.start()
        image, left, taken = bytearray(d.mem), len(wanted), []
        for head, buffers in posted:
            room = sum(n for _, n in buffers)
            if left:
                taken.append((head, buffers))
                used.append((head, min(left, room)))
                left -= min(left, room)
        wanted = header(len(taken)) + wanted[HEADER.size :]
        if not left:
            at = 0
            for addr, n in (b for _, buffers in taken for b in buffers):
                image[addr : addr + len(wanted[at : at + n])] = wanted[at : at + n]
                at += n
        assert card.receive(plain(length)) == ([] if left else used)
        assert d.mem[d.buffers :] == image[d.buffers :]
        ledger = card.host.ledger()
        if left and len(posted) == RING:
            assert ledger.fates == {"RX_OVER": 1}
        elif left:
            assert (ledger.fates, card.host.machine.c.nic.rx_no_buffer_count) == ({}, 1)
        else:
            assert ledger.fates == {"DELIVERED_DRIVER": 1}


@pytest.mark.parametrize("length, fate", [(2028, "UNHANDLED_PROTO"), (2029, "RX_OVER")])
def test_a_frame_longer_than_the_whole_ring_is_lost_and_the_next_is_not(host, length, fate):
    """16 buffers of 128 bytes, less one header of 20."""
    h = host(rx_ring=16, rx_buf_len=128)
    h.udp(5000)
    h.feed([plain(length), frames.udp()])
    h.run()
    assert h.ledger().fates == {fate: 1, "DELIVERED_UDP": 1}
    assert h.nic.stats().rx_over_errors == h.nic.stats().rx_errors == (fate == "RX_OVER")
    assert h.laws() == 0


def test_a_frame_that_spans_buffers_raises_the_interrupt(host):
    """Bug: the device counted frames where the ring counts buffers, and thought that the driver knew."""
    h = host(rx_buf_len=128)
    sock = h.udp(5000)
    h.feed(frames.udp(bytes(range(250)) * 4))
    h.run()
    assert sock.recv() == bytes(range(250)) * 4
    assert h.nic.queues()[0].interrupts == 1


def test_a_long_frame_waits_for_buffers_and_the_doorbell_brings_it(host):
    """Bug: the doorbell was not asked for when some buffers, but too few, were there."""
    h = host(rx_ring=16, rx_buf_len=128, rx_frames=1)
    sock = h.udp(5000)
    bodies = [bytes([i]) * 900 for i in range(20)]
    h.feed([frames.udp(b) for b in bodies])
    h.run()
    assert [sock.recv() for _ in bodies] == bodies
    assert h.nic.queues()[0].no_buffer > 0


BAD = {
    "outside": lambda d: d.describe(0, d.size, 100),
    "its last byte is outside": lambda d: d.describe(0, d.size - 99, 100),
    "address and length wrap": lambda d: d.describe(0, 2**64 - 50, 100),
    "length beyond everything": lambda d: d.describe(0, d.buffers, 0xFFFFFFFF),
    "not writable": lambda d: d.describe(0, d.buffers, 2048, 0),
    "indirect": lambda d: d.describe(0, d.buffers, 2048, WRITE | INDIRECT),
    "its own successor": lambda d: d.describe(0, d.buffers, 30, WRITE | NEXT, 0),
    "a loop of two": lambda d: (
        d.describe(0, d.buffers, 30, WRITE | NEXT, 1),
        d.describe(1, d.buffers + 30, 0, WRITE | NEXT, 0),
    ),
    "successor that is none": lambda d: d.describe(0, d.buffers, 30, WRITE | NEXT, RING),
    "second is outside": lambda d: (d.describe(0, d.buffers, 30, WRITE | NEXT, 1), d.describe(1, d.size, 4000)),
    "second is not writable": lambda d: (
        d.describe(0, d.buffers, 30, WRITE | NEXT, 1),
        d.describe(1, d.buffers + 30, 2048, 0),
    ),
    "no room for the header": lambda d: d.describe(0, d.buffers, 19),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_bad_chain_is_given_back_empty_and_nothing_is_written(card, make):
    make(card.driver)
    card.driver.post(0)
    good = card.buffer(8)
    card.start()
    before = bytearray(card.driver.mem)
    assert card.receive(plain(60)) == [(0, 0), (8, 80)]
    after = bytearray(card.driver.mem)
    assert after[good : good + 80] == header() + plain(60)
    for at, n in ((good, 80), (card.driver.used, 6 + 8 * RING)):
        before[at : at + n] = after[at : at + n] = bytes(n)
    assert after == before
    assert card.host.nic.queues()[0].dma_failed == 1
    assert card.host.ledger().fates == {"DELIVERED_DRIVER": 1}


def test_a_frame_begins_again_behind_a_bad_chain(card):
    card.buffer(0, 100)
    card.buffer(1, 100)
    card.buffer(2, flags=0)
    card.buffer(3)
    card.start()
    used = card.receive(plain(500))
    assert used == [(0, 0), (1, 0), (2, 0), (3, 520)]
    assert card.frame(used)[0][6] == 1
    assert card.frame(used)[1] == plain(500)


def test_only_bad_chains_and_the_frame_waits(card):
    for i in range(3):
        card.buffer(i, flags=0)
    card.start()
    assert card.receive(plain(60)) == [(0, 0), (1, 0), (2, 0)]
    assert card.host.ledger().fates == {}
    card.buffer(4)
    assert card.receive() == [(4, 80)]


def test_a_chain_of_more_than_2_gib_is_a_chain():
    """Bug: the sum of its lengths wrapped."""
    with Card(rx_ring=64, rx_pool=32768) as card:
        d = card.driver
        for i in range(48):  # 3.4 GB: below zero as an int
            d.describe(i, d.buffers, d.size - d.buffers, WRITE | (NEXT if i < 47 else 0), i + 1)
        d.post(0)
        card.start()
        used = card.receive(plain(60))
        assert (used, card.frame(used)[1]) == ([(0, 80)], plain(60))


@pytest.mark.parametrize(("length", "fate"), [(4 * 83 - 20, "DELIVERED_DRIVER"), (4 * 83 - 19, "RX_OVER")])
def test_a_frame_in_more_than_256_pieces_is_lost(length, fate):
    """Chains of 64 descriptors: 20 bytes for the header, then one byte each."""
    with Card(rx_ring=512) as card:
        d = card.driver
        at = d.buffers
        for i in range(6 * 64):
            n = 1 if i % 64 else 20
            d.describe(i, at, n, WRITE | (NEXT if i % 64 < 63 else 0), i + 1)
            at += n
        for head in range(0, 6 * 64, 64):
            d.post(head)
        card.start()
        card.receive(plain(length))
        assert card.host.ledger().fates == {fate: 1}


def test_a_chain_that_the_ring_has_not_ends_it_though_the_frame_had_begun(card):
    """Virtio 1.2 section 2.1.2: the device needs a reset, and gives nothing back any more."""
    card.buffer(0, 100)
    card.driver.post(RING)
    card.start()
    assert card.receive(plain(300)) == []
    assert card.status & lib.VIRTIO_S_NEEDS_RESET
    assert card.host.nic.queues()[0].dma_failed == 0
