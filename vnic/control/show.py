"""Answer ``vnic show [PATH ...]`` and ``vnic set PATH VALUE``: cat, ls and echo for a host's /proc and /sys."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from vnic.control.reply import Reply
from vnic.counters import limits
from vnic.linux import procfs, pseudofile, sysfs
from vnic.linux.pseudofile import File, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vnic.host import Host

EXTRA: dict[str, Callable[[Host], Reply]] = {"limits": lambda host: limits.show(host, ())}
"""Word -> function that answers ``vnic show WORD`` if WORD is not a file."""


def tree(host: Host) -> dict[str, File]:
    """Return path -> file for every file of the host."""
    return procfs.tree(host) | sysfs.tree(host)


def _entries(paths: Iterable[str], directory: str) -> list[str]:
    below = directory.rstrip("/") + "/"
    return sorted({p.removeprefix(below).split("/", 1)[0] for p in paths if p.startswith(below)})


def _normal(path: str) -> str:
    """Return the path absolute, and without ``.``, ``..`` and double slashes."""
    return posixpath.normpath("/" + path.lstrip("/"))


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def show(host: Host, argv: Sequence[str]) -> Reply:
    """Print files, or the entries of a directory; without a path, list all files. Code 1: a path does not exist."""
    there = tree(host)
    if not argv:
        names = [*sorted(EXTRA), *sorted(there)]
        return Reply(out=_lines(names), data=names)
    err, data = "", {}
    parts: list[Reply] = []
    for word in argv:
        path = _normal(word)
        if word in EXTRA:
            reply = EXTRA[word](host)
            data[word] = reply.data
        elif path in there:
            try:
                data[word] = there[path].read(host)
            except OSError as e:
                err += f"vnic show: {word}: {e.strerror}\n"
                continue
            reply = Reply(out=data[word])
        elif entries := _entries(there, path):
            data[word] = _lines(entries)
            reply = Reply(out=data[word])
        else:
            err += f"vnic show: {word}: No such file or directory\n"
            continue
        parts.append(reply)

    def fitted(columns: int | None) -> str:
        return "".join(part.on(columns).out for part in parts)

    return Reply(fitted(None), err, int(bool(err)), data, fitted)


def set_(host: Host, argv: Sequence[str]) -> Reply:
    """Write ``VALUE ...`` to ``PATH``: separated by blanks, with a newline, as echo writes them."""
    if len(argv) < 2:
        return Reply(err="vnic set: needs a path and a value: vnic set PATH VALUE\n", code=2)
    word, *values = argv
    path, there = _normal(word), tree(host)
    try:
        if path not in there and _entries(there, path):
            raise IsADirectoryError(21, os.strerror(21))
        pseudofile.put(there, host, path, " ".join(values) + "\n")
    except WriteError as e:
        why = f"vnic: {e.reason}\n" if e.reason else ""
        return Reply(err=f"vnic set: write error: {e.strerror}\n{why}", code=1)
    except OSError as e:
        return Reply(err=f"vnic set: {word}: {e.strerror}\n", code=1)
    return Reply()
