"""Queues of a TAP as lanes of one wire, without a TAP: pipes that keep packets apart stand for its descriptors."""

import contextlib
import os
import time

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_tap import wait_until
from tap_pipes import lanes_of

import vnic
from vnic._core import ffi, lib
from vnic.wire import Wire

LANE_BURST = 16


def frame(lane, number):
    return bytes([lane, number]) + bytes(58)


def read(tap, n):
    """One burst. Return: (lane, number) of each frame, or -errno."""
    f = ffi.new("struct frame[]", n)
    got = tap.wire.read_burst(ffi.addressof(tap.wire), f, n)
    if got < 0:
        return got
    out = [tuple(ffi.buffer(f[i].data, 2)[:]) for i in range(got)]
    for i in range(got):
        tap.wire.release(ffi.addressof(tap.wire), ffi.addressof(f[i]))
    return out


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


def one_by_one(tap):
    """As where there is no io_uring."""
    lib.tap_uring_free(tap.uring)
    tap.uring = ffi.NULL


def prefer(lane, way, batches=100):
    """As if both had been measured, and this one cost less."""
    lane.ns = [1, 1000] if way == "io_uring" else [1000, 1]
    lane.batches = batches


def test_without_io_uring_a_frame_costs_a_call():
    with lanes_of(1) as (tap, writers):
        one_by_one(tap)
        for i in range(40):
            os.write(writers[0], frame(0, i))
        assert read(tap, 64) == [(0, i) for i in range(40)]
        assert (tap.lane[0].reads, tap.lane[0].frames) == (41, 40)  # the last is dry, and not asked once more


def test_a_busy_lane_costs_a_call_for_many_frames_and_an_idle_one_a_call():
    with lanes_of(1) as (tap, writers):
        if tap.uring == ffi.NULL:
            pytest.skip("no io_uring here")
        prefer(tap.lane[0], "io_uring")
        for i in range(64):
            os.write(writers[0], frame(0, i))
        assert read(tap, 64) == [(0, i) for i in range(64)]
        assert tap.lane[0].reads == 5 + 3  # a turn of 1, 2, 4, 8, and 1 that there is room for; then three of 16
        assert tap.lane[0].frames == 64
        before = tap.lane[0].reads
        assert [read(tap, 64) for _ in range(3)] == [-11] * 3
        assert tap.lane[0].reads == before + 3
        assert tap.lane[0].expect == 1
        assert tap.nfree == tap.nslots


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


def test_a_full_set_of_slots_is_no_error():
    with lanes_of(2, slots=3) as (tap, writers):
        for w in writers:
            for i in range(4):
                os.write(w, frame(0, i))
        f = ffi.new("struct frame[]", 64)
        assert tap.wire.read_burst(ffi.addressof(tap.wire), f, 64) == 3
        assert tap.wire.read_burst(ffi.addressof(tap.wire), f, 64) == -11


@pytest.mark.parametrize("cheaper", ["io_uring", "read()"])
def test_a_busy_lane_is_read_by_what_costs_less_here_and_the_other_is_tried_again(cheaper):
    """Which that is depends on the machine: what a system call costs, and what io_uring does."""
    with lanes_of(1) as (tap, writers):
        if tap.uring == ffi.NULL:
            pytest.skip("no io_uring here")
        lane, calls = tap.lane[0], {}
        for nth in range(300):
            prefer(lane, cheaper, nth)
            lane.expect, before = 16, lane.reads
            for i in range(16):
                os.write(writers[0], frame(0, i))
            assert read(tap, 16) == [(0, i) for i in range(16)]
            calls[nth] = lane.reads - before
        tried = [*range(16), 256, 257]  # in turn: eight of each at first, one of each from then on
        assert [calls.pop(nth) for nth in tried] == [1, 16] * 9
        assert set(calls.values()) == {1 if cheaper == "io_uring" else 16}


@pytest.mark.parametrize("way", [0, 1])
def test_what_costs_less_is_believed_at_once_and_what_costs_more_slowly(way):
    """Who measures may have been interrupted."""
    with lanes_of(1) as (tap, _writers):
        lane = tap.lane[0]
        lane.way, lane.ns = way, [100, 100]
        lane.began_ns = time.monotonic_ns() - 16 * 1_000_000
        lib.tap_way_end(ffi.addressof(lane), 16, 1)
        assert 100 + (1_000_000 - 100) // 8 <= lane.ns[way] <= 100 + (1 << 20) // 8
        lane.began_ns, lane.ns = time.monotonic_ns(), [1 << 20, 1 << 20]
        lib.tap_way_end(ffi.addressof(lane), 16, 1)
        assert lane.ns[way] <= max((time.monotonic_ns() - lane.began_ns) // 16, 1)
        lane.ns = [7, 7]
        lib.tap_way_end(ffi.addressof(lane), 16, 0)  # not a full batch: says nothing
        assert list(lane.ns) == [7, 7]


def send(fd, data):
    """Into a pipe that may be full for a moment."""
    while True:
        with contextlib.suppress(BlockingIOError):
            os.write(fd, data)
            return
        time.sleep(0.001)


@pytest.mark.parametrize("way", ["io_uring", "read()"])
def test_a_larger_fifo_has_slots_for_all_that_it_holds(way):
    """Else the wire would not be read any more, and what is lost be lost in the kernel's queue, where nobody looks."""
    with lanes_of(1, slots=int(lib.tap_nslots(6000))) as (tap, writers):
        if way == "read()":
            one_by_one(tap)
        wire = Wire(ffi.addressof(tap.wire))
        knobs = {"fifo": 6000, "rx_ring": 64, "rx_pool": 64, "rcvbuf": 1 << 24, "gro": False}
        with vnic.Host(wire=wire, live=True, cpus=1, **knobs) as host:
            sock, before = host.udp(5000), tap.nslots
            host.start()
            for i in range(150):  # 64 of them have all buffers: nobody reads
                send(writers[0], frames.udp(b"%d" % i))
            wait_until(lambda: host.ledger().offered == 150)
            host.knobs.fifo = 1 << 19
            assert tap.nslots == lib.tap_nslots(1 << 19) > before
            for i in range(150, 8000):
                send(writers[0], frames.udp(b"%d" % i))
            wait_until(lambda: host.ledger().offered == 8000)
            assert host.ledger().fates.get("FIFO_OVERRUN", 0) == 0
            host.knobs.fifo = 6000  # it keeps what it has
            assert tap.nslots == lib.tap_nslots(1 << 19)
            assert [sock.recv(timeout=20) for _ in range(8000)] == [b"%d" % i for i in range(8000)]
            host.stop()
            assert tap.nfree == tap.nslots


def test_a_larger_mtu_has_slots_for_its_frames():
    with lanes_of(1) as (tap, writers), vnic.Host(wire=Wire(ffi.addressof(tap.wire)), live=True, mtu=1500) as host:
        sock = host.udp(5000)
        host.start()
        host.knobs.mtu = 3900
        payload = bytes(range(256)) * 15
        send(writers[0], frames.udp(payload))
        assert sock.recv(timeout=20) == payload
        assert (tap.slot_size, tap.over) == (lib.tap_slot_size(3900), 0)
        host.stop()
