"""What IP sends: whole, in fragments, in segments; put together again it is what was given."""

import socket

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peer import Peer, host_with, quiet, reassembled, sent

import vnic
from vnic._core import lib

PEERS = {"10.0.0.9": frames.PEER, "fd00::9": frames.PEER}
GROUPS = ("224.0.0.9", "ff02::1")


def transmit(to, data, *, mtu=1500, gso_size=0, **options):
    """What leaves for a neighbour that is known."""
    peer = Peer(PEERS)
    with host_with(peer, mtu=mtu, **options) as host:
        sock = host.udp(7)
        sock.sendto(b"", (to, 9))
        host.run()
        peer.seen.clear()
        assert sock.sendto(data, (to, 9), gso_size=gso_size) == len(data)
        host.run()
        ledger = host.tx_ledger()
        assert (ledger.in_flight, set(ledger.fates)) == (0, {"TX_SENT"})
        lib.driver_tx_reclaim(host.machine.c)
        assert host.machine.c.tx.nfree == lib.TX_POOL_SIZE
    return [s for s in peer.seen if s.proto == 17]


@given(st.sampled_from(sorted(PEERS)), st.integers(0, 65507), st.integers(1280, 9000), st.booleans())
def test_a_datagram_arrives_whole_or_in_fragments_that_fit(to, n, mtu, tx):
    data = bytes(i * 7 & 255 for i in range(n))
    got = transmit(to, data, mtu=mtu, tx=tx)
    head = 40 if ":" in to else 20
    assert all(len(s.frame) <= mtu + 14 for s in got)
    if len(data) + 8 + head <= mtu:
        (s,) = got
        assert (s.payload[8:], s.fragment) == (data, False)
        assert s.df or ":" in to
        return
    whole = reassembled(got)
    assert whole[8:] == data
    pseudo = frames.pseudo(got[0].src_ip, got[0].dst_ip, 17, len(whole))
    assert frames.csum(pseudo + whole) in (0, 0xFFFF)
    room = (mtu - head - (8 if ":" in to else 0)) & ~7
    assert [len(s.payload) for s in got[:-1]] == [room] * (len(got) - 1)


@given(st.sampled_from(sorted(PEERS)), st.integers(1, 1400), st.integers(1, 128), st.integers(0, 1399), st.booleans())
def test_udp_segment_cuts_into_datagrams(to, size, n, less, tx):
    data = bytes(i * 5 & 255 for i in range(max(min(size * n, 65000) - less % size, 1)))
    got = transmit(to, data, gso_size=size, tx=tx)
    assert [s.payload[8:] for s in got] == [data[i : i + size] for i in range(0, len(data), size)]
    assert not any(s.fragment for s in got)


