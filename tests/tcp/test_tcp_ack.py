"""Whatever the wire does to segments, all bytes arrive in order, both sides end, and no buffer is lost."""

import random
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tcp_pair import MS, Pair
from tcp_talk import ACK, OPT, PLAIN, Talk, opened

SEEDS = range(6)


def text(n, seed=0):
    return random.Random(seed).randbytes(n)


def talk_through(pair, there, back, seconds=600.0):
    """Bytes both ways at once, then both ends; all that was sent has to arrive."""
    ours, theirs, server = pair.connected()
    sides = [(ours, memoryview(there), bytearray()), (theirs, memoryview(back), bytearray())]
    ended = [False, False]
    left = [memoryview(there), memoryview(back)]
    got = [bytearray(), bytearray()]
    shut = [False, False]

    def step():
        for i, (c, *_) in enumerate(sides):
            while len(left[i]) and (n := c.send_nowait(left[i][: 1 << 16])):
                left[i] = left[i][n:]
            if not len(left[i]) and not shut[i]:
                c.shutdown(socket.SHUT_WR)
                shut[i] = True
            while not ended[i] and (piece := c.recv_nowait()) is not None:
                got[i] += piece
                ended[i] = not piece
        return all(ended)

    pair.until(step, seconds)
    assert got[1] == there
    assert got[0] == back
    infos = [c.tcp_info() for c, *_ in sides]
    ours.close()
    theirs.close()
    server.close()
    settle(pair)
    return infos


def settle(pair):
    """Nothing is left of any connection: no orphan, no buffer."""
    pair.until(lambda: not any(h.machine.c.tcp.orphans for h in pair.hosts), 400)
    for host in pair.hosts:
        host.finish()
        assert host.ledger().in_flight == 0
        assert not host.laws()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sack", [True, False], ids=["sack", "reno"])
@pytest.mark.parametrize(
    "wire",
    [{"loss": 0.03}, {"reorder": 0.3}, {"duplicate": 0.3}, {"loss": 0.1, "reorder": 0.2, "duplicate": 0.1}],
    ids=["loss", "order", "twice", "all"],
)
def test_all_bytes_arrive_in_order(wire, sack, seed):
    with Pair(seed=seed, **wire) as p:
        for h in p.hosts:
            h.machine.c.tcp.sack = sack
        talk_through(p, text(120_000, seed), text(40_000, seed + 1))


@given(
    st.lists(st.sampled_from(["lost", "late", "twice", "very late"]), min_size=1, max_size=40),
    st.lists(st.sampled_from([None, None, "lost", "late"]), min_size=1, max_size=20),
    st.integers(0, 30_000), st.integers(0, 3000),
)  # fmt: skip
def test_whatever_becomes_of_each_segment(forth, back, n, m):
    """The plans are for the segments after the handshake; then the wire is a good one."""
    plans = [dict(enumerate(forth, 5)), dict(enumerate(back, 5))]

    def plan(side, number, frame):
        what = plans[side].get(number)
        return {None: MS, "lost": None, "late": 4 * MS, "twice": MS, "very late": 700 * MS}[what]

    with Pair(plan=plan) as p:
        talk_through(p, text(n), text(m))


def test_a_good_wire_sends_nothing_twice():
    with Pair() as p:
        infos = talk_through(p, text(1_000_000), text(1000))
        assert [i.total_retrans for i in infos] == [0, 0]
        assert [i.ca_state for i in infos] == ["Open", "Open"]


@pytest.mark.parametrize("mtu", [1280, 1500, 9000])
def test_any_mtu(mtu):
    with Pair(mtu=mtu, loss=0.02, seed=3) as p:
        talk_through(p, text(60_000), text(60_000))


