"""Work that no signal handler interrupts, because it runs on a thread where Python runs no signal handlers.

Python runs signal handlers only in the main thread, between any two of its bytecodes. Their exceptions (Ctrl-C is a
KeyboardInterrupt) can strike anywhere: between a lock and its ``try``, in a ``finally``, in an ``__exit__``, in the
pure Python of :mod:`threading`. No order of statements closes these windows. So vnic has none:

* Work that takes a lock, changes several things, or makes or frees something runs on a thread of its own, and the main
  thread waits for it. An exception ends the waiting, never the work.
* The main thread takes no lock that another thread waits for. It waits on the job's own lock, which the job's thread
  releases once.

Each job gets a new thread, which inherits the maker's present privileges, network namespace and cores.
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
_FAULTS = {signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV}


def _in_child() -> None:
    """Replace the lock and forget the jobs: the parent's threads, which hold them, do not exist in the child."""
    _pending.clear()
    _gc_lock[0] = threading.RLock()


os.register_at_fork(after_in_child=_in_child)


def in_main() -> bool:
    """Is this the thread in which signal handlers run?"""
    return threading.main_thread().ident == _thread.get_ident()


def block_signals() -> None:
    """Block signals of this thread, so that they wake the main thread; but not those that a fault of its own raises.

    The kernel ends a process whose thread faults while the signal is blocked: no handler runs. The card survives that a
    driver cuts its memory short (csrc/vhost/vhost_memory.c), and faulthandler prints where a thread was.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _FAULTS)


class Job(Generic[T]):
    """Work for a thread of its own. It begins once, however often the caller calls :meth:`start`."""

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
        """Begin the work. If the system has no thread left, the caller does it."""
        _pending[id(self)] = self
        try:
            _thread.start_new_thread(self._run, (True,))
        except RuntimeError:
            self._run(False)

    def cancel(self) -> bool:
        """Cancel the work if it has not begun. Return: True = it never will."""
        return self._begun.setdefault("by", "cancelled") == "cancelled"

    def _run(self, own: bool) -> None:  # noqa: FBT001
        token = object()
        if self._begun.setdefault("by", token) is not token:  # one call: atomic
            return
        if own:
            block_signals()
        self.ident = _thread.get_ident()
        try:
            if self._work is not None:
                self._result = self._work()
        except BaseException as e:  # noqa: BLE001 - result() raises it
            self._error = e
        finally:
            self._work = None
            self.over = True
            _pending.pop(id(self), None)
            self._done.release()

    def mine(self) -> bool:
        """Is the caller on the job's thread?"""
        return self.ident == _thread.get_ident() and not self.over  # the system reuses numbers

    def where(self) -> str:
        """Return the call that the job is in, see :func:`where`."""
        return where(self.ident)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the job or the time is over. Return: is the job over? Exceptions of signal handlers pass."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self.over:
            left = _LOOK_S if until is None else min(_LOOK_S, until - time.monotonic())
            if left <= 0:
                return False
            if self._done.acquire(timeout=left):
                self._done.release()  # for other waiters; if a signal handler raises here, they poll
        return True

    def result(self) -> T:
        """Return the result of the work, or raise its exception."""
        try:
            if self._error is not None:
                raise self._error
            return self._result  # type: ignore[return-value]
        finally:
            self = None  # type: ignore[assignment] # noqa: PLW0642 - else a cycle with the traceback


def uninterrupted(work: Callable[[], T]) -> T:
    """Do the work to its end, whatever a signal handler raises meanwhile. Return: its result."""
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
    """Wait for jobs with interrupted callers, before the process ends."""
    until = time.monotonic() + seconds
    for job in tuple(_pending.values()):
        if not job.cancel():
            job.wait(until - time.monotonic())


class QuietThread(threading.Thread):
    """A daemon thread without signals, with its name in ps and top. Start it on a thread without signal handlers."""

    def __init__(self, name: str, work: Callable[..., Any], *args: Any) -> None:
        super().__init__(name=name, daemon=True)
        self._do: Callable[[], Any] | None = lambda: work(*args)
        self._left = _thread.allocate_lock()
        self._left.acquire()
        self._gone = False

    def start(self) -> None:
        """As in :class:`threading.Thread`. NoThreadError: the system has no thread left."""
        try:
            super().start()
        except RuntimeError as e:  # Python's own, for any error of the system
            raise NoThreadError from e

    def run(self) -> None:
        """As in :class:`threading.Thread`."""
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
        """Wait for the thread's end, as join() does. Return: has it ended?"""
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
    """An event that happens once. Any thread may wait for it, the main one too: it is an eventfd, not a lock."""

    def __init__(self) -> None:
        self.yes = False
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def set(self) -> None:
        """Mark that it has happened, and wake all waiters."""
        self.yes = True
        if self._fd >= 0:
            os.eventfd_write(self._fd, 1)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has happened, or the time is over. Return: has it happened?"""
        until = None if seconds is None else time.monotonic() + seconds
        while not self.yes:
            left = _LOOK_S if until is None else min(_LOOK_S, until - time.monotonic())
            if left < 0:
                break
            wait_readable(self._fd, left)
        return self.yes

    def close(self) -> None:
        """Close the eventfd. Threads that still wait poll the old number."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def wait_readable(fd: int, seconds: float | None) -> bool:
    """Wait as select() does, for one descriptor of any number."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if seconds is None else max(0.0, seconds) * 1000))


def set_name(name: str) -> None:
    """Show the name in ps and top too (at most 15 characters; Python 3.11 does not do it by itself)."""
    # the kernel refuses this to a process that changed its user
    with contextlib.suppress(OSError), open("/proc/thread-self/comm", "w", encoding="utf-8") as f:  # noqa: PTH123
        f.write(name[:15])


def stack_tops() -> dict[int, FrameType]:
    """Return the frame that each thread is in.

    This turns garbage collection off meanwhile: CPython 3.11 holds a lock that the end of a threading.local waits for
    (CPython issue 106883). No signal handler may raise between off and on, so the main thread lets a job do it.
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
    """Return a thread's call as text: ``it is in Source.read_burst() (wire.py:12)``; empty: the thread is gone."""
    frame = stack_tops().get(ident or 0)
    if frame is None:
        return ""
    code = frame.f_code
    return f"it is in {code.co_qualname}() ({os.path.basename(code.co_filename)}:{frame.f_lineno})"  # noqa: PTH119
