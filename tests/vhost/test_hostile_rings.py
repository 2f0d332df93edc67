"""A driver that writes anything into its rings: one attack a test; the ring goes on or is broken, all else goes on."""

import os
import struct

import pytest
from front_end import AVAIL, DESC, INDIRECT, NEXT, USED, WRITE, FrontEnd
from vhost_checks import bad_chains, files, flows, next_works, receives, sends, until

FAR = 1 << 50


def _loop(ring, slot, flags):
    ring.describe(0, slot, 60, NEXT | flags, 1)
    ring.describe(1, slot, 0, NEXT | flags, 0)


def _next_out_of_range(ring, slot, flags):
    ring.describe(0, slot, 60, NEXT | flags, 60000)


def _in_no_region(ring, slot, flags):
    ring.describe(0, 0, 100, flags, bus=FAR)


def _wraps(ring, slot, flags):
    ring.describe(0, 0, 4096, flags, bus=-8)


def _four_gigabytes(ring, slot, flags):
    ring.describe(0, slot, 0xFFFFFFFF, flags)


def _beyond_the_region(ring, slot, flags):
    ring.describe(0, ring.memory.size - 16, 100, flags)


def _second_piece_outside(ring, slot, flags):
    ring.describe(0, slot, 60, NEXT | flags, 1)
    ring.describe(1, 0, 100, flags, bus=FAR)


def _of_no_length(ring, slot, flags):
    for i in range(ring.size):
        ring.describe(i, slot, 0, (NEXT if i + 1 < ring.size else 0) | flags, (i + 1) % ring.size)


def _shorter_than_a_header(ring, slot, flags):
    ring.describe(0, slot, 5, flags)


def _indirect(ring, slot, flags):
    ring.memory.bytes[slot : slot + 16] = struct.pack("<QIHH", ring.memory.bus(slot), 100, INDIRECT | flags, 0)
    ring.describe(0, slot, 16, INDIRECT | flags)


def _indirect_of_an_odd_length(ring, slot, flags):
    ring.describe(0, slot, 17, INDIRECT | NEXT | flags, 1)


def _indirect_outside(ring, slot, flags):
    ring.describe(0, 0, 0xFFFFFFF0, INDIRECT | flags, bus=FAR)


CHAINS = (
    _loop, _next_out_of_range, _in_no_region, _wraps, _four_gigabytes, _beyond_the_region, _second_piece_outside,
    _of_no_length, _shorter_than_a_header, _indirect, _indirect_of_an_odd_length, _indirect_outside,
)  # fmt: skip


def _named(values):
    return {"argvalues": values, "ids": [v.__name__.strip("_") for v in values]}


def _header_only(ring, slot, flags):
    ring.describe(0, slot, 12)


def _writable(ring, slot, flags):
    ring.describe(0, slot, 100, WRITE)


def _checksum_far_outside(ring, slot, flags):
    ring.memory.bytes[slot : slot + 12] = struct.pack("<BBHHHHH", 1, 0, 0, 0, 60000, 16, 0)
    ring.describe(0, slot, 112)


def _checksum_at_the_end(ring, slot, flags):
    ring.memory.bytes[slot : slot + 12] = struct.pack("<BBHHHHH", 1, 0, 0, 0, 90, 9, 0)
    ring.describe(0, slot, 112)


def _segments_that_were_not_offered(ring, slot, flags):
    ring.memory.bytes[slot : slot + 12] = struct.pack("<BBHHHHH", 1, 1, 54, 0, 34, 16, 0)
    ring.describe(0, slot, 112)


def _longer_than_any_frame(ring, slot, flags):
    ring.describe(0, slot, 70000)


@pytest.fixture
def attacked(vhost, attach):
    """A card of two pairs, and a front-end on it: pair 0 attacks, pair 1 goes on. Files leak nowhere."""
    card = vhost(queues=2)
    with FrontEnd(card.path) as first:
        first.negotiate()
    until(lambda: card.session is None)
    before = files()
    front = attach(card, pairs=2)
    front.start(buffers=0)
    front.post_buffers(front.rings[2], 128)
    yield card, front
    sends(front, card, 1)
    front.close()
    until(lambda: files() <= before)
    next_works(card, 2)


@pytest.mark.parametrize(
    "chain",
    **_named(
        (
            *CHAINS,
            _header_only,
            _writable,
            _checksum_far_outside,
            _checksum_at_the_end,
            _segments_that_were_not_offered,
            _longer_than_any_frame,
        )
    ),
)
def test_a_bad_chain_to_send_is_returned_unsent(attacked, chain):
    card, front = attacked
    ring = front.rings[1]
    chain(ring, front.slot(ring, 0), 0)
    ring.post(0)
    assert ring.wait(1) == [(0, 0)]
    assert bad_chains(card) == 1
    assert card.wire.sent() == []
    sends(front, card, 0)
    front.post_buffers(front.rings[0], 128)
    receives(front, card, range(2))


def _read_only(ring, slot, flags):
    ring.describe(0, slot, 2048, 0)


def _of_one_byte(ring, slot, flags):
    ring.describe(0, slot, 1, flags)


