"""The commands: vnic report, and vnic replay --html. A page is written whole, or not at all."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest
from commands import VNIC, invoke, vnic_process

from vnic.page.make import page


@pytest.fixture
def report(tmp_path, facts):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(facts))
    return path


def test_a_report_becomes_its_page(tmp_path, facts, report):
    out = tmp_path / "r.html"
    result = invoke("report", report, "-o", out)
    assert (result.exit_code, result.output) == (0, "")
    assert out.read_text() == page(facts)


def test_standard_input_and_output(facts, report):
    done = vnic_process("report", "-", "-o", "-", input=report.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == page(facts)


def test_a_reader_that_goes_away_is_no_error(report):
    done = subprocess.run(
        f"{' '.join(VNIC)} report {report} -o - | head -c 10", shell=True, capture_output=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == (b"<!doctype ", b"")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON, or cut short"),
        ('{"schema": "vnic.replay/2", "led', "not JSON, or cut short"),
        ("[" * 100_000, "not JSON, or cut short"),
        ("[]", "not a report that vnic makes a page of (its schema is one of vnic.replay/2, vnic.run/2"),
        ('{"schema": "vnic.replay/3"}', "its schema is vnic.replay/3, which this version of vnic does not know"),
        ('{"schema": "vnic.replay/2"}', "not a whole report of vnic: it lacks ledger"),
        ('{"schema": "vnic.replay/2\\u202e\\n"}', "its schema is vnic.replay/2\\u202e\\n, which"),
    ],
)
def test_what_is_no_report_is_one_sentence(tmp_path, text, said):
    path = tmp_path / "r.json"
    path.write_text(text)
    result = invoke("report", path, "-o", tmp_path / "out.html")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"vnic: {path}: {said}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out.html").exists()


def test_every_way_to_cut_a_report_short_is_a_sentence(tmp_path, report):
    whole, path = report.read_text(), tmp_path / "cut.json"
    for length in range(0, len(whole), 1 + len(whole) // 40):
        path.write_text(whole[:length])
        assert invoke("report", path, "-o", tmp_path / "out.html").exit_code == 2


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("/dev/full", 1, "No space left on device"),
        ("/nowhere/x.html", 1, "/nowhere/x.html: No such file or directory"),
        ("{}/link", 2, "is a symbolic link, which is not followed"),
        ("{}", 2, "is a directory, not a file to write"),
    ],
)
def test_a_file_that_cannot_be_written(tmp_path, report, name, code, said):
    (tmp_path / "link").symlink_to("r.json")
    result = invoke("report", report, "-o", name.format(tmp_path))
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
sys.argv = ["vnic", *sys.argv[1:]]
from vnic._command import main
main()
"""


def test_a_disk_that_is_full_leaves_the_old_page_and_no_half_one(tmp_path, report):
    out = tmp_path / "out" / "page.html"
    out.parent.mkdir()
    out.write_text("the old page")
    command = [sys.executable, "-c", LIMITED, "report", report, "-o", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, f"vnic: {out}: File too large\n")
    assert [p.name for p in out.parent.iterdir()] == ["page.html"]
    assert out.read_text() == "the old page"


# ---- vnic replay --html ----


def test_a_replay_writes_its_page_and_the_json_has_the_same(tmp_path, overload_path):
    out = tmp_path / "page.html"
    result = invoke("replay", overload_path, "--html", out, "--json", "--why-runs", "4")
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["timeline"]["bins"] > 256
    assert facts["why"]["verified"]
    assert out.read_text() == page(facts)


def test_json_has_a_time_line_only_if_asked(overload_path):
    assert "timeline" not in json.loads(invoke("replay", overload_path, "--json").stdout)
    facts = json.loads(invoke("replay", overload_path, "--json", "--timeline").stdout)
    assert sum(facts["timeline"]["offered"]) == facts["ledger"]["offered"]
    assert "why" not in facts


def test_without_runs_why_is_an_estimate(tmp_path, overload_path):
    result = invoke("replay", overload_path, "--html", tmp_path / "a.html", "--json", "--why-runs", "0")
    answer = json.loads(result.stdout)["why"]
    assert (answer["verified"], answer["unverified"], answer["tried"]) == (False, "--why-runs 0 allows no replay", [])
    assert "Not verified: --why-runs 0 allows no replay" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_replay_that_cannot_write_its_page_leaves_the_old_one(monkeypatch, tmp_path, overload_path, fault):
    def full(_):
        raise fault

    out = tmp_path / "page.html"
    out.write_text("the old page")
    monkeypatch.setattr("vnic.page.make.page", full)
    assert invoke("replay", "-q", overload_path, "--html", out, "--why-runs", "0").exit_code == 1
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert out.read_text() == "the old page"


def test_a_replay_that_stays_has_written_its_page(tmp_path, overload_path):
    out = tmp_path / "page.html"
    command = [*VNIC, "replay", "-q", overload_path, "--hold", "--html", out, "--why-runs", "0"]
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as process:
        assert any(b"the replay is over" in line for line in process.stderr)
        assert out.read_text().endswith("</html>")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_a_capture_that_is_none_leaves_no_page(tmp_path):
    (tmp_path / "text").write_text("no capture")
    assert invoke("replay", tmp_path / "text", "--html", tmp_path / "page.html").exit_code == 2
    assert [p.name for p in tmp_path.iterdir()] == ["text"]


def test_the_page_to_standard_output_and_the_report_to_standard_error(overload_path):
    done = vnic_process("replay", "-q", str(overload_path), "--html", "-", "--why-runs", "0")
    assert done.returncode == 0
    assert done.stdout.startswith(b"<!doctype html>")
    assert done.stderr.startswith(b"13833 frames: ")


def test_an_input_is_never_replaced(overload_path):
    before = overload_path.read_bytes()
    result = invoke("replay", "-q", overload_path, "--html", overload_path)
    assert (result.exit_code, result.stderr) == (2, f"vnic: {overload_path}: is an input, so it cannot be the output\n")
    assert overload_path.read_bytes() == before


@pytest.mark.parametrize("more", [["--as", "toml"], ["--write", "-"]])
def test_what_does_not_go_together_is_refused(overload_path, more):
    result = invoke("replay", overload_path, "--html", "-", *more)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


def test_a_page_without_jinja2_is_refused_before_the_replay(monkeypatch, overload_path, tmp_path):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = invoke("replay", overload_path, "--html", tmp_path / "a.html")
    assert (result.exit_code, result.stderr) == (1, "vnic: pages: pip install 'vnic[report]'\n")
    assert not list(tmp_path.iterdir())


def test_a_report_of_the_first_version_still_has_its_page_and_its_answer(tmp_path, facts):
    for key in ("latency_histograms", "timeline", "why"):
        del facts[key]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(facts | {"schema": "vnic.replay/1"}))
    assert invoke("report", path, "-o", tmp_path / "old.html").exit_code == 0
    assert "no histograms of latency" in (tmp_path / "old.html").read_text()
    assert invoke("why", path, "--runs", "0").exit_code == 0
