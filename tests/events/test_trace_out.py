"""Bytes to a file through a buffer: all of them, in order; the first error stays."""

import errno
import os

import pytest

from vnic._core import ffi, lib


@pytest.fixture
def out():
    """A factory: out(fd)."""
    made = []

    def make(fd):
        c = ffi.new("struct trace_out *")
        assert lib.trace_out_init(c, fd) == 0
        made.append(c)
        return c

    yield make
    for c in made:
        lib.trace_out_free(c)


def put(c, data):
    ffi.memmove(lib.trace_room(c), data, len(data))
    lib.trace_took(c, len(data))


def test_pieces_of_any_size_arrive_in_order(out, tmp_path):
    path = tmp_path / "out"
    pieces = [bytes([i % 251]) * (i * 37 % lib.TRACE_ROOM + 1) for i in range(1000)]
    with path.open("wb") as file:
        c = out(file.fileno())
        for piece in pieces:
            put(c, piece)
        lib.trace_flush(c)
    assert path.read_bytes() == b"".join(pieces)
    assert (c.bytes, c.error) == (sum(map(len, pieces)), 0)


def test_a_full_device_is_an_error_that_stays(out):
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        c = out(fd)
        put(c, b"x")
        lib.trace_flush(c)
        assert c.error == errno.ENOSPC
        for _ in range(1000):
            put(c, bytes(lib.TRACE_ROOM))
        assert c.error == errno.ENOSPC
    finally:
        os.close(fd)


def test_a_pipe_that_takes_little_at_once_gets_all(out):
    read, write = os.pipe()
    got = []

    def drain():
        got.extend(iter(lambda: os.read(read, 777), b""))

    import threading

    reader = threading.Thread(target=drain)
    reader.start()
    c = out(write)
    for i in range(500):
        put(c, bytes([i % 256]) * 1500)
    lib.trace_flush(c)
    os.close(write)
    reader.join()
    os.close(read)
    assert b"".join(got) == b"".join(bytes([i % 256]) * 1500 for i in range(500))
