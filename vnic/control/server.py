"""Serve an instance's control socket: its user connects and sends the commands of vnic/control/commands.py.

It is a Unix stream socket, mode 0600, in a directory that the user owns (sockets.py). Its name is ``NAME-PID``: the
card's name and the process id. Messages are JSON objects, one per line:

    {"vnic": 1, "command": "show", "argv": ["/proc/net/dev"], "columns": 80}
    {"vnic": 1, "out": "...", "err": "", "code": 0, "data": {...}}

``vnic`` is the version; a request with another version gets an error. ``columns``, if given, is the width of the
terminal for the tables of vnic's own. ``capture`` carries a descriptor to write to
(SCM_RIGHTS). The capture lasts until the connection ends, or until the next ``capture`` on it, whose answer has the
counts. If the disk is full, the pipe has no reader, or the instance ends, the server sends the counts unsolicited.
Answers keep the order of the requests.

One thread serves all clients. It shares only counters with the data plane, and knobs through ``host.knobs``. A slow,
silent or hostile client harms only its own connection, because the server bounds the size and the time of waiting
requests and answers. If there are too many connections, the server closes the one idle longest.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, Self

from vnic.control import captures, commands
from vnic.control.reply import Reply
from vnic.control.sockets import REQUEST_MAX, VERSION, directory, socket_name
from vnic.errors import VnicError
from vnic.machine.lifetime import Living
from vnic.machine.uninterrupted import Happened, QuietThread, uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vnic.host import Host

COLUMNS_MAX = 10_000
"""Widest terminal."""
CLIENTS_MAX = 16
PATIENCE_S = 10.0
"""Longest wait for the rest of a request, and for the client to take an answer."""
_TICK_S = 0.5
_END_S = 2.0
"""Longest wait at the end of the instance for the slow readers of all captures together."""
_CREDENTIALS = struct.Struct("iII")


class _Client:
    """A connection: the bytes received of a request, and the bytes left of an answer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.request = bytearray()
        self.answer = memoryview(b"")
        self.fds: list[int] = []
        self.capture: captures.Running | None = None
        self.ending = False
        self.since = time.monotonic()

    def close(self) -> None:
        self.sock.close()
        self.forget_fds()
        if self.capture is not None:
            self.capture.stop()

    def forget_fds(self) -> None:
        """Close received descriptors that no request used."""
        while self.fds:
            os.close(self.fds.pop())


def _encode(reply: Reply) -> bytes:
    message = {"vnic": VERSION, "out": reply.out, "err": reply.err, "code": reply.code, "data": reply.data}
    try:
        return json.dumps(message).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as e:  # a bug in one answer must not end the instance
        return _encode(Reply(err=f"vnic: a bug in vnic: {e}\n", code=70))


