"""A driver in another process may be wrong, late, or hostile: it loses its own frames, and stops or starves nobody.

What it shares: page 0, rings and buffers (one sealed memfd), and an eventfd a queue. tests/c/fuzz_driver.c does it all
at random, tests/c/stress_driver.c on a thread beside the card's.
"""

import errno
import fcntl
import mmap
import os
import select
import threading
import time

import frames
import pytest
from foreign_driver import DRIVER_OK, HEADER
from foreign_rings import (
    ALL,
    AVAIL,
    DESC,
    ENABLED,
    FAILED,
    FRAME,
    NEEDS_RESET,
    PAGE_QUEUES,
    PAGE_TX,
    QUEUE,
    SIZE,
    USED,
    Foreign,
)

import vnic
from vnic._core import lib

# ---- all or nothing ----


@pytest.mark.parametrize("field, value", [(DESC, -64), (AVAIL, -2), (USED, -4), (SIZE, 3), (DESC, 1 << 63)])
def test_a_sending_ring_outside_the_region_leaves_nothing_behind(foreign, field, value):
    """Bug: driver_ok() said EINVAL and left NULL in the ring, which the next purge followed."""
    d = foreign(ip="10.0.0.2/24")
    d.put("<I", PAGE_TX + ENABLED, 1)
    d.put("<I" if field == SIZE else "<Q", PAGE_TX + field, value if value > 0 else len(d.mem) + value)
    assert d.begin() == -errno.EINVAL
    assert d.receives() == 0
    d.host.finish()
    assert d.host.ledger().fates == {"DEV_READY": 3}
    QUEUE.pack_into(d.mem, PAGE_TX, d.tx[0], 1, *d.tx[2:])  # it mends it
    assert d.begin() == 0
    d.send(FRAME)
    assert d.receives() == 3
    assert [frame for _, frame in d.host.nic.sent()] == [FRAME]


def test_a_second_queue_that_is_wrong_leaves_the_first_unused(foreign):
    d = foreign(queues=2)
    before = QUEUE.unpack_from(d.mem, PAGE_QUEUES + QUEUE.size)
    d.put("<Q", PAGE_QUEUES + QUEUE.size + USED, len(d.mem))
    assert d.begin() == -errno.EINVAL
    assert d.receives() == 0
    nic = d.host.machine.c.nic
    assert all(nic.queue[i].vq.desc == vnic._core.ffi.NULL for i in range(2))
    QUEUE.pack_into(d.mem, PAGE_QUEUES + QUEUE.size, *before)
    assert d.begin() == 0
    assert d.receives() == 3


def test_a_card_that_was_up_is_down_after_a_refusal(foreign):
    d = foreign()
    assert d.begin() == 0
    assert d.receives() == 3
    size = d.n
    d.put("<I", PAGE_QUEUES + SIZE, 12)
    assert d.driver_ok() == -errno.EINVAL
    assert d.receives() == 0
    d.put("<I", PAGE_QUEUES + SIZE, size)
    assert d.begin() == 0
    assert d.receives() == 3
    assert d.host.ledger().fates == {"DELIVERED_DRIVER": 6, "DEV_READY": 3}


# ---- the order of things ----


def test_DRIVER_OK_again_starts_anew(foreign):
    """What waited for the old driver is gone, and so is an interrupt that was held back for it."""
    d = foreign(rx_usecs=100)
    d.put("<Q", 32, d.features)
    d.ok()
    assert d.driver_ok() == 0
    d.host.feed([FRAME] * 5)  # no buffer is posted: they wait in the FIFO
    d.host.run()
    assert d.host.ledger().in_flight == 5
    assert d.begin() == 0
    assert d.host.ledger().fates == {"DEV_READY": 5}
    d.host.feed([(d.host.now_ns, FRAME)] * 2)
    d.host.run(until_ns=d.host.now_ns + 10_000)
    assert d.host.machine.c.nic.queue[0].irq.pending
    assert d.begin() == 0
    d.host.run()
    assert d.host.nic.queues()[0].interrupts == 0
    assert d.receives(2) == 2
    assert d.host.nic.queues()[0].interrupts == 1


