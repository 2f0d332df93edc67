"""TCP streams against a plain reassembler: however segments come, whatever GRO made of them."""

import os

import frames
import pytest
from frames import ACK, FIN, PSH, RST, SYN
from hypothesis import example, given
from hypothesis import strategies as st
from model.sock import frame_truesize
from model.tcp import Reassembler

import vnic
from vnic._core import ffi, lib

TEXT = bytes(i % 251 for i in range(4000))
V4 = {"src": "10.0.0.1", "dst": "10.0.0.2"}
V6 = {"src": "fd00::1", "dst": "fd00::2"}
TRUESIZE = frame_truesize(60)  # of a short segment


def run(host, *segments):
    """All at one instant, so that GRO may do what it likes."""
    host.feed(segments, at_ns=host.now_ns)
    host.run()


def read_all(stream):
    """The bytes that are there, and whether the stream ended behind them."""
    data = b""
    while True:
        try:
            part = stream.read()
        except TimeoutError:
            return data, False
        if not part:
            return data, True
        data += part


# ---- any order ----


def compare_with_model(pieces, start, ip, gap_ns, **knobs):
    """Pieces: (offset, data, has FIN). Before the end, and after what is missing was given up."""
    model = Reassembler(0)
    with vnic.Host(cost="zero", link="inf", **knobs) as host:
        listener = host.tcp(80)
        host.feed(frames.tcp(flags=SYN, seq=start - 1, **ip))
        for at, data, fin in pieces:
            flags = ACK | (FIN if fin else 0)
            host.feed(frames.tcp(data, seq=start + at, flags=flags, **ip), gap_ns=gap_ns)
            model.segment(at, data, fin=fin)
        host.run()
        stream = listener.accept()
        assert read_all(stream) == (bytes(model.stream), model.ended)

        before = len(model.stream)
        model.give_up()
        host.finish()
        assert read_all(stream) == (bytes(model.stream[before:]), model.ended)
        assert stream.gaps == (model.gaps, model.gap_bytes)
        assert host.ledger().closed
        assert host.ledger().in_flight == 0


spans = st.tuples(st.integers(0, 3000), st.integers(1, 1000), st.integers(0, 3))
starts = st.sampled_from((1, 2**32 - 1, 2**32 - 1500, 2**31 - 100))


@given(st.lists(spans, max_size=20), starts)
@example([(5, 10, 1), (0, 10, 2), (8, 2, 3)], 1)
def test_a_stream_is_what_a_plain_reassembler_makes_of_it(cuts, start):
    """Out of order, again, overlapping with other bytes, lost, across the wrap at 2^32."""
    pieces = [(at, bytes([version]) * size, False) for at, size, version in cuts]
    compare_with_model(pieces, start, V4, 1_000_000, gro=False)


@st.composite
def shuffled(draw):
    """A text in segments, some lost, some doubled, nearly in order; the last has the FIN."""
    size, total = draw(st.integers(1, 700)), draw(st.integers(1, len(TEXT)))
    whole = [(at, TEXT[at : min(at + size, total)], at + size >= total) for at in range(0, total, size)]
    order = draw(st.lists(st.sampled_from(whole[:40]), max_size=20))
    return draw(st.sampled_from((whole[:40], whole[:40][::-1], order, order + whole[:40])))


@given(shuffled(), starts, st.sampled_from((V4, V6)), st.booleans())
def test_gro_changes_nothing_about_a_stream(pieces, start, ip, gro):
    compare_with_model(pieces, start, ip, 0, gro=gro)


@given(shuffled(), starts)
def test_nor_do_segments_that_span_buffers(pieces, start):
    compare_with_model(pieces, start, V6, 0, rx_buf_len=128)


# ---- what a stream is ----


