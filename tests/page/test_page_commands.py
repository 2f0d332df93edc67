"""``vnic diff --html``, ``vnic sweep --html`` and ``vnic report`` of their JSON."""

import errno
import json
import sys

import pytest
from commands import invoke, vnic_process

from vnic.page.make import page

COMMANDS = {"diff": ("--set", "rx-ring=1024"), "sweep": ("--vary", "rx-ring=256,1024")}
BOTH = pytest.mark.parametrize("command", COMMANDS)


def run(command, overload_path, *more):
    return invoke(command, overload_path, *COMMANDS[command], *more)


@BOTH
def test_the_page_is_that_of_the_json(command, overload_path, tmp_path):
    out, report = tmp_path / "page.html", tmp_path / "facts.json"
    done = run(command, overload_path, "--json", "--html", out)
    assert done.exit_code == 0
    assert out.read_text() == page(json.loads(done.stdout))
    report.write_text(done.stdout)
    assert invoke("report", report, "-o", tmp_path / "again.html").exit_code == 0
    assert (tmp_path / "again.html").read_text() == out.read_text()


def test_the_exit_code_stays_that_of_the_comparison(overload_path, tmp_path):
    done = invoke("diff", overload_path, "--rx-ring", "1024", "--set", "rx-ring=64", "--html", tmp_path / "a.html")
    assert done.exit_code == 1
    assert '<h1 class="lost">Worse: ' in (tmp_path / "a.html").read_text()


@BOTH
def test_the_page_to_standard_output_and_the_result_to_standard_error(command, overload_path):
    done = vnic_process(command, str(overload_path), *COMMANDS[command], "--html", "-")
    assert done.returncode == 0
    assert done.stdout.startswith(b"<!doctype html>")
    assert done.stdout.endswith(b"</html>")
    assert b"rx-ring" in done.stderr


@BOTH
def test_without_jinja2_it_is_one_sentence_and_nothing_is_written(command, monkeypatch, overload_path, tmp_path):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = run(command, overload_path, "--html", tmp_path / "a.html")
    assert (done.exit_code, done.stderr) == (1, "vnic: pages: pip install 'vnic[report]'\n")
    assert not list(tmp_path.iterdir())


@BOTH
def test_an_input_is_never_replaced(command, overload_path):
    before = overload_path.read_bytes()
    done = run(command, overload_path, "--html", overload_path)
    assert (done.exit_code, done.stderr) == (2, f"vnic: {overload_path}: is an input, so it cannot be the output\n")
    assert overload_path.read_bytes() == before


@BOTH
@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_page_that_cannot_be_written_leaves_the_old_one(command, monkeypatch, overload_path, tmp_path, fault):
    def full(_):
        raise fault

    out = tmp_path / "page.html"
    out.write_text("the old page")
    monkeypatch.setattr("vnic.page.make.page", full)
    assert run(command, overload_path, "--html", out).exit_code == 1
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert out.read_text() == "the old page"


def test_a_page_and_frames_cannot_both_have_standard_output(overload_path):
    done = run("diff", overload_path, "--html", "-", "--write", "-")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_two_event_files_have_a_page(overload_path, tmp_path):
    names = [tmp_path / f"{ring}.events" for ring in (256, 1024)]
    for name in names:
        assert invoke("replay", "-q", overload_path, "--rx-ring", name.stem, "--events", name).exit_code == 0
    assert invoke("diff", *names, "--html", tmp_path / "a.html").exit_code == 0
    text = (tmp_path / "a.html").read_text()
    assert "Better: " in text
    assert "1024.events" in text
