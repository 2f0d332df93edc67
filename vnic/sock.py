"""Sockets of the emulated host: UDP datagrams and passive TCP streams."""

from __future__ import annotations

import errno
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from vnic import cmsg, multicast, sockopt
from vnic._core import ffi, lib
from vnic.address import SocketAddress as Address
from vnic.address import inet_text, socket_address
from vnic.errors import ConfigError, HostError, TimedOutError, check, refused, said
from vnic.handlers import Packets
from vnic.host_socket import HELD, HostSocket
from vnic.knobs.parse import is_whole, whole
from vnic.machine.turn import sends

if TYPE_CHECKING:
    from vnic.machine.machine import Machine

    Buffer = bytes | bytearray | memoryview

_MAX_DATAGRAM = 1 << 18
_BURST_BYTES = 1 << 20  # more than any datagram has
_VLEN_MAX = 1024
_RCVBUF_MAX = _READ_MAX = 1 << 30


class Socket(HostSocket):
    """A socket with a port; a context manager.

    The host owns and closes it. After that every call except close() raises VnicError.
    """

    def __init__(self, machine: Machine, c: Any) -> None:
        self._begin(machine, c)

    def __repr__(self) -> str:
        where = "closed" if self.closed else ":".join(map(str, self.local))
        return f"<vnic.{type(self).__name__} {where}>"

    @property
    def _host_c(self) -> Any:
        """The ``struct host *``, for a call that changes it. VnicError: another thread runs it in virtual time."""
        self._machine.refuse_others()
        return self._machine.c

    @property
    def local(self) -> Address:
        """The address (``""``: any) and port that the socket is bound to."""
        return ("" if self._c.any else inet_text(self._c.laddr), int(self._c.lport))

    @property
    def proto(self) -> int:
        """The protocol's number: IPPROTO_UDP, IPPROTO_UDPLITE or IPPROTO_TCP of the module socket."""
        kinds = {lib.SOCK_UDP: socket.IPPROTO_UDP, lib.SOCK_UDPLITE: socket.IPPROTO_UDPLITE}
        return int(kinds.get(self._c.type, socket.IPPROTO_TCP))

    @property
    def drops(self) -> int:
        """Packets dropped because the receive buffer was full, or udp_mem used up."""
        return int(self._c.drops)

    @property
    def rcvbuf(self) -> int:
        """Receive buffer, bytes of truesize (SO_RCVBUF)."""
        return int(self._c.rcvbuf)

    @rcvbuf.setter
    def rcvbuf(self, value: int) -> None:
        self._c.rcvbuf = whole("rcvbuf", value, 0, _RCVBUF_MAX)

    def setsockopt(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option: SO_RCVBUF (twice ``value``, bounded by net.core.rmem_max), SO_RCVBUFFORCE, UDP_GRO.

        Of datagram sockets also SO_BROADCAST, IP_TTL, IP_MTU_DISCOVER, IP_RECVERR ...: docs/python.md lists them.

        The options of groups (:mod:`vnic.multicast`) take bytes, as those of Python's socket module.

        Raises:
            HostError: ENOPROTOOPT, vnic has no such option; EINVAL, the value is out of its range; of groups ENODEV,
                EADDRINUSE, ... as setsockopt(2).
        """
        sockopt.set_(self._host_c, self._c, level, name, value)

    @overload
    def getsockopt(self, level: int, name: int) -> int: ...

    @overload
    def getsockopt(self, level: int, name: int, buflen: int) -> bytes: ...

    def getsockopt(self, level: int, name: int, buflen: int = 0) -> int | bytes:
        """Return the value of one of these options, or of SO_MEMINFO; with ``buflen``: so many bytes of it.

        Raises:
            HostError: ENOPROTOOPT, vnic has no such option.
        """
        buflen = whole("buflen", buflen, 0, 1024)
        value = sockopt.get(self._machine.c, self._c, level, name)
        return value[:buflen] if buflen else int.from_bytes(value[:4], sys.byteorder, signed=True)

    def meminfo(self) -> sockopt.MemInfo:
        """Return the numbers of SO_MEMINFO, and the pool's memory beside them."""
        return sockopt.meminfo(self._machine.c, self._c)

    @property
    def cpu(self) -> int:
        """The emulated CPU of the socket's reader. RFS steers the flow there."""
        return int(self._c.reader_cpu)

    @cpu.setter
    def cpu(self, value: int) -> None:
        if not is_whole(value) or not 0 <= value < self._machine.c.ncpus:
            raise ConfigError(f"cpu={value!r}: the host has CPUs 0 to {self._machine.c.ncpus - 1}")
        self._c.reader_cpu = value

    def _free(self, sock: Any) -> None:
        sock.wake_fd = -1
        lib.sock_close(self._machine.c, ffi.NULL, sock)


@dataclass(frozen=True, slots=True)
class Datagrams(Packets):
    """Datagrams read by one call, the oldest first. The caller may keep them."""

    _from: bytes

    def sender(self, i: int) -> Address:
        """Return the sender of the i-th."""
        f = ffi.from_buffer("struct sock_from[]", self._from)[range(len(self))[i]]
        return (inet_text(ffi.addressof(f.addr)), int(f.port))


class UdpSocket(Socket):
    """A bound UDP socket."""

    def join(self, group: str) -> None:
        """Join a multicast group of either family: the card and IP take its datagrams, and routers hear of it.

        As Linux has it, every socket bound to a datagram's port gets it, whichever socket has joined its group
        (:mod:`vnic.multicast`, IP_MULTICAST_ALL).

        Raises:
            ConfigError: it is not a group.
            HostError: EADDRINUSE, the socket is in it; ENOBUFS, in 20 IPv4 groups already; ENOMEM.
        """
        multicast.join(self._host_c, self._c, group)

    def leave(self, group: str) -> None:
        """Leave a group. HostError: EADDRNOTAVAIL, the socket is not in it. ConfigError: it is not a group."""
        multicast.leave(self._host_c, self._c, group)

    def recvfrom(self, *, timeout: float | None = None) -> tuple[bytes, Address]:
        """Return the next datagram and its sender.

        Live: wait at most ``timeout`` seconds (None: for ever). In virtual time: run the host until one comes.

        Raises:
            TimedOutError: no datagram came in time (live), or the input is over (virtual time).
            HostError: an ICMP error came for an earlier send of a connected socket, e.g. ConnectionRefusedError.
        """
        got = self._until(self.recvfrom_nowait, timeout)
        if got is None:
            raise TimedOutError("no datagram came")
        return got

    def recv(self, *, timeout: float | None = None) -> bytes:
        """As :meth:`recvfrom`, without the address."""
        return self.recvfrom(timeout=timeout)[0]

    def connect(self, address: Address) -> None:
        """Send to this address by default, and take datagrams only from there. A socket connects once.

        Raises:
            HostError: ENETUNREACH, no route leads there; EISCONN, the socket is connected already.
        """
        to, port = socket_address(address)
        check(lib.sock_connect(self._host_c, self._c, to, port), f"connect to {said(address[0])}")

    def sendto(self, data: Buffer, address: Address, *, gso_size: int = 0, timeout: float | None = None) -> int:
        """Send a datagram to ``(ip, port)``, in fragments if it is longer than the MTU. Return: bytes.

        Args:
            data: at most 65507 bytes (IPv6: 65527).
            address: the receiver.
            gso_size: UDP_SEGMENT: bytes of each datagram, cut as late as possible; at most 128 datagrams.
            timeout: live: seconds to wait for room in the sending ring (None: for ever); virtual time runs on.

        Raises:
            TimedOutError: there was no room in time.
            HostError: EMSGSIZE, ENETUNREACH, EINVAL, ENETDOWN (this host does not send), ... as in sendto(2).
        """
        to, port = socket_address(address)
        return self._send(data, to, port, gso_size, timeout)

    def send(self, data: Buffer, *, gso_size: int = 0, timeout: float | None = None) -> int:
        """As :meth:`sendto`, to the address that the socket is connected to."""
        return self._send(data, ffi.NULL, 0, gso_size, timeout)

    def _send(self, data: Buffer, to: Any, port: int, gso_size: int, timeout: float | None) -> int:
        gso_size = whole("gso_size", gso_size, 0, 65535)
        view = ffi.from_buffer(data)
        if len(view) > _READ_MAX:
            raise refused(errno.EMSGSIZE, "send")
        live = self._machine.live
        rc = self._send_when_room(lambda: self._sendmsg(view, to, port, gso_size, live=live), timeout)
        check(rc, "send")
        return len(view)

    @sends
    def _sendmsg(self, view: Any, to: Any, port: int, gso_size: int, *, live: bool) -> int:
        """Send in C. A thread that stops the machine or ends the host finds this call on our stack."""
        turn, c = self._machine.turn, self._machine.c
        if live and not c.live:
            raise HostError(errno.ENETDOWN, "send: the host has stopped")
        if turn.held_from_here():
            return HELD
        turn.refuse_others()
        at = ffi.cast("uint8_t *", view)
        return int(lib.udp_sendmsg(c, self._c, at, len(view), to, port, gso_size))

    def recvfrom_nowait(self) -> tuple[bytes, Address] | None:
        """Return the next datagram if one is queued, else None."""
        got = self.recvmsg_nowait()
        return None if got is None else (got[0], got[2])

    @property
    def gro(self) -> bool:
        """UDP_GRO: GRO merges datagrams for this socket, and a read returns them as one."""
        return bool(self._c.udp_gro)

    @gro.setter
    def gro(self, on: bool) -> None:
        lib.sock_set_udp_gro(self._host_c, self._c, bool(on))

    def recvmsg_nowait(self) -> tuple[bytes, int, Address] | None:
        """As :meth:`recvfrom_nowait`, with the value of Linux's control message UDP_GRO.

        Return: data, the length of each datagram in it except the last (0: it is one datagram), sender; or None.
        """
        buf = self._machine.buffers.data(_MAX_DATAGRAM)
        n = lib.sock_recv(self._host_c, self._c, buf, len(buf), self._machine.buffers.sender)
        if n == -errno.EAGAIN:
            return None
        check(n, "receive")
        f = self._machine.buffers.sender
        return bytes(ffi.buffer(buf, n)), int(f.gso_size), (inet_text(ffi.addressof(f.addr)), int(f.port))

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, *, timeout: float | None = None
    ) -> tuple[bytes, list[cmsg.Cmsg], int, Address]:
        """Return the next datagram and what was asked of it, as socket.recvmsg() does.

        Args:
            bufsize: bytes of the datagram at most; the rest of it is lost, and the flags have MSG_TRUNC.
            ancbufsize: bytes for control messages: of IP_PKTINFO, IP_RECVTTL, IPV6_RECVTCLASS ..., see docs/python.md.
            flags: MSG_DONTWAIT; MSG_ERRQUEUE: an error of the error queue (IP_RECVERR), and never wait.
            timeout: as :meth:`recvfrom` has it.

        Return: data, control messages, flags, sender; of an error: what it quotes, and where that datagram went.

        Raises:
            TimedOutError: no datagram came in time.
            HostError: EAGAIN, none is there, and the flags forbid to wait; EOPNOTSUPP, another flag; as in recvfrom().
        """
        bufsize = whole("bufsize", bufsize, 0, _READ_MAX)
        ancbufsize = whole("ancbufsize", ancbufsize, 0, _READ_MAX)
        if flags & ~(socket.MSG_DONTWAIT | cmsg.MSG_ERRQUEUE):
            raise refused(errno.EOPNOTSUPP, "recvmsg")
        if flags & cmsg.MSG_ERRQUEUE:
            got = self._recvmsg_error(bufsize, ancbufsize)
        elif flags & socket.MSG_DONTWAIT:
            got = self._recvmsg(bufsize, ancbufsize)
        else:
            got = self._until(lambda: self._recvmsg(bufsize, ancbufsize), timeout)
            if got is None:
                raise TimedOutError("no datagram came")
        if got is None:
            raise refused(errno.EAGAIN, "recvmsg")
        return got

    @property
    def _asked(self) -> int:
        return int(self._machine.c.socks.inet[self._c.index].cmsgs)

    def _recvmsg(self, bufsize: int, room: int) -> tuple[bytes, list[cmsg.Cmsg], int, Address] | None:
        buf, f = self._machine.buffers.data(_MAX_DATAGRAM), self._machine.buffers.sender
        n = lib.sock_recv(self._host_c, self._c, buf, min(bufsize, _MAX_DATAGRAM), f)
        if n == -errno.EAGAIN:
            return None
        check(n, "receive")
        told, cut = cmsg.fitting(cmsg.datagram(self._c, self._asked, f, int(f.gso_size)), room)
        flags = cut | (socket.MSG_TRUNC if f.truncated else 0)
        return bytes(ffi.buffer(buf, n)), told, flags, (inet_text(f.addr), int(f.port))

    def _recvmsg_error(self, bufsize: int, room: int) -> tuple[bytes, list[cmsg.Cmsg], int, Address] | None:
        got = self._next_error(bufsize)
        if got is None:
            return None
        e, data = got
        told, cut = cmsg.fitting(cmsg.of_error(self._c, self._asked, e), room)
        flags = cmsg.MSG_ERRQUEUE | cut | (socket.MSG_TRUNC if e.len > len(data) else 0)
        return data, told, flags, (inet_text(e.dst), int(e.port))

    def _next_error(self, bufsize: int) -> tuple[Any, bytes] | None:
        buf, e = self._machine.buffers.data(_MAX_DATAGRAM), ffi.new("struct sock_exterr *")
        n = lib.sock_recv_err(self._host_c, self._c, buf, min(bufsize, _MAX_DATAGRAM), e)
        return None if n == -errno.EAGAIN else (e, bytes(ffi.buffer(buf, n)))

    def recverr(self) -> cmsg.SocketError | None:
        """Return the oldest error of the error queue, None: no error waits. It never waits itself.

        The queue takes errors once IP_RECVERR, or for IPv6 IPV6_RECVERR, is set, connected or not.
        """
        got = self._next_error(_MAX_DATAGRAM)
        return None if got is None else cmsg.error(*got)

    def recvmmsg_nowait(self, vlen: int = 256) -> Datagrams:
        """Return up to ``vlen`` (1 .. 1024) queued datagrams, at most 1 MiB, by one call into C.

        The result is empty if none is queued. The others stay queued, as with recvmmsg(2) and MSG_DONTWAIT.
        """
        if not is_whole(vlen) or not 1 <= vlen <= _VLEN_MAX:
            raise ConfigError(f"vlen is 1 to {_VLEN_MAX}, not {vlen!r}")
        buf = self._machine.buffers.data(_BURST_BYTES)
        ends, senders = self._machine.buffers.burst(_VLEN_MAX)
        n = check(lib.sock_recvmmsg(self._host_c, self._c, buf, _BURST_BYTES, ends, senders, vlen), "receive")
        used = ends[n - 1] if n else 0
        data = memoryview(ffi.buffer(buf, used)[:])
        return Datagrams(data, [0, *ffi.unpack(ends, n)], ffi.buffer(senders, n * ffi.sizeof("struct sock_from"))[:])


