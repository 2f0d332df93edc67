"""NAPI in plain Python, as far as it decides when packets go up and when the card may interrupt.

Work takes no time here. Every frame is a flow of its own, so GRO holds it and merges nothing.
"""

import heapq


def poll_order(work: dict[str, list[int]], *, weight: int, budget: int) -> list[list[str]]:
    """Who is polled, by run of net_rx_action, if each reports this much work poll by poll."""
    left = {name: list(some) for name, some in work.items()}
    line, runs = list(work), []
    while line:
        polled, again, remaining = [], [], budget
        while line:
            name = line.pop(0)
            done = left[name].pop(0) if left[name] else 0
            polled.append(name)
            if done == weight:
                again.append(name)
            remaining -= done
            if remaining <= 0:
                break
        line += again
        runs.append(polled)
    return runs


class Napi:
    """``delivered``: (when, frame); ``interrupts``: when."""

    def __init__(self, *, flush_timeout: int, defer: int, jiffy: int, held_max: int = 8) -> None:
        self.flush_timeout, self.defer, self.jiffy, self.held_max = (
            flush_timeout, defer, jiffy, held_max)  # fmt: skip
        self.ring: list[int] = []
        self.held: list[tuple[int, int]] = []
        self.masked, self.deferrals, self.timer = False, 0, None
        self.delivered: list[tuple[int, int]] = []
        self.interrupts: list[int] = []

    def deliver(self, now: int) -> None:
        self.delivered.append((now, self.held.pop(0)[1]))

    def poll(self, now: int) -> None:
        work, self.ring = self.ring, []
        for frame in work:
            if len(self.held) == self.held_max:
                self.deliver(now)
            self.held.append((now // self.jiffy, frame))
        timeout = 0
        if work:
            timeout, self.deferrals = self.flush_timeout, self.defer
        self.masked = False
        if self.deferrals:
            self.deferrals -= 1
            timeout = self.flush_timeout
            self.masked = timeout > 0
        while self.held and (not timeout or self.held[0][0] != now // self.jiffy):
            self.deliver(now)
        if timeout:
            self.timer = now + timeout

    def run(self, arrivals: list[int]) -> None:
        """Frame i arrives at arrivals[i], no two at once."""
        events = [(t, i) for i, t in enumerate(arrivals)]
        heapq.heapify(events)
        while events or self.timer is not None:
            if self.timer is not None and (not events or self.timer < events[0][0]):
                now, self.timer = self.timer, None
                self.poll(now)
                continue
            now, frame = heapq.heappop(events)
            self.ring.append(frame)
            if not self.masked:
                self.interrupts.append(now)
                self.poll(now)
