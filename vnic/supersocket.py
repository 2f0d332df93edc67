"""A scapy socket over the emulated wire: what scapy sends the card gets, what the host sends scapy gets. No root.

>>> from vnic.supersocket import WireSocket                                              # doctest: +SKIP
>>> s = WireSocket(vnic.Host(ip="10.0.0.2/24", cost="zero"))                            # doctest: +SKIP
>>> srp1(Ether(dst=s.mac) / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(), iface=s.iface)  # doctest: +SKIP

Time is virtual: it goes on when something is sent, by ``settle_ns``.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from scapy.interfaces import InterfaceProvider, NetworkInterface
from scapy.layers.l2 import Ether
from scapy.supersocket import SuperSocket

from vnic.errors import ConfigError
from vnic.wire import MemoryWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.host import Host

_POLL_S = 0.002
_KEPT = 65536


class _Provider(InterfaceProvider):
    """Makes an interface of a host, so that ``iface=`` of srp1(), sendp() and sniff() can name it."""

    name = "vnic"

    def __init__(self, make: Callable[..., WireSocket]) -> None:
        self._make = make

    def load(self) -> dict[str, NetworkInterface]:
        return {}

    def _l2socket(self, dev: NetworkInterface) -> Any:  # noqa: ARG002 - scapy only calls what it gets
        return self._make

    def _l2listen(self, dev: NetworkInterface) -> Any:
        return self._l2socket(dev)


class WireSocket(SuperSocket):
    """scapy's end of a host's wire, for ``sendp(..., socket=s)``, ``s.sr1(...)``, ``sniff(opened_socket=s)``.

    ``s.iface`` is for functions that want an interface: ``srp1(..., iface=s.iface)``. Several sockets of one host each
    get what is sent while they are open.

    Args:
        host: one in virtual time, on a wire in memory.
        settle_ns: virtual time that passes after each frame: room for the answer.

    Raises:
        ConfigError: the host is live, or on another wire.
    """

    nonblocking_socket = True

    def __init__(self, host: Host, *, settle_ns: int = 10_000_000, **_scapys: Any) -> None:
        if host.live or not isinstance(host.wire, MemoryWire):
            raise ConfigError("a scapy socket needs a host in virtual time, on a wire in memory")
        self.host, self.settle_ns = host, settle_ns
        self.received: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        shared = host.wire.__dict__.setdefault("_scapy", (threading.RLock(), []))
        self._lock, self._open = shared
        self._open.append(self)
        provider = _Provider(partial(WireSocket, host, settle_ns=settle_ns))
        self.iface = NetworkInterface(provider, {"name": "vnic0", "mac": self.mac, "index": 1, "ips": []})

    @property
    def mac(self) -> str:
        """The card's address."""
        return bytes(self.host.c.nic.filter.addr).hex(":")

    def send(self, x: Any) -> int:
        """Put a packet on the wire, and let the host work on it. Return: bytes."""
        data = bytes(x)
        if hasattr(x, "sent_time"):
            x.sent_time = time.time()
        with self._lock:
            self.host.feed(data, at_ns=self.host.now_ns)
            self.host.run(until_ns=self.host.now_ns + self.settle_ns)
            sent = self.host.nic.sent()
            for socket in self._open:
                socket.received.extend(sent)
        return len(data)

    def recv_raw(self, x: int = 65536) -> tuple[Any, bytes | None, float | None]:  # noqa: ARG002
        """The next frame the host sent; its time is virtual, in seconds."""
        with self._lock:
            if not self.received:
                return None, None, None
            t_ns, frame = self.received.popleft()
        return Ether, frame, t_ns / 1e9

    @staticmethod
    def select(sockets: list[Any], remain: float | None = None) -> list[Any]:
        """Those with something to receive; waits for another thread to send, but not for long."""
        end = time.monotonic() + min(0.05 if remain is None else remain, 0.05)
        while not (ready := [s for s in sockets if s.received]) and time.monotonic() < end:
            time.sleep(_POLL_S)
        return ready

    def close(self) -> None:
        """The host stays as it is."""
        if not self.closed:
            self.closed = True
            with self._lock:
                self._open.remove(self)