class TcpStream(Socket):
    """One direction of a TCP connection: an ordered byte stream, without message boundaries."""

    @property
    def peer(self) -> Address:
        """Address and port of the sender."""
        return (inet_text(self._c.raddr), int(self._c.rport))

    @property
    def gaps(self) -> tuple[int, int]:
        """Holes given up on: their number, and the bytes missing."""
        return int(self._c.gaps), int(self._c.gap_bytes)

    def read(self, n: int = 65536, *, timeout: float | None = None) -> bytes:
        """Return up to ``n`` queued bytes; wait for the first one as :meth:`UdpSocket.recvfrom` does.

        Return: ``b""`` when the stream has ended (FIN).

        Raises:
            HostError: ECONNRESET, the peer reset the stream (also a ConnectionResetError).
            TimedOutError: no byte came.
        """
        got = self._until(lambda: self.read_nowait(n), timeout)
        if got is None:
            raise TimedOutError("no data came")
        return got

    def read_nowait(self, n: int = 65536) -> bytes | None:
        """Return up to ``n`` queued bytes; ``b""``: the stream has ended; None: no byte is queued.

        HostError: ECONNRESET, the peer reset the stream.
        """
        n = whole("n", n, 0, _READ_MAX)
        buf = self._machine.buffers.data(n)
        rc = lib.sock_read(self._host_c, self._c, buf, n)
        return None if rc == -errno.EAGAIN else bytes(ffi.buffer(buf, check(rc, "read")))

    def _free(self, sock: Any) -> None:
        """Close the stream. Its later segments find no stream."""
        sock.accepted = lib.SOCK_GIVEN_UP
        super()._free(sock)


class TcpListener(Socket):
    """A listener that takes streams to its port, also from their middle: a capture may start anywhere."""

    def accept(self, *, timeout: float | None = None) -> TcpStream:
        """Return the next stream. TimedOutError: no stream came."""
        stream = self._until(self.accept_nowait, timeout)
        if stream is None:
            raise TimedOutError("no stream came")
        return stream

    def accept_nowait(self) -> TcpStream | None:
        """Return the next stream if one waits, else None."""
        self._machine.refuse_others()
        return None if self._c.accept_next == ffi.NULL else self._machine.turn.do(self._accept)

    def _accept(self) -> TcpStream | None:
        c = lib.sock_accept(self._machine.c, self._c)
        return None if c == ffi.NULL else TcpStream(self._machine, c)
