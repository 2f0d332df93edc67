"""docs/moderation.md and .svg are what scripts/plot-moderation makes (its --check makes all of it again)."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest
from paths import ROOT

SCRIPT = ROOT / "scripts/plot-moderation"
loader = SourceFileLoader("plot_moderation", str(SCRIPT))
plot = module_from_spec(spec_from_loader("plot_moderation", loader))
loader.exec_module(plot)


@pytest.fixture(scope="module")
def written():
    return plot.read_table(plot.TEXT.read_text())


def test_the_page_and_the_picture_are_made_of_the_table(written):
    assert {kind: [p.kpps for p in line] for kind, line in written.items()} == {k: [*plot.LOADS] for k in plot.KINDS}
    assert plot.TEXT.read_text() == plot.document(written)
    assert plot.SVG.read_text() == plot.picture(written)


@pytest.mark.slow
@pytest.mark.parametrize("kind", plot.KINDS)
def test_the_numbers_are_those_of_a_run(written, kind):
    """Of the points that take no time; and one that is busy."""
    for i, kpps in enumerate(plot.LOADS):
        if kpps <= 100 or kpps == 500:
            assert plot.measure(kind, kpps) == written[kind][i]


def test_what_the_page_says_is_so(written):
    none, static, adaptive, irq = (written[kind] for kind in ("none", "static", "adaptive", "irq"))
    below = [i for i, kpps in enumerate(plot.LOADS) if kpps < 2500]
    assert max(p.interrupts for p in none) > 8 * none[below[-1]].interrupts
    assert all(static[i].interrupts <= 20_000 and static[i].p99 > 50_000 for i in below)
    assert all(adaptive[i].interrupts < static[i].interrupts for i in below[1:])
    assert all(irq[i].p50 == none[i].p50 for i in below if plot.LOADS[i] <= 50)
    assert all(irq[i].interrupts < 20_000 for i in below if plot.LOADS[i] >= 500)
    assert all(written[kind][-1].lost > 0 and written[kind][i].lost == 0 for kind in written for i in below)
