"""docs/tcp-tuning.md and .svg are what scripts/plot-tcp makes (its --check makes all of it again)."""

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest
from paths import ROOT

loader = SourceFileLoader("plot_tcp", str(ROOT / "scripts/plot-tcp"))
plot = module_from_spec(spec_from_loader("plot_tcp", loader))
loader.exec_module(plot)


@pytest.fixture(scope="module")
def tables():
    """The numbers of the page: for each panel, knob -> cells."""
    found = []
    for part in plot.TEXT.read_text().split("\n### ")[1:]:
        rows = [
            [float(c) for c in row.strip("|").split("|")] for row in re.findall(r"^\| [0-9].*$", part, re.MULTILINE)
        ]
        found.append({row[0]: row[1:] for row in rows})
    return found


def test_the_page_has_every_panel_and_every_point(tables):
    assert [list(t) for t in tables] == [[float(x) for x in panel.xs] for panel in plot.PANELS]
    for panel in plot.PANELS:
        assert plot.SVG.read_text().count(panel.title) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("i", range(len(plot.PANELS)))
def test_the_numbers_are_those_of_a_run(tables, i):
    """Of the first and the last point of each line."""
    panel = plot.PANELS[i]
    for x in (panel.xs[0], panel.xs[-1]):
        assert [getattr(go(x), panel.number) for go in panel.lines.values()] == tables[i][float(x)]


def test_what_the_page_says_is_so(tables):
    asked, stream, busy, acks, held, ring, rmem, loss = tables
    for usecs, (server, both) in asked.items():
        assert abs(server - asked[0][0] - usecs) < 1
        assert abs(both - asked[0][1] - 2 * usecs) < 1
    assert all(on <= off for on, off in busy.values())
    assert busy[50][0] < busy[0][0] / 3
    assert acks[50][0] < acks[50][1] / 5
    assert stream[200][0] < stream[0][0]
    assert held[5][0] < held[0][0] / 5
    assert ring[16][0] < ring[16][1] / 3
    assert all(abs(rmem[k][0] / k - rmem[32][0] / 32) < 0.2 * rmem[32][0] / 32 for k in (64, 128, 256, 512, 1024))
    assert loss[1e-5][0] > 1.2 * loss[1e-5][1]
    assert all(abs(a - b) <= 0.2 * b for a, b in (loss[1e-3], loss[3e-3], loss[1e-2]))
