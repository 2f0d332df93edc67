"""scapy's layer 3 over the emulated wire: routes, ARP and neighbour discovery, sources; in virtual time and live."""

import warnings

import pytest
from peer import quiet
from scapy.base_classes import ScopedIP
from scapy.config import conf
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from scapy.sendrecv import send, sniff, sr, sr1, srloop, srp1

import vnic
from vnic.scapy_wire.supersocket import L3Socket, WireSocket


def scoped(wire, address):
    """What says to every scapy since 2.6 which interface, also if several have the network."""
    return ScopedIP(address, scope=wire.iface)


@pytest.fixture(params=[False, True], ids=["virtual", "live"])
def wire(request):
    conf.netcache.arp_cache.flush()
    with quiet(vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], live=request.param, cpus=1)) as host:
        if request.param:
            host.start()
        with WireSocket(host) as s:
            yield s
        if request.param:
            host.stop()
        assert host.laws() == 0


def test_sr1_by_route_resolves_the_host_and_has_the_interfaces_source(wire):
    answer = sr1(IP(dst="10.0.0.2") / ICMP(id=7) / b"data", timeout=5, verbose=0)
    assert (answer.src, answer.dst, answer[ICMP].type, answer[ICMP].id) == ("10.0.0.2", "10.0.0.1", 0, 7)
    assert [(n.ip, n.mac) for n in wire.host.neighbours()] == [("10.0.0.1", wire.iface.mac)]


def test_sr1_with_iface(wire):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # scapy 2.6 and 2.7: iface has no effect, routes have
        answer = sr1(IP(dst="10.0.0.2") / ICMP(), iface=wire.iface, timeout=5, verbose=0)
        assert answer[ICMP].type == 0
        answer = sr1(IPv6(dst="fd00::2") / ICMPv6EchoRequest(id=3), iface=wire.iface, timeout=5, verbose=0)
    assert answer[ICMPv6EchoReply].id == 3


def test_sr1_over_ipv6_resolves_by_neighbour_discovery(wire):
    answer = sr1(IPv6(dst="fd00::2") / ICMPv6EchoRequest(id=3, data=b"data"), timeout=5, verbose=0)
    assert (answer.src, answer.dst, answer[ICMPv6EchoReply].id) == ("fd00::2", "fd00::1", 3)
    answer = sr1(IPv6(dst=scoped(wire, "fd00::2")) / UDP(dport=9), timeout=5, verbose=0)
    assert answer[ICMPv6DestUnreach].code == 4


@pytest.mark.parametrize(("src", "dst"), [("10.0.0.77", "10.0.0.2"), ("8.8.8.8", "10.0.0.2")])
def test_a_source_that_is_given_is_answered_for(src, dst):
    with vnic.Host(ip="10.0.0.2/24", gateway="10.0.0.254") as host, WireSocket(host) as wire:
        answer = sr1(IP(src=src, dst=scoped(wire, dst)) / ICMP(), timeout=5, verbose=0)
        assert (answer.src, answer.dst) == (dst, src)


def test_many_at_once_and_a_group(wire):
    one = IP(src="10.0.0.9", dst=scoped(wire, "10.0.0.2"))
    answered, unanswered = sr(one / ICMP(id=(1, 20)), timeout=5, verbose=0)
    assert len(answered) == 20
    assert not unanswered
    ours = wire.iface.ips[6][1]
    assert ours.startswith("fe80::")
    answer = sr1(IPv6(src=ours, dst=scoped(wire, "ff02::1")) / ICMPv6EchoRequest(), timeout=0.2, verbose=0, multi=True)
    assert answer is None or answer[ICMPv6EchoReply]


def test_send_reaches_a_socket_and_tcp_is_seen(wire):
    sock = wire.host.udp(5000)
    send(IP(dst="10.0.0.2") / UDP(sport=53, dport=5000) / b"hello", verbose=0)
    data, address = sock.recvfrom(timeout=20)
    assert (data, address[:2]) == (b"hello", ("10.0.0.1", 53))
    send([IPv6(dst="fd00::2") / UDP(sport=53, dport=5000) / b"six"], verbose=0)
    assert sock.recv(timeout=20) == b"six"


