"""Make asyncio's connections, servers and streams on a live host. :class:`vnic.Host` has these as methods."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from vnic.aio.server import Server
from vnic.aio.sockets import TcpConnection as Watched
from vnic.aio.transport import TcpTransport
from vnic.errors import VnicError, check, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.address import SocketAddress
    from vnic.sockets import Binding


def _refuse_virtual(host: Binding) -> None:
    machine = host._machine  # noqa: SLF001 - the host's own module
    machine.c  # noqa: B018 - is it open?
    if not machine.live:
        raise VnicError("asyncio's streams are for live hosts: make it with live=True, or use vnic.aio's sockets")


async def create_connection(
    host: Binding,
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    addr: str,
    port: int,
    source: SocketAddress | None,
) -> tuple[TcpTransport, Any]:
    """As :meth:`vnic.Host.create_connection`."""
    _refuse_virtual(host)
    loop = asyncio.get_running_loop()
    connection = host._connecting(addr, port, source)  # noqa: SLF001 - the host's own module
    try:
        rc = await Watched(connection)._until(connection._how_connected, "no answer came")  # noqa: SLF001
        check(rc, f"connect to {said(addr)} port {port}")
        protocol, waiter = protocol_factory(), loop.create_future()
        transport = TcpTransport(loop, connection, protocol, waiter=waiter)
    except BaseException:
        connection.close()
        raise
    try:
        await waiter
    except BaseException:
        transport.close()
        raise
    return transport, protocol


async def create_server(
    host: Binding,
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    port: int,
    addr: str | None,
    *,
    backlog: int,
    start_serving: bool,
) -> Server:
    """As :meth:`vnic.Host.create_server`."""
    _refuse_virtual(host)
    server = Server(asyncio.get_running_loop(), host.listen(port, addr, backlog=backlog), protocol_factory)
    if start_serving:
        await server.start_serving()
    return server


async def open_connection(
    host: Binding, addr: str, port: int, source: SocketAddress | None, limit: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As :meth:`vnic.Host.open_connection`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await create_connection(host, lambda: protocol, addr, port, source)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def start_server(
    host: Binding,
    client_connected_cb: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
    port: int,
    addr: str | None,
    *,
    backlog: int,
    limit: int,
    start_serving: bool,
) -> Server:
    """As :meth:`vnic.Host.start_server`."""
    loop = asyncio.get_running_loop()

    def protocol() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(
            asyncio.StreamReader(limit=limit, loop=loop), client_connected_cb, loop=loop
        )

    return await create_server(host, protocol, port, addr, backlog=backlog, start_serving=start_serving)
