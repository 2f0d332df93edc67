"""A TAP's wire over pipes, one for each lane: what a test writes into a pipe comes as a frame."""

import contextlib
import fcntl
import os

from vnic._core import lib

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
