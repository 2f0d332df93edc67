"""Handshakes from the listener's side, its two queues, and what becomes of those who wait when it closes."""

import pytest
from frames import ACK, FIN, PSH, RST, SYN
from tcp_listener import Server
from tcp_pair import B, Pair, begin
from tcp_talk import OPT, PEER, SIDE, Talk

import vnic


def test_connections_are_accepted_in_the_order_in_which_they_were_completed():
    with Server(10) as s:
        for port in (1, 2, 3, 4):
            s.syn(port)
        for port in (3, 1, 4, 2):
            s.third(port)
        assert s.accepted() == [3, 1, 4, 2]
        assert s.mib("Tcp_PassiveOpens") == 4


def test_a_backlog_of_n_lets_n_and_one_wait():
    with Server(2) as s:
        for port in range(1, 4):
            s.open(port)
        assert s.syn(9) == []
        assert (s.mib("TcpExt_ListenOverflows"), s.mib("TcpExt_ListenDrops")) == (1, 1)
        assert s.host.ledger().fates["TCP_LISTEN_OVERFLOW"] == 1
        assert s.accepted() == [1, 2, 3]
        assert s.syn(9) == [SYN | ACK]


def test_who_completes_while_the_queue_is_full_is_told_again_and_gets_in_later():
    with Server(3) as s:
        s.syn(1)
        s.syn(2)
        s.syn(3)
        s.server._tcp.backlog = 1  # as a second listen() may
        s.third(1)
        s.third(2)
        assert s.third(3) == []  # full: the peer believes that it is connected
        assert s.accepted() == [1, 2]
        assert (3, SYN | ACK) in s.wait(2)
        s.third(3)
        assert s.accepted() == [3]


def test_half_open_connections_are_bounded_by_the_backlog_too():
    with Server(3) as s:
        s.host.machine.c.tcp.syncookies = 0
        assert [s.syn(port) for port in range(1, 7)] == [[SYN | ACK]] * 4 + [[]] * 2
        assert s.mib("TcpExt_TCPReqQFullDrop") == 2
        assert s.host.ledger().fates["TCP_REQQFULLDROP"] == 2
        s.third(1)
        assert s.syn(4) == [SYN | ACK]


def test_they_time_out_and_make_room():
    with Server(3) as s:
        s.host.machine.c.tcp.syncookies = 0
        for port in range(1, 5):
            s.syn(port)
        assert s.syn(5) == []
        s.wait(100)
        assert s.host.machine.c.tcp.reqs == 0
        assert s.syn(4) == [SYN | ACK]


def test_a_backlog_of_none_still_takes_one():
    with Server(0) as s:
        s.open(1)
        assert s.syn(2) == []
        assert s.accepted() == [1]


@pytest.mark.parametrize(
    ("flags", "answer"),
    [
        *((flags, [RST]) for flags in (ACK, SYN | ACK, FIN | ACK)),
        *((flags, []) for flags in (RST, RST | ACK, 0, FIN, SYN | FIN, SYN | RST, PSH)),
    ],
)
def test_what_is_no_syn_opens_nothing(flags, answer):
    with Server(5) as s:
        assert s.put(1, flags=flags, seq=5, ack=77) == answer
        assert s.host.machine.c.tcp.reqs == 0


def test_a_syn_again_is_answered_again_but_not_too_often():
    with Server(5) as s:
        assert s.syn(1) == [SYN | ACK]
        assert s.syn(1) == [SYN | ACK]
        assert s.syn(1) == []
        s.wait(0.6)
        assert s.syn(1) == [SYN | ACK]


@pytest.mark.parametrize("off", [-1, 1, 1000])
def test_a_wrong_acknowledgement_is_reset_and_the_right_one_still_counts(off):
    with Server(5) as s:
        s.syn(1)
        assert s.put(1, seq=101, ack=(s.isn[1] + 1 + off) % 2**32) == [RST]
        assert s.accepted() == []
        s.third(1)
        assert s.accepted() == [1]


def test_a_reset_forgets_the_half_open_one():
    with Server(5) as s:
        s.syn(1)
        assert s.put(1, flags=RST, seq=101, ack=0) == []
        assert s.host.machine.c.tcp.reqs == 0
        assert s.mib("Tcp_AttemptFails") == 1


def test_data_and_the_end_may_come_with_the_third_segment():
    with Server(5) as s:
        s.syn(1)
        s.third(1, data=b"all", flags=ACK | PSH | FIN)
        c = s.server.accept_nowait()
        assert (c.recv_nowait(), c.recv_nowait(), c.state) == (b"all", b"", "CLOSE_WAIT")


def test_closing_the_listener_resets_all_that_nobody_accepted():
    with Server(5) as s:
        s.open(1)
        s.open(2)
        s.syn(3)
        kept = s.server.accept_nowait()
        s.server.close()
        assert s.wait(0.001) == [(2, RST | ACK)]
        assert s.third(3) == [RST]
        assert s.syn(4) == [RST | ACK]
        assert kept.state == "ESTABLISHED"
        assert (s.host.machine.c.tcp.reqs, s.host.machine.c.tcp.orphans) == (0, 0)
        again = s.host.listen(80)
        s.open(5)
        assert again.accept_nowait().peer == (PEER, 5)


def test_a_port_is_taken_once():
    with Server(5) as s:
        with pytest.raises(vnic.PortTakenError):
            s.host.listen(80)
        free = s.host.listen(0)
        assert free.local[1] not in (0, 80)
        assert s.host.listen(81, SIDE, backlog=7).backlog == 7


def test_a_passive_host_neither_listens_nor_connects():
    with vnic.Host(ip="10.0.0.2/24") as h:
        with pytest.raises(vnic.ConfigError):
            h.listen(80)
        with pytest.raises(vnic.ConfigError):
            h.connect("10.0.0.1", 80)


def test_numbers_of_a_listener_are_checked():
    with Talk() as talk:
        for bad in (-1, 65536, "80", None, 1.5):
            with pytest.raises((vnic.ConfigError, TypeError)):
                talk.host.listen(bad)
        with pytest.raises(vnic.ConfigError):
            talk.host.listen(81, backlog=-1)


def test_both_families_reach_a_listener_without_an_address():
    with Pair() as p:
        server = p.b.listen(80)
        four, six = begin(p.a, B, 80), begin(p.a, "fd00::2", 80)
        got = [p.until(server.accept_nowait), p.until(server.accept_nowait)]
        assert {c.peer[0] for c in got} == {"10.0.0.1", "fd00::1"}
        p.until(lambda: four.state == six.state == "ESTABLISHED")


def test_many_connections_at_once():
    with Pair() as p:
        server = p.b.listen(80, backlog=300)
        ours = [begin(p.a, B, 80) for _ in range(200)]
        p.until(lambda: all(c.state == "ESTABLISHED" for c in ours))
        p.run(0.01)
        theirs = []
        while (c := server.accept_nowait()) is not None:
            theirs.append(c)
        assert sorted(c.peer[1] for c in theirs) == sorted(c.local[1] for c in ours)
        for c in ours + theirs:
            c.close()
        p.run(5)
        assert p.a.machine.c.tcp.orphans == p.b.machine.c.tcp.orphans == 0


def test_the_options_of_a_handshake_outlive_it():
    with Talk() as talk:
        c = talk.open(OPT | {"mss": 1000})
        info = c.tcp_info()
        assert (info.timestamps, info.sack, info.snd_wscale, info.rcv_wscale) == (True, True, 7, 10)
        assert info.snd_mss == 988
