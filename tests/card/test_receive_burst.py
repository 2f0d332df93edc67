"""A burst that arrives: one pass over the usual frames, and the way of a single frame, come to the same."""

import strategies
from hypothesis import given
from hypothesis import strategies as st
from watched_run import watched_run

ONE_BY_ONE = {"faults": ["irq-lost:nth=1000000000"]}
"""While the card has a rule for a fault, each frame goes the long way."""
PULLED = {"link": "inf", "speed": "max"}
"""A wire without a pace: frames come in bursts."""


@given(strategies.configs(), strategies.traffic(), st.integers(1, 64), st.booleans(), st.booleans())
def test_one_pass_changes_no_fate_no_counter_and_no_instant(config, traffic, step, ours, ip):
    config |= PULLED | {"mac": "02:00:00:00:00:01" if ours else "any", "ip": "any" if ip else "10.0.0.2/24"}
    fast = watched_run(config, traffic, step, latency=False)
    assert fast == watched_run(config | ONE_BY_ONE, traffic, step, latency=False)
