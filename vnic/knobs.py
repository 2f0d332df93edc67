"""Every knob by its Linux name: what it takes, what is allowed, and where it goes. One table; the rest reads it.

Dashes and underscores are the same, and so are ``net.core.netdev_budget`` and ``netdev-budget``. Where Linux has the
default, it is Linux's.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vnic._core import ffi, lib
from vnic.cost import PROFILES, costs
from vnic.errors import ConfigError

_ON = {"on", "yes", "true", "1"}
_OFF = {"off", "no", "false", "0"}
_SUFFIX = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in _ON | _OFF:
        raise ValueError("must be on or off")
    return text in _ON


def _integer(low: int, high: int, *, power_of_two: bool = False) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        try:
            n = value if isinstance(value, int) else int(str(value), 0)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if not low <= n <= high:
            raise ValueError(f"must be between {low} and {high}")
        if power_of_two and n & (n - 1):
            raise ValueError("must be a power of two")
        return n

    return parse


def parse_mac(value: Any) -> bytes | None:
    """``any`` (None), or six hexadecimal bytes with colons or dashes."""
    if value is None or str(value).lower() == "any":
        return None
    parts = str(value).replace("-", ":").split(":")
    try:
        mac = bytes(int(p, 16) for p in parts)
    except ValueError:
        mac = b""
    if len(mac) != 6:
        raise ValueError("must be any, or six hexadecimal bytes as in 02:00:00:00:00:01")
    if mac[0] & 1:
        raise ValueError("is a multicast address")
    return mac


def parse_link(value: Any) -> int:
    """Bits a second: ``10G``, ``2.5G``, ``100M``, or ``inf`` (0)."""
    text = str(value).lower().removesuffix("bit/s").removesuffix("bps").strip()
    if text == "inf":
        return 0
    unit = text[-1:] if text[-1:] in "kmg" else ""
    try:
        bps = int(float(text.removesuffix(unit)) * _SUFFIX[unit])
    except (ValueError, OverflowError):
        raise ValueError("must be a rate as in 10G, or inf") from None
    if not 1_000_000 <= bps <= 4_000_000_000_000:
        raise ValueError("must be between 1M and 4000G, or inf")
    return bps


def parse_speed(value: Any) -> float | None:
    """A factor (0.5: half as fast), or ``max`` (None)."""
    if value is None or str(value).lower() == "max":
        return None
    try:
        factor = float(value)
    except ValueError:
        raise ValueError("must be a factor as in 0.5, or max") from None
    if not 0.000001 <= factor <= 4000:
        raise ValueError("must be between 0.000001 and 4000, or max")
    return factor


def _parse_mask(value: Any) -> int:
    """sysfs: hexadecimal, groups of 32 bits separated by commas. An int is the mask itself."""
    try:
        mask = value if isinstance(value, int) else int(str(value).replace(",", ""), 16)
    except ValueError:
        mask = -1
    if mask < 0:
        raise ValueError("must be a hexadecimal mask as in f or 00000000,0000000f")
    return mask


def _parse_reader(value: Any) -> int:
    if value is None or str(value).lower() == "any":
        return 0xFFFFFFFF
    return _integer(0, lib.CPUS_MAX - 1)(value)


def _parse_cost(value: Any) -> str:
    if value not in PROFILES:
        raise ValueError(f"must be one of {', '.join(sorted(PROFILES))}")
    return str(value)


def _parse_key(value: Any) -> bytes:
    try:
        key = value if isinstance(value, bytes) else bytes.fromhex(str(value).replace(":", ""))
    except ValueError:
        key = b""
    if len(key) not in (40, 52):
        raise ValueError("must be 40 or 52 hexadecimal bytes")
    return key


def _parse_flow_hash(value: Any) -> str:
    if value not in ("sd", "sdfn"):
        raise ValueError("must be sd (addresses) or sdfn (addresses and ports)")
    return str(value)


_ALL_HOSTS = (b"\x01\x00\x5e\x00\x00\x01", b"\x33\x33\x00\x00\x00\x01")

Setter = Callable[[Any, Any, Any], None]


def _host(field: str) -> Setter:
    return lambda h, _w, v: setattr(h, field, v)


def _nic(field: str) -> Setter:
    return lambda h, _w, v: setattr(h.nic, field, v)


def _filter(field: str) -> Setter:
    return lambda h, _w, v: setattr(h.nic.filter, field, v)


def _queues(h: Any, _w: Any, n: int) -> None:
    h.nic.nqueues = n
    for i in range(lib.RSS_INDIR_SIZE):
        h.nic.rss.indir[i] = i % n


def _each_irq(field: str) -> Setter:
    def setter(h: Any, _w: Any, v: int) -> None:
        for i in range(lib.NIC_QUEUES_MAX):
            setattr(h.nic.queue[i].irq, field, v)

    return setter


def _mac(h: Any, _w: Any, mac: bytes | None) -> None:
    h.nic.filter.any = mac is None
    h.vlan_any = mac is None
    h.nic.filter.allmulti = mac is None
    for i, group in enumerate(_ALL_HOSTS):  # what a host always joins; solicited-node groups: see Host
        ffi.memmove(h.nic.filter.mc[i], group, 6)
    h.nic.filter.nmc = len(_ALL_HOSTS)
    ffi.memmove(h.nic.filter.addr, mac or b"\x02\x00\x00\x00\x00\x01", 6)


def _rps(h: Any, _w: Any, mask: int) -> None:
    cpus = [i for i in range(h.ncpus) if mask >> i & 1]
    for q in range(lib.NIC_QUEUES_MAX):
        h.rps_len[q] = len(cpus)
        for i, cpu in enumerate(cpus):
            h.rps_map[q][i] = cpu


def _gro_max_size(h: Any, _w: Any, n: int) -> None:
    h.gro_max_size = n
    if n <= 65536:  # as the kernel does; above that it is IPv6's alone (BIG TCP)
        h.gro_ipv4_max_size = n


def _reader(h: Any, _w: Any, cpu: int) -> None:
    if cpu != 0xFFFFFFFF and cpu >= h.ncpus:
        raise ValueError(f"there is no CPU {cpu}: the host has {h.ncpus}")
    h.reader_cpu = cpu


def _cost(h: Any, _w: Any, profile: str) -> None:
    for i, ns in enumerate(costs(profile)):
        h.cost[i] = ns


def _key(h: Any, _w: Any, key: bytes) -> None:
    lib.rss_set_key(ffi.addressof(h.nic.rss), key, len(key))


def _link(_h: Any, w: Any, bps: int) -> None:
    w.ps_per_byte = round(8e12 / bps) if bps else 0


def _speed(_h: Any, w: Any, factor: float | None) -> None:
    w.speed_ppm = 0 if factor is None else max(1, round(factor * 1_000_000))


@dataclass(frozen=True, slots=True)
class Knob:
    """One knob: how a value is read, where it goes, its default (None: the data plane's own), and a line of help."""

    parse: Callable[[Any], Any]
    set: Setter
    default: Any
    help: str


KNOBS: dict[str, Knob] = {
    # order matters where one knob looks at another
    "queues": Knob(_integer(1, lib.NIC_QUEUES_MAX), _queues, 1, "receive queues (ethtool -L rx)"),
    "rx-ring": Knob(
        _integer(16, 4096, power_of_two=True),
        _nic("ring_size"),
        256,
        "descriptors a queue (ethtool -G rx)",
    ),
    "rx-buf-len": Knob(
        _integer(128, 65536),
        _nic("buf_len"),
        2048,
        "bytes of a receive buffer; small ones make frames span",
    ),
    "rx-pool": Knob(_integer(64, 1 << 20), _host("rx_pool_size"), 32768, "buffers a queue's driver has"),
    "fifo": Knob(
        _integer(60, 1 << 28),
        lambda h, _w, v: setattr(h.nic.fifo, "size", v),
        65536,
        "bytes of the card's FIFO",
    ),
    "mtu": Knob(_integer(0, 65535), _nic("mtu"), 0, "longest payload of a frame; 0: no limit"),
    "mac": Knob(parse_mac, _mac, "any", "the card's address; any: all unicast counts as ours"),
    "promisc": Knob(_flag, _filter("promisc"), False, "let everything through the address filter"),
    "allmulti": Knob(_flag, _filter("allmulti"), None, "let all multicast through the address filter"),
    "rx-vlan-filter": Knob(_flag, _filter("vlan_filter"), False, "only listed VLAN ids pass"),
    "rx": Knob(_flag, _nic("rx_csum"), True, "rx checksumming: the card verifies TCP and UDP"),
    "rxhash": Knob(
        _flag,
        lambda h, _w, v: setattr(h.nic.rss, "enabled", v),
        True,
        "the card hashes (and spreads by it)",
    ),
    "rx-flow-hash-udp": Knob(
        _parse_flow_hash,
        lambda h, _w, v: setattr(h.nic.rss, "udp_ports", v == "sdfn"),
        "sdfn",
        "what RSS hashes of UDP",
    ),
    "rss-key": Knob(_parse_key, _key, None, "Toeplitz key (ethtool -X hkey)"),
    "drop-en": Knob(
        _flag,
        _nic("drop_en"),
        False,
        "drop when a queue has no buffer, instead of holding up the FIFO",
    ),
    "rx-usecs": Knob(
        _integer(0, 100_000),
        _each_irq("rx_usecs"),
        0,
        "interrupt so long after the first frame (given alone, rx-frames is 0)",
    ),
    "rx-frames": Knob(_integer(0, 65535), _each_irq("rx_frames"), 1, "interrupt after so many frames"),
    "hz": Knob(_integer(100, 1000), _host("hz"), 250, "jiffies a second"),
    "weight": Knob(_integer(1, 1024), _host("weight"), 64, "packets a poll"),
    "dev-weight": Knob(_integer(1, 1024), _host("dev_weight"), 64, "packets a poll of the backlog"),
    "netdev-budget": Knob(_integer(1, 1 << 20), _host("netdev_budget"), 300, "packets a run of net_rx_action"),
    "netdev-budget-usecs": Knob(
        _integer(1, 10_000_000),
        _host("netdev_budget_usecs"),
        None,
        "time a run of net_rx_action (2 jiffies)",
    ),
    "netdev-max-backlog": Knob(
        _integer(0, 1 << 20), _host("netdev_max_backlog"), 1000, "packets a CPU's backlog holds"
    ),
    "gro": Knob(_flag, _host("gro"), True, "generic receive offload"),
    "gro-max-size": Knob(_integer(0, 524280), _gro_max_size, 65536, "longest merged packet"),
    "gro-ipv4-max-size": Knob(_integer(0, 65536), _host("gro_ipv4_max_size"), None, "the same for IPv4"),
    "gro-normal-batch": Knob(_integer(1, 1024), _host("gro_normal_batch"), 8, "segments handed up at once"),
    "gro-flush-timeout": Knob(_integer(0, 1 << 40), _host("gro_flush_timeout"), 0, "hold on after a poll, ns"),
    "napi-defer-hard-irqs": Knob(
        _integer(0, 1 << 20),
        _host("napi_defer_hard_irqs"),
        0,
        "empty polls by timer before the interrupt is back on",
    ),
    "rps-cpus": Knob(_parse_mask, _rps, 0, "CPUs to spread to, a hexadecimal mask; 0: off"),
    "rcvbuf": Knob(
        _integer(0, 1 << 30),
        _host("rcvbuf"),
        212992,
        "a socket's receive buffer, bytes of truesize",
    ),
    "reader-cpu": Knob(_parse_reader, _reader, "any", "where the readers run; any: local port mod cpus"),
    "sockets": Knob(_integer(16, 1 << 20), _host("sock_max"), 65536, "sockets there can be"),
    "catch-up": Knob(
        _integer(1, 64),
        _host("catch_up"),
        8,
        "virtual time: packets between two looks at the others' clocks",
    ),
    "link": Knob(parse_link, _link, "10G", "rate of the wire; inf with --speed max waits for the card"),
    "speed": Knob(parse_speed, _speed, "1", "pace of a recorded wire: a factor, or max"),
    "strict-csum": Knob(
        _flag,
        lambda _h, w, v: setattr(w, "strict_csum", v),
        False,
        "a checksum that is just the pseudo-header's is bad",
    ),
    "cost": Knob(_parse_cost, _cost, "linux", "what work costs in virtual time: linux or zero"),
}

ALIASES = {
    "rx-checksumming": "rx",
    "receive-hashing": "rxhash",
    "generic-receive-offload": "gro",
    "rx-gro": "gro",
    "rx-checksum": "rx",
    "rx-hashing": "rxhash",
}


def canonical(name: str) -> str:
    """The knob's name in the table. ConfigError, with the nearest names, if there is none such."""
    key = name.lower().removeprefix("net.core.").replace("_", "-")
    key = ALIASES.get(key, key)
    if key not in KNOBS:
        near = difflib.get_close_matches(key, KNOBS, 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"there is no knob {name!r}{hint}")
    return key


def _bad(name: str, value: Any, why: ValueError) -> ConfigError:
    return ConfigError(f"{name}={value}: {why}")


def read(name: str, value: Any = None) -> Any:
    """The parsed value of a knob (None: its default). ConfigError as :func:`apply` raises it."""
    knob = KNOBS[canonical(name)]
    try:
        return knob.parse(knob.default if value is None else value)
    except ValueError as e:
        raise _bad(name, value, e) from None


def apply(host: Any, wire: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Set all knobs, the given and the default ones, before host_start(). Return: name -> value in effect.

    Raises:
        ConfigError: one sentence naming the knob, the value and what is allowed.
    """
    named = {canonical(name): value for name, value in given.items()}
    values = {name: value for name, value in named.items() if value is not None}
    if values.get("rx-usecs") not in (None, 0, "0"):
        values.setdefault("rx-frames", 0)  # a time alone means that; "after 1 frame" would win otherwise
    effective: dict[str, Any] = {}
    for name, knob in KNOBS.items():
        value = values.get(name, knob.default)
        if value is None:
            continue
        try:
            parsed = knob.parse(value)
            knob.set(host, wire, parsed)
        except ValueError as e:
            raise _bad(name, value, e) from None
        plain = isinstance(parsed, (bool, int, float)) and knob.parse not in (_parse_mask, _parse_reader, parse_link)
        effective[name] = parsed if plain else str(value)
    irq = host.nic.queue[0].irq
    if irq.rx_usecs == 0 and irq.rx_frames == 0:
        raise ConfigError("rx-usecs=0 and rx-frames=0: there would never be an interrupt")
    return effective


def siphash_key(seed: int) -> tuple[int, int]:
    """The software flow hash's key for a seed: two 64-bit numbers."""
    keys = random.Random(seed)
    return keys.getrandbits(64), keys.getrandbits(64)
