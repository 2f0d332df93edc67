"""The README's examples run as they stand there."""

import re

import pytest
from c_sources import PATHS
from paths import ROOT

from vnic.knobs.live import START_ONLY
from vnic.knobs.table import KNOBS

README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", EXAMPLES, ids=[f"example {i}" for i in range(1, len(EXAMPLES) + 1)])
def test_an_example_of_the_readme_runs(code):
    exec(compile(code, "README.md", "exec"), {})


def test_every_stage_file_is_on_the_picture():
    stages = {name for name, path in PATHS.items() if path.parent.name != "lib"}
    named = set(re.findall(r"\b\w+\.c\b", README))
    assert stages - named - {"host.c"} == set()
    assert named <= set(PATHS)


def test_every_knob_is_in_the_table_with_whether_it_can_be_changed():
    page = (ROOT / "docs/linux.md").read_text()
    table = page.split("## Every knob of the receive path")[1].split("\n## ")[0]
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")][1:]
    at = {}
    for _, _, knobs, runs in rows:
        words = re.sub(r" -(udp4|tcp6|udp6)", r" rx-flow-hash-\1", knobs)
        for name in KNOBS:
            if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words) and not knobs.startswith("none"):
                at[name] = runs
            elif name in {"lro", "rx-gro-hw", "rx-vlan-offload"} and name in runs:
                at[name] = "no"
    assert at.keys() == KNOBS.keys()
    assert {name for name, runs in at.items() if runs.startswith("no")} == set(START_ONLY)
