"""Progress is for a terminal only, tells what is done, and leaves no trace."""

import io
import os
import signal
import subprocess
import sys

import pytest
from paths import CAPTURES
from terminal import on_terminal

from vnic.cli import why
from vnic.cli.progress import Progress
from vnic.cli.reading import Reading

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


def terminal(monkeypatch):
    """Make standard error a terminal; in the test itself, because pytest sets its own as each phase begins."""
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return stream


def test_a_terminal_sees_what_is_done_and_gets_its_cursor_back(monkeypatch):
    tty = terminal(monkeypatch)
    shown = Progress("replay", in_bytes=True)
    shown(250_000, 1_000_000)
    shown.close()
    text = tty.getvalue()
    assert "replay" in text
    assert "0.2/1.0 MB" in text
    assert text.rindex(SHOW) > text.rindex(HIDE)


def test_work_that_is_soon_over_shows_nothing(monkeypatch):
    tty = terminal(monkeypatch)
    shown = Progress("send", first_s=60.0)
    shown(1, 2)
    shown.close()
    assert tty.getvalue() == ""


def test_a_pipe_sees_nothing(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    shown = Progress("replay")
    shown(1, 2)
    shown.close()
    assert stream.getvalue() == ""


def test_reading_tells_the_pipes_name_and_how_much_came(monkeypatch):
    tty = terminal(monkeypatch)
    monkeypatch.setattr("vnic.cli.reading._FIRST_S", 0.0)
    reading = Reading()
    reading("fir[s]t", 0)
    reading("second", 2_500_000)
    reading.close()
    text = tty.getvalue()
    assert "reading fir[s]t" in text
    assert "waiting for the first byte" in text
    assert "2.5 MB" in text[text.index("reading second") :]
    assert text.count(HIDE) == text.count(SHOW) == 2


def test_why_tells_what_it_tries(monkeypatch):
    tty = terminal(monkeypatch)
    shown = Progress("why")
    run = why.counted(lambda _, times: {"lost": times}, why.Told(8, shown))
    assert run({"rx-ring": 512}, 1) == {"lost": 1}
    assert run({"queues": 2}, 3) == {"lost": 3}
    shown.close()
    assert "2. replay 3 times in a row: queues=2" in tty.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
def test_a_slow_pipe_on_a_real_terminal(number, tmp_path):
    """The report is whole, the line of progress is gone, and the cursor is there, also if a signal ends it."""
    data = (CAPTURES / "demo.pcapng").read_bytes()
    env = os.environ | {"TERM": "xterm", "XDG_RUNTIME_DIR": str(tmp_path)}
    code = "import sys; from vnic._command import main; sys.argv[0] = 'vnic'; main()"
    with on_terminal([sys.executable, "-c", code, "replay", "-"], stdout=subprocess.PIPE, env=env) as (p, screen):
        p.stdin.write(data[:1000])
        p.stdin.flush()
        screen.until(lambda seen: "reading" in seen and "1.0 kB" in seen)
        if number is None:
            out, _ = p.communicate(data[1000:], timeout=60)
            assert b"565 offered: ledger closed" in out
        else:
            p.send_signal(number)
            out, _ = p.communicate(timeout=60)
            assert out == b""
        assert p.returncode == -(number or 0)
        screen.until(lambda seen: seen.count(HIDE) == seen.count(SHOW))
        assert screen.seen.rindex(SHOW) > screen.seen.rindex(HIDE)
