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
        self.dropped: list[int] = []

    def enqueue(self, packet: int) -> None:
        if len(self.input) > self.limit:
            self.dropped.append(packet)
        else:
            self.input.append(packet)

    def take(self) -> list[int]:
        """One packet, if there is any."""
        if not self.process:
            self.process, self.input = self.input, deque()
        return [self.process.popleft()] if self.process else []


def hash_32(value: int, bits: int) -> int:
    """Multiply by the golden ratio, keep the upper bits."""
    return (value * 0x61C88647 & 0xFFFFFFFF) >> (32 - bits) if bits else 0


class Rfs:
    """Where a flow's packets go: to its reader's CPU, but not before all it had queued elsewhere was taken.

    ``heads`` and ``tails`` are the backlogs' counters. A row is a flow's by its hash.
    """

    def __init__(self, *, cpus: int, flow_log: int, sock_log: int) -> None:
        self.cpus, self.flow_log = cpus, flow_log
        self.readers: list[tuple[int, int] | None] = [None] * (1 << sock_log)
        self.rows: list[list[int] | None] = [None] * (1 << flow_log)
        self.heads, self.tails = [0] * cpus, [0] * cpus
        self.upper = ~((1 << (cpus - 1).bit_length()) - 1)

    def record(self, flow: int, cpu: int) -> None:
        self.readers[flow % len(self.readers)] = (flow & self.upper, cpu)

    def steer(self, flow: int) -> int | None:
        """The CPU of the next packet, which is queued there; None: RFS does not know."""
        reader = self.readers[flow % len(self.readers)]
        if reader is None or reader[0] != flow & self.upper:
            return None
        slot = hash_32(flow, self.flow_log)
        row = self.rows[slot]
        if row is None or (row[0] != reader[1] and self.heads[row[0]] >= row[1]):
            row = self.rows[slot] = [reader[1], self.heads[reader[1]]]
        self.tails[row[0]] += 1
        row[1] = self.tails[row[0]]
        return row[0]

    def take(self, cpu: int, n: int) -> None:
        self.heads[cpu] = min(self.tails[cpu], self.heads[cpu] + n)


class FlowLimit:
    """One CPU's memory of the last 128 packets it enqueued to backlogs that were half full."""

    def __init__(self, table_len: int = 4096) -> None:
        self.log = (table_len - 1).bit_length()
        self.history: deque[int] = deque([0] * 128)
        self.buckets = [0] * (1 << self.log)

    def drops(self, flow: int, qlen: int, max_backlog: int) -> bool:
        if qlen < max_backlog // 2:
            return False
        old, new = self.history.popleft(), hash_32(flow, self.log)
        self.history.append(new)
        self.buckets[old] = max(0, self.buckets[old] - 1)
        self.buckets[new] += 1
        return self.buckets[new] > 64
