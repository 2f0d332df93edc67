"""Messages: every order, and whatever a hostile front-end sends. It is obeyed, or refused, or the connection ends."""

import array
import contextlib
import os
import resource
import select
import socket
import struct
import time
from pathlib import Path

import pytest
from front_end import (
    GET_CONFIG,
    GET_FEATURES,
    GET_QUEUE_NUM,
    NET_SET_MTU,
    PROTOCOL,
    REPLY_ACK,
    RESET_DEVICE,
    RESET_OWNER,
    SET_BACKEND_REQ_FD,
    SET_CONFIG,
    SET_FEATURES,
    SET_MEM_TABLE,
    SET_OWNER,
    SET_PROTOCOL_FEATURES,
    SET_VRING_ADDR,
    SET_VRING_BASE,
    SET_VRING_CALL,
    SET_VRING_ENABLE,
    SET_VRING_ERR,
    SET_VRING_KICK,
    SET_VRING_NUM,
    USUAL,
    FrontEnd,
)  # fmt: skip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vhost_checks import collect, files, flows, next_works, receives, sends, until, works

from vnic.errors import ConfigError
from vnic.vhost import messages
from vnic.vhost.card import VhostCard


def test_frames_go_both_ways(vhost, attach):
    card = vhost()
    works(attach(card).start(), card, 1)


# ---- every order ----


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_rings_come_up_in_any_order(one_card, data):
    """Size and memory before the addresses, those and the base before KICK; all else whenever; both rings mixed."""
    card = one_card
    with FrontEnd(card.path, size=64) as front:
        front.negotiate()
        steps = [(front.set_memory,)]
        for ring in (0, 1):
            ready = [
                (front.set_num, ring),
                (front.set_addr, ring),
                (front.set_kick, ring),
            ]  # each needs those before it
            free = [(step, ring) for step in (front.set_err, front.set_call, front.enable)]
            ready = _woven(data, ready, [(front.set_base, ring)], before_last=True)
            steps = _woven(data, steps, _woven(data, ready, data.draw(st.permutations(free))))
        places = [i for i, (step, *_) in enumerate(steps) if step == front.set_addr]
        steps.remove((front.set_memory,))
        steps.insert(data.draw(st.integers(0, min(places) - 1)), (front.set_memory,))
        for step, *ring in steps:
            assert step(*ring) == 0, steps
        front.post_buffers(front.rings[0], 48)
        works(front, card, 1)


def _woven(data, one, other, *, before_last=False):
    """Two lists in one, each in its order."""
    last = len(one) - before_last
    places = sorted(data.draw(st.lists(st.integers(0, last), min_size=len(other), max_size=len(other))))
    out = list(one)
    for at, item in reversed(list(zip(places, other, strict=True))):
        out.insert(at, item)
    return out


@pytest.fixture(scope="module")
def one_card(tmp_path_factory):
    """A card for all examples of a test: each front-end comes after another."""
    card = VhostCard(tmp_path_factory.mktemp("vhost") / "card", link="inf")
    with contextlib.closing(card):
        card.start()
        yield card
        card.stop()
        assert not card.laws()
        assert not card.ledger().in_flight


@pytest.mark.parametrize("enabled_first", [False, True])
def test_what_was_posted_and_rung_before_the_ring_was_enabled_is_taken_then(vhost, attach, enabled_first):
    card = vhost()
    front = attach(card)
    front.negotiate()
    front.set_memory()
    for i in (0, 1):
        if enabled_first:
            front.enable(i)
        front.start_ring(i)
    front.post_buffers(front.rings[0], 64)
    front.transmit(*flows(3))
    for i in (0, 1):
        front.enable(i)
    front.sync()
    assert len(front.rings[1].wait(3)) == 3
    receives(front, card, [0])


def test_a_front_end_without_protocol_features_has_all_rings_enabled(vhost, attach):
    card = vhost(queues=2)
    front = attach(card, pairs=2, features=USUAL & ~PROTOCOL).start()
    assert [r["enabled"] for r in card.rings()] == [1, 1, 1, 1]
    works(front, card, 2)


@pytest.mark.parametrize("first_feature", [0, 1 << 15])
def test_the_ring_starts_only_when_features_are_agreed(vhost, attach, first_feature):
    card = vhost()
    front = attach(card)
    front.protocol = REPLY_ACK
    front.do(SET_PROTOCOL_FEATURES, struct.pack("=Q", REPLY_ACK))
    if first_feature:
        assert front.do(SET_FEATURES, struct.pack("=Q", first_feature)) != 0, "without VERSION_1"
    front.set_memory()
    for step in (front.set_num, front.set_base, front.set_addr):
        assert step(0) == 0
    assert front.set_kick(0) != 0
    assert not card.attached


