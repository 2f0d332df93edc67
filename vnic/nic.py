"""The card, as Python sees it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from vnic import dim
from vnic import stats as stats_
from vnic._core import ffi, lib
from vnic.lifetime import Uncopied
from vnic.wire import MemoryWire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.capture import Capture
    from vnic.host import Host
    from vnic.seam import Handler
    from vnic.wire import Frame


class Nic(Uncopied):
    """``host.nic``: feed it, filter, read its counters; and its shared memory for a driver in another process."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.captures: list[Capture] = []

    @property
    def c(self) -> Any:
        """The ``struct nic``."""
        return self._host.c.nic

    def feed(self, frames: Iterable[Frame] | Frame, *, at_ns: int | None = None, gap_ns: int = 0) -> int:
        """Put frames on the wire. See :meth:`vnic.wire.MemoryWire.feed`."""
        return self._host.feed(frames, at_ns=at_ns, gap_ns=gap_ns)

    def filter(self, handler: Handler) -> Handler:
        """Decorator: a filter in the card, written in Python. It sees bursts of frames; false means: not this one."""
        return self._host.set_filter(handler)

    def sent(self) -> list[tuple[int, bytes]]:
        """What the card sent on a wire in memory since the last call: ``(t_ns, frame)``."""
        self._host.c  # noqa: B018 - is it open?
        return self._host.wire.sent() if isinstance(self._host.wire, MemoryWire) else []

    def stats(self) -> stats_.DeviceStats:
        """rtnl_link_stats64."""
        return stats_.device(self._host.c)

    def queues(self) -> list[stats_.QueueStats]:
        """One snapshot for each receive queue."""
        return [stats_.queue(self._host.c, i) for i in range(self.c.nqueues)]

    def dim(self, queue: int = 0) -> list[dim.Decision]:
        """What adaptive moderation decided for a queue, the latest 256."""
        return dim.decisions(self._host.c, queue)

    def arfs(self) -> stats_.ArfsStats:
        """The filters of accelerated RFS."""
        return stats_.arfs(self._host.c)

    # ---- for a driver in another process ----

    @property
    def memfd(self) -> int:
        """The sealed memfd with config page, rings and buffers."""
        return int(self.c.dma.memfd)

    def call_fd(self, queue: int) -> int:
        """An eventfd that is this queue's interrupt, instead of the emulated CPU's."""
        irq = self.c.queue[queue].irq

        def make() -> None:
            if irq.call_fd < 0:
                irq.call_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

        if irq.call_fd < 0:
            self._host.turn.do(make)
        return int(irq.call_fd)

    def driver_ok(self) -> int:
        """The foreign driver wrote DRIVER_OK: look at its queues. Return: 0, or -errno of what is wrong with them."""
        return int(lib.nic_up(self._address))

    def kick(self, queue: int = 0) -> None:
        """The doorbell of a foreign driver rang."""
        lib.nic_kick(self._address, queue, self.c.now)

    @property
    def _address(self) -> Any:
        return ffi.addressof(self._host.c.nic)

    def _give_back(self) -> None:
        """Close what this object opened: the host does, at its end."""
        for i in range(lib.NIC_QUEUES_MAX):
            irq = self.c.queue[i].irq
            if irq.call_fd >= 0:
                os.close(irq.call_fd)
                irq.call_fd = -1
