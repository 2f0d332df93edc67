"""Each knob of TCP acts: at the start, on a live host at once, or, where a socket keeps a copy, on the next socket.

A case does something and returns what came of it. ``turn`` is called where a change of the knob is to come: after the
socket was made, before what the knob rules.
"""

import errno
import socket
import threading
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import pytest
from frames import CWR, ECE
from tcp_page import LATER
from tcp_pair import MS, Pair, begin, transfer
from tcp_sides import KernelSide, Peer, VnicSide
from tcp_talk import ACK, FIN, OPT, PEER, PLAIN, RST, SPORT, SYN, Talk

from vnic.errors import HostError
from vnic.linux import sysctl_tcp
from vnic.tap.netns import own

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


def ports(talk, turn):
    """Local ports of three connections."""
    turn()
    return len({begin(talk.host, PEER, 80 + i).local[1] for i in range(3)})


def port_of_time_wait(talk, turn):
    """May a connection follow one that ended two seconds ago? There is one port."""
    talk.host.knobs["ip-local-port-range"] = "40000 40000"
    talk.peer = Peer(sport=80)
    talk.connect()
    talk.step(("close",))
    talk.fin(ack=2)
    assert talk.tcp.tws == 1
    talk.wait(2)
    turn()
    if talk.host.knobs["tcp-tw-reuse"] != 1 or talk.host.knobs["tcp-tw-reuse-delay"] > 2000:
        with pytest.raises(HostError) as e:
            begin(talk.host, PEER, 80)
        assert e.value.errno == errno.EADDRNOTAVAIL
        return False
    begin(talk.host, PEER, 80)
    return talk.tcp.tws == 0


def least_segment(talk, turn):
    """Bytes of a segment to a peer that takes no more than 100."""
    turn()
    talk.open({"mss": 100})
    return talk.send(b"x" * 5000)[0].len


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


def waits_to_be_sent(talk, turn):
    """More than 10000 bytes? None: nothing was taken."""
    talk.open(OPT)
    turn()
    taken = talk.sock.send_nowait(b"x" * 100_000)
    return None if taken is None else talk.sock.tcp_info().notsent_bytes > 10_000


def send_buffer_asked_for(talk, turn):
    talk.open()
    turn()
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
    return option(talk.sock, socket.SOL_SOCKET, socket.SO_SNDBUF)


def after_three_duplicates(talk, turn):
    """Segments that go again. The listener was made before the change."""
    turn()
    talk.open(PLAIN)
    talk.send(b"x" * 14600)
    return sum(len(talk.seg()) for _ in range(3))


def reordered(talk, turn):
    """By how many segments the path is taken to reorder, after one that was 9 late."""
    talk.open(OPT)
    turn()
    talk.send(b"x" * 14480)
    talk.seg(ack=1, sacks=[(1 + 9 * 1448, 1 + 10 * 1448)])
    talk.seg(ack=1, sacks=[(1, 1449), (1 + 9 * 1448, 1 + 10 * 1448)])
    talk.seg(ack=1449, sacks=[(1 + 9 * 1448, 1 + 10 * 1448)])
    return talk.sock.tcp_info().reordering


def round_trips(talk):
    """A path of 100 ms: ten segments are out."""
    talk.step(("syn", OPT))
    talk.wait(0.1)
    talk.run([("seg", {}), ("accept",)])
    talk.said.clear()
    talk.send(b"x" * 14480)
    talk.wait(0.1)


def reorder_timer(talk, turn):
    """Does a loss that three SACKs tell of wait?"""
    turn()
    round_trips(talk)
    talk.said.clear()
    talk.seg(ack=1, sacks=[(1449, 1 + 4 * 1448)])
    return not [s for _, s in talk.said if s.seq == 1]


def reorder_steps(talk, turn):
    """RACK's patience after a duplicate."""
    turn()
    round_trips(talk)
    talk.seg(ack=1449, sacks=[(1, 1449)])
    return talk.sock._tcp.rack_steps


def least_rtt(talk, turn):
    """In ms, of a path that became slower two minutes ago."""
    talk.open(PLAIN)
    turn()
    talk.send(b"x")
    talk.seg(ack=2)
    talk.wait(120)
    talk.send(b"x")
    talk.wait(0.1)
    talk.seg(ack=3)
    return talk.sock.tcp_info().min_rtt // 10_000


