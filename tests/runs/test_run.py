"""Live on a TAP, in a network namespace of the test's own: scapy replays a capture into it. Needs root."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import frames
import needs
import pytest
from click.testing import CliRunner
from live_tap import live_tap, send_all, settle, tasks, wait_until
from paths import CAPTURES
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

import vnic
from vnic.cli.commands import main
from vnic.runs.live import run
from vnic.tap import privileges as capabilities
from vnic.tap.netns import inside
from vnic.tap.rtnetlink import Links

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]
DEMO = CAPTURES / "demo.pcapng"


def is_fragment(p):
    return IPv6ExtHdrFragment in p or (IP in p and (p[IP].flags.MF or p[IP].frag))


def test_scapy_replays_a_capture_and_a_bound_socket_reads_its_datagrams(tmp_path):
    datagrams = [Ether(f) for f in frames.raw_frames(DEMO)]
    port = next(p[UDP].dport for p in datagrams if UDP in p)
    want = [bytes(p[UDP].payload) for p in datagrams if UDP in p and p[UDP].dport == port and not is_fragment(p)]
    out = tmp_path / "tap.pcapng"
    with live_tap(sink=True, rcvbuf=1 << 22, strict_csum=False, rx=False, gro=False) as host:
        # the sender's checksums are partial in this capture: let scapy fill them in, as its card would have
        fixed = []
        for p in datagrams:
            if UDP in p:
                del p[UDP].chksum
            fixed.append(Ether(bytes(p)))
        capture = vnic.Capture(host, out)
        sock = host.udp(port)
        send_all("vt0", fixed)
        settle(host, len(datagrams))
        got = []
        while len(got) < len(want):
            got.append(sock.recv(timeout=20))
        host.stop()
        assert got == want
        assert host.ledger().offered == len(datagrams)
        assert host.ledger().in_flight == 0
        assert host.laws() == 0
        capture.close()
    assert [bytes(p) for p in rdpcap(str(out))] == [bytes(p) for p in fixed]


def command(tap, *options, code="", quiet=True, **popen):
    """``vnic run`` in a process of its own, once its threads are there; ``code`` runs in it before."""
    args = [sys.executable, "-c", f"{code}\nfrom vnic.cli.commands import main; main()", "run", "--tap", tap, *options]
    args += ["-q"] * quiet
    p = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)
    deadline = time.monotonic() + 30
    while "nic/vnic0" not in tasks(p.pid).values():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.1)
    return p


@pytest.mark.needs("ip")
def test_the_interface_goes_away_and_the_command_says_so():
    p = command("vt8", "--json")
    needs.run("ip", "link", "del", "vt8")
    out, err = p.communicate(timeout=30)
    assert p.returncode == 1
    assert err.startswith("vnic: the run ended early: vt8 is gone (")
    assert len(err.splitlines()) == 1
    assert json.loads(out)["ledger"]["in_flight"] == 0


def test_what_is_lost_before_the_card_is_reported():
    """The card's thread is stopped by its debugger, so to say: the kernel's queue of 1000 frames overflows."""
    with live_tap("vt9") as host:
        host.stop()
        send_all("vt9", [frames.udp()] * 1200)
        assert host.wire.kernel_drops() > 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("ignored", [False, True], ids=["in the foreground", "as a shell's background job"])
def test_the_command_stops_on_a_signal_and_reports(ignored, number):
    disposition = signal.SIG_IGN if ignored else signal.SIG_DFL
    p = command("vt1", "--json", preexec_fn=lambda: signal.signal(signal.SIGINT, disposition))
    p.send_signal(number)
    out, err = p.communicate(timeout=30)
    assert (p.returncode, err) == (0, "")
    facts = json.loads(out)
    assert facts["schema"] == "vnic.run/2"
    assert facts["ledger"]["in_flight"] == 0


@pytest.mark.needs("ping")
def test_the_command_says_at_once_where_it_is_attached_and_what_to_type():
    p = command("vt13", "--json", "--ip", "10.0.0.2/24", "--ip", "fd00::2/64", "--host-ip", "10.0.0.1/24", quiet=False)
    first, second = p.stderr.readline(), p.stderr.readline()
    assert first == "vnic: attached to vt13 as 10.0.0.2/24, fd00::2/64; Ctrl-C ends the run with a report\n"
    head, *typed = second.rstrip("\n").replace(": ", "; ").split("; ")
    assert (head, typed[0]) == ("vnic", "in another terminal")
    for line in typed[1:]:  # each is a command that works
        words = line.split()
        argv = ["-m", "vnic", *words[1:]] if words[0] == "vnic" else [*words[1:], "-c", "1"]
        if words[0] == "ping":
            needs.run("ping", *argv, capture_output=True)
            continue
        if words[1] == "stat":
            argv += ["0.05", "1"]
        done = subprocess.run([sys.executable, *argv], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, ""), line
    assert {words.split()[0] for words in typed[1:]} == {"ping", "vnic"}
    out, err, code = interrupt(p)
    assert (code, err) == (0, "")
    assert json.loads(out)["ledger"]["offered"]


def ticks(pid):
    """Processor time of a process, hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_an_idle_command_uses_no_cpu():
    p = command("vt10")
    before = ticks(p.pid)
    time.sleep(1)
    assert ticks(p.pid) - before <= 3
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=30)


