"""Drop all privileges, because a process that reads frames from anywhere must hold none."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from pathlib import Path

from vnic.errors import VnicError

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4
_VERSION_3 = 0x20080522
CAP_NET_ADMIN = 12


def effective() -> int:
    """Return this thread's effective capabilities as a bit mask."""
    status = Path("/proc/thread-self/status").read_text()
    return int(status.split("\nCapEff:")[1].split()[0], 16)


def _prctl(libc: ctypes.CDLL, *args: int) -> int:
    """Call prctl(). Return 0 or an errno."""
    rc = libc.prctl(*(ctypes.c_ulong(a) for a in (*args, *[0] * (5 - len(args)))))
    return ctypes.get_errno() if rc < 0 else 0


def drop() -> None:
    """Drop all capabilities of this thread and of the threads it starts later; no exec() regains any.

    Raises:
        VnicError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for cap in range(last + 1):  # first, because this needs CAP_SETPCAP; without it no_new_privs must do
        if _prctl(libc, _PR_CAPBSET_DROP, cap) not in (0, errno.EPERM):
            break
    _prctl(libc, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)  # EINVAL: the kernel has no ambient capabilities
    header = struct.pack("Ii", _VERSION_3, 0)
    if libc.capset(header, bytes(24)) < 0:
        raise VnicError(f"drop capabilities: {os.strerror(ctypes.get_errno())}")
    if why := _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1):
        raise VnicError(f"set no_new_privs: {os.strerror(why)}")
