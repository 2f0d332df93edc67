"""Servers of a live host by their names, on a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from vnic.aio import streams  # noqa: F401 - imported early: without privileges its file may be unreadable
from vnic.errors import ConfigError, VnicError, said
from vnic.serve import http, iperf3, small

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from vnic.aio.server import Server
    from vnic.host import Host

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

KINDS = {"http": 80, "echo": 7, "discard": 9, "chargen": 19, "iperf3": 5201}
"""Name -> its usual port."""
_START_S = 10.0


@dataclass(frozen=True, slots=True)
class Service:
    """What one server does. ``folder``: of http."""

    kind: str
    port: int
    folder: str = ""


def parse(text: str) -> Service:
    """Parse ``KIND[:PORT]``, or ``http[:PORT]:DIR``. ConfigError: it is neither."""
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise ConfigError(f"serve={said(text)}: must begin with one of {', '.join(KINDS)}")
    first, _, folder = rest.partition(":")
    port = KINDS[kind]
    if first.isascii() and first.isdecimal() and len(first) < 6:
        port = int(first)
    elif first:
        folder = rest
    if not 1 <= port <= 65535:
        raise ConfigError(f"serve={said(text)}: the port must be between 1 and 65535")
    if kind == "http" and not folder:
        raise ConfigError(f"serve={said(text)}: say which directory, as in http:80:/srv")
    if kind != "http" and folder:
        raise ConfigError(f"serve={said(text)}: {kind} has a port at most, as in {kind}:{KINDS[kind]}")
    return Service(kind, port, folder)


def _handler(service: Service) -> Handler:
    if service.kind == "http":
        return http.files(service.folder)
    if service.kind == "iperf3":
        return iperf3.Server()
    handler: Handler = getattr(small, service.kind)
    return handler


def _guarded(handler: Handler) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Close the connection when the handler is done; a peer that goes away is no error."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, VnicError, asyncio.CancelledError):  # cancelled: the servers end
            writer.transport.abort()
        finally:
            with contextlib.suppress(OSError, VnicError):
                writer.close()

    return one


class Servers:
    """A context manager: the servers of a live host whose TCP is an endpoint. They end with the block.

    Args:
        host: it runs.
        services: texts for :func:`parse`, or its results.

    Raises:
        ConfigError: a service is none, or the host's TCP is passive.
        PortTakenError: two want the same port.
    """

    def __init__(self, host: Host, services: Iterable[str | Service]) -> None:
        self._host = host
        self._wanted = [(s, _handler(s)) for s in (parse(s) if isinstance(s, str) else s for s in services)]
        self._loop = asyncio.new_event_loop()
        self._end: asyncio.Event | None = None
        self._started: threading.Event = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="vnic/serve", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(_START_S)
        if self._error is not None:
            self._thread.join(_START_S)
            raise self._error
        return self

    def __exit__(self, *exc: object) -> None:
        if self._end is not None:
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_START_S)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as e:  # noqa: BLE001 - __enter__() raises it
            self._error = e
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        servers: list[Server] = []
        try:
            for service, handler in self._wanted:
                servers.append(
                    await self._host.start_server(_guarded(handler), service.port, backlog=1024, limit=http.HEAD_MAX)
                )
            self._started.set()
            await self._end.wait()
        finally:
            for server in servers:
                with contextlib.suppress(VnicError):
                    server.close()
            others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            for server in servers:
                server.abort_clients()
                await server.wait_closed()
