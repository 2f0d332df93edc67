"""The card's packet memory against a box of bytes, and at its limits."""

import errno

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.fifo import Fifo

import vnic
from vnic._core import ffi, lib


@pytest.fixture(scope="module")
def fifo():
    with vnic.Host(fifo=4000, sockets=16, rx_pool=64, rx_ring=16) as host:
        yield ffi.addressof(host.machine.c.nic.fifo)
        host.machine.c.nic.fifo.tail = host.machine.c.nic.fifo.head


def frame(length: int, number: int = 0):
    return ffi.new("struct frame *", {"len": length, "id": number})


@given(st.lists(st.none() | st.integers(0, 1600), max_size=150), st.sampled_from([0, 2**32 - 7]))
def test_the_fifo_is_a_box_of_bytes_in_order(fifo, steps, start):
    """None takes one out; a number puts a frame of that length in. Indices wrap."""
    fifo.head = fifo.tail = start
    fifo.bytes = fifo.max_bytes = 0
    model = Fifo(4000)
    for n in steps:
        if n is not None:
            assert lib.fifo_push(fifo, frame(n)) == (0 if model.push(n) else -errno.ENOBUFS)
        elif model.lengths:
            assert lib.fifo_peek(fifo).len == model.pop()
            lib.fifo_pop(fifo)
        else:
            assert lib.fifo_peek(fifo) == ffi.NULL
        assert (fifo.bytes, fifo.max_bytes) == (model.bytes, model.peak)
        assert (fifo.head - fifo.tail) % 2**32 == len(model.lengths)


@pytest.mark.parametrize("size", [60, 119, 120, 3840, 4000])
def test_the_number_of_slots_is_never_the_limit(host, size):
    q = ffi.addressof(host(fifo=size).machine.c.nic.fifo)
    ids = range(1, size // 60 + 1)
    assert [lib.fifo_push(q, frame(1, n)) for n in ids] == [0] * len(ids)
    assert lib.fifo_push(q, frame(1)) == -errno.ENOBUFS
    for n in ids:
        assert lib.fifo_peek(q).id == n
        lib.fifo_pop(q)


@pytest.mark.parametrize("size", [60, 120, 3840, 3900, 3959])
@pytest.mark.parametrize("before", [60, 8000])
def test_resized_its_slots_are_not_the_limit_either(host, before, size):
    """3900: 65 of the shortest frames, one more than a power of two."""
    q = ffi.addressof(host(fifo=before).machine.c.nic.fifo)
    assert lib.fifo_resize(q, size) == 0
    ids = range(1, size // 60 + 1)
    assert [lib.fifo_push(q, frame(1, n)) for n in ids] == [0] * len(ids)
    assert lib.fifo_push(q, frame(1)) == -errno.ENOBUFS
    for n in ids:
        assert lib.fifo_peek(q).id == n
        lib.fifo_pop(q)


@pytest.mark.parametrize("at", [0, 1, 60, 62])
def test_room_in_a_row_ends_with_the_last_slot(host, at):
    """64 slots: a burst that would go on at the front is not written in place."""
    q = ffi.addressof(host(fifo=3800).machine.c.nic.fifo)
    q.head = q.tail = 64 + at
    assert lib.fifo_push(q, frame(1)) == 0
    left = 64 - at - 1
    assert lib.fifo_room(q, left) == q.slot + at + 1
    assert lib.fifo_room(q, left + 1) == ffi.NULL
    lib.fifo_pop(q)
    assert lib.fifo_room(q, 64) == q.slot  # empty, it begins at the front
    assert lib.fifo_room(q, 65) == ffi.NULL


def test_a_frame_larger_than_all_of_it_is_lost_and_the_next_is_not(host):
    h = host(fifo=1000)
    h.udp(5000)
    h.feed([frames.udp(bytes(1000)), frames.udp(b"fits")])
    h.run()
    assert h.ledger().fates == {"FIFO_OVERRUN": 1, "DELIVERED_UDP": 1}
    assert h.nic.stats().rx_fifo_errors == h.nic.stats().rx_errors == 1
    assert h.nic.stats().rx_missed_errors == 0


@given(st.lists(st.integers(0, 9000), max_size=9))
def test_the_bytes_that_did_not_fit_are_counted_as_those_that_did(lengths):
    """How much larger it should have been: vnic why says so."""
    with vnic.Host(sockets=16) as host:
        for n in lengths:
            lib.fifo_overrun(ffi.addressof(host.machine.c.nic), frame(n))
        assert host.machine.c.nic.fifo.lost_bytes == sum(max(n, 60) for n in lengths)
        assert host.nic.stats().rx_fifo_errors == len(lengths)
