"""Files that vnic reads and writes by a name somebody gave: nothing is followed, opened or emptied that was not meant.

    fd = create(path)             a file to write: --write FILE, vnic capture -w FILE, vnic.Capture(path)
    data = read(path)             all of a small one: --config, a report for vnic why
    with Tree(directory) as t:    many below a directory: vnic show --export DIR
        t.write("proc/net/dev", text)

The rule, for root and everybody else alike. Directories on the way to a name that was typed are the caller's to choose,
and may be links. What the name itself stands for is looked at before anything happens to it:

* a file to write is made, or is a regular file, with one name, of the user who runs this (sudo: or who called it), or
  one of the devices null, zero and full, or what this process holds already (/dev/stdout, /dev/fd/N). No link is
  followed (O_NOFOLLOW), no FIFO, socket or other device is opened at all: open() of those has effects, or never ends.
  In a directory like /tmp, that is what fs.protected_symlinks, protected_regular and protected_fifos of Linux are for,
  which are off on some machines and don't cover directories of others (Documentation/admin-guide/sysctl/fs.rst).
* a file to read is a regular one, or a pipe that this process holds already. Links are followed: that changes nothing.
* below an exported directory everything is ours: each directory is opened from the one above (openat, O_NOFOLLOW),
  each file is made anew under another name (O_EXCL) and renamed over the old one: a link is replaced, never followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Self

from vnic.errors import VnicError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HELD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_HELD_NUMBERS = ("/dev/fd/", "/proc/self/fd/")
_DEVICES = frozenset({(1, 3), (1, 5), (1, 7)})
"""null, zero, full: writing there has no effect (Documentation/admin-guide/devices.txt)."""


class PathError(VnicError, OSError):
    """A file that is not what it has to be; ``strerror`` says what it is."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(errno.EINVAL, why, str(path))

    def __str__(self) -> str:
        """Return the file, and what it is."""
        return f"{self.filename}: {self.strerror}"


def _kind(mode: int) -> str:
    """What it is, instead of a regular file."""
    kinds = {
        stat.S_ISREG: "a file",
        stat.S_ISDIR: "a directory",
        stat.S_ISLNK: "a symbolic link",
        stat.S_ISFIFO: "a FIFO",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
    }
    return next((text for is_so, text in kinds.items() if is_so(mode)), "no file")


def _users() -> set[int]:
    """Whose files are ours: root's and, under sudo, those of who called it."""
    ours = {os.geteuid()}
    caller = os.environ.get("SUDO_UID", "")
    if os.geteuid() == 0 and caller.isascii() and caller.isdecimal() and len(caller) <= 10:
        ours.add(int(caller))
    return ours


def _path(path: str | Path) -> str:
    text = os.fspath(path)
    if "\0" in text:
        raise PathError(path.__repr__(), "a name cannot have a zero byte")
    return text


def _held(path: str) -> int | None:
    """The descriptor of ours that a name like /dev/stdout stands for; None: it is not one of those names."""
    for prefix in _HELD_NUMBERS:
        number = path.removeprefix(prefix)
        if number != path and number.isascii() and number.isdecimal() and len(number) < 8:
            return int(number)
    return _HELD.get(path)


def _refuse(path: str, found: os.stat_result) -> None:
    """PathError: this is not to be written to."""
    mode = found.st_mode
    if stat.S_ISLNK(mode):
        raise PathError(path, "is a symbolic link, which is not followed: say the file itself")
    if stat.S_ISCHR(mode) and (os.major(found.st_rdev), os.minor(found.st_rdev)) in _DEVICES:
        return
    if not stat.S_ISREG(mode):
        raise PathError(path, f"is {_kind(mode)}, not a file to write")
    if found.st_uid not in _users():
        raise PathError(path, "is somebody else's file: remove it, or say another one")
    if found.st_nlink > 1:
        raise PathError(path, "has another name too (a hard link): remove it, or say another one")


