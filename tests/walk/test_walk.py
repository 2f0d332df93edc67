"""The command ``vnic walk``."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import termios

import logged_runs as logged
import overloads
import pytest
from commands import VNIC, invoke, vnic_process
from terminal import Screen

from vnic.cli import names
from vnic.walk import chosen
from vnic.walk.explain import DROPS, EXPLAIN
from vnic.walk.shown import WIDE, at_text

WIDTHS = [80, 110, 200]


@pytest.fixture(scope="module")
def burst(tmp_path_factory):
    path = tmp_path_factory.mktemp("walk") / "burst.pcap"
    path.write_bytes(overloads.capture(overloads.burst(2000)))
    return path


@pytest.fixture(scope="module")
def fragments(tmp_path_factory):
    path = tmp_path_factory.mktemp("walk") / "fragments.pcap"
    path.write_bytes(overloads.capture(overloads.halves(3)))
    return path


def stories(*args):
    done = invoke("walk", *args, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["schema"] == "vnic.walk/1"
    return told["stories"]


def test_a_story_is_told_of_each_frame_that_is_named(burst):
    told = stories(burst, "--frames", "17,20-22", "--frame", "5")
    assert [s["frame"] for s in told] == [17, 20, 21, 22, 5]
    for s in told:
        assert sum(stage["took_ns"] for stage in s["stages"]) == s["total_ns"]
        assert s["stages"][0]["since_wire_ns"] == 0


def test_the_first_lost_frames(burst):
    told = stories(burst, "--lost", 3)
    assert [s["fate"] for s in told] == ["FIFO_OVERRUN"] * 3
    assert all(s["before"]["knob"] == "rx-ring" for s in told)


def test_lost_needs_no_value_even_in_front_of_a_file(burst):
    assert len(stories("--lost", burst)) == 5
    assert len(stories(burst, "--lost")) == 5


def test_lost_frames_of_a_fate(burst):
    told = stories(burst, "--lost", "fifo-overrun", "--most", 2)
    assert len(told) == 2


def test_the_slowest_frames_come_slowest_first(burst):
    told = stories(burst, "--slowest", 3)
    assert len(told) == 3
    totals = [s["total_ns"] for s in told]
    assert totals == sorted(totals, reverse=True)
    report = json.loads(invoke("replay", burst, "--json").stdout)
    assert totals[0] == report["latency_ns"]["total"]["max"]
    assert stories(burst)[0] == told[0]


@pytest.mark.needs("libpcap")
def test_frames_by_a_filter_among_all_frames(burst):
    told = stories(burst, "-f", "udp src port 1003", "--most", 2)
    assert [s["frame"] for s in told] == [4, 13]
    assert stories(burst, "--frame", 13)[0] == told[1]


def test_a_long_log_is_chosen_anew_around_the_frame(burst):
    whole = stories(burst, "--frame", 1900)[0]
    chosen_ = stories(burst, "--frame", 1900, "--records", 16384)[0]
    assert chosen_["stages"] == whole["stages"]


@pytest.fixture(scope="module")
def logged_file(burst, tmp_path_factory):
    path = tmp_path_factory.mktemp("walk") / "burst.events"
    assert invoke("replay", burst, "--events", path, "-q").exit_code == 0
    return path


@pytest.mark.parametrize("choice", [["--frame", "17,1900"], ["--lost", "2"], ["--slowest", "2"]], ids=str)
def test_an_event_file_tells_the_same_stories(burst, logged_file, choice):
    assert stories(logged_file, *choice) == stories(burst, *choice)


def test_an_event_file_has_no_packets_for_a_filter(logged_file):
    done = invoke("walk", logged_file, "-f", "udp")
    assert done.exit_code == 2
    assert "an event file has none, so name its capture instead" in done.stderr


def test_an_event_file_stands_alone(burst, logged_file):
    done = invoke("walk", logged_file, burst)
    assert done.exit_code == 2
    assert "give one event file, or captures" in done.stderr


@pytest.mark.parametrize("cut", [9, 60, 5000])
def test_an_event_file_that_was_cut_short_is_one_sentence(logged_file, cut, tmp_path):
    (tmp_path / "cut.events").write_bytes(logged_file.read_bytes()[:cut])
    for command in (["walk"], ["diff", logged_file]):
        done = invoke(*command, tmp_path / "cut.events")
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1
        assert "cut short" in done.stderr


def test_a_full_log_says_what_is_missing(burst):
    done = invoke("walk", burst, "--records", 4096, "--slowest", 1)
    assert done.exit_code == 0
    assert "the log is full: " in done.stdout
    assert "--records" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (["--frame", "0"], 2, "must be numbers of frames, as in 17,20-30; the first frame is 1"),
        (["--frame", "9-3"], 2, "ends before it begins"),
        (["--frame", "x"], 2, "must be numbers of frames"),
        (["--frame", "1-20000"], 2, "20,000 frames: vnic tells at most 10,000 stories at once"),
        (["--frame", "9" * 18], 2, "frames have the numbers 1 to 4,294,967,294"),
        (["--lost", "--slowest", "2"], 2, "--frame, --lost, --slowest, -f: give only one way to choose frames"),
        (["--lost=NEVER"], 2, "--lost 'NEVER': must be a number, or a fate as FIFO_OVERRUN"),
        (["--slowest=0"], 2, "--slowest '0': must be a number from 1 to 9999"),
        (["--frame", "5000"], 1, "no frame 5,000: the log has 2,000 frames, the last one is 2,000"),
        (["--lost=NO_SOCKET"], 1, "no frame was lost with the fate NO_SOCKET"),
        pytest.param(["-f", "tcp port 1"], 1, "no frame matches", marks=pytest.mark.needs("libpcap")),
        pytest.param(["-f", "not a filter ("], 2, "filter", marks=pytest.mark.needs("libpcap")),
        (["--step", "--json"], 2, "--step and --json: give only one form"),
        (["--step"], 2, "--step waits for keys, so it needs a terminal: leave it out in a pipe"),
        (["--rx-ring", "3"], 2, "rx-ring"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_sentence(burst, args, code, error):
    done = invoke("walk", burst, *args)
    assert done.exit_code == code
    *usage, said = done.stderr.splitlines()
    assert said.startswith(("vnic: ", "Error: "))
    assert len(usage) == 3 * said.startswith("Error: ")
    assert error in said


def test_a_file_that_is_no_capture(tmp_path):
    (tmp_path / "x").write_bytes(b"nothing of the kind")
    done = invoke("walk", tmp_path / "x")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("explain", [[], ["--explain"]], ids=["plain", "explained"])
def test_a_story_fits(burst, fragments, width, explain, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    for args in ([burst, "--lost", 1], [burst, "--slowest", 1, "--rps-cpus", "2"], [fragments, "--frame", 1]):
        shown = invoke("walk", *args, *explain).stdout
        assert max(map(len, shown.splitlines())) <= width
        assert "…" not in shown
        assert "machine/fate.c" in shown
        assert not re.search(r"[0-9]\n *(ns|us|ms|s)\b", shown)


def test_a_wide_terminal_has_a_line_a_stage_with_its_time_and_file(burst, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(400))
    told = stories(burst, "--frame", 1)[0]
    lines = invoke("walk", burst, "--frame", 1).stdout.splitlines()
    for stage in told["stages"]:
        line = next((x for x in lines if f" {stage['stage']} " in x and stage["file"].removeprefix("csrc/") in x), None)
        assert line is not None or not stage["took_ns"], stage
        assert line is None or line.startswith(at_text(stage["t_ns"]))
    assert WIDE < 400


def test_explain_adds_the_sentences_of_each_stage(burst):
    shown = " ".join(invoke("walk", burst, "--lost", 1, "--explain").stdout.replace("|", "").split())
    assert EXPLAIN["wire"] in shown
    assert DROPS["fifo"] in shown


def test_companions_are_named(fragments):
    assert "with 4: fragments of one datagram" in invoke("walk", fragments, "--frame", 1).stdout


class Keys:
    """The keys of a terminal."""

    def __init__(self, master, descriptor):
        self._master, self.descriptor = master, descriptor

    def __call__(self, data):
        os.write(self._master, data)


@contextlib.contextmanager
def stepping(path):
    """``vnic walk --step`` on a terminal: the process, what it shows, and its keys."""
    master, theirs = pty.openpty()
    argv = [*VNIC, "walk", str(path), "--frame", "1", "--step"]
    p = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    try:
        yield p, Screen(master), Keys(master, theirs)
    finally:
        p.kill()
        p.wait()
        os.close(theirs)
        os.close(master)


def test_a_step_waits_for_a_key_and_q_leaves(burst):
    with stepping(burst) as (process, screen, keys):
        screen.until(lambda seen: "any key" in seen)
        assert " 1/" in screen.seen
        assert " 2/" not in screen.seen
        keys(b" ")
        screen.until(lambda seen: " 2/" in seen and seen.count("any key") == 2)
        keys(b"q")
        assert process.wait(timeout=30) == 0
        assert " 3/" not in screen.seen


def test_ctrl_c_leaves_the_terminal_as_it_was(burst):
    with stepping(burst) as (process, screen, keys):
        was = termios.tcgetattr(keys.descriptor)
        screen.until(lambda seen: "any key" in seen)
        assert termios.tcgetattr(keys.descriptor) != was
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == -signal.SIGINT
        assert termios.tcgetattr(keys.descriptor) == was
        assert "Traceback" not in screen.seen


def test_in_a_pipe_a_story_is_plain_text(burst):
    done = vnic_process("walk", str(burst), "--lost", "50")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in done.stdout
    assert done.stdout.count(b"FIFO_OVERRUN") >= 50


def test_the_lost_frames_are_counted_beyond_those_that_are_returned():
    frames = logged.run(overloads.burst(3000)).frames
    ids, n = chosen.lost(frames, None, 2)
    assert ids == [f.id for f in frames if f.lost][:2]
    assert n == sum(f.lost for f in frames)


def test_a_tab_offers_the_fates_that_are_losses():
    assert [i.value for i in names.Fate().shell_complete(None, None, "fifo")] == ["FIFO_OVERRUN"]
    assert not any(i.value.startswith("DELIVERED") for i in names.Fate().shell_complete(None, None, ""))
