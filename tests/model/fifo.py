"""The card's packet memory: bytes in a box, in order. A frame takes at least the 60 bytes it has on a wire."""

from collections import deque


class Fifo:
    def __init__(self, size: int) -> None:
        self.size, self.peak, self.lengths = size, 0, deque()

    @property
    def bytes(self) -> int:
        return sum(max(n, 60) for n in self.lengths)

    def push(self, length: int) -> bool:
        if self.bytes + max(length, 60) > self.size:
            return False
        self.lengths.append(length)
        self.peak = max(self.peak, self.bytes)
        return True

    def pop(self) -> int:
        return self.lengths.popleft()
