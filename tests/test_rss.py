"""RSS: Microsoft's vectors, a bit-by-bit model, what is hashed of which packet, and the indirection table."""

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model import rss as model

from vnic._core import ffi, lib

VECTORS = [  # the verification suite of "RSS hashing types"
    ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178),
    ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xD718262A, 0xC626B0EA),
    ("24.19.198.95", 12898, "12.22.207.184", 38024, 0xD2D0A5DE, 0x5C2B394A),
    ("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xAFC7327F),
    ("153.39.163.191", 44251, "202.188.127.2", 1303, 0x5D1809C5, 0x10E828A2),
    ("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2CC18CD5, 0x40207D3D),
    ("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0F0C461C, 0xDDE51BBF),
    ("3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4B61E985, 0x02D1FEEF),
]
V4 = {"src": "10.1.2.3", "dst": "10.4.5.6"}
V6 = {"src": "fd00::1:2", "dst": "fd00::3:4"}
v4 = st.ip_addresses(v=4).map(str)
v6 = st.ip_addresses(v=6).map(str)
ports = st.integers(0, 65535)


def card(key: bytes = model.KEY, *, udp_ports: int = 1, enabled: int = 1):
    r = ffi.new("struct rss *", {"udp_ports": udp_ports, "enabled": enabled})
    lib.rss_set_key(r, key, len(key))
    for i in range(lib.RSS_INDIR_SIZE):
        r.indir[i] = i
    return r


def parse(raw: bytes):
    f = ffi.new("struct frame *", {"data": ffi.from_buffer(raw), "len": len(raw)})
    lib.frame_parse(f)
    return f


def rss(raw: bytes, r=None) -> tuple[int, int]:
    f = parse(raw)
    lib.rss_frame(r or card(), f)
    assert f.queue == f.hash & 127
    return f.hash, f.hash_report


@pytest.mark.parametrize("src, sport, dst, dport, addresses, with_ports", VECTORS)
def test_microsofts_vectors(src, sport, dst, dport, addresses, with_ports):
    four = {"src": src, "dst": dst, "sport": sport, "dport": dport}
    assert rss(frames.tcp(**four))[0] == rss(frames.udp(**four))[0] == with_ports
    if ":" in src:
        other = frames.eth(frames.ipv6(bytes(20), 59, src=src, dst=dst), type=0x86DD)
    else:
        other = frames.eth(frames.ipv4(bytes(20), 47, src=src, dst=dst))
    assert rss(other)[0] == addresses


@given(
    st.tuples(v4, v4) | st.tuples(v6, v6),
    ports,
    ports,
    st.sampled_from([6, 17]),
    st.binary(min_size=40, max_size=52).filter(lambda k: len(k) in (40, 52)) | st.just(model.KEY),
    st.booleans(),
)
def test_any_flow_hashes_as_the_model_says(addresses, sport, dport, proto, key, udp_ports):
    src, dst = addresses
    build = frames.tcp if proto == 6 else frames.udp
    raw = build(src=src, dst=dst, sport=sport, dport=dport)
    hashed = proto if proto == 6 or udp_ports else None
    assert rss(raw, card(key, udp_ports=udp_ports)) == model.rss(src, dst, hashed, sport, dport, key)


def fragment6(offset_and_more: int) -> bytes:
    head = bytes([17, 0]) + offset_and_more.to_bytes(2, "big") + b"\0\0\0\7"
    return frames.eth(frames.ipv6(head + bytes(64), 44, **V6), type=0x86DD)


UDP4 = frames.ipv4(bytes(40), 17, **V4)
HOP_BY_HOP = bytes([6, 0, 1, 4, 0, 0, 0, 0])  # PadN, then TCP
SEGMENT = frames.tcp(sport=7, dport=9, **V6)[54:]


@pytest.mark.parametrize(
    "raw, expected",
    [
        pytest.param(frames.udp(frag=0x2000, **V4), model.rss(**V4), id="first fragment"),
        pytest.param(frames.udp(frag=0x0010, **V4), model.rss(**V4), id="later fragment"),
        pytest.param(fragment6(1), model.rss(**V6), id="first IPv6 fragment"),
        pytest.param(fragment6(64 << 3), model.rss(**V6), id="later IPv6 fragment"),
        pytest.param(frames.icmp(**V4), model.rss(**V4), id="ICMP"),
        pytest.param(frames.tcp(sport=7, dport=9, options=bytes(8), **V4), model.rss(**V4, proto=6, sport=7, dport=9),
                     id="TCP options"),
        pytest.param(frames.tcp(sport=7, dport=9, mac={"vlan": 100}, **V4), model.rss(**V4, proto=6, sport=7, dport=9),
                     id="VLAN tag"),
        pytest.param(frames.eth(b"\0\1\x81\0\0\5" + frames.tcp(sport=7, dport=9, **V4)[12:], type=0x88A8),
                     model.rss(**V4, proto=6, sport=7, dport=9), id="two VLAN tags"),
        pytest.param(frames.eth(frames.ipv6(HOP_BY_HOP + SEGMENT, 0, **V6), type=0x86DD),
                     model.rss(**V6, proto=6, sport=7, dport=9), id="hop-by-hop options before TCP"),
        pytest.param(frames.arp(), (0, 0), id="ARP"),
        pytest.param(frames.eth(b"\x60" + UDP4[1:]), (0, 0), id="EtherType IPv4, version 6"),
        pytest.param(frames.eth(UDP4[:19]), (0, 0), id="IP header cut"),
        pytest.param(frames.udp(**V4)[:36], model.rss(**V4), id="UDP header cut"),
        pytest.param(frames.udp(total=1000, **V4), model.rss(**V4), id="longer than the frame"),
    ],
)  # fmt: skip
def test_what_is_hashed(raw, expected):
    assert rss(raw) == expected


def test_a_flow_and_its_fragments_share_a_queue_when_udp_ports_are_not_hashed():
    r = card(udp_ports=0)
    assert rss(frames.udp(**V4), r)[0] == rss(frames.udp(frag=0x2000, **V4), r)[0]
    assert rss(frames.udp(**V4), r)[0] != rss(frames.tcp(**V4), r)[0]


@given(st.binary(min_size=14, max_size=120), st.sampled_from([b"\x08\0E", b"\x86\xdd`", b"\x81\0\0\1\x08\0F", b""]))
def test_what_the_parser_points_at_is_inside_the_frame(raw, start):
    raw = raw[:12] + start + raw[12 + len(start) :] if len(raw) > 20 else raw
    f = parse(raw)
    if f.flags & lib.FRAME_L4:
        assert f.l3_off + 20 <= f.l4_off
        assert f.l4_off + f.l4_len <= len(raw)
        assert f.l4_len >= {6: 20, 17: 8}[f.ip_proto]
    if f.l3:
        assert f.l3_off + {4: 20, 6: 40}[f.l3] <= len(raw)


@pytest.mark.parametrize("queues", [1, 3, 4, 16])
def test_each_flow_goes_where_the_indirection_table_says(host, queues):
    h = host(queues=queues, rx_ring=16, rx_pool=64)
    expected = [0] * queues
    for port in range(200):
        expected[(model.rss(**V4, proto=17, sport=port, dport=5000)[0] & 127) % queues] += 1
        h.feed(frames.udp(sport=port, **V4))
        h.run()
    assert [q.packets for q in h.nic.queues()] == expected


def test_the_table_can_send_everything_to_one_queue(host):
    h = host(queues=4)
    for i in range(lib.RSS_INDIR_SIZE):
        h.c.nic.rss.indir[i] = 2
    h.feed([frames.udp(sport=p) for p in range(40)] + [frames.arp()])
    h.run()
    assert [q.packets for q in h.nic.queues()] == [0, 0, 41, 0]


def test_what_is_not_ip_goes_where_entry_0_points(host):
    h = host(queues=4)
    h.c.nic.rss.indir[0] = 3
    h.feed(frames.arp())
    h.run()
    assert [q.packets for q in h.nic.queues()] == [0, 0, 0, 1]


def test_without_rxhash_there_is_no_hash(host):
    h = host(queues=4, rxhash=False)
    h.feed([frames.udp(sport=p) for p in range(40)])
    h.run()
    assert [q.packets for q in h.nic.queues()] == [40, 0, 0, 0]
    assert rss(frames.udp(), card(enabled=0)) == (0, 0)
