"""Faults on purpose on a card whose driver is elsewhere: doorbells, rings that stand still, a ring made anew."""

import pytest
from vhost_checks import flows, next_works, receives, sends, until, works

from vnic._core import lib

NEVER = (1 << 64) - 1


def test_a_doorbell_that_is_not_heard_leaves_a_frame_in_its_ring(vhost, attach):
    """While the card sleeps; awake, it looks at its rings by itself. So it is tried until the card slept."""
    card = vhost(faults=["kick-ignored"])
    front = attach(card).start()
    until(lambda: card.attached)
    ring = front.rings[1]
    for _ in range(1000):
        before = ring.used
        hits = card.nic.faults().get("kick-ignored", 0)
        front.transmit(flows(1)[0])
        until(lambda before=before, hits=hits: ring.used != before or card.nic.faults().get("kick-ignored", 0) > hits)
        if ring.used == before:
            break
    assert ring.used == before, "the card heard all of them"
    card.feed(flows(1))  # it wakes up
    until(lambda: ring.used == before + 1)


@pytest.mark.parametrize("kind", ["stall", "tx-stall"])
def test_a_ring_that_stood_still_goes_on_and_the_card_sleeps_again(vhost, attach, kind):
    card = vhost()
    front = attach(card).start()
    works(front, card, 1)
    now = int(lib.clock_ns()) - card.machine.began_ns
    fault = card.nic.fault(kind, from_ns=now, until_ns=now + 200_000_000)
    if kind == "stall":
        receives(front, card, range(1))
    else:
        sends(front, card, 0)
    assert fault.hits == 1
    until(lambda: int(card.nic.c.kick_ns) == NEVER)  # else its timer would go off again and again


def test_an_entry_that_was_held_back_is_not_put_into_the_next_driver_s_ring(vhost, attach):
    card = vhost(faults=["used-reorder:nth=1"])
    front = attach(card).start()
    until(lambda: card.attached)
    card.feed(flows(1))
    until(lambda: card.nic.faults() == {"used-reorder": 1})
    assert front.rings[0].used == 0
    front.close()
    next_works(card, 1)


def test_a_late_interrupt_of_a_driver_that_is_gone_is_not_the_next_one_s(vhost, attach):
    card = vhost(faults=["irq-late:times=1,ns=100s"])
    front = attach(card).start()
    until(lambda: card.attached)
    card.feed(flows(1))
    until(lambda: card.nic.faults() == {"irq-late": 1})
    front.close()
    until(lambda: card.session is None)
    with attach(card) as again:
        again.start()
        works(again, card, 1)
        assert again.rings[0].interrupted(5)


def test_hang_up_ends_the_connection_and_the_next_works(vhost, attach):
    card = vhost(faults=["hang-up:nth=3"])
    front = attach(card).start()
    until(lambda: card.attached)
    card.feed(flows(3))
    until(lambda: card.session is None and not card.attached)
    front.close()
    next_works(card, 1)
    assert card.sessions == 2


def test_the_card_counts_what_it_gave_a_driver_and_sent_for_it(vhost, attach):
    """As ip -s link shows it."""
    card = vhost()
    front = attach(card).start()
    works(front, card, 1)
    stats = card.nic.stats()
    assert (stats.rx_packets, stats.rx_bytes) == (40, sum(map(len, flows(40))))
    assert (stats.tx_packets, stats.tx_bytes) == (5, sum(map(len, flows(5))))
