"""Frozen snapshots of the counters, named as Linux names them. ``after - before`` gives the difference."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

from vnic._core import ffi, lib
from vnic.address import inet_text
from vnic.counters import shown_as
from vnic.schema import enum_names

FATES = enum_names("fate", "FATE_MAX")
TX_FATES = enum_names("tx_fate", "TX_FATE_MAX")
IN_FLIGHT = tuple(n.removeprefix("IN_").lower() for n in enum_names("in_flight", "IN_FLIGHT_MAX"))
MIBS = enum_names("mib", "MIB_MAX")


_NUD = {
    getattr(lib, f"NUD_{state}"): state
    for state in ("NONE", "INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED")
}


class Snapshot:
    """Counters at one moment; the difference of two snapshots is a snapshot of the same class."""

    __slots__ = ()

    def __sub__(self, before: Self) -> Self:
        def diff(a: Any, b: Any) -> Any:
            if isinstance(a, dict):
                return {k: a[k] - b.get(k, 0) for k in a if a[k] != b.get(k, 0)}
            return a - b

        values = ((f, getattr(self, f.name), getattr(before, f.name)) for f in fields(self))  # type: ignore[arg-type]
        return type(self)(**{f.name: a if f.metadata.get("id") else diff(a, b) for f, a, b in values})

    def as_dict(self) -> dict[str, Any]:
        """Return a plain dict, for JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Ledger(Snapshot):
    """The first law: ``offered == sum(fates) + in_flight``."""

    offered: int
    """Frames that arrived at the card."""
    in_flight_at: dict[str, int]
    """Place -> frames there without a fate: fifo, ring, gro, backlog, frag, python, tcp_ofo."""
    fates: dict[str, int]
    """Fate -> frames, without zeros. ``DELIVERED_*`` are deliveries, all others are losses."""

    @property
    def in_flight(self) -> int:
        """Frames that have no fate yet."""
        return sum(self.in_flight_at.values())

    @property
    def delivered(self) -> int:
        """Frames that ended in a DELIVERED_* fate."""
        return sum(n for f, n in self.fates.items() if f.startswith("DELIVERED_"))

    @property
    def dropped(self) -> int:
        """Frames that ended in any other fate."""
        return sum(self.fates.values()) - self.delivered

    @property
    def closed(self) -> bool:
        """Does the law hold?"""
        return self.offered == sum(self.fates.values()) + self.in_flight

    def __repr__(self) -> str:
        return f"<vnic.Ledger {shown_as.ledger_line(self.offered, self.in_flight, self.fates)}>"

    def _repr_html_(self) -> str:
        caption = shown_as.ledger_line(self.offered, self.in_flight, self.fates)
        return shown_as.ledger_table(caption, self.fates, self.in_flight_at)


@dataclass(frozen=True, slots=True)
class TxLedger(Snapshot):
    """The first law for sent frames: each frame that the host makes has one fate, is in the ring, or waits."""

    in_flight: int
    """Frames in the sending ring, or waiting for a neighbour's address."""
    fates: dict[str, int]
    """Fate -> frames, without zeros. ``TX_SENT``: the frame is on the wire; all others are losses."""

    def __repr__(self) -> str:
        return f"<vnic.TxLedger {shown_as.sent_line(self.in_flight, self.fates)}>"

    def _repr_html_(self) -> str:
        return shown_as.sent_table(shown_as.sent_line(self.in_flight, self.fates), self.in_flight, self.fates)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entry of the neighbour table, as ``ip neigh`` shows it."""

    ip: str
    mac: str | None
    state: str
    """REACHABLE, STALE, DELAY, PROBE, INCOMPLETE, FAILED; NONE: known to be there, not sent to yet."""
    queued_bytes: int
    """Packets that wait for the address, bytes of truesize."""
    router: bool = False
    """It says that it is a router (IPv6)."""


@dataclass(frozen=True, slots=True)
class DeviceStats(Snapshot):
    """rtnl_link_stats64, as /proc/net/dev and ``ip -s link`` show it."""

    rx_packets: int
    """Frames the driver took, before GRO."""
    rx_bytes: int
    rx_errors: int
    rx_dropped: int
    """Backlog drops, and packets without a handler."""
    multicast: int
    rx_length_errors: int
    rx_over_errors: int
    rx_crc_errors: int
    rx_frame_errors: int
    rx_fifo_errors: int
    """Frames lost because the card's FIFO was full."""
    rx_missed_errors: int
    rx_nohandler: int
    rx_otherhost_dropped: int
    tx_packets: int
    """Frames the driver gave to the card."""
    tx_bytes: int
    tx_errors: int
    """Frames that the wire refused, or that the card could not read."""
    tx_dropped: int
    """Frames dropped because the ring was full, or the card had stopped."""
    tx_fifo_errors: int
    """Frames that found no room on the wire."""


