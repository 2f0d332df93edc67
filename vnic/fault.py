"""Faults on purpose: what the card does wrong, when, and how often it did. docs/faults.md says what drivers make of it.

"irq-lost:nth=5"    --fault, Host(faults=...)   ->  struct nic_fault, csrc/card/fault.c
nic.fault("irq-lost", nth=5)                    ->  Fault, which counts
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import ConfigError
from vnic.knobs.parse import TIME_MAX_NS, whole
from vnic.schema import enum_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.machine.machine import Machine

FAULTS = {
    "irq-lost": "an interrupt is not raised",
    "irq-late": "an interrupt is raised later, by ns (default 100us)",
    "irq-spurious": "an interrupt is raised although there is nothing new",
    "kick-ignored": "the card does not hear a doorbell",
    "stall": "a receive ring stands still from `from` to `until`",
    "tx-stall": "the sending ring stands still from `from` to `until`",
    "link-down": "the link is down from `from` to `until`: what comes ends as DEV_READY",
    "no-buffer": "a frame finds no buffer, and is dropped as with drop-en (RX_NO_BUFFER)",
    "dma-flip": "a bit of the frame's last byte is wrong in the driver's buffer",
    "dma-short": "only the first half of the frame is written; the used ring says all of it",
    "dma-wrong-buffer": "the bytes go to the buffer that is posted next",
    "csum-lie": "as dma-flip, and the header says that the checksum is right (DATA_VALID)",
    "hash-wrong": "the header has another hash",
    "num-buffers": "the header says 64 buffers",
    "used-id": "the used ring names descriptor 60000",
    "used-len": "the used ring says another length, len (default 6)",
    "used-twice": "the used ring names a buffer twice",
    "used-reorder": "two completions change places",
    "alloc-fail": "vnic's own driver has no memory for a refill",
    "hang-up": "a vhost-user card ends the connection",
}
"""Name -> what happens."""
_NUMBER = {n.removeprefix("FAULT_").lower().replace("_", "-"): i for i, n in enumerate(enum_names("fault", "FAULTS"))}
_LASTS = ("stall", "tx-stall", "link-down")
_OF_THE_CARD = ("tx-stall", "link-down")
"""Kinds that are of no receive queue."""
_NEVER = (1 << 64) - 1
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|)\Z", re.ASCII)
_UNITS = {"ns": 1, "us": 1000, "ms": 1_000_000, "s": 1_000_000_000, "": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A rule. Without nth, every or p, each chance is a hit.

    Attributes:
        kind: one of FAULTS.
        nth: the n-th chance, counted from 1.
        every: each chance whose number is a multiple.
        p: probability of each chance, by the card's seed.
        from_ns, until_ns: only in this time of the run.
        times: at most so many hits.
        queue: only this receive queue.
        ns: irq-late: how late.
        len: used-len: the length.
    """

    kind: str
    nth: int | None = None
    every: int | None = None
    p: float | None = None
    from_ns: int = 0
    until_ns: int | None = None
    times: int | None = None
    queue: int | None = None
    ns: int = 100_000
    len: int = 6

    def check(self) -> None:
        """Raise ConfigError for a rule that cannot be."""
        if not isinstance(self.kind, str) or self.kind not in FAULTS:
            raise ConfigError(f"fault={self.kind}: the faults are {', '.join(FAULTS)}")
        for name in ("nth", "every", "times"):
            if (value := getattr(self, name)) is not None:
                whole(f"fault {self.kind}: {name}", value, 1, 1 << 62)
        if self.p is not None and not (isinstance(self.p, int | float) and 0 < self.p <= 1):
            raise ConfigError(f"fault {self.kind}: p={self.p}: a probability is above 0, and at most 1")
        begin = whole(f"fault {self.kind}: from", self.from_ns, 0, TIME_MAX_NS)
        if self.until_ns is not None and whole(f"fault {self.kind}: until", self.until_ns, 0, TIME_MAX_NS) <= begin:
            raise ConfigError(f"fault {self.kind}: it ends at {self.until_ns} ns, before it begins, at {begin} ns")
        if self.queue is not None:
            whole(f"fault {self.kind}: queue", self.queue, 0, lib.NIC_QUEUES_MAX - 1)
        whole(f"fault {self.kind}: ns", self.ns, 1, 1 << 40)
        whole(f"fault {self.kind}: len", self.len, 0, (1 << 32) - 1)
        if self.kind in _LASTS and (self.nth or self.every or self.p or self.times):
            raise ConfigError(
                f"fault {self.kind}: it lasts from `from` to `until`; nth, every, p and times are for instants"
            )
        if self.kind in _OF_THE_CARD and self.queue is not None:
            raise ConfigError(f"fault {self.kind}: queue={self.queue}: it is the card's, not a receive queue's")

    def __str__(self) -> str:
        given = [f for f in fields(self)[1:] if getattr(self, f.name) != f.default]
        words = (f"{f.name.removesuffix('_ns')}={_text(f.name, getattr(self, f.name))}" for f in given)
        return ":".join(filter(None, (self.kind, ",".join(words))))


