"""System calls of scripts: arguments, the socket behind a descriptor, and what the call returned beside its result.

prepare() gives an attempt: it returns the call's result, or None: the call would wait. Refusals are OSError.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vnic.packetdrill import script as s
from vnic.packetdrill.script import ScriptError
from vnic.packetdrill.text import expression_text
from vnic.packetdrill.values import NAMES, SIOCINQ, SIOCOUTQ, address, items, members, number, option_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.packetdrill.backend import Backend, BackendSocket
    from vnic.packetdrill.script import Expression

CONNECT_PORT, BIND_PORT = 8080, 8080
_BYTES_MAX = 1 << 26
_FDS_MAX = 1024
_ARGUMENTS = {
    "socket": (3, 3), "bind": (3, 3), "listen": (2, 2), "accept": (3, 3), "accept4": (4, 4), "connect": (3, 3),
    "read": (3, 3), "recv": (4, 4), "recvfrom": (6, 6), "recvmsg": (3, 3), "readv": (3, 3),
    "write": (3, 3), "send": (4, 4), "sendto": (6, 6), "sendmsg": (3, 3), "writev": (3, 3),
    "close": (1, 1), "shutdown": (2, 2), "fcntl": (2, 3), "ioctl": (3, 3), "poll": (3, 3),
    "setsockopt": (5, 5), "getsockopt": (5, 5),
}  # fmt: skip


class Mismatch(Exception):  # noqa: N818 - no error: what the runner reports
    """The call was made, and what it gave is not what the script says."""


@dataclass
class Descriptor:
    """An open socket."""

    sock: BackendSocket
    nonblocking: bool = False
    mode: int = field(default=os.O_RDWR)


class Calls:
    """The descriptors of a script. ``current``: of the connection that was made last."""

    def __init__(self, backend: Backend, bind_port: int = BIND_PORT, connect_port: int = CONNECT_PORT) -> None:
        self.backend = backend
        self.bind_port, self.connect_port = bind_port, connect_port
        self.fds: dict[int, Descriptor] = {}
        self.current: BackendSocket | None = None
        self.connecting: tuple[str, int] | None = None
        """Address and port that the last connect() wants; the runner takes it."""
        self.bound = 0
        """The port of the last bind()."""
        self.listening = 0
        """How often listen() was called."""
        self.now_line = 0

    def close(self) -> None:
        """Close what the script left open."""
        from vnic.packetdrill.virtual import closing

        closing([d.sock for d in self.fds.values()])
        self.fds.clear()

    def prepare(self, call: s.Syscall, line: int) -> Callable[[], int | None]:
        """Return the attempt for a call. ScriptError: vnic has no such call, or it takes no such arguments."""
        if call.name not in _ARGUMENTS:
            raise ScriptError(line, 0, f"vnic does not know the system call {call.name}()")
        least, most = _ARGUMENTS[call.name]
        if not least <= len(call.arguments) <= most:
            raise ScriptError(line, 0, f"{call.name}() has {most} arguments, not {len(call.arguments)}")
        self.now_line = line
        maker: Callable[[s.Syscall], Callable[[], int | None]] = getattr(self, f"_{call.name}")
        return maker(call)

    def is_nonblocking(self, call: s.Syscall) -> bool:
        """Does EAGAIN end this call?"""
        fd = call.arguments[0] if call.arguments else None
        known = self.fds.get(fd.value) if isinstance(fd, s.Number) else None
        flags = 0
        if call.name in ("recv", "send", "sendto", "recvfrom"):
            flags = number(call.arguments[3], self.now_line)
        elif call.name in ("recvmsg", "sendmsg"):
            flags = number(call.arguments[2], self.now_line)
        return bool(flags & socket.MSG_DONTWAIT) or (known is not None and known.nonblocking)

    # ---- arguments ----

    def _fd(self, e: Expression) -> int:
        return number(e, self.now_line)

    def _open(self, fd: int) -> Descriptor:
        if fd not in self.fds:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self.fds[fd]

    def _size(self, e: Expression) -> int:
        size = number(e, self.now_line)
        if not 0 <= size <= _BYTES_MAX:
            raise ScriptError(self.now_line, 0, f"vnic moves at most {_BYTES_MAX} bytes in a call, not {size}")
        return size

    def _new(self, call: s.Syscall, sock: BackendSocket) -> int:
        """Return the descriptor that the script expects, or the next one."""
        fd = call.result.value if isinstance(call.result, s.Number) and call.result.value >= 0 else 3
        while fd in self.fds:
            fd += 1
        if len(self.fds) >= _FDS_MAX:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self.fds[fd] = Descriptor(sock)
        return fd

    # ---- the calls ----

    def _socket(self, call: s.Syscall) -> Callable[[], int | None]:
        kind, proto = (number(e, self.now_line) for e in call.arguments[1:])
        if (kind & 0xFF, proto) not in ((socket.SOCK_STREAM, socket.IPPROTO_TCP), (socket.SOCK_STREAM, 0)):
            raise ScriptError(self.now_line, 0, "vnic runs scripts of TCP: socket(..., SOCK_STREAM, IPPROTO_TCP)")

        def do() -> int:
            fd = self._new(call, self.backend.socket())
            self.fds[fd].nonblocking = bool(kind & socket.SOCK_NONBLOCK)
            return fd

        return do

    def _bind(self, call: s.Syscall) -> Callable[[], int | None]:
        fd = self._fd(call.arguments[0])
        _, port = address(call.arguments[1], self.now_line)

        def do() -> int:
            self._open(fd).sock.bind(self.bind_port if port is None else port)
            self.bound = self.bind_port if port is None else port
            return 0

        return do

    def _listen(self, call: s.Syscall) -> Callable[[], int | None]:
        fd, backlog = self._fd(call.arguments[0]), number(call.arguments[1], self.now_line)

        def do() -> int:
            self._open(fd).sock.listen(backlog)
            self.listening += 1
            return 0

        return do

    def _accept(self, call: s.Syscall) -> Callable[[], int | None]:
        fd = self._fd(call.arguments[0])
        flags = number(call.arguments[3], self.now_line) if call.name == "accept4" else 0

        def do() -> int | None:
            made = self._open(fd).sock.accept()
            if made is None:
                return None
            self.current = made
            new = self._new(call, made)
            self.fds[new].nonblocking = bool(flags & socket.SOCK_NONBLOCK)
            return new

        return do

    _accept4 = _accept

    def _connect(self, call: s.Syscall) -> Callable[[], int | None]:
        fd = self._fd(call.arguments[0])
        addr, port = address(call.arguments[1], self.now_line)
        to = (self.backend.remote if addr is None else addr, self.connect_port if port is None else port)
        began = False

        def do() -> int | None:
            nonlocal began
            of = self._open(fd)
            if not began:
                if of.sock.connect(*to):
                    return 0
                began, self.current, self.connecting = True, of.sock, to
                if of.nonblocking:
                    raise OSError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))
            error = of.sock.connected()
            if error:
                raise OSError(error, os.strerror(error))
            return error

        return do

    def _receive(
        self, call: s.Syscall, n: int, flags: int, expected: list[tuple[int, int, int]] | None
    ) -> Callable[[], int | None]:
        fd = self._fd(call.arguments[0])

        def do() -> int | None:
            got = self._open(fd).sock.recvmsg(n, flags)
            if got is None:
                return None
            if expected is not None and got[1] != expected:
                raise Mismatch(f"{call.name}() returned {got[0]} with control messages {got[1]}, not {expected}")
            return got[0]

        return do

    def _read(self, call: s.Syscall) -> Callable[[], int | None]:
        flags = number(call.arguments[3], self.now_line) if len(call.arguments) > 3 else 0
        return self._faulty(call) or self._receive(call, self._size(call.arguments[2]), flags, None)

    _recv = _recvfrom = _read

    def _faulty(self, call: s.Syscall) -> Callable[[], int | None] | None:
        """Return an attempt that fails with EFAULT if the buffer is NULL. No back end of ours has raw pointers."""
        if call.arguments[1] != s.Word("NULL"):
            return None
        fd = self._fd(call.arguments[0])

        def do() -> int:
            self._open(fd)
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))

        return do

    def _write(self, call: s.Syscall) -> Callable[[], int | None]:
        flags = number(call.arguments[3], self.now_line) if len(call.arguments) > 3 else 0
        return self._faulty(call) or self._transmit(call, self._size(call.arguments[2]), flags)

    _send = _sendto = _write

    def _transmit(self, call: s.Syscall, n: int, flags: int) -> Callable[[], int | None]:
        fd, left = self._fd(call.arguments[0]), n

        def do() -> int | None:
            nonlocal left
            of = self._open(fd)
            if left < n and not of.sock.writable():
                return None
            got = of.sock.send(left, flags)
            left -= got or 0
            if not left:
                return n
            return n - left if of.nonblocking and left < n else None

        return do

    def _iovec(self, e: Expression) -> int:
        total = 0
        for item in items(e, self.now_line):
            if not isinstance(item, s.Struct) or len(item.items) != 2:
                raise ScriptError(self.now_line, 0, f"expected {{..., bytes}}, found {expression_text(item)}")
            total += self._size(item.items[1])
        return total

    def _readv(self, call: s.Syscall) -> Callable[[], int | None]:
        return self._receive(call, self._iovec(call.arguments[1]), 0, None)

    def _writev(self, call: s.Syscall) -> Callable[[], int | None]:
        return self._transmit(call, self._iovec(call.arguments[1]), 0)

    def _message(self, e: Expression) -> tuple[int, list[tuple[int, int, int]] | None]:
        of = members(e, self.now_line)
        if "msg_iov" not in of:
            raise ScriptError(self.now_line, 0, "expected msg_iov(n)=[...] in a message")
        if "msg_control" not in of:
            return self._iovec(of["msg_iov"]), None
        control = [members(c, self.now_line) for c in items(of["msg_control"], self.now_line)]
        names = ("cmsg_level", "cmsg_type", "cmsg_data")
        if any(set(c) != set(names) for c in control):
            raise ScriptError(self.now_line, 0, "expected {cmsg_level=..., cmsg_type=..., cmsg_data=...}")
        found = [tuple(number(c[name], self.now_line) for name in names) for c in control]
        return self._iovec(of["msg_iov"]), [(a, b, c) for a, b, c in found]

    def _recvmsg(self, call: s.Syscall) -> Callable[[], int | None]:
        n, control = self._message(call.arguments[1])
        return self._receive(call, n, number(call.arguments[2], self.now_line), control)

    def _sendmsg(self, call: s.Syscall) -> Callable[[], int | None]:
        n, _ = self._message(call.arguments[1])
        return self._transmit(call, n, number(call.arguments[2], self.now_line))

    def _close(self, call: s.Syscall) -> Callable[[], int | None]:
        fd = self._fd(call.arguments[0])

        def do() -> int:
            of = self._open(fd)
            del self.fds[fd]
            of.sock.close()
            return 0

        return do

    def _shutdown(self, call: s.Syscall) -> Callable[[], int | None]:
        fd, how = (number(e, self.now_line) for e in call.arguments)

        def do() -> int:
            self._open(fd).sock.shutdown(how)
            return 0

        return do

    def _fcntl(self, call: s.Syscall) -> Callable[[], int | None]:
        fd, command, *rest = (number(e, self.now_line) for e in call.arguments)
        if command not in (NAMES["F_GETFL"], NAMES["F_SETFL"]) or (command == NAMES["F_SETFL"]) != bool(rest):
            raise ScriptError(self.now_line, 0, "vnic knows fcntl(fd, F_GETFL) and fcntl(fd, F_SETFL, flags)")

        def do() -> int:
            of = self._open(fd)
            if rest:
                of.nonblocking = bool(rest[0] & os.O_NONBLOCK)
                return 0
            return of.mode | (os.O_NONBLOCK if of.nonblocking else 0)

        return do

    def _ioctl(self, call: s.Syscall) -> Callable[[], int | None]:
        fd, request = (number(e, self.now_line) for e in call.arguments[:2])
        wanted = [number(e, self.now_line) for e in items(call.arguments[2], self.now_line)]
        if request not in (SIOCINQ, SIOCOUTQ):
            raise ScriptError(self.now_line, 0, "vnic knows the requests SIOCINQ and SIOCOUTQ of ioctl()")

        def do() -> int:
            sock = self._open(fd).sock
            got = sock.queued() if request == SIOCINQ else sock.unacknowledged()
            if [got] != wanted:
                raise Mismatch(f"ioctl() gave [{got}], not {wanted}")
            return 0

        return do

    # ---- options ----

    def _setsockopt(self, call: s.Syscall) -> Callable[[], int | None]:
        fd, level, name = (number(e, self.now_line) for e in call.arguments[:3])
        value = option_value(call.arguments[3], self.now_line)

        def do() -> int:
            self._open(fd).sock.setsockopt(level, name, value)
            return 0

        return do

    def _getsockopt(self, call: s.Syscall) -> Callable[[], int | None]:
        fd, level, name = (number(e, self.now_line) for e in call.arguments[:3])
        wanted = call.arguments[3]

        def do() -> int:
            sock = self._open(fd).sock
            if isinstance(wanted, s.Any_):
                sock.getsockopt(level, name, 256)
                return 0
            value = option_value(wanted, self.now_line)
            size = len(value) + 1 if isinstance(wanted, s.String) else len(value)
            got = sock.getsockopt(level, name, max(size, 4))
            if got[: len(value)] != value or (
                isinstance(wanted, s.String) and not wanted.more and got[len(value) : size].strip(b"\0")
            ):
                raise Mismatch(f"getsockopt() gave {_shown(got, wanted)}, not {expression_text(wanted)}")
            return 0

        return do

    # ---- poll ----

    def _poll(self, call: s.Syscall) -> Callable[[], int | None]:
        line = self.now_line
        asked = [members(e, line) for e in items(call.arguments[0], line)]
        if any(not {"fd", "events"} <= set(a) <= {"fd", "events", "revents"} for a in asked):
            raise ScriptError(line, 0, "expected {fd=..., events=..., revents=...}")
        timeout = number(call.arguments[2], line)
        fds = [(number(a["fd"], line), number(a["events"], line)) for a in asked]
        wanted = [number(a["revents"], line) if "revents" in a else 0 for a in asked]
        until = None if timeout < 0 else self.backend.now_us() + 1000 * timeout
        always = select.POLLERR | select.POLLHUP

        def do() -> int | None:
            got = [self._open(fd).sock.poll() & (events | always) for fd, events in fds]
            if not any(got) and (until is None or self.backend.now_us() < until):
                return None
            if got != wanted:
                raise Mismatch(f"poll() gave revents {[hex(g) for g in got]}, not {[hex(w) for w in wanted]}")
            return sum(map(bool, got))

        return do


def _shown(got: bytes, wanted: Expression) -> str:
    if isinstance(wanted, s.String):
        return repr(got.rstrip(b"\0").decode("ascii", "replace"))
    return "[" + ", ".join(str(n) for n in struct.unpack(f"{len(got) // 4}i", got[: len(got) // 4 * 4])) + "]"
