"""The store: what was done is not run again, and a store that is cut, edited or another's is told in a sentence."""

import subprocess
import sys

import pytest
from paths import ROOT
from sweeps import VARIED, burst_file, rows_of, sweep_of

from vnic.errors import ConfigError
from vnic.sweep import points
from vnic.sweep import store as store_
from vnic.sweep.replayed import failed
from vnic.sweep.store import Store


@pytest.fixture
def capture(tmp_path):
    return burst_file(tmp_path)


def run_with(path, capture, *varied, **options):
    """(how many points were run, all rows, what is wrong with the store)"""
    with Store(path) as store:
        faults = list(store.faults())
        sweep = sweep_of([capture], *varied, store=store, **options)
        todo = len(sweep.missing)
        sweep.run(workers=2)
    return todo, rows_of(sweep), faults


def test_a_second_run_runs_only_what_is_missing(tmp_path, capture):
    path = tmp_path / "s.jsonl"
    first = run_with(path, capture)
    assert first[0] == 12
    assert run_with(path, capture) == (0, first[1], [])
    more = run_with(path, capture, "rx-usecs=0,50,60", *VARIED[1:])
    assert more[0] == 6
    assert len(path.read_bytes().splitlines()) == 18
    assert run_with(path, capture, *VARIED, rcvbuf="1M")[0] == 12  # another base is another point


def test_a_store_cut_at_any_byte_keeps_what_is_whole(tmp_path, capture):
    path = tmp_path / "s.jsonl"
    _, rows, _ = run_with(path, capture, "queues=1,2,4")
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for cut in (*range(0, len(whole), 97), *ends, *(end - 1 for end in ends), *(end - 2 for end in ends)):
        path.write_bytes(whole[:cut])
        kept = sum(end - 1 <= cut for end in ends)  # a line without its end is whole too
        with Store(path) as store:
            assert len(store.rows) == kept, cut
            assert store.damaged == (cut not in (0, *ends, *(end - 1 for end in ends))), cut
    path.write_bytes(whole[: ends[1] + 50])
    todo, again, faults = run_with(path, capture, "queues=1,2,4")
    assert (todo, again) == (1, rows)
    assert faults == [f"{path}: 1 line cut or edited: left there, and not used"]
    assert run_with(path, capture, "queues=1,2,4")[:2] == (0, rows)


def test_a_line_that_was_edited_does_not_count(tmp_path, capture):
    path = tmp_path / "s.jsonl"
    _, rows, _ = run_with(path, capture, "queues=1,2")
    lines = path.read_text().splitlines()
    edited = lines[0].replace('"offered": 1500', '"offered": 1501')
    assert edited != lines[0]
    path.write_text("\n".join([edited, lines[1], "nonsense", ""]) + "\n")
    todo, again, faults = run_with(path, capture, "queues=1,2")
    assert (todo, again) == (1, rows)
    assert faults == [f"{path}: 3 lines cut or edited: left there, and not used"]


def test_points_of_another_version_or_capture_stay_and_are_not_used(tmp_path, capture, monkeypatch):
    path = tmp_path / "s.jsonl"
    with monkeypatch.context() as m:
        m.setattr(points, "this_version", lambda: "0.0.9")
        m.setattr(store_, "this_version", lambda: "0.0.9")
        assert run_with(path, capture, "queues=1,2")[0] == 2
    todo, _, faults = run_with(path, capture, "queues=1,2")
    assert todo == 2
    assert faults == [f"{path}: 2 points of another version of vnic: left there, and not used"]
    assert run_with(path, burst_file(tmp_path, "other.pcap", 100), "queues=1,2")[0] == 2
    assert run_with(path, capture, "queues=1,2")[0] == 0
    assert len(path.read_bytes().splitlines()) == 6


@pytest.mark.parametrize(
    "data", [b"no store\n", b"\n", b"{}", b'{"schema": "vnic.replay/1"}', b"\0" * 100, b"x" * (1 << 21)]
)
def test_another_file_is_not_written_to(tmp_path, data):
    path = tmp_path / "notes.txt"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="is not a store of vnic sweep: name another file"):
        Store(path)
    assert path.read_bytes() == data


def test_a_line_without_end_is_no_store(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_bytes(store_._BEGIN + b"x" * (3 << 20))
    with pytest.raises(ConfigError, match="has a line of more than 1,048,576 bytes"):
        Store(path)


def test_one_sweep_at_a_time(tmp_path):
    path = tmp_path / "s.jsonl"
    with Store(path), pytest.raises(ConfigError, match="another sweep writes to it"):
        Store(path)
    with Store(path):
        pass


def test_a_device_is_no_store():
    with pytest.raises(ConfigError, match="is not a file"):
        Store("/dev/null")


def test_a_row_with_a_right_sum_and_a_wrong_form_is_damaged(tmp_path):
    path = tmp_path / "s.jsonl"
    with Store(path) as store:
        store.append("0" * 64, "x", {}, {"error": None, "lost": 3})
        store.append("1" * 64, "x", {}, failed("refused", lasts=True))
        store.append("2" * 64, "x", {}, [])
    with Store(path) as store:
        assert (list(store.rows), store.damaged) == (["1" * 64], 2)


CODE = """
import resource, sys
from vnic.sweep.store import Store
with Store(sys.argv[1]) as store:
    store.append("0" * 64, "x", {}, {"error": "a", "lasts": True})
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    try:
        store.append("1" * 64, "x", {}, {"error": "b" * 1000, "lasts": True})
    except OSError as e:
        print(e.filename, e.strerror)
"""


def test_what_a_full_disk_took_of_a_line_is_cut_off_again(tmp_path):
    path = tmp_path / "s.jsonl"
    code = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + CODE
    done = subprocess.run(
        [sys.executable, "-c", code, path, "700"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"{path} File too large\n"
    with Store(path) as store:
        assert (list(store.rows), store.damaged) == (["0" * 64], 0)
    assert path.stat().st_size < 700
    assert [p.name for p in tmp_path.iterdir()] == ["s.jsonl"]


def test_what_may_succeed_another_time_is_not_kept(tmp_path, capture, monkeypatch):
    """Too little memory, or a worker that was killed: the next sweep tries again. A refusal is for ever."""
    path = tmp_path / "s.jsonl"
    monkeypatch.setattr("vnic.machine.memory.available", lambda: 100 << 20)
    _, rows, _ = run_with(path, capture, "queues=1,128", "rx-ring=16384")
    assert "of memory, and 105 MB are available" in rows[1]["error"]
    assert rows[1]["lasts"] is False
    assert run_with(path, capture, "queues=1,128", "rx-ring=16384")[0] == 1
    monkeypatch.undo()
    _, rows, _ = run_with(path, capture, "rx-usecs=0,5", rx_frames=0)
    assert rows[0] == {"error": "rx-usecs=0 and rx-frames=0: there would never be an interrupt", "lasts": True}
    assert run_with(path, capture, "rx-usecs=0,5", rx_frames=0)[0] == 0
