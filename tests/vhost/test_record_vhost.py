"""docs/vhost-session.md is what scripts/record-vhost records; it is recorded again here."""

import subprocess
import sys

import pytest
from paths import ROOT


def commands(page):
    """What was typed, on the host and in the guest."""
    return [line for line in page.splitlines() if line.startswith(("$ ", "guest# "))]


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.needs("linux.uml", "busybox", "ip", "ping")
@pytest.mark.timeout(200)
def test_a_guest_s_session_can_be_recorded_and_shows_what_it_says(tmp_path):
    """It fails by itself if a counter does not show what its text says."""
    script = [sys.executable, ROOT / "scripts/record-vhost", "--output", tmp_path / "page.md"]
    got = subprocess.run(script, capture_output=True, text=True, timeout=180, check=False)
    assert got.returncode == 0, got.stderr
    assert commands((tmp_path / "page.md").read_text()) == commands((ROOT / "docs/vhost-session.md").read_text())