def create(path: str | Path, *, truncate: bool = True) -> int:
    """Open a file to write, made if it is missing. Return: its descriptor.

    Args:
        path: its name.
        truncate: what is in it goes now; False: it stays.

    Raises:
        OSError: it cannot be made, or what is there is not to be written to; ``strerror`` is a sentence's second half.
    """
    name = _path(path)
    if (held := _held(name)) is not None:
        return os.dup(held)
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    for _ in range(8):  # as often as somebody makes and removes it meanwhile
        try:
            return os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            pass
        try:
            there = os.open(name, _LOOK)
        except FileNotFoundError:
            continue
        try:
            _refuse(name, os.fstat(there))
            fd = os.open(f"/proc/self/fd/{there}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except PermissionError as e:
            raise PermissionError(e.errno, e.strerror, name) from None
        finally:
            os.close(there)
        os.set_blocking(fd, True)
        if truncate and stat.S_ISREG(os.fstat(fd).st_mode):
            os.ftruncate(fd, 0)
        return fd
    raise PathError(name, "is made and removed all the time")


def read(path: str | Path, most: int) -> bytes:
    """All of a regular file, or of a pipe that we hold already (``<(...)`` of a shell).

    OSError: it is none, has more than ``most`` bytes, or cannot be read.
    """
    name = _path(path)
    held = _held(name)
    fd = open_regular(name) if held is None else os.dup(held)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode) and (held is None or not stat.S_ISFIFO(mode)):
            raise PathError(name, f"is {_kind(mode)}, not a regular file")
        data = b""
        while len(data) <= most and (piece := os.read(fd, most + 1 - len(data))):
            data += piece
    finally:
        os.close(fd)
    if len(data) > most:
        raise PathError(name, f"is longer than {most} bytes")
    return data


def open_regular(path: str | Path) -> int:
    """Open a regular file to read; nothing else is opened at all. Return: its descriptor. OSError: it is none."""
    name = _path(path)
    there = os.open(name, os.O_PATH | os.O_CLOEXEC)
    try:
        mode = os.fstat(there).st_mode
        if not stat.S_ISREG(mode):
            raise PathError(name, f"is {_kind(mode)}, not a regular file")
        return os.open(f"/proc/self/fd/{there}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(there)


class Tree:
    """A directory that files are written below; a context manager. It is made if it is missing, and those above it.

    Raises:
        PathError: it cannot be made or opened, or is a link.
    """

    def __init__(self, directory: str | Path) -> None:
        self._name = _path(directory)
        if not self._name:
            raise PathError("''", "is no directory's name")
        name = self._name.rstrip("/") or "/"  # with a slash behind it a link would be followed
        try:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                Path(name).mkdir(0o755)
            self._dirs: dict[tuple[str, ...], int] = {(): self._open_directory(name, None, self._name)}
        except FileExistsError:
            raise PathError(self._name, os.strerror(errno.ENOTDIR)) from None
        except OSError as e:
            raise PathError(self._name, e.strerror or str(e)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the directories."""
        while self._dirs:
            os.close(self._dirs.popitem()[1])

    def _said(self, *parts: str) -> str:
        return str(Path(self._name, *parts))

    @staticmethod
    def _open_directory(name: str, above: int | None, said: str) -> int:
        fd = os.open(name, _LOOK, dir_fd=above)
        try:
            found = os.fstat(fd)
            if not stat.S_ISDIR(found.st_mode):
                raise PathError(said, f"is {_kind(found.st_mode)}, not a directory of the exported copy")
            if found.st_uid not in _users():
                raise PathError(said, "is somebody else's directory, who could change what is written there")
            return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            os.close(fd)

    def _at(self, parts: tuple[str, ...]) -> int:
        """The descriptor of a directory below, made if it is missing."""
        if parts not in self._dirs:
            above = self._at(parts[:-1])
            with contextlib.suppress(FileExistsError):
                os.mkdir(parts[-1], 0o755, dir_fd=above)
            self._dirs[parts] = self._open_directory(parts[-1], above, self._said(*parts))
        return self._dirs[parts]

    def _split(self, path: str) -> tuple[int, str]:
        parts = tuple(path.split("/"))
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise PathError(self._said(path), "would be outside of the directory")
        return self._at(parts[:-1]), parts[-1]

    @contextlib.contextmanager
    def _instead_of(self, path: str) -> Iterator[tuple[str, int]]:
        """A name to make something anew by, and the directory it is in; then it gets the name that was meant."""
        above, name = self._split(path)
        new = f".{name[:200]}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=above)  # of a process that had our number and was killed
        try:
            yield new, above
            os.rename(new, name, src_dir_fd=above, dst_dir_fd=above)
        except BaseException as e:
            with contextlib.suppress(OSError):
                os.unlink(new, dir_fd=above)
            if isinstance(e, OSError):
                raise type(e)(e.errno, e.strerror, self._said(path)) from None
            raise

    def write(self, path: str, text: str) -> None:
        """One file, by its path below the directory, instead of what has that name."""
        with self._instead_of(path) as (new, above):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(new, flags, 0o644, dir_fd=above), "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))

    def link(self, path: str, to: str) -> None:
        """A symbolic link, instead of what has that name."""
        with self._instead_of(path) as (new, above):
            os.symlink(to, new, dir_fd=above)
