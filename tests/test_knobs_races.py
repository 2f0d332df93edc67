"""host.knobs while others are busy: in the middle of a poll, in two threads at once, while a host starts and stops."""

import frames

import vnic


def test_a_ring_that_is_changed_is_not_polled_before_its_frames_came():
    """The CPU had idled since the beginning, as the interrupt was held back: it wakes up at the card's time."""
    with vnic.Host(cpus=1, rx_usecs=100_000, rx_frames=0, rx_ring=64) as h:
        left_gro = []

        @h.packet_type(0x88B5)
        def take(burst):
            left_gro.extend(burst.t_ns)

        h.nic.feed([frames.arp()[:12] + b"\x88\xb5" + bytes(60)] * 5, gap_ns=10_000_000)
        h.run(until_ns=60_000_000)
        h.knobs.rx_ring = 128
        h.run()
        assert len(left_gro) == 5
        assert min(left_gro) > 40_000_000


def test_a_busy_poll_ends_with_the_budget_it_began_with():
    """Else one that took less, and is complete, looks as if there were more: in line to be polled, owned by nobody."""
    with vnic.Host(cpus=1, busy_read=5, sink=True) as h:
        busy, changed = h.c.cpu[0].busy, 0
        h.nic.feed([frames.udp(dport=9, sport=i % 7) for i in range(300)], gap_ns=1000)
        while h.step():
            if busy.in_poll:
                h.knobs.busy_poll_budget = 2 + changed % 7
                changed += 1
                assert not busy.in_poll
        assert changed
        h.finish()
        assert h.laws() == 0
