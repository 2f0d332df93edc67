"""The far end of a wire for scapy: it plays the machine with the interface, and all of scapy's sockets share it."""

from __future__ import annotations

import ipaddress
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from scapy.config import conf
from scapy.error import warning
from scapy.interfaces import resolve_iface
from scapy.packet import Packet

from vnic.errors import ConfigError, VnicError
from vnic.scapy_wire import interface, neighbours

if TYPE_CHECKING:
    from vnic.host import Host

_CLAIMED = 65536
_ASK_S, _ASK_TIMES = 1.0, 3  # RETRANS_TIMER and MAX_MULTICAST_SOLICIT of RFC 4861, section 10
_ends: weakref.WeakValueDictionary[str, FarEnd] = weakref.WeakValueDictionary()


class Socket(Protocol):
    """A socket that hears the wire: see vnic/scapy_wire/supersocket.py."""

    is_users: bool

    def take(self, frame: bytes, t_ns: int, *, outgoing: bool) -> None:
        """Take a frame that passes."""

    def wake(self) -> None:
        """Wake the reader: no more frames will come."""


class FarEnd:
    """The state that all sockets of one wire share: the interface, the neighbours, and scapy's own addresses."""

    def __init__(self, host: Host, addresses: list[interface.IpInterface], mac: str, settle_ns: int) -> None:
        self.host, self.settle_ns = host, settle_ns
        if any(a.version == 6 for a in addresses):
            addresses = [*addresses, interface.link_local(mac)]
        self.addresses = {str(a.ip) for a in addresses}
        self.host_addresses = interface.host_addresses(host)
        self.nets = [a.network for a in self.host_addresses]
        self.sockets: list[Socket] = []
        self.users = 0
        self.open = True
        self._sending = threading.RLock()
        self._lock = threading.RLock()
        self._neighbours: dict[str, str] = {}
        self._heard = threading.Condition(self._lock)
        self._claimed: dict[str, None] = {}
        self._epoch_ns = time.time_ns() - time.monotonic_ns() if host.live else 0
        self.mac = mac
        self.iface = interface.add(mac, addresses, self.host_addresses)
        _ends[self.iface.network_name] = self
        host.wire.attach(self)  # type: ignore[attr-defined]
        weakref.finalize(self, interface.remove, self.iface, self.nets)

    # ---- frames from the card ----

    def receive(self, frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Give frames to the sockets, learn neighbours from answers, and answer requests for our addresses."""
        answers = []
        with self._lock:
            for t_ns, frame in frames:
                self._deliver(frame, t_ns, outgoing=False)
                known = neighbours.advertised(frame)
                if known is not None:
                    self._neighbours[known[0]] = known[1]
                    self._heard.notify_all()
                asked = neighbours.asked_for(frame)
                if asked is not None and asked in self._claimed:
                    answers.append((t_ns, neighbours.answer(frame, asked, self.mac)))
            for t_ns, frame in answers:
                self._deliver(frame, t_ns, outgoing=True)
        return answers

    def cut_off(self) -> None:
        """Wake all waiting readers, because the host was closed."""
        with self._lock:
            self.open = False
            for socket in self.sockets:
                socket.wake()
        interface.remove(self.iface, self.nets)

    def _deliver(self, frame: bytes, t_ns: int, *, outgoing: bool) -> None:
        for socket in self.sockets:
            socket.take(frame, t_ns, outgoing=outgoing)

    def seconds(self, t_ns: int) -> float:
        """Convert a time of the host to scapy's seconds."""
        return (t_ns + self._epoch_ns) / 1e9

    # ---- frames from scapy ----

    def send(self, frame: bytes, packet: object = None, *, settle_ns: int | None = None) -> None:
        """Put a frame on the wire; in virtual time also run the host. VnicError: the wire or the host is closed."""
        host = self.host
        with self._sending:
            if not self.open:
                raise VnicError("the wire is closed, or its host is")
            if host.wire.c.eof:
                raise VnicError("the host has stopped, and no longer reads its wire")
            now_ns = time.monotonic_ns() if host.live else host.now_ns
            if isinstance(packet, Packet):
                packet.sent_time = self.seconds(now_ns)
            with self._lock:
                self._deliver(frame, now_ns, outgoing=True)
            host.feed(frame, at_ns=now_ns)
            if not host.live and not host.machine.runs_here:
                host.run(until_ns=now_ns + (self.settle_ns if settle_ns is None else settle_ns))

    def mac_of(self, packet: Any) -> str:
        """Return the MAC address of the packet's next hop; if no station answers, broadcast, as scapy does."""
        dst = ipaddress.ip_address(str(packet.dst))
        if mac := neighbours.group_mac(dst):
            return mac
        if not self.host.machine.c.answers:
            return bytes(self.host.machine.c.nic.filter.addr).hex(":")
        if any(dst.version == 4 and dst == net.broadcast_address for net in self.nets):
            return "ff:ff:ff:ff:ff:ff"
        hop = str(dst)
        if not any(dst in net for net in self.nets):  # the host is the only other station on this wire
            hop = next((str(a.ip) for a in self.host_addresses if a.version == dst.version), hop)
        return self._resolve(hop, packet.src)

    def _resolve(self, ip: str, src: str) -> str:
        ask = neighbours.question(ip, src, self.mac)
        for _ in range(_ASK_TIMES):
            with self._lock:
                if ip in self._neighbours:
                    return self._neighbours[ip]
            self.send(ask)
            with self._lock:
                if self.host.live:
                    self._heard.wait_for(lambda: ip in self._neighbours or not self.open, _ASK_S)
        with self._lock:
            if ip in self._neighbours:
                return self._neighbours[ip]
        warning(f"{self.iface.network_name}: no station answers for {ip}: sent to broadcast")
        return "ff:ff:ff:ff:ff:ff"

    def claim(self, ip: str) -> None:
        """Answer requests for this address, and for those of the interface, from now on."""
        with self._lock:
            self._claimed |= dict.fromkeys([ip, *self.addresses])
            while len(self._claimed) > _CLAIMED:
                del self._claimed[next(iter(self._claimed))]

    # ---- the sockets ----

    def add(self, socket: Socket) -> None:
        """Add a socket. It gets frames sent from now on."""
        with self._lock:
            self.sockets.append(socket)

    def remove(self, socket: Socket) -> None:
        """Remove a socket. With the last one that a user made, the interface goes too."""
        with self._lock:
            if socket in self.sockets:
                self.sockets.remove(socket)
            self.users -= socket.is_users
            if self.users or not self.open:
                return
        self.unplug()

    def unplug(self) -> None:
        """Unplug scapy from the host's wire, and remove the interface."""
        self.host.wire.attach(None)  # type: ignore[attr-defined]
        self.cut_off()


def end_of(iface: Any) -> FarEnd:
    """Return the far end of an interface, or of its name. ConfigError: not an emulated wire. VnicError: closed."""
    dev = resolve_iface(iface or conf.iface)
    end = _ends.get(dev.network_name)
    if end is None or end.iface is not dev or not end.open:
        if isinstance(dev.provider, interface.Provider):
            raise VnicError(f"{dev.network_name}: the wire is closed")
        raise ConfigError(f"{dev.network_name}: not an emulated wire: use iface=WireSocket(host).iface")
    return end
