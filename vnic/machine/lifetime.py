"""What has a beginning and an end: closed once, refused afterwards, given back if it was forgotten, never copied.

:attr:`Living.c` is the one way to the struct in the data plane. After the end there is none: VnicError, one sentence.
So it is in a child process after fork(): the ring is memory that both would share, the eventfds wake the parent's
threads. There nothing is closed, woken, unlinked or written to; the child's copies of what would keep an interface or a
socket alive are closed. Fork before making a host, or give a child ``nic.memfd`` and nothing else (a foreign driver).

Who forgets to close gets a ResourceWarning, as with files and sockets. A host that runs is kept by its threads, until
stop(), close(), or the end of the interpreter.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import warnings
import weakref
from typing import Any, NoReturn, Self

from vnic.errors import VnicError
from vnic.machine.uninterrupted import settle_all, uninterrupted

WAIT_S = 10.0

_living: weakref.WeakSet[Living] = weakref.WeakSet()


class Uncopied:
    """It stands for something that there is once; as a socket it is neither copied nor pickled."""

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


class Living(Uncopied):
    """Has a struct in the data plane, or files, from its making to :meth:`close`; a context manager."""

    _noun = "thing"
    _at: Any = None
    _why = "it was never made"
    _owner: Living | None = None
    """Who closes it, if somebody does."""

    def _begin(self, at: Any) -> None:
        """From here on it has to be closed."""
        self._why = f"the {self._noun} is closed"
        self._at = at
        _living.add(self)

    def _end(self) -> None:
        self._at = None
        _living.discard(self)

    @property
    def c(self) -> Any:
        """Its struct. VnicError: it is closed, or another process's."""
        if self._at is None:
            raise VnicError(self._why)
        return self._at

    @property
    def closed(self) -> bool:
        """Nothing can be done with it any more."""
        return self._at is None

    def close(self) -> None:
        """The end. A second time it does nothing."""
        uninterrupted(self._give_back)

    def _give_back(self) -> None:
        raise NotImplementedError

    def _in_child(self) -> None:
        """Fork's other side: close what keeps something alive that others see."""

    def _is_owned(self) -> bool:
        return self._owner is not None and not self._owner.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """As :meth:`close`. What ended the block is not replaced by a refusal to close: that is a note of it."""
        try:
            self.close()
        except VnicError as refusal:
            if error is None:
                raise
            error.add_note(str(refusal))

    def __del__(self) -> None:
        if self._at is None or self._is_owned():
            return
        try:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        finally:
            uninterrupted(self._forgotten)

    def _forgotten(self) -> None:
        self._give_back()


def _after_fork(parent: int) -> None:
    for thing in list(_living):
        thing._at = None  # noqa: SLF001 - this file's own
        thing._why = f"this {thing._noun} belongs to process {parent}: it was made before fork()"  # noqa: SLF001
        thing._in_child()  # noqa: SLF001
    _living.clear()


_pid = [os.getpid()]


def _in_child() -> None:
    parent, _pid[0] = _pid[0], os.getpid()
    _after_fork(parent)


os.register_at_fork(after_in_child=_in_child)


@atexit.register
def _at_exit() -> None:
    """Threads are stopped and files are whole, also of what nobody closed; what is memory goes with the process."""
    settle_all(WAIT_S)
    for thing in sorted(_living, key=lambda t: t._noun != "host"):  # noqa: SLF001 - it closes what is its own
        if not thing._is_owned():  # noqa: SLF001
            with contextlib.suppress(ResourceWarning):
                warnings.warn(f"unclosed at exit {thing!r}", ResourceWarning, source=thing, stacklevel=2)
            with contextlib.suppress(VnicError):
                thing.close()