def after_a_spurious_timeout(talk, turn):
    """What goes when the first segment is acknowledged after all: old data or new?"""
    talk.open(PLAIN)
    talk.send(b"x" * 1460)
    talk.seg(ack=1461)
    talk.send(b"x" * 5840)
    turn()
    talk.wait(0.3)
    talk.sock.send_nowait(b"y" * 2920)
    talk.said.clear()
    talk.seg(ack=2921)
    return min(s.seq for _, s in talk.said) > 5840


def collapsed(talk, turn):
    """Bytes of what goes again, of three small segments."""
    talk.open(PLAIN)
    talk.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(3):
        talk.send(b"x" * 10)
    turn()
    talk.said.clear()
    talk.wait(0.3)
    return talk.said[0][1].len


def waits_of_a_thin_stream(talk, turn):
    talk.open(PLAIN)
    talk.send(b"x")
    talk.wait(0.5)  # a loss, which ends slow start
    for i in range(3):
        talk.seg(ack=2 + i)
        talk.send(b"x")
    talk.seg(ack=5)
    talk.said.clear()
    talk.send(b"x")
    turn()
    talk.wait(3)
    return seconds(talk)[:3]


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


def challenges_of_a_second(talk, turn):
    """Half of the limit, to one and a half."""
    return challenges(talk, turn) <= 3


def acknowledged_after(talk, turn):
    """A lone segment, ms. The listener was made before the change."""
    turn()
    talk.open(PLAIN)
    for i in range(30):
        talk.data(1 + 1460 * i, 1460, flags=ACK)
        talk.wait(0.005)
        talk.sock.recv_nowait()
    talk.said.clear()
    began = talk.now
    talk.data(1 + 1460 * 30, 100, flags=ACK)
    talk.wait(0.2)
    return round((talk.said[0][0] - began) / MS, -1)


def answers_that_delay(talk, turn):
    """Acknowledgements at once of requests that are answered."""
    talk.open(PLAIN)
    turn()
    at, n = 1, 0
    for i in range(4):
        n += len(talk.data(at, 100))
        at += 100
        talk.sock.recv_nowait()
        talk.send(b"x")
        talk.seg(seq=at, ack=2 + i)
    return n


def clamped(talk, turn):
    """The window's bound, of 64 KiB of payload."""
    turn()
    return talk.open().tcp_info() and talk.sock._tcp.window_clamp


def first_window(talk, turn):
    """Of a SYN-ACK without scaling, and of the acknowledgement after much was read."""
    turn()
    talk.open(PLAIN)
    first = talk.sock._tcp.rcv_wnd
    for i in range(40):
        talk.data(1 + 1460 * i, 1460)
        talk.sock.recv_nowait()
    return first <= 32767 and max(s.window for _, s in talk.said) <= 32767


def taken_back(talk, turn):
    """Does the window's edge move back, while small segments fill the buffer?"""
    talk.open(OPT | {"mss": 100})
    turn()
    edges = []
    for i in range(400):
        edges += [s.ack + s.window for s in talk.data(1 + 20 * i, 20)]
    return any(b < a for a, b in pairwise(edges))


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


def closed(talk, turn):
    """What the peer gets when the program closes."""
    talk.open(PLAIN)
    turn()
    talk.step(("close",))
    return [s.flags for _, s in talk.said]


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
    Case("ip-local-port-range", "40000 40000", ports, 3, 1),
    Case("tcp-app-win", 2, clamped, 65536 - 1448, 49152),
    Case(
        "tcp-challenge-ack-limit", 2, challenges_of_a_second, False, True, world=partial(Talk, tcp_invalid_ratelimit=0)
    ),
    Case("tcp-frto", 0, after_a_spurious_timeout, True, False),
    Case("tcp-max-orphans", 0, closed, [FIN | ACK], [FIN | ACK, RST | ACK]),
    Case("tcp-max-reordering", 5, reordered, 10, 5),
    Case("tcp-min-rtt-wlen", 60, least_rtt, 0, 10),
    Case("tcp-min-snd-mss", 500, least_segment, 100, 500),
    Case("tcp-pingpong-thresh", 3, answers_that_delay, 1, 3),
    Case("tcp-recovery", 5, reorder_timer, False, True),
    Case("tcp-recovery", 3, reorder_steps, 2, 1),
    Case("tcp-reordering", 5, after_three_duplicates, 1, 0, OF_SOCKET),
    Case("tcp-retrans-collapse", 0, collapsed, 30, 10),
    Case("tcp-rto-min-us", 20_000, acknowledged_after, 40, 20, OF_SOCKET),
    Case("tcp-thin-linear-timeouts", 1, waits_of_a_thin_stream, [0.2, 0.4, 0.8], [0.2, 0.2, 0.2]),
    Case("tcp-tw-reuse", 1, port_of_time_wait, False, True),
    Case("tcp-tw-reuse-delay", 5000, port_of_time_wait, True, False, world=partial(Talk, tcp_tw_reuse=1)),
    Case("tcp-workaround-signed-windows", 1, first_window, False, True),
    Case("wmem-max", 1 << 20, send_buffer_asked_for, 8 << 20, 2 << 20),
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
    Case("tcp-notsent-lowat", 10_000, waits_to_be_sent, True, False),
    Case("tcp-notsent-lowat", 0, waits_to_be_sent, True, None),
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
    Case("tcp-shrink-window", 1, taken_back, False, True),
    Case("tcp-slow-start-after-idle", 0, cwnd_after_idle, 10, 40),
    Case("tcp-syn-linear-timeouts", 0, syns, 11, 7),
    Case("tcp-syn-retries", 2, syns, 11, 6),
    Case("tcp-syncookies", 0, answered_beyond_the_backlog, 5, 3),
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


