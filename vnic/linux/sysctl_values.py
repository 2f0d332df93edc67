"""The values of sysctls that are knobs: parsed as Linux parses a write, and refused as it refuses."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnic.linux import pseudofile
from vnic.linux.pseudofile import WriteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.host import Host

    Bound = int | Callable[[Host], int]

INT = (-(1 << 31), (1 << 31) - 1)
ULONG = (0, (1 << 64) - 1)


def parse_int(text: str, low: int, high: int) -> int:
    """Parse the first number of a write as proc_dointvec_minmax() does. WriteError: EINVAL."""
    found = re.match(r"\s*(-?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)(?=[ \t\n]|$)", text)
    if found is None:
        raise WriteError(errno.EINVAL)
    try:
        n = pseudofile.number(found[2], 64)
    except WriteError:
        raise WriteError(errno.EINVAL) from None
    n = -n if found[1] else n
    if not low <= n <= high:
        raise WriteError(errno.EINVAL)
    return n


@dataclass(frozen=True, slots=True)
class Sysctl:
    """One name: functions that read its text and write it (None: read-only)."""

    read: Callable[[Host], str]
    write: Callable[[Host, str], None] | None
    source: str


def knob(
    name: str,
    low: Bound = 0,
    high: Bound = INT[1],
    shown: Callable[[int], int] = int,
    stored: Callable[[Host, int], int] = lambda _h, n: n,
) -> Sysctl:
    """Make a whole number that is a knob. ``low``, ``high``: Linux's own range; a value outside gets no reason."""

    def write(host: Host, text: str) -> None:
        n = parse_int(text, low(host) if callable(low) else low, high(host) if callable(high) else high)
        pseudofile.change(host.knobs, {name: stored(host, n)})

    return Sysctl(lambda host: str(shown(host.knobs[name])), write, f"knob {name}")


def whole_jiffies(host: Host, ms: int) -> int:
    """Round up to jiffies as Linux does: 7 ms become 8 at 250 Hz."""
    hz = int(host.machine.c.hz)
    return -(-ms * hz // 1000) * 1000 // hz
