"""scapy over the emulated wire, without root: its own functions, as its users call them."""

import gc
import socket
import threading
import weakref

import pytest
from peer import quiet
from scapy.arch import get_if_addr, get_if_hwaddr
from scapy.config import conf
from scapy.interfaces import resolve_iface
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from scapy.sendrecv import AsyncSniffer, bridge_and_sniff, sendp, sniff, sr1, srp, srp1, srp1flood, srploop
from scapy.supersocket import SimpleSocket

import vnic
from vnic import bpf
from vnic.scapy_wire import interface as scapy_interface
from vnic.scapy_wire.supersocket import L2Listen, L2Socket, WireSocket

PEER = "02:00:00:00:00:02"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def wire():
    with quiet(vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero")) as host:
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
    started = threading.Event()
    sniffer = AsyncSniffer(iface=wire.iface, count=1, lfilter=lambda p: ICMP in p, started_callback=started.set)
    sniffer.start()
    started.wait(20)
    sendp(Ether(src=PEER, dst=wire.mac) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9), socket=wire, verbose=0)
    sniffer.join(timeout=20)
    assert (sniffer.results[0][ICMP].type, sniffer.results[0][ICMP].code) == (3, 3)


def test_sr1_of_the_socket_itself(wire):
    sendp(who_has(wire), socket=wire, verbose=0)
    sniff(opened_socket=wire, count=1, timeout=5)
    assert wire.sr1(ping(wire), timeout=5, verbose=0)[ICMP].type == 0


class Background:
    """A sniffer in a thread of its own, that listens when this returns."""

    def __init__(self, **options):
        started = threading.Event()
        self.sniffer = AsyncSniffer(started_callback=started.set, **options)
        self.sniffer.start()
        assert started.wait(20)

    def stop(self):
        return self.sniffer.stop()


def received(s):
    packets = []
    while (packet := s.recv()) is not None:
        packets.append(packet)
    return packets


needs_libpcap = pytest.mark.skipif(not bpf._libpcap(), reason="expressions need libpcap")


@needs_libpcap
@pytest.mark.parametrize(
    ("expression", "seen"),
    [(None, 6), ("icmp", 6), ("icmp[0] = 0", 3), ("tcp port 80", 0), ("src host 10.0.0.1", 3), ("arp", 0)],
)
def test_a_filter_is_applied_by_every_socket_that_has_one(wire, expression, seen):
    sendp(who_has(wire), socket=wire, verbose=0)
    listens, hears = (kind(iface=wire.iface, filter=expression) for kind in (L2Listen, L2Socket))
    for i in range(3):
        wire.send(ping(wire, id=i))
    assert len(received(listens)) == seen
    assert len(received(hears)) == {None: 3, "icmp": 3, "icmp[0] = 0": 3}.get(expression, 0)
    background = Background(iface=wire.iface, filter=expression, count=1)
    wire.send(ping(wire))
    if seen:
        background.sniffer.join(timeout=20)
        assert len(background.sniffer.results) == 1
    else:
        assert len(background.stop()) == 0


@needs_libpcap
def test_a_filter_of_srp_and_one_that_conf_excepts(wire, monkeypatch):
    srp1(who_has(wire), iface=wire.iface, timeout=5, verbose=0)
    assert srp1(ping(wire), iface=wire.iface, filter="udp", timeout=0.2, verbose=0) is None
    assert srp1(ping(wire), iface=wire.iface, filter="icmp", timeout=5, verbose=0)[ICMP].type == 0
    monkeypatch.setattr(conf, "except_filter", "icmp")
    assert srp1(ping(wire), iface=wire.iface, timeout=0.2, verbose=0) is None
    assert srp1(ping(wire), iface=wire.iface, nofilter=1, timeout=5, verbose=0)[ICMP].type == 0


@needs_libpcap
def test_a_filter_that_libpcap_does_not_understand_is_its_own_words(wire):
    with pytest.raises(vnic.ConfigError, match="filter 'tcp prt 80': "):
        sniff(iface=wire.iface, filter="tcp prt 80", timeout=0.1)
    with pytest.raises(vnic.ConfigError, match="tcp prt 80"):
        WireSocket(wire.host, filter="tcp prt 80")
    assert len(wire._end.sockets) == 1


def test_without_libpcap_a_filter_is_a_sentence_and_not_ignored(wire, monkeypatch):
    monkeypatch.setattr(bpf, "_libpcap", lambda: None)
    with pytest.raises(vnic.ConfigError, match="need libpcap"):
        sniff(iface=wire.iface, filter="tcp port 80", timeout=0.1)


