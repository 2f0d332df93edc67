"""The page of a comparison: its verdict, the JSON's numbers, what is bounded, hostile texts, and the browser's part."""

import copy
import json
import re

import pytest
from browser import Browser
from commands import invoke
from hypothesis import given
from hypothesis import strategies as st
from page_looks import CONTRAST, OUTSIDE

from vnic.errors import ConfigError
from vnic.page import moved, shifts
from vnic.page.diff import CHANGES_MAX, FLOWS_MAX
from vnic.page.make import BYTES_MAX, page

HOSTILE = "</script><b>\u202e\0\x1b[31m'\"&\ud800"
BASE = ("queues=2", "rps-cpus=c", "netdev-max-backlog=100", "rx-ring=512", "rcvbuf=65536")
OTHER = ("netdev-max-backlog=1000", "rx-ring=128", "queues=1")
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
KINDS = {"newly": "newly_lost", "saved": "saved", "other": "otherwise"}


@pytest.fixture(scope="module")
def _compared(overload_path):
    """A real comparison: some frames are newly lost, others saved, others lost elsewhere."""
    base = [word for setting in BASE for word in ("--base", setting)]
    other = [word for setting in OTHER for word in ("--set", setting)]
    done = invoke("diff", overload_path, *base, *other, "--json", "--fail-on", "p99+10%")
    found = json.loads(done.stdout)
    assert min(found["frames"][name] for name in KINDS.values()) > 100
    return found


@pytest.fixture
def compared(_compared):
    return copy.deepcopy(_compared)


def told(text):
    """The text of a page without its elements."""
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", text))


def headline(text):
    return re.search(r"<h1[^>]*>(.*?)</h1>", text)[1]


def without_changes(found):
    """The comparison of a run with itself."""
    fates = found["a"]["fates"]
    same = found | {
        "b": found["a"],
        "knobs": {},
        "matrix": {fate: {fate: n} for fate, n in fates.items()},
        "frames": found["frames"] | dict.fromkeys(("changed", *KINDS.values()), 0),
        "latency_ns": {k: x | {"b": x["a"], "slower": 0, "faster": 0} for k, x in found["latency_ns"].items()},
        "cost": {name: [was, was] for name, (was, _) in found["cost"].items()},
        "first": None,
        "last": None,
    }
    return same | {"changes": [], "flows": [], "flows_changed": 0, "timeline": {}, "worse": []}


def test_more_losses_are_worse(compared):
    more = compared["b"]["lost"] - compared["a"]["lost"]
    changed = compared["frames"]["changed"]
    assert headline(page(compared)) == f"Worse: {more:,} more frames are lost; {changed:,} changed their fate."
    for rule in compared["worse"]:
        assert f"worse by the rule <code>{rule['rule']}</code>" in page(compared)


def test_fewer_losses_are_better_unless_a_rule_says_worse(compared):
    compared["b"]["lost"] = compared["a"]["lost"] - 1
    compared["frames"]["changed"] = 1
    assert headline(page(compared)).startswith("Worse by the rule lost; 1 changed its fate")
    compared["worse"] = []
    assert headline(page(compared)) == "Better: 1 fewer frame is lost; 1 changed its fate."


def test_other_frames_lost_are_neither(compared):
    compared["b"]["lost"], compared["worse"] = compared["a"]["lost"], []
    assert headline(page(compared)).startswith("As many frames are lost; ")


def test_a_run_against_itself_is_the_same(compared):
    found = without_changes(compared)
    text = page(found)
    assert headline(text) == "The same: no fate, time or cost changed."
    assert "No knob differs." in text
    assert "No fate changed." in text
    assert 'id="times"' not in text
    assert 'id="flows"' not in text
    found["cost"]["interrupts"][1] += 1
    assert headline(page(found)) == "The same fates, at other times or costs."


def test_a_full_log_is_told_in_the_headline_and_in_numbers(compared):
    found = without_changes(compared)
    found["a"] = found["a"] | {"records_missing": 12_345}
    found["frames"] |= {"unfinished": 6, "only_b": 1}
    text = page(found)
    assert headline(text) == "No fate changed, in the part that both logs hold."
    assert "12,345 records found no room" in text
    assert "6 frames without a fate in one of the logs do not count." in text
    assert "1 frame is in the log of b only, and not compared." in text


def test_every_setting_that_differs_is_there_with_both_values(compared):
    text = page(compared)
    assert set(compared["knobs"]) == {word.partition("=")[0] for word in OTHER}
    rows = re.findall(r'class="name">([a-z-]+)</th><td class="zero">(.*?)</td><td>(.*?)</td>', text)
    assert set(rows) == {
        ("queues", "2", "1"),
        ("rx-ring", "512 descriptors", "128 descriptors"),
        ("netdev-max-backlog", "100 packets", "1,000 packets"),
    }
    assert told(text).count("512 descriptors →becomes 128 descriptors") == 2


