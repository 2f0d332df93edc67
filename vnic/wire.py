"""Wires: where frames come from. In memory, or any Python object with ``read_burst``; files: vnic/capture_wire.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from vnic._core import ffi, lib
from vnic.errors import ConfigError, VnicError, check
from vnic.frame import each_frame
from vnic.knobs.parse import TIME_MAX_NS, whole
from vnic.machine.lifetime import Living
from vnic.machine.uninterrupted import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vnic.frame import Frame
    from vnic.host import Host
    from vnic.machine.machine import Machine

_ARENA_MAX, _FRAMES_MAX = 1 << 34, 1 << 28
_FRAME_MAX = 1 << 24
"""Most bytes of a frame in memory; the longest packet that Linux merges has less than a thirtieth of it."""


class BurstWire(Protocol):
    """The method that a wire of the caller's own needs.

    If it also has ``write_burst(frames)``, that gets the frames that the card sends: a list of ``(t_ns, bytes)``.
    """

    def read_burst(self, max_frames: int) -> Sequence[Frame] | None:
        """Return at most ``max_frames`` frames, in the order of time; None: no more will come."""


class FarEnd(Protocol):
    """An object plugged in at the other end of a wire in memory."""

    def receive(self, frames: list[tuple[int, bytes]]) -> Iterable[Frame]:
        """Take frames that the card sent, ``(t_ns, frame)``. Return: the answers. Live: on the card's thread."""

    def cut_off(self) -> None:
        """Take notice that the host was closed and the wire is gone."""


class Wire(Living):
    """Base of all wires: ``c`` is the ``struct wire *``, with pace (knobs ``link`` and ``speed``) and counters.

    One host owns a wire and closes it. The caller closes a wire that no host got.
    """

    _noun = "wire"
    _struct: Any = None
    _machine: Machine | None = None
    """The machine that uses the wire, and closes it; None: the caller does."""
    _read_no_more = False

    def __init__(self, c: Any) -> None:
        """Wrap a struct whose memory is the caller's."""
        if not isinstance(c, ffi.CData) or ffi.typeof(c) is not ffi.typeof("struct wire *") or c == ffi.NULL:
            raise TypeError("a wire is made by its class, as vnic.MemoryWire()")
        self._begin(c)

    @property
    def _in_use(self) -> bool:
        return self._machine is not None and not self._machine.closed

    def _is_owned(self) -> bool:
        return self._struct is None or self._in_use

    def _made(self, struct: Any, free: Callable[[Any], None]) -> None:
        if struct == ffi.NULL:
            raise MemoryError(f"no memory for the {self._noun}")
        self._free = free
        self._struct = struct
        self._begin(ffi.addressof(struct.wire))

    def _whole(self) -> Any:
        """Return the struct that begins with ``c``. VnicError: the wire is closed."""
        return self._struct if self.c is not None else None

    def __repr__(self) -> str:
        return f"<vnic.{type(self).__name__}{' closed' if self.closed else ''}>"

    def _belong_to(self, machine: Machine) -> None:
        """Give the wire to a machine. VnicError: it has one. Of two cards, one would free memory the other reads."""
        if self.c is not None and self._in_use:
            raise VnicError("this wire has a host already: each needs one of its own")
        self._machine = machine

    def _host_is_gone(self) -> None:
        """Close the wire, because its host was closed."""
        self._machine = None
        self._give_back()

    def _host_runs(self) -> None:
        """Take notice that the host's threads run. Live only."""

    def _host_stops(self) -> None:
        """Take notice that the host's threads are about to end. Live only."""

    def _stop_reading(self) -> None:
        """Read no more, because the host stops. The wire still takes frames that the host sends."""
        self._read_no_more = True

    def _give_up(self) -> None:
        """Ask the object behind the wire no more, because the host stops and the object failed."""

    def _used_by(self) -> Machine:
        """Return the machine that uses the wire. VnicError: none does, or another thread runs it."""
        self.c  # noqa: B018 - is it open?
        if self._machine is None:
            raise VnicError("this wire has no host")
        self._machine.refuse_others()
        return self._machine

    def _refuse_others(self) -> Machine:
        """Return the machine that uses the wire. VnicError: none does, or another thread reads the wire."""
        machine = self._used_by()
        if self.c.live and machine.is_running and not machine.on_card_thread():
            raise VnicError("the card's thread reads this wire")
        return machine

    def refill(self) -> None:
        """Refill the wire. The machine calls this if the wire ran dry and wants to be asked (EV_WIRE)."""
        self.c  # noqa: B018 - is it open?

    def open_output(self) -> bool:
        """Prepare for sending. Return: can the host send? A host with own addresses calls this before it starts."""
        return bool(self.c.write != ffi.NULL)

    def close(self) -> None:
        """Free the memory. A host closes its own wire. VnicError: a host uses this one."""
        if self._at is not None and self._in_use:
            raise VnicError("the wire is in use: close its host")
        super().close()

    def _give_back(self) -> None:
        struct = self.__dict__.pop("_struct", None)  # one call: of two threads that close it, one gets it
        self._end()
        if struct is not None:
            self._free(struct)


