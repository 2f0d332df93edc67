"""The machine: a card, its driver, emulated CPUs and sockets. It runs in virtual time, or live on threads."""

from __future__ import annotations

import _thread
import contextlib
import sys
from typing import TYPE_CHECKING, Any, Self, TypeVar

from vnic import address
from vnic._core import ffi, lib
from vnic.counters.laws import BrokenLaws
from vnic.counters.shown import Shown
from vnic.errors import ConfigError, VnicError, check
from vnic.handlers import Handler, Seam
from vnic.knobs import table as knobs_
from vnic.knobs.live import Settings
from vnic.knobs.parse import TIME_MAX_NS, whole
from vnic.machine.ending import Ending
from vnic.machine.read_buffers import ReadBuffers
from vnic.machine.turn import Turn
from vnic.nic import Nic, only_rings
from vnic.sockets import Binding
from vnic.wire import MemoryWire, wire_of_a_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from vnic.frame import Frame
    from vnic.host_socket import HostSocket
    from vnic.machine.threads import Threads
    from vnic.wire import Wire

_SLICE_FRAMES = 100_000
_FRAMES_MAX = (1 << 63) - 1
T = TypeVar("T")


class Host(Ending, Binding, Shown):
    """A host with one card. It allocates all memory here, none per packet. A context manager; it must be closed.

    After close() every call raises VnicError, except close(), ``name``, ``config``, ``closed``, and snapshots taken
    before. The same holds in a child process after fork(). A host cannot be copied or pickled. It owns its sockets, its
    captures and its wire, and closes them with itself.

    Args:
        wire: where frames come from; default: a wire in memory, see :meth:`Nic.feed`.
        cpus: emulated CPUs, 1 to 64. Queue i interrupts CPU i mod cpus, or as smp-affinity says.
        ip: "any" (the host takes packets to all addresses, and only listens), or addresses with prefix, e.g.
            ``["10.0.0.2/24", "fd00::2/64"]``: then it answers ARP, ND and ping, and sends, if the wire can.
        gateway: next hop for addresses outside the host's networks: one address, or one of each family.
        sink: make a socket and a reader for every port that packets come to (for replays), instead of NO_SOCKET.
        latency: split every frame's time by stage (virtual time).
        seed: seed of the software flow hash.
        live: real time, on threads (:meth:`running`), instead of virtual time (:meth:`run`).
        external_driver: another process is the driver, over ``nic.memfd`` (see tests/card/test_foreign_driver.py).
        each_queue: queue -> knobs of that queue: ``{1: {"rps-cpus": "c"}}``; see :mod:`vnic.knobs.live`.
        knobs: by Linux's names, dashes or underscores: ``rx_ring=512, rx_usecs=50``; see vnic/knobs/table.py.

    Raises:
        ConfigError: a knob is unknown or out of range.
    """

    def __init__(
        self,
        *,
        wire: Wire | None = None,
        cpus: int = 4,
        ip: str | Iterable[str] = "any",
        gateway: str | Iterable[str] = (),
        sink: bool = False,
        latency: bool = False,
        seed: int = 0,
        live: bool = False,
        external_driver: bool = False,
        each_queue: Mapping[int | str, Mapping[str, Any]] | None = None,
        **knobs: Any,
    ) -> None:
        if live and knobs.get("cost", "zero") != "zero":
            raise ConfigError(f"cost={knobs['cost']}: costs are for virtual time, and this host is live")
        cpus = whole("cpus", cpus, 1, lib.CPUS_MAX)
        seed = whole("seed", seed, -(1 << 63), 1 << 63)
        self.wire = wire_of_a_host(wire)
        self.bound: list[HostSocket] = []
        self._threads: Threads | None = None
        self.name = "vnic0"  # of the card, as /proc/net/dev shows it
        self.began_ns = 0
        self._histograms: dict[int, Any] = {}
        self.buffers = ReadBuffers()
        self.turn = Turn(self)
        self._seam = Seam(self)
        self.nic = Nic(self)
        self.knobs: Settings = Settings(self)
        self.config: dict[str, Any] = {}
        self._live = live

        def make() -> None:
            self.wire._belong_to(self)  # noqa: SLF001 - it is ours
            at = lib.host_new(cpus)
            if at == ffi.NULL:
                raise MemoryError("no memory for the host")
            self._begin(at)
            try:
                self._configure(ip=ip, gateway=gateway, sink=sink, seed=seed, live=live, latency=latency)
                self._open(bool(external_driver), {"cost": "zero" if live else "linux"} | knobs)
                self.config |= {"cpus": cpus, "ip": ip if isinstance(ip, str) else list(ip), "seed": seed}
                self.config["netdev-budget-usecs"] = int(self.c.netdev_budget_usecs)
                self.knobs.each_queue(each_queue)
            except BaseException:
                self.close()
                raise

        self.turn.do(make)

    def _open(self, external_driver: bool, knobs: dict[str, Any]) -> None:  # noqa: FBT001
        self.c.nic.external_driver = external_driver
        self.config = knobs_.apply(self.c, self.wire.c, knobs)
        address.join_groups(self.c)
        check(lib.host_start(self.c), "start the host")

    def _configure(
        self,
        *,
        ip: str | Iterable[str],
        gateway: str | Iterable[str],
        sink: bool,
        seed: int,
        live: bool,
        latency: bool,
    ) -> None:
        c = self.c
        lib.nic_plug(ffi.addressof(c.nic), self.wire.c)
        c.auto_sink, c.live = bool(sink), bool(live)
        c.hash_key[0], c.hash_key[1] = knobs_.siphash_key(seed)
        address.configure(c, ip, gateway)
        if ip != "any":
            c.answers = self.wire.open_output()
        if latency:
            for i in range(c.ncpus):
                self._histograms[i] = ffi.new("struct histogram[]", lib.LAT_MAX)
                c.cpu[i].lat = self._histograms[i]

    @property
    def c(self) -> Any:
        """The ``struct host *``; all uses of the host get it here. VnicError: it is closed, or another process's."""
        turn = self.turn
        if turn.alone or turn.unfinished:
            turn.look()
        if self._at is None:
            raise VnicError(self._why)
        return self._at

    # ---- running ----

    @property
    def live(self) -> bool:
        """Does the host run in real time? False once it was stopped."""
        return self._live

    @property
    def now_ns(self) -> int:
        """The latest of all clocks."""
        return max(int(self.c.nic.now), *(int(self.c.cpu[i].now) for i in range(self.c.ncpus)))

    def run(
        self, *, frames: int | None = None, until_ns: int | None = None, progress: Callable[[], object] | None = None
    ) -> bool:
        """Run in virtual time until nothing is left to do, ``frames`` more arrived, or the clock is at ``until_ns``.

        Return: True = nothing is left to do (before ``until_ns``). The host works in bounded slices: Ctrl-C takes
        effect between two of them, and ``progress`` is called there.
        """
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
        """Run one agent's turn in virtual time: the card's, or a CPU's. Return: False = nothing is left to do."""
        self.c  # noqa: B018 - is it open?
        self._refuse_live()
        self.turn.take(sys._getframe())  # noqa: SLF001
        try:
            event = lib.vtime_step(self.c)
            self._handle(event)
            return bool(event != lib.EV_DONE)
        finally:
            self.turn.leave(sys._getframe())  # noqa: SLF001

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
            self._handle(event)
            if event == lib.EV_SLICE and progress is not None:
                progress()
            if give_up():
                return False

    def _handle(self, event: int) -> None:
        """Handle the event that the data plane returned. The caller runs the host."""
        if event == lib.EV_UPCALL:
            self._seam.run_upcalls()
        elif event == lib.EV_FILTER:
            self._seam.run_filter()
        elif event == lib.EV_WIRE:
            self.wire.refill(self)

    def peek(self) -> None:
        """Read ahead on the wire, to learn the stamp of its first frame (``wire.c.base_ns``)."""
        self._refuse_live()
        self.refuse_others()
        lib.nic_next(ffi.addressof(self.c.nic))

    def finish(self, *, progress: Callable[[], object] | None = None) -> None:
        """Drain the host: timers, readers, holes in streams. Frames that the card still holds end as DEV_READY.

        ``progress`` is called as in :meth:`run`.
        """
        self.c  # noqa: B018 - is it open?
        self._refuse_live()
        self.turn.take(sys._getframe())  # noqa: SLF001
        try:
            self._finish(progress)
        finally:
            self.turn.leave(sys._getframe())  # noqa: SLF001

    def _finish(self, progress: Callable[[], object] | None = None) -> None:
        self._run(progress=progress, give_up=only_rings(self.c))
        for _ in range(2):
            lib.host_finish(self.c)
            self._run(progress=progress, give_up=only_rings(self.c))
        if int(self.c.nic.up):  # the first two rounds were busy with streams
            lib.host_finish(self.c)

    def start(self, *, pin: Sequence[int] | None = None) -> None:
        """Live: start a thread for the card and one for each CPU. ``pin``: real CPUs, the card's first, theirs in turn.

        If a signal handler raises meanwhile, only the waiting ends: the threads may run, so call stop().
        """
        self.c  # noqa: B018 - is it open?
        if not self.live:
            raise VnicError("start() is for a live host: Host(live=True)")
        self.turn.do(lambda: self._start(pin))

    def _start(self, pin: Sequence[int] | None) -> None:
        from vnic.machine.threads import Threads

        if self._threads is not None:
            raise VnicError("the host was started already: stop() it first")
        self.began_ns = int(lib.clock_ns())
        for capture in self.nic.captures:
            capture.start()
        self.turn.take(sys._getframe())  # noqa: SLF001 - no other thread may change it meanwhile
        try:
            self._threads = threads = Threads(self, pin)
        finally:
            self.turn.leave(sys._getframe())  # noqa: SLF001
        try:
            threads.start()
        except BaseException:
            if not threads.alive():
                self._threads = None
            raise

    @property
    def is_running(self) -> bool:
        """Live: do its threads exist?"""
        return self._threads is not None

    def running(self, *, pin: Sequence[int] | None = None) -> contextlib.AbstractContextManager[Self]:
        """Live: start the threads as :meth:`start` does, and :meth:`stop` them at the block's end.

        If an exception ends the block and stop() then fails, its error becomes a note of that exception.
        """
        self.c  # noqa: B018 - is it open?
        return self._running(pin)

    @contextlib.contextmanager
    def _running(self, pin: Sequence[int] | None) -> Iterator[Self]:
        begun = True
        try:
            try:
                self.start(pin=pin)
            except Exception:
                begun = False
                raise
            yield self
        except BaseException as error:
            if begun:
                try:
                    self.stop()
                except VnicError as refusal:
                    error.add_note(str(refusal))
            raise
        self.stop()

    def wait(self, seconds: float | None = None) -> bool:
        """Live: wait until the wire has ended (True) or the time is over (False). Ctrl-C ends the waiting."""
        threads = self._threads
        return self.c is not None and threads is not None and threads.wire_ended.wait(seconds)

    def while_stopped(self, work: Callable[[], T]) -> T:
        """Call a function while no thread polls, sends or touches the rings. Return: its result.

        On a live host it runs between two polls, in virtual time between two turns. It runs to its end, on a thread
        without signal handlers; if a signal handler raises, only the waiting ends.

        Raises:
            VnicError: the host is stopping, or one of its threads did not park within 10 s. Nothing was called.
        """
        self.c  # noqa: B018 - is it open?
        caller = _thread.get_ident()
        return self.turn.do(lambda: self._while_stopped(work, caller))

    def _while_stopped(self, work: Callable[[], T], caller: int) -> T:
        threads = self._threads
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

    # ---- the seam ----

    def packet_type(self, ethertype: int) -> Callable[[Handler], Handler]:
        """Handle an EtherType in Python: ``@host.packet_type(0x88B5)``. Packets begin behind the Ethernet header."""
        return self._seam.packet_type(ethertype)

    def protocol(self, number: int) -> Callable[[Handler], Handler]:
        """Handle an IP protocol in Python: ``@host.protocol(253)``. Packets begin behind the IP header."""
        return self._seam.protocol(number)

    def laws(self) -> BrokenLaws:
        """Check both laws on a host at rest. Return: the broken ones; BrokenLaws.NONE, which is false, if both hold."""
        self.refuse_others()
        return BrokenLaws(lib.host_laws(self.c))

    @property
    def runs_here(self) -> bool:
        """In virtual time: does this thread run the host, so that the caller is one of its handlers?"""
        return self.c is not None and self.turn.runs_here()

    def refuse_others(self) -> None:
        """Raise VnicError if the host is closed, or another thread runs it in virtual time. Its own handlers pass."""
        self.c  # noqa: B018 - is it open?
        self.turn.refuse_others()

    def on_card_thread(self) -> bool:
        """Live: is this the card's thread, which reads the wire?"""
        threads = self._threads
        return self.c is not None and threads is not None and threads.is_card_here()

    def feed(self, frames: Iterable[Frame] | Frame, *, at_ns: int | None = None, gap_ns: int = 0) -> int:
        """Put frames on the card's wire (a :class:`MemoryWire`). Return: how many. See :meth:`MemoryWire.feed`."""
        self.c  # noqa: B018 - is it open?
        if not isinstance(self.wire, MemoryWire):
            raise VnicError("only a wire in memory can be fed")
        return self.wire.feed(self, frames, at_ns=at_ns, gap_ns=gap_ns)
