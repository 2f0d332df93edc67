"""Two hosts and one virtual wire: :class:`vnic.Link` joins two hosts of virtual time, and lets both go on in lock step.

>>> with vnic.Host(ip="10.0.0.1/24", tcp="endpoint") as a, vnic.Host(ip="10.0.0.2/24", tcp="endpoint", seed=1) as b:
...     with vnic.Link(a, b, rate="10G", delay="5ms", loss=1e-4, queue=1000) as link:
...         ours, theirs = link.connect(80)
...         ours.send_nowait(b"hello")
...         link.run(seconds=0.1)
...         theirs.recv_nowait(100)

The same arguments give the same bytes at the same times. While hosts are linked, run the link, not a host.
"""

from __future__ import annotations

import functools
import math
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from vnic import tcp
from vnic._core import ffi, lib
from vnic.address import inet_text, socket_address
from vnic.errors import ConfigError, TimedOutError, VnicError, said
from vnic.host import Host
from vnic.knobs.parse import TIME_MAX_NS, parse_link, whole
from vnic.knobs.units import measured
from vnic.machine.lifetime import Living
from vnic.wire import MemoryWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.machine.machine import Machine

T = TypeVar("T")
DELAY_MIN_NS, DELAY_MAX_NS = 1_000, 60 * 10**9
SECONDS_MAX = 10_000_000.0
_QUEUE_MAX = 1 << 31
_RANDOM = 1 << 53
_PS = 1_000


@dataclass(frozen=True, slots=True)
class LinkStats:
    """One direction of a link at one moment. ``frames == carried + lost + dropped``."""

    frames: int
    """Frames that the card sent."""
    bytes: int
    """Their bytes, without preamble, FCS and gap."""
    carried: int
    """Frames that have left, and arrive."""
    lost: int
    """Frames that were lost on the way."""
    dropped: int
    """Frames that found the queue full."""
    in_flight: int
    """Of the carried: frames that have not arrived yet."""
    queued: int
    """Frames that wait before the serialiser."""
    queue_max: int
    """Most frames that ever waited."""
    queue_bytes_max: int
    """Most bytes that ever waited."""
    busy_ns: int
    """How long the serialiser has sent, and will for what waits; with preamble, FCS and gap."""

    def as_dict(self) -> dict[str, int]:
        """Return the members by name."""
        return asdict(self)


def rate_of(value: Any) -> int:
    """Parse a link's rate: ``10gbit``, ``10G``, a number of bits per second; None: infinitely fast. ConfigError."""
    if value is None:
        return 0
    try:
        return parse_link(value.lower().removesuffix("bit") if isinstance(value, str) else value)
    except ValueError as e:
        raise ConfigError(f"rate={said(value)}: {e}") from None


def delay_of(value: Any, name: str = "delay") -> int:
    """Parse a delay: ``5ms``, or a number of ns. ConfigError: it is none, or out of 1 us to 60 s."""
    if isinstance(value, str):
        try:
            given = measured(value, "ns")
        except ValueError as e:
            raise ConfigError(f"{name}={said(value)}: {e}") from None
        if given is None:
            raise ConfigError(f"{name}={said(value)}: must be a time with a unit, as in 5ms")
        value = given
    return whole(name, value, DELAY_MIN_NS, DELAY_MAX_NS)


def loss_of(value: Any) -> float:
    """Parse a probability, 0 to 1. ConfigError: it is none."""
    try:
        p = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        p = math.nan
    if not 0.0 <= p <= 1.0:
        raise ConfigError(f"loss={said(value)}: must be a probability between 0 and 1, as in 1e-4")
    return p


def queue_of(value: Any) -> tuple[int, int]:
    """Parse a queue's room: 1000 frames, or ``64k`` bytes; None: no limit. Return: frames, bytes; 0: no limit."""
    if value is None:
        return 0, 0
    if isinstance(value, str):
        try:
            size = measured(value, "bytes")
        except ValueError as e:
            raise ConfigError(f"queue={said(value)}: {e}") from None
        if size is not None:
            return 0, whole("queue", size, 1, _QUEUE_MAX)
        if not (value.isascii() and value.isdecimal() and len(value) < 20):
            raise ConfigError(f"queue={said(value)}: must be a number of frames, or a size as in 64k")
        value = int(value)
    return whole("queue", value, 1, _QUEUE_MAX), 0