@dataclass(frozen=True, slots=True)
class QueueStats(Snapshot):
    """One receive queue: the card's and the driver's counters, its interrupt and its NAPI."""

    packets: int
    bytes: int
    no_buffer: int
    """Frames that found no buffer posted and had to wait in the FIFO."""
    no_buffer_moderated: int
    """The part of them for which rx-usecs or rx-frames still delayed the interrupt for earlier frames."""
    no_buffer_pool: int
    """The part of them for which the driver had no buffer: all were in sockets, or waited for other fragments."""
    overruns: int
    """Frames lost to a full FIFO while its head waited for a buffer of this queue; the same two parts follow."""
    overruns_moderated: int
    overruns_pool: int
    dma_failed: int
    csum_good: int
    csum_errors: int
    kicks: int
    alloc_rx_buff_failed: int
    interrupts: int
    interrupts_by_usecs: int
    interrupts_by_frames: int
    moderation_delay_ns: int
    """Time from the first completion to the interrupt, summed over interrupts."""
    moderation_delay_ns_max: int
    polls: int
    full_polls: int
    """Polls that used their whole weight."""
    thread_wakeups: int
    """With ``threaded``: wake-ups of the queue's own task."""
    thread_busy_ns: int


@dataclass(frozen=True, slots=True)
class ArfsStats(Snapshot):
    """The card's filters of accelerated RFS (``ntuple``)."""

    filters: int
    added: int
    expired: int
    full: int
    """Flows that found no room."""
    hits: int
    """Frames that matched a filter."""


@dataclass(frozen=True, slots=True)
class SoftnetStat(Snapshot):
    """One CPU: the columns of softnet_stat, then vnic's own counters."""

    processed: int
    dropped: int
    time_squeeze: int
    time_squeeze_usecs: int
    """The part of them in which netdev_budget_usecs ran out before netdev_budget."""
    received_rps: int
    flow_limit_count: int
    """Packets this CPU dropped by the flow limit when it enqueued them."""
    flow_limit_frames: int
    rfs_steered: int
    """Packets that this CPU steered to the CPU where their flow's reader runs, or ran."""
    rfs_moved: int
    """Flows that RFS moved to another CPU."""
    rfs_waited: int
    """Packets of flows that RFS did not move yet, because the old CPU still had packets of the flow."""
    input_qlen: int
    input_qlen_max: int
    """Longest backlog, packets."""
    process_qlen: int
    backlog_full_polls: int
    """Polls of the backlog that used all of dev_weight."""
    hardirqs: int
    softirqs: int
    net_rx_runs: int
    ksoftirqd_runs: int
    ksoftirqd_by_restarts: int
    """Softirqs left to ksoftirqd after 10 rounds, ..."""
    ksoftirqd_by_time: int
    """... after 2 ms, ..."""
    ksoftirqd_by_resched: int
    """... because a task was due."""
    rcvbuf_max: int
    """Most bytes of truesize that a socket with drops would have held if it had taken all packets."""
    reader_wakeups: int
    reader_busy_ns: int
    ksoftirqd_busy_ns: int
    now_ns: int
    idle_ns: int


def ledger(host: Any) -> Ledger:
    """Read the ledger of a ``struct host *``."""
    fates = ffi.new("uint64_t[]", lib.FATE_MAX)
    where = ffi.new("uint64_t[]", lib.IN_FLIGHT_MAX)
    lib.host_fates(host, fates)
    lib.host_in_flight(host, where)
    return Ledger(
        offered=int(lib.host_offered(host)),
        in_flight_at=dict(zip(IN_FLIGHT, (int(n) for n in where), strict=True)),
        fates={name: int(n) for name, n in zip(FATES, fates, strict=True) if n},
    )


def device(host: Any) -> DeviceStats:
    """Return the card's rtnl_link_stats64. With a driver in another process: what the card gave it, and sent for it."""
    nic, cpus = host.nic, [host.cpu[i] for i in range(host.ncpus)]
    queues = [host.dq[i] for i in range(nic.nqueues_open) if host.dq[i] != ffi.NULL]
    sent = tx_ledger(host).fates
    packets, size = sum(int(q.rx_packets) for q in queues), sum(int(q.rx_bytes) for q in queues)
    tx_packets, tx_bytes = int(host.tx.packets), int(host.tx.bytes)
    if nic.external_driver:
        rings = [nic.queue[i] for i in range(nic.nqueues)]
        packets, size = sum(int(q.frames) for q in rings), sum(int(q.bytes) for q in rings)
        tx_packets, tx_bytes = sent.get("TX_SENT", 0), int(nic.wire.tx_bytes)
    length, over, fifo = int(nic.rx_length_errors), int(nic.rx_over_errors), int(nic.rx_fifo_errors)
    return DeviceStats(
        rx_packets=packets,
        rx_bytes=size,
        rx_errors=length + over + fifo,
        rx_dropped=sum(int(c.rx_dropped) for c in cpus),
        multicast=int(nic.multicast),
        rx_length_errors=length,
        rx_over_errors=over,
        rx_crc_errors=0,
        rx_frame_errors=0,
        rx_fifo_errors=fifo,
        rx_missed_errors=0,
        rx_nohandler=0,
        rx_otherhost_dropped=sum(int(c.rx_otherhost_dropped) for c in cpus),
        tx_packets=tx_packets,
        tx_bytes=tx_bytes,
        tx_errors=sent.get("TX_WIRE_ERROR", 0) + sent.get("TX_BAD_CHAIN", 0),
        tx_dropped=sent.get("TX_FULL_RING", 0) + sent.get("TX_DEV_READY", 0),
        tx_fifo_errors=sent.get("TX_WIRE_FULL", 0),
    )


