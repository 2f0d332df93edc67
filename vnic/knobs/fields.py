"""Places of knobs in the data plane: functions that write a value there, and read it back. Table: vnic/knobs/table.py.

A place gets the ``struct host``, the ``struct wire`` and, for a knob of each queue, the queue's number (None: all).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.knobs.cost import costs, text_of
from vnic.knobs.parse import Indirection
from vnic.linux import ntuple
from vnic.machine import memory
from vnic.tap.rtnetlink import IPV6_MIN_MTU

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Place:
    """``put(host, wire, value, queue)``, ``get(host, wire, queue)``: the parsed value, in the knob's own unit."""

    put: Callable[[Any, Any, Any, int | None], None]
    get: Callable[[Any, Any, int | None], Any]
    each_queue: bool = False
    """Every queue has its own value. Queue None writes all of them, and reads the first."""
    change: Callable[[Any, Any, Any, int | None], int | None] | None = None
    """Replaces ``put`` on a parked host that was started, if there is more to do. ValueError, or -errno."""
    typed: str = "int"
    """The type of ``get``'s value, for the attributes of Settings."""


def follow(path: str) -> tuple[Callable[[Any], Any], str]:
    """Return a function from ``struct host`` to the struct that a path leads to, and the path's last name."""
    *way, last = path.split(".")

    def to(struct: Any) -> Any:
        for name in way:
            struct = getattr(struct, name)
        return struct

    return to, last


def _of_host_alone(change: Callable[[Any, Any], int | None]) -> Callable[[Any, Any, Any, int | None], int | None]:
    return lambda h, _w, v, _q: change(h, v)


