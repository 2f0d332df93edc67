"""Sockets of the emulated host: UDP datagrams and passive TCP streams."""

from __future__ import annotations

import ipaddress
import os
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from vnic._core import ffi, lib
from vnic.errors import ConfigError
from vnic.seam import Packets

if TYPE_CHECKING:
    from vnic.host import Host

_MAX_DATAGRAM = 1 << 18
_BURST_BYTES = 1 << 20  # more than any datagram has
_VLEN_MAX = 1024
Address = tuple[str, int]


def inet_addr(text: str) -> Any:
    """``struct inet_addr *`` of an address in text form; ConfigError if it is none."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError as e:
        raise ConfigError(f"{text!r} is not an IP address") from e
    value = int(ip) | (0xFFFF << 32 if ip.version == 4 else 0)
    return ffi.new("struct inet_addr *", {"hi": value >> 64, "lo": value & (1 << 64) - 1})


def inet_text(addr: Any) -> str:
    """The text form of a ``struct inet_addr``."""
    value = int(addr.hi) << 64 | int(addr.lo)
    if value >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(value & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address(value))


class Socket:
    """What all sockets share: the C side, waiting, and closing. Use as a context manager."""

    def __init__(self, host: Host, c: Any) -> None:
        self._host = host
        self._c = c
        self._fd = -1
        if host.live:
            self.fileno()

    def fileno(self) -> int:
        """An eventfd that becomes readable when data comes in on a live host, for select and asyncio."""
        if self._fd < 0:
            self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._c.wake_fd = self._fd
        return self._fd

    def _wait(self, deadline: float | None) -> bool:
        """Until there may be something to read. Virtual time: run the host. Return: False = no use to go on."""
        if self._host.live:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            ready = select.select([self.fileno()], [], [], left)[0]
            if ready:
                os.eventfd_read(self._fd)
            return True
        before = self._host.c.nic.offered, self._c.packets
        self._host.run(frames=lib.BURST)
        return bool(before != (self._host.c.nic.offered, self._c.packets))

    @property
    def local(self) -> Address:
        """Address (``""``: any) and port it is bound to."""
        return ("" if self._c.any else inet_text(self._c.laddr), int(self._c.lport))

    @property
    def drops(self) -> int:
        """Packets that found the receive buffer full."""
        return int(self._c.drops)

    @property
    def rcvbuf(self) -> int:
        """Receive buffer, bytes of truesize (SO_RCVBUF)."""
        return int(self._c.rcvbuf)

    @rcvbuf.setter
    def rcvbuf(self, value: int) -> None:
        self._c.rcvbuf = value

    @property
    def cpu(self) -> int:
        """The emulated CPU its reader runs on: RFS brings the flow there."""
        return int(self._c.reader_cpu)

    @cpu.setter
    def cpu(self, value: int) -> None:
        if not 0 <= value < self._host.c.ncpus:
            raise ConfigError(f"cpu={value}: the host has CPUs 0 to {self._host.c.ncpus - 1}")
        self._c.reader_cpu = value

    def close(self) -> None:
        """Leave the tables; what is queued is freed."""
        if self._c is not None:
            self._c.wake_fd = -1
            lib.sock_close(self._host.c, ffi.NULL, self._c)
            self._c = None
            self._host.forget(self)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Datagrams(Packets):
    """Datagrams read at once, the oldest first. Yours to keep."""

    _from: bytes

    def sender(self, i: int) -> Address:
        """Where the i-th came from."""
        f = ffi.from_buffer("struct sock_from[]", self._from)[range(len(self))[i]]
        return (inet_text(ffi.addressof(f.addr)), int(f.port))


class UdpSocket(Socket):
    """A bound UDP socket."""

    def recvfrom(self, *, timeout: float | None = None) -> tuple[bytes, Address]:
        """The next datagram and where it came from.

        Live: waits at most ``timeout`` seconds (None: for ever). In virtual time: runs the host until one is there.

        Raises:
            TimeoutError: none came in time (live), or the input is over (virtual time).
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            got = self.recvfrom_nowait()
            if got is not None:
                return got
            if not self._wait(deadline):
                got = self.recvfrom_nowait()
                if got is None:
                    raise TimeoutError("no datagram came")
                return got

    def recv(self, *, timeout: float | None = None) -> bytes:
        """As :meth:`recvfrom`, without the address."""
        return self.recvfrom(timeout=timeout)[0]

    def recvfrom_nowait(self) -> tuple[bytes, Address] | None:
        """The next datagram if one is queued, else None."""
        got = self.recvmsg_nowait()
        return None if got is None else (got[0], got[2])

    @property
    def gro(self) -> bool:
        """UDP_GRO: GRO merges datagrams for this socket, and a read returns them as one."""
        return bool(self._c.udp_gro)

    @gro.setter
    def gro(self, on: bool) -> None:
        lib.sock_set_udp_gro(self._host.c, self._c, on)

    def recvmsg_nowait(self) -> tuple[bytes, int, Address] | None:
        """As :meth:`recvfrom_nowait`, with what Linux tells in the control message UDP_GRO between.

        Return: data, the length of each datagram in it but the last (0: it is one datagram), sender; or None.
        """
        buf = self._host.read_buffer(_MAX_DATAGRAM)
        n = lib.sock_recv(self._host.c, self._c, buf, len(buf), self._host.from_buffer)
        if n < 0:
            return None
        f = self._host.from_buffer
        return bytes(ffi.buffer(buf, n)), int(f.gso_size), (inet_text(ffi.addressof(f.addr)), int(f.port))

    def recvmmsg_nowait(self, vlen: int = 256) -> Datagrams:
        """Up to ``vlen`` (1 .. 1024) datagrams that are queued, at most 1 MiB of them: one call into C for all.

        Return: none if none is queued. What did not fit stays queued. As recvmmsg(2) with MSG_DONTWAIT.
        """
        if not 1 <= vlen <= _VLEN_MAX:
            raise ConfigError(f"vlen is 1 to {_VLEN_MAX}, not {vlen}")
        buf = self._host.read_buffer(_BURST_BYTES)
        ends, senders = self._host.burst_buffers(_VLEN_MAX)
        n = lib.sock_recvmmsg(self._host.c, self._c, buf, _BURST_BYTES, ends, senders, vlen)
        used = ends[n - 1] if n else 0
        data = memoryview(ffi.buffer(buf, used)[:])
        return Datagrams(data, [0, *ffi.unpack(ends, n)], ffi.buffer(senders, n * ffi.sizeof("struct sock_from"))[:])


