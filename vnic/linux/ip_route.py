"""Answer ``ip``: show addresses, neighbours and routes as iproute2 6 does; vnic/linux/ip_link.py answers ``ip link``.

Addresses, neighbours and routes cannot be changed here: they are set when the instance starts, or learnt.
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.address import inet_addr, inet_text
from vnic.counters import snapshots
from vnic.errors import ConfigError
from vnic.linux import ip_learnt, ip_link, ip_link_details, ip_link_stats, ip_maddr, netdevice
from vnic.linux.ip_route_words import StopError, family, paint, printed, read_options, refused, value, verb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.control.reply import Reply
    from vnic.host import Host

    Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FOREVER = (1 << 32) - 1
_STATES = ("permanent", "reachable", "noarp", "none", "stale", "incomplete", "delay", "probe", "failed", "all")
_KERNEL_METRIC, _METRIC = 256, 1024  # IP6_RT_PRIO_ADDRCONF, IP6_RT_PRIO_USER


def command(host: Host, argv: Sequence[str]) -> Reply:
    """Answer ``ip [OPTIONS] OBJECT [COMMAND]``. Exit codes are iproute2's."""
    try:
        options, words = read_options(list(argv))
        run = next((run for name, run in _OBJECTS.items() if words and name.startswith(words[0]) and words[0]), None)
        if run is None:
            return ip_link.command(host, argv)
        return run(host, options, words[1:])
    except StopError as stop:
        return stop.reply