@pytest.mark.parametrize("name", ["l2socket", "l2listen", "l3socket"])
def test_what_a_socket_does_not_know_is_no_argument(wire, name):
    kind = getattr(wire.iface, name)()
    with pytest.raises(TypeError, match="colour"):
        kind(iface=wire.iface, colour="red")
    with pytest.raises(vnic.ConfigError, match="monitor"):
        kind(iface=wire.iface, monitor=True)
    with pytest.raises(TypeError, match="snaplen"):
        WireSocket(wire.host, snaplen=96)
    kind(iface=wire.iface, monitor=False, promisc=None, nofilter=0, filter=None).close()


def test_type_is_an_ethertype_behind_a_tag_and_hears_no_outgoing_frame(wire):
    arps, tagged = L2Socket(iface=wire.iface, type=0x0806), L2Listen(iface=wire.iface, type=0x0806)
    sendp([who_has(wire), ping(wire)], socket=wire, verbose=0)
    assert arps.recv()[ARP].op == tagged.recv()[ARP].op == 2
    assert arps.recv() is tagged.recv() is None
    arps.take(bytes(Ether() / Dot1Q(vlan=5) / ARP()), 1, outgoing=False)
    arps.take(bytes(Ether() / Dot1Q(vlan=5) / IP()), 2, outgoing=False)
    assert arps.recv()[Dot1Q].vlan == 5
    assert arps.recv() is None


def test_without_promisc_only_what_is_for_scapys_own_address(wire):
    strict, all_of_it = L2Socket(iface=wire.iface, promisc=False), L2Socket(iface=wire.iface)
    sendp([who_has(wire), ping(wire)], socket=wire, verbose=0)  # to PEER, which is not the interface's
    assert strict.recv() is None
    assert all_of_it.recv()[ARP].hwdst == PEER
    us = wire.iface.mac
    sendp(Ether(src=us, dst=wire.mac) / ARP(hwsrc=us, psrc="10.0.0.7", pdst="10.0.0.2"), socket=wire, verbose=0)
    assert strict.recv()[ARP].pdst == "10.0.0.7"


def test_a_listener_hears_both_directions_in_order_of_time_and_a_socket_only_the_host(wire):
    background = Background(iface=wire.iface, count=4)
    sendp([who_has(wire), ping(wire)], socket=wire, verbose=0)
    background.sniffer.join(timeout=20)
    seen = background.sniffer.results
    assert [p.src for p in seen] == [PEER, wire.mac, PEER, wire.mac]
    assert [float(p.time) for p in seen] == sorted(float(p.time) for p in seen)
    assert seen[0].time == 0
    assert [p.sniffed_on for p in seen] == [wire.iface] * 4
    assert [wire.recv().src, wire.recv().src, wire.recv()] == [wire.mac, wire.mac, None]
    with pytest.raises(vnic.VnicError, match="sends nothing"):
        L2Listen(iface=wire.iface).send(ping(wire))


def test_count_store_prn_and_stop_filter(wire):
    shown = []
    sendp([who_has(wire), *(ping(wire, seq=i) for i in range(5))], socket=wire, verbose=0)
    assert len(sniff(opened_socket=wire, count=2, timeout=5, store=False, prn=shown.append)) == 0
    assert len(shown) == 2
    assert len(sniff(opened_socket=wire, timeout=5, stop_filter=lambda p: ICMP in p and p[ICMP].seq == 2)) == 2
    assert len(sniff(opened_socket=wire, timeout=0.1, lfilter=lambda p: p[ICMP].seq == 4)) == 1


def test_the_time_of_an_answer_is_the_hosts_and_so_is_that_of_what_was_sent(wire):
    srp1(who_has(wire), iface=wire.iface, timeout=5, verbose=0)
    answered, _ = srp(ping(wire), iface=wire.iface, timeout=5, verbose=0)
    query, answer = answered[0]
    assert 0 < answer.time - query.sent_time < wire.settle_ns / 1e9


def test_what_the_host_sends_by_itself_is_heard_when_it_runs(wire):
    srp1(who_has(wire), iface=wire.iface, timeout=5, verbose=0)
    sock = wire.host.udp(0)
    sock.sendto(b"hello", ("10.0.0.1", 53))
    wire.host.run(until_ns=wire.host.now_ns + 1_000_000)
    assert sniff(opened_socket=wire, lfilter=lambda p: UDP in p, timeout=5, count=1)[0][UDP].load == b"hello"


