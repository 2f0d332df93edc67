"""Interrupts: when they are raised, when they are not, and how late they are."""

import errno

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.irq import Moderation

import vnic
from vnic._core import ffi, lib

US = 1000


class Queue:
    """Queue 0 of a card and its driver's half, stepped by hand: no CPU takes the interrupts."""

    def __init__(self, host, index: int = 0) -> None:
        self.nic, self.q = host.machine.c.nic, ffi.addressof(host.machine.c.nic.queue[index])
        self.vq, self.driver = ffi.addressof(self.q.vq), ffi.addressof(host.machine.c.dq[index].vq)
        self.entry = ffi.new("uint32_t[2]")

    @property
    def irq(self):
        return self.q.irq

    def advance(self, to: int) -> None:
        """Let the timers run that are due."""
        while self.nic.irq_next <= to:
            lib.irq_timers(ffi.addressof(self.nic), self.nic.irq_next)

    def write(self, now: int, n: int, buffers: int = 1) -> None:
        """The card finished n frames, each in so many buffers."""
        for _ in range(n * buffers):
            assert lib.virtqueue_avail(self.vq, 1) > 0
            lib.virtqueue_fill_used(self.vq, self.vq.avail.ring[self.vq.last_avail % self.vq.size], 60)
            self.vq.last_avail = (self.vq.last_avail + 1) % 65536
        lib.irq_complete(self.q, n, lib.virtqueue_publish(self.vq), now)

    def mask(self) -> None:
        lib.virtqueue_disable_cb(self.driver)

    def take(self, limit: int = 1 << 16) -> int:
        """Take used buffers and post them again."""
        for n in range(limit):
            if (buf := lib.virtqueue_get_buf(self.driver, self.entry, self.entry + 1)) == -errno.EAGAIN:
                lib.virtqueue_kick_prepare(self.driver)
                return n
            lib.virtqueue_add_inbuf(self.driver, 0, 0, buf)
        return limit

    def poll(self) -> None:
        """As napi does with enough budget."""
        self.mask()
        self.take()
        assert lib.virtqueue_enable_cb(self.driver) == 0

    def do(self, now: int, what: str) -> None:
        """ "3 frames", "1 wide frame" (in three buffers), "mask", "poll", "take 2", "unmask", or "-": time passes."""
        self.advance(now - 1)
        n, _, word = what.partition(" ")
        if n.isdigit():
            self.write(now, int(n), 3 if "wide" in word else 1)
        elif n == "take":
            self.take(int(word))
        elif n == "unmask":
            lib.virtqueue_enable_cb(self.driver)
        elif n == "starve":
            lib.irq_starved(self.q, now)
        elif n != "-":
            getattr(self, n)()
        self.advance(now)


