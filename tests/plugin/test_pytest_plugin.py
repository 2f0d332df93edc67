"""The plugin for users' own tests: what its fixtures check, and what the report of a failed test says."""

import re

import pytest
from paths import ROOT

import vnic
from vnic.pytest_plugin import assert_fates

UDP = bytes.fromhex("02000000000102000000000208004500001d000100004011aecbc00002020a00000203e813880009a46778")
HEAD = f"import pytest\nimport vnic\nfrom vnic.pytest_plugin import assert_fates\nUDP = {UDP!r}\n"


@pytest.fixture
def run(pytester):
    """Run a test file in a process of its own; return (outcomes, output)."""

    def run(code, *args, ini=""):
        pytester.makefile(".py", test_it=HEAD + code)
        pytester.makefile(".ini", pytest=f"[pytest]\n{ini}")
        done = pytester.runpytest_subprocess("-p", "no:cacheprovider", *args)
        outcomes = done.parseoutcomes()
        outcomes.pop("warnings", None)  # an editable install's finder is imported before pytest is there
        return outcomes, done.stdout.str()

    return run


def test_the_test_frame_is_good():
    with vnic.Host(sink=True) as h:
        h.feed(UDP)
        h.run()
        assert_fates(h, DELIVERED_UDP=1)


# ---- assert_fates ----


def test_fates_are_asserted_of_a_host_a_ledger_a_result():
    result = vnic.replay([ROOT / "tests/captures/demo.pcapng"])
    fates = result.facts["ledger"]["fates"]
    assert_fates(result, **fates)
    with vnic.Host(sink=True) as h:
        h.feed([UDP] * 3)
        h.run()
        assert_fates(h.ledger(), DELIVERED_UDP=3, NO_SOCKET=0)


@pytest.mark.parametrize("wanted", [{}, {"DELIVERED_UDP": 2}, {"DELIVERED_UDP": 3, "NO_SOCKET": 1}, {"NO_SOCKET": 3}])
def test_each_difference_is_named(wanted):
    with vnic.Host(sink=True) as h:
        h.feed([UDP] * 3)
        h.run()
        with pytest.raises(AssertionError) as e:
            assert_fates(h, **wanted)
    told = dict(re.findall(r"^(\w+): (\d+, not \d+)$", str(e.value), re.MULTILINE))
    found = {"DELIVERED_UDP": 3}
    differ = {n for n in found | wanted if found.get(n, 0) != wanted.get(n, 0)}
    assert told == {n: f"{found.get(n, 0)}, not {wanted.get(n, 0)}" for n in differ}


def test_frames_without_a_fate_are_named():
    with vnic.Host(sink=True) as h:
        h.feed(UDP)
        h.run(frames=1)
        with pytest.raises(AssertionError, match=r"without a fate yet: 1; did the host run"):
            assert_fates(h, DELIVERED_UDP=1)


def test_a_fate_that_does_not_exist_is_refused_even_if_it_is_zero():
    with vnic.Host() as h, pytest.raises(vnic.ConfigError, match="no fate DELIVERED_UPD: did you mean DELIVERED_UDP"):
        assert_fates(h, DELIVERED_UPD=0)


# ---- fixtures ----


@pytest.mark.slow
def test_knobs_of_markers_and_what_they_must_not_be(run):
    outcomes, out = run("""
pytestmark = pytest.mark.vnic(rx_usecs=10, queues=3)
@pytest.mark.vnic(rx_usecs=20)
def test_good(vnic_host):
    knobs = vnic_host().knobs
    assert (knobs.rx_usecs, knobs.queues) == (20, 3)
@pytest.mark.vnic(50)
def test_position(vnic_host): pass
@pytest.mark.vnic(rx_usec=50)
def test_typo(vnic_host): vnic_host()
""", "--strict-markers")  # fmt: skip
    assert outcomes == {"passed": 1, "failed": 1, "errors": 1}
    assert "takes knobs by name, as rx_usecs=50, not 50" in out
    assert "did you mean rx-usecs" in out


@pytest.mark.slow
def test_a_broken_law_fails_a_test_that_passed(run):
    outcomes, out = run("""
from vnic._core import lib
def test_open(vnic_host):
    h = vnic_host()
    h.feed(UDP)
    h.run()
    h.machine.c.nic.offered += 1
def test_open_and_closed(vnic_host):
    with vnic_host() as h:
        h.feed(UDP)
        h.run()
        h.machine.c.nic.offered += 1
""", "-rN")  # fmt: skip
    assert outcomes == {"passed": 2, "errors": 2}
    assert out.count("LEDGER is broken") == 2, out
    assert "LEDGER OPEN" in out


