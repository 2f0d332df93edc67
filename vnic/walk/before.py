"""Of a lost frame: which frames filled the place that it did not fit into, what the CPU did meanwhile, and the knob."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic.events.kinds import NEVER
from vnic.look.units import count, size
from vnic.walk.waits import cpu_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vnic.events.events import Events
    from vnic.events.frames import Frame

_BACK = 20_000
"""Frames that are looked at in front of one: more than any of these places holds."""
_KNOBS = {
    "FIFO_OVERRUN": "fifo",
    "RX_NO_BUFFER": "rx-ring",
    "RX_OVER": "rx-buf-len",
    "RX_LENGTH": "mtu",
    "DEV_READY": "rx-frames",
    "CPU_BACKLOG": "netdev-max-backlog",
    "FRAG_HIGH_THRESH": "ipfrag-high-thresh",
    "FRAG_TOO_FAR": "ipfrag-max-dist",
    "SOCKET_TABLE_FULL": "sockets",
    "PYTHON_QUEUE_FULL": "(upcalls)",
    "SOCKET_RCVBUFF": "rcvbuf",
    "TCP_OFO_DROP": "rcvbuf",
    "TCP_OFO_QUEUE_PRUNE": "rcvbuf",
    "PROTO_MEM": "udp-mem",
}
"""Fate -> the limit that loses a frame so, as vnic show limits names it: where the run's facts are not known."""


@dataclass(slots=True)
class Place:
    """A full place, and the frames in it."""

    name: str
    frames: list[int] = field(default_factory=list)
    text: str = ""


@dataclass(slots=True)
class Before:
    """What stood in front of a lost frame."""

    places: list[Place] = field(default_factory=list)
    cpu: int | None = None
    """The CPU that should have made room."""
    since_ns: int = 0
    """From when on its work is counted: the place began to fill up then."""
    cpu_ns: dict[str, int] = field(default_factory=dict)
    knob: str = ""
    """The limit, as vnic why names it."""
    why: str = ""
    """Why it was reached, as vnic why says it; else the limit's meaning."""
    attempt: dict[str, Any] = field(default_factory=dict)
    """Settings that vnic why would try first, estimated from the counters; empty: it knows none."""


def ranges(numbers: list[int], most: int = 4) -> str:
    """Return numbers as ``3-7, 9``; of many ranges the first and the last ones."""
    parts: list[list[int]] = []
    for n in sorted(numbers):
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    texts = [f"{a:,}" if a == b else f"{a:,}-{b:,}" for a, b in parts]
    if len(texts) > most:
        texts = [*texts[: most - 1], "...", texts[-1]]
    return ", ".join(texts)


class _Rows:
    """The rows in front of a frame, the nearest first."""

    def __init__(self, events: Events, frame: Frame) -> None:
        self._frames = events.frames
        low, high = 0, len(self._frames)
        while low < high:
            mid = (low + high) // 2
            low, high = (mid + 1, high) if self._frames.c[mid].id < frame.id else (low, mid)
        self._at = low

    def back(self, most: int = _BACK) -> Iterator[Any]:
        """Yield struct frame_row."""
        for at in range(self._at - 1, max(self._at - 1 - most, -1), -1):
            yield self._frames.c[at]

    def among(self, holds: Callable[[Any], bool], over: Callable[[Any], bool]) -> list[int]:
        """Return the frames that a place holds; ``over``: frames in front of this one cannot be in it."""
        found = []
        for row in self.back():
            if holds(row):
                found.append(int(row.id))
            elif over(row):
                break
        return found[::-1]


def in_fifo(rows: _Rows, at_ns: int) -> list[int]:
    """Return the frames in the FIFO at an instant."""

    def gone(row: Any) -> int:
        return min(int(row.t_ring), int(row.t_fate))

    return rows.among(lambda r: r.t_wire <= at_ns < gone(r), lambda r: r.t_ring <= at_ns)


def in_ring(rows: _Rows, queue: int, at_ns: int) -> list[int]:
    """Return the frames in a ring at an instant."""

    def holds(row: Any) -> bool:
        return bool(row.queue == queue and row.t_ring <= at_ns < row.t_poll)

    return rows.among(holds, lambda r: r.queue == queue and r.t_poll <= at_ns)


def in_backlog(rows: _Rows, cpu: int, at_ns: int) -> list[int]:
    """Return the frames in a CPU's backlog at an instant. Several CPUs feed it, so no frame is surely the last."""
    return rows.among(lambda r: r.stack_cpu == cpu and r.t_backlog <= at_ns < r.t_stack, lambda _: False)


def in_socket(rows: _Rows, same: Callable[[Any], bool], at_ns: int) -> list[int]:
    """Return the frames in a socket's queue at an instant; ``same``: is it this socket?"""
    return rows.among(lambda r: r.t_socket <= at_ns < r.t_read and same(r), lambda _: False)


