"""Each knob of TCP acts: at the start, on a live host at once, or, where a socket keeps a copy, on the next socket.

A case does something and returns what came of it. ``turn`` is called where a change of the knob is to come: after the
socket was made, before what the knob rules.
"""

import socket
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import pytest
from frames import CWR, ECE
from tcp_pair import MS, Pair, transfer
from tcp_sides import Peer
from tcp_talk import OPT, PLAIN, RST, SPORT, SYN, Talk

HOUR = 3600
AT_USE, OF_SOCKET = "at use", "of the socket"


def seconds(talk):
    """Times between what was said, s, as Linux's wheel rounds them: to eighths."""
    return [round((b - a) / 1e9, 1) for (a, _), (b, _) in pairwise(talk.said)]


def option(sock, level, name):
    return sock.getsockopt(level, name)


# ---- opening ----


def offered(talk, turn):
    """Options of a SYN."""
    turn()
    talk.step(("connect",))
    return talk.said[0][1].options


def agreed(talk, turn):
    """Options of a SYN-ACK."""
    turn()
    return talk.step(("syn", OPT))[0][0].options


def clock(talk, turn):
    """Does the SYN's timestamp count from zero?"""
    turn()
    talk.step(("connect",))
    return talk.peer.ts_recent * MS == talk.said[0][0] // MS * MS


def syns(talk, turn):
    talk.step(("connect",))
    turn()
    talk.wait(300)
    return len(talk.said)


def syn_acks(talk, turn):
    talk.step(("syn", OPT))
    turn()
    talk.wait(300)
    return len(talk.said)


def asks_for_ecn(talk, turn):
    """In each SYN."""
    turn()
    talk.step(("connect",))
    talk.wait(1.5)
    return [bool(s.flags & ECE) for _, s in talk.said]


def takes_ecn(talk, turn):
    turn()
    talk.run([("syn", OPT | {"flags": SYN | ECE | CWR}), ("seg", {}), ("accept",)])
    return talk.sock.tcp_info().ecn


def answered_syns(talk, turn):
    """Of five peers that do not go on; the backlog is 5."""
    turn()
    for i in range(5):
        talk.peer = Peer(sport=SPORT + i)
        talk.step(("syn", OPT))
    return len(talk.said)


def answered_beyond_the_backlog(talk, turn):
    talk.server._tcp.backlog = 2
    return answered_syns(talk, turn)


def backlogs(talk, turn):
    """What a listener gets that asks for more, and one that listened before."""
    turn()
    return talk.host.listen(81, backlog=100).backlog, talk.server.backlog


def overflow(talk, turn):
    """The answers to a handshake that finds the accept queue full."""
    talk.run([("syn", OPT), ("seg", {})])
    talk.peer = Peer(sport=SPORT + 1)
    talk.step(("syn", OPT))
    talk.server._tcp.backlog = 0
    turn()
    return [s.flags for s in talk.seg()]


def congestion(talk, turn):
    talk.step(("connect",))
    turn()
    return talk.sock.getsockopt(socket.IPPROTO_TCP, 13, 16).rstrip(b"\0")


def congestion_of_child(talk, turn):
    """Linux: tcp_ca_openreq_child(). The listener's own was never set, so the child gets what holds now."""
    turn()
    return talk.open().getsockopt(socket.IPPROTO_TCP, 13, 16).rstrip(b"\0")


# ---- sending ----


def sent_until_it_ends(talk, turn):
    talk.open(PLAIN)
    talk.send(b"x")
    turn()
    talk.wait(HOUR)
    assert talk.sock.state == "CLOSE"
    return len(talk.said)


def sent_by_an_orphan(talk, turn):
    talk.open(PLAIN)
    talk.send(b"x")
    talk.step(("close",))
    turn()
    talk.wait(HOUR)
    assert talk.tcp.orphans == 0
    return len(talk.said)


def probes_of_a_window(talk, turn):
    talk.open(PLAIN)
    talk.seg(window=0)
    talk.send(b"x")
    turn()
    talk.wait(2 * HOUR)
    return len(talk.said)


def rto(talk, turn):
    talk.step(("connect",))
    turn()
    talk.step(("synack", OPT))
    return talk.sock.tcp_info().rto


def rto_of_child(talk, turn):
    """The listener's, which was made before."""
    turn()
    return talk.open().tcp_info().rto


def longest_wait(talk, turn):
    talk.step(("connect",))
    turn()
    talk.step(("synack", OPT))
    talk.said.clear()
    talk.send(b"x")
    talk.wait(HOUR)
    return round(max(seconds(talk)), -1 if max(seconds(talk)) > 10 else 0)


def tail_probes(talk, turn):
    talk.open(OPT)
    turn()
    for i in range(20):
        talk.send(b"x" * 1448)
        talk.seg(ack=1 + 1448 * (i + 1), ts=0)
    talk.sock.send_nowait(b"y" * 14480)
    talk.collect(100)
    return talk.mib("TcpExt_TCPLossProbes")


