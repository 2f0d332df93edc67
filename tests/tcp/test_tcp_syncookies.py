"""SYN cookies: a handshake that nobody remembers. What they carry is compared with the kernel in test_tcp_input.py."""

from random import Random

import pytest
from frames import ACK, FIN, PSH, RST, SYN
from tcp_listener import Server

MINUTE = 60
TS = b"\1\1\x08\x0a" + bytes(8)


def flooded(cookies=1, backlog=1, **more):
    """A listener whose requests are too many: ports 1 to backlog are half open, one more than it allows."""
    s = Server(backlog - 1, **more)
    s.host.machine.c.tcp.syncookies = cookies
    for port in range(1, backlog + 1):
        assert s.syn(port) == [SYN | ACK]
    return s


def test_who_finds_too_many_half_open_gets_in_all_the_same():
    with flooded() as s:
        assert s.syn(9) == [SYN | ACK]
        assert s.third(9) == []
        (c,) = s.connections()
        assert (c.peer[1], c.state) == (9, "ESTABLISHED")
        assert s.host.machine.c.tcp.reqs == 1
        assert {n: s.mib(f"TcpExt_{n}") for n in ("SyncookiesSent", "SyncookiesRecv", "SyncookiesFailed")} == {
            "SyncookiesSent": 1,
            "SyncookiesRecv": 1,
            "SyncookiesFailed": 0,
        }
        assert (s.mib("TcpExt_TCPReqQFullDoCookies"), s.mib("TcpExt_TCPReqQFullDrop")) == (1, 0)
        s.put(9, seq=101, ack=s.isn[9] + 1, data=b"hello", flags=ACK | PSH)
        assert c.recv_nowait() == b"hello"


def test_a_flood_takes_no_memory_and_no_place_of_others():
    """The peers of a flood never answer: who answers is served, and who was accepted is unharmed."""
    with flooded(backlog=4) as s:
        s.third(1)
        (old,) = s.connections()
        rng = Random(1)
        for _ in range(20):
            s.puts(
                [
                    (rng.randrange(100, 60000), {"flags": SYN, "seq": rng.randrange(1 << 32), "ack": 0})
                    for _ in range(50)
                ]
            )
        used = s.host.machine.c.tcp.req_used
        assert used <= 1 + 5
        assert s.host.machine.c.tcp.reqs <= 5
        s.syn(9)
        s.third(9)
        assert [c.peer[1] for c in s.connections()] == [9]
        s.put(1, seq=101, ack=s.isn[1] + 1, data=b"x", flags=ACK | PSH)
        assert old.recv_nowait() == b"x"
        assert s.mib("TcpExt_SyncookiesSent") > 900


def test_without_them_the_syn_is_dropped():
    with flooded(cookies=0) as s:
        assert s.syn(9) == []
        assert s.mib("TcpExt_TCPReqQFullDrop") == 1
        assert s.third_of(9, 77) == [RST]


def test_always():
    with Server(5) as s:
        s.host.machine.c.tcp.syncookies = 2
        s.syn(1)
        assert s.host.machine.c.tcp.reqs == 0
        s.third(1)
        assert s.accepted() == [1]


@pytest.mark.parametrize(
    ("seconds", "gets_in"), [(0, True), (MINUTE, True), (2 * MINUTE + 1, False), (10 * MINUTE, False)]
)
def test_a_cookie_is_good_for_two_minutes_at_most(seconds, gets_in):
    with flooded() as s:
        s.wait(MINUTE - s.now % (MINUTE * 10**9) / 1e9)
        s.third(1)  # its request is over by then, or it is not
        s.accepted()
        s.syn(2)
        s.syn(9)
        s.wait(seconds)
        assert s.third(9) == ([] if gets_in else [RST])
        assert s.accepted() == ([9] if gets_in else [])


@pytest.mark.parametrize("change", [*({"ack": n} for n in (-1, 4, 1 << 24, 1 << 25)), {"seq": 1}, {"seq": -4}])
def test_numbers_that_we_never_sent_are_refused(change):
    """One to three more would be the cookies of a larger MSS: the hash is a guess's only obstacle."""
    with flooded() as s:
        s.syn(9)
        wrong = {"seq": 101 + change.get("seq", 0), "ack": (s.isn[9] + 1 + change.get("ack", 0)) % 2**32}
        assert s.put(9, **wrong) == [RST]
        assert s.accepted() == []
        assert s.mib("TcpExt_SyncookiesFailed") == 1


