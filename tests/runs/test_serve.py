"""The servers of `vnic run --serve`: the kernel's clients, curl and iperf3 talk to them on a TAP."""

import contextlib
import hashlib
import http.client
import json
import os
import socket
import subprocess
import threading

import pytest
from commands import invoke
from live_tap import live_tap
from needs import others_env

import vnic
from vnic import serve
from vnic.serve import Service, parse

SITE = {"a.txt": b"hello\n", "folder/index.html": b"<p>index", "folder/b.bin": os.urandom(100_000), "odd name.x": b"?"}


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    for name, data in SITE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "out").symlink_to(tmp_path / "secret")
    os.mkfifo(root / "pipe")
    return root


@contextlib.contextmanager
def serving(*services):
    with (
        live_tap("vt0", host_ip="10.0.0.1/24", ip="10.0.0.2/24", tcp="endpoint", flow_control=True) as host,
        serve.Servers(host, services),
    ):
        yield host


# ---- the words ----


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("echo", Service("echo", 7)),
        ("iperf3:5202", Service("iperf3", 5202)),
        ("http:80:/srv", Service("http", 80, "/srv")),
        ("http:/srv", Service("http", 80, "/srv")),
        ("http:8080:a:b", Service("http", 8080, "a:b")),
        ("http:.", Service("http", 80, ".")),
    ],
)
def test_what_a_text_means(text, service):
    assert parse(text) == service


@pytest.mark.parametrize(
    "text", ["", "ftp", "echo:0", "echo:65536", "echo:7:x", "http", "http:80", "http:99999:.", ":80", "echo:x"]
)
def test_what_is_no_server_is_said_in_a_sentence(text):
    with pytest.raises(vnic.ConfigError, match=r"^serve="):
        parse(text)


def test_a_passive_host_serves_nothing():
    with (
        vnic.Host(live=True, ip="10.0.0.2/24") as host,
        host.running(),
        pytest.raises(vnic.ConfigError, match="tcp=endpoint"),
        serve.Servers(host, ["echo"]),
    ):
        pass


def test_a_port_is_served_once_and_a_folder_has_to_be_there(tmp_path):
    with vnic.Host(live=True, ip="10.0.0.2/24", tcp="endpoint") as host, host.running():
        with pytest.raises(vnic.PortTakenError), serve.Servers(host, ["echo:9", "discard"]):
            pass
        with pytest.raises(vnic.ConfigError, match="not a directory"):
            serve.Servers(host, [f"http:{tmp_path}/none"])
        with serve.Servers(host, ["echo:9"]):
            pass


def test_the_command_says_what_is_wrong_before_it_makes_a_tap():
    done = invoke("run", "--ip", "10.0.0.2/24", "--serve", "ftp")
    assert done.exit_code == 2
    assert "serve=ftp: must begin with one of http" in done.output


# ---- on a TAP ----


@pytest.mark.root
@pytest.mark.slow
def test_the_small_ones(netns):
    with serving("echo", "discard", "chargen"):
        with socket.create_connection(("10.0.0.2", 7), timeout=10) as s:
            data = os.urandom(300_000)
            threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True).start()
            got = b""
            while piece := s.recv(1 << 16):
                got += piece
            assert got == data
        with socket.create_connection(("10.0.0.2", 9), timeout=10) as s:
            s.sendall(bytes(100_000))
            s.shutdown(socket.SHUT_WR)
            assert s.recv(10) == b""
        with socket.create_connection(("10.0.0.2", 19), timeout=10) as s:
            lines = s.makefile("rb")
            first, second = lines.readline(), lines.readline()
            assert (len(first), first[1:72], first[-2:]) == (74, second[:71], b"\r\n")


