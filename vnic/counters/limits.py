"""Every limit of the path: its setting, the times it bound, and the frames lost to it.

A limit binds when it stops work that would have continued: a full FIFO, a used-up budget. Most limits that bind lose no
frame, and that is normal. ``lost`` adds up: no frame is counted at two limits.

    vnic show limits [KNOB...]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.control.reply import Reply
from vnic.counters.snapshots import Snapshot
from vnic.counters.standing import as_dicts, sentences, standing
from vnic.errors import ConfigError
from vnic.knobs.parse import mask_text
from vnic.knobs.table import canonical
from vnic.look import lines, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.host import Host


@dataclass(frozen=True, slots=True)
class Limit(Snapshot):
    """One limit; ``after - before`` gives the events in between."""

    knob: str = field(metadata={"id": True})
    """Linux's name of the limit; a name in parentheses is a constant of Linux."""
    setting: int | str = field(metadata={"id": True})
    unit: str = field(metadata={"id": True})
    bound: int
    """Times that the limit bound."""
    lost: int
    """Frames lost to the limit."""
    high_water: int | None = field(metadata={"id": True})
    """Largest fill seen, in the limit's unit; None: not measured. rcvbuf: an upper bound of the size needed."""
    meaning: str = field(metadata={"id": True})


@dataclass(frozen=True, slots=True)
class _Seen:
    """The counters behind the limits, read once."""

    host: Host
    queues: list[Any]
    cpus: list[Any]
    fates: dict[str, int]
    ended: dict[str, int]

    def q(self, name: str) -> int:
        """Return the sum over queues."""
        return sum(getattr(q, name) for q in self.queues)

    def c(self, name: str) -> int:
        """Return the sum over CPUs."""
        return sum(getattr(c, name) for c in self.cpus)

    def most(self, name: str) -> int:
        """Return the largest value of a CPU."""
        return max(int(getattr(c, name)) for c in self.cpus)

    def fate(self, name: str) -> int:
        """Return the frames with this fate."""
        return self.fates.get(name, 0)

    @property
    def driver_queues(self) -> list[Any]:
        """The driver's half of the queues that have one."""
        found = [self.host.machine.c.dq[i] for i in range(self.host.machine.c.nic.nqueues)]
        return [dq for dq in found if dq]


@dataclass(frozen=True, slots=True)
class _Row:
    knob: str
    unit: str
    meaning: str
    bound: Callable[[_Seen], int]
    lost: Callable[[_Seen], int] = lambda _: 0
    high_water: Callable[[_Seen], int | None] = lambda _: None
    constant: int | None = None


def _by_fate(knob: str, unit: str, meaning: str, *fates: str, constant: int | None = None, **more: Any) -> _Row:
    """Return the row of a limit that loses a frame each time it binds."""

    def lost(s: _Seen) -> int:
        return sum(s.fate(f) for f in fates)

    return _Row(knob, unit, meaning, lost, lost, constant=constant, **more)


def _frag(family: str, knob: str) -> _Row:
    def refused(s: _Seen) -> int:
        return int(getattr(s.host.machine.c, family).refused)

    return _Row(
        knob,
        "bytes",
        "a fragment arrived while incomplete datagrams filled the memory",
        refused,
        refused,
        lambda s: int(getattr(s.host.machine.c, family).max_mem),
    )


