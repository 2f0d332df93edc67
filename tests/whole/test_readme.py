"""README and the pages are true: their examples run, their output is vnic's, their links lead somewhere."""

import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from c_sources import PATHS
from paths import ROOT

from vnic.knobs.live import START_ONLY
from vnic.knobs.table import KNOBS

README = (ROOT / "README.md").read_text()
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]


@pytest.mark.parametrize("code", EXAMPLES, ids=[f"example {i}" for i in range(1, len(EXAMPLES) + 1)])
def test_an_example_of_the_readme_runs(code):
    exec(compile(code, "README.md", "exec"), {})


def test_every_stage_file_is_on_the_picture():
    page = (ROOT / "docs/architecture.md").read_text()
    picture = page.split("\n## The path\n")[1].split("\n## ")[0]
    stages = {name for name, path in PATHS.items() if path.parent.name != "lib"}
    named = set(re.findall(r"\b\w+\.c\b", picture))
    assert stages - named == set()
    assert named <= set(PATHS)


def test_every_knob_is_in_the_tables_with_whether_it_can_be_changed():
    tables = (ROOT / "docs/linux/knobs.md").read_text().split("\n## What Linux has and vnic has not")[0]
    at = {}
    for line in tables.splitlines():
        if not line.startswith("| ") or line.startswith(("| Linux |", "| knob |")):
            continue
        *_, knobs, runs = (cell.strip() for cell in line.split("|")[1:-1])
        for name in re.sub(r" -(udp4|tcp6|udp6)", r" rx-flow-hash-\1", knobs).replace(",", " ").split():
            if name in KNOBS:
                assert name not in at, f"{name} stands there twice"
                at[name] = runs
    assert at.keys() == KNOBS.keys()
    assert {name for name, runs in at.items() if runs.startswith("no")} == set(START_ONLY)