class TcpStream(Socket):
    """One direction of a TCP conversation: an ordered byte stream, without message borders."""

    @property
    def peer(self) -> Address:
        """Who sends."""
        return (inet_text(self._c.raddr), int(self._c.rport))

    @property
    def gaps(self) -> tuple[int, int]:
        """Holes that were given up: how many, and how many bytes are missing."""
        return int(self._c.gaps), int(self._c.gap_bytes)

    def read(self, n: int = 65536, *, timeout: float | None = None) -> bytes:
        """Up to ``n`` bytes of what is there; waits for the first one as :meth:`UdpSocket.recvfrom` does.

        Return: ``b""`` when the stream has ended (FIN).

        Raises:
            ConnectionResetError: it was reset.
            TimeoutError: nothing came.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        buf = self._host.read_buffer(n)
        last = False
        while True:
            rc = lib.sock_read(self._host.c, self._c, buf, n)
            if rc >= 0:
                return bytes(ffi.buffer(buf, rc))
            if rc == -104:
                raise ConnectionResetError("the peer reset the stream")
            if last:
                raise TimeoutError("no data came")
            last = not self._wait(deadline)

    def close(self) -> None:
        """Give it up; further segments of it find no stream."""
        if self._c is not None:
            self._c.accepted = 2
        super().close()


class TcpListener(Socket):
    """Takes streams that begin at its port (also in the middle: a capture may start anywhere)."""

    def accept(self, *, timeout: float | None = None) -> TcpStream:
        """The next stream. TimeoutError: none came."""
        deadline = None if timeout is None else time.monotonic() + timeout
        last = False
        while True:
            c = lib.sock_accept(self._host.c, self._c)
            if c != ffi.NULL:
                return self._host.adopt(TcpStream(self._host, c))
            if last:
                raise TimeoutError("no stream came")
            last = not self._wait(deadline)