def test_every_knob_of_tcp_has_a_case_and_the_page_says_when_a_change_acts():
    assert {case.knob for case in CASES} == {sysctl_tcp.NAMES[name] for name in sysctl_tcp.SYSCTLS}
    assert {case.knob for case in CASES if case.kind == OF_SOCKET} | {"somaxconn"} == LATER.keys()


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


def test_what_a_program_has_set_counts_before_the_hosts():
    """Also what getsockopt() says of an option that nobody set is the host's, at that moment."""
    with Talk() as talk:
        c = talk.open(PLAIN)
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert [option(c, socket.IPPROTO_TCP, name) for name in names] == [7200, 75, 9]
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
        talk.host.knobs.update({"tcp-keepalive-time": 100, "tcp-keepalive-intvl": 10, "tcp-keepalive-probes": 2})
        assert [option(c, socket.IPPROTO_TCP, name) for name in names] == [20, 10, 2]
        c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        began = talk.now
        talk.wait(60)
        assert [round((t - began) / 1e10) for t, _ in talk.said] == [2, 3, 4]


# ---- the running kernel, with the same number, in the same talk ----

HELLO = [("syn", PLAIN), ("seg", {}), ("accept",)]
SACKING = [("syn", OPT), ("seg", {}), ("accept",)]
TALKS = [
    ("tcp_app_win=1", [
        *SACKING, *(("seg", {"seq": 1 + 1448 * i, "len": 1448}) for i in range(3)), ("info", "rcv_ssthresh"),
    ]),
    ("tcp_comp_sack_nr=0", [*SACKING, *(("seg", {"seq": 1001 + 100 * i, "len": 50}) for i in range(5))]),
    ("tcp_dsack=0", [*SACKING, ("seg", {"len": 100}), ("seg", {"len": 100})]),
    ("tcp_early_retrans=0", [*SACKING, ("send", b"x" * 5000), ("wait", 100), ("wait", 200)]),
    ("tcp_ecn=0", [("syn", OPT | {"flags": SYN | ECE | CWR}), ("seg", {})]),
    ("tcp_fin_timeout=1", [*HELLO, ("close",), ("seg", {"ack": 2}), ("wait", 1300), ("seg", {"ack": 2})]),
    ("tcp_frto=0", [
        *HELLO, ("send", b"x" * 5840), ("wait", 200), ("send", b"y" * 1460), ("seg", {"ack": 1461}),
        ("seg", {"ack": 2921}),
    ]),
    ("tcp_invalid_ratelimit=0", [*SACKING, *[("seg", {"flags": SYN, "seq": 50})] * 3]),
    ("tcp_max_reordering=5", [
        *SACKING, ("send", b"x" * 14480), ("seg", {"sacks": [(1 + 9 * 1448, 1 + 10 * 1448)]}),
        ("seg", {"ack": 1 + 2 * 1448, "sacks": [(1 + 9 * 1448, 1 + 10 * 1448)]}), ("info", "reordering"),
    ]),
    ("tcp_max_tw_buckets=0", [
        *HELLO, ("close",), ("seg", {"flags": FIN | ACK, "ack": 2}), ("seg", {"seq": 2, "ack": 2}),
    ]),
    ("tcp_min_snd_mss=500", [("syn", {"mss": 100}), ("seg", {}), ("accept",), ("send", b"x" * 1200)]),
    ("tcp_orphan_retries=1", [*HELLO, ("send", b"x"), ("close",), ("wait", 500), ("wait", 900)]),
    ("tcp_pingpong_thresh=3", [*HELLO, *(
        step for i in range(3) for step in (
            ("seg", {"seq": 1 + 9 * i, "ack": 1 + i, "len": 9}), ("send", b"x"), ("recv", 99)
        )
    )]),
    ("tcp_reordering=5", [*HELLO, ("send", b"x" * 14600), ("nodelay",), *[("seg", {})] * 6]),
    ("tcp_retrans_collapse=0", [*HELLO, ("nodelay",), *[("send", b"x" * 10)] * 3, ("wait", 300)]),
    ("tcp_retries2=1", [*HELLO, ("send", b"x"), ("wait", 500), ("wait", 900), ("recv", 1), ("recv", 1)]),
    ("tcp_rfc1337=1", [
        *HELLO, ("close",), ("seg", {"flags": FIN | ACK, "ack": 2}), ("seg", {"flags": RST, "seq": 2}),
        ("seg", {"flags": FIN | ACK, "ack": 2}),
    ]),
    ("tcp_rmem=4096 20000 40000", [*SACKING, ("seg", {"len": 1448}), ("info", "rcv_ssthresh rcv_space")]),
    ("tcp_rto_min_us=20000", [*HELLO, ("send", b"x"), ("info", "rto"), ("wait", 300)]),
    ("tcp_sack=0", [*SACKING, ("seg", {"seq": 101, "len": 100})]),
    ("tcp_slow_start_after_idle=0", [
        *HELLO, ("send", b"x" * 14600), ("seg", {"ack": 14601}), ("info", "snd_cwnd"), ("wait", 900), ("send", b"x"),
        ("info", "snd_cwnd"),
    ]),
    ("tcp_syn_linear_timeouts=0", [("connect",), ("wait", 1500), ("wait", 900)]),
    ("tcp_synack_retries=0", [("syn", OPT), ("wait", 1500), ("seg", {})]),
    ("tcp_syncookies=2", [*SACKING, ("seg", {"len": 100})]),
    ("tcp_thin_linear_timeouts=1", [
        *HELLO, ("send", b"x"), ("wait", 300), ("seg", {"ack": 2}), ("send", b"x"), ("seg", {"ack": 3}), ("send", b"x"),
        ("wait", 1100),
    ]),
    ("tcp_timestamps=0", [*SACKING, ("seg", {"len": 100, "no_ts": True})]),
    ("tcp_window_scaling=0", [*SACKING, ("seg", {"len": 100})]),
    ("tcp_workaround_signed_windows=1", [
        *HELLO, ("seg", {"len": 1460}), ("recv", 9999), ("seg", {"seq": 1461, "len": 1460}),
    ]),
]  # fmt: skip


