"""The table of sockets: what happens when it is full, and ports that several sockets share."""

import threading

import frames
import pytest

import vnic
from vnic._core import ffi, lib
from vnic.address import inet_addr


def syn(sport, seq=0):
    return frames.tcp(sport=sport, seq=seq, flags=frames.SYN)


def test_an_idle_sink_stream_makes_room_for_a_new_one(host):
    h = host(sink=True, sockets=16)  # one is the port's own
    h.feed([syn(1000 + i) for i in range(100)])
    h.run()
    assert h.ledger().fates == {"DELIVERED_TCP": 100}
    assert h.machine.c.socks.evicted == 100 - 15
    assert h.machine.c.socks.flows == 15


def test_the_stream_that_takes_the_place_of_an_evicted_one_has_nothing_of_it(host):
    h = host(sink=True, sockets=16, gro=False)
    for i in range(15):
        h.feed([syn(1000 + i), frames.tcp(b"x" * 700, sport=1000 + i, seq=1)])
    h.run()
    before = {sk.index: (sk.packets, sk.bytes) for sk in h.machine.c.socks.socks[1:17] if sk.type == lib.SOCK_TCP}
    assert set(before.values()) == {(1, 700)}
    h.feed([syn(2000 + i) for i in range(15)])
    h.run()
    after = [sk for sk in h.machine.c.socks.socks[1:17] if sk.type == lib.SOCK_TCP]
    assert [(sk.packets, sk.bytes, sk.index in before) for sk in after] == [(0, 0, True)] * 15
    h.feed([frames.tcp(b"y", sport=2000 + i, seq=1) for i in range(15)])
    h.run()
    assert h.mib()["TcpExt_TCPOFOQueue"] == 0


def test_bug_an_idle_sink_stream_makes_room_for_a_new_port_too(host):
    h = host(sink=True, sockets=16)
    h.feed([syn(1000 + i) for i in range(15)])
    h.feed(frames.udp())
    h.run()
    assert h.ledger().fates == {"DELIVERED_TCP": 15, "DELIVERED_UDP": 1}
    assert h.machine.c.socks.evicted == 1


def test_a_stream_that_holds_data_is_not_evicted(host):
    h = host(sink=True, sockets=16, gro=False)
    h.feed([syn(1000), frames.tcp(b"early", sport=1000, seq=100)])
    h.feed([syn(2000 + i) for i in range(50)])
    h.feed(frames.tcp(b"x" * 99, sport=1000, seq=1))
    h.run()
    assert h.ledger().in_flight == 0  # the hole was filled: the stream was still there
    assert h.ledger().fates == {"DELIVERED_TCP": 53}


def test_streams_that_python_may_want_are_not_evicted(host):
    h = host(sockets=16)
    listener = h.tcp(80)
    h.feed([syn(1000 + i) for i in range(20)])
    h.run()
    assert h.ledger().fates == {"DELIVERED_TCP": 15, "SOCKET_TABLE_FULL": 5}
    assert [listener.accept().peer[1] for _ in range(15)] == list(range(1000, 1015))


def test_a_closed_stream_makes_room(host):
    h = host(sockets=16)
    listener = h.tcp(80)
    for i in range(40):
        h.feed(syn(1000 + i))
        h.run()
        listener.accept().close()
    assert h.ledger().fates == {"DELIVERED_TCP": 40}
    assert h.machine.c.socks.flows == 0


def test_ports_never_make_room_for_each_other(host):
    h = host(sink=True, sockets=16)
    h.feed([frames.udp(dport=1 + i) for i in range(20)])
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 16, "SOCKET_TABLE_FULL": 4}


def test_python_is_told_when_all_sockets_are_taken(host):
    h = host(sockets=16)
    for port in range(1, 17):
        h.udp(port)
    with pytest.raises(vnic.VnicError, match="all sockets are taken"):
        h.udp(99)


@pytest.mark.parametrize("change", ["bind", "connect", "udp_gro", "accept", "sink", "close"])
def test_who_changes_the_table_waits_for_whoever_holds_its_lock(host, change):
    h = host(ip="10.0.0.2/24")
    c, sock, listener, other = h.machine.c, h.udp(5000), h.tcp(80), inet_addr("10.0.0.1")
    calls = {
        "bind": lambda: lib.sock_bind(c, lib.SOCK_UDP, ffi.NULL, 5001),
        "connect": lambda: lib.sock_connect(c, sock._c, other, 9),
        "udp_gro": lambda: lib.sock_set_udp_gro(c, sock._c, 1),
        "accept": lambda: lib.sock_accept(c, listener._c),
        "sink": lambda: lib.sock_lookup_port(c, lib.SOCK_UDP, other, 5002),
        "close": sock.close,
    }
    c.auto_sink = 1
    thread = threading.Thread(target=calls[change])
    c.socks.lock = 1
    thread.start()
    thread.join(0.05)
    waits, taken = thread.is_alive(), c.socks.lock
    c.socks.lock = 0
    thread.join()
    assert (waits, taken, c.socks.lock) == (True, 1, 0)


def test_many_sockets_on_one_port_are_closed_in_any_order(host):
    h = host()
    addresses = [f"10.0.0.{i}" for i in range(1, 6)]
    socks = {a: h.udp(5000, a) for a in addresses}
    for gone in ("10.0.0.3", "10.0.0.5", "10.0.0.1"):
        socks.pop(gone).close()
        for a in addresses:
            found = lib.sock_lookup_port(h.machine.c, lib.SOCK_UDP, inet_addr(a), 5000)
            assert found == (socks[a]._c if a in socks else ffi.NULL)
