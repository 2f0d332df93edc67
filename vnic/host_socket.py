"""The base of a host's sockets: the machine, the C struct, the eventfd that wakes its reader, waiting, and closing.

A live host writes the eventfd when data comes; select, poll and :mod:`vnic.aio` wait on it. In virtual time no data
comes by itself, so waiting runs the host.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from vnic._core import lib
from vnic.errors import TimedOutError, VnicError
from vnic.machine.lifetime import Uncopied
from vnic.machine.uninterrupted import wait_readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.machine.machine import Machine

T = TypeVar("T")

LOOK_S = 0.5
"""A waiting reader checks at this interval whether the host is still live."""


RING_PAUSE_S = 50e-6
HELD = -(1 << 30)
"""What a send returns instead of -errno while a thread further up this stack holds the lock that it needs."""


class HostSocket(Uncopied):
    """A context manager. The host owns and closes it. After that every call except close() raises VnicError."""

    _noun = "socket"
    _sock: Any = None
    _fd = -1
    _machine: Machine

    def _begin(self, machine: Machine, c: Any) -> None:
        """Take the C struct. From now on the socket must be closed, and the machine does it at its end."""
        self._machine = machine
        self._sock = c
        machine.bound[self] = None
        if machine.live:
            self._open_fd()

    @property
    def _c(self) -> Any:
        self._machine.c  # noqa: B018 - is that open, and for us?
        if self._sock is None:
            raise VnicError(f"the {self._noun} is closed")
        return self._sock

    @property
    def closed(self) -> bool:
        """Is the socket or its host closed?"""
        return self._sock is None or self._machine.closed

    # ---- sending ----

    def _send_when_room(self, send: Callable[[], int], timeout: float | None) -> int:
        """Call ``send``, in live mode again until there is room in the sending ring; virtual time runs on meanwhile.

        Return: its last result: 0 or -errno, which is -EAGAIN only if virtual time is over.

        Raises:
            TimedOutError: there was no room in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            rc = send()
            if rc not in (-errno.EAGAIN, HELD):
                return rc
            if rc == HELD or self._machine.live:
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimedOutError("no room in the sending ring")
                time.sleep(RING_PAUSE_S)
            elif not self._machine.step():
                return rc

    # ---- waiting ----

    def fileno(self) -> int:
        """Return an eventfd that becomes readable when data comes in on a live host, for select and poll."""
        if self._c is not None and self._fd < 0:
            self._machine.turn.do(self._open_fd)
        return self._fd

    def _open_fd(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._c.wake_fd = self._fd

    def wake_up(self) -> None:
        """Wake the readers that wait for data, so that they look again."""
        if self._fd >= 0:
            os.eventfd_write(self._fd, 1)

    def acknowledge(self) -> None:
        """Clear the wake-up that select or poll saw. The caller then reads until no data is left."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.fileno())

    def _wait(self, deadline: float | None) -> bool:
        """Wait until there may be data. Virtual time: run the host. Return: False = no more will come."""
        if self._machine.live:
            left = LOOK_S if deadline is None else min(LOOK_S, deadline - time.monotonic())
            if left <= 0:
                return False
            if wait_readable(self.fileno(), left):  # is the host still live?
                self._woken()
            return True
        return self._run_host()

    def _woken(self) -> None:
        """Clear the eventfd before reading again."""
        self.acknowledge()

    def _run_host(self) -> bool:
        """Advance virtual time by a burst. Return: False = the host had nothing to do."""
        before = self._machine.c.nic.offered, self._c.packets
        self._machine.run(lib.BURST, None, None)
        return bool(before != (self._machine.c.nic.offered, self._c.packets))

    def _until(self, ready: Callable[[], T | None], timeout: float | None) -> T | None:
        """Return the first result of ``ready`` that is not None; None: no data came in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        last = False
        while (got := ready()) is None and not last:
            last = not self._wait(deadline)  # then look once more: the last run may have brought it
        return got

    # ---- the end ----

    def close(self) -> None:
        """Leave the tables and free the queue. A second call does nothing, nor does a call in a child process."""
        if not self.closed:
            self._machine.refuse_others()
            self._machine.turn.refuse_within(self)
            self._machine.turn.do(self._give_back)

    def _give_back(self) -> None:
        sock = self.__dict__.pop("_sock", None)  # one call: of two threads that close it, one gets it
        if sock is not None:
            self.wake_up()
            self._free(sock)
            del self._machine.bound[self]
        fd = self.__dict__.pop("_fd", -1)
        if fd >= 0:
            os.close(fd)

    def _free(self, sock: Any) -> None:
        """Give the C struct back."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
