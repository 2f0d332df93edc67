"""The fork after GRO: VLAN tags off, taps, then the handler of the EtherType."""

import struct

import frames
import pytest
from outcomes import fates

OURS = "02:00:00:00:00:01"
THEIRS = b"\x02\0\0\0\0\x99"


def tagged(*tags, inner=None):
    """A datagram behind tags given as (TPID, TCI), outermost first."""
    inner = frames.udp(b"tagged") if inner is None else inner
    return inner[:12] + b"".join(struct.pack("!HH", *tag) for tag in tags) + inner[12:]


@pytest.mark.parametrize(
    ("frame", "fate"),
    [
        pytest.param(frames.udp(), "DELIVERED_UDP", id="untagged"),
        pytest.param(tagged((0x8100, 5)), "DELIVERED_UDP", id="VLAN 5"),
        pytest.param(tagged((0x8100, 0xE000)), "DELIVERED_UDP", id="priority tag"),
        pytest.param(tagged((0x88A8, 5), (0x8100, 6)), "DELIVERED_UDP", id="QinQ"),
        pytest.param(tagged((0x8100, 0), (0x8100, 6)), "DELIVERED_UDP", id="bug: priority, then VLAN"),
        pytest.param(tagged(*[(0x8100, 5)] * 4), "DELIVERED_UDP", id="4 tags"),
        pytest.param(tagged((0x8100, 5))[:17], "PKT_TOO_SMALL", id="cut in the tag"),
        pytest.param(tagged((0x8100, 5))[:19], "PKT_TOO_SMALL", id="cut behind the tag"),
        pytest.param(tagged((0x8100, 5))[:20], "IP_INHDR", id="cut in the packet"),
        pytest.param(tagged((0x8100, 5), inner=frames.arp()), "DELIVERED_ARP", id="ARP in a VLAN"),
        pytest.param(frames.eth(b"\x42\x42\x03" + bytes(43), type=38), "UNHANDLED_PROTO", id="LLC"),
        pytest.param(frames.eth(b"", type=0x88CC), "UNHANDLED_PROTO", id="LLDP"),
    ],
)
def test_ethertypes(host, frame, fate):
    h = host()
    h.udp(5000)
    assert fates(h, frame) == {fate: 1}


def test_a_stack_of_tags_without_end_ends(host):
    h = host()
    assert sum(fates(h, tagged(*[(0x8100, 5)] * 300)).values()) == 1


def test_without_a_vlan_device_a_tagged_packet_is_another_hosts(host):
    h = host(mac=OURS)
    h.udp(5000)
    assert fates(h, tagged((0x8100, 5))) == {"OTHERHOST": 1}
    assert fates(h, tagged((0x8100, 0x2000))) == {"OTHERHOST": 1, "DELIVERED_UDP": 1}


@pytest.mark.parametrize(
    ("dst", "fate"),
    [
        (frames.MAC, "DELIVERED_UDP"),
        (b"\xff" * 6, "DELIVERED_UDP"),
        (b"\x01\0\x5e\0\0\x01", "DELIVERED_UDP"),
        (THEIRS, "OTHERHOST"),
    ],
)
def test_promisc_lets_it_in_and_ip_decides(host, dst, fate):
    h = host(mac=OURS, promisc=True)
    h.udp(5000)
    assert fates(h, frames.udp(mac={"dst": dst})) == {fate: 1}
    assert h.nic.stats().rx_otherhost_dropped == (fate == "OTHERHOST")


def test_nobodys_packet_is_rx_dropped(host):
    h = host()
    fates(h, *[frames.eth(b"?", type=0x88B5)] * 3)
    assert h.nic.stats().rx_dropped == 3


def test_processed_counts_each_round(host):
    h = host(cpus=1)
    h.udp(5000)
    fates(h, frames.udp(), tagged((0x8100, 5)))
    assert h.softnet()[0].processed == 1 + 2  # the tagged one again, as VLAN 5's


def test_merged_packets_are_processed_once(host):
    h = host(cpus=1)
    h.tcp(80)
    fates(h, *(frames.tcp(b"x" * 100, seq=1 + 100 * i) for i in range(10)))
    assert h.softnet()[0].processed == 1


def test_with_rps_the_packet_is_processed_where_it_was_sent(host):
    h = host(cpus=3, rps_cpus="4")
    h.udp(5000)
    fates(h, *[frames.udp()] * 5)
    assert [cpu.processed for cpu in h.softnet()] == [0, 0, 5]
    assert h.softnet()[2].received_rps == 1


@pytest.mark.parametrize(("tci", "fate"), [(0x0FFF, "OTHERHOST"), (0xFFFF, "OTHERHOST"), (0xF000, "DELIVERED_UDP")])
def test_all_ones_is_a_vlan_tag_like_any_other(host, tci, fate):
    """0xffff once meant "untagged" inside, and such a frame passed every VLAN rule. ID 0 is only a priority."""
    h = host(mac="02:00:00:00:00:01", sink=True)
    h.feed(frames.udp(mac={"vlan": tci}))
    h.run()
    assert h.ledger().fates == {fate: 1}
