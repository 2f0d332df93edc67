"""An asyncio Transport over a connection of a live host. Linux's counterpart: asyncio/selector_events.py over a socket.

The loop watches the connection's eventfd. An eventfd tells of an edge, and asyncio wants levels: after each read that
brought something the transport looks again, until nothing is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
import warnings
from asyncio import constants, transports
from typing import TYPE_CHECKING, Any

from vnic.errors import HostError, VnicError, refused
from vnic.host_socket import LOOK_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.address import SocketAddress
    from vnic.aio.server import Server
    from vnic.tcp import TcpConnection, TcpServer

    Buffer = bytes | bytearray | memoryview

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""``struct linger``: on, for no time."""
_LOST_WRITES = 5
_log = logging.getLogger("asyncio")


def stopped() -> HostError:
    """Return the error of connections whose host no longer runs."""
    return refused(errno.ECONNABORTED, "the host has stopped")


def socket_name(address: SocketAddress) -> tuple[Any, ...]:
    """Return an address as the module socket has it: of IPv6 with flow information and scope."""
    return (*address, 0, 0) if ":" in address[0] else tuple(address)


class TransportSocket:
    """What ``get_extra_info("socket")`` returns: the part of :class:`socket.socket` that asyncio's programs use.

    ``sock`` is the host's own socket, for ``tcp_info()``.
    """

    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, sock: TcpConnection | TcpServer) -> None:
        self.sock = sock

    def __repr__(self) -> str:
        return f"<vnic.aio.TransportSocket of {self.sock!r}>"

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6."""
        return socket.AF_INET6 if ":" in self.sock.local[0] else socket.AF_INET

    def fileno(self) -> int:
        """Return the eventfd of the host's socket."""
        return self.sock.fileno()

    def getsockname(self) -> tuple[Any, ...]:
        """Return our address and port."""
        return socket_name(self.sock.local)

    def getpeername(self) -> tuple[Any, ...]:
        """Return the other side's. OSError: ENOTCONN, the socket listens."""
        peer = getattr(self.sock, "peer", None)
        if peer is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return socket_name(peer)

    def setsockopt(self, level: int, name: int, value: int | bytes) -> None:
        """As :meth:`vnic.tcp.TcpConnection.setsockopt`."""
        self.sock.setsockopt(level, name, value)

    def getsockopt(self, level: int, name: int, buflen: int = 0) -> int | bytes:
        """As :meth:`vnic.tcp.TcpConnection.getsockopt`."""
        return self.sock.getsockopt(level, name, buflen)


