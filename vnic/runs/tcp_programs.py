"""The programs of a TCP workload, and what bounds their streams: see vnic/runs/tcp_workload.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import VnicError
from vnic.link import Link, address_of, begin
from vnic.look.units import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.tcp import TcpConnection, TcpServer

BOUNDS = {
    "link": "the link's serialiser was busy",
    "cwnd": "the congestion window was full",
    "receive-window": "the receiver's window was full",
    "send-buffer": "all that the sender's buffer holds was in flight",
    "idle": "none of these",
}
"""What bounds a stream at one instant, in the order in which it is asked."""
_PORT = 5001
BYTES_MAX = 1 << 44
_STEPS = 200
_STEP_MIN_NS, _STEP_MAX_NS = 100_000, 50_000_000
_SETUP_S = 300


class Work(Link):
    """A link whose programs in Python are called when they have news."""

    def _woke(self, task: Any) -> None:
        self.calls[int(ffi.cast("uintptr_t", task))]()

    @property
    def calls(self) -> dict[int, Callable[[], None]]:
        """Program's struct -> what to call."""
        calls: dict[int, Callable[[], None]] = self.__dict__.setdefault("_calls", {})
        return calls

    def task(self, side: int, sock: Any, kind: int, call: Callable[[], None] | None = None) -> Any:
        """Let a program act at a socket of side 0 or 1, now and at its news. MemoryError."""
        made = lib.link_task_new(self.c, side, sock._c, kind)  # noqa: SLF001 - its struct
        if made == ffi.NULL:
            raise MemoryError("no memory for a program")
        if call is not None:
            self.calls[int(ffi.cast("uintptr_t", made))] = call
        return made

    def drop(self, task: Any) -> None:
        """Let a program go."""
        self.calls.pop(int(ffi.cast("uintptr_t", task)), None)
        lib.link_task_free(task)


@dataclass(frozen=True, slots=True)
class Asked:
    """A workload, checked."""

    kind: str
    streams: int
    bytes: int | None
    seconds: float | None
    requests: int | None
    request: int
    response: int


class Run:
    """What the kinds share: connections of a to b, and time that passes in steps."""

    def __init__(self, link: Work, asked: Asked) -> None:
        self.link, self.asked = link, asked
        self.ours: list[TcpConnection] = []
        self.theirs: list[TcpConnection] = []
        self.begun_ns = self.ended_ns = 0
        self.rtts: list[list[int]] = []
        self.got: list[int] = []
        self.ends: list[int] = []
        self.errors: list[int] = []
        self.bounds = dict.fromkeys(BOUNDS, 0)

    def open(self) -> None:
        """Connect all streams at once; pair both ends by the port."""
        a, b = self.link._hosts[0].machine, self.link._hosts[1].machine  # noqa: SLF001
        server = self.link._hosts[1].listen(_PORT, backlog=self.asked.streams)  # noqa: SLF001
        self.ours = [begin(a, address_of(b), _PORT) for _ in range(self.asked.streams)]
        found: dict[int, TcpConnection] = {}

        def all_there() -> bool:
            while (one := server.accept_nowait()) is not None:
                found[one.peer[1]] = one
            return len(found) == len(self.ours)

        if not self.link.run(_SETUP_S, until=all_there):
            raise VnicError(f"only {len(found)} of {count(len(self.ours), 'stream')} connected within {_SETUP_S} s")
        server.close()
        self.theirs = [found[int(one._c.lport)] for one in self.ours]  # noqa: SLF001

    def go(self, progress: Callable[[int, int], object] | None) -> None:
        """Connect, start the programs, and let time pass to the workload's end."""
        self.open()
        self.begun_ns = self.link.now_ns
        self.start()
        seconds = self.asked.seconds
        end = None if seconds is None else self.begun_ns + round(seconds * 1e9)
        step = 2 * int(self.link.c.way[0].delay_ns) if end is None else (end - self.begun_ns) // _STEPS
        step = min(max(step, _STEP_MIN_NS), _STEP_MAX_NS)
        while not self.is_over() and (end is None or self.link.now_ns < end):
            to = self.link.now_ns + step
            self.link.run(until_ns=(to if end is None else min(to, end)) - 1)
            self.sample()
            if progress is not None:
                progress(self.link.now_ns - self.begun_ns, 0 if end is None else end - self.begun_ns)
        self.stop()

    def start(self) -> None:
        """Start the programs."""
        raise NotImplementedError

    def is_over(self) -> bool:
        """Have all streams got what they want?"""
        raise NotImplementedError

    def sample(self) -> None:
        """Look what bounds each stream at this instant."""

    def stop(self) -> None:
        """Note when it ended, and what each stream got."""
        self.ended_ns = self.link.now_ns


