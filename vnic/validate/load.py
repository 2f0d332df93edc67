"""One load through the running kernel: its times, and how its counters moved."""

from __future__ import annotations

import base64
import errno
import os
import socket
import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.calibrate.sandbox import PORT, Device, open_tap
from vnic.calibrate.state import softnet
from vnic.errors import VnicError
from vnic.sockopt import SO_MEMINFO, SO_RCVBUFFORCE
from vnic.validate.scenario import FRAME, RCVBUF

if TYPE_CHECKING:
    from vnic.validate.scenario import Scenario

_TURNS = 20_000


@dataclass(slots=True)
class Seen:
    """What became of a load. Times are ns of one clock; ``read_ns`` is 0 for a frame that was lost."""

    begun_ns: array[int]
    read_ns: array[int]
    counters: dict[str, int]
    """Of both CPUs together; ``sleeps``: times that a datagram woke the reader."""
    work_ns: int
    reader_ns: int
    """CPU time of the reader."""
    rcvbuf: int
    truesize: int
    """What the socket is charged for one frame."""

    def as_line(self) -> dict[str, Any]:
        """Return it as JSON; the times are base64."""
        out: dict[str, Any] = {name: getattr(self, name) for name in _NUMBERS}
        return out | {name: base64.b64encode(getattr(self, name).tobytes()).decode() for name in _TIMES}

    @classmethod
    def of_line(cls, line: dict[str, Any]) -> Seen:
        """Return what :meth:`as_line` has made a line of."""
        times: dict[str, Any] = {name: array("Q", base64.b64decode(line[name])) for name in _TIMES}
        return cls(**times, **{name: line[name] for name in _NUMBERS})


_TIMES, _NUMBERS = ("begun_ns", "read_ns"), ("counters", "work_ns", "reader_ns", "rcvbuf", "truesize")


class Bench:
    """The TAPs of the scenarios, and the two CPUs."""

    def __init__(self, writer: int, reader: int, *, number: int = 4) -> None:
        self._writer, self._reader = writer, reader
        self._plain, self._far = open_tap(number, napi=True), open_tap(number + 1, napi=True)
        self.rps = self._far.steer(1 << reader)
        """The kernel has taken RPS."""

    def run(self, scenario: Scenario, due_ns: list[int], work_loops: int) -> Seen:
        """Send one load. VnicError: the kernel refuses it."""
        device = self._far if scenario.rps else self._plain
        n, v = len(due_ns), ffi.new("struct validation *")
        due, begun, read = ffi.new("u64[]", due_ns), *(ffi.new("u64[]", n) for _ in range(2))
        frame = ffi.new("u8[]", device.frame(FRAME))
        v.due_ns, v.begun_ns, v.read_ns, v.frame = due, begun, read, frame
        v.len, v.n, v.writer, v.reader, v.fd = FRAME, n, self._writer, self._reader, device.fd
        v.work_loops = work_loops if scenario.work else 0
        with _socket(device) as sock:
            v.sock = sock.fileno()
            truesize = _truesize(device, sock)
            before = softnet((self._writer, self._reader))
            rc = lib.validate_load(v)
            after = softnet((self._writer, self._reader))
            rcvbuf = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        if rc < 0:
            raise VnicError(f"write to a TAP: {os.strerror(-rc)}")
        moved = {name: after[name] - before[name] for name in after}
        return Seen(
            array("Q", ffi.unpack(begun, n)),
            array("Q", ffi.unpack(read, n)),
            moved | {"sleeps": int(v.sleeps)},
            int(v.work_ns),
            int(v.reader_ns),
            rcvbuf,
            truesize,
        )


def loops_of(work_ns: int) -> int:
    """Return how many turns of the reader's loop take so long on this machine now."""
    return max(1, round(_TURNS * work_ns / int(lib.validate_work_ns(_TURNS))))


def _socket(device: Device) -> socket.socket:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF)
    except PermissionError:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RCVBUF)
    s.bind((device.ip, PORT))
    return s


def _truesize(device: Device, sock: socket.socket) -> int:
    """Ask what the socket is charged for one frame (SO_MEMINFO), and read that frame."""
    os.write(device.fd, device.frame(FRAME))
    sock.settimeout(1)
    try:
        sock.recv(FRAME, socket.MSG_PEEK)  # with RPS it comes a moment later
        charged = int(struct.unpack_from("I", sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[0])
        sock.recv(FRAME)
    except OSError as e:
        why = "a datagram did not arrive" if e.errno in (None, errno.EAGAIN) else e.strerror
        raise VnicError(f"the first datagram of a load: {why}") from None
    finally:
        sock.setblocking(True)
    return charged
