"""The command ``vnic diff``."""

import io
import json
import re
import resource
import signal
import subprocess
from dataclasses import fields, is_dataclass, replace

import logged_runs
import overloads
import pcapng_blocks
import pytest
from commands import VNIC, invoke, vnic_process

from vnic.diff.compare import compare
from vnic.diff.shown import show
from vnic.diff.side import side
from vnic.look import terminal

WIDTHS = [80, 200]
HUGE = (1 << 64) - 8


@pytest.fixture(scope="module")
def burst(tmp_path_factory):
    path = tmp_path_factory.mktemp("diff") / "burst.pcap"
    path.write_bytes(overloads.capture(overloads.burst(3000)))
    return path


def facts(*args, code=0):
    done = invoke("diff", *args, "--json")
    assert done.exit_code == code, done.output
    found = json.loads(done.stdout)
    assert found["schema"] == "vnic.diff/1"
    assert found["exit_code"] == code
    return found


def test_a_larger_ring_saves_frames(burst):
    found = facts(burst, "--set", "rx-ring=1024")
    assert found["knobs"] == {"rx-ring": [256, 1024]}
    assert found["frames"]["saved"] == found["frames"]["changed"] == found["matrix"]["FIFO_OVERRUN"]["DELIVERED_UDP"]
    assert found["worse"] == []
    for which, options in (("a", []), ("b", ["--rx-ring", "1024"])):
        report = json.loads(invoke("replay", burst, *options, "--json").stdout)
        assert found[which]["fates"] == report["ledger"]["fates"]
        at = "ab".index(which)
        assert found["cost"]["interrupts"][at] == report["irq"]["interrupts"]
        assert found["cost"]["polls"][at] == sum(q["polls"] for q in report["queues"])


def test_the_other_way_round_is_worse(burst):
    found = facts(burst, "--rx-ring", "1024", "--set", "rx-ring=256", code=1)
    assert found["frames"]["newly_lost"] == found["frames"]["changed"]
    assert found["worse"] == [{"rule": "lost", "what": "lost", "was": found["a"]["lost"], "is": found["b"]["lost"]}]
    assert found["first"]["frame"] == found["changes"][0]["frame"]
    assert sum(found["timeline"]["worse"]) == found["frames"]["newly_lost"]


def test_fail_on_chooses_what_is_worse(burst):
    assert facts(burst, "--set", "rx-ring=64", "--fail-on", "none")["worse"] == []
    rules = [w["rule"] for w in facts(burst, "--set", "rx-ring=1024", "--fail-on", "max+10%", code=1)["worse"]]
    assert rules == ["max+10%"]


def test_the_same_settings_have_no_difference(burst):
    done = invoke("diff", burst, "--rx-usecs", "20", "--set", "rx-usecs=20")
    assert done.exit_code == 0
    assert "no difference: the same fates, times and costs" in done.stdout
    found = facts(burst, "--set", "rx-ring=256")
    assert (found["knobs"], found["changes"], found["flows"], found["timeline"]) == ({}, [], [], {})
    assert found["first"] is None
    assert all(was == now for was, now in found["cost"].values())
    assert all(x["a"] == x["b"] and x["slower"] == x["faster"] == 0 for x in found["latency_ns"].values())


def test_knobs_of_the_base_hold_for_both_sides(burst):
    found = facts(burst, "--base", "rcvbuf=5000", "--adaptive-rx", "on", "--cpus", "2", "--set", "rx-ring=1024")
    for which in "ab":
        assert found[which]["config"]["rcvbuf"] == 5000
        assert found[which]["config"]["adaptive-rx"] is True
        assert found[which]["config"]["cpus"] == 2
    assert list(found["knobs"]) == ["rx-ring"]


