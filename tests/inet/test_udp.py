"""UDP input: length, checksum, and which socket gets it."""

import socket

import frames
import pytest
from outcomes import counted, fates
from peer import arp, nd, sent
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

import vnic
from vnic._core import lib
from vnic.address import inet_addr

V6 = {"src": "fd00::1", "dst": "fd00::2"}
V4_HEADERS = 14 + 20
IP_PKTINFO = 8  # <linux/in.h>; not in Python 3.11


def outcome(host, frame):
    """Fates, and UDP's counters once everything is read."""
    found = fates(host, frame)
    for sock in host.machine.bound:
        while isinstance(sock, vnic.UdpSocket) and sock.recvfrom_nowait():
            pass
    return found, {name.partition("_")[2]: n for name, n in counted(host, lambda name: "Udp" in name).items()}


def test_what_scapy_builds_is_delivered(host):
    h = host()
    sock = h.udp(5000)
    h.feed(
        Ether(dst=frames.MAC, src=frames.PEER, type=0x800)
        / IP(src="1.2.3.4", dst="5.6.7.8")
        / UDP(sport=7, dport=5000)
        / b"hi"
    )
    assert sock.recvfrom() == (b"hi", ("1.2.3.4", 7))
    assert h.mib()["Udp_InDatagrams"] == 1


TOO_SHORT = {"PKT_TOO_SMALL": 1}, {"InErrors": 1}
BAD_SUM = {"UDP_CSUM": 1}, {"InErrors": 1, "InCsumErrors": 1}
GOOD = {"DELIVERED_UDP": 1}, {"InDatagrams": 1}


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        pytest.param(frames.udp(), GOOD, id="good"),
        pytest.param(frames.udp(**V6), GOOD, id="good v6"),
        pytest.param(frames.udp(b""), GOOD, id="empty"),
        pytest.param(frames.udp(b"odd"), GOOD, id="odd length"),
        pytest.param(frames.eth(frames.ipv4(b"1234567", 17)), TOO_SHORT, id="7 bytes"),
        pytest.param(frames.udp(b"x" * 18, length=7), TOO_SHORT, id="length 7"),
        pytest.param(frames.udp(b"x" * 18, length=27), TOO_SHORT, id="length over the end"),
        pytest.param(frames.udp(b"x" * 18, length=0), TOO_SHORT, id="length 0"),
        pytest.param(frames.udp(b"x" * 18, length=0, **V6), GOOD, id="length 0, in v6 as long as IP says"),
        pytest.param(frames.udp(check=0), GOOD, id="no checksum"),
        pytest.param(frames.udp(check=0, **V6), BAD_SUM, id="no checksum, not in v6"),
        pytest.param(frames.udp(check=0xBAD), BAD_SUM, id="bad"),
        pytest.param(frames.udp(check=0xBAD, **V6), BAD_SUM, id="bad v6"),
        pytest.param(frames.udp(dport=1), ({"NO_SOCKET": 1}, {"NoPorts": 1}), id="nobody bound"),
    ],
)
@pytest.mark.parametrize("rx", [True, False], ids=["card checks", "host checks"])
@pytest.mark.parametrize("rx_buf_len", [2048, 128])
def test_what_a_datagram_may_be(host, frame, expected, rx, rx_buf_len):
    h = host(rx=rx, rx_buf_len=rx_buf_len)
    h.udp(5000)
    assert outcome(h, frame) == expected


def with_sum_that_is_zero():
    """RFC 768: a checksum that comes out as 0 is sent as ffff."""
    sum_of_the_rest = frames.udp(b"\0\0")[40:42]
    frame = frames.udp(sum_of_the_rest)
    assert frame[40:42] == b"\xff\xff"
    return frame


@pytest.mark.parametrize("rx", [True, False])
def test_a_checksum_of_zero_is_sent_as_ffff(host, rx):
    h = host(rx=rx)
    h.udp(5000)
    assert outcome(h, with_sum_that_is_zero()) == GOOD


