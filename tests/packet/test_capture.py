"""Captures: the order of the file, a file that is slow or breaks, and the thread that writes it live."""

import contextlib
import errno
import os
import resource
import struct
import subprocess
import sys
import threading
import time
from itertools import pairwise

import frames
import pcapng_blocks
import pytest
from live_host import live_hosts
from live_tap import wait_until
from paths import CAPTURES
from pcapng_blocks import read_back
from stdin import stdin_closed

import vnic
import vnic.capture
from vnic._core import ffi, lib


@pytest.fixture
def capture(host, tmp_path):
    """capture([frame, ...], knob=...) -> what is in the file."""

    def run(fed, *, gap_ns=0, **knobs):
        h = host(**knobs)
        tap = vnic.Capture(h, tmp_path / "tap.pcapng")
        h.feed(fed, at_ns=0, gap_ns=gap_ns)
        h.run()
        tap.close()
        return read_back(tmp_path / "tap.pcapng")

    return run


@pytest.mark.slow
def test_more_than_the_buffer_holds(capture):
    fed = [frames.udp(bytes([i % 256]) * 1400) for i in range(2000)]
    assert [data for _, data in capture(fed, gap_ns=1000)] == fed


SPREAD = [
    {"queues": 4, "rx_usecs": 20, "rx_frames": 16},
    {"rps_cpus": "f"},
    {"queues": 2, "rps_cpus": "e", "netdev_max_backlog": 100_000},
]


@pytest.mark.slow
@pytest.mark.parametrize("knobs", SPREAD)
@pytest.mark.parametrize("size", [18, 1400])
def test_the_file_is_in_the_order_of_stamps_whoever_took_the_packets(capture, knobs, size):
    """CPUs have turns, and a backlog may be long: blocks once stood in the order in which they came up."""
    fed = [frames.udp(i.to_bytes(4) + bytes(size), sport=i % 97) for i in range(4000)]
    got = capture(fed, gap_ns=150, cost="linux", sink=True, fifo=1 << 24, link="inf", rcvbuf=1 << 30, **knobs)
    stamps = [t for t, _ in got]
    assert stamps == sorted(stamps)
    assert len(got) == 4000
    flow = [int.from_bytes(data[42:46]) for _, data in got if int.from_bytes(data[34:36]) == 5]
    assert flow == sorted(flow)


@pytest.mark.slow
def test_what_comes_too_late_is_in_the_file_all_the_same_and_counted(host, tmp_path):
    h = host(gro=False)
    tap = vnic.Capture(h, tmp_path / "tap.pcapng", base_ns=10**18)
    h.feed([frames.udp(b"x" * 1400)] * 3000, gap_ns=1000)
    h.run()
    tap.set_base(0)
    h.feed(frames.udp(b"late"))
    h.run()
    assert (tap.packets, tap.late) == (3001, 1)
    tap.close()
    assert len(read_back(tmp_path / "tap.pcapng")) == 3001


def test_closing_twice_is_closing_once_and_the_host_closes_it_too(host, tmp_path):
    h = host()
    tap = vnic.Capture(h, tmp_path / "a.pcapng")
    tap.close()
    tap.close()
    vnic.Capture(h, tmp_path / "b.pcapng")
    h.feed(frames.udp())
    h.run()
    h.close()
    assert len(read_back(tmp_path / "b.pcapng")) == 1


def test_the_descriptor_that_wakes_its_thread_may_have_number_0(host, tmp_path):
    h = host()
    with (tmp_path / "a").open("wb") as f, stdin_closed():
        ffi.errno = errno.EINVAL  # of something that failed long ago
        c = lib.capture_new(h.machine.c, f.fileno(), 0, b"", 1 << lib.POINT_GRO, ffi.NULL, ffi.NULL, 1 << 20, 0)
        assert c != ffi.NULL
        assert c.wake_fd == 0
        lib.capture_detach(h.machine.c, c)
        lib.capture_free(c)


def test_who_writes_is_woken_once_when_a_batch_is_half_full(host, tmp_path):
    h = host(rcvbuf=1 << 30)
    h.udp(5000)
    with (tmp_path / "a").open("wb") as f:
        c = lib.capture_new(h.machine.c, f.fileno(), 0, b"", 1 << lib.POINT_GRO, ffi.NULL, ffi.NULL, 1 << 20, 1)
        for n, woken in ((300, 0), (200, 1), (100, 0)):
            h.feed([frames.udp(bytes(1400))] * n)
            h.run()
            with contextlib.nullcontext() if woken else pytest.raises(BlockingIOError):
                assert os.eventfd_read(c.wake_fd) == woken
        assert (c.packets, c.drops) == (600, 0)
        lib.capture_detach(h.machine.c, c)
        lib.capture_free(c)


def test_after_it_was_closed_nothing_is_captured(host, tmp_path):
    h = host()
    tap = vnic.Capture(h, tmp_path / "tap.pcapng")
    tap.close()
    h.feed(frames.udp())
    h.run()
    assert read_back(tmp_path / "tap.pcapng") == []


# ---- a file that cannot be written ----


