"""A server for iperf3's client: TCP, several streams, -R, --bidir. One test at a time, as iperf3 has it.

The control connection carries states, a byte each, and JSON behind a length of 4 bytes; every connection begins with
the client's cookie of 37 bytes. Numbers and order are those of iperf3 3.x (src/iperf_api.h, iperf_server_api.c).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import time
from typing import Any

COOKIE = 37
JSON_MAX = 1 << 16
STREAMS_MAX = 128
_LEN_MAX = 1 << 20
_WAIT_S = 10.0
_READ = 1 << 18
_START, _RUNNING, _END, _PARAMS, _CREATE, _TERMINATE = 1, 2, 4, 9, 10, 12
_EXCHANGE, _DISPLAY = 13, 14
_DENIED, _ERROR = 0xFF, 0xFE
_UNIMPLEMENTED = 13
"""IEUNIMP."""


class _Stream:
    """A data connection. ``sends``: this side does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, sends: bool) -> None:
        self.reader, self.writer, self.sends = reader, writer, sends
        self.bytes = 0

    async def run(self, piece: bytes) -> None:
        """Send without end, or read to the end."""
        if not self.sends:
            while data := await self.reader.read(_READ):
                self.bytes += len(data)
            return
        while True:
            self.writer.write(piece)
            await self.writer.drain()
            self.bytes += len(piece)

    @property
    def retransmits(self) -> int:
        """Segments that were sent again."""
        return int(self.writer.get_extra_info("socket").sock.tcp_info().total_retrans)


class _Test:
    """A test that runs: its cookie, and the streams that have come."""

    def __init__(self, cookie: bytes) -> None:
        self.cookie = cookie
        self.streams: list[_Stream] = []
        self.wanted = 0
        self.senders = range(0)
        self.all_here = asyncio.Event()
        self.over = asyncio.Event()

    def add(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take a data connection. Return: False: there are enough."""
        n = len(self.streams)
        if n >= self.wanted:
            return False
        self.streams.append(_Stream(reader, writer, sends=n in self.senders))
        if n + 1 == self.wanted:
            self.all_here.set()
        return True


class Server:
    """Call it with each connection."""

    def __init__(self) -> None:
        self._test: _Test | None = None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be the control connection of a test, or one of its streams."""
        try:
            cookie = await asyncio.wait_for(reader.readexactly(COOKIE), _WAIT_S)
        except (asyncio.IncompleteReadError, TimeoutError):
            return
        test = self._test
        if test is not None and cookie == test.cookie:
            if test.add(reader, writer):
                await test.over.wait()
        elif test is not None:
            writer.write(bytes([_DENIED]))
        else:
            self._test = test = _Test(cookie)
            try:
                await self._control(test, reader, writer)
            except (asyncio.IncompleteReadError, TimeoutError, ValueError):
                pass  # the client has gone, or is none
            finally:
                self._test = None
                for stream in test.streams:
                    stream.writer.transport.abort()
                test.over.set()

    async def _control(self, test: _Test, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def state(n: int) -> None:
            writer.write(bytes([n]))

        state(_PARAMS)
        asked = await _read_json(reader)
        if not asked.get("tcp") or asked.get("authtoken"):
            writer.write(bytes([_ERROR]) + struct.pack("!II", _UNIMPLEMENTED, 0))  # UDP, SCTP, passwords
            return
        n = min(max(int(asked.get("parallel", 1)), 1), STREAMS_MAX)
        test.wanted = n * (2 if asked.get("bidirectional") else 1)
        test.senders = range(n, 2 * n) if asked.get("bidirectional") else range(n if asked.get("reverse") else 0)
        state(_CREATE)
        await asyncio.wait_for(test.all_here.wait(), _WAIT_S)
        state(_START)
        state(_RUNNING)
        began, piece = time.monotonic(), bytes(min(max(int(asked.get("len", 1 << 17)), 1), _LEN_MAX))
        tasks = [asyncio.ensure_future(stream.run(piece)) for stream in test.streams]
        try:
            end = (await reader.readexactly(1))[0]
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(Exception):
                await asyncio.gather(*tasks, return_exceptions=True)
        results = json.dumps(_results(test, time.monotonic() - began)).encode()
        for stream in test.streams:  # the client reads whole blocks: an end is what it gets now
            stream.writer.close()
        if end != _END:  # the client was interrupted
            return
        state(_EXCHANGE)
        await _read_json(reader)
        writer.write(struct.pack("!I", len(results)) + results)
        state(_DISPLAY)
        await asyncio.wait_for(reader.read(1), _WAIT_S)


async def _read_json(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Read an object. ValueError: it is none."""
    (length,) = struct.unpack("!I", await asyncio.wait_for(reader.readexactly(4), _WAIT_S))
    if length > JSON_MAX:
        raise ValueError("too long")
    found = json.loads(await asyncio.wait_for(reader.readexactly(length), _WAIT_S))
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 - one kind for all that is no iperf3
    return found


def _results(test: _Test, seconds: float) -> dict[str, Any]:
    nothing = {"jitter": 0, "errors": 0, "omitted_errors": 0, "packets": 0, "omitted_packets": 0, "start_time": 0}
    return {
        "cpu_util_total": 0,
        "cpu_util_user": 0,
        "cpu_util_system": 0,
        "sender_has_retransmits": int(bool(test.senders)) or -1,
        "streams": [
            {
                "id": i + 1 + (i > 0),  # iperf3 leaves out 2
                "bytes": s.bytes,
                "retransmits": s.retransmits if s.sends else -1,
                "end_time": seconds,
            }
            | nothing
            for i, s in enumerate(test.streams)
        ],
    }
