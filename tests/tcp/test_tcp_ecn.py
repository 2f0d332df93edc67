"""Explicit congestion notification between two hosts: RFC 3168. test_tcp_input.py asks the kernel."""

import pytest
from frames import ACK, CWR, ECE, SYN
from tcp_pair import Pair, transfer
from tcp_talk import OPT, Talk

ECT0, CE = 2, 3


def pair(asks=1, takes=2, **wire):
    p = Pair(**wire)
    p.a.machine.c.tcp.ecn, p.b.machine.c.tcp.ecn = asks, takes
    return p


def segments(p, side):
    """(flags, ECN field, bytes of data) of what a side sent."""
    for _, f in p.frames[side]:
        if f[12:14] == b"\x08\0" and f[23] == 6:
            yield f[47], f[15] & 3, int.from_bytes(f[16:18], "big") - 20 - (f[46] >> 4) * 4


@pytest.mark.parametrize(("asks", "takes"), [(0, 2), (2, 2), (1, 0), (0, 0)])
def test_nothing_is_marked_unless_both_sides_agree(asks, takes):
    with pair(asks, takes) as p:
        ours, theirs, _ = p.connected()
        assert transfer(p, ours, theirs, bytes(50_000)) == bytes(50_000)
        assert not ours.tcp_info().ecn
        assert not theirs.tcp_info().ecn
        assert {ecn for side in (0, 1) for _, ecn, _ in segments(p, side)} == {0}


@pytest.mark.parametrize("takes", [1, 2])
def test_new_data_is_capable_and_nothing_else_is(takes):
    with pair(takes=takes, loss=0.03, seed=2) as p:
        ours, theirs, _ = p.connected()
        assert ours.tcp_info().ecn
        assert theirs.tcp_info().ecn
        transfer(p, ours, theirs, bytes(300_000))
        sent = list(segments(p, 0))
        assert sent[0][0] == SYN | ECE | CWR
        assert {ecn for _, ecn, n in sent if not n} == {0}
        again = ours.tcp_info().total_retrans
        assert again > 0
        assert sum(1 for _, ecn, n in sent if n and not ecn) == again
        assert {ecn for _, ecn, n in sent if n} == {0, ECT0}
        assert theirs.tcp_info().ecn_seen


def test_marks_slow_a_sender_down_and_lose_nothing():
    """One mark in each 100 frames: no segment goes twice, and cwnd has gone down as often as ECE began."""
    with pair(marks=lambda side, n: side == 0 and n % 100 == 0) as p:
        ours, theirs, _ = p.connected()
        data = bytes(i % 251 for i in range(2_000_000))
        assert transfer(p, ours, theirs, data) == data
        info = ours.tcp_info()
        assert (info.total_retrans, info.lost) == (0, 0)
        assert 0 < info.snd_ssthresh < 1000
        assert info.delivered_ce > 0
        reductions = sum(1 for flags, _, _ in segments(p, 0) if flags & CWR and not flags & SYN)
        assert reductions > 3
        echoes = [bool(flags & ECE) for flags, _, _ in segments(p, 1) if not flags & SYN]
        assert sum(1 for a, b in zip([False, *echoes], echoes, strict=False) if b and not a) == reductions


def test_a_sender_without_marks_is_faster_than_one_with_them():
    def seconds(marks):
        with pair(marks=marks) as p:
            ours, theirs, _ = p.connected()
            transfer(p, ours, theirs, bytes(1_000_000))
            return p.now

    assert seconds(None) < seconds(lambda _side, n: n % 20 == 0)


def test_every_packet_marked_still_makes_progress():
    with pair(marks=lambda _side, _n: True) as p:
        ours, theirs, _ = p.connected()
        assert transfer(p, ours, theirs, bytes(100_000)) == bytes(100_000)
        assert ours.tcp_info().total_retrans == 0
        assert ours.tcp_info().snd_cwnd <= 10


def test_marks_and_losses_at_once():
    with pair(marks=lambda _side, n: n % 7 == 0, loss=0.02, duplicate=0.02, reorder=0.02, seed=3) as p:
        ours, theirs, _ = p.connected()
        data = bytes(i % 253 for i in range(400_000))
        assert transfer(p, ours, theirs, data) == data


def test_one_reduction_in_a_round_trip():
    """RFC 3168 section 6.1.2: further echoes of the same window do not count."""
    with Talk() as talk:
        talk.open(OPT | {"flags": SYN | ECE | CWR})
        talk.send(bytes(14480))
        for n in range(1, 10):
            talk.seg(ack=1 + 1448 * n, flags=ACK | ECE)
        assert (talk.sock.tcp_info().snd_ssthresh, talk.sock.tcp_info().ca_state) == (7, "CWR")
        new = talk.send(bytes(20000))
        assert [bool(s.flags & CWR) for s in new] == [True] + [False] * (len(new) - 1)
        talk.seg(ack=14481 + 1448)
        assert talk.sock.tcp_info().ca_state == "Open"


def test_a_peer_that_sends_nonsense_gets_no_ecn():
    for odd in (ECE, CWR):
        with Talk() as talk:
            talk.open(OPT | {"flags": SYN | odd})
            assert not talk.sock.tcp_info().ecn
