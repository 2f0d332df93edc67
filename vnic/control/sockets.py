"""What both ends of a control socket know: its directory, its name for bind() and connect(), the protocol's version."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from vnic.errors import VnicError

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1
"""Of the protocol, see vnic/control/server.py."""
REQUEST_MAX = 1 << 16
"""Largest request in bytes."""
_NAME_MAX = 107
"""Longest name of a Unix socket in bytes: sun_path without its final zero byte (unix(7))."""


def directory() -> Path:
    """Return the directory of this user's sockets: ``$XDG_RUNTIME_DIR/vnic``, root's ``/run/vnic``, ``/tmp/vnic-UID``.

    Sockets are used by name, so no other user may create files here or replace the directory.

    Raises:
        VnicError: another user owns it, or others may write to it or to its parent.
    """
    uid = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = "/run/vnic" if uid == 0 else f"/tmp/vnic-{uid}"  # noqa: S108 - checked below
    path = Path(runtime, "vnic") if runtime and not _of_another(runtime, uid) else Path(own)
    try:
        above = path.parent.stat()
    except FileNotFoundError as e:
        raise FileNotFoundError(e.errno, e.strerror, str(path)) from None
    if above.st_uid not in (0, uid) or (above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX):
        raise VnicError(f"{path.parent}: other users could replace {path.name} in it")
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o022:
        raise VnicError(f"{path}: must be a directory that only you can write to")
    return path


@contextlib.contextmanager
def socket_name(path: Path) -> Iterator[str]:
    """Yield the name for bind() and connect(): ``path``, or if it is too long, a name through an open directory."""
    if len(os.fsencode(path)) <= _NAME_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _of_another(runtime: str, uid: int) -> bool:
    """Return whether root's XDG_RUNTIME_DIR, left by sudo, belongs to another user, who could replace files in it."""
    with contextlib.suppress(OSError):
        return uid == 0 and os.stat(runtime).st_uid != 0  # noqa: PTH116
    return False