@pytest.mark.root
@pytest.mark.slow
def test_files(netns, site):
    with serving(f"http:{site}"):
        c = http.client.HTTPConnection("10.0.0.2", timeout=10)

        def ask(method, target, **fields):
            c.request(method, target, headers={k.replace("_", "-"): v for k, v in fields.items()})
            r = c.getresponse()
            return r.status, r.read(), r.headers

        assert ask("GET", "/a.txt")[:2] == (200, b"hello\n")
        sock = c.sock
        status, body, headers = ask("HEAD", "/folder/b.bin")
        assert (status, body, headers["Content-Length"]) == (200, b"", "100000")
        assert ask("GET", "/folder/b.bin")[1] == SITE["folder/b.bin"]
        assert ask("GET", "/folder/")[1] == b"<p>index"
        assert (ask("GET", "/folder")[0], ask("GET", "/folder")[2]["Location"]) == (301, "/folder/")
        assert ask("GET", "/odd%20name.x?q=1")[1] == b"?"
        assert b'href="odd%20name.x"' in ask("GET", "/")[1]
        for range_, part in (("0-9", slice(0, 10)), ("99990-", slice(99990, None)), ("-5", slice(-5, None))):
            status, body, headers = ask("GET", "/folder/b.bin", Range=f"bytes={range_}")
            assert (status, body) == (206, SITE["folder/b.bin"][part])
            assert headers["Content-Range"].endswith("/100000")
        assert ask("GET", "/a.txt", Range="bytes=6-")[0] == 416
        assert ask("GET", "/a.txt", Range="lines=1-2")[0] == 200
        for target in ("/none", "/out", "/pipe", "/../secret", "/%2e%2e/secret", "/folder/../../secret", "/a.txt/"):
            assert ask("GET", target)[0] == 404, target
        assert ask("GET", "/%00")[0] == 400
        assert ask("POST", "/a.txt")[0] == 405
        assert c.sock is sock  # all on one connection
        assert ask("PUT", "/a.txt", Content_Length="5")[0] == 405
        c.close()


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, b"431"),
        (b"GET /a.txt HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /a.txt HTTP/1.1\r\nConnection: close\r\n\r\n", b"200"),
    ],
)
def test_a_request_that_ends_the_connection(netns, site, request_, status):
    with serving(f"http:{site}"), socket.create_connection(("10.0.0.2", 80), timeout=10) as s:
        s.sendall(request_)
        got = b""
        while piece := s.recv(1 << 16):
            got += piece
        assert got.split()[1] == status
        assert b"Connection: close" in got


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.needs("curl")
def test_curl_gets_a_file_whole(netns, site, tmp_path):
    data = os.urandom(1 << 20) * 20
    (site / "big").write_bytes(data)
    with serving(f"http:{site}"):
        command = ["curl", "-sS", "--max-time", "20", "-o", tmp_path / "got", "http://10.0.0.2/big"]
        subprocess.run(command, check=True, timeout=30, env=others_env())
    assert hashlib.sha256((tmp_path / "got").read_bytes()).digest() == hashlib.sha256(data).digest()


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.needs("iperf3")
@pytest.mark.parametrize("words", ["", "-R", "--bidir", "-P 8", "-P 2 -R"])
def test_iperf3(netns, words):
    with serving("iperf3"):
        command = ["iperf3", "-c", "10.0.0.2", "-n", "5M", "-J", *words.split()]
        done = subprocess.run(command, check=False, timeout=30, env=others_env(), capture_output=True)
        told = json.loads(done.stdout)
        assert (done.returncode, told.get("error")) == (0, None)
        end = told["end"]
        assert all(
            end[name]["bytes"] > 0 for name in end if name.startswith("sum_")
        )  # counting stops where the test ends
        assert len(told["start"]["connected"]) == {"-P 8": 8, "-P 2 -R": 2, "--bidir": 2}.get(words, 1)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.needs("iperf3")
def test_iperf3_is_told_what_cannot_be(netns):
    with serving("iperf3"):
        for words, says in (("-u", "not implemented"), ("", None)):  # the next client gets its test
            command = ["iperf3", "-c", "10.0.0.2", "-n", "100K", "-J", *words.split()]
            done = subprocess.run(command, check=False, timeout=30, env=others_env(), capture_output=True)
            error = json.loads(done.stdout).get("error")
            assert error is None if says is None else says in error


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"x" * 37, b"x" * 37 + b"\xff\xff\xff\xff", b"x" * 37 + b"\0\0\0\2[]", b"short"])
def test_what_is_no_iperf3_leaves_the_server_free(netns, sent):
    with serving("iperf3"):
        with socket.create_connection(("10.0.0.2", 5201), timeout=10) as s:
            s.sendall(sent)
            s.shutdown(socket.SHUT_WR)
            while s.recv(1000):
                pass
        with socket.create_connection(("10.0.0.2", 5201), timeout=10) as s:
            s.sendall(b"y" * 37)
            assert s.recv(1) == b"\x09"
