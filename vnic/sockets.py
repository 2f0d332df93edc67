"""The sockets of a host: bound to a port or to all packets. The machine remembers them until they are closed."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, TypeVar

from vnic import bpf, inet_options
from vnic._core import ffi, lib
from vnic.address import SocketAddress, inet_addr, socket_address
from vnic.errors import ConfigError, PortTakenError, TimedOutError, VnicError, check, said
from vnic.knobs.parse import whole
from vnic.packet_socket import PacketSocket
from vnic.sock import Socket, TcpListener, UdpSocket
from vnic.tcp import TcpConnection, TcpServer, connect

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from vnic.aio.server import Server
    from vnic.aio.transport import TcpTransport
    from vnic.machine.machine import Machine

_PROTO = {lib.SOCK_UDP: socket.IPPROTO_UDP, lib.SOCK_UDPLITE: socket.IPPROTO_UDPLITE}
_P = TypeVar("_P", bound="asyncio.BaseProtocol")
_LIMIT = 1 << 16
_EPHEMERAL = range(32768, 61000)  # net.ipv4.ip_local_port_range


class Binding:
    """The part of :class:`vnic.Host` that makes sockets."""

    _machine: Machine

    def udp(
        self,
        port: int,
        addr: str | None = None,
        *,
        reuse_port: bool = False,
        reuse_addr: bool = False,
        gro: bool = False,
        lite: bool = False,
    ) -> UdpSocket:
        """Bind a UDP socket to any address, or to one; port 0: to a free port.

        Args:
            port: sockets for any address and for one of them want the same port: both need one of the next two.
            addr: of IPv4 or IPv6; None: any, of both families.
            reuse_port: SO_REUSEPORT: share the port; each flow goes to one of those that have the same address.
            reuse_addr: SO_REUSEADDR: share the port; the socket that was bound last gets the datagrams.
            gro: UDP_GRO: datagrams of one flow arrive merged, see :meth:`UdpSocket.recvmsg_nowait`.
            lite: of UDP-Lite (IPPROTO_UDPLITE), which has ports of its own.

        Raises:
            PortTakenError: the port is bound already (EADDRINUSE).
        """
        port = whole("port", port, 0, 65535)

        def bind() -> UdpSocket:
            self._machine.c  # noqa: B018 - is it open?
            kind = lib.SOCK_UDPLITE if lite else lib.SOCK_UDP
            which = port or self._free_port(_PROTO[kind])
            self._refuse_bound(kind, which, addr, reuse=bool(reuse_addr), port_too=bool(reuse_port))
            sock = UdpSocket(self._machine, self._bind(kind, which, addr))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(bool(reuse_addr)))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(bool(reuse_port)))
            sock.gro = gro
            return sock

        self._machine.refuse_others()
        return self._machine.turn.do(bind)

    def tcp(self, port: int, addr: str | None = None) -> TcpListener:
        """Listen for TCP streams to ``port``. PortTakenError: the port is bound already (EADDRINUSE)."""
        port = whole("port", port, 0, 65535)

        def bind() -> TcpListener:
            self._machine.c  # noqa: B018 - is it open?
            self._refuse_bound(lib.SOCK_TCP_LISTEN, port, addr)
            return TcpListener(self._machine, self._bind(lib.SOCK_TCP_LISTEN, port, addr))

        self._machine.refuse_others()
        return self._machine.turn.do(bind)

    def listen(self, port: int, addr: str | None = None, *, backlog: int = 128) -> TcpServer:
        """Listen for TCP connections, to any address or to one; port 0: at a free port. Needs ``tcp="endpoint"``.

        Args:
            port: 0 to 65535.
            addr: of IPv4 or IPv6; None: any, of both families.
            backlog: connections that may wait for :meth:`vnic.tcp.TcpServer.accept`, at most net.core.somaxconn.

        Raises:
            PortTakenError: the port is bound already (EADDRINUSE).
            ConfigError: the host's TCP is passive.
        """
        port, backlog = whole("port", port, 0, 65535), whole("backlog", backlog, 0, 65535)

        def bind() -> TcpServer:
            self._refuse_passive()
            which = port or self._free_port(socket.IPPROTO_TCP)
            self._refuse_bound(lib.SOCK_TCP_LISTEN, which, addr)
            to = ffi.NULL if addr is None else inet_addr(addr)
            c = lib.tcp_listen(self._machine.c, to, which, backlog)
            if c == ffi.NULL:
                raise VnicError("all sockets are taken")
            return TcpServer(self._machine, c)

        self._machine.refuse_others()
        return self._machine.turn.do(bind)

    def connect(
        self, addr: str, port: int, *, source: SocketAddress | None = None, timeout: float | None = None
    ) -> TcpConnection:
        """Connect to a TCP port. Needs ``tcp="endpoint"``. Return: the connection, established.

        Args:
            addr: of IPv4 or IPv6.
            port: 1 to 65535.
            source: our address and port, None: the one that the route leaves by, and a free port; port 0: a free one.
            timeout: live: seconds to wait for the answer (None: until Linux gives up, 131 s).

        Raises:
            HostError: ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL ..., as connect(2).
            TimedOutError: no answer came in time.
            ConfigError: the host's TCP is passive.
        """
        made = self._connecting(addr, port, source)
        rc: int | None = None
        try:
            rc = made._connected(timeout)  # noqa: SLF001 - made right here
        finally:
            if rc != 0:
                made.close()
        if rc is None:
            raise TimedOutError("no answer came")
        check(rc, f"connect to {said(addr)} port {port}")
        return made

    def _connecting(self, addr: str, port: int, source: SocketAddress | None) -> TcpConnection:
        """Send a SYN. Return: the connection, not established yet."""
        to = socket_address((addr, port))
        via = (ffi.NULL, 0) if source is None else socket_address(source)

        def begin() -> TcpConnection:
            self._refuse_passive()
            return connect(self._machine, to, via, f"connect to {said(addr)} port {port}")

        self._machine.refuse_others()
        return self._machine.turn.do(begin)

    # ---- asyncio; vnic/aio/ is imported with the first use ----

    async def open_connection(
        self, addr: str, port: int, *, source: SocketAddress | None = None, limit: int = _LIMIT
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As :func:`asyncio.open_connection`, on a live host. Arguments and errors: see :meth:`connect`.

        ``limit``: bytes that ``readuntil()`` searches, at most.
        """
        from vnic.aio import streams

        return await streams.open_connection(self, addr, port, source, limit)

    async def start_server(
        self,
        client_connected_cb: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
        port: int,
        addr: str | None = None,
        *,
        backlog: int = 100,
        limit: int = _LIMIT,
        start_serving: bool = True,
    ) -> Server:
        """As :func:`asyncio.start_server`, on a live host. Arguments and errors: see :meth:`listen`."""
        from vnic.aio import streams

        return await streams.start_server(
            self, client_connected_cb, port, addr, backlog=backlog, limit=limit, start_serving=start_serving
        )

    async def create_connection(
        self,
        protocol_factory: Callable[[], _P],
        addr: str,
        port: int,
        *,
        source: SocketAddress | None = None,
    ) -> tuple[TcpTransport, _P]:
        """As :meth:`asyncio.loop.create_connection`, on a live host. Arguments and errors: see :meth:`connect`.

        TLS: :meth:`asyncio.loop.start_tls` takes the transport.
        """
        from vnic.aio import streams

        return await streams.create_connection(self, protocol_factory, addr, port, source)

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        port: int,
        addr: str | None = None,
        *,
        backlog: int = 100,
        start_serving: bool = True,
    ) -> Server:
        """As :meth:`asyncio.loop.create_server`, on a live host. Arguments and errors: see :meth:`listen`.

        A server of another package begins here, too: ``await host.create_server(runner.server, 80)`` for aiohttp's
        ``AppRunner``.
        """
        from vnic.aio import streams

        return await streams.create_server(
            self, protocol_factory, port, addr, backlog=backlog, start_serving=start_serving
        )

    def _refuse_passive(self) -> None:
        if self._machine.c.tcp.mode != lib.TCP_MODE_ENDPOINT:
            raise ConfigError("TCP of this host only listens in: make it with tcp=endpoint")

    def packet_socket(self, filter: bpf.Filter | None = None, *, ring: int = 1 << 21) -> PacketSocket:  # noqa: A002
        """Make a socket that sees what an AF_PACKET socket sees, if the filter wants it (:func:`vnic.bpf.compile`).

        ``ring`` bytes hold unread packets. ConfigError: the filter or the ring's size is invalid.
        """
        self._machine.c  # noqa: B018 - is it open?
        program = None if filter is None else bpf.compile(filter)
        return self._machine.turn.do(lambda: PacketSocket(self._machine, program, ring))

    def _refuse_bound(
        self, kind: int, port: int, addr: str | None, *, reuse: bool = False, port_too: bool = False
    ) -> None:
        if inet_options.is_taken(self._machine.c, kind, port, addr, reuse=reuse, reuseport=port_too):
            raise PortTakenError(port)

    def _free_port(self, proto: int) -> int:
        taken = {s.local[1] for s in list(self._machine.bound) if isinstance(s, Socket) and s.proto == proto}
        port = next((p for p in _EPHEMERAL if p not in taken), None)
        if port is None:
            raise VnicError("all ephemeral ports are taken")
        return port

    def _bind(self, kind: int, port: int, addr: str | None) -> Any:
        to = ffi.NULL if addr is None else inet_addr(addr)
        c = lib.sock_bind(self._machine.c, kind, to, port)
        if c == ffi.NULL:
            raise VnicError("all sockets are taken")
        return c
