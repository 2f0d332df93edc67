"""The driver comes and goes: which cards it takes, and what its ring holds at the end."""

import frames
import pytest
from driver_steps import arrive

from vnic._core import lib


def test_without_a_driver_nothing_is_received(host):
    h = host(external_driver=True)
    h.feed([frames.udp()] * 3)
    h.run()
    assert h.ledger().fates == {"DEV_READY": 3}


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda c: setattr(c, "magic", 0), -19),
        (lambda c: setattr(c, "abi", 99), -19),
        (lambda c: setattr(c, "device_features", 1 << lib.VIRTIO_F_VERSION_1), -71),
        (lambda c: setattr(c, "device_features", 1 << lib.VIRTIO_NET_F_MRG_RXBUF), -71),
    ],
    ids=["magic", "abi", "no mergeable buffers", "not version 1"],
)
def test_the_driver_leaves_a_card_alone_that_it_does_not_know(host, break_it, error):
    h = host(external_driver=True)
    config = h.machine.c.nic.config
    break_it(config)
    assert lib.driver_open(h.machine.c) == error
    assert config.device_status & lib.VIRTIO_S_FAILED
    assert not config.device_status & lib.VIRTIO_S_DRIVER_OK


def test_what_the_ring_holds_when_the_card_closes_ends_as_dev_ready(host):
    h = host()
    arrive(h, *[frames.udp()] * 3)
    lib.driver_close(h.machine.c.dq[0])
    assert h.ledger().fates == {"DEV_READY": 3}
    h.run()
    assert h.laws() == 0
