"""The README's examples run as they stand there."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", EXAMPLES, ids=[f"example {i}" for i in range(1, len(EXAMPLES) + 1)])
def test_example(code):
    exec(compile(code, "README.md", "exec"), {})


def test_every_stage_file_is_on_the_picture():
    files = {p.name for p in (Path(__file__).parent.parent / "csrc").glob("*.c")}
    named = set(re.findall(r"\b\w+\.c\b", README))
    assert files - named - {"host.c", "lat.c", "isa.c"} == set()
    assert named <= files
