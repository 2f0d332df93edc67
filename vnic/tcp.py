r"""TCP connections of a host: :meth:`vnic.Host.listen` answers SYNs, :meth:`vnic.Host.connect` sends one.

>>> with vnic.Host(ip="10.0.0.2/24", wire=tap, live=True, tcp="endpoint") as host, host.running():
...     server = host.listen(80)
...     connection = server.accept()
...     request = connection.recv(65536)
...     connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
...     connection.close()

Calls wait as those of UDP's sockets do: live at most ``timeout`` seconds (None: for ever); in virtual time they run the
host until there is an answer, or nothing is left to happen (TimedOutError).
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from vnic import tcp_options
from vnic._core import ffi, lib
from vnic.address import SocketAddress as Address
from vnic.address import inet_text
from vnic.errors import TimedOutError, check, refused
from vnic.host_socket import RING_PAUSE_S
from vnic.knobs.parse import whole
from vnic.machine.turn import sends
from vnic.sock import Socket

if TYPE_CHECKING:
    from vnic.machine.machine import Machine

    Buffer = bytes | bytearray | memoryview

_READ_MAX = 1 << 30
_SENDFILE_BYTES = 1 << 18
_STATES = {
    lib.TCPS_ESTABLISHED: "ESTABLISHED",
    lib.TCPS_SYN_SENT: "SYN_SENT",
    lib.TCPS_SYN_RECV: "SYN_RECV",
    lib.TCPS_FIN_WAIT1: "FIN_WAIT1",
    lib.TCPS_FIN_WAIT2: "FIN_WAIT2",
    lib.TCPS_TIME_WAIT: "TIME_WAIT",
    lib.TCPS_CLOSE: "CLOSE",
    lib.TCPS_CLOSE_WAIT: "CLOSE_WAIT",
    lib.TCPS_LAST_ACK: "LAST_ACK",
    lib.TCPS_LISTEN: "LISTEN",
    lib.TCPS_CLOSING: "CLOSING",
}
_CA_STATES = ("Open", "Disorder", "CWR", "Recovery", "Loss")


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """A connection at one moment: the members of Linux's ``struct tcp_info``. Times in us, sizes in bytes."""

    state: str
    """RFC 9293's name: ``ESTABLISHED``, ``FIN_WAIT1`` ..."""
    ca_state: str
    """Of congestion control: Open, Disorder, CWR, Recovery, Loss."""
    retransmits: int
    probes: int
    backoff: int
    snd_wscale: int
    rcv_wscale: int
    timestamps: bool
    sack: bool
    ecn: bool
    """RFC 3168 is agreed on."""
    ecn_seen: bool
    """Data came that routers may mark."""
    rto: int
    ato: int
    snd_mss: int
    rcv_mss: int
    unacked: int
    """Segments that were sent and not acknowledged."""
    sacked: int
    lost: int
    retrans: int
    """Segments that were sent again and are in flight."""
    pmtu: int
    rcv_ssthresh: int
    rtt: int
    rttvar: int
    snd_ssthresh: int
    snd_cwnd: int
    """Segments that may be in flight."""
    advmss: int
    reordering: int
    rcv_rtt: int
    rcv_space: int
    total_retrans: int
    bytes_acked: int
    bytes_received: int
    segs_out: int
    segs_in: int
    notsent_bytes: int
    min_rtt: int
    data_segs_in: int
    data_segs_out: int
    delivered: int
    delivered_ce: int
    """Of them, acknowledged with ECE."""
    bytes_sent: int
    bytes_retrans: int
    dsack_dups: int
    reord_seen: int
    rcv_wnd: int
    snd_wnd: int


def _unsent(tp: Any) -> int:
    """Bytes that were written and not sent; a FIN is none of them."""
    left = (int(tp.write_seq) - int(tp.snd_nxt)) % (1 << 32)
    return 0 if left >> 31 or tp.state == lib.TCPS_CLOSE else left


