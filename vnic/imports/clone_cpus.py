"""Clone CPUs, the affinity of interrupts, RPS and RFS. See vnic/imports/clone.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vnic._core import lib
from vnic.errors import said
from vnic.knobs.parse import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.imports.clone import Clone
    from vnic.imports.machine import Card, Interrupt

_CPUS_MAX = int(lib.CPUS_MAX)
_ALONE = -1
"""Number of an interrupt named as the interface itself: its only one, or one for changes of the link."""
_WORD = r"(?:tx-?rx|rxtx|rx|fp|input|q|queue|ch)"


def cpus(clone: Clone) -> None:
    """Take the highest CPU of /proc/interrupts or softnet_stat; without them, of rps_cpus."""
    there = clone.machine.cpus
    if not there and any(clone.card.rps_cpus.values()):
        there = max(mask.bit_length() for mask in clone.card.rps_cpus.values())
        clone.note("cpus", f"no text counts them: {there}, as rps_cpus needs")
    clone.cpus = min(there, _CPUS_MAX)
    if there > _CPUS_MAX:
        clone.note("cpus", f"{there} there, {_CPUS_MAX} here: the most that vnic has. CPU n is CPU n mod {_CPUS_MAX}")


def folded(clone: Clone, mask: int) -> int:
    """Return a mask of CPUs that exist here."""
    n = clone.cpus or _CPUS_MAX
    found = 0
    while mask:
        found |= mask & ((1 << n) - 1)
        mask >>= n
    return found


# ---- interrupts ----


def _queue_number(card: Card, own_name: str, name: str) -> int | None:
    """Return the receive queue's number in an interrupt's name; None: it is no receive queue of this card.

    Names of drivers: eth0-TxRx-0, i40e-eth0-TxRx-0, eth0-rx-0, eth0-rxtx-0, eth0-Tx-Rx-0, eth0-fp-0, eth0-0, eth0:rx-0,
    eth0-q0-rx, eth0 (queue 0), mlx5_comp0@pci:0000:03:00.0, mlx4-0@0000:03:00.0, virtio0-input.0, and eth0 alone.
    """
    dev = re.escape(own_name)
    bus = re.escape(card.driver.get("bus-info", "") or "?")
    for pattern in (
        rf"(?:\S+-)?{dev}[-:]{_WORD}[-_.]?([0-9]{{1,6}})",
        rf"(?:\S+-)?{dev}-([0-9]{{1,6}})",
        rf"{dev}-q([0-9]{{1,6}})-rx",
        rf"{dev} \(queue ([0-9]{{1,6}})\)",
        rf"(?:mlx5_comp|mlx4-)([0-9]{{1,6}})@(?:pci:)?{bus}",
        rf"\S+-TxRx-([0-9]{{1,6}})@(?:pci:)?{bus}",
        r"virtio[0-9]+-input\.([0-9]{1,6})",
    ):
        if found := re.fullmatch(pattern, name, re.ASCII | re.IGNORECASE):
            return int(found[1])
    return _ALONE if name == own_name else None


def _handlers(name: str) -> Iterable[str]:
    """Return the names that may be a handler's: the line ends with them, and blanks and commas are between."""
    words = name.split()
    if len(words) > 2:
        yield " ".join(words[-3:])
    yield from (word.strip(",") for word in words)


def _queue_of(card: Card, dev: str, interrupt: Interrupt) -> tuple[int, str] | None:
    """Return the receive queue that raises an interrupt, and the handler's name; None: another device's interrupt."""
    if dev:
        for name in _handlers(interrupt.name):
            queue = _queue_number(card, dev, name)
            if queue is not None:
                return queue, name
    return None


def is_of(card: Card, dev: str, irq: int, interrupt: Interrupt) -> bool:
    """May this be an interrupt of the card's receive queues?"""
    return irq in card.irqs or _queue_of(card, dev, interrupt) is not None


