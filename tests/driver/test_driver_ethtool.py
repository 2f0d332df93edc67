"""Ring size, number of queues and moderation of a driver that runs."""

import errno

import frames
import pytest

from vnic._core import ffi, lib


def test_a_ring_of_another_size_is_cleared_as_far_as_it_goes_and_no_further(host):
    h = host(rx_ring=64)
    vq = h.machine.c.dq[0].vq
    behind = [ffi.buffer(ffi.cast("char *", at) + 6 + each * 128, 200) for at, each in ((vq.avail, 2), (vq.used, 8))]
    for memory in behind:
        memory[:] = b"\xaa" * 200
    assert lib.driver_set_ringparam(h.machine.c, 128) == 0
    assert [bytes(memory) for memory in behind] == [b"\xaa" * 200] * 2
    h.udp(5000)
    h.feed([frames.udp()] * 50)
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 50}


@pytest.mark.parametrize("size", [0, 8, 15, lib.RX_RING_MAX + 1, 1 << 31])
def test_the_driver_itself_refuses_a_ring_that_cannot_be(host, size):
    h = host()
    assert lib.driver_set_ringparam(h.machine.c, size) == -errno.EINVAL
    assert h.machine.c.nic.ring_size == h.machine.c.dq[0].vq.size == 256


@pytest.mark.parametrize("queues", [0, lib.NIC_QUEUES_MAX + 1, 1 << 31])
def test_the_driver_itself_refuses_a_number_of_queues_that_cannot_be(host, queues):
    h = host()
    assert lib.driver_set_channels(h.machine.c, queues) == -errno.EINVAL
    assert h.machine.c.nic.nqueues == 1


def test_a_card_whose_driver_is_elsewhere_or_not_up_has_no_rings_to_set(host):
    h = host()
    for what, value in (("external_driver", 1), ("up", 0)):
        was = getattr(h.machine.c.nic, what)
        setattr(h.machine.c.nic, what, value)
        assert lib.driver_set_ringparam(h.machine.c, 64) == lib.driver_set_channels(h.machine.c, 1) == -errno.EOPNOTSUPP
        if what == "external_driver":
            assert lib.driver_set_adaptive(h.machine.c, 1) == -errno.EOPNOTSUPP
        setattr(h.machine.c.nic, what, was)
    assert lib.driver_set_ringparam(h.machine.c, 16) == lib.driver_set_ringparam(h.machine.c, 4096) == 0


@pytest.mark.parametrize("why", ["the ring is broken", "the driver does not poll"])
@pytest.mark.parametrize("what", ["driver_set_ringparam", "driver_set_channels"])
def test_a_ring_that_cannot_be_emptied_stays(host, what, why):
    h = host(cpus=1, queues=2)
    dq = h.machine.c.dq[0]
    lib.virtqueue_disable_cb(ffi.addressof(dq.vq))
    h.udp(5000)
    h.feed([frames.udp()] * 3)
    h.run()
    in_ring = int(dq.nicq.vq.used_idx - dq.vq.last_used)
    assert in_ring
    if why == "the ring is broken":
        dq.vq.broken = 1
    else:
        lib.napi_disable(ffi.addressof(dq.napi))
    assert getattr(lib, what)(h.machine.c, {"driver_set_ringparam": 64}.get(what, 1)) == -errno.EBUSY
    assert (h.machine.c.nic.ring_size, dq.vq.size, h.machine.c.nic.nqueues) == (256, 256, 2)
    assert dq.nicq.vq.used_idx - dq.vq.last_used == in_ring
    if why == "the ring is broken":
        dq.vq.broken = 0
    else:
        lib.napi_enable(ffi.addressof(dq.napi))
    assert getattr(lib, what)(h.machine.c, {"driver_set_ringparam": 64}.get(what, 1)) == 0
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 3}


def test_an_interrupt_that_was_held_back_for_the_old_ring_is_not_the_new_ones(host):
    """Three frames stood until five more would come; the driver took them when it emptied the ring."""
    h = host(rx_ring=64, rx_usecs=0, rx_frames=8)
    h.udp(5000)
    h.feed([frames.udp()] * 3, at_ns=500_000)
    h.run()
    assert h.ledger().in_flight_at["ring"] == 3
    assert lib.driver_set_ringparam(h.machine.c, 128) == 0
    h.run()
    before = h.nic.queues()[0]
    assert (before.interrupts, h.ledger().fates) == (0, {"DELIVERED_UDP": 3})
    h.feed([frames.udp()] * 7, at_ns=1_000_000, gap_ns=1000)
    h.run()
    assert (h.nic.queues()[0] - before).interrupts == 0
    h.feed(frames.udp(), at_ns=1_007_000)
    h.run()
    spent = h.nic.queues()[0] - before
    assert (spent.interrupts, spent.moderation_delay_ns) == (1, 7000)
    assert h.ledger().fates == {"DELIVERED_UDP": 11}


def test_a_frame_that_waited_for_the_old_ring_goes_into_the_new_one(host):
    """It found no buffer behind 32, and the new ring has as many: they are not the same 32."""
    h = host(rx_ring=16, cost="linux")
    h.udp(5000)
    h.feed([frames.udp()] * 16)
    h.run()
    lib.virtqueue_disable_cb(ffi.addressof(h.machine.c.dq[0].vq))
    h.feed([frames.udp()] * 17)
    h.run()
    q = h.machine.c.nic.queue[0]
    assert (q.starved, q.starved_at, h.ledger().in_flight_at["fifo"]) == (1, 32, 1)
    assert lib.driver_set_ringparam(h.machine.c, 32) == 0
    assert q.vq.avail.idx == 32
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 33}