class Bulk(Run):
    """Each stream sends, for a time or so many bytes."""

    def start(self) -> None:
        """Start the programs."""
        n, total = self.asked.streams, self.asked.bytes
        self.shares = [BYTES_MAX if total is None else total // n + (i < total % n) for i in range(n)]
        self.sinks = [self.link.task(1, one, lib.LINK_TASK_SINK) for one in self.theirs]
        self.sources = [self.link.task(0, one, lib.LINK_TASK_SOURCE) for one in self.ours]
        for task, share in zip(self.sources, self.shares, strict=True):
            task.left = share

    def is_over(self) -> bool:
        """Have all streams got what they want?"""
        tasks = self.sinks
        return all(t.got >= share or t.error for t, share in zip(tasks, self.shares, strict=True))

    def sample(self) -> None:
        """Look what bounds each stream at this instant."""
        way, now = self.link.c.way[0], self.link.now_ns * 1000
        busy = bool(way.bps) and way.free_ps > now
        for task, one in zip(self.sources, self.ours, strict=True):
            if task.left or one.tcp_info().unacked:
                self.bounds[_bound(one, busy=busy)] += 1

    def stop(self) -> None:
        """Note when it ended, and what each stream got."""
        timed = self.asked.bytes is None
        self.ended_ns = self.link.now_ns if timed else max(int(t.end_ns) for t in self.sinks)
        self.got = [int(t.got) for t in self.sinks]
        self.ends = [self.ended_ns if timed else int(t.end_ns) for t in self.sinks]
        self.errors = [int(t.error) for t in (*self.sources, *self.sinks) if t.error]


def _bound(one: TcpConnection, *, busy: bool) -> str:
    tp = one._tcp  # noqa: SLF001
    flight = int(tp.packets_out) + int(tp.retrans_out) - int(tp.sacked_out) - int(tp.lost_out)
    unsent = (int(tp.write_seq) - int(tp.snd_nxt)) % (1 << 32)
    free = (int(tp.snd_una) + int(tp.snd_wnd) - int(tp.snd_nxt)) % (1 << 32)
    if busy:
        return "link"
    if flight >= int(tp.cwnd):
        return "cwnd"
    if unsent and (free < int(tp.mss_cache) or free >> 31):
        return "receive-window"
    return "send-buffer" if not unsent and flight else "idle"


class Rr(Run):
    """Each stream asks and is answered, one question at a time."""

    def start(self) -> None:
        """Start the programs."""
        asked = self.asked
        self.servers = [self.link.task(1, one, lib.LINK_TASK_SERVER) for one in self.theirs]
        self.clients = [self.link.task(0, one, lib.LINK_TASK_CLIENT) for one in self.ours]
        for task in (*self.servers, *self.clients):
            task.request, task.response = asked.request, asked.response
            task.left = BYTES_MAX if asked.requests is None else asked.requests

    def is_over(self) -> bool:
        """Have all streams got what they want?"""
        return all(t.done for t in self.clients)

    def stop(self) -> None:
        """Note when it ended, and what each stream got."""
        timed = self.asked.requests is None
        self.ended_ns = self.link.now_ns if timed else max(int(t.end_ns) for t in self.clients)
        self.rtts = [list(map(int, t.rtt_ns[0 : t.rtts])) if t.rtts else [] for t in self.clients]
        self.got = [int(t.got) for t in self.clients]
        self.ends = [self.ended_ns] * len(self.got)
        self.errors = [int(t.error) for t in (*self.servers, *self.clients) if t.error]


class Crr(Run):
    """Programs in Python: a connection is a wake or three."""

    def open(self) -> None:
        """Listen: each question has a connection of its own."""
        self.server: TcpServer = self.link._hosts[1].listen(_PORT, backlog=2 * self.asked.streams)  # noqa: SLF001
        self.to = address_of(self.link._hosts[1].machine)  # noqa: SLF001

    def start(self) -> None:
        """Start the programs."""
        n = self.asked.streams
        self.rtts, self.got = [[] for _ in range(n)], [0] * n
        self.link.task(1, self.server, lib.LINK_TASK_PYTHON, self._accept)
        self.left = n
        for i in range(n):
            self._ask(i)

    def is_over(self) -> bool:
        """Have all streams got what they want?"""
        return not self.left

    def stop(self) -> None:
        """Note when it ended, and what each stream got."""
        self.ended_ns = self.link.now_ns if self.asked.requests is None else self.last_ns
        self.ends = [self.ended_ns] * len(self.got)

    def _accept(self) -> None:
        while (one := self.server.accept_nowait()) is not None:
            self._serve(one)

    def _serve(self, one: TcpConnection) -> None:
        asked, read, owed = self.asked, 0, 0

        def act() -> None:
            nonlocal read, owed
            while (piece := one.recv_nowait(1 << 20)) is not None:
                if not piece:
                    self.link.drop(task)
                    one.close()
                    return
                read += len(piece)
            if read >= asked.request:
                read, owed = 0, asked.response
            owed -= _put(one, owed)

        task = self.link.task(1, one, lib.LINK_TASK_PYTHON, act)

    def _ask(self, i: int) -> None:
        link, asked = self.link, self.asked
        host = link._hosts[0]  # noqa: SLF001
        born, one = host.now_ns, begin(host.machine, self.to, _PORT)
        owed, read = asked.request, 0

        def act() -> None:
            nonlocal owed, read
            if one.state == "SYN_SENT":
                return
            owed -= _put(one, owed)
            while (piece := one.recv_nowait(1 << 20)) is not None:
                read += len(piece)
                if not piece:
                    break
            if read < asked.response:
                return
            self.last_ns = host.now_ns
            self.rtts[i].append(self.last_ns - born)
            self.got[i] += read
            link.drop(task)
            one.close()
            if asked.requests is None or len(self.rtts[i]) < asked.requests:
                self._ask(i)
            else:
                self.left -= 1

        task = link.task(0, one, lib.LINK_TASK_PYTHON, act)


def _put(one: TcpConnection, owed: int) -> int:
    return (one.send_nowait(bytes(owed)) or 0) if owed else 0
