"""Clients of others on a TAP: redis-cli and redis-benchmark of a server in Python; ab and Chromium of files."""

import asyncio
import contextlib
import re
import subprocess
import threading

import pytest
from browser import Browser
from live_tap import live_tap
from needs import others_env

from vnic import serve

pytestmark = [pytest.mark.root, pytest.mark.slow]


@contextlib.contextmanager
def endpoint():
    with live_tap("vt0", host_ip="10.0.0.1/24", ip="10.0.0.2/24", tcp="endpoint", flow_control=True) as host:
        yield host


class Redis:
    """As much of Redis as its client needs: RESP2, PING, SET, GET, INCR."""

    def __init__(self):
        self.values = {}

    async def __call__(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                n = int((await reader.readuntil(b"\r\n"))[1:])
                words = []
                for _ in range(n):
                    length = int((await reader.readuntil(b"\r\n"))[1:])
                    words.append((await reader.readexactly(length + 2))[:-2])
                writer.write(self.answer(*words))
                await writer.drain()
        writer.close()

    def answer(self, name, *args):
        match name.upper():
            case b"PING":
                return b"+PONG\r\n"
            case b"SET":
                self.values[args[0]] = args[1]
                return b"+OK\r\n"
            case b"GET":
                found = self.values.get(args[0])
                return b"$-1\r\n" if found is None else b"$%d\r\n%s\r\n" % (len(found), found)
            case b"INCR":
                self.values[args[0]] = b"%d" % (int(self.values.get(args[0], b"0")) + 1)
                return b":%s\r\n" % self.values[args[0]]
        return b"-ERR unknown command\r\n"


@contextlib.contextmanager
def redis(host):
    """The server, on a loop of its own."""
    loop, ready, server = asyncio.new_event_loop(), threading.Event(), Redis()

    async def main():
        nonlocal end
        end = asyncio.Event()
        async with await host.start_server(server, 6379):
            ready.set()
            await end.wait()

    end = None
    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield server
    loop.call_soon_threadsafe(end.set)
    thread.join(10)
    loop.close()


def ran(*command, **options):
    return subprocess.run(
        command, check=True, timeout=30, env=others_env(), capture_output=True, text=True, **options
    ).stdout


@pytest.mark.needs("redis-cli")
def test_redis_cli(netns):
    big = "x" * 200_000
    with endpoint() as host, redis(host) as server:
        cli = ("redis-cli", "-h", "10.0.0.2")
        assert ran(*cli, "ping") == "PONG\n"
        assert ran(*cli, "-x", "set", "big", input=big) == "OK\n"
        assert server.values[b"big"] == big.encode()
        assert ran(*cli, "get", "big") == big + "\n"
        assert ran(*cli, "-r", "300", "incr", "n").split()[-1] == "300"
        assert ran(*cli, input="ping\n" * 50).split() == ["PONG"] * 50


@pytest.mark.needs("redis-benchmark")
def test_redis_benchmark(netns):
    """50 connections at once, requests in a row on each."""
    with endpoint() as host, redis(host):
        told = ran("redis-benchmark", "-h", "10.0.0.2", "-n", "2000", "-c", "50", "-P", "4", "-t", "set,get,incr", "-q")
    assert len(re.findall(r"(SET|GET|INCR): [0-9.]+ requests per second", told)) == 3


@pytest.mark.needs("ab")
@pytest.mark.parametrize("words", [(), ("-k",)])
def test_ab(netns, tmp_path, words):
    """Short connections, and connections that stay."""
    (tmp_path / "a").write_bytes(b"y" * 5000)
    with endpoint() as host, serve.Servers(host, [f"http:{tmp_path}"]):
        told = ran("ab", "-q", "-n", "500", "-c", "16", *words, "http://10.0.0.2/a")
    assert re.search(r"Complete requests:\s+500\n", told)
    assert re.search(r"Failed requests:\s+0\n", told)
    assert re.search(r"HTML transferred:\s+2500000 bytes", told)


@pytest.mark.needs("chromium")
def test_chromium_loads_a_page_of_many_parts(netns, tmp_path):
    """It opens six connections, and asks for all parts at once."""
    for i in range(80):
        (tmp_path / f"part{i}").write_bytes(bytes([i]) * (1000 * i + 1))
        (tmp_path / f"{i}.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>')
    pictures = "".join(f"<img src={i}.svg>" for i in range(80))
    (tmp_path / "index.html").write_text(f"<!doctype html><title>parts</title>{pictures}")
    ask = """Promise.all([...Array(80).keys()].map(i => fetch("part" + i).then(r => r.arrayBuffer())
        .then(b => b.byteLength == 1000 * i + 1 && new Uint8Array(b).every(x => x == i))))"""
    with endpoint() as host, serve.Servers(host, [f"http:{tmp_path}"]), Browser() as browser:
        with browser.open("http://10.0.0.2/") as page:
            assert page.value("document.title") == "parts"
            assert page.value("[...document.images].every(i => i.complete && i.naturalWidth == 10)")
            assert page.value(ask) == [True] * 80
        assert host.mib()["Tcp_PassiveOpens"] >= 2
