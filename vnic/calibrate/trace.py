"""Read the text of ``perf script`` or of ftrace: a line an event. docs/costs.md has the commands that record it.

    reader  812 [001]  4022.123456789: sched:sched_waking: comm=reader pid=812 prio=120 target_cpu=000     perf script
    reader-812  [001] d.h1.  4022.123456: softirq_entry: vec=3 [action=NET_RX]                             ftrace

Both print the fields of an event in several ways; a field is found by its name, whatever is between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnic.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PERF = re.compile(
    r"^\s*(?P<comm>.{1,16}?)\s+(?:\d+/)?(?P<pid>-?\d+)\s+\[(?P<cpu>\d+)\]\s+(?P<t>\d+\.\d+):"
    r"\s+(?P<ev>[\w-]+:\w+):\s*(?P<rest>.*)$"
)
_FTRACE = re.compile(
    r"^\s*(?P<comm>.{1,16}?)-(?P<pid>\d+)\s+(?:\([^)]*\)\s+)?\[(?P<cpu>\d+)\]\s+"
    r"(?:\S+\s+)?(?P<t>[\d.]+): (?P<rest>.*)$"
)
_FTRACE_EVENT = re.compile(r"^(?P<ev>\w+): (?P<rest>.*)$")
_FTRACE_ENTER, _FTRACE_EXIT = re.compile(r"^sys_(\w+)\("), re.compile(r"^sys_(\w+) -> (.*)$")
_LONGEST_LINE = 4096
EVENTS_MAX = 5_000_000
"""A longer recording is read up to here: the samples are in memory."""
RECV = frozenset({"recvmsg", "recvfrom", "read", "recvmmsg"})


@dataclass(frozen=True, slots=True)
class Event:
    """One line. ``number``: what counts for this event: work, the woken or next pid, a target CPU, a result."""

    t_ns: int
    cpu: int
    pid: int
    name: str
    number: int = 0


@dataclass(slots=True)
class Trace:
    """What a text was: its format, and how many lines were not understood."""

    format: str = ""
    events: int = 0
    unknown: int = 0
    coarse: bool = True
    """All times are whole microseconds."""
    cut: bool = False
    """There are more lines than vnic reads."""

    def read(self, lines: Iterable[str]) -> Iterator[Event]:
        """Yield the events that vnic uses, as the text has them. ConfigError: not such a text at all."""
        for line in lines:
            if self.events == EVENTS_MAX:
                self.cut = True
                break
            found = _PERF.match(line[:_LONGEST_LINE]) or _FTRACE.match(line[:_LONGEST_LINE])
            if found is None:
                self.unknown += bool(line.strip()) and not line.startswith("#")
                if self.unknown > 1000 and not self.events:
                    break
                continue
            self.events += 1
            self.format = self.format or ("perf" if found.re is _PERF else "ftrace")
            event = _event(found)
            if event is not None:
                self.coarse &= event.t_ns % 1000 == 0
                yield event
        if not self.events:
            raise ConfigError("is not the text of perf script or of ftrace: no line has a CPU, a time and an event")


def _event(found: re.Match[str]) -> Event | None:
    name, rest = _name(found)
    number = _number(name, rest)
    if number is None:
        return None
    return Event(_ns(found["t"]), int(found["cpu"]), int(found["pid"]), name, number)


def _ns(text: str) -> int:
    seconds, dot, parts = text.partition(".")
    if not dot:
        raise ConfigError("has ticks of a CPU's clock for times: record with another trace_clock, such as mono")
    return int(seconds) * 10**9 + int(parts[:9].ljust(9, "0"))


def _name(found: re.Match[str]) -> tuple[str, str]:
    """Return the event's name without its system, and the rest. ftrace prints system calls as in C."""
    rest = found["rest"]
    if found.re is _PERF:
        return found["ev"].rpartition(":")[2], rest
    if enter := _FTRACE_ENTER.match(rest):
        return f"sys_enter_{enter[1]}", rest
    if left := _FTRACE_EXIT.match(rest):
        return f"sys_exit_{left[1]}", left[2]
    event = _FTRACE_EVENT.match(rest)
    return (event["ev"], event["rest"]) if event else ("", rest)


_NUMBERS: dict[str, re.Pattern[str]] = {
    "softirq_entry": re.compile(r"\bvec=(3)\b"),
    "softirq_exit": re.compile(r"\bvec=(3)\b"),
    "napi_poll": re.compile(r"\bwork[ =:]+(\d+)"),
    "sched_waking": re.compile(r"\bpid=(\d+)|^.*?:(\d+) \["),
    "sched_switch": re.compile(r"next_pid=(\d+)|==> .*?:(\d+) \["),
    "ipi_send_cpu": re.compile(r"\bcpu=(\d+) .*callback=generic_smp_call_function_single"),
    "irq_handler_entry": re.compile(r"\birq=(\d+)"),
    "irq_handler_exit": re.compile(r"\birq=(\d+)"),
    "call_function_single_entry": re.compile(r"\bvector=(\d+)"),
}
"""Event -> its number. A softirq of another vector has none, and an IPI that only reschedules."""


def _number(name: str, rest: str) -> int | None:
    """Return the event's number; None: vnic does not use the event."""
    if name in _NUMBERS:
        found = _NUMBERS[name].search(rest)
        return int(next(group for group in found.groups() if group is not None)) if found else None
    way, _, call = name.partition("_")[2].partition("_")
    if not name.startswith("sys_") or call not in RECV:
        return None
    return 0 if way == "enter" else _result(rest)


def _result(rest: str) -> int:
    """Return a system call's result: perf and ftrace print hexadecimal or decimal numbers of 64 bits."""
    found = re.search(r"(-?(?:0x[0-9a-fA-F]+|\d+))\s*$", rest.strip())
    value = int(found[1], 0) if found and not re.fullmatch(r"-?0\d+", found[1]) else 0
    return value - (1 << 64) if value >> 63 else value
