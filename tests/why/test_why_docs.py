"""docs/why.md shows what the commands print. Run as a program, by the project's Python, this writes it anew."""

import functools
import os
import re
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from overloads import burst, capture
from paths import ROOT

from vnic import Host
from vnic.cli.commands import main
from vnic.counters import limits

DOC = ROOT / "docs/why.md"
BLOCK = re.compile(r"```\n\$ vnic ([^\n]*)\n(.*?)```", re.DOTALL)


@functools.cache
def captures():
    """Name -> the bytes of a capture file."""
    made = {
        "burst": with_pause(burst(2000)),
        "livelock": burst(6000, 900),
        "flow": burst(20_000, 400, flows=1),
        "steady": burst(2000, 1000),
        "overload": burst(40_000, 400, flows=97, ports=range(5000, 5041)),
    }
    return {f"{name}.pcap": capture(traffic) for name, traffic in made.items()}


def with_pause(traffic):
    """Nothing comes for 20 ms, and then a frame."""
    last, frame = traffic[-1]
    return [*traffic, (last + 20_000_000, frame)]


def answer(command):
    """What it prints, in a directory with the captures."""
    if command == "show limits":
        with Host(cpus=4, sink=True) as host:
            host.feed(burst(2000))
            host.finish()
            return limits.show(host, []).out
    with tempfile.TemporaryDirectory() as tmp:
        home = Path.cwd()
        for name, data in captures().items():
            Path(tmp, name).write_bytes(data)
        os.chdir(tmp)
        try:
            result = CliRunner().invoke(main, command.split())
        finally:
            os.chdir(home)
    assert result.exit_code == 0, result.output
    return result.stdout


def written_anew(text):
    return BLOCK.sub(lambda m: f"```\n$ vnic {m[1]}\n{answer(m[1])}```", text)


@pytest.mark.slow
@pytest.mark.skipif(
    "VNIC_SITE" in os.environ, reason="ninety replays, with sanitizers three minutes; test_why has them too"
)
def test_the_page_shows_what_the_commands_print():
    text = DOC.read_text()
    assert len(BLOCK.findall(text)) == 8
    again = "PYTHONPATH=tests:tests/support .venv/bin/python tests/why/test_why_docs.py"
    assert written_anew(text) == text, f"{again} writes it anew"


if __name__ == "__main__":
    DOC.write_text(written_anew(DOC.read_text()))
