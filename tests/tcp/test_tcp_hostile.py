"""Peers that do what no good one does, and what happens at the edges: each test is a bug that there was."""

import contextlib
import random
import socket
import struct
import threading
import time

import frames
import pytest
from frames import ACK, FIN, PSH, SYN
from tcp_invariants import check_host
from tcp_pair import Pair, begin
from tcp_sides import VnicSide

import vnic
from vnic._core import ffi, lib

OPTIONS = {"mss": 1460, "wscale": 7, "sack": True, "ts": True}


@pytest.fixture
def side():
    with VnicSide() as made:
        made.begin(40000)
        yield made


def _tp(connection):
    return connection._machine.c.tcp.socks[connection._c.index]


def _accepted(side, options=OPTIONS, **segment):
    """Return: the side's connection, established."""
    side.run([("syn", options), ("seg", segment), ("accept",)])
    return side.sock


@pytest.mark.parametrize("ts", [True, False])
def test_a_tiny_window_and_many_sacks_leave_room_for_data(side, ts):
    side.step(("syn", {"mss": 48, "sack": True, "ts": ts, "window": 20}))
    side.step(("seg", {"window": 20}))
    side.step(("accept",))
    for seq in (1000, 3000, 5000, 7000):
        side.step(("seg", {"seq": seq, "len": 10, "window": 20}))
    tp = _tp(side.sock)
    assert tp.nsacks >= 3
    assert 8 <= lib.tcp_current_mss(ffi.addressof(tp)) <= 48
    side.step(("send", bytes(200)))
    side.step(("wait", 5000))
    assert all(s.end_seq != s.seq for s in (tp.seg[i] for i in range(tp.seg_n)))
    check_host(side.host)


def test_a_path_that_another_connection_found_narrow_is_narrow_for_all():
    with Pair(delay=100_000) as pair:
        first, _, server = pair.connected()
        second = begin(pair.a, "10.0.0.2", 80)
        theirs = pair.until(server.accept_nowait)
        first.send_nowait(bytes(1000))
        quote = frames.tcp(
            flags=ACK,
            seq=int(_tp(first).snd_una),
            ack=0,
            sport=first.local[1],
            dport=80,
            src="10.0.0.1",
            dst="10.0.0.2",
        )[14:42]
        body = struct.pack("!BBHHH", 3, 4, 0, 0, 600) + quote
        body = body[:2] + struct.pack("!H", frames.csum(body)) + body[4:]
        pair.a.feed(
            [
                (
                    pair.now,
                    frames.eth(frames.ipv4(body, 1, src="10.0.0.2", dst="10.0.0.1"), dst=frames.MAC, src=frames.PEER),
                )
            ]
        )
        pair.run(0.001)
        data = random.Random(1).randbytes(100_001)
        got, left = bytearray(), data
        before = len(pair.frames[0])

        def step():
            nonlocal left
            left = left[second.send_nowait(left) or 0 :] if left else left
            while (piece := theirs.recv_nowait(1 << 20)) is not None:
                got.extend(piece)
            return len(got) >= len(data)

        pair.until(step)
        assert bytes(got) == data
        assert max(len(f) for _, f in pair.frames[0][before:]) <= 614


def test_without_sack_duplicates_never_outnumber_what_is_out(side):
    connection = _accepted(side, {"mss": 1000, "wscale": 7})
    connection.send_nowait(bytes(4000))
    side.collect(1)
    tp = _tp(connection)
    assert tp.packets_out == 4
    for _ in range(8):
        side.put(side.peer.segment({"ack": 1}))
        side.collect(1)
        check_host(side.host)
    for ack in (1001, 2001, 2001, 2001, 2500):
        side.put(side.peer.segment({"ack": ack}))
        side.collect(1)
        check_host(side.host)
    side.step(("wait", 3000))
    check_host(side.host)


def test_a_fin_amid_the_bytes_that_come_later_hides_no_other(side):
    connection = _accepted(side)
    side.step(("seg", {"seq": 21, "len": 5, "flags": ACK | FIN}))
    side.step(("seg", {"seq": 1, "len": 40, "flags": ACK | FIN}))
    assert len(connection.recv_nowait()) == 40
    assert connection.recv_nowait() == b""
    assert connection.state == "CLOSE_WAIT"


def test_a_fin_that_comes_with_old_bytes_leaves_nothing_unread(side):
    connection = _accepted(side)
    side.step(("seg", {"seq": 1, "len": 10}))
    assert len(connection.recv_nowait()) == 10
    side.step(("seg", {"seq": 1, "len": 10, "flags": ACK | FIN}))
    assert connection.state == "CLOSE_WAIT"
    assert not connection._c.head
    side.step(("seg", {"seq": 2, "len": 10, "flags": ACK | FIN}))  # behind the end
    check_host(side.host)
    seen, _ = side.step(("close",))
    assert [s.flags for s in seen] == [ACK | FIN]


def test_the_first_byte_behind_a_syn_ack_of_both_is_kept(side):
    side.step(("connect",))
    connection = side.sock
    side.step(("syn", OPTIONS))
    assert connection.state == "SYN_RECV"
    segment = {"seq": 0, "flags": SYN | ACK | PSH, "len": 4, "ack": 1}
    side.step(("seg", segment))
    assert connection.state == "ESTABLISHED"
    assert connection.recv_nowait() == bytes(i % 251 for i in range(4))
    check_host(side.host)