def test_a_handler_of_the_host_can_send(wire):
    @wire.host.packet_type(0x88B5)
    def echo(burst):
        for frame in burst:
            wire.send(Ether(src=PEER, dst=wire.mac, type=0x88B6) / bytes(frame))

    @wire.host.packet_type(0x88B6)
    def done(burst):
        heard.extend(bytes(p)[:4] for p in burst)

    heard = []
    wire.send(Ether(src=PEER, dst=wire.mac, type=0x88B5) / b"ping")
    wire.host.run()
    assert heard == [b"ping"]


def test_loops_and_floods(wire):
    sendp(who_has(wire), socket=wire, verbose=0)
    answered, _ = srploop(ping(wire), iface=wire.iface, count=2, inter=0, timeout=5, verbose=0)
    assert len(answered) == 2
    assert srp1flood(ping(wire), iface=wire.iface, timeout=0.3, verbose=0)[ICMP].type == 0


def test_two_hosts_bridged_by_scapy_talk_to_each_other():
    with vnic.Host(ip="10.0.0.1/24", mac="02:00:00:00:00:0a") as a, vnic.Host(ip="10.0.0.2/24") as b:
        one, other = WireSocket(a), WireSocket(b)
        server, client = b.udp(53), a.udp(0)
        client.sendto(b"question", ("10.0.0.2", 53))
        a.run(until_ns=1_000_000)
        bridge_and_sniff(one, other, count=3, timeout=20)
        assert server.recv() == b"question"
        assert len({one.iface.network_name, other.iface.network_name, one.iface.index, other.iface.index}) == 4


def test_a_socket_of_the_machine_and_one_of_the_wire_in_one_select(wire):
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, SimpleSocket(right, basecls=Raw) as real:
        left.send(b"real")
        wire.send(who_has(wire))
        for order in ([wire, real], [real, wire]):
            assert set(order[0].select(order, 5)) == {wire, real}


def test_a_sniffer_without_timeout_is_stopped(wire):
    background = Background(iface=wire.iface)
    assert len(background.stop()) == 0


# ---- the end ----


def test_what_is_closed_says_so(wire):
    iface, other = wire.iface, WireSocket(wire.host)
    other.close()
    for use in (lambda: other.send(b""), other.recv, other.fileno):
        with pytest.raises(vnic.VnicError, match="the scapy socket is closed"):
            use()
    assert srp1(who_has(wire), iface=iface, timeout=5, verbose=0)
    wire.close()
    wire.close()
    for use in (iface.l2socket, iface.l2listen, iface.l3socket):
        with pytest.raises(vnic.VnicError, match="vnic0: the wire is closed"):
            use()
    with pytest.raises(vnic.VnicError, match="the wire is closed"):
        L2Socket(iface=iface)


def test_a_host_that_is_closed_ends_a_sniff_and_sends_nothing():
    host = vnic.Host(ip="10.0.0.2/24")
    wire = WireSocket(host)
    background = Background(iface=wire.iface)
    wire.send(who_has(wire))
    host.close()
    background.sniffer.join(timeout=20)
    assert len(background.sniffer.results) == 2
    assert wire.recv()[ARP].op == 2
    with pytest.raises(EOFError):
        wire.recv()
    with pytest.raises(vnic.VnicError, match="closed"):
        wire.send(b"")
    wire.close()
    with pytest.raises(vnic.VnicError):
        WireSocket(host)


def test_closing_a_socket_wakes_who_waits_for_it(wire):
    other = WireSocket(wire.host)
    seen = []
    waiter = threading.Thread(target=lambda: seen.append(sniff(opened_socket=other)))
    waiter.start()
    while waiter.is_alive():
        other.close()
        waiter.join(0.01)
    assert seen is not None


