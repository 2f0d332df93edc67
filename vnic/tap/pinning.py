"""Choose the real CPU for each thread of a live host (``--pin``)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from vnic.errors import ConfigError
from vnic.knobs.parse import whole

_CPU_MAX = 65535


def parse_pin(text: str) -> list[int]:
    """Parse ``2,3,4``, or ``auto`` for all CPUs that this process may use. ConfigError: neither."""
    allowed = sorted(os.sched_getaffinity(0))
    if text.strip() == "auto":
        return allowed
    try:
        pin = [int(part) for part in text.split(",")]
    except ValueError as e:
        raise ConfigError(f"pin {text}: must be auto, or CPU numbers separated by commas") from e
    check_pin(pin)
    return pin


def check_pin(pin: Sequence[int]) -> None:
    """Check a list of CPUs. ConfigError: one does not exist, or this process may not use it."""
    allowed = os.sched_getaffinity(0)
    if isinstance(pin, (str, bytes)) or not isinstance(pin, Sequence):
        raise ConfigError(f"pin={pin!r}: must be CPU numbers")
    if not pin:
        raise ConfigError("pin: no CPU named")
    for number in pin:
        cpu = whole("pin", number, 0, _CPU_MAX)
        if cpu not in allowed:
            raise ConfigError(f"pin: CPU {cpu} does not exist or is not allowed; allowed are {sorted(allowed)}")


def places(pin: Sequence[int], cpus: int) -> list[int]:
    """Return each thread's CPU: the first for the card's thread, the others in turn for the emulated CPUs' threads."""
    others = pin[1:] or pin
    return [pin[0], *(others[i % len(others)] for i in range(cpus))]
