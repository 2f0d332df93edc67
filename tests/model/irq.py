"""Interrupt moderation as ethtool(8) words it, for a driver that is told once and then polls.

An interrupt is due ``usecs`` after the first frame the driver waits for, or when ``frames`` have come, whichever is
first; both 0: at once. A driver that masked, or that took everything meanwhile, is not interrupted for that any more.
"""


class Moderation:
    def __init__(self, usecs: int, frames: int) -> None:
        self.usecs, self.frames = usecs, frames
        self.waits = True  # the driver polled everything, and sleeps
        self.wants = False  # and something has come since
        self.first: int | None = None  # when; the timer runs
        self.count = 0
        self.delays: list[int] = []  # of interrupts, ns

    @property
    def deadline(self) -> int | None:
        return None if self.first is None or not self.usecs else self.first + self.usecs * 1000

    def written(self, now: int, frames: int) -> None:
        if self.waits:
            self.waits, self.wants = False, True
            if self.first is None:
                self.first, self.count = now, 0
        if self.first is None:
            return
        self.count += frames
        if (self.frames and self.count >= self.frames) or not (self.frames or self.usecs):
            self.fire(now)

    def fire(self, now: int) -> None:
        if self.wants:
            self.delays.append(now - self.first)
        self.wants, self.first = False, None

    def mask(self) -> None:
        self.waits = self.wants = False

    def poll(self) -> None:
        """Mask, take everything, unmask."""
        self.waits, self.wants = True, False