def test_under_load_interrupts_are_fewer_than_frames():
    def load(host):
        frame = bytes(Ether(dst="02:00:00:00:00:01", type=0x88B5) / (b"x" * 50))
        for n in range(256, 3073, 256):  # no more at once than the kernel's own queue holds
            send_all("vt2", [frame] * 256)
            settle(host, n)

    facts = run("vt2", ready=load, duration=0.01, rx_usecs=500, rx_frames=256, gro=True)
    assert facts["ledger"]["offered"] >= 3072
    assert facts["irq"]["interrupts"] < facts["ledger"]["offered"] / 2
    assert facts["ledger"]["in_flight"] == 0


def interrupt(p):
    p.send_signal(signal.SIGINT)
    return (*p.communicate(timeout=30), p.returncode)


def taken(name):
    """Frames that whoever is attached to it has read."""
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    return next(int(line.split()[10]) for line in lines if line.lstrip().startswith(f"{name}:"))


def test_a_second_interrupt_ends_it_at_once():
    slow = "import sys, time, vnic.machine.threads\n"
    slow += "Threads = vnic.machine.threads.Threads\n"
    slow += "Threads.stop = lambda self: (print('draining', file=sys.stderr, flush=True), time.sleep(600))"
    p = command("vt11", code=slow)
    p.send_signal(signal.SIGINT)
    assert p.stderr.readline() == "draining\n"
    assert interrupt(p) == ("", "", 130)


def test_privileges_are_gone_in_every_thread():
    p = command("vt12")
    for task in Path(f"/proc/{p.pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        assert [v for k, v in status.items() if k.startswith("Cap")] == ["0" * 16] * 5
        assert status["NoNewPrivs"] == "1"
    out, err, code = interrupt(p)
    assert (err, code) == ("", 0)
    assert "ledger closed" in out


def test_a_library_keeps_its_privileges():
    run("vt13", duration=0.01)
    assert capabilities.effective() >> capabilities.CAP_NET_ADMIN & 1


def test_nothing_is_imported_once_privileges_are_gone():
    """The files may be out of reach then: root's command in a user's own directory."""
    spy = """
import atexit, sys
import vnic.tap.privileges
before = set()
drop = vnic.tap.privileges.drop
vnic.tap.privileges.drop = lambda: (drop(), before.update(sys.modules))
atexit.register(lambda: print("late:", *sorted(set(sys.modules) - before), file=sys.stderr))"""
    out, err, code = interrupt(command("vt14", code=spy))
    assert (err, code) == ("late:\n", 0)
    assert "interrupts" in out


def test_what_was_asked_for_is_written_without_privileges(tmp_path):
    out = tmp_path / "after-gro.pcapng"
    p = command("vt15", "--json", "--write", str(out))
    send_all("vt15", [frames.udp()] * 5)
    wait_until(lambda: taken("vt15") >= 5)
    facts = json.loads(interrupt(p)[0])
    assert (facts["input"]["kernel_drops"], facts["input"]["lent_bursts"]) == (0, 0)  # five are no full burst
    assert len(rdpcap(str(out))) == facts["ledger"]["offered"] == 5


def test_every_descriptor_is_closed_by_exec(tmp_path):
    p = command("vt16", "--tap-queues", "2", "--write", str(tmp_path / "x.pcapng"))
    what = {}
    for fd in Path(f"/proc/{p.pid}/fd").iterdir():
        flags = (fd.parent.parent / "fdinfo" / fd.name).read_text().split("flags:\t")[1].split()[0]
        if int(fd.name) > 2:
            what.setdefault(bool(int(flags, 8) & os.O_CLOEXEC), []).append(fd.readlink().name)
    interrupt(p)
    assert what.keys() == {True}
    assert {"tun", "x.pcapng"} <= set(what[True])
    assert what[True].count("tun") == 2
    assert "anon_inode:[timerfd]" in what[True]


def test_the_command_finds_its_tap_in_another_namespace(other_netns):
    fd = int(Path(other_netns).name)
    p = command("vt17", "--netns", f"/proc/self/fd/{fd}", "--host-ip", "10.0.0.1/24", "--json", pass_fds=[fd])
    with inside(other_netns):
        send_all("vt17", [frames.udp()] * 5)
        wait_until(lambda: taken("vt17") >= 5)
    facts = json.loads(interrupt(p)[0])
    assert facts["input"]["netns"] == f"/proc/self/fd/{fd}"
    assert facts["ledger"]["offered"] == 5


def test_pinned_and_moderated_the_report_says_both():
    def load(host):
        send_all("vt18", [frames.udp()] * 100)
        settle(host, 100)

    facts = run("vt18", ready=load, duration=0.01, rx_usecs=300, rx_frames=0, pin="auto")
    irq = facts["irq"]
    assert facts["input"]["pin"] == sorted(os.sched_getaffinity(0))
    assert irq["asked"] == {"adaptive-rx": False, "rx-usecs": 300, "rx-frames": 0}
    assert 300_000 <= irq["moderation_delay_ns_mean"] <= irq["moderation_delay_ns_max"]


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--pin", "4096"], 2, "CPU 4096 does not exist"),
        (["--tap-queues", "17"], 2, "between 1 and 16"),
        (["--host-ip", "10.0.0.300"], 2, "is not an address with a prefix"),
        (["--netns", "nowhere"], 3, "network namespace nowhere"),
        (["--rx-ring", "100000"], 2, "must be between 16 and 16384"),
        (["--write", "/nowhere/x.pcapng"], 2, "No such file"),
    ],
)
def test_what_is_refused_is_refused_before_anything_runs(options, code, sentence):
    result = CliRunner().invoke(main, ["run", "--tap", "vt19", *options])
    assert (result.exit_code, result.stdout) == (code, "")
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    with Links() as links:
        assert links.find("vt19") is None
