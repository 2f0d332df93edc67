"""Which frames of captures are read, how often, and at what rate: the words of tcpdump, editcap and tcpreplay.

    Selection(filter="udp port 53", start=1.5, stop="2026-11-29T20:14:55Z", limit=1000, loop=3, pps=50_000)

The frames that are left out never reach the wire; csrc/wire/pcap_select.c skips and counts them.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from vnic._core import ffi, lib
from vnic.errors import ConfigError, quoted, said
from vnic.knobs.parse import is_whole
from vnic.knobs.units import TIMES
from vnic.look.units import count
from vnic.pace import pace

LOOP_MAX = 1_000_000
"""Most passes of a replay, which has no Ctrl-C that ends it with a report."""
LIMIT_MAX = 1 << 62
_NS = 10**9
_SECONDS_MAX = 10**12
_FOREVER = 2**64 - 1
_SECONDS = re.compile(rf"([0-9]{{1,12}}(?:\.[0-9]{{0,12}})?)\s*({'|'.join(map(re.escape, TIMES))})?", re.ASCII)
_EPOCH = re.compile(r"@([0-9]{1,12}(?:\.[0-9]{0,12})?)", re.ASCII)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)(?:[.,](\d{1,12}))?(Z|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)
_WANTED = (
    "must be seconds after the first frame as in 1.5, a time with a unit as in 200ms, "
    "a date and time as in 2026-11-29T20:14:53.5Z, or @ and seconds since 1970"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of the capture: ns after its first frame, or since 1970."""

    ns: int
    relative: bool


def moment(value: Any) -> Moment:
    """Parse a time of the capture: seconds after its first frame, or an ISO date and time (without a zone: local).

    A datetime is taken as well. ValueError: not such a time.
    """
    if isinstance(value, dt.datetime):
        value = value.isoformat()
    elif isinstance(value, dt.date):
        value = f"{value.isoformat()}T00:00:00"
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _SECONDS_MAX
    text = value.strip() if isinstance(value, str) else f"{value:.9f}" if number else ""
    if found := _SECONDS.fullmatch(text):
        return Moment(_bounded(Fraction(found[1]) * TIMES[found[2] or "s"]), relative=True)
    if found := _EPOCH.fullmatch(text):
        return Moment(_bounded(Fraction(found[1]) * _NS), relative=False)
    if found := _ISO.fullmatch(text):
        return Moment(_bounded(_since_1970(found)), relative=False)
    raise ValueError(_WANTED)


def _bounded(ns: Fraction | int) -> int:
    if not 0 <= ns < 1 << 63:
        raise ValueError("is outside of the times that a capture has: 1970 to 2262")
    return int(ns)


def _since_1970(found: re.Match[str]) -> int:
    """Return ns. The fraction is taken apart: datetime has microseconds, and captures have ns."""
    try:
        at = dt.datetime.fromisoformat(found[1] + (found[3] or "").upper())
        seconds = int(at.timestamp())
    except (ValueError, OverflowError, OSError) as e:
        raise ValueError(f"is no date and time: {e}") from None
    return seconds * _NS + int((found[2] or "0").ljust(9, "0")[:9])


@dataclass(frozen=True, slots=True)
class Selection:
    """Frames, passes and rate. ``None`` or 1: not asked for."""

    filter: str | None = None
    """A BPF expression (pcap-filter(7))."""
    limit: int | None = None
    """Most frames, counted behind the filter, over all files and passes."""
    start: Any = None
    """Frames from this time of the capture on, see :func:`moment`."""
    stop: Any = None
    """Frames before this time."""
    loop: int = 1
    """Passes over all files. The frames' times go on: a pass begins after the last frame, by the mean gap."""
    pps: float | None = None
    """Frames a second on the wire, instead of the recorded times."""
    mbps: float | None = None
    """Mb/s of captured frame bytes likewise."""

    def __post_init__(self) -> None:
        self._whole("limit", self.limit, 1, LIMIT_MAX)
        self._whole("loop", self.loop, 1, LOOP_MAX)
        pace(pps=self.pps, mbps=self.mbps)
        for name, value in (("from", self.start), ("to", self.stop)):
            if value is not None:
                try:
                    moment(value)
                except ValueError as e:
                    raise ConfigError(f"{name}={said(value)}: {e}") from None
        if self.filter is not None and not isinstance(self.filter, str):
            raise ConfigError(f"filter={said(self.filter)}: must be an expression as for tcpdump")

    @staticmethod
    def _whole(name: str, value: Any, low: int, high: int) -> None:
        if value is None:
            return
        if not is_whole(value):
            raise ConfigError(f"{name}={said(value)}: must be a whole number")
        if not low <= value <= high:
            endless = ": a replay ends, so there is no endless loop" if name == "loop" and value == 0 else ""
            raise ConfigError(f"{name}={value}: must be between {low} and {high}{endless}")

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) != f.default for f in fields(self))

    @property
    def picks(self) -> bool:
        """Are frames left out?"""
        return any(value is not None for value in (self.filter, self.limit, self.start, self.stop))

    def as_dict(self) -> dict[str, Any]:
        """Return what was asked for, by the names of the command line."""
        given = {_NAMES.get(f.name, f.name): getattr(self, f.name) for f in fields(self)}
        asked = {name: value for name, value in given.items() if value is not None and (name, value) != ("loop", 1)}
        return {name: str(value) if name in _NAMES.values() else value for name, value in asked.items()}

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Selection:
        """Return the selection of a report. ConfigError: a wrong value."""
        names = {_NAMES.get(f.name, f.name): f.name for f in fields(cls)}
        return cls(**{names[name]: value for name, value in given.items() if name in names})