def test_the_mac_and_the_mtu_are_in_the_config(vhost, attach):
    card = vhost(queues=2, mac="02:00:00:00:00:07", mtu=1400)
    front = attach(card)
    answer = front.ask(GET_CONFIG, struct.pack("=III", 0, 12, 0) + bytes(12))
    assert answer == struct.pack("=III", 0, 12, 0) + bytes.fromhex("020000000007") + struct.pack("<HHH", 1, 2, 1400)
    front.negotiate(protocol=messages.PROTOCOL_NET_MTU | REPLY_ACK)
    assert front.do(NET_SET_MTU, struct.pack("=Q", 1300)) == 0
    assert front.ask(GET_CONFIG, struct.pack("=III", 10, 2, 0))[12:] == struct.pack("<H", 1300)


def test_all_is_forgotten_when_the_device_is_reset(vhost, attach):
    card = vhost()
    front = attach(card).start()
    works(front, card, 1)
    assert front.do(RESET_DEVICE) == 0
    assert not any(r["started"] or r["enabled"] for r in card.rings())
    assert front.set_kick(0) != 0, "it has no size any more"
    for ring in front.rings:
        ring.restart_at(0)
    assert front.set_features() == 0
    for i in (0, 1):
        front.start_ring(i)
        front.enable(i)
    front.post_buffers(front.rings[0], 128)
    works(front, card, 1)


def test_the_owner_that_resets_only_disables(vhost, attach):
    card = vhost()
    front = attach(card).start()
    front.do(RESET_OWNER)
    assert [(r["started"], r["enabled"]) for r in card.rings()] == [(1, 0)] * 2
    for i in (0, 1):
        front.enable(i)
    works(front, card, 1)


# ---- what is refused ----

U64 = struct.Struct("=Q").pack
PAIR = struct.Struct("=II").pack
ADDR = struct.Struct("=IIQQQQ").pack


def _table(*rows):
    return struct.pack("=II", len(rows), 0) + b"".join(struct.pack("=QQQQ", *row) for row in rows)


def _row(front, **changed):
    row = dict(zip(("bus", "size", "user", "offset"), front.memory.rows()[0], strict=True)) | changed
    return row["bus"], row["size"], row["user"], row["offset"]


def _ring_at(desc=0, avail=0x8000, used=0xA000, base=None):
    def make(front):
        at = front.memory.user(0) if base is None else base
        return SET_VRING_ADDR, ADDR(0, 0, at + desc, at + used, at + avail, 0), ()

    return make


def _in_memory(request, body=b"", fds=()):
    return lambda _front: (request, body, fds)


def _tables(rows, n=None):
    return lambda front: (
        SET_MEM_TABLE,
        _table(*rows(front)),
        [front.memory.fd] * (len(rows(front)) if n is None else n),
    )


