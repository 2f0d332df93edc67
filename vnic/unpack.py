"""Unpack compressed captures piece by piece: gzip, bzip2, xz, zstd, lz4, recognised by their first bytes.

zstd comes with Python 3.14, before that with backports.zstd; lz4 with its package (``pip install vnic[lz4]``).
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from typing import TYPE_CHECKING, Any

from vnic.extras import load, pip_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 1 << 20
"""Most bytes that are unpacked in one go: a bomb is met before it has gone off."""

_SLICE = 1 << 14

_MAGICS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x04\x22\x4d\x18": "lz4",
}
HEAD = 6
"""Bytes by which a kind is recognised."""


class MissingUnpackerError(Exception):
    """The package that unpacks this kind is not installed; the text says what is."""


class DamagedError(Exception):
    """The packed data ends too early, or is not what it should be. What came before is good."""


def kind_of(head: bytes) -> str | None:
    """Return the kind of compression that begins like this; None: not compressed."""
    return next((kind for magic, kind in _MAGICS.items() if head.startswith(magic)), None)


class _Gzip:
    """zlib's decompressor with the methods that bz2's and lzma's have."""

    def __init__(self) -> None:
        self._z = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._z.eof

    @property
    def needs_input(self) -> bool:
        return not self._z.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._z.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._z.decompress(self._z.unconsumed_tail + data, max_length)


def _zstd() -> Any:
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        return importlib.import_module("backports.zstd")


def _unpacker(kind: str) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """Return what makes a decompressor, and the errors of damaged data. MissingUnpackerError: not installed."""
    if kind == "gzip":
        return _Gzip, (zlib.error,)
    if kind == "bzip2":
        return bz2.BZ2Decompressor, (OSError, ValueError)
    if kind == "xz":
        return lzma.LZMADecompressor, (lzma.LZMAError,)
    try:
        module = _zstd() if kind == "zstd" else load("lz4.frame", "lz4-compressed")
    except ImportError as e:
        why = str(e) if kind == "lz4" else f"{kind}-compressed: {pip_line('backports.zstd')}"
        raise MissingUnpackerError(f"{why} to read it, or unpack it first: {kind} -dc FILE | vnic replay -") from None
    if kind == "zstd":
        return module.ZstdDecompressor, (module.ZstdError,)
    return module.LZ4FrameDecompressor, (RuntimeError,)


def _sliced(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Cut the pieces: each end of an archive copies the rest of its slice, and there may be an end every 20 bytes."""
    for piece in pieces:
        for at in range(0, len(piece), _SLICE):
            yield piece[at : at + _SLICE]


def unpacked(kind: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack the pieces, at most PIECE bytes at once. Several archives one behind the other are one.

    Raises:
        DamagedError: behind the last good byte.
        MissingUnpackerError: nothing here unpacks this kind.
    """
    make, errors = _unpacker(kind)
    engine, left, total = make(), b"", 0
    try:
        for piece in _sliced(pieces):
            left += piece
            while left or not engine.needs_input:
                if engine.eof:
                    if len(left) < HEAD:
                        break
                    if kind_of(left) != kind:
                        return  # padding, or something that is not ours: the tools ignore it too
                    engine = make()
                data, left = engine.decompress(left, max_length=PIECE), b""
                total += len(data)
                if data:
                    yield data
                if engine.eof:
                    left = engine.unused_data
                elif engine.needs_input:
                    break
    except errors as e:
        raise DamagedError(f"its {kind} data is damaged behind {total:,} bytes of the capture ({e})") from e
    if not engine.eof:
        raise DamagedError(f"its {kind} data ends too early, behind {total:,} bytes of the capture")