def test_a_cookie_belongs_to_its_ports():
    with flooded() as s:
        s.syn(9)
        assert s.third_of(10, s.isn[9]) == [RST]
        assert s.third(9) == []
        assert s.accepted() == [9]


def test_guesses_do_not_get_in():
    """The hash has 24 bits and four MSS: one guess in four millions would."""
    with flooded() as s:
        s.syn(9)
        rng = Random(2)
        for _ in range(20):
            s.puts([(10 + i, {"seq": 101, "ack": rng.randrange(1 << 32)}) for i in range(100)])
        assert s.accepted() == []
        assert s.mib("TcpExt_SyncookiesFailed") == 2000


def test_acknowledgements_are_no_cookies_while_none_were_sent():
    with Server(5) as s:
        assert s.put(9, seq=101, ack=77) == [RST]
        assert s.mib("TcpExt_SyncookiesFailed") == 0


def test_a_full_accept_queue_takes_no_cookie():
    with flooded(backlog=2) as s:
        s.syn(8)
        s.syn(9)
        s.third(1)
        s.third(8)
        assert s.third(9) == []
        assert (s.mib("TcpExt_ListenOverflows"), s.mib("TcpExt_ListenDrops")) == (1, 1)
        assert s.accepted() == [1, 8]
        assert s.third(9) == []  # it tries again
        assert s.accepted() == [9]


@pytest.mark.parametrize("flags", [RST, RST | ACK, SYN | ACK, FIN, PSH, 0])
def test_only_an_acknowledgement_is_an_answer(flags):
    with flooded() as s:
        s.syn(9)
        s.put(9, seq=101, ack=s.isn[9] + 1, flags=flags)
        assert s.accepted() == []
        assert s.mib("TcpExt_SyncookiesRecv") == 0


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("mss", [40, 536, 537, 1219, 1220, 1300, 1440, 1459, 1460, 8940, 65535])
def test_the_mss_is_rounded_down_and_comes_back(v6, mss):
    table = [1220, 1420, 1440, 8940] if v6 else [536, 1300, 1440, 1460]
    with flooded(v6=v6) as s:
        s.syn(9, options=b"\2\4" + mss.to_bytes(2, "big"))
        s.third(9)
        (c,) = s.connections()
        assert c._tcp.peer_mss == max([t for t in table if t <= mss], default=table[0])


@pytest.mark.parametrize("wscale", [None, 0, 7, 14])
@pytest.mark.parametrize("sack", [False, True])
@pytest.mark.parametrize("ms", [0, 1, 63, 64, 1000])
def test_the_rest_comes_back_in_the_timestamp(wscale, sack, ms):
    said = (b"\4\2" if sack else b"") + TS + (b"" if wscale is None else bytes((3, 3, wscale)))
    with flooded() as s:
        s.now += ms * 1_000_000
        s.syn(9, options=said + b"\1" * (-len(said) % 4))
        s.third(9, options=b"\1\1\x08\x0a" + bytes(4) + s.tsval[9])
        (c,) = s.connections()
        info = c.tcp_info()
        assert (info.timestamps, info.sack, info.snd_wscale) == (True, sack, wscale or 0)
        assert bool(info.rcv_wscale) == (wscale is not None)


@pytest.mark.parametrize("off", ["timestamps", "sack", "window_scaling"])
def test_what_has_been_switched_off_since_is_refused(off):
    with flooded() as s:
        s.syn(9, options=b"\4\2" + TS + b"\3\3\7" + b"\1" * 3)
        setattr(s.host.machine.c.tcp, off, 0)
        assert s.third(9, options=b"\1\1\x08\x0a" + bytes(4) + s.tsval[9]) == [RST]


def test_the_last_quarter_of_the_backlog_is_for_cookies_or_for_nobody():
    with Server(100) as s:
        s.host.machine.c.tcp.syncookies, s.host.machine.c.tcp.max_syn_backlog = 0, 8
        assert sum(s.syn(port) != [] for port in range(1, 20)) == 7
        s.host.machine.c.tcp.syncookies = 1
        assert s.syn(30) == [SYN | ACK]
        assert s.host.machine.c.tcp.reqs == 8
