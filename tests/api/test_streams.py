"""Transports and streams of a live host: an asyncio program is told the same as over the kernel's sockets."""

import asyncio
import contextlib
import gc
import hashlib
import os
import socket
import threading

import pytest
from stream_sides import Kernel, Told, ToldBuffered, Vnic, kind, reset, run, two_live_hosts

import vnic

BODY = os.urandom(1 << 16) * 64


@pytest.fixture(scope="module")
def hosts():
    with two_live_hosts() as pair:
        yield pair


async def pair(net, log, server_on=None, client_on=None, server_kind=Told, client_kind=Told):
    """Return: both sides' protocols, the server, all set up."""
    made = asyncio.get_running_loop().create_future()

    def serve():
        made.set_result(server_kind("server", log, **(server_on or {})))
        return made.result()

    server = await net.create_server(serve)
    _, client = await net.create_connection(lambda: client_kind("client", log, **(client_on or {})))
    served = await made
    await served.begun
    return client, served, server


async def over(server, *sides):
    for side in sides:
        await side.lost
    server.close()
    await server.wait_closed()


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is looked at tells nobody
        await asyncio.sleep(0.001)


# ---- programs; each runs on both nets, and what it logs is compared ----


async def half_close(net, log):
    def answer(side):
        side.transport.write(b"answer")
        side.transport.close()
        return True

    client, served, server = await pair(net, log, {"eof": answer})
    client.transport.write(b"question")
    log["can"] = client.transport.can_write_eof()
    client.transport.write_eof()
    await over(server, client, served)


async def answer_long_after_the_eof(net, log):
    client, served, server = await pair(net, log, {"eof": lambda _: True})
    client.transport.writelines([b"ques", b"", b"tion"])
    client.transport.write_eof()
    await until(lambda: log["server"][-1][0] == "eof")
    served.transport.write(b"late")
    await asyncio.sleep(0.01)
    log["closing"] = (served.transport.is_closing(), client.transport.is_closing())
    served.transport.close()
    await over(server, client, served)


async def the_eof_closes(net, log):
    client, served, server = await pair(net, log)
    client.transport.write(b"bye")
    client.transport.write_eof()
    await over(server, client, served)


async def close(net, log):
    client, served, server = await pair(net, log)
    client.transport.write(b"x" * 50)
    client.transport.close()
    client.transport.close()
    client.transport.write(b"never")
    log["state"] = (client.transport.is_closing(), client.transport.is_reading())
    await over(server, client, served)


async def a_reset(net, log):
    client, served, server = await pair(net, log)
    reset(client.transport)
    await over(server, client, served)


async def a_reset_after_the_eof(net, log):
    """Half closed, only a write finds it."""
    client, served, server = await pair(net, log, {"eof": lambda _: True})
    client.transport.write_eof()
    await until(lambda: log["server"][-1][0] == "eof")
    reset(client.transport)
    await client.lost
    while not served.lost.done():
        served.transport.write(b"x")
        await asyncio.sleep(0.005)
    log["server"][-1] = "lost"  # EPIPE or ECONNRESET: which of two writes finds it
    await over(server, client, served)


async def close_with_unread_data_resets(net, log):
    client, served, server = await pair(net, log, {"made": lambda side: side.transport.pause_reading()})
    client.transport.write(b"x" * 50)
    await asyncio.sleep(0.05)
    served.transport.close()
    await over(server, client, served)


async def a_slow_reader(net, log):
    client, served, server = await pair(net, log, {"made": lambda side: side.transport.pause_reading()})
    client.transport.set_write_buffer_limits(high=100_000, low=10_000)
    log["limits"] = client.transport.get_write_buffer_limits()
    body = BODY * 4
    client.transport.write(body)
    log["waits"] = client.transport.get_write_buffer_size() > 100_000
    client.transport.write_eof()
    with pytest.raises(RuntimeError, match="write_eof"):
        client.transport.write(b"more")
    await asyncio.sleep(0.02)
    log["nothing"] = (len(served.data), served.transport.is_reading())
    served.transport.resume_reading()
    await over(server, client, served)
    log["same"] = served.data == body