def _text(name: str, value: Any) -> str:
    if not name.endswith("ns"):
        return str(value)
    unit = next(u for u in ("s", "ms", "us", "ns") if value % _UNITS[u] == 0)
    return f"{value // _UNITS[unit]}{unit}"


def _ns(text: str) -> int:
    """Read a time: ``1.5``, ``20us``. Seconds, if it has no unit."""
    found = _TIME.match(text)
    if found is None:
        raise ValueError(text)
    ns = float(found[1]) * _UNITS[found[2]]
    if not math.isfinite(ns) or ns > TIME_MAX_NS:
        raise ValueError(text)
    return round(ns)


def parse(text: str) -> FaultRule:
    """Read a rule as --fault has it: ``irq-lost:nth=5,queue=0``, ``stall:from=1s,until=1.5s``, ``dma-flip:p=0.001``."""
    if not isinstance(text, str):
        raise ConfigError(f"fault={text!r}: must be text, as irq-lost:nth=5")
    kind, _, rest = text.partition(":")
    given: dict[str, Any] = {}
    readers: dict[str, Any] = {"p": float, "from": _ns, "until": _ns, "ns": _ns}
    names = {"from": "from_ns", "until": "until_ns"}
    for word in filter(None, rest.split(",")):
        name, equals, value = word.partition("=")
        if not equals or name not in {"nth", "every", "p", "from", "until", "times", "queue", "ns", "len"}:
            raise ConfigError(
                f"fault={text}: {word}: after the colon: nth, every, p, from, until, times, queue, ns, len"
            )
        try:
            given[names.get(name, name)] = readers.get(name, int)(value)
        except (ValueError, OverflowError):
            raise ConfigError(f"fault={text}: {word}: {value!r} is no number or time") from None
    rule = FaultRule(kind.strip().lower().replace("_", "-"), **given)
    rule.check()
    return rule


class Fault:
    """A rule that a card has, and what it did: ``chances`` and ``hits``."""

    def __init__(self, machine: Machine, index: int, rule: FaultRule) -> None:
        self._machine, self._index = machine, index
        self.rule = rule

    @property
    def _c(self) -> Any:
        return self._machine.c.nic.faults.rule[self._index]

    @property
    def chances(self) -> int:
        """How often it could have happened."""
        return int(self._c.chances)

    @property
    def hits(self) -> int:
        """How often it did."""
        return int(self._c.hits)

    def as_dict(self) -> dict[str, Any]:
        """Return the row of a report."""
        return {"rule": str(self.rule), "kind": self.rule.kind, "chances": self.chances, "hits": self.hits}

    def __repr__(self) -> str:
        return f"<vnic.Fault {self.rule}: {self.hits:,} of {self.chances:,}>"


def add(machine: Machine, rule: FaultRule, seed: int) -> Fault:
    """Give the card a rule, between two polls. ConfigError: it has too many, or the rule is wrong."""
    rule.check()
    return machine.while_stopped(lambda: _add(machine, rule, seed))


def _add(machine: Machine, rule: FaultRule, seed: int) -> Fault:
    nic = machine.c.nic
    if nic.faults == ffi.NULL:
        nic.faults = lib.nic_faults_new()
        if nic.faults == ffi.NULL:
            raise MemoryError("no memory for faults")
        nic.faults.wake_fd = machine.hang_fd
    n = int(nic.faults.n)
    if n == lib.NIC_FAULTS_MAX:
        raise ConfigError(f"a card has at most {lib.NIC_FAULTS_MAX} faults")
    c = nic.faults.rule[n]
    c.kind = _NUMBER[rule.kind]
    c.queue = lib.FAULT_ANY_QUEUE if rule.queue is None else rule.queue
    c.ppm = 1_000_000 if rule.p is None else max(1, round(rule.p * 1e6))
    c.nth, c.every = rule.nth or 0, rule.every or 0
    c.from_ns, c.until_ns = rule.from_ns, _NEVER if rule.until_ns is None else rule.until_ns
    if machine.live:  # the run's clock is the machine's
        began = machine.began_ns or int(lib.clock_ns())
        c.from_ns += began
        c.until_ns = _NEVER if rule.until_ns is None else rule.until_ns + began
    c.left = _NEVER if rule.times is None else rule.times
    c.arg = rule.ns if rule.kind == "irq-late" else rule.len
    c.random = (seed * 0x9E3779B97F4A7C15 + n + 1) & _NEVER
    nic.faults.n = n + 1
    fault = Fault(machine, n, rule)
    machine.faults.append(fault)
    return fault


def rules(given: Iterable[str | FaultRule] | str | FaultRule) -> list[FaultRule]:
    """Read rules as they are given to a host: texts or FaultRule, one or several."""
    several = (given,) if isinstance(given, str | FaultRule) else given
    return [one if isinstance(one, FaultRule) else parse(one) for one in several]