@pytest.mark.parametrize("n", [1, 5, 3000])
def test_a_full_disk_is_said_in_one_sentence_and_every_packet_lost_is_counted(host, n):
    h = host(sink=True)
    tap = vnic.Capture(h, "/dev/full")
    h.feed([frames.udp(b"x" * 1400)] * n, gap_ns=1000)
    h.run()
    with pytest.raises(vnic.VnicError, match=f"^/dev/full: No space left on device; {n} packets"):
        tap.close()
    assert h.ledger().fates == {"DELIVERED_UDP": n}  # the path did not mind


def test_of_a_file_that_may_not_grow_what_is_whole_is_there(host, tmp_path):
    h = host(sink=True)
    tap = vnic.Capture(h, tmp_path / "tap.pcapng")
    h.feed([frames.udp(b"x" * 958)] * 20, gap_ns=1000)
    h.run()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(vnic.VnicError, match="File too large; 11 packets are missing"):
            tap.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    whole = (10_000 - 28 - 48) // (32 + 1000 + 24)  # section, interface, then packets of 1000 bytes and options
    assert whole == 20 - 11


def test_a_file_begins_with_a_section_of_no_stated_length_and_an_interface_for_each_point(host, tmp_path):
    """draft-ietf-opsawg-pcapng section 4.1: version 1.0, length -1. The longest packet there is; nanoseconds."""
    h = host()
    vnic.Capture(h, tmp_path / "tap.pcapng", at=("wire", "gro"), name="x").close()
    data = (tmp_path / "tap.pcapng").read_bytes()
    assert data[:28] == struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    at, names = 28, []
    while at < len(data):
        kind, length, link, _, snaplen, option, n = struct.unpack_from("<IIHHIHH", data, at)
        assert (kind, link, snaplen, option) == (1, 1, 262144, 2)
        names.append(data[at + 20 : at + 20 + n])
        assert data[at + length - 4 : at + length] == data[at + 4 : at + 8]
        assert struct.pack("<HHB", 9, 1, 9) in data[at : at + length]
        at += length
    assert names == [b"x wire", b"x gro"]


def test_a_file_that_cannot_be_made_is_said_in_one_sentence(host, tmp_path):
    with pytest.raises(vnic.VnicError, match="No such file or directory"):
        vnic.Capture(host(), tmp_path / "no" / "such" / "place.pcapng")


def test_a_name_of_an_interface_has_an_end(host, tmp_path):
    with pytest.raises(vnic.VnicError, match="name is too long"):
        vnic.Capture(host(), tmp_path / "tap.pcapng", name="x" * 65)


# ---- standard output ----


def vnic_replay(*args, **kwargs):
    command = [sys.executable, "-m", "vnic", "replay", str(CAPTURES / "demo.pcapng"), *args]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **kwargs)


@pytest.mark.slow
@pytest.mark.parametrize("as_json", [True, False])
def test_the_file_on_stdout_and_the_report_on_stderr(tmp_path, as_json):
    run = vnic_replay("--write", "-", "--at", "wire", "--at", "stack", *(["--json"] if as_json else []))
    assert run.returncode == 0
    assert (b'"capture": {' if as_json else b"ledger closed") in run.stderr
    to_file = vnic_replay("--write", str(tmp_path / "x.pcapng"), "--at", "stack", "--at", "wire")
    assert to_file.returncode == 0
    assert run.stdout == (tmp_path / "x.pcapng").read_bytes()


@pytest.mark.slow
def test_a_reader_that_had_enough_ends_the_capture_not_the_run():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "vnic", "replay", str(CAPTURES / "demo.pcapng"), "--write", "-"]
    run = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)
    assert run.returncode == 1
    assert b"ledger closed" in run.stderr
    assert run.stderr.splitlines()[-1] == b"vnic: standard output: Broken pipe; 560 packets are missing"


# ---- live: a thread of its own ----


@pytest.fixture
def live():
    with live_hosts(sink=True) as make:
        yield make


def bursts(n, size=200):
    return [
        [frames.udp(i.to_bytes(4) + bytes(size), sport=i % 97 + 1) for i in range(b, b + 32)] for b in range(0, n, 32)
    ]


def test_live_the_file_has_all_in_order(live, tmp_path):
    host = live(bursts(3200), cpus=2, queues=2, rps_cpus="3", fifo=1 << 24)
    path = tmp_path / "live.pcapng"
    tap = vnic.Capture(host, path, at=vnic.capture.POINTS)
    host.start()
    wait_until(lambda: host.ledger().offered == 3200)
    host.stop()
    tap.close()
    blocks = pcapng_blocks.read(path)
    assert (tap.packets, tap.drops) == (len(blocks), 0)
    wire = pcapng_blocks.at(blocks, "wire")
    assert [b.id for b in wire] == list(range(1, 3201))
    assert pcapng_blocks.fates(blocks) == host.ledger().fates
    stamps = [b.t_ns for b in blocks]
    assert sum(a > b for a, b in pairwise(stamps)) <= tap.late


