"""Reassembly of IPv6: random fragments against a plain model and the running kernel; the headers around the data."""

import socket
import struct
from random import Random

import fragments
import frames
import peer
import pytest
from fragments import PORT, check, cut, datagram, drain, frame
from hypothesis import given
from hypothesis import strategies as st
from kernel_frag import IFA_F_NODAD, KernelFrag, compare, until_local
from model.inet_fragment import Reassembler
from pyroute2 import IPRoute

import vnic
from vnic._core import ffi

TEXT = bytes(range(200))
MS = 1_000_000
HOPOPTS, ROUTING, FRAGMENT, NONE, DSTOPTS, UDP = 0, 43, 44, 59, 60, 17
PAD = b"\x01\x04" + bytes(4)


def feed(host, *packets):
    """IPv6 packets, or fragments, all at once; a moment passes, not the time that fragments wait."""
    made = [frames.eth(p, type=0x86DD) if isinstance(p, bytes) else frame(p) for p in packets]
    host.feed(made, at_ns=host.now_ns)
    host.run(until_ns=host.now_ns + MS)


def packet(*headers, data, upper=UDP, **ip):
    """An IPv6 packet: (type, body without the next header) of each header in turn, then data."""
    types = [kind for kind, _ in headers] + [upper]
    chain = b"".join(bytes([types[i + 1]]) + body for i, (_, body) in enumerate(headers))
    return frames.ipv6(chain + data, types[0], **ip)


