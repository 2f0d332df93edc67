"""Interrupt moderation as ethtool(8) words it, for a driver that is told once and then polls.

An interrupt is due ``usecs`` after the first frame the driver waits for, or when ``frames`` have come, whichever is
first; both 0: at once. A driver that masked, or that took everything meanwhile, is not interrupted for that any more.
Frames that come while an interrupt is serviced do not interrupt, but the first of them starts the ``_irq`` pair, if
that has a time: until it is over, there is no interrupt for what comes after the servicing either. A card that has no
buffer for the next frame (``starve``) does not wait for more.
"""


class Moderation:
    def __init__(self, usecs: int, frames: int, usecs_irq: int = 0, frames_irq: int = 0) -> None:
        self.pair, self.pair_irq = (usecs, frames), (usecs_irq, frames_irq)
        self.waits = True  # the driver polled everything, and sleeps
        self.wants = False  # and something has come since
        self.began: int | None = None  # when the timer was started
        self.by = self.pair  # and which pair counts
        self.first: int | None = None  # when the first came that the driver waited for
        self.count = 0
        self.delays: list[int] = []  # of interrupts, ns

    @property
    def deadline(self) -> int | None:
        return None if self.began is None or not self.by[0] else self.began + self.by[0] * 1000

    def written(self, now: int, frames: int) -> None:
        if self.began is None and (self.waits or self.pair_irq[0]):
            self.began, self.first, self.count = now, None, 0
            self.by = self.pair if self.waits else self.pair_irq
        if self.waits:
            self.waits, self.wants = False, True
            self.first = now if self.first is None else self.first
        if self.began is None:
            return
        self.count += frames
        usecs, enough = self.by
        if (enough and self.count >= enough) or not (enough or usecs):
            self.fire(now)

    def fire(self, now: int) -> None:
        if self.wants:
            self.delays.append(now - self.first)
        self.wants, self.began = False, None

    def starve(self, now: int) -> None:
        if self.began is not None and self.deadline is None:
            self.fire(now)

    def mask(self) -> None:
        self.waits = self.wants = False

    def poll(self) -> None:
        """Mask, take everything, unmask."""
        self.waits, self.wants = True, False