def test_numbers_wrap():
    """Connections begin anywhere: one whose first number is just below 2^32."""
    with Pair(loss=0.02, seed=5) as p:
        ours, theirs, _ = p.connected()
        near_end = 2**32 - 20_000
        for a, b in ((ours, theirs), (theirs, ours)):
            t, other = a._tcp, b._tcp
            shift = (near_end - t.snd_nxt) % 2**32
            for name in (
                "snd_una",
                "snd_nxt",
                "write_seq",
                "snd_sml",
                "iss",
                "rtt_seq",
                "max_packets_seq",
                "hy_end_seq",
            ):
                setattr(t, name, (getattr(t, name) + shift) % 2**32)
            b._c.rcv_nxt = (b._c.rcv_nxt + shift) % 2**32
            for name in ("rcv_wup", "copied_seq", "rcvq_seq", "snd_wl1", "last_ack_sent"):
                setattr(other, name, (getattr(other, name) + shift) % 2**32)
        data = text(100_000)
        got, left = bytearray(), memoryview(data)

        def step():
            nonlocal left
            while len(left) and (n := ours.send_nowait(left)):
                left = left[n:]
            got.extend(theirs.recv_nowait() or b"")
            return len(got) == len(data)

        p.until(step)
        assert got == data


# ---- one acknowledgement ----


def sent(talk, n=10, mss=1448):
    assert talk.sock.send_nowait(bytes(n * mss)) == n * mss
    talk.collect(1)
    return [1 + i * mss for i in range(n + 1)]


def test_three_duplicates_send_the_first_again():
    with opened(PLAIN) as talk:
        at = sent(talk, 10, 1460)
        assert next(talk.seg(ack=at[1]) for _ in range(1)) == []
        assert talk.seg(ack=at[1]) == []
        assert talk.seg(ack=at[1]) == []
        (again,) = talk.seg(ack=at[1])
        assert (again.seq, again.len) == (at[1], 1460)
        info = talk.sock.tcp_info()
        assert (info.ca_state, info.snd_ssthresh) == ("Recovery", 7)
        talk.seg(ack=at[10])
        assert talk.sock.tcp_info().ca_state in ("Open", "Recovery")
        assert talk.mib("TcpExt_TCPRenoRecovery") == 1


def test_sacks_tell_which_are_lost():
    with opened(OPT) as talk:
        at = sent(talk)
        talk.wait(0.02)
        said = []
        for i in (2, 4, 6):  # 1, 3 and 5 are lost; RACK waits for no third one
            said += talk.seg(ack=at[1], sacks=[(at[j], at[j + 1]) for j in range(i, 1, -2)])
        said += talk.seg(ack=at[1], sacks=[(at[6], at[10]), (at[4], at[5]), (at[2], at[3])])
        said += talk.wait(0.03)
        assert sorted({s.seq for s in said}) == [at[1], at[3], at[5]]
        talk.seg(ack=at[10])
        assert talk.sock.tcp_info().ca_state == "Open"
        assert talk.mib("TcpExt_TCPSackRecovery") == 1


@pytest.mark.parametrize("bad", [(5000, 4000), (1, 100000), (0, 100), (90000, 91000), (4000, 4000)])
def test_sacks_of_what_was_never_sent_change_nothing(bad):
    with opened(OPT) as talk:
        sent(talk)
        talk.seg(ack=1449, sacks=[(2**31, 2**31 + 5), bad])
        info = talk.sock.tcp_info()
        assert (info.sacked, info.lost, info.unacked) == (0, 0, 9)


numbers = st.sampled_from([0, 1, 2, 700, *(1 + 1448 * i for i in range(1, 11)), 14_482, 20_000])


@settings(max_examples=40)
@given(st.lists(st.tuples(numbers, st.lists(st.tuples(numbers, numbers), max_size=3)), max_size=10))
def test_the_counts_are_those_of_the_segments_whatever_is_acknowledged(acks):
    with opened(OPT) as talk:
        sent(talk)
        for ack, sacks in acks:
            talk.seg(ack=ack, sacks=sacks)
            tp = talk.sock._tcp
            segs = [tp.seg[(tp.seg_head + i) & (tp.seg_size - 1)] for i in range(tp.seg_n)]
            assert tp.packets_out == tp.seg_n
            assert tp.sacked_out == sum(s.flags & 1 for s in segs)
            assert tp.lost_out == sum(bool(s.flags & 2) for s in segs)
            assert tp.retrans_out == sum(bool(s.flags & 4) for s in segs)
            assert tp.sacked_out + tp.lost_out <= tp.packets_out
            assert tp.cwnd > 0


