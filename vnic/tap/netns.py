"""Enter a network namespace, or a new one, for the length of a block. Descriptors opened in it stay there."""

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
_IPV6_OFF = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
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


@contextlib.contextmanager
def own() -> Iterator[str]:
    """Run the block with this thread in a new network namespace; yield its path. Threads started in the block join it.

    IPv6 is off for interfaces to come: switched off on one that is up, its first MLD report may be out already.

    Raises:
        TapError: the kernel refuses.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET):
            why = ctypes.get_errno()
            mend = ": needs CAP_SYS_ADMIN, so run it as root" if why == errno.EPERM else ""
            raise TapError(f"a new network namespace: {os.strerror(why)}{mend}")
        there = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _IPV6_OFF.exists():
                _IPV6_OFF.write_text("1")
            yield f"/proc/{os.getpid()}/fd/{there}"
        finally:
            _enter(home, "the original network namespace")
            os.close(there)
    finally:
        os.close(home)
