"""Sockets of a host for asyncio: each wraps one of the host's own, and waits without a thread.

A live host wakes the loop by the socket's eventfd (``loop.add_reader``). In virtual time a read runs the host, a burst
at a time, and lets other tasks run in between.

Cancelling a read loses nothing: between taking data and returning it there is no ``await``. Several tasks may read one
socket; each datagram, stream or packet goes to one of them. For time limits use ``asyncio.timeout()``. If the socket or
its host is closed, reads raise VnicError, and so do reads that wait already. When the host stops, reads return what is
queued; then they raise TimedOutError, and ``async for`` ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from vnic import packet_socket, sock, tcp
from vnic.errors import TimedOutError
from vnic.host_socket import LOOK_S, RING_PAUSE_S, HostSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.address import SocketAddress as Address
    from vnic.packet_socket import Packet
    from vnic.sock import Buffer

S = TypeVar("S", bound=HostSocket)
T = TypeVar("T")


class AsyncSocket(Generic[S]):
    """Base of the asyncio sockets. ``sock`` is the host's socket, with its options and counters."""

    def __init__(self, sock: S) -> None:
        self.sock = sock
        self._waiting: list[asyncio.Future[None]] = []
        self._fd = -1

    def __repr__(self) -> str:
        return f"<vnic.aio.{type(self).__name__} of {self.sock!r}>"

    async def _until(self, ready: Callable[[], T | None], nothing: str) -> T:
        """Return what ``ready`` returns as soon as that is not None. TimedOutError: nothing will come."""
        last = False
        while (got := ready()) is None:
            if last:
                raise TimedOutError(nothing)
            last = not await self._wait()  # then look once more: the last run may have brought it
        return got

    async def _wait(self) -> bool:
        """Wait until there may be something to read. Return: False = nothing more will come."""
        if not self.sock._machine.live:  # noqa: SLF001 - this is its other face
            more = self.sock._run_host()  # noqa: SLF001
            await asyncio.sleep(0)
            return more
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._watch(loop)
        woken: asyncio.Future[None] = loop.create_future()
        self._waiting.append(woken)
        look = loop.call_later(LOOK_S, _wake, woken)  # is the host still live?
        try:
            await woken
        finally:
            look.cancel()
            self._waiting.remove(woken)
            if not self._waiting:
                self._unwatch(loop)
        return True

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a copy of the eventfd: if another thread closes the socket's own, epoll silently forgets it."""
        self._fd = os.dup(self.sock.fileno())
        loop.add_reader(self._fd, self._wake_all)

    def _unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1

    def _wake_all(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._take_wake_up()
        for woken in self._waiting:
            _wake(woken)

    def _take_wake_up(self) -> None:
        os.eventfd_read(self._fd)

    def close(self) -> None:
        """Close the host's socket. A task that waits for it gets a VnicError."""
        self.sock.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


class UdpSocket(AsyncSocket[sock.UdpSocket]):
    """A :class:`vnic.UdpSocket`. Iterating gives ``(data, sender)``."""

    async def recvfrom(self) -> tuple[bytes, Address]:
        """As :meth:`vnic.UdpSocket.recvfrom`."""
        return await self._until(self.sock.recvfrom_nowait, "no datagram came")

    async def recv(self) -> bytes:
        """As :meth:`recvfrom`, without the address."""
        return (await self.recvfrom())[0]

    async def sendto(self, data: Buffer, address: Address, *, gso_size: int = 0) -> int:
        """As :meth:`vnic.UdpSocket.sendto`; while the sending ring is full, other tasks run."""
        return await _sent(lambda: self.sock.sendto(data, address, gso_size=gso_size, timeout=0))

    async def send(self, data: Buffer, *, gso_size: int = 0) -> int:
        """As :meth:`vnic.UdpSocket.send`; while the sending ring is full, other tasks run."""
        return await _sent(lambda: self.sock.send(data, gso_size=gso_size, timeout=0))

    async def __anext__(self) -> tuple[bytes, Address]:
        with _ends_iteration():
            return await self.recvfrom()


async def _sent(send: Callable[[], int]) -> int:
    while True:
        try:
            return send()
        except TimedOutError:
            await asyncio.sleep(RING_PAUSE_S)


class TcpStream(AsyncSocket[sock.TcpStream]):
    """A :class:`vnic.TcpStream`. Iterating gives its bytes, piece by piece, until it ends."""

    async def read(self, n: int = 65536) -> bytes:
        """As :meth:`vnic.TcpStream.read`."""
        return await self._until(lambda: self.sock.read_nowait(n), "no data came")

    async def __anext__(self) -> bytes:
        with _ends_iteration():
            if data := await self.read():
                return data
        raise StopAsyncIteration


class TcpListener(AsyncSocket[sock.TcpListener]):
    """A :class:`vnic.TcpListener`. Iterating gives streams."""

    async def accept(self) -> TcpStream:
        """As :meth:`vnic.TcpListener.accept`."""
        return TcpStream(await self._until(self.sock.accept_nowait, "no stream came"))

    async def __anext__(self) -> TcpStream:
        with _ends_iteration():
            return await self.accept()


class TcpConnection(AsyncSocket[tcp.TcpConnection]):
    """A :class:`vnic.TcpConnection`. Iterating gives its bytes, piece by piece, until the peer has sent all."""

    async def recv(self, n: int = 65536) -> bytes:
        """As :meth:`vnic.TcpConnection.recv`."""
        return await self._until(lambda: self.sock.recv_nowait(n), "no data came")

    async def send(self, data: Buffer) -> int:
        """As :meth:`vnic.TcpConnection.send`; while there is no room, other tasks run."""
        return await self._until(lambda: self.sock.send_nowait(data), "no room in the sending buffer") if data else 0

    async def sendall(self, data: Buffer) -> None:
        """As :meth:`vnic.TcpConnection.sendall`; while there is no room, other tasks run."""
        view = memoryview(data).cast("B")
        while len(view):
            view = view[await self.send(view) :]

    async def __anext__(self) -> bytes:
        with _ends_iteration():
            if data := await self.recv():
                return data
        raise StopAsyncIteration


class TcpServer(AsyncSocket[tcp.TcpServer]):
    """A :class:`vnic.TcpServer`. Iterating gives connections."""

    async def accept(self) -> TcpConnection:
        """As :meth:`vnic.TcpServer.accept`."""
        return TcpConnection(await self._until(self.sock.accept_nowait, "no connection came"))

    async def __anext__(self) -> TcpConnection:
        with _ends_iteration():
            return await self.accept()


class PacketSocket(AsyncSocket[packet_socket.PacketSocket]):
    """A :class:`vnic.PacketSocket`. Iterating gives packets."""

    async def recv(self) -> Packet:
        """As :meth:`vnic.PacketSocket.recv`."""
        return (await self._until(lambda: self.sock.recv_nowait(1) or None, "no packet came"))[0]

    async def send(self, frame: Buffer) -> int:
        """As :meth:`vnic.PacketSocket.send`; while the sending ring is full, other tasks run."""
        return await _sent(lambda: self.sock.send(frame, timeout=0))

    def _take_wake_up(self) -> None:
        """Leave the eventfd as it is: the read that empties the ring clears it."""

    async def __anext__(self) -> Packet:
        with _ends_iteration():
            return await self.recv()


class _ends_iteration(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as what it does
    """Turn a TimedOutError inside the block into the end of ``async for``."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, TimedOutError):
            raise StopAsyncIteration from None
