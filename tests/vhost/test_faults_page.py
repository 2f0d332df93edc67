"""docs/faults.md is what scripts/faults writes: vnic's own host for every kind, Linux and testpmd for some of them."""

import re
import tomllib

import fault_page
import fault_sides
import pytest
from paths import ROOT

from vnic.cli.config_file import Config, _read
from vnic.fault import FAULTS

PAGE = (ROOT / "docs/faults.md").read_text()
SIDES = list(fault_sides.SIDES)


def cell(kind, side):
    """What the page says."""
    return fault_page.rows(PAGE)[kind].strip("| ").split(" | ")[2 + SIDES.index(side)]


def test_every_kind_has_its_row_and_each_row_its_kind():
    assert list(fault_page.rows(PAGE)) == list(FAULTS)
    assert all(row.strip("| ").split(" | ")[1] == FAULTS[kind] for kind, row in fault_page.rows(PAGE).items())


def test_the_prose_is_the_script_s():
    assert PAGE.startswith(fault_page.ABOVE)
    assert PAGE.endswith(fault_page.BELOW)


@pytest.mark.parametrize("kind", FAULTS)
def test_vnic_s_own_host_does_what_the_page_says(kind):
    """In virtual time, so it is always the same. It survives each kind, and its laws hold."""
    assert fault_page.cell(fault_sides.own(kind)) == cell(kind, "own")


@pytest.mark.slow
@pytest.mark.needs("linux.uml", "busybox")
@pytest.mark.parametrize("kind", ["used-id", "csum-lie", "dma-wrong-buffer"])
def test_linux_does_what_the_page_says(kind, tmp_path):
    seen = fault_sides.linux(kind, tmp_path)
    assert fault_page.cell(seen) == cell(kind, "linux")
    assert all(line in PAGE for line in fault_page.logged(kind, seen))


@pytest.mark.slow
@pytest.mark.needs("dpdk-testpmd")
@pytest.mark.parametrize("kind", ["used-id", "csum-lie", "dma-wrong-buffer"])
def test_testpmd_does_what_the_page_says(kind, tmp_path):
    assert fault_page.cell(fault_sides.testpmd(kind, tmp_path)) == cell(kind, "testpmd")


def test_a_cell_says_what_was_seen():
    """Each rule, by itself."""
    all_well = {"chances": 35, "good": fault_sides.PINGS, "after": True}
    for seen, words in (
        ({"chances": 0}, "no chance"),
        ({}, "unnoticed"),
        ({"good": 29}, "the frame is lost"),
        ({"good": 20}, "frames are lost"),
        ({"good": 29, "wrong": 1}, "wrong bytes are accepted"),
        ({"late": True}, "frames come late"),
        ({"sending": False}, "its own pings fail"),
        ({"good": 9, "after": False, "mended": True}, "nothing comes any more, until a new ring"),
        (
            {"good": 9, "after": False, "mended": False, "said": ["x"]},
            "nothing comes any more, nor with a new ring; logged",
        ),
        ({"good": 9, "after": False, "ended": "SIGSEGV"}, "**SIGSEGV**: its process ends"),
        ({"good": 29, "errors": ["b", "a"]}, "the frame is lost; counted: `a`, `b`"),
    ):
        assert fault_page.cell(fault_sides.Seen(**(all_well | seen))) == words


def test_the_page_s_examples_are_right():
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "faults.md", "exec"), {})
    [text] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    config = Config()
    _read(tomllib.loads(text), "", config, {"fault": lambda v: v})
    assert config.options == {"fault": ["irq-lost:nth=5", "dma-flip:nth=10", "dma-flip:from=1s,until=2s,p=0.5"]}
