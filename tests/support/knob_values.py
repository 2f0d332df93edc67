"""Another value of a knob than its default, taken from its row: as a user gives it, and as it is read back."""

import math

import vnic
from vnic.knobs.table import KNOBS

with vnic.Host(cpus=4, rx_pool=1024, sockets=64) as _fresh:
    FRESH = dict(_fresh.knobs)
    """Knob -> its value on a host that was just made."""


def _proposals(now, *, mask):
    """Values that differ from this one. A much smaller number comes first, so that limits bite; instead of 0, 64."""
    if isinstance(now, bool):
        return [not now]
    if isinstance(now, int):
        return [math.isqrt(now)] * (now > 3) + [64] * (not now and not mask) + [now * 2, now + 1]
    return [now * 2] if isinstance(now, float) else []


def other_value(name):
    """A valid value other than the default, as a user gives it: the row's example, or one that its parser takes."""
    knob = KNOBS[name]
    if knob.example is not None:
        return knob.example
    for value in _proposals(FRESH[name], mask=knob.as_given):
        try:
            if knob.parse(value) != FRESH[name]:
                return value
        except ValueError:
            continue
    raise ValueError(f"knob {name}: its row needs example=, a value that is not the default")