def wire_of_a_host(given: Wire | None) -> Wire:
    """Return the wire given for a new host, or a new one in memory. TypeError: the value is not a wire."""
    if given is not None and not isinstance(given, Wire):
        raise TypeError("wire: a vnic.Wire, as vnic.PythonWire(object with read_burst)")
    return MemoryWire() if given is None else given


class MemoryWire(Wire):
    """A wire in memory: feed it frames. Times are virtual nanoseconds."""

    def __init__(self, arena_bytes: int = 1 << 20, frames: int = 4096) -> None:
        arena_bytes = whole("arena_bytes", arena_bytes, 0, _ARENA_MAX)
        frames = whole("frames", frames, 1, _FRAMES_MAX)
        self.far_end: FarEnd | None = None
        uninterrupted(lambda: self._made(lib.mem_wire_new(arena_bytes, frames), lib.mem_wire_free))
        self.c.started = 1  # stamps are virtual time already

    @property
    def _mem(self) -> Any:
        return self._whole()

    def feed(
        self,
        host: Host,
        frames: Iterable[Frame] | Frame,
        *,
        at_ns: int | None = None,
        gap_ns: int = 0,
    ) -> int:
        """Queue frames for the card. Return: how many.

        Args:
            host: the host whose card is on this wire.
            frames: as scapy's sendp() takes them: one frame or several, each bytes or a scapy packet; or
                ``(t_ns, frame)``. A scapy packet's own ``time`` is ignored.
            at_ns: virtual time of the first (default: as soon as the wire is free).
            gap_ns: time between two frames without a time of their own.

        Live, frames arrive when the card's thread reads them. The thread is parked while they are queued.

        Raises:
            TypeError: a value is not a frame. In virtual time the frames before it are queued; live, none is.
            VnicError: the wire has ended, see :meth:`end`.
        """
        self.c  # noqa: B018 - is it open?
        if self._machine is None or getattr(host, "machine", None) is not self._machine:
            raise VnicError("this wire is not that host's")
        return self._feed(frames, at_ns, gap_ns)

    def _feed(self, frames: Iterable[Frame] | Frame, at_ns: int | None, gap_ns: int) -> int:
        machine = self._used_by()
        if self._mem.closed:
            self._open_again(machine)
        if not machine.live or machine.on_card_thread():
            return self._put(machine, each_frame(frames), at_ns, gap_ns)
        built = list(each_frame(frames))
        return machine.while_stopped(lambda: self._put(machine, built, at_ns, gap_ns))

    def _open_again(self, _machine: Machine) -> None:
        raise VnicError("the wire has ended: it takes no more frames")

    def _put(
        self, machine: Machine, frames: Iterable[tuple[int | None, bytes]], at_ns: int | None = None, gap_ns: int = 0
    ) -> int:
        machine.c  # noqa: B018 - is it open?
        gap_ns = whole("gap_ns", gap_ns, 0, TIME_MAX_NS)
        t, n = int(self.c.last_ts) if at_ns is None else whole("at_ns", at_ns, 0, TIME_MAX_NS), 0
        for n, (t_ns, data) in enumerate(frames, 1):  # noqa: B007
            if len(data) > _FRAME_MAX:
                raise ConfigError(f"a frame of {len(data)} bytes: at most {_FRAME_MAX}")
            t = whole("t_ns", t if t_ns is None else t_ns, 0, TIME_MAX_NS)
            if lib.mem_wire_feed(self._mem, data, len(data), len(data), t) < 0:
                raise MemoryError("no memory for the frame")
            t += gap_ns
        return n

    def attach(self, far_end: FarEnd | None) -> None:
        """Give each frame to this far end at the moment when the card sends it; None: keep them for :meth:`sent`."""
        if far_end is not None and not all(callable(getattr(far_end, m, None)) for m in ("receive", "cut_off")):
            raise TypeError("a far end has methods receive(frames) and cut_off()")
        self.c.ask = lib.WIRE_ASK_SENT if far_end is not None else 0
        self.far_end = far_end

    def refill(self) -> None:
        """Give sent frames to the far end, and put its answers on the wire before time goes on."""
        machine = self._refuse_others()
        self.c.hungry = 0
        if self.far_end is not None:
            self._put(machine, each_frame(self.far_end.receive(self.sent())))

    def open_output(self) -> bool:
        """Keep frames that the card sends until :meth:`sent` fetches them: at most 1024 frames and 4 MiB."""
        check(lib.mem_wire_sends(self._mem), "keep what is sent")
        return True

    def sent(self) -> list[tuple[int, bytes]]:
        """Return the frames that the card sent since the last call: time (ns) and bytes."""
        data = bytearray(lib.MEM_OUT_BYTES)
        frames = ffi.new("struct mem_frame[]", lib.MEM_OUT_MAX)
        n = lib.mem_wire_fetch(self._mem, ffi.from_buffer(data), frames) if self._mem.out != ffi.NULL else 0
        return [(int(f.t_ns), bytes(data[f.off : f.off + f.len])) for f in frames[0:n]]

    def end(self) -> None:
        """Mark the end: no more frames will be fed, and the wire ends when it runs dry."""
        self._mem.closed = 1
        self.c.hungry = 0

    def _give_back(self) -> None:
        if self.far_end is not None:
            self.far_end.cut_off()
        super()._give_back()