REFUSED = {
    "an unknown message": _in_memory(99),
    "message 0": _in_memory(0),
    "SET_LOG_BASE": _in_memory(6, U64(0)),
    "GET_INFLIGHT_FD of 65535 queues": _in_memory(31, struct.pack("=QQHH", 0, 0, 65535, 65535)),
    "SET_OWNER with 8 files": lambda front: (SET_OWNER, b"", [front.memory.fd] * 8),
    "SET_FEATURES too short": _in_memory(SET_FEATURES, b"\1\0\0\0"),
    "SET_FEATURES too long": _in_memory(SET_FEATURES, bytes(9)),
    "SET_VRING_NUM without a body": _in_memory(SET_VRING_NUM),
    "SET_VRING_ADDR too short": _in_memory(SET_VRING_ADDR, bytes(39)),
    "a ring that the card has not": _in_memory(SET_VRING_NUM, PAIR(4, 256)),
    "ring 255": _in_memory(SET_VRING_KICK, U64(255), ()),
    "ring 70000": _in_memory(SET_VRING_BASE, PAIR(70000, 0)),
    "ring 65536, which is 0 in 16 bits": _in_memory(SET_VRING_ENABLE, PAIR(65536, 1)),
    "ENABLE with 2": _in_memory(SET_VRING_ENABLE, PAIR(0, 2)),
    "a ring of no entries": _in_memory(SET_VRING_NUM, PAIR(0, 0)),
    "a ring of 3": _in_memory(SET_VRING_NUM, PAIR(0, 3)),
    "a ring of 65536": _in_memory(SET_VRING_NUM, PAIR(0, 65536)),
    "another size while it runs": _in_memory(SET_VRING_NUM, PAIR(0, 128)),
    "another base while it runs": _in_memory(SET_VRING_BASE, PAIR(0, 7)),
    "a base beyond 16 bits": _in_memory(SET_VRING_BASE, PAIR(1, 65536)),
    "a ring outside": _ring_at(base=0x1000),
    "a ring at the memory's end": _ring_at(desc=(8 << 20) - 64),
    "a used ring at the memory's end": _ring_at(used=(8 << 20) - 64),
    "a ring at an address that wraps": _ring_at(desc=0, base=2**64 - 0x10000),
    "misaligned descriptors": _ring_at(desc=8),
    "a misaligned available ring": _ring_at(avail=0x8001),
    "a misaligned used ring": _ring_at(used=0xA002),
    "a ring with a log": lambda front: (SET_VRING_ADDR, ADDR(0, 1, *[front.memory.user(0)] * 3, 0), ()),
    "CALL without its file": _in_memory(SET_VRING_CALL, U64(0)),
    "CALL with a file that it says it has not": lambda front: (SET_VRING_CALL, U64(0x100), [front.memory.fd]),
    "CALL with a pipe": lambda front: (SET_VRING_CALL, U64(0), [_files(front, *os.pipe())]),
    "CALL with a plain file": lambda front: (SET_VRING_CALL, U64(0), [front.memory.fd]),
    "CALL with a TCP socket": lambda front: (SET_VRING_CALL, U64(0), [_kept(front, socket.socket()).fileno()]),
    "ERR with a pipe": lambda front: (SET_VRING_ERR, U64(0), [_files(front, *os.pipe())]),
    "KICK with a plain file": lambda front: (SET_VRING_KICK, U64(0), [front.memory.fd]),
    "KICK with a socket": lambda front: (SET_VRING_KICK, U64(0), [front.sock.fileno()]),
    "KICK with an epoll": lambda front: (SET_VRING_KICK, U64(0), [_files(front, _epoll())]),
    "KICK with two files": lambda front: (SET_VRING_KICK, U64(0), [front.rings[0].kick] * 2),
    "KICK with a number beyond the ring's": lambda front: (SET_VRING_KICK, U64(1 << 32), [front.rings[0].kick]),
    "a table with fewer files than regions": _tables(lambda front: [_row(front)], 0),
    "a table with more files than regions": _tables(lambda front: [_row(front)], 2),
    "a table that says more regions than it has": _in_memory(SET_MEM_TABLE, PAIR(0xFFFFFFFF, 0)),
    "a region without bytes": _tables(lambda front: [_row(front, size=0)]),
    "a region whose size wraps": _tables(lambda front: [_row(front, size=2**64 - 4096)]),
    "a bad region before a good one": _tables(
        lambda front: [_row(front, bus=1 << 40, user=1 << 40, size=front.memory.size + 4096), _row(front)]
    ),
    "a region whose offset wraps": _tables(lambda front: [_row(front, offset=2**64 - 4096)]),
    "a region at the end of the bus": _tables(lambda front: [_row(front, bus=2**64 - 4096)]),
    "a region larger than its file": _tables(lambda front: [_row(front, size=front.memory.size + 4096)]),
    "a region behind its file's end": _tables(lambda front: [_row(front, offset=front.memory.size)]),
    "a region of 2^62 bytes": _tables(lambda front: [_row(front, size=1 << 62)]),
    "regions that overlap by bus": _tables(lambda front: [_row(front), _row(front, user=1 << 40)]),
    "regions that overlap by address": _tables(lambda front: [_row(front), _row(front, bus=1 << 40)]),
    "memory that is a pipe": lambda front: (SET_MEM_TABLE, _table(_row(front)), [_files(front, *os.pipe())]),
    "memory that is only readable": lambda front: (SET_MEM_TABLE, _table(_row(front)), [_read_only(front)]),
    "features that were not offered": _in_memory(SET_FEATURES, U64(USUAL | 1 << 34)),
    "features that change while rings run": _in_memory(SET_FEATURES, U64(USUAL & ~(1 << 15))),
    "protocol features that were not offered": _in_memory(SET_PROTOCOL_FEATURES, U64(1 << 12)),
    "an MTU of 0": _in_memory(NET_SET_MTU, U64(0)),
    "an MTU of 2^40": _in_memory(NET_SET_MTU, U64(1 << 40)),
    "SET_CONFIG": _in_memory(SET_CONFIG, struct.pack("=III", 0, 6, 0) + bytes(6)),
    "SET_BACKEND_REQ_FD without a file": _in_memory(SET_BACKEND_REQ_FD),
}  # fmt: skip


