"""docs/session.md is what scripts/record-session records; a short one is recorded here."""

import re
import subprocess
import sys

import pytest
from paths import ROOT


def commands(page):
    """What was typed, without how long vnic stat and vnic capture looked."""
    return [re.sub(r"(stat|--duration) [\d.]+", r"\1", line) for line in page.splitlines() if line.startswith("$ ")]


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.needs("ip", "libpcap")
def test_a_session_can_be_recorded_and_shows_what_it_says(netns, tmp_path):
    """It makes its own namespace and fails by itself if a knob does not do what its text says."""
    script = [sys.executable, ROOT / "scripts/record-session", "--seconds", "0.3", "--output", tmp_path / "session.md"]
    got = subprocess.run(script, capture_output=True, text=True, timeout=150, check=False)
    assert got.returncode == 0, got.stderr
    assert commands((tmp_path / "session.md").read_text()) == commands((ROOT / "docs/session.md").read_text())
