"""The card as an agent with a clock: the order of what happens at one instant, and that a run repeats."""

import frames
import pytest

from vnic._core import lib


@pytest.mark.parametrize("at_ns, fates", [(999, {"DELIVERED_UDP": 1, "FIFO_OVERRUN": 1}), (1000, {"DELIVERED_UDP": 2})])
def test_a_dma_that_ends_makes_room_for_the_frame_of_the_same_instant(host, at_ns, fates):
    h = host(fifo=60)
    h.machine.c.cost[lib.COST_DMA] = 1000
    h.udp(5000)
    h.feed([(0, frames.udp()), (at_ns, frames.udp())])
    h.run()
    assert h.ledger().fates == fates


def test_the_same_input_gives_the_same_run(host):
    def run():
        h = host(queues=2, rx_ring=16, fifo=3000, rx_usecs=20, rx_frames=8, cost="linux", link="10G", latency=True)
        h.udp(5000)
        h.feed([frames.udp(bytes(i % 900), sport=i % 7) for i in range(600)])
        h.finish()
        return h.ledger(), h.nic.stats(), h.nic.queues(), h.latencies(), h.now_ns

    assert run() == run()