class PythonWire(MemoryWire):
    """A wire around any object with ``read_burst(max_frames)``; it asks the object whenever it runs dry."""

    _given_up = False

    def __init__(self, source: BurstWire) -> None:
        if not callable(getattr(source, "read_burst", None)):
            raise TypeError("a wire's source has a method read_burst(max_frames)")
        super().__init__()
        self.source = source
        self.c.ask = lib.WIRE_ASK_DRY | lib.WIRE_ASK_SENT

    def _open_again(self, machine: Machine) -> None:
        if machine.live or self._read_no_more:  # in virtual time the object had no frame yet, and the caller has one
            super()._open_again(machine)
        self._mem.closed = self.c.eof = 0

    def _give_up(self) -> None:
        """Give no more sent frames to the object."""
        self._given_up = True

    def open_output(self) -> bool:
        """Return: can the host send? It can only if the object has ``write_burst``."""
        return hasattr(self.source, "write_burst") and super().open_output()

    def refill(self) -> None:
        """Give the object the sent frames, and ask it for the next burst, even if it had none the last time.

        When a live host stops, the object gets the last sent frames, and is not asked again.
        """
        machine = self._refuse_others()
        if self._mem.nout:
            sent = self.sent()
            if not self._given_up:
                self.source.write_burst(sent)  # type: ignore[attr-defined]
            if not self._read_no_more:
                self._mem.closed = self.c.eof = 0
        if self._read_no_more:
            self.end()
            return
        burst = self.source.read_burst(lib.BURST)
        if burst is None or (not burst and not machine.c.live):
            self.end()
        elif burst:
            self._put(machine, each_frame(burst))
        else:
            self.c.hungry = 0