def before(events: Events, frame: Frame) -> Before | None:
    """Return what stood in front of a lost frame; None: it was not lost."""
    if not frame.lost or frame.fate is None:
        return None
    told = Before()
    at = frame.t_fate if frame.t_fate is not None else (frame.t_wire or 0)
    rows = _Rows(events, frame)
    finder = {"FIFO_OVERRUN": _fifo, "RX_NO_BUFFER": _fifo, "CPU_BACKLOG": _backlog, "SOCKET_RCVBUFF": _socket,
              "TCP_OFO_DROP": _socket}.get(frame.fate)  # fmt: skip
    if finder is not None:
        finder(events, frame, rows, at, told)
    if told.cpu is not None:
        told.cpu_ns = cpu_use(events, told.cpu, told.since_ns, at)
    _limit(events.facts, frame.fate, told)
    return told


def _limit(facts: dict[str, Any], fate: str, told: Before) -> None:
    """Tell the limit, why it was reached, and what may help, as ``vnic why`` would of the whole run."""
    from vnic._core import ffi, lib
    from vnic.counters.snapshots import FATES
    from vnic.why.causes import causes
    from vnic.why.facts import Facts

    if facts:
        f = Facts(facts)
        for cause in causes(f):
            if fate in cause.fates and fate in f.lost():
                told.knob, told.why = cause.knob, cause.text
                dial = next((d for d in cause.dials if d.steps), None)
                told.attempt = {} if dial is None else dial.guess() or dial.steps[-1]
                return
    told.knob, told.why = _KNOBS.get(fate, ""), bytes(ffi.string(lib.fate_text(FATES.index(fate)))).decode()


def _fifo(events: Events, frame: Frame, rows: _Rows, at: int, told: Before) -> None:
    here = in_fifo(rows, at)
    told.places.append(Place("FIFO", here, _full_of(here, "the FIFO", _bytes(events, frame.id, at))))
    stuck = events.find(kinds=["no_buffer"], frames=(here[0] if here else frame.id, frame.id), until_ns=at)
    if not stuck:
        return
    head = stuck[-1]
    queue = head.queue or 0
    ring = in_ring(rows, queue, at)
    text = f"frame {head.frame:,} found no buffer in ring {queue}, where {count(len(ring), 'frame')} waited for a poll"
    told.places.append(Place(f"ring {queue}", ring, text + f" ({ranges(ring)})" * bool(ring)))
    first = events.frames.by_id(ring[0]) if ring else None
    told.since_ns = min(head.t_ns, (first.t_ring if first is not None and first.t_ring is not None else head.t_ns))
    told.cpu = _cpu_of(events, queue, told.since_ns)


def _bytes(events: Events, frame: int, at: int) -> int | None:
    """Return the bytes in the FIFO, as the last frame that was put into it saw them."""
    seen = events.find(kinds=["fifo"], frames=(max(frame - 2000, 1), frame), until_ns=at)
    return int(seen[-1].args["fifo_bytes"]) if seen else None


def _full_of(here: list[int], where: str, held: int | None) -> str:
    if not here:
        return f"{where} had no room for it"
    much = f", up to {size(held)}" if held is not None else ""
    return f"{where} held {count(len(here), 'frame')}{much}: {ranges(here)}"


def _cpu_of(events: Events, queue: int, from_ns: int) -> int | None:
    """Return the CPU that polls a queue."""
    polls = events.find(kinds=["poll"], queue=queue, from_ns=from_ns, most=1) or events.find(
        kinds=["poll"], queue=queue, most=1
    )
    return polls[0].cpu if polls else None


def _backlog(events: Events, frame: Frame, rows: _Rows, at: int, told: Before) -> None:
    rps = events.find(kinds=["rps"], frames=(frame.skb, frame.skb))
    if not rps:
        return
    cpu = int(rps[-1].args["target"])
    here = in_backlog(rows, cpu, at)
    told.places.append(Place(f"backlog of CPU {cpu}", here, _full_of(here, f"the backlog of CPU {cpu}", None)))
    _since(events, here, "t_backlog", at, told)
    told.cpu = cpu


def _since(events: Events, here: list[int], column: str, at: int, told: Before) -> None:
    first = events.frames.by_id(here[0]) if here else None
    since = getattr(first, column) if first is not None else None
    told.since_ns = at if since is None else since


def _socket(events: Events, frame: Frame, rows: _Rows, at: int, told: Before) -> None:
    flow, flows = frame.flow, events.frames.flows
    if not flow:
        return
    to = flow if flow.startswith("tcp") else flow.partition(" > ")[2]
    cpus: list[int] = []

    def same(row: Any) -> bool:
        text = flows[row.flow]
        return text == to or (not to.startswith("tcp") and text.startswith("udp") and text.endswith(f"> {to}"))

    here = in_socket(rows, same, at)
    told.places.append(Place("socket", here, _full_of(here, "the socket's queue", None)))
    for row in rows.back():
        if same(row) and row.t_read != NEVER:
            cpus.append(int(row.read_cpu))
            break
    _since(events, here, "t_socket", at, told)
    told.cpu = cpus[0] if cpus else None
