"""scapy over the emulated wire, without root: its own functions, as its users call them."""

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.sendrecv import AsyncSniffer, sendp, sniff, srp, srp1

import vnic
from vnic.supersocket import WireSocket

PEER = "02:00:00:00:00:02"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def wire():
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero") as host:
        s = WireSocket(host)
        yield s
        s.close()


def who_has(wire):
    return Ether(src=PEER, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=PEER, psrc="10.0.0.1", pdst="10.0.0.2")


def ping(wire, **icmp):
    return Ether(src=PEER, dst=wire.mac) / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(**icmp) / b"data"


def test_srp1_resolves_and_pings(wire):
    answer = srp1(who_has(wire), iface=wire.iface, timeout=5, verbose=0)
    assert (answer[ARP].op, answer[ARP].hwsrc) == (2, wire.mac)
    answer = srp1(ping(wire, id=7, seq=3), iface=wire.iface, timeout=5, verbose=0)
    assert (answer[ICMP].type, answer[ICMP].id, answer[ICMP].seq, answer.load) == (0, 7, 3, b"data")


def test_srp_of_many_and_ipv6(wire):
    solicit = IPv6(src="fd00::1", dst="ff02::1:ff00:2") / ICMPv6ND_NS(tgt="fd00::2") / ICMPv6NDOptSrcLLAddr(lladdr=PEER)
    answer = srp1(Ether(src=PEER, dst="33:33:ff:00:00:02") / solicit, iface=wire.iface, timeout=5, verbose=0)
    assert answer[ICMPv6ND_NA].tgt == "fd00::2"
    many = Ether(src=PEER, dst=wire.mac) / IPv6(src="fd00::1", dst="fd00::2") / ICMPv6EchoRequest(id=1, seq=(0, 9))
    answered, unanswered = srp(many, iface=wire.iface, timeout=5, verbose=0)
    assert [r[ICMPv6EchoReply].seq for _, r in answered] == list(range(10))
    assert not unanswered


def test_what_nobody_answers_is_unanswered(wire):
    foreign = Ether(src=PEER, dst=wire.mac) / IP(src="10.0.0.1", dst="10.0.0.3") / ICMP()
    assert srp1(foreign, iface=wire.iface, timeout=0.2, verbose=0) is None


def test_sendp_and_sniff_on_one_socket(wire):
    sendp([who_has(wire), ping(wire)], socket=wire, verbose=0)
    seen = sniff(opened_socket=wire, count=2, timeout=5)
    assert [p.lastlayer().name for p in seen] == ["Padding", "Padding"]
    assert seen[0][ARP].op == 2
    assert seen[1].time > seen[0].time


def test_a_sniffer_in_the_background_sees_port_unreachable(wire):
    sendp(who_has(wire), socket=wire, verbose=0)
    sniffer = AsyncSniffer(iface=wire.iface, count=1, lfilter=lambda p: ICMP in p)
    sniffer.start()
    while len(wire._open) < 2:
        pass
    sendp(Ether(src=PEER, dst=wire.mac) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9), socket=wire, verbose=0)
    sniffer.join(timeout=20)
    assert (sniffer.results[0][ICMP].type, sniffer.results[0][ICMP].code) == (3, 3)


def test_sr1_of_the_socket_itself(wire):
    sendp(who_has(wire), socket=wire, verbose=0)
    sniff(opened_socket=wire, count=1, timeout=5)
    assert wire.sr1(ping(wire), timeout=5, verbose=0)[ICMP].type == 0


def test_a_live_host_is_refused():
    with vnic.Host(live=True) as host, pytest.raises(vnic.ConfigError, match="virtual time"):
        WireSocket(host)
