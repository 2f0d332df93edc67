"""Echo, discard and the character generator: RFC 862, RFC 863, RFC 864."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_READ = 1 << 18
_PRINTABLE = bytes(range(32, 127))
_LINE = 72
_LINES = b"".join((_PRINTABLE * 2)[i : i + _LINE] + b"\r\n" for i in range(len(_PRINTABLE)))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, until the peer ends."""
    while data := await reader.read(_READ):
        writer.write(data)
        await writer.drain()


async def discard(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Throw away what comes."""
    while await reader.read(_READ):
        pass


async def chargen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send lines of 72 printable characters, each begins one character later, until the peer goes away."""
    while True:
        writer.write(_LINES)
        await writer.drain()
