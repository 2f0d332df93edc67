"""The machine behind a host: the data plane's struct, the call or the threads that run it, and all that is bound to it.

    Host, Nic, Settings (a user calls)         Machine (they and these hold)          the data plane
    ----------------------------------    ->   ----------------------------    ->     --------------
    sockets, captures, wires, threads          c, turn, seam, threads, bound          struct host *

Laws: :attr:`Machine.c` is the only way to the struct. An object that uses a machine holds it as ``_machine``, and by
that name turn.py finds the calls that are not over. No machine knows its host: if the caller forgets the host, a socket
or a running thread keeps the machine alive, and the garbage collector closes it after the last of them.

This class runs the machine, ending.py ends it, turn.py says which call runs it, threads.py runs it in real time.
"""

from __future__ import annotations

import _thread
import mmap
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

from vnic._core import ffi, lib
from vnic.errors import VnicError
from vnic.handlers import Seam
from vnic.knobs.parse import TIME_MAX_NS, whole
from vnic.machine.ending import Ending
from vnic.machine.read_buffers import ReadBuffers
from vnic.machine.threads import Threads
from vnic.machine.turn import Turn
from vnic.wire import MemoryWire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vnic.capture import Capture
    from vnic.events.log import EventLog
    from vnic.fault import Fault
    from vnic.frame import Frame
    from vnic.host_socket import HostSocket
    from vnic.wire import Wire

_SLICE_FRAMES = 100_000
_FRAMES_MAX = (1 << 63) - 1
_RUN_OUT_S = 1.0
T = TypeVar("T")


