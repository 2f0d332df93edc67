"""A host's sockets for asyncio: sockets of its own kind, and Transports for Protocols and streams.

>>> from vnic import aio
>>> async with aio.UdpSocket(host.udp(5000)) as sock:
...     async for data, sender in sock:
...         await sock.sendto(data, sender)

>>> async def echo(reader, writer):
...     writer.write(await reader.readline())
...     await writer.drain()
...     writer.close()
>>> async with await host.start_server(echo, 7) as server:
...     await server.serve_forever()

sockets.py has the sockets, in real and in virtual time. The others are for TCP's connections of a live host:
transport.py, server.py, and streams.py, which makes them. docs/tcp.md says where they differ from the kernel's sockets.
"""

from vnic.aio.server import Server
from vnic.aio.sockets import AsyncSocket, PacketSocket, TcpConnection, TcpListener, TcpServer, TcpStream, UdpSocket
from vnic.aio.transport import TcpTransport, TransportSocket

__all__ = [
    "AsyncSocket",
    "PacketSocket",
    "Server",
    "TcpConnection",
    "TcpListener",
    "TcpServer",
    "TcpStream",
    "TcpTransport",
    "TransportSocket",
    "UdpSocket",
]
