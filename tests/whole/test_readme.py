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

README = (ROOT / "README.md").read_text()
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]


def python_examples(*, on_a_tap):
    found = []
    for name in ("README.md", "docs/python.md", "docs/events.md"):
        examples = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
        found += [
            pytest.param(code, id=f"{name} {i}")
            for i, code in enumerate(examples, 1)
            if ("vnic.TapWire(" in code) is on_a_tap
        ]
    assert found
    return found


def shell_examples(*, on_a_tap):
    uses = README.split("\n## Four uses\n")[1].split("\n## ")[0]
    found = [code for code in re.findall(r"```sh\n(.*?)```", uses, re.DOTALL) if ("--tap" in code) is on_a_tap]
    assert found
    return found


def run_in_a_shell(code, tmp_path):
    """Each line must succeed. A command in the background is waited for until it can be asked, and ends by Ctrl-C."""
    code = code.replace("sudo ", "").replace("tests/captures/", str(ROOT / "tests/captures") + "/")
    code = re.sub(r"&( *#.*)?$", r"&\nuntil vnic ls | grep -q vnic; do sleep 0.1; done", code, flags=re.MULTILINE)
    code = "set -eum\n" + code.replace("; ", "\n") + '\n[ -z "$(jobs)" ] || { kill -INT %1; wait %1; }\n'
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    done = subprocess.run(
        ["bash", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("code", python_examples(on_a_tap=False))
def test_python_example(code):
    exec(compile(code, "example", "exec"), {})


@pytest.mark.root
@pytest.mark.parametrize("code", python_examples(on_a_tap=True))
def test_python_example_on_a_tap(code, netns):
    over = threading.Event()
    port = int(re.search(r"host\.udp\((\d+)\)", code)[1])

    def send():
        while not over.wait(0.05):
            try:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.sendto(b"hello", ("10.0.0.2", port))
            except OSError:  # the TAP is not there yet, or nobody listens yet
                continue

    sender = threading.Thread(target=send)
    sender.start()
    try:
        exec(compile(code, "example", "exec"), {})
    finally:
        over.set()
        sender.join()


@pytest.mark.parametrize("code", shell_examples(on_a_tap=False))
def test_shell_example(code, tmp_path):
    assert run_in_a_shell(code, tmp_path)


@pytest.mark.root
@pytest.mark.needs("ping")
@pytest.mark.parametrize("code", shell_examples(on_a_tap=True))
def test_shell_example_on_a_tap(code, tmp_path, netns):
    assert " 3 received" in run_in_a_shell(code, tmp_path)


def test_what_readme_shows_is_what_the_replay_prints():
    command, *shown = re.search(r"```console\n\$ (.*?)```", README, re.DOTALL)[1].splitlines()
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "132"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    printed = iter(line.rstrip() for line in done.stdout.splitlines())
    assert [line for line in shown if line != "..." and line not in printed] == []


def test_readme_fits_150_lines_and_its_figures_are_the_benchmarks():
    assert len(README.splitlines()) <= 150
    figures = re.findall(r"^\| .* \| ([\d.]+) \| ([\d.]+ x)", README, re.MULTILINE)
    assert len(figures) == 3
    for ns, ratio in figures:
        assert f"| {ns} ns |" in (page := (ROOT / "docs/benchmarks.md").read_text())
        assert f"| {ratio} |" in page


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_each_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text() + (ROOT / "docs/linux.md").read_text()
    pages = {p.name for p in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert {name for name in pages if f"{name})" not in index} == set()


def test_every_stage_file_is_on_the_picture():
    page = (ROOT / "docs/architecture.md").read_text()
    picture = page.split("\n## The path\n")[1].split("\n## ")[0]
    stages = {name for name, path in PATHS.items() if path.parent.name != "lib"}
    named = set(re.findall(r"\b\w+\.c\b", picture))
    assert stages - named == set()
    assert named <= set(PATHS)
