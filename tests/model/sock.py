"""A socket's receive queue as Linux accounts it: truesize, taken while what is queued is not over the limit."""

from collections import deque


class ReceiveQueue:
    """Packets of a known truesize."""

    def __init__(self, rcvbuf: int) -> None:
        self.rcvbuf = rcvbuf
        self.queue: deque[tuple[bytes, int]] = deque()
        self.drops = 0

    def put(self, data: bytes, truesize: int) -> None:
        """One may overshoot: the limit is looked at before, not after."""
        if sum(size for _, size in self.queue) > self.rcvbuf:
            self.drops += 1
        else:
            self.queue.append((data, truesize))

    def get(self) -> bytes | None:
        """The oldest, or None."""
        return self.queue.popleft()[0] if self.queue else None