def test_a_new_driver_is_not_thought_to_wait_where_the_old_one_did(foreign):
    """The old one's 17th frame found no buffer behind its 16, and the new one posts 16 too."""
    d = foreign(cost="linux")
    for _ in range(2):
        assert d.begin() == 0
        assert d.receives(17) == 16
        assert d.host.machine.c.nic.queue[0].starved
    d.host.finish()
    assert d.host.ledger().fates == {"DELIVERED_DRIVER": 32, "DEV_READY": 2}


@pytest.mark.parametrize("status", [0, ALL & ~DRIVER_OK, ALL | FAILED, ALL | NEEDS_RESET])
def test_without_DRIVER_OK_or_with_a_reset_to_be_made_there_is_no_driver(foreign, status):
    d = foreign()
    assert d.begin() == 0
    d.status(status)
    assert d.driver_ok() == -errno.EPROTO
    assert d.receives() == 0
    assert d.begin() == 0
    assert d.receives() == 3


def test_after_NEEDS_RESET_a_reset_brings_the_card_back(foreign):
    d = foreign()
    assert d.begin() == 0
    d.u16[d.avail // 2 + 1] = 1000
    assert d.receives() == 0
    status = d.get("<I", 20)[0]
    assert status & NEEDS_RESET
    d.status(status | DRIVER_OK)  # as one would who has not looked
    assert d.driver_ok() == -errno.EPROTO
    assert d.begin() == 0
    assert d.receives() == 3
    assert d.host.ledger().fates == {"DELIVERED_DRIVER": 3, "DEV_READY": 3}


def test_late_handshakes(foreign):
    d = foreign()
    assert d.receives() == 0  # frames came first
    assert d.begin() == 0
    assert d.receives() == 3
    d.host.finish()
    assert d.receives() == 0
    assert d.begin() == 0  # after the end, it is another run
    assert d.receives() == 3
    assert d.host.laws() == 0


# ---- what it changes under the card's eyes ----


def test_page_0_is_read_once(foreign):
    """What the driver writes there after DRIVER_OK changes nothing: not sizes, nor addresses, nor features."""
    d = foreign(ip="10.0.0.2/24")
    d.put("<I", PAGE_TX + ENABLED, 1)
    assert d.begin() == 0
    for at in (PAGE_QUEUES, PAGE_TX):
        d.put("<I", at + SIZE, 1 << 31)
        for field in (DESC, AVAIL, USED):
            d.put("<Q", at + field, (1 << 64) - 16)
    d.put("<Q", 32, 0)
    d.put("<I", 16, 1 << 30)  # number of queues
    assert d.receives() == 3
    d.host.feed(frames.udp())
    d.host.run()
    (head, length) = d.take()[0]
    assert HEADER.unpack_from(d.buffer(head, length))[0] == lib.VIRTIO_NET_HDR_F_DATA_VALID
    d.send(FRAME)
    d.host.run()
    assert len(d.host.nic.sent()) == 1


def test_the_card_remembers_itself_what_it_offers(foreign):
    """Bug: page 0 was asked what had been offered, and that is the driver's to write."""
    d = foreign()
    d.put("<Q", 24, (1 << 64) - 1)
    d.features |= 1 << 17
    assert d.begin() == -errno.EPROTO
    assert d.receives() == 0


def test_a_hole_in_the_memory_is_zeros(foreign):
    """The size is sealed, so nothing can be cut off (SIGBUS); a hole that the driver makes reads as zeros."""
    d = foreign()
    assert d.begin() == 0
    with pytest.raises(PermissionError):
        os.ftruncate(d.host.nic.memfd, 4096)
    with pytest.raises(PermissionError):
        os.posix_fallocate(d.host.nic.memfd, 0, len(d.mem) + 4096)
    with pytest.raises(PermissionError):
        fcntl.fcntl(d.host.nic.memfd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    size = len(d.mem) // mmap.PAGESIZE * mmap.PAGESIZE
    d.mem.madvise(mmap.MADV_REMOVE, 0, size)
    d.host.feed([FRAME] * 3)
    d.host.run()
    assert d.begin() == -errno.EINVAL  # page 0 is gone too
    assert d.host.ledger().closed


# ---- a turn ends ----


def test_bad_chains_end_a_turn_of_the_card_not_its_work(foreign):
    """More of them than a turn has: the card goes on in the next one, by itself."""
    groups, bad = 3, 1300
    d = foreign(rx_ring=4096, rx_pool=4096)
    for group in range(groups):
        for i in range(bad + 1):
            head = group * (bad + 1) + i
            good = i == bad
            d.describe(head, d.buffers + head * d.stride if good else d.size, 2048)
            d.post(head)
    d.put("<Q", 32, d.features)
    d.ok()
    assert d.driver_ok() == 0
    assert d.receives(groups) == groups * (bad + 1)
    assert d.host.nic.queues()[0].dma_failed == groups * bad
    assert d.host.ledger().fates == {"DELIVERED_DRIVER": groups}


def test_one_that_posts_single_buffers_that_are_too_few_leaves_the_card_its_turn(foreign):
    """The frame takes four of them, and each look finds one more: it is there in the end."""
    d = foreign(rx_ring=256)
    for i in range(8):
        d.describe(i, d.buffers + i * d.stride, 30)
    d.put("<Q", 32, d.features)
    d.ok()
    assert d.driver_ok() == 0
    d.host.feed(FRAME)
    for i in range(8):
        assert d.take() == []
        d.post(i)
        d.host.nic.kick()
        d.host.run()
        if i >= 2:
            break
    assert len(d.take()) == 3
    assert d.host.ledger().fates == {"DELIVERED_DRIVER": 1}


def test_a_turn_of_the_card_ends_with_a_doorbell(foreign):
    """A driver may ring for ever: Python has a turn in between."""
    d = foreign()
    assert d.begin() == 0
    d.host.run()
    d.host.feed([FRAME], at_ns=d.host.now_ns)
    d.host.nic.kick()
    steps = []
    while d.host.step():
        steps.append(d.host.ledger().offered)
    assert steps[:2] == [0, 1]


class Endless:
    """A wire whose other end has the driver send again whatever was sent, and ring."""

    def __init__(self):
        self.driver, self.rounds = None, 0

    def read_burst(self, n):
        return []

    def write_burst(self, burst):
        self.rounds += 1
        for _ in burst:
            self.driver.send(FRAME)


def test_a_driver_that_sends_for_ever_does_not_keep_the_end_from_coming(foreign):
    """Time stands still meanwhile: nothing that is sent costs any."""
    wire = Endless()
    d = wire.driver = foreign(ip="10.0.0.2/24", wire=vnic.PythonWire(wire))
    d.tx = (d.tx[0], 1, *d.tx[2:])
    QUEUE.pack_into(d.mem, PAGE_TX, *d.tx)
    assert d.begin() == 0
    d.sent = 0
    d.send(FRAME)
    d.host.finish()
    assert wire.rounds > 10
    assert not d.host.machine.c.nic.up
    assert d.host.laws() == 0


# ---- the eventfd ----

# ---- a host that runs ----


class Flood:
    """A wire that always has a frame."""

    def read_burst(self, n):
        return [FRAME] * 8


def wait_for(what):
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "a minute"
        time.sleep(0.001)


def test_a_driver_comes_and_starts_anew_while_the_card_runs(foreign):
    """Bug: DRIVER_OK was handled beside the card's thread, which used the rings meanwhile."""
    d = foreign(live=True, wire=vnic.PythonWire(Flood()))
    host = d.host
    d.put("<Q", 32, d.features)
    host.start()
    try:
        host.nic.call_fd(0)
        ringing = True

        def ring():
            while ringing:
                host.nic.kick()

        bell = threading.Thread(target=ring)
        bell.start()
        for n in range(20):
            before = host.machine.c.nic.queue[0].frames
            assert d.begin() == 0
            wait_for(lambda before=before: host.machine.c.nic.queue[0].frames >= before + d.n)
            if n % 4 == 3:
                d.u16[d.avail // 2 + 1] = 10_000
                wait_for(lambda: not host.machine.c.nic.up)
        ringing = False
        bell.join()
    finally:
        host.stop()
    assert host.ledger().closed
    assert d.driver_ok() == -errno.EPROTO  # after the end: it has not cleared NEEDS_RESET
    assert d.begin() == 0


def test_a_handshake_or_a_doorbell_while_the_host_stops(foreign):
    """Refused or done, never half; and the doorbell says nothing."""
    d = foreign(live=True, wire=vnic.PythonWire(Flood()))
    host, found, ended = d.host, [], threading.Event()
    d.put("<Q", 32, d.features)
    host.start()

    def handshakes():
        try:
            while not ended.is_set():
                host.nic.kick()
                try:
                    found.append(d.begin())
                except vnic.VnicError as e:
                    found.append(str(e))
        except BaseException as e:  # noqa: BLE001
            found.append(e)

    threads = [threading.Thread(target=handshakes) for _ in range(1)]
    for t in threads:
        t.start()
    wait_for(lambda: len(found) > 20)
    host.stop()
    ended.set()
    for t in threads:
        t.join()
    assert set(found) <= {
        0,
        "the host is stopping; nothing was changed",
        "the host is running already: in another thread, or this is one of its handlers",
        "the host is running in another thread: only one thread at a time can use it",
    }
    assert host.ledger().closed


# ---- who may be one, and which queue ----


def test_the_hosts_own_driver_keeps_its_card(host):
    """Bug: driver_ok() took the rings away under the host's own driver."""
    h = host()
    for call in (h.nic.driver_ok, lambda: h.nic.call_fd(0)):
        with pytest.raises(vnic.VnicError, match="own driver"):
            call()
    sock = h.udp(9)
    h.feed(frames.udp(dport=9))
    h.run()
    assert sock.recv()


@pytest.mark.parametrize("queue", [2, 16, 20, 10**6, 2**32, 2**64, -1, True, 0.5, "0", None])
def test_a_queue_that_is_not_there_is_refused_by_name(foreign, queue):
    """Bug: kick(20) wrote outside an array, kick(10**6) outside the process."""
    h = foreign(queues=2).host
    for call in (h.nic.kick, h.nic.call_fd, h.nic.dim):
        with pytest.raises(vnic.ConfigError, match="queue="):
            call(queue)
    assert lib.nic_doorbell(h.nic._address, 2) == -errno.EINVAL
    assert lib.nic_doorbell(h.nic._address, 2**32 - 1) == -errno.EINVAL
    assert lib.nic_queue_up(h.nic._address, 16) == -errno.EINVAL
    assert [h.machine.c.nic.queue[i].kicks for i in range(lib.NIC_QUEUES_MAX)] == [0] * lib.NIC_QUEUES_MAX


def test_a_queue_that_is_opened_late_is_where_it_was_laid_out(host):
    """Bug: the host's own driver believed page 0 again, when others could have written there."""
    h = host(cpus=2, queues=1)
    with mmap.mmap(h.nic.memfd, 0) as mem:
        good = QUEUE.unpack_from(mem, PAGE_QUEUES + QUEUE.size)
        QUEUE.pack_into(mem, PAGE_QUEUES + QUEUE.size, *good[:2], *[(1 << 63) + 64] * 4, 1 << 30, 1 << 30)
        with pytest.raises(vnic.ConfigError):
            h.knobs.queues = 2
        for addresses in (good[2:6], (*good[2:5], 1 << 63)):
            QUEUE.pack_into(mem, PAGE_QUEUES + QUEUE.size, *good[:2], *addresses, 1 << 30, 1 << 30)
            h.knobs.queues = 2
            h.feed([frames.udp(sport=n) for n in range(64)])
            h.run()
            assert min(q.packets for q in h.nic.queues())
            h.knobs.queues = 1
    assert h.laws() == 0


def test_whoever_has_stopped_the_machine_may_do_all_that_stops_it(foreign):
    """Bug: who held it waited for itself."""
    d = foreign(live=True, wire=vnic.PythonWire(Flood()))
    d.put("<Q", 32, d.features)
    d.host.start()
    try:

        def all_that_stops_it():
            assert d.begin() == 0
            d.host.nic.call_fd(0)
            d.host.nic.kick()
            d.host.packet_type(0x88B5)(print)
            d.host.knobs.rx_usecs = 20

        d.host.machine.while_stopped(all_that_stops_it)
        wait_for(lambda: d.host.machine.c.nic.queue[0].frames >= d.n)
    finally:
        d.host.stop()


@pytest.mark.root
@pytest.mark.parametrize("late", [False, True])
def test_on_a_TAP_its_eventfd_is_signalled_from_the_cards_own_table_of_files(netns, late):
    from live_tap import live_tap, send_all

    with live_tap(external_driver=True, rx_ring=16, latency=False) as host:
        d = Foreign(host)
        if not late:
            host.nic.call_fd(0)
        assert d.begin() == 0
        d.interrupt_me_at(0)
        call = host.nic.call_fd(0)
        host.nic.kick()
        send_all("vt0", [frames.udp()])
        assert select.select([call], [], [], 60)[0]
        assert os.eventfd_read(call) >= 1
        d.close()