def test_two_config_files_are_the_two_sides(burst, tmp_path):
    (tmp_path / "a.toml").write_text("rx-ring = 64\ncpus = 2\n")
    (tmp_path / "b.toml").write_text("rx-ring = 1024\ncpus = 3\nrcvbuf = 9000\n")
    found = facts(burst, "--config", tmp_path / "a.toml", "--config", tmp_path / "b.toml", "--fail-on", "none")
    assert found["knobs"] == {"rx-ring": [64, 1024], "rcvbuf": [212992, 9000], "cpus": [2, 3]}
    one = facts(burst, "--config", tmp_path / "a.toml", "--set", "rx-ring=1024", "--cpus", "1")
    assert one["knobs"] == {"rx-ring": [64, 1024]}
    assert one["a"]["config"]["cpus"] == one["b"]["config"]["cpus"] == 1


def logged(burst, path, *options):
    assert invoke("replay", burst, "--events", path, "-q", *options).exit_code == 0
    return path


def test_two_event_files_are_compared_as_two_replays(burst, tmp_path):
    a = logged(burst, tmp_path / "a.events")
    b = logged(burst, tmp_path / "b.events", "--rx-ring", "1024")
    replayed, read = facts(burst, "--set", "rx-ring=1024"), facts(a, b)
    for found in (replayed, read):
        del found["a"]["label"], found["b"]["label"]
    assert read == replayed
    assert "no difference" in invoke("diff", a, a).stdout


def test_event_files_of_different_captures_are_no_pair(burst, tmp_path):
    other = tmp_path / "other.pcap"
    other.write_bytes(overloads.capture(overloads.burst(3000, size=19)))
    less = tmp_path / "less.pcap"
    less.write_bytes(overloads.capture(overloads.burst(2999)))
    a = logged(burst, tmp_path / "a.events")
    for path in (other, less):
        done = invoke("diff", a, logged(path, tmp_path / "b.events"))
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1
        assert "not the same frames as" in done.stderr


