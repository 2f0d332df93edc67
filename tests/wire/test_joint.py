"""A wire between two live cards: what one sends arrives at the other, once, in order, whole; a full one says so."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import frames
import pytest

import vnic
from vnic.errors import VnicError


def settle(check, seconds=5.0):
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def two():
    """Two live hosts on one wire, which can send."""
    a, b = vnic.JointWire.pair()
    one = vnic.Host(live=True, wire=a, cpus=1, ip="10.0.0.1/24", mac="02:00:00:00:00:01")
    other = vnic.Host(live=True, wire=b, cpus=1, ip="10.0.0.2/24", mac="02:00:00:00:00:02")
    with one, other, one.running(), other.running():
        yield one, other


def test_hosts_talk_both_ways(two):
    one, other = two
    here, there = one.udp(5000), other.udp(5000)
    for i in range(100):
        here.sendto(b"to b %d" % i, ("10.0.0.2", 5000))
        assert there.recv(timeout=5) == b"to b %d" % i
        there.sendto(b"to a %d" % i, ("10.0.0.1", 5000))
        assert here.recv(timeout=5) == b"to a %d" % i


def test_frames_arrive_whole_once_and_in_order():
    a, b = vnic.JointWire.pair()
    with (
        vnic.Host(live=True, wire=a, cpus=1, ip="10.0.0.1/24") as one,
        vnic.Host(live=True, wire=b, cpus=1, fifo=1 << 20) as other,
    ):
        tap = other.packet_socket(ring=1 << 24)
        sent = [frames.eth(bytes([i % 256]) * (46 + i % 1400), type=0x88B5) for i in range(500)]
        with one.running(), other.running():
            door = one.packet_socket()
            for frame in sent:
                door.send(frame)
            settle(lambda: other.ledger().offered >= len(sent))
            got = [tap.recv(timeout=5).data for _ in sent]
        lost = one.tx_ledger().fates.get("TX_WIRE_FULL", 0)
        assert lost == 0
        assert got == sent
        assert not other.laws()


NO_ROOM = """
import os, resource
from pathlib import Path
import vnic
def refused():
    try:
        vnic.JointWire.pair()
    except vnic.errors.VnicError as e:
        return "memory" in str(e)
assert not refused()
before = os.listdir("/proc/self/fd")
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (16 << 20), resource.RLIM_INFINITY))
assert all(refused() for _ in range(5))
assert len(os.listdir("/proc/self/fd")) == len(before)
"""


def test_without_memory_for_its_frames_there_is_no_wire_and_no_file_stays_open():
    done = subprocess.run([sys.executable, "-c", NO_ROOM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_end_has_one_host():
    a, b = vnic.JointWire.pair()
    with vnic.Host(live=True, wire=a), pytest.raises(VnicError, match="has a host already"):
        vnic.Host(live=True, wire=a)
    b.close()


def test_an_end_may_go_first():
    a, b = vnic.JointWire.pair()
    with vnic.Host(live=True, wire=a, cpus=1, ip="10.0.0.1/24") as one:
        with vnic.Host(live=True, wire=b, cpus=1) as other, other.running():
            pass
        with one.running():
            door = one.packet_socket()
            for _ in range(2000):
                door.send(frames.eth(bytes(46), type=0x88B5))
            settle(lambda: one.tx_ledger().fates.get("TX_WIRE_FULL", 0) > 0)
            fates = one.tx_ledger().fates
            assert fates["TX_SENT"] <= 1024, "nobody takes them"


def test_a_wire_that_is_closed_gives_its_slots_back():
    def pages():
        return int(Path("/proc/self/statm").read_text().split()[0])

    def pair():
        for end in vnic.JointWire.pair():
            end.close()

    pair()
    before = pages()
    for _ in range(10):
        pair()
    assert (pages() - before) * resource.getpagesize() < 1024 * 2048, "less than the slots of one direction"
