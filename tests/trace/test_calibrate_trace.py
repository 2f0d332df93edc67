"""vnic calibrate reads a trace's text as a real machine's recording, and finds the costs that the run was made with."""

import random

import overloads
import pytest
import recorded
from click.testing import CliRunner

from vnic.calibrate.from_trace import EACH, FIXED
from vnic.cli.commands import main
from vnic.knobs.cost import profile
from vnic.trace.write import write

COST = {
    "hardirq": 910,
    "softirq": 170,
    "poll": 230,
    "rx": 140,
    "gro": 45,
    "receive": 65,
    "ip": 70,
    "udp": 85,
    "sock": 75,
    "wake": 640,
    "wake-remote": 2100,
    "switch": 1300,
    "switch-idle": 2900,
    "switch-idle-100us": 4100,
    "switch-idle-1ms": 6300,
    "recv": 410,
    "recv-remote": 410,
    "copy-ps": 0,
    "copy-remote-ps": 0,
    "csum-ps": 0,
    "ipi": 500,
    "ipi-delivery": 700,
}
ROUNDING = 8
"""ns: six figures that are rounded on their own, and 2.2 ns of the copy of 18 bytes that the profile below has."""


def loads():
    """Bursts of one to seven datagrams, some of them while the reader still reads; pauses of three lengths."""
    r = random.Random(1)
    t, traffic = 0, []
    for k in range(600):
        traffic += [(t + at, data) for at, data in overloads.burst(1 + k % 7)]
        if k % 2:
            traffic += [(t + 9_000 + at, data) for at, data in overloads.burst(1 + k % 5)]
        t += r.choice([60_000, 250_000, 1_500_000])
    return traffic


def calibrated(tmp_path, **options):
    """The figures of ``vnic calibrate --from`` that the recording gave, and their sources."""
    events = recorded.record(loads(), cost=COST, rx_usecs=3, rx_frames=64, rcvbuf=1 << 22, **options)
    text, toml = tmp_path / "run.ftrace", tmp_path / "run.toml"
    write(events, text)
    done = CliRunner().invoke(main, ["calibrate", "--from", str(text), "--event-ns", "0", "--quiet", "-o", str(toml)])
    assert done.exit_code == 0, done.output
    found = profile(str(toml))
    assert found.measured["state"][0].endswith("0 lines not understood; 0 ns an event are taken off")
    return {key: figure.value for key, figure in found.own.items()}


def near(ns):
    return pytest.approx(ns, abs=ROUNDING)


def test_a_reader_of_the_same_cpu(tmp_path):
    own = calibrated(tmp_path, reader_cpu=0)
    assert sum(own[key] for key in FIXED) == near(sum(COST[key] for key in FIXED))
    assert sum(own[key] for key in EACH) == near(sum(COST[key] for key in EACH))
    assert own["wake"] == near(COST["wake"])
    assert own["recv"] == near(COST["recv"])


def test_a_reader_of_another_cpu_that_has_been_idle_for_long_or_not(tmp_path):
    own = calibrated(tmp_path, reader_cpu=1)
    keys = ("wake-remote", "recv", "switch-idle", "switch-idle-100us", "switch-idle-1ms")
    assert {key: own[key] for key in keys} == {key: near(COST[key]) for key in keys}


def test_ipis(tmp_path):
    assert calibrated(tmp_path, reader_cpu=1, rps_cpus="4")["ipi-delivery"] == near(COST["ipi-delivery"])
