"""Run captures in the instance for ``vnic capture``: each lasts as long as the client that started it."""

from __future__ import annotations

import argparse
import os
import stat
import threading
import time
from typing import TYPE_CHECKING, NoReturn

from vnic import bpf
from vnic.capture import Capture
from vnic.control.reply import Reply
from vnic.errors import ConfigError, VnicError
from vnic.machine.uninterrupted import QuietThread
from vnic.schema import POINTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.host import Host

CAPTURES_MAX = 4  # at once; each has a buffer of 24 MB
_running = threading.BoundedSemaphore(CAPTURES_MAX)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="capture", add_help=False, allow_abbrev=False)
    parser.add_argument("--at", action="append", choices=POINTS)
    parser.add_argument("-f", "--filter")
    parser.add_argument("--tag-in-bytes", action="store_true")
    parser.add_argument("--truncate", action="store_true")
    return parser.parse_args(argv)


def _filter(given: argparse.Namespace) -> bpf.Program | None:
    if given.filter is None:
        return None
    if given.tag_in_bytes:  # the client compiled the expression; this is its program
        return bpf.read(given.filter, tag_in_bytes=True)
    return bpf.compile(given.filter)


class Running:
    """A capture that a client started.

    Args:
        host: the host whose path is captured.
        fd: descriptor to write to; the caller keeps it.
        argv: ``--at POINT``; ``-f FILTER`` (with ``--tag-in-bytes``: a compiled program); ``--truncate``: empty the
            file after all checks have passed.
        ended: called in another thread when :attr:`reply` is set.

    Raises:
        ConfigError: a wrong argument or filter.
        VnicError: too many captures, or the host does not run.
    """

    def __init__(self, host: Host, fd: int, argv: Sequence[str], ended: Callable[[], None]) -> None:
        given = _parse(argv)
        program = _filter(given)
        if not host.is_running:
            raise VnicError("the instance no longer runs, so no packet would arrive")
        if not _running.acquire(blocking=False):
            raise VnicError(f"{CAPTURES_MAX} captures are running already, which is the most")
        self.reply: Reply | None = None
        self._ended = ended
        self._thread: QuietThread | None = None
        self._over = False
        try:
            if given.truncate and stat.S_ISREG(os.fstat(fd).st_mode):
                os.ftruncate(fd, 0)
            base = time.time_ns() - time.monotonic_ns()
            self._capture = Capture(host, fd, at=given.at or ("gro",), filter=program, base_ns=base, name=host.name)
        except BaseException:
            _running.release()
            raise

    @property
    def over(self) -> bool:
        """Whether the capture has ended completely."""
        return self._over or (self._thread is not None and not self._thread.is_alive())

    @property
    def broken(self) -> bool:
        """Whether the capture cannot go on: the disk is full, or the reader closed the pipe."""
        return self._capture.broken

    def stop(self) -> None:
        """Start a thread that writes the rest, because a reader can be slow."""
        if self._thread is None and not self._over:
            thread = QuietThread("capture-end", self._finish)
            try:
                thread.start()
                self._thread = thread
            except VnicError:  # no thread started: finish here, without waiting for a slow reader
                self._capture.give_up()
                self._finish()
                self._over = True

    def _finish(self) -> None:
        try:
            self.reply = Reply(data=self._capture.finish())
        except Exception as e:  # noqa: BLE001 - the client waits for an answer
            self.reply = Reply(err=f"vnic capture: a bug in vnic: {type(e).__name__}: {e}\n", code=70)
        finally:
            _running.release()
            self._ended()

    def wait(self, seconds: float) -> None:
        """Wait for a stopped capture's end; after ``seconds``, discard the packets that a slow reader has not taken."""
        if self._thread is not None:
            self._thread.finish(seconds)
            self._capture.give_up()
            self._thread.finish()
