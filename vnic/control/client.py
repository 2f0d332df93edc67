"""Talk to instances over their control sockets: find them, ask them."""

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
from vnic.control.server import REQUEST_MAX, VERSION, directory
from vnic.errors import ConfigError, VnicError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANSWER_S = 20.0
_ANSWER_MAX = 1 << 28


@dataclass(frozen=True, slots=True)
class Instance:
    """A control socket that somebody listens on."""

    name: str
    """Of the card."""
    pid: int
    path: Path


class Connection:
    """To one instance; a context manager.

    Raises:
        VnicError: nobody listens there any more, or it is not for us.
    """

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        # not settimeout(): with that, connect() does not wait for a place in a queue that is full
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(_ANSWER_S), 0))
        self._path = path
        try:
            self._sock.connect(str(path))
            self._sock.settimeout(_ANSWER_S)
        except OSError as e:
            self._sock.close()
            gone = e.errno in (errno.ECONNREFUSED, errno.ENOENT)
            raise VnicError(f"{path}: {'the instance has ended' if gone else e.strerror or e}") from e

    def ask(
        self, command: str, argv: Sequence[str] = (), *, fd: int | None = None, seconds: float | None = _ANSWER_S
    ) -> Reply:
        """One request. VnicError: the instance is gone, or does not answer within so many seconds (None: ever)."""
        request = json.dumps({"vnic": VERSION, "command": command, "argv": list(argv)}).encode() + b"\n"
        if len(request) > REQUEST_MAX:
            raise ConfigError(f"{command}: the arguments are {len(request)} bytes long, and {REQUEST_MAX} is the most")
        try:
            sent = socket.send_fds(self._sock, [request], [] if fd is None else [fd])
            self._sock.sendall(request[sent:])
        except TimeoutError:
            raise VnicError(f"{self._path}: the instance does not answer") from None
        except OSError:  # it may have said something before it went
            pass
        self._sock.settimeout(seconds)
        return self.answer()

    def answer(self) -> Reply:
        """The next answer, asked for or not."""
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
        """Within the socket's time, however little comes at once."""
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
        """Until the time is over, or nobody reads what is written to ``fd``. Return: True = an answer came unasked."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(fd, 0)  # POLLERR comes without being asked for
        return any(which == self._sock.fileno() for which, _ in poll.poll(None if seconds is None else seconds * 1000))

    def close(self) -> None:
        """Also ends a capture that was begun over it."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _directories() -> list[Path]:
    own = directory()
    others: list[tuple[Path, str]] = []
    if os.geteuid() == 0 and "XDG_RUNTIME_DIR" not in os.environ:  # root sees all
        others = [(p, p.parent.name) for p in Path("/run/user").glob("[0-9]*/vnic")]
        others += [(p, p.name.removeprefix("vnic-")) for p in Path("/tmp").glob("vnic-[0-9]*")]  # noqa: S108
    return [own, *(p for p, uid in others if str(_owner(p)) == uid)]


def _owner(path: Path) -> int | None:
    """Of a directory that is none's but his; anybody may have put anything there, as in /tmp."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_uid if stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022 else None


def instances() -> list[Instance]:
    """All that run and may be asked, by name and pid. Sockets of ours that were left behind are removed."""
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
    except OSError:  # gone meanwhile, or not for us
        return []


def _listens(path: Path) -> int:
    """Return: 0, or the errno. It does not wait: an instance with many that do is there too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as s:
        try:
            rc = s.connect_ex(str(path))
        except OSError:  # the path is longer than the name of a socket can be
            return errno.ENAMETOOLONG
    return 0 if rc == errno.EAGAIN else rc


def find(which: str | None = None, *, among: Sequence[str] = ()) -> Instance:
    """The instance of that name or pid; else the one whose name is ``among`` some words; else the only one.

    ConfigError: there is none, or it could be several.
    """
    there = instances()
    if not there:
        raise ConfigError("there is no instance: start one with vnic run, or vnic replay --hold")
    if which is not None:
        fit = [i for i in there if which in (i.name, str(i.pid))]
    else:
        fit = [i for i in there if i.name in among] or there
    if len(fit) == 1:
        return fit[0]
    names = ", ".join(f"{i.name} (pid {i.pid})" for i in fit or there)
    if not fit:
        raise ConfigError(f"there is no instance {which!r}; there are {names}")
    raise ConfigError(f"say which instance with --on NAME or --on PID: {names}")


def facts(which: str | None = None) -> dict[str, Any]:
    """The report of an instance as it is now."""
    with Connection(find(which).path) as c:
        reply = c.ask("facts")
    if reply.code:
        raise VnicError(reply.err.strip())
    with understanding():
        return dict(reply.data)
