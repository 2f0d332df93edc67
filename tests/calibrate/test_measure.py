"""vnic calibrate: the machine's state, the frames, a worker that dies, Ctrl-C, and a run that gives a profile."""

import ctypes
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from scapy.layers.inet import UDP
from scapy.layers.l2 import Ether

from vnic.calibrate import measure, sandbox, state
from vnic.calibrate.sandbox import PORT, udp_frame
from vnic.cli.commands import main
from vnic.errors import ConfigError, TapError, VnicError
from vnic.knobs.cost import KEYS, profile, shipped

VNIC = [sys.executable, "-m", "vnic"]


# ---- the machine ----


def test_the_times_of_each_cpu_are_read():
    stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 40 5 6 7 8 100 200\ncpu12 1 1 1 1\nintr 5\n"
    assert state.cpu_times(stat) == {
        0: {"total": 72, "idle": 45, "steal": 8},
        12: {"total": 4, "idle": 1, "steal": 0},
    }


def test_steal_and_idleness_are_parts_of_the_time_between():
    before, after = {"total": 100, "idle": 50, "steal": 10}, {"total": 300, "idle": 150, "steal": 15}
    assert state.steal_text(before, after) == "steal 2.5 %, idle 50 %"
    assert state.steal_text(before, before) == "steal 0.0 %, idle 0 %"


