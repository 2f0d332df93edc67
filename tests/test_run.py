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
    with live_tap(sink=True, rcvbuf=1 << 22, strict_csum=False, rx=False) as host:
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
    assert sum(len(p) for p in rdpcap(str(out))) >= sum(map(len, fixed)) * 0.9  # merged ones lose their headers


def test_the_command_stops_on_sigint_and_reports():
    code = "from vnic.cli import main; main()"
    p = subprocess.Popen(
        [sys.executable, "-c", code, "run", "--tap", "vt1", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while "nic/vnic0" not in threads_of(p.pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
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
