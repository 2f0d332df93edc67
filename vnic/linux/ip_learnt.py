"""What ``ip`` shows of addresses and routes that routers advertised (csrc/inet/autoconf.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.address import inet_text

if TYPE_CHECKING:
    from vnic.host import Host

FOREVER = 0xFFFFFFFF
ADDRESS_FLAGS = ("secondary", "nodad", "dadfailed", "deprecated", "tentative", "dynamic", "mngtmpaddr")
"""In the order of iproute2."""

_KERNEL_METRIC, _METRIC = 256, 1024
_PREFERENCES = ("low", "medium", "high")


def _seconds(until_ns: int, now_ns: int) -> int:
    return FOREVER if not until_ns else max(0, until_ns - now_ns) // 10**9


def expire(host: Host) -> None:
    """Forget the addresses whose lifetime is over. The host itself looks only at those that it uses."""
    lib.addrconf_expire(host.machine.c, host.now_ns)


def addresses(host: Host) -> dict[str, dict[str, Any]]:
    """IPv6 address -> its flags and lifetimes, by iproute2's JSON names."""
    c, found = host.machine.c, {}
    for net in (c.ip[i] for i in range(c.nips)):
        ip = inet_text(net.addr)
        if ":" not in ip:
            continue
        valid, preferred = (_seconds(int(t) and int(t) + 10**9 - 1, host.now_ns) for t in (net.valid, net.preferred))
        auto = bool(net.flags & lib.NET_AUTO)
        flags = {
            "nodad": not auto and not c.addrconf.dad_transmits,
            "dadfailed": bool(net.flags & lib.NET_DADFAILED),
            "deprecated": preferred == 0,
            "tentative": bool(net.flags & lib.NET_TENTATIVE),
            "dynamic": auto,
            "mngtmpaddr": auto,
        }
        lives = {"valid_life_time": valid, "preferred_life_time": preferred}
        found[ip] = {name: True for name, is_set in flags.items() if is_set} | lives
    return found


def lives(address: dict[str, Any]) -> str:
    """Return the line of an address that says its lifetimes."""
    valid, preferred = (address[f"{name}_life_time"] for name in ("valid", "preferred"))
    said = ["forever" if n == FOREVER else f"{n}sec" for n in (valid, preferred)]
    return f"valid_lft {said[0]} preferred_lft {said[1]}"


def routes(host: Host) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the routes to prefixes, and to the default routers, by iproute2's JSON names."""
    c, now = host.machine.c.addrconf, host.now_ns
    prefixes, routers = [], []
    for p in c.prefix:
        if p.in_use and not 0 < p.valid < now:
            expires = {} if not p.valid else {"expires": _seconds(int(p.valid), now)}
            dst = f"{inet_text(p.addr)}/{p.len}" if p.len < 128 else inet_text(p.addr)
            route = {"dst": dst, "dev": host.name, "protocol": "kernel", "metric": _KERNEL_METRIC, "flags": []}
            prefixes.append(route | expires | {"pref": "medium"})
    for r in c.router[0 : c.nrouters]:
        if r.until >= now:
            metrics = {key: int(n) for key, n in (("mtu", r.mtu), ("hoplimit", r.hop_limit)) if n}
            route = {"dst": "default", "gateway": inet_text(r.addr), "dev": host.name, "protocol": "ra"}
            route |= {"metric": _METRIC, "flags": [], "expires": _seconds(int(r.until), now)}
            routers.append(route | ({"metrics": [metrics]} if metrics else {}) | {"pref": _PREFERENCES[r.pref]})
    return prefixes, routers


def words(route: dict[str, Any]) -> str:
    """Return the words of a route's line between its flags and its preference."""
    text = f"expires {route['expires']}sec " if "expires" in route else ""
    return text + "".join(f"{key} {n} " for metrics in route.get("metrics", []) for key, n in metrics.items())
