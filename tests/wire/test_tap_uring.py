"""Several reads of a TAP in one system call, when that costs less."""

import ctypes
import os
import resource
import shutil
import struct
import subprocess
import sys
import time

import pytest
from paths import TESTS
from stdin import stdin_closed
from tap_pipes import frame, lanes_of, one_by_one, read

from vnic._core import ffi, lib


def prefer(lane, way, batches=100):
    """As if both had been measured, and this one cost less."""
    lane.ns = [1, 1000] if way == "io_uring" else [1000, 1]
    lane.batches = batches


def test_who_may_have_a_ring_has_one():
    """Else the tests below would be skipped for ever. The slots are memory to lock."""
    params, locked = ctypes.create_string_buffer(120), resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    fd = ctypes.CDLL(None).syscall(425, 1, params)  # io_uring_setup(2)
    features = struct.unpack_from("I", params, 20)[0]
    if fd >= 0:
        os.close(fd)
    if fd < 0 or features & 0x803 != 0x803 or 0 <= locked < 4 << 20:  # SINGLE_MMAP, NODROP, CQE_SKIP
        pytest.skip("no io_uring here")
    with lanes_of(1) as (tap, _writers):
        assert tap.uring != ffi.NULL
        assert lib.tap_uring_fd(tap.uring) >= 0


OLDER_KERNEL = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

/* syscall() - as the C library's, but io_uring_setup(2) says that some features are not there */
long syscall(long number, long a, long b, long c, long d, long e, long f)
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long rc = real(number, a, b, c, d, e, f);

	if (number == 425 && rc >= 0)
		((unsigned *)b)[5] &= ~(unsigned)atoi(getenv("LACKS"));
	return rc;
}
"""
HAS_RING = """
from tap_pipes import lanes_of
from vnic._core import ffi
with lanes_of(1) as (tap, _):
    print(tap.uring != ffi.NULL)
"""


def test_a_kernel_whose_io_uring_lacks_a_feature_has_none(tmp_path):
    with lanes_of(1) as (tap, _writers):
        if tap.uring == ffi.NULL:
            pytest.skip("no io_uring here")
    if not (cc := shutil.which("cc")):
        pytest.skip("no C compiler: cc")
    shim = tmp_path / "older.so"
    command = [cc, "-shared", "-fPIC", "-o", shim, "-x", "c", "-", "-ldl"]
    subprocess.run(command, input=OLDER_KERNEL, text=True, check=True, timeout=60)
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(TESTS / "support")]))
    preload = " ".join(filter(None, [os.environ.get("LD_PRELOAD"), str(shim)]))  # a sanitizer comes first
    found = {}
    for lacks in (0, 1, 2, 0x800):  # SINGLE_MMAP, NODROP, CQE_SKIP
        env = os.environ | {"LD_PRELOAD": preload, "LACKS": str(lacks), "PYTHONPATH": path}
        command = [sys.executable, "-c", HAS_RING]
        found[lacks] = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout
    assert found == {0: "True\n", 1: "False\n", 2: "False\n", 0x800: "False\n"}


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


def test_without_a_ring_that_works_a_lane_is_read_one_by_one_for_good():
    with lanes_of(1) as (tap, writers):
        if tap.uring == ffi.NULL:
            pytest.skip("no io_uring here")
        lane, ring = tap.lane[0], int(lib.tap_uring_fd(tap.uring))
        kept, null = os.dup(ring), os.open(os.devnull, os.O_RDWR)
        os.dup2(null, ring)  # as if the kernel refused each io_uring_enter()
        calls = []
        for _ in range(2):
            prefer(lane, "io_uring")
            lane.expect, before = 4, lane.reads
            for i in range(4):
                os.write(writers[0], frame(0, i))
            assert read(tap, 4) == [(0, i) for i in range(4)]
            calls.append(lane.reads - before)
        assert (calls, tap.no_uring) == ([1 + 4, 4], 1)
        os.dup2(kept, ring)
        os.close(kept)
        os.close(null)


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


def test_io_uring_may_have_number_0():
    with lanes_of(1) as (tap, writers):
        if tap.uring == ffi.NULL:
            pytest.skip("no io_uring here")
        one_by_one(tap)
        with stdin_closed():
            tap.uring = lib.tap_uring_new(tap.slots, 2048)
            assert lib.tap_uring_fd(tap.uring) == 0
            one_by_one(tap)
        os.write(writers[0], frame(0, 7))
        assert read(tap, 64) == [(0, 7)]