@pytest.mark.parametrize(("ack", "answers"), [(5000, [ACK]), (2, [])])
def test_an_acknowledgement_of_what_was_not_sent_is_challenged(ack, answers):
    with opened(OPT) as talk:
        talk.send(b"abc")
        assert [s.flags for s in talk.seg(ack=ack)] == answers
        assert talk.sock.tcp_info().unacked == 1


def test_a_very_old_acknowledgement_is_challenged():
    """RFC 5961 section 5.2."""
    with opened(OPT) as talk:
        at = sent(talk)
        talk.seg(ack=at[10])
        assert len(talk.seg(ack=2**32 - 100_000)) == 1
        assert talk.mib("TcpExt_TCPChallengeACK") == 1


def test_rtt_and_rto_are_rfc_6298s():
    with opened(PLAIN) as talk:
        talk.sock._tcp.srtt_us = 0
        talk.send(b"x")
        talk.wait(0.098)
        talk.seg(ack=2)
        info = talk.sock.tcp_info()
        first = info.rtt
        assert 98_000 <= first <= 101_000
        assert info.rttvar == pytest.approx(first / 2, rel=0.01)
        assert info.rto == pytest.approx(first + max(4 * first / 2, 200_000), abs=1000)
        talk.send(b"x")
        talk.wait(0.198)
        talk.seg(ack=3)
        second = talk.sock.tcp_info().rtt
        assert second == pytest.approx(first * 7 / 8 + 200_000 / 8, rel=0.01)


def test_a_timeout_that_was_spurious_is_undone():
    """Eifel: the acknowledgement of the first copies comes right after the timeout, and its timestamp says so."""
    with Talk() as talk:
        talk.step_ms = 20
        talk.open(OPT)
        talk.step_ms = 1
        at = sent(talk)
        before, early = talk.sock.tcp_info(), talk.peer.ts_recent
        for _ in range(400):
            talk.wait(0.001)
            if talk.sock.tcp_info().ca_state == "Loss":
                break
        talk.seg(ack=at[5], ecr=early)
        after = talk.sock.tcp_info()
        assert (after.ca_state, after.lost) == ("Open", 0)
        assert (after.snd_cwnd, after.snd_ssthresh) >= (before.snd_cwnd, before.snd_ssthresh)
        assert talk.mib("TcpExt_TCPLossUndo") == 1


def test_a_retransmission_that_arrived_twice_is_undone():
    """DSACK: RFC 2883, RFC 3708."""
    with Talk() as talk:
        talk.step_ms = 20
        talk.open(OPT)
        talk.step_ms = 1
        at = sent(talk)
        before = talk.sock.tcp_info()
        talk.seg(ack=at[1], sacks=[(at[2], at[4])])
        (again,) = [s for s in talk.seg(ack=at[1], sacks=[(at[2], at[6])]) if s.seq == at[1]]
        assert again.len == 1448
        assert talk.sock.tcp_info().ca_state == "Recovery"
        assert talk.sock.tcp_info().snd_ssthresh < before.snd_ssthresh
        talk.seg(ack=at[6])
        assert talk.sock.tcp_info().retrans == 0
        talk.seg(ack=at[6], sacks=[(at[1], at[2])])
        info = talk.sock.tcp_info()
        assert (info.dsack_dups, info.ca_state) == (1, "Open")
        assert info.snd_ssthresh == before.snd_ssthresh
        assert talk.mib("TcpExt_TCPDSACKUndo") + talk.mib("TcpExt_TCPFullUndo") + talk.mib("TcpExt_TCPPartialUndo") >= 1