def cwnd_after_idle(talk, turn):
    talk.open(OPT)
    acked = 1
    for _ in range(2):
        n = talk.sock.tcp_info().snd_cwnd * 1448
        talk.send(b"x" * n)
        acked += n
        talk.seg(ack=acked)
    turn()
    talk.wait(10)
    talk.send(b"x")
    return talk.sock.tcp_info().snd_cwnd


def send_buffer(talk, turn):
    talk.step(("connect",))
    turn()
    return option(talk.sock, socket.SOL_SOCKET, socket.SO_SNDBUF)


def send_buffer_of_child(talk, turn):
    turn()
    talk.run([("syn", OPT), ("seg", {"window": 1})])
    sock = talk.server.accept_nowait()
    return option(sock, socket.SOL_SOCKET, socket.SO_SNDBUF)


def send_buffer_grown(talk, turn):
    """Does a connection take more than 100000 bytes, once cwnd has grown?"""
    talk.open(OPT)
    turn()
    acked = 1
    for _ in range(6):
        n = talk.sock.send_nowait(b"x" * 1_000_000)
        talk.collect(1)
        while acked < talk.sock._tcp.snd_nxt - talk.sock._tcp.iss:
            acked = talk.sock._tcp.snd_nxt - talk.sock._tcp.iss
            talk.seg(ack=acked)
    return n > 100_000


# ---- receiving ----


def receive_buffer(talk, turn):
    talk.step(("connect",))
    turn()
    return option(talk.sock, socket.SOL_SOCKET, socket.SO_RCVBUF)


def receive_buffer_of_child(talk, turn):
    turn()
    return option(talk.open(), socket.SOL_SOCKET, socket.SO_RCVBUF)


def scale(talk, turn):
    turn()
    talk.step(("connect",))
    return dict(o for o in talk.said[0][1].options if len(o) == 2)["wscale"]


def grown_buffer(pair, turn):
    """b's receive buffer after a megabyte that it has read: more than at the beginning?"""
    ours, theirs, _ = pair.connected()
    turn()
    transfer(pair, ours, theirs, bytes(3_000_000))
    return option(theirs, socket.SOL_SOCKET, socket.SO_RCVBUF) > 131072


def sacks_at_once(talk, turn):
    """Acknowledgements of ten segments behind a hole, in one millisecond."""
    talk.open(OPT)
    turn()
    for i in range(10):
        talk.put(talk.peer.segment({"seq": 1001 + 200 * i, "len": 100}))
    return len(talk.collect(0.01))


def sack_held_back(talk, turn):
    """How long, in us, on a path of 100 ms."""
    talk.step(("syn", OPT))
    talk.wait(0.1)
    talk.run([("seg", {}), ("accept",)])
    turn()
    talk.said.clear()
    for i in range(5):
        talk.put(talk.peer.segment({"seq": 1001 + 200 * i, "len": 100}))
    talk.collect(20)
    return (talk.said[-1][0] - talk.said[0][0]) // 1000


def told_twice(talk, turn):
    talk.open(OPT)
    turn()
    talk.data(1, 100)
    return (talk.data(1, 100) + talk.wait(0.3))[0].sacks


def challenges(talk, turn):
    """Answers to five SYNs of a connection that is established."""
    talk.open(OPT)
    turn()
    return sum(len(talk.seg(flags=SYN, seq=50)) for _ in range(5))


# ---- silence, and the end ----


def alive(talk):
    talk.open(PLAIN)
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def silence_before_a_probe(talk, turn):
    talk.open(PLAIN)
    began = talk.now
    turn()
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    talk.wait(3 * HOUR)
    return round((talk.said[0][0] - began) / 1e9, -1) // 1000


def between_probes(talk, turn):
    alive(talk)
    turn()
    talk.wait(4 * HOUR)
    return round(seconds(talk)[0], -1)


def probes(talk, turn):
    alive(talk)
    turn()
    talk.wait(4 * HOUR)
    return sum(not s.flags & RST for _, s in talk.said)


def orphans_left(talk, turn):
    """Connections that wait for the peer's FIN half a minute after ours was acknowledged."""
    talk.open(PLAIN)
    turn()
    talk.step(("close",))
    talk.seg(ack=2)
    talk.wait(30)
    return talk.tcp.orphans


def waiting(talk, turn):
    talk.open(PLAIN)
    turn()
    talk.step(("close",))
    talk.fin(ack=2)
    return talk.tcp.tws


def after_a_reset(talk, turn):
    waiting(talk, turn)
    talk.seg(seq=2, ack=2, flags=RST)
    return talk.tcp.tws


@dataclass(frozen=True)
class Case:
    """``default``, ``changed``: what ``does`` returns without the knob, and with ``value``."""

    knob: str
    value: object
    does: object
    default: object
    changed: object
    kind: str = AT_USE
    world: type = Talk

    def __str__(self):
        return f"{self.knob}={self.value}-{self.does.__name__}"


