"""RACK and the loss probe: RFC 8985. Which segments are lost, and when that is known."""

import pytest
from tcp_pair import MS, Pair, transfer
from tcp_talk import OPT, Talk

from vnic._core import ffi, lib


def talk_of(rtt_ms=20, segments=10):
    """A talk with a round trip of 20 ms, and segments 0 to 9 out. Return: it, and where each begins."""
    talk = Talk()
    talk.step_ms = rtt_ms
    talk.open(OPT)
    talk.step_ms = 1
    assert talk.sock.send_nowait(bytes(1448 * segments)) == 1448 * segments
    talk.collect(rtt_ms - 1)
    talk.said.clear()
    return talk, [1 + 1448 * i for i in range(segments + 1)]


def lost(talk):
    tp = talk.sock._tcp
    segs = [tp.seg[(tp.seg_head + i) & (tp.seg_size - 1)] for i in range(tp.seg_n)]
    return [(s.seq - talk.peer.irs) % 2**32 for s in segs if s.flags & lib.TCP_SEG_LOST]


def test_a_hole_before_three_sacked_ones_is_lost_at_once():
    talk, at = talk_of()
    with talk:
        assert [s.seq for s in talk.seg(ack=1, sacks=[(at[1], at[4])])] == [1]
        assert lost(talk) == [1]


def test_a_hole_before_one_waits_a_quarter_of_the_round_trip():
    """The path may have reordered it."""
    talk, at = talk_of()
    with talk:
        began = talk.now
        assert [s.seq for s in talk.seg(ack=1, sacks=[(at[1], at[2])]) if s.seq == 1] == []
        talk.wait(0.05)
        when = [t for t, s in talk.said if s.seq == 1 and s.len]
        assert when
        assert 3 * MS <= when[0] - began <= 12 * MS


def test_what_arrives_in_that_time_was_only_late():
    talk, at = talk_of()
    with talk:
        talk.seg(ack=1, sacks=[(at[1], at[2])])
        talk.wait(0.002)
        talk.seg(ack=at[2])
        talk.seg(ack=at[10])
        talk.wait(0.1)
        info = talk.sock.tcp_info()
        assert (info.total_retrans, info.reord_seen, info.ca_state) == (0, 1, "Open")
        assert talk.mib("TcpExt_TCPSACKReorder") == 1


def test_a_path_that_reorders_makes_it_patient():
    """Once reordering was seen, three duplicates are no proof."""
    talk, at = talk_of()
    with talk:
        talk.seg(ack=1, sacks=[(at[1], at[2])])
        talk.seg(ack=at[2])
        assert [s for s in talk.seg(ack=at[2], sacks=[(at[3], at[7])]) if s.seq == at[2]] == []
        talk.wait(0.05)
        assert any(s.seq == at[2] for _, s in talk.said)


def test_a_lost_retransmission_is_sent_again_without_a_timeout():
    talk, at = talk_of()
    with talk:
        talk.send(bytes(1448 * 4))  # they wait: cwnd is full
        (first, *_) = talk.seg(ack=1, sacks=[(at[1], at[4])])
        assert first.seq == 1
        talk.wait(0.005)
        talk.seg(ack=1, sacks=[(at[1], at[10])])
        end = max(s.seq + s.len for _, s in talk.said)
        assert end > at[10]  # sent after the retransmission
        talk.wait(0.018)
        talk.seg(ack=1, sacks=[(at[1], end)])
        talk.wait(0.03)
        assert sum(s.seq == 1 for _, s in talk.said) >= 2
        assert talk.sock.tcp_info().ca_state == "Recovery"


def test_the_probe_of_a_tail_repairs_it_without_a_timeout():
    dropped = []

    def plan(side, n, frame):
        if side == 0 and len(frame) > 1000 and n >= 20 and len(dropped) < 1 and len(frame) < 1500:
            dropped.append(n)
            return None
        return 5 * MS

    with Pair(delay=5 * MS, plan=plan) as p:
        ours, theirs, _ = p.connected()
        data = bytes(1448 * 30 + 1100)
        assert transfer(p, ours, theirs, data) == data
        assert dropped
        mib = p.a.mib()
        assert (mib["TcpExt_TCPLossProbes"], mib["TcpExt_TCPTimeouts"]) == (1, 0)
        assert transfer(p, ours, theirs, b"more") == b"more"
        p.run(0.1)
        assert p.a.mib()["TcpExt_TCPLossProbeRecovery"] == 1  # a loss is a loss: cwnd went down


def test_only_one_probe_then_the_timeout():
    talk, _ = talk_of(segments=3)
    with talk:
        talk.wait(0.35)
        assert talk.mib("TcpExt_TCPLossProbes") == 1
        assert talk.mib("TcpExt_TCPTimeouts") >= 1


def test_a_probe_carries_new_data_if_there_is_some():
    talk, at = talk_of(segments=10)
    with talk:
        talk.sock.send_nowait(bytes(1448 * 5))  # cwnd is full
        talk.wait(0.06)
        first = next(s for _, s in talk.said if s.len)
        assert (first.seq, first.len) == (at[10], 1448)


@pytest.mark.parametrize("seen", [0, 1])
def test_the_window_of_reordering(seen):
    """Direct: none before reordering was seen and three are SACKed; then a quarter of the least RTT, times steps."""
    tp = ffi.new("struct tcp_sock *")
    seg = ffi.new("struct tcp_seg *")
    tp.rtt_min_us = 1000
    seg.sent_ns, seg.end_seq, seg.flags = 10 * MS, 100, lib.TCP_SEG_EVER_RETRANS
    lib.tcp_rack_advance(tp, seg, 10 * MS + 999_000 * seen // 1 if seen else 10 * MS + 500_000)
    assert tp.rack_advanced == 0  # quicker than the least RTT: of an earlier copy
    lib.tcp_rack_advance(tp, seg, 12 * MS)
    assert (tp.rack_advanced, tp.rack_ns, tp.rack_end_seq, tp.rack_rtt_us) == (1, 10 * MS, 100, 2000)
    seg.end_seq, seg.sent_ns = 50, 9 * MS
    lib.tcp_rack_advance(tp, seg, 12 * MS)
    assert (tp.rack_ns, tp.rack_end_seq) == (10 * MS, 100)


def test_dsacks_widen_it_once_a_round():
    h, tp = ffi.new("struct host *"), ffi.new("struct tcp_sock *")
    tp.rack_steps = 1
    lib.tcp_rack_dsack(h, tp)
    lib.tcp_rack_dsack(h, tp)
    assert (tp.rack_steps, tp.rack_persist) == (2, 16)
    for _ in range(300):
        tp.rack_dsack_seen = 0
        lib.tcp_rack_dsack(h, tp)
    assert tp.rack_steps == 255


def test_marking_twice_counts_once():
    tp, seg = ffi.new("struct tcp_sock *"), ffi.new("struct tcp_seg *")
    for _ in range(3):
        lib.tcp_mark_lost(tp, seg)
    assert (tp.lost_out, tp.lost) == (1, 1)
    seg.flags = lib.TCP_SEG_SACKED
    lib.tcp_mark_lost(tp, seg)
    assert tp.lost_out == 1
