"""Find running instances, and send them requests over their control sockets."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import stat
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vnic.control.reply import NonsenseError, Reply, understanding
from vnic.control.sockets import REQUEST_MAX, VERSION, directory, socket_name
from vnic.errors import ConfigError, VnicError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANSWER_S = 20.0
_ANSWER_MAX = 1 << 28


@dataclass(frozen=True, slots=True)
class Instance:
    """A running instance and its control socket."""

    name: str
    """The card's name."""
    pid: int
    path: Path


class Connection:
    """A connection to one instance; a context manager.

    Raises:
        VnicError: the instance has ended, or this user may not connect.
    """

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        # not settimeout(): with a timeout, connect() does not wait while the listen queue is full
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(_ANSWER_S), 0))
        self._path = path
        try:
            with socket_name(path) as name:
                self._sock.connect(name)
            self._sock.settimeout(_ANSWER_S)
        except OSError as e:
            self._sock.close()
            gone = e.errno in (errno.ECONNREFUSED, errno.ENOENT)
            raise VnicError(f"{path}: {'the instance has ended' if gone else e.strerror or e}") from e

    def ask(
        self,
        command: str,
        argv: Sequence[str] = (),
        *,
        fd: int | None = None,
        seconds: float | None = _ANSWER_S,
        columns: int | None = None,
    ) -> Reply:
        """Send one request and return the answer.

        Args:
            command: the command's name, see :mod:`vnic.control.commands`.
            argv: the command's arguments.
            fd: a descriptor to send along.
            seconds: longest wait for the answer; None: no limit.
            columns: of the terminal that the answer is for; None: lines may have any length.

        Raises:
            VnicError: the instance is gone, or does not answer in time.
        """
        wide = {} if columns is None else {"columns": columns}
        request = json.dumps({"vnic": VERSION, "command": command, "argv": list(argv)} | wide).encode() + b"\n"
        if len(request) > REQUEST_MAX:
            raise ConfigError(f"{command}: the arguments are {len(request)} bytes long; the most is {REQUEST_MAX}")
        try:
            sent = socket.send_fds(self._sock, [request], [] if fd is None else [fd])
            self._sock.sendall(request[sent:])
        except TimeoutError:
            raise VnicError(f"{self._path}: the instance does not answer") from None
        except OSError:  # the instance may have answered before it closed the connection
            pass
        self._sock.settimeout(seconds)
        return self.answer()

    def answer(self) -> Reply:
        """Return the next answer, solicited or not."""
        try:
            line = self._line()
        except TimeoutError:
            raise VnicError(f"{self._path}: the instance does not answer") from None
        except OSError as e:
            raise VnicError(f"{self._path}: the instance has ended, or closed the connection") from e
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            raise NonsenseError from None
        return Reply.of(answer)

    def _line(self) -> bytes:
        """Read one line within the socket's timeout, which covers all parts together."""
        seconds = self._sock.gettimeout()
        until = None if seconds is None else time.monotonic() + seconds
        parts, size = [], 0
        while True:
            if until is not None:
                self._sock.settimeout(max(0.001, until - time.monotonic()))
            data = self._sock.recv(1 << 18)
            size += len(data)
            if not data or size > _ANSWER_MAX:
                raise ConnectionResetError
            parts.append(data)
            if b"\n" in data:
                return b"".join(parts).partition(b"\n")[0]

    def wait(self, seconds: float | None, *, fd: int) -> bool:
        """Wait until the time is over or the reader of ``fd`` is gone. Return True if an unsolicited answer came."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(fd, 0)  # POLLERR is always reported
        return any(which == self._sock.fileno() for which, _ in poll.poll(None if seconds is None else seconds * 1000))

    def close(self) -> None:
        """Close the connection; the instance then ends a capture that was started over it."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _directories() -> list[Path]:
    own = directory()
    others: list[tuple[Path, str]] = []
    if os.geteuid() == 0 and "XDG_RUNTIME_DIR" not in os.environ:  # root sees every user's instances
        others = [(p, p.parent.name) for p in Path("/run/user").glob("[0-9]*/vnic")]
        others += [(p, p.name.removeprefix("vnic-")) for p in Path("/tmp").glob("vnic-[0-9]*")]  # noqa: S108
    return [own, *(p for p, uid in others if str(_owner(p)) == uid)]


def _owner(path: Path) -> int | None:
    """Return the owner of a directory that only the owner can write to, else None; in /tmp any user can create one."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_uid if stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022 else None


def instances() -> list[Instance]:
    """Return the running instances that this user may ask, by name and pid. Remove this user's stale sockets."""
    found = []
    own = directory()
    for path in (p for d in _directories() for p in _entries(d)):
        name, _, pid = path.name.rpartition("-")
        if not name or not pid.isdecimal() or not path.is_socket() or path.is_symlink():
            continue
        why = _listens(path)
        if not why:
            found.append(Instance(name, int(pid), path))
        elif why == errno.ECONNREFUSED and path.parent == own and not Path(f"/proc/{pid}").exists():
            with contextlib.suppress(OSError):
                path.unlink()
    return sorted(found, key=lambda i: (i.name, i.pid))


def _entries(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:  # deleted meanwhile, or not readable
        return []


def _listens(path: Path) -> int:
    """Try to connect without waiting. Return 0 or the errno; a full listen queue counts as 0."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as s:
        try:
            with socket_name(path) as name:
                rc = s.connect_ex(name)
        except OSError as e:  # the directory is gone
            return e.errno or errno.ENOENT
    return 0 if rc == errno.EAGAIN else rc


def find(which: str | None = None, *, among: Sequence[str] = ()) -> Instance:
    """Return the instance with the name or pid ``which``; without it, the one named in ``among``, or else the only one.

    ConfigError: no instance fits, or several do.
    """
    there = instances()
    if not there:
        raise ConfigError("no instance is running: start one with vnic run or vnic replay --hold")
    if which is not None:
        fit = [i for i in there if which in (i.name, str(i.pid))]
    else:
        fit = [i for i in there if i.name in among] or there
    if len(fit) == 1:
        return fit[0]
    names = ", ".join(f"{i.name} (pid {i.pid})" for i in fit or there)
    if not fit:
        raise ConfigError(f"there is no instance {which!r}; running are {names}")
    raise ConfigError(f"several instances are running; choose one with --on NAME or --on PID: {names}")


def facts(which: str | None = None) -> dict[str, Any]:
    """Return an instance's current report."""
    with Connection(find(which).path) as c:
        reply = c.ask("facts")
    if reply.code:
        raise VnicError(reply.err.strip())
    with understanding():
        return dict(reply.data)
