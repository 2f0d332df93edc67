"""The ring: the device's half against the driver's and a model; indices wrap; the other side may lie."""

import errno

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model import virtqueue as model

from vnic._core import ffi, lib

SIZE = 8


class Ring:
    """Both C halves over the same memory."""

    def __init__(self, *, start: int = 0, event_idx: bool = True) -> None:
        self.memory = [
            ffi.new("struct virtq_desc[]", SIZE),
            ffi.new("uint16_t[]", 3 + SIZE),
            ffi.new("uint16_t[]", 3 + 4 * SIZE),
        ]
        shared = {
            "desc": self.memory[0],
            "avail": ffi.cast("struct virtq_avail *", self.memory[1]),
            "used": ffi.cast("struct virtq_used *", self.memory[2]),
            "size": SIZE,
            "event_idx": event_idx,
        }
        self.device = ffi.new("struct virtqueue *", shared)
        self.driver = ffi.gc(ffi.new("struct virtqueue_driver *", shared), lib.virtqueue_driver_free)
        assert lib.virtqueue_driver_init(self.driver, SIZE) == 0
        self.desc, self.avail, self.used = shared["desc"], shared["avail"], shared["used"]
        self.avail.idx = self.used.idx = start
        for half, names in {
            self.device: ["last_avail", "avail_idx", "used_idx", "published", "was_published"],
            self.driver: ["last_used", "used_seen", "avail_idx", "kicked"],
        }.items():
            for name in names:
                setattr(half, name, start)
        lib.virtqueue_disable_cb(self.driver)

    def post(self, n: int) -> None:
        for i in range(n):
            assert lib.virtqueue_add_inbuf(self.driver, 0x1000 * i, 100, i) == 0
        lib.virtqueue_kick_prepare(self.driver)

    def fetch(self) -> int:
        """As dma.c does: the head of the next chain."""
        head = self.avail.ring[self.device.last_avail % SIZE]
        self.device.last_avail = (self.device.last_avail + 1) % 65536
        return head

    def complete(self, n: int = 1) -> int:
        for _ in range(n):
            assert lib.virtqueue_avail(self.device, 1) > 0
            lib.virtqueue_fill_used(self.device, self.fetch(), 60)
        return lib.virtqueue_publish(self.device)

    def get(self):
        desc, length = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        rc = lib.virtqueue_get_buf(self.driver, desc, length)
        return rc if rc < 0 else (rc, length[0], desc[0])


class Halves(RuleBasedStateMachine):
    """Buffers are numbered as they are added; the model knows where each is and who waits."""

    @initialize(start=st.sampled_from([0, 32760, 65530]), event_idx=st.booleans())
    def begin(self, start, event_idx):
        self.ring, self.model = Ring(start=start, event_idx=event_idx), model.Virtqueue(SIZE)
        self.event_idx, self.number, self.desc_of = event_idx, 0, {}
        lib.virtqueue_want_kick(self.ring.device)
        self.model.sleep()

    @rule(n=st.integers(1, SIZE))
    def driver_adds(self, n):
        for _ in range(n):
            self.number += 1
            rc = lib.virtqueue_add_inbuf(self.ring.driver, self.number << 12, 1000 + self.number, self.number)
            assert rc == (0 if self.model.add(self.number) else -errno.ENOSPC)

    @rule()
    def driver_kicks(self):
        wanted = self.model.kick()
        got = lib.virtqueue_kick_prepare(self.ring.driver)
        assert got >= wanted, "a kick is lost"
        if self.event_idx:
            assert got == wanted, "a kick nobody asked for"

    @rule(n=st.integers(1, SIZE))
    def driver_takes(self, n):
        for _ in range(n):
            expected, got = self.model.take(), self.ring.get()
            if expected is None:
                assert got == -errno.EAGAIN
            else:
                assert got == (*expected, self.desc_of.pop(expected[0]))

    @rule()
    def driver_masks(self):
        self.model.mask()
        lib.virtqueue_disable_cb(self.ring.driver)

    @rule()
    def driver_unmasks(self):
        """As napi does: if there is more already, it masks again and polls."""
        more = self.model.unmask()
        assert lib.virtqueue_enable_cb(self.ring.driver) == more
        if more:
            self.driver_masks()

    @rule(want=st.integers(1, SIZE))
    def device_looks(self, want):
        assert lib.virtqueue_avail(self.ring.device, want) == self.model.look(want)

    @precondition(lambda self: self.model.posted)
    @rule(n=st.integers(1, SIZE))
    def device_fetches(self, n):
        for _ in range(min(n, len(self.model.posted))):
            assert lib.virtqueue_avail(self.ring.device, 1) > 0
            head, buffer = self.ring.fetch(), self.model.fetch()
            d = self.ring.desc[head]
            assert (d.addr, d.len, d.flags) == (buffer << 12, 1000 + buffer, lib.VIRTQ_DESC_F_WRITE)
            self.desc_of[buffer] = head

    @precondition(lambda self: self.model.held)
    @rule(which=st.integers(0, SIZE), length=st.integers(0, 2**32 - 1))
    def device_writes(self, which, length):
        """In any order."""
        buffer = self.model.write(which, length)
        lib.virtqueue_fill_used(self.ring.device, self.desc_of[buffer], length)

    @rule()
    def device_publishes(self):
        """Told exactly when the driver waits; without EVENT_IDX it is told each time until it masks."""
        unmasked = not self.ring.avail.flags & lib.VIRTQ_AVAIL_F_NO_INTERRUPT
        expected = (
            bool(self.model.written) and unmasked
            if not self.event_idx
            else self.model.driver_waits and bool(self.model.written)
        )
        assert self.model.publish() <= expected
        assert lib.virtqueue_publish(self.ring.device) == expected

    @rule()
    def device_sleeps(self):
        """As nic.c does: ask for a kick, look again."""
        known, more = self.model.known, self.model.sleep()
        lib.virtqueue_want_kick(self.ring.device)
        assert (lib.virtqueue_avail(self.ring.device, known + 1) > known) == more

    @invariant()
    def no_descriptor_is_lost(self):
        assert self.ring.driver.nfree == self.model.free


