"""vnic replay --events and --frames, and vnic events."""

import json
import os
import subprocess
import sys
from pathlib import Path

import frames
import pytest
from captures import pcap
from commands import invoke
from paths import ROOT

import vnic
from vnic.events.file import load

DEMO = str(ROOT / "tests/captures/demo.pcapng")


@pytest.fixture
def capture(tmp_path):
    """Thirty datagrams of two flows, to a socket that has room for few."""
    path = tmp_path / "a.pcap"
    each = [frames.udp(bytes(30), sport=1 + i % 2, dport=5000) for i in range(30)]
    path.write_bytes(pcap([(i // 10 * 10**9 + i % 10 * 1000, data, len(data)) for i, data in enumerate(each)]))
    return str(path)


@pytest.fixture
def recorded(capture, tmp_path):
    path = str(tmp_path / "run.vnic-events")
    done = invoke("replay", capture, "-q", "--rcvbuf", "3000", "--events", path)
    assert (done.exit_code, done.stderr) == (0, "")
    return path


def lines(*argv, code=0):
    done = invoke(*argv)
    assert done.exit_code == code, done.stderr
    return done.stdout.splitlines()


def refusal(*argv):
    done = invoke(*argv)
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    (line,) = done.stderr.splitlines()[-1:]
    return line


def test_replay_writes_what_its_result_has(capture, tmp_path, recorded):
    result = vnic.replay([capture], events=True, rcvbuf=3000)
    events = load(recorded)
    assert bytes(events.data) == bytes(result.events.data)
    assert events.facts["ledger"] == json.loads(json.dumps(result.facts["ledger"]))
    assert events.facts["input"]["files"] == [capture]
    for end in ("csv", "jsonl"):
        out, want = tmp_path / f"f.{end}", tmp_path / f"want.{end}"
        assert invoke("replay", capture, "-q", "--rcvbuf", "3000", "--frames", str(out)).exit_code == 0
        result.frames.save(want)
        assert out.read_text() == want.read_text()


def test_parquet_and_arrow_read_back(capture, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    pa = pytest.importorskip("pyarrow")
    out = {name: tmp_path / f"x.{name}" for name in ("parquet", "arrow")}
    for path in out.values():
        assert invoke("replay", capture, "-q", "--frames", str(path), "--events", f"{path}.csv").exit_code == 0
    want = pa.table(vnic.replay([capture], events=True).frames)
    assert pq.read_table(out["parquet"]).to_pylist() == want.to_pylist()
    with pa.ipc.open_file(out["arrow"]) as file:
        assert file.read_all().equals(want)
    assert pq.read_schema(out["parquet"]).metadata[b"vnic.missed"] == b"0"


def test_a_full_log_is_said_everywhere(capture, tmp_path):
    path, table = tmp_path / "e", tmp_path / "f.csv"
    done = invoke(
        "replay", capture, "--json", "--events", str(path), "--frames", str(table), "--events-max", "50"
    )  # fmt: skip
    facts = json.loads(done.stdout)["events"]
    missed = load(path).missed
    assert facts == {"records": 50, "missed": missed}
    assert done.stderr == (
        f"vnic: the event log was full after 50 records: {missed:,} later ones are missing; --events-max N keeps more\n"
    )
    assert table.read_text().startswith(f"# {missed} records are missing")
    again = invoke("events", str(path), "--json")
    assert f"{missed:,} later ones are missing" in again.stderr


@pytest.mark.needs("libpcap")
def test_options_choose_records_of_a_replay_of_all_frames(capture, tmp_path):
    path = tmp_path / "e"

    def numbers(*options):
        assert invoke("replay", capture, "-q", "--events", str(path), *options).exit_code == 0
        events = load(path)
        assert events.facts["ledger"]["offered"] == 30
        return {e.frame for e in events if e.kind == "wire"}

    assert numbers("--events-frames", "3,5-7") == {3, 5, 6, 7}
    assert numbers("--events-filter", "udp src port 1") == set(range(1, 31, 2))
    assert numbers("--events-from", "1s", "--events-to", "1.5") == set(range(11, 21))
    assert numbers() == set(range(1, 31))


@pytest.mark.parametrize(
    "options, sentence",
    [
        (("--frames", "x.json"), "vnic: x.json: the name must end in .parquet, .arrow, .csv, .jsonl"),
        (("--frames", "x"), "vnic: x: the name must end in .parquet, .arrow, .csv, .jsonl"),
        (("--events", "x.json"), "vnic: x.json: the file would have an object a line, so name it .jsonl"),
        (("--events-max", "5"), "vnic: --events-max chooses what --events, --frames and --trace keep: name a file"),
        (("--events", "x.csv", "--frames", "x.csv"), "vnic: --events and --frames: both are x.csv"),
        (
            ("--events", "x", "--events-from", "2", "--events-to", "1"),
            "vnic: events end at 1000000000 ns, before they begin, at 2000000000 ns",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_replay(tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    assert refusal("replay", DEMO, "-q", *options) == sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        ("--events-from", "2026-11-29"),
        ("--events-from", "soon"),
        ("--events-frames", "0"),
        ("--events-frames", "5-4"),
        ("--events-frames", "1,,2"),
        ("--events-max", "0"),
    ],
)
def test_values_are_looked_at(options):
    assert options[0] in refusal("replay", DEMO, "--events", "/dev/null", *options)


def test_an_input_is_not_replaced(capture):
    before = Path(capture).read_bytes()
    assert refusal("replay", capture, "--events", capture) == (
        f"vnic: {capture}: is an input, so it cannot be the output"
    )
    assert Path(capture).read_bytes() == before


def test_a_missing_extra_is_one_sentence(capture, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for end, what in ((".parquet", "Parquet"), (".arrow", "Arrow files")):
        done = invoke("replay", capture, "--frames", str(tmp_path / f"x{end}"))
        assert done.exit_code == 1
        assert done.stderr == f"vnic: {what}: pip install 'vnic[tables]'\n"


# ---- vnic events ----


def test_a_line_is_a_record(recorded):
    head, *rest = lines("events", recorded)
    assert head.split() == ["seconds", "lasted", "where", "queue", "frame", "packet", "what", "details"]
    assert len(rest) == len(load(recorded))
    assert rest[0].split(maxsplit=4) == ["0.000000076", "card", "q0", "1", rest[0].split(maxsplit=4)[4]]


def test_a_capture_is_replayed_with_the_hosts_options(capture, recorded):
    assert lines("events", capture, "--rcvbuf", "3000") == lines("events", recorded)
    assert lines("events", capture) != lines("events", recorded)
    assert lines("events", capture, "--rcvbuf", "3000", "--lost") == lines("events", recorded, "--lost")


def test_json_is_an_object_a_line(recorded, tmp_path):
    got = lines("events", recorded, "--json")
    assert [json.loads(line)["kind"] for line in got] == [e.kind for e in load(recorded)]
    out = tmp_path / "x.jsonl"
    assert invoke("events", recorded, "-o", str(out)).exit_code == 0
    assert out.read_text().splitlines() == got


def selected(recorded, *options):
    return [json.loads(line) for line in lines("events", recorded, "--json", *options)]


def test_selections(recorded):
    assert {e["kind"] for e in selected(recorded, "--kind", "wire, fate")} == {"wire", "fate"}
    assert {e["frame"] for e in selected(recorded, "--frame", "3,5-6")} == {3, 5, 6}
    assert {e["cpu"] for e in selected(recorded, "--cpu", "0")} == {0}
    assert selected(recorded, "--queue", "5") == []
    assert {e["frame"] for e in selected(recorded, "--from", "1s", "--kind", "wire")} == set(range(11, 31))
    lost = {f.id for f in load(recorded).frames if f.lost}
    assert lost
    assert {e["frame"] for e in selected(recorded, "--lost")} == lost
    assert {e["frame"] for e in selected(recorded, "--lost", "--frame", f"1-{min(lost)}")} == {min(lost)}


def test_frames_are_rows_of_csv(recorded):
    head, *rest = lines("events", recorded, "--frames")
    assert head.startswith("id,skb,t_wire,")
    assert len(rest) == 30
    lost = [line for line in rest if line.endswith(",SOCKET_RCVBUFF")]
    assert lines("events", recorded, "--frames", "--lost")[1:] == lost
    assert [r.split(",")[0] for r in lines("events", recorded, "--frames", "--frame", "4-6")[1:]] == ["4", "5", "6"]
    assert [json.loads(r)["id"] for r in lines("events", recorded, "--frames", "--json", "--to", "0.5")] == [
        *range(1, 11)
    ]
    assert lines("events", recorded, "--frames", "--queue", "3") == [head]
    assert lines("events", recorded, "--frames", "--cpu", "3") == [head]


def test_a_part_is_an_event_file_too(recorded, tmp_path):
    out = str(tmp_path / "part")
    assert invoke("events", recorded, "--frame", "2", "-o", out).exit_code == 0
    assert lines("events", out) == lines("events", recorded, "--frame", "2")


@pytest.mark.parametrize(
    "options, sentence",
    [
        (("--queues", "2"), "{}: is an event file, of a run that is over: --queues has no effect on it"),
        (("--kind", "wired"), "'wired' is no kind of event: wire, fifo, "),
        (("--frames", "--kind", "wire"), "--kind chooses records, and --frames prints frames: leave one of them out"),
        (("--json", "-o", "x.jsonl"), "--json prints, and -o writes a file: name it .jsonl"),
        (("--frames", "-o", "x"), "x: the name must end in .parquet, .arrow, .csv, .jsonl"),
        (("-o", "x.json"), "x.json: the file would have an object a line, so name it .jsonl"),
        ((DEMO,), "{}: is an event file: name no other file beside it"),
    ],
)
def test_events_refuses_what_cannot_be(recorded, options, sentence):
    assert refusal("events", recorded, *options).startswith("vnic: " + sentence.format(recorded))


def test_a_bad_event_file_is_one_sentence(recorded):
    with open(recorded, "r+b") as file:
        file.truncate(1000)
    assert "the file was cut short: 1,000 of" in refusal("events", recorded)


def test_a_reader_that_has_seen_enough_ends_it(recorded):
    """As head does: no traceback, and no error."""
    command = [sys.executable, "-m", "vnic", "events", recorded]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0
