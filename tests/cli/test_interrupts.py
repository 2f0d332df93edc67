"""Ctrl-C at any moment of the command: as other tools it is ended by the signal, and says nothing."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paths import TESTS

import vnic

CODE = """import os, signal, sys
from vnic._command import main

def first(*args, set_it=signal.signal):
    signal.signal = set_it
    before = set_it(*args)
    os.close(int(sys.argv.pop(1)))
    return before

signal.signal, sys.argv[0] = first, "vnic"
main()"""
VERSION = f"vnic {vnic.__version__}\n"
DEMO = str(TESTS / "captures/demo.pcapng")


@pytest.fixture
def start():
    """A factory of processes: start(code, *argv, ...)."""
    made = []

    def make(code, *argv, **popen):
        pipe = subprocess.PIPE
        made.append(subprocess.Popen([sys.executable, "-c", code, *argv], stdout=pipe, stderr=pipe, text=True, **popen))
        return made[-1]

    yield make
    for p in made:
        p.kill()
        p.communicate()


@pytest.fixture
def begun(start):
    """A factory of commands that have just begun to load: begun("replay", ...)."""

    def make(*argv):
        closed_then, theirs = os.pipe()
        p = start(CODE, str(theirs), *argv, pass_fds=[theirs])
        os.close(theirs)
        assert os.read(closed_then, 1) == b""
        os.close(closed_then)
        return p

    return make


def interrupt(p):
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=30)
    return p.returncode, out, err


@pytest.mark.slow
def test_ctrl_c_while_the_command_loads_is_no_traceback(begun):
    for ms in range(0, 150, 5):
        p = begun("--version")
        time.sleep(ms / 1000)
        code, out, err = interrupt(p)
        assert err == "", ms
        assert (code, out) in ((-signal.SIGINT, ""), (-signal.SIGINT, VERSION), (0, VERSION)), ms
        assert ms or not out, "that was when it was over"


def at_many_moments(begun, *argv):
    for ms in (0, *range(60, 260, 20)):
        p = begun(*argv)
        time.sleep(ms / 1000)
        code, out, err = interrupt(p)
        assert err == "", ms
        assert ms or not out, "that was when it was over"
        assert code in (-signal.SIGINT, 0 if ms else -signal.SIGINT), ms


@pytest.mark.slow
@pytest.mark.parametrize("command", ["replay", "why"])
def test_ctrl_c_while_a_command_loads_what_it_needs_is_no_traceback(begun, command):
    at_many_moments(begun, command, DEMO)


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_ctrl_c_while_run_attaches_is_no_traceback(begun):
    at_many_moments(begun, "run", "-q", "--tap", "it0")


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.usefixtures("netns")
def test_ctrl_c_at_any_moment_of_a_run_leaves_no_interface_and_no_socket(begun, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    reported = 0
    for ms in range(0, 240, 40):
        p = begun("run", "-q", "--tap", "it1", "--json", "--write", str(tmp_path / "out.pcapng"))
        while not list(tmp_path.rglob("it1-*")):  # it is about to start
            assert p.poll() is None, p.communicate()
            time.sleep(0.001)
        time.sleep(ms / 1000)
        code, out, err = interrupt(p)
        assert err == "", ms
        assert code in (-signal.SIGINT, 0), ms
        if code == 0:
            facts = json.loads(out)
            reported += facts["ledger"]["in_flight"] == 0 and facts["capture"]["error"] is None
        assert "it1" not in Path("/proc/thread-self/net/dev").read_text()
        assert [p.name for p in tmp_path.rglob("it1-*")] == []
    assert reported


def test_ctrl_c_in_the_middle_of_a_replay_closes_what_it_writes(begun, tmp_path):
    written = tmp_path / "out.pcapng"
    p = begun("replay", "--write", str(written), *[DEMO] * 2000)
    while not written.exists() or written.stat().st_size < 1 << 20:
        assert p.poll() is None, p.communicate()
        time.sleep(0.001)
    assert interrupt(p) == (-signal.SIGINT, "", "")
    with vnic.Host(wire=vnic.CaptureWire([written])) as host:
        host.finish()
        assert host.ledger().offered > 1000
        assert host.wire.error_text == ""


def test_a_background_jobs_command_is_not_interrupted(start):
    code = "import sys; from vnic._command import main; sys.argv[0] = 'vnic'; main()"
    p = start(code, "--version", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    while p.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(p.pid, signal.SIGINT)
        time.sleep(0.002)
    assert (p.returncode, *p.communicate()) == (0, VERSION, "")


def test_the_library_leaves_signals_alone(start):
    code = "import signal; before = signal.getsignal(signal.SIGINT); import vnic, vnic.cli.replay, vnic._command\n"
    code += "assert signal.getsignal(signal.SIGINT) is before is signal.default_int_handler"
    assert start(code).communicate(timeout=30) == ("", "")


def test_in_a_library_the_callers_handler_stays():
    from vnic.cli.exit import interruptible

    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_was_made_is_undone_before_the_signal_ends_the_process(start):
    code = """import signal, time
from vnic.cli.exit import interruptible
signal.signal(signal.SIGINT, signal.SIG_DFL)
with interruptible():
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        print("undone", flush=True)
print("never")"""
    p = start(code)
    assert (*p.communicate(timeout=30), p.returncode) == ("undone\n", "", -signal.SIGINT)


@pytest.mark.parametrize("dying", ["    def __del__(self): end()", "    pass"])
def test_a_signal_in_a_finalizer_ends_what_goes_on_after_it(start, dying):
    """There the interpreter prints an exception, and goes on as if no signal had come."""
    code = f"""import signal, time, weakref
from vnic.cli.exit import interruptible
def end(*_):
    signal.raise_signal(signal.SIGINT)
    time.sleep(0.05)
class Thing:
{dying}
signal.signal(signal.SIGINT, signal.SIG_DFL)
with interruptible():
    thing = Thing()
    if not hasattr(thing, "__del__"):
        weakref.finalize(thing, end)
    del thing
    time.sleep(30)
print("never")"""
    p = start(code)
    assert (*p.communicate(timeout=20), p.returncode) == ("", "", -signal.SIGINT)
