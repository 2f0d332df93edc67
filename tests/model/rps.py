"""Backlogs in plain Python: who may queue, who is dropped, in which order they are taken."""

from collections import deque


def cpu_of(flow_hash: int, cpus: list[int]) -> int:
    """The hash as a fraction of 2**32, of the list."""
    return cpus[flow_hash * len(cpus) >> 32]


class Backlog:
    """One target CPU. It takes the whole input queue when it has worked off the last one."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.input: deque[int] = deque()
        self.process: deque[int] = deque()
        self.done: list[int] = []
        self.dropped: list[int] = []

    def enqueue(self, packet: int) -> None:
        if len(self.input) > self.limit:
            self.dropped.append(packet)
        else:
            self.input.append(packet)

    def take(self) -> None:
        """One packet, if there is any."""
        if not self.process:
            self.process, self.input = self.input, deque()
        if self.process:
            self.done.append(self.process.popleft())
