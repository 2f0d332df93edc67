"""A wire's far end as an interface of scapy: while it is open, ``iface=`` and scapy's routes find it.

scapy finds interfaces in ``conf.ifaces`` and their networks in ``conf.route`` and ``conf.route6``. When the wire is
closed, vnic removes its entries there, and those that scapy learnt over the wire (``conf.netcache``).
"""

from __future__ import annotations

import ipaddress
import itertools
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import scapy.route
import scapy.route6  # noqa: F401 - first: or scapy would take ours for the machine's interface
from scapy.config import conf
from scapy.interfaces import InterfaceProvider, NetworkInterface

from vnic.address import inet_text, mac_for
from vnic.errors import ConfigError, VnicError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.host import Host

IpInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_ARPHRD_ETHER = 1
_UP_BROADCAST_RUNNING_MULTICAST = 0x1043  # linux/if.h
_INDEX = 1 << 24  # no number of a real interface
_METRIC, _METRIC_LAST = -1, 1 << 16  # before the machine's own routes, after them
_numbers = itertools.count()
_lock = threading.Lock()
_left: deque[tuple[NetworkInterface, tuple[Any, ...]]] = deque()  # closed, not yet removed


class Provider(InterfaceProvider):
    """All open wires of this process."""

    name = "vnic"

    def load(self) -> dict[str, NetworkInterface]:
        """Return the wires by name."""
        return dict(_open)

    def _is_valid(self, dev: NetworkInterface) -> bool:
        return _open.get(dev.network_name) is dev

    def _l2socket(self, dev: NetworkInterface) -> Any:
        return self._sockets(dev)[0]

    def _l2listen(self, dev: NetworkInterface) -> Any:
        return self._sockets(dev)[1]

    def _l3socket(self, dev: NetworkInterface, ipv6: bool) -> Any:  # noqa: ARG002, FBT001 - scapy's
        return self._sockets(dev)[2]

    @staticmethod
    def _sockets(dev: NetworkInterface) -> tuple[Any, Any, Any]:
        from vnic.scapy_wire import supersocket

        if not dev.is_valid():
            raise VnicError(f"{dev.network_name}: the wire is closed")
        return supersocket.L2Socket, supersocket.L2Listen, supersocket.L3Socket


_open: dict[str, NetworkInterface] = {}
_provider = Provider()


def host_addresses(host: Host) -> list[IpInterface]:
    """Return the host's addresses, with their networks."""
    taken = [host.machine.c.ip[i] for i in range(host.machine.c.nips)]
    return [ipaddress.ip_interface(f"{inet_text(a.addr)}/{int(a.prefix)}") for a in taken]


def own_addresses(host: Host) -> list[IpInterface]:
    """Return default addresses for the far end: the host's gateway, or the first free address of its network."""
    taken = host_addresses(host)
    used = {a.ip for a in taken}
    gateways = [ipaddress.ip_address(inet_text(g)) for g in host.machine.c.gateway if g.lo or g.hi]
    own: dict[Any, IpInterface] = {}
    for net in dict.fromkeys(a.network for a in taken if not a.is_link_local):
        free = [g for g in gateways if g in net]
        free += itertools.islice((a for a in net.hosts() if a not in used), 1)
        if free:
            own[net] = ipaddress.ip_interface(f"{free[0]}/{net.prefixlen}")
    return list(own.values())


def given_addresses(host: Host, given: str | Iterable[str]) -> list[IpInterface]:
    """Return given addresses; one without a prefix gets that of the host's network. ConfigError: one is invalid."""
    nets = [a.network for a in host_addresses(host)]
    found = []
    for text in [given] if isinstance(given, str) else given:
        try:
            address = ipaddress.ip_interface(text)
        except ValueError as e:
            raise ConfigError(f"ip={text}: {e}") from None
        net = next((n for n in nets if address.ip in n), None)
        found.append(address if net is None or "/" in text else ipaddress.ip_interface(f"{address.ip}/{net.prefixlen}"))
    return found


