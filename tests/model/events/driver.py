"""A receive queue: its ring and moderation as the card sees them, and the driver's interrupt and poll."""

from collections import Counter, deque
from typing import TYPE_CHECKING

from model.events.cpu import QUEUE, WATCHDOG, Hardirq
from model.events.machine import Frame
from model.events.napi import Napi
from model.events.task import Run, Task
from model.irq import Moderation

if TYPE_CHECKING:
    from model.events.world import World


class Queue(Napi):
    """The queue is its NAPI."""

    def __init__(self, world: "World", index: int) -> None:
        m = world.machine
        super().__init__(self.poll, m.weight)
        self.world, self.machine, self.index = world, m, index
        self.cpu = world.cpus[index % len(world.cpus)]
        self.irq = Moderation(m.rx_usecs, m.rx_frames, m.rx_usecs_irq, m.rx_frames_irq)
        self.masked = self.in_busy_poll = False
        self.ring: deque[Frame] = deque()
        self.descriptors = m.rx_ring  # that are free for the driver to post
        self.pool = m.rx_pool  # buffers that the driver has
        self.posted = 0
        self.count: Counter[str] = Counter()
        self.rx_list: list[Frame] = []  # GRO's
        self.deferrals = 0
        self.timer: Hardirq | None = None
        if m.threaded:
            self.thread = Task(self.cpu, f"napi{index}", self.threaded_poll)
        self.post()

    def buffers(self, frame: Frame) -> int:
        return -(-frame.length // self.machine.rx_buf_len)

    # ---- the card's side ----

    def written(self, frame: Frame, now: int) -> None:
        """The DMA has ended."""
        self.ring.append(frame)
        self.count["packets"] += 1
        if self.masked:
            frame.stamp["seen"] = now
        raised = len(self.irq.delays)
        self.irq.written(now, 1)
        self.interrupt(now, raised, "interrupts_by_frames")

    def timer_expired(self, now: int) -> None:
        raised = len(self.irq.delays)
        self.irq.fire(now)
        self.interrupt(now, raised, "interrupts_by_usecs")

    def starve(self, now: int) -> None:
        """No frame can come without a buffer: do not wait for more."""
        raised = len(self.irq.delays)
        self.irq.starve(now)
        self.interrupt(now, raised, "by_starving")

    def interrupt(self, now: int, raised: int, why: str) -> None:
        if len(self.irq.delays) > raised:
            self.count["interrupts"] += 1
            self.count[why] += 1
            self.cpu.raise_hardirq(now, QUEUE, self.index, self.handler)

    # ---- the driver's ----

    def mask(self) -> None:
        self.irq.mask()
        self.masked = True
        for frame in self.ring:
            frame.stamp.setdefault("seen", self.cpu.now)

    def handler(self) -> Run:
        self.mask()
        if self.schedule_prep():
            yield from self.cpu.napi_schedule(self)

    def poll(self, weight: int) -> Run:
        cpu, work = self.cpu, 0
        yield from cpu.charge("POLL")
        if self.ring:
            yield from cpu.first_packet()
        while self.ring and work < weight:
            frame = self.ring.popleft()
            frame.stamp.setdefault("seen", cpu.now)
            frame.stamp["taken"] = cpu.now
            self.descriptors += self.buffers(frame)
            if self.buffers(frame) > 1:
                yield from cpu.charge("RX_BUF", self.buffers(frame) - 1)
            yield from cpu.charge("RX")
            frame.stamp["gro"] = cpu.now
            yield from cpu.charge("GRO")
            self.rx_list.append(frame)
            if len(self.rx_list) >= self.machine.gro_normal_batch:
                yield from self.flush()
            work += 1
        self.post()
        if work < weight and (yield from self.complete_done(work)):
            self.irq.poll()
            self.masked = False
            if self.ring:
                yield from self.handler()
        return work

    def post(self) -> None:
        """Post all buffers there are room for, and ring the doorbell."""
        n = min(self.descriptors, self.pool)
        self.descriptors -= n
        self.pool -= n
        self.posted += n
        if n and self.world.card:
            self.world.card.ring_doorbell()

    def free(self, frame: Frame) -> None:
        self.pool += self.buffers(frame)

    def flush(self) -> Run:
        """gro_normal_list(): the packets go up one after the other."""
        packets, self.rx_list = self.rx_list, []
        for frame in packets:
            yield from self.cpu.netif_receive_skb(frame)

    def complete_done(self, work: int) -> Run:
        """napi_complete_done(). GRO holds no UDP. Return: the driver may unmask its interrupt."""
        if self.in_busy_poll:
            return False
        timeout, unmask = 0, True
        if work:
            self.deferrals = self.machine.napi_defer_hard_irqs
        if self.deferrals:
            self.deferrals -= 1
            timeout = self.machine.gro_flush_timeout
            unmask = not timeout
        yield from self.flush()
        if self.missed:
            self.missed = False
            yield from self.cpu.napi_schedule(self)
            return False
        self.scheduled = False
        if timeout:
            if self.timer:
                self.cpu.cancel(self.timer)
            self.timer = self.cpu.raise_hardirq(self.cpu.now + timeout, WATCHDOG, self.index, self.watchdog)
        return unmask

    def watchdog(self) -> Run:
        """napi_watchdog(): it never leaves a missed request."""
        self.timer = None
        if not self.scheduled:
            self.scheduled = True
            yield from self.cpu.napi_schedule(self)

    def threaded_poll(self) -> Run:
        """The task of a threaded NAPI: softirqs are off during a poll, and run when it ends."""
        cpu = self.cpu
        while self.scheduled:
            self.in_busy_poll = self.machine.threaded == "busy-poll"
            cpu.bh_off += 1
            cpu.in_threaded_poll = True
            _, more = yield from cpu.napi_poll(self)
            cpu.in_threaded_poll = False
            yield from cpu.send_ipis()
            if self.in_busy_poll and not more:
                yield from self.flush()
            cpu.bh_off -= 1
            if cpu.softirq_pending:
                yield from cpu.do_softirq("softirq")
            if (more or self.scheduled) and cpu.slice_is_over():
                return False
        return True