def test_what_the_peer_sacked_and_threw_away_goes_again(side):
    connection = _accepted(side)
    connection.send_nowait(bytes(8 * 1448))
    side.collect(1)
    tp = _tp(connection)
    assert tp.packets_out == 8
    side.put(side.peer.segment({"ack": 1, "sacks": [(1449, 8 * 1448 + 1)]}))
    side.collect(1)
    assert tp.sacked_out == 7
    una, again, began = 1449, set(), side.now
    while una < 8 * 1448 and side.now < began + 4_000_000_000:  # the peer acknowledges, and SACKs no more
        side.peer.clock += 10
        side.put(side.peer.segment({"ack": una}))
        again |= {(s.seq, s.seq + s.len) for s in side.collect(10) if s.len}
        una = max([una, *(end for start, end in again if start <= una)])
        check_host(side.host)
    assert una == 8 * 1448 + 1
    assert side.now < began + 1_000_000_000


def test_a_connect_without_an_answer_says_so_and_leaves_nothing(side):
    with pytest.raises(TimeoutError):
        side.host.connect("10.0.0.1", 5)
    assert side.host.machine.c.socks.flows == 0
    assert side.host.machine.c.tcp.orphans == 0
    check_host(side.host)


@pytest.mark.parametrize("to", ["10.0.0.255", "224.0.0.1", "255.255.255.255"])
def test_nobody_connects_to_many(side, to):
    with pytest.raises(OSError, match="unreachable"):
        side.host.connect(to, 5)
    check_host(side.host)


def test_a_fin_is_no_byte_that_waits(side):
    connection = _accepted(side)
    side.step(("shutdown", socket.SHUT_WR))
    assert connection.tcp_info().notsent_bytes == 0


def _reads_its_own(connection, byte, wrong):
    """Read until another thread closes the connection: what comes is this connection's only."""
    with contextlib.suppress(vnic.VnicError, OSError):
        while data := connection.recv(timeout=5):
            if set(data) != {byte}:
                wrong.append((byte, set(data)))


def _live(**options):
    wires = vnic.JointWire.pair()
    knobs = {"live": True, "cpus": 2, "queues": 2, "tcp": "endpoint"} | options
    return [
        vnic.Host(ip=f"10.0.0.{i}/24", mac=f"02:00:00:00:00:0{i}", wire=w, **knobs)
        for i, w in enumerate(wires, start=1)
    ]


def test_a_place_is_not_anothers_while_a_thread_still_reads_from_it():
    a, b = _live()
    wrong, readers = [], []
    with a, b:
        a.start()
        b.start()
        server = b.listen(80)
        for i in range(120):
            ours = a.connect("10.0.0.2", 80, timeout=10)
            theirs = server.accept(timeout=10)
            theirs.send(bytes([i]) * 50_000, timeout=10)
            reader = threading.Thread(target=_reads_its_own, args=(ours, i, wrong))
            reader.start()
            readers.append(reader)
            ours.close()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            theirs.close()
        for reader in readers:
            reader.join(20)
        assert not any(r.is_alive() for r in readers)
        a.stop()
        b.stop()
        for host in (a, b):
            check_host(host)
            assert host.ledger().closed
            assert not host.ledger().in_flight
    assert not wrong


def test_hosts_stop_and_close_under_traffic():
    a, b = _live()
    a.start()
    b.start()
    server = b.listen(80)
    ours = a.connect("10.0.0.2", 80, timeout=10)
    theirs = server.accept(timeout=10)

    def write():
        with contextlib.suppress(vnic.VnicError, OSError):
            while True:
                ours.send(bytes(100_000), timeout=2)

    threads = [threading.Thread(target=write), threading.Thread(target=_reads_its_own, args=(theirs, 0, []))]
    for t in threads:
        t.start()
    time.sleep(0.2)
    b.stop()
    check_host(b)
    a.close()
    b.close()
    for t in threads:
        t.join(20)
    assert not any(t.is_alive() for t in threads)


@pytest.mark.parametrize("seed", range(8))
def test_random_loss_keeps_the_books(seed):
    rng = random.Random(seed)
    options = {"loss": rng.choice([0.0, 0.02, 0.2]), "duplicate": 0.1, "reorder": rng.choice([0.0, 0.2]), "seed": seed}
    with Pair(delay=rng.choice([100_000, 1_000_000]), **options) as pair:
        ours, theirs, _ = pair.connected()
        data, got, n = rng.randbytes(100_001), bytearray(), 0

        def step():
            nonlocal n
            n += ours.send_nowait(data[n : n + 20_000]) or 0 if n < len(data) else 0
            if rng.random() < 0.5:
                got.extend(theirs.recv_nowait(rng.choice([100, 50_000])) or b"")
            check_host(pair.a)
            check_host(pair.b)
            return len(got) == len(data)

        pair.until(step, 300)
        assert bytes(got) == data


def test_a_full_table_of_sockets_refuses_both_ways_and_recovers():
    """The listener takes one of 16 places. Who finds none is told again by its SYN-ACK until one is free."""
    with Pair(delay=100_000, b={"sockets": 16}) as pair:
        server = pair.b.listen(80, backlog=100)
        for _ in range(20):
            begin(pair.a, "10.0.0.2", 80)
        pair.run(0.1)
        theirs = [server.accept_nowait() for _ in range(16)]
        assert [c is None for c in theirs] == [False] * 15 + [True]
        assert pair.b.ledger().fates["SOCKET_TABLE_FULL"] == 5
        with pytest.raises(OSError, match="No buffer space"):
            begin(pair.b, "10.0.0.1", 80)
        check_host(pair.b)
        for connection in theirs[:15]:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        pair.until(server.accept_nowait, 5)
        check_host(pair.a)
        check_host(pair.b)
