"""docs/seeing.md shows what the commands print. Run as a program, by the project's Python, this writes it anew."""

import functools
import os
import re
import tempfile
from pathlib import Path

import overload_capture
import pytest
from click.testing import CliRunner
from paths import ROOT

from vnic.cli.commands import main

DOC = ROOT / "docs/seeing.md"
BLOCK = re.compile(r"```console\n\$ vnic ([^\n]*)\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


@functools.cache
def directory():
    """A directory with the page's capture."""
    kept = tempfile.TemporaryDirectory()
    Path(kept.name, "overload.pcap").write_bytes(overload_capture.capture())
    return kept


@pytest.fixture
def beside_the_capture(monkeypatch):
    monkeypatch.chdir(directory().name)


def answer(command):
    """What it prints, in that directory."""
    home = Path.cwd()
    os.chdir(directory().name)
    try:
        result = CliRunner().invoke(main, command.split())
    finally:
        os.chdir(home)
    assert result.exit_code == 0, result.output
    return result.stdout


def written_anew(text):
    return BLOCK.sub(lambda m: f"```console\n$ vnic {m[1]}\n{answer(m[1])}```", text)


@pytest.mark.slow
def test_the_page_shows_what_the_commands_print():
    text = DOC.read_text()
    assert len(BLOCK.findall(text)) == 4
    again = "PYTHONPATH=tests:tests/support .venv/bin/python tests/whole/test_seeing_docs.py"
    assert written_anew(text) == text, f"{again} writes it anew"


@pytest.mark.usefixtures("beside_the_capture")
def test_the_example_in_python_runs(capsys):
    [example] = PYTHON.findall(DOC.read_text())
    exec(example, {})
    assert capsys.readouterr().out == "5168 UDP_CSUM udp 10.0.0.1:1000 > 10.0.0.2:5003\n"


if __name__ == "__main__":
    DOC.write_text(written_anew(DOC.read_text()))
