"""The memory of a TAP's frames: slots for all that the FIFO holds."""

import contextlib
import os
import time

import frames
import pytest
from live_tap import wait_until
from tap_pipes import frame, lanes_of, one_by_one

import vnic
from vnic._core import ffi, lib
from vnic.wire import Wire


def test_a_full_set_of_slots_is_no_error():
    with lanes_of(2, slots=3) as (tap, writers):
        for w in writers:
            for i in range(4):
                os.write(w, frame(0, i))
        f = ffi.new("struct frame[]", 64)
        assert tap.wire.read_burst(ffi.addressof(tap.wire), f, 64) == 3
        assert tap.wire.read_burst(ffi.addressof(tap.wire), f, 64) == -11


@pytest.mark.parametrize("way", ["io_uring", "read()"])
def test_a_frame_that_fills_its_slot_is_counted_because_its_rest_is_lost(way):
    with lanes_of(1) as (tap, writers):
        if way == "read()":
            one_by_one(tap)
        f, lengths = ffi.new("struct frame[]", 64), [60, 2047, 2048, 2049, 4000, 60]
        for n in lengths:
            os.write(writers[0], bytes(n))
        assert tap.wire.read_burst(ffi.addressof(tap.wire), f, 64) == 6
        assert [x.len for x in f[0:6]] == [min(n, 2048) for n in lengths]
        assert tap.over == 3


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
