"""Switch a host's event log on, choose what it keeps, and end it as Events."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from vnic._core import ffi, lib
from vnic.bpf import compile as compile_filter
from vnic.errors import ConfigError, VnicError, check
from vnic.events.events import Events
from vnic.events.frames import flow_texts
from vnic.events.kinds import NEVER
from vnic.events.rows import room
from vnic.knobs.parse import TIME_MAX_NS, whole
from vnic.machine.lifetime import Uncopied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.bpf import Filter
    from vnic.host import Host

RECORDS = 1 << 24
"""Records that a log keeps by default: 16,777,216, at most 805 MB; of about a million frames."""
_RECORDS_MAX = 1 << 32
_FRAMES_MAX = 1 << 32


@dataclass(frozen=True, slots=True)
class EventChoice:
    """Which records a log keeps.

    Attributes:
        from_ns, until_ns: records that overlap this time of the run.
        frames: numbers of frames, and of the packets they become part of; ranges are (first, last).
        filter: frames that this filter matches when they arrive.
        records: at most so many; those behind them are counted as missing. 0: keep none, only show them to ``observe``.
    """

    from_ns: int = 0
    until_ns: int | None = None
    frames: Iterable[int | tuple[int, int]] | None = None
    filter: Filter | None = None
    records: int = RECORDS

    def check(self) -> None:
        """Raise ConfigError for a bound that cannot be."""
        from_ns = whole("from_ns", self.from_ns, 0, TIME_MAX_NS)
        if self.until_ns is not None and whole("until_ns", self.until_ns, 0, TIME_MAX_NS) < from_ns:
            raise ConfigError(f"events end at {self.until_ns} ns, before they begin, at {from_ns} ns")
        whole("records", self.records, 0, _RECORDS_MAX)

    def words(self) -> str:
        """Return what was chosen, in words; empty: everything, as long as there is room."""
        parts = [f"from {self.from_ns} ns"] * bool(self.from_ns)
        parts += [f"until {self.until_ns} ns"] * (self.until_ns is not None)
        if self.frames is not None:
            parts.append("frames " + ", ".join("-".join(map(str, _pair(given))) for given in self.frames))
        parts += [f"frames that match {self.filter}"] * (self.filter is not None)
        return "; ".join(parts)


def _pair(given: int | tuple[int, int]) -> tuple[int, ...]:
    return (
        given
        if isinstance(given, tuple) and given[0] != given[1]
        else (given[0] if isinstance(given, tuple) else given,)
    )


ALL = EventChoice()


class EventLog(Uncopied):
    """The log of a host, on from now until :meth:`end`. A host has at most one at a time.

    Args:
        host: in virtual time all records are in one log, complete until it is full, and the same every time. Live, each
            thread has a log of its own, and a stage's time is the one that it has read last.
        chosen: which records it keeps.
        observe: a C function (``void *observer, const struct event_record *``) and its observer. The log calls it with
            every record, kept or not.

    Raises:
        ConfigError: a bound or the filter is wrong.
        VnicError: the host has a log already.
    """

    _taps: Any = None

    def __init__(self, host: Host, chosen: EventChoice = ALL, *, observe: tuple[Any, Any] | None = None) -> None:
        from vnic.host import Host

        if not isinstance(host, Host):
            raise TypeError("an event log needs a host: EventLog(host)")
        chosen.check()
        self.chosen = chosen
        """Which records it keeps."""
        self._machine = machine = host.machine
        machine.refuse_others()
        if machine.event_log is not None:
            raise VnicError("the host has an event log already")
        if not machine.histograms:
            machine.split_latency()
        program = None if chosen.filter is None else compile_filter(chosen.filter)
        self._bits: Any = None
        self._logs: list[Any] = []
        n = machine.c.ncpus + 2 if machine.live else 1
        for _ in range(n):
            log = lib.event_log_new(chosen.records)
            if log == ffi.NULL:
                raise MemoryError("no memory for the event log")
            self._logs.append(ffi.gc(log, lib.event_log_free))
            log.from_ns = chosen.from_ns
            log.until_ns = NEVER if chosen.until_ns is None else chosen.until_ns
            self._choose(log, chosen)
            if observe is not None:
                log.observe, log.observer = observe
        self._array = ffi.new("struct event_log *[]", self._logs)
        machine.while_stopped(lambda: self._on(program))

    def _choose(self, log: Any, chosen: EventChoice) -> None:
        if chosen.frames is None and chosen.filter is None:
            return
        if self._bits is None:
            self._bits = mmap.mmap(-1, _FRAMES_MAX // 8, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for given in chosen.frames or ():
                first, last = given if isinstance(given, tuple) else (given, given)
                self._choose_range(
                    whole("frames", first, 1, _FRAMES_MAX - 1), whole("frames", last, 1, _FRAMES_MAX - 1)
                )
        log.chosen = ffi.from_buffer("uint64_t[]", self._bits)
        log.nchosen = _FRAMES_MAX

    def _choose_range(self, first: int, last: int) -> None:
        if last < first:
            raise ConfigError(f"frames={first}-{last}: the last is before the first")
        for byte in range(first // 8, last // 8 + 1):
            low, high = max(first - byte * 8, 0), min(last - byte * 8, 7)
            self._bits[byte] |= (1 << high + 1) - (1 << low)

    def _on(self, program: Any) -> None:
        machine = self._machine
        bpf = ffi.NULL if program is None else program.c()
        taps = lib.event_taps_new(machine.c, self._array, len(self._logs), bpf)
        if taps == ffi.NULL:
            if bpf != ffi.NULL:
                lib.bpf_prog_free(bpf)
            raise MemoryError("no memory for the event log")
        self._taps = ffi.gc(taps, lib.event_taps_free)
        machine.event_log = self

    def _give_back(self) -> None:
        """Switch it off: the machine is stopped."""
        if self._machine.event_log is self:
            lib.event_taps_off(self._taps)
            self._machine.event_log = None

    @property
    def missed(self) -> int:
        """Records that found no room so far."""
        return sum(int(log.missed) for log in self._logs)

    def end(self, facts: dict[str, Any] | None = None) -> Events:
        """Switch the log off. Return: its records. ``facts``: what the run was, kept beside them."""
        if self._machine.event_log is self:
            self._machine.while_stopped(self._give_back)
        at, n, keep = self._sorted()
        flows = flow_texts(self._taps.flows.key, int(self._taps.flows.used))
        return Events(at, n, keep, flows=flows, missed=self.missed, facts=dict(facts or {}))

    def _sorted(self) -> tuple[Any, int, Any]:
        """Return the records of all logs in the order of time, their number, and what owns the memory."""
        n = sum(int(log.head) for log in self._logs)
        given, (at, keep) = self._logs[0].slot, room("event_record", n)
        if len(self._logs) > 1:
            (given, _owner), done = room("event_record", n), 0
            for log in self._logs:
                ffi.memmove(given + done, log.slot, int(log.head) * ffi.sizeof("struct event_record"))
                done += int(log.head)
        check(lib.events_sort(given, n, at), "sort the events")
        return at, n, keep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._machine.event_log is self:
            self._machine.while_stopped(self._give_back)
