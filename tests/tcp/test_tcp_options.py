"""Options of segments: whatever bytes come, and what is written. Options of sockets too."""

import errno
import socket
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tcp_talk import OPT, Talk

from vnic._core import ffi, lib


def parsed(raw, *, syn=True):
    """Return: was the list whole?, and the struct tcp_options."""
    o = ffi.new("struct tcp_options *")
    return lib.tcp_parse_options(ffi.from_buffer(bytes(raw)), len(raw), syn, o), o


def plain(raw, *, syn):
    """RFC 9293 section 3.2, the plain way."""
    got = {"mss": 0, "wscale": None, "sack_ok": 0, "ts": None, "sacks": []}
    i = 0
    while i < len(raw) and raw[i] != 0:
        if raw[i] == 1:
            i += 1
            continue
        if i + 1 >= len(raw) or raw[i + 1] < 2 or i + raw[i + 1] > len(raw):
            return False, got
        kind, n, body = raw[i], raw[i + 1], raw[i + 2 : i + raw[i + 1]]
        if kind == 2 and n == 4 and syn:
            got["mss"] = int.from_bytes(body, "big")
        elif kind == 3 and n == 3 and syn:
            got["wscale"] = min(body[0], 14)
        elif kind == 4 and n == 2 and syn:
            got["sack_ok"] = 1
        elif kind == 5 and n >= 10 and n % 8 == 2:
            got["sacks"] = [struct.unpack_from("!II", body, at) for at in range(0, n - 2, 8)][:4]
        elif kind == 8 and n == 10:
            got["ts"] = struct.unpack("!II", body)
        i += n
    return True, got


def seen(o):
    return {
        "mss": o.mss,
        "wscale": o.wscale if o.wscale_ok else None,
        "sack_ok": o.sack_ok,
        "ts": (o.tsval, o.tsecr) if o.saw_tstamp else None,
        "sacks": [(o.sack[i].start, o.sack[i].end) for i in range(o.nsacks)],
    }


def an_option(kind, size):
    return st.binary(min_size=size, max_size=size).map(lambda body: bytes((kind, size + 2)) + body)


well_made = st.one_of(
    st.just(b"\1"), st.just(b"\0"), an_option(2, 2), an_option(3, 1), an_option(4, 0), an_option(8, 8), an_option(5, 8),
    an_option(5, 24), an_option(5, 9), an_option(2, 3), an_option(253, 4),
)  # fmt: skip


@given(
    st.one_of(st.binary(max_size=40), st.lists(well_made, max_size=8).map(lambda p: b"".join(p)[:40])), st.booleans()
)
@example(b"\2", True)
@example(b"\2\0", True)
@example(b"\2\1\5\xb4", True)
@example(b"\2\4\5", True)
@example(b"\x05\x22" + bytes(32), False)
@example(b"\x08\x0a" + bytes(7), False)
@example(b"\1" * 40, True)
def test_any_bytes_are_read_as_a_plain_parser_reads_them(raw, syn):
    whole, o = parsed(raw, syn=syn)
    assert (whole, seen(o)) == plain(raw, syn=syn)


@given(st.binary(max_size=40), st.booleans())
def test_a_segment_with_any_options_leaves_the_host_whole(raw, syn):
    raw += b"\1" * (-len(raw) % 4)
    import frames
    from frames import ACK, SYN
    from tcp_talk import PEER, SIDE

    with Talk() as talk:
        talk.open()
        flags, port = (SYN, 40001) if syn else (ACK, talk.peer.sport)
        seq = 1001
        talk.put(frames.tcp(b"x", flags=flags, seq=seq, sport=port, options=raw, src=PEER, dst=SIDE))
        talk.collect(1)
        assert talk.sock.state == "ESTABLISHED"


def test_a_scale_above_14_is_14():
    with Talk() as talk:
        talk.open(OPT | {"wscale": 200})
        assert talk.sock.tcp_info().snd_wscale == 14


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ({}, (("mss", 1460),)),
        ({"mss": 1000}, (("mss", 1460),)),
        ({"mss": 1460, "sack": True}, (("mss", 1460), "sack")),
        ({"mss": 1460, "wscale": 3}, (("mss", 1460), ("wscale", 10))),
        (OPT, (("mss", 1460), "sack", "ts", ("wscale", 10))),
    ],
)
def test_a_syn_ack_offers_only_what_the_syn_did(offer, answer):
    with Talk() as talk:
        ((synack,), _) = talk.step(("syn", offer))
        assert synack.options == answer


@pytest.mark.parametrize(
    ("offer", "mss"), [({}, 536), ({"mss": 1000}, 1000), ({"mss": 1}, 48), (OPT, 1448), ({"mss": 9000}, 1460)]
)
def test_the_peers_mss_bounds_what_is_sent(offer, mss):
    with Talk() as talk:
        talk.open(offer)
        talk.send(b"x" * 3000)
        assert max(s.len for _, s in talk.said) == mss


# ---- of sockets ----

INTS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 0, [(1, 1), (7, 1), (0, 0)]),
    (socket.IPPROTO_TCP, socket.TCP_CORK, 0, [(1, 1), (0, 0)]),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 7200, [(1, 1), (32767, 32767)]),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 75, [(5, 5)]),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 9, [(127, 127)]),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0, [(5000, 5000), (0, 0)]),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0, [(1, 1), (0, 0)]),
    (socket.SOL_SOCKET, socket.SO_RCVBUF, 131072, [(10000, 20000), (1, 2304), (0, 2304), (-1, 8388608)]),
    (socket.SOL_SOCKET, socket.SO_SNDBUF, None, [(10000, 20000), (1, 4608)]),
]