@pytest.mark.parametrize("more", [["--set", "rx-ring=64"], ["x.toml"], ["-w", "out.pcapng"]], ids=str)
def test_event_files_take_no_settings_and_have_no_packets(burst, tmp_path, more, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a = logged(burst, tmp_path / "a.events")
    done = invoke("diff", a, a, *more)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert "event files" in done.stderr
    assert not (tmp_path / "out.pcapng").exists()


def test_the_frames_that_changed_are_saved_with_both_fates(burst, tmp_path):
    out = tmp_path / "changed.pcapng"
    found = facts(burst, "--set", "rx-ring=1024", "-w", out)
    blocks = pcapng_blocks.read(out)
    assert [b.id for b in blocks] == [c["frame"] for c in found["changes"]]
    assert {b.comment for b in blocks} == {"was FIFO_OVERRUN, is DELIVERED_UDP"}
    sent, stamps = overloads.burst(3000), {c["frame"]: c["t_ns"] for c in found["changes"]}
    for b in blocks:
        _, data = sent[b.id - 1]
        assert b.data == data
        assert b.t_ns == stamps[b.id]
    assert [p.name for p in tmp_path.iterdir()] == ["changed.pcapng"]
    assert len(pcapng_blocks.read_back(out)) == len(blocks)


def test_the_frames_that_changed_go_to_a_pipe(burst, tmp_path):
    out = tmp_path / "changed.pcapng"
    assert invoke("diff", burst, "--set", "rx-ring=1024", "-w", out).exit_code == 0
    done = vnic_process("diff", str(burst), "--set", "rx-ring=1024", "-w", "-", "--json")
    assert done.stdout == out.read_bytes()
    assert json.loads(done.stderr)["schema"] == "vnic.diff/1"


def test_an_input_is_no_output(burst):
    before = burst.read_bytes()
    done = invoke("diff", burst, "--set", "rx-ring=1024", "-w", burst)
    assert done.exit_code == 2
    assert "is an input, so it cannot be the output" in done.stderr
    assert burst.read_bytes() == before


def test_a_disk_that_fills_leaves_no_half_file(burst, tmp_path):
    out = tmp_path / "missing" / "changed.pcapng"
    done = invoke("diff", burst, "--set", "rx-ring=1024", "-w", out)
    assert done.exit_code != 0
    assert len(done.stderr.splitlines()) == 1
    assert invoke("diff", burst, "--set", "rx-ring=1024", "-w", "/dev/full").exit_code == 1
    out = tmp_path / "kept.pcapng"
    out.write_bytes(b"mine")
    limited(burst, out)
    assert out.read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.pcapng"]


def limited(burst, out):
    """Write with a limit on the size of files, which is as a full disk."""

    def few():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [*VNIC, "diff", burst, "--set", "rx-ring=1024", "-w", out], preexec_fn=few, capture_output=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"File too large" in done.stderr


def test_a_file_of_the_comparison(burst, tmp_path):
    out = tmp_path / "diff.json"
    assert invoke("diff", burst, "--set", "rx-ring=1024", "--json", "-o", out).stdout == ""
    assert json.loads(out.read_text())["schema"] == "vnic.diff/1"


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ([], "what differs? Give --set NAME=VALUE, a second --config, or two event files"),
        (["--set", "rx-ring"], "--set rx-ring: must be NAME=VALUE"),
        (["--set", "rx-ring=3"], "rx-ring"),
        (["--set", "nothing=3"], "nothing"),
        (["--set", "rx-ring=64", "--fail-on", "worse"], "--fail-on 'worse': must be lost"),
        (
            ["--config", "x", "--config", "x", "--config", "x"],
            "--config: 3 files: one is the base, two are the two sides",
        ),
        (["--config", "no-such-file", "--set", "rx-ring=64"], "no-such-file: No such file or directory"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_sentence(burst, args, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("")
    done = invoke("diff", burst, *args)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert error in done.stderr


def test_other_selections_are_no_pair(burst, tmp_path):
    (tmp_path / "a.toml").write_text("limit = 10\n")
    (tmp_path / "b.toml").write_text("limit = 20\n")
    done = invoke("diff", burst, "--config", tmp_path / "a.toml", "--config", tmp_path / "b.toml")
    assert done.exit_code == 2
    assert "not the same frames as" in done.stderr
    assert "another selection (limit)" in done.stderr


def test_a_full_log_says_what_is_missing(burst):
    done = invoke("diff", burst, "--set", "rx-ring=1024", "--records", "8192")
    assert "the log of a is full: " in done.stdout
    assert "the log of b is full: " in done.stdout
    assert "without a fate in one of the logs do not count" in done.stdout
    found = facts(burst, "--set", "rx-ring=1024", "--records", "8192")
    assert found["a"]["records_missing"] > 0
    assert found["frames"]["unfinished"] > 0


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("setting", ["rx-ring=1024", "rx-ring=256", "queues=4", "rcvbuf=1000"])
def test_a_comparison_fits(burst, width, setting, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = invoke("diff", burst, "--set", setting).stdout
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    assert not re.search(r"[0-9]\n *(ns|us|ms|s)\b", shown)


def test_flows_and_changes_are_bounded(burst):
    found = facts(burst, "--set", "rx-ring=1024", "--flows", "2", "--changes", "3")
    assert (len(found["flows"]), found["flows_changed"], len(found["changes"])) == (2, 9, 3)
    assert found["frames"]["changed"] > 3
    done = invoke("diff", burst, "--set", "rx-ring=1024", "--flows", "2")
    assert "and 7 more flows with changes" in done.stdout


@pytest.mark.parametrize("width", WIDTHS)
def test_numbers_as_large_as_they_get_fit_and_none_is_cut(burst, width):
    def huge(value):
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, (int, float)):
            return type(value)(HUGE + value % 7)
        if isinstance(value, dict):
            return {k: huge(v) for k, v in value.items()}
        if isinstance(value, list):
            return [huge(v) for v in value]
        if isinstance(value, tuple):
            made = [huge(v) for v in value]
            return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
        if is_dataclass(value):
            return replace(value, **{f.name: huge(getattr(value, f.name)) for f in fields(value)})
        return value

    a, b = (logged_runs.run(overloads.burst(3000), rx_ring=ring) for ring in (256, 64))
    found = huge(compare(side("a.pcap", a.events), side("b.pcap", b.events)))
    file = io.StringIO()
    show(terminal.console(file, width=width), found)
    assert max(map(len, file.getvalue().splitlines())) <= width
    assert "…" not in file.getvalue()
    assert f"{found.flows[0].changed:,}" in file.getvalue()
