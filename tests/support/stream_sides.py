"""The same asyncio program on the kernel's sockets and on two live vnic hosts: what its protocols are told."""

import asyncio
import contextlib
import socket

import vnic

NO_LINGER = b"\1\0\0\0\0\0\0\0"


class Kernel:
    """asyncio's own transports over loopback."""

    def __init__(self):
        self.port = 0

    async def create_server(self, factory, **how):
        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, "127.0.0.1", self.port, **how)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def create_connection(self, factory):
        return await asyncio.get_running_loop().create_connection(factory, "127.0.0.1", self.port)

    async def start_server(self, callback, **how):
        server = await asyncio.start_server(callback, "127.0.0.1", self.port, **how)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def open_connection(self, **how):
        return await asyncio.open_connection("127.0.0.1", self.port, **how)


class Vnic:
    """vnic's transports over a wire between two hosts."""

    def __init__(self, a, b):
        self.a, self.b = a, b

    async def create_server(self, factory, **how):
        return await self.b.create_server(factory, 80, **how)

    async def create_connection(self, factory):
        return await self.a.create_connection(factory, "10.0.0.2", 80)

    async def start_server(self, callback, **how):
        return await self.b.start_server(callback, 80, **how)

    async def open_connection(self, **how):
        return await self.a.open_connection("10.0.0.2", 80, **how)


@contextlib.contextmanager
def two_live_hosts(**options):
    """10.0.0.1 and 10.0.0.2, joined by a wire."""
    options = {"live": True, "cpus": 1, "tcp": "endpoint", "fifo": 1 << 22} | options
    ends = vnic.JointWire.pair()
    with contextlib.ExitStack() as stack:
        hosts = [
            stack.enter_context(
                vnic.Host(wire=end, ip=[f"10.0.0.{i}/24", f"fd00::{i}/64"], mac=f"02:00:00:00:00:0{i}", **options)
            )
            for i, end in enumerate(ends, 1)
        ]
        for host in hosts:
            stack.enter_context(host.running())
        yield hosts


class Told(asyncio.Protocol):
    """A protocol that writes down what it is told. ``on``: what a callback does besides, by name."""

    def __init__(self, name, log, **on):
        self.name, self.log, self.on = name, log, on
        self.data = bytearray()
        self.lost = asyncio.get_running_loop().create_future()
        self.begun = asyncio.get_running_loop().create_future()

    def told(self, what, *more):
        self.log.setdefault(self.name, []).append((what, *more))
        act = self.on.get(what)
        return act(self) if act else None

    def connection_made(self, transport):
        self.transport = transport
        self.begun.set_result(transport)
        self.told("made")

    def data_received(self, data):
        first = not self.data
        self.data += data
        if first:
            self.told("data")  # how many pieces is the network's business
        elif "data" in self.on:
            self.on["data"](self)

    def eof_received(self):
        return self.told("eof", bytes(self.data) if len(self.data) < 100 else len(self.data))

    def pause_writing(self):
        if ("pause",) not in self.log.get(self.name, ()):
            self.told("pause")

    def resume_writing(self):
        if ("resume",) not in self.log.get(self.name, ()):
            self.told("resume")

    def connection_lost(self, exc):
        self.told("lost", kind(exc))
        self.lost.set_result(None)


class ToldBuffered(asyncio.BufferedProtocol, Told):
    """As Told, into a buffer of its own."""

    def get_buffer(self, sizehint):
        self.buffer = bytearray(1000)
        return self.buffer

    def buffer_updated(self, n):
        self.data_received(self.buffer[:n])


def kind(exc):
    """The class of an error as programs catch it."""
    if isinstance(exc, OSError):
        return next(c for c in type(exc).__mro__ if c.__module__ == "builtins")
    return type(exc) if exc is not None else None


def reset(transport):
    """Abort, on any transport with a reset: the kernel's abort() sends a FIN where nothing is unread."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()


def run(program, net, seconds=20):
    """Return: what the protocols were told, and what the loop's exception handler was."""
    log = {}

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _, context: log.setdefault("handler", []).append(
                (context["message"], kind(context.get("exception")))
            )
        )
        async with asyncio.timeout(seconds):
            await program(net, log)

    asyncio.run(main())
    return log