@pytest.mark.parametrize("gro", [True, False])
@pytest.mark.parametrize("ip", [V4, V6], ids=["v4", "v6"])
def test_a_stream_has_no_message_borders(host, ip, gro):
    h = host(gro=gro)
    listener = h.tcp(80)
    run(h, frames.tcp(b"two ", **ip), frames.tcp(b"sends", seq=5, flags=ACK | PSH, **ip))
    stream = listener.accept()
    assert stream.read() == b"two sends"
    run(h, frames.tcp(b"one send", seq=10, **ip))
    assert (stream.read(4), stream.read(4)) == (b"one ", b"send")
    assert stream.peer == (ip["src"], 1000)


def test_a_capture_that_begins_in_the_middle_begins_with_what_it_has(host):
    h = host()
    listener = h.tcp(80)
    run(h, frames.tcp(b"middle", seq=123_456))
    assert listener.accept().read() == b"middle"


def test_data_in_a_syn_is_data(host):
    h = host()
    listener = h.tcp(80)
    run(h, frames.tcp(b"fast", seq=9, flags=SYN), frames.tcp(b" open", seq=14))
    assert read_all(listener.accept()) == (b"fast open", False)


def test_a_fin_ends_the_stream_and_a_reader_sees_all_before_it(host):
    h = host()
    listener = h.tcp(80)
    run(h, frames.tcp(b"all", flags=ACK | FIN))
    assert read_all(listener.accept()) == (b"all", True)


def test_a_fin_alone_wakes_the_reader(host):
    h = host()
    listener = h.tcp(80)
    run(h, frames.tcp(b"x", seq=1))
    stream = listener.accept()
    fd = stream.fileno()
    run(h, frames.tcp(seq=2, flags=ACK | FIN))
    assert os.eventfd_read(fd) == 1
    assert stream._c.rcv_nxt == 3  # a FIN has a place in the sequence


def test_a_fin_before_missing_data_waits_for_it(host):
    h = host(gro=False)
    listener = h.tcp(80)
    run(h, frames.tcp(b"one", seq=1), frames.tcp(b"", seq=7, flags=ACK | FIN))
    stream = listener.accept()
    assert read_all(stream) == (b"one", False)
    run(h, frames.tcp(b"two", seq=4))
    assert read_all(stream) == (b"two", True)


def test_bug_a_hole_before_a_bare_fin_is_given_up_too(host):
    h = host(gro=False)
    listener = h.tcp(80)
    run(h, frames.tcp(b"one", seq=1), frames.tcp(b"", seq=7, flags=ACK | FIN))
    h.finish()
    stream = listener.accept()
    assert read_all(stream) == (b"one", True)
    assert stream.gaps == (1, 3)


def test_bug_data_behind_a_fin_is_nobodys(host):
    h = host(gro=False)
    listener = h.tcp(80)
    late = frames.tcp(b"late", seq=8)
    run(h, frames.tcp(b"one", seq=1), late, frames.tcp(b"two", seq=4, flags=ACK | FIN), late)
    assert read_all(listener.accept()) == (b"onetwo", True)
    assert h.ledger().fates == {"DELIVERED_TCP": 2, "TCP_CLOSE": 2}


def test_a_fin_far_outside_any_window_ends_nothing(host):
    h = host(gro=False)
    listener = h.tcp(80)
    run(h, frames.tcp(b"one"), frames.tcp(b"", seq=4 + (1 << 30) + 1, flags=ACK | FIN))
    h.finish()
    stream = listener.accept()
    assert read_all(stream) == (b"one", False)
    assert stream.gaps == (0, 0)


def test_a_reset_ends_the_stream_at_once_and_what_was_there_can_still_be_read(host):
    h = host(gro=False)
    listener = h.tcp(80)
    run(h, frames.tcp(b"one"), frames.tcp(b"lost", seq=100), frames.tcp(seq=4, flags=RST))
    stream = listener.accept()
    assert stream.read() == b"one"
    with pytest.raises(ConnectionResetError):
        stream.read()
    assert h.ledger().fates == {"DELIVERED_TCP": 2, "TCP_CLOSE": 1}