def link_local(mac: str) -> IpInterface:
    """Return the link-local address with the interface identifier of a MAC address (RFC 4291, appendix A)."""
    m = bytes.fromhex(mac.replace(":", ""))
    return ipaddress.IPv6Interface((b"\xfe\x80" + bytes(6) + bytes([m[0] ^ 2]) + m[1:3] + b"\xff\xfe" + m[3:], 64))


def own_mac(host: Host, addresses: list[IpInterface]) -> str:
    """Return a MAC address for the far end that differs from the card's."""
    mac = mac_for([str(a) for a in addresses]) or "02:00:00:00:00:02"
    return mac if mac != bytes(host.machine.c.nic.filter.addr).hex(":") else "06" + mac[2:]


def add(mac: str, addresses: list[IpInterface], others: list[IpInterface]) -> NetworkInterface:
    """Make an interface and register it with its routes: to its networks, and to the host's addresses one by one.

    So scapy finds the host only on the wire, even if the machine has the same network or the same address. The
    interface gets the first free name of vnic0, vnic1 and so on.
    """
    _sweep()
    with _lock:
        conf.ifaces.providers.setdefault(Provider, _provider)
        name = next(n for n in (f"vnic{i}" for i in itertools.count()) if n not in conf.ifaces.data)
        facts = {
            "name": name,
            "network_name": name,
            "description": f"{name}: the far end of an emulated wire",
            "index": _INDEX + next(_numbers),
            "mac": mac,
            "ips": [str(a.ip) for a in addresses],
            "type": _ARPHRD_ETHER,
            "flags": _UP_BROADCAST_RUNNING_MULTICAST,
        }
        iface = NetworkInterface(_provider, facts)
        _open[name] = conf.ifaces.data[name] = iface
        for address in addresses:
            _add_route(name, address.network, address)
        for other in others:
            for address in (a for a in addresses if other in a.network and not other.is_link_local):
                _add_route(name, ipaddress.ip_network(other.ip), address)
        if iface.ips[6]:
            conf.route6.routes.append(("ff00::", 8, "::", name, list(iface.ips[6]), _METRIC_LAST))
            conf.route6.ipv6_ifaces.add(name)
        _forget()
    _sweep()
    return iface


def _add_route(name: str, net: Any, source: IpInterface) -> None:
    if isinstance(source, ipaddress.IPv4Interface):
        route = (int(net.network_address), int(net.netmask), "0.0.0.0", name, str(source.ip), _METRIC)  # noqa: S104
        conf.route.routes.append(route)
    else:
        metric = _METRIC_LAST if source.is_link_local else _METRIC
        conf.route6.routes.append((str(net.network_address), net.prefixlen, "::", name, [str(source.ip)], metric))


def remove(iface: NetworkInterface, nets: Iterable[Any]) -> None:
    """Remove the interface, its routes, and the neighbours that scapy learnt on that wire.

    The garbage collector may call this at any point, also inside :func:`add`: then :func:`add` does the work.
    """
    _left.append((iface, tuple(nets)))
    _sweep()


def _sweep() -> None:
    while _left and _lock.acquire(blocking=False):
        try:
            while _left:
                _take_out(*_left.popleft())
        finally:
            _lock.release()


def _take_out(iface: NetworkInterface, nets: Iterable[Any]) -> None:
    name = iface.network_name
    if _open.get(name) is not iface:
        return
    del _open[name]
    conf.ifaces.data.pop(name, None)
    if not _open:
        conf.ifaces.providers.pop(Provider, None)
    conf.route.routes = [r for r in conf.route.routes if r[3] != name]
    conf.route6.routes = [r for r in conf.route6.routes if r[3] != name]
    conf.route6.ipv6_ifaces.discard(name)
    caches: Any = conf.netcache
    for cache in (caches.arp_cache, caches.in6_neighbor):
        for key in [k for k in list(cache) if _is_in(str(k), nets)]:
            del cache[key]
    if conf.iface is iface:
        conf.ifaces.load_confiface()
    _forget()


def _is_in(key: str, nets: Iterable[Any]) -> bool:
    ip = ipaddress.ip_address(key.split("%", maxsplit=1)[0])
    return any(ip in net for net in nets)


def _forget() -> None:
    """Forget scapy's cached route look-ups."""
    conf.route.invalidate_cache()
    conf.route6.invalidate_cache()
