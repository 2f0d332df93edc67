"""A card, its ring, its interrupt and the driver's NAPI together, made of their models. Work takes no time.

The CPU may be stalled: then frames pile up, in the ring, then in the FIFO, then they are lost; and it may be let run.
"""

from collections import deque

from model.irq import Moderation
from model.virtqueue import Virtqueue

FRAME = 60


class Card:
    def __init__(self, *, ring: int, fifo: int, usecs: int, frames: int) -> None:
        self.vq, self.irq = Virtqueue(ring), Moderation(usecs, frames)
        self.room = fifo // FRAME
        self.fifo: deque[int] = deque()
        self.now = self.lost = self.waited = 0
        self.got: list[int] = []
        self.answered = 0  # interrupts that the CPU has served
        self.starved = False
        for buffer in range(ring):
            self.vq.add(buffer)
        self.vq.kick()

    @property
    def interrupts(self) -> int:
        return len(self.irq.delays)

    def drain(self) -> None:
        """FIFO to ring, as far as there are buffers. Each frame is one buffer, and is published by itself."""
        while self.fifo:
            if not self.vq.look(1):
                self.vq.sleep()
                self.waited += not self.starved
                self.starved = True
                return
            self.starved = False
            self.vq.fetch()
            self.vq.write(0, self.fifo.popleft())
            self.vq.publish()
            self.irq.written(self.now, 1)

    def arrive(self, frame: int) -> None:
        if len(self.fifo) == self.room:
            self.lost += 1
            return
        self.fifo.append(frame)
        if not self.starved:
            self.drain()

    def poll(self) -> None:
        """The interrupt is served: all is taken, also what comes from the FIFO into the buffers that are free again."""
        self.irq.mask()
        self.vq.mask()
        while self.vq.used:
            while (entry := self.vq.take()) is not None:
                self.got.append(entry[1])
                self.vq.add(entry[0])
            if self.vq.kick() or self.starved:
                self.starved = False
                self.drain()
        self.vq.unmask()
        self.irq.poll()

    def advance(self, to: int, *, stalled: bool) -> None:
        while True:
            if not stalled and self.interrupts > self.answered:
                self.answered = self.interrupts
                self.poll()
            deadline = self.irq.deadline
            if deadline is None or deadline > to:
                break
            self.now = max(self.now, deadline)
            self.irq.fire(self.now)
        self.now = max(self.now, to)
