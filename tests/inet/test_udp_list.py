"""A list's datagrams and their sockets: what a list meets that one datagram does not."""

import threading

import frames
import pytest
from outcomes import fates

BATCH = 8
"""gro_normal_batch: the datagrams of a list."""


def datagrams(n=BATCH, **more):
    return [frames.udp(bytes([i]) * 20, sport=1000 + i, **more) for i in range(n)]


def both_ways(host, *raw, **knobs):
    """What one host with lists and one without make of the same frames."""
    out = []
    for no_lists in (0, 1):
        h = host(**({"mac": "02:00:00:00:00:01", "ip": "10.0.0.2/24"} | knobs))
        h.machine.c.no_lists = no_lists
        sock = h.udp(5000)
        found = fates(h, *raw)
        out.append(
            (found, {k: v for k, v in h.mib().items() if v}, [data for data, _ in iter(sock.recvfrom_nowait, None)])
        )
    return out


@pytest.mark.parametrize(
    "odd",
    [
        frames.udp(b"no port", dport=5001),
        frames.udp(b"short", length=7),
        frames.udp(b"cut by its length", length=12),
        frames.udp(b"other sum", check=1),
        frames.udp(b"not ours", dst="10.0.0.3"),
        frames.udp(b"to all", dst="10.0.0.255"),
        frames.tcp(b"tcp"),
        frames.arp(),
    ],
    ids=["no port", "short", "length", "sum", "not ours", "broadcast", "tcp", "arp"],
)
@pytest.mark.parametrize("at", [0, 3, BATCH - 1])
def test_one_that_is_not_usual_goes_its_way_in_its_place(host, odd, at):
    some = datagrams()
    with_lists, without = both_ways(host, *some[:at], odd, *some[at + 1 :])
    assert with_lists == without
    assert len(with_lists[2]) >= BATCH - 1


def test_padding_is_no_data(host):
    raw = [f + bytes(18) for f in datagrams()]
    with_lists, without = both_ways(host, *raw)
    assert with_lists == without
    assert with_lists[2] == [bytes([i]) * 20 for i in range(BATCH)]


def test_a_full_socket_refuses_those_that_find_no_room(host):
    with_lists, without = both_ways(host, *datagrams(), rcvbuf=3000)
    assert with_lists == without
    found, mib, read = with_lists
    assert found["SOCKET_RCVBUFF"] == mib["Udp_RcvbufErrors"] == BATCH - len(read) > 0


def test_sockets_take_turns_in_a_list(host):
    h = host(mac="02:00:00:00:00:01", ip="10.0.0.2/24")
    socks = [h.udp(5000 + i) for i in range(3)]
    assert fates(h, *(frames.udp(bytes([i]), dport=5000 + i % 3) for i in range(BATCH))) == {"DELIVERED_UDP": BATCH}
    assert [[data[0] for data, _ in iter(s.recvfrom_nowait, None)] for s in socks] == [[0, 3, 6], [1, 4, 7], [2, 5]]


def test_live_each_reader_hears_of_its_datagrams(live):
    """The lock of a socket is kept for datagrams in a row: its reader is woken all the same, and all come in order."""
    rounds, ports = 60, (5000, 5001)
    payloads = [b"%d" % i for i in range(rounds * BATCH)]
    turns = [ports[i // n % 2] for n in (1, 2, 3, BATCH) for i in range(rounds * BATCH // 4)]
    raw = [frames.udp(data, dport=port) for data, port in zip(payloads, turns, strict=True)]
    h = live([raw[i : i + BATCH] for i in range(0, len(raw), BATCH)], cpus=2, rx_pool=4096)
    got = {port: [] for port in ports}

    def read(port, sock, n):
        got[port] += [sock.recv(timeout=20) for _ in range(n)]

    readers = [threading.Thread(target=read, args=(port, h.udp(port), turns.count(port))) for port in ports]
    for reader in readers:
        reader.start()
    h.start()
    for reader in readers:
        reader.join(30)
    assert got == {port: [d for d, p in zip(payloads, turns, strict=True) if p == port] for port in ports}


@pytest.mark.parametrize("no_lists", [0, 1])
def test_a_socket_that_was_closed_since_it_was_found_has_no_port(host, no_lists):
    """Live, another thread may close it; a list finds all its sockets before."""
    h = host()
    h.machine.c.no_lists = no_lists
    sock = h.udp(5000)
    sock._c.closed = 1
    assert fates(h, *datagrams()) == {"NO_SOCKET": BATCH}
    mib = h.mib()
    assert (mib["Udp_NoPorts"], mib["Udp_InErrors"], mib["Udp_RcvbufErrors"]) == (BATCH, 0, 0)
    sock._c.closed = 0
