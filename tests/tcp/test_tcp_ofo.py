"""The queue of segments that came early: whatever comes, in whatever order, what is left is one text's bytes."""

import itertools

import frames
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tcp_talk import DPORT, OPT, PEER, SIDE, Talk, opened


def raw(talk, seq, data):
    """A segment with these bytes, which need not be those of the text."""
    talk.put(frames.tcp(data, sport=talk.peer.sport, dport=DPORT, seq=1000 + seq, ack=(talk.peer.irs + 1) % 2**32,
                        src=PEER, dst=SIDE))  # fmt: skip


def queued(talk):
    skb, out = talk.sock._c.ofo, []
    while skb:
        out.append((skb.seq - 1000, skb.end_seq - 1000))
        skb = skb.next
    return out


spans = st.lists(st.tuples(st.integers(2, 300), st.integers(1, 120)), min_size=1, max_size=25)


@settings(max_examples=40)
@given(spans)
def test_the_queue_is_sorted_and_no_segment_covers_another(pieces):
    with opened(OPT | {"ts": False}, gro=False) as talk:
        covered = set()
        for seq, n in pieces:
            talk.data(seq, n)
            covered |= set(range(seq, seq + n))
            now = queued(talk)
            assert now == sorted(now)
            assert all(b[1] > a[1] and b[0] > a[0] for a, b in itertools.pairwise(now))
            assert set().union(*(range(a, b) for a, b in now)) == covered
        assert talk.host.ledger().in_flight == len(queued(talk))
        (*_, ack) = talk.data(1, 1)
        end = 2
        while end in covered:
            end += 1
        assert ack.ack == end
        assert len(talk.sock.recv_nowait()) == end - 1


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(2, 100), st.integers(1, 60)), min_size=1, max_size=12))
def test_each_byte_is_one_that_was_sent_for_its_place(pieces):
    """Different bytes for one place: any of them may win, but none from elsewhere."""
    with opened(OPT | {"ts": False}, gro=False) as talk:
        sent = {}
        for version, (seq, n) in enumerate(pieces):
            raw(talk, seq, bytes([version]) * n)
            talk.collect(1)
            for at in range(seq, seq + n):
                sent.setdefault(at, set()).add(version)
        raw(talk, 1, b"\xff")
        talk.collect(1)
        got = talk.sock.recv_nowait()
        assert got[0] == 0xFF
        for at, byte in enumerate(got[1:], 2):
            assert byte in sent[at]


@pytest.mark.parametrize("how", ["reset", "close", "host"])
def test_what_is_queued_is_freed_however_it_ends(how):
    with Talk() as talk:
        talk.open(OPT)
        for seq in (101, 301, 501):
            talk.data(seq, 100)
        assert talk.host.ledger().in_flight == 3
        if how == "reset":
            talk.seg(seq=1, flags=frames.RST)
        elif how == "close":
            talk.step(("close",))
            talk.seg(ack=2)
            talk.wait(70)
        else:
            return
        assert talk.host.ledger().in_flight == 0
        assert talk.tcp.orphans == 0


def test_a_full_buffer_drops_the_queue_before_bytes_in_order():
    """RFC 2018 section 8: the receiver may take back what it SACKed."""
    with opened(OPT) as talk:
        talk.sock.rcvbuf = 30_000
        at = 30_001
        for i in range(8):
            talk.data(at + 1448 * i, 1448)
        said = []
        for i in range(12):
            said += talk.data(1 + 1448 * i, 1448)
        assert said[-1].ack > 1448 * 5
        assert talk.host.ledger().in_flight == len(queued(talk))
