"""A burst that arrives: one pass over the usual frames, and the way of a single frame, come to the same."""

import frames
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


def test_a_group_is_filtered_in_a_burst_too(host):
    """Bug that a mutant showed to be possible: a card that takes any unicast frame took any group's too."""
    usual = frames.udp(dport=9)
    groups = [frames.udp(dport=9, dst="239.1.2.3", mac={"dst": bytes.fromhex("01005e010203")})] * 3
    told = []
    for knobs in ({}, ONE_BY_ONE):
        h = host(mac="any", allmulti=False, sink=True, **PULLED | knobs)
        h.feed([(0, frame) for frame in (usual, *groups, usual)])
        h.run()
        told.append((h.ledger().fates, h.nic.stats().multicast))
    assert told[0] == told[1]
    assert told[0][0]["MAC_FILTER"] == 3