TABLES = {  # knobs, [(t_us, event, interrupts so far)]
    "immediately": ((0, 1), [
        (0, "1 frame", 1), (1, "poll", 1), (2, "1 frame", 2), (3, "poll", 2), (4, "3 frames", 3),
    ]),
    "told once until it has polled": ((0, 1), [
        (0, "1 frame", 1), (1, "1 frame", 1), (9, "1 frame", 1), (10, "poll", 1), (11, "1 frame", 2),
    ]),
    "rx-usecs": ((50, 0), [
        (0, "1 frame", 0), (30, "5 frames", 0), (49, "-", 0), (50, "-", 1), (60, "poll", 1), (70, "1 frame", 1),
        (119, "-", 1), (120, "-", 2),
    ]),
    "rx-frames": ((0, 3), [
        (0, "1 frame", 0), (5000, "1 frame", 0), (9000, "1 frame", 1), (9001, "poll", 1), (9002, "5 frames", 2),
    ]),
    "whichever comes first": ((50, 3), [
        (0, "2 frames", 0), (10, "1 frame", 1), (20, "poll", 1), (30, "2 frames", 1), (79, "-", 1), (80, "-", 2),
    ]),
    "a frame in three buffers is one frame": ((0, 2), [(0, "1 wide frame", 0), (1, "1 wide frame", 1)]),
    "a frame in three buffers, at once": ((0, 1), [(0, "1 wide frame", 1), (1, "poll", 1), (2, "1 wide frame", 2)]),
    "masked for good": ((0, 1), [(0, "mask", 0), *((t, "2 frames", 0) for t in range(1, 100))]),
    "masked for good, with a timer": ((20, 4), [(0, "mask", 0), *((t, "1 frame", 0) for t in range(1, 200))]),
    "polled while the timer ran": ((50, 0), [
        (0, "1 frame", 0), (20, "poll", 0), (50, "-", 0), (90, "-", 0), (100, "1 frame", 0), (149, "-", 0),
        (150, "-", 1),
    ]),
    "polled in parts while the timer ran": ((50, 0), [
        (0, "4 frames", 0), (10, "mask", 0), (20, "take 2", 0), (30, "mask", 0), (50, "-", 0), (60, "poll", 0),
        (61, "1 frame", 0), (111, "-", 1),
    ]),
    "masked while the timer ran, one frame later": ((50, 0), [
        (0, "1 frame", 0), (10, "mask", 0), (11, "take 1", 0), (12, "mask", 0), (20, "1 frame", 0), (50, "-", 0),
    ]),
    "more came after the poll: the timer that runs serves": ((50, 0), [
        (0, "1 frame", 0), (20, "poll", 0), (30, "1 frame", 0), (50, "-", 1),
    ]),
    "serviced, then the other pair: what comes in 50 us from there on is one interrupt": ((0, 1, 50, 0), [
        (0, "1 frame", 1), (2, "1 frame", 1), (3, "poll", 1), (10, "1 frame", 1), (40, "1 frame", 1), (51, "-", 1),
        (52, "-", 2),
    ]),
    "serviced, and idle after that: the first pair again": ((0, 1, 50, 0), [
        (0, "1 frame", 1), (2, "1 frame", 1), (3, "poll", 1), (52, "-", 1), (60, "1 frame", 2),
    ]),
    "nothing came while it was serviced: the first pair": ((0, 1, 50, 0), [
        (0, "1 frame", 1), (3, "poll", 1), (10, "1 frame", 2),
    ]),
    "serviced, by the count: it is for as long as that, the next frame is the first pair's": ((0, 1, 0, 4), [
        (0, "1 frame", 1), (1, "2 frames", 1), (3, "poll", 1), (10, "1 frame", 2), (11, "poll", 2), (20, "1 frame", 3),
    ]),
    "the same with a timer of the first pair's": ((50, 0, 0, 4), [
        (0, "1 frame", 0), (50, "-", 1), (51, "2 frames", 1), (53, "poll", 1), (60, "1 frame", 1), (110, "-", 2),
    ]),
    "serviced, whichever comes first": ((0, 1, 50, 4), [
        (0, "1 frame", 1), (1, "2 frames", 1), (3, "poll", 1), (10, "2 frames", 2), (11, "1 frame", 2), (12, "poll", 2),
        (13, "1 frame", 2), (60, "-", 2), (61, "-", 3),
    ]),
    "serviced for longer than the timer: the next frame starts it again": ((0, 1, 50, 0), [
        (0, "1 frame", 1), (2, "1 frame", 1), (52, "-", 1), (60, "1 frame", 1), (70, "poll", 1), (80, "1 frame", 1),
        (109, "-", 1), (110, "-", 2),
    ]),
    "masked for good, with both pairs": ((20, 4, 10, 2), [(0, "mask", 0), *((t, "1 frame", 0) for t in range(1, 200))]),
    "the timer of the first pair ends by the first pair": ((50, 0, 5, 1), [
        (0, "1 frame", 0), (10, "mask", 0), (11, "3 frames", 0), (20, "poll", 0), (30, "1 frame", 0), (50, "-", 1),
    ]),
    "the frame that completes the count was polled before": ((0, 2), [
        (0, "1 frame", 0), (1, "poll", 0), (2, "mask", 0), (3, "1 frame", 0),
    ]),
}  # fmt: skip


def run(queue, rows):
    got = []
    for t, what, _ in rows:
        queue.do(t * US, what)
        got.append((t, what, queue.irq.raised))
    return got


def moderation(*values):
    return dict(zip(("rx_usecs", "rx_frames", "rx_usecs_irq", "rx_frames_irq"), values, strict=False))


@pytest.mark.parametrize("knobs, rows", TABLES.values(), ids=TABLES)
def test_moderation_moment_by_moment(host, knobs, rows):
    assert run(Queue(host(**moderation(*knobs))), rows) == rows


FLAGS = {
    "told each time until it masks": ((0, 1), [
        (0, "1 frame", 1), (1, "1 frame", 2), (2, "mask", 2), (3, "1 frame", 2), (4, "poll", 2), (5, "1 frame", 3),
    ]),
    "masked while the timer ran": ((50, 0), [
        (0, "1 frame", 0), (10, "mask", 0), (50, "-", 0), (60, "1 frame", 0), (200, "-", 0),
    ]),
    "serviced: it may have unmasked, but took all": ((0, 1, 50, 0), [
        (0, "1 frame", 1), (1, "mask", 1), (2, "1 frame", 1), (3, "poll", 1), (52, "-", 1), (53, "1 frame", 2),
    ]),
    "serviced, and more came then": ((0, 1, 50, 0), [
        (0, "1 frame", 1), (1, "mask", 1), (2, "1 frame", 1), (3, "poll", 1), (9, "1 frame", 1), (51, "-", 1),
        (52, "-", 2),
    ]),
    "by the count": ((0, 2), [(0, "1 wide frame", 0), (1, "1 wide frame", 1), (2, "mask", 1), (3, "4 frames", 1)]),
}  # fmt: skip