def test_a_reset_far_outside_any_window_resets_nothing(host):
    h = host()
    listener = h.tcp(80)
    run(h, frames.tcp(b"one"), frames.tcp(seq=4 + (1 << 30) + 1, flags=RST))
    assert read_all(listener.accept()) == (b"one", False)
    assert h.ledger().fates == {"DELIVERED_TCP": 1, "TCP_OVERWINDOW": 1}


def test_a_reset_alone_makes_no_stream(host):
    h = host()
    listener = h.tcp(80)
    run(h, frames.tcp(flags=RST))
    with pytest.raises(TimeoutError):
        listener.accept()
    assert h.ledger().fates == {"NO_SOCKET": 1}


def test_ports_used_again_are_a_new_stream(host):
    h = host(gro=False)
    listener = h.tcp(80)
    run(h, frames.tcp(seq=0, flags=SYN), frames.tcp(b"first", seq=1))
    run(h, frames.tcp(seq=70_000, flags=SYN), frames.tcp(b"second", seq=70_001))
    first, second = listener.accept(), listener.accept()
    assert first.read() == b"first"
    with pytest.raises(ConnectionResetError):
        first.read()
    assert second.read() == b"second"
    assert h.machine.c.socks.flows == 1


def test_ports_used_again_after_a_fin_leave_the_finished_stream_finished(host):
    h = host(gro=False)
    listener = h.tcp(80)
    run(h, frames.tcp(b"first", seq=1, flags=ACK | FIN), frames.tcp(seq=0, flags=SYN))
    assert read_all(listener.accept()) == (b"first", True)
    assert read_all(listener.accept()) == (b"", False)


@pytest.mark.parametrize("ahead", [-1, 0, 1, 2])
def test_of_a_finished_stream_a_syn_begins_the_next_one_unless_it_is_its_own_again(host, ahead):
    """Its own: the one byte before what comes next. A finished stream expects 8 here."""
    h = host(gro=False)
    listener = h.tcp(80)
    seq = 8 - 1 + ahead
    run(h, frames.tcp(b"first", seq=2, flags=ACK | FIN), frames.tcp(seq=seq, flags=SYN), frames.tcp(b"x", seq=seq + 1))
    assert listener.accept().read() == b"first"
    if ahead:
        assert listener.accept().read() == b"x"
    else:
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_syn_sent_again_is_the_same_stream(host):
    h = host(gro=False)
    listener = h.tcp(80)
    syn = frames.tcp(seq=0, flags=SYN)
    run(h, syn, frames.tcp(b"once", seq=1), syn)
    assert listener.accept().read() == b"once"
    with pytest.raises(TimeoutError):
        listener.accept()


def test_bug_a_flow_from_port_0_left_its_entry_in_the_table(host):
    h = host()
    h.tcp(80)
    for isn in range(0, 1_000_000, 100_000):
        run(h, frames.tcp(sport=0, seq=isn, flags=SYN))
    assert h.machine.c.socks.flows == 1


def test_streams_of_different_peers_do_not_mix(host):
    h = host()
    listener = h.tcp(80)
    peers = [{"sport": 1}, {"sport": 2}, {"src": "10.0.0.9"}, {**V6}]
    run(h, *(frames.tcp(str(p).encode(), **p) for p in peers))
    assert {listener.accept().read() for _ in peers} == {str(p).encode() for p in peers}


# ---- memory is bounded ----


