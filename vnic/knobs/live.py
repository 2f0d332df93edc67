"""``host.knobs``: read and change every knob of a host, also while it runs.

    host.knobs.rx_usecs = 50                       one
    host.knobs["net.core.netdev_budget"] = 600     by the long name
    host.knobs.update({"rx-ring": 512, "rx-usecs": 50})    several at once: all or none
    host.knobs.queue(1)["rps-cpus"] = "c"          of one queue

Units are Linux's (``gro_flush_timeout`` is ns, as in sysfs); a name may say them: ``gro_flush_timeout_ns``.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.errors import ConfigError, VnicError, said
from vnic.knobs.parse import whole
from vnic.knobs.table import KNOBS, canonical, read, refuse_no_interrupt, shown
from vnic.machine.lifetime import Uncopied

if TYPE_CHECKING:
    from vnic.host import Host
    from vnic.linux.ntuple import Rules

START_ONLY = {
    "rx-buf-len": "buffers of that size were laid out when the card was made",
    "rx-pool": "they were laid out when the card was made",
    "hz": "a kernel is built with it",
    "gro-flows": "their memory was taken when the host was made",
    "sockets": "their table was made with the host",
    "link": "it is the wire's",
    "speed": "it is the wire's",
    "strict-csum": "it is the wire's",
    "capture-mtu": "it is the wire's",
    "cost": "it is the machine's",
    "tx": "the driver and the card agreed on it when the driver was loaded",
    "lro": "off [fixed]",
    "rx-gro-hw": "off [fixed]",
    "rx-vlan-offload": "off [fixed]",
}
"""Knob -> why it cannot change after the host is made."""

_FOLLOW = {
    "mac": ("allmulti",),
    "adaptive-rx": ("rx-usecs", "rx-frames"),
    "gro-max-size": ("gro-ipv4-max-size",),
    "ntuple": ("ntuple-rules",),
}
"""Knob -> knobs that change with it."""


def _change(host: Host, key: str, value: Any, queue: int | None) -> None:
    place = KNOBS[key].place
    all_queues = place.each_queue and queue is None
    if not all_queues and place.get(host.c, host.wire.c, queue) == value:
        return
    try:
        rc = (place.change or place.put)(host.c, host.wire.c, value, queue) or 0
    except ValueError as e:
        raise ConfigError(f"{key}={said(value)}: {e}") from None
    if rc == -errno.EOPNOTSUPP:
        raise ConfigError(f"{key}={said(value)}: {_no_driver(host)}: {os.strerror(-rc)}")
    if rc < 0:
        raise ConfigError(f"{key}={said(value)}: {os.strerror(-rc)}")


def _no_driver(host: Host) -> str:
    """Return why no driver of this host can make the change."""
    if host.c.nic.external_driver:
        return "the card's driver is another process"
    return "the wire has ended, and the driver has released the card"


class Settings(Uncopied, Mapping[str, Any]):
    """The knobs of a host, by any of their names. Values are parsed: numbers, bool, bytes (mac: None = any)."""

    _host: Host
    _queue: int | None

    if TYPE_CHECKING:  # for editors and type checkers; a test compares it with the table
        queues: int
        rx_ring: int
        rx_ring_descriptors: int
        rx_buf_len: int
        rx_buf_len_bytes: int
        rx_pool: int
        fifo: int
        fifo_bytes: int
        mtu: int
        mtu_bytes: int
        mac: bytes | None
        promisc: bool
        allmulti: bool
        rx_vlan_filter: bool
        tx: bool
        icmp_ratelimit: int
        icmp_ratelimit_ms: int
        icmp_msgs_per_sec: int
        icmp_msgs_burst: int
        rx: bool
        rxhash: bool
        rx_flow_hash_udp: str
        rx_flow_hash_tcp4: str
        rx_flow_hash_udp4: str
        rx_flow_hash_tcp6: str
        rx_flow_hash_udp6: str
        rss_key: bytes
        rss_xfrm: str
        rss_indir: tuple[int, ...]
        drop_en: bool
        rx_usecs: int
        rx_frames: int
        rx_usecs_irq: int
        rx_frames_irq: int
        adaptive_rx: bool
        lro: bool
        rx_gro_hw: bool
        rx_vlan_offload: bool
        hz: int
        weight: int
        weight_packets: int
        dev_weight: int
        dev_weight_packets: int
        netdev_budget: int
        netdev_budget_packets: int
        netdev_budget_usecs: int
        netdev_max_backlog: int
        netdev_max_backlog_packets: int
        gro: bool
        gro_max_size: int
        gro_max_size_bytes: int
        gro_ipv4_max_size: int
        gro_ipv4_max_size_bytes: int
        rx_udp_gro_forwarding: bool
        rx_gro_list: bool
        gro_cwr: int
        gro_flows: int
        gro_normal_batch: int
        gro_flush_timeout: int
        gro_flush_timeout_ns: int
        napi_defer_hard_irqs: int
        threaded: bool
        busy_read: int
        busy_read_usecs: int
        busy_poll_budget: int
        prefer_busy_poll: bool
        smp_affinity: int
        rps_cpus: int
        rps_flow_cnt: int
        rps_sock_flow_entries: int
        flow_limit_cpus: int
        flow_limit_table_len: int
        ntuple: bool
        ntuple_rules: Rules
        ipfrag_high_thresh: int
        ipfrag_high_thresh_bytes: int
        ipfrag_time: int
        ipfrag_time_s: int
        ipfrag_max_dist: int
        ip6frag_high_thresh: int
        ip6frag_high_thresh_bytes: int
        ip6frag_time: int
        ip6frag_time_s: int
        rcvbuf: int
        rcvbuf_bytes: int
        rmem_max: int
        rmem_max_bytes: int
        udp_mem: int
        udp_mem_pages: int
        reader_cpu: int
        sockets: int
        catch_up: int
        link: int
        link_bps: int
        speed: float
        strict_csum: bool
        capture_mtu: int | str
        capture_mtu_bytes: int | str
        cost: str

    def __init__(self, host: Host, queue: int | None = None) -> None:
        object.__setattr__(self, "_host", host)
        object.__setattr__(self, "_queue", queue)

    def queue(self, i: int) -> Settings:
        """Return a queue's own knobs: rx-usecs, rx-frames (and -irq), smp-affinity, rps-cpus and so on.

        ConfigError: there is no such queue.
        """
        n = int(self._c.nic.nqueues)
        i = whole("queue", i, -(1 << 63), 1 << 63)
        if not 0 <= i < n:
            raise ConfigError(f"there is no queue {i}: the card has {n}")
        return Settings(self._host, i)

    def each_queue(self, given: Mapping[int | str, Mapping[str, Any]] | None) -> None:
        """Set knobs of single queues. Queue numbers may be text, as in a file. ConfigError: as :meth:`update`."""
        if given is not None and not isinstance(given, Mapping):
            raise ConfigError(f"each_queue={given!r}: must be queues and their knobs, as {{1: {{'rps-cpus': 'c'}}}}")
        for i, own in (given or {}).items():
            if not isinstance(own, Mapping):
                raise ConfigError(f"queue {i}: {own!r}: must be knobs and their values")
            self.queue(int(i) if isinstance(i, str) and i.isascii() and i.isdigit() else i).update(own)  # type: ignore[arg-type]

    def __getitem__(self, name: str) -> Any:
        """Return the present value. ConfigError: there is no such knob."""
        return KNOBS[self._name(name)].place.get(self._c, self._host.wire.c, self._queue)

    @property
    def _c(self) -> Any:
        return self._host.c

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def update(self, given: Mapping[str, Any]) -> None:
        """Change several knobs at once. On a running host this happens between two polls, and loses no accepted frame.

        Raises:
            ConfigError: a name or a value is invalid, or a knob cannot change any more. Then all knobs stay.
        """
        values, written = {}, {}
        for name, value in given.items():
            key = self._name(name)
            written[key] = value
            values[key] = read(key, value)
            if key in START_ONLY and values[key] != self[key]:
                raise ConfigError(f"{name}={said(value)}: cannot be changed now: {START_ONLY[key]}")
        self._check(values)
        values |= self._moderation(values)
        values = dict(
            sorted(values.items(), key=lambda item: item[0] != "adaptive-rx")
        )  # adaptive-rx first: it decides how the others act
        self._host.while_stopped(lambda: self._put(values, written))

    def _put(self, values: Mapping[str, Any], written: Mapping[str, Any]) -> None:
        host, before = self._host, []
        flow_cnt = int(host.c.rps_flow_cnt)  # for queues that open later
        try:
            for key, value in values.items():
                before += [was for k in (*_FOLLOW.get(key, ()), key) for was in self._now(k)]
                _change(host, key, value, self._queue)
        except BaseException:
            for was in reversed(before):
                with contextlib.suppress(VnicError):
                    _change(host, *was)
            host.c.rps_flow_cnt = flow_cnt
            raise
        own = (
            host.config if self._queue is None else host.config.setdefault("each_queue", {}).setdefault(self._queue, {})
        )
        own |= {key: shown(key, value, written.get(key, value)) for key, value in values.items()}

    def _now(self, key: str) -> list[tuple[str, Any, int | None]]:
        """Return what restores a knob: name, value and queue, one of these for each queue that has its own value."""
        host, place = self._host, KNOBS[key].place
        queues = range(lib.NIC_QUEUES_MAX) if place.each_queue and self._queue is None else (self._queue,)
        return [(key, place.get(host.c, host.wire.c, q), q) for q in queues]

    def _moderation(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Set rx-frames to 0 for a time given alone, as at the start (else 1 frame would win); without a time, to 1."""
        if "rx-usecs" not in values or "rx-frames" in values:
            return {}
        was = self["rx-frames"]
        return {"rx-frames": 0 if values["rx-usecs"] and was == 1 else 1 if not values["rx-usecs"] and not was else was}

    def _check(self, values: Mapping[str, Any]) -> None:
        if "rx-frames" in values:
            refuse_no_interrupt(values.get("rx-usecs", self["rx-usecs"]), values["rx-frames"])

    def _name(self, name: str) -> str:
        key = canonical(name)
        if self._queue is not None and not KNOBS[key].place.each_queue:
            raise ConfigError(f"{name} is a knob of the whole card, not of a queue")
        return key

    def __iter__(self) -> Iterator[str]:
        return iter(k for k, knob in KNOBS.items() if self._queue is None or knob.place.each_queue)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        try:
            self._name(str(name))
        except ConfigError:
            return False
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except ConfigError as e:
            raise AttributeError(str(e)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name.replace("-", "_") for name in self)]