async def close_sends_what_waits(net, log):
    client, served, server = await pair(net, log)
    client.transport.write(BODY)
    client.transport.close()
    await over(server, client, served)
    log["same"] = served.data == BODY


async def abort_forgets_what_waits(net, log):
    client, served, server = await pair(net, log, {"made": lambda side: side.transport.pause_reading()})
    client.transport.write(BODY * 4)
    reset(client.transport)
    log["left"] = client.transport.get_write_buffer_size()
    await client.lost
    served.transport.resume_reading()
    await over(server, client, served)
    log["server"] = [log["server"][0], log["server"][-1]]  # whether any data was read before is the kernel's business


def failing(*names):
    def fail(side):
        raise ZeroDivisionError("on purpose")

    return dict.fromkeys(names, fail)


async def data_received_fails(net, log):
    client, served, server = await pair(net, log, failing("data"))
    client.transport.write(b"x")
    await over(server, client, served)


async def eof_received_fails(net, log):
    client, served, server = await pair(net, log, failing("eof"))
    client.transport.write_eof()
    await over(server, client, served)


async def buffer_updated_fails(net, log):
    client, served, server = await pair(net, log, failing("data"), server_kind=ToldBuffered)
    client.transport.write(b"x")
    await over(server, client, served)


async def pause_writing_fails(net, log):
    client, served, server = await pair(net, log, client_on=failing("pause", "resume"))
    client.transport.write(BODY * 4)
    client.transport.close()
    await over(server, client, served)
    log["same"] = served.data == BODY * 4


async def connection_made_fails(net, log):
    client, served, server = await pair(net, log, client_on=failing("made"))
    log["handler"] = len(log["handler"])  # its text has an address
    client.transport.write(b"x")
    client.transport.close()
    await over(server, client, served)


async def no_buffer(net, log):
    class Nothing(ToldBuffered):
        def get_buffer(self, sizehint):
            return bytearray()

    client, served, server = await pair(net, log, server_kind=Nothing)
    client.transport.write(b"x")
    await client.lost
    await over(server, client, served)
    log["client"] = log["client"][-1][0]  # a byte is unread or not: a reset or a FIN


async def buffered(net, log):
    client, served, server = await pair(net, log, server_kind=ToldBuffered)
    client.transport.write(BODY)
    client.transport.close()
    await over(server, client, served)
    log["same"] = served.data == BODY


async def another_protocol(net, log):
    client, served, server = await pair(net, log)
    other = Told("other", log)
    other.transport = served.transport
    served.transport.set_protocol(other)
    log["own"] = served.transport.get_protocol() is other
    client.transport.write(b"for the other")
    client.transport.close()
    await other.lost
    await over(server, client)
    log["data"] = bytes(other.data)


async def refused(net, log):
    server = await net.create_server(lambda: Told("server", log))
    server.close()
    await server.wait_closed()
    log["closed"] = (server.is_serving(), server.sockets)
    try:
        await net.create_connection(lambda: Told("client", log))
    except OSError as e:
        log["refused"] = kind(e)


async def a_server_that_is_closed_keeps_its_connections(net, log):
    client, served, server = await pair(net, log, {"data": lambda side: side.transport.write(b"still here")})
    server.close()
    client.transport.write(b"?")
    await until(lambda: client.data)
    client.transport.close()
    await over(server, client, served)


async def a_server_that_serves_later(net, log):
    server = await net.create_server(lambda: Told("server", log), start_serving=False)
    log["before"] = server.is_serving()
    async with server:
        forever = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0)
        log["then"] = server.is_serving()
        with pytest.raises(RuntimeError, match="already being awaited"):
            await server.serve_forever()
        _, client = await net.create_connection(lambda: Told("client", log))
        client.transport.close()
        await client.lost
        forever.cancel()
        with pytest.raises(asyncio.CancelledError):
            await forever
        log["at last"] = server.is_serving()
    with pytest.raises(RuntimeError, match="is closed"):
        await server.serve_forever()
    log.pop("server", None)  # it may not have been accepted


