"""Fibers: each emulated CPU has a stack of its own, with a guard page below it, and gives it back."""

import gc
import re
import subprocess
import sys
import textwrap
import threading

import frames
import pytest

import vnic
from vnic._core import lib

STACK = 128 << 10  # a sanitized build has more


def mappings():
    """(first address, length, access) of this process's memory."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            first, last, access = re.match(r"(\w+)-(\w+) (....)", line).groups()
            yield int(first, 16), int(last, 16) - int(first, 16), access


def guarded():
    """Stacks: memory to read and write, and below it a page that nobody may touch."""
    found, before = [], (0, 0, "")
    for first, length, access in mappings():
        if access == "rw-p" and length >= STACK and before[2] == "---p" and before[0] + before[1] == first:
            found.append(first)
        before = first, length, access
    return found


def test_each_cpu_has_a_stack_with_a_guard_page_and_gives_it_back():
    gc.collect()
    before = len(guarded())
    with vnic.Host(cpus=16, cost="zero") as h:
        assert len(guarded()) - before == 16
        h.feed([frames.udp()] * 100)
        h.run(frames=50)
    assert len(guarded()) == before


def test_a_stack_is_not_used_before_its_cpu_runs(host):
    """64 CPUs do not cost 8 MB: pages are touched by those that have work."""

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    h = host(cpus=2)
    h.feed(frames.udp())
    h.run()
    before = resident()
    many = host(cpus=64)
    grown = resident() - before
    sizes = 64 * lib.GRO_HASH_BUCKETS
    assert grown < 64 * STACK + sizes
    many.feed(frames.udp())
    many.run()


OVERRUN = """
import sys
sys.path.insert(0, "tests/support")
import frames, vnic
from vnic._core import ffi, lib

sys.setrecursionlimit(10**6)

@ffi.callback("int(struct napi_struct *, int)")
def poll(napi, budget):
    return deeper(0)

def deeper(n):
    return sum(map(deeper, [n + 1]))  # each takes some of the C stack

with vnic.Host(cpus=1, cost="zero") as h:
    h.machine.c.dq[0].napi.poll = poll
    h.feed(frames.udp())
    h.run()
print("no stack ended")
"""


@pytest.mark.slow
def test_who_uses_more_than_the_stack_is_stopped_by_the_guard_page(pytestconfig):
    """It does not write over the next CPU's."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OVERRUN)], cwd=pytestconfig.rootpath, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert run.returncode == -11
    assert b"no stack ended" not in run.stdout


def test_a_host_that_could_not_be_made_leaves_no_stack():
    gc.collect()
    before = len(guarded())
    with pytest.raises(vnic.VnicError):
        vnic.Host(cpus=8, rx_pool=16, rx_ring=4096, queues=8, sockets=1)
    gc.collect()
    assert len(guarded()) == before


def test_floating_point_and_saved_registers_survive_a_switch():
    """Python's own work between two slices, on the thread's stack, is what it would be without the fibers."""
    expected = [(i / 7) ** 0.5 for i in range(200)]
    with vnic.Host(cpus=4, rps_cpus="f", cost="linux", sink=True) as h:
        h.feed([frames.udp(sport=1 + i % 9) for i in range(300)], gap_ns=300)
        got = []
        for i in range(200):
            h.step()
            got.append((i / 7) ** 0.5)
        h.run()
    assert got == expected


def test_any_thread_may_go_on_with_a_cpu_that_another_one_stopped():
    """Each of 40 threads runs one slice and ends; its stack is gone when the next one goes on."""
    with vnic.Host(cpus=4, rps_cpus="f", cost="linux", sink=True) as h:
        h.feed([frames.udp(sport=1 + i % 9) for i in range(400)], gap_ns=200)
        for _ in range(40):
            thread = threading.Thread(target=h.run, kwargs={"frames": 10})
            thread.start()
            thread.join(30)
        h.run()
        assert h.ledger().fates == {"DELIVERED_UDP": 400}
        assert h.laws() == 0