def of_host(
    path: str, *, kind: type = int, scale: int = 1, change: Callable[[Any, Any], int | None] | None = None
) -> Place:
    """Return the place of a field in ``struct host``, e.g. ``nic.mtu``. ``scale``: field units per unit of the knob."""
    to, last = follow(path)
    return Place(
        lambda h, _w, v, _q: setattr(to(h), last, v * scale),
        lambda h, _w, _q: kind(getattr(to(h), last) // scale),
        change=None if change is None else _of_host_alone(change),
        typed=kind.__name__,
    )


def _each_queue(write: Callable[[Any, int, Any], None]) -> Callable[[Any, Any, Any, int | None], None]:
    def to_queues(h: Any, _w: Any, v: Any, q: int | None) -> None:
        for i in range(lib.NIC_QUEUES_MAX) if q is None else (q,):
            write(h, i, v)

    return to_queues


def of_napi(field: str) -> Place:
    """Return the place of a number in the settings of the queues' NAPIs."""
    return Place(
        _each_queue(lambda h, q, v: setattr(h.napi_config[q], field, v)),
        lambda h, _w, q: int(getattr(h.napi_config[q or 0], field)),
        each_queue=True,
    )


def of_irq(field: str) -> Place:
    """Return the place of a field of the queues' interrupts."""
    put = _each_queue(lambda h, q, v: setattr(h.nic.queue[q].irq, field, v))

    def change(h: Any, w: Any, v: int, q: int | None) -> None:
        put(h, w, v, q)
        for i in range(h.nic.nqueues) if q is None else (q,):
            if h.dq[i] and h.dq[i].dim:
                lib.driver_coalesce(h.dq[i])  # adaptive-rx selects the moderation
            lib.irq_replan(ffi.addressof(h.nic.queue[i]))

    return Place(put, lambda h, _w, q: int(getattr(h.nic.queue[q or 0].irq, field)), each_queue=True, change=change)


OFF = Place(
    lambda _h, _w, _v, _q: None, lambda _h, _w, _q: False, typed="bool"
)  # features that this card does not have


def _default_indir(nqueues: int) -> list[int]:
    """Return a table over all queues in turn. Linux: ethtool_rxfh_indir_default().

    It has 128 entries, and for more than 64 queues at least two a queue, as mlx5 has (mlx5e_rqt_size()).
    """
    return [i % nqueues for i in range(table_entries(2 * nqueues))]


def table_entries(n: int) -> int:
    """Return the entries of the indirection table that holds ``n``: a power of two, at least 128."""
    return max(int(lib.RSS_INDIR_SIZE), 1 << (n - 1).bit_length())


def _set_indir(h: Any, entries: list[int]) -> None:
    h.nic.rss.indir[0 : len(entries)] = entries
    h.nic.rss.indir_mask = len(entries) - 1


def _get_indir(h: Any, _w: Any, _q: int | None) -> Indirection:
    table = Indirection(ffi.unpack(h.nic.rss.indir, int(h.nic.rss.indir_mask) + 1))
    table.default = not h.nic.rss.configured and list(table) == _default_indir(h.nic.nqueues)
    return table


def _put_indir(h: Any, _w: Any, table: Indirection, _q: int | None) -> None:
    if not table.default and max(table) >= h.nic.nqueues:
        raise ValueError(f"there is no queue {max(table)}: the card has {h.nic.nqueues}")
    entries = _default_indir(h.nic.nqueues) if table.default else table
    size = len(entries) if table.default else table_entries(len(entries))
    _set_indir(h, [entries[i % len(entries)] for i in range(size)])
    h.nic.rss.configured = not table.default


INDIR = Place(_put_indir, _get_indir, typed="tuple[int, ...]")


def _put_queues(h: Any, _w: Any, n: int, _q: int | None) -> None:
    h.nic.nqueues = n
    _set_indir(h, _default_indir(n))


def _change_queues(h: Any, w: Any, n: int, _q: int | None) -> int:
    most, table = int(h.nic.queues_max), _get_indir(h, w, None)
    if n > most:
        raise ValueError(f"the card has room for {most}")
    steered = max((rule.action for rule in ntuple.get(h)), default=0)
    if steered >= n:
        raise ValueError(f"a rule names queue {steered}")
    memory.refuse_more_than_there_is(h, queues=n)
    if table.default:
        _set_indir(h, _default_indir(n))
    elif max(table) >= n:
        raise ValueError(f"the indirection table names queue {max(table)}")
    rc = int(lib.driver_set_channels(h, n))
    if rc < 0:
        _set_indir(h, list(table))
    return rc


QUEUES = Place(_put_queues, lambda h, _w, _q: int(h.nic.nqueues), change=_change_queues)


def _change_ring(h: Any, n: int) -> int:
    memory.refuse_more_than_there_is(h, ring=n)
    return int(lib.driver_set_ringparam(h, n))


RING = of_host("nic.ring_size", change=_change_ring)
TX_RING = of_host("nic.tx_ring_size", change=lambda h, n: int(lib.driver_tx_set_ringparam(h, n)))


def _change_fifo(h: Any, n: int) -> int:
    rc = int(lib.nic_fit(ffi.addressof(h.nic), n, h.nic.mtu))
    return rc or int(lib.fifo_resize(ffi.addressof(h.nic.fifo), n))


FIFO = of_host("nic.fifo.size", change=_change_fifo)
ADAPTIVE = of_host("nic.adaptive_rx", kind=bool, change=lambda h, on: int(lib.driver_set_adaptive(h, on)))
_MODES = (False, True, "busy-poll")  # enum napi_threaded


def _put_threaded(h: Any, q: int, mode: Any) -> None:
    h.napi_config[q].threaded = _MODES.index(mode)


THREADED = Place(
    _each_queue(_put_threaded),
    lambda h, _w, q: _MODES[h.napi_config[q or 0].threaded],
    each_queue=True,
    change=_each_queue(lambda h, q, mode: lib.dev_set_threaded(h, q, _MODES.index(mode))),
    typed="bool | str",
)
NTUPLE = of_host("nic.ntuple", kind=bool, change=lambda h, on: int(lib.arfs_set(h, on)))
RULES = Place(lambda h, _w, rules, _q: ntuple.put(h, rules), lambda h, _w, _q: ntuple.get(h), typed="Rules")
SOCK_FLOWS = of_host("rps_sock_flow_entries", change=lambda h, n: int(lib.rfs_set_sock_entries(h, n)))


def _change_busy_budget(h: Any, n: int) -> None:
    lib.machine_settle(h)  # a poll in progress keeps its budget
    h.busy_poll_budget = n


BUSY_BUDGET = of_host("busy_poll_budget", change=_change_busy_budget)


def of_weight(field: str) -> Place:
    """Return the place of a NAPI's weight: each NAPI has a copy."""

    def change(h: Any, n: int) -> None:
        setattr(h, field, n)
        lib.netif_set_weights(h)

    return of_host(field, change=change)


def _change_flow_cnt(h: Any, _w: Any, n: int, q: int | None) -> int:
    lib.machine_settle(h)
    if q is None:
        h.rps_flow_cnt = n
    for i in range(h.nic.nqueues_open) if q is None else (q,):
        if (rc := int(lib.rfs_set_flow_cnt(h, i, n))) < 0:
            return rc
    return 0


def _get_flow_cnt(h: Any, _w: Any, q: int | None) -> int:
    if q is None and not h.nic.up:
        return int(h.rps_flow_cnt)
    log = int(h.rps_flow_log[q or 0])
    return 1 << log - 1 if log else 0


FLOW_CNT = Place(
    lambda h, _w, n, _q: setattr(h, "rps_flow_cnt", n), _get_flow_cnt, each_queue=True, change=_change_flow_cnt
)


def _put_mac(h: Any, _w: Any, mac: bytes | None, _q: int | None) -> None:
    h.nic.filter.any = mac is None
    h.vlan_any = mac is None
    h.nic.filter.allmulti = mac is None
    ffi.memmove(h.nic.filter.addr, mac or b"\x02\x00\x00\x00\x00\x01", 6)


def _change_mac(h: Any, w: Any, mac: bytes | None, q: int | None) -> None:
    allmulti = 0 if h.nic.filter.any else h.nic.filter.allmulti  # set only because the host had no address
    _put_mac(h, w, mac, q)
    h.nic.filter.allmulti |= allmulti
    ffi.memmove(h.nic.config.mac, h.nic.filter.addr, 6)  # a driver that starts later reads it there


MAC = Place(
    _put_mac,
    lambda h, _w, _q: None if h.nic.filter.any else bytes(h.nic.filter.addr),
    change=_change_mac,
    typed="bytes | None",
)


def _refuse_short(h: Any, n: int) -> None:
    """Below this MTU Linux turns IPv6 off on the interface (addrconf_notify()); vnic refuses the MTU instead."""
    if 0 < n < IPV6_MIN_MTU and any(not lib.inet_addr_is4(ffi.addressof(h.ip[i].addr)) for i in range(h.nips)):
        raise ValueError(f"IPv6 needs at least {IPV6_MIN_MTU}, and this host has an IPv6 address")


def _put_mtu(h: Any, _w: Any, n: int, _q: int | None) -> None:
    _refuse_short(h, n)
    h.nic.mtu = n


def _change_mtu(h: Any, _w: Any, n: int, _q: int | None) -> int:
    _refuse_short(h, n)
    if (rc := int(lib.nic_fit(ffi.addressof(h.nic), h.nic.fifo.size, n))) < 0:
        return rc
    h.nic.mtu = h.nic.config.mtu = n
    return 0


MTU = Place(_put_mtu, lambda h, _w, _q: int(h.nic.mtu), change=_change_mtu)


def _put_gro_max_size(h: Any, _w: Any, n: int, _q: int | None) -> None:
    h.gro_max_size = n
    if n <= 65536:  # as the kernel does; larger sizes are for IPv6 only (BIG TCP)
        h.gro_ipv4_max_size = n


GRO_MAX_SIZE = Place(_put_gro_max_size, lambda h, _w, _q: int(h.gro_max_size))


def _put_reader(h: Any, _w: Any, cpu: int, _q: int | None) -> None:
    if cpu != 0xFFFFFFFF and cpu >= h.ncpus:
        raise ValueError(f"there is no CPU {cpu}: the host has {h.ncpus}")
    h.reader_cpu = cpu


READER = Place(_put_reader, lambda h, _w, _q: int(h.reader_cpu))


def _put_cost(h: Any, _w: Any, profile: str, _q: int | None) -> None:
    for i, ns in enumerate(costs(profile)):
        h.cost[i] = ns


COST = Place(_put_cost, lambda h, _w, _q: text_of(ffi.unpack(h.cost, lib.COST_MAX)), typed="str")


def _put_key(h: Any, _w: Any, key: bytes, _q: int | None) -> None:
    lib.rss_set_key(ffi.addressof(h.nic.rss), key, len(key))


KEY = Place(_put_key, lambda h, _w, _q: bytes(ffi.buffer(h.nic.rss.key)), typed="bytes")


def _put_link(_h: Any, w: Any, bps: int, _q: int | None) -> None:
    w.ps_per_byte = round(8e12 / bps) if bps else 0


LINK = Place(_put_link, lambda _h, w, _q: round(8e12 / w.ps_per_byte) if w.ps_per_byte else 0)


def _put_speed(_h: Any, w: Any, factor: float | None, _q: int | None) -> None:
    w.speed_ppm = 0 if factor is None else max(1, round(factor * 1_000_000))


SPEED = Place(_put_speed, lambda _h, w, _q: w.speed_ppm / 1_000_000 if w.speed_ppm else math.inf, typed="float")


def of_neigh(family: int, field: str, scale: int) -> Place:
    """Return the place of a neighbour's time, in units of ``scale`` ns. ``family``: 0 is IPv4, 1 is IPv6."""

    def put(h: Any, _w: Any, n: int, _q: int | None) -> None:
        setattr(h.neigh.times[family], field, n * scale)

    return Place(put, lambda h, _w, _q: int(getattr(h.neigh.times[family], field)) // scale)


FIELDS = {"s": lib.RSS_IP_SRC, "d": lib.RSS_IP_DST, "f": lib.RSS_L4_SRC, "n": lib.RSS_L4_DST}
FLOW_TYPES = {
    "tcp4": lib.HASH_TCPV4,
    "udp4": lib.HASH_UDPV4,
    "tcp6": lib.HASH_TCPV6,
    "udp6": lib.HASH_UDPV6,
}


def _pairs(fields: str) -> bool:
    """Does the hash treat both directions alike: does it take source and destination, or neither?"""
    return ("s" in fields) == ("d" in fields) and ("f" in fields) == ("n" in fields)


def flow_hash(*types: str) -> Place:
    """Return the place of these flow types' hashed fields, in ethtool's letters. A read returns the first type's."""

    def get(h: Any, _w: Any, _q: int | None) -> str:
        left_out = h.nic.rss.left_out[FLOW_TYPES[types[0]]]
        return "".join(letter for letter, bit in FIELDS.items() if not left_out & bit)

    def put(h: Any, _w: Any, fields: str, _q: int | None) -> None:
        if h.nic.rss.symmetric and not _pairs(fields):
            raise ValueError("a symmetric hash takes source and destination, or neither")
        for name in types:
            lib.rss_set_fields(ffi.addressof(h.nic.rss), FLOW_TYPES[name], sum(FIELDS[letter] for letter in fields))

    return Place(put, get, typed="str")


def _put_xfrm(h: Any, w: Any, name: str, _q: int | None) -> None:
    """Refuse fields of one direction under symmetric-xor, as Linux does: ethtool_check_flow_types()."""
    odd = [t for t in FLOW_TYPES if not _pairs(flow_hash(t).get(h, w, None))]
    if name != "none" and odd:
        raise ValueError(f"{odd[0]} flows hash a source without its destination, or the other way round")
    lib.rss_set_symmetric(ffi.addressof(h.nic.rss), name != "none")


XFRM = Place(_put_xfrm, lambda h, _w, _q: "symmetric-xor" if h.nic.rss.symmetric else "none", typed="str")
STRICT_CSUM = Place(
    lambda _h, w, v, _q: setattr(w, "strict_csum", v),
    lambda _h, w, _q: bool(w.strict_csum),
    typed="bool",
)
CAPTURE_MTU = Place(
    lambda _h, w, v, _q: setattr(w, "capture_mtu", v),
    lambda _h, w, _q: int(w.capture_mtu) or "off",
    typed="int | str",
)
