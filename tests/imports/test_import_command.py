"""vnic import: the file, the lines on stderr, the exit codes; and vnic replay with the file."""

import faces
import machine_texts as texts
import pytest
from click.testing import CliRunner
from paths import ROOT

from vnic.cli.commands import main

DEMO = str(ROOT / "tests/captures/demo.pcapng")


def command(*argv, **options):
    return CliRunner().invoke(main, [str(word) for word in argv], prog_name="vnic", **options)


@pytest.fixture
def sosreport(tmp_path):
    return faces.write(tmp_path / "sos", texts.SOSREPORT)


def test_a_replay_takes_the_file(sosreport, tmp_path):
    done = command("import", sosreport, "-o", tmp_path / "eth0.toml")
    assert (done.exit_code, done.stdout) == (0, "")
    text = (tmp_path / "eth0.toml").read_text()
    assert command("import", sosreport).stdout == text
    replayed = command("replay", DEMO, "--config", tmp_path / "eth0.toml", "--json")
    assert replayed.exit_code == 0, replayed.output
    assert '"netdev-budget": 600' in replayed.stdout


def test_each_note_is_a_comment_and_a_line_on_stderr(sosreport):
    done = command("import", sosreport)
    comments = {line.removeprefix("# ") for line in done.stdout.splitlines() if line.startswith("# ")}
    said = [line.removeprefix("vnic: ") for line in done.stderr.splitlines()]
    assert len(said) > 8
    assert all(line in comments or line.split(": ", 1)[1] in comments for line in said)


def test_standard_input(tmp_path, monkeypatch):
    (path := tmp_path / "x").write_text(texts.RINGS_6)
    with path.open("rb") as opened:
        import os

        kept = os.dup(0)
        os.dup2(opened.fileno(), 0)
        try:
            done = command("import", "-")
        finally:
            os.dup2(kept, 0)
            os.close(kept)
    assert "\nrx-ring = 512\n" in done.stdout


@pytest.mark.parametrize(("argv", "said"), [
    ([], "vnic: nothing to import: name texts (a directory, an archive, files), or --dev DEV"),
    (["--dev", "nodev"], "vnic: there is no interface 'nodev' in this network namespace"),
    (["--dev", "a" * 300], "vnic: there is no interface"), (["--dev", "../x"], "vnic: there is no interface"),
    (["nowhere"], "vnic: nowhere: No such file or directory"), (["."], "vnic: '.': no text of ethtool"),
    (["sos", "--dev", "eth9"], "vnic: the texts say nothing about 'eth9', but about eth0, lo"),
    (["sos", "-o", "sos"], "vnic: sos: is a directory"),
])  # fmt: skip
def test_refusals_are_one_sentence(argv, said, sosreport, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path if "sos" in argv else tmp_path / "here")
    done = command("import", *argv)
    assert done.exit_code in (1, 2)
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
