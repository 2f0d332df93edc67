"""Where Linux has a knob: a command with its option, a sysctl, a file of /sys or /proc, or a constant."""

from __future__ import annotations

import functools
import re

from vnic.knobs.table import KNOBS
from vnic.linux import irq_affinity, sysctl_rows, sysfs


@functools.cache
def _files() -> dict[str, str]:
    """Knob -> the sysctl, or the file of /sys or /proc, that writes it. DEV, N: interface, queue or interrupt."""
    device = sysfs.DEVICE | sysfs.queue_files(0)
    files = sysctl_rows.SYSCTLS | {f"/sys/class/net/DEV/{path}": file for path, file in device.items()}
    found: dict[str, str] = {}
    for path, file in (files | irq_affinity.queue_files(0)).items():
        if file.write and (knob := re.match(r"knob ([\w-]+)", file.source)):
            found.setdefault(knob[1], path.replace("rx-0", "rx-N").replace(f"/{irq_affinity.IRQ_BASE}/", "/N/"))
    return found


def place(name: str) -> str:
    """Return Linux's place of a knob; empty: Linux has none."""
    return KNOBS[name].linux or _files().get(name, "")