def test_scapy_is_left_as_it_was():
    def of_scapy():
        caches = (conf.netcache.arp_cache, conf.netcache.in6_neighbor)
        routes = sorted(map(str, conf.route.routes)), sorted(map(str, conf.route6.routes))
        return (
            dict(conf.ifaces.data),
            set(conf.ifaces.providers),
            routes,
            set(conf.route6.ipv6_ifaces),
            *map(dict, caches),
        )

    before, iface = of_scapy(), conf.iface
    with quiet(vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero")) as host:
        one, two = WireSocket(host), WireSocket(host)
        assert one.iface is two.iface
        sr1(IP(dst="10.0.0.2") / ICMP(), timeout=5, verbose=0)
        srp1(Ether() / IPv6(dst="fd00::2") / ICMPv6EchoRequest(), iface=one.iface, timeout=5, verbose=0)
        assert of_scapy() != before
        conf.ifaces.reload()
        assert conf.ifaces.dev_from_name(one.iface.name) is one.iface
        one.close()
        assert two.iface.is_valid()
    assert of_scapy() == before
    assert conf.iface == iface


def test_a_host_that_is_forgotten_takes_its_interface_with_it():
    host = vnic.Host(ip="10.0.0.2/24")
    name, gone, end = WireSocket(host).iface.name, weakref.ref(host), weakref.ref(host.wire.far_end)
    host.close()
    del host
    gc.collect()
    assert gone() is end() is None
    assert name not in conf.ifaces.data


def test_an_interface_that_is_forgotten_while_another_is_made_is_taken_out(wire, monkeypatch):
    host, iface = vnic.Host(ip="10.1.0.2/24"), scapy_interface.add("02:00:00:00:00:09", [], [])

    def number():
        scapy_interface.remove(iface, [])  # as the garbage collector might
        return 0

    monkeypatch.setattr(scapy_interface, "_numbers", iter(number, 1))
    with host, WireSocket(host) as other:
        assert not iface.is_valid()
        assert conf.route.route("10.1.0.2")[0] == other.iface.name == "vnic2"


def test_an_interface_is_what_scapy_says_one_is(wire):
    iface = wire.iface
    assert (iface.name, iface.network_name, str(iface), iface.type) == ("vnic0", "vnic0", "vnic0", 1)
    assert (iface.ip, iface.ips[4], iface.ips[6][0]) == ("10.0.0.1", ["10.0.0.1"], "fd00::1")
    assert iface.mac == get_if_hwaddr(iface) != wire.mac
    assert get_if_addr("vnic0") == "10.0.0.1"
    assert iface.is_valid()
    assert resolve_iface("vnic0") is iface
    assert conf.ifaces.dev_from_index(iface.index) is iface
    assert "vnic0" in conf.ifaces.show(print_result=False)
    assert conf.route.route("10.0.0.77")[:2] == ("vnic0", "10.0.0.1")
    assert conf.route6.route("fd00::77")[:2] == ("vnic0", "fd00::1")


@pytest.mark.parametrize(
    ("ip", "options", "own"),
    [
        ("10.0.0.1/24", {}, ["10.0.0.2"]),
        (["10.0.0.1/31", "10.1.0.9/32"], {}, ["10.0.0.0"]),
        (["10.0.0.2/24", "10.0.0.1/24"], {}, ["10.0.0.3"]),
        ("10.0.0.2/24", {"gateway": "10.0.0.254"}, ["10.0.0.254"]),
        ("any", {}, []),
    ],
)
def test_scapys_own_addresses_are_free_ones_of_the_hosts_networks(ip, options, own):
    with vnic.Host(ip=ip, **options) as host, WireSocket(host) as wire:
        assert wire.iface.ips[4] == own


def test_addresses_can_be_said():
    with vnic.Host(ip="10.0.0.2/24") as host:
        with WireSocket(host, ip=["10.0.0.9", "192.168.7.1/28"], mac="02:00:00:00:00:77") as wire:
            assert (wire.iface.ips[4], wire.iface.mac) == (["10.0.0.9", "192.168.7.1"], "02:00:00:00:00:77")
            assert conf.route.route("192.168.7.14")[0] == wire.iface.name
            with pytest.raises(vnic.ConfigError, match="is open already"):
                WireSocket(host, ip="10.0.0.8")
        for wrong in ({"ip": "10.0.0"}, {"mac": "1:2"}, {"settle_ns": -1}):
            with pytest.raises(vnic.ConfigError):
                WireSocket(host, **wrong)


def test_wires_that_are_not_in_memory_are_refused():
    class Silent:
        def read_burst(self, max_frames):
            return None

    with vnic.Host(wire=vnic.PythonWire(Silent())) as host, pytest.raises(vnic.ConfigError, match="wire in memory"):
        WireSocket(host)
    with pytest.raises(vnic.ConfigError, match="not an emulated wire"):
        L2Socket(iface="lo")


def test_a_queue_that_nobody_reads_is_bounded_and_counts(wire, monkeypatch):
    monkeypatch.setattr("vnic.scapy_wire.supersocket._KEPT", 2)
    sendp([who_has(wire), *[ping(wire)] * 4], socket=wire, verbose=0)
    assert (len(wire.received), wire.dropped) == (2, 3)
