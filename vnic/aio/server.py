"""An asyncio Server over a port that a live host listens at."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Self

from vnic.aio.transport import TcpTransport, TransportSocket, stopped
from vnic.errors import VnicError
from vnic.host_socket import LOOK_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.tcp import TcpConnection, TcpServer

_AT_ONCE = 64
"""Connections that are accepted before other callbacks run."""


class Server(asyncio.AbstractServer):
    """An :class:`asyncio.Server`; an async context manager. :meth:`vnic.Host.create_server` makes it.

    As in Python 3.13, wait_closed() waits until its connections are closed too. When the host stops, the server is
    closed, and serve_forever() raises a ConnectionAbortedError.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: TcpServer,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
    ) -> None:
        self._loop = loop
        self._listener: TcpServer | None = listener
        self._machine = listener._machine  # noqa: SLF001 - this is its other face
        self._factory = protocol_factory
        self._fd = -1
        self._transports: set[TcpTransport] = set()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._forever: asyncio.Future[None] | None = None
        self._timer = loop.call_later(LOOK_S, self._look_at_times)

    def __repr__(self) -> str:
        return f"<vnic.aio.Server of {'a closed port' if self._listener is None else self._listener!r}>"

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """As :meth:`asyncio.Server.get_loop`."""
        return self._loop

    def is_serving(self) -> bool:
        """Does it accept connections?"""
        return self._fd >= 0

    @property
    def sockets(self) -> tuple[TransportSocket, ...]:
        """The port's socket, none once it is closed."""
        return () if self._listener is None else (TransportSocket(self._listener),)

    def _start(self) -> None:
        if self._listener is None:
            raise RuntimeError(f"server {self!r} is closed")
        if self._fd < 0:
            self._fd = os.dup(self._listener.fileno())  # as TcpTransport
            self._loop.add_reader(self._fd, self._woken)
            self._loop.call_soon(self._accept)  # connections that came before

    async def start_serving(self) -> None:
        """As :meth:`asyncio.Server.start_serving`."""
        self._start()
        await asyncio.sleep(0)

    async def serve_forever(self) -> None:
        """As :meth:`asyncio.Server.serve_forever`: until it is cancelled, or the server closed."""
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        self._start()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            try:
                self.close()
                await self.wait_closed()
            finally:
                raise
        finally:
            self._forever = None

    # ---- connections ----

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)
        self._accept()

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            live = self._machine.live
            made = self._listener._accept_some(_AT_ONCE)  # noqa: SLF001
        except VnicError:  # the host is being closed
            made, live = [], False
        for connection in made:
            self._serve(connection)
        if not live:
            self._stop(stopped())
        elif len(made) == _AT_ONCE:
            self._loop.call_soon(self._accept)

    def _look_at_times(self) -> None:
        """Nothing else tells that the host has stopped."""
        self._timer = self._loop.call_later(LOOK_S, self._look_at_times)
        if not self._machine.live:
            self._accept()
            for transport in tuple(self._transports):
                transport._look()  # noqa: SLF001 - a server and its transports are one thing

    def _serve(self, connection: TcpConnection) -> None:
        try:
            TcpTransport(self._loop, connection, self._factory(), server=self)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as e:  # noqa: BLE001 - the loop's handler gets it
            with contextlib.suppress(VnicError):
                connection.close()
            self._loop.call_exception_handler({"message": "Error on transport creation for incoming connection",
                                               "exception": e, "server": self})  # fmt: skip

    def _attach(self, transport: TcpTransport) -> None:
        self._transports.add(transport)

    def _detach(self, transport: TcpTransport) -> None:
        self._transports.discard(transport)
        self._ended()

    # ---- the end ----

    def close(self) -> None:
        """As :meth:`asyncio.Server.close`: refuse further connections; those that were made go on."""
        self._stop(None)

    def _stop(self, error: VnicError | None) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        with contextlib.suppress(VnicError):  # its host is being closed, and closes it
            listener.close()
        if self._forever is not None and not self._forever.done():
            self._forever.cancel() if error is None else self._forever.set_exception(error)
        self._ended()

    def _ended(self) -> None:
        if self._listener is None and not self._transports:
            self._timer.cancel()
            if not self._closed.done():
                self._closed.set_result(None)

    def close_clients(self) -> None:
        """Close the connections that were made."""
        for transport in tuple(self._transports):
            transport.close()

    def abort_clients(self) -> None:
        """Reset the connections that were made."""
        for transport in tuple(self._transports):
            transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the server and all its connections are closed."""
        await asyncio.shield(self._closed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()
        await self.wait_closed()
