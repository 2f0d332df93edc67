"""Fixtures: a host in virtual time; root tests are skipped with the reason, or fail under VNIC_REQUIRE_ROOT_TESTS."""

import ctypes
import os
from pathlib import Path

import needs
import pytest
from hypothesis import HealthCheck, settings
from live_host import live_hosts

import vnic

pytest.register_assert_rewrite("timeline")

settings.register_profile(
    "ci",
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
settings.register_profile("fast", settings.get_profile("ci"), max_examples=6)
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

os.environ.pop("COLUMNS", None)  # pytest-xdist sets it; what a test prints goes to a pipe, which has no width

CLONE_NEWNET = 0x40000000


@pytest.fixture
def host():
    """A factory: host(queues=2, ...) with free work and no pace, closed (and both laws checked) at the end."""
    made = []

    def make(**knobs):
        h = vnic.Host(**({"cost": "zero", "link": "inf"} | knobs))
        made.append(h)
        return h

    yield make
    for h in made:
        if not h.closed:
            ledger = h.ledger()
            assert ledger.closed, ledger
            h.close()


@pytest.fixture
def live():
    """A factory: live(bursts, queues=2, ...) on a wire that hands out these bursts; closed at the end."""
    with live_hosts() as make:
        yield make


@pytest.fixture
def netns():
    """A network namespace of the test's own; threads that the test starts are in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    if libc.unshare(CLONE_NEWNET):
        pytest.fail(os.strerror(ctypes.get_errno()))
    # Before any interface exists: switched off on an interface that is up, its first MLD report may be out already.
    if (default := Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")).exists():
        default.write_text("1")
    yield
    assert libc.setns(home, CLONE_NEWNET) == 0
    os.close(home)


@pytest.fixture
def other_netns(netns):
    """A second one, in which nobody is: its path, for whoever takes a namespace's name."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    assert libc.unshare(CLONE_NEWNET) == 0
    there = os.open("/proc/self/ns/net", os.O_RDONLY)
    assert libc.setns(home, CLONE_NEWNET) == 0
    yield f"/proc/{os.getpid()}/fd/{there}"
    os.close(there)
    os.close(home)


def pytest_runtest_setup(item):
    for marker in item.iter_markers("needs"):
        needs.require(*marker.args)
    if item.get_closest_marker("root") and (why := needs.why_no_root()):
        if os.environ.get("VNIC_REQUIRE_ROOT_TESTS"):
            pytest.fail(f"root tests are required here, but: {why}")
        pytest.skip(why)
