"""Live on a TAP, in a network namespace of the test's own: scapy replays a capture into it. Needs root."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import frames
import pytest
from conftest import CAPTURES
from live_tap import live_tap, send_all, settle
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

import vnic
from vnic.run import run

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


def command(tap, **popen):
    """``vnic run`` in a process of its own, once its threads are there."""
    code = "from vnic.cli import main; main()"
    args = [sys.executable, "-c", code, "run", "--tap", tap, "--json"]
    p = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)
    deadline = time.monotonic() + 30
    while "nic/vnic0" not in threads_of(p.pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.1)
    return p


def test_the_interface_goes_away_and_the_command_says_so():
    p = command("vt8")
    subprocess.run(["ip", "link", "del", "vt8"], check=True)
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


@pytest.mark.parametrize("ignored", [False, True], ids=["in the foreground", "as a shell's background job"])
def test_the_command_stops_on_sigint_and_reports(ignored):
    disposition = signal.SIG_IGN if ignored else signal.SIG_DFL
    p = command("vt1", preexec_fn=lambda: signal.signal(signal.SIGINT, disposition))
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=30)
    assert (p.returncode, err) == (0, "")
    facts = json.loads(out)
    assert facts["schema"] == "vnic.run/1"
    assert facts["ledger"]["in_flight"] == 0


def threads_of(pid):
    with contextlib.suppress(OSError):
        return {(t / "comm").read_text().strip() for t in Path(f"/proc/{pid}/task").iterdir()}
    return set()


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