def _decode(line: bytes) -> tuple[str, list[str], int | None] | Reply:
    """Return the command, its arguments and the columns, or a reply that says what is wrong with the request."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return Reply(err="vnic: the request is not JSON\n", code=2)
    if not isinstance(message, dict) or "vnic" not in message:
        return Reply(err='vnic: the request is not an object with its version as "vnic"\n', code=2)
    if message["vnic"] != VERSION:
        return Reply(err=f"vnic: this instance speaks version {VERSION} of the protocol\n", code=2)
    command, argv = message.get("command"), message.get("argv", [])
    if not isinstance(command, str) or not isinstance(argv, list) or not all(isinstance(a, str) for a in argv):
        return Reply(err='vnic: "command" must be a string, and "argv" a list of strings\n', code=2)
    columns = message.get("columns")
    if columns is not None and (type(columns) is not int or not 0 < columns <= COLUMNS_MAX):
        return Reply(err=f'vnic: "columns" must be a whole number up to {COLUMNS_MAX}\n', code=2)
    return command, argv, columns


class Control(Living):
    """A host's control socket, served from :meth:`start` (or ``with``) until closed. Close it before its host.

    A child process after fork() neither serves nor removes the socket.

    Args:
        host: the host; ``host.name`` names the socket.
        facts: returns the report of ``vnic replay --json`` for the command ``facts``; None: no such command.
        path: the socket's path; None: in :func:`~vnic.control.sockets.directory`.

    Raises:
        VnicError: the directory is not safe.
        OSError: the socket cannot be made.
    """

    def __init__(
        self, host: Host, *, facts: Callable[[], dict[str, Any]] | None = None, path: Path | None = None
    ) -> None:
        self._host, self._facts = host, facts
        host.machine.c  # noqa: B018 - is it open?
        self.path = path or directory() / f"{host.name}-{os.getpid()}"
        self._owner_uid = os.geteuid()
        self._clients: dict[int, _Client] = {}
        self._captures: list[captures.Running] = []
        self._ended = Happened()
        self._thread = QuietThread("control", self._serve)
        uninterrupted(self._listen)

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self.path.unlink(missing_ok=True)  # a killed process with the same pid may have left it
        try:
            os.fchmod(listener.fileno(), 0o600)  # before bind(), which takes the file's mode from the socket
            with socket_name(self.path) as name:
                listener.bind(name)
            self.path.chmod(0o600)
            listener.listen(CLIENTS_MAX)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._begin(listener)

    def __repr__(self) -> str:
        return f"<vnic.Control {self.path}{' closed' if self.closed else ''}>"

    def start(self) -> None:
        """Start the thread, with the caller's present privileges. VnicError: the socket was closed."""
        self.c  # noqa: B018 - is it open?
        uninterrupted(self._thread.start)

    def __enter__(self) -> Self:
        self.start()
        return self

    def _give_back(self) -> None:
        """End the clients' captures, and remove the socket."""
        if self._at is None:
            return
        self._end()
        self._ended.set()
        self._wake_up()
        if self._thread.ident is None:
            self._close_all()
        else:
            self._thread.finish()
        os.close(self._wake)
        self._ended.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _in_child(self) -> None:
        """Close the child's copies, which would keep clients waiting after the parent ends.

        Leave shared state as it is.
        """
        for client in self._clients.values():
            client.sock.close()
            client.forget_fds()
        self._selector.close()
        self._listener.close()
        os.close(self._wake)
        self._ended.close()

    def _wake_up(self) -> None:
        os.eventfd_write(self._wake, 1)

    # ---- the thread ----

    def _serve(self) -> None:
        try:
            while not self._ended.yes:
                waiting = any(c.request or c.answer or c.capture for c in self._clients.values())
                for key, events in self._selector.select(_TICK_S if waiting else None):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fd == self._wake:
                        os.eventfd_read(self._wake)
                    elif (client := self._clients.get(key.fd)) is not None:
                        self._attend(client, events)
                self._look_after()
        finally:
            self._close_all()

    def _close_all(self) -> None:
        for running in self._captures:
            running.stop()
        until = time.monotonic() + _END_S
        for running in self._captures:
            running.wait(max(0.0, until - time.monotonic()))
        for client in list(self._clients.values()):
            with contextlib.suppress(OSError):
                self._counts(client)
            self._drop(client)
        self._selector.close()
        self._listener.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as e:
            if e.errno in (errno.EMFILE, errno.ENFILE):  # the client keeps waiting; retrying at once would spin
                self._ended.wait(_TICK_S)
            return
        _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid not in (0, self._owner_uid):
            sock.close()
            return
        if len(self._clients) >= CLIENTS_MAX:
            idle = [c for c in self._clients.values() if c.capture is None] or list(self._clients.values())
            self._drop(min(idle, key=lambda c: c.since))
        sock.setblocking(False)
        self._clients[sock.fileno()] = _Client(sock)
        self._selector.register(sock, selectors.EVENT_READ)

    def _drop(self, client: _Client) -> None:
        self._selector.unregister(client.sock)
        del self._clients[client.sock.fileno()]
        client.close()

    def _look_after(self) -> None:
        """Remove ended captures, and drop clients that stall in the middle of a request or an answer."""
        now = time.monotonic()
        self._captures = [c for c in self._captures if not c.over]
        for client in list(self._clients.values()):
            try:
                self._counts(client)
            except OSError:
                self._drop(client)
                continue
            if client.capture is not None:
                if client.capture.broken:
                    client.capture.stop()
            elif (client.request or client.answer) and now - client.since > PATIENCE_S:
                self._drop(client)

    def _counts(self, client: _Client) -> None:
        """Send the counts of an ended capture, whether the client asked for its end or not."""
        if client.capture is None or client.capture.reply is None or client.answer:
            return
        reply, client.capture, client.ending = client.capture.reply, None, False
        client.since = time.monotonic()
        client.answer = memoryview(_encode(reply))
        self._send(client)
        self._next(client)

    def _attend(self, client: _Client, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._send(client)
                self._next(client)
            elif not self._receive(client):
                self._drop(client)
        except OSError:
            self._drop(client)

    def _receive(self, client: _Client) -> bool:
        """Read from a client. Return False if it is gone or sent too much."""
        data, fds, _, _ = socket.recv_fds(
            client.sock, REQUEST_MAX + 1 - len(client.request), 4, socket.MSG_CMSG_CLOEXEC
        )
        client.fds += fds
        if not data:
            return False
        if not client.request:
            client.since = time.monotonic()
        client.request += data
        if (len(client.request) > REQUEST_MAX and b"\n" not in client.request) or len(client.fds) > 1:
            return False
        self._next(client)
        return True

    def _next(self, client: _Client) -> None:
        """Once the client has taken the last answer, answer its next complete request.

        The thread serves other clients in between.
        """
        if client.answer or client.ending:
            return
        if (end := client.request.find(b"\n")) >= 0:
            line = bytes(client.request[:end])
            del client.request[: end + 1]
            client.since = time.monotonic()
            reply = self._answer(client, line)
            if reply is not None:
                client.answer = memoryview(_encode(reply))
                self._send(client)
            if not client.answer and b"\n" in client.request:
                self._selector.modify(client.sock, selectors.EVENT_WRITE)
        if not client.request and not client.ending:
            client.forget_fds()

    def _send(self, client: _Client) -> None:
        while client.answer:
            try:
                n = client.sock.send(client.answer)
            except BlockingIOError:
                break
            client.answer = client.answer[n:]
            client.since = time.monotonic()
        self._selector.modify(client.sock, selectors.EVENT_WRITE if client.answer else selectors.EVENT_READ)

    def _answer(self, client: _Client, line: bytes) -> Reply | None:
        """Return the reply, or None if :meth:`_counts` will send it."""
        request = _decode(line)
        if isinstance(request, Reply):
            return request
        command, argv, columns = request
        try:
            if command == "facts" and self._facts is not None:
                return Reply(data=self._facts())
            if command == "capture":
                return self._capture(client, argv)
            return commands.answer(self._host, command, argv).on(columns)
        except Exception as e:  # noqa: BLE001 - a bug in one answer must not end the instance
            return Reply(err=f"vnic {command}: a bug in vnic: {type(e).__name__}: {e}\n", code=70)

    def _capture(self, client: _Client, argv: list[str]) -> Reply | None:
        if client.capture is not None:
            client.capture.stop()
            client.ending = True
            return None
        if not client.fds:
            return Reply(err="vnic capture: the request has no descriptor to write to\n", code=2)
        fd = client.fds.pop()
        try:
            client.capture = captures.Running(self._host, fd, argv, self._wake_up)
            self._captures.append(client.capture)
        except VnicError as e:
            return Reply(err=f"vnic capture: {e}\n", code=2)
        finally:
            os.close(fd)
        return Reply()
