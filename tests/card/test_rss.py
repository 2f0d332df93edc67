"""RSS: Microsoft's vectors, a bit-by-bit model, what is hashed of which packet, and the indirection table."""

import hashlib
import os
import subprocess
import sys

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model import rss as model
from parsed import parse

import vnic
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


BITS = {"s": lib.RSS_IP_SRC, "d": lib.RSS_IP_DST, "f": lib.RSS_L4_SRC, "n": lib.RSS_L4_DST}


def set_fields(r, hash_type: int, fields: str) -> None:
    lib.rss_set_fields(r, hash_type, sum(BITS[letter] for letter in fields))


def card(key: bytes = model.KEY, *, udp: str = "sdfn", tcp: str = "sdfn", symmetric: int = 0, enabled: int = 1):
    r = ffi.new("struct rss *", {"enabled": enabled})
    lib.rss_set_key(r, key, len(key))
    for hash_type in (lib.HASH_UDPV4, lib.HASH_UDPV6):
        set_fields(r, hash_type, udp)
    for hash_type in (lib.HASH_TCPV4, lib.HASH_TCPV6):
        set_fields(r, hash_type, tcp)
    lib.rss_set_symmetric(r, symmetric)
    for i in range(lib.RSS_INDIR_SIZE):
        r.indir[i] = i
    return r


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
        others = [frames.eth(frames.ipv6(b"\xa5" * 40, p, src=src, dst=dst), type=0x86DD) for p in (58, 59, 132)]
    else:
        others = [frames.eth(frames.ipv4(b"\xa5" * 40, p, src=src, dst=dst)) for p in (1, 47, 132)]
    assert {rss(other)[0] for other in others} == {addresses}  # what is where ports would be is none


@given(
    st.tuples(v4, v4) | st.tuples(v6, v6),
    ports,
    ports,
    st.sampled_from([6, 17]),
    st.binary(min_size=40, max_size=52).filter(lambda k: len(k) in (40, 52)) | st.just(model.KEY),
    st.sets(st.sampled_from("sdfn"), min_size=1).map("".join) | st.just("sdfn"),
    st.booleans(),
)
def test_any_flow_hashes_as_the_model_says(addresses, sport, dport, proto, key, fields, symmetric):
    src, dst = addresses
    build, of = (frames.tcp, "tcp") if proto == 6 else (frames.udp, "udp")
    raw = build(src=src, dst=dst, sport=sport, dport=dport)
    expected = model.rss(src, dst, proto, sport, dport, key, fields=fields, symmetric=symmetric)
    assert rss(raw, card(key, symmetric=symmetric, **{of: fields})) == expected


@given(st.tuples(v4, v4) | st.tuples(v6, v6), ports, ports, st.sampled_from(["sdfn", "sd", "fn"]))
def test_a_symmetric_hash_is_the_same_in_both_directions(addresses, sport, dport, fields):
    (src, dst), r = addresses, card(tcp=fields, symmetric=1)
    there = rss(frames.tcp(src=src, dst=dst, sport=sport, dport=dport), r)
    assert there == rss(frames.tcp(src=dst, dst=src, sport=dport, dport=sport), r)


def test_a_symmetric_hash_by_numbers():
    src, sport, dst, dport = VECTORS[0][:4]
    assert rss(frames.tcp(src=src, dst=dst, sport=sport, dport=dport), card(symmetric=1))[0] == 0xAC2B58CA


def test_a_fragment_of_a_symmetric_flow_hashes_its_addresses_symmetrically():
    r = card(symmetric=1)
    assert rss(frames.udp(frag=0x2000, **V4), r) == model.rss(**V4, symmetric=True)
    assert rss(frames.arp(), r) == (0, 0)


def test_only_what_changes_a_hash_keeps_the_card_from_its_quick_way():
    r = card()
    assert not r.shaped
    for change, back in (("sd", "sdfn"), ("s", "sdfn")):
        set_fields(r, lib.HASH_UDPV6, change)
        assert r.shaped
        set_fields(r, lib.HASH_UDPV6, back)
        assert not r.shaped
    lib.rss_set_symmetric(r, 1)
    assert r.shaped


def test_everything_a_hash_depends_on_has_an_id_of_its_own():
    r = card()
    seen = [lib.rss_key_id(r)]
    for change in (
        lambda: lib.rss_set_key(r, bytes(40), 40),
        lambda: set_fields(r, lib.HASH_TCPV4, "sd"),
        lambda: set_fields(r, lib.HASH_TCPV6, "s"),
        lambda: set_fields(r, lib.HASH_TCPV4, "sdfn"),
        lambda: lib.rss_set_symmetric(r, 1),
        lambda: setattr(r, "enabled", 0),
        lambda: lib.rss_set_symmetric(r, 0),
    ):
        change()
        seen.append(lib.rss_key_id(r))
    assert len(set(seen)) == len(seen)


