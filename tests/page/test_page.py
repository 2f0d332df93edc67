"""The page's text: its policy, its bounds, older reports, wrong ones. The browser's part is test_chromium.py."""

import base64
import copy
import hashlib
import json
import re
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vnic import extras
from vnic.counters.snapshots import FATES
from vnic.errors import ConfigError
from vnic.page.make import BYTES_MAX, HOME, page
from vnic.page.replay import FLOWS_MAX

HOSTILE = "</script><b>\u202e\0\x1b[31m'\"&\ud800"


class Parts(HTMLParser):
    """What the page is made of."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.inside, self.inline = [], [], [], {"script": [], "style": []}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.inside.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.inside and self.inside[-1][0] in self.inline:
            self.inline[self.inside[-1][0]].append((self.inside[-1][1].get("type"), data))

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1][0] == tag:
            self.inside.pop()


def test_the_policy_allows_the_pages_own_texts_and_nothing_else(facts):
    parts = Parts(page(facts))
    policy = next(v for k, v in parts.attributes if k == "content" and "default-src" in v)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    assert rules.pop("img-src") == "data:"
    assert {rules.pop("base-uri"), rules.pop("form-action")} == {"'none'"}

    def hashes(texts):
        return {f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in texts}

    assert set(rules.pop("script-src").split()) == hashes(t for kind, t in parts.inline["script"] if kind is None)
    assert set(rules.pop("style-src").split()) == hashes(t for _, t in parts.inline["style"])
    assert rules == {}


def test_no_attribute_runs_loads_or_styles_anything(facts):
    parts = Parts(page(facts))
    assert not [k for k, _ in parts.attributes if k.startswith("on") or k in ("style", "src", "srcset", "action")]
    links = [v for k, v in parts.attributes if k == "href"]
    assert all(v.startswith(("#", "data:image/svg+xml,")) for v in links)
    assert not {"iframe", "object", "embed", "img", "form", "base"} & set(parts.tags)


def test_identifiers_are_there_once_and_every_link_has_its_end(facts):
    parts = Parts(page(facts))
    names = [v for k, v in parts.attributes if k == "id"]
    assert len(names) == len(set(names))
    assert {v[1:] for k, v in parts.attributes if k == "href" and v.startswith("#")} <= set(names)
    assert {v for k, v in parts.attributes if k in ("aria-labelledby", "aria-controls")} <= set(names)


def hostile(value):
    """The value with every text in it replaced, and names too where that changes no meaning."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, list):
        return [hostile(v) for v in value]
    if isinstance(value, dict):
        return {k: hostile(v) for k, v in value.items()}
    return value


def test_every_text_of_a_report_may_be_hostile(facts):
    kept = {"schema", "config"}
    wrong = {k: v if k in kept else hostile(v) for k, v in facts.items()}
    wrong["limits"] = [x | {"meaning": HOSTILE, "unit": HOSTILE} for x in facts["limits"]]
    wrong["gro"] = facts["gro"] | {
        "ended": {HOSTILE: 3},
        "flows": [f | {"src": HOSTILE} for f in facts["gro"]["flows"]],
    }
    wrong["ledger"]["fates"][HOSTILE] = 1
    wrong["timeline"]["lost"][HOSTILE] = [1] * facts["timeline"]["bins"]
    wrong["why"] = facts["why"] | {"cause": HOSTILE, "evidence": [HOSTILE], "limit": HOSTILE}
    text = page(wrong)
    text.encode()
    assert not re.search("[\0\x1b\u202e\ud800]", text)
    honest, parts = Parts(page(facts)), Parts(text)
    assert parts.tags.count("script") == honest.tags.count("script") == 3
    assert "b" not in set(parts.tags) - set(honest.tags)
    assert r"\u202e\x00\x1b[31m" in text


