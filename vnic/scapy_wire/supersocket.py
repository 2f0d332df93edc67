"""scapy at the far end of an emulated wire: the card gets scapy's frames, and scapy gets the host's. No root needed.

>>> from vnic.scapy_wire.supersocket import WireSocket                                     # doctest: +SKIP
>>> s = WireSocket(vnic.Host(ip="10.0.0.2/24", cost="zero"))                   # doctest: +SKIP
>>> sr1(IP(dst="10.0.0.2") / ICMP(), iface=s.iface, timeout=1)                 # doctest: +SKIP
>>> srp1(Ether(dst=s.mac) / IP(src="10.0.0.9", dst="10.0.0.2") / UDP(), iface=s.iface, timeout=1)  # doctest: +SKIP

A host in virtual time runs for ``settle_ns`` at each send, and its answers in that time are queued when send() returns.
scapy's ``timeout=`` counts real seconds: scapy waits that long for frames from another thread, and the host's clock
stands still meanwhile. For answers later than ``settle_ns``, set a longer one, or call ``host.run(until_ns=...)``. A
packet's ``time`` and ``sent_time`` are virtual seconds. A live host answers in real time, and both times count from the
epoch, as on a real interface.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from scapy.config import conf
from scapy.data import ETH_P_ALL
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.supersocket import SuperSocket

from vnic import bpf
from vnic.errors import ConfigError, VnicError, refused
from vnic.knobs.parse import parse_mac
from vnic.scapy_wire import interface
from vnic.scapy_wire.far_end import FarEnd, end_of
from vnic.wire import MemoryWire, PythonWire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.host import Host

_KEPT = 65536
_MTU = 65535
_ETH_DATA_LEN = 1500


class WireEndedError(VnicError, EOFError):
    """The host is closed, so no more frames come. An EOFError ends scapy's sniffing."""


class _Socket(SuperSocket):
    """Base of the sockets: a queue of frames for this socket, and an eventfd for select() that counts them.

    Args as in scapy's own sockets:
        iface: :attr:`WireSocket.iface`, or its name.
        type: EtherType to receive, behind a VLAN tag too; ETH_P_ALL: any.
        promisc: also receive frames to other addresses; None: ``conf.sniff_promisc``.
        filter: receive only frames that match this expression, see :func:`vnic.bpf.compile`.
        nofilter: ignore ``conf.except_filter`` and ``filter``.
        monitor: refused, because Ethernet has no monitor mode.

    Raises:
        ConfigError: the filter does not compile, the interface is not an emulated wire, or monitor mode.
        VnicError: the interface's wire is closed.
    """

    is_users = False
    """A user plugged it in, so it keeps the interface open."""
    _hears_sent = False
    _fd = -1

    def __init__(  # noqa: PLR0917 - scapy's positions
        self,
        iface: Any = None,
        type: int = ETH_P_ALL,  # noqa: A002 - scapy's names
        promisc: Any = None,
        filter: Any = None,  # noqa: A002
        nofilter: Any = 0,
        monitor: Any = None,
    ) -> None:
        if monitor:
            raise ConfigError("monitor: an emulated wire is Ethernet, and has no monitor mode")
        self._join(end_of(iface), type, promisc=promisc, expression=None if nofilter else _except(filter))

    def _join(self, end: FarEnd, kind: int, *, promisc: Any, expression: str | None) -> None:
        self.type = kind
        self.promisc = bool(conf.sniff_promisc if promisc is None else promisc)
        self._wants = None if expression is None else bpf.predicate(bpf.compile(expression))
        self._end = end
        self.iface: Any = end.iface
        self.received: deque[tuple[bytes, int]] = deque()
        self.dropped = 0
        self._t = 0.0
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC | os.EFD_SEMAPHORE)
        end.add(self)

    def __repr__(self) -> str:
        return f"<vnic.{type(self).__name__}{' closed' if self._fd < 0 else f' on {self.iface.name}'}>"

    @property
    def host(self) -> Host:
        """The host of the wire."""
        return self._end.host

    def take(self, frame: bytes, t_ns: int, *, outgoing: bool) -> None:
        """Queue a frame on the wire if it is for this socket. The far end calls this, with its lock held."""
        if outgoing and not (self._hears_sent and self.type == ETH_P_ALL):
            return
        if self.type not in (ETH_P_ALL, _ethertype(frame)):
            return
        if not (self.promisc or outgoing or frame[0] & 1 or frame[:6].hex(":") == self.iface.mac):
            return
        if self._wants is not None and not self._wants(frame):
            return
        if len(self.received) >= _KEPT:
            self.dropped += 1
            return
        self.received.append((frame, t_ns))
        self.wake()

    def wake(self) -> None:
        """Wake the reader: a frame is queued, or no more will come."""
        if self._fd >= 0:
            os.eventfd_write(self._fd, 1)

    def recv_raw(self, x: int = _MTU) -> tuple[Any, bytes | None, float | None]:
        """Return the next frame, at most ``x`` bytes of it, and its time in seconds; None: no frame is queued.

        Raises:
            WireEndedError: no more frames will come, because the host is closed.
            VnicError: this socket is closed.
        """
        try:
            os.eventfd_read(self.fileno())
        except BlockingIOError:
            if self._end.open:
                return None, None, None
        if not self.received:
            raise WireEndedError("the wire is closed, or its host is")
        frame, t_ns = self.received.popleft()
        self._t = self._end.seconds(t_ns)
        return Ether, frame[:x], self._t

    def recv(self, x: int = _MTU, **kwargs: Any) -> Any:
        """Return the next packet, or None; see :meth:`recv_raw`."""
        packet = super().recv(x, **kwargs)
        if packet is not None:
            packet.time = self._t  # scapy ignores time 0
        return packet

    def send(self, x: Any) -> int:
        """Put a frame on the wire. Return: bytes."""
        frame = bytes(x)
        self.fileno()
        self._end.send(frame, x)
        return len(frame)

    def fileno(self) -> int:
        """Return an eventfd that is readable while frames are queued. VnicError: the socket is closed."""
        if self._fd < 0:
            raise VnicError("the scapy socket is closed")
        return self._fd

    def close(self) -> None:
        """Close the socket. The host stays open."""
        if self.closed or self._fd < 0:
            return
        self.closed = True
        self._end.remove(self)
        self.wake()
        os.close(self._fd)
        self._fd = -1


