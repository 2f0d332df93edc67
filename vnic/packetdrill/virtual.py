"""The back end of vnic: one host in virtual time, cost zero, and the addresses that packetdrill's scripts have.

The host's time is the script's, from BEGIN_NS on. Its peer answers ARP before the script begins.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.address import socket_address
from vnic.errors import refused
from vnic.host import Host
from vnic.packetdrill import sysctls
from vnic.packetdrill.values import MSG_MORE, TCP_CM_INQ, TCP_INQ
from vnic.tcp import TcpConnection, TcpServer
from vnic.wire import MemoryWire

if TYPE_CHECKING:
    from vnic.packetdrill.backend import BackendSocket

BEGIN_NS = 1_000_000_000
LOCAL, REMOTE = "192.168.0.1", "192.0.2.1"
_MAC, _PEER = "02:00:00:00:00:01", "02:00:00:00:00:02"
_DAY_MS = 86_400_000
_ARRIVAL_NS = 50
_WITHOUT_EFFECT = {
    (socket.SOL_SOCKET, socket.SO_REUSEADDR),
    (socket.SOL_SOCKET, socket.SO_REUSEPORT),
    (socket.SOL_SOCKET, socket.SO_PRIORITY),
    (socket.SOL_SOCKET, 60),  # SO_ZEROCOPY
    (socket.IPPROTO_IP, socket.IP_TOS),
}
_STATES = {
    "ESTABLISHED": 1, "SYN_SENT": 2, "SYN_RECV": 3, "FIN_WAIT1": 4, "FIN_WAIT2": 5, "TIME_WAIT": 6, "CLOSE": 7,
    "CLOSE_WAIT": 8, "LAST_ACK": 9, "LISTEN": 10, "CLOSING": 11,
}  # fmt: skip
_CA_STATES = ("Open", "Disorder", "CWR", "Recovery", "Loss")


def _bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


class VirtualBackend:
    """A :class:`vnic.Host` for one script."""

    def __init__(self, *, mtu: int = 1500, seed: int = 0) -> None:
        self.largest = mtu
        self.local, self.remote = LOCAL, REMOTE
        wire = MemoryWire()
        self.host = Host(
            wire=wire,
            ip=f"{LOCAL}/8", mac=_MAC, mtu=mtu, seed=seed, cost="zero", cpus=1, tcp="endpoint", hz=1000,
            neigh_base_reachable_time_ms=_DAY_MS, link="inf",
        )  # fmt: skip
        self._frames: list[tuple[int, bytes]] = []
        wire.attach(self)
        self._at = BEGIN_NS
        for op in (1, 2):
            self._feed(0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, op) + _bytes(_PEER) + socket.inet_aton(REMOTE)
                       + (_bytes(_MAC) if op == 2 else bytes(6)) + socket.inet_aton(LOCAL))  # fmt: skip
        self._settle()
        self._frames.clear()

    def receive(self, frames: list[tuple[int, bytes]]) -> list[bytes]:
        """Keep what the host sent: it is the far end of its wire."""
        self._frames += frames
        return []

    def cut_off(self) -> None:
        """Take notice that the host is closed."""

    def _settle(self) -> None:
        """Let the card and the softirq do what has arrived: less than a microsecond."""
        self._at += _ARRIVAL_NS
        self.host.run(until_ns=self._at)

    def _feed(self, kind: int, payload: bytes) -> None:
        frame = _bytes(_MAC) + _bytes(_PEER) + struct.pack("!H", kind) + payload
        self.host.feed([(self._at, frame.ljust(60, b"\0"))])

    def close(self) -> None:
        """Close the host."""
        self.host.close()

    def now_us(self) -> int:
        """As :meth:`Backend.now_us`."""
        return (self._at - BEGIN_NS) // 1000

    def run(self, until_us: int) -> None:
        """As :meth:`Backend.run`."""
        self._at = max(self._at, BEGIN_NS + until_us * 1000)
        self.host.run(until_ns=self._at)

    def put(self, packets: list[bytes]) -> None:
        """As :meth:`Backend.put`."""
        for packet in packets:
            self._feed(0x0800, packet)
        self._settle()

    def sent(self) -> list[tuple[int, bytes]]:
        """As :meth:`Backend.sent`."""
        frames, self._frames = self._frames, []
        return [((t - BEGIN_NS) // 1000, f[14:]) for t, f in frames if f[12:14] == b"\x08\0"]

    def socket(self) -> BackendSocket:
        """As :meth:`Backend.socket`."""
        return VirtualSocket(self.host)

    def sysctl(self, name: str, value: str) -> None:
        """As :meth:`Backend.sysctl`."""
        sysctls.set_sysctl(self.host, name, value)


class VirtualSocket:
    """A socket of the host, from before it has a port."""

    def __init__(self, host: Host, made: TcpConnection | None = None) -> None:
        self._host, self._machine = host, host.machine
        self._port = 0
        self._options: list[tuple[int, int, bytes]] = []
        self._inq = False
        self._fresh = made is None
        self._told = made is not None
        if made is None:
            c = lib.tcp_socket(self._machine.c)
            if c == ffi.NULL:
                raise refused(errno.ENFILE, "socket")
            made = TcpConnection(self._machine, c)
        self._at: TcpConnection | TcpServer = made

    def _connection(self, number: int = errno.ENOTCONN) -> TcpConnection:
        if self._fresh or isinstance(self._at, TcpServer):
            raise refused(number, "socket")
        return self._at

    def bind(self, port: int) -> None:
        """As :meth:`BackendSocket.bind`."""
        if self._port:
            raise refused(errno.EINVAL, "bind")
        self._port = port

    def listen(self, backlog: int) -> None:
        """As :meth:`BackendSocket.listen`."""
        if isinstance(self._at, TcpServer):
            self._at._tcp.backlog = min(backlog & 0xFFFF, int(self._machine.c.tcp.somaxconn))  # noqa: SLF001 - again
            return
        if not self._fresh:
            raise refused(errno.EINVAL, "listen")
        self._at.close()
        self._at, self._fresh = self._host.listen(self._port, backlog=backlog & 0xFFFF), False
        for level, name, value in self._options:
            self._at.setsockopt(level, name, value)

    def accept(self) -> BackendSocket | None:
        """As :meth:`BackendSocket.accept`."""
        if not isinstance(self._at, TcpServer):
            raise refused(errno.EINVAL, "accept")
        made = self._at.accept_nowait()
        if made is None:
            return None
        sock = VirtualSocket(self._host, made)
        sock._inq = self._inq
        return sock

    def connect(self, addr: str, port: int) -> bool:
        """As :meth:`BackendSocket.connect`."""
        if not self._fresh:
            told, ended = self._told, self.connected()
            if ended == 0 and not told:
                return True
            raise refused(errno.EISCONN if ended == 0 else ended or errno.EALREADY, "connect")
        to = socket_address((addr, port))
        rc = lib.tcp_connect_sock(self._machine.c, self._at._sock, ffi.NULL, self._port, *to)  # noqa: SLF001 - ours
        if rc < 0:
            raise refused(-rc, "connect")
        self._fresh = False
        return False

    def connected(self) -> int | None:
        """As :meth:`BackendSocket.connected`."""
        rc = int(lib.tcp_connected(self._machine.c, self._connection()._sock))  # noqa: SLF001
        self._told = self._told or not rc
        return None if rc == -errno.EINPROGRESS else -rc

    # ---- data ----

    def recvmsg(self, n: int, flags: int) -> tuple[int, list[tuple[int, int, int]]] | None:
        """As :meth:`BackendSocket.recvmsg`."""
        connection = self._connection()
        buf = self._machine.buffers.data(n)
        rc = int(lib.tcp_recvmsg(self._machine.c, connection._sock, buf, n, bool(flags & socket.MSG_PEEK)))  # noqa: SLF001
        if rc == -errno.EAGAIN:
            return None
        if rc < 0:
            raise refused(-rc, "recvmsg")
        return rc, [(socket.IPPROTO_TCP, TCP_CM_INQ, self._left())] if self._inq else []

    def _left(self) -> int:
        """Return what TCP_INQ tells: bytes that can be read; 1 for the end."""
        left = self.queued()
        c = self._at._sock  # noqa: SLF001
        return 1 if not left and c.fin_seen and c.rcv_nxt == c.fin_seq + 1 else left

    def send(self, n: int, flags: int) -> int | None:
        """As :meth:`BackendSocket.send`."""
        if self._fresh or isinstance(self._at, TcpServer):
            raise refused(errno.EPIPE, "send")
        tcp = self._at._tcp  # noqa: SLF001
        tcp.msg_more = bool(flags & MSG_MORE)
        try:
            return self._at.send_nowait(bytes(n))
        finally:
            tcp.msg_more = 0

    def writable(self) -> bool:
        """As :meth:`BackendSocket.writable`."""
        return not self._at._tcp.writer_waits or bool(self._at._sock.err)  # noqa: SLF001

    def poll(self) -> int:
        """As :meth:`BackendSocket.poll`."""
        c, tcp = self._at._sock, self._at._tcp  # noqa: SLF001
        if isinstance(self._at, TcpServer):
            return select.POLLIN | select.POLLRDNORM if c.accept_next != ffi.NULL else 0
        state, found = int(tcp.state), select.POLLERR if c.err else 0
        receiving, sending = not tcp.shutdown & 1, not tcp.shutdown & 2
        ended = (
            bool(c.fin_seen and c.rcv_nxt == (c.fin_seq + 1) % (1 << 32)) or not receiving or state == _STATES["CLOSE"]
        )
        if state == _STATES["CLOSE"] or (ended and not sending):
            found |= select.POLLHUP
        if ended and not self._fresh:
            found |= select.POLLIN | select.POLLRDNORM | select.POLLRDHUP
        if state in (_STATES["SYN_SENT"], _STATES["SYN_RECV"]):
            return found
        if c.head != ffi.NULL:
            found |= select.POLLIN | select.POLLRDNORM
        queued = (int(tcp.write_seq) - int(tcp.snd_una)) % (1 << 32)
        if not sending or int(tcp.sndbuf) - queued >= queued >> 1:
            found |= select.POLLOUT | select.POLLWRNORM
        return found

    def shutdown(self, how: int) -> None:
        """As :meth:`BackendSocket.shutdown`."""
        self._connection().shutdown(how)

    def close(self) -> None:
        """As :meth:`BackendSocket.close`."""
        self._at.close()

    # ---- options ----

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        """As :meth:`BackendSocket.setsockopt`."""
        if (level, name) in _WITHOUT_EFFECT:
            return
        if (level, name) == (socket.IPPROTO_TCP, TCP_INQ):
            self._inq = any(value)
            return
        self._at.setsockopt(level, name, value)
        if self._fresh:
            self._options.append((level, name, value))

    def getsockopt(self, level: int, name: int, size: int) -> bytes:
        """As :meth:`BackendSocket.getsockopt`."""
        got = self._at.getsockopt(level, name, size)
        return got if isinstance(got, bytes) else struct.pack("i", got)

    def queued(self) -> int:
        """As :meth:`BackendSocket.queued`."""
        if isinstance(self._at, TcpServer):
            raise refused(errno.EINVAL, "ioctl")
        c, tcp = self._at._sock, self._at._tcp  # noqa: SLF001
        if int(tcp.state) in (_STATES["SYN_SENT"], _STATES["SYN_RECV"]) or self._fresh:
            return 0
        left = (int(c.rcv_nxt) - int(tcp.copied_seq)) % (1 << 32)
        return left - (1 if left and c.fin_seen and c.rcv_nxt == (c.fin_seq + 1) % (1 << 32) else 0)

    def unacknowledged(self) -> int:
        """As :meth:`BackendSocket.unacknowledged`."""
        if isinstance(self._at, TcpServer):
            raise refused(errno.EINVAL, "ioctl")
        tcp = self._at._tcp  # noqa: SLF001
        if int(tcp.state) in (_STATES["SYN_SENT"], _STATES["SYN_RECV"], _STATES["CLOSE"]):
            return 0
        left = (int(lib.tcp_end_of_all(tcp_pointer(tcp))) - int(tcp.snd_una)) % (1 << 32)
        return left if left < 1 << 31 else 0

    def info(self) -> dict[str, int]:
        """As :meth:`BackendSocket.info`."""
        if isinstance(self._at, TcpServer):
            raise refused(errno.EINVAL, "getsockopt")
        info = self._at.tcp_info()
        found: dict[str, int] = {}
        for name in info.__slots__:
            value = getattr(info, name)
            if isinstance(value, int):
                found[f"tcpi_{name}"] = int(value)
        now, tcp = self._host.now_ns, self._at._tcp  # noqa: SLF001
        since = {"last_data_sent": tcp.lsndtime, "last_data_recv": tcp.lrcvtime, "last_ack_recv": tcp.rcv_tstamp}
        found |= {f"tcpi_{name}": max(now - int(at), 0) // 1_000_000 for name, at in since.items()}
        return found | {
            "SK_MEMINFO_RCVBUF": int(self._at._sock.rcvbuf),  # noqa: SLF001
            "SK_MEMINFO_SNDBUF": int(self._at._tcp.sndbuf),  # noqa: SLF001
            "tcpi_state": _STATES[info.state],
            "tcpi_ca_state": _CA_STATES.index(info.ca_state),
            "tcpi_options": info.timestamps | info.sack << 1 | bool(self._at._tcp.wscale_ok) << 2,  # noqa: SLF001
        }


def tcp_pointer(tcp: Any) -> Any:
    """Return ``struct tcp_sock *``."""
    return ffi.addressof(tcp)


def closing(sockets: list[BackendSocket]) -> None:
    """Close sockets at a script's end, whatever they say."""
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.close()
