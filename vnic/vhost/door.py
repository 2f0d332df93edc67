"""The card's socket: it listens, or connects again and again. No call here waits for a peer."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
from typing import TYPE_CHECKING

from vnic.errors import ConfigError, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PATH_MAX = 107
AGAIN_S = 0.2
"""Between two tries to connect."""


def check_path(path: Path) -> None:
    """Raise ConfigError for a path that no socket can have."""
    if len(os.fsencode(path)) > _PATH_MAX:
        raise ConfigError(f"{path}: a socket's path has at most {_PATH_MAX} bytes")


def listen(path: Path) -> socket.socket:
    """Listen on the path. ConfigError: it cannot be; another process listens there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(str(path))
        sock.listen(1)
    except OSError as e:
        sock.close()
        raise ConfigError(f"{path}: {e.strerror or e}") from e
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _remove_stale(path: Path) -> None:
    """Remove a socket that no process listens on, and no other file."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return  # bind() refuses
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # the listener may have no room for one more
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
        except OSError:
            return
    raise ConfigError(f"{path}: another process listens there already")


def connected(path: Path) -> socket.socket | None:
    """Return a connection to the path; None: no process listens there now, or it has no room."""
    with contextlib.suppress(OSError):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.connect(str(path))
        except BaseException:
            sock.close()
            raise
        return sock
    return None


def accepted(listener: socket.socket) -> socket.socket | None:
    """Return the next connection; None: not now. OSError: this process may open no more files."""
    try:
        return listener.accept()[0]
    except (BlockingIOError, ConnectionError):
        return None


def next_peer(
    path: Path, listener: socket.socket | None, wake: int, note: Callable[[str], None]
) -> socket.socket | None:
    """Return the next connection; None: ask again, or the end has come.

    Args:
        path: the socket to connect to, without a listener.
        listener: it takes who connects; None: connect.
        wake: a file that is readable once all must end.
        note: is told why a peer has to wait.
    """
    if listener is None:
        sock = connected(path)
        if sock is None:
            ready({wake: select.POLLIN}, AGAIN_S)
        return sock
    ready({wake: select.POLLIN, listener.fileno(): select.POLLIN})
    try:
        return accepted(listener)
    except OSError as e:
        note(f"the other side waits: {said(e.strerror)}")
        ready({wake: select.POLLIN}, AGAIN_S)
        return None


def ready(events: dict[int, int], seconds: float | None = None) -> set[int]:
    """Wait for events of files, as poll(2) numbers them. Return: the files that have some; empty: the time is over."""
    poll = select.poll()
    for fd, mask in events.items():
        poll.register(fd, mask)
    return {fd for fd, _ in poll.poll(None if seconds is None else 1000 * seconds)}