def test_live_a_reader_of_a_pipe_sees_packets_as_they_come(live):
    read, write = os.pipe()
    host = live(bursts(320))
    tap = vnic.Capture(host, f"/proc/self/fd/{write}")
    os.close(write)
    host.start()
    got, deadline = b"", time.monotonic() + 20
    while len(pcapng_blocks.parse(got, growing=True)) < 320:
        assert time.monotonic() < deadline
        got += os.read(read, 1 << 20)
    assert host.machine.c.live
    host.stop()
    tap.close()
    os.close(read)


@pytest.mark.slow
def test_live_a_reader_that_sleeps_costs_packets_of_the_capture_only(live):
    read, write = os.pipe()
    n = 16_000  # of 1500 bytes: more than the buffers hold
    host = live(bursts(n, 1400), fifo=1 << 26, rcvbuf=1 << 30)
    tap = vnic.Capture(host, f"/proc/self/fd/{write}", at=("wire", "gro"))
    os.close(write)
    host.start()
    wait_until(lambda: host.ledger().offered == n, 60)
    host.stop()
    assert host.ledger().closed
    with pytest.raises(vnic.VnicError, match=r"its reader does not read; \d+ packets are missing"):
        tap.close()
    assert tap.drops > 0
    os.close(read)
    assert host.laws() == 0


def test_live_captures_come_and_go(live, tmp_path):
    host = live(bursts(6400), cpus=2, queues=2, rps_cpus="3")
    host.start()
    total = 0
    for i in range(10):
        tap = vnic.Capture(host, tmp_path / f"{i}.pcapng", at=vnic.capture.POINTS)
        other = threading.Thread(target=tap.close)
        other.start()
        other.join()
        assert tap.packets == len(pcapng_blocks.read(tmp_path / f"{i}.pcapng"))
        total += tap.packets
    wait_until(lambda: host.ledger().offered == 6400)
    host.stop()
    assert host.laws() == 0


TO_53 = [(0x28, 0, 0, 36), (0x15, 0, 1, 53), (6, 0, 0, 262144), (6, 0, 0, 0)]  # of IPv4: ldh [36]; jeq #53


@pytest.mark.parametrize("at", ["wire", "nic", "gro", "stack"])
def test_a_filter_at_each_point_keeps_what_it_wants(host, tmp_path, at):
    h = host()
    h.udp(53)
    fed = [frames.udp(dport=53 + i % 2) for i in range(10)] + [b"\1" * 14, frames.tcp()]
    with open(tmp_path / "f", "wb") as f:
        tap = vnic.Capture(h, f.fileno(), at=at, filter=TO_53)
        h.feed(fed)
        h.run()
        tap.close()
        assert not f.closed
    assert [data for _, data in read_back(tmp_path / "f")] == [frames.udp(dport=53)] * 5
    assert (tap.packets, tap.drops) == (5, 0)


def test_a_filter_that_is_none_is_refused_before_anything_is_made(host, tmp_path):
    with pytest.raises(vnic.ConfigError, match="filter"):
        vnic.Capture(host(), tmp_path / "f", filter=[(0xFFFF, 0, 0, 0)])
    assert not (tmp_path / "f").exists()


LONGER_THAN_1000 = [(0x80, 0, 0, 0), (0x25, 0, 1, 1000), (6, 0, 0, 262144), (6, 0, 0, 0)]  # ld len; jgt #1000


@pytest.mark.parametrize("at", ["wire", "nic", "gro", "stack"])
def test_the_length_that_a_filter_sees_is_the_packets_at_each_point(host, tmp_path, at):
    fed = [frames.udp(bytes(n)) for n in (0, 958, 959, 1400)]
    with open(tmp_path / "f", "wb") as f:
        tap = vnic.Capture(h := host(), f.fileno(), at=at, filter=LONGER_THAN_1000)
        h.feed(fed)
        h.run()
        tap.close()
    assert [data for _, data in read_back(tmp_path / "f")] == fed[2:]


@pytest.mark.parametrize(("less", "lost"), [(0, 0), (1, 1)])
def test_a_packet_that_fits_to_the_byte_is_captured(host, tmp_path, less, lost):
    """A thread writes: what has no room is lost to the capture."""
    n, payload = 800, bytes(1400)
    longest = 32 + 42 + len(payload) + 3 + lib.PCAPNG_OPTIONS_MAX  # as long as a block may get
    size = None
    for _ in range(2):  # the first tells how long headers and blocks are
        h = host(rcvbuf=1 << 30)
        with (tmp_path / "a").open("wb") as f:
            c = lib.capture_new(
                h.machine.c, f.fileno(), 0, b"", 1 << lib.POINT_GRO, ffi.NULL, ffi.NULL, size or 1 << 22, 1
            )
            for _ in range(n // 100):
                h.feed([frames.udp(payload)] * 100)
                h.run()
            size = size or c.filling.used + longest - less
            h.feed(frames.udp(payload))
            h.run()
            said = c.packets, c.drops
            lib.capture_detach(h.machine.c, c)
            lib.capture_free(c)
    assert said == (n + 1 - lost, lost)
