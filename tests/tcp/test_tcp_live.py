"""curl and nc of this machine talk to vnic on a TAP: what they get is what was sent."""

import contextlib
import functools
import hashlib
import os
import socket
import subprocess
import threading

import pytest
from live_tap import live_tap, wait_until
from needs import others_env, require

from vnic import HostError, TimedOutError, VnicError

pytestmark = [pytest.mark.root, pytest.mark.slow]
BODY = os.urandom(1 << 20) * 3
HASH = hashlib.sha256(BODY).hexdigest()
URL = "http://10.0.0.2/"


def on_tap(**options):
    return live_tap("vt0", host_ip="10.0.0.1/24", ip="10.0.0.2/24", tcp="endpoint", **options)


def head_of(c):
    got = b""
    while b"\r\n\r\n" not in got:
        piece = c.recv(65536, timeout=10)
        if not piece:
            return got, b""
        got += piece
    head, _, rest = got.partition(b"\r\n\r\n")
    return head, rest


def serve_one(c):
    """As much of HTTP as curl needs: GET, and PUT, which is answered by the hash."""
    with c:
        head, rest = head_of(c)
        body = BODY
        if head.startswith(b"PUT"):
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            left, digest = int(fields[b"content-length"]) - len(rest), hashlib.sha256(rest)
            if b"expect" in fields:
                c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n", timeout=10)
            while left:
                piece = c.recv(1 << 18, timeout=10)
                assert piece, "the upload ended early"
                digest.update(piece)
                left -= len(piece)
            body = digest.hexdigest().encode()
        c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body, timeout=20)


