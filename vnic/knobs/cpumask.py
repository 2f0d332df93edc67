"""Places of knobs that are masks of CPUs: ``rps-cpus``, ``smp-affinity``, ``flow-limit-cpus``. See fields.py.

In Python a mask is an int: bit n is CPU n. The data plane has it as ``struct cpumask``.
"""

from __future__ import annotations

from typing import Any

from vnic._core import ffi, lib
from vnic.knobs.fields import Place

_WORD = 64


def cpumask(mask: int) -> Any:
    """Return a ``struct cpumask *`` of an int. Bits above the most CPUs are left out."""
    words = ((mask >> _WORD * i) & (1 << _WORD) - 1 for i in range(lib.CPU_WORDS))
    return ffi.new("struct cpumask *", {"bits": list(words)})


def mask_of(cpus: Any) -> int:
    """Return a ``struct cpumask`` as an int: bit n is CPU n."""
    return int.from_bytes(ffi.buffer(cpus.bits), "little")


FLOW_LIMIT = Place(
    lambda h, _w, mask, _q: setattr(h, "flow_limit_cpus", cpumask(mask)[0]),
    lambda h, _w, _q: mask_of(h.flow_limit_cpus),
    change=lambda h, _w, mask, _q: int(lib.flow_limit_set(h, cpumask(mask))),
)


def _put_rps(h: Any, _w: Any, mask: int, q: int | None) -> None:
    cpus = cpumask(mask)
    for i in range(lib.NIC_QUEUES_MAX) if q is None else (q,):
        if (mask or h.rps_len[i]) and lib.rps_set_cpus(h, i, cpus) < 0:
            raise MemoryError


def _get_rps(h: Any, _w: Any, q: int | None) -> int:
    i = q or 0
    return sum(1 << h.rps_map[i][n] for n in range(h.rps_len[i]))


RPS = Place(_put_rps, _get_rps, each_queue=True)


def _refuse_no_cpu(h: Any, mask: int) -> None:
    if not mask & (1 << h.ncpus) - 1:
        raise ValueError(f"names no CPU of the host, which has {h.ncpus}")


def _put_affinity(h: Any, _w: Any, mask: int, q: int | None) -> None:
    _refuse_no_cpu(h, mask)
    for i in range(lib.NIC_QUEUES_MAX) if q is None else (q,):
        h.irq_affinity[i] = cpumask(mask)[0]


def _change_affinity(h: Any, _w: Any, mask: int, q: int | None) -> int:
    _refuse_no_cpu(h, mask)
    if h.nic.external_driver:
        raise ValueError("the interrupts are eventfds of the driver's process")
    for i in range(lib.NIC_QUEUES_MAX) if q is None else (q,):
        if (rc := int(lib.irq_set_affinity(h, i, cpumask(mask)))) < 0:
            return rc
    return 0


def irq_affinity(h: Any, queue: int) -> int:
    """Return the CPUs that may take a queue's interrupt, as a mask."""
    cpus = ffi.new("struct cpumask *")
    lib.irq_affinity(h, queue, cpus)
    return mask_of(cpus[0])


AFFINITY = Place(_put_affinity, lambda h, _w, q: irq_affinity(h, q or 0), each_queue=True, change=_change_affinity)
