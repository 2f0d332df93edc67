"""Options of pcapng blocks, as vnic reads them back from files that it wrote itself."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each option's code and value, up to the end of options."""
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + (length + 3 & ~3)