@pytest.mark.parametrize("key", ["latency_histograms", "timeline", "why"])
def test_what_an_older_report_lacks_is_said(facts, key):
    del facts[key]
    text = page(facts | {"schema": "vnic.replay/1"})
    said = {"latency_histograms": "no histograms", "timeline": "no time line", "why": "it was not asked to replay"}
    assert said[key] in text


def test_a_run_without_a_frame_and_one_without_a_loss(facts):
    nothing = facts | {"ledger": {"offered": 0, "in_flight": 0, "in_flight_at": {}, "fates": {}}, "why": None}
    nothing["latency_ns"] = {k: dict.fromkeys(v, 0) for k, v in facts["latency_ns"].items()}
    assert "No frame came." in page(nothing)
    fates = {"DELIVERED_UDP": 5}
    assert "Every frame was delivered." in page(facts | {"ledger": nothing["ledger"] | {"offered": 5, "fates": fates}})


def test_losses_that_no_limit_caused_are_told_as_such(facts):
    facts["ledger"] = {"offered": 9, "in_flight": 0, "in_flight_at": {}, "fates": {"DELIVERED_UDP": 7, "NO_SOCKET": 2}}
    del facts["why"]
    assert "No limit lost a frame: <b>2 NO_SOCKET</b>, no receiver." in page(facts)
    assert "2 of 9 frames were lost." in page(facts)
    facts["ledger"]["fates"] = {"DELIVERED_UDP": 8, "NO_SOCKET": 1}
    assert "1 of 9 frames was lost." in page(facts)


def test_a_live_run_says_that_it_has_no_time_line(facts):
    del facts["timeline"]
    facts["input"] = {"device": "vt0", "frames": 1, "bytes": 60, "duration_ns": 10**9, "error": None}
    text = page(facts | {"schema": "vnic.run/2"})
    assert "A live run has no time line." in text
    assert "Live run on <b>vt0</b>" in text


def test_an_open_ledger_is_called_a_bug(facts):
    facts["ledger"]["offered"] += 1
    assert "this is a bug in vnic" in page(facts)


# ---- bounds ----


def test_a_million_flows_and_the_largest_host_make_a_page_that_opens(facts):
    flow = facts["gro"]["flows"][0]
    long = {"files": [f"{'n' * 3000}{i}" for i in range(5000)], "left_out": ["x" * 5000] * 5000}
    line, bins = facts["timeline"], facts["timeline"]["bins"]
    full = [(1 << 63) + i for i in range(bins)]
    own = {str(i): {"rps-cpus": "f" * 900} for i in range(128)}
    buckets = {"low_ns": list(range(3712)), "high_ns": list(range(3712)), "frames": [1 << 40] * 3712}
    much = facts | {
        "gro": facts["gro"] | {"flows": [flow] * 1_000_000},
        "queues": [facts["queues"][0] | {"queue": i} for i in range(128)],
        "cpus": [facts["cpus"][0] | {"cpu": i} for i in range(512)],
        "input": facts["input"] | long | {"links": [{"name": "l" * 999, "carried": 1, "aliens": 1}] * 999},
        "config": facts["config"] | {"rss-indir": list(range(64)) * 32, "each_queue": own},
        "latency_histograms": dict.fromkeys(facts["latency_ns"], buckets),
        "timeline": line | dict.fromkeys(("offered", "delivered", "interrupts", "polls", "fifo_bytes_max"), full)
        | {"lost": dict.fromkeys(FATES, full), "ring_max": dict.fromkeys(map(str, range(128)), full),
           "backlog_max": dict.fromkeys(map(str, range(512)), full)},
        "why": facts["why"] | {"evidence": ["e" * 9999] * 999, "tried": [{"set": {"rx-ring": 1}, "lost": 1}] * 9999},
    }  # fmt: skip
    text = page(much)
    assert len(text.encode()) < 0.6 * BYTES_MAX
    assert f"{1_000_000 - FLOWS_MAX:,} more are in the report" in text
    assert "448 more are in the report, and not on this page" in text
    assert "4,980 more files" in text


