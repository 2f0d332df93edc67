"""A server of files: GET and HEAD of HTTP/1.1 (RFC 9110, RFC 9112), with ranges, directories and connections that stay.

It reads below one directory only; what it cannot read is not there. Requests and waiting are bounded.
"""

from __future__ import annotations

import asyncio
import functools
import html
import mimetypes
import os
import re
import stat
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from vnic.errors import ConfigError, said

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

HEAD_MAX = 16384
IDLE_S = 30.0
_CHUNK = 1 << 18
_ALLOWED = {"Allow": "GET, HEAD"}
_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.([01])\r\n")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class _RefusedError(Exception):
    """The request gets this status. ``close``: what follows on the connection cannot be read."""

    def __init__(self, status: HTTPStatus, fields: Mapping[str, str] | None = None, *, close: bool = False) -> None:
        self.status, self.close, self.fields = status, close, fields or {}


def files(folder: str | Path) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return a server of the files below ``folder``. ConfigError: it is no directory."""
    root = Path(folder)
    if not root.is_dir():
        raise ConfigError(f"serve http: {said(str(folder))} is not a directory")
    return functools.partial(_serve, root.resolve())


async def _serve(root: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_S)
        except asyncio.LimitOverrunError:
            _answer(writer, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, close=True)
            return
        except (asyncio.IncompleteReadError, TimeoutError):
            return
        try:
            if not await _respond(root, head, writer):
                return
        except _RefusedError as e:
            _answer(writer, e.status, fields=e.fields, close=e.close)
            if e.close:
                return
        await writer.drain()


def _fields(head: bytes) -> dict[str, str]:
    found = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if line and (not colon or name != name.strip() or not name):
            raise _RefusedError(HTTPStatus.BAD_REQUEST, close=True)
        found[name.lower()] = value.strip()
    return found


async def _respond(root: Path, head: bytes, writer: asyncio.StreamWriter) -> bool:
    """Answer one request. Return: does the connection stay?"""
    asked = _REQUEST.match(head)
    if asked is None:
        raise _RefusedError(HTTPStatus.BAD_REQUEST, close=True)
    method, target, minor = asked[1].decode(), asked[2].decode("latin-1"), asked[3]
    fields = _fields(head)
    if fields.get("content-length", "0") != "0" or "transfer-encoding" in fields:
        raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, _ALLOWED, close=True)
    if method not in ("GET", "HEAD"):
        raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, _ALLOWED)
    connection = fields.get("connection", "").lower()
    stays = connection != "close" if minor == b"1" else connection == "keep-alive"
    path = _path_of(root, target)
    if path.is_dir():
        if not target.split("?")[0].endswith("/"):
            raise _RefusedError(HTTPStatus.MOVED_PERMANENTLY, {"Location": quote(unquote(target.split("?")[0])) + "/"})
        index = path / "index.html"
        if not index.is_file():
            _answer(writer, HTTPStatus.OK, _listing(path), head_only=method == "HEAD", close=not stays)
            return stays
        path = index
    await _send_file(path, fields, writer, head_only=method == "HEAD", close=not stays)
    return stays


def _path_of(root: Path, target: str) -> Path:
    """Return the path that a target names. No name leads out of the root, a symbolic link neither."""
    name = unquote(target.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0])
    if not name.startswith("/") or "\0" in name:
        raise _RefusedError(HTTPStatus.BAD_REQUEST)
    try:
        path = (root / name.lstrip("/")).resolve(strict=True)
    except (OSError, RuntimeError):
        raise _RefusedError(HTTPStatus.NOT_FOUND) from None
    if (path != root and root not in path.parents) or (name.endswith("/") and not path.is_dir()):
        raise _RefusedError(HTTPStatus.NOT_FOUND)
    return path


def _listing(folder: Path) -> bytes:
    rows = []
    for entry in sorted(folder.iterdir()):
        name = entry.name + "/" * entry.is_dir()
        rows.append(f'<li><a href="{quote(name)}">{html.escape(name)}</a>')
    return f"<!doctype html><meta charset=utf-8><ul>{''.join(rows)}</ul>\n".encode()


def _range(text: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last; None: the whole file."""
    found = _RANGE.fullmatch(text or "")
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found.groups()
    start, end = (int(first), int(last) + 1 if last else size) if first else (max(size - int(last), 0), size)
    if start >= size or start >= end:
        raise _RefusedError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
    return start, min(end, size)


async def _send_file(
    path: Path, fields: dict[str, str], writer: asyncio.StreamWriter, *, head_only: bool, close: bool
) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise _RefusedError(HTTPStatus.NOT_FOUND) from None
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise _RefusedError(HTTPStatus.NOT_FOUND)
        part = _range(fields.get("range"), about.st_size)
        start, end = part or (0, about.st_size)
        more = {"Content-Range": f"bytes {start}-{end - 1}/{about.st_size}"} if part else {}
        _head(
            writer,
            HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK,
            end - start,
            mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            {"Last-Modified": formatdate(about.st_mtime, usegmt=True), "Accept-Ranges": "bytes"} | more,
            close=close,
        )
        while start < end and not head_only:
            data = os.pread(fd, min(_CHUNK, end - start), start)
            if not data:  # it became shorter: the peer sees that bytes are missing
                writer.transport.abort()
                return
            writer.write(data)
            await writer.drain()
            start += len(data)
    finally:
        os.close(fd)


def _head(
    writer: asyncio.StreamWriter, status: HTTPStatus, length: int, kind: str, fields: Mapping[str, str], *, close: bool
) -> None:
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Date: {formatdate(usegmt=True)}",
        "Server: vnic",
        f"Content-Type: {kind}",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in fields.items()),
        *(["Connection: close"] if close else ["Connection: keep-alive"]),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))


def _answer(
    writer: asyncio.StreamWriter,
    status: HTTPStatus,
    body: bytes | None = None,
    *,
    fields: Mapping[str, str] | None = None,
    head_only: bool = False,
    close: bool,
) -> None:
    body = f"{status.value} {status.phrase}\n".encode() if body is None else body
    kind = "text/html; charset=utf-8" if body.startswith(b"<") else "text/plain"
    _head(writer, status, len(body), kind, fields or {}, close=close)
    if not head_only:
        writer.write(body)
