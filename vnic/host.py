"""The machine: a card, its driver, emulated CPUs and sockets; run in virtual time, or live on threads."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Self

from vnic import address, stats
from vnic import gro as gro_
from vnic import knobs as knobs_
from vnic._core import ffi, lib
from vnic.bind import Binding
from vnic.errors import ConfigError, VnicError, check
from vnic.nic import Nic
from vnic.seam import Handler, Seam
from vnic.settings import Settings
from vnic.sock import ReadBuffers, SendGate
from vnic.wire import MemoryWire, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from vnic.packet import PacketSocket
    from vnic.sock import Socket
    from vnic.wire import Frame

_SLICE_FRAMES = 100_000


class Host(Binding):
    """A host with one card. Everything is allocated here, nothing per packet.

    Args:
        wire: where frames come from; default: a wire in memory, see :meth:`Nic.feed`.
        cpus: emulated CPUs, 1 to 64. Queue i interrupts CPU i mod cpus.
        ip: "any" (all addresses are ours, and the host only listens), or addresses with prefix, e.g.
            ``["10.0.0.2/24", "fd00::2/64"]``: then it answers ARP, ND and ping, and sends, if the wire can.
        gateway: next hop for all that is not on our networks: an address, or one of each family.
        sink: make a socket and a reader for every port that packets come to (a replay), instead of NO_SOCKET.
        latency: split every frame's time by stage (virtual time).
        seed: of the software flow hash.
        live: real time, on threads (:meth:`start`), instead of virtual time (:meth:`run`).
        external_driver: the driver is somebody else, over ``nic.memfd`` (see tests/test_foreign_driver.py).
        each_queue: queue -> knobs it has of its own: ``{1: {"rps-cpus": "c"}}``; see :mod:`vnic.settings`.
        knobs: by Linux's names, dashes or underscores: ``rx_ring=512, rx_usecs=50, gro=False``; see vnic/knobs.py.

    Raises:
        ConfigError: a knob that is unknown or out of range.
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
            raise ConfigError(f"cost={knobs['cost']}: a live host takes the time it takes; costs are for virtual time")
        cpus = knobs_.argument("cpus", cpus, 1, lib.CPUS_MAX)
        seed = knobs_.argument("seed", seed, -(1 << 63), 1 << 63)
        self.c: Any = lib.host_new(cpus)
        if self.c == ffi.NULL:
            raise MemoryError("no memory for the host")
        self.wire = MemoryWire() if wire is None else wire
        self.bound: list[Socket | PacketSocket] = []
        self._threads: Any = None
        self.name = "vnic0"  # of the card, as /proc/net/dev shows it
        self.began_ns = 0
        self._busy = threading.Lock()
        self._runner = 0
        self._histograms: dict[int, Any] = {}
        self.buffers, self.sending = ReadBuffers(), SendGate()
        self._seam = Seam(self.c)
        self.nic = Nic(self)
        try:
            self._configure(ip=ip, gateway=gateway, sink=sink, seed=seed, live=live, latency=latency)
            self.c.external_driver = external_driver
            self.knobs = Settings(self)
            self.config = knobs_.apply(self.c, self.wire.c, {"cost": "zero" if live else "linux"} | knobs)
            address.join_groups(self.c)
            check(lib.host_start(self.c), "start the host")
            addresses = ip if isinstance(ip, str) else list(ip)
            self.config |= {"cpus": cpus, "ip": addresses, "seed": seed}
            self.config["netdev-budget-usecs"] = int(self.c.netdev_budget_usecs)
            for i, own in (each_queue or {}).items():
                self.knobs.queue(knobs_.argument("queue", i, 0, lib.NIC_QUEUES_MAX - 1)).update(own)
        except BaseException:
            self.close()
            raise

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
        c.nic.wire = self.wire.c
        c.auto_sink, c.live = sink, live
        c.hash_key[0], c.hash_key[1] = knobs_.siphash_key(seed)
        address.configure(c, ip, gateway)
        if ip != "any":
            c.answers = self.wire.open_output()
        if latency:
            for i in range(c.ncpus):
                self._histograms[i] = ffi.new("struct histogram[]", lib.LAT_MAX)
                c.cpu[i].lat = self._histograms[i]

    # ---- running ----

    @property
    def live(self) -> bool:
        """Real time?"""
        return bool(self.c.live)

    @property
    def now_ns(self) -> int:
        """The latest of all clocks."""
        return max(int(self.c.nic.now), *(int(self.c.cpu[i].now) for i in range(self.c.ncpus)))

    def run(self, *, frames: int | None = None, until_ns: int | None = None) -> bool:
        """Run in virtual time until nothing is left to do, ``frames`` more arrived, or the clock is at ``until_ns``.

        Return: True = nothing is left to do (before ``until_ns``). Works in bounded slices, so Ctrl-C comes through.
        """
        if self.live:
            raise VnicError("a live host runs by itself: use start() and stop()")
        with self._running():
            return self._run(frames, until_ns)

    def step(self) -> bool:
        """One agent's turn in virtual time: the card, or a CPU. Return: False = nothing is left to do."""
        with self._running():
            event = lib.vtime_step(self.c)
            self.handle(event)
            return bool(event != lib.EV_DONE)

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Only one run at a time: a host is one machine, and not for several threads at once."""
        if not self._busy.acquire(blocking=False):
            raise VnicError("the host is running already: in another thread, or this is one of its handlers")
        self._runner = threading.get_ident()
        try:
            yield
        finally:
            self._busy.release()

    def _run(self, frames: int | None, until_ns: int | None) -> bool:
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
            if event == lib.EV_SLICE:
                self.progress()

    def handle(self, event: int) -> None:
        """Do what the data plane returned for."""
        if event == lib.EV_UPCALL:
            self._seam.run_upcalls()
        elif event == lib.EV_FILTER:
            self._seam.run_filter()
        elif event == lib.EV_WIRE:
            self.wire.refill(self)

    def peek(self) -> None:
        """Read ahead on the wire, so that the stamp of its first frame (``wire.c.base_ns``) is known."""
        lib.nic_next(ffi.addressof(self.c.nic))

    def progress(self) -> None:
        """Called between slices of a long run; replace it to show how far it is."""

    def finish(self) -> None:
        """Run everything out: timers, readers, holes in streams; what the card still holds ends as DEV_READY."""
        self.run()
        for _ in range(2):
            lib.host_finish(self.c)
            self.run()
        if int(self.c.nic.up):  # the first two rounds were busy with streams
            lib.host_finish(self.c)

    def start(self, *, pin: Sequence[int] | None = None) -> None:
        """Live: a thread for the card and one for each CPU. ``pin``: real CPUs, the card's, then theirs in turn."""
        from vnic.live import Threads

        if not self.live:
            raise VnicError("start() is for a live host: Host(live=True)")
        self.began_ns = int(lib.clock_ns())
        for capture in self.nic.captures:
            capture.start()
        with self._running():  # nobody changes anything just now
            self._threads = Threads(self, pin)
        try:
            self._threads.start()
        except BaseException:
            if not self._threads.alive():
                self._threads = None
            raise

    @property
    def running(self) -> bool:
        """Live: are its threads there?"""
        return self._threads is not None

    def wait(self, seconds: float | None = None) -> bool:
        """Live: until the wire has ended (True) or the time is over (False). Ctrl-C comes through."""
        return self._threads is not None and bool(self._threads.wire_ended.wait(seconds))

    def stop(self) -> None:
        """Live: stop reading the wire, let everything run out, join the threads. Then both laws hold."""
        if self._threads is not None:
            try:
                self._stop_threads()
            except VnicError:
                self._seam.give_up()  # a handler that raised would raise again
                raise
            finally:
                if self._threads is None:
                    self.finish()
                    self.sending.open()

    def _stop_threads(self) -> None:
        try:
            self._threads.stop()
        finally:
            if not self._threads.alive():
                self._threads = None

    def run_upcalls(self) -> int:
        """Live: give packets to Python's handlers (the threads call this)."""
        return self._seam.run_upcalls()

    @contextlib.contextmanager
    def stopped_machine(self) -> Iterator[None]:
        """Nobody polls, sends or touches the rings: between two polls if it is live, between two turns if it is not."""
        threads = self._threads
        if threads is not None:
            with threads.stopped_machine(), self.sending.held():
                yield
        elif self._runner == threading.get_ident() and self._busy.locked():  # one of its own handlers
            yield
        else:
            with self._running():
                yield

    # ---- the seam ----

    def packet_type(self, ethertype: int) -> Callable[[Handler], Handler]:
        """Handle an EtherType in Python: ``@host.packet_type(0x88B5)``. Packets begin behind the Ethernet header."""
        return self._seam.packet_type(ethertype)

    def protocol(self, number: int) -> Callable[[Handler], Handler]:
        """Handle an IP protocol in Python: ``@host.protocol(253)``. Packets begin behind the IP header."""
        return self._seam.protocol(number)

    def set_filter(self, handler: Handler) -> Handler:
        """See :meth:`Nic.filter`."""
        return self._seam.set_filter(handler)

    # ---- looking ----

    def ledger(self) -> stats.Ledger:
        """Every frame's fate. ``ledger.closed`` is the first law."""
        return stats.ledger(self.c)

    def softnet(self) -> list[stats.SoftnetStat]:
        """One snapshot for each CPU."""
        return [stats.softnet(self.c, i) for i in range(self.c.ncpus)]

    def gro(self) -> gro_.GroStats:
        """What GRO did."""
        return gro_.stats(self.c)

    def gro_flows(self) -> list[gro_.GroFlow]:
        """What it did to each flow, if the host was made with ``gro_flows=N``; busiest first."""
        return gro_.flows(self.c)

    def tx_ledger(self) -> stats.TxLedger:
        """What became of what this host sent."""
        return stats.tx_ledger(self.c)

    def neighbours(self) -> list[stats.Neighbour]:
        """The neighbour table (``ip neigh``)."""
        return stats.neighbours(self.c)

    def mib(self) -> dict[str, int]:
        """Protocol counters by snmp's names."""
        return stats.mib(self.c)

    @property
    def split(self) -> bool:
        """Is the latency split by stage?"""
        return bool(self._histograms)

    def latencies(self) -> dict[str, stats.Latency]:
        """Stage -> percentiles, if the host was made with ``latency=True``."""
        return stats.latencies(self._histograms)

    def laws(self) -> int:
        """0: both laws hold at rest. Bit 0: the ledger is open; bit 1: a buffer is missing from its pool."""
        return int(lib.host_laws(self.c))

    # ---- the end ----

    def close(self) -> None:
        """Stop, close the sockets, free everything."""
        if self.c is None:
            return
        if self._busy.locked():
            raise VnicError("the host is running: close it when run() has returned")
        try:
            if self._threads is not None:
                self._stop_threads()
        finally:
            if self._threads is None:  # or one of them still uses it all
                with self._running():  # nobody changes anything just now
                    try:
                        self._free()
                    finally:
                        self.c = None
            self.c = None

    def _free(self) -> None:
        self.sending.close()
        try:
            for sock in list(self.bound):
                sock.close()
            self.nic.close()
        finally:
            lib.host_free(self.c)
            self.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def refuse_others(self) -> None:
        """VnicError: in virtual time another thread runs it. Its own handlers may do all they want."""
        if self._busy.locked() and self._runner != threading.get_ident():
            raise VnicError("the host is running in another thread: a host is not for several at once")

    def feed(self, frames: Iterable[Frame] | Frame, *, at_ns: int | None = None, gap_ns: int = 0) -> int:
        """Put frames on the card's wire (a :class:`MemoryWire`). Return: how many. See :meth:`MemoryWire.feed`."""
        if not isinstance(self.wire, MemoryWire):
            raise VnicError("only a wire in memory can be fed")
        self.refuse_others()
        return self.wire.feed(self, frames, at_ns=at_ns, gap_ns=gap_ns)
