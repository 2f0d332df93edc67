"""The page in a real browser: nothing on the console, no request, the report's numbers, every width, keys, paper."""

import re

import pytest
from browser import Browser
from page_looks import CONTRAST, OUTSIDE

from vnic.page.make import page as html_of

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow]
WIDTHS = (375, 800, 1280, 1920)
LOOKS = [(width, dark) for width in WIDTHS for dark in (False, True)]


@pytest.fixture(scope="module")
def browser():
    with Browser() as started:
        yield started


@pytest.fixture
def path(tmp_path, facts):
    file = tmp_path / "page.html"
    file.write_text(html_of(facts))
    return file


def number(text):
    return int(text.replace(",", ""))


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_it_is_quiet_asks_for_nothing_and_fits(browser, path, width, dark):
    with browser.open(path, width=width, dark=dark) as page:
        assert page.said == []
        assert page.asked == []
        assert page.value("document.documentElement.scrollWidth") == width
        assert page.value(OUTSIDE) == []
        visible = "getComputedStyle(document.querySelector('.path.{}')).display != 'none'"
        assert page.value(visible.format("wide")) is (width >= 1000)
        assert page.value(visible.format("tall")) is (width < 1000)
        looked, bad = page.value(CONTRAST)
        assert looked > 200
        assert bad == []


def test_the_numbers_are_the_reports(browser, path, facts):
    with browser.open(path) as page:
        ledger = facts["ledger"]
        lost = sum(n for fate, n in ledger["fates"].items() if not fate.startswith("DELIVERED_"))
        shown = {name: number(page.value(f"document.getElementById('{name}').textContent"))
                 for name in ("offered", "lost", "delivered", "in-flight")}  # fmt: skip
        assert shown == {
            "offered": ledger["offered"],
            "lost": lost,
            "delivered": ledger["offered"] - lost,
            "in-flight": 0,
        }
        rows = page.value("""[...document.querySelectorAll("#funnel .fate-row")].map((r) =>
            [r.querySelector("code").textContent, r.children[1].textContent.replace(/[^0-9]/g, "")])""")
        assert {fate: int(n) for fate, n in rows} == ledger["fates"]
        cells = page.value("""[...document.querySelectorAll("#queues table")].map((t) =>
            [...t.tBodies[0].rows].map((r) => [...r.cells].map((c) => c.textContent.trim())))""")
        queues, cpus = cells
        assert [number(row[1]) for row in queues] == [q["packets"] for q in facts["queues"]]
        assert [number(row[6]) for row in queues] == [q["interrupts"] for q in facts["queues"]]
        assert [number(row[1]) for row in cpus] == [c["processed"] for c in facts["cpus"]]
        limits = page.value("""[...document.querySelectorAll("#limits tbody tr")].map((r) =>
            [r.cells[0].textContent, r.cells[2].textContent, r.cells[3].textContent.replace(/[^0-9]/g, "")])""")
        assert sorted((knob, number(hit), int(gone)) for knob, hit, gone in limits) == sorted(
            (x["knob"], x["bound"], x["lost"]) for x in facts["limits"]
        )


def test_the_charts_have_the_reports_columns(browser, path, facts):
    with browser.open(path) as page:
        line = page.value("JSON.parse(document.getElementById('data').textContent)")
        for name in ("offered", "delivered", "interrupts", "polls"):
            assert line[name] == facts["timeline"][name]
        assert {x["name"]: x["frames"] for x in line["lost"]} == facts["timeline"]["lost"]
        assert page.value("document.querySelectorAll('.plot canvas').length") == 4
        inked = """[...document.querySelectorAll('.plot canvas')].map((c) =>
            new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size)"""
        assert min(page.value(inked)) > 3


def test_zoom_and_pan_by_keys_buttons_and_mouse(browser, path):
    shown = "document.getElementById('shown-time').textContent"
    with browser.open(path) as page:
        whole = page.value(shown)
        page.value("document.getElementById('chart-rates').focus()")
        page.press("+")
        closer = page.value(shown)
        page.press("ArrowRight")
        later = page.value(shown)
        assert len({whole, closer, later}) == 3
        page.press("0")
        assert page.value(shown) == whole
        page.value("document.querySelector('[data-zoom=in]').click()")
        assert page.value(shown) == closer
        page.value("document.querySelector('[data-zoom=all]').click()")
        x, y = page.value("""(() => { const p = document.querySelector('#chart-rates .u-over');
            p.scrollIntoView({block: 'center'});
            const b = p.getBoundingClientRect();
            return [b.left + 100, b.top + 40];
        })()""")
        page.mouse("mouseMoved", x, y)
        page.mouse("mousePressed", x, y, button="left", clickCount=1)
        page.mouse("mouseMoved", x + 200, y, button="left", buttons=1)
        page.mouse("mouseReleased", x + 200, y, button="left", clickCount=1)
        page.settle()
        assert page.value(shown) not in (whole, closer)
        assert page.said == []


