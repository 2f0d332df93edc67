"""Buffers for reads of sockets, one set for each thread."""

from __future__ import annotations

import _thread
from typing import Any

from vnic._core import ffi

_ROOMS_MAX = 64


class _Room:
    """The buffers of one thread."""

    def __init__(self) -> None:
        self.data: Any = None
        self.burst: tuple[Any, Any] | None = None
        self.sender = ffi.new("struct sock_from *")


class ReadBuffers:
    """Buffers for reads: one set for each host and thread, because two threads in one buffer would mix up their data.

    No threading.local: sys._current_frames(), which turn.py uses, can wait for ever while a threading.local is freed.
    """

    def __init__(self) -> None:
        self._rooms: dict[int, _Room] = {}

    def _room(self) -> _Room:
        me = _thread.get_ident()
        if me not in self._rooms:
            if len(self._rooms) >= _ROOMS_MAX:  # most belong to ended threads; the others make theirs anew
                self._rooms = {}
            self._rooms[me] = _Room()
        return self._rooms[me]

    @property
    def sender(self) -> Any:
        """The sender of the last datagram."""
        return self._room().sender

    def data(self, n: int) -> Any:
        """Return a buffer of at least n bytes."""
        room = self._room()
        if room.data is None or len(room.data) < n:
            room.data = ffi.new("char[]", n)
        return room.data

    def burst(self, n: int) -> tuple[Any, Any]:
        """Return the arrays for ends and senders of n datagrams read at once."""
        room = self._room()
        if room.burst is None or len(room.burst[0]) < n:
            room.burst = ffi.new("uint32_t[]", n), ffi.new("struct sock_from[]", n)
        return room.burst
