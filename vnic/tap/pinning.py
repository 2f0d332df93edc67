"""Which real CPU each thread of a live host runs on (``--pin``)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from vnic.errors import ConfigError
from vnic.knobs.parse import whole

_CPU_MAX = 65535


def parse_pin(text: str) -> list[int]:
    """``2,3,4`` or ``auto``: all CPUs we may use. ConfigError: not a list of those."""
    allowed = sorted(os.sched_getaffinity(0))
    if text.strip() == "auto":
        return allowed
    try:
        pin = [int(part) for part in text.split(",")]
    except ValueError as e:
        raise ConfigError(f"pin {text}: must be auto, or CPU numbers with commas between them") from e
    check_pin(pin)
    return pin


def check_pin(pin: Sequence[int]) -> None:
    """ConfigError: a CPU that is not there, or that we may not use."""
    allowed = os.sched_getaffinity(0)
    if isinstance(pin, (str, bytes)) or not isinstance(pin, Sequence):
        raise ConfigError(f"pin={pin!r}: must be numbers of CPUs")
    if not pin:
        raise ConfigError("pin: no CPU named")
    for number in pin:
        cpu = whole("pin", number, 0, _CPU_MAX)
        if cpu not in allowed:
            raise ConfigError(f"pin: CPU {cpu} is not there or not for us; we may use {sorted(allowed)}")


def places(pin: Sequence[int], cpus: int) -> list[int]:
    """The card's thread gets the first CPU for itself, the emulated CPUs get the others in turn."""
    others = pin[1:] or pin
    return [pin[0], *(others[i % len(others)] for i in range(cpus))]
