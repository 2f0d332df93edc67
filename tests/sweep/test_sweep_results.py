"""What comes out: the dict vnic.sweep/1, CSV, Parquet, and the table on a terminal."""

import csv
import json
import subprocess
import sys

import jsonschema
import pytest
from paths import ROOT
from sweeps import VARIED, burst_file, sweep_of, swept

import vnic
from vnic.errors import ConfigError
from vnic.look.terminal import console
from vnic.sweep import files, shown
from vnic.sweep.results import as_json, columns


def thing(**properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


COUNT, TEXT, REAL = {"type": "integer", "minimum": 0}, {"type": "string"}, {"type": "number", "minimum": 0}
TEXTS, COUNTS = {"type": "array", "items": TEXT}, {"type": "array", "items": COUNT}
MAYBE = {"type": ["string", "null"]}
WAIT = {"type": ["integer", "null"], "minimum": 0}
NAMED = {"point": COUNT, "knobs": {"type": "object"}, "front": {"type": "boolean"}, "rank": COUNT}
POINT = thing(
    **NAMED,
    error={"type": "null"},
    offered=COUNT,
    delivered=COUNT,
    lost=COUNT,
    loss_share=REAL,
    lost_by_limits=COUNT,
    fates={"type": "object", "additionalProperties": COUNT},
    latency_ns=thing(p50=WAIT, p99=WAIT, max=WAIT),
    interrupts=COUNT,
    frames_per_interrupt=REAL,
    cpu_ns=COUNT,
    cpu_ns_per_frame=REAL,
    time_squeeze=COUNT,
    limits={"type": "object", "additionalProperties": {"type": "array", "items": COUNT, "minItems": 2, "maxItems": 2}},
)
FAILED = thing(**NAMED, error={"type": "string", "minLength": 1})
SCHEMA = thing(
    schema={"const": "vnic.sweep/1"},
    vnic={"const": vnic.__version__},
    input=thing(files=TEXTS, sha256=TEXT, bytes=COUNT, selected={"type": "object"}, left_out=TEXTS, error=MAYBE),
    base={"type": "object"},
    axes={"type": "array", "items": thing(knob=TEXT, unit=TEXT, values={"type": "array", "minItems": 1})},
    objectives={"type": "array", "items": thing(name=TEXT, meaning=TEXT, better={"const": "less"})},
    planned=COUNT,
    points={"type": "array", "items": {"anyOf": [POINT, FAILED]}},
    front=COUNTS,
    order=COUNTS,
)


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return burst_file(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def found(capture):
    """A grid with everything: losses, refusals, text, flags and numbers as values."""
    return swept([capture], "rx-frames=0,1", "rx-ring=64,1024", "gro=on,off", "rps-cpus=0;f", reader_cpu=1)


def test_it_is_the_schema_of_its_description(found):
    jsonschema.validate(json.loads(json.dumps(found)), SCHEMA)
    jsonschema.validate(as_json(sweep_of([burst_capture(found)], *VARIED).results), SCHEMA)  # nothing was run yet


def burst_capture(found):
    return found["input"]["files"][0]


def test_its_parts_agree(found):
    points = found["points"]
    assert [p["point"] for p in points] == list(range(found["planned"])) == list(range(16))
    assert found["order"] == [p["point"] for p in sorted(points, key=lambda p: p["rank"])]
    assert found["front"] == [n for n in found["order"] if points[n]["front"]]
    assert [list(p["knobs"]) for p in points] == [[a["knob"] for a in found["axes"]]] * 16
    assert sum(p["error"] is not None for p in points) == 8
    assert points[-1]["knobs"] == {"rx-frames": 1, "rx-ring": 1024, "gro": False, "rps-cpus": "f"}
    assert found["base"] == {"cpus": 4, "reader-cpu": 1}
    assert found["axes"][1] == {"knob": "rx-ring", "unit": "descriptors", "values": [64, 1024]}


def test_each_objective_is_in_each_point(found):
    for objective in found["objectives"]:
        for p in found["points"]:
            value = p
            for part in objective["name"].split(".") if p["error"] is None else ():
                value = value[part]
            assert p["error"] is not None or isinstance(value, int)


def test_the_front_holds_against_every_other_point(found):
    def score(p):
        return p["lost"], p["latency_ns"]["p99"], p["interrupts"], p["cpu_ns"]

    done = [p for p in found["points"] if p["error"] is None]
    for p in done:
        beaten = any(score(q) != score(p) and all(map(int.__le__, score(q), score(p))) for q in done)
        assert p["front"] == (not beaten)


# ---- tables ----


def test_csv_has_each_number_of_the_json(found, tmp_path):
    files.write(str(tmp_path / "o.csv"), found)
    with (tmp_path / "o.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    for row, p in zip(rows, found["points"], strict=True):
        assert int(row["point"]) == p["point"]
        assert row["front"] == str(p["front"]).lower()
        assert (row["rx-ring"], row["gro"], row["rps-cpus"]) == (
            str(p["knobs"]["rx-ring"]),
            str(p["knobs"]["gro"]).lower(),
            p["knobs"]["rps-cpus"],
        )
        assert row["error"] == (p["error"] or "")
        if p["error"] is not None:
            assert row["lost"] == row["p99_ns"] == row["limits"] == ""
            continue
        for name in ("offered", "delivered", "lost", "loss_share", "interrupts", "cpu_ns", "time_squeeze"):
            assert float(row[name]) == p[name]
        assert int(row["p99_ns"]) == p["latency_ns"]["p99"]
        assert {
            k[5:]: int(v) for k, v in row.items() if k.startswith("lost_") and k != "lost_by_limits" and int(v)
        } == {k: v for k, v in p["fates"].items() if v}


def test_parquet_has_the_same_columns_and_the_rest_as_metadata(found, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'vnic[tables]'")
    files.write(str(tmp_path / "o.parquet"), found)
    table = parquet.read_table(tmp_path / "o.parquet")
    assert {name: table[name].to_pylist() for name in table.column_names} == columns(found)
    kinds = {
        name: str(table.schema.field(name).type) for name in ("lost", "front", "loss_share", "gro", "rps-cpus", "error")
    }
    assert kinds == {
        "lost": "int64",
        "front": "bool",
        "loss_share": "double",
        "gro": "bool",
        "rps-cpus": "string",
        "error": "string",
    }
    told = json.loads(table.schema.metadata[b"vnic.sweep"])
    assert told == {name: found[name] for name in told}
    assert {"schema", "axes", "base", "input"} <= set(told)


def test_values_of_several_types_are_one_column_of_text(capture, tmp_path):
    found = swept([capture], "speed=max,2", "reader-cpu=any,1")
    table = columns(found)
    assert table["speed"] == ["max", "max", "2.0", "2.0"]
    assert table["reader-cpu"] == ["any", "1", "any", "1"] or table["reader-cpu"] == ["any", 1, "any", 1]
    files.write(str(tmp_path / "o.csv"), found)


def test_json_is_the_dict(found, tmp_path):
    files.write(str(tmp_path / "o.JSON"), found)
    assert json.loads((tmp_path / "o.JSON").read_text()) == found


def test_a_name_without_a_format_is_refused():
    for name in ("o", "o.txt", "csv", "o.csv.gz", ""):
        with pytest.raises(ConfigError, match=r"must end in \.csv, \.parquet or \.json"):
            files.check(name)


def test_parquet_without_its_package_is_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(vnic.VnicError, match=r"Parquet: pip install 'vnic\[tables\]'"):
        files.check("o.parquet")


FULL = """
import json, resource, signal, sys
from vnic.sweep import files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    files.write(sys.argv[1], json.loads(sys.stdin.read()))
except OSError as e:
    print(e.filename, e.strerror)
"""


@pytest.mark.parametrize("name", ["o.csv", "o.json"])
@pytest.mark.parametrize("before", [None, "before"])
def test_a_full_disk_leaves_no_half_file(found, tmp_path, name, before):
    path = tmp_path / name
    if before:
        path.write_text(before)
    done = subprocess.run(
        [sys.executable, "-c", FULL, path],
        input=json.dumps(found), cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == f"{path} File too large\n"
    assert [p.name for p in tmp_path.iterdir()] == [name] * bool(before)
    assert not before or path.read_text() == before


# ---- for people ----


def screen(found, width, tmp_path, rows=20):
    path = tmp_path / "screen"
    with path.open("w") as file:
        shown.show(console(file, width=width), found, rows=rows, columns=width)
    return path.read_text()


def test_the_table_has_the_best_first_and_marks_the_front(found, tmp_path):
    text = screen(found, 300, tmp_path)
    lines = text.splitlines()
    assert lines[0].startswith(f"{burst_capture(found)}  1,500 frames, ")
    assert lines[0].endswith("16 points, rx-frames (2) x rx-ring (2) x gro (2) x rps-cpus (2)")
    assert lines[2].split()[:5] == ["rx-frames", "rx-ring", "gro", "rps-cpus", "lost"]
    rows = lines[3:11]
    marks = [line.startswith("*") for line in rows]
    done = [found["points"][n] for n in found["order"] if found["points"][n]["error"] is None]
    assert marks == [p["front"] for p in done]
    losses = [int(line.removeprefix("*").split()[4].replace(",", "")) for line in rows]
    assert losses == [p["lost"] for p in done] == sorted(losses)
    assert f"{len(found['front'])} points on the Pareto front" in text


def test_points_that_are_not_shown_are_counted(found, tmp_path):
    hidden = [n for n in found["order"][2:8] if n in found["front"]]
    assert f"6 more points, {len(hidden)} of them on the front: --rows 8 shows them" in screen(
        found, 300, tmp_path, rows=2
    )


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_it_fits_and_no_number_is_cut(found, tmp_path, width):
    text = screen(found, width, tmp_path)
    longest = max(map(len, burst_capture(found).split()))
    assert all(len(line) <= max(width, longest + 2) for line in text.splitlines())
    for p in found["points"]:
        assert p["error"] is not None or f"{p['lost']:,}" in text


def test_a_loss_is_zero_or_whole_only_if_it_is_exact():
    assert [shown._share(x) for x in (0, 1e-9, 0.5, 0.123456, 0.999999, 1)] == [
        "0%", "0.01%", "50.00%", "12.35%", "99.99%", "100%",
    ]  # fmt: skip


def test_one_line(found, capture):
    best = found["points"][found["order"][0]]
    line = shown.one_line(found)
    assert line.startswith(f"8 points, {len(found['front'])} on the Pareto front; best: rx-frames=1 ")
    assert f": {best['lost']} lost, p99 " in line
    assert shown.one_line(swept([capture], "rx-frames=0")) == "0 points, 0 on the Pareto front"
