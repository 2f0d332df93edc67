"""Answer ``vnic show [WORD ...]`` and ``vnic set WORD VALUE``: cat, ls and echo for /proc and /sys, and knobs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vnic.control import names
from vnic.control.reply import Reply
from vnic.counters import limits
from vnic.errors import ConfigError, said
from vnic.linux import procfs, pseudofile, sysfs
from vnic.linux.pseudofile import File, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vnic.host import Host


def _knobs(host: Host) -> Reply:
    values = names.knobs(host.knobs)
    width = max(map(len, values))
    return Reply(_lines(f"{name:<{width}} {value}" for name, value in values.items()), data=values)


def _config(host: Host) -> Reply:
    text, data = names.config(host)
    return Reply(text, data=data)


EXTRA: dict[str, Callable[[Host], Reply]] = {
    "limits": lambda host: limits.show(host, ()),
    "knobs": _knobs,
    "config": _config,
}
"""Word -> function that answers ``vnic show WORD`` if WORD is not a file."""


def tree(host: Host) -> dict[str, File]:
    """Return path -> file for every file of the host."""
    return procfs.tree(host) | sysfs.tree(host)


def _entries(paths: Iterable[str], directory: str) -> list[str]:
    below = directory.rstrip("/") + "/"
    return sorted({p.removeprefix(below).split("/", 1)[0] for p in paths if p.startswith(below)})


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def show(host: Host, argv: Sequence[str]) -> Reply:
    """Print files, knobs, or the entries of a directory; without a word, list all. Code 1: one does not exist."""
    there = tree(host)
    if not argv:
        listed = [*sorted(EXTRA), *sorted(there)]
        return Reply(out=_lines(listed), data=listed)
    err, data = "", {}
    parts: list[Reply] = []
    for word in argv:
        try:
            if word in EXTRA:
                reply = EXTRA[word](host)
                data[word] = reply.data
            else:
                data[word] = _one(host, there, word)
                reply = Reply(out=data[word])
        except OSError as e:
            guess = names.near(word, there, EXTRA) if isinstance(e, FileNotFoundError) else ""
            err += f"vnic show: {said(word)}: {e.strerror}{guess}\n"
        except ConfigError as e:
            err += f"vnic show: {e}\n"
        else:
            parts.append(reply)

    def fitted(columns: int | None) -> str:
        return "".join(part.on(columns).out for part in parts)

    return Reply(fitted(None), err, int(bool(err)), data, fitted)


def _one(host: Host, there: dict[str, File], word: str) -> str:
    """Return the text of a file, a directory's entries, or a knob. OSError, ConfigError: no such name."""
    if names.normal(word) not in there and (knob := names.knob(host, word)):
        settings, name = knob
        return f"{names.text(name, settings[name])}\n"
    if path := names.path(host, there, word):
        return there[path].read(host)
    if entries := _entries(there, names.normal(word)):
        return _lines(entries)
    raise pseudofile.no_such_file(word)


def set_(host: Host, argv: Sequence[str]) -> Reply:
    """Write ``VALUE ...`` to a file, as echo writes them, or to a knob. ``NAME=VALUE`` is understood too."""
    if len(argv) == 1 and "=" in argv[0]:
        argv = argv[0].split("=", 1)
    if len(argv) < 2:
        return Reply(err="vnic set: needs a name and a value: vnic set rx-usecs 50, or vnic set PATH VALUE\n", code=2)
    word, *values = argv
    there = tree(host)
    try:
        return _set(host, there, word, " ".join(values))
    except WriteError as e:
        why = f"vnic: {e.reason}\n" if e.reason else ""
        return Reply(err=f"vnic set: write error: {e.strerror}\n{why}", code=1)
    except OSError as e:
        guess = names.near(word, there, ()) if isinstance(e, FileNotFoundError) else ""
        return Reply(err=f"vnic set: {said(word)}: {e.strerror}{guess}\n", code=1)
    except ConfigError as e:
        return Reply(err=f"vnic set: {e}\n", code=2)


def _set(host: Host, there: dict[str, File], word: str, value: str) -> Reply:
    if names.normal(word) not in there and (knob := names.knob(host, word)):
        settings, name = knob
        settings[name] = value
        return Reply()
    path = names.path(host, there, word)
    if path is None:
        if _entries(there, names.normal(word)):
            raise IsADirectoryError(21, os.strerror(21))
        raise pseudofile.no_such_file(word)
    pseudofile.put(there, host, path, f"{value}\n")
    source = there[path].source
    if not source.startswith("no effect"):
        return Reply()
    return Reply(err=f"vnic: {path} is kept without effect{source.removeprefix('no effect')}\n")
