"""The card: a wire, a FIFO of bytes, one DMA engine, and each queue's interrupt moderation.

Events of one instant: a DMA that ends, a doorbell, a frame that arrives, a moderation timer.
"""

from collections import deque
from typing import TYPE_CHECKING

from model.events.machine import NEVER, Frame

if TYPE_CHECKING:
    from model.events.world import World


class Card:
    def __init__(self, world: "World", frames: list[Frame]) -> None:
        self.world, self.frames = world, frames
        self.machine = world.machine
        self.queues = world.queues
        cost = self.machine.cost
        self.dma_ns, self.dma_ps = cost.get("DMA", 0), cost.get("DMA_PS", 0)
        self.fifo: deque[Frame] = deque()
        self.bytes = 0  # in the FIFO. A frame leaves it when its DMA ends
        self.busy = False
        self.starved = False
        self.arrived = 0
        self.dma_end = self.doorbell = NEVER
        self.rx_fifo_errors = 0
        self.plan()

    def plan(self) -> None:
        """Set ``next``, the instant of the card's next event."""
        arrival = self.frames[self.arrived].at if self.arrived < len(self.frames) else NEVER
        self.next = min(self.dma_end, self.doorbell, arrival)
        for queue in self.queues:
            if (deadline := queue.irq.deadline) is not None and deadline < self.next:
                self.next = deadline

    def act(self) -> None:
        now = self.world.now
        if self.dma_end == now:
            self.write_back(now)
        elif self.doorbell == now:
            self.doorbell = NEVER
            self.fetch(now)
        elif self.arrived < len(self.frames) and self.frames[self.arrived].at == now:
            self.arrive(self.frames[self.arrived], now)
        else:
            queue = next(queue for queue in self.queues if queue.irq.deadline == now)
            queue.timer_expired(now)
        self.plan()

    def ring_doorbell(self) -> None:
        """The driver has posted buffers."""
        self.doorbell = self.next = self.world.now

    def arrive(self, frame: Frame, now: int) -> None:
        self.arrived += 1
        frame.stamp["wire"] = now
        size = max(frame.length, 60)
        if self.bytes + size > self.machine.fifo:
            frame.fate = "FIFO_OVERRUN"
            self.rx_fifo_errors += 1
            return
        self.bytes += size
        self.fifo.append(frame)
        self.fetch(now)

    def fetch(self, now: int) -> None:
        """Begin the DMA of the FIFO's head. Without a buffer for the head, all behind it wait."""
        while self.fifo and not self.busy:
            frame = self.fifo[0]
            queue = self.queues[frame.queue]
            if queue.posted:
                queue.posted -= 1
                self.busy, self.starved = True, False
                self.dma_end = now + self.dma_ns + frame.length * self.dma_ps // 1000
                return
            queue.count["no_buffer"] += not self.starved
            queue.starve(now)
            if not self.machine.drop_en:
                self.starved = True
                return
            self.leave_fifo()
            frame.fate = "RX_NO_BUFFER"
            self.rx_fifo_errors += 1

    def leave_fifo(self) -> Frame:
        frame = self.fifo.popleft()
        self.bytes -= max(frame.length, 60)
        return frame

    def write_back(self, now: int) -> None:
        """The frame is in the ring, and its queue's moderation hears of it."""
        frame = self.leave_fifo()
        self.busy, self.dma_end = False, NEVER
        frame.stamp["ring"] = now
        self.queues[frame.queue].written(frame, now)
        self.fetch(now)
