"""What a record of the event log says: the kinds, in words, and what ``arg`` means for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.address import inet_text
from vnic.counters.gro import GRO_ENDS
from vnic.counters.snapshots import FATES
from vnic.schema import enum_names

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = tuple(n.removeprefix("EVENT_").lower() for n in enum_names("event_kind", "EVENT_KINDS"))
"""Names of the kinds; their number is enum event_kind's."""
HARDIRQS = tuple(n.removeprefix("HARDIRQ_").lower() for n in enum_names("hardirq", ""))
"""What interrupts a CPU: queue, ipi, watchdog, tick."""
FAULTS = tuple(n.removeprefix("FAULT_").lower().replace("_", "-") for n in enum_names("fault", "FAULTS"))
"""Names of faults, as --fault has them."""
NO_CPU, NO_QUEUE = int(lib.EVENT_NO_CPU), int(lib.EVENT_NO_QUEUE)
"""In a record's ``cpu``: the card. In its ``queue``: none, or a CPU's backlog."""
NEVER = (1 << 64) - 1
"""A time in a frame's row: it did not get there."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record. ``file``: the stage's file in csrc/. ``args``: names of what ``arg`` holds, to values."""

    name: str
    text: str
    file: str
    args: Callable[[int], dict[str, Any]]


def _low(arg: int) -> int:
    return arg & 0xFFFF_FFFF


def _task(number: int) -> str:
    names = {lib.TASK_NONE: "idle", lib.TASK_KSOFTIRQD: "ksoftirqd", lib.TASK_READER: "reader"}
    return names.get(number, f"napi/{number - lib.TASK_NAPI}")


def _nothing(_: int) -> dict[str, Any]:
    return {}


_OF = {
    "wire": ("its last bit is on the wire", "wire/wire.c", lambda a: {"len": _low(a), "flow": a >> 32}),
    "fifo": ("into the card's packet memory", "card/fifo.c", lambda a: {"fifo_bytes": a}),
    "no_buffer": ("at the head of the FIFO, its ring has no buffer", "card/nic_drain.c", lambda a: {"fifo_bytes": a}),
    "dma": ("copied into the driver's buffers", "card/dma.c", lambda a: {"ring": a}),
    "irq_asked": (
        "a frame for which the driver asked an interrupt",
        "card/irq.c",
        lambda a: {"deadline_ns": None if a == NEVER else a},
    ),
    "irq": ("the card raises the queue's interrupt", "card/irq.c", lambda a: {"by": "rx-usecs" if a else "rx-frames"}),
    "fault": ("a fault on purpose (--fault)", "card/fault.c", lambda a: {"fault": FAULTS[a]}),
    "sent": ("the card sends a frame", "card/nic_tx.c", lambda a: {"len": a}),
    "hardirq": ("an interrupt is handled", "softnet/softirq.c", lambda a: {"source": HARDIRQS[a]}),
    "softirq": ("softirqs run", "softnet/softirq.c", lambda a: {"ksoftirqd": bool(a)}),
    "net_rx": (
        "the poll list is polled",
        "softnet/net_rx_action.c",
        lambda a: {"packets": _low(a), "squeezed": bool(a >> 32)},
    ),
    "poll": ("a NAPI is polled", "softnet/napi.c", lambda a: {"work": _low(a), "weight": a >> 32}),
    "ipi": ("another CPU is interrupted, since its backlog was fed", "softnet/softirq.c", lambda a: {"target": a}),
    "wake": ("a reader is woken", "sock/sock.c", lambda a: {"target": a}),
    "switch": (
        "the CPU switches to another task",
        "softnet/sched.c",
        lambda a: {"from": _task(a >> 32), "to": _task(_low(a))},
    ),
    "task": ("a task runs", "softnet/sched.c", lambda a: {"task": _task(a)}),
    "ring": ("in the ring until the driver takes it", "ring/virtqueue.c", lambda a: {"irq_ns": a}),
    "skb": ("the driver makes an sk_buff of it", "driver/driver.c", lambda a: {"len": a}),
    "gro_hold": ("GRO holds it", "softnet/gro.c", lambda a: {"held_in_bucket": a}),
    "gro_merge": ("GRO merges it into a packet that it holds", "softnet/gro.c", lambda a: {"segs": a}),
    "gro_release": (
        "GRO gives up the hold",
        "softnet/gro.c",
        lambda a: {"why": GRO_ENDS[_low(a)], "segs": a >> 32},
    ),
    "gro_out": ("in GRO", "softnet/gro.c", lambda a: {"segs": a}),
    "rps": ("RPS chooses another CPU", "softnet/rps.c", lambda a: {"target": a}),
    "backlog": ("into a CPU's backlog", "softnet/backlog.c", lambda a: {"target": _low(a), "qlen": a >> 32}),
    "backlog_out": ("in the backlog", "softnet/backlog.c", lambda a: {"left": a}),
    "receive": (
        "packet taps, then the handler of its EtherType",
        "softnet/netif_receive_skb.c",
        lambda a: {"ethertype": _low(a), "len": a >> 32},
    ),
    "reorder": ("waits for what is missing before it", "inet/inet_fragment.c", lambda a: {"sock": a}),
    "ordered": ("what was missing has come", "inet/inet_fragment.c", _nothing),
    "socket": ("into the socket's queue", "sock/sock.c", lambda a: {"sock": _low(a), "rmem": a >> 32}),
    "read": (
        "read() copies it to the program",
        "sock/sock.c",
        lambda a: {"sock": _low(a), "len": a >> 32},
    ),
    "fate": ("its fate", "machine/fate.c", lambda a: {"fate": FATES[a]}),
}
OF: dict[str, Kind] = {name: Kind(name, *_OF[name]) for name in KINDS}


def flow_text(key: Any) -> str:
    """Return a flow in words: ``udp 10.0.0.1:40000 > 10.0.0.2:5000``. ``key``: struct flow_key."""
    proto = {6: "tcp", 17: "udp", 136: "udplite"}.get(int(key.proto), f"proto {int(key.proto)}")
    src, dst = (f"[{a}]" if ":" in a else a for a in (inet_text(key.src), inet_text(key.dst)))
    return f"{proto} {src}:{int(key.sport)} > {dst}:{int(key.dport)}"
