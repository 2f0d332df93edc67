"""Packet taps above GRO."""

import pytest
from gro_tap import Tap


@pytest.fixture
def tap(host):
    """A factory: tap(hz=1000, ...) on a host whose card verifies nothing (rx=off), as a TAP does not."""
    return lambda **knobs: Tap(host(**({"rx": False, "rxhash": False, "fifo": 1 << 20} | knobs)))
