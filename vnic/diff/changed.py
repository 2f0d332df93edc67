"""The frames whose fate changed, as a capture: their own bytes, with a comment "was X, is Y".

    the captures -> a replay with a capture at the wire -> a pipe -> only the blocks of these frames -> OUT.pcapng

A replay numbers the frames as the compared runs did, whatever was selected, cut or unpacked. Its blocks come through a
pipe, so no second file of the whole input is ever made.
"""

from __future__ import annotations

import os
import struct
import threading
from typing import TYPE_CHECKING, Any

from vnic.errors import VnicError
from vnic.own_paths import instead_of
from vnic.pcapng import options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

_PACKET, _COMMENT, _ID, _FLAGS = 6, 1, 5, 2
_OUTBOUND = 2
_FIXED = 28  # of an enhanced packet block: type, length, interface, time, lengths


def write(
    path: str | Path, fates: Mapping[int, tuple[str, str]], replay: Callable[[int], Any], *, texts: Any = None
) -> int:
    """Write the frames to a pcapng file, which is complete or not there at all. Return how many.

    Args:
        path: the file.
        fates: frame -> its fates in both runs.
        replay: replays the input with a capture at the wire into this descriptor.
        texts: makes a comment of two fates; None: "was X, is Y".

    Raises:
        VnicError: the replay failed.
        OSError: the file cannot be written.
    """
    comment = texts or (lambda was, now: f"was {was}, is {now}")
    read_fd, write_fd = os.pipe()
    with instead_of(path) as out, os.fdopen(read_fd, "rb", buffering=1 << 20) as blocks:
        filtered = _Filter(blocks, out, fates, comment)
        thread = threading.Thread(target=filtered.run, name="vnic-diff-write")
        thread.start()
        try:
            replay(write_fd)
        finally:
            os.close(write_fd)
            thread.join()
        if filtered.error is not None:
            raise filtered.error
        return filtered.written


class _Filter:
    """Copies blocks; of packets only the wanted ones."""

    def __init__(
        self, blocks: BinaryIO, out: BinaryIO, fates: Mapping[int, tuple[str, str]], comment: Callable[[str, str], str]
    ) -> None:
        self._blocks, self._out, self._fates, self._comment = blocks, out, fates, comment
        self.written = 0
        self.error: Exception | None = None

    def run(self) -> None:
        """Copy until the writer is done. Also after an error, read on: the replay must not wait for this pipe."""
        try:
            for kind, block in _blocks(self._blocks):
                if kind == _PACKET:
                    self._packet(block)
                else:
                    self._out.write(block)
        except (OSError, VnicError, struct.error) as e:
            self.error = e
            while self._blocks.read(1 << 20):
                pass

    def _packet(self, block: bytes) -> None:
        kept = struct.unpack_from("<I", block, 20)[0]
        at = _FIXED + (kept + 3 & ~3)
        found = list(options(block[at:-4]))
        frame = next((struct.unpack("<Q", value)[0] for code, value in found if code == _ID), 0)
        sent = any(code == _FLAGS and value[0] & 3 == _OUTBOUND for code, value in found)
        if frame not in self._fates or sent:
            return
        mine = (_COMMENT, self._comment(*self._fates[frame]).encode())
        rest = [option for option in found if option[0] != _COMMENT]
        body = block[8:at] + b"".join(_option(*option) for option in (mine, *rest)) + bytes(4)
        length = struct.pack("<I", len(body) + 12)
        self._out.write(struct.pack("<I", _PACKET) + length + body + length)
        self.written += 1


def _blocks(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    while head := file.read(8):
        kind, length = struct.unpack("<II", head)
        body = file.read(length - 8)
        if len(body) != length - 8:
            raise VnicError("the capture of the replay ended early")
        yield kind, head + body


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