def _machine_of(name: str, host: Host) -> Machine:
    if not isinstance(host, Host):
        raise TypeError(f"{name}: a vnic.Host")
    machine = host.machine
    if machine.c is not None and machine.live:
        raise ConfigError(f"{name}: this host is live, and a link is for hosts of virtual time")
    if type(machine.wire) is not MemoryWire:
        raise ConfigError(f"{name}: this host has a wire of its own: make it without wire=")
    if not machine.c.answers:
        raise ConfigError(f'{name}: this host only listens: give it an address, as ip="10.0.0.1/24"')
    if machine.wire.far_end is not None:
        raise VnicError(f"{name}: this host is linked already, or has another far end at its wire")
    if machine.wire._mem.pos != machine.wire._mem.nframes or machine.wire._mem.closed:  # noqa: SLF001
        raise VnicError(f"{name}: frames wait on this host's wire, or it has ended: link a new host")
    return machine


def _claimed(machine: Machine, work: Callable[[], T]) -> T:
    """Call ``work`` while no other call runs this machine."""
    machine.turn.take(sys._getframe())  # noqa: SLF001
    try:
        return work()
    finally:
        machine.turn.leave(sys._getframe())  # noqa: SLF001


def address_of(machine: Machine) -> str:
    """Return a host's first address."""
    return inet_text(machine.c.ip[0].addr)


def begin(machine: Machine, addr: str, port: int) -> tcp.TcpConnection:
    """Send a SYN, and do not wait. ConfigError: TCP of the host is passive."""
    if machine.c.tcp.mode != lib.TCP_MODE_ENDPOINT:
        raise ConfigError("TCP of this host only listens in: make it with tcp=endpoint")
    return tcp.connect(machine, socket_address((addr, port)), (ffi.NULL, 0), f"connect to {addr} port {port}")


class _FarEnd:
    """What is plugged in at the other end of a linked host's wire: it hears that the host is closed."""

    def __init__(self, link: Link) -> None:
        self.cut = functools.partial(link._cut, self)  # noqa: SLF001 - its own

    def receive(self, _frames: list[tuple[int, bytes]]) -> tuple[()]:
        return ()

    def cut_off(self) -> None:
        self.cut()