class Machine(Ending):
    """The data plane of one host. It allocates all memory in :meth:`begin`, none per packet.

    Args:
        wire: the wire of its card. The machine closes it at its end.
        live: real time, on threads, instead of virtual time.
    """

    def __init__(self, wire: Wire, *, live: bool) -> None:
        self.wire = wire
        self.live = live
        """Does it run in real time? False once it was stopped."""
        self.name = "vnic0"
        """The card's name, as /proc/net/dev shows it."""
        self.config: dict[str, Any] = {}
        """The knobs that were given, and their changes; they stay after the end."""
        self.faults: list[Fault] = []
        """What the card does wrong on purpose, in the order in which its rules are tried."""
        self.sysctls: dict[str, str] = {}
        """Sysctls without effect that were written: name -> text."""
        self.began_ns = 0
        """When the threads started, by the machine's clock."""
        self.bound: dict[HostSocket, None] = {}  # in order; each leaves in constant time
        self.captures: list[Capture] = []
        self.event_log: EventLog | None = None
        self.hang_fd = -1
        """An eventfd that ends a vhost-user front-end's connection; -1: not there."""
        self.vhost: Any = None
        """``struct vhost *``, if the card's driver is a vhost-user front-end's."""
        self.histograms: dict[int, Any] = {}
        """CPU -> ``struct histogram[LAT_MAX]``, if latency is split by stage."""
        self.buffers = ReadBuffers()
        self.threads: Threads | None = None
        self.turn = Turn(self)
        self.seam = Seam(self)

    def begin(self, cpus: int) -> None:
        """Take the wire, and allocate the data plane. From now on the machine must be closed."""
        self.wire._belong_to(self)  # noqa: SLF001 - it is ours
        at = lib.host_new(cpus)
        if at == ffi.NULL:
            raise MemoryError("no memory for the host")
        self._begin(at)

    def split_latency(self) -> None:
        """Split every frame's time by stage, from now on."""
        each, n = ffi.sizeof("struct histogram") * lib.LAT_MAX, int(self.c.ncpus)
        # pages that no CPU writes to take no memory: most of 512 CPUs see no frame
        pages = mmap.mmap(-1, each * n, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        # not slices of a memoryview: the garbage collector would clear one that cffi still uses
        self._latency_room = ffi.from_buffer("struct histogram[]", pages)
        for i in range(n):
            self.histograms[i] = self._latency_room + lib.LAT_MAX * i
            self.c.cpu[i].lat = self.histograms[i]

    @property
    def c(self) -> Any:
        """The ``struct host *``; all uses of the machine get it here. VnicError: it is closed, or another process's."""
        turn = self.turn
        if turn.alone or turn.unfinished:
            turn.look()
        if self._at is None:
            raise VnicError(self._why)
        return self._at

    def feed(self, frames: Iterable[Frame] | Frame, at_ns: int | None, gap_ns: int) -> int:
        """As :meth:`vnic.Host.feed`."""
        self.c  # noqa: B018 - is it open?
        if not isinstance(self.wire, MemoryWire):
            raise VnicError("only a wire in memory can be fed")
        return self.wire._feed(frames, at_ns, gap_ns)  # noqa: SLF001 - it is ours

    # ---- virtual time ----

    def run(self, frames: int | None, until_ns: int | None, progress: Callable[[], object] | None) -> bool:
        """As :meth:`vnic.Host.run`."""
        self.c  # noqa: B018 - is it open?
        frames = None if frames is None else whole("frames", frames, 0, _FRAMES_MAX)
        until_ns = None if until_ns is None else whole("until_ns", until_ns, 0, TIME_MAX_NS)
        self._refuse_live()
        self.turn.take(sys._getframe())  # noqa: SLF001 - documented, but for its name
        try:
            return self._run(frames, until_ns, progress)
        finally:
            self.turn.leave(sys._getframe())  # noqa: SLF001

    def step(self) -> bool:
        """As :meth:`vnic.Host.step`."""
        self.c  # noqa: B018 - is it open?
        self._refuse_live()
        self.turn.take(sys._getframe())  # noqa: SLF001
        try:
            event = lib.vtime_step(self.c)
            self.handle(event)
            return bool(event != lib.EV_DONE)
        finally:
            self.turn.leave(sys._getframe())  # noqa: SLF001

    def finish(self, progress: Callable[[], object] | None) -> None:
        """As :meth:`vnic.Host.finish`."""
        self.c  # noqa: B018 - is it open?
        self._refuse_live()
        self.turn.take(sys._getframe())  # noqa: SLF001
        try:
            self._finish(progress)
        finally:
            self.turn.leave(sys._getframe())  # noqa: SLF001

    def peek(self) -> None:
        """Read ahead on the wire, to learn the stamp of its first frame (``wire.c.base_ns``)."""
        self._refuse_live()
        self.refuse_others()
        lib.nic_next(ffi.addressof(self.c.nic))

    def _refuse_live(self) -> None:
        if self.c is not None and self.live:
            raise VnicError("a live host runs by itself: use running(), or start() and stop()")

    def _run(
        self,
        frames: int | None = None,
        until_ns: int | None = None,
        progress: Callable[[], object] | None = None,
        *,
        give_up: Callable[[], bool] = lambda: False,
    ) -> bool:
        if progress is not None and not callable(progress):
            raise TypeError(f"progress: {progress!r} is not callable")
        end = None if frames is None else int(self.c.nic.offered) + frames
        while True:
            if until_ns is not None:
                event = lib.vtime_run_until(self.c, until_ns)
            else:
                slice_ = _SLICE_FRAMES if end is None else min(_SLICE_FRAMES, end - int(self.c.nic.offered))
                event = lib.vtime_run(self.c, max(slice_, 0))
            if event == lib.EV_DONE:
                return True
            if event == lib.EV_SLICE and end is not None and self.c.nic.offered >= end:
                return False
            self.handle(event)
            if event in (lib.EV_SLICE, lib.EV_WIRE) and progress is not None:  # a short file ends before a slice does
                progress()
            if give_up():
                return False

    def _finish(self, progress: Callable[[], object] | None = None) -> None:
        self._run(progress=progress, give_up=_only_rings(self.c))
        for _ in range(2):
            lib.host_finish(self.c)
            self._run(progress=progress, give_up=_only_rings(self.c))
        if int(self.c.nic.up):  # the first two rounds were busy with streams
            lib.host_finish(self.c)

    def handle(self, event: int) -> None:
        """Handle the event that the data plane returned. The caller runs the machine."""
        if event == lib.EV_UPCALL:
            self.seam.run_upcalls()
        elif event == lib.EV_FILTER:
            self.seam.run_filter()
        elif event == lib.EV_WIRE:
            self.wire.refill()

    # ---- real time ----

    def start(self, pin: Sequence[int] | None) -> None:
        """As :meth:`vnic.Host.start`."""
        self.c  # noqa: B018 - is it open?
        if not self.live:
            raise VnicError("start() is for a live host: Host(live=True)")
        self.turn.do(lambda: self._start(pin))

    def _start(self, pin: Sequence[int] | None) -> None:
        if self.threads is not None:
            raise VnicError("the host was started already: stop() it first")
        self.began_ns = int(lib.clock_ns())
        for capture in self.captures:
            capture.start()
        self.turn.take(sys._getframe())  # noqa: SLF001 - no other thread may change it meanwhile
        try:
            self.threads = threads = Threads(self, pin)
        finally:
            self.turn.leave(sys._getframe())  # noqa: SLF001
        try:
            threads.start()
        except BaseException:
            if not threads.alive():
                self.threads = None
            raise
        self.wire._host_runs()  # noqa: SLF001 - it is ours

    @property
    def is_running(self) -> bool:
        """Do its threads exist?"""
        return self.threads is not None

    def wait(self, seconds: float | None) -> bool:
        """As :meth:`vnic.Host.wait`."""
        threads = self.threads
        return self.c is not None and threads is not None and threads.wire_ended.wait(seconds)

    def on_card_thread(self) -> bool:
        """Live: is this the card's thread, which reads the wire?"""
        threads = self.threads
        return self.c is not None and threads is not None and threads.is_card_here()

    # ---- one call among others ----

    def while_stopped(self, work: Callable[[], T]) -> T:
        """Call a function while no thread polls, sends or touches the rings. Return: its result.

        Live, it runs between two polls, in virtual time between two turns. It runs to its end, on a thread without
        signal handlers; if a signal handler raises, only the waiting ends.

        Raises:
            VnicError: the host is stopping, or one of its threads did not park within 10 s. Nothing was called.
        """
        self.c  # noqa: B018 - is it open?
        caller = _thread.get_ident()
        return self.turn.do(lambda: self._while_stopped(work, caller))

    def _while_stopped(self, work: Callable[[], T], caller: int) -> T:
        threads = self.threads
        if threads is not None and threads.is_stopped_here():
            return work()
        if threads is not None:
            with threads.stopped_machine(), self.turn.without_sends():
                return work()
        self.turn.take(sys._getframe(), within=caller)  # noqa: SLF001 - a handler calls this, so it is between two turns
        try:
            return work()
        finally:
            self.turn.leave(sys._getframe())  # noqa: SLF001

    @property
    def runs_here(self) -> bool:
        """In virtual time: does this thread run the machine, so that the caller is one of its handlers?"""
        return self.c is not None and self.turn.runs_here()

    def refuse_others(self) -> None:
        """Raise VnicError if it is closed, or another thread runs it in virtual time. Its own handlers pass."""
        self.c  # noqa: B018 - is it open?
        self.turn.refuse_others()


def _only_rings(c: Any) -> Callable[[], bool]:
    """Has a driver in another process had a second after the last frame? A run to the end then stops.

    Such a driver may post frames and ring the doorbell for ever, as fast as the card takes them; a host's own ends.
    """
    offered, until = -1, 0.0

    def late() -> bool:
        nonlocal offered, until
        if offered != (now := int(c.nic.offered)):
            offered, until = now, time.monotonic() + _RUN_OUT_S
        return bool(c.nic.external_driver) and time.monotonic() > until

    return late
