"""Objects with a lifetime: closed once, refused afterwards, freed if the caller forgets them, never copied.

:attr:`Living.c` is the only way to the struct in the data plane. After the end it raises VnicError, with one sentence.
The same holds in a child process after fork(), because parent and child would share the ring, and the eventfds wake the
parent's threads. The child closes, wakes, unlinks and writes nothing, except that it closes its copies of descriptors
that keep an interface or a socket alive. Fork before making a host, or give a child only ``nic.memfd`` (a foreign
driver).

A caller that forgets to close gets a ResourceWarning, as with files and sockets. Its threads keep a running host, until
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
    """Base of objects that exist once: like a socket, they can be neither copied nor pickled."""

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


class Living(Uncopied):
    """An object that has a struct in the data plane, or files, until :meth:`close`; a context manager."""

    _noun = "thing"
    _at: Any = None
    _why = "it was never made"

    def _begin(self, at: Any) -> None:
        """Take the struct. From now on the object must be closed."""
        self._why = f"the {self._noun} is closed"
        self._at = at
        _living.add(self)

    def _end(self) -> None:
        self._at = None
        _living.discard(self)

    @property
    def c(self) -> Any:
        """The struct. VnicError: the object is closed, or another process's."""
        if self._at is None:
            raise VnicError(self._why)
        return self._at

    @property
    def closed(self) -> bool:
        """Is it closed?"""
        return self._at is None

    def close(self) -> None:
        """Close it. A second call does nothing."""
        uninterrupted(self._give_back)

    def _give_back(self) -> None:
        raise NotImplementedError

    def _in_child(self) -> None:
        """After fork(), in the child: close descriptors that keep an interface or a socket alive."""

    def _is_owned(self) -> bool:
        """Does another object close this one? Otherwise the caller does."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """As :meth:`close`. If an exception ended the block, an error of close() becomes a note of that exception."""
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
        thing._at = None  # noqa: SLF001 - defined in this file
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
    """Stop all threads and complete all files of objects left open. Memory ends with the process."""
    settle_all(WAIT_S)
    for thing in sorted(_living, key=lambda t: t._noun != "host"):  # noqa: SLF001 - hosts first: they close what they own
        if not thing._is_owned():  # noqa: SLF001
            with contextlib.suppress(ResourceWarning):
                warnings.warn(f"unclosed at exit {thing!r}", ResourceWarning, source=thing, stacklevel=2)
            with contextlib.suppress(VnicError):
                thing.close()