class Link(Living):
    """A virtual wire between two hosts of virtual time. A context manager; closing it leaves the hosts apart.

    Each direction has a queue with tail drop, a serialiser, losses and a delay. The frame in the serialiser is not in
    the queue, and a lost frame has taken the serialiser's time. The hosts' knob ``link`` has no effect meanwhile: the
    rate is this link's. What arrives later than another frame was sent later: the link keeps the order.

    Args:
        a: a host with addresses and a wire in memory, as ``vnic.Host(ip="10.0.0.1/24")`` has.
        b: another one.
        rate: of each direction: ``10gbit``, ``2.5G``; None: infinitely fast.
        delay: one way, ``5ms`` or a number of ns, 1 us to 60 s.
        loss: probability with which each frame is lost, 0 to 1, each alone.
        queue: room before the serialiser: a number of frames, or a size as ``64k``; None: no limit.
        seed: of the losses; each direction has a stream of its own.

    Raises:
        ConfigError: a value is none of these, or the hosts do not fit.
        VnicError: a host is linked already, or has another program at its wire.
    """

    _noun = "link"

    def __init__(
        self,
        a: Host,
        b: Host,
        *,
        rate: str | float | None = None,
        delay: str | int = "1ms",
        loss: float = 0.0,
        queue: int | str | None = None,
        seed: int = 0,
    ) -> None:
        bps, delay_ns, p, (frames, size) = rate_of(rate), delay_of(delay), loss_of(loss), queue_of(queue)
        seed = whole("seed", seed, 0, 1 << 62)
        self._machines = _machine_of("a", a), _machine_of("b", b)
        self._hosts = a, b
        if self._machines[0] is self._machines[1]:
            raise ConfigError("a link needs two hosts, and both ends are the same one")
        self._wires: list[Any] = [m.wire for m in self._machines]
        self._far = [_FarEnd(self), _FarEnd(self)]

        def make() -> None:
            (m, n), (wa, wb) = self._machines, self._wires
            made = lib.link_new(m.c, n.c, wa.c, wb.c)
            if made == ffi.NULL:
                raise MemoryError("no memory for the link")
            for i in (0, 1):
                way, wire = made.way[i], self._wires[i]
                way.bps, way.delay_ns, way.loss = bps, delay_ns, round(p * _RANDOM)
                way.queue_frames, way.queue_bytes, way.random = frames, size, (2 * seed + i) % (1 << 64)
                wire.far_end, wire.c.ask = self._far[i], 0
                wire.c.ps_per_byte, wire.c.speed_ppm = 0, 1_000_000
            self._before = tuple(int(m.c.nic.offered) for m in self._machines)
            self._begin(made)

        self._machines[0].turn.do(make)

    def __repr__(self) -> str:
        return f"<vnic.Link{' closed' if self.closed else ''}>"

    # ---- running ----

    @property
    def now_ns(self) -> int:
        """All before this instant has happened in both hosts."""
        return int(self.c.now)

    def run(
        self,
        seconds: float | None = None,
        *,
        until_ns: int | None = None,
        until: Callable[[], object] | None = None,
        progress: Callable[[], object] | None = None,
    ) -> bool:
        """Let virtual time pass in both hosts.

        Args:
            seconds: so long from now on.
            until_ns: up to this instant instead.
            until: stop when this returns something true; it is called after each window of
                about the delay, and may use both hosts.
            progress: called now and then.

        Return: whether ``until`` came true; without it, True.

        Raises:
            ConfigError: neither a time nor a condition, or a time out of range.
            VnicError: a host runs already, or is closed.
        """
        if seconds is None and until_ns is None and until is None:
            raise ConfigError("say for how long: seconds=1, until_ns=..., or until=...")
        end = TIME_MAX_NS if until_ns is None else whole("until_ns", until_ns, 0, TIME_MAX_NS)
        if seconds is not None:
            good = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
            if not good or not 0 <= seconds <= SECONDS_MAX:
                raise ConfigError(f"seconds={said(seconds)}: must be between 0 and {SECONDS_MAX:.0f}")
            end = min(end, self.now_ns + round(seconds * 1e9) - 1)
        if until is not None and not callable(until):
            raise TypeError(f"until: {until!r} is not callable")
        a, b = self._machines
        return _claimed(a, lambda: _claimed(b, lambda: self._run(end, until, progress)))

    def _run(self, end: int, until: Callable[[], object] | None, progress: Callable[[], object] | None) -> bool:
        while True:
            c = self.c
            if until is not None and not c.open and until():
                return True
            if c.now > end:
                return until is None
            event = lib.link_run(c, end if until is None else self._window(end))
            if event == lib.LINK_WOKE:
                while (task := lib.link_woken(c, c.side)) != ffi.NULL:
                    self._woke(task)
            elif event == lib.LINK_HOST:
                self._machines[c.side].handle(int(c.event))
            if progress is not None:
                progress()

    def _window(self, end: int) -> int:
        """Return the last instant of about one window from what comes next."""
        c = self.c
        if c.open:
            return int(c.end)
        first = min(int(lib.vtime_next(m.c)) for m in self._machines)
        return min(end, max(first, int(c.now)) + int(c.way[0].delay_ns) - 1)

    def _woke(self, task: Any) -> None:
        """A program in Python has news; vnic/workload has some."""

    # ---- connections ----

    def connect(self, port: int, *, seconds: float = 60.0) -> tuple[tcp.TcpConnection, tcp.TcpConnection]:
        """Connect a to b, and let time pass until both sides are established.

        Return: a's connection, b's.

        Raises:
            TimedOutError: the handshake did not come to its end in so much virtual time.
            ConfigError: TCP of a host is passive.
            PortTakenError: b listens there.
        """
        server = self._hosts[1].listen(port, backlog=1)
        try:
            ours = begin(self._machines[0], address_of(self._machines[1]), port)
            found: list[tcp.TcpConnection] = []

            def both() -> bool:
                if not found and (theirs := server.accept_nowait()) is not None:
                    found.append(theirs)
                return bool(found) and ours.state == "ESTABLISHED"

            if not self.run(seconds, until=both):
                ours.close()
                raise TimedOutError("no connection came")
            return ours, found[0]
        finally:
            server.close()

    # ---- looking ----

    @property
    def a_to_b(self) -> LinkStats:
        """The counters of what a sends."""
        return self._stats(0)

    @property
    def b_to_a(self) -> LinkStats:
        """The counters of what b sends."""
        return self._stats(1)

    def _stats(self, i: int) -> LinkStats:
        way = self.c.way[i]
        offered = int(self._machines[1 - i].c.nic.offered) - self._before[1 - i]
        waits = [way.wait[(way.head + n) & (way.room - 1)] for n in range(way.waits)]
        now = int(self.c.now) * _PS
        return LinkStats(
            frames=int(way.frames),
            bytes=int(way.bytes),
            carried=int(way.carried),
            lost=int(way.lost),
            dropped=int(way.dropped) + int(way.no_memory),
            in_flight=int(way.carried) - offered,
            queued=sum(int(w.start_ps) > now for w in waits),
            queue_max=int(way.waits_max),
            queue_bytes_max=int(way.waiting_bytes_max),
            busy_ns=int(way.busy_ps) // _PS,
        )

    # ---- the end ----

    def _cut(self, far: _FarEnd) -> None:
        """A host is closed: the link ends, and the other host keeps its frames again."""
        self._wires[self._far.index(far)] = None
        self._give_back()

    def _give_back(self) -> None:
        if self._at is None:
            return
        c = self._at
        self._end()
        for wire in self._wires:
            if wire is not None:
                wire.far_end = None
        lib.link_free(c, *(ffi.NULL if wire is None else wire.c for wire in self._wires))