class _TcpSocket(Socket):
    """What connections and listeners share."""

    @property
    def _tcp(self) -> Any:
        """The ``struct tcp_sock``."""
        return self._machine.c.tcp.socks[self._c.index]

    @property
    def state(self) -> str:
        """RFC 9293's name of the state: ``ESTABLISHED``, ``LISTEN`` ..."""
        return _STATES[int(self._tcp.state)]

    # ---- options ----

    def setsockopt(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option of the socket, by the names of the module socket. A connection begins with its server's.

        TCP_NODELAY, TCP_CORK, TCP_MAXSEG, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT, TCP_CONGESTION,
        SO_KEEPALIVE, SO_LINGER, SO_RCVBUF, SO_SNDBUF.

        Raises:
            HostError: ENOPROTOOPT, vnic has no such option; EINVAL, the value is out of its range; ENOENT, no such
                congestion control.
        """
        tcp_options.set_(tcp_options.Structs(self._host_c, self._c, self._tcp), level, name, value)

    def getsockopt(self, level: int, name: int, buflen: int = 0) -> int | bytes:  # type: ignore[override]
        """Return the value of one of these options; of SO_ERROR, SO_TYPE too. With ``buflen``: so many bytes of it."""
        buflen = whole("buflen", buflen, 0, 1024)
        value = tcp_options.get(tcp_options.Structs(self._machine.c, self._c, self._tcp), level, name)
        return value[:buflen] if buflen else int.from_bytes(value[:4], sys.byteorder, signed=True)

    def _free(self, sock: Any) -> None:
        self._machine.turn.others_out_of(self)  # its place may be another connection's right after
        lib.tcp_close(self._machine.c, sock)


class TcpConnection(_TcpSocket):
    """A TCP connection, by Linux's rules. :meth:`close` sends what was written; an unread rest becomes a reset."""

    @property
    def peer(self) -> Address:
        """Address and port of the other side."""
        return (inet_text(self._c.raddr), int(self._c.rport))

    # ---- receiving ----

    def recv(self, n: int = 65536, *, timeout: float | None = None) -> bytes:
        """Return up to ``n`` bytes; wait for the first one. ``b""``: the peer has sent all.

        Raises:
            HostError: ECONNRESET, ETIMEDOUT, ...: once; then the connection has ended.
            TimedOutError: no byte came in time.
        """
        got = self._until(lambda: self.recv_nowait(n), timeout)
        if got is None:
            raise TimedOutError("no data came")
        return got

    def recv_nowait(self, n: int = 65536) -> bytes | None:
        """Return up to ``n`` bytes that are here; ``b""``: the peer has sent all; None: none is here."""
        n = whole("n", n, 0, _READ_MAX)
        buf = self._machine.buffers.data(n)
        rc = self._recvmsg(buf, n)
        return None if rc == -errno.EAGAIN else bytes(ffi.buffer(buf, check(rc, "recv")))

    def recv_into(self, buffer: bytearray | memoryview, *, timeout: float | None = None) -> int:
        """Read into ``buffer``, and wait for the first byte. Return: bytes; 0: the peer has sent all."""
        got = self._until(lambda: self.recv_into_nowait(buffer), timeout)
        if got is None:
            raise TimedOutError("no data came")
        return got

    def recv_into_nowait(self, buffer: bytearray | memoryview) -> int | None:
        """Read what is here into ``buffer``. Return: bytes; 0: the peer has sent all; None: none is here."""
        if memoryview(buffer).readonly:
            raise TypeError("buffer: bytes that can be written to, as a bytearray")
        view = ffi.from_buffer(buffer, require_writable=True)
        rc = self._recvmsg(view, min(len(view), _READ_MAX))
        return None if rc == -errno.EAGAIN else check(rc, "recv")

    @sends
    def _recvmsg(self, buf: Any, n: int) -> int:
        """Read in C, which may acknowledge. A thread that stops the machine finds this call on our stack."""
        if self._held():
            return -errno.EAGAIN
        self._machine.turn.refuse_others()
        return int(lib.tcp_recvmsg(self._machine.c, self._c, ffi.cast("uint8_t *", buf), n, 0))

    # ---- sending ----

    def send(self, data: Buffer, *, timeout: float | None = None) -> int:
        """Send as much of ``data`` as there is room for, at least a byte; wait for room. Return: bytes.

        Raises:
            HostError: EPIPE, this side or the connection has ended; ECONNRESET, ETIMEDOUT, ...
            TimedOutError: there was no room in time.
        """
        view = memoryview(data).cast("B")
        if not len(view):
            return 0
        got = self._until(lambda: self.send_nowait(view), timeout)
        if got is None:
            raise TimedOutError("no room in the sending buffer")
        return got

    def send_nowait(self, data: Buffer) -> int | None:
        """Send as much as there is room for now. Return: bytes; None: there is no room."""
        rc = self._sendmsg(ffi.from_buffer(data))
        return None if rc == -errno.EAGAIN else check(rc, "send")

    @sends
    def _sendmsg(self, view: Any) -> int:
        if self._held():
            return -errno.EAGAIN
        self._machine.turn.refuse_others()
        n = min(len(view), _READ_MAX)
        return int(lib.tcp_sendmsg(self._machine.c, self._c, ffi.cast("uint8_t *", view), n))

    def sendall(self, data: Buffer, *, timeout: float | None = None) -> None:
        """Send all of ``data``. As :meth:`send`; after an error it is unknown how much was sent."""
        view, deadline = memoryview(data).cast("B"), None if timeout is None else time.monotonic() + timeout
        while len(view):
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            view = view[self.send(view, timeout=left) :]

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """Send a file from ``offset`` on, at most ``count`` bytes. Return: how many."""
        if not callable(getattr(file, "fileno", None)):
            raise TypeError("file: an open file with a descriptor")
        offset = whole("offset", offset, 0, 1 << 62)
        count = None if count is None else whole("count", count, 0, 1 << 62)
        sent = 0
        while count is None or sent < count:
            size = _SENDFILE_BYTES if count is None else min(_SENDFILE_BYTES, count - sent)
            piece = os.pread(file.fileno(), size, offset + sent)
            if not piece:
                break
            self.sendall(piece)
            sent += len(piece)
        return sent

    def shutdown(self, how: int) -> None:
        """End a direction: SHUT_RD, SHUT_WR, SHUT_RDWR of the module socket, as the system call has it.

        HostError: ENOTCONN, the connection has ended.
        """
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            raise refused(errno.EINVAL, "shutdown")
        check(lib.tcp_shutdown(self._host_c, self._c, how), "shutdown")

    def _held(self) -> bool:
        """Does another thread hold back this call? Then the caller looks again: no segment would wake it."""
        held = self._machine.turn.held_from_here()
        if held:
            time.sleep(RING_PAUSE_S)
            self.wake_up()
        return held

    def _connected(self, timeout: float | None) -> int | None:
        """Wait until it is known how the attempt ended. Return: 0 or -errno; None: it is not known in time."""
        return self._until(self._how_connected, timeout)

    def _how_connected(self) -> int | None:
        """Return 0 or -errno; None: it is not known yet."""
        rc = int(lib.tcp_connected(self._machine.c, self._c))
        return None if rc == -errno.EINPROGRESS else rc

    # ---- looking ----

    def tcp_info(self) -> TcpInfo:
        """Return the numbers of TCP_INFO."""
        tp, c = self._tcp, self._c
        return TcpInfo(
            state=_STATES[int(tp.state)],
            ca_state=_CA_STATES[int(tp.ca_state)],
            retransmits=int(tp.retransmits),
            probes=int(tp.probes_out),
            backoff=int(tp.backoff),
            snd_wscale=int(tp.snd_wscale),
            rcv_wscale=int(tp.rcv_wscale),
            timestamps=bool(tp.tstamp_ok),
            sack=bool(tp.sack_ok),
            ecn=bool(tp.ecn & lib.TCP_ECN_OK),
            ecn_seen=bool(tp.ecn & lib.TCP_ECN_SEEN),
            rto=int(tp.rto_ns) // 1000,
            ato=int(tp.ato_ns) // 1000,
            snd_mss=int(tp.mss_cache),
            rcv_mss=int(tp.rcv_mss),
            unacked=int(tp.packets_out),
            sacked=int(tp.sacked_out),
            lost=int(tp.lost_out),
            retrans=int(tp.retrans_out),
            pmtu=int(lib.ip_route_mtu(self._machine.c, ffi.addressof(c.raddr))),
            rcv_ssthresh=int(tp.rcv_ssthresh),
            rtt=int(tp.srtt_us) >> 3,
            rttvar=int(tp.mdev_us) >> 2,
            snd_ssthresh=int(tp.ssthresh),
            snd_cwnd=int(tp.cwnd),
            advmss=int(tp.advmss),
            reordering=int(tp.reordering),
            rcv_rtt=int(tp.rcv_rtt_us),
            rcv_space=int(tp.rcvq_space),
            total_retrans=int(tp.total_retrans),
            bytes_acked=int(tp.bytes_acked),
            bytes_received=int(tp.bytes_received),
            segs_out=int(tp.segs_out),
            segs_in=int(tp.segs_in),
            notsent_bytes=_unsent(tp),
            min_rtt=int(tp.rtt_min_us),
            data_segs_in=int(tp.data_segs_in),
            data_segs_out=int(tp.data_segs_out),
            delivered=int(tp.delivered),
            delivered_ce=int(tp.delivered_ce),
            bytes_sent=int(tp.bytes_sent),
            bytes_retrans=int(tp.bytes_retrans),
            dsack_dups=int(tp.dsack_dups),
            reord_seen=int(tp.reord_events),
            rcv_wnd=int(tp.rcv_wnd),
            snd_wnd=int(tp.snd_wnd),
        )


class TcpServer(_TcpSocket):
    """A port that is listened at. Closing it resets the connections that were not accepted."""

    @property
    def backlog(self) -> int:
        """How many connections may wait to be accepted, less one; as many may be half open."""
        return int(self._tcp.backlog)

    def accept(self, *, timeout: float | None = None) -> TcpConnection:
        """Return the next connection. TimedOutError: none came."""
        made = self._until(self.accept_nowait, timeout)
        if made is None:
            raise TimedOutError("no connection came")
        return made

    def accept_nowait(self) -> TcpConnection | None:
        """Return the next connection if one waits, else None."""
        self._machine.refuse_others()
        return None if self._c.accept_next == ffi.NULL else self._machine.turn.do(self._accept)

    def _accept_some(self, most: int) -> list[TcpConnection]:
        """Return the connections that wait, up to so many."""
        self._machine.refuse_others()
        if self._c.accept_next == ffi.NULL:
            return []
        return self._machine.turn.do(lambda: list(islice(iter(self._accept, None), most)))

    def _accept(self) -> TcpConnection | None:
        c = lib.tcp_accept(self._machine.c, self._c)
        return None if c == ffi.NULL else TcpConnection(self._machine, c)


def connect(machine: Machine, to: tuple[Any, int], source: tuple[Any, int], doing: str) -> TcpConnection:
    """Send a SYN; ``to``, ``source``: ``struct inet_addr *`` and port. Return: the connection, not established yet."""
    made = ffi.new("struct sock **")
    check(lib.tcp_connect(machine.c, *source, *to, made), doing)
    return TcpConnection(machine, made[0])