def options(kind, body=PAD):
    """A header of options, or for routing."""
    return kind, bytes([len(body) // 8]) + body


def fragment(offset, more, id=1):
    """A fragment header."""
    return FRAGMENT, struct.pack("!BHI", 0, offset | more, id)


@given(st.integers(0, 2**32), st.sampled_from((2048, 2048, 1000, 300)), st.booleans())
def test_any_fragments_end_as_in_the_model(seed, buf_len, gro):
    batch = fragments.batch(Random(seed), 6, 10)
    check(Reassembler(6), batch, rx_buf_len=buf_len, gro=gro, rx_ring=4096)


@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_any_fragments_end_as_in_the_running_kernel():
    compare(6, range(100))


@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_the_running_kernel_takes_frames_to_an_ipv6_address_that_was_just_added():
    """Else the first fragment of a test here is lost, and nothing waits in the kernel."""
    rtm_newaddr, request_create_excl, ifa_local = 20, 0x601, 2
    with KernelFrag() as kernel, IPRoute() as ipr, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::", PORT + 1))
        index = ipr.link_lookup(ifname="kf0")[0]
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:  # IPRoute takes long
            for i in range(16, 48):
                body = struct.pack("=BBBBIHH", socket.AF_INET6, 64, IFA_F_NODAD, 0, index, 20, ifa_local)
                body += socket.inet_pton(socket.AF_INET6, address := f"fd00::{i:x}")
                made = frames.udp(TEXT, src="fd00::1", dst=address, dport=PORT + 1)
                netlink.send(struct.pack("=IHHII", 16 + len(body), rtm_newaddr, request_create_excl, 0, 0) + body)
                until_local(ipr, address)
                kernel.deliver([made])
                assert sock.recv(1000, socket.MSG_DONTWAIT) == TEXT, address


@pytest.mark.parametrize("rx_buf_len", [2048, 128])
def test_headers_before_the_fragment_header_are_the_firsts_and_it_is_cut_out(host, rx_buf_len):
    h = host(rx_buf_len=rx_buf_len, gro=False)
    sock = h.udp(PORT)
    data = datagram(6, TEXT)
    before = options(HOPOPTS), options(ROUTING, bytes(6))
    feed(
        h,
        packet(options(HOPOPTS), fragment(64, 0), data=data[64:], hops=9),
        packet(*before, fragment(0, 1), data=data[:64], hops=33),
    )
    if rx_buf_len == 2048:
        skb = sock._c.head
        at = skb.pool.base + skb.id * skb.pool.stride
        whole = packet(*before, data=data, hops=33)
        assert bytes(ffi.buffer(at + skb.network_header, 56)) == whole[:56]
        assert bytes(ffi.buffer(at + skb.mac_header, 14)) == frames.eth(b"", type=0x86DD)
    assert drain(sock) == [TEXT]


@pytest.mark.parametrize("at", [0, 1])
def test_headers_behind_it_are_looked_at_when_all_is_there(host, at):
    """The first fragment has to have them all (RFC 7112), the last may be bad for all that."""
    data = packet(options(DSTOPTS, b"\x1e\x0c" + bytes(12)), data=datagram(6, TEXT))[40:]
    bad = packet(options(DSTOPTS, b"\x7f\x0c" + bytes(12)), data=datagram(6, TEXT))[40:]
    h = host()
    sock = h.udp(PORT)
    parts = cut(6, (data, bad)[at], (64, 128), proto=DSTOPTS)
    feed(h, *parts)
    assert drain(sock) == [[TEXT], []][at]
    assert h.ledger().fates == {("DELIVERED_UDP", "UNHANDLED_PROTO")[at]: 3}


def test_what_is_behind_it_is_what_the_first_fragment_says(host):
    h = host()
    sock = h.udp(PORT)
    first, second = cut(6, datagram(6, TEXT), (64,))
    feed(h, first, fragments.replace(second, proto=6))
    feed(h, fragments.replace(second, proto=6), first)
    assert drain(sock) == [TEXT, TEXT]


def test_one_that_is_all_there_is_waits_for_nothing(host):
    """RFC 6946, and the same id waits in a queue of others."""
    h = host()
    sock = h.udp(PORT)
    first, second = cut(6, datagram(6, TEXT), (64,))
    feed(h, first, packet(options(HOPOPTS), fragment(0, 0), data=datagram(6, b"atomic")), second)
    assert drain(sock) == [b"atomic", TEXT]
    assert h.mib()["Ip6_ReasmReqds"] == 3
    assert h.mib()["Ip6_ReasmOKs"] == 2


@pytest.mark.parametrize("outer", ["atomic", "whole"])
def test_fragments_of_fragments_are_bad(host, outer):
    h = host()
    h.udp(PORT)
    inner = packet(fragment(0, 0), data=datagram(6, TEXT))[40:]
    if outer == "atomic":
        feed(h, packet(fragment(0, 0), data=inner, upper=FRAGMENT))
    else:
        feed(h, *cut(6, inner, (64,), proto=FRAGMENT))
    assert h.ledger().fates == {"IPV6_BAD_EXTHDR": 1 + (outer == "whole")}
    assert h.mib()["Ip6_InHdrErrors"] == 1


def test_neither_in_a_jumbogram_nor_cut_off(host):
    h = host(fifo=1 << 20)
    jumbo = b"\xc2\x04\0\1\0\0"
    feed(h, packet(options(HOPOPTS, jumbo), fragment(0, 1), data=bytes(70000), length=0))
    feed(h, packet(options(HOPOPTS), (FRAGMENT, bytes(6)), data=b""))
    assert h.ledger().fates == {"IPV6_BAD_EXTHDR": 2}


def cuts_of_a_first_fragment():
    """First fragments and the headers behind theirs: (upper, bytes, where the transport's begins, where it ends)."""
    for upper, size in ((UDP, 8), (6, 20), (58, 8), (253, 1), (NONE, 0)):
        headers = b"" if upper == UDP else packet(options(DSTOPTS), (51, b"\1" + bytes(10)), data=b"", upper=upper)[40:]
        yield (DSTOPTS if headers else upper), headers + bytes(40), len(headers), len(headers) + size


@pytest.mark.parametrize(("proto", "data", "begins", "size"), [*cuts_of_a_first_fragment()])
def test_the_first_must_have_the_transports_header(host, proto, data, begins, size):
    for end in range(8, 41, 8):
        h = host()
        feed(h, packet(fragment(0, 1, id=end), data=data[:end], upper=proto))
        waits = not h.ledger().fates
        assert waits or h.ledger().fates == {"IPV6_BAD_EXTHDR": 1}
        if end >= size:
            assert waits
        elif end >= begins:
            assert not waits


@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_the_running_kernel_refuses_the_same_first_fragments():
    with KernelFrag() as kernel, vnic.Host(cost="zero", link="inf") as host:
        for proto, data, *_ in cuts_of_a_first_fragment():
            for end in range(8, 41, 8):
                first = frames.eth(
                    packet(fragment(0, 1, id=end * 256 + proto), data=data[:end], upper=proto), type=0x86DD
                )
                kernel.deliver([first])
                host.feed(first, at_ns=host.now_ns)
                host.run(until_ns=host.now_ns + MS)
                assert fragments.queues(host, 6) == kernel.queues()[1], (proto, end)


def test_a_wrong_length_costs_only_the_fragment(host):
    """Linux 6.18 answers (parameter problem), and the others may become whole."""
    h = host()
    sock = h.udp(PORT)
    first, second = cut(6, datagram(6, TEXT), (64,))
    odd = fragments.replace(first, offset=64, data=bytes(9))
    far = fragments.replace(second, offset=65528, data=bytes(8))
    feed(h, odd, first, far, second)
    assert drain(sock) == [TEXT]
    assert h.ledger().fates == {"FRAG_LENGTH": 1, "PKT_TOO_BIG": 1, "DELIVERED_UDP": 2}
    assert h.mib()["Ip6_InHdrErrors"] == 2
    assert h.mib()["Ip6_ReasmFails"] == 0


def test_the_sender_hears_what_is_wrong_and_where(host):
    """Parameter problem: code 0 and the field, or code 3 for headers that are missing."""
    h = host(ip="fd00::2/64", fifo=1 << 20)
    h.feed(peer.nd(135, "fd00::2", src="fd00::1", dst="fd00::2"))
    first = cut(6, datagram(6, TEXT), (64,))[0]
    odd = frame(fragments.replace(first, offset=64, data=bytes(9)))
    far = packet(options(HOPOPTS), fragment(65528, 0), data=bytes(8))
    short = frame(fragments.replace(first, data=b"7 bytes"))
    twice = packet(options(HOPOPTS), (FRAGMENT, bytes(6)), data=b"")
    packets = [odd[14:], far, short[14:], twice]
    for p in packets:
        h.feed(frames.eth(p, type=0x86DD), gap_ns=10**9)
    h.run(until_ns=20 * 10**9)
    errors = [s.payload for s in peer.sent(h) if s.proto == 58 and s.payload[0] == 4]
    where = [(0, 4), (0, 40 + 8 + 2), (3, 0), (0, 40 + 8)]
    assert [(e[1], int.from_bytes(e[4:8])) for e in errors] == where
    assert [e[8:] for e in errors] == packets
    assert h.mib()["Icmp6_OutParmProblems"] == 4


@pytest.mark.parametrize("more_headers", [False, True])
def test_65535_bytes_of_payload_are_not_too_big_and_more_are(host, more_headers):
    h = host(rx_ring=1024)
    sock = h.udp(PORT)
    data = datagram(6, fragments.DATA[:65527])
    before = [options(HOPOPTS)] if more_headers else []
    feed(h, packet(*before, fragment(0, 1), data=data[:32768]), packet(fragment(32768, 0), data=data[32768:]))
    assert len(drain(sock)) == (not more_headers)
    assert h.ledger().fates == {"PKT_TOO_BIG" if more_headers else "DELIVERED_UDP": 2}


@pytest.mark.parametrize("seen", range(1, 16))
def test_ecn_of_the_fragments_together(host, seen):
    fields = [i for i in range(4) if seen >> i & 1]
    parts = cut(6, datagram(6, TEXT), (64, 128, 192))
    parts = [fragments.replace(f, ecn=fields[min(i, len(fields) - 1)]) for i, f in enumerate(parts)]
    h = host()
    sock = h.udp(PORT)
    feed(h, *parts)
    if seen & 1 and seen > 1:
        assert h.ledger().fates == {"FRAG_ECN": 4}
    else:
        skb = sock._c.head
        at = skb.pool.base + skb.id * skb.pool.stride + skb.network_header
        assert at[1] >> 4 & 3 == fields[0] | (3 if 3 in fields else 0)
        assert h.ledger().fates == {"DELIVERED_UDP": 4}


@pytest.mark.parametrize("change", [{"id": 2}, {"src": "fd00::9"}, {"dst": "fd00::3"}])
def test_fragments_that_differ_in_the_key_are_of_two_datagrams(host, change):
    h = host()
    first, second = cut(6, datagram(6, TEXT), (64,))
    feed(h, first, fragments.replace(second, **change))
    assert h.ledger().in_flight_at["frag"] == 2


def test_there_is_no_maximal_distance(host):
    h = host()
    sock = h.udp(PORT)
    first, second = cut(6, datagram(6, TEXT), (64,))
    feed(h, first, *(fragments.replace(first, id=1000 + i) for i in range(100)), second)
    assert drain(sock) == [TEXT]