def of_kernel(setting, script, answers):
    try:
        with own(), KernelSide(sysctls=[f"net.ipv4.{setting}"]) as k:
            k.begin(SPORT)
            answers[setting] = k.run(script)
    except BaseException as e:  # noqa: BLE001 - a thread's; the test compares it, and shows it
        answers[setting] = e


@pytest.fixture(scope="module")
def answers():
    """Setting -> what the kernel does, each in a namespace of its own, all at once."""
    import needs

    if why := needs.why_no_root():
        pytest.skip(why)
    found = {}
    lanes = [threading.Thread(target=of_kernel, args=(*talk, found), daemon=True) for talk in TALKS]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join(30)
    return found


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize(("setting", "script"), TALKS, ids=[setting.split("=")[0] for setting, _ in TALKS])
def test_a_talk_goes_as_with_a_kernel_that_is_set_alike(answers, setting, script):
    knob, _, value = setting.partition("=")
    for again in range(3):  # the kernel runs in real time: it is asked again
        if again:
            of_kernel(setting, script, answers)
        with VnicSide(**{knob: value}) as v:
            v.begin(SPORT)
            ours = v.run(script)
        if ours == answers[setting]:
            break
    assert list(zip(script, ours, strict=True)) == list(zip(script, answers[setting], strict=True))