@pytest.mark.parametrize("chain", **_named((*CHAINS, _read_only, _of_one_byte)))
def test_a_bad_receive_buffer_is_returned_empty(attacked, chain):
    card, front = attacked
    ring = front.rings[0]
    chain(ring, front.slot(ring, 0), WRITE)
    front.enable(2, 0)  # its frames go to pair 0
    ring.post(0)
    card.feed(flows(1))
    assert ring.wait(1) == [(0, 0)]
    assert card.nic.queues()[0].dma_failed == 1
    front.post_buffers(ring, 128)
    assert front.frames(1) == flows(1), "it waited for a good one"
    front.enable(2, 1)
    receives(front, card, range(2))


def test_bad_buffers_as_fast_as_the_card_returns_them_hold_up_nobody(attacked):
    card, front = attacked
    ring = front.rings[0]
    for i in range(ring.size):
        ring.describe(i, front.slot(ring, i), 1, WRITE)
    front.enable(2, 0)
    card.feed(flows(1))
    for _ in range(50):
        ring.post(*range(ring.size))
        got = ring.wait(ring.size, 0.5)
        if len(got) < ring.size:
            break
        assert {length for _, length in got} == {0}
    sends(front, card, 1)
    front.enable(2, 1)


def _head_out_of_range(ring):
    ring.post(60000)


def _jumps_ahead(ring):
    ring.show(ring.posted + 1000)


def _jumps_back(ring):
    ring.show(ring.posted - 1)


@pytest.mark.parametrize("index", [0, 1], ids=["receive", "send"])
@pytest.mark.parametrize("write", **_named((_head_out_of_range, _jumps_ahead, _jumps_back)))
def test_an_impossible_index_breaks_that_ring_and_no_other(attacked, write, index):
    card, front = attacked
    ring = front.rings[index]
    write(ring)
    if index == 0:
        front.enable(2, 0)
        card.feed(flows(1))
    assert ring.failed(), "its error file is signalled"
    assert [r["broken"] for r in card.rings()] == [index == 0, index == 1, 0, 0]
    if index == 0:
        front.enable(2, 1)
    else:
        front.post_buffers(front.rings[0], 128)
    receives(front, card, range(index == 0, 2))


def test_a_broken_ring_starts_anew(attacked):
    card, front = attacked
    ring = front.rings[1]
    ring.post(60000)
    assert ring.failed()
    front.stop(1)
    ring.restart_at(0)
    front.start_ring(1)
    sends(front, card, 0)


def test_one_head_posted_many_times_is_sent_as_often(attacked):
    card, front = attacked
    ring = front.rings[1]
    frame = flows(1)[0]
    at = front.slot(ring, 0)
    front.memory.bytes[at : at + 12 + len(frame)] = bytes(12) + frame
    ring.describe(0, at, 12 + len(frame))
    ring.post(*[0] * ring.size)
    assert ring.wait(ring.size) == [(0, 0)] * ring.size
    assert [f for _, f in card.wire.sent()] == [frame] * ring.size


def test_the_card_does_not_read_its_own_index_back(attacked):
    card, front = attacked
    ring = front.rings[1]
    word = (ring.at + USED) // 2 + 1
    sends(front, card, 0)
    front.memory.u16[word] = 40000
    front.transmit(*flows(3))
    until(lambda: front.memory.u16[word] == 8)
    assert ring.wait(3) == [(5, 0), (6, 0), (7, 0)]


def test_a_storm_of_doorbells_changes_nothing(attacked):
    card, front = attacked
    for _ in range(20000):
        os.eventfd_write(front.rings[0].kick, 1)
        os.eventfd_write(front.rings[1].kick, 1)
    sends(front, card, 0)


@pytest.mark.parametrize("index", [0, 1, 0x7FFF, 0xFFFF, None])
def test_an_interrupt_index_anywhere_only_costs_interrupts(attacked, index):
    """used_event parked, or running ahead by itself."""
    card, front = attacked
    for i in range(20):
        front.rings[1].interrupt_at(1000 * i if index is None else index)
        sends(front, card, 0)


@pytest.mark.parametrize("part", [DESC, AVAIL, USED], ids=["descriptors", "available", "used"])
def test_a_ring_over_its_own_buffers_harms_only_itself(attacked, part):
    """The card writes frames over the ring that it reads."""
    card, front = attacked
    ring = front.rings[0]
    for i in range(32):
        ring.describe(i, ring.at + part + 16 * i, 2048, WRITE)
    front.enable(2, 0)
    ring.post(*range(32))
    card.feed(flows(64))
    front.enable(2, 1)
    front.stop(0)
    front.memory.bytes[ring.at : ring.at + 0x10000] = bytes(0x10000)
    ring.restart_at(0)
    front.start_ring(0)
    front.post_buffers(ring, 128)
    until(lambda: not card.ledger().in_flight)
    for pair in range(2):
        front.frames(64, pair, 0.02)
    receives(front, card, range(2))


def test_a_ring_over_another_harms_only_these_two(attacked):
    card, front = attacked
    front.stop(1)
    front.rings[1].at = front.rings[0].at
    front.start_ring(1)
    front.rings[0].describe(0, front.slot(front.rings[0], 0), 2048, WRITE)
    front.rings[0].post(0)
    card.feed(flows(4))
    sends(front, card, 1)
    front.rings[1].at = 0x10000
