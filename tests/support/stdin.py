"""A process without standard input, as a daemon: then a descriptor may have number 0."""

import contextlib
import fcntl
import os

import pytest


@contextlib.contextmanager
def stdin_closed():
    """As in a daemon: the next file that is opened has number 0; at the end it must be closed again."""
    kept = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(0)
    try:
        yield
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(0)
    finally:
        os.dup2(kept, 0)
        os.close(kept)
