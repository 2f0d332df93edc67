"""UDP-Lite: a checksum over a part, and ports of its own."""

import socket

import frames
import pytest
from outcomes import counted, fates
from peer import arp, sent

import vnic
from vnic.address import inet_addr

LITE = socket.IPPROTO_UDPLITE
SEND_CSCOV, RECV_CSCOV = 10, 11


def lite(data=b"payload", *, cover=0, check=None, dport=5000, length=None):
    """A UDP-Lite frame whose checksum covers so many bytes; 0: all."""
    head = b"\x03\xe8" + dport.to_bytes(2, "big") + (cover if length is None else length).to_bytes(2, "big") + b"\0\0"
    covered = (head + data)[: cover or None]
    sum_ = frames.csum(frames.pseudo("10.0.0.1", "10.0.0.2", LITE, len(head) + len(data)) + covered) or 0xFFFF
    head = head[:6] + (sum_ if check is None else check).to_bytes(2, "big")
    return frames.eth(frames.ipv4(head + data, LITE, src="10.0.0.1", dst="10.0.0.2"))


BAD = {"UDP_CSUM": 1}, {"UdpLite_InErrors": 1, "UdpLite_InCsumErrors": 1}
GOOD = {"DELIVERED_UDP": 1}, {"UdpLite_InDatagrams": 1}


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        pytest.param(lite(), GOOD, id="all covered"),
        pytest.param(lite(cover=15), GOOD, id="all covered, in numbers"),
        pytest.param(lite(cover=8), GOOD, id="the header"),
        pytest.param(lite(cover=8)[:-1] + b"!", GOOD, id="an error behind what is covered"),
        pytest.param(lite(cover=12)[:-7] + b"!" + lite()[-6:], BAD, id="an error in what is covered"),
        pytest.param(lite(check=0), BAD, id="no checksum is none"),
        pytest.param(lite(length=7), BAD, id="less than the header"),
        pytest.param(lite(length=16), ({"PKT_TOO_SMALL": 1}, {"UdpLite_InErrors": 1}), id="more than there is"),
        pytest.param(lite(dport=1), ({"NO_SOCKET": 1}, {"UdpLite_NoPorts": 1}), id="nobody bound"),
    ],
)
def test_what_a_packet_may_be(host, frame, expected):
    h = host()
    sock = h.udp(5000, lite=True)
    h.udp(5000)  # another protocol's
    found = fates(h, frame)
    sock.recvfrom_nowait()
    assert (found, counted(h, lambda name: "Udp" in name)) == expected


@pytest.mark.parametrize(("least", "cover", "taken"), [(12, 0, True), (12, 12, True), (12, 11, False), (0, 14, False)])
def test_a_socket_may_ask_for_a_least_coverage(host, least, cover, taken):
    h = host()
    sock = h.udp(5000, lite=True)
    sock.setsockopt(LITE, RECV_CSCOV, least)
    h.feed(lite(cover=cover))
    h.run()
    assert (sock.recvfrom_nowait() is not None) is taken
    assert h.mib()["UdpLite_InErrors"] == (not taken)


@pytest.mark.parametrize(("asked", "sent_"), [(None, 15), (0, 0), (3, 8), (10, 10), (99, 15)])
def test_a_socket_says_how_much_it_covers(asked, sent_):
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as h:
        h.feed(arp(1, "10.0.0.1", "10.0.0.2"))
        sock = h.udp(5000, lite=True)
        if asked is not None:
            sock.setsockopt(LITE, SEND_CSCOV, asked)
        sock.sendto(b"payload", ("10.0.0.1", 9))
        h.run()
        (packet,) = [s for s in sent(h) if s.proto == LITE]
        assert packet.udp[2] == sent_
        covered = packet.payload[: sent_ or None]
        assert frames.csum(frames.pseudo("10.0.0.2", "10.0.0.1", LITE, 15) + covered) in (0, 0xFFFF)
        assert h.mib()["UdpLite_OutDatagrams"] == 1


def test_options_of_udp_lite_are_for_its_sockets_only(host):
    sock = host().udp(5000)
    with pytest.raises(vnic.HostError):
        sock.setsockopt(LITE, SEND_CSCOV, 8)
    assert (sock.proto, inet_addr("10.0.0.1").hi) == (socket.IPPROTO_UDP, 0)
