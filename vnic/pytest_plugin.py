"""vnic for your own tests: fixtures, a marker, and in the report of a failed test what became of its frames.

    import pytest
    from vnic.pytest_plugin import assert_fates

    @pytest.mark.vnic(queues=2, rx_usecs=50)          # knobs of the hosts that this test makes
    def test_hello(vnic_host):
        host = vnic_host()
        host.udp(5000)
        host.feed(frame)
        host.run()
        assert_fates(host, DELIVERED_UDP=1)

pytest finds this file by the entry point ``pytest11`` in each environment where vnic is installed. So it imports pytest
alone; a fixture imports the rest when a test uses it. docs/python.md has a section on it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from vnic.counters.snapshots import Ledger
    from vnic.host import Host
    from vnic.runs.replay import Result
    from vnic.runs.watched import Hosts
    from vnic.scapy_wire.supersocket import WireSocket

__all__ = ["assert_fates", "netns", "vnic_host", "vnic_run", "vnic_wire"]

_FRAMES = "vnic_frames"
_MADE = pytest.StashKey[list["Hosts"]]()
_LIVE_FIFO = 1 << 24
"""Bytes: the CPUs' threads may get no processor for a while, and a test is not about that."""


def assert_fates(of: Host | Ledger | Result, /, **fates: int) -> None:
    """Assert that the frames ended in these fates, so many in each, and in no other.

    Args:
        of: a host, its ledger, or the result of vnic.replay().
        fates: by name, as ``host.ledger().fates`` has them.

    Raises:
        AssertionError: it is not so; the text has each fate that differs.
        ConfigError: there is no such fate.
    """
    __tracebackhide__ = True
    from difflib import get_close_matches

    from vnic.counters.snapshots import FATES
    from vnic.errors import ConfigError

    for name in fates:
        if name not in FATES:
            near = get_close_matches(name, FATES, 1)
            raise ConfigError(f"there is no fate {name}" + (f": did you mean {near[0]}?" if near else ""))
    found, waiting = _ended(of)
    wanted = {name: n for name, n in fates.items() if n}
    if found == wanted:
        return
    differ = [
        f"{name}: {found.get(name, 0):,}, not {wanted.get(name, 0):,}"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name, 0) != wanted.get(name, 0)
    ]
    if waiting:
        differ.append(f"without a fate yet: {waiting:,}; did the host run, to the end?")
    raise AssertionError("\n".join(differ))


def _ended(of: Any) -> tuple[dict[str, int], int]:
    """Return fate -> frames, and how many frames have none."""
    if hasattr(of, "facts"):
        ledger = of.facts["ledger"]
        return ledger["fates"], ledger["in_flight"]
    if not hasattr(of, "fates"):
        of = of.ledger()
    return of.fates, of.in_flight


# ---- fixtures ----


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the knobs of the test's markers; the one nearest to the test wins."""
    knobs: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("vnic"))):
        if marker.args:
            raise pytest.UsageError(f"@pytest.mark.vnic takes knobs by name, as rx_usecs=50, not {marker.args[0]!r}")
        knobs |= marker.kwargs
    return knobs


def _hosts(request: pytest.FixtureRequest, knobs: dict[str, Any]) -> Iterator[Hosts]:
    """Yield a factory of hosts. At the end they are closed, and the test fails where a law is broken."""
    from vnic.runs.watched import Hosts

    text = request.config.getini(_FRAMES)
    if not str(text).isdecimal():
        raise pytest.UsageError(f"{_FRAMES} = {text}: must be a number of frames, or 0 for none")
    made = Hosts(knobs | _marked(request), frames=int(text))
    request.node.stash.setdefault(_MADE, []).append(made)
    yield made
    if troubles := made.close():
        pytest.fail("\n".join(troubles), pytrace=False)


@pytest.fixture
def vnic_host(request: pytest.FixtureRequest) -> Iterator[Callable[..., Host]]:
    """A factory: ``vnic_host(queues=2, rx_usecs=50)`` makes a vnic.Host, with the knobs of the test's markers besides.

    The hosts are closed at the end of the test, which fails if one of the two laws is broken.
    """
    yield from _hosts(request, {})


@pytest.fixture
def vnic_wire(request: pytest.FixtureRequest) -> Iterator[WireSocket]:
    """A scapy socket on the wire of a host at 10.0.0.2/24, without root: ``sr1(packet, iface=vnic_wire.iface)``.

    The host is ``vnic_wire.host``, its MAC address ``vnic_wire.mac``; the markers' knobs are its own, ``ip`` too.
    """
    for made in _hosts(request, {"ip": "10.0.0.2/24"}):
        from vnic.scapy_wire.supersocket import WireSocket

        wire = WireSocket(made())
        yield wire
        wire.close()


@pytest.fixture
def netns() -> Iterator[str]:
    """Run the test in a network namespace of its own, and yield its path. Skipped where the kernel refuses that.

    What the test starts, threads and programs, is in it too. IPv6 is off in it until an interface is given an address.
    """
    from vnic.errors import TapError
    from vnic.tap.netns import own

    space = own()
    try:
        path = space.__enter__()
    except TapError as e:
        _skip(str(e))
    try:
        yield path
    finally:
        space.__exit__(None, None, None)


@pytest.fixture
def vnic_run(request: pytest.FixtureRequest) -> Iterator[Callable[..., Host]]:
    """A factory: ``vnic_run()`` makes a live host at 10.0.0.2/24 on a TAP and starts its threads.

    ``vnic_run("vt1", host_ip="10.0.1.1/24", ip="10.0.1.2/24", queues=2)``: ``host_ip`` is the kernel's address at the
    TAP's other end. All is in a network namespace of the test's own, see the fixture ``netns``. Skipped, with the
    reason, without root.
    """
    tun = "/dev/net/tun"
    if not os.access(tun, os.R_OK | os.W_OK):
        _skip(f"{tun} cannot be opened: a TAP needs it (vnic doctor says what to do)")
    request.getfixturevalue("netns")
    for made in _hosts(request, {"ip": "10.0.0.2/24", "live": True, "fifo": _LIVE_FIFO}):

        def run(
            tap: str = "vt0", *, host_ip: str | list[str] = "10.0.0.1/24", made: Hosts = made, **knobs: Any
        ) -> Host:
            from vnic.tap.wire import TapWire

            wire = TapWire(tap, host_ip=host_ip)
            try:
                host = made(**({"wire": wire, "mtu": wire.mtu} | knobs))
            except BaseException:
                wire.close()
                raise
            host.name = tap
            host.start()
            return host

        yield run


def _skip(why: str) -> None:
    """Skip the test; where VNIC_REQUIRE_ROOT_TESTS is set, as in a CI that has root, let it fail."""
    (pytest.fail if os.environ.get("VNIC_REQUIRE_ROOT_TESTS") else pytest.skip)(why)


# ---- hooks ----


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option of pytest's configuration file."""
    parser.addini(_FRAMES, "how many of a host's last frames the report of a failed test shows; 0: none", default="20")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "vnic(**knobs): knobs of the hosts of this test, as vnic(queues=2, rx_usecs=50)")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Add a section for each host of a test that failed: the funnel, and the last frames with their fates."""
    report = (yield).get_result()
    if not report.failed:
        return
    for made in item.stash.get(_MADE, []):
        for host in made.made:
            report.sections.append((f"vnic: {host.name}", _story(host)))
    item.stash[_MADE] = []


def _story(host: Any) -> str:
    try:
        return str(host.story())
    except Exception as e:  # noqa: BLE001 - the test failed, and its own report must come out
        return f"what became of the frames is not known: {type(e).__name__}: {e}"