@pytest.mark.parametrize("width", [375, 1280])
def test_every_stage_is_reached_by_tab_and_tells_what_it_knows(browser, path, facts, width):
    from vnic.page.stages import STAGES

    focused = "document.activeElement.dataset.stage || ''"
    told = "[...document.querySelectorAll('.stage-details:not([hidden])')].map((d) => d.dataset.stage)"
    with browser.open(path, width=width) as page:
        page.value("document.querySelector('#path h2').setAttribute('tabindex', -1)")
        page.value("document.querySelector('#path h2').focus()")
        seen = []
        for _ in STAGES:
            page.press("Tab")
            seen.append(page.value(focused))
            assert page.value(told) == [seen[-1]]
        assert seen == [s.id for s in STAGES]
        page.press("ArrowLeft")
        assert page.value(focused) == STAGES[-2].id
        words = page.value(
            "[...document.querySelectorAll('.path.wide .stage')].map((s) => s.getAttribute('aria-label'))"
        )
        assert all(f"{facts['ledger']['offered']:,} frames pass" in w for w in words[:2])


def test_a_stage_is_told_under_the_mouse_and_a_tap_keeps_it(browser, path):
    told = "document.querySelector('.stage-details:not([hidden])').dataset.stage"
    middle = """(() => { const s = document.querySelector('.path.wide [data-stage=%s]');
        s.scrollIntoView({block: 'center'});
        const b = s.getBoundingClientRect(); return [b.left + b.width / 2, b.top + 20]; })()"""
    with browser.open(path) as page:
        begin = page.value(told)
        page.mouse("mouseMoved", *page.value(middle % "gro"))
        assert page.value(told) == "gro" != begin
        page.mouse("mouseMoved", 2, 2)
        assert page.value(told) == begin
        x, y = page.value(middle % "napi")
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            page.mouse(kind, x, y, button="left", clickCount=1)
        page.mouse("mouseMoved", 2, 2)
        assert page.value(told) == "napi"


def test_a_narrow_page_opens_details_by_a_tap_and_closes_them_by_another(browser, path):
    told = "[...document.querySelectorAll('.stage-details:not([hidden])')].map((d) => d.dataset.stage)"
    middle = """(() => { const s = document.querySelector('.path.tall [data-stage=rss]');
        s.scrollIntoView({block: 'start'});
        scrollBy(0, -120); const b = s.getBoundingClientRect(); return [b.left + b.width / 2, b.top + 20]; })()"""
    with browser.open(path, width=375) as page:
        assert page.value(told) == []
        x, y = page.value(middle)
        for expected in (["rss"], []):
            for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
                page.mouse(kind, x, y, button="left", clickCount=1)
            page.mouse("mouseMoved", 2, 2)
            assert page.value(told) == expected


def test_the_switch_changes_the_colours(browser, path):
    paper = "getComputedStyle(document.body).backgroundColor"
    with browser.open(path) as page:
        light = page.value(paper)
        page.value("document.getElementById('theme').click()")  # light
        assert page.value(paper) == light
        page.value("document.getElementById('theme').click()")
        dark = page.value(paper)
        page.value("document.getElementById('theme').click()")
        assert page.value(paper) == light != dark
        page.prefer(dark=True)
        assert page.value(paper) == dark
        assert page.said == []


def test_nothing_moves_for_readers_who_want_no_motion(browser, path):
    moving = "document.getAnimations().filter((a) => a.playState === 'running').length"
    with browser.open(path, still=True) as page:
        assert page.value(moving) == 0
    with browser.open(path, still=False) as page:
        assert page.value(moving) > 0


def test_without_scripts_all_is_there_but_the_charts(browser, path):
    with browser.open(path, scripts=False) as page:
        assert page.said == []
        page.call("Emulation.setScriptExecutionDisabled", value=False)
        assert page.value("[...document.querySelectorAll('.stage-details')].every((d) => d.offsetHeight > 0)")
        assert (
            page.value(
                "document.querySelector('.times-bar').offsetHeight + document.querySelector('.plot').offsetHeight"
            )
            == 0
        )


def test_paper_has_every_stage_every_knob_and_no_bar(browser, path):
    with browser.open(path) as page:
        assert page.pdf().startswith(b"%PDF-")
        page.prefer(paper=True)
        page.value("dispatchEvent(new Event('beforeprint'))")
        height = "document.querySelector('{}').getBoundingClientRect().height"
        assert page.value(height.format(".bar")) == 0
        assert page.value(
            "[...document.querySelectorAll('.stage-details, .knob-list')].every((d) => d.offsetHeight > 0)"
        )
        page.value("dispatchEvent(new Event('afterprint'))")
        assert page.value("document.querySelectorAll('details[open]').length") == 0


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>.pcap", "a\u202egpj.pcap", 'q"><img src=x onerror=alert(1)>']
)
def test_a_hostile_name_is_only_text(browser, tmp_path, facts, name):
    facts["input"]["files"] = [name]
    facts["config"]["cost"] = name
    facts["ledger"]["fates"][name] = 0
    facts["why"]["evidence"] = [name]
    path = tmp_path / "page.html"
    path.write_text(html_of(facts))
    with browser.open(path) as page:
        assert page.said == []
        assert page.asked == []
        shown = page.value("document.querySelector('.evidence li').textContent")
        assert shown == name.replace("\u202e", "\\u202e")
        assert page.value("document.querySelectorAll('img').length") == 0
        assert not re.search("[\u202a-\u202e]", page.value("document.documentElement.textContent"))
