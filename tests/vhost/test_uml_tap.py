"""A Linux guest on a card whose wire is a TAP: the kernel behind the TAP, and the guest's, through vnic's card."""

import hashlib
import random
import re
import socket
import subprocess
import threading
import urllib.request

import pytest
from pcapng_blocks import at, read
from uml_shell import Shell
from vhost_checks import until

import vnic
from vnic.vhost.card import VhostCard

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.needs("linux.uml", "busybox", "ip", "ping")]
BYTES = 12_000_000
ROUNDS = 3
MTU_FRAME = 1514
HOST_TSO4 = 11


@pytest.fixture
def guest(netns, tmp_path):
    """A guest with a shell, on a card on a TAP in a namespace that this test is in; at the end the ledger is closed."""
    wire = vnic.TapWire("vt0", host_ip="10.9.0.1/24", fifo_bytes=1 << 20)
    with VhostCard(tmp_path / "card", wire=wire, mac="02:00:00:00:00:02", fifo=1 << 20) as card:
        card.start()
        with Shell(tmp_path, card.path) as linux:
            linux.ask("ping -c 1 -W 5 10.9.0.1")
            yield card, linux
        until(lambda: card.session is None)
        card.stop()
        assert not card.laws(), card.ledger()
        assert not card.ledger().in_flight


def listening():
    """A socket for one connection to this side of the TAP."""
    server = socket.create_server(("10.9.0.1", 0))
    server.settimeout(60)
    return server, server.getsockname()[1]


def whole(server):
    """All that the guest sends over one connection."""
    connection, _ = server.accept()
    with connection:
        connection.settimeout(60)
        out = bytearray()
        while data := connection.recv(1 << 16):
            out += data
    return bytes(out)


def test_both_kernels_ping_one_another(guest):
    card, linux = guest
    said = linux.ask("ping -c 20 -i 0.01 -W 10 10.9.0.1; ping -c 3 -i 0.01 -s 1472 -W 10 10.9.0.1")
    assert re.findall(r"(\d+) packets received", said) == ["20", "3"], said
    for size in (56, 1472):
        ping = ["ping", "-c", "20", "-i", "0.01", "-W", "10", "-s", str(size), "10.9.0.2"]
        done = subprocess.run(ping, capture_output=True, text=True, timeout=30, check=False)
        assert "20 received" in done.stdout, f"{done.stdout}{card.ledger()}{card.tx_ledger()}{card.rings()}"
    fates = card.ledger().fates
    assert fates.keys() <= {"DELIVERED_DRIVER", "DEV_READY"}, fates
    assert fates["DELIVERED_DRIVER"] >= 63


def test_the_guest_sends_megabytes_with_tso(guest, tmp_path):
    """Its frames are longer than the MTU, and go out whole: the kernel behind the TAP cuts them, or needs not.

    httpd gives its TCP the whole file at once. What nc writes piece by piece leaves in pieces, if nothing slows it.
    """
    card, linux = guest
    assert int(card.vhost.features) >> HOST_TSO4 & 1
    capture = vnic.Capture(card, tmp_path / "a.pcapng", at="wire", filter="tcp and greater 1600")
    linux.ask("mkdir /www; httpd -h /www")
    for _ in range(ROUNDS):
        said = linux.ask(f"head -c {BYTES} /dev/urandom >/www/f; sha256sum </www/f")
        with urllib.request.urlopen("http://10.9.0.2/f", timeout=60) as answer:
            got = answer.read()
        assert len(got) == BYTES
        assert hashlib.sha256(got).hexdigest() in said
    capture.close()
    sent = [block for block in at(read(tmp_path / "a.pcapng"), "wire") if block.sent]
    assert max(len(block.data) for block in sent) > 3 * MTU_FRAME  # how many and how long: the guest's TCP decides


def test_the_guest_receives_megabytes(guest):
    card, linux = guest
    for turn in range(ROUNDS):
        data = random.Random(turn).randbytes(BYTES)
        server, port = listening()

        def give(server=server, data=data):
            connection, _ = server.accept()
            with connection:
                connection.sendall(data)

        thread = threading.Thread(target=give)
        thread.start()
        with server:
            said = linux.ask(f"nc 10.9.0.1 {port} </dev/null | sha256sum")
            thread.join(60)
        assert hashlib.sha256(data).hexdigest() in said
    assert sum(card.ledger().fates.get(name, 0) for name in ("DEV_READY", "RX_LENGTH", "RX_OVER")) < 20


def test_both_at_once(guest):
    """Each direction's acknowledgements go through the other's frames."""
    _, linux = guest
    data = random.Random(7).randbytes(BYTES)
    server, port = listening()
    got = []

    def talk():
        connection, _ = server.accept()
        with connection:
            connection.settimeout(60)
            sender = threading.Thread(target=lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)))
            sender.start()
            out = bytearray()
            while some := connection.recv(1 << 16):
                out += some
            sender.join(60)
            got.append(bytes(out))

    thread = threading.Thread(target=talk)
    thread.start()
    with server:
        said = linux.ask(f"head -c {BYTES} /dev/urandom >/f; sha256sum </f; nc 10.9.0.1 {port} </f | sha256sum")
        thread.join(60)
    sums = re.findall(r"[0-9a-f]{64}", said)
    assert sums == [hashlib.sha256(got[0]).hexdigest(), hashlib.sha256(data).hexdigest()]