class L2Socket(_Socket):
    """The socket of srp(), sendp() and bridge_and_sniff(), for frames. It does not hear scapy's own frames."""

    desc = "frames on an emulated wire"


class L2Listen(_Socket):
    """The socket of sniff(): it hears all frames that pass, also scapy's own, and sends none."""

    desc = "listens on an emulated wire, in both directions"
    _hears_sent = True

    def send(self, x: Any) -> int:  # noqa: ARG002
        """Raise VnicError: this socket only listens."""
        raise VnicError("a socket that listens sends nothing")


class L3Socket(_Socket):
    """The socket of sr(), sr1() and send(), for IP packets. All go over this one wire, whatever scapy's routes say.

    The far end resolves the next hop on the wire, by ARP or neighbour discovery. From then on it answers requests for
    the source addresses of sent packets and for the interface's addresses, as a machine does.
    """

    desc = "IP packets on an emulated wire"

    def recv(self, x: int = _MTU, **kwargs: Any) -> Any:
        """Return the next packet without its Ethernet header, or None."""
        packet = super().recv(x, **kwargs)
        if packet is None:
            return None
        packet.payload.time = packet.time
        return packet.payload

    def send(self, x: Any) -> int:
        """Send an IP packet, in fragments if it is longer than the MTU and ``conf.auto_fragment`` is set.

        Raises:
            ConfigError: it is not an IP packet.
            HostError: EMSGSIZE, the packet is too long.
        """
        self.fileno()
        if isinstance(x, ARP):
            return self._put(x, "ff:ff:ff:ff:ff:ff", x)
        if not isinstance(x, (IP, IPv6)):
            raise ConfigError(f"a layer-3 socket sends IP packets, not {type(x).__name__}")
        mtu = int(self.host.knobs["mtu"]) or _ETH_DATA_LEN
        parts: list[Any] = [x]
        if len(x) > mtu:
            if not (conf.auto_fragment and isinstance(x, IP)):
                raise refused(errno.EMSGSIZE, f"{len(x)} bytes, and the MTU is {mtu}")
            parts = cast("Any", x).fragment((mtu - 4 * (x.ihl or 5)) & ~7)
        if x.src not in ("0.0.0.0", "::"):  # noqa: S104
            self._end.claim(x.src)
        mac = self._end.mac_of(x)
        return sum(self._put(part, mac, x) for part in parts)

    def _put(self, packet: Any, mac: str, sent: Any) -> int:
        frame = bytes(Ether(src=self.iface.mac, dst=mac) / packet)
        self._end.send(frame, sent)
        return len(frame)


