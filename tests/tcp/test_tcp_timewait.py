"""What is left of a connection for a minute: answers to old segments, and how a new connection begins from them."""

import pytest
from tcp_pair import A, B, Pair, begin
from tcp_talk import ACK, FIN, OPT, PLAIN, PSH, RST, SYN, Talk, opened

from vnic import HostError


def waiting(options=OPT, **knobs):
    """A talk that we ended first: our FIN is 1, the peer's too."""
    talk = opened(options, **knobs)
    talk.step(("close",))
    (ack,) = talk.fin(ack=2)
    assert (ack.flags, ack.seq, ack.ack) == (ACK, 2, 2)
    assert (talk.tcp.tws, talk.tcp.orphans) == (1, 0)
    talk.said.clear()
    return talk


@pytest.mark.parametrize("options", [OPT, PLAIN])
def test_the_last_fin_again_is_acknowledged_again(options):
    with waiting(options) as talk:
        (ack,) = talk.fin(ack=2)
        assert (ack.flags, ack.seq, ack.ack) == (ACK, 2, 2)


def test_the_last_acknowledgement_is_answered_by_nothing():
    with waiting() as talk:
        assert talk.seg(seq=2, ack=2) == []


def test_it_lasts_a_minute():
    with waiting() as talk:
        talk.wait(59)
        assert talk.tcp.tws == 1
        talk.wait(10)
        assert talk.tcp.tws == 0
        assert talk.mib("TcpExt_TW") == 1
        (answer,) = talk.seg(seq=2, ack=2)
        assert answer.flags == RST


def test_a_late_fin_lets_it_last_a_minute_more():
    with waiting() as talk:
        talk.wait(50)
        talk.fin(ack=2)
        talk.wait(50)
        assert talk.tcp.tws == 1
        talk.wait(20)
        assert talk.tcp.tws == 0


def test_answers_are_limited():
    """Of segments without data: two ends that answer each other would go on for ever."""
    with waiting() as talk:
        assert [len(talk.fin(ack=2)) for _ in range(1)] == [1]
        assert [len(talk.seg(seq=1, ack=2)) for _ in range(5)] == [0] * 5
        assert talk.mib("TcpExt_TCPACKSkippedTimeWait") == 5


def test_answers_to_data_are_not_limited():
    with waiting() as talk:
        assert [len(talk.data(1, 10, ack=2)) for _ in range(3)] == [1] * 3


def test_a_reset_ends_it():
    with waiting() as talk:
        assert talk.seg(seq=2, ack=2, flags=RST) == []
        assert talk.tcp.tws == 0


def test_a_reset_elsewhere_does_not():
    with waiting() as talk:
        assert talk.seg(seq=77, ack=2, flags=RST) == []
        assert talk.tcp.tws == 1


def test_a_newer_syn_begins_anew_with_a_number_far_ahead():
    with waiting() as talk:
        (synack,) = talk.seg(seq=1000, flags=SYN, ts=10)
        assert (synack.flags, synack.ack) == (SYN | ACK, 1001)
        assert talk.tcp.tws == 0
        assert talk.tcp.reqs == 1


@pytest.mark.parametrize("options", [OPT, PLAIN])
def test_an_older_syn_is_acknowledged_as_an_old_segment_is(options):
    with waiting(options) as talk:
        (ack,) = talk.seg(seq=0, flags=SYN, **({"ts": -100} if options is OPT else {}))
        assert (ack.flags, ack.seq, ack.ack) == (ACK, 2, 2)
        assert talk.tcp.tws == 1


def test_a_syn_with_a_newer_timestamp_begins_anew_though_its_number_is_old():
    """RFC 6191."""
    with waiting() as talk:
        (synack,) = talk.seg(seq=0, flags=SYN, ts=1000)
        assert synack.flags == SYN | ACK


def test_a_program_that_still_holds_its_socket_reads_to_the_end():
    with Talk() as talk:
        c = talk.open(PLAIN)
        talk.step(("shutdown", 1))
        talk.seg(ack=2)
        talk.data(1, 10, ack=2, flags=FIN | PSH | ACK)
        assert talk.tcp.tws == 1
        assert len(c.recv_nowait()) == 10
        assert c.recv_nowait() == b""


def test_both_sides_end_at_once_and_both_wait():
    with Pair() as p:
        ours, theirs, _ = p.connected()
        ours.close()
        theirs.close()
        p.run(1)
        assert [h.machine.c.tcp.tws for h in p.hosts] == [1, 1]
        assert [h.machine.c.tcp.orphans for h in p.hosts] == [0, 0]
        p.quiet(70)
        assert [h.machine.c.tcp.tws for h in p.hosts] == [0, 0]


def test_the_port_is_not_used_for_the_same_peer_meanwhile():
    with Pair() as p:
        ours, theirs, _ = p.connected()
        port = ours.local[1]
        ours.close()
        p.run(0.01)
        theirs.close()
        p.run(0.1)
        assert [h.machine.c.tcp.tws for h in p.hosts] == [1, 0]
        with pytest.raises(HostError, match="address"):
            begin(p.a, B, 80, (A, port))
        p.quiet(70)
        c = begin(p.a, B, 80, (A, port))
        p.until(lambda: c.state == "ESTABLISHED")


def test_the_side_that_ended_first_is_reached_from_the_same_port_at_once():
    """The server closed: the client's next SYN from there has a later number."""
    with Pair() as p:
        ours, theirs, server = p.connected()
        port = ours.local[1]
        theirs.close()
        p.run(0.01)
        ours.close()
        p.run(0.01)
        assert [h.machine.c.tcp.tws for h in p.hosts] == [0, 1]
        again = begin(p.a, B, 80, (A, port))
        p.until(server.accept_nowait)
        p.until(lambda: again.state == "ESTABLISHED")
        assert p.b.machine.c.tcp.tws == 0


def test_many_wait_and_all_are_forgotten():
    with Pair() as p:
        server = p.b.listen(80, backlog=200)
        ours = [begin(p.a, B, 80) for _ in range(100)]
        p.until(lambda: all(c.state == "ESTABLISHED" for c in ours))
        p.run(0.01)
        theirs = [server.accept_nowait() for _ in ours]
        for c in ours:
            c.close()
        p.run(0.01)
        for c in theirs:
            c.close()
        p.run(1)
        assert p.a.machine.c.tcp.tws == 100
        p.quiet(70)
        assert (p.a.machine.c.tcp.tws, p.a.machine.c.tcp.orphans, p.b.machine.c.tcp.orphans) == (0, 0, 0)
