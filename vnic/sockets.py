"""The sockets of a host: bound to a port or to all packets. The machine remembers them until they are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic import bpf
from vnic._core import ffi, lib
from vnic.address import inet_addr
from vnic.errors import ConfigError, VnicError
from vnic.knobs.parse import whole
from vnic.packet_socket import PacketSocket
from vnic.sock import Socket, TcpListener, UdpSocket

if TYPE_CHECKING:
    from vnic.machine.machine import Machine

_EPHEMERAL = range(32768, 61000)  # net.ipv4.ip_local_port_range


class Binding:
    """The part of :class:`vnic.Host` that makes sockets."""

    _machine: Machine

    def udp(self, port: int, addr: str | None = None, *, reuse_port: bool = False, gro: bool = False) -> UdpSocket:
        """Bind a UDP socket to any address, or to one; port 0: to a free port.

        ConfigError: the port is bound already, and ``reuse_port`` is not set.
        ``gro`` is UDP_GRO: datagrams of one flow arrive merged, see :meth:`UdpSocket.recvmsg`.
        """
        port = whole("port", port, 0, 65535)

        def bind() -> UdpSocket:
            self._machine.c  # noqa: B018 - is it open?
            which = port or self._free_port()
            if not reuse_port:
                self._refuse_bound(UdpSocket, which, addr)
            sock = UdpSocket(self._machine, self._bind(lib.SOCK_UDP, which, addr))
            sock.gro = gro
            return sock

        self._machine.refuse_others()
        return self._machine.turn.do(bind)

    def tcp(self, port: int, addr: str | None = None) -> TcpListener:
        """Listen for TCP streams to ``port``. ConfigError: the port is bound already."""
        port = whole("port", port, 0, 65535)

        def bind() -> TcpListener:
            self._machine.c  # noqa: B018 - is it open?
            self._refuse_bound(TcpListener, port, addr)
            return TcpListener(self._machine, self._bind(lib.SOCK_TCP_LISTEN, port, addr))

        self._machine.refuse_others()
        return self._machine.turn.do(bind)

    def packet_socket(self, filter: bpf.Filter | None = None, *, ring: int = 1 << 21) -> PacketSocket:  # noqa: A002
        """Make a socket that sees what an AF_PACKET socket sees, if the filter wants it (:func:`vnic.bpf.compile`).

        ``ring`` bytes hold unread packets. ConfigError: the filter or the ring's size is invalid.
        """
        self._machine.c  # noqa: B018 - is it open?
        program = None if filter is None else bpf.compile(filter)
        return self._machine.turn.do(lambda: PacketSocket(self._machine, program, ring))

    def _refuse_bound(self, kind: type[Socket], port: int, addr: str | None) -> None:
        if any(isinstance(s, kind) and s.local == (addr or "", port) for s in self._machine.bound):
            raise ConfigError(f"port {port} is bound already")

    def _free_port(self) -> int:
        taken = {s.local[1] for s in self._machine.bound if isinstance(s, UdpSocket)}
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
