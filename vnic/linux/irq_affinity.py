"""The files of /proc/irq/N: which CPUs may take a queue's interrupt, and which does. Linux: kernel/irq/proc.c.

N is the number in /proc/interrupts. Moving an interrupt moves its queue's NAPI: csrc/driver/irq_affinity.c.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vnic._core import ffi, lib
from vnic.knobs import cpumask
from vnic.linux import pseudofile
from vnic.linux.pseudofile import File, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.host import Host

IRQ_BASE = 24
"""Number of the first queue's interrupt: the first one after an x86 machine's IO-APIC."""


def counts(host: Host, queue: int) -> list[int]:
    """Return a queue's interrupts by CPU."""
    driver = host.machine.c.dq[queue]
    cpus = range(host.machine.c.ncpus)
    if driver == ffi.NULL:  # a foreign driver gets its interrupts by eventfd
        raised, cpu = int(host.machine.c.nic.queue[queue].irq.raised), int(lib.irq_cpu(host.machine.c, queue))
        return [raised if c == cpu else 0 for c in cpus]
    return [int(lib.irq_count(driver, c)) for c in cpus]


def _write(queue: int, parse: Callable[[str, int], int]) -> pseudofile.Write:
    def write(host: Host, text: str) -> None:
        if host.machine.c.nic.external_driver:
            raise WriteError(errno.EIO, "this interrupt is an eventfd of the driver's own process")
        mask = parse(text, host.machine.c.ncpus)
        if not mask:
            raise WriteError(errno.EINVAL)
        pseudofile.change(host.knobs.queue(queue), {"smp-affinity": mask})

    return write


def queue_files(queue: int) -> dict[str, File]:
    """Return path -> file for the interrupt of a queue."""

    def allowed(host: Host) -> int:
        return cpumask.irq_affinity(host.machine.c, queue)

    def effective(host: Host) -> int:
        return 1 << int(lib.irq_cpu(host.machine.c, queue))

    def as_mask(which: Callable[[Host], int]) -> pseudofile.Read:
        return lambda host: pseudofile.cpumap(which(host), host.machine.c.ncpus) + "\n"

    def as_list(which: Callable[[Host], int]) -> pseudofile.Read:
        return lambda host: pseudofile.cpulist(which(host)) + "\n"

    directory = f"/proc/irq/{IRQ_BASE + queue}"
    knob, first = "knob smp-affinity of the queue", "the first of those CPUs"
    return {
        f"{directory}/effective_affinity": File(as_mask(effective), first),
        f"{directory}/effective_affinity_list": File(as_list(effective), first),
        f"{directory}/smp_affinity": File(as_mask(allowed), knob, _write(queue, pseudofile.parse_cpumap)),
        f"{directory}/smp_affinity_list": File(as_list(allowed), knob, _write(queue, pseudofile.parse_cpulist)),
    }


def tree(host: Host) -> dict[str, File]:
    """Return path -> file for the interrupts of all queues."""
    found: dict[str, File] = {}
    for queue in range(host.machine.c.nic.nqueues):
        found |= queue_files(queue)
    return found
