"""The last frames of a host with their fates, in bounded memory: for the report of a test that failed.

    the host's path -> Capture (points wire and stack) -> pipe -> a thread here, which keeps the last blocks only

The thread reads lengths and keeps bytes; frames() parses them. Blocks: draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import warnings
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vnic.capture import Capture
from vnic.pcapng import options

if TYPE_CHECKING:
    from vnic.host import Host

_POINTS = ("wire", "stack")
_WIRE, _STACK = range(len(_POINTS))
_FATES_KEPT = 1024
_PIPE_BYTES = 1 << 20
_PACKET, _PACKET_HEAD = 6, struct.Struct("<IIIIIII")
"""An enhanced packet block: type, length, interface, stamp (high, low), captured bytes, bytes on the wire."""
_COMMENT, _FLAGS, _PACKET_ID, _OUTBOUND = 1, 2, 5, 2


@dataclass(frozen=True, slots=True)
class LastFrame:
    """A frame at the wire."""

    t_ns: int
    """Virtual time; live: by the host's clock."""
    id: int | None
    """It counts arrivals; None: the host sent it."""
    length: int
    """Bytes on the wire."""
    fate: str | None
    """None: it has none yet, or GRO or reassembly made it a part of an earlier packet. ``sent``: by the host."""
    data: bytes


class LastFrames:
    """Keep the last ``frames`` frames of a host, from now on. Its capture closes with the host."""

    def __init__(self, host: Host, frames: int) -> None:
        self._wire: deque[bytes] = deque(maxlen=frames)
        self._stack: deque[bytes] = deque(maxlen=_FATES_KEPT)
        read, write = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # this user's pipes may have no more memory: a small one does it too
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            self.capture = Capture(host, write, at=_POINTS)
            self.capture.path = Path("of the last frames")  # as it is called in repr(host)
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        self._reader = threading.Thread(target=self._drain, args=(read,), name="last frames", daemon=True)
        self._reader.start()

    def _drain(self, fd: int) -> None:
        with open(fd, "rb", buffering=0) as pipe:
            left = b""
            while data := pipe.read(_PIPE_BYTES):
                left = self._keep(left + data)

    def _keep(self, data: bytes) -> bytes:
        """Keep the whole blocks; return the rest."""
        at, end = 0, len(data)
        while end - at >= _PACKET_HEAD.size:
            kind, length, interface, *_ = _PACKET_HEAD.unpack_from(data, at)
            if end - at < length:
                break
            if kind == _PACKET:
                (self._wire if interface == _WIRE else self._stack).append(data[at : at + length])
            at += length
        return data[at:]

    def frames(self) -> list[LastFrame]:
        """Close the capture and return the frames, the latest one last. VnicError: another thread runs the host."""
        self.capture.close()
        self._reader.join()
        fates = {i: fate for i, fate, *_ in map(_parsed, self._stack)}
        return [
            LastFrame(t_ns, i, length, fate or fates.get(i), data)
            for i, fate, t_ns, length, data in map(_parsed, self._wire)
        ]


def _parsed(block: bytes) -> tuple[int | None, str | None, int, int, bytes]:
    """Return a packet's id, fate, stamp (ns), bytes on the wire, and captured bytes."""
    *_, high, low, kept, length = _PACKET_HEAD.unpack_from(block)
    begin = _PACKET_HEAD.size
    i, fate = None, None
    for code, value in options(block[begin + (kept + 3 & ~3) : -4]):
        if code == _PACKET_ID:
            i = int.from_bytes(value, "little")
        elif code == _COMMENT and value[:1].isupper():  # else: the frames of a merged packet, or how late it is
            fate = value.decode().partition(":")[0]
        elif code == _FLAGS and value[0] & 3 == _OUTBOUND:
            fate = "sent"
    return i, fate, high << 32 | low, length, block[begin : begin + kept]


def summary(data: bytes) -> str:
    """Return one line about a frame, by scapy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scapy's imports warn, and a test run may turn warnings into errors
        from scapy.layers.inet6 import IPv6  # noqa: F401 - Ether finds IPv6 by it
        from scapy.layers.l2 import Ether

        return str(Ether(data).summary())
