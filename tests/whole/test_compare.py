"""scripts/compare: a frame that is lost for its checksum or its length is one that tshark calls bad, or it is said."""

import os
import shutil
import subprocess
import sys

import frames
import pytest
from captures import pcap
from paths import ROOT

pytestmark = [
    pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark"),
    pytest.mark.skipif(not (ROOT / ".venv/bin/vnic").exists(), reason="needs scripts/install"),
]
TCP = frames.tcp(b"x" * 100)
LEFT = TCP[:24] + bytes(2) + TCP[26:]
NO_LENGTH = frames.tcp(b"x" * 100, total=0)
BAD = [frames.tcp(b"x" * 100, check=0x1234), frames.udp(check=0x1234), TCP[:24] + b"\x12\x34" + TCP[26:],
       frames.udp(total=19), TCP[:14] + b"\x43" + TCP[15:]]  # fmt: skip


def compare(tmp_path, *fed, **env):
    (tmp_path / "x.pcap").write_bytes(pcap([(i * 1000, d, len(d)) for i, d in enumerate(fed)]))
    return subprocess.run(
        [sys.executable, ROOT / "scripts/compare", tmp_path], capture_output=True, text=True, env=os.environ | env,
        check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_what_tshark_calls_bad_may_be_lost_and_what_a_card_completes_is_not(tmp_path):
    done = compare(tmp_path, TCP, LEFT, NO_LENGTH, *BAD, frames.tcp(b"x" * 4000, total=0))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "1  agree" in done.stdout


@pytest.mark.slow
def test_a_loss_in_which_tshark_finds_no_fault_is_a_difference(tmp_path):
    """As they were before the sender's card was stood in for: --strict-csum."""
    done = compare(tmp_path, TCP, LEFT, *BAD, NO_LENGTH, VNIC_REPLAY_STRICT_CSUM="1")
    assert done.returncode == 1
    assert [line.strip() for line in done.stdout.splitlines() if "no fault" in line] == [
        "frame 2: IP_CSUM; tshark finds no fault",
        "frame 8: IP_INHDR; tshark finds no fault",
    ]