@pytest.mark.parametrize("knobs, rows", FLAGS.values(), ids=FLAGS)
def test_moderation_for_a_driver_without_event_index(host, knobs, rows):
    queue = Queue(host(**moderation(*knobs)))
    queue.vq.event_idx = queue.driver.event_idx = 0
    assert run(queue, rows) == rows


EVENTS = st.sampled_from(
    ["1 frame", "1 frame", "2 frames", "5 frames", "1 wide frame", "poll", "poll", "mask", "starve", "-"]
)


@given(
    st.sampled_from([(0, 1), (0, 2), (0, 5), (10, 0), (10, 1), (10, 3), (40, 8), (3, 0)]),
    st.sampled_from([(0, 0), (0, 0), (0, 1), (0, 7), (30, 0), (30, 7), (5, 2)]),
    st.lists(st.tuples(st.integers(0, 25), EVENTS), max_size=40),
)
def test_any_schedule_gives_the_models_interrupts(knobs, serviced, schedule):
    knobs += serviced
    with vnic.Host(cost="zero", **moderation(*knobs), rx_ring=512, rx_pool=1024, sockets=16) as host:
        queue, model, now = Queue(host), Moderation(*knobs), 0
        for gap, what in schedule:
            now += gap * US
            while model.deadline is not None and model.deadline < now:
                model.fire(model.deadline)
            n = what.split()[0]
            if n.isdigit():
                model.written(now, int(n))
            elif n == "starve":
                model.starve(now)
            elif n != "-":
                getattr(model, n)()
            while model.deadline is not None and model.deadline <= now:
                model.fire(model.deadline)
            queue.do(now, what)
            irq = queue.irq
            assert queue.nic.irq_next == (model.deadline or 2**64 - 1)
            assert (irq.raised, irq.delay_sum_ns) == (len(model.delays), sum(model.delays))
            assert irq.delay_max_ns == max(model.delays, default=0)
            assert irq.by_usecs + irq.by_frames == irq.raised


def test_the_delay_is_from_the_first_frame_to_the_interrupt(host):
    queue = Queue(host(rx_usecs=50, rx_frames=3))
    for t, what in [(0, "1 frame"), (30, "1 frame"), (60, "poll"), (100, "1 frame"), (110, "2 frames")]:
        queue.do(t * US, what)
    assert (queue.irq.by_usecs, queue.irq.by_frames) == (1, 1)
    assert (queue.irq.delay_sum_ns, queue.irq.delay_max_ns) == (60 * US, 50 * US)


@pytest.mark.parametrize("frames_irq", [0, 2, 7])
def test_frames_without_a_time_wait_for_the_nth(host, frames_irq):
    """As docs/linux.md says, for ever; the other pair is no matter."""
    queue = Queue(host(rx_usecs=0, rx_frames=3, rx_frames_irq=frames_irq))
    for at in (0, 1, 10**9):
        assert queue.irq.raised == 0
        queue.write(at, 1)
        assert queue.nic.irq_next == 2**64 - 1
    assert queue.irq.raised == 1
    queue.mask()
    queue.write(10**9 + 1, 1)
    queue.poll()
    queue.write(2 * 10**9, 2)
    assert queue.irq.raised == 1
    queue.write(3 * 10**9, 1)
    assert queue.irq.raised == 2


def test_what_was_polled_counts_no_more_when_the_other_pair_is_taken_away(host):
    queue = Queue(host(rx_usecs=0, rx_frames=3, rx_usecs_irq=50))
    for now, what in [(0, "3 frames"), (1, "mask"), (2, "2 frames")]:
        queue.do(now * US, what)
    queue.irq.rx_usecs_irq = 0
    lib.irq_replan(queue.q)
    for now, what, raised in [(3, "poll", 1), (4, "2 frames", 1), (90, "-", 1), (91, "1 frame", 2)]:
        queue.do(now * US, what)
        assert queue.irq.raised == raised


