"""Sockets of a host for asyncio: woken by their eventfds alone, and a cancelled read loses nothing."""

import asyncio
import contextlib
import threading
from pathlib import Path

import frames
import pytest
from live_tap import wait_until

import vnic
from vnic import aio

SYN, ACK, FIN, RST = 2, 16, 1, 4


@pytest.fixture
def live(monkeypatch):
    """A live host on a wire in memory. Nothing is found by looking from time to time: the loop has to be woken."""
    monkeypatch.setattr(aio.sockets, "LOOK_S", 3600.0)
    with vnic.Host(live=True, cpus=2, ip=["10.0.0.2/24"]) as host, host.running():
        yield host


def eventfds():
    """How many there are; other files come and go with threads."""
    names = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append(str(fd.readlink()))
    return sum("eventfd" in name for name in names)


async def soon(task):
    """Let the task run until it waits."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()
    return task


def begun(work):
    return soon(asyncio.ensure_future(work))


def test_a_datagram_wakes_the_task_that_waits_for_it(live):
    async def main():
        async with aio.UdpSocket(live.udp(5000)) as sock:
            reading = await begun(sock.recvfrom())
            live.feed(frames.udp(b"one", sport=7))
            assert await reading == (b"one", ("10.0.0.1", 7))
            reading = await begun(sock.recv())
            live.feed(frames.udp(b"two"))
            assert await reading == b"two"
        assert sock.sock.closed

    asyncio.run(main())


def test_each_of_several_tasks_gets_a_datagram(live):
    async def main():
        sock = aio.UdpSocket(live.udp(5000))
        reading = [await begun(sock.recv()) for _ in range(3)]
        live.feed([frames.udp(b"%d" % i) for i in range(3)])
        assert sorted(await asyncio.gather(*reading)) == [b"0", b"1", b"2"]

    asyncio.run(main())


def test_a_cancelled_read_loses_nothing_and_leaves_nothing_open(live):
    async def main():
        sock, other = aio.UdpSocket(live.udp(5000)), aio.UdpSocket(live.udp(5001))
        before = eventfds()
        for reads in (1, 2):
            reading = [await begun(sock.recv()) for _ in range(reads)]
            for task in reading:
                task.cancel()
            assert all(
                isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*reading, return_exceptions=True)
            )
        assert eventfds() == before
        live.feed([frames.udp(b"kept"), frames.udp(dport=5001)])
        await other.recv()
        assert await sock.recv() == b"kept"

    asyncio.run(main())


def test_cancelling_one_reader_leaves_the_other_waiting(live):
    async def main():
        sock = aio.UdpSocket(live.udp(5000))
        first, second = await begun(sock.recv()), await begun(sock.recv())
        first.cancel()
        await soon(second)
        live.feed(frames.udp(b"mine"))
        assert await second == b"mine"
        assert first.cancelled()

    asyncio.run(main())


KINDS = {
    "udp": lambda host: aio.UdpSocket(host.udp(5000)),
    "tcp": lambda host: aio.TcpListener(host.tcp(80)),
    "packets": lambda host: aio.PacketSocket(host.packet_socket()),
}


@pytest.mark.parametrize("by", ["the socket's task", "a thread", "its host"])
@pytest.mark.parametrize("kind", KINDS)
def test_closing_ends_a_wait(live, kind, by):
    async def main():
        before = eventfds()
        sock = KINDS[kind](live)
        read = sock.accept if kind == "tcp" else sock.recv
        reading = await begun(read())
        if by == "a thread":
            await asyncio.to_thread(sock.sock.close)
        else:
            (live if by == "its host" else sock).close()
        with pytest.raises(vnic.VnicError, match="closed"):
            await reading
        with pytest.raises(vnic.VnicError, match="closed"):
            await read()
        assert live.closed or eventfds() == before

    asyncio.run(main())


def test_iterating_ends_when_the_host_has_stopped_and_all_is_read():
    async def main():
        with vnic.Host(live=True) as host:
            sock = aio.UdpSocket(host.udp(5000))
            with host.running():
                host.feed([frames.udp(b"%d" % i) for i in range(5)])
                wait_until(lambda: host.ledger().delivered == 5)
            assert [data async for data, _ in sock] == [b"0", b"1", b"2", b"3", b"4"]
            with pytest.raises(vnic.TimedOutError):
                await sock.recv()

    asyncio.run(main())


def test_a_wait_looks_whether_its_host_has_stopped(monkeypatch):
    monkeypatch.setattr(aio.sockets, "LOOK_S", 0.01)

    async def main():
        with vnic.Host(live=True) as host:
            sock = aio.UdpSocket(host.udp(5000))
            with host.running():
                reading = await begun(sock.recv())
            with pytest.raises(vnic.TimedOutError):
                await reading

    asyncio.run(main())


def test_streams_are_accepted_and_read_to_their_end(live):
    async def main():
        listener = aio.TcpListener(live.tcp(80))
        accepting = await begun(listener.accept())
        live.feed([frames.tcp(seq=0, flags=SYN), frames.tcp(b"hello ", seq=1)])
        stream = await accepting
        assert await stream.read() == b"hello "
        reading = await begun(stream.read(3))
        live.feed([frames.tcp(b"world", seq=7), frames.tcp(seq=12, flags=ACK | FIN)])
        assert await reading == b"wor"
        assert b"".join([part async for part in stream]) == b"ld"
        assert await stream.read() == b""
        live.feed([frames.tcp(seq=0, flags=SYN, sport=2), frames.tcp(b"x", seq=1, sport=2)])
        async for other in listener:
            assert other.sock.peer == ("10.0.0.1", 2)
            assert await other.read() == b"x"
            reading = await begun(other.read())
            live.feed(frames.tcp(seq=2, flags=RST, sport=2))
            with pytest.raises(ConnectionResetError) as reset:
                await reading
            assert isinstance(reset.value, vnic.HostError)
            break

    asyncio.run(main())


@pytest.mark.needs("libpcap")
def test_packets_are_read_one_by_one_and_wake_again(live):
    async def main():
        async with aio.PacketSocket(live.packet_socket("udp port 9")) as packets:
            for n in (1, 3):
                reading = await begun(packets.recv())
                live.feed([frames.udp(b"%d" % i, dport=9) for i in range(n)])
                got = [await reading] + [await packets.recv() for _ in range(n - 1)]
                assert [bytes(p)[42:43] for p in got] == [b"%d" % i for i in range(n)]
            live.feed(frames.udp(b"last", dport=9))
            async for packet in packets:
                assert bytes(packet)[42:46] == b"last"
                break

    asyncio.run(main())


def test_datagrams_are_sent_and_other_tasks_run_while_that_has_to_wait(live):
    held, go_on = threading.Event(), threading.Event()

    def hold():
        live.machine.while_stopped(lambda: (held.set(), go_on.wait(20)))

    async def main():
        sock = aio.UdpSocket(live.udp(5000))
        live.feed([frames.arp(), frames.udp(b"hear me", sport=9)])
        _, sender = await sock.recvfrom()
        assert await sock.sendto(b"heard", sender) == 5
        sock.sock.connect(sender)
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(20)
        sending = await begun(sock.send(b"again"))
        go_on.set()
        assert await sending == 5
        holder.join()
        wait_until(lambda: live.tx_ledger().fates.get("TX_SENT", 0) == 3)  # the answer to ARP, and both

    asyncio.run(main())


def test_in_virtual_time_reads_run_the_host_and_other_tasks_run_in_between(host):
    async def main():
        h = host()
        sock, packets = aio.UdpSocket(h.udp(5000)), aio.PacketSocket(h.packet_socket())
        h.feed([frames.udp(b"%d" % i) for i in range(200)], gap_ns=10_000)
        others = 0

        async def other():
            nonlocal others
            while True:
                others += 1
                await asyncio.sleep(0)

        beside = asyncio.ensure_future(other())
        datagrams = [data async for data, _ in sock]
        beside.cancel()
        assert datagrams == [b"%d" % i for i in range(200)]
        assert others > 2
        assert len([p async for p in packets]) == 200

    asyncio.run(main())
