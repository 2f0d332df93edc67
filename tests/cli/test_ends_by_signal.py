"""What stays ends on SIGINT, SIGTERM and SIGHUP, also as a script's background job, and leaves no socket."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from paths import CAPTURES

import vnic
from vnic.control import client
from vnic.control.server import Control

pytestmark = pytest.mark.slow
DEMO = str(CAPTURES / "demo.pcapng")
CODE = "import sys; from vnic._command import main; sys.argv[0] = 'vnic'; main()"
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "vnic"


@pytest.fixture
def start():
    """A factory of commands: start("stat", sigint=signal.SIG_IGN)."""
    made = []

    def make(*argv, sigint=signal.SIG_DFL):
        code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        if sigint is signal.SIG_IGN:  # as a shell's background job begins
            code += "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        pipe = subprocess.PIPE
        argv = [sys.executable, "-c", code + CODE, *argv]
        made.append(subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True))
        return made[-1]

    yield make
    for p in made:
        p.kill()
        p.communicate()


def until(what, process):
    while not what():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def ended(process, number):
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("sigint", [signal.SIG_DFL, signal.SIG_IGN])
@pytest.mark.parametrize("number", NUMBERS)
def test_a_replay_that_stays_ends_and_leaves_no_socket(start, runtime, number, sigint):
    p = start("replay", "--hold", "--json", DEMO, sigint=sigint)
    until(lambda: runtime.exists() and client.instances(), p)
    assert p.stderr.readline().endswith("until Ctrl-C\n")
    code, out, err = ended(p, number)
    assert (code, err) == (0, "")
    assert json.loads(out)["ledger"]["offered"] == 565
    assert list(runtime.iterdir()) == []


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("sigint", [signal.SIG_DFL, signal.SIG_IGN])
@pytest.mark.parametrize("number", NUMBERS)
def test_stat_without_a_count_ends(start, number, sigint):
    with vnic.Host() as host, Control(host):
        p = start("stat", "0.01", sigint=sigint)
        assert p.stdout.readline()
        code, _, err = ended(p, number)
    assert (code, err) == (0, "")


@pytest.mark.parametrize("number", NUMBERS)
def test_stat_with_a_count_that_is_not_over_ends_by_the_signal(start, runtime, number):
    with vnic.Host() as host, Control(host):
        p = start("stat", "0.01", "1000000")
        assert p.stdout.readline()
        code, _, err = ended(p, number)
    assert (code, err) == (-number, "")


@pytest.mark.parametrize("sigint", [signal.SIG_DFL, signal.SIG_IGN])
@pytest.mark.parametrize("number", NUMBERS)
def test_a_capture_ends_with_its_counts(start, runtime, tmp_path, live, number, sigint):
    host = live([], cpus=1)
    host.start()
    out = tmp_path / "out.pcapng"
    with Control(host):
        p = start("capture", "-w", str(out), "--json", sigint=sigint)
        until(lambda: out.exists() and out.stat().st_size, p)
        time.sleep(0.2)  # the command waits now
        code, counts, err = ended(p, number)
    assert (code, err) == (0, "")
    assert json.loads(counts)["error"] is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_replay_that_is_stopped_ends_by_the_signal_and_closes_what_it_writes(start, tmp_path, number):
    written = tmp_path / "out.pcapng"
    p = start("replay", "--write", str(written), *[DEMO] * 2000)
    until(lambda: written.exists() and written.stat().st_size > 1 << 20, p)
    assert ended(p, number) == (-number, "", "")
    with vnic.Host(wire=vnic.CaptureWire([written])) as host:
        host.finish()
        assert host.wire.error_text == ""


def test_why_ends_by_the_signal(start):
    p = start("why", *[DEMO] * 3000)
    time.sleep(1)
    assert ended(p, signal.SIGTERM) == (-signal.SIGTERM, "", "")


def test_a_script_kills_its_background_job(runtime, tmp_path):
    """As scripts do it: a job, its pid, an end; and a shell that is not interactive starts it with SIGINT ignored."""
    script = f"""{sys.executable} -m vnic replay --hold --json {DEMO} >{tmp_path}/out 2>&1 &
pid=$!
until [ -e {runtime}/vnic0-$pid ]; do sleep 0.05; done
sleep 0.3
kill -$1 $pid
wait $pid
echo "code $?" """
    for number in ("INT", "TERM"):
        done = subprocess.run(
            ["bash", "-c", script, "x", number], capture_output=True, text=True, timeout=60, check=True, env=os.environ
        )
        assert done.stdout == "code 0\n", done.stderr
        assert list(runtime.iterdir()) == []


def test_nohup_keeps_its_command(runtime):
    code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{CODE}"
    p = subprocess.Popen(
        [sys.executable, "-c", code, "replay", "--hold", "--json", DEMO],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert p.stderr.readline().endswith("until Ctrl-C\n")
        p.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert p.poll() is None
        assert ended(p, signal.SIGTERM)[0] == 0
    finally:
        p.kill()
        p.wait()
