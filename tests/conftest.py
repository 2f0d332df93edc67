"""Fixtures: a host in virtual time; root tests are skipped with the reason, or fail under VNIC_REQUIRE_ROOT_TESTS."""

import gc
import os

import needs
import pytest
from hypothesis import HealthCheck, settings
from live_host import live_hosts

from vnic.runs.watched import Hosts
from vnic.tap.netns import inside
from vnic.tap.netns import own as own_netns

pytest.register_assert_rewrite("timeline")
pytest_plugins = ["pytester"]  # for tests/plugin
collect_ignore = ["example_project"]  # not ours: tests/plugin runs it

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
os.unsetenv("COLUMNS")  # and readline, which pytest imports, where os.environ does not show it


@pytest.fixture
def host():
    """A factory: host(queues=2, ...) with free work and no pace, closed (and both laws checked) at the end."""
    with Hosts({"cost": "zero", "link": "inf"}) as make:
        yield make


@pytest.fixture
def live():
    """A factory: live(bursts, queues=2, ...) on a wire that hands out these bursts; closed at the end."""
    with live_hosts() as make:
        yield make


@pytest.fixture
def netns():
    """A network namespace of the test's own; threads that the test starts are in it."""
    with own_netns() as path:
        yield path


@pytest.fixture
def other_netns(netns):
    """A second one, which the test is not in: its path, for a caller that takes a namespace's name."""
    with own_netns() as path, inside(netns):
        yield path


def pytest_collection_finish():
    """What is here now stays: the garbage collector need not look at it again, which takes a second each time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item):
    for marker in item.iter_markers("needs"):
        needs.require(*marker.args)
    if item.get_closest_marker("root") and (why := needs.why_no_root()):
        if os.environ.get("VNIC_REQUIRE_ROOT_TESTS"):
            pytest.fail(f"root tests are required here, but: {why}")
        pytest.skip(why)


def pytest_runtest_logreport(report):
    """In CI a failure is told when it happens too: the summary may never come, where a later test hangs."""
    if report.failed and os.environ.get("CI") and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{report.nodeid} failed in {report.when}:\n{report.longreprtext[-3000:]}", flush=True)
