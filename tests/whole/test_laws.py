"""Both laws and determinism, for any frames on any config."""

import strategies
from hypothesis import given
from hypothesis import strategies as st

import vnic


def every_other(burst):
    return [len(packet) % 2 == 0 for packet in burst]


def watched_run(config, traffic, step):
    """Run it out, looking at the ledger every few frames. Return: all numbers there are."""
    knobs = {name: value for name, value in config.items() if name != "python"}
    with vnic.Host(latency=True, **knobs) as host:
        if config["python"]:
            host.packet_type(0x88B5)(every_other)
            host.protocol(58)(every_other)
            host.nic.filter(every_other)
        if not config["sink"]:
            host.udp(5000)
            host.tcp(80)
        host.feed(traffic)
        while not host.run(frames=step):
            assert host.ledger().closed, host.ledger()
        host.finish()
        ledger = host.ledger()
        assert ledger.closed, ledger
        assert ledger.in_flight == 0, ledger
        assert host.laws() == 0
        assert ledger.offered == len(traffic)
        return (
            ledger,
            host.softnet(),
            host.nic.queues(),
            host.nic.stats(),
            host.gro(),
            host.mib(),
            host.latencies(),
        )


@given(strategies.configs(), strategies.traffic(), st.integers(1, 64))
def test_both_laws_hold_and_runs_repeat(config, traffic, step):
    first = watched_run(config, traffic, step)
    assert watched_run(config, traffic, step) == first


@given(strategies.configs(), strategies.traffic(), st.integers(1, 64))
def test_looking_changes_nothing(config, traffic, step):
    assert watched_run(config, traffic, step) == watched_run(config, traffic, len(traffic))
