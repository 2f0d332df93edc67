"""Network namespaces: go into one for a moment. What was opened there belongs to it for ever."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from vnic.errors import TapError
from vnic.own_paths import PathError, open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000
_NAMED = Path("/run/netns")


def _enter(fd: int, what: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET) == 0:
        return
    why = ctypes.get_errno()
    if why == errno.EPERM:
        raise TapError(f"{what}: not permitted: needs CAP_SYS_ADMIN, so run it as root")
    raise TapError(f"{what}: {'that is none' if why == errno.EINVAL else os.strerror(why)}")


@contextlib.contextmanager
def inside(name: str | None) -> Iterator[None]:
    """This thread is in the namespace ``name`` (as ``ip netns``, or a path); None: it stays where it is.

    Raises:
        TapError: there is none of that name, or the kernel does not let us in.
    """
    if name is None:
        yield
        return
    what = f"network namespace {name}"
    try:
        there = open_regular(_NAMED / name)
    except PathError as e:
        raise TapError(f"{what}: that is none") from e
    except OSError as e:
        mend = f": make it with 'ip netns add {name}'" if e.errno == errno.ENOENT else ""
        raise TapError(f"{what}: {e.strerror}{mend}") from e
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            _enter(there, what)  # in here: an exception of a signal handler may follow at once
            yield
        finally:
            _enter(home, "the namespace we came from")
    finally:
        os.close(home)
        os.close(there)