def queue_irqs(clone: Clone) -> list[int]:
    """Return the interrupts of the card's receive queues, in the order of queues."""
    there, bus = clone.machine.interrupts, clone.card.driver.get("bus-info", "")
    own = [irq for irq in clone.card.irqs if irq in there]
    own = own or [irq for irq, line in there.items() if bus.count(":") > 1 and bus in line.name]  # in the chip's name
    found: dict[int, int] = {}
    virtio: set[str] = set()
    for irq in own or there:
        of = _queue_of(clone.card, clone.dev, there[irq])
        if of is not None:
            found.setdefault(of[0], irq)
            virtio.update(re.findall(r"^virtio[0-9]+", of[1]))
    if len(virtio) > 1:
        clone.note("smp-affinity", f"which of {', '.join(sorted(virtio)[:4])} is the card's device is not known")
        return []
    if len(found) > 1:
        found.pop(_ALONE, None)
    return [found[queue] for queue in sorted(found)]


def _busiest(counts: dict[int, int]) -> int | None:
    return max(counts, key=lambda cpu: counts[cpu]) if counts else None


def interrupts(clone: Clone) -> None:
    """/proc/interrupts and /proc/irq: the CPU that takes a queue's interrupt. Here it is the lowest of the mask."""
    machine = clone.machine
    irqs = queue_irqs(clone)
    if machine.interrupts and not irqs:
        clone.note(
            "smp-affinity", f"no line of /proc/interrupts names a receive queue of {said(clone.dev) or 'a card'}"
        )
    elif irqs and len(irqs) != clone.queues:
        clone.note(
            "smp-affinity", f"/proc/interrupts has {len(irqs)} of the card's queues; there are {clone.queues} here"
        )
    for queue, irq in enumerate(irqs[: clone.queues]):
        mask, effective = machine.affinity.get(irq, 0), machine.effective.get(irq, 0)
        if not mask and not effective:
            cpu = _busiest(machine.interrupts[irq].counts)
            if cpu is None:
                continue
            clone.note("smp-affinity", f"of queue {queue}: no affinity is known; CPU {cpu} took most of its interrupts")
            mask = 1 << cpu
        elif effective and effective & -effective != mask & -mask:
            taken = (effective & -effective).bit_length() - 1
            if mask:
                clone.note(
                    "smp-affinity",
                    f"of queue {queue}: {mask_text(mask)} there; CPU {taken} takes it (effective_affinity)",
                )
            mask = 1 << taken
        mask = folded(clone, mask)
        if clone.is_vnic or mask != 1 << queue % max(clone.cpus, 1):
            clone.in_queue(queue, "smp-affinity", mask_text(mask))


# ---- RPS, RFS ----


def _each(clone: Clone, name: str, given: dict[int, str | int]) -> None:
    """Set a knob of each queue: for the card if all queues have the same."""
    here = {queue: value for queue, value in given.items() if queue < clone.queues}
    if len(here) < len(given):
        clone.note(name, f"of {len(given)} queues there; {clone.queues} here")
    if len(here) == clone.queues and len(set(here.values())) == 1:
        clone.put(name, here[0])
        return
    for queue, value in here.items():
        clone.in_queue(queue, name, value)


def steering(clone: Clone) -> None:
    """queues/rx-*/rps_cpus and rps_flow_cnt."""
    masks = {queue: folded(clone, mask) for queue, mask in clone.card.rps_cpus.items()}
    _each(clone, "rps-cpus", {queue: mask_text(mask) for queue, mask in masks.items()})
    counts: dict[int, str | int] = {}
    for queue, n in clone.card.rps_flow_cnt.items():
        counts[queue] = min(n, clone.nearest("rps-flow-cnt", n))
        if counts[queue] != n:
            clone.note("rps-flow-cnt", f"{n} for queue {queue} there, {counts[queue]} here: the most that vnic takes")
    _each(clone, "rps-flow-cnt", counts)
