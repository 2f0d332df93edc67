"""Enter a network namespace for the length of a block. File descriptors opened in the block stay in that namespace."""

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
    raise TapError(f"{what}: {'not a network namespace' if why == errno.EINVAL else os.strerror(why)}")


@contextlib.contextmanager
def inside(name: str | None) -> Iterator[None]:
    """Run the block with this thread in the namespace ``name`` (as for ``ip netns``, or a path); None: do nothing.

    Raises:
        TapError: the namespace does not exist, or the kernel refuses.
    """
    if name is None:
        yield
        return
    what = f"network namespace {name}"
    try:
        there = open_regular(_NAMED / name)
    except PathError as e:
        raise TapError(f"{what}: not a network namespace") from e
    except OSError as e:
        mend = f": create it with 'ip netns add {name}'" if e.errno == errno.ENOENT else ""
        raise TapError(f"{what}: {e.strerror}{mend}") from e
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            _enter(there, what)  # inside the try, because a signal handler may raise at once
            yield
        finally:
            _enter(home, "the original network namespace")
    finally:
        os.close(home)
        os.close(there)