@pytest.mark.parametrize(
    ("busy", "siblings", "chosen"),
    [
        ({0: 5, 1: 5}, {0: "0", 1: "1"}, (1, 0)),
        ({0: 5, 1: 9, 2: 1, 3: 0}, {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, (3, 0)),
        ({0: 5, 1: 0}, {0: "0-1", 1: "0-1"}, (1, 0)),
        ({0: 0, 1: 1, 2: 2}, {0: "", 1: "", 2: ""}, (0, 1)),
        ({4: 7}, {4: "4"}, (4, None)),
    ],
)
def test_two_quiet_cpus_of_two_cores_are_chosen(busy, siblings, chosen):
    assert state.quietest(busy, siblings) == chosen


def test_the_cpus_that_are_named_are_taken():
    one = max(os.sched_getaffinity(0))
    assert state.choose(str(one)) == (one, None)
    with pytest.raises(ConfigError, match="does not exist or is not allowed"):
        state.choose("60000,60001")


def test_the_state_names_no_host_and_no_user():
    said = str(state.machine(0, None)) + str(state.Watch([0]).facts(["preempted 3 times"]))
    assert os.uname().nodename not in said
    assert "preempted 3 times" in said
    assert "load " in said


def test_a_cpu_is_idle_for_a_part_of_the_time_and_one_without_ticks_for_all_of_it():
    before, after = {"total": 100, "idle": 50, "steal": 0}, {"total": 120, "idle": 65, "steal": 0}
    assert state.idle_part(before, after) == 0.75
    assert state.idle_part(before, before) == 1.0


def test_patience_ends_after_the_time_that_it_was_given(monkeypatch):
    monkeypatch.setattr(state.time, "sleep", lambda _: None)
    looking, looks = state.Patience([0], 1.0), 0
    while looking.left():
        looking.quiet()
        looks += 1
    assert looks in {5, 6}


# ---- the frames ----


@pytest.mark.parametrize("length", [60, 1514])
@pytest.mark.parametrize("checksum", ["none", "good", "bad"])
def test_a_frame_has_the_length_and_the_checksum_that_is_asked_for(length, checksum):
    data = udp_frame("02:00:00:00:01:00", "10.9.0.2", "10.9.0.1", length, checksum=checksum)
    frame = Ether(data)
    has = frame[UDP].chksum
    del frame[UDP].chksum
    right = Ether(bytes(frame))[UDP].chksum
    assert (len(data), frame[UDP].dport) == (length, PORT)
    assert {"none": has == 0, "good": has == right, "bad": has not in {0, right}}[checksum]


# ---- the worker ----


def worker(tmp_path, monkeypatch, script):
    path = tmp_path / "worker"
    path.write_text(f"#!{sys.executable}\nimport json, sys, time\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(measure.sys, "executable", str(path))


@pytest.mark.parametrize(
    ("script", "kind", "sentence"),
    [
        ("sys.exit(3)", VnicError, "the measuring process ended early, with exit code 3"),
        ("print(json.dumps({'error': 'no', 'kind': 'TapError'}))", TapError, "no"),
        ("print(json.dumps({'error': 'busy', 'kind': 'VnicError'}))", VnicError, "busy"),
        ("print(json.dumps({'round': {'ether': 1.0}, 'quiet': False}))", VnicError, "ended early"),
    ],
)
def test_a_worker_that_fails_says_why(tmp_path, monkeypatch, script, kind, sentence):
    worker(tmp_path, monkeypatch, script)
    with pytest.raises(kind, match=sentence):
        measure.measure(1, 0, None)


def test_a_worker_that_stands_still_is_ended(tmp_path, monkeypatch):
    worker(tmp_path, monkeypatch, "time.sleep(60)")
    monkeypatch.setattr(measure, "_SILENT_S", 0.1)
    with pytest.raises(VnicError, match="stood still"):
        measure.measure(1, 0, None)


def test_a_profile_of_a_machine_without_rps_says_so(tmp_path, monkeypatch):
    lines = [{"step": 1, "of": 1}, {"round": {"ether": 900.0, "refused": 200.0, "badsum": 1300.0}, "quiet": False}]
    facts = {"facts": {"rps": False, "priority": "usual priority", "preempted": 0}}
    worker(tmp_path, monkeypatch, f"[print(json.dumps(x)) for x in {[*lines, facts]}]")
    found = measure.profile(shipped("linux"), rounds=1, pin="0", wait=0, progress=None)
    assert {key: figure.value for key, figure in found.own.items()} == {"rx": 650, "ip": 400}
    assert any("refused RPS" in line for line in found.measured["state"])


@pytest.mark.parametrize(("quiet", "rx"), [(4, 650 + 100), (5, 650)])
def test_rounds_on_idle_cpus_are_taken_alone_if_there_are_five(tmp_path, monkeypatch, quiet, rx):
    calm, loud = {"ether": 900.0, "refused": 200.0}, {"ether": 1000.0, "refused": 200.0}
    lines = [{"round": loud, "quiet": False}] * 7 + [{"round": calm, "quiet": True}] * quiet
    facts = {"facts": {"rps": True, "priority": "usual priority", "preempted": 0}}
    worker(tmp_path, monkeypatch, f"[print(json.dumps(x)) for x in {[*lines, facts]}]")
    found = measure.profile(shipped("linux"), rounds=7 + quiet, pin="0", wait=0, progress=None)
    assert found.own["rx"].value == rx
    assert any(line.startswith(f"before {quiet} of {7 + quiet} rounds") for line in found.measured["state"])


# ---- the running kernel ----


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def interfaces():
    return sorted(p.name for p in Path("/sys/class/net").iterdir())


@pytest.mark.root
@pytest.mark.slow
def test_ctrl_c_leaves_neither_a_process_nor_a_file_nor_a_device(tmp_path):
    before, out = interfaces(), tmp_path / "mine.toml"
    args = [*VNIC, "calibrate", "--rounds", "200", "-o", str(out)]
    command = subprocess.Popen(args, stderr=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
    try:
        while not children(command.pid):
            time.sleep(0.05)
            assert command.poll() is None
        (measuring,) = children(command.pid)
        time.sleep(1.5)
        command.send_signal(signal.SIGINT)
        said = command.communicate(timeout=30)
    finally:
        command.kill()
    assert command.returncode == -signal.SIGINT
    assert said == (b"", b"")
    assert not Path(f"/proc/{measuring}").exists()
    assert not out.exists()
    assert interfaces() == before


@pytest.mark.root
@pytest.mark.slow
def test_a_killed_command_takes_its_worker_along():
    command = subprocess.Popen([*VNIC, "calibrate", "--rounds", "200"], stdout=subprocess.DEVNULL)
    while not children(command.pid):
        time.sleep(0.05)
        assert command.poll() is None
    (measuring,) = children(command.pid)
    time.sleep(1.5)
    command.kill()
    command.wait()
    for _ in range(200):
        if not Path(f"/proc/{measuring}").exists():
            return
        time.sleep(0.05)
    pytest.fail("the worker is still there")


@pytest.mark.root
@pytest.mark.slow
def test_the_command_writes_a_profile_of_this_machine(tmp_path):
    out = tmp_path / "mine.toml"
    result = CliRunner().invoke(main, ["calibrate", "--rounds", "2", "--wait", "0", "-o", str(out)])
    assert result.exit_code == 0, result.output
    found = profile(out)
    assert {"rx", "ip", "udp", "sock", "recv"} <= set(found.own)  # others need a CPU that is idle at times
    for key, figure in found.own.items():
        assert figure.spread[0] <= figure.value <= figure.spread[1], key
        assert f"\n{key} " in result.stdout
    for key in ("rx", "ip", "recv"):
        assert found.own[key].value > 0
    assert {"kernel", "cpu", "date", "state", "spread", "not-separated"} <= set(found.measured)
    assert [figure.source for figure in found.own.values() if not figure.source] == []
    assert list(found.own) == [key for key in KEYS if key in found.own]


def test_without_privileges_and_without_a_user_namespace_it_is_one_sentence(monkeypatch):
    asked = []

    def unshare(flags):
        asked.append(bool(flags & 0x10000000))
        ctypes.set_errno(errno.EPERM)
        return -1

    monkeypatch.setattr(sandbox.ctypes, "CDLL", lambda *_args, **_more: SimpleNamespace(unshare=unshare))
    with pytest.raises(
        TapError, match="measuring needs a network namespace of its own: Operation not permitted: run it"
    ):
        sandbox.enter()
    assert asked == [False, True]


@pytest.mark.root
@pytest.mark.slow
def test_root_of_a_user_namespace_gets_what_needs_no_rps(tmp_path):
    """As the user sees it who has no privileges: RPS's mask wants those of the first user namespace."""
    out = tmp_path / "mine.toml"
    args = ["unshare", "-Ur", *VNIC, "calibrate", "--rounds", "2", "--wait", "0", "-o", str(out), "--quiet"]
    done = subprocess.run(args, capture_output=True, text=True, timeout=100, check=False)
    if "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    found = profile(out)
    assert {"rx", "ip", "udp", "recv", "wake"} <= set(found.own)
    assert not {"rps", "ipi", "hardirq"} & set(found.own)
    assert any("refused RPS" in line for line in found.measured["state"])
