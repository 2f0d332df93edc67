"""vnic trace and vnic replay --trace: which files they read and write, what they refuse, and what they leave behind."""

import resource
import signal
import subprocess
import sys

import ftraces
import pftraces
import pytest
from click.testing import CliRunner
from paths import CAPTURES

from vnic.cli.commands import main

DEMO = str(CAPTURES / "demo.pcapng")
FORMS = ("pftrace", "ftrace")


def vnic(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def done(*arguments):
    result = vnic(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("form", FORMS)
def test_a_capture_an_event_file_and_a_replay_give_the_same_bytes(form, tmp_path):
    out = [tmp_path / f"{i}.{form}" for i in range(3)]
    knobs = ("--rps-cpus", "f", "--queues", "2")
    done("trace", DEMO, "-o", out[0], *knobs)
    report = done("replay", DEMO, "-q", "--trace", out[1], "--events", tmp_path / "run.vnic-events", *knobs)
    assert report.startswith("565 frames: 564 delivered, 1 lost")
    done("trace", tmp_path / "run.vnic-events", "-o", out[2])
    assert out[0].read_bytes() == out[1].read_bytes() == out[2].read_bytes()


def test_a_time_is_chosen_before_or_after_the_replay(tmp_path):
    times = ("--events-from", "4.02", "--events-to", "4.05")
    done("trace", DEMO, "-o", tmp_path / "a.ftrace", *times)
    done("replay", DEMO, "-q", "--events", tmp_path / "run.vnic-events")
    done("trace", tmp_path / "run.vnic-events", "-o", tmp_path / "b.ftrace", *times)
    a, b = (ftraces.read((tmp_path / f"{name}.ftrace").read_text()) for name in "ab")
    assert a == b
    assert "# vnic: chosen: from 4020000000 ns; until 4050000000 ns; the rest of the run is not here" in a[0]
    assert {row.t_ns // 10_000_000 for row in a[1]} <= {402, 403, 404, 405}
    assert a[1]


@pytest.mark.needs("libpcap")
def test_frames_and_filters_are_chosen_and_named_on_one_line(tmp_path):
    path = tmp_path / "a.pftrace"
    done("trace", DEMO, "-o", path, "--events-filter", "udp\nport 53 ", "--events-frames", "1,2-3")
    notes = [m.name for m in pftraces.read(path.read_bytes()).instants if m.track == "notes"]
    assert notes == ["chosen: frames 1, 2-3; frames that match udp\\nport 53 ; the rest of the run is not here"]
    done("trace", DEMO, "-o", tmp_path / "a.ftrace", "--events-filter", "udp\nport 53")
    ftraces.read((tmp_path / "a.ftrace").read_text())  # each line is a comment or an event


def test_a_small_log_says_so_on_stderr_and_in_the_trace(tmp_path):
    said = vnic("trace", DEMO, "-o", tmp_path / "a.ftrace", "--events-max", "1000")
    assert said.exit_code == 0
    assert "the event log was full after 1,0" in said.stderr
    assert "# vnic: the event log was full: " in (tmp_path / "a.ftrace").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["trace", DEMO, "-o", "a.json"], "'a.json': a trace's name ends in .pftrace (Perfetto) or .ftrace"),
        (["replay", DEMO, "--trace", "a"], "'a': a trace's name ends in .pftrace (Perfetto) or .ftrace"),
        (["trace", DEMO, "-o", "no/such/a.ftrace"], "no/such/a.ftrace: No such file or directory"),
        (["trace", "missing.pcap", "-o", "a.ftrace"], "missing.pcap"),
        (["trace", DEMO, "-o", "a.ftrace", "--events-frames", "3-1"], "3-1 ends before it begins"),
        (["trace", DEMO, "-o", "a.ftrace", "--json"], "a trace has no JSON"),
        (["replay", DEMO, "--trace", "a.ftrace", "--events", "a.ftrace"], "--events and --trace: both are a.ftrace"),
        (["replay", DEMO, "--events-frames", "3"], "--events-frames chooses what --events, --frames and --trace keep"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = vnic(*arguments)
    assert result.exit_code in {1, 2}
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_event_file_has_no_bytes_for_a_filter_and_takes_no_knob(tmp_path):
    run = tmp_path / "run.vnic-events"
    done("replay", DEMO, "-q", "--events", run)
    filtered = vnic("trace", run, "-o", tmp_path / "a.ftrace", "--events-filter", "udp")
    assert filtered.exit_code == 2
    assert "without the frames' bytes: --events-filter cannot look at them" in filtered.stderr
    knob = vnic("trace", run, "-o", tmp_path / "a.ftrace", "--rx-usecs", "5")
    assert knob.exit_code == 2
    assert "of a run that is over: --rx-usecs has no effect on it" in knob.stderr


def test_an_input_is_not_the_output(tmp_path):
    same = tmp_path / "a.ftrace"
    same.write_bytes((CAPTURES / "demo.pcapng").read_bytes())
    for command in (("trace", same, "-o", same), ("replay", same, "--trace", same)):
        refused = vnic(*command)
        assert refused.exit_code == 2
        assert "is an input, so it cannot be the output" in refused.stderr
    assert same.read_bytes() == (CAPTURES / "demo.pcapng").read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_a_disk_that_fills_leaves_the_old_file_and_no_other(form, tmp_path):
    run, out = tmp_path / "run.vnic-events", tmp_path / f"a.{form}"
    done("replay", DEMO, "-q", "--events", run)
    out.write_text("old")

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    command = [sys.executable, "-m", "vnic", "trace", str(run), "-o", str(out)]
    full = subprocess.run(command, preexec_fn=small_files, capture_output=True, text=True, timeout=60, check=False)
    assert (full.returncode, full.stderr) == (1, f"vnic: {out}: File too large\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, run.name]
    assert out.read_text() == "old"


@pytest.mark.parametrize("form", FORMS)
def test_a_device_that_is_full_is_a_sentence(form, tmp_path):
    link = tmp_path / f"a.{form}"
    link.symlink_to("/dev/full")
    refused = vnic("trace", DEMO, "-o", link)
    assert refused.exit_code == 2
    assert "is a symbolic link, which is not followed" in refused.stderr
