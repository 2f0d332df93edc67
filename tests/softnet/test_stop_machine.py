"""Nobody is in the middle of anything: the moment when knobs change."""

from softnet_steps import NEVER

from vnic._core import lib


def test_live_a_cpu_stands_still_when_the_machine_is_to_stop_but_not_in_the_middle_of_a_softirq(host):
    h = host()
    sd = h.machine.c.cpu[0]
    sd.live, sd.horizon, sd.pause = 1, NEVER, 1
    lib.raise_hardirq(sd, 0, 0)
    assert (lib.cpu_run(sd), sd.hardirqs) == (1, 0)
    sd.pause = 0
    assert (lib.cpu_run(sd), sd.hardirqs) == (0, 1)
    sd.live = 0