TestHalves = Halves.TestCase


@pytest.mark.parametrize(
    "event, new, old, needed",
    [
        (0, 1, 0, 1),
        (0, 0, 0, 0),
        (1, 1, 0, 0),
        (5, 10, 3, 1),
        (3, 10, 3, 1),
        (2, 10, 3, 0),
        (10, 10, 3, 0),
        (65535, 2, 65530, 1),
        (65529, 2, 65530, 0),
        (1, 2, 65530, 1),
        (2, 2, 65530, 0),
    ],
)
def test_an_event_is_needed_when_the_index_passes_it(event, new, old, needed):
    assert lib.vring_need_event(event, new, old) == needed


# ---- notifications ----


def test_the_device_is_kicked_for_the_buffer_behind_those_it_knows():
    """Bug: two buffers were posted, the frame needed three, and the third came without a kick."""
    ring = Ring()
    lib.virtqueue_want_kick(ring.device)
    ring.post(2)
    assert lib.virtqueue_avail(ring.device, 3) == 2
    lib.virtqueue_want_kick(ring.device)
    assert lib.virtqueue_avail(ring.device, 3) == 2
    lib.virtqueue_add_inbuf(ring.driver, 0, 100, 2)
    assert lib.virtqueue_kick_prepare(ring.driver) == 1


@pytest.mark.parametrize("size", [1, 8, 32768])
def test_the_parts_of_a_ring_have_the_standards_sizes(size):
    """virtio 1.2, section 2.7: with used_event and avail_event, which are the last of their parts."""
    parts = lib.virtq_desc_bytes(size), lib.virtq_avail_bytes(size), lib.virtq_used_bytes(size)
    assert parts == (16 * size, 6 + 2 * size, 6 + 8 * size)


def test_masked_means_no_interrupt_however_full_the_ring_gets():
    ring = Ring()
    ring.post(SIZE)
    assert [ring.complete() for _ in range(SIZE)] == [0] * SIZE


@pytest.mark.parametrize("event_idx", [False, True])
def test_what_came_before_the_unmasking_is_seen_by_the_second_look(event_idx):
    ring = Ring(event_idx=event_idx)
    ring.post(2)
    assert ring.complete() == 0
    assert lib.virtqueue_enable_cb(ring.driver) == 1
    ring.get()
    assert lib.virtqueue_enable_cb(ring.driver) == 0
    assert ring.complete() == 1


def test_with_flags_a_device_that_polls_is_not_kicked():
    ring = Ring(event_idx=False)
    ring.used.flags = lib.VIRTQ_USED_F_NO_NOTIFY
    lib.virtqueue_add_inbuf(ring.driver, 0, 100, 0)
    assert lib.virtqueue_kick_prepare(ring.driver) == 0
    lib.virtqueue_want_kick(ring.device)
    lib.virtqueue_add_inbuf(ring.driver, 0, 100, 1)
    assert lib.virtqueue_kick_prepare(ring.driver) == 1


