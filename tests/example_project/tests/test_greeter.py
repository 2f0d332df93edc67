import socket

import greeter
import pytest
from scapy.all import ARP, IP, UDP, Ether, sr1, srp1

from vnic.pytest_plugin import assert_fates


def name(text, port=greeter.PORT):
    us = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")
    return us / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1000, dport=port) / text


def test_a_name_on_another_port_is_lost(vnic_host):
    host = vnic_host()
    host.udp(greeter.PORT)
    host.feed([name(b"Ada"), name(b"Bob", port=7)])
    host.run()
    assert_fates(host, DELIVERED_UDP=1, NO_SOCKET=1)


@pytest.mark.vnic(rx_usecs=50, rx_frames=0)
class TestModerated:
    def test_ten_names_in_one_interrupt(self, vnic_host):
        host = vnic_host()
        sock = host.udp(greeter.PORT)
        host.feed([name(b"Ada")] * 10)
        host.run()
        assert host.nic.queues()[0].interrupts == 1
        assert sock.recv() == b"Ada"

    @pytest.mark.vnic(rx_usecs=0, rx_frames=1)
    def test_the_nearest_marker_wins_and_an_argument_over_it(self, vnic_host):
        assert vnic_host().knobs.rx_usecs == 0
        assert vnic_host(rx_usecs=7).knobs.rx_usecs == 7


def test_a_greeting_over_scapy(vnic_wire):
    sock = vnic_wire.host.udp(greeter.PORT)
    who = Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:02") / ARP(psrc="10.0.0.1", pdst="10.0.0.2")
    assert srp1(who, iface=vnic_wire.iface, timeout=5, verbose=0)[ARP].hwsrc == vnic_wire.mac
    vnic_wire.send(name(b"Ada"))
    assert greeter.greet(sock) == 1
    vnic_wire.host.run()
    assert b"hello Ada" in [bytes(frame)[42:51] for frame in iter(vnic_wire.recv, None)]
    assert_fates(vnic_wire.host, DELIVERED_ARP=1, DELIVERED_UDP=1)


@pytest.mark.vnic(ip="10.9.0.2/24", queues=2)
def test_the_marker_makes_the_wires_host(vnic_wire):
    assert vnic_wire.host.config["queues"] == 2
    assert sr1(IP(dst="10.9.0.2") / UDP(dport=9), iface=vnic_wire.iface, timeout=5, verbose=0) is not None


def test_a_greeting_to_the_kernel(vnic_run):
    host = vnic_run()
    sock = host.udp(greeter.PORT)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
        kernel.settimeout(20)
        kernel.sendto(b"Ada", ("10.0.0.2", greeter.PORT))
        data, sender = sock.recvfrom(timeout=20)
        sock.sendto(b"hello " + data, sender)
        assert kernel.recv(100) == b"hello Ada"


def test_nothing_of_the_machine_is_in_the_namespace(netns):
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    assert netns.startswith("/proc/")
