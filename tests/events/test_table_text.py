"""CSV and JSON lines are what Python's csv and json read back."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged import load_of, made, play

from vnic.events import written


def text(rows, write):
    out = io.BytesIO()
    write(rows, out)
    return out.getvalue().decode()


def plain(row):
    return {name: value if value != "" else None for name, value in row._asdict().items()}


@pytest.mark.parametrize("piece", [5000, 1 << 22])
def test_csv_reads_back(monkeypatch, piece):
    monkeypatch.setattr(written, "_PIECE", piece)
    events = play(load_of(5))
    for rows in (events, events.frames):
        got = list(csv.DictReader(io.StringIO(text(rows, written.csv))))
        want = [{name: "" if v is None else str(v) for name, v in plain(row).items()} for row in rows]
        assert got == want


@pytest.mark.parametrize("piece", [5000, 1 << 22])
def test_json_lines_of_frames_read_back(monkeypatch, piece):
    monkeypatch.setattr(written, "_PIECE", piece)
    frames = play(load_of(5)).frames
    assert [json.loads(line) for line in text(frames, written.json_lines).splitlines()] == [plain(f) for f in frames]


def test_json_lines_of_records_have_arguments_by_name():
    events = play(load_of(5))
    for line, e in zip(text(events, written.json_lines).splitlines(), events, strict=True):
        got = json.loads(line)
        args = e.args
        if "flow" in args:
            args["flow"] = events.flows[args["flow"]]
        assert got.pop("args") == {k: v for k, v in args.items() if v != ""}
        assert got == {name: v for name, v in e._asdict().items() if name != "arg"}


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=5))
def test_any_word_survives(words):
    events = made(
        *({"frame": i + 1, "kind": "wire", "arg": i + 1 << 32} for i in range(len(words))), flows=["", *words]
    )
    got = [json.loads(line)["flow"] for line in text(events.frames, written.json_lines).split("\n")[:-1]]
    assert got == words
    read = csv.DictReader(io.StringIO(text(events.frames, written.csv), newline=""))
    assert [row["flow"] for row in read] == words


def test_what_is_missing_stands_first():
    events = made({"kind": "irq"}, missed=1234)
    for rows in (events, events.frames):
        assert text(rows, written.csv).startswith("# 1234 records are missing: the event log was full\n")
        assert json.loads(text(rows, written.json_lines).splitlines()[0]) == {"missed": 1234}
    assert not text(made({"kind": "irq"}), written.csv).startswith("#")


def test_no_rows_are_a_heading_alone():
    assert text(made(), written.csv) == "t_ns,dur_ns,frame,skb,arg,cpu,queue,kind\n"
    assert text(made(), written.json_lines) == ""
