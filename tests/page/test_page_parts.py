"""The parts of a page that are reckoned: strips of latency, time lines, the configuration, numbers in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic.page import configured, times, told, waits
from vnic.page.stages import STAGES, read


def split(low, high, frames):
    lat = {
        "count": sum(frames),
        "mean": 1.0,
        "min": low[0],
        "p50": low[0],
        "p90": high[-1],
        "p99": high[-1],
        "p999": high[-1],
        "max": high[-1],
    }
    return {
        "latency_ns": {"total": lat},
        "latency_histograms": {"total": {"low_ns": low, "high_ns": high, "frames": frames}},
    }


def test_a_strip_has_its_columns_where_the_axis_says():
    axis, (strip,) = waits.strips(split([100, 10_000], [101, 10_150], [4, 1]))
    assert (axis.low, axis.decades) == (100, 3)
    assert axis.ticks == ["100 ns", "1 µs", "10 µs"]
    assert strip.outline.startswith("M0 40H0.0V4H13.9V40")  # the tallest: four pixels under the top
    assert "V22H" in strip.outline  # a quarter of the frames: half as high
    assert strip.marks == {"min": 0.0, "p50": 0.0, "p99": 668.8, "max": 668.8}


@given(st.lists(st.tuples(st.integers(0, 1 << 62), st.integers(1, 1 << 50)), min_size=1, max_size=60))
def test_no_histogram_leaves_its_strip(rows):
    rows = sorted(dict(rows).items())
    low = [v for v, _ in rows]
    axis, (strip,) = waits.strips(split(low, low, [n for _, n in rows]))
    assert 1 <= axis.decades <= 12
    places = [
        float(part)
        for part in strip.outline.replace("M0 40", "").replace("Z", "").replace("V", " ").replace("H", " ").split()
    ]
    assert all(0 <= p <= 1000 for p in places)
    assert all(0 <= p <= 1000 for p in strip.marks.values())


def test_a_stage_without_frames_has_no_strip(facts):
    named = {s.name for s in waits.strips(facts)[1]}
    assert named == {name for name, lat in facts["latency_ns"].items() if lat["count"]}
    assert "backlog" in named


def test_the_fullest_places_are_shown(facts):
    bins = facts["timeline"]["bins"]
    facts["timeline"]["backlog_max"] = {str(i): [i] * bins for i in range(40)}
    shown = [f["name"] for f in times.series(facts)["fill"]]
    assert (shown[0], set(shown[1:3])) == ("FIFO", {"ring 0", "ring 1"})
    assert shown[3:] == [f"backlog of CPU {i}" for i in (39, 38, 37, 36, 35, 34)]


def test_more_reasons_than_lines_share_one(facts):
    bins = facts["timeline"]["bins"]
    facts["timeline"]["lost"] = {f"R{i:02}": [100 - i] * bins for i in range(20)}
    lost = times.series(facts)["lost"]
    assert [x["name"] for x in lost] == [f"R{i:02}" for i in range(8)] + ["12 other reasons"]
    assert lost[-1]["frames"] == [sum(100 - i for i in range(8, 20))] * bins


@pytest.mark.parametrize("wrong", [-1, 1.5, "7", None, True, 1 << 64])
def test_a_bin_that_is_no_count_is_refused(facts, wrong):
    facts["timeline"]["offered"][0] = wrong
    with pytest.raises(ValueError, match="is not a count"):
        times.series(facts)


def test_what_differs_from_linux_is_marked(facts):
    rows = {r.name: r for r in configured.rows(facts["config"])}
    assert {name for name, r in rows.items() if r.differs} == {
        "queues", "rps-cpus", "netdev-max-backlog", "gro-flows", "rx-ring", "rcvbuf"}  # fmt: skip
    assert (rows["rx-ring"].value, rows["rx-ring"].usual, rows["rx-ring"].place) == (
        "512 descriptors", "256 descriptors", "ethtool -G rx")  # fmt: skip
    assert sum(len(own) for _, own in configured.groups(list(rows.values()))) == len(rows) == len(facts["config"])


def test_every_counter_of_every_stage_is_in_the_report(facts):
    assert [(s.id, path) for s in STAGES for _, path in s.counters if read(facts, path) is None] == []


def test_every_limit_and_knob_of_a_stage_exists(facts):
    from vnic.knobs.table import KNOBS
    from vnic.runs.funnel import FUNNEL

    limits = {row["knob"] for row in facts["limits"]}
    assert {k for s in STAGES for k in s.limits} == limits  # each at one stage at least
    assert {k for s in STAGES for k in s.knobs} <= set(KNOBS)
    assert [s.funnel for s in STAGES if s.funnel] == [name for name, _, _ in FUNNEL]


def test_every_stage_names_a_file_that_there_is():
    from paths import ROOT

    assert [s.file for s in STAGES if not (ROOT / s.file).is_file()] == []


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (1, 10**9, "< 0.1 %"),
        (10**9 - 1, 10**9, "> 99.9 %"),
        (1, 3, "33.3 %"),
        (7, 0, "0 %"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part, whole, words):
    assert told.share(part, whole) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(True, "", "on"), (None, "us", "—"), (1, "frames", "1 frame"), (0, "us", "0 µs"), (4096, "bytes", "4,096 bytes"),
     ("f\u202e", "", "f\\u202e"), ("f", "mask", "f")],
)  # fmt: skip
def test_a_setting_in_words(value, unit, words):
    assert told.setting(value, unit) == words
