"""The begin of a Perfetto trace: tracks with their names and order, the names of events, and notes.

Numbers of fields are those of perfetto_trace.proto; tests/trace reads the result with Perfetto's own package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.counters.gro import GRO_ENDS
from vnic.counters.snapshots import FATES
from vnic.events.kinds import HARDIRQS, KINDS
from vnic.schema import enum_names
from vnic.trace.protobuf import message, number, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEQUENCE = 1
"""All packets are of one writer."""
_EXPLICIT = {"child": 3, "process": 1, "thread": 1}
"""Orders of tracks: by their ranks."""
_STATE_CLEARED, _NEEDS_STATE = 1, 2
_INSTANT = 3
_BATCH = 1000
"""Names a packet."""
_LOSSES_PID, _CARD_PID, _WAITS_PID, _CPU_PID = 1, 2, 3, 10
_FIRST, _LAST = 0, 1 << 20

WAITS = ("wait: FIFO", "wait: ring", "wait: GRO", "wait: backlog", "wait: fragments and TCP order", "wait: socket")
"""Names of the lanes, by enum pf_wait."""

_EVENT_NAMES = {
    "wire": "frame on the wire",
    "sent": "frame sent",
    "no_buffer": "no buffer in the ring",
    "dma": "DMA",
    "irq_asked": "interrupt asked for",
    "irq": "interrupt raised",
    "softirq": "softirq",
    "net_rx": "net_rx_action",
    "poll": "napi_poll",
    "ipi": "IPI",
    "wake": "try_to_wake_up",
    "read": "recvmsg",
    "skb": "build sk_buff",
    "gro_hold": "GRO hold",
    "gro_merge": "GRO merge",
    "rps": "RPS: to another CPU",
    "receive": "netif_receive_skb",
}
"""Other kinds have no event of their own; they are waits and counters."""
_HARDIRQ_NAMES = {
    "queue": "irq handler",
    "ipi": "call_function_single",
    "watchdog": "napi_watchdog (hrtimer)",
    "tick": "timer tick",
}


def _packet(*parts: bytes) -> bytes:
    return message(1, *parts, number(10, SEQUENCE))


def _track(uuid: int, *parts: bytes, name: str = "", parent: int = 0, rank: int = 0) -> bytes:
    fields = [number(1, uuid), *parts, number(12, rank)]
    fields += [text(2, name)] * bool(name) + [number(5, parent)] * bool(parent)
    return _packet(message(60, *fields))


def _process(uuid: int, pid: int, name: str, rank: int) -> bytes:
    return _track(uuid, message(3, number(1, pid), text(6, name)), number(11, _EXPLICIT["child"]), rank=rank)


def _thread(uuid: int, pid: int, tid: int, name: str) -> bytes:
    return _track(uuid, message(4, number(1, pid), number(2, tid), text(5, name)), rank=tid)


def _counter(uuid: int, parent: int, name: str, rank: int, unit: str) -> bytes:
    return _track(uuid, message(8, text(6, unit)), name=name, parent=parent, rank=rank)


def _card_tracks(dev: str, nqueues: int) -> Iterator[bytes]:
    def thread(uuid: int, name: str, order: int) -> bytes:
        return _thread(uuid, _CARD_PID, 100_000 + order, name)

    yield _process(lib.PFT_CARD, _CARD_PID, f"card {dev}", _FIRST + 1)
    yield thread(lib.PFT_WIRE, "card: wire", 0)
    yield thread(lib.PFT_NO_BUFFER, "card: frames without a buffer", 1)
    for queue in range(nqueues):
        base = lib.PFT_QUEUE_TRACKS + 4 * queue
        yield thread(base + lib.PFT_DMA, f"card: DMA, queue {queue}", 2 + queue * 2)
        yield thread(base + lib.PFT_IRQ, f"card: interrupts, queue {queue}", 3 + queue * 2)
        yield _counter(base + lib.PFT_RING, lib.PFT_CARD, f"queue {queue}: frames in the ring", 1 + queue, "frames")
    yield thread(lib.PFT_SENT, "card: sent", 2 + nqueues * 2)
    yield _counter(lib.PFT_FIFO, lib.PFT_CARD, "FIFO bytes", 0, "bytes")


def _cpu_tracks(cpu: int) -> Iterator[bytes]:
    base, pid, tid = lib.PFT_CPU_TRACKS + 8 * cpu, _CPU_PID + cpu, 200_000 + cpu * 8
    yield _process(base + lib.PFT_CPU, pid, f"CPU {cpu}", _FIRST + 2 + cpu)
    yield _thread(base + lib.PFT_HARDIRQ, pid, tid, f"CPU {cpu} hardirq")
    yield _thread(base + lib.PFT_SOFTIRQ, pid, tid + 1, f"CPU {cpu} softirq")
    yield _thread(base + lib.PFT_TASKS, pid, tid + 2, f"CPU {cpu} tasks")
    yield _counter(base + lib.PFT_BACKLOG, base + lib.PFT_CPU, f"CPU {cpu}: backlog length", 0, "packets")


def tracks(dev: str, ncpus: int, nqueues: int) -> bytes:
    """Return the descriptors of all tracks but the lanes of waits and the sockets, which come when they are used."""
    root = _track(0, number(19, _EXPLICIT["process"]), number(20, _EXPLICIT["thread"]))
    losses = [
        _process(lib.PFT_LOSSES_GROUP, _LOSSES_PID, "losses", _FIRST),
        _thread(lib.PFT_LOSSES, _LOSSES_PID, 90_000, "losses, by fate"),
        _thread(lib.PFT_NOTES, _LOSSES_PID, 90_001, "notes"),
    ]
    waits = [
        _process(lib.PFT_WAITS, _WAITS_PID, "packets that wait", _LAST),
        _track(lib.PFT_SOCKETS, name="socket memory", parent=lib.PFT_WAITS, rank=100),
    ]
    cpus = [packet for cpu in range(ncpus) for packet in _cpu_tracks(cpu)]
    return b"".join([root, *losses, *_card_tracks(dev, nqueues), *cpus, *waits])


def _task_name(task: int) -> str:
    if task == lib.TASK_NONE:
        return "idle"
    if task == lib.TASK_KSOFTIRQD:
        return "ksoftirqd"
    return "reader" if task == lib.TASK_READER else f"napi thread {task - lib.TASK_NAPI}"


def event_names(max_task: int) -> dict[int, str]:
    """Return number -> name of an event, as csrc/events/pftrace.c has them."""
    names = {lib.PFT_NAME_KIND + i: _EVENT_NAMES[kind] for i, kind in enumerate(KINDS) if kind in _EVENT_NAMES}
    names |= {lib.PFT_NAME_HARDIRQ + i: _HARDIRQ_NAMES[source] for i, source in enumerate(HARDIRQS)}
    names |= {lib.PFT_NAME_WAIT + i: name for i, name in enumerate(WAITS)}
    names[lib.PFT_NAME_MODERATION] = "moderation"
    names |= {lib.PFT_NAME_FATE + i: fate for i, fate in enumerate(FATES)}
    for task in range(max_task + 1):
        names[lib.PFT_NAME_TASK + task] = _task_name(task)
        names[lib.PFT_NAME_SWITCH + task] = f"switch to {_task_name(task)}"
    return names


ARGS = {i: n.removeprefix("PFT_").lower() for i, n in enumerate(enum_names("pf_arg", "PFT_ARGS"), 1)}
"""Number -> name of an annotation."""


def texts(flows: Sequence[str], used: bytes) -> dict[int, str]:
    """Return number -> text of an annotation. ``used``: by flow, whether a frame has it."""
    found = {lib.PFT_TEXT_FATE + i: fate for i, fate in enumerate(FATES)}
    found |= {lib.PFT_TEXT_WHY + i: why for i, why in enumerate(GRO_ENDS)}
    found |= {lib.PFT_TEXT_BY: "rx-frames", lib.PFT_TEXT_BY + 1: "rx-usecs"}
    found |= {lib.PFT_TEXT_FLOW + i: flow for i, flow in enumerate(flows) if used[i]}
    return found


def names(max_task: int, flows: Sequence[str], used: bytes) -> Iterator[bytes]:
    """Yield the packets that say what numbers of names and texts mean; they come first."""
    rows = [(2, i, name) for i, name in event_names(max_task).items()]
    rows += [(3, i, name) for i, name in ARGS.items()]
    rows += [(29, i, name) for i, name in texts(flows, used).items()]
    for at in range(0, len(rows), _BATCH):
        interned = [message(field, number(1, i), text(2, name)) for field, i, name in rows[at : at + _BATCH]]
        flags = _NEEDS_STATE | (0 if at else _STATE_CLEARED)
        yield _packet(number(13, flags), number(87, 1) if not at else b"", message(12, *interned))


def note(t_ns: int, sentence: str, facts: dict[str, Any]) -> bytes:
    """Return an instant that says something about the whole trace."""
    said = [message(4, text(10, name), text(6, str(value))) for name, value in facts.items()]
    event = [number(9, _INSTANT), number(11, lib.PFT_NOTES), text(23, sentence), *said]
    return _packet(number(8, t_ns), message(11, *event))