@pytest.mark.parametrize(
    ("to", "mac"),
    [
        ("255.255.255.255", "ffffffffffff"),
        ("10.0.0.255", "ffffffffffff"),
        ("224.0.0.251", "01005e0000fb"),
        ("239.129.2.3", "01005e010203"),
        ("ff02::fb", "3333000000fb"),
    ],
)
def test_groups_need_no_neighbour(to, mac):
    with quiet(vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero")) as host:
        sock = host.udp(7)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(b"x", (to, 9))
        host.run()
        (s,) = sent(host)
        assert (s.dst.hex(), s.dst_ip) == (mac, to)
        assert s.src_ip == "10.0.0.2" if "." in to else s.src_ip.startswith("fe80::")  # as far as the group reaches


@pytest.mark.parametrize(
    ("net", "broadcast", "neighbours"),
    [
        ("10.0.0.2/24", "10.0.0.255", ["10.0.0.254", "10.0.0.127", "10.0.0.0"]),
        ("10.0.0.2/30", "10.0.0.3", ["10.0.0.1"]),
        ("10.0.0.2/8", "10.255.255.255", ["10.0.0.255", "10.255.255.254"]),
        ("10.0.0.2/25", "10.0.0.127", ["10.0.0.126"]),
        ("10.0.0.2/31", None, ["10.0.0.3"]),  # RFC 3021: both are hosts
        ("128.0.0.2/1", "255.255.255.255", ["191.255.255.255", "128.255.255.255"]),
    ],
)
def test_the_last_address_of_a_network_is_everybodys_but_of_two(net, broadcast, neighbours):
    with vnic.Host(ip=net, cost="zero") as host:
        sock = host.udp(7)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for ip in [broadcast] * (broadcast is not None) + neighbours:
            sock.sendto(b"x", (ip, 9))
            host.run(until_ns=host.now_ns + 10_000)
        assert {n.ip for n in host.neighbours()} == set(neighbours)
        assert [(s.dst, s.dst_ip) for s in sent(host) if s.proto == 17] == (
            [(b"\xff" * 6, broadcast)] if broadcast else []
        )


def test_the_address_of_the_network_it_leaves_by_is_the_source():
    own = ["10.0.0.2/24", "10.0.0.130/25", "192.168.7.1/30", "fd00::2/64", "fd01::2/64"]
    to = {"10.0.0.9": "10.0.0.2", "10.0.0.200": "10.0.0.130", "192.168.7.2": "192.168.7.1", "fd01::9": "fd01::2",
          "fe80::9": "fe80::ff:fe00:1"}  # fmt: skip
    peer = Peer(dict.fromkeys(to, frames.PEER))
    with host_with(peer, ip=own) as host:
        sock = host.udp(7)
        for ip in to:
            sock.sendto(b"x", (ip, 9))
        host.run()
        assert {s.dst_ip: s.src_ip for s in peer.seen if s.proto == 17} == to


@pytest.mark.parametrize(
    ("to", "data", "options", "why"),
    [
        (("8.8.8.8", 9), b"x", {}, "Network is unreachable"),
        (("2001:db8::1", 9), b"x", {}, "Network is unreachable"),
        (("10.0.0.9", 0), b"x", {}, "Invalid argument"),
        (("10.0.0.9", 9), bytes(65508), {}, "Message too long"),
        (("fd00::9", 9), bytes(65528), {}, "Message too long"),
        (("10.0.0.9", 9), bytes(3000), {"gso_size": 1473}, "Invalid argument"),
        (("10.0.0.9", 9), bytes(1290), {"gso_size": 10}, "Invalid argument"),
    ],
)
def test_what_cannot_be_sent_is_refused_as_sendto_does(to, data, options, why):
    with quiet(vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero")) as host:
        with pytest.raises(OSError, match=why):
            host.udp(7).sendto(data, to, **options)
        assert (host.tx_ledger().fates, host.tx_ledger().in_flight) == ({}, 0)
        counted = {"Ip6_OutNoRoutes" if ":" in to[0] else "Ip_OutNoRoutes"} if "unreachable" in why else set()
        asked = {"Ip6_OutRequests" if ":" in to[0] else "Ip_OutRequests"} if why == "Message too long" else set()
        seen = {name for name, n in host.mib().items() if n and name.startswith("Ip")}
        assert seen - asked == counted


def test_a_connected_socket_sends_there_and_hears_only_from_there():
    peer = Peer(PEERS)
    with host_with(peer) as host:
        sock = host.udp(7)
        with pytest.raises(OSError, match="Destination address required"):
            sock.send(b"x")
        sock.connect(("10.0.0.9", 9))
        assert sock.local == ("10.0.0.2", 7)
        sock.send(b"out")
        host.wire.feed(host, [frames.udp(b"in", src="10.0.0.9", sport=9, dport=7), frames.udp(b"no", sport=9, dport=7)])
        host.run()
        assert (sock.recv(), sock.recvfrom_nowait()) == (b"in", None)
        assert [s.payload[8:] for s in peer.seen if s.proto == 17] == [b"out"]
        with pytest.raises(OSError, match="already connected"):
            sock.connect(("10.0.0.9", 9))


@pytest.mark.parametrize("mtu", [1, 59, 60, 61, 68, 100, 1279])
@pytest.mark.parametrize("to", sorted(PEERS))
def test_an_mtu_below_the_least_there_is_counts_as_68(mtu, to):
    """Once a division by zero, and fragments of nothing for ever. The knob refuses it, and C has to stand it."""
    with quiet(vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero")) as host:
        host.machine.c.nic.mtu = mtu
        host.udp(7).sendto(bytes(200), (GROUPS[":" in to], 9))
        host.run()
        got = sent(host)
        assert reassembled(got)[8:] == bytes(200) if len(got) > 1 else got[0].payload[8:] == bytes(200)
        assert all(len(s.frame) <= max(mtu, 68) + 14 for s in got)


def test_who_gave_the_rings_to_another_driver_does_not_send():
    with vnic.Host(ip="10.0.0.2/24", external_driver=True) as host, pytest.raises(OSError, match="Network is down"):
        host.udp(7).sendto(b"x", ("224.0.0.9", 9))


def test_what_the_ring_never_has_room_for_is_refused_at_once():
    """5000 fragments: waiting would never end."""
    with vnic.Host(ip="10.0.0.2/24", cost="zero", mtu=68) as host:
        with pytest.raises(OSError, match="Message too long"):
            host.udp(7).sendto(bytes(65000), ("224.0.0.9", 9))
        host.udp(8).sendto(bytes(2000), ("224.0.0.9", 9))
        host.run()
        assert reassembled(sent(host))[8:] == bytes(2000)


@pytest.mark.parametrize(("to", "name"), [("10.0.0.9", "Ip_OutRequests"), ("fd00::9", "Ip6_OutRequests")])
def test_what_is_asked_to_be_sent_is_counted_once_in_fragments_or_not(to, name):
    with host_with(Peer(PEERS), mtu=1400) as host:
        sock = host.udp(7)
        sock.sendto(b"", (to, 9))
        host.run()  # the neighbour is known
        before = host.mib()[name]
        for n in (1, 2):
            sock.sendto(bytes(2000), (to, 9))
            assert host.mib()[name] == before + n
        host.run()


@pytest.mark.parametrize("to", sorted(PEERS))
@pytest.mark.parametrize(("n", "gso_size"), [(2, 0), (3000, 0), (6, 2)], ids=["whole", "fragments", "segments"])
@pytest.mark.parametrize("tx", [False, True], ids=["host sums", "card sums"])
def test_a_udp_checksum_that_comes_out_as_0_is_sent_as_ffff(to, n, gso_size, tx):
    """RFC 768, RFC 8200: 0 says that there is none."""
    zeros = bytes(n)
    missing = transmit(to, zeros, gso_size=gso_size, tx=tx)[0].payload[6:8]
    data = missing + zeros[2:] if not gso_size else missing * (n // gso_size)
    got = [s for s in transmit(to, data, gso_size=gso_size, tx=tx) if not s.offset]
    assert [s.payload[6:8] for s in got] == [b"\xff\xff"] * (n // gso_size if gso_size else 1)
