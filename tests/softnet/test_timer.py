"""A CPU's timers."""

import pytest
from softnet_steps import MS, NEVER

from vnic._core import lib


@pytest.mark.parametrize(("cpu", "planned"), [(0, True), (1, False)])
def test_live_cpu_0_looks_whether_another_thread_asked_for_the_neighbours_timer(host, cpu, planned):
    """Each look also reads the clock: no other time moves a live CPU."""
    h = host(cpus=2)
    sd = h.machine.c.cpu[cpu]
    ask = lib.clock_ns() + 3600 * 1000 * MS

    def another_asks_for(at):
        owner = h.machine.c.cpu[0]
        owner.timer_asked[lib.TIMER_NEIGH] = at
        owner.timers_asked |= 1 << lib.TIMER_NEIGH

    another_asks_for(ask)
    sd.live = 1
    sd.horizon = NEVER
    before = lib.clock_ns()
    assert lib.cpu_run(sd) == 0
    sd.live = 0
    assert before <= sd.now <= lib.clock_ns()
    assert (sd.timer_ns[lib.TIMER_NEIGH], sd.timer_next) == ((ask, ask) if planned else (NEVER, NEVER))
    another_asks_for(ask - 1)  # earlier than what is planned: planned anew; later: not
    sd.live = 1
    lib.cpu_run(sd)
    another_asks_for(ask + 1)
    lib.cpu_run(sd)
    sd.live = 0
    assert sd.timer_ns[lib.TIMER_NEIGH] == (ask - 1 if planned else NEVER)
    lib.timer_answer(h.machine.c.cpu[0], lib.TIMER_NEIGH)
    lib.mod_timer(sd, lib.TIMER_NEIGH, NEVER)