async def names(net, log):
    client, served, server = await pair(net, log)
    for one, other in ((client, served), (served, client)):
        assert one.transport.get_extra_info("peername") == other.transport.get_extra_info("sockname")
        sock = one.transport.get_extra_info("socket")
        assert sock.getsockname() == one.transport.get_extra_info("sockname")
        assert sock.getpeername() == one.transport.get_extra_info("peername")
        log[one.name, "socket"] = (
            sock.family, sock.type, sock.proto, bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)),
            one.transport.get_extra_info("no such thing", "default"), sock.fileno() > 0,
        )  # fmt: skip
    assert server.sockets[0].getsockname()[1] == client.transport.get_extra_info("peername")[1]
    with pytest.raises(OSError, match="not connected"):
        server.sockets[0].getpeername()
    log["loop"] = server.get_loop() is asyncio.get_running_loop()
    with pytest.raises(TypeError, match="bytes-like"):
        client.transport.write("text")
    client.transport.write(b"")
    client.transport.close()
    await over(server, client, served)


async def lines(net, log):
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await net.start_server(serve):
        reader, writer = await net.open_connection()
        for i in range(20):
            writer.write(b"line %d\n" % i)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await reader.readexactly(10_000)
        writer.write_eof()
        log["said"] = await reader.read()
        writer.close()
        await writer.wait_closed()


async def a_cancelled_read_loses_nothing(net, log):
    go_on = asyncio.Event()

    async def serve(reader, writer):
        await go_on.wait()
        writer.write(b"kept")
        writer.close()

    async with await net.start_server(serve):
        reader, writer = await net.open_connection(limit=100)
        for _ in range(3):
            reading = asyncio.ensure_future(reader.read(10))
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        go_on.set()
        log["said"] = await reader.read()
        writer.close()


async def too_long_a_line(net, log):
    async def serve(reader, writer):
        writer.write(b"x" * 1000)
        writer.close()

    async with await net.start_server(serve):
        reader, writer = await net.open_connection(limit=100)
        with pytest.raises(asyncio.LimitOverrunError):
            await reader.readuntil(b"\n")
        log["all"] = len(await reader.read(-1))
        writer.close()


async def many_at_once(net, log):
    async def serve(reader, writer):
        body = await reader.read()
        writer.write(hashlib.sha256(body).digest())
        await writer.drain()
        writer.close()

    async def talk(i):
        reader, writer = await net.open_connection()
        body = BODY[i : i + 3000 * i]
        writer.write(body)
        writer.write_eof()
        assert await reader.read() == hashlib.sha256(body).digest()
        writer.close()
        await writer.wait_closed()

    async with await net.start_server(serve, backlog=128):
        await asyncio.gather(*(talk(i) for i in range(60)))


async def a_file(net, log):
    client, served, server = await pair(net, log)
    with open("/proc/self/exe", "rb") as f:  # noqa: ASYNC230
        log["sent"] = await asyncio.get_running_loop().sendfile(client.transport, f, 5, 100_000)
        client.transport.close()
        await over(server, client, served)
        f.seek(5)
        log["same"] = served.data == f.read(100_000)


