"""Queues of a TAP as lanes of one wire, without a TAP: pipes that keep packets apart stand for its descriptors."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_pipes import frame, lanes_of, one_by_one, read

import vnic
from vnic._core import ffi, lib
from vnic.wire import Wire

LANE_BURST = 16


def model(queues, turn, limit):
    """Round robin, at most LANE_BURST a turn. Return: what comes, and whose turn is next."""
    out, dry = [], 0
    while len(out) < limit and dry < len(queues):
        q, got = queues[turn], 0
        while q and got < LANE_BURST and len(out) < limit:
            out.append(q.pop(0))
            got += 1
        dry = dry + 1 if not q and got < LANE_BURST and len(out) < limit else 0
        turn = (turn + 1) % len(queues)
    return out, turn


@given(
    st.lists(st.integers(0, 100), min_size=1, max_size=lib.TAP_LANES_MAX),
    st.lists(st.integers(1, 64), min_size=1, max_size=12),
)
def test_lanes_are_read_in_turn_as_the_model_does(waiting, bursts):
    with lanes_of(len(waiting)) as (tap, writers):
        queues = [[(lane, i) for i in range(n)] for lane, n in enumerate(waiting)]
        for lane, q in enumerate(queues):
            for _, i in q:
                os.write(writers[lane], frame(lane, i))
        turn = 0
        for limit in bursts:
            want, turn = model(queues, turn, limit)
            assert read(tap, limit) == (want or -11)
        assert [int(tap.lane[i].frames) + len(q) for i, q in enumerate(queues)] == waiting
        assert tap.nfree == tap.nslots


def test_a_busy_lane_keeps_none_waiting():
    with lanes_of(3) as (tap, writers):
        for i in range(100):
            os.write(writers[0], frame(0, i))
        os.write(writers[2], frame(2, 0))
        assert read(tap, 64).index((2, 0)) == LANE_BURST


@pytest.mark.parametrize("n", [1, 3])
def test_a_descriptor_that_polls_as_gone_ends_the_run(n):
    """read() says "nothing" for ever and poll() "look!": the thread must not turn round and round."""
    with lanes_of(n, slots=2048) as (tap, writers):
        wire = Wire(ffi.addressof(tap.wire))
        with vnic.Host(wire=wire, live=True, cpus=1) as host:
            for lane, w in enumerate(writers):
                os.write(w, frame(lane, 0))
            host.start()
            os.close(writers.pop())
            assert host.wait(20)
            host.stop()
            assert -wire.c.error == 77  # EBADFD
            assert (host.ledger().offered, host.laws()) == (n, 0)


@pytest.mark.parametrize("uring", [True, False], ids=["io_uring", "one by one"])
def test_a_read_of_nothing_is_no_error_whatever_went_wrong_before(uring):
    """errno is that of the last call that failed."""
    with lanes_of(1) as (tap, writers):
        if not uring:
            one_by_one(tap)
        os.write(writers[0], frame(0, 1))
        os.close(writers.pop())
        ffi.errno = errno.EIO
        assert read(tap, 64) == [(0, 1)]
        for _ in range(3):
            ffi.errno = errno.EIO
            assert read(tap, 64) == -errno.EAGAIN


@pytest.mark.parametrize("uring", [True, False], ids=["io_uring", "one by one"])
def test_what_is_in_the_kernel_when_reading_ends_stays_there(uring):
    with lanes_of(2) as (tap, writers):
        if not uring:
            one_by_one(tap)
        os.write(writers[0], frame(0, 1))
        assert read(tap, 64) == [(0, 1)]
        assert tap.wire.close_reading(ffi.addressof(tap.wire)) == 0
        os.write(writers[0], frame(0, 2))
        os.write(writers[1], frame(1, 1))
        assert read(tap, 64) == -errno.ENODATA
        assert [os.read(tap.lane[i].fd, 2048) for i in range(2)] == [frame(0, 2), frame(1, 1)]