def test_fates_that_did_not_change_have_no_row_and_are_told():
    found = moved.matrix(
        {"DELIVERED_UDP": {"DELIVERED_UDP": 5, "A": 1}, "A": {"A": 2}, "DELIVERED_ARP": {"DELIVERED_ARP": 9}}
    )
    assert [row.fate for row in found.rows] == ["DELIVERED_UDP", "A"]
    assert [[(c.kind, c.frames) for c in row.cells] for row in found.rows] == [
        [("same", 5), ("newly", 1)],
        [("saved", 0), ("same", 2)],
    ]
    assert found.kept == (("DELIVERED_ARP", 9),)
    assert found.rows[1].first_lost


FATE = st.sampled_from([f"{kind}{i}" for kind in ("DELIVERED_", "DROP_") for i in range(20)] + ["NO_FATE"])


@given(st.dictionaries(FATE, st.dictionaries(FATE, st.integers(0, 10**9), max_size=9), max_size=30))
def test_a_matrix_counts_every_frame_once(found):
    laid = moved.matrix(found)
    every = sum(n for row in found.values() for n in row.values())
    cells = [c for row in laid.rows for c in row.cells]
    assert sum(c.frames for c in cells) == laid.frames == sum(n for _, n, _ in laid.columns)
    assert laid.frames + sum(n for _, n in laid.kept) == every == sum(moved.totals(found).values())
    assert len(laid.rows) <= moved.FATES_MAX + 1
    assert all(0 <= c.level <= moved.LEVELS and bool(c.level) is bool(c.frames) for c in cells)


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [(5, 5, ""), (0, 5, "new"), (5, 0, f"{MINUS}100 %"), (100, 138, "+38 %"), (100_000, 100_001, "+< 0.1 %"),
     (1000, 1005, "+0.5 %"), (10, 150, f"{TIMES} 15"), (100, 90.04, f"{MINUS}10 %")],
)  # fmt: skip
def test_growth_in_words(was, now, words):
    assert shifts.growth(was, now) == words


def test_what_is_listed_is_bounded_and_counted(compared):
    compared["flows"] = compared["flows"][:1] * 5000
    compared["changes"] = compared["changes"][:1] * 100_000
    compared["flows_changed"], compared["frames"]["changed"] = 6000, 100_000
    compared["knobs"] |= {f"knob-{i}": [HOSTILE * 1000, i] for i in range(5000)}
    compared["timeline"] |= {key: [7] * 1_000_000 for key in ("worse", "better", "other")}
    compared["matrix"] = {f"{i}": {f"{j}": 1 for j in range(300)} for i in range(300)}
    text = page(compared)
    assert len(text.encode()) < BYTES_MAX
    assert f"{6000 - FLOWS_MAX:,} more flows" in text
    assert f"The first {CHANGES_MAX} of 100,000 frames" in text
    assert f'{300 - moved.FATES_MAX} rare fates share the row and the column "others"' in told(text)


def hostile(value):
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, list):
        return [hostile(v) for v in value]
    return {k: hostile(v) for k, v in value.items()} if isinstance(value, dict) else value


def test_every_text_may_be_hostile(compared):
    wrong = {k: v if k in ("schema", "timeline", "cost", "frames") else hostile(v) for k, v in compared.items()}
    wrong["matrix"] = {HOSTILE: {HOSTILE * 2: 4, "A": 2}}
    wrong["knobs"] = {HOSTILE: [HOSTILE, [HOSTILE]]}
    wrong["latency_ns"] = {HOSTILE: next(iter(compared["latency_ns"].values()))}
    for side in "ab":
        wrong[side]["config"] = compared[side]["config"] | {"cost": HOSTILE}
    text = page(wrong)
    text.encode()
    assert not re.search("[\0\x1b\u202e\ud800]", text)
    assert "<b>\\" not in text
    assert text.count("<script") == page(compared).count("<script")


@pytest.mark.parametrize(
    "wrong",
    [{"frames": None}, {"matrix": {"A": {"B": -1}}}, {"matrix": {"A": {"B": 1.5}}}, {"matrix": []}, {"worse": [{}]},
     {"latency_ns": {"total": {}}}, {"flows": [{}]}, {"cost": {"polls": [1]}}, {"cost": {"polls": ["1", 2]}},
     {"knobs": {"a": 1}}, {"first": {}}, {"a": {}}, {"timeline": {"from_ns": 0, "bin_ns": 0}},
     {"timeline": {"from_ns": 0, "bin_ns": 1, "worse": [1], "better": [], "other": [1]}}],
    ids=str,
)  # fmt: skip
def test_what_is_no_comparison_is_one_sentence(compared, wrong):
    with pytest.raises(ConfigError, match="not a whole report of vnic: "):
        page(compared | wrong)


