"""Reassembly of IPv4: random fragments against a plain model and the running kernel; its key, header, ECN, distance."""

from random import Random

import fragments
import frames
import pytest
from fragments import PORT, TEXT, check, cut, datagram, drain, feed, frame
from hypothesis import given
from hypothesis import strategies as st
from kernel_frag import compare
from model.inet_fragment import Reassembler

from vnic._core import ffi


def thirds(id=1, **more):
    """A datagram of 208 bytes in three fragments."""
    return cut(4, datagram(4, TEXT, src=more.get("src")), (64, 128), id=id, **more)


def header(sock):
    """The IP header of the datagram at the head of a socket's queue, as it lies in its buffer."""
    skb = sock._c.head
    at = skb.pool.base + skb.id * skb.pool.stride + skb.network_header
    return bytes(ffi.buffer(at, (at[0] & 15) * 4))


@given(st.integers(0, 2**32), st.sampled_from((2048, 2048, 1000, 300)), st.booleans())
def test_any_fragments_end_as_in_the_model(seed, buf_len, gro):
    batch = fragments.batch(Random(seed), 4, 10)
    check(Reassembler(4), batch, rx_buf_len=buf_len, gro=gro, rx_ring=4096)


@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_any_fragments_end_as_in_the_running_kernel():
    compare(4, range(100))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"id": 2}, id="id"),
        pytest.param({"src": "10.0.0.9"}, id="source"),
        pytest.param({"proto": 1}, id="protocol"),
    ],
)
def test_fragments_that_differ_in_the_key_are_of_two_datagrams(host, other):
    h = host()
    sock = h.udp(PORT)
    feed(h, *thirds()[:2], *thirds(**other)[2:])
    assert drain(sock) == []
    assert h.ledger().in_flight_at["frag"] == 3


def test_the_destination_is_in_the_key_too(host):
    h = host()
    first, second = cut(4, datagram(4, TEXT), (64,))
    feed(h, first, fragments.replace(second, dst="10.0.0.3"))
    assert h.ledger().in_flight_at["frag"] == 2


def test_the_whole_has_the_first_fragments_header_made_right(host):
    h = host()
    sock = h.udp(PORT)
    data = datagram(4, TEXT)
    options = b"\x94\x04\0\0"  # router alert: in the first only
    feed(
        h,
        frames.eth(frames.ipv4(data[64:], 17, id=7, frag=8, ttl=9)),
        frames.eth(frames.ipv4(data[:64], 17, id=7, frag=0x2000, ttl=33, options=options)),
    )
    want = frames.ipv4(data, 17, id=7, frag=0, ttl=33, options=options)[:24]
    assert header(sock) == want
    assert drain(sock) == [TEXT]


@pytest.mark.parametrize("seen", range(1, 16))
def test_ecn_of_the_fragments_together(host, seen):
    """RFC 3168 section 5.3: Not-ECT and another one contradict each other; CE is kept."""
    fields = [i for i in range(4) if seen >> i & 1]
    parts = cut(4, datagram(4, TEXT), (64, 128, 192))
    parts = [fragments.replace(f, ecn=fields[min(i, len(fields) - 1)]) for i, f in enumerate(parts)]
    h = host()
    sock = h.udp(PORT)
    feed(h, *parts)
    if seen & 1 and seen > 1:
        assert h.ledger().fates == {"FRAG_ECN": 4}
        assert h.mib()["Ip_ReasmFails"] == 1
    else:
        assert header(sock)[1] == fields[0] | (3 if 3 in fields else 0)
        assert h.ledger().fates == {"DELIVERED_UDP": 4}


def test_a_fragment_is_cut_to_a_multiple_of_8(host):
    h = host()
    sock = h.udp(PORT)
    first, second, third = thirds()
    feed(h, fragments.replace(first, data=first.data + b"1234567"), second, third)
    assert drain(sock) == [TEXT]


def test_padding_of_a_fragment_is_no_data(host):
    h = host()
    sock = h.udp(PORT)
    first, second = cut(4, datagram(4, b"x" * 9), (8,))
    feed(h, frame(second) + bytes(15), frame(first) + bytes(15))
    assert drain(sock) == [b"x" * 9]


