"""``vnic.Host``, what a user holds: a card, its driver, emulated CPUs and sockets, in virtual time or live on threads.

The machine behind it (vnic/machine/machine.py) is a thing of its own, which sockets, captures, wires and threads hold.
A public name here is a promise, so a new one needs a user's reason; tests/api/test_public_names.py has the list.
:attr:`Host.machine` is the one exception: the faces of vnic (ethtool, /proc, reports ...) are users of a host that also
read counters without a public name, as the kernel's own tools do.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from vnic import address, fault
from vnic._core import ffi, lib
from vnic.counters.laws import BrokenLaws
from vnic.counters.shown import Shown
from vnic.errors import ConfigError, VnicError, check
from vnic.knobs import table as knobs_
from vnic.knobs.parse import whole
from vnic.knobs.settings import Settings
from vnic.machine import memory
from vnic.machine.lifetime import Uncopied
from vnic.machine.machine import Machine
from vnic.machine.threads import cpus_max
from vnic.nic import Nic
from vnic.sockets import Binding
from vnic.wire import wire_of_a_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from vnic.fault import FaultRule
    from vnic.frame import Frame
    from vnic.handlers import Handler
    from vnic.wire import Wire


class Host(Binding, Shown, Uncopied):
    """A host with one card. It allocates all memory here, none per packet. A context manager; it must be closed.

    After close() every call raises VnicError, except close(), ``name``, ``config``, ``closed``, and snapshots taken
    before. The same holds in a child process after fork(). A host cannot be copied or pickled. It owns its sockets, its
    captures and its wire, and closes them with itself.

    Args:
        wire: where frames come from; default: a wire in memory, see :meth:`Nic.feed`.
        cpus: emulated CPUs, 1 to 512; live at most 64, or as many as the machine has. Queue i interrupts CPU i mod
            cpus, or as smp-affinity says.
        ip: "any" (the host takes packets to all addresses, and only listens), or addresses with prefix, e.g.
            ``["10.0.0.2/24", "fd00::2/64"]``: then it answers ARP, ND and ping, and sends, if the wire can.
        gateway: next hop for addresses outside the host's networks: one address, or one of each family.
        sink: make a socket and a reader for every port that packets come to (for replays), instead of NO_SOCKET.
        latency: split every frame's time by stage (virtual time).
        seed: seed of the software flow hash.
        live: real time, on threads (:meth:`running`), instead of virtual time (:meth:`run`).
        external_driver: another process is the driver, over ``nic.memfd`` (see tests/card/test_foreign_driver.py).
        each_queue: queue -> knobs of that queue: ``{1: {"rps-cpus": "c"}}``; see :mod:`vnic.knobs.settings`.
        faults: what the card does wrong: ``["irq-lost:nth=5"]``, see :mod:`vnic.fault`.
        knobs: by Linux's names, dashes or underscores: ``rx_ring=512, rx_usecs=50``; see vnic/knobs/table.py.

    Raises:
        ConfigError: a knob is unknown or out of range.
    """

    _card_only = False
    """Is it a card without a host: :class:`vnic.vhost.card.VhostCard`?"""

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
        faults: Iterable[str | FaultRule] = (),
        **knobs: Any,
    ) -> None:
        if live and knobs.get("cost", "zero") != "zero":
            raise ConfigError(f"cost={knobs['cost']}: costs are for virtual time, and this host is live")
        cpus = whole("cpus", cpus, 1, lib.CPUS_MAX)
        if live and cpus > (most := cpus_max()):
            raise ConfigError(
                f"cpus={cpus}: a live host has at most {most} here, each on a thread; virtual time has more"
            )
        seed = whole("seed", seed, -(1 << 63), 1 << 63)
        broken = fault.rules(faults)
        self._machine = machine = Machine(wire_of_a_host(wire), live=bool(live))
        self.nic = Nic(machine)
        self.knobs: Settings = Settings(machine)

        def make() -> None:
            machine.begin(cpus)
            try:
                self._configure(ip=ip, gateway=gateway, sink=sink, seed=seed, live=live, latency=latency)
                self._open(bool(external_driver), {"cost": "zero" if live else "linux"} | knobs)
                machine.config |= {"cpus": cpus, "ip": ip if isinstance(ip, str) else list(ip), "seed": seed}
                machine.config["netdev-budget-usecs"] = int(machine.c.netdev_budget_usecs)
                self.knobs.each_queue(each_queue)
                for rule in broken:
                    fault.add(machine, rule, seed)
                if broken:
                    machine.config["faults"] = [str(rule) for rule in broken]
            except BaseException:
                machine.close()
                raise

        machine.turn.do(make)

    def _open(self, external_driver: bool, knobs: dict[str, Any]) -> None:  # noqa: FBT001
        machine = self._machine
        machine.c.nic.external_driver = external_driver
        machine.c.card_only = self._card_only
        machine.config = knobs_.apply(machine.c, machine.wire.c, knobs)
        address.add_link_local(machine.c)
        memory.refuse_more_than_there_is(machine.c)
        check(lib.host_start(machine.c), "start the host")

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
        machine, c = self._machine, self._machine.c
        lib.nic_plug(ffi.addressof(c.nic), machine.wire.c)
        c.auto_sink, c.live = bool(sink), bool(live)
        c.hash_key[0], c.hash_key[1] = knobs_.siphash_key(seed)
        address.configure(c, ip, gateway)
        if ip != "any":
            c.answers = machine.wire.open_output()
        if latency:
            machine.split_latency()

    def __repr__(self) -> str:
        machine = self.__dict__.get("_machine")
        return "<vnic.Host, not made>" if machine is None else repr(machine)

    def _repr_html_(self) -> str:
        from vnic.counters import shown_as

        caption = repr(self)[1:-1]
        try:
            ledger = self.ledger()
        except (AttributeError, VnicError):  # it was not made, or is closed
            return f"<p>{shown_as.html(caption)}</p>"
        return shown_as.ledger_table(caption, ledger.fates, ledger.in_flight_at)

    # ---- what it is ----

    @property
    def machine(self) -> Machine:
        """The machine behind the host, for vnic's own modules. Not promised: it changes without notice."""
        return self._machine

    @property
    def wire(self) -> Wire:
        """Where frames come from, and go to."""
        return self._machine.wire

    @property
    def name(self) -> str:
        """The card's name, as /proc/net/dev shows it: ``vnic0``, live the TAP's. It can be changed."""
        return self._machine.name

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str):
            raise ConfigError(f"name={name!r}: must be text")
        self._machine.name = name

    @property
    def config(self) -> dict[str, Any]:
        """The knobs as given at the start or changed since, as a report has them."""
        return self._machine.config

    @property
    def live(self) -> bool:
        """Does the host run in real time? False once it was stopped."""
        return self._machine.live

    @property
    def now_ns(self) -> int:
        """The latest of all clocks; with tcp=endpoint at least the end of the latest run() in virtual time."""
        c = self._machine.c
        return int(lib.vtime_latest(c) if c.live else lib.host_now(c, ffi.NULL))

    # ---- running ----

    def run(
        self, *, frames: int | None = None, until_ns: int | None = None, progress: Callable[[], object] | None = None
    ) -> bool:
        """Run in virtual time until nothing is left to do, ``frames`` more arrived, or the clock is at ``until_ns``.

        Return: True = nothing is left to do (before ``until_ns``). The host works in bounded slices: Ctrl-C takes
        effect between two of them, and ``progress`` is called there.
        """
        return self._machine.run(frames, until_ns, progress)

    def step(self) -> bool:
        """Run one agent's turn in virtual time: the card's, or a CPU's. Return: False = nothing is left to do."""
        return self._machine.step()

    def finish(self, *, progress: Callable[[], object] | None = None) -> None:
        """Drain the host: timers, readers, holes in streams. Frames that the card still holds end as DEV_READY.

        ``progress`` is called as in :meth:`run`.
        """
        self._machine.finish(progress)

    def start(self, *, pin: Sequence[int] | None = None) -> None:
        """Live: start a thread for the card and one for each CPU. ``pin``: real CPUs, the card's first, theirs in turn.

        If a signal handler raises meanwhile, only the waiting ends: the threads may run, so call stop().
        """
        self._machine.start(pin)

    @property
    def is_running(self) -> bool:
        """Live: do its threads exist?"""
        return self._machine.is_running

    def running(self, *, pin: Sequence[int] | None = None) -> contextlib.AbstractContextManager[Self]:
        """Live: start the threads as :meth:`start` does, and :meth:`stop` them at the block's end.

        If an exception ends the block and stop() then fails, its error becomes a note of that exception.
        """
        self._machine.c  # noqa: B018 - is it open?
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
        return self._machine.wait(seconds)

    # ---- frames and handlers ----

    def feed(self, frames: Iterable[Frame] | Frame, *, at_ns: int | None = None, gap_ns: int = 0) -> int:
        """Put frames on the card's wire (a :class:`MemoryWire`). Return: how many. See :meth:`MemoryWire.feed`."""
        return self._machine.feed(frames, at_ns, gap_ns)

    def packet_type(self, ethertype: int) -> Callable[[Handler], Handler]:
        """Handle an EtherType in Python: ``@host.packet_type(0x88B5)``. Packets begin behind the Ethernet header."""
        return self._machine.seam.packet_type(ethertype)

    def protocol(self, number: int) -> Callable[[Handler], Handler]:
        """Handle an IP protocol in Python: ``@host.protocol(253)``. Packets begin behind the IP header."""
        return self._machine.seam.protocol(number)

    def laws(self) -> BrokenLaws:
        """Check both laws on a host at rest. Return: the broken ones; BrokenLaws.NONE, which is false, if both hold."""
        self._machine.refuse_others()
        return BrokenLaws(lib.host_laws(self._machine.c))

    # ---- the end ----

    def stop(self) -> None:
        """Live: stop reading the wire, drain the host, join the threads. Then both laws hold.

        Raises:
            VnicError: a handler, a filter or a wire does not return; the text names it and its line, and stop() can be
                called again. Or one of them raised: then the host is stopped. Or one of them calls stop() itself.
        """
        self._machine.stop()

    @property
    def closed(self) -> bool:
        """Is it closed?"""
        return self._machine.closed

    def close(self) -> None:
        """Stop, close the sockets, the captures and the wire, and free all memory. A second call does nothing.

        Raises:
            VnicError: the host runs (virtual time), another thread is in one of its calls, or a handler or a wire does
                not return, see :meth:`stop`: then the host stays open. Or a file did not take the rest of a capture, or
                a handler had raised: then the host is closed.
        """
        self._machine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """As :meth:`close`. If an exception ended the block, an error of close() becomes a note of that exception."""
        self._machine.__exit__(kind, error, traceback)
