"""CPUs as people write them: Linux's hexadecimal mask, or its list.

A plain hexadecimal number is a mask: ``8`` is CPU 3, ``10`` is CPU 4, as in rps_cpus. Groups with commas are a mask if each
one after the first has 8 digits, as the kernel prints them: ``00000000,ffffffff``. Everything else with ``-`` or ``,`` is
a list, as in smp_affinity_list: ``0-3,8``, ``0,2``, ``0-7:1/2`` (one of every two). One CPU as a list is ``8,`` or ``8-8``.
"""

from __future__ import annotations

import re

_MASK = re.compile(r"(?:0x)?[0-9a-f]{1,256}(?:,[0-9a-f]{8})*", re.ASCII | re.IGNORECASE)
_RANGE = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6})(?::([0-9]{1,6})/([0-9]{1,6}))?)?", re.ASCII)
_TEXT_MAX = 4096
MASK_WANTED = "must be a hexadecimal mask as in f or 00000000,0000000f, or a list of CPUs as in 0-3,8"


def cpu_mask(text: str, most: int) -> int:
    """Return the mask of a text. ValueError: neither a mask nor a list, or a CPU beyond ``most``."""
    text = text.strip()
    if len(text) > _TEXT_MAX:
        raise ValueError(MASK_WANTED)
    if _MASK.fullmatch(text):
        return int(text.replace(",", ""), 16)
    if not set(text) & set("-,"):
        raise ValueError(MASK_WANTED)
    mask = 0
    for part in text.removesuffix(",").split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None:
            raise ValueError(MASK_WANTED)
        first, last = int(found[1]), int(found[2] or found[1])
        used, group = int(found[3] or 1), int(found[4] or 1)
        if last < first or not 1 <= used <= group:
            raise ValueError(f"{part.strip()} names no CPU: a range goes up, as in 0-3")
        if last >= most:
            raise ValueError(f"names CPU {last}, and the last one that a host can have is {most - 1}")
        mask |= sum(1 << cpu for cpu in range(first, last + 1) if (cpu - first) % group < used)
    return mask


def cpu_list(mask: int) -> str:
    """Format a mask as Linux's lists: ``0-3,8``."""
    runs: list[list[int]] = []
    for cpu in range(mask.bit_length()):
        if mask >> cpu & 1:
            if runs and runs[-1][1] == cpu - 1:
                runs[-1][1] = cpu
            else:
                runs.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def absent(mask: int, cpus: int) -> str:
    """Return the CPUs of a mask that a host with so many does not have, as a list; empty: it has them all."""
    return cpu_list(mask >> cpus << cpus)
