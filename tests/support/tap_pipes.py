"""A TAP's wire over pipes, one for each lane: what a test writes into a pipe comes as a frame."""

import contextlib
import fcntl
import os

from vnic._core import ffi, lib

F_SETPIPE_SZ = 1031


@contextlib.contextmanager
def lanes_of(n, slots=512):
    """A tap_wire over n pipes. Yields it and the ends to write to."""
    pipes = [os.pipe2(os.O_DIRECT | os.O_NONBLOCK | os.O_CLOEXEC) for _ in range(n)]
    for _, w in pipes:
        fcntl.fcntl(w, F_SETPIPE_SZ, 1 << 19)  # 128 packets
    tap = lib.tap_wire_new([r for r, _ in pipes], n, 2048, slots, 0)
    writers = [w for _, w in pipes]
    try:
        yield tap, writers
    finally:
        lib.tap_wire_free(tap)
        for fd in [r for r, _ in pipes] + writers:
            os.close(fd)


def frame(lane, number):
    return bytes([lane, number]) + bytes(58)


def read(tap, n):
    """One burst. Return: (lane, number) of each frame, or -errno."""
    f = ffi.new("struct frame[]", n)
    got = tap.wire.read_burst(ffi.addressof(tap.wire), f, n)
    if got < 0:
        return got
    out = [tuple(ffi.buffer(f[i].data, 2)[:]) for i in range(got)]
    for i in range(got):
        tap.wire.release(ffi.addressof(tap.wire), ffi.addressof(f[i]))
    return out


def one_by_one(tap):
    """As where there is no io_uring."""
    lib.tap_uring_free(tap.uring)
    tap.uring = ffi.NULL