@pytest.mark.parametrize(("level", "name", "first", "values"), INTS)
def test_a_number_that_was_set_is_read(level, name, first, values):
    with Talk() as talk:
        c = talk.open()
        assert first in (None, c.getsockopt(level, name))
        for value, read in values:
            c.setsockopt(level, name, value)
            assert c.getsockopt(level, name) == read
            c.setsockopt(level, name, struct.pack("i", value))
            assert c.getsockopt(level, name, 4) == struct.pack("i", read)


@pytest.mark.parametrize(
    ("level", "name", "value", "number"),
    [
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 0, errno.EINVAL),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 32768, errno.EINVAL),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 128, errno.EINVAL),
        (socket.IPPROTO_TCP, socket.TCP_MAXSEG, 87, errno.EINVAL),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, -1, errno.EINVAL),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1 << 31, errno.EINVAL),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, b"\1", errno.EINVAL),
        (socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"bbr", errno.ENOENT),
        (socket.IPPROTO_TCP, socket.TCP_CONGESTION, 1, errno.ENOENT),
        (socket.IPPROTO_TCP, 9999, 1, errno.ENOPROTOOPT),
        (socket.IPPROTO_IP, socket.IP_TTL, 1, errno.ENOPROTOOPT),
        (socket.SOL_SOCKET, 9999, 1, errno.ENOPROTOOPT),
        (socket.SOL_SOCKET, socket.SO_LINGER, 1, errno.EINVAL),
        (socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0", errno.EINVAL),
    ],
)
def test_what_is_refused_changes_nothing(level, name, value, number):
    with Talk() as talk:
        c = talk.open()
        with pytest.raises(OSError) as e:
            c.setsockopt(level, name, value)
        assert e.value.errno == number


def test_congestion_linger_and_what_can_only_be_read():
    with Talk() as talk:
        c = talk.open()
        assert c.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16) == b"cubic".ljust(16, b"\0")
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        assert c.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16) == b"reno".ljust(16, b"\0")
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
        assert c.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 5)
        assert c.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) == 1448
        assert c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert c.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
        assert c.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == socket.IPPROTO_TCP
        assert c.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0
        with pytest.raises(OSError) as e:
            c.getsockopt(socket.IPPROTO_TCP, 9999)
        assert e.value.errno == errno.ENOPROTOOPT


def test_maxseg_shrinks_segments():
    with Talk() as talk:
        c = talk.open()
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 500)
        talk.send(b"x" * 1000)
        assert [s.len for _, s in talk.said][:2] == [488, 488]


@pytest.mark.parametrize("sacks", range(5))
@pytest.mark.parametrize("dsack", [False, True])
@pytest.mark.parametrize("ts", [False, True])
def test_as_many_sacks_are_written_as_fit_the_duplicates_first(sacks, dsack, ts):
    tp = ffi.new("struct tcp_sock *")
    tp.tstamp_ok, tp.ts_recent, tp.nsacks = ts, 5, sacks
    for i in range(sacks):
        tp.sacks[i].start, tp.sacks[i].end = 100 * i, 100 * i + 10
    tp.dsack.start, tp.dsack.end = (7, 8) if dsack else (7, 7)
    to = ffi.new("uint8_t[40]")
    n = lib.tcp_put_options(tp, to, 99, 40)
    whole, o = parsed(bytes(ffi.buffer(to, n)), syn=False)
    expected = ([(7, 8)] if dsack else []) + [(100 * i, 100 * i + 10) for i in range(sacks)]
    assert whole
    assert n % 4 == 0
    assert seen(o)["ts"] == ((99, 5) if ts else None)
    assert seen(o)["sacks"] == expected[: 3 if ts else 4]
    tp.mss_cache = 1448
    assert lib.tcp_current_mss(tp) == 1448 - (n - 12 * ts)


OF_A_LISTENER = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, 3, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 7),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 8),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5),
    (socket.IPPROTO_TCP, 18, 5000),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3)),
    (socket.SOL_SOCKET, socket.SO_SNDBUF, 30_000),
    (socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000),
    (socket.IPPROTO_TCP, 13, b"reno"),
]


@pytest.mark.parametrize(("level", "name", "value"), OF_A_LISTENER)
def test_a_connection_begins_with_its_listeners_options(level, name, value):
    with Talk() as t:
        size = 0 if isinstance(value, int) else 16
        before = t.server.getsockopt(level, name, size)
        t.server.setsockopt(level, name, value)
        wanted = t.server.getsockopt(level, name, size)
        t.open(OPT)
        assert before != wanted == t.sock.getsockopt(level, name, size)


def test_corked_data_goes_when_nodelay_is_switched_on():
    with Talk() as t:
        t.open(OPT)
        t.sock.setsockopt(socket.IPPROTO_TCP, 3, 1)
        t.sock.send_nowait(b"held")
        assert t.collect(1) == []
        t.sock.setsockopt(socket.IPPROTO_TCP, 3, 1)
        assert t.collect(1) == []
        t.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert [s.len for s in t.collect(1)] == [4]