@pytest.mark.slow
def test_a_report_has_the_funnel_and_the_last_frames_of_each_host(run):
    outcomes, out = run("""
def test_two(vnic_host):
    a, b = vnic_host(), vnic_host()
    b.name = "other"
    a.feed([UDP] * 30)
    a.feed(b"\\2" * 6 + bytes(6) + b"\\x88\\xb5")
    a.run()
    assert_fates(b, NO_SOCKET=1)
def test_passes(vnic_host):
    vnic_host()
""", ini="vnic_frames = 4")  # fmt: skip
    assert outcomes == {"failed": 1, "passed": 1}
    a, b = re.split(r"-+ vnic: other -+", out.split(" vnic: vnic0 ")[1])
    assert "no frame came" in b
    assert "✗ 30    NO_SOCKET" in a
    assert "31 offered: ledger closed" in a
    table = a.split("the last 4 frames\n")[1].splitlines()
    assert [line.split()[2:5] for line in table[1:5]] == [
        *[[str(i), "43", "NO_SOCKET"] for i in (28, 29, 30)],
        ["31", "14", "UNHANDLED_PROTO"],
    ]
    assert "UDP 192.0.2.2:1000 > 10.0.0.2:5000" in table[1]
    assert len(table) == 5


@pytest.mark.slow
@pytest.mark.parametrize("frames", ["0", "-1", "many"])
def test_the_number_of_frames_is_checked(run, frames):
    outcomes, out = run(
        "def test_it(vnic_host):\n    vnic_host().feed(UDP)\n    assert 0", ini=f"vnic_frames = {frames}"
    )
    if frames == "0":
        assert outcomes == {"failed": 1}
        assert "the last" not in out
    else:
        assert outcomes == {"errors": 1}
        assert f"vnic_frames = {frames}: must be a number of frames" in out


@pytest.mark.slow
def test_a_host_that_its_test_closed_tells_its_story_too(run):
    outcomes, out = run("""
def test_it(vnic_host):
    with vnic_host() as h:
        h.feed(UDP)
        h.run()
        assert h.closed
""")  # fmt: skip
    assert outcomes == {"failed": 1}
    assert "NO_SOCKET  Ether / IP / UDP" in out


@pytest.mark.slow
def test_what_is_in_flight_and_what_was_sent_is_told(run):
    outcomes, out = run("""
@pytest.mark.vnic(ip="10.0.0.2/24")
def test_it(vnic_host):
    h = vnic_host()
    h.udp(0).sendto(b"x", ("10.0.0.1", 9))
    h.feed(UDP)
    h.run(frames=1)
    assert 0
""")  # fmt: skip
    assert outcomes == {"failed": 1}
    assert "in flight: 1 in ring" in out
    assert re.search(r" 60  sent +Ether / ARP who has 10.0.0.1 says 10.0.0.2", out)
    assert re.search(r" 43  merged, or none yet  Ether / IP / UDP", out)


@pytest.mark.slow
def test_without_privileges_live_fixtures_are_skipped_with_the_reason(run, monkeypatch):
    code = """
import ctypes, os
@pytest.fixture(autouse=True)
def nobody():  # CAP_SYS_ADMIN away: what the kernel then says is what counts
    ctypes.CDLL(None).prctl(24, 21, 0, 0, 0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    yield
    os.seteuid(os.getuid())
def test_space(netns): pass
def test_live(vnic_run): pass
"""
    monkeypatch.delenv("VNIC_REQUIRE_ROOT_TESTS", raising=False)
    outcomes, out = run(code, "-rs")
    assert outcomes == {"skipped": 2}
    assert "a new network namespace: Operation not permitted: needs CAP_SYS_ADMIN" in out
    monkeypatch.setenv("VNIC_REQUIRE_ROOT_TESTS", "1")
    assert run(code)[0] == {"errors": 2}


@pytest.mark.slow
@pytest.mark.root
def test_a_live_host_tells_its_story(run):
    outcomes, out = run("""
import socket
def test_it(vnic_run):
    h = vnic_run()
    sock = h.udp(7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
        kernel.sendto(b"x", ("10.0.0.2", 7))
        assert sock.recv(timeout=20) == b"y"
""")  # fmt: skip
    assert outcomes == {"failed": 1}
    assert re.search(r"vnic: vt0", out)
    assert "2 delivered + 0 lost + 0 in flight = 2 offered: ledger closed" in out
    assert re.search(r"\d (us|ms|s) +2 +43  DELIVERED_UDP  Ether / IP / UDP 10.0.0.1:\d+ > 10.0.0.2:echo", out)


def test_the_plugin_imports_nothing_heavy():
    import subprocess
    import sys

    code = "import sys, vnic.pytest_plugin; print([m for m in sys.modules if m.startswith('vnic.') or m == 'scapy'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "['vnic.pytest_plugin']"
