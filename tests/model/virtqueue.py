"""A virtqueue as the standard means it: buffers go round, in order; who asked to be told is told, who did not is not.

No indices here, no memory: four queues that a buffer passes, and two flags. virtio 1.2, sections 2.7.6 to 2.7.10.
"""

from collections import deque


class Virtqueue:
    def __init__(self, size: int) -> None:
        self.free = size
        self.added: deque[int] = deque()  # by the driver, not visible yet
        self.posted: deque[int] = deque()  # visible to the device
        self.held: list[int] = []  # taken by the device
        self.written: deque[tuple[int, int]] = deque()  # (buffer, length), not visible yet
        self.used: deque[tuple[int, int]] = deque()  # visible to the driver
        self.known = 0  # of the posted ones, how many the device has seen
        self.device_waits = False  # for a kick
        self.driver_waits = False  # for an interrupt

    # the driver

    def add(self, buffer: int) -> bool:
        if not self.free:
            return False
        self.free -= 1
        self.added.append(buffer)
        return True

    def kick(self) -> bool:
        """Make what was added visible. True: the device waited for that."""
        wanted = bool(self.added) and self.device_waits
        if self.added:
            self.device_waits = False
        self.posted += self.added
        self.added.clear()
        return wanted

    def take(self) -> tuple[int, int] | None:
        if not self.used:
            return None
        self.free += 1
        return self.used.popleft()

    def mask(self) -> None:
        self.driver_waits = False

    def unmask(self) -> bool:
        """True: there is something already, so nothing will be told."""
        self.driver_waits = not self.used
        return bool(self.used)

    # the device

    def look(self, want: int) -> int:
        if self.known < want:
            self.known = len(self.posted)
        return self.known

    def fetch(self) -> int:
        self.look(1)
        self.known -= 1
        self.held.append(self.posted.popleft())
        return self.held[-1]

    def write(self, which: int, length: int) -> int:
        buffer = self.held.pop(which % len(self.held))
        self.written.append((buffer, length))
        return buffer

    def publish(self) -> bool:
        """Make what was written visible. True: the driver waited for that."""
        wanted = bool(self.written) and self.driver_waits
        if self.written:
            self.driver_waits = False
        self.used += self.written
        self.written.clear()
        return wanted

    def sleep(self) -> bool:
        """Ask to be kicked for more than is known. True: there is more already."""
        self.device_waits = self.known == len(self.posted)
        self.known = len(self.posted)
        return not self.device_waits