_NAMES = {"start": "from", "stop": "to"}
"""Fields that cannot have the option's name."""
ALL = Selection()


class Selecting:
    """A selection at work in a ``struct pcap_wire``: the structs that the wire refers to, and the counts."""

    def __init__(self, selection: Selection, *, again: bool = False) -> None:
        """Compile the filter. ConfigError: libpcap refuses it, or is missing."""
        from vnic import bpf

        self.selection = selection
        self.c: Any = ffi.new("struct pcap_select *")
        self.schedule: Any = None
        c = self.c
        c.until_ns = c.limit = _FOREVER
        c.again = again
        if selection.limit is not None:
            c.limit = selection.limit
        if selection.start is not None:
            c.from_ns = self._time(selection.start, lib.SELECT_FROM)
        if selection.stop is not None:
            c.until_ns = self._time(selection.stop, lib.SELECT_UNTIL)
        if selection.filter is not None:
            self._prog = ffi.gc(bpf.compile(selection.filter).c(), lib.bpf_prog_free)
            c.filter, c.wants = self._prog, ffi.addressof(lib, "bpf_run_frame")  # type: ignore[call-arg]
        if selection.pps is not None or selection.mbps is not None:
            self.schedule = ffi.new("struct schedule *")
            how = pace(pps=selection.pps, mbps=selection.mbps)
            self.schedule.pace, self.schedule.rate = how.c, how.rate

    def _time(self, value: Any, bit: int) -> int:
        at = moment(value)
        if at.relative:
            self.c.relative |= bit
        return at.ns

    def begin(self, pcap: Any) -> None:
        """Let the wire hand out these frames only, at this rate."""
        pcap.select = self.c
        if self.schedule is not None:
            pcap.wire.schedule = self.schedule

    def facts(self, passes: int) -> dict[str, Any]:
        """Return what was asked for, and the frames that it took and left out."""
        counts = {"filtered": int(self.c.filtered), "outside": int(self.c.outside)}
        return self.selection.as_dict() | {"frames": int(self.c.picked), **counts, "passes": passes}


def left_out(selected: dict[str, Any] | None) -> list[tuple[int, str]]:
    """Return the frames that a selection left out, each with why, for a person. None: there is no selection."""
    if selected is None:
        return []
    span = " ".join(f"--{name} {selected[name]}" for name in ("from", "to") if name in selected)
    return [
        (selected["filtered"], f"not wanted by the filter {quoted(selected.get('filter', ''))}: not on the wire"),
        (selected["outside"], f"outside of {span}: not on the wire"),
    ]


def pace_words(selected: dict[str, Any]) -> str:
    """Return the passes, the limit and the rate in words; empty: none was asked for."""
    words = []
    if "loop" in selected:
        asked = f" of {selected['loop']}" if selected["loop"] != selected["passes"] else ""
        words.append(f"{selected['passes']}{asked} passes, each after the last")
    if "limit" in selected:
        words.append(f"at most {count(selected['limit'], 'frame')} (--limit)")
    if "pps" in selected:
        words.append(f"{selected['pps']:g} frames a second instead of the recorded times")
    if "mbps" in selected:
        words.append(f"{selected['mbps']:g} Mb/s instead of the recorded times")
    return "; ".join(words)
