"""Read the files of ``sysctl -p FILE`` and ``sysctl --system``, in the process that types it: their lines, and errors.

As procps 4 reads them: a line is ``NAME = VALUE`` or ``-NAME``; ``#`` and ``;`` begin a comment.
"""

from __future__ import annotations

import glob
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vnic.control.reply import Reply
from vnic.linux import sysctl
from vnic.own_paths import PathError, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST = 1 << 20
"""Largest file in bytes."""
_REQUEST_MAX = 1 << 15
_DEFAULT = "/etc/sysctl.conf"
_DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")


@dataclass(slots=True)
class Lines:
    """The lines of all files, and the texts and the exit code of reading them."""

    options: list[str]
    lines: list[str] = field(default_factory=list)
    out: str = ""
    err: str = ""
    code: int = 0

    def requests(self) -> Iterator[list[str]]:
        """Yield arguments for :func:`vnic.linux.sysctl.command`, each list of bounded size, at least one."""
        part: list[str] = []
        size = 0
        for line in self.lines:
            if part and size + len(line) > _REQUEST_MAX:
                yield [*self.options, sysctl.LINES, "--", *part]
                part, size = [], 0
            part.append(line)
            size += len(line)
        yield [*self.options, sysctl.LINES, "--", *part]

    def answered(self, replies: Sequence[Reply]) -> Reply:
        """Return one reply from all of them."""
        data: dict[str, str] = {}
        for reply in replies:
            data |= reply.data or {}
        out, err = (first + "".join(rest) for first, rest in (
            (self.out, [r.out for r in replies]), (self.err, [r.err for r in replies])
        ))  # fmt: skip
        return Reply(out, err, max([self.code, *(r.code for r in replies)]), data)


def read_all(argv: Sequence[str]) -> Lines | None:
    """Return the lines that the arguments ask for; None: they ask for no file."""
    words, files = _detached(argv)
    found = sysctl.options_of(words)
    if isinstance(found, Reply):
        return None
    options, rest = found
    if "-a" in options or not {"-p", "--system"} & options.keys():
        return None
    passed = [f"-{o[1]}" for o in options if o in ("-b", "-e", "-N", "-n", "-q", "-w")]
    passed += [*(["-r", options["-r"]] if "-r" in options else []), *(["--dry-run"] if "--dry-run" in options else [])]
    lines = Lines(passed)
    if "--system" in options:
        files = _system()
        if "-q" not in options:
            lines.out = "".join(f"* Applying {file} ...\n" for file in files)
    else:
        files = [*files, *rest] or [_DEFAULT]
        files = [name for file in files for name in (sorted(glob.glob(file)) or [file])]  # noqa: PTH207 - as written
    for file in files:
        _read(lines, file)
    return lines


def _detached(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take the files out of ``-pFILE`` and ``--load=FILE``."""
    words: list[str] = []
    files: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "--":
            words += [word, *rest]
        elif word.startswith("--load="):
            words.append("--load")
            files.append(word.removeprefix("--load="))
        elif word.startswith("-") and not word.startswith("--") and "p" in word.partition("r")[0]:
            at = word.index("p") + 1
            words.append(word[:at])
            files += [word[at:]] if word[at:] else []
        else:
            words.append(word)
    return words, files


def _system() -> list[str]:
    """Return the system's files in the order of their names. Of two with one name the first directory's counts."""
    found: dict[str, str] = {}
    for directory in _DIRECTORIES:
        for file in sorted(Path(directory).glob("*.conf")):
            found.setdefault(file.name, str(file))
    files = [found[name] for name in sorted(found)]
    return [*files, *([_DEFAULT] if Path(_DEFAULT).exists() else [])]


def _bytes(file: str) -> bytes:
    if file != "-":
        return read(file, _MOST)
    data = sys.stdin.buffer.read(_MOST + 1)
    if len(data) > _MOST:
        raise PathError("standard input", f"is longer than {_MOST} bytes")
    return data


def _read(lines: Lines, file: str) -> None:
    try:
        text = _bytes(file).decode("utf-8", "replace")
    except PathError as e:
        lines.err += f"sysctl: {e}\n"
        lines.code = 1
        return
    except OSError as e:
        lines.err += f'sysctl: cannot open "{file}": {e.strerror}\n'
        lines.code = 1
        return
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()  # noqa: PLW2901
        if not line or line[0] in "#;":
            continue
        if "=" not in line and not line.startswith("-"):
            lines.err += f"sysctl: {file}({number}): invalid syntax, continuing...\n"
        else:
            lines.lines.append(line)
