"""docs/import.md is true: its commands run, its example of stderr is what is said, its Python runs."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import faces
import machine_texts as texts
import pytest
from paths import ROOT

PAGE = (ROOT / "docs/import.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with what the page names."""
    tree = faces.write(tmp_path / "sosreport", texts.SOSREPORT)
    with tarfile.open(tmp_path / "sosreport.tar.xz", "w:xz") as tar:
        tar.add(tree, "sosreport")
    faces.write(tmp_path / "texts", {"rings.txt": texts.RINGS_6, "moderation.txt": texts.COALESCE_4})
    shutil.copy(ROOT / "tests/captures/demo.pcapng", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sh(code, place):
    bin_ = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(place)}
    done = subprocess.run(
        ["bash", "-euc", code], cwd=place, env=env, capture_output=True, text=True, timeout=40, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def test_its_commands(place):
    assert "frames" in sh(SHELL[0], place).stdout
    assert (
        "netdev-budget = 600" in (place / "db1.toml").read_text() or "rx-ring = 512" in (place / "db1.toml").read_text()
    )


def test_an_instance_that_is_exported_and_imported(place):
    code = "set -m\ntrap 'kill %1' EXIT\nvnic replay demo.pcapng --rx-ring 1024 --queues 2 --hold >/dev/null 2>&1 &\n"
    code += "until vnic ls | grep -q vnic; do sleep 0.1; done\n"
    code += SHELL[1].replace("vt0", "vnic0") + "\nkill -INT %1\nwait %1 || true\ntrap - EXIT\n"
    done = sh(code, place)
    assert "\nrx-ring = 1024\n" in done.stdout
    assert "\nnetdev-budget = 300\n" in done.stdout


def test_what_it_shows_on_stderr(place):
    rings = texts.RINGS_6.replace("TX:\t\t\t512", "TX:\t\t\t8192").replace("RX:\t\t\t512", "RX:\t\t\t8192")
    moderation = texts.COALESCE_6.replace("Adaptive RX: off", "Adaptive RX: on")
    driver = texts.DRIVER.replace("ixgbe", "i40e")
    faces.write(place / "texts", {"rings.txt": rings, "moderation.txt": moderation, "ethtool_-i_eth0": driver})
    command, *shown = re.search(r"```console\n\$ (.*?)```", PAGE, re.DOTALL)[1].splitlines()
    said = sh(command, place).stderr.splitlines()
    assert set(shown) <= set(said)


@pytest.mark.parametrize("code", PYTHON)
def test_its_python(code, place, capsys):
    exec(compile(code, "docs/import.md", "exec"), {})
    assert capsys.readouterr().out.rstrip().endswith("512")