def test_a_length_shorter_than_ips_cuts_the_datagram(host):
    """The checksum covers what UDP says, not what follows."""
    h = host()
    sock = h.udp(5000)
    short = frames.udp(b"short")
    packet = frames.ipv4(short[V4_HEADERS:] + b"trailer", 17)
    h.feed(frames.eth(packet))
    assert sock.recv() == b"short"
    assert h.mib()["Udp_InErrors"] == 0


# ---- which socket ----


def test_the_given_address_beats_any_whichever_was_bound_first(host):
    for order in ([None, "10.0.0.2"], ["10.0.0.2", None]):
        h = host()
        socks = {addr: h.udp(5000, addr, reuse_addr=True) for addr in order}
        h.feed([frames.udp(b"for it"), frames.udp(b"for any", dst="10.0.0.7")])
        h.run()
        assert socks["10.0.0.2"].recv() == b"for it"
        assert socks[None].recv() == b"for any"


def test_a_bound_address_does_not_get_anothers(host):
    h = host()
    h.udp(5000, "10.0.0.9")
    h.udp(5000, "fd00::2")
    assert outcome(h, frames.udp())[0] == {"NO_SOCKET": 1}


def test_one_wildcard_serves_both_families(host):
    h = host()
    sock = h.udp(5000)
    h.feed([frames.udp(b"4"), frames.udp(b"6", **V6)])
    h.run()
    assert {sock.recvfrom() for _ in range(2)} == {
        (b"4", ("10.0.0.1", 1000)),
        (b"6", ("fd00::1", 1000)),
    }


def connect(host, sock, addr, port):
    return lib.sock_connect(host.machine.c, sock._c, inet_addr(addr), port)


def test_a_connected_socket_hears_its_peer_and_nobody_else(host):
    h = host()
    connected, wildcard = h.udp(5000, "10.0.0.2", reuse_addr=True), h.udp(5000, reuse_addr=True)
    assert connect(h, connected, "10.0.0.1", 1000) == 0
    h.feed([frames.udp(b"peer"), frames.udp(b"port", sport=1001), frames.udp(b"ip", src="10.0.0.3")])
    h.run()
    assert connected.recvfrom_nowait()[0] == b"peer"
    assert connected.recvfrom_nowait() is None
    assert [wildcard.recv() for _ in range(2)] == [b"port", b"ip"]


@pytest.mark.parametrize(("v6", "kind", "code"), [(False, 3, 3), (True, 1, 4)])
def test_who_sends_to_a_port_without_a_socket_hears_that_it_is_unreachable(v6, kind, code):
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero") as host:
        host.feed(nd(135, "fd00::2", src="fd00::1", dst="fd00::2") if v6 else arp(1, "10.0.0.1", "10.0.0.2"))
        host.feed(frames.udp(dport=9, **(V6 if v6 else {})))
        host.run()
        (error,) = [s.payload for s in sent(host) if s.proto == (58 if v6 else 1) and s.payload[0] == kind]
        assert (error[:2], error[4:8]) == (bytes([kind, code]), bytes(4))
        assert (host.mib()["Udp6_NoPorts" if v6 else "Udp_NoPorts"], host.ledger().fates["NO_SOCKET"]) == (1, 1)


def test_a_connected_socket_that_is_closed_hears_nothing(host):
    h = host()
    connected = h.udp(5000, "10.0.0.2")
    connect(h, connected, "10.0.0.1", 1000)
    connected.close()
    assert outcome(h, frames.udp())[0] == {"NO_SOCKET": 1}
    assert h.machine.c.socks.flows == 0


def test_bug_connecting_twice_left_the_first_entry_in_the_table(host):
    h = host()
    sock = h.udp(5000, "10.0.0.2")
    assert connect(h, sock, "10.0.0.1", 0) < 0
    assert connect(h, sock, "10.0.0.1", 1000) == 0
    assert connect(h, sock, "10.0.0.1", 1001) < 0
    assert h.machine.c.socks.flows == 1


