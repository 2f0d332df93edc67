"""Work that nothing ends half-way: it runs where Python runs no signal handler.

Python runs signal handlers in the main thread only, between any two of its bytecodes, and what they raise (Ctrl-C is a
KeyboardInterrupt) ends whatever that thread is in: between a lock and its ``try``, in a ``finally``, in an
``__exit__``, in the pure Python of :mod:`threading`. No order of statements closes these windows. So none is there:

* What takes a lock, changes several things, or makes or frees something runs on a thread of its own, and the main
  thread waits for it. An exception ends the waiting, never the work.
* The main thread takes no lock that another thread waits for. What it waits on is the job's own, and is released by
  the one who did the job, once.

Such a thread is made for each job: it has the privileges, the network namespace and the cores that its maker has now.
"""

from __future__ import annotations

import _thread
import contextlib
import gc
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vnic.errors import NoThreadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

T = TypeVar("T")
_pending: dict[int, Job[Any]] = {}
_gc_lock = [threading.RLock()]
_LOOK_S = 0.5


def _in_child() -> None:
    """Threads of the parent are not here, and what they held is held for ever."""
    _pending.clear()
    _gc_lock[0] = threading.RLock()


os.register_at_fork(after_in_child=_in_child)


def in_main() -> bool:
    """Is this the thread in which signal handlers run?"""
    return threading.main_thread().ident == _thread.get_ident()


def block_signals() -> None:
    """Of this thread: the main one is to be woken by them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


class Job(Generic[T]):
    """Work for a thread of its own. It is begun once, however often :meth:`start` is called."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work: Callable[[], T] | None = work
        self._begun: dict[str, object] = {}
        self._done = _thread.allocate_lock()
        self._done.acquire()
        self.over = False
        self.ident = 0
        self._result: T | None = None
        self._error: BaseException | None = None

    def start(self) -> None:
        """Begin. Where no thread is to be had the caller does it."""
        _pending[id(self)] = self
        try:
            _thread.start_new_thread(self._run, (True,))
        except RuntimeError:
            self._run(False)

    def cancel(self) -> bool:
        """Return: True = it has not begun, and never will."""
        return self._begun.setdefault("by", "nobody") == "nobody"

    def _run(self, own: bool) -> None:  # noqa: FBT001
        token = object()
        if self._begun.setdefault("by", token) is not token:  # one call: asked and answered at once
            return
        if own:
            block_signals()
        self.ident = _thread.get_ident()
        try:
            if self._work is not None:
                self._result = self._work()
        except BaseException as e:  # noqa: BLE001 - it is the caller's
            self._error = e
        finally:
            self._work = None
            self.over = True
            _pending.pop(id(self), None)
            self._done.release()

    def mine(self) -> bool:
        """Is this its thread?"""
        return self.ident == _thread.get_ident() and not self.over  # a number may come again

    def where(self) -> str:
        """What it is in, see :func:`where`."""
        return where(self.ident)

    def wait(self, seconds: float | None = None) -> bool:
        """Until it is over, or the time is. Return: is it? An exception of a signal handler comes through."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self.over:
            left = _LOOK_S if until is None else min(_LOOK_S, until - time.monotonic())
            if left <= 0:
                return False
            if self._done.acquire(timeout=left):
                self._done.release()  # for who else waits; or they look, if we are interrupted here
        return True

    def result(self) -> T:
        """What the work returned, or its exception."""
        try:
            if self._error is not None:
                raise self._error
            return self._result  # type: ignore[return-value]
        finally:
            self = None  # type: ignore[assignment] # noqa: PLW0642 - the traceback would hold us, and we it


def uninterrupted(work: Callable[[], T]) -> T:
    """Do it to its end, whatever a signal handler raises meanwhile. Return: what it returns."""
    if not in_main():
        return work()
    job = Job(work)
    job.start()
    job.wait()
    try:
        return job.result()
    finally:
        del job


def settle_all(seconds: float) -> None:
    """Before the process ends: what was begun, and its caller was interrupted, comes to its end."""
    until = time.monotonic() + seconds
    for job in tuple(_pending.values()):
        if not job.cancel():
            job.wait(until - time.monotonic())


class QuietThread(threading.Thread):
    """A daemon that gets no signals and has its name in ps and top too. To be started where no signal handler runs."""

    def __init__(self, name: str, work: Callable[..., Any], *args: Any) -> None:
        super().__init__(name=name, daemon=True)
        self._do: Callable[[], Any] | None = lambda: work(*args)
        self._left = _thread.allocate_lock()
        self._left.acquire()
        self._gone = False

    def start(self) -> None:
        """As :class:`threading.Thread`'s. NoThreadError: there is none to be had."""
        try:
            super().start()
        except RuntimeError as e:  # of Python's, whatever the system said
            raise NoThreadError from e

    def run(self) -> None:
        """As :class:`threading.Thread`'s."""
        block_signals()
        set_name(self.name)
        try:
            if self._do is not None:
                self._do()
        finally:
            self._do = None
            self._gone = True
            self._left.release()

    def finish(self, seconds: float | None = None) -> bool:
        """Wait for its end, as join(). Return: has it ended?"""
        until = None if seconds is None else time.monotonic() + seconds
        while self.is_alive():
            left = _LOOK_S if until is None else min(_LOOK_S, until - time.monotonic())
            if left <= 0:
                break
            if self._gone:
                time.sleep(0.0002)  # its last steps
            elif self._left.acquire(timeout=left):
                self._left.release()
        return not self.is_alive()


class Happened:
    """Something that happens once. Any thread may wait for it, the main one too: it is an eventfd, and no lock."""

    def __init__(self) -> None:
        self.yes = False
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def set(self) -> None:
        """It has."""
        self.yes = True
        if self._fd >= 0:
            os.eventfd_write(self._fd, 1)

    def wait(self, seconds: float | None = None) -> bool:
        """Until it has, or the time is over. Return: has it?"""
        until = None if seconds is None else time.monotonic() + seconds
        while not self.yes:
            left = _LOOK_S if until is None else min(_LOOK_S, until - time.monotonic())
            if left < 0:
                break
            wait_readable(self._fd, left)
        return self.yes

    def close(self) -> None:
        """Who waits still looks at what it was."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def wait_readable(fd: int, seconds: float | None) -> bool:
    """As select() for one descriptor, of any number."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if seconds is None else max(0.0, seconds) * 1000))


def set_name(name: str) -> None:
    """Show the name in ps and top too (at most 15 characters; Python 3.11 does not do it by itself)."""
    # a process that changed its user may not write there
    with contextlib.suppress(OSError), open("/proc/thread-self/comm", "w", encoding="utf-8") as f:  # noqa: PTH123
        f.write(name[:15])


def stack_tops() -> dict[int, FrameType]:
    """The frame that each thread is in.

    No garbage is collected meanwhile: CPython 3.11 holds a lock that the end of a threading.local waits for (CPython
    issue 106883). Between off and on no signal handler may raise, so the main thread lets a job do it.
    """
    return uninterrupted(_tops_without_gc)


def _tops_without_gc() -> dict[int, FrameType]:
    with _gc_lock[0]:
        was_on = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()  # noqa: SLF001 - documented, but for its name
        finally:
            if was_on:
                gc.enable()


def where(ident: int | None) -> str:
    """What a thread is in just now, for a person: ``it is in Source.read_burst() (wire.py:12)``; empty: it is gone."""
    frame = stack_tops().get(ident or 0)
    if frame is None:
        return ""
    code = frame.f_code
    return f"it is in {code.co_qualname}() ({os.path.basename(code.co_filename)}:{frame.f_lineno})"  # noqa: PTH119