def test_a_usual_page_is_small(facts):
    assert len(page(facts).encode()) < 300_000


# ---- what is no report ----


def outcome(facts):
    """The page, or why there is none."""
    try:
        return page(facts)
    except ConfigError as e:
        return str(e)


def broken():
    """Each top-level part missing, or of another kind."""
    return [
        "input",
        "config",
        "ledger",
        "queues",
        "cpus",
        "gro",
        "irq",
        "latency_ns",
        "limits",
        "standing",
        "elapsed_ns",
    ]


@pytest.mark.parametrize("key", broken())
@pytest.mark.parametrize("value", [None, 7, "text", [], [[]], {"x": "y"}])
def test_a_part_of_another_kind_is_one_sentence(facts, key, value):
    facts[key] = value
    said = outcome(facts)
    assert said.startswith(("<!doctype html>", "not a whole report of vnic: "))
    assert said.startswith("<!doctype") or "\n" not in said


@pytest.mark.parametrize("key", broken())
def test_a_missing_part_is_named(facts, key):
    del facts[key]
    with pytest.raises(ConfigError, match=f"^not a whole report of vnic: it lacks {key}$"):
        page(facts)


@pytest.mark.parametrize(
    ("number", "where"),
    [
        (float("nan"), "offered"),
        (float("inf"), "offered"),
        (1 << 70, "offered"),
        ("1", "offered"),
        (True, "offered"),
        pytest.param(10**5000, "in_flight", id="digits"),
    ],
)
def test_a_number_that_is_none_is_refused(facts, number, where):
    facts["ledger"][where] = number
    with pytest.raises(ConfigError, match="not a whole report"):
        page(facts)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "not a report that vnic makes a page of"),
        ({"schema": 7}, "not a report"),
        ({"schema": "vnic.send/1"}, "not a report"),
        ({"schema": "vnic.replay/99"}, "its schema is vnic.replay/99, which this version of vnic does not know"),
    ],
)
def test_another_schema_is_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        page(given)


def test_the_report_passes_through_json(facts):
    assert page(json.loads(json.dumps(facts))) == page(facts)


def test_a_profile_of_costs_in_a_report_is_never_read(facts, tmp_path):
    path = tmp_path / "costs.toml"
    text = page(facts | {"config": facts["config"] | {"cost": str(path)}})
    assert str(path) in text


def test_without_jinja2_there_is_the_pip_line(facts, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(extras.MissingExtraError, match=r"^pages: pip install 'vnic\[report\]'$"):
        page(facts)


def test_the_licence_of_what_is_not_ours_is_beside_it():
    folder = HOME / "third_party/uplot"
    assert "MIT" in (folder / "LICENSE").read_text()
    assert {f.name for f in folder.iterdir()} == {"LICENSE", "uPlot.iife.min.js", "uPlot.min.css"}


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.integers(-(1 << 70), 1 << 70), st.floats(), st.text(max_size=5),
    st.just([]), st.just({}), st.just([[]]), st.just({"x": None}), st.just([{"knob": "fifo"}]))  # fmt: skip


def places(value, way=()):
    """The way to each part of a report."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*way, key)
        yield from places(part, (*way, key))


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_part_may_be_anything(facts, data):
    whole = copy.deepcopy(facts)
    for _ in range(data.draw(st.integers(1, 3))):
        way = data.draw(st.sampled_from(list(places(whole))))
        part = whole
        for key in way[:-1]:
            part = part[key]
        if data.draw(st.booleans()):
            part[way[-1]] = data.draw(ODD)
        else:
            del part[way[-1]]
    said = outcome(whole)
    said.encode()
    assert said.startswith(("<!doctype html>", "not a whole report of vnic: ", "not a report", "its schema is "))
    assert "\n" not in said or said.startswith("<!doctype html>")