def vectors_digest() -> str:
    """All vectors after each of some changes of key, fields and transformation, in bursts. A child prints it."""
    out = hashlib.sha256()
    r = card()
    raws = []
    for src, sport, dst, dport, _, _ in VECTORS:
        raws += [build(src=src, dst=dst, sport=sport, dport=dport) for build in (frames.tcp, frames.udp)]
    for key, tcp, symmetric in (
        (model.KEY, "sdfn", 0), (bytes(range(52)), "sdfn", 0), (model.KEY, "sdfn", 1), (model.KEY, "dn", 0),
        (model.KEY, "sd", 1), (model.KEY, "sdfn", 0),
    ):  # fmt: skip
        lib.rss_set_key(r, key, len(key))
        for hash_type in (lib.HASH_TCPV4, lib.HASH_TCPV6):
            set_fields(r, hash_type, tcp)
        lib.rss_set_symmetric(r, symmetric)
        for n in (1, 3, 4, len(raws)):
            f = ffi.new("struct frame[]", len(raws))
            kept = [ffi.from_buffer(raw) for raw in raws]
            for i, raw in enumerate(kept):
                f[i].data, f[i].len = raw, len(raws[i])
                lib.frame_parse(f + i)
            for i in range(0, len(raws), n):
                lib.rss_burst(r, f + i, min(n, len(raws) - i))
            for i, (src, sport, dst, dport, addresses, with_ports) in enumerate(VECTORS):
                for j, proto in enumerate((6, 17)):
                    got = f[2 * i + j].hash, f[2 * i + j].hash_report
                    fields = tcp if proto == 6 else "sdfn"
                    assert got == model.rss(
                        src, dst, proto, sport, dport, key, fields=fields, symmetric=bool(symmetric)
                    )
                    if key == model.KEY and fields == "sdfn" and not symmetric:
                        assert got[0] == with_ports
                    if key == model.KEY and fields == "sd" and not symmetric:
                        assert got[0] == addresses
                    out.update(bytes(str(got), "ascii"))
    return out.hexdigest()


@pytest.mark.parametrize("isa", ["generic", "avx2", None])
def test_the_vectors_on_every_instruction_set_and_after_changes(isa):
    env = {k: v for k, v in os.environ.items() if k != "VNIC_ISA"} | ({"VNIC_ISA": isa} if isa else {})
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    code = "import test_rss; print(test_rss.vectors_digest())"
    child = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == vectors_digest()


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
    r = card(udp="sd")
    assert rss(frames.udp(**V4), r)[0] == rss(frames.udp(frag=0x2000, **V4), r)[0]
    assert rss(frames.udp(**V4), r)[0] != rss(frames.tcp(**V4), r)[0]


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
        h.machine.c.nic.rss.indir[i] = 2
    h.feed([frames.udp(sport=p) for p in range(40)] + [frames.arp()])
    h.run()
    assert [q.packets for q in h.nic.queues()] == [0, 0, 41, 0]


def test_what_is_not_ip_goes_where_entry_0_points(host):
    h = host(queues=4)
    h.machine.c.nic.rss.indir[0] = 3
    h.feed(frames.arp())
    h.run()
    assert [q.packets for q in h.nic.queues()] == [0, 0, 0, 1]


def test_without_rxhash_there_is_no_hash(host):
    h = host(queues=4, rxhash=False)
    h.feed([frames.udp(sport=p) for p in range(40)])
    h.run()
    assert [q.packets for q in h.nic.queues()] == [40, 0, 0, 0]
    assert rss(frames.udp(), card(enabled=0)) == (0, 0)


@given(st.binary(min_size=1, max_size=lib.RSS_KEY_SIZE))
def test_another_key_changes_nothing_beside_it_in_the_card(key):
    """Its tables lie in the middle of the card's state."""
    with vnic.Host(sockets=16) as host:
        nic, rss = ffi.addressof(host.machine.c.nic), ffi.addressof(host.machine.c.nic.rss)
        at, end = (int(ffi.cast("uintptr_t", rss + i)) - int(ffi.cast("uintptr_t", nic)) for i in (0, 1))
        behind = ffi.buffer(nic, ffi.sizeof("struct nic"))[end : end + 8]
        ffi.buffer(nic, ffi.sizeof("struct nic"))[end : end + 8] = b"\xa5" * 8
        before = bytes(ffi.buffer(nic))
        lib.rss_set_key(rss, key, len(key))
        after = bytes(ffi.buffer(nic))
        ffi.buffer(nic)[end : end + 8] = behind
        assert (after[:at], after[end:]) == (before[:at], before[end:])
