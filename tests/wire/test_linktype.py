"""Captures of other links: the packet in a frame gets an Ethernet header; a frame without one has a fate of its own."""

import struct

import frames
import pytest
from scapy.layers.dot11 import Dot11, Dot11Beacon, Dot11QoS, RadioTap
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, LLC, SNAP, CookedLinux, CookedLinuxV2, Ether, Loopback
from scapy.layers.ppp import PPP, PPP_LCP_Configure, PPPoE

from vnic.runs.replay import replay

OURS, STRANGER, STATION = "02:00:00:00:00:01", "02:00:00:00:00:fe", "00:11:22:33:44:55"
ALL, GROUP = "ff:ff:ff:ff:ff:ff", "01:00:5e:01:02:03"
FOUR = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1000, dport=2000) / b"hello"
SIX = IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=1000, dport=2000) / b"hello"


def pcap(linktype, *data, order="<"):
    head = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype)
    return head + b"".join(struct.pack(order + "IIII", 1, i, len(d), len(d)) + d for i, d in enumerate(data))


def at_wire(tmp_path, data, **options):
    """What the card saw, and the facts."""
    path, out = tmp_path / "in.pcap", tmp_path / "out.pcapng"
    path.write_bytes(data)
    result = replay([path], write=out, at=["wire"], cost="zero", **options)
    from scapy.utils import rdpcap

    return [bytes(p) for p in rdpcap(str(out))], result.facts


def carried(packet, *, dst=OURS, src=STRANGER):
    return bytes(Ether(dst=dst, src=src) / packet)


def wifi(packet, ds, **fields):
    """A data frame of a station (1), of an access point (2), between two stations (0) or access points (3)."""
    a = {"from": STATION, "to": OURS, "bss": "00:aa:aa:aa:aa:aa"}
    addresses = {
        0: {"addr1": a["to"], "addr2": a["from"], "addr3": a["bss"]},
        1: {"addr1": a["bss"], "addr2": a["from"], "addr3": a["to"]},
        2: {"addr1": a["to"], "addr2": a["bss"], "addr3": a["from"]},
        3: {"addr1": a["bss"], "addr2": a["bss"], "addr3": a["to"], "addr4": a["from"]},
    }[ds]
    layers = Dot11(type=2, FCfield=ds | fields.pop("flags", 0), **addresses, **fields)
    if fields.get("subtype") == 8:
        layers /= Dot11QoS()
    return layers / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP() / packet