def _kept(front, thing):
    """It lives as long as the front-end."""
    front.__dict__.setdefault("things", []).append(thing)
    return thing


def _files(front, *fds):
    """Close these with the test. Return: the last."""
    for fd in fds:
        _kept(front, os.fdopen(fd, "rb", closefd=True, buffering=0))
    return fds[-1]


def _first_free():
    """A number above all files that this process has."""
    return max(int(fd.name) for fd in Path("/proc/self/fd").iterdir()) + 1


def _epoll():
    with select.epoll() as poll:
        return os.dup(poll.fileno())


def _read_only(front):
    return _files(front, os.open(f"/proc/self/fd/{front.memory.fd}", os.O_RDONLY))


@pytest.mark.parametrize("acks", [True, False], ids=["acks", "silent"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_may_not_be_is_refused_and_changes_nothing(vhost, attach, name, acks):
    """With REPLY_ACK the front-end hears an error, and all goes on; without it the connection ends."""
    card = vhost(queues=2)
    front = attach(card, pairs=2)
    front.start()
    before = files()
    request, body, fds = REFUSED[name](front)
    opened = files() - before
    if acks:
        assert front.do(request, body, fds) != 0
        works(front, card, 2)
        assert files() <= before + opened
    else:
        front.send(request, body, fds)
        assert front.gone()
    assert card.refused
    for thing in front.__dict__.pop("things", []):
        thing.close()
    front.close()
    next_works(card, 2)


CLOSES = {
    "half a header, and a hang-up": lambda f: (f.sock.sendall(b"\1\0\0\0\1"), f.sock.shutdown(socket.SHUT_WR)),
    "half a body, and a hang-up": lambda f: (
        f.send(SET_FEATURES, b"abc", size=8), f.sock.shutdown(socket.SHUT_WR)
    ),
    "a size of 1 GB": lambda f: f.send(SET_FEATURES, size=1 << 30),
    "a size of 4097": lambda f: f.send(SET_FEATURES, size=4097),
    "version 0": lambda f: f.send(GET_FEATURES, flags=0),
    "version 2": lambda f: f.send(GET_FEATURES, flags=2),
    "GET_FEATURES with 8 bytes": lambda f: f.send(GET_FEATURES, bytes(8)),
    "GET_FEATURES with a file": lambda f: f.send(GET_FEATURES, b"", [f.memory.fd]),
    "GET_FEATURES with 16 files": lambda f: f.send(GET_FEATURES, b"", [f.memory.fd] * 16),
    "GET_FEATURES with 250 files": lambda f: f.send(GET_FEATURES, b"", [f.memory.fd] * 250),
    "GET_VRING_BASE of ring 200": lambda f: f.send(11, PAIR(200, 0)),
    "GET_CONFIG beyond it": lambda f: f.send(GET_CONFIG, struct.pack("=III", 250, 100, 0)),
    "GET_CONFIG at an offset that wraps": lambda f: f.send(GET_CONFIG, struct.pack("=III", 2**32 - 4, 8, 0)),
    "9 regions": lambda f: f.send(SET_MEM_TABLE, _table(*[_row(f, bus=i << 30, user=i << 30) for i in range(9)])),
    "files with each byte": lambda f: [
        socket.send_fds(f.sock, [b"\2"], [f.memory.fd] * 200) for _ in range(3)
    ],
    "a request that is text": lambda f: f.sock.sendall(b"GET / HTTP/1.1\r\nHost: card\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSES)
def test_what_is_no_message_ends_the_connection(vhost, attach, name):
    card = vhost(queues=2)
    with FrontEnd(card.path) as front:
        front.negotiate()
    until(lambda: card.session is None)
    before = files()
    front = attach(card, pairs=2)
    front.start()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        CLOSES[name](front)
    assert front.gone()
    front.close()
    until(lambda: files() <= before)
    next_works(card, 2)


def test_half_a_message_and_silence_ends_the_connection(vhost, attach, monkeypatch):
    monkeypatch.setattr("vnic.vhost.session._PATIENCE_S", 0.2)
    card = vhost()
    front = attach(card).start()
    front.sock.sendall(b"\1\0")
    assert front.gone()
    next_works(card, 1)


def test_a_message_in_single_bytes_is_a_message(vhost, attach):
    card = vhost()
    front = attach(card)
    for byte in struct.pack("=III", GET_FEATURES, 1, 0):
        front.sock.sendall(bytes([byte]))
        time.sleep(0.001)
    assert front.receive()[0] == GET_FEATURES


def test_many_messages_in_one_write_are_all_answered(vhost, attach):
    card = vhost()
    front = attach(card)
    front.sock.sendall(struct.pack("=III", GET_QUEUE_NUM, 1, 0) * 500)
    assert [front.receive() for _ in range(500)] == [(GET_QUEUE_NUM, struct.pack("=Q", 1))] * 500


def test_who_never_reads_the_replies_is_read_no_more_and_holds_up_nobody(vhost, attach):
    card = vhost()
    front = attach(card).start()
    front.sock.setblocking(False)
    taken = -1
    while taken != card.session.messages:
        taken = card.session.messages
        with contextlib.suppress(BlockingIOError):
            while True:
                front.sock.send(struct.pack("=III", GET_QUEUE_NUM, 1, 0) * 100)
        time.sleep(0.05)
    assert 0 < len(card.session._out) < 100, "no message is taken while replies wait"
    works(front, card, 1)
    front.hang_up()
    front.close()
    next_works(card, 1)


def test_the_file_limit_ends_the_connection_of_who_reached_it_and_the_next_works(vhost, attach):
    """EMFILE: the kernel drops files that come with a message, and says so."""
    card = vhost()
    front = attach(card).start()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    top = _first_free()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))
        filling = []
        with contextlib.suppress(OSError):
            while True:
                filling.append(os.dup(front.memory.fd))
        front.send(SET_VRING_CALL, U64(0), [front.rings[0].call])
        assert front.gone()
    finally:
        for fd in filling:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    front.close()
    next_works(card, 1)


def test_who_connects_when_no_file_is_free_waits(vhost):
    card = vhost()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    sock = socket.socket(socket.AF_UNIX)
    filling = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_first_free(), hard))
        with contextlib.suppress(OSError):
            while True:
                filling.append(os.dup(sock.fileno()))
        sock.connect(str(card.path))
        spent = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - spent < 0.15, "the card spins"
    finally:
        for fd in filling:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: card.session is not None)
    sock.close()
    next_works(card, 1)


