"""Deadlines: Linux's timer wheel says when, the heap which is the next."""

from random import Random

import pytest

import vnic
from vnic._core import ffi, lib


def wheel(now, ticks):
    """kernel/time/timer.c: up to 63 ticks exactly one late, then in steps of 8, 64 ... ticks, always later."""
    step = 1
    while ticks >= 63 * step:
        step *= 8
    return (now + ticks + step) // step * step


@pytest.mark.parametrize("hz", [100, 250, 1000])
def test_a_timer_runs_when_linux_timer_wheel_runs_it(hz):
    rng = Random(hz)
    with vnic.Host(ip="10.0.0.2/24", tcp="endpoint", hz=hz) as h:
        c = h.machine.c
        for _ in range(500):
            now, ns = rng.randrange(10**12), rng.choice([10**6, 10**8, 10**9, 10**11]) * rng.randrange(1, 99) // 10
            at = int(lib.tcp_jiffies_later(c, now, ns))
            assert at == wheel(now // c.jiffy_ns, -(-ns // c.jiffy_ns)) * c.jiffy_ns
            assert at >= now + ns


def test_whatever_is_set_and_removed_the_earliest_comes_first():
    """Against a dict: a timer moves to an earlier time at once, and to a later one never."""
    rng = Random(1)
    with vnic.Host(ip="10.0.0.2/24", tcp="endpoint", cpus=1) as h:
        c, cpu, plain = h.machine.c, h.machine.c.cpu[0], {}
        armed = {i: ffi.new("uint64_t *", 2**64 - 1) for i in range(1, 40)}
        due = ffi.new("uint64_t *")
        for _ in range(3000):
            i, at = rng.randrange(1, 40), rng.randrange(1, 10**9)
            if rng.random() < 0.7:
                lib.tcp_timer_set(c, 0, i, at, armed[i])
                plain[i] = min(plain.get(i, at), at)
                assert armed[i][0] == plain[i]
            elif plain:
                cpu.now = min(plain.values()) + rng.randrange(10**7)
                while got := lib.tcp_take_due(cpu, due):
                    assert plain[got] == min(plain.values()) <= cpu.now
                    del plain[got]
                    armed[got][0] = 2**64 - 1
                assert due[0] == min(plain.values(), default=2**64 - 1) > cpu.now
        lib.tcp_flush(c)
        assert c.tcp.heap[0].n == 0
