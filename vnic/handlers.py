"""The seam for Python: handlers and filters get bursts, and return a verdict for each packet.

C calls no Python. The data plane returns to the machine with an event, the handler runs, and the verdicts go back. In
virtual time the clock stands still meanwhile, so order and time are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import VnicError
from vnic.knobs.parse import whole

if TYPE_CHECKING:
    from vnic.machine.machine import Machine

_HANDLERS_MAX = 65535  # their numbers have 16 bits in the data plane
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Packets:
    """Packets one behind the other: ``burst[i]`` is ``data[offsets[i]:offsets[i + 1]]``. Iteration gives the same."""

    data: memoryview
    """The bytes of all packets."""
    offsets: Sequence[int]
    """len() + 1 offsets into data, bytes."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> memoryview:
        i = range(len(self))[i]
        return self.data[self.offsets[i] : self.offsets[i + 1]]

    def __iter__(self) -> Iterator[memoryview]:
        return (self.data[a:b] for a, b in pairwise(self.offsets))


@dataclass(frozen=True, slots=True)
class Burst(Packets):
    """Packets for one handler. Valid until it returns."""

    t_ns: Sequence[int]
    """When each packet left GRO (a filter: when the frame arrives)."""


Verdicts = Iterable[bool] | None
"""Return one truth value per packet: true takes it (a filter: keeps it), false drops it. None takes all."""

Handler = Callable[[Burst], Verdicts]


def _verdicts(result: Verdicts, n: int, who: str) -> bytes:
    if result is None:
        return b"\1" * n
    verdicts = bytes(bool(v) for v in result)
    if len(verdicts) != n:
        raise VnicError(f"{who} returned {len(verdicts)} verdicts for {n} packets")
    return verdicts


class Seam:
    """A machine's handlers by number, and the buffers their bursts are copied into.

    CPUs look up a handler for each packet and must not see half of a change, so the machine stands still meanwhile.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._handlers: list[Handler] = []
        self.nic_filter: Handler | None = None
        self._room: tuple[bytearray, Any, Any, Any] | None = None

    def add(self, handler: Handler) -> int:
        """Register a handler. Return: its number, from 1."""
        if not callable(handler):
            raise TypeError(f"{handler!r} is not a handler: it is not callable")
        if len(self._handlers) == _HANDLERS_MAX:
            raise VnicError("no room for another handler")
        if self._room is None:
            offsets, t_ns = ffi.new("uint32_t[]", lib.BURST + 1), ffi.new("uint64_t[]", lib.BURST)
            self._room = bytearray(_BUFFER_BYTES), offsets, ffi.new("uint32_t *"), t_ns
        self._handlers.append(handler)
        return len(self._handlers)

    def packet_type(self, ethertype: int) -> Callable[[Handler], Handler]:
        """Register for an EtherType, in front of the built-in handlers."""
        self._machine.c  # noqa: B018 - is it open?
        ethertype = whole("EtherType", ethertype, 0, 0xFFFF)

        def register(handler: Handler) -> Handler:
            self._machine.while_stopped(lambda: self._put_packet_type(ethertype, handler))
            return handler

        return register

    def _put_packet_type(self, ethertype: int, handler: Handler) -> None:
        c = self._machine.c
        if c.nptypes == lib.PTYPES_MAX:
            raise VnicError("no room for another packet type")
        number = self.add(handler)
        for i in range(c.nptypes, 0, -1):
            c.ptype[i] = c.ptype[i - 1]
        c.ptype[0].type = int.from_bytes(ethertype.to_bytes(2, "big"), "little")
        c.ptype[0].func = c.ptype[0].list = ffi.NULL
        c.ptype[0].python = number
        c.nptypes += 1

    def _put_protocol(self, number: int, handler: Handler) -> None:
        self._machine.c.protocol_python[number] = self.add(handler)

    def _put_filter(self, handler: Handler) -> None:
        self.nic_filter = handler
        self._machine.c.nic.python_filter = 1

    def protocol(self, number: int) -> Callable[[Handler], Handler]:
        """Register for an IP protocol."""
        self._machine.c  # noqa: B018 - is it open?
        number = whole("IP protocol", number, 0, 255)

        def register(handler: Handler) -> Handler:
            self._machine.while_stopped(lambda: self._put_protocol(number, handler))
            return handler

        return register

    def set_filter(self, handler: Handler) -> Handler:
        """Register the card's filter."""
        if not callable(handler):
            raise TypeError(f"{handler!r} is not a filter: it is not callable")
        self._machine.while_stopped(lambda: self._put_filter(handler))
        return handler

    def give_up(self) -> None:
        """Call no handler any more, and drop the packets that still come for them."""
        self._handlers = [lambda burst: [False] * len(burst)] * len(self._handlers)

    def forget(self) -> None:
        """Forget all handlers: the host is closed."""
        self._handlers, self.nic_filter, self._room = [], None, None

    def run_upcalls(self) -> int:
        """Give waiting packets to their handlers. Return: packets. If a handler raises, its burst stays queued."""
        done, c = 0, self._machine.c
        if self._room is None:
            return 0
        buffer, at, number, t_ns = self._room
        while n := lib.upcall_peek(c, ffi.from_buffer(buffer), len(buffer), at, number, t_ns):
            handler = self._handlers[number[0] - 1]
            offsets = ffi.unpack(at, n + 1)
            burst = Burst(memoryview(buffer).toreadonly(), offsets, ffi.unpack(t_ns, n))
            verdicts = _verdicts(handler(burst), n, getattr(handler, "__name__", "the handler"))
            lib.upcall_done(c, verdicts, n)
            done += n
        return done

    def run_filter(self) -> None:
        """Let the filter see the frames that the card has read from the wire and that have not arrived yet."""
        nic = self._machine.c.nic
        frames = [nic.burst[i] for i in range(nic.burst_pos, nic.burst_len)]
        if self.nic_filter is not None and frames:
            data = b"".join(ffi.buffer(f.data, f.len)[:] for f in frames)
            offsets = [0]
            for f in frames:
                offsets.append(offsets[-1] + f.len)
            burst = Burst(memoryview(data), offsets, [int(f.t_ns) for f in frames])
            keep = _verdicts(self.nic_filter(burst), len(frames), "the filter")
            for f, ok in zip(frames, keep, strict=True):
                if not ok:
                    f.flags |= lib.FRAME_NO_PYTHON
        nic.burst_asked = 1