@given(st.integers(0, 5), st.lists(st.integers(1, 60), min_size=1, max_size=60))
def test_the_out_of_order_queue_never_exceeds_rcvbuf_by_more_than_one_segment(buffers, places):
    rcvbuf = buffers * TRUESIZE
    with vnic.Host(cost="zero", link="inf", gro=False, rcvbuf=rcvbuf) as host:
        listener = host.tcp(80)
        host.feed(frames.tcp(flags=SYN, seq=0))
        host.run()
        stream = listener.accept()
        for place in places:  # nothing ever comes to place 0, so all are early at first
            run(host, frames.tcp(b"x" * 10, seq=1 + 10 * place))
            c = stream._c
            assert c.ofo_truesize <= max(rcvbuf, TRUESIZE)
            assert c.rmem_alloc <= rcvbuf + TRUESIZE
            assert host.ledger().closed
        host.finish()
        assert host.ledger().in_flight == 0


def test_the_end_gives_up_holes_as_long_as_the_readers_socket_takes_more(host):
    """Two segments fill it, and Linux lets one more in; its reader makes room for others."""
    h = host(gro=False, sink=True, rcvbuf=2 * TRUESIZE)
    h.feed([frames.tcp(seq=0, flags=SYN)])
    h.run()
    (sk,) = (s for s in h.machine.c.socks.socks[1 : h.machine.c.socks.used] if s.type == lib.SOCK_TCP)
    sk.rcvbuf = 1 << 20  # of what is early
    h.feed([frames.tcp(b"x", seq=10 * i) for i in range(1, 9)])
    h.run()
    sk.rcvbuf = 2 * TRUESIZE
    left = [8]
    while sk.ofo_segments and left[-1]:
        lib.host_finish(h.machine.c)
        n, skb = 0, sk.ofo
        while skb != ffi.NULL:
            n, skb = n + 1, skb.next
        left.append(n)
        h.run()
    assert left == [8, 5, 2, 0]


def test_when_the_out_of_order_queue_is_full_the_hole_is_given_up(host):
    h = host(gro=False, rcvbuf=2 * TRUESIZE)
    listener = h.tcp(80)
    early = [frames.tcp(b"%d" % i, seq=11 + 2 * i) for i in range(3)]
    run(h, frames.tcp(seq=0, flags=SYN), *early)
    stream = listener.accept()
    assert stream.read() == b"0"  # 10 bytes before it are missing, it made room for the third
    assert stream.gaps == (1, 10)
    assert h.mib()["TcpExt_TCPHoles"] == 1


def test_bug_a_full_socket_nobody_reads_cannot_hold_up_the_end(host):
    h = host(gro=False, rcvbuf=0)
    h.tcp(80)
    run(h, frames.tcp(b"one", seq=1), frames.tcp(b"two", seq=10))
    h.finish()
    assert h.ledger().in_flight == 0
    assert h.ledger().fates == {"DELIVERED_TCP": 1, "SOCKET_RCVBUFF": 1}
    assert h.mib()["TcpExt_TCPRcvQDrop"] == 1


def test_a_full_socket_leaves_a_hole_that_later_data_waits_behind(host):
    h = host(gro=False, rcvbuf=0)
    listener = h.tcp(80)
    run(h, frames.tcp(b"one", seq=1), frames.tcp(b"two", seq=4))
    stream = listener.accept()
    assert stream.read() == b"one"
    run(h, frames.tcp(b"three", seq=7))
    assert read_all(stream) == (b"", False)
    run(h, frames.tcp(b"two", seq=4))  # sent again
    assert stream.read() == b"two"


# ---- headers ----