@contextlib.contextmanager
def http(host):
    server, troubles, lanes = host.listen(80), [], []

    def one(c):
        try:
            serve_one(c)
        except Exception as e:  # noqa: BLE001 - the test says it
            troubles.append(e)

    def accept():
        with contextlib.suppress(Exception):  # closed
            while True:
                c = server.accept(timeout=30)
                lanes.append(threading.Thread(target=one, args=(c,), daemon=True))
                lanes[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    yield
    server.close()
    for lane in [accepting, *lanes]:
        lane.join(20)
        assert not lane.is_alive()
    assert troubles == []


def curl(*argv):
    require("curl")
    command = ["curl", "-sS", "--max-time", "20", *argv]
    return subprocess.run(command, check=True, capture_output=True, timeout=30, env=others_env()).stdout


def test_curl_downloads_and_uploads(netns, tmp_path):
    (tmp_path / "up").write_bytes(BODY)
    with on_tap() as host:
        with http(host):
            assert hashlib.sha256(curl(URL)).hexdigest() == HASH
            assert curl("-T", str(tmp_path / "up"), URL).decode() == HASH
        wait_until(lambda: host.machine.c.tcp.orphans == 0)
        host.stop()
        assert host.ledger().in_flight == 0
        assert not host.laws()


def test_many_at_once(netns):
    with on_tap(cpus=2, queues=2) as host, http(host):
        said = curl("--parallel", "--parallel-max", "6", *["-o", "/dev/null", URL] * 6, "-w", "%{size_download}\n")
        assert said.split() == [str(len(BODY)).encode()] * 6


@contextlib.contextmanager
def kernels_socket():
    with socket.socket() as s:
        s.settimeout(10)
        yield s


def test_each_side_may_end_first(netns):
    with on_tap() as host:
        server = host.listen(80)
        for first in ("kernel", "vnic"):
            with kernels_socket() as s:
                s.connect(("10.0.0.2", 80))
                c = server.accept(timeout=10)
                ends = {
                    "kernel": (functools.partial(s.shutdown, 1), s, c),
                    "vnic": (functools.partial(c.shutdown, 1), c, s),
                }
                end, one, other = ends[first]
                one.sendall(b"question")
                end()
                got = b""
                while piece := other.recv(100):
                    got += piece
                assert got == b"question"
                other.sendall(b"answer" * 10_000)
                other.close()
                got = b""
                while piece := one.recv(65536):
                    got += piece
                assert got == b"answer" * 10_000
                c.close()
        wait_until(lambda: host.machine.c.tcp.orphans == 0)


def test_nc_sends_a_file_and_hears_the_answer(netns):
    require("nc")
    with on_tap() as host:
        server = host.listen(80)
        with subprocess.Popen(
            ["nc", "-N", "-w", "20", "10.0.0.2", "80"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=others_env()
        ) as nc:
            c, got = server.accept(timeout=10), []

            def read():
                while piece := c.recv(65536, timeout=10):
                    got.append(piece)
                c.sendall(b"thanks")
                c.close()

            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            out, _ = nc.communicate(BODY, timeout=30)
            reader.join(20)
        assert b"".join(got) == BODY
        assert out == b"thanks"


def test_vnic_connects_to_the_kernel(netns):
    with on_tap() as host, socket.create_server(("10.0.0.1", 8000)) as listener:
        listener.settimeout(10)
        ours = host.connect("10.0.0.1", 8000, timeout=10)
        s, (addr, port) = listener.accept()
        with s:
            assert (addr, port) == ours.local
            ours.sendall(b"hello")
            assert s.recv(5, socket.MSG_WAITALL) == b"hello"
            s.sendall(b"there")
            assert ours.recv(timeout=10) == b"there"
            ours.close()
            assert s.recv(5) == b""


def test_what_the_kernel_refuses(netns):
    with on_tap() as host:
        with pytest.raises(HostError) as e:
            host.connect("10.0.0.1", 8000, timeout=10)
        assert isinstance(e.value, ConnectionRefusedError)
        assert host.machine.c.tcp.orphans == 0


def test_a_host_ends_while_connections_are_open(netns):
    """In the middle of transfers both ways, with readers that wait."""
    with on_tap() as host, contextlib.ExitStack() as stack:
        server = host.listen(80)
        pairs = []
        for _ in range(5):
            s = stack.enter_context(kernels_socket())
            s.connect(("10.0.0.2", 80))
            pairs.append((s, server.accept(timeout=10)))
        ended = []

        def wait(c):
            with contextlib.suppress(VnicError):
                while c.recv(100, timeout=30):
                    pass
            ended.append(c)

        def fill(c):
            with contextlib.suppress(VnicError):
                c.sendall(bytes(1 << 26), timeout=30)
            ended.append(c)

        lanes = [threading.Thread(target=f, args=(c,), daemon=True) for _, c in pairs for f in (wait, fill)]
        for lane in lanes:
            lane.start()
        for s, _ in pairs[:2]:
            s.sendall(b"x" * 50_000)
        wait_until(lambda: host.mib()["Tcp_OutSegs"] > 100)
        host.stop()
        assert host.ledger().in_flight == 0
        assert not host.laws()
        host.close()
        for lane in lanes:
            lane.join(20)
            assert not lane.is_alive()
        assert len(ended) == len(lanes)


def test_a_reader_that_waits_times_out(netns):
    with on_tap() as host, kernels_socket() as s:
        server = host.listen(80)
        s.connect(("10.0.0.2", 80))
        c = server.accept(timeout=10)
        with pytest.raises(TimedOutError):
            c.recv(timeout=0.05)
        with pytest.raises(TimedOutError):
            server.accept(timeout=0.05)
        s.sendall(b"x")
        assert c.recv(timeout=10) == b"x"


@pytest.mark.parametrize("rule", ["no-buffer:p=0.01", "dma-flip:p=0.01", "dma-short:p=0.01"])
def test_frames_that_the_card_loses_or_damages_change_no_byte(netns, rule):
    """Both ways at once: of one stream segments are lost, of the other acknowledgements.

    With rx off the host sums what lies in memory: a card that has seen the right sum on the wire vouches for less.
    """
    data = os.urandom(1 << 20) * 4
    with on_tap(faults=[rule], rx=False) as host, contextlib.ExitStack() as stack:
        server = host.listen(80)
        peer = stack.enter_context(socket.create_connection(("10.0.0.2", 80), timeout=20))
        c = server.accept(timeout=10)
        got, theirs = hashlib.sha256(), hashlib.sha256()

        def read():
            left = len(data)
            while left:
                piece = peer.recv(1 << 18)
                assert piece
                theirs.update(piece)
                left -= len(piece)

        lanes = [
            threading.Thread(target=peer.sendall, args=(data,), daemon=True),
            threading.Thread(target=read, daemon=True),
            threading.Thread(target=lambda: c.sendall(data, timeout=40), daemon=True),
        ]
        for lane in lanes:
            lane.start()
        left = len(data)
        while left:
            piece = c.recv(1 << 18, timeout=40)
            assert piece
            got.update(piece)
            left -= len(piece)
        for lane in lanes:
            lane.join(40)
        assert host.nic.faults()[rule.split(":")[0]] > 10
        peer.close()
        c.close()
    assert got.digest() == theirs.digest() == hashlib.sha256(data).digest()
