"""vnic sweep, as it is typed."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import VNIC, invoke
from sweeps import burst_file
from terminal import on_terminal

GRID = ("--vary", "rx-usecs=0,50", "--vary", "rx-ring=64..256x2")


@pytest.fixture
def capture(tmp_path):
    return burst_file(tmp_path)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def sentence(result, code=2):
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("vnic: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_a_table_and_json_say_the_same(capture):
    table = invoke("sweep", capture, *GRID)
    assert (table.exit_code, table.stderr) == (0, "")
    found = json.loads(invoke("sweep", capture, *GRID, "--json").stdout)
    rows = [line for line in table.stdout.splitlines() if re.match(r"[* ] {2,}[0-9]", line)]
    ordered = [found["points"][n] for n in found["order"]]
    assert [row.startswith("*") for row in rows] == [p["front"] for p in ordered]
    assert [row.lstrip("* ").split()[:3] for row in rows] == [
        [str(p["knobs"]["rx-usecs"]), str(p["knobs"]["rx-ring"]), f"{p['lost']:,}"] for p in ordered
    ]
    assert "6 points, rx-usecs (2) x rx-ring (3)" in table.stdout
    assert found["planned"] == len(found["points"]) == 6
    quiet = invoke("sweep", capture, *GRID, "-q")
    assert re.fullmatch(
        r"6 points, \d on the Pareto front; best: rx-usecs=\d+ rx-ring=256: \d+ lost, p99 .*\n", quiet.stdout
    )


def test_options_are_those_of_replay(capture):
    same = ("-c", 100, "--loop", 2, "--rps-cpus", 1, "--rcvbuf", "1M", "--json")
    found = json.loads(invoke("sweep", capture, "--vary", "cpus=1,2", *same).stdout)
    assert [p["offered"] for p in found["points"]] == [100, 100]
    assert found["input"]["selected"] == {"limit": 100, "loop": 2}
    assert (found["base"]["rps-cpus"], found["base"]["rcvbuf"]) == ("1", "1M")
    assert "cpus" not in found["base"]
    replay = json.loads(invoke("replay", capture, "--cpus", 1, *same).stdout)
    assert found["points"][0]["interrupts"] == replay["irq"]["interrupts"]


def test_a_file_sets_what_does_not_vary(capture, tmp_path):
    (tmp_path / "c.toml").write_text("rx-ring = 16\nrx-usecs = 7\ncpus = 2\n")
    found = json.loads(invoke("sweep", capture, "--config", "c.toml", "--vary", "rx-ring=64,128", "--json").stdout)
    assert found["base"]["rx-usecs"] == 7
    assert [p["knobs"]["rx-ring"] for p in found["points"]] == [64, 128]


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_an_output_and_a_store_beside_it(capture, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="pip install 'vnic[tables]'")
    out, kept = tmp_path / f"o.{ending}", tmp_path / "o.points.jsonl"
    first = invoke("sweep", capture, *GRID, "-o", out)
    assert (first.exit_code, first.stderr) == (0, "")
    assert len(kept.read_bytes().splitlines()) == 6
    written = out.read_bytes()
    again = invoke("sweep", capture, *GRID, "-o", out)
    assert again.stdout == first.stdout
    assert out.read_bytes() == written
    assert len(kept.read_bytes().splitlines()) == 6


def test_several_outputs_and_no_store(capture, tmp_path):
    assert invoke("sweep", capture, *GRID, "-o", "a.csv", "-o", "b.json", "--no-store").exit_code == 0
    assert names(tmp_path) == ["a.csv", "b.json", "burst.pcap"]
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 7


def test_without_an_output_nothing_is_written(capture, tmp_path):
    invoke("sweep", capture, *GRID)
    assert names(tmp_path) == ["burst.pcap"]


def test_a_store_of_its_own(capture, tmp_path):
    assert invoke("sweep", capture, *GRID, "--store", "s.jsonl").exit_code == 0
    with (tmp_path / "s.jsonl").open("r+b") as file:
        file.truncate(file.seek(0, 2) - 10)
    again = invoke("sweep", capture, *GRID, "--store", "s.jsonl")
    assert sentence(again, 0) == "vnic: s.jsonl: 1 line cut or edited: left there, and not used\n"
    assert len((tmp_path / "s.jsonl").read_bytes().splitlines()) == 7


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "nothing varies: add --vary KNOB=VALUES"),
        (("--vary", "x="), "there is no knob 'x'"),
        (("--vary", "rx-usecs="), "a value is missing"),
        (("--vary", "rx-ring=1"), "rx-ring=1: must be between 16"),
        (("--vary", "rx-ring=64", "--vary", "ring=64"), "is there twice"),
        (("--vary", "rx-ring=64", "--rx-ring", "64"), "--rx-ring and --vary rx-ring: a knob that varies"),
        (("--vary", "rx-ring=64", "--set", "ring=64"), "--set ring=64 and --vary rx-ring"),
        (("--vary", "cpus=1", "--cpus", "2"), "--cpus and --vary cpus"),
        (("--vary", "fifo=60..1059+1", "--vary", "udp-mem=1..1000+1", "--vary", "rx-usecs=0..999+1"), "1,000,000,000"),
        (("--vary", "queues=1", "-o", "a.txt"), "must end in .csv, .parquet or .json"),
        (("--vary", "queues=1", "-o", "no/a.csv"), "no/a"),
        (("--vary", "queues=1", "-f", "bogus("), "filter"),
        (("--vary", "queues=1", "--set", "x=1"), "there is no knob 'x'"),
        (("--vary", "queues=1", "--rx-ring", "3"), "rx-ring=3: must be between"),
        (("--vary", "queues=1", "--store", "a", "--no-store"), "--store and --no-store: give only one"),
        (("--vary", "queues=1", "--store", "burst.pcap"), "burst.pcap: is not a store of vnic sweep"),
        (("--vary", "rx-frames=0"), "no point has a result: rx-usecs=0 and rx-frames=0"),
        (("--vary", "queues=1,2", "--ip", "nonsense"), "no point has a result: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_before_anything_runs(capture, argv, says, monkeypatch):
    if "no point" not in says:
        monkeypatch.setattr("vnic.sweep.sweep.run", None)
    result = invoke("sweep", capture, *argv)
    code = 1 if says == "no/a" else 2
    assert says in sentence(result, code)
    assert result.stdout == ""


@pytest.mark.parametrize(
    "where", ["forks", "dask://", "dask://host", "dask://h:0", "dask://h:99999", "dask://a b:1", ""]
)
def test_what_is_no_executor(capture, where):
    result = invoke("sweep", capture, "--vary", "queues=1", "--executor", where)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_missing_capture():
    assert sentence(invoke("sweep", "nowhere.pcap", *GRID)) == "vnic: nowhere.pcap: No such file or directory\n"


def test_a_point_that_fails_is_told_and_the_code_says_so(capture):
    result = invoke("sweep", capture, "--vary", "rx-usecs=0,10,50", "--rx-frames", 0)
    assert result.exit_code == 1
    assert result.stderr == (
        "vnic: rx-usecs=0: rx-usecs=0 and rx-frames=0: there would never be an interrupt\n"
        "vnic: 1 point of 3 without a result\n"
    )
    assert "3 points, rx-usecs (3)" in result.stdout


def test_an_input_that_ends_early_is_told(capture):
    capture.write_bytes(capture.read_bytes()[:-5])
    result = invoke("sweep", capture, "--vary", "queues=1,2")
    assert "the input ended early: " in sentence(result, 1)
    assert "1,499 frames" in result.stdout


def test_processes_are_another_executor(capture):
    one, other = (
        invoke("sweep", capture, *GRID, "--json", "--executor", e, "--workers", 2) for e in ("threads", "processes")
    )
    assert one.stdout == other.stdout


def started(*argv, **options):
    return subprocess.Popen([*VNIC, "sweep", *map(str, argv)], stdout=subprocess.PIPE, text=True, **options)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["threads", "processes"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_done_and_the_next_sweep_goes_on(capture, tmp_path, executor, number):
    kept, out = tmp_path / "o.points.jsonl", tmp_path / "o.json"
    argv = (capture, "--vary", "rx-usecs=0..2999+1", "-o", out, "--workers", 2, "--executor", executor, "--json")
    with started(*argv, stderr=subprocess.PIPE) as p:
        while not kept.exists() or kept.stat().st_size < 20_000:
            assert p.poll() is None, p.communicate()
        p.send_signal(number)
        stdout, stderr = p.communicate(timeout=60)
    assert p.returncode == -number, stderr
    done = len(kept.read_bytes().splitlines())
    assert stderr == f"vnic: stopped: {done} of 3,000 points are done; {out} has them\n"
    found = json.loads(out.read_text())
    assert json.loads(stdout) == found
    assert (len(found["points"]), found["planned"]) == (done, 3000)
    few = ("--vary", f"rx-usecs=0..{done // 2}+1")
    again = invoke("sweep", capture, *few, "--store", kept, "--json")
    assert [p["cpu_ns"] for p in json.loads(again.stdout)["points"]] == [
        p["cpu_ns"] for p in json.loads(invoke("sweep", capture, *few, "--json").stdout)["points"]
    ]


@pytest.mark.slow
def test_a_killed_sweep_leaves_no_process_and_its_points_stay(capture, tmp_path):
    kept = tmp_path / "s.jsonl"
    argv = (capture, "--vary", "rx-usecs=0..2999+1", "--store", kept, "--workers", 2, "--executor", "processes")
    with started(*argv, start_new_session=True) as p:
        while not kept.exists() or kept.stat().st_size < 20_000:
            assert p.poll() is None
        os.kill(p.pid, signal.SIGKILL)
        p.wait(60)
        while any_of_session(p.pid):  # the test's own time limit ends this
            pass
    again = invoke("sweep", capture, "--vary", "rx-usecs=0,1,2", "--store", kept, "-q")
    assert again.exit_code == 0


def any_of_session(sid):
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[3] == str(sid) and fields[0] not in "ZX":
            found.append(process.name)
    return found


@pytest.mark.slow
def test_a_terminal_sees_what_is_done_and_the_time_left(capture):
    env = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    argv = [sys.executable, "-m", "vnic", "sweep", str(capture), "--vary", "rx-usecs=0..2999+1"]
    with on_terminal(argv, stdout=subprocess.DEVNULL, env=env) as (p, seen):
        seen.until(
            lambda text: re.search(r"[1-9][0-9]* of 3000 points", text) and re.search(r"0:0[0-9]:[0-9]{2}", text)
        )
        p.send_signal(signal.SIGINT)
        seen.until(lambda text: re.search(r"stopped: [\d,]+ of 3,000 points are done", text))