PROGRAMS = {
    f.__name__: f
    for f in (
        half_close, answer_long_after_the_eof, the_eof_closes, close, a_reset, a_reset_after_the_eof,
        close_with_unread_data_resets, a_slow_reader, close_sends_what_waits, abort_forgets_what_waits,
        data_received_fails, eof_received_fails, buffer_updated_fails, pause_writing_fails, connection_made_fails,
        no_buffer, buffered, another_protocol, refused, a_server_that_is_closed_keeps_its_connections,
        a_server_that_serves_later, names, lines, a_cancelled_read_loses_nothing, too_long_a_line,
        many_at_once, a_file,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_told_the_same(hosts, name):
    program = PROGRAMS[name]
    theirs = run(program, Kernel())
    ours = run(program, Vnic(*hosts))
    assert ours == theirs
    assert not hosts[1].machine.bound
    assert not hosts[0].machine.bound


# ---- what only vnic has ----


def ours(hosts, program, seconds=20):
    return run(program, Vnic(*hosts), seconds)


def test_abort_is_a_reset(hosts):
    async def program(net, log):
        client, served, server = await pair(net, log)
        client.transport.abort()
        client.transport.abort()
        await over(server, client, served)

    log = ours(hosts, program)
    assert log["client"] == [("made",), ("lost", None)]
    assert log["server"] == [("made",), ("lost", ConnectionResetError)]


def test_a_factory_that_fails_leaves_no_connection(hosts):
    async def program(net, log):
        def fail():
            raise ZeroDivisionError

        server = await net.create_server(fail)
        with pytest.raises(ZeroDivisionError):
            await net.create_connection(fail)
        reader, writer = await net.open_connection()
        log["read"] = await reader.read()
        writer.close()
        server.close()

    log = ours(hosts, program)
    assert log == {
        "handler": [("Error on transport creation for incoming connection", ZeroDivisionError)] * 2,
        "read": b"",
    }
    assert not hosts[1].machine.bound
    assert not hosts[0].machine.bound


def test_clients_of_a_server_are_closed_and_reset(hosts):
    async def program(net, log):
        for end in ("close_clients", "abort_clients"):
            client, served, server = await pair(net, log)
            getattr(server, end)()
            await over(server, client, served)

    assert [told[-1] for told in ours(hosts, program)["client"] if told[0] == "lost"] == [None, ConnectionResetError]


def test_names_of_ipv6_have_four_parts_and_a_connection_its_numbers(hosts):
    a, b = hosts

    async def main():
        server = await b.create_server(asyncio.Protocol, 80, "fd00::2")
        transport, _ = await a.create_connection(asyncio.Protocol, "fd00::2", 80, source=("fd00::1", 5000))
        assert transport.get_extra_info("peername") == ("fd00::2", 80, 0, 0)
        assert transport.get_extra_info("sockname") == ("fd00::1", 5000, 0, 0)
        sock = transport.get_extra_info("socket")
        assert sock.family == socket.AF_INET6
        assert sock.sock.tcp_info().state == "ESTABLISHED"
        assert "fd00::2" in repr(transport)
        assert "TransportSocket" in repr(sock)
        transport.abort()
        server.close()
        await server.wait_closed()
        assert "closed port" in repr(server)

    asyncio.run(main())


def test_a_cancelled_connect_leaves_nothing(hosts):
    async def main():
        connecting = asyncio.ensure_future(hosts[0].open_connection("10.0.0.9", 80))
        await asyncio.sleep(0.01)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting

    asyncio.run(main())
    assert not hosts[0].machine.bound


def test_writes_after_the_loss_are_told_once_there_are_many(hosts, caplog):
    async def program(net, log):
        client, served, server = await pair(net, log)
        client.transport.abort()
        for _ in range(4):
            client.transport.write(b"x")
        assert not caplog.records
        client.transport.write(b"x")
        assert [r.message for r in caplog.records] == ["socket.send() raised exception."]
        await over(server, client, served)

    ours(hosts, program)


def test_a_protocol_that_is_set_while_writing_is_paused_hears_of_the_pause_first(hosts, tmp_path):
    """loop.sendfile() sets its own for a while; aiohttp's refuses a resume_writing() without a pause_writing()."""
    (tmp_path / "file").write_bytes(BODY)

    class Strict(Told):
        paused = False

        def pause_writing(self):
            assert not self.paused
            self.paused = True

        def resume_writing(self):
            assert self.paused
            self.paused = False

    async def program(net, log):
        client, served, server = await pair(
            net, log, {"made": lambda side: side.transport.pause_reading()}, client_kind=Strict
        )
        client.transport.set_write_buffer_limits(high=0)
        served.transport.resume_reading()
        with (tmp_path / "file").open("rb") as f:
            await asyncio.get_running_loop().sendfile(client.transport, f)
        served.transport.pause_reading()
        client.transport.write(BODY * 4)  # more than the buffers of both sides hold
        assert client.paused
        other = Strict("other", log)
        client.transport.set_protocol(other)
        served.transport.resume_reading()
        client.transport.close()
        await other.lost
        await over(server, served)
        log["same"] = served.data == BODY * 5
        log["paused"] = other.paused

    log = ours(hosts, program)
    assert (log["same"], log["paused"]) == (True, False)
    assert "handler" not in log


def test_the_end_of_a_host_ends_its_streams():
    """What has arrived is read first."""

    async def program(net, log):
        client, served, server = await pair(net, log, {"made": lambda side: side.transport.pause_reading()})
        forever = asyncio.ensure_future(server.serve_forever())
        client.transport.write(b"here")
        await until(lambda: served.transport.get_extra_info("socket").sock.tcp_info().bytes_received)
        await asyncio.to_thread(net.b.stop)
        served.transport.resume_reading()
        await served.lost
        with pytest.raises(ConnectionAbortedError, match="host has stopped"):
            await forever
        await server.wait_closed()
        log["is"] = bytes(served.data)
        await asyncio.to_thread(net.a.close)
        await client.lost

    with two_live_hosts() as hosts:
        log = ours(hosts, program)
    assert log["is"] == b"here"
    assert log["server"] == [("made",), ("data",), ("lost", ConnectionAbortedError)]
    assert log["client"] == [("made",), ("lost", ConnectionAbortedError)]


@pytest.mark.parametrize("by", ["the loop", "a thread"])
def test_closing_a_host_ends_its_streams(by):
    async def program(net, log):
        client, served, server = await pair(net, log)
        if by == "a thread":
            await asyncio.to_thread(net.b.close)
        else:
            net.b.close()
        await served.lost
        await server.wait_closed()
        client.transport.abort()
        await client.lost

    with two_live_hosts() as hosts:
        log = ours(hosts, program)
    assert log["server"] == [("made",), ("lost", ConnectionAbortedError)]
    assert "handler" not in log


def test_knobs_change_while_streams_run(hosts):
    """A call that a stopped machine holds back is made again, although no segment wakes it."""
    over_ = threading.Event()

    def change():
        while not over_.is_set():
            for host in hosts:
                host.machine.while_stopped(lambda: None)

    async def program(net, log):
        client, served, server = await pair(net, log)
        client.transport.write(BODY * 2)
        client.transport.close()
        await over(server, client, served)
        log["same"] = served.data == BODY * 2

    changing = threading.Thread(target=change)
    changing.start()
    try:
        assert ours(hosts, program)["same"]
    finally:
        over_.set()
        changing.join()


@pytest.mark.needs("openssl")
def test_tls_takes_a_transport(hosts, tmp_path):
    import needs

    key, cert = tmp_path / "key", tmp_path / "cert"
    needs.run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", str(key), "-out", str(cert), "-subj", "/CN=vnic", "-addext", "subjectAltName=DNS:vnic"),
        capture_output=True,
    )
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve(reader, writer):
        writer.write(b"begin\n")  # a hello that comes earlier would be the reader's
        await writer.start_tls(context)
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def program(net, log):
        async with await net.start_server(serve):
            reader, writer = await net.open_connection()
            await reader.readline()
            await writer.start_tls(ssl.create_default_context(cafile=cert), server_hostname="vnic")
            writer.write(b"secret\n")
            log["said"] = await reader.readline()
            writer.close()
            await writer.wait_closed()

    assert ours(hosts, program)["said"] == b"SECRET\n"


def test_a_transport_that_is_left_open_is_named():
    async def main(a, b):
        await b.create_server(asyncio.Protocol, 80)
        await a.create_connection(asyncio.Protocol, "10.0.0.2", 80)

    def drop():
        asyncio.run(main(*hosts))
        gc.collect()

    with two_live_hosts() as hosts, pytest.warns(ResourceWarning, match=r"unclosed .*vnic\.aio\.TcpTransport open"):
        drop()


@pytest.mark.parametrize(
    ("options", "says"),
    [({"tcp": "endpoint"}, "live=True"), ({"live": True}, "tcp=endpoint")],
)
def test_where_there_are_no_streams(options, says):
    with vnic.Host(ip="10.0.0.2/24", cpus=1, **options) as host:
        for call in (
            lambda: host.create_server(asyncio.Protocol, 80),
            lambda: host.start_server(lambda *_: None, 80),
            lambda: host.create_connection(asyncio.Protocol, "10.0.0.1", 80),
            lambda: host.open_connection("10.0.0.1", 80),
        ):
            with pytest.raises(vnic.VnicError, match=says):
                asyncio.run(call())
