"""Random and mutated streams of messages, with files, at any cut: the card lives, and the next front-end works."""

import contextlib
import os
import socket
import struct

import pytest
from front_end import USUAL, FrontEnd, Memory, Ring
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vhost_checks import files, next_works, until

from vnic.vhost.card import VhostCard
from vnic.vhost.messages import KINDS

REQUESTS = sorted(KINDS)
MEMORY = Memory(8 << 20)
U32 = st.one_of(
    st.sampled_from([0, 1, 2, 3, 4, 255, 256, 257, 65535, 65536, 2**31, 2**32 - 1]), st.integers(0, 2**32 - 1)
)
U64 = st.one_of(
    st.sampled_from([0, 1, 4096, 1 << 32, MEMORY.bus(0), MEMORY.user(0), MEMORY.size, 2**63, 2**64 - 4096, 2**64 - 1]),
    st.integers(0, 2**64 - 1),
)
BODY = st.one_of(
    st.binary(max_size=300),
    st.lists(U32, max_size=12).map(lambda values: struct.pack(f"={len(values)}I", *values)),
    st.lists(U64, max_size=9).map(lambda values: struct.pack(f"={len(values)}Q", *values)),
    st.tuples(U32, st.lists(st.tuples(U64, U64, U64, U64), max_size=9)).map(
        lambda table: struct.pack("=II", table[0] % 12, 0) + b"".join(struct.pack("=QQQQ", *row) for row in table[1])
    ),
)
FILES = st.lists(st.sampled_from(["memory", "event", "socket", "pipe", "null"]), max_size=10)
MESSAGE = st.tuples(
    st.one_of(st.sampled_from(REQUESTS), U32),
    st.sampled_from([1, 1, 1, 9, 9, 5, 0, 2]),
    BODY,
    FILES,
    st.sampled_from([0] * 9 + [-1, 1, 1 << 30]),
)
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """One card for all examples."""
    made = VhostCard(tmp_path_factory.mktemp("vhost") / "card", queues=2, link="inf", fifo=1 << 20)
    with contextlib.closing(made):
        made.start()
        with FrontEnd(made.path) as first:
            first.negotiate()
        until(lambda: made.session is None)
        yield made
        next_works(made, 2)
        made.stop()
        assert not made.laws()
        assert not made.ledger().in_flight


@pytest.fixture(scope="module")
def things():
    """Files of every kind, by name."""
    ours, theirs = socket.socketpair()
    reads, writes = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    event = os.eventfd(0)
    with ours, theirs:
        yield {"memory": MEMORY.fd, "event": event, "socket": theirs.fileno(), "pipe": writes, "null": null}
    for fd in (reads, writes, null, event):
        os.close(fd)


@contextlib.contextmanager
def _front_end(card, **options):
    """A front-end whose connection may break at any time; afterwards the card is as before, and serves the next one."""
    before, sessions = files(), card.sessions
    front = FrontEnd(card.path, **options)
    try:
        with contextlib.suppress(OSError):
            yield front
    finally:
        front.close()
    until(lambda: card.sessions > sessions and card.session is None)
    assert files() <= before
    assert card._control.is_alive()


@settings(suppress_health_check=QUIET)
@given(stream=st.lists(MESSAGE, max_size=12), started=st.booleans())
def test_any_messages_are_survived(card, things, stream, started):
    """A front-end that is up, or not, sends them one after another and hangs up."""
    with _front_end(card, pairs=2, size=64) as front:
        if started:
            front.start(buffers=16)
        for request, flags, body, names, more in stream:
            front.send(request, body, [things[n] for n in names], flags=flags, size=max(0, len(body) + more))


class Recorder(FrontEnd):
    """What a front-end sends from the beginning until its rings are enabled: bytes and files of each message."""

    def __init__(self):
        self.rings, self.memory = [Ring(MEMORY, i, 64) for i in (0, 1)], MEMORY
        self.wanted, self.features, self.protocol = USUAL, 0, 0
        self.sent = []
        self.negotiate(protocol=1)
        self.set_memory()
        for i in (0, 1):
            self.start_ring(i)
            self.enable(i)

    def send(self, request, body=b"", fds=(), *, flags=1, size=None):
        self.sent.append((struct.pack("=III", request, flags, len(body)) + body, list(fds)))

    def number(self, request):
        self.send(request)
        return (1 << 64) - 1


@pytest.fixture(scope="module")
def good():
    """A recorder."""
    recorder = Recorder()
    yield recorder.sent
    for ring in recorder.rings:
        ring.close()


@settings(suppress_health_check=QUIET)
@given(
    changes=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 255)), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 99), min_size=40, max_size=40),
)
def test_a_good_stream_with_a_few_bytes_changed_is_survived(card, good, changes, cuts):
    """The bytes of a whole start, some of them others, cut into pieces anywhere; files where they belong."""
    stream = [(bytearray(message), fds) for message, fds in good]
    for which, at, value in changes:
        message, _ = stream[which % len(stream)]
        message[at % len(message)] = value
    with _front_end(card, pairs=0) as front:
        for (message, fds), cut in zip(stream, cuts, strict=False):
            first = 1 + cut % len(message)
            socket.send_fds(front.sock, [message[:first]], fds)
            front.sock.sendall(message[first:])


@settings(suppress_health_check=QUIET)
@given(pieces=st.lists(st.binary(min_size=1, max_size=200), max_size=10))
def test_any_bytes_are_survived(card, pieces):
    with _front_end(card) as front:
        for piece in pieces:
            front.sock.sendall(piece)