def test_a_closed_socket_hears_nothing_and_its_port_can_be_bound_again(host):
    h = host()
    h.udp(5000).close()
    assert outcome(h, frames.udp())[0] == {"NO_SOCKET": 1}
    again = h.udp(5000)
    h.feed(frames.udp(b"again"))
    assert again.recv() == b"again"


def test_a_tcp_listener_is_no_udp_socket(host):
    h = host()
    h.tcp(5000)
    assert outcome(h, frames.udp())[0] == {"NO_SOCKET": 1}


def test_a_full_receive_buffer_is_counted_twice_as_in_linux(host):
    h = host(rcvbuf=0)
    sock = h.udp(5000)
    h.feed([frames.udp()] * 3)
    fates, mib = outcome(h, frames.udp())
    assert fates == {"DELIVERED_UDP": 1, "SOCKET_RCVBUFF": 3}
    assert mib == {"InDatagrams": 1, "InErrors": 3, "RcvbufErrors": 3}
    assert sock.drops == 3


# ---- several sockets ----


def test_flows_are_shared_by_sockets_with_reuse_port_and_a_flow_stays(host):
    h = host()
    socks = [h.udp(5000, reuse_port=True) for _ in range(4)]
    got = []
    for _ in range(2):
        h.feed([frames.udp(sport=1000 + i) for i in range(64)])
        h.run()
        got.append([{sock.recvfrom_nowait()[1][1] for _ in range(sock._c.qlen)} for sock in socks])
    assert got[0] == got[1]
    assert sorted(port for ports in got[0] for port in ports) == list(range(1000, 1064))
    assert all(ports for ports in got[0])


def test_of_sockets_with_reuse_addr_the_last_one_gets_it(host):
    h = host()
    first, last = h.udp(5000, reuse_addr=True), h.udp(5000, reuse_addr=True)
    h.feed(frames.udp())
    h.run()
    assert (first.recvfrom_nowait(), last.recv()) == (None, b"x" * 18)


def ours(**knobs):
    return vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero", **knobs)


def test_a_broadcast_reaches_all_sockets_that_match_and_is_one_frame():
    with ours() as h:
        some = [h.udp(5000, reuse_addr=True) for _ in range(3)]
        peer, other = (h.udp(5000, "10.0.0.255", reuse_addr=True) for _ in range(2))
        own = h.udp(5000, "10.0.0.2", reuse_addr=True)
        peer.connect(("10.0.0.1", 1000))
        other.connect(("10.0.0.1", 1001))
        h.feed(frames.to_all())
        h.run()
        assert h.ledger().fates == {"DELIVERED_UDP": 1}
        assert not h.laws()
        assert [sock.recvfrom() for sock in (*some, peer)] == [(b"payload", ("10.0.0.1", 1000))] * 4
        assert [sock.recvfrom_nowait() for sock in (other, own)] == [None, None]
        assert h.mib()["Udp_InDatagrams"] == 4
        assert not h.laws()


def test_a_broadcast_that_nobody_wants_is_ignored_without_an_answer():
    with ours() as h:
        h.udp(5000, "10.0.0.2")
        h.feed(frames.to_all())
        h.run()
        assert {name: n for name, n in h.mib().items() if n and "Udp" in name} == {"Udp_IgnoredMulti": 1}
        assert h.ledger().fates == {"NO_SOCKET": 1}
        assert [s for s in sent(h) if s.proto == 1] == []


def test_a_replays_multicast_goes_to_the_sink_of_its_port(host):
    h = host(sink=True)
    h.feed(frames.udp(dst="239.1.2.3"))
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 1}
    assert h.mib()["Udp_InDatagrams"] == 1


# ---- what the network says of what was sent ----