def _prefix(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise StopError(f'Error: any valid prefix is expected rather than "{text}".\n', 1) from None


# ---- address ----


def _interfaces(host: Host) -> list[Interface]:
    """Return the host's addresses, IPv4 first and link-local last. A host with ``ip`` any has none."""
    ip_learnt.expire(host)
    nets = [host.machine.c.ip[i] for i in range(host.machine.c.nips)]
    found = [ipaddress.ip_interface(f"{inet_text(net.addr)}/{net.prefix}") for net in nets]
    auto = [a for a, net in zip(found, nets, strict=True) if net.flags & lib.NET_AUTO]
    found = auto[::-1] + [a for a in found if a not in auto]
    return sorted(found, key=lambda a: (a.version, a.is_link_local and a.version == 6, _second(a, found)))


def _second(address: Interface, among: list[Interface]) -> bool:
    """Return whether an IPv4 address is secondary: another one of its network came first."""
    return address.version == 4 and next(a for a in among if a.network == address.network) is not address


def _address_facts(host: Host, address: Interface, among: list[Interface]) -> dict[str, Any]:
    v4 = address.version == 4
    scope = "link" if not v4 and address.is_link_local else "host" if address.is_loopback else "global"
    found: dict[str, Any] = {
        "family": "inet" if v4 else "inet6",
        "local": str(address.ip),
        "prefixlen": address.network.prefixlen,
        "scope": scope,
    }
    if _second(address, among):
        found["secondary"] = True
    lives = {"valid_life_time": _FOREVER, "preferred_life_time": _FOREVER}
    return found | ({"label": host.name} | lives if v4 else ip_learnt.addresses(host)[str(address.ip)])


def _address_line(a: dict[str, Any]) -> str:
    flags = "".join(f"{flag} " for flag in ip_learnt.ADDRESS_FLAGS if flag in a)
    local = paint(a["family"], a["local"])
    return f"{a['family']} {local}/{a['prefixlen']} scope {a['scope']} {flags}{a.get('label', '')}"


def _address(host: Host, options: list[str], words: list[str]) -> Reply:
    verb(words, "address", ("add", "change", "replace", "delete", "flush", "save", "restore", "showdump"))
    name, only_up = None, False
    while words:
        word = words.pop(0)
        if word == "up":
            only_up = True
            continue
        word = value(words) if word == "dev" else word
        if name is not None:
            raise StopError(f'Error: either "dev" is duplicate, or "{word}" is a garbage.\n', 255)
        name = word
    if name not in (None, host.name):
        raise StopError(f'Device "{name}" does not exist.\n', 1)
    if only_up and not netdevice.up(host):
        return printed(options, "", [])
    of, every = family(options), _interfaces(host)
    shown = [_address_facts(host, a, every) for a in every if of in (None, a.version)]
    if of and not shown:
        return printed(options, "", [])
    link = ip_link.link_facts(host)
    del link["linkmode"]
    if of == 6 and name is None:  # the kernel's IPv6 code answers, and differently
        del link["qdisc"], link["group"]
    if "brief" in options:
        own = [{key: a[key] for key in ("local", "prefixlen")} for a in shown]
        text = ip_link.brief(link) + "".join(f"{paint(a['family'], a['local'])}/{a['prefixlen']} " for a in shown)
        return printed(options, text + "\n", [{key: link[key] for key in ("ifname", "operstate")} | {"addr_info": own}])
    if "details" in options:
        link |= ip_link_details.facts(host, link=False)
    counted = netdevice.link_stats(host) | {"carrier_changes": sum(netdevice.carrier_changes(host))}
    level = options.count("statistics")
    data = link | {"addr_info": shown} | ({"stats64": ip_link_stats.as_json(counted, level)} if level else {})
    if of:
        del data["link_type"], data["address"], data["broadcast"]
    return printed(
        options, _address_text(link, shown, options, ip_link_stats.as_text(counted, level) if level else []), [data]
    )


def _address_text(link: dict[str, Any], shown: list[dict[str, Any]], options: list[str], table: list[str]) -> str:
    if "oneline" in options:
        return "".join(
            f"{link['ifindex']}: {link['ifname']}    {_address_line(a)}\\       {ip_learnt.lives(a)}\n" for a in shown
        )
    words = "".join(f"{key} {link[key]} " for key in ("mtu", "qdisc") if key in link) + ip_link.state_words(link)
    words += f"group {link['group']} " if "group" in link else ""
    text = f"{link['ifindex']}: {paint('ifname', link['ifname'] + ': ')}<{','.join(link['flags'])}> {words}\n"
    if not family(options):
        text += f"{ip_link.ether(link)}{ip_link_details.text(link)}\n"
    text += "".join(f"    {_address_line(a)}\n       {ip_learnt.lives(a)}\n" for a in shown)
    return text + "".join(f"{line}\n" for line in table)


# ---- neighbour ----


def _device(host: Host, words: list[str]) -> str:
    """Take the device's name from the words. StopError: it is not the card's."""
    dev = value(words)
    if dev != host.name:
        raise StopError(f'Cannot find device "{dev}"\n', 1)
    return dev


def _neighbours(host: Host, options: list[str], words: list[str]) -> Reply:
    verb(words, "neigh", ("add", "change", "replace", "delete", "flush", "get"))
    dev, to, states = None, None, set[str]()
    while words:
        word = words.pop(0)
        if word == "dev":
            dev = _device(host, words)
        elif word == "nud":
            state = value(words)
            if state not in _STATES:
                raise StopError(f'Error: argument "{state}" is wrong: nud state is bad\n', 255)
            states |= {name.upper() for name in (_STATES if state == "all" else (state,))}
        elif word in ("unused", "proxy"):
            states |= {"FAILED"} if word == "unused" else {"PROXY"}  # unused: no reference to it
        else:
            to = _prefix(value(words) if word == "to" else word)
    of, level = family(options), options.count("statistics")
    found = []
    for n in snapshots.neighbours(host.machine.c):
        ip = ipaddress.ip_address(n.ip)
        wanted = n.state in states if states else n.state != "NONE"
        if of in (None, ip.version) and wanted and (to is None or ip in to):
            found.append((ip.version, n))
    found.sort(key=lambda pair: pair[0])
    data = [_neighbour_facts(host, n, dev=dev is None, level=level) for _, n in found]
    if "brief" in options:
        name = paint("ifname", f"{host.name:<16} ")
        macs = (paint("mac", n.mac) if n.mac else "" for _, n in found)
        text = "".join(
            paint(_inet(n.ip), f"{n.ip:<39} ") + f"{name}{mac}\n" for (_, n), mac in zip(found, macs, strict=True)
        )
    else:
        text = "".join(map(_neighbour_line, data))
    return printed(options, text, data)


def _times(host: Host, ip: str) -> dict[str, int]:
    """Return the seconds since a neighbour was used, confirmed and updated, and the number of probes."""
    table = host.machine.c.neigh
    n = next(n for n in (table.entry[i] for i in range(table.used)) if inet_text(n.addr) == ip)
    ago = {name: max(0, host.now_ns - int(getattr(n, name))) // 10**9 for name in ("used", "confirmed", "updated")}
    return ago | {"probes": int(n.probes)}


def _neighbour_facts(host: Host, n: snapshots.Neighbour, *, dev: bool, level: int) -> dict[str, Any]:
    facts: dict[str, Any] = {"dst": n.ip} | ({"dev": host.name} if dev else {}) | ({"lladdr": n.mac} if n.mac else {})
    facts |= {"router": None} if n.router else {}
    if level:
        facts |= _times(host, n.ip)
    return facts | {"state": [n.state]}


_NEIGHBOUR_COLOURS = {"dev": "ifname", "lladdr": "mac"}


def _inet(ip: str) -> str:
    """Return the family's word, which is also its colour."""
    return "inet6" if ":" in ip else "inet"


def _neighbour_line(n: dict[str, Any]) -> str:
    text = paint(_inet(n["dst"]), f"{n['dst']} ")
    text += "".join(f"{key} {paint(what, f'{n[key]} ')}" for key, what in _NEIGHBOUR_COLOURS.items() if key in n)
    text += "router " if "router" in n else ""
    if "used" in n:
        text += f" used {n['used']}/{n['confirmed']}/{n['updated']}probes {n['probes']} "
    return f"{text}{n['state'][0]} \n"


# ---- route ----


def _routes(host: Host, v: int) -> list[dict[str, Any]]:
    """Return the routes to the host's networks and gateways, by iproute2's JSON names."""
    down = [] if netdevice.carrier(host) else ["linkdown"]
    learnt = {ip for ip, facts in ip_learnt.addresses(host).items() if "dynamic" in facts}
    every = [a for a in _interfaces(host) if a.version == v and str(a.ip) not in learnt]
    found: list[dict[str, Any]] = []
    for a in sorted(every, key=lambda a: (a.network.network_address, a.network.prefixlen)):
        if _second(a, every) or (v == 4 and a.network.prefixlen == 32):
            continue
        dst = str(a.ip) if a.network.prefixlen == a.max_prefixlen else str(a.network)
        route: dict[str, Any] = {"dst": dst, "dev": host.name, "protocol": "kernel"}
        route |= {"scope": "link", "prefsrc": str(a.ip)} if v == 4 else {"metric": _KERNEL_METRIC}
        route |= {"flags": down} | ({} if v == 4 else {"pref": "medium"})
        if route not in found:
            found.append(route)
    gateway = ipaddress.ip_address(inet_text(host.machine.c.gateway[v == 6]))
    prefixes, routers = ip_learnt.routes(host) if v == 6 else ([], [])
    if prefixes:
        found = sorted(found + prefixes, key=lambda r: ipaddress.ip_network(r["dst"]))
    if gateway.is_unspecified or not every:
        return found + routers
    default: dict[str, Any] = {"dst": "default", "gateway": str(gateway), "dev": host.name}
    default |= ({} if v == 4 else {"metric": _METRIC}) | {"flags": down} | ({} if v == 4 else {"pref": "medium"})
    return [default, *found] if v == 4 else [*found, default, *routers]


_ROUTE_WORDS = {"gateway": "via", "protocol": "proto", "prefsrc": "src"}


def _words(key: str, route: dict[str, Any]) -> str:
    return f"{_ROUTE_WORDS.get(key, key)} {_coloured(key, route)}"


def _coloured(key: str, route: dict[str, Any]) -> str:
    text = f"{route[key]} "
    if key == "dev":
        return paint("ifname", text)
    address = key in ("dst", "gateway", "prefsrc") and text != "default "
    return paint(_inet(text), text) if address else text


def _route_line(route: dict[str, Any], *, dev: bool) -> str:
    text = _coloured("dst", route)
    for key in ("from", "gateway", "dev", "table", "protocol", "scope", "prefsrc", "metric"):
        if key in route and (key != "dev" or dev):
            text += paint("inet6", f"from {route[key]} ") if key == "from" else _words(key, route)
    text += "".join(f"{flag} " for flag in route["flags"]) + ip_learnt.words(route)
    return text + (f"pref {route['pref']}" if "pref" in route else "") + "\n"


def _route(host: Host, options: list[str], words: list[str]) -> Reply:
    if words and words[0] == "get":
        return _route_get(host, options, words[1:])
    verb(words, "route", ("add", "change", "append", "replace", "delete", "flush", "save", "restore", "test"))
    dev, to = None, None
    while words:
        word = words.pop(0)
        if word == "dev":
            dev = _device(host, words)
        elif word == "table":
            if value(words) not in ("main", "all"):
                raise refused("there is one table, main")
        else:
            word = value(words) if word in ("to", "root", "match", "exact") else word
            to = word if word == "default" else str(_prefix(word))
    of = 4 if family(options) is None else family(options)
    data = [route for route in _routes(host, of) if to in (None, route["dst"])] if of else []
    return printed(options, "".join(_route_line(route, dev=dev is None) for route in data), data)


def _route_get(host: Host, options: list[str], words: list[str]) -> Reply:
    """Answer ``ip route get``: the route that csrc/inet/ip_route_output.c would choose."""
    if not words:
        raise StopError("need at least a destination address\n", 1)
    try:
        to = inet_addr(words[0])
    except ConfigError:
        raise StopError(f'Error: any valid prefix is expected rather than "{words[0]}".\n', 1) from None
    ip, nexthop = ipaddress.ip_address(inet_text(to)), ffi.new("struct inet_addr *")
    if lib.ip_local_net(host.machine.c, to) != ffi.NULL:
        return _got(options, {"type": "local", "dst": str(ip), "dev": "lo", "prefsrc": str(ip)}, ip, own=True)
    net = lib.ip_route(host.machine.c, to, nexthop)
    if net == ffi.NULL:
        raise refused("", "Network is unreachable")
    hop, source = inet_text(nexthop), inet_text(net.addr)
    via = {} if hop == str(ip) else {"gateway": hop}
    return _got(options, {"dst": str(ip)} | via | {"dev": host.name, "prefsrc": source}, ip, own=False)


def _got(options: list[str], route: dict[str, Any], ip: Any, *, own: bool) -> Reply:
    if ip.version == 4:
        route |= {"flags": [], "uid": os.getuid(), "cache": ["local"] if own else []}
        kind, cache = ("local ", "<local> ") if own else ("", "")
        text = kind + _route_line(route, dev=True).rstrip("\n") + f"uid {route['uid']} \n    cache {cache}\n"
        return printed(options, text, [route])
    metric = 0 if own else _METRIC if "gateway" in route else _KERNEL_METRIC
    ends = {key: route[key] for key in ("type", "dst") if key in route} | {"from": "::"}
    kernel = {"protocol": "kernel"} if "gateway" not in route else {}
    table = {"table": "local"} if own else {}
    route = (
        ends | {k: route[k] for k in ("gateway", "dev") if k in route} | table | kernel | {"prefsrc": route["prefsrc"]}
    )
    route |= {"metric": metric, "flags": [], "pref": "medium"}
    text = _route_line(route, dev=True)
    if own:
        text = "local " + text
    return printed(options, text, [route])


_OBJECTS: dict[str, Callable[[Host, list[str], list[str]], Reply]] = {
    "address": _address,
    "maddress": ip_maddr.show,
    "route": _route,
    "neighbor": _neighbours,
    "neighbour": _neighbours,
}
"""In the order in which iproute2 compares the beginning of the word."""
