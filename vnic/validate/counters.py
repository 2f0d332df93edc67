"""Hold vnic beside another machine: the texts of its counters before and after some traffic, and a capture of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vnic.calibrate.state import SOFTNET
from vnic.errors import ConfigError, quoted, said
from vnic.imports.clone import card_of, clone
from vnic.imports.clone_card import LOSSES
from vnic.imports.clone_cpus import queue_irqs
from vnic.imports.imported import import_config
from vnic.imports.machine import Machine
from vnic.imports.tree import Texts
from vnic.runs.replay import replay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vnic.imports.tree import Progress

SCHEMA = "vnic.validate-counters/1"
_UDP = {"UdpInDatagrams": "InDatagrams", "UdpRcvbufErrors": "RcvbufErrors"}


@dataclass(frozen=True, slots=True)
class Counter:
    """How one counter moved. ``what``: where it is read on that machine, and what vnic counts for it."""

    name: str
    seen: int
    predicted: int
    what: str

    @property
    def error(self) -> float | None:
        """Predicted / seen - 1; None: it did not move there."""
        return self.predicted / self.seen - 1 if self.seen else None


@dataclass(frozen=True, slots=True)
class Compared:
    """The counters, and what the clone has otherwise than the machine."""

    dev: str
    counters: tuple[Counter, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        rows = [asdict(c) | {"error": c.error} for c in self.counters]
        return {"schema": SCHEMA, "dev": self.dev, "counters": rows, "notes": list(self.notes)}


def compare(
    before: str | Path,
    after: str | Path,
    capture: str | Path,
    *,
    dev: str | None = None,
    progress: Progress | None = None,
    reading: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Compared:
    """Replay a capture on a clone of the machine, and compare its counters with those that moved there.

    Args:
        before: texts of the machine before the traffic, as for ``vnic import``.
        after: the same afterwards; counters are enough.
        capture: the traffic that the interface received meanwhile, nothing else and nothing less.
        dev: the interface, if the texts are about several.
        progress: called while texts are read.
        reading: called while the capture is replayed: bytes read, bytes in all.
        options: of Host, on top of the clone: ``cost`` above all.

    Raises:
        ConfigError: the texts have no counters in common, or they went backwards.
        CaptureError: the capture is none.
    """
    cloned = import_config(before, dev=dev, progress=progress)
    there = [_machine(path, progress) for path in (before, after)]
    it = clone(there[0], dev)
    irqs = queue_irqs(it)
    seen = _moved(*(_counted(machine, it.dev, irqs) for machine in there))
    if not seen:
        raise ConfigError(f"{quoted(said(after))}: none of its counters is in {quoted(said(before))} too")
    if backwards := [key for key, n in seen.items() if n < 0]:
        raise ConfigError(f"{', '.join(backwards)}: less after than before: is {quoted(said(after))} the older one?")
    predicted = _predicted(replay([capture], progress=reading, **(cloned.config | options)).facts)
    counters = tuple(Counter(key, n, predicted[key], _WHAT[key]) for key, n in seen.items())
    return Compared(cloned.dev, counters, tuple(map(str, cloned.notes)))


def _machine(path: str | Path, progress: Progress | None) -> Machine:
    machine = Machine()
    Texts(machine, progress).read(path)
    return machine


_WHAT = {
    "interrupts": "/proc/interrupts, those of the card's receive queues: vnic's interrupts",
    "card": "ethtool -S, everything that is lost or missed: FIFO_OVERRUN, RX_NO_BUFFER, RX_OVER",
    "processed": "softnet_stat, all CPUs",
    "dropped": "softnet_stat, all CPUs: CPU_BACKLOG",
    "time_squeeze": "softnet_stat, all CPUs",
    "received_rps": "softnet_stat, all CPUs",
    "UdpInDatagrams": "/proc/net/snmp: datagrams read",
    "UdpRcvbufErrors": "/proc/net/snmp: SOCKET_RCVBUFF",
}


def _counted(machine: Machine, dev: str, irqs: list[int]) -> dict[str, int]:
    """Return the counters that the texts have. ``irqs``: the interrupts of the card's receive queues."""
    out: dict[str, int] = {}
    card = card_of(machine, dev)
    if irqs and all(irq in machine.interrupts for irq in irqs):
        out["interrupts"] = sum(sum(machine.interrupts[irq].counts.values()) for irq in irqs)
    if card.statistics:
        out["card"] = _losses(card.statistics)
    if machine.softnet:
        out |= {key: sum(row[i] for row in machine.softnet if len(row) > i) for key, i in SOFTNET.items()}
    return out | {key: machine.snmp["Udp"][name] for key, name in _UDP.items() if name in machine.snmp.get("Udp", {})}


def _losses(statistics: dict[str, int]) -> int:
    """Add up what was lost on its way in. A name with a digit is a queue's: taken only if no name counts for all."""
    lost = {name: n for name, n in statistics.items() if LOSSES.search(name) and "tx" not in name.lower()}
    whole = {name: n for name, n in lost.items() if not any(map(str.isdigit, name))}
    return sum((whole or lost).values())


def _moved(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {key: after[key] - before[key] for key in _WHAT if key in before and key in after}


def _predicted(facts: dict[str, Any]) -> dict[str, int]:
    fates, cpus = facts["ledger"]["fates"], facts["cpus"]
    lost = sum(fates.get(fate, 0) for fate in ("FIFO_OVERRUN", "RX_NO_BUFFER", "RX_OVER"))
    own = {
        "interrupts": facts["irq"]["interrupts"],
        "card": lost,
        "UdpInDatagrams": facts["mib"].get("Udp_InDatagrams", 0),
        "UdpRcvbufErrors": facts["mib"].get("Udp_RcvbufErrors", 0),
    }
    return own | {key: sum(cpu[key] for cpu in cpus) for key in SOFTNET}
