"""A poll takes the usual frames in one loop: it comes to the same as frame by frame."""

import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from watched_run import watched_run

ONE_BY_ONE = {"faults": ["irq-lost:nth=1000000000"]}
"""While the card has a rule for a fault, the driver takes frame by frame."""
UNMERGED = {"rx_gro_list": False, "rx_udp_gro_forwarding": False, "gro_flows": 0}
"""GRO does not look at UDP."""


@pytest.mark.parametrize("latency", [False, True])
@given(strategies.configs(), strategies.traffic(), st.integers(1, 64), st.booleans(), st.booleans())
def test_a_burst_changes_no_fate_no_counter_and_no_instant(latency, config, traffic, step, ours, busy):
    config |= UNMERGED | {"mac": "02:00:00:00:00:01" if ours else "any", "cost": "linux" if busy else "zero"}
    fast = watched_run(config, traffic, step, latency=latency)
    assert fast == watched_run(config | ONE_BY_ONE, traffic, step, latency=latency)


@given(strategies.configs(), strategies.traffic(), st.integers(1, 64))
def test_nor_does_the_latency_split(config, traffic, step):
    fast = watched_run(config, traffic, step, latency=False)
    assert fast[:-1] == watched_run(config, traffic, step)[:-1]