# ---- the other side lies ----


@pytest.mark.parametrize("start", [0, 65530])
@pytest.mark.parametrize("ahead", [SIZE + 1, 1000, 32768, 65535])
def test_an_avail_index_that_cannot_be_breaks_the_queue_for_good(start, ahead):
    """Bug: the second look took the impossible index for chains that were posted."""
    ring = Ring(start=start)
    ring.avail.idx = (start + ahead) % 65536
    assert [lib.virtqueue_avail(ring.device, 1) for _ in range(3)] == [-errno.EIO] * 3
    assert ring.device.broken
    ring.avail.idx = start
    assert lib.virtqueue_avail(ring.device, 1) == -errno.EIO


def test_a_full_ring_is_not_broken():
    ring = Ring(start=65530)
    ring.post(SIZE)
    assert lib.virtqueue_avail(ring.device, 1) == SIZE
    assert not ring.device.broken


@pytest.mark.parametrize("lie", [SIZE, SIZE + 1, 0xFFFFFFFF, 3, 1])
def test_a_used_id_that_is_a_lie_breaks_the_driver_and_costs_no_buffer(lie):
    """3 was not posted, 1 comes twice."""
    ring = Ring()
    ring.post(3)
    order = [ring.avail.ring[i] for i in range(3)]
    names = {1: order[1], 3: next(i for i in range(SIZE) if i not in order)}
    lib.virtqueue_fill_used(ring.device, order[1], 60)
    lib.virtqueue_fill_used(ring.device, names.get(lie, lie), 60)
    lib.virtqueue_fill_used(ring.device, order[0], 60)
    lib.virtqueue_publish(ring.device)
    assert ring.get() == (1, 60, order[1])
    assert [ring.get(), ring.get()] == [-errno.EIO, -errno.EAGAIN]
    assert (ring.driver.broken, ring.driver.nfree) == (1, SIZE - 2)


def test_a_broken_driver_is_not_told_to_look_again():
    """Bug: the second look found more for ever, and napi polled for ever."""
    ring = Ring()
    ring.post(1)
    lib.virtqueue_fill_used(ring.device, 77, 60)
    lib.virtqueue_publish(ring.device)
    assert ring.get() == -errno.EIO
    assert lib.virtqueue_enable_cb(ring.driver) == 0


def test_a_used_index_that_runs_ahead_ends_at_the_first_lie():
    ring = Ring()
    ring.post(4)
    ring.used.idx = 40_000
    got = [ring.get() for _ in range(10)]
    assert sum(isinstance(g, tuple) for g in got) <= 1  # the ring is all zero: descriptor 0 may be posted, once
    assert ring.driver.broken


def test_a_device_that_lies_does_not_hang_the_host(host):
    h = host(rx_ring=16)
    dq = h.machine.c.dq[0]
    ring = dq.vq.used.ring
    lib.virtqueue_fill_used(ffi.addressof(h.machine.c.nic.queue[0].vq), 500, 60)
    assert lib.virtqueue_publish(ffi.addressof(h.machine.c.nic.queue[0].vq)) == 1
    assert ring[0].id == 500
    lib.raise_hardirq(h.machine.c.cpu[0], 0, 0)
    assert h.run()
    assert dq.bad_used == 1


def test_bug_a_queue_found_broken_had_chains_left_that_were_still_used():
    """A look for more than is known found an impossible index; a look for one then passed: a frame had two fates."""
    ring = Ring()
    ring.post(2)
    assert lib.virtqueue_avail(ring.device, 2) == 2
    ring.avail.idx = 40000
    assert lib.virtqueue_avail(ring.device, 3) == -errno.EIO
    assert lib.virtqueue_avail(ring.device, 1) == -errno.EIO


def test_bug_a_broken_drivers_ring_came_back_to_life():
    """After an entry that cannot be, the index was read once more, and the next call went on."""
    ring = Ring()
    ring.post(2)
    ring.complete()
    ring.used.ring[0].id = 99
    entry = ffi.new("uint32_t[2]")
    got = [lib.virtqueue_get_buf(ring.driver, entry, entry + 1) for _ in range(4)]
    ring.used.ring[0].id = 0
    assert [*got, lib.virtqueue_get_buf(ring.driver, entry, entry + 1)] == [-errno.EIO] + [-errno.EAGAIN] * 4
