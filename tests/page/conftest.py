"""One report of an overloaded card, with everything that a page shows."""

import copy

import overload_capture
import pytest

from vnic.runs.replay import replay
from vnic.why.load import consult


@pytest.fixture(scope="session")
def overload_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("overload") / "overload.pcap"
    path.write_bytes(overload_capture.capture())
    return path


@pytest.fixture(scope="session")
def _overload(overload_path):
    """Losses at four stages: with a socket's checksum, two queues, RPS and a small backlog."""
    options = {
        "queues": 2,
        "rps_cpus": "c",
        "netdev_max_backlog": 100,
        "gro_flows": 64,
        "rx_ring": 512,
        "rcvbuf": 65536,
    }
    facts = replay([overload_path], timeline=True, **options).facts

    def run(settings, times):
        return replay([overload_path], times=times, **(facts["config"] | settings)).facts

    facts["why"] = consult(facts, run, runs=4).as_dict() | {"unverified": None}
    return facts


@pytest.fixture
def facts(_overload):
    """The test's own copy."""
    return copy.deepcopy(_overload)