def test_every_queue_has_a_timer_of_its_own(host):
    h = host(queues=3, rx_usecs=50, rx_frames=0)
    queues = [Queue(h, i) for i in range(3)]
    for i, t in enumerate([20, 0, 10]):
        queues[i].write(t * US, 1)
    for at, raised in [(50, [0, 1, 0]), (60, [0, 1, 1]), (70, [1, 1, 1])]:
        assert h.machine.c.nic.irq_next == at * US
        lib.irq_timers(ffi.addressof(h.machine.c.nic), at * US - 1)
        assert h.machine.c.nic.irq_next == at * US
        lib.irq_timers(ffi.addressof(h.machine.c.nic), at * US)
        assert [q.irq.raised for q in queues] == raised
    assert h.machine.c.nic.irq_next == 2**64 - 1


@pytest.mark.parametrize("usecs, gap_us, n", [(50, 10, 100), (50, 7, 64), (100, 1, 1000), (5, 10, 20), (33, 33, 40)])
def test_regular_arrivals_have_a_closed_form(host, usecs, gap_us, n):
    """Free work, a frame every gap: an interrupt takes what came in usecs since the first, that instant's included."""
    h = host(rx_usecs=usecs, rx_frames=0, rcvbuf=1 << 24)
    sock = h.udp(5000)
    h.feed([frames.udp()] * n, at_ns=0, gap_ns=gap_us * US)
    h.run()
    per_interrupt = usecs // gap_us + 1
    queue = h.nic.queues()[0]
    assert queue.interrupts == queue.interrupts_by_usecs == -(-n // per_interrupt)
    assert queue.moderation_delay_ns == queue.interrupts * usecs * US
    assert queue.moderation_delay_ns_max == usecs * US
    assert [sock.recv() for _ in range(n)] == [b"x" * 18] * n


@pytest.mark.parametrize("rx_frames", [1, 2, 5])
def test_by_frames_it_takes_that_many(host, rx_frames):
    h = host(rx_usecs=0, rx_frames=rx_frames)
    h.udp(5000)
    h.feed([frames.udp()] * 20, at_ns=0, gap_ns=100 * US)
    h.run()
    queue = h.nic.queues()[0]
    assert queue.interrupts == queue.interrupts_by_frames == 20 // rx_frames
    assert queue.moderation_delay_ns_max == (rx_frames - 1) * 100 * US


@pytest.mark.parametrize("gap_us, fewer", [(20, False), (1, True)])
def test_the_irq_pair_moderates_a_busy_queue_only(gap_us, fewer):
    """Immediately when idle; frames that come faster than they are serviced wait for each other."""
    found = {}
    for usecs_irq in (0, 50):
        with vnic.Host(rx_usecs_irq=usecs_irq, sink=True, rcvbuf=1 << 24, fifo=1 << 20) as h:
            h.feed([frames.udp()] * 2000, at_ns=0, gap_ns=gap_us * US)
            h.run()
            assert h.ledger().delivered == 2000
            found[usecs_irq] = h.nic.queues()[0]
    assert found[0].moderation_delay_ns_max == 0
    if fewer:
        assert found[50].interrupts < found[0].interrupts / 3
        assert found[50].moderation_delay_ns_max <= 50 * US
    else:
        assert found[50] == found[0]


def test_a_knob_that_would_never_interrupt_is_refused():
    with pytest.raises(vnic.ConfigError, match="never be an interrupt"):
        vnic.Host(rx_usecs=0, rx_frames=0)


def test_a_foreign_driver_without_an_eventfd_polls(host):
    """Bug: the card called the CPU of a driver that was not there."""
    h = host(external_driver=True)
    irq = ffi.addressof(h.machine.c.nic.queue[0])
    h.machine.c.nic.config.device_status = lib.VIRTIO_S_DRIVER_OK
    h.machine.c.nic.config.driver_features = h.machine.c.nic.config.device_features
    h.nic.driver_ok()
    lib.virtqueue_fill_used(ffi.addressof(irq.vq), 0, 0)
    lib.irq_complete(irq, 1, lib.virtqueue_publish(ffi.addressof(irq.vq)), 0)
    assert irq.irq.raised == 1


@pytest.mark.parametrize(
    "given, asked",
    [
        ({}, (0, 1)),
        ({"rx_usecs": 50}, (50, 0)),  # a time alone: the default count of 1 would always win
        ({"rx_usecs": 50, "rx_frames": 1}, (50, 1)),
        ({"rx_usecs": 0}, (0, 1)),
        ({"rx_frames": 8}, (0, 8)),
    ],
)
def test_rx_usecs_given_alone_is_what_counts(host, given, asked):
    irq = host(**given).machine.c.nic.queue[0].irq
    assert (irq.rx_usecs, irq.rx_frames) == asked
