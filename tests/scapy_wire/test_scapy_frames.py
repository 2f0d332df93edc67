"""scapy's packets as frames: what is fed is what sendp() would send, and what vnic gives out scapy can read."""

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.base_classes import SetGen
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from scapy.plist import PacketList, QueryAnswer
from scapy.sendrecv import sendp
from scapy.utils import PcapReader, rdpcap, wrpcap

import vnic
from vnic.wire import each_frame

EACH = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01") / IP(src="10.0.0.1", dst=["10.0.0.2", "10.0.0.3"])


class Sent:
    """A socket that scapy sends on."""

    def __init__(self):
        self.frames = []

    def send(self, packet):
        self.frames.append(bytes(packet))


def by_sendp(packets):
    s = Sent()
    sendp(packets, socket=s, verbose=0)
    return s.frames


plain = st.builds(lambda port, data: EACH / UDP(sport=1, dport=port) / data, st.integers(1, 9), st.binary(max_size=20))
spread = st.builds(lambda ports: EACH / UDP(sport=1, dport=ports), st.lists(st.integers(1, 9), min_size=1, max_size=3))
one = plain | spread | st.builds(frames.udp) | st.builds(lambda: Ether(bytes(EACH / UDP() / Raw(b"x"))))


received = st.builds(lambda data: Ether(bytes(EACH / UDP() / Raw(data))), st.binary(max_size=20))


@given(one | st.lists(one) | st.lists(received).map(PacketList) | st.lists(one).map(SetGen))
def test_what_is_fed_is_what_sendp_sends(packets):
    with vnic.Host(cpus=1) as host:
        expected = by_sendp(packets)
        assert [data for _, data in each_frame(packets)] == expected
        assert host.feed(packets) == len(expected)
        host.run()
        assert (host.ledger().offered, host.machine.c.nic.wire.bytes) == (len(expected), sum(map(len, expected)))


def test_a_generator_and_stamps_of_packets_that_stand_for_several():
    with vnic.Host(cost="zero", link="inf") as host, host.packet_socket() as sniffer:
        assert host.feed((EACH / UDP(dport=i) for i in (5, 6)), gap_ns=1000) == 4
        assert host.feed([(10_000_000, EACH / UDP(dport=7))]) == 2
        host.run()
        assert [p.t_ns for p in sniffer.recv_nowait()] == [0, 1000, 2000, 3000, 10_000_000, 10_000_000]


@pytest.mark.parametrize(
    "wrong",
    ["text", 7, [7], [None], [[1, 2]], [(1, 2)], [(1, "text")], ["text"], [QueryAnswer(EACH, EACH)], [("a", b"b")]],
)
def test_what_is_no_frame_is_a_type_error_and_nothing_is_offered(wrong):
    with vnic.Host(cpus=1) as host:
        with pytest.raises(TypeError):
            host.feed(wrong)
        host.run()
        assert host.ledger().offered == 0


def test_a_wire_in_python_takes_scapys_packets_too():
    bursts = [[EACH / UDP()], [Ether() / ARP(), (5, EACH / UDP())], None]

    class Source:
        def read_burst(self, max_frames):
            return bursts.pop(0)

    with vnic.Host(wire=vnic.PythonWire(Source())) as host:
        host.run()
        assert host.ledger().offered == 5


def test_a_live_host_is_fed_between_two_polls_of_the_card():
    with vnic.Host(live=True, cpus=1) as host:
        sock = host.udp(5000)
        host.start()
        for i in range(50):
            assert host.feed(EACH / UDP(dport=5000) / bytes([i])) == 2
            assert [sock.recv(timeout=20), sock.recv(timeout=20)] == [bytes([i])] * 2
        with pytest.raises(TypeError):
            host.feed([frames.udp(), "text"])
        host.stop()
        assert host.ledger().offered == 100
        assert host.laws() == 0


def test_packet_sockets_and_captures_give_what_scapy_reads(tmp_path):
    tagged = Ether(dst="02:00:00:00:00:01") / Dot1Q(vlan=7) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP() / b"x"
    with vnic.Host() as host, host.packet_socket() as sniffer:
        capture = vnic.Capture(host, tmp_path / "c.pcapng", at="wire")
        host.feed(tagged)
        host.run()
        capture.close()
        (packet,) = sniffer.recv_nowait()
        assert Ether(bytes(packet))[Dot1Q].vlan == 7
        assert host.feed([packet]) == 1
        host.run()
        assert host.ledger().offered == 2
        with PcapReader(str(tmp_path / "c.pcapng")) as reader:
            assert bytes(next(iter(reader))) == bytes(tagged)
    wrpcap(str(tmp_path / "s.pcap"), [tagged, EACH / UDP()])
    with vnic.Host() as host:
        assert host.feed(rdpcap(str(tmp_path / "s.pcap"))) == 3