@pytest.mark.parametrize(
    ("frame", "fate", "counters"),
    [
        pytest.param(
            frames.eth(frames.ipv4(b"x" * 19, 6)),
            "PKT_TOO_SMALL",
            {"Tcp_InSegs"},
            id="shorter than a header",
        ),
        pytest.param(
            frames.eth(frames.ipv4(frames.tcp()[34:46] + b"\x40" + bytes(7), 6)),
            "PKT_TOO_SMALL",
            {"Tcp_InSegs", "Tcp_InErrs"},
            id="data offset 4",
        ),
        pytest.param(
            frames.eth(frames.ipv4(frames.tcp()[34:46] + b"\x60" + bytes(7), 6)),
            "PKT_TOO_SMALL",
            {"Tcp_InSegs"},
            id="data offset behind the end",
        ),
        pytest.param(
            frames.tcp(b"data", check=0x1234),
            "TCP_CSUM",
            {"Tcp_InSegs", "Tcp_InErrs", "Tcp_InCsumErrors"},
            id="checksum",
        ),
        pytest.param(
            frames.tcp(b"data", check=0x1234, **V6),
            "TCP_CSUM",
            {"Tcp_InSegs", "Tcp_InErrs", "Tcp_InCsumErrors"},
            id="checksum v6",
        ),
        pytest.param(frames.tcp(flags=SYN | FIN), "TCP_FLAGS", {"Tcp_InSegs"}, id="SYN and FIN"),
        pytest.param(frames.tcp(flags=0), "TCP_FLAGS", {"Tcp_InSegs"}, id="no flags"),
        pytest.param(frames.tcp(dport=81), "NO_SOCKET", {"Tcp_InSegs"}, id="nobody listens"),
        pytest.param(frames.tcp(b"ok"), "DELIVERED_TCP", {"Tcp_InSegs"}, id="good"),
        pytest.param(frames.tcp(b"ok", options=b"\x01" * 40), "DELIVERED_TCP", {"Tcp_InSegs"}, id="options"),
    ],
)
@pytest.mark.parametrize("rx", [True, False], ids=["card checks", "host checks"])
def test_what_a_tcp_header_may_be(host, frame, fate, counters, rx):
    h = host(rx=rx)
    h.tcp(80)
    run(h, frame)
    assert h.ledger().fates == {fate: 1}
    assert {name for name, n in h.mib().items() if n and name.startswith("Tcp")} == counters


def test_padding_is_no_data(host):
    h = host()
    listener = h.tcp(80)
    run(h, frames.tcp(b"ab") + bytes(4), frames.tcp(b"c", seq=3) + b"\xff" * 5)
    assert listener.accept().read() == b"abc"


def test_a_fin_inside_the_data_does_not_keep_the_card_from_being_purged(host):
    """SYN 99, FIN at 200, then one segment over it: the stream never ends, and finish() once waited for it for ever."""
    h = host(sink=True, gro=False)
    fin = frames.tcp(seq=200, flags=frames.FIN | frames.ACK)
    h.feed([frames.tcp(seq=99, flags=frames.SYN), fin, frames.tcp(bytes(200), seq=100)])
    h.run()
    lib.virtqueue_disable_cb(ffi.addressof(h.machine.c.dq[0].vq))  # what comes now stays in the ring
    h.feed([frames.udp()] * 5)
    h.finish()
    assert h.ledger().in_flight == 0
    assert h.ledger().fates["DEV_READY"] == 5


@pytest.mark.parametrize("cpus", [1, 4])
def test_what_waited_behind_a_hole_is_read_at_the_end(host, cpus):
    h = host(sink=True, gro=False, cpus=cpus, latency=True)
    h.feed([frames.tcp(b"a" * 10, seq=0), *(frames.tcp(b"b" * 10, seq=100 + 10 * i) for i in range(20))])
    h.finish()
    reads = sum(h.machine.c.socks.socks[i].reads for i in range(1, h.machine.c.socks.used))
    assert reads == h.latencies()["socket"].count == 21
    assert h.latencies()["reorder"].count == 20
    assert h.laws() == 0


def test_streams_nobody_accepted_go_with_their_listener(host):
    h = host(gro=False)
    listener = h.tcp(80)
    h.feed([frames.tcp(b"waits", sport=1000 + i) for i in range(10)])
    h.run()
    listener.close()
    dq = h.machine.c.dq[0]
    assert h.machine.c.socks.flows == 0
    assert lib.rx_pool_free_count(ffi.addressof(dq.pool)) + dq.vq.size - dq.vq.nfree == dq.pool.size