def test_65535_bytes_are_not_too_big_and_one_more_is(host):
    for size, fates in ((65507, {"DELIVERED_UDP": 2}), (65508, {"PKT_TOO_BIG": 2})):
        h = host(rx_ring=1024)
        sock = h.udp(PORT)
        feed(h, *cut(4, datagram(4, fragments.DATA[:size]), (32768,)))
        assert h.ledger().fates == fates
        assert [len(d) for d in drain(sock)] == [size] * ("DELIVERED_UDP" in fates)


@pytest.mark.parametrize("between", [63, 64])
def test_what_waits_is_given_up_when_its_sender_sent_64_others_since(host, between):
    """More than ipfrag_max_dist fragments of one sender between two of a datagram: the datagram begins anew."""
    h = host()
    sock = h.udp(PORT)
    one = thirds()
    others = [frame(f) for i in range(between) for f in thirds(id=1000 + i)[:1]]
    feed(h, one[0], *others, *one[1:])
    if between < 64:
        assert drain(sock) == [TEXT]
        assert h.mib()["Ip_ReasmFails"] == 0
    else:
        assert drain(sock) == []
        assert h.ledger().fates == {"FRAG_TOO_FAR": 1}
        assert h.mib()["Ip_ReasmFails"] == 1
        feed(h, one[0])  # it is what was missing of the new one
        assert drain(sock) == [TEXT]


def test_fragments_of_other_senders_do_not_count(host):
    h = host()
    sock = h.udp(PORT)
    one = thirds()
    feed(h, one[0], *(thirds(id=1000 + i, src="10.0.0.9")[0] for i in range(100)), *one[1:])
    assert drain(sock) == [TEXT]


def test_without_a_maximal_distance_nothing_is_too_far(host):
    h = host(ipfrag_max_dist=0)
    sock = h.udp(PORT)
    one = thirds()
    feed(h, one[0], *(thirds(id=1000 + i)[0] for i in range(100)), *one[1:])
    assert drain(sock) == [TEXT]


def test_the_transports_checksum_is_verified_over_all_pieces(host):
    h = host()
    h.udp(PORT)
    one, two, three = thirds()
    feed(h, one, fragments.replace(two, data=two.data[:-1] + b"?"), three)
    assert h.ledger().fates == {"UDP_CSUM": 3}
    assert h.mib()["Udp_InCsumErrors"] == 1


def test_a_datagram_for_nobody_takes_all_its_fragments_with_it(host):
    h = host()
    feed(h, *thirds())
    assert h.ledger().fates == {"NO_SOCKET": 3}
    assert h.mib()["Udp_NoPorts"] == h.mib()["Ip_InDelivers"] == 1


def test_fragments_are_one_datagram_also_for_a_socket_that_takes_merged_ones(host):
    h = host()
    sock = h.udp(PORT, gro=True)
    feed(h, *thirds(), *thirds(id=2))
    assert sock.recvmsg_nowait() == (TEXT, 0, ("10.0.0.1", 1000))
    assert sock.recvmmsg_nowait().sender(0) == ("10.0.0.1", 1000)
    assert h.mib()["Udp_InDatagrams"] == 2


def test_icmp_tcp_and_handlers_in_python_take_it_too(host):
    h = host()
    listener = h.tcp(80)
    seen = []

    @h.protocol(253)
    def handler(burst):
        seen.extend(bytes(p) for p in burst)
        return [True] * len(burst)

    segment = frames.tcp(TEXT, flags=frames.ACK)[34:]
    ping = frames.icmp(TEXT)[34:]
    feed(h, *cut(4, ping, (8,), id=1, proto=1), *cut(4, segment, (16, 40), id=2, proto=6))
    feed(h, *cut(4, TEXT, (16, 40), id=3, proto=253))
    assert h.ledger().fates == {"DELIVERED_ICMP": 2, "DELIVERED_TCP": 3, "DELIVERED_PYTHON": 3}
    assert listener.accept().read() == TEXT
    assert seen == [TEXT]


def test_a_fragment_that_is_not_for_us_or_cut_off_never_gets_that_far(host):
    h = host(ip="10.0.0.2/24")
    first = thirds()[0]
    feed(h, fragments.replace(first, dst="10.0.0.3"), frame(first)[:50])
    assert h.ledger().fates == {"IP_INADDRERRORS": 1, "PKT_TOO_SMALL": 1}
    assert h.mib()["Ip_ReasmReqds"] == 0