class WireSocket(L2Socket):
    """Plug scapy in at the far end of a host's wire. The interface ``s.iface`` exists while this socket is open.

    ``sr1(..., iface=s.iface)``, srp(), send(), sendp(), sniff(), AsyncSniffer and so on take it as ``iface=``, and
    scapy's routes lead there. The socket itself is for frames: ``sendp(..., socket=s)``, ``sniff(opened_socket=s)``,
    ``s.sr1(...)``. Several sockets of one host share the wire, and each hears the frames sent while it is open.

    In scapy 2.6 and 2.7, sr(), sr1() and send() take no ``iface=``. There scapy's routes lead to the wire, and
    ``IP(dst=ScopedIP("10.0.0.2", scope=s.iface))`` selects one of several wires.

    Args:
        host: a host on a wire in memory, in virtual time or live.
        ip: scapy's own addresses; None: the gateway of each of the host's networks, or its first free address.
        mac: scapy's own MAC address; None: made of the first address.
        settle_ns: virtual time that passes after each frame, for the answer.
        type, promisc, filter, nofilter: for this socket, as in scapy's L2socket.

    Raises:
        ConfigError: the host is on another kind of wire, an address is invalid, or a filter does not compile.
    """

    is_users = True

    def __init__(
        self,
        host: Host,
        *,
        ip: str | Iterable[str] | None = None,
        mac: str | None = None,
        settle_ns: int = 10_000_000,
        type: int = ETH_P_ALL,  # noqa: A002
        promisc: Any = None,
        filter: Any = None,  # noqa: A002
        nofilter: Any = 0,
    ) -> None:
        if host.machine.c is None:
            raise VnicError("the host is closed")
        if not isinstance(host.wire, MemoryWire) or isinstance(host.wire, PythonWire):
            raise ConfigError("a scapy socket needs a host on a wire in memory; a TAP is an interface for scapy itself")
        if settle_ns < 0:
            raise ConfigError(f"settle_ns={settle_ns}: must be 0 or more")
        self.settle_ns = settle_ns
        end = host.wire.far_end
        if isinstance(end, FarEnd) and (ip is not None or mac is not None):
            raise ConfigError(f"ip and mac: {end.iface.network_name} is open already, and has its addresses")
        new = not isinstance(end, FarEnd)
        if not isinstance(end, FarEnd):
            end = _plug_in(host, ip, mac, settle_ns)
        end.users += 1
        try:
            self._join(end, type, promisc=promisc, expression=None if nofilter else _except(filter))
        except BaseException:
            end.users -= 1
            if new:
                end.unplug()
            raise

    @property
    def mac(self) -> str:
        """The card's address."""
        return bytes(self.host.machine.c.nic.filter.addr).hex(":")

    def send(self, x: Any) -> int:
        """Put a frame on the wire. Return: bytes."""
        frame = bytes(x)
        self.fileno()
        self._end.send(frame, x, settle_ns=self.settle_ns)
        return len(frame)


def _plug_in(host: Host, ip: str | Iterable[str] | None, mac: str | None, settle_ns: int) -> FarEnd:
    addresses = interface.own_addresses(host) if ip is None else interface.given_addresses(host, ip)
    try:
        given = None if mac is None else parse_mac(mac)
    except ValueError as e:
        raise ConfigError(f"mac={mac}: {e}") from None
    return FarEnd(host, addresses, given.hex(":") if given else interface.own_mac(host, addresses), settle_ns)


def _except(expression: str | None) -> str | None:
    """Return the filter, without the frames that scapy's ``conf.except_filter`` hides."""
    if not conf.except_filter:
        return expression
    return f"({expression}) and not ({conf.except_filter})" if expression else f"not ({conf.except_filter})"


def _ethertype(frame: bytes) -> int:
    at = 16 if frame[12:14] in (b"\x81\x00", b"\x88\xa8") else 12
    return int.from_bytes(frame[at : at + 2], "big")
