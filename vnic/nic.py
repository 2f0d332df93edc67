"""The card's Python side."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from vnic import fault as faults_
from vnic._core import ffi, lib
from vnic.counters import dim
from vnic.counters import snapshots as stats_
from vnic.errors import VnicError, check, one_line
from vnic.fault import Fault, FaultRule
from vnic.host_socket import HELD, RING_PAUSE_S
from vnic.knobs.parse import whole
from vnic.machine.lifetime import Uncopied
from vnic.machine.turn import sends
from vnic.wire import MemoryWire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.capture import Capture
    from vnic.frame import Frame
    from vnic.handlers import Handler
    from vnic.machine.machine import Machine


class Nic(Uncopied):
    """``host.nic``: feeding, filtering, counters, and the shared memory for a driver in another process."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.combined = True
        """The channels as ``ethtool -l`` counts them: combined ones, or receiving ones and the sending one."""

    def __repr__(self) -> str:
        return one_line(f"<vnic.Nic of {self._machine.name}>")

    @property
    def c(self) -> Any:
        """The ``struct nic``."""
        return self._machine.c.nic

    @property
    def captures(self) -> list[Capture]:
        """The captures that are open."""
        return self._machine.captures

    def feed(self, frames: Iterable[Frame] | Frame, *, at_ns: int | None = None, gap_ns: int = 0) -> int:
        """Put frames on the wire. See :meth:`vnic.wire.MemoryWire.feed`."""
        return self._machine.feed(frames, at_ns, gap_ns)

    def filter(self, handler: Handler) -> Handler:
        """Decorator: make a function the card's filter. It gets bursts of frames; the card drops those with false."""
        return self._machine.seam.set_filter(handler)

    def sent(self) -> list[tuple[int, bytes]]:
        """Return the frames that the card sent on a wire in memory since the last call: ``(t_ns, frame)``."""
        self._machine.c  # noqa: B018 - is it open?
        wire = self._machine.wire
        return wire.sent() if isinstance(wire, MemoryWire) else []

    def stats(self) -> stats_.DeviceStats:
        """rtnl_link_stats64."""
        return stats_.device(self._machine.c)

    def queues(self) -> list[stats_.QueueStats]:
        """One snapshot for each receive queue."""
        return [stats_.queue(self._machine.c, i) for i in range(self.c.nqueues)]

    def dim(self, queue: int = 0) -> list[dim.Decision]:
        """Return the latest decisions of adaptive moderation for a queue, at most 256."""
        return dim.decisions(self._machine.c, self._queue(queue))

    def arfs(self) -> stats_.ArfsStats:
        """The filters of accelerated RFS."""
        return stats_.arfs(self._machine.c)

    # ---- faults on purpose ----

    def fault(self, kind: str, **when: Any) -> Fault:
        """Let something go wrong from now on: ``nic.fault("irq-lost", nth=5)``. See :class:`vnic.fault.FaultRule`.

        Return: the fault, which counts its chances and hits. ConfigError: there is no such fault, or time.
        """
        rule = FaultRule(kind, **when)
        return faults_.add(self._machine, rule, int(self._machine.config.get("seed", 0)))

    def faults(self) -> dict[str, int]:
        """Return how often each kind of fault has hit."""
        at = self.c.faults
        if at == ffi.NULL:
            return {}
        return {name: int(at.hits[i]) for i, name in enumerate(faults_.FAULTS) if at.hits[i]}

    # ---- for a driver in another process ----

    @property
    def memfd(self) -> int:
        """The sealed memfd with config page, rings and buffers."""
        return int(self.c.dma.memfd)

    def call_fd(self, queue: int) -> int:
        """Return the eventfd that is this queue's interrupt, for a driver in another process; the first call makes it.

        Raises:
            ConfigError: there is no such queue.
            VnicError: the host's own driver has the card, or the kernel refuses asynchronous I/O on the eventfd.
        """
        i = self._queue(queue)
        self._need_foreign()
        if int(self.c.queue[i].irq.call_fd) < 0:
            self._machine.while_stopped(lambda: self._make_call_fd(i))
        return int(self.c.queue[i].irq.call_fd)

    def _make_call_fd(self, i: int) -> None:
        if int(self.c.queue[i].irq.call_fd) >= 0:
            return  # another thread's call came first
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        rc = int(lib.nic_set_call_fd(self._address, i, fd))
        if rc < 0:
            os.close(fd)
            raise VnicError(
                f"no eventfd for queue {i}: the kernel refuses asynchronous I/O ({os.strerror(-rc)}), without which a "
                "driver in another process could stop the card; let the driver poll its ring instead"
            )

    def driver_ok(self) -> None:
        """Bring the card up: the foreign driver wrote DRIVER_OK to page 0. A running host parks meanwhile.

        On a second call the driver starts anew, with empty rings. Frames that the card held for it end as DEV_READY.

        Raises:
            HostError: the card stays down and uses no ring. The driver may correct the fault and try again.
                EPROTO: no DRIVER_OK, FAILED, NEEDS_RESET without a reset since, or features that do not fit;
                EINVAL: a ring is invalid or outside the region; ENOMEM.
            VnicError: the host's own driver has the card; the host is stopping, or runs in another thread.
        """
        self._need_foreign()
        check(self._machine.while_stopped(lambda: int(lib.nic_up(self._address))), "bring the card up")

    def kick(self, queue: int = 0) -> None:
        """Ring a foreign driver's doorbell: the card looks at its rings. ConfigError: there is no such queue."""
        i = self._queue(queue)
        self._machine.refuse_others()
        while (rc := self._ring(i)) == HELD:
            time.sleep(RING_PAUSE_S)
        check(rc, f"ring queue {i}'s doorbell")

    @sends
    def _ring(self, i: int) -> int:
        """Ring in C. A thread that stops the machine waits for this call: else the eventfd could be another file."""
        if self._machine.turn.held_from_here():
            return HELD
        return int(lib.nic_doorbell(self._address, i))

    def _queue(self, queue: int) -> int:
        return whole("queue", queue, 0, int(self.c.nqueues) - 1)

    def _need_foreign(self) -> None:
        if not self._machine.c.nic.external_driver:
            raise VnicError("the host's own driver has the card; Host(external_driver=True) leaves it to yours")

    @property
    def _address(self) -> Any:
        return ffi.addressof(self._machine.c.nic)
