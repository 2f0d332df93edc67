"""TCP's GRO: what joins, what ends a merge, the merged header; and lists (rx-gro-list), for forwarding."""

import pytest
from frames import ACK, PSH, csum
from gro_batches import CLIENT, DPORT, SERVER, Batch, Item, Vnic
from gro_rows import MS, rows_of, seg, timestamp, train

from vnic._core import lib
from vnic.address import inet_addr


@pytest.mark.parametrize(("v", "batch", "expected"), rows_of("gro_tcp"))
def test_linux_6_18_delivers(tap, v, batch, expected):
    assert tap().told(batch) == expected.split(", ")


@pytest.mark.parametrize(("v", "batch", "expected"), rows_of("gro_tcp"))
def test_a_card_that_verifies_changes_no_merge(tap, v, batch, expected):
    assert [p[:-1] for p in tap(rx=True).told(batch)] == [p[:-1] for p in expected.split(", ")]


def test_the_merged_header_speaks_for_all(tap):
    """Observed: length 252, id 8, PSH set, the first's window and options, checksum 856b."""
    first, last = {"id": 8} | timestamp(1), {"id": 9, "flags": ACK | PSH, "urg": 7} | timestamp(1)
    [(packet, segs, state)] = tap().deliver(train(first, last))
    want = bytearray(seg(0, 200, id=8, flags=ACK | PSH, **timestamp(1))[14:])
    want[36:38] = b"\x85\x6b"
    assert (packet, segs, state) == (bytes(want), 2, "P")
    assert csum(packet[:20]) == 0


@pytest.mark.parametrize("v", [4, 6])
def test_big_tcp_is_one_long_piece_of_its_stream(host, v):
    h = host(gro_max_size=200_000, gro_ipv4_max_size=200_000, rx_buf_len=9000, fifo=1 << 20, rcvbuf=1 << 24)
    listener = h.tcp(8000)
    h.feed(train(*[{}] * 12, v=v, n=8000))
    stream = listener.accept()
    h.run()
    assert (h.gro().flushed_skbs, stream.read(1 << 20)) == (1, b"a" * 96_000)
    assert stream.peer[0] == ("fdaa::2" if v == 6 else "192.168.1.200")
    stream.close()


# ---- lists ----


def delivered(vnic, *items):
    return [(s.gso, s.csum) for s in vnic.deliver(Batch(("tcp4",), items).frames())]


def open_stream(host, sport=1500):
    """As if a handshake had been."""
    listener = host.tcp(DPORT)
    client, server = inet_addr(CLIENT[4]), inet_addr(SERVER[4])
    assert lib.sock_new_flow(host.machine.c.cpu[0], listener._c, server, DPORT, client, sport, 1)
    return listener


def test_what_no_stream_takes_is_a_list_with_its_checksums():
    with Vnic(rx_gro_list=True) as v:
        assert delivered(v, Item(0, 100), Item(0, 100), Item(0, 100)) == [("tcpv4", "V")]


def test_a_stream_of_ours_is_merged_plainly():
    with Vnic(rx_gro_list=True) as v:
        open_stream(v.host)
        assert delivered(v, Item(0, 100), Item(0, 100), Item(0, 100)) == [("tcpv4", "P")]


@pytest.mark.parametrize("first", [ACK, ACK | PSH])
def test_in_a_list_psh_must_be_on_all_or_on_none(first):
    """Plainly merged, a segment with PSH joins and is the last."""
    with Vnic(rx_gro_list=True) as v:
        frames = train({"flags": first}, {"flags": ACK | PSH}, {}, {})
        assert [s.gso for s in v.deliver(frames)] == ["", "", "tcpv4"]


def test_a_list_is_64_segments_at_most(host):
    h = host(rxhash=False, rx_gro_list=True, weight=128, fifo=1 << 20)
    h.feed(train(*[{}] * 70))
    h.run()
    assert h.gro().ended == {"count": 1, "complete": 1}


@pytest.mark.parametrize("buf_len", [128, 150, 2048])
@pytest.mark.parametrize("v", [4, 6])
def test_headers_that_cross_the_first_buffers_end_are_looked_at_too(host, buf_len, v):
    """Linux pulls them. Bug: such a packet was refused, overtook what was held, and its stream lost data."""
    h = host(rx_buf_len=buf_len)
    options = b"\x01" * 36
    h.feed([seg(0, v=v), seg(100, v=v), seg(200, v=v, options=options), seg(300, v=v, options=options)])
    listener = h.tcp(DPORT)
    h.run()
    stream = listener.accept()
    assert stream.read(1000) == b"a" * 400
    assert h.mib()["TcpExt_TCPOFOQueue"] == 0
    assert h.gro().merged == 2
    stream.close()


def test_a_list_that_is_held_stays_one_when_its_stream_comes_to_be():
    with Vnic(rx_gro_list=True, gro_flush_timeout=1000 * MS) as v:
        v.host.feed([(0, seg(0))])
        v.host.run(until_ns=0)
        open_stream(v.host)
        v.host.feed([(1 * MS, seg(100))])
        v.host.run()
        assert [(s.gso, s.csum) for s in v.seen] == [("tcpv4", "V")]


def test_what_ends_a_hold_is_of_the_same_kind():
    """Whose stream it is is asked only when none of the flow is held: here it is gone since, and plain it stays."""
    with Vnic(rx_gro_list=True, gro_flush_timeout=1000 * MS) as v:
        listener = open_stream(v.host)
        v.host.feed([(0, seg(0))])
        v.host.run(until_ns=0)
        listener.close()
        v.host.feed([(1 * MS, seg(100, ack=101)), (1 * MS, seg(200, ack=101))])
        v.host.run()
        assert [(s.gso, s.csum) for s in v.seen] == [("", "V"), ("tcpv4", "P")]


def test_the_split_has_the_time_that_each_segment_was_held(host):
    """Of a packet of three: all three, and with what they waited before it makes the whole time."""
    h = host(latency=True, sink=True, gro_flush_timeout=20_000, napi_defer_hard_irqs=1)
    for t, segment in zip((1000, 3000, 6000), train({}, {}, {}), strict=True):
        h.feed(segment, at_ns=t)
    h.run()
    split = h.latencies()
    total, held = split.pop("total"), split["gro"]
    assert (h.gro().flushed_skbs, held.count, held.min, held.max) == (1, 3, 20_000, 40_000)
    assert sum(round(s.mean * s.count) for s in split.values()) == round(total.mean * total.count)