def number(text):
    return int(re.sub("[^0-9]", "", text) or 0)


@pytest.fixture(scope="module")
def browser():
    with Browser() as started:
        yield started


@pytest.fixture
def path(tmp_path, compared):
    file = tmp_path / "diff.html"
    file.write_text(page(compared))
    return file


@pytest.mark.slow
@pytest.mark.needs("chromium")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [375, 1280, 1920])
def test_it_is_quiet_asks_for_nothing_fits_and_has_contrast(browser, path, width, dark):
    with browser.open(path, width=width, dark=dark) as shown:
        assert (shown.said, shown.asked) == ([], [])
        assert shown.value("document.documentElement.scrollWidth") == width
        assert shown.value(OUTSIDE) == []
        shown.value("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        looked, bad = shown.value(CONTRAST)
        assert looked > 300
        assert bad == []


@pytest.mark.slow
@pytest.mark.needs("chromium")
@pytest.mark.parametrize("scripts", [True, False])
def test_the_numbers_are_the_jsons_without_scripts_too(browser, path, compared, scripts):
    with browser.open(path, scripts=scripts) as shown:
        assert shown.said == []
        shown.call("Emulation.setScriptExecutionDisabled", value=False)
        frames = compared["frames"]
        for kind, name in KINDS.items():
            assert number(shown.value(f"document.getElementById('{kind}').textContent")) == frames[name]
        cells = shown.value("""[...document.querySelectorAll(".matrix tbody tr:not(.sums)")].flatMap((r) => {
            const names = [...document.querySelectorAll(".matrix thead th:not(.corner, .sum)")];
            return [...r.querySelectorAll("td:not(.sum)")].map((c, i) =>
                [r.querySelector("th").textContent, names[i].textContent, c.querySelector(".n").textContent]); })""")
        kept = shown.value("""[...document.querySelectorAll("#fates .note code")].map((c) => c.textContent)""")
        expected = {(a, b): n for a, row in compared["matrix"].items() for b, n in row.items() if a not in kept}
        assert {(a, b): number(n) for a, b, n in cells if number(n)} == expected
        assert all(compared["matrix"][fate] == {fate: compared["a"]["fates"][fate]} for fate in kept)
        rows = "[...document.querySelectorAll('{}')].map((r) => [...r.cells].map((c) => c.textContent.trim()))"
        flows = [[f["flow"], f["frames"], f["changed"], f["lost_a"], f["lost_b"]] for f in compared["flows"]]
        assert [[r[0], *map(number, r[1:5])] for r in shown.value(rows.format("#flows tbody tr"))] == flows
        costs = {r[0]: r[1:3] for r in shown.value(rows.format("#cost tbody tr"))}
        assert [number(n) for n in costs["interruptsraised by the card"]] == compared["cost"]["interrupts"]
        bars = shown.value("""[...document.querySelectorAll(".lane")].map((lane) =>
            [...lane.querySelectorAll("rect title")].map((t) => t.textContent.split(": ")[1]))""")
        for lane, key in zip(bars, ("better", "worse", "other"), strict=True):
            assert [number(words) for words in lane] == [n for n in compared["timeline"][key] if n]
        stages = shown.value("""[...document.querySelectorAll(".shifts tbody")].map((b) =>
            [b.querySelector(".name").firstChild.textContent, b.querySelectorAll("tr").length,
             ...[...b.querySelectorAll(".name .grown")].map((g) => g.textContent)])""")
        assert [(name, n, number(slower), number(faster)) for name, n, slower, faster in stages] == [
            (name, 3, x["slower"], x["faster"]) for name, x in compared["latency_ns"].items()
        ]


@pytest.mark.slow
@pytest.mark.needs("chromium")
@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", 'q"><img src=x onerror=alert(1)>'])
def test_a_hostile_name_is_only_text(browser, tmp_path, compared, name):
    compared["a"]["label"] = compared["flows"][0]["flow"] = name
    compared["a"]["files"] = [name]
    compared["matrix"][name] = {"DELIVERED_UDP": 3}
    path = tmp_path / "diff.html"
    path.write_text(page(compared))
    with browser.open(path) as shown:
        assert (shown.said, shown.asked) == ([], [])
        assert shown.value("document.querySelector('#flows tbody th').textContent") == name
        assert shown.value("document.querySelectorAll('img').length") == 0


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_paper_has_every_knob(browser, path, compared):
    with browser.open(path) as shown:
        assert shown.pdf().startswith(b"%PDF-")
        shown.prefer(paper=True)
        shown.value("dispatchEvent(new Event('beforeprint'))")
        knobs = shown.value("[...document.querySelectorAll('.knob-list > div')].filter((d) => d.offsetHeight).length")
        assert knobs >= len(compared["a"]["config"]) - 2  # each_queue has a table, and what is no knob has no row
