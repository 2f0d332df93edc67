"""The software flow hash: SipHash by its authors' vectors, equal both ways, by seed."""

import ipaddress

import frames
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from softnet_steps import flow_hash

import vnic
from vnic._core import ffi, lib

PORT = st.integers(0, 65535)
V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(str)
KIND = st.sampled_from([frames.tcp, frames.udp])


@pytest.fixture(scope="module")
def host():
    with vnic.Host(rx_pool=64, sockets=16, seed=1) as h:
        yield h


@given(
    kind=KIND,
    addresses=st.tuples(V4, V4) | st.tuples(V6, V6),
    ports=st.tuples(PORT, PORT),
    swap=st.booleans(),
)
def test_both_directions_hash_equal(host, kind, addresses, ports, swap):
    """Addresses and ports are sorted each by themselves, so either may be swapped."""
    (a, b), (p, q) = addresses, ports
    there = kind(src=a, dst=b, sport=p, dport=q)
    back = kind(src=b, dst=a, **({"sport": q, "dport": p} if swap else {"sport": p, "dport": q}))
    assert flow_hash(host, there) == flow_hash(host, back) != 0


@pytest.mark.parametrize(
    "other",
    [
        frames.tcp(sport=2),
        frames.tcp(dport=2),
        frames.tcp(src="10.0.0.9"),
        frames.tcp(dst="10.0.0.9"),
        frames.udp(sport=1000, dport=80),
        frames.tcp(src="::a00:1", dst="::a00:2"),
    ],
    ids=["source port", "destination port", "source", "destination", "protocol", "EtherType"],
)
def test_what_tells_flows_apart(host, other):
    assert flow_hash(host, other) != flow_hash(host, frames.tcp())


@pytest.mark.parametrize(
    "change",
    [{"id": 7}, {"ttl": 1}, {"tos": 4}, {"seq": 9}, {"flags": frames.FIN}, {"payload": b"x"},
     {"options": b"\1\1\1\0"}],
)  # fmt: skip
def test_what_does_not_tell_flows_apart(host, change):
    assert flow_hash(host, frames.tcp(**change)) == flow_hash(host, frames.tcp())


def test_fragments_of_a_datagram_stay_together(host):
    """No ports: all fragments hash alike, the first one too."""
    whole = [frames.udp(b"x" * 40, sport=s, frag=0x2000) for s in (1, 2)]
    rest = frames.eth(frames.ipv4(b"y" * 40, 17, frag=5))
    assert len({flow_hash(host, f) for f in (*whole, rest)}) == 1


def test_ip_options_move_the_ports(host):
    ports = [frames.udp(sport=s)[34:] for s in (1, 2)]
    a, b = (frames.eth(frames.ipv4(p, 17, options=b"\1" * 8)) for p in ports)
    assert flow_hash(host, a) != flow_hash(host, b)


@given(n=st.integers(0, 60), v=st.sampled_from([4, 6]))
def test_a_short_packet_is_not_read_past_its_end(host, n, v):
    address = {4: ("1.2.3.4", "5.6.7.8"), 6: ("::1", "::2")}[v]
    frame = frames.tcp(src=address[0], dst=address[1])[: 14 + n]
    whole = n >= (20 if v == 4 else 40)
    assert (flow_hash(host, frame) != flow_hash(host, frame[:14])) == whole  # else by its EtherType alone


ANY = {
    "ports": frames.tcp(), "a fragment": frames.udp(frag=0x2000), "no protocol with ports": frames.icmp(),
    "a flow label": frames.tcp(src="::1", dst="::2", flow=5), "no IP": frames.arp(),
}  # fmt: skip


@pytest.mark.parametrize("frame", ANY.values(), ids=ANY)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_two_vlan_tags_tell_flows_apart_and_no_more(host, frame, n):
    def hash_of(tags, tpids=(0x88A8,) * 4):
        tagged = b"".join(tpid.to_bytes(2, "big") + bytes([0, tag]) for tpid, tag in zip(tpids, tags, strict=False))
        return flow_hash(host, frame[:12] + tagged + frame[12:])

    tags = [1, 2, 3, 4][:n]
    for i in range(n):
        other = [9 if i == k else t for k, t in enumerate(tags)]
        assert (hash_of(other) == hash_of(tags)) == (i >= 2)
        tpids = [0x8100 if i == k else 0x88A8 for k in range(n)]
        assert (hash_of(tags, tpids) == hash_of(tags)) == (i >= 2)


def test_a_tag_that_is_cut_is_none(host):
    """Then the packet is of its own EtherType, which is the tag's."""
    head = bytes(12)
    cut = [{flow_hash(host, head + tpid + b"\0\7\x08"[:n]) for n in range(4)} for tpid in (b"\x81\0", b"\x88\xa8")]
    assert [len(hashes) for hashes in cut] == [1, 1]
    assert cut[0] != cut[1]
    whole = {flow_hash(host, head + b"\x81\0\0" + bytes([vid]) + b"\x12\x34") for vid in (7, 8)}
    assert len(whole | cut[0]) == 3


@given(seed=st.integers(1, 2**32), address=V4)
def test_another_seed_hashes_otherwise(seed, address):
    assume(ipaddress.ip_address(address) != ipaddress.ip_address("10.0.0.2"))
    frame = frames.udp(src=address)
    with vnic.Host(rx_pool=64, sockets=16, seed=0) as a:
        with vnic.Host(rx_pool=64, sockets=16, seed=seed) as b:
            assert flow_hash(a, frame) != flow_hash(b, frame)
        with vnic.Host(rx_pool=64, sockets=16, seed=0) as b:
            assert flow_hash(a, frame) == flow_hash(b, frame)


def test_the_cards_hash_is_used_as_it_is(host):
    skb = ffi.new("struct sk_buff *", {"hash": 0xABCD, "hash_report": lib.HASH_UDPV4})
    assert lib.skb_get_hash(host.machine.c, skb) == 0xABCD
