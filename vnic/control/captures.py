"""``vnic capture`` on the instance's side: a capture that lasts as long as who asked for it."""

from __future__ import annotations

import argparse
import os
import stat
import threading
import time
from typing import TYPE_CHECKING, NoReturn

from vnic import bpf
from vnic.capture import POINTS, Capture
from vnic.control.reply import Reply
from vnic.errors import ConfigError, VnicError
from vnic.machine.uninterrupted import QuietThread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.host import Host

CAPTURES_MAX = 4  # at once: each has 24 MB to keep packets in
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
    if given.tag_in_bytes:  # an expression that whoever asks had made a program of
        return bpf.read(given.filter, tag_in_bytes=True)
    return bpf.compile(given.filter)


class Running:
    """A capture that somebody asked for.

    Args:
        host: whose path.
        fd: to write to; it stays the caller's.
        argv: ``--at POINT``; ``-f FILTER`` (``--tag-in-bytes``: the program of an expression); ``--truncate``: empty
            the file, once nothing is wrong.
        ended: called, in another thread, when :attr:`reply` is there.

    Raises:
        ConfigError: an argument, or the filter.
        VnicError: there are too many captures, or the host does not run.
    """

    def __init__(self, host: Host, fd: int, argv: Sequence[str], ended: Callable[[], None]) -> None:
        given = _parse(argv)
        program = _filter(given)
        if not host.is_running:
            raise VnicError("the instance does not run any more: nothing would come")
        if not _running.acquire(blocking=False):
            raise VnicError(f"there are {CAPTURES_MAX} captures already")
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
        """Nothing of it runs any more."""
        return self._over or (self._thread is not None and not self._thread.is_alive())

    @property
    def broken(self) -> bool:
        """It cannot go on: the disk is full, or its reader is gone."""
        return self._capture.broken

    def stop(self) -> None:
        """Begin to write the rest, which may take its time: a reader can be slow."""
        if self._thread is None and not self._over:
            thread = QuietThread("capture-end", self._finish)
            try:
                thread.start()
                self._thread = thread
            except VnicError:  # then here, and nobody is waited for
                self._capture.give_up()
                self._finish()
                self._over = True

    def _finish(self) -> None:
        try:
            self.reply = Reply(data=self._capture.finish())
        except Exception as e:  # noqa: BLE001 - who asked waits for an answer
            self.reply = Reply(err=f"vnic capture: a bug in vnic: {type(e).__name__}: {e}\n", code=70)
        finally:
            _running.release()
            self._ended()

    def wait(self, seconds: float) -> None:
        """Until the end, if it was asked to stop; after so many seconds a slow reader gets no more."""
        if self._thread is not None:
            self._thread.finish(seconds)
            self._capture.give_up()
            self._thread.finish()