ALL = (("mss", 1460), "sack", "ts", ("wscale", 10))
CASES = [
    Case("somaxconn", 7, backlogs, (100, 5), (7, 5)),
    Case("tcp-abort-on-overflow", 1, overflow, [], [RST]),
    Case("tcp-comp-sack-delay-ns", 3_000_000, sack_held_back, 1000, 3000),
    Case("tcp-comp-sack-nr", 0, sacks_at_once, 3, 10),
    Case("tcp-comp-sack-nr", 2, sacks_at_once, 3, 5),
    Case("tcp-congestion-control", "reno", congestion, b"cubic", b"reno", OF_SOCKET),
    Case("tcp-congestion-control", "reno", congestion_of_child, b"cubic", b"reno"),
    Case("tcp-dsack", 0, told_twice, ((1, 101),), ()),
    Case("tcp-early-retrans", 0, tail_probes, 1, 0),
    Case("tcp-early-retrans", 4, tail_probes, 1, 1),
    Case("tcp-ecn", 0, takes_ecn, True, False),
    Case("tcp-ecn", 1, asks_for_ecn, [False, False], [True, False]),
    Case("tcp-ecn-fallback", 0, asks_for_ecn, [True, False], [True, True], world=partial(Talk, tcp_ecn=1)),
    Case("tcp-fin-timeout", 15, orphans_left, 1, 0),
    Case("tcp-invalid-ratelimit", 0, challenges, 1, 5),
    Case("tcp-keepalive-intvl", 600, between_probes, 80, 620),
    Case("tcp-keepalive-probes", 2, probes, 9, 2),
    Case("tcp-keepalive-time", 1000, silence_before_a_probe, 7, 1),
    Case("tcp-max-syn-backlog", 4, answered_syns, 5, 4, world=partial(Talk, tcp_syncookies=0)),
    Case("tcp-max-tw-buckets", 0, waiting, 1, 0),
    Case("tcp-moderate-rcvbuf", 0, grown_buffer, True, False, world=Pair),
    Case("tcp-orphan-retries", 2, sent_by_an_orphan, 10, 5),
    Case("tcp-retries2", 4, sent_until_it_ends, 16, 6),
    Case("tcp-retries2", 4, probes_of_a_window, 15, 4),
    Case("tcp-rfc1337", 1, after_a_reset, 0, 1),
    Case("tcp-rmem", "4096 65536 33554432", receive_buffer, 131072, 65536, OF_SOCKET),
    Case("tcp-rmem", "4096 65536 33554432", receive_buffer_of_child, 131072, 65536, OF_SOCKET),
    Case("tcp-rmem", "4096 131072 6291456", scale, 10, 7),
    Case("tcp-rto-max-ms", 2000, longest_wait, 120, 2, OF_SOCKET),
    Case("tcp-rto-min-us", 5000, rto, 201000, 6000, OF_SOCKET),
    Case("tcp-rto-min-us", 5000, rto_of_child, 201000, 6000, OF_SOCKET),
    Case("tcp-sack", 0, offered, ALL, (("mss", 1460), "ts", ("wscale", 10))),
    Case("tcp-sack", 0, agreed, ALL, (("mss", 1460), "ts", ("wscale", 10))),
    Case("tcp-slow-start-after-idle", 0, cwnd_after_idle, 10, 40),
    Case("tcp-syn-linear-timeouts", 0, syns, 11, 7),
    Case("tcp-syn-retries", 2, syns, 11, 6),
    Case("tcp-syncookies", 0, answered_beyond_the_backlog, 5, 2),
    Case("tcp-synack-retries", 1, syn_acks, 6, 2),
    Case("tcp-timestamps", 0, offered, ALL, (("mss", 1460), "sack", ("wscale", 10))),
    Case("tcp-timestamps", 0, agreed, ALL, (("mss", 1460), "sack", ("wscale", 10))),
    Case("tcp-timestamps", 2, clock, False, True),
    Case("tcp-window-scaling", 0, offered, ALL, (("mss", 1460), "sack", "ts")),
    Case("tcp-window-scaling", 0, agreed, ALL, (("mss", 1460), "sack", "ts")),
    Case("tcp-wmem", "4096 50000 4194304", send_buffer, 16384, 50000, OF_SOCKET),
    Case("tcp-wmem", "4096 90000 90000", send_buffer_of_child, 87040, 90000, OF_SOCKET),
    Case("tcp-wmem", "4096 16384 100000", send_buffer_grown, True, False),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_knob_acts_from_the_start(case):
    for given, expected in (({}, case.default), ({case.knob: case.value}, case.changed)):
        with case.world(**given) as world:
            assert case.does(world, lambda: None) == expected


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_change_acts_on_a_live_host_at_once_or_on_the_next_socket(case):
    with case.world() as world:
        host = world.b if case.world is Pair else world.host

        def turn():
            host.knobs[case.knob] = case.value

        assert case.does(world, turn) == (case.changed if case.kind == AT_USE else case.default)
