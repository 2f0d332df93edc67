"""CPUs as people write them: Linux's hexadecimal mask, or its list.

A plain hexadecimal number is a mask: ``8`` is CPU 3, ``10`` is CPU 4, as in rps_cpus. Groups with commas are a mask if
each one after the first has 8 digits, as the kernel prints them: ``00000000,ffffffff``. All else with ``-`` or ``,`` is
a list, as in smp_affinity_list: ``0-3,8``, ``0,2``, ``0-7:1/2`` (one of every two). One CPU: ``8,`` or ``8-8``.
"""

from __future__ import annotations

import errno
import re

from vnic.linux.pseudofile import WriteError, cpulist, parse_cpulist

_MASK = re.compile(r"(?:0x)?[0-9a-f]{1,256}(?:,[0-9a-f]{8})*", re.ASCII | re.IGNORECASE)
_TEXT_MAX = 4096
MASK_WANTED = "must be a hexadecimal mask as in f or 00000000,0000000f, or a list of CPUs as in 0-3,8"


def cpu_mask(text: str, most: int) -> int:
    """Return the mask of a text. ValueError: neither a mask nor a list, or a CPU from ``most`` on."""
    text = text.strip()
    if len(text) > _TEXT_MAX:
        raise ValueError(MASK_WANTED)
    if _MASK.fullmatch(text):
        return int(text.replace(",", ""), 16)
    if not text.isascii() or not set(text) & set("-,") or not any(map(str.isdigit, text)):
        raise ValueError(MASK_WANTED)
    try:
        return parse_cpulist(text, most)
    except WriteError as e:
        if e.errno in (errno.ERANGE, errno.EOVERFLOW):
            raise ValueError(f"the last CPU that a host can have is {most - 1}") from None
        raise ValueError(MASK_WANTED) from None


def absent(mask: int, cpus: int) -> str:
    """Return the CPUs of a mask that a host with so many does not have, as a list; empty: it has them all."""
    return cpulist(mask >> cpus << cpus)
