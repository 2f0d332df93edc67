"""Terminals and pipes that are not UTF-8, and names that are no text: every command says what it has to say."""

import io
import json
import os
import shutil
import sys

import pytest
from captures import pcap_each_second
from commands import vnic_process
from hypothesis import given
from hypothesis import strategies as st
from paths import CAPTURES
from rich.console import Console

from vnic.cli.unencodable import never_refuse, stand_in, visible
from vnic.runs.replay import replay
from vnic.runs.report import show

DEMO = str(CAPTURES / "demo.pcapng")
NAMES = [b"\xff\xfe.pcap", "снимок-捕获-€.pcap".encode(), b"[b]red[i].pcap", b"line\nbell\a\x1b[31m.pcap"]
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
STREAMS = [{"PYTHONIOENCODING": name} for name in ("ascii", "latin-1", "cp437", "koi8-r", "utf-8")] + [C_LOCALE]


def run(*args, cwd=None, **environment):
    runtime = {"XDG_RUNTIME_DIR": str(cwd)} if cwd else {}
    return vnic_process(*args, cwd=cwd, environment=runtime | {"COLUMNS": "132"} | environment)


def no_traceback(got):
    assert b"Traceback" not in got.stderr, got.stderr
    assert b"UnicodeEncodeError" not in got.stdout + got.stderr
    return got


@pytest.mark.slow
@pytest.mark.parametrize("environment", STREAMS, ids=str)
def test_the_report_comes_with_other_bars(environment):
    got = no_traceback(run("replay", DEMO, **environment))
    assert (got.returncode, got.stderr) == (0, b"")
    if environment == {"PYTHONIOENCODING": "utf-8"}:
        assert "█" in got.stdout.decode()
    else:
        assert b"  #####" in got.stdout
        assert got.stdout.isascii()


@pytest.mark.slow
def test_the_bars_are_as_long_as_the_others(tmp_path):
    wide, narrow = (run("replay", DEMO, PYTHONIOENCODING=e).stdout.decode(e).splitlines() for e in ("utf-8", "ascii"))
    assert [stand_in(line) for line in wide] == narrow


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "name"),
    [*((C_LOCALE, name) for name in NAMES), (STREAMS[0], NAMES[1]), (STREAMS[-2], NAMES[0]), (STREAMS[-2], NAMES[3])],
    ids=repr,
)
def test_a_name_that_is_no_text_is_shown_and_json_is_json(tmp_path, environment, name):
    path = tmp_path / os.fsdecode(name)
    shutil.copy(DEMO, path)
    got = no_traceback(run("replay", os.fsdecode(name), cwd=tmp_path, **environment))
    assert (got.returncode, got.stderr) == (0, b"")
    assert b"\x1b" not in got.stdout
    assert b" frames, " in got.stdout.splitlines()[0]
    got = no_traceback(run("replay", os.fsdecode(name), "--json", cwd=tmp_path, **environment))
    assert got.stdout.isascii()
    (shown,) = json.loads(got.stdout)["input"]["files"]
    assert shown.encode(errors="surrogateescape") == name  # an ASCII file system's names are surrogates throughout
    path.write_bytes(path.read_bytes()[:-9])
    got = no_traceback(run("replay", os.fsdecode(name), cwd=tmp_path, **environment))
    assert (got.returncode, got.stderr.count(b"\n")) == (1, 1)
    path.unlink()
    for command in (["why"], ["replay", DEMO]):
        got = no_traceback(run(*command, os.fsdecode(name), cwd=tmp_path, **environment))
        assert (got.returncode, got.stdout, got.stderr.count(b"\n")) == (2, b"", 1)
        assert b"No such file" in got.stderr


@pytest.mark.slow
@pytest.mark.parametrize("environment", [STREAMS[1], C_LOCALE], ids=str)
def test_all_commands_speak(tmp_path, environment):
    strange = os.fsdecode(NAMES[0])
    (tmp_path / "x.toml").write_bytes("cpus = 4 # снимок".encode())
    commands = [
        *(["--help"], ["--version"], ["replay", "--help"], ["why", DEMO], ["why", DEMO, "--json"], ["ls"], ["doctor"]),
        *(["ls", "--json"], ["doctor", "--json"], ["doctor", strange], ["stat", "--on", strange], ["show", strange]),
        *(["show", "--on", strange], ["set", strange, strange], ["ethtool", strange], ["ethtool", "-S", strange]),
        *(["sysctl", strange], ["ip", strange], ["capture", strange, "--at", strange], ["setup", strange]),
        *(["send", DEMO, "--dev", strange], ["send", DEMO, "--tap", strange], ["send", strange, "--dev", strange]),
        *(["run", "--tap", strange], ["run", "--ip", strange], ["replay", DEMO, "--set", strange + "=1"], [strange]),
        *(["replay", DEMO, "--mac", strange], ["replay", DEMO, "--write", strange + "/" + strange], ["--" + strange]),
        *(["replay", DEMO, "--config", "x.toml"], ["replay", DEMO, "--config", strange], ["why", "--on", strange]),
    ]
    for argv in commands:
        got = no_traceback(run(*argv, cwd=tmp_path, **environment))
        assert got.returncode in (0, 1, 2, 3), argv
        assert got.stdout or got.stderr or got.returncode == 0, argv


@given(st.text(st.characters(exclude_categories=())), st.sampled_from(["ascii", "latin-1", "cp437", "utf-8", "utf-16"]))
def test_no_text_is_refused_by_any_encoding(text, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    saved = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = stream, io.StringIO()
    try:
        never_refuse()
    finally:
        sys.stdout, sys.stderr = saved
    stream.write(text)
    stream.flush()
    shown = stream.buffer.getvalue().decode(encoding)
    assert len(shown) >= len(text)
    if text.isascii():
        assert shown == text
    assert visible(text).isprintable() or not text.isprintable()
    assert all(c >= " " and not "\x7f" <= c <= "\x9f" for c in visible(text))


def test_a_librarys_console_looks_at_its_own_stream(tmp_path):
    path = tmp_path / "a[/]b.pcap"
    path.parent.mkdir()
    path.write_bytes(pcap_each_second([bytes(12) + b"\x88\xb5" + bytes(50)]))
    facts = replay([path]).facts
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    show(Console(file=stream, width=132), facts)
    stream.flush()
    assert b"a[/]b.pcap" in stream.buffer.getvalue()