def test_files_above_1024_are_files(vhost, attach):
    """select(2) ends there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this process may not open 2048 files")
    filling = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
        with open(os.devnull, "rb") as null:
            while not filling or filling[-1] < 1100:
                filling.append(os.dup(null.fileno()))
        next_works(vhost(), 1)
    finally:
        for fd in filling:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_same_kick_file_again_and_again_is_one_doorbell(vhost, attach):
    """The card has it open under several numbers in turn; each comes around again."""
    card = vhost()
    front = attach(card).start()
    before = files()
    for _ in range(50):
        assert front.set_kick(1) == 0
        assert front.set_call(1) == 0
        assert front.set_err(1) == 0
    assert files() <= before
    works(front, card, 1)
    kicks = card.rings()[1]["kicks"]
    front.rings[1].ring_bell()
    until(lambda: card.rings()[1]["kicks"] == kicks + 1)


def test_names_of_features_are_checked(tmp_path):
    with pytest.raises(ConfigError, match="MRG_RXBUF"):
        VhostCard(tmp_path / "card", withhold=["RXBUF"])


def test_the_fds_of_an_unfinished_message_are_closed_with_it(vhost, attach):
    card = vhost()
    with FrontEnd(card.path) as front:
        front.negotiate()
    until(lambda: card.session is None)
    before = files()
    front = attach(card)
    fds = array.array("i", [front.memory.fd] * 4)
    front.sock.sendmsg([b"\5\0\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    until(lambda: card.session is not None and card.session.deadline() is not None)
    front.close()
    until(lambda: files() <= before)


def test_frames_that_several_pairs_take_are_spread(vhost, attach):
    card = vhost(queues=4)
    front = attach(card, pairs=4).start()
    card.feed(flows(200))
    assert all(collect(front, range(4), 200))


def test_each_pair_sends(vhost, attach):
    card = vhost(queues=4)
    front = attach(card, pairs=4).start()
    for pair in range(4):
        sends(front, card, pair)


@pytest.mark.parametrize("part", ["desc", "avail", "used"])
def test_a_ring_may_end_where_the_memory_ends(vhost, attach, part):
    """And not a byte further."""
    card = vhost(queues=1)
    front = attach(card, pairs=1)
    front.start()
    num = front.rings[0].size
    front.stop(0)
    size, align = {"desc": (16 * num, 16), "avail": (6 + 2 * num, 2), "used": (6 + 8 * num, 4)}[part]
    last = ((8 << 20) - size) // align * align
    front.set_num(0)
    for at, refused in ((last, False), (last + align, True)):
        assert (front.do(*_ring_at(**{part: at})(front)) != 0) == refused