ON_WIFI = carried(FOUR, src=STATION)
TO_ALL = IP(src="10.0.0.1", dst="255.255.255.255") / UDP() / b"x"
TO_GROUP = IP(src="10.0.0.1", dst="239.129.2.3") / UDP() / b"x"
TO_GROUP6 = IPv6(src="fd00::1", dst="ff02::1:ff00:2") / UDP() / b"x"
SLL = {"lladdrtype": 1, "lladdrlen": 6, "src": bytes.fromhex(STATION.replace(":", "")) + b"\0\0"}
CASES = {
    "raw IP": (101, bytes(FOUR), carried(FOUR)),
    "raw IP, 6": (101, bytes(SIX), carried(SIX)),
    "raw IP of BSD": (12, bytes(FOUR), carried(FOUR)),
    "raw IP of OpenBSD": (14, bytes(SIX), carried(SIX)),
    "IPv4": (228, bytes(FOUR), carried(FOUR)),
    "IPv6": (229, bytes(SIX), carried(SIX)),
    "IPv4 that is IPv6": (228, bytes(SIX), carried(SIX)),
    "IPv6 that is IPv4": (229, bytes(FOUR), None),
    "raw, neither": (101, b"\x10" + bytes(30), None),
    "raw, nothing": (101, b"", None),
    "raw, to all": (101, bytes(TO_ALL), carried(TO_ALL, dst="ff:ff:ff:ff:ff:ff")),
    "raw, to a group": (101, bytes(TO_GROUP), carried(TO_GROUP, dst="01:00:5e:01:02:03")),
    "raw, to a group, 6": (101, bytes(TO_GROUP6), carried(TO_GROUP6, dst="33:33:ff:00:00:02")),
    "loopback": (0, bytes(Loopback(type=2) / FOUR), carried(FOUR)),
    "loopback, of the other byte order": (0, struct.pack(">I", 30) + bytes(SIX), carried(SIX)),
    "loopback, IPv6 of FreeBSD": (0, struct.pack("<I", 28) + bytes(SIX), carried(SIX)),
    "loopback, OpenBSD": (108, struct.pack(">I", 24) + bytes(SIX), carried(SIX)),
    "loopback, another family": (0, struct.pack("<I", 7) + bytes(20), None),
    "loopback, cut": (0, b"\2\0", None),
    "PPP": (9, b"\x00\x21" + bytes(FOUR), carried(FOUR)),
    "PPP, address and control": (9, b"\xff\x03\x00\x57" + bytes(SIX), carried(SIX)),
    "PPP, short protocol": (50, b"\x21" + bytes(FOUR), carried(FOUR)),
    "PPP, control": (9, bytes(PPP() / PPP_LCP_Configure()), None),
    "PPPoE": (51, bytes(PPPoE(sessionid=5) / PPP(proto=0x21) / FOUR), carried(FOUR)),
    "PPPoE, discovery": (51, b"\x11\x09\0\0\0\0", None),
    "HDLC": (104, b"\x0f\x00\x08\x00" + bytes(FOUR), carried(FOUR)),
    "HDLC, keepalive": (104, b"\x8f\x00\x00\x02" + bytes(20), None),
    "cooked": (113, bytes(CookedLinux(pkttype=0, **SLL) / FOUR), carried(FOUR, src=STATION)),
    "cooked, to all": (113, bytes(CookedLinux(pkttype=1, **SLL) / FOUR), carried(FOUR, dst=ALL, src=STATION)),
    "cooked, another's": (113, bytes(CookedLinux(pkttype=3, **SLL) / FOUR), carried(FOUR, dst=STRANGER, src=STATION)),
    "cooked, sent": (113, bytes(CookedLinux(pkttype=4, **SLL) / FOUR), carried(FOUR, dst=STRANGER, src=STATION)),
    "cooked, sent to a group": (
        113, bytes(CookedLinux(pkttype=4, **SLL) / TO_GROUP), carried(TO_GROUP, dst=GROUP, src=STATION)
    ),
    "cooked, ARP": (113, bytes(CookedLinux(proto=0x806, **SLL) / ARP()), carried(ARP(), src=STATION)),
    "cooked, no address": (113, bytes(CookedLinux(lladdrtype=772, lladdrlen=0) / FOUR), carried(FOUR)),
    "cooked, netlink": (113, bytes(CookedLinux(lladdrtype=824, proto=0x800)) + bytes(40), None),
    "cooked, cut": (113, bytes(15), None),
    "cooked v2": (276, bytes(CookedLinuxV2(pkttype=0, proto=0x86DD, **SLL) / SIX), carried(SIX, src=STATION)),
    "cooked v2, sent": (
        276, bytes(CookedLinuxV2(pkttype=4, proto=0x800, **SLL) / FOUR), carried(FOUR, dst=STRANGER, src=STATION)
    ),
    **{f"802.11, {ds}": (105, bytes(wifi(FOUR, ds)), ON_WIFI) for ds in range(4)},
    "cooked, cut in its header": (113, bytes(CookedLinux(pkttype=0, proto=0x800, **SLL))[:15], None),
    "802.11, QoS": (105, bytes(wifi(FOUR, 2, subtype=8)), ON_WIFI),
    "802.11, IPv6": (105, bytes(wifi(SIX, 1)), carried(SIX, src=STATION)),
    "802.11, encrypted": (105, bytes(wifi(FOUR, 2, flags=0x40)), None),
    "802.11, a fragment": (105, bytes(wifi(FOUR, 2, SC=1))[:24] + bytes(30), None),
    "802.11, more fragments": (105, bytes(wifi(FOUR, 2, flags=4)), None),
    "802.11, no data": (105, bytes(wifi(FOUR, 2, subtype=4)), None),
    "802.11, beacon": (105, bytes(Dot11(type=0, subtype=8) / Dot11Beacon()), None),
    "radiotap": (127, bytes(RadioTap() / wifi(FOUR, 2)), ON_WIFI),
    "radiotap, FCS": (127, bytes(RadioTap(present="Flags", Flags="FCS") / wifi(FOUR, 2)) + b"FCS!", ON_WIFI),
    "radiotap, time and FCS": (
        127, bytes(RadioTap(present="TSFT+Flags", mac_timestamp=1, Flags="FCS") / wifi(FOUR, 2)) + b"FCS!", ON_WIFI
    ),
    "radiotap, two words of fields, FCS": (
        127, struct.pack("<BBHIIB", 0, 0, 13, 1 << 31 | 2, 0x20, 0x10) + bytes(wifi(FOUR, 2)) + b"FCS!", ON_WIFI
    ),
    "radiotap, cut": (127, b"\0\0\x08", None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_frame_of_another_link(tmp_path, name):
    linktype, data, wanted = CASES[name]
    seen, facts = at_wire(tmp_path, pcap(linktype, data))
    (link,) = facts["input"]["links"]
    if wanted is None:
        assert (link["carried"], link["aliens"]) == (0, 1)
        assert facts["ledger"]["fates"] == {"LINK_TYPE": 1}
    else:
        assert seen == [wanted]
        assert (link["linktype"], link["carried"], link["aliens"]) == (linktype, 1, 0)
        assert "LINK_TYPE" not in facts["ledger"]["fates"]


def test_other_host_frames_are_not_ours_if_the_card_has_an_address(tmp_path):
    data = pcap(113, *(bytes(CookedLinux(pkttype=kind, **SLL) / FOUR) for kind in (0, 3, 4)))
    facts = at_wire(tmp_path, data, mac="02:00:00:00:00:07")[1]
    assert facts["ledger"]["fates"] == {"DELIVERED_UDP": 1, "MAC_FILTER": 2}


def test_links_of_several_kinds_in_one_file(tmp_path):
    def block(kind, body):
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    def packet(interface, data):
        return block(6, struct.pack("<IIIII", interface, 0, 1, len(data), len(data)) + data + bytes(-len(data) % 4))

    data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    data += b"".join(block(1, struct.pack("<HHI", link, 0, 0)) for link in (113, 1, 189, 101))
    data += packet(0, bytes(CookedLinux(**SLL) / FOUR)) + packet(1, frames.udp(b"x")) + packet(2, b"usb" * 20)
    data += packet(3, bytes(SIX)) + packet(2, b"usb")
    seen, facts = at_wire(tmp_path, data)
    assert seen[0] == carried(FOUR, src=STATION)
    assert (seen[1], seen[3]) == (frames.udp(b"x"), carried(SIX))
    assert [(n["linktype"], n["carried"], n["aliens"]) for n in facts["input"]["links"]] == [
        (113, 1, 0), (189, 0, 2), (101, 1, 0)
    ]  # fmt: skip
    assert facts["ledger"]["fates"]["LINK_TYPE"] == 2


def test_a_cut_frame_stays_cut(tmp_path):
    whole = bytes(CookedLinux(**SLL) / FOUR)
    data = pcap(113) + struct.pack("<IIII", 1, 0, 40, len(whole)) + whole[:40]
    seen, facts = at_wire(tmp_path, data)
    assert seen == [carried(FOUR, src=STATION)[:38]]
    assert facts["input"]["cut"] == 1


def test_a_gso_frame_of_a_cooked_capture_is_cut_into_packets(tmp_path):
    from scapy.layers.inet import TCP

    big = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1, dport=2, flags="A") / bytes(30000)
    data = pcap(113, *[bytes(CookedLinux(**SLL) / big)] * 3)
    seen, facts = at_wire(tmp_path, data)
    assert facts["input"]["gso_frames"] == 3
    assert len(seen) == 63
    assert sum(len(f) - 54 for f in seen) == 90000


def test_a_link_that_holds_no_packets_is_refused_in_a_sentence(tmp_path):
    from vnic.errors import CaptureError

    with pytest.raises(CaptureError, match="link type 189: holds no packets that vnic knows how to find"):
        at_wire(tmp_path, pcap(189, b"usb"))


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("linktype", sorted({c[0] for c in CASES.values()}))
def test_tshark_finds_the_same_addresses(tmp_path, linktype):
    """Whatever tshark reads IP in, vnic carries; both say the same of it."""
    import subprocess

    data = [d for link, d, _ in CASES.values() if link == linktype and d]
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(linktype, *data))
    fields = ["-T", "fields", "-e", "ip.src", "-e", "ip.dst", "-e", "ipv6.src", "-e", "ipv6.dst"]
    said = subprocess.run(["tshark", "-r", path, *fields], capture_output=True, text=True, check=True, timeout=60)
    theirs = [line.split("\t") for line in said.stdout.splitlines() if line.strip()]
    ours = [f for f in at_wire(tmp_path, pcap(linktype, *data))[0] if f[12:14] in (b"\x08\0", b"\x86\xdd")]
    told = []
    for f in ours:
        p = Ether(f)
        told.append([p[IP].src, p[IP].dst, "", ""] if IP in p else ["", "", p[IPv6].src, p[IPv6].dst])
    assert told == theirs


def test_a_header_of_another_link_may_be_all_that_was_captured(tmp_path):
    seen, facts = at_wire(tmp_path, pcap(113, bytes(CookedLinux(pkttype=0, proto=0x800, **SLL))))
    assert seen == [bytes(Ether(dst=OURS, src=STATION, type=0x800))]
    (link,) = facts["input"]["links"]
    assert (link["carried"], link["aliens"]) == (1, 0)