class TcpTransport(transports._FlowControlMixin):  # noqa: SLF001 - it is the flow control of all transports
    """An :class:`asyncio.Transport`. It owns the connection: closing the transport closes it.

    It calls the protocol as asyncio's own transport does, with one difference: abort() always resets the connection.
    ``get_extra_info`` has ``peername``, ``sockname``, ``socket``. When the host stops, data that is here is
    delivered; then connection_lost() gets a ConnectionAbortedError.
    """

    if TYPE_CHECKING:
        _extra: dict[str, Any]
        _protocol_paused: bool

        def _maybe_pause_protocol(self) -> None: ...

        def _maybe_resume_protocol(self) -> None: ...

    _fd = -1
    max_size = 256 * 1024
    """Bytes that a protocol gets at once, at most."""
    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.FALLBACK  # noqa: SLF001 - what loop.sendfile() asks for

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: TcpConnection,
        protocol: asyncio.BaseProtocol,
        *,
        waiter: asyncio.Future[None] | None = None,
        server: Server | None = None,
    ) -> None:
        names = {"socket": TransportSocket(connection), "sockname": socket_name(connection.local)}
        super().__init__({**names, "peername": socket_name(connection.peer)}, loop)
        self._loop: asyncio.AbstractEventLoop = loop
        self._connection = connection
        self._server = server
        self._buffer = bytearray()
        self._lost = 0  # as asyncio: 1: connection_lost() is on its way; more: writes since
        self._closing = self._paused = self._eof = self._peer_ended = self._untold = False
        self._looks = False
        self.set_protocol(protocol)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # a copy: if another thread closes the host, epoll silently forgets the connection's own
        self._fd = os.dup(connection.fileno())
        loop.add_reader(self._fd, self._woken)
        self._timer: asyncio.TimerHandle | None = None
        if server is None:
            self._look_at_times()
        else:
            server._attach(self)  # noqa: SLF001 - a server and its transports are one thing
        loop.call_soon(protocol.connection_made, self)
        self._look_soon()
        if waiter is not None:
            loop.call_soon(_finish, waiter)

    def __repr__(self) -> str:
        state = "closed" if self._fd < 0 else "closing" if self._closing else "open"
        return f"<vnic.aio.TcpTransport {state} {self._extra['sockname']} {self._extra['peername']}>"

    def __del__(self) -> None:
        if self._fd >= 0:  # its loop is closed
            warnings.warn(f"unclosed transport {self!r}", ResourceWarning, source=self, stacklevel=2)
            os.close(self._fd)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """As :meth:`asyncio.BaseTransport.get_protocol`."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """As :meth:`asyncio.BaseTransport.set_protocol`."""
        self._protocol: Any = protocol
        buffered = isinstance(protocol, asyncio.BufferedProtocol)
        self._read: Callable[[], bool] = self._read_into if buffered else self._read_data
        if self._protocol_paused:  # as loop.sendfile() and start_tls() may do it; resume_writing() must not come first
            self._untold = True
            self._loop.call_soon(self._tell_of_pause)

    # ---- what the host tells ----

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)
        self._look()

    def _look_at_times(self) -> None:
        """Nothing else tells that the host has stopped. Of a server's transports the server looks."""
        self._timer = self._loop.call_later(LOOK_S, self._look_at_times)
        if not self._connection._machine.live:  # noqa: SLF001 - this is its other face
            self._look()

    def _look_soon(self) -> None:
        if not self._looks:
            self._looks = True
            self._loop.call_soon(self._looked)

    def _looked(self) -> None:
        self._looks = False
        self._look()

    def _look(self) -> None:
        """Send and read what can be now. One wake-up may stand for both."""
        live = self._connection._machine.live  # noqa: SLF001 - this is its other face
        if self._buffer and live:
            self._flush()
        if self.is_reading() and not self._peer_ended and self._read():
            self._look_soon()
        elif not live:
            self._force_close(stopped())

    # ---- reading ----

    def is_reading(self) -> bool:
        """As :meth:`asyncio.ReadTransport.is_reading`."""
        return not self._closing and not self._paused

    def pause_reading(self) -> None:
        """As :meth:`asyncio.ReadTransport.pause_reading`."""
        self._paused = self._paused or not self._closing

    def resume_reading(self) -> None:
        """As :meth:`asyncio.ReadTransport.resume_reading`."""
        if self._paused and not self._closing:
            self._paused = False
            self._look_soon()

    def _read_data(self) -> bool:
        """Hand data to the protocol. Return: may there be more?"""
        with self._fatal("Fatal read error on socket transport"):
            data = self._connection.recv_nowait(self.max_size)
            if data:
                with self._fatal("Fatal error: protocol.data_received() call failed."):
                    self._protocol.data_received(data)
            elif data is not None:
                self._got_eof()
            return data is not None
        return False

    def _read_into(self) -> bool:
        """Fill the protocol's buffer. Return: may there be more?"""
        with self._fatal("Fatal error: protocol.get_buffer() call failed."):
            buffer = self._protocol.get_buffer(-1)
            if not len(buffer):
                raise RuntimeError("get_buffer() returned an empty buffer")
            with self._fatal("Fatal read error on socket transport"):
                n = self._connection.recv_into_nowait(buffer)
                if n:
                    with self._fatal("Fatal error: protocol.buffer_updated() call failed."):
                        self._protocol.buffer_updated(n)
                elif n is not None:
                    self._got_eof()
                return n is not None
        return False

    def _got_eof(self) -> None:
        with self._fatal("Fatal error: protocol.eof_received() call failed."):
            if self._protocol.eof_received():
                self._peer_ended = True
            else:
                self.close()

    # ---- writing ----

    def get_write_buffer_size(self) -> int:
        """As :meth:`asyncio.WriteTransport.get_write_buffer_size`: bytes that the connection has not taken yet."""
        return len(self._buffer)

    def write(self, data: Buffer) -> None:
        """As :meth:`asyncio.WriteTransport.write`."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return
        if self._lost:
            self._lost += 1
            if self._lost > _LOST_WRITES:
                _log.warning("socket.send() raised exception.")
            return
        view = memoryview(data).cast("B")
        if not self._buffer:
            with self._fatal("Fatal write error on socket transport"):
                view = view[self._send(view) :]
            if self._lost:
                return
        if len(view):
            self._buffer += view
            self._maybe_pause_protocol()

    def _send(self, view: memoryview) -> int:
        """Send until there is no room, so that the connection wakes us when there is. Return: bytes."""
        sent = 0
        while sent < len(view) and (n := self._connection.send_nowait(view[sent:])):
            sent += n
        return sent

    def _tell_of_pause(self) -> None:
        """Call pause_writing() of a protocol that was set meanwhile. In set_protocol() it may be half made."""
        if self._untold:
            self._untold = False
            try:
                self._protocol.pause_writing()
            except Exception as e:  # noqa: BLE001 - as asyncio's flow control
                self._call_handler("protocol.pause_writing() failed", e)

    def _flush(self) -> None:
        with self._fatal("Fatal write error on socket transport"):
            with memoryview(self._buffer) as view:
                sent = self._send(view)
            del self._buffer[:sent]
            self._tell_of_pause()
            self._maybe_resume_protocol()  # which may write more
            if not self._buffer:
                if self._closing:
                    self._end(None)
                elif self._eof:
                    self._connection.shutdown(socket.SHUT_WR)

    def can_write_eof(self) -> bool:
        """Return True: TCP can."""
        return True

    def write_eof(self) -> None:
        """As :meth:`asyncio.WriteTransport.write_eof`: send a FIN behind what was written. HostError: ENOTCONN."""
        if self._closing or self._eof:
            return
        self._eof = True
        if not self._buffer:
            self._connection.shutdown(socket.SHUT_WR)

    # ---- the end ----

    def is_closing(self) -> bool:
        """As :meth:`asyncio.BaseTransport.is_closing`."""
        return self._closing

    def close(self) -> None:
        """As :meth:`asyncio.BaseTransport.close`: send what was written, then a FIN; a reset if data is unread."""
        if not self._closing:
            self._closing = True
            if not self._buffer:
                self._end(None)

    def abort(self) -> None:
        """As :meth:`asyncio.WriteTransport.abort`: forget what was written, and reset the connection."""
        if not self._lost:
            with contextlib.suppress(VnicError):
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._force_close(None)

    @contextlib.contextmanager
    def _fatal(self, message: str) -> Any:
        """End the connection by what the block raises. A block inside this one has told the loop already."""
        try:
            yield
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as e:  # noqa: BLE001 - the loop's handler and connection_lost() get it
            self._fatal_error(e, message)

    def _fatal_error(self, exc: BaseException, message: str = "Fatal error on transport") -> None:
        if isinstance(exc, VnicError) and not isinstance(exc, OSError):  # it is closed, and so is its host
            exc = stopped()
        if not isinstance(exc, OSError):
            self._call_handler(message, exc)
        self._force_close(exc)

    def _call_handler(self, message: str, exc: BaseException) -> None:
        context = {"message": message, "exception": exc, "transport": self, "protocol": self._protocol}
        self._loop.call_exception_handler(context)

    def _force_close(self, exc: BaseException | None) -> None:
        if not self._lost:
            self._buffer = bytearray()
            self._closing = True
            self._end(exc)

    def _end(self, exc: BaseException | None) -> None:
        self._lost += 1
        self._loop.call_soon(self._call_connection_lost, exc)

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        try:
            self._protocol.connection_lost(exc)
        finally:
            fd, self._fd = self._fd, -1
            self._loop.remove_reader(fd)
            os.close(fd)
            if self._timer is not None:
                self._timer.cancel()
            with contextlib.suppress(VnicError):  # its host is being closed, and closes it
                self._connection.close()
            server, self._server = self._server, None
            if server is not None:
                server._detach(self)  # noqa: SLF001 - a server and its transports are one thing


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
