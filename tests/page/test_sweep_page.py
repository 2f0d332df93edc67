"""The page of a sweep: every setting in every picture, the edge, what is bounded, and the browser's part."""

import copy

import pytest
from browser import Browser
from hypothesis import given
from hypothesis import strategies as st

from vnic.errors import ConfigError
from vnic.page import scatter
from vnic.page.make import BYTES_MAX, page
from vnic.page.sweep import POINTS_MAX
from vnic.runs.replay import replay

RINGS, USECS = (256, 1024, 4096), (0, 50)


def point(number, knobs, facts):
    fates = {fate: n for fate, n in facts["ledger"]["fates"].items() if not fate.startswith("DELIVERED_")}
    offered, lost = facts["ledger"]["offered"], sum(fates.values())
    cpu_ns = sum(c["now_ns"] - c["idle_ns"] for c in facts["cpus"])
    return {
        "point": number, "knobs": knobs, "front": False, "rank": 0, "error": None,
        "offered": offered, "delivered": offered - lost, "lost": lost, "loss_share": lost / offered,
        "lost_by_limits": sum(x["lost"] for x in facts["limits"]), "fates": fates,
        "latency_ns": {name: facts["latency_ns"]["total"][name] for name in ("p50", "p99", "max")},
        "interrupts": facts["irq"]["interrupts"], "frames_per_interrupt": facts["irq"]["frames_per_interrupt"],
        "cpu_ns": cpu_ns, "cpu_ns_per_frame": cpu_ns / offered, "time_squeeze": 0,
        "limits": {x["knob"]: [x["bound"], x["lost"]] for x in facts["limits"] if x["bound"]},
    }  # fmt: skip


@pytest.fixture(scope="module")
def _swept(overload_path):
    """Results in the form of vnic.sweep/1, of real replays."""
    grid = [{"rx-ring": ring, "rx-usecs": usecs} for ring in RINGS for usecs in USECS]
    points = []
    for number, knobs in enumerate(grid):
        options = {name.replace("-", "_"): value for name, value in knobs.items()}
        points.append(point(number, knobs, replay([overload_path], **options).facts))
    order = sorted(range(len(points)), key=lambda i: (points[i]["lost"], points[i]["latency_ns"]["p99"]))
    for rank, i in enumerate(order, 1):
        points[i] |= {"rank": rank, "front": rank < 3}
    given = {
        "files": [str(overload_path)],
        "sha256": "0" * 64,
        "bytes": 1,
        "selected": {},
        "left_out": [],
        "error": None,
    }
    return {
        "schema": "vnic.sweep/1",
        "vnic": "0",
        "base": {"cpus": 4},
        "input": given,
        "axes": [
            {"knob": "rx-ring", "unit": "descriptors", "values": list(RINGS)},
            {"knob": "rx-usecs", "unit": "us", "values": list(USECS)},
        ],
        "objectives": [{"name": "lost", "meaning": "frames", "better": "less"}],
        "planned": len(points),
        "points": points,
        "front": order[:2],
        "order": order,
    }


@pytest.fixture
def swept(_swept):
    return copy.deepcopy(_swept)


def test_every_setting_is_in_every_picture_and_in_the_table(swept):
    text = page(swept)
    for p in swept["points"]:
        assert text.count(f'href="#point-{p["point"]}" data-point') == 3
        assert text.count(f'id="point-{p["point"]}"') == 1
    assert text.count('class="dot front"') == 3 * 2
    best = swept["points"][swept["order"][0]]
    assert f"The best is <code>rx-ring={best['knobs']['rx-ring']} rx-usecs={best['knobs']['rx-usecs']}</code>" in text


def test_the_verdict_says_how_many_are_enough(swept):
    assert "Every setting loses frames" in page(swept)
    swept["points"][2]["lost_by_limits"] = 0
    assert "1 of 6 settings loses no frame to a limit." in page(swept)


def test_points_without_a_result_are_named(swept):
    swept["points"][1] = {
        "point": 1,
        "knobs": swept["points"][1]["knobs"],
        "front": False,
        "rank": 6,
        "error": "no <memory>",
    }
    swept["planned"] = 9
    text = page(swept)
    assert "<code>rx-ring=256 rx-usecs=50</code>: no &lt;memory&gt;" in text
    assert "3 settings were not run." in text


def test_ten_thousand_settings_make_a_page_that_opens(swept):
    swept["points"] = [swept["points"][0] | {"point": i} for i in range(10_000)]
    swept["order"] = list(range(10_000))
    text = page(swept)
    assert len(text.encode()) < 0.6 * BYTES_MAX
    assert f"{10_000 - POINTS_MAX:,} settings with a lower rank" in text


@pytest.mark.parametrize("wrong", [{"order": [99]}, {"points": [{}]}, {"planned": -1}, {"axes": [{}]}, {"order": None}])
def test_what_is_no_result_is_one_sentence(swept, wrong):
    with pytest.raises(ConfigError, match="not a whole report of vnic: "):
        page(swept | wrong)


MEASURE = scatter.Measure("x", str)
VALUES = st.integers(0, 10**12)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40))
def test_dots_and_ticks_stay_inside_and_less_is_left_and_low(pairs):
    p = scatter.plot(MEASURE, MEASURE, [(i, a, b, False) for i, (a, b) in enumerate(pairs)])
    by_number = {d.number: d for d in p.dots}
    assert all(p.left <= d.x <= p.right and p.top <= d.y <= p.bottom for d in p.dots)
    assert all(p.left <= at <= p.right for at, _ in p.x_ticks)
    assert all(p.top <= at <= p.bottom for at, _ in p.y_ticks)
    assert len(p.x_ticks) <= 9
    ordered = sorted(range(len(pairs)), key=lambda i: pairs[i][0])
    assert [by_number[i].x for i in ordered] == sorted(d.x for d in p.dots)


def test_the_edge_goes_through_the_points_that_no_other_beats():
    rows = [(0, 10, 50, False), (1, 20, 20, False), (2, 25, 45, False), (3, 50, 10, False)]
    p = scatter.plot(MEASURE, MEASURE, rows)
    at = {d.number: d for d in p.dots}
    expected = f"M{at[0].x} {p.top}V{at[0].y}H{at[1].x}V{at[1].y}H{at[3].x}V{at[3].y}H{p.right}"
    assert p.edge == expected


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_in_a_browser(swept, tmp_path):
    path = tmp_path / "sweep.html"
    path.write_text(page(swept))
    with Browser() as browser:
        for width, dark in ((375, False), (1280, True), (1920, False)):
            with browser.open(path, width=width, dark=dark) as shown:
                assert (shown.said, shown.asked) == ([], [])
                assert shown.value("document.documentElement.scrollWidth") == width
        with browser.open(path) as shown:
            told = "document.getElementById('pointed').textContent"
            begin = shown.value(told)
            shown.value("document.querySelector('.scatter a[tabindex=\"-1\"]').focus()")
            assert shown.value(told) != begin
            shown.press("ArrowRight")
            ring = "[...document.querySelectorAll('.ring')].map((r) => r.getAttribute('cx') > 0)"
            assert shown.value(ring) == [True] * 3
            assert shown.value("document.querySelectorAll('tr.pointed').length") == 1