_ROWS = (
    _Row(
        "mtu",
        "bytes",
        "a frame was longer",
        lambda s: int(s.host.machine.c.nic.too_long),
        lambda s: int(s.host.machine.c.nic.too_long),
        lambda s: int(s.host.machine.c.nic.longest),
    ),
    _by_fate(
        "fifo",
        "bytes",
        "a frame had no room in the card's FIFO",
        "FIFO_OVERRUN",
        high_water=lambda s: int(s.host.machine.c.nic.fifo.max_bytes),
    ),
    _by_fate("rx-buf-len", "bytes", "a frame was longer than all buffers of a ring", "RX_OVER"),
    _Row(
        "rx-ring",
        "descriptors",
        "a frame found no posted buffer and waited in the FIFO (with drop-en it is lost)",
        lambda s: s.q("no_buffer"),
        lambda s: s.fate("RX_NO_BUFFER"),
    ),
    _Row(
        "rx-pool",
        "buffers",
        "the driver had no buffer left to post",
        lambda s: s.q("alloc_rx_buff_failed"),
        high_water=lambda s: max((int(dq.pool.fresh) for dq in s.driver_queues), default=0),
    ),
    _Row(
        "rx-usecs",
        "us",
        "the moderation timer raised the interrupt",
        lambda s: s.q("interrupts_by_usecs"),
        high_water=lambda s: max(q.moderation_delay_ns_max for q in s.queues) // 1000,
    ),
    _Row(
        "rx-frames",
        "frames",
        "the count raised the interrupt",
        lambda s: s.q("interrupts_by_frames"),
        lambda s: sum(x.frames for x in standing(s.host) if x.ended),
    ),
    _Row("weight", "packets", "a poll used its whole weight", lambda s: s.q("full_polls")),
    _Row(
        "netdev-budget",
        "packets",
        "a run of net_rx_action used up its packets (time_squeeze)",
        lambda s: s.c("time_squeeze") - s.c("time_squeeze_usecs"),
    ),
    _Row(
        "netdev-budget-usecs",
        "us",
        "a run of net_rx_action used up its time (time_squeeze)",
        lambda s: s.c("time_squeeze_usecs"),
    ),
    _Row(
        "(softirq restarts)",
        "rounds",
        "softirqs were raised again in each round: ksoftirqd took over",
        lambda s: s.c("ksoftirqd_by_restarts"),
        constant=10,
    ),
    _Row(
        "(softirq time)",
        "ms",
        "softirqs took too long: ksoftirqd took over",
        lambda s: s.c("ksoftirqd_by_time"),
        constant=2,
    ),
    _Row(
        "gro-max-size",
        "bytes",
        "a merged packet would have become longer",
        lambda s: s.ended.get("size", 0),
    ),
    _Row(
        "(gro bucket)",
        "packets",
        "a ninth flow arrived in a GRO bucket: the oldest was flushed",
        lambda s: s.ended.get("evicted", 0),
        constant=8,
    ),
    _Row(
        "flow-limit-cpus",
        "mask",
        "a flow was more than half of a CPU's last 128 packets, and the backlog half full",
        lambda s: s.c("flow_limit_count"),
        lambda s: s.c("flow_limit_frames"),
    ),
    _Row(
        "netdev-max-backlog",
        "packets",
        "a CPU's backlog was full",
        lambda s: s.c("dropped") - s.c("flow_limit_count"),
        lambda s: s.fate("CPU_BACKLOG") - s.c("flow_limit_frames"),
        lambda s: s.most("input_qlen_max"),
    ),
    _Row("dev-weight", "packets", "a poll of a backlog used its whole weight", lambda s: s.c("backlog_full_polls")),
    _frag("ip_frags", "ipfrag-high-thresh"),
    _frag("ip6_frags", "ip6frag-high-thresh"),
    _by_fate(
        "ipfrag-max-dist", "fragments", "too many fragments of the sender's other datagrams came first", "FRAG_TOO_FAR"
    ),
    _by_fate("sockets", "sockets", "no socket was left for a packet's port or flow", "SOCKET_TABLE_FULL"),
    _by_fate(
        "(upcalls)",
        "packets",
        "a Python handler had not taken the earlier ones",
        "PYTHON_QUEUE_FULL",
        constant=lib.UPCALLS_MAX,
    ),
    _by_fate("udp-mem", "pages", "the UDP sockets together held as many pages as they may", "PROTO_MEM"),
    _by_fate(
        "rcvbuf",
        "bytes",
        "a socket's queue was full because its reader did not read in time",
        "SOCKET_RCVBUFF",
        "TCP_OFO_DROP",
        "TCP_OFO_QUEUE_PRUNE",
        high_water=lambda s: s.most("rcvbuf_max") or None,
    ),
)


def _setting(host: Host, row: _Row) -> int | str:
    if row.constant is not None:
        return row.constant
    value = host.knobs[row.knob]
    return mask_text(value) if row.unit == "mask" else int(value)


def limits(host: Host) -> list[Limit]:
    """Return all limits of a host, in the order of the path."""
    seen = _Seen(host, host.nic.queues(), host.softnet(), host.ledger().fates, host.gro().ended)
    return [
        Limit(r.knob, _setting(host, r), r.unit, r.bound(seen), r.lost(seen), r.high_water(seen), r.meaning)
        for r in _ROWS
    ]


def table(rows: Sequence[Limit], columns: int | None = None) -> str:
    """Return a heading and one line per limit, for a terminal of so many columns; None: as wide as it gets."""
    heads = (
        tables.left("limit"),
        tables.Column("setting"),
        tables.left(""),
        *map(tables.Column, ("hits", "lost", "most")),
        tables.words("reached when", style=""),
    )
    cells = (
        (
            x.knob,
            str(x.setting),
            x.unit,
            str(x.bound),
            str(x.lost),
            "" if x.high_water is None else str(x.high_water),
            x.meaning,
        )
        for x in rows
    )
    return tables.text(heads, cells, columns)


def _chosen(rows: list[Limit], names: Sequence[str]) -> list[Limit]:
    wanted = [n if any(x.knob == n for x in rows) else canonical(n) for n in names]
    for name in wanted:
        if all(x.knob != name for x in rows):
            raise ConfigError(f"{name} is not a counted limit; the limits are {', '.join(x.knob for x in rows)}")
    return [x for x in rows if not wanted or x.knob in wanted]


def show(host: Host, argv: Sequence[str]) -> Reply:
    """Answer ``vnic show limits [KNOB...]``. Exit code 1: there is no such limit."""
    try:
        rows = _chosen(limits(host), argv)
    except ConfigError as e:
        return Reply(err=f"vnic: {e}\n", code=1)
    waiting = as_dicts(host) if any(x.knob == "rx-frames" for x in rows) else []

    def fitted(columns: int | None) -> str:
        told = (lines.hanging("", line, columns) for line in sentences(waiting))
        return table(rows, columns) + "".join(f"\n{line}\n" for line in told)

    return Reply(
        out=fitted(None),
        fitted=fitted,
        data=[x.as_dict() | ({"standing": waiting} if x.knob == "rx-frames" else {}) for x in rows],
    )
