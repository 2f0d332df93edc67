"""What every socket of a host shares: its C struct, the eventfd that wakes its reader, waiting, and closing.

A live host writes the eventfd when data comes; select, poll and :mod:`vnic.aio` wait on it. In virtual time nothing
comes by itself, so waiting runs the host.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from vnic._core import lib
from vnic.errors import VnicError
from vnic.machine.lifetime import Uncopied
from vnic.machine.uninterrupted import wait_readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.host import Host

T = TypeVar("T")

LOOK_S = 0.5
"""A reader looks that often whether the host is live still."""


class HostSocket(Uncopied):
    """A context manager. It is its host's, and closed with it. After that every call but close() is a VnicError."""

    _noun = "socket"
    _sock: Any = None
    _fd = -1
    _host: Host

    def _begin(self, host: Host, c: Any) -> None:
        """From here on it has to be closed."""
        self._host = host
        self._sock = c
        if host.live:
            self._open_fd()

    @property
    def _c(self) -> Any:
        self._host.c  # noqa: B018 - is that open, and for us?
        if self._sock is None:
            raise VnicError(f"the {self._noun} is closed")
        return self._sock

    @property
    def closed(self) -> bool:
        """Nothing can be done with it any more."""
        return self._sock is None or self._host.closed

    # ---- waiting ----

    def fileno(self) -> int:
        """Return an eventfd that becomes readable when data comes in on a live host, for select and poll."""
        if self._c is not None and self._fd < 0:
            self._host.turn.do(self._open_fd)
        return self._fd

    def _open_fd(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._c.wake_fd = self._fd

    def wake_up(self) -> None:
        """Let those that wait for data look again."""
        if self._fd >= 0:
            os.eventfd_write(self._fd, 1)

    def acknowledge(self) -> None:
        """Take the wake-up that select or poll saw; then read until there is nothing more."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.fileno())

    def _wait(self, deadline: float | None) -> bool:
        """Wait until there may be something to read. Virtual time: run the host. Return: False = no use to go on."""
        if self._host.live:
            left = LOOK_S if deadline is None else min(LOOK_S, deadline - time.monotonic())
            if left <= 0:
                return False
            if wait_readable(self.fileno(), left):  # is the host live still?
                self._woken()
            return True
        return self._run_host()

    def _woken(self) -> None:
        """Do what has to be done about the eventfd before reading again."""
        self.acknowledge()

    def _run_host(self) -> bool:
        """Let virtual time go on by a burst. Return: False = nothing came of it."""
        before = self._host.c.nic.offered, self._c.packets
        self._host.run(frames=lib.BURST)
        return bool(before != (self._host.c.nic.offered, self._c.packets))

    def _until(self, ready: Callable[[], T | None], timeout: float | None) -> T | None:
        """Return what ``ready`` returns as soon as that is not None; None: nothing came in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        last = False
        while (got := ready()) is None and not last:
            last = not self._wait(deadline)  # then once more: it may have come with the last run
        return got

    # ---- the end ----

    def close(self) -> None:
        """Leave the tables; what is queued is freed. A second time it does nothing, nor in a child process."""
        if not self.closed:
            self._host.refuse_others()
            self._host.turn.refuse_within(self)
            self._host.turn.do(self._give_back)

    def _give_back(self) -> None:
        sock = self.__dict__.pop("_sock", None)  # one call: of two that close it one does
        if sock is not None:
            self.wake_up()
            self._free(sock)
            self._host.forget(self)
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
