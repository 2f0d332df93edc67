"""The handshake: what a driver laid out becomes the card's rings, all of them or none."""

import errno

import pytest
from dma_card import RING, Card, plain
from foreign_driver import FEATURES

import vnic
from vnic._core import lib


def test_a_driver_that_starts_over_gets_a_card_that_starts_over(card):
    d = card.driver
    for i in range(3):
        card.buffer(i)
    card.start()
    assert len(card.receive(plain(60), plain(61))) == 2
    d.put("<H", d.avail + 2, 1000)
    card.receive(plain(62), plain(63))
    assert card.status & lib.VIRTIO_S_NEEDS_RESET
    d.mem[d.avail : d.avail + 6 + 2 * RING] = bytes(6 + 2 * RING)
    d.mem[d.used : d.used + 6 + 8 * RING] = bytes(6 + 8 * RING)
    d.posted = d.taken = 0
    card.buffer(5)
    card.start()
    assert card.receive(plain(64)) == [(5, 84)]
    assert card.frame([(5, 84)])[1] == plain(64)


QUEUE = 56
WRONG = {
    "no DRIVER_OK": (lambda d: d.status(lib.VIRTIO_S_ACKNOWLEDGE), errno.EPROTO),
    "a feature that was not offered": (lambda d: d.put("<Q", 32, FEATURES | 1 << 17), errno.EPROTO),
    "no VERSION_1": (lambda d: d.put("<Q", 32, FEATURES & ~(1 << 32)), errno.EPROTO),
    "no MRG_RXBUF": (lambda d: d.put("<Q", 32, FEATURES & ~(1 << 15)), errno.EPROTO),
    "no HASH_REPORT": (lambda d: d.put("<Q", 32, FEATURES & ~(1 << 57)), errno.EPROTO),
    "size 0": (lambda d: d.put("<I", QUEUE, 0), errno.EINVAL),
    "size 12": (lambda d: d.put("<I", QUEUE, 12), errno.EINVAL),
    "size 65536": (lambda d: d.put("<I", QUEUE, 65536), errno.EINVAL),
    "descriptors misaligned": (lambda d: d.put("<Q", QUEUE + 8, d.desc + 8), errno.EINVAL),
    "avail ring misaligned": (lambda d: d.put("<Q", QUEUE + 16, d.avail + 1), errno.EINVAL),
    "used ring misaligned": (lambda d: d.put("<Q", QUEUE + 24, d.used + 2), errno.EINVAL),
    "descriptors outside": (lambda d: d.put("<Q", QUEUE + 8, d.size - 240), errno.EINVAL),
    "used_event outside": (lambda d: d.put("<Q", QUEUE + 16, d.size - 36), errno.EINVAL),
    "avail_event outside": (lambda d: d.put("<Q", QUEUE + 24, d.size - 132), errno.EINVAL),
}


def test_a_ring_may_have_32768_entries():
    """Virtio 1.2 section 2.7: the largest queue size."""
    with Card(rx_pool=1024) as card:
        d = card.driver
        d.n, d.desc, d.avail, d.used = 32768, 65536, 65536 + (1 << 19), 65536 + (1 << 19) + (1 << 17)
        d.put("<IIQQQ", QUEUE, d.n, 1, d.desc, d.avail, d.used)
        d.describe(32767, 1 << 20, 2048)
        d.post(32767)
        card.start()
        assert card.receive(plain(60)) == [(32767, 80)]


@pytest.mark.parametrize("make, why", WRONG.values(), ids=WRONG)
def test_a_driver_that_sets_up_nonsense_gets_nothing(card, make, why):
    card.driver.ok()
    make(card.driver)
    with pytest.raises(vnic.HostError) as refused:
        card.host.nic.driver_ok()
    assert refused.value.errno == why
    assert card.receive(plain(60)) == []
    assert card.host.ledger().fates == {"DEV_READY": 1}


@pytest.mark.parametrize("make, why", WRONG.values(), ids=WRONG)
def test_a_driver_that_sets_up_nonsense_the_second_time_gets_nothing_either(card, make, why):
    """The card once kept its old state, with the new, unchecked addresses in it."""
    card.driver.ok()
    card.host.nic.driver_ok()
    make(card.driver)
    with pytest.raises(vnic.HostError) as refused:
        card.host.nic.driver_ok()
    assert refused.value.errno == why
    assert card.receive(plain(60)) == []
    assert card.host.ledger().fates == {"DEV_READY": 1}