def test_a_packet_longer_than_the_mtu_goes_in_fragments(wire):
    answer = sr1(IP(dst="10.0.0.2") / ICMP() / bytes(100), timeout=5, verbose=0)
    assert answer[ICMP].type == 0
    sock = wire.host.udp(5000)
    send(IP(dst="10.0.0.2") / UDP(dport=5000) / bytes(4000), verbose=0)
    assert sock.recv(timeout=20) == bytes(4000)
    with L3Socket(iface=wire.iface) as s, pytest.raises(OSError, match="Message too long"):
        s.send(IPv6(dst="fd00::2") / UDP(dport=5000) / bytes(4000))


def test_a_filter_and_what_the_socket_hears(wire):
    if vnic.bpf._libpcap() is None:
        pytest.skip("expressions need libpcap")
    assert sr1(IP(dst="10.0.0.2") / ICMP(), filter="udp", timeout=0.2, verbose=0) is None
    assert sr1(IP(dst="10.0.0.2") / ICMP(), filter="icmp", timeout=5, verbose=0)[ICMP].type == 0


def test_a_listener_hears_what_layer_3_does(wire):
    seen = []
    sniff(
        iface=wire.iface,
        count=4,
        timeout=20,
        prn=seen.append,
        started_callback=lambda: sr1(IP(dst="10.0.0.2") / ICMP(), timeout=5, verbose=0),
    )
    kinds = [(p[ARP].op if ARP in p else p[ICMP].type) for p in seen[:4]]
    assert kinds == [1, 2, 8, 0]
    assert {p.src for p in seen} == {wire.iface.mac, wire.mac}


def test_what_nobody_has_goes_to_all_and_is_unanswered(wire, monkeypatch):
    monkeypatch.setattr("vnic.scapy_wire.far_end._ASK_S", 0.05)
    said = []
    monkeypatch.setattr("vnic.scapy_wire.far_end.warning", said.append)
    assert sr1(IP(dst="10.0.0.200") / ICMP(), timeout=0.3, verbose=0) is None
    assert said == [f"{wire.iface.network_name}: no station answers for 10.0.0.200: sent to broadcast"]


def test_srloop_and_time(wire):
    answered, _ = srloop(IP(dst="10.0.0.2") / ICMP(), count=2, inter=0, timeout=5, verbose=0)
    assert len(answered) == 2
    query, answer = answered[0]
    assert 0 < float(answer.time) - float(query.sent_time) < 5


def test_a_frame_without_addresses_finds_the_host_by_scapys_own_arp(wire):
    answer = srp1(Ether() / IP(dst="10.0.0.2") / ICMP(), iface=wire.iface, timeout=5, verbose=0)
    assert (answer.src, answer.dst, answer[ICMP].type) == (wire.mac, wire.iface.mac, 0)
    assert conf.netcache.arp_cache["10.0.0.2"] == wire.mac


def test_what_is_no_ip_packet_is_refused(wire):
    with L3Socket(iface=wire.iface) as s:
        with pytest.raises(vnic.ConfigError, match="IP packets, not Raw"):
            s.send(Raw(b"x"))
        s.send(ARP(psrc="10.0.0.1", hwsrc=wire.iface.mac, pdst="10.0.0.2"))
        assert s.sniff(count=1, timeout=5)[0][ARP].op == 2
    with pytest.raises(vnic.VnicError, match="closed"):
        s.send(IP(dst="10.0.0.2"))


def test_two_hosts_of_one_network_are_told_apart_by_their_interfaces():
    with (
        vnic.Host(ip="10.0.0.2/24") as a,
        vnic.Host(ip="10.0.0.2/24", mac="02:00:00:00:00:0b") as b,
        WireSocket(a) as one,
        WireSocket(b) as other,
    ):
        for wire, host in ((other, b), (one, a)):
            before = host.ledger().offered
            assert sr1(IP(dst=scoped(wire, "10.0.0.2")) / ICMP(), timeout=5, verbose=0)[ICMP].type == 0
            assert host.ledger().offered > before


def test_a_host_that_only_listens_gets_packets():
    with vnic.Host(sink=True) as host, WireSocket(host, ip="10.0.0.1/24") as wire:
        send(IP(dst=scoped(wire, "10.0.0.2")) / UDP(dport=7) / b"x", verbose=0)
        send(IP(src="1.2.3.4", dst=scoped(wire, "5.6.7.8")) / TCP(dport=80), verbose=0)
        host.finish()
        assert host.ledger().fates["DELIVERED_UDP"] == 1
        assert sum(host.ledger().fates.values()) == 2