def refusal(v6, code, *, sport, to="10.0.0.1", proto=17):
    """An ICMP error about a datagram of ours from sport to port 9."""
    if v6:
        quote = frames.udp(b"x", src="fd00::2", dst="fd00::1", sport=sport, dport=9)[14:]
        body = bytes([1, code, 0, 0]) + bytes(4) + quote
        check = frames.csum(frames.pseudo("fd00::1", "fd00::2", 58, len(body)) + body)
        body = body[:2] + check.to_bytes(2, "big") + body[4:]
        return frames.eth(frames.ipv6(body, 58, src="fd00::1", dst="fd00::2"), type=0x86DD)
    quote = bytearray(frames.udp(b"x", src="10.0.0.2", dst=to, sport=sport, dport=9)[14:])
    quote[9] = proto
    body = bytes([3, code, 0, 0]) + bytes(4) + bytes(quote)
    body = body[:2] + frames.csum(body).to_bytes(2, "big") + body[4:]
    return frames.eth(frames.ipv4(body, 1))


@pytest.mark.parametrize(
    ("v6", "code", "error"),
    [
        (False, 3, ConnectionRefusedError),
        (False, 2, OSError),
        (True, 4, ConnectionRefusedError),
        (True, 1, PermissionError),
    ],
)
def test_a_connected_socket_hears_that_it_is_refused_once(v6, code, error):
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero") as host:
        sock = host.udp(7)
        sock.connect(("fd00::1" if v6 else "10.0.0.1", 9))
        for call in (sock.recvfrom_nowait, sock.recvmmsg_nowait, lambda: sock.send(b"again")):
            host.feed(refusal(v6, code, sport=7))
            host.run(until_ns=host.now_ns + 10**6)
            with pytest.raises(error):
                call()
        assert sock.recvfrom_nowait() is None


@pytest.mark.parametrize(
    "frame",
    [
        refusal(False, 0, sport=7),  # network unreachable: not for ever
        refusal(False, 3, sport=8),  # another socket's
        refusal(False, 3, sport=7, to="10.0.0.3"),
        refusal(False, 3, sport=7, proto=6),
        refusal(True, 0, sport=7),
    ],
)
def test_a_connected_socket_does_not_hear_of_others(frame):
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero") as host:
        sock, unconnected = host.udp(7), host.udp(8)
        sock.connect(("10.0.0.1", 9))
        host.feed(frame)
        host.run(until_ns=10**6)
        assert (sock.recvfrom_nowait(), unconnected.recvfrom_nowait()) == (None, None)


def test_each_socket_of_a_group_counts_its_copy():
    with vnic.Host(ip="10.0.0.2/24") as h:
        socks = [h.udp(5000, reuse_port=True) for _ in range(3)]
        for sock in socks:
            sock.join("239.1.2.3")
        assert fates(h, frames.udp(dst="239.1.2.3", mac={"dst": bytes.fromhex("01005e010203")})) == {"DELIVERED_UDP": 1}
        assert [sock._c.packets for sock in socks] == [1, 1, 1]


@pytest.mark.parametrize(("joined", "expected"), [(3, {"InErrors": 3, "InCsumErrors": 3}), (0, {"IgnoredMulti": 1})])
def test_each_socket_of_a_group_finds_its_copys_checksum_wrong(joined, expected):
    """Linux sums a longer datagram when a socket reads it: each of the group on that port does."""
    with vnic.Host(ip="10.0.0.2/24") as h:
        for i in range(joined + 1):
            h.udp(5000, reuse_port=True).join("239.1.2.3" if i < joined else "239.1.2.9")
        h.udp(5001).join("239.1.2.3")
        bad = frames.udp(b"x" * 200, dst="239.1.2.3", check=0xBAD, mac={"dst": bytes.fromhex("01005e010203")})
        found, counters = outcome(h, bad)
        assert (sum(found.values()), counters) == (1, expected)


def test_without_an_address_of_ipv4_an_answer_has_none_either():
    """ipi_spec_dst, ip(7): of a broadcast it is the address of the way back."""
    with vnic.Host(ip="fd00::2/64", mac="02:00:00:00:00:01") as h:
        sock = h.udp(5000)
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        h.feed([frames.udp(b"x", src="10.0.0.1", dst="255.255.255.255", mac={"dst": b"\xff" * 6})])
        h.run()
        _, [(_, _, info)], _, _ = sock.recvmsg(100, 100)
        assert info[4:8] == bytes(4)
        assert info[8:12] == b"\xff" * 4
