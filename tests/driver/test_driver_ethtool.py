"""Ring size, number of queues and moderation of a driver that runs."""

import errno

import frames
import pytest

from vnic._core import ffi, lib


def test_a_ring_of_another_size_is_cleared_as_far_as_it_goes_and_no_further(host):
    h = host(rx_ring=64)
    vq = h.c.dq[0].vq
    behind = [ffi.buffer(ffi.cast("char *", at) + 6 + each * 128, 200) for at, each in ((vq.avail, 2), (vq.used, 8))]
    for memory in behind:
        memory[:] = b"\xaa" * 200
    assert lib.driver_set_ringparam(h.c, 128) == 0
    assert [bytes(memory) for memory in behind] == [b"\xaa" * 200] * 2
    h.udp(5000)
    h.feed([frames.udp()] * 50)
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 50}


@pytest.mark.parametrize("size", [0, 8, 15, 17, 1000, 4095, 8192])
def test_the_driver_itself_refuses_a_ring_that_cannot_be(host, size):
    h = host()
    assert lib.driver_set_ringparam(h.c, size) == -errno.EINVAL
    assert h.c.nic.ring_size == h.c.dq[0].vq.size == 256


@pytest.mark.parametrize("queues", [0, lib.NIC_QUEUES_MAX + 1, 1 << 31])
def test_the_driver_itself_refuses_a_number_of_queues_that_cannot_be(host, queues):
    h = host()
    assert lib.driver_set_channels(h.c, queues) == -errno.EINVAL
    assert h.c.nic.nqueues == 1


def test_a_card_whose_driver_is_elsewhere_or_not_up_has_no_rings_to_set(host):
    h = host()
    for what, value in (("external_driver", 1), ("up", 0)):
        was = getattr(h.c.nic, what)
        setattr(h.c.nic, what, value)
        assert lib.driver_set_ringparam(h.c, 64) == lib.driver_set_channels(h.c, 1) == -errno.EOPNOTSUPP
        if what == "external_driver":
            assert lib.driver_set_adaptive(h.c, 1) == -errno.EOPNOTSUPP
        setattr(h.c.nic, what, was)
    assert lib.driver_set_ringparam(h.c, 16) == lib.driver_set_ringparam(h.c, 4096) == 0