def tx_ledger(host: Any) -> TxLedger:
    """Return the fates of sent frames."""
    fates = ffi.new("uint64_t[]", lib.TX_FATE_MAX)
    lib.host_tx_fates(host, fates)
    named = {name: int(n) for name, n in zip(TX_FATES, fates, strict=True) if n}
    return TxLedger(in_flight=int(lib.host_tx_in_flight(host)), fates=named)


def neighbours(host: Any) -> list[Neighbour]:
    """Return the neighbour table."""
    found = []
    for i in range(host.neigh.used):
        n = host.neigh.entry[i]
        if not n.in_use:
            continue
        state = _NUD[int(n.state)]
        mac = None if state in ("NONE", "INCOMPLETE", "FAILED") else bytes(n.mac).hex(":")
        router = bool(n.flags & lib.NTF_ROUTER)
        found.append(Neighbour(inet_text(n.addr), mac, state, int(n.queue_bytes), router))
    return found


def arfs(host: Any) -> ArfsStats:
    """Return the counters of accelerated RFS."""
    a = host.nic.arfs
    return ArfsStats(int(a.count), int(a.added), int(a.expired), int(a.full), int(a.hits))


def queue(host: Any, i: int) -> QueueStats:
    """Return the counters of receive queue ``i``."""
    q, dq = host.nic.queue[i], host.dq[i]
    driver = dq != ffi.NULL
    return QueueStats(
        packets=int(q.frames),
        bytes=int(q.bytes),
        no_buffer=int(q.no_buffer),
        no_buffer_moderated=int(q.no_buffer_moderated),
        no_buffer_pool=int(q.no_buffer_pool),
        overruns=int(q.overruns),
        overruns_moderated=int(q.overruns_moderated),
        overruns_pool=int(q.overruns_pool),
        dma_failed=int(q.dma_failed),
        csum_good=int(q.csum_ok),
        csum_errors=int(q.csum_bad),
        kicks=int(q.kicks),
        alloc_rx_buff_failed=int(dq.alloc_rx_buff_failed) if driver else 0,
        interrupts=int(q.irq.raised),
        interrupts_by_usecs=int(q.irq.by_usecs),
        interrupts_by_frames=int(q.irq.by_frames),
        moderation_delay_ns=int(q.irq.delay_sum_ns),
        moderation_delay_ns_max=int(q.irq.delay_max_ns),
        polls=int(dq.napi.polls) if driver else 0,
        full_polls=int(dq.napi.full_polls) if driver else 0,
        thread_wakeups=int(dq.napi.thread.wakeups) if driver else 0,
        thread_busy_ns=int(dq.napi.thread.busy_ns) if driver else 0,
    )


def softnet(host: Any, cpu: int) -> SoftnetStat:
    """Return the counters of CPU ``cpu``."""
    c = host.cpu[cpu]
    since = int(c.idle_since)
    values: dict[str, int] = {
        "input_qlen_max": max(int(c.input_qlen_max), int(c.input_qlen)),
        "backlog_full_polls": int(c.backlog.full_polls),
        "reader_wakeups": int(c.reader.wakeups),
        "reader_busy_ns": int(c.reader.busy_ns),
        "ksoftirqd_busy_ns": int(c.ksoftirqd_task.busy_ns),
        "now_ns": int(c.now),
        "idle_ns": int(c.idle_ns) + (max(0, int(lib.clock_ns()) - since) if since else 0),
    }
    names = (f.name for f in fields(SoftnetStat) if f.name not in values)
    return SoftnetStat(**{name: int(getattr(c, name)) for name in names}, **values)


def mib(host: Any) -> dict[str, int]:
    """Return the counters of /proc/net/snmp and netstat, summed over CPUs, by flat names as ``Ip_InReceives``."""
    cpus = [host.cpu[i] for i in range(host.ncpus)]
    return {name: int(host.out_mib[i]) + sum(int(c.mib[i]) for c in cpus) for i, name in enumerate(MIBS)}
