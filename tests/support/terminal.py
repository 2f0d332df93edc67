"""A command on a real terminal whose other end the test holds."""

import contextlib
import os
import pty
import select
import subprocess
import time

import pytest

LONGEST_S = 60


class Screen:
    """Everything that was written to the terminal so far."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self.seen = ""

    def until(self, done):
        """Read until ``done(seen)``; the test fails if that does not come, and does not wait for ever."""
        end = time.monotonic() + LONGEST_S
        while not done(self.seen):
            if not select.select([self._descriptor], [], [], max(0, end - time.monotonic()))[0]:
                pytest.fail(f"the terminal shows only {self.seen!r}")
            try:
                self.seen += os.read(self._descriptor, 4096).decode(errors="replace")
            except OSError:  # the command has ended
                pytest.fail(f"the terminal showed only {self.seen!r}")


@contextlib.contextmanager
def on_terminal(argv, **options):
    """Start a command whose standard error is a terminal: the process and its Screen. It ends with the block."""
    screen, theirs = pty.openpty()
    try:
        p = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=theirs, start_new_session=True, **options)
        os.close(theirs)
        try:
            yield p, Screen(screen)
        finally:
            p.kill()
            p.communicate()
    finally:
        os.close(screen)
