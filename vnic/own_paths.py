"""Files that vnic reads and writes by a given name: it follows, opens and empties only what the caller meant.

    fd = create(path)             a file to write: --write FILE, vnic capture -w FILE, vnic.Capture(path)
    with instead_of(path) as f:   a file that is complete, or is not there: results, pages, tables
    data = read(path)             all of a small one: --config, a report for vnic why
    with Tree(directory) as t:    many below a directory: vnic show --export DIR
        t.write("proc/net/dev", text)

The rule holds for root and all other users. The caller chooses the directories on the way to a name, and they may be
links. vnic checks the file behind the name before it does anything to it:

* A file to write does not exist yet; or is a regular file with one name, owned by the user that runs vnic (or that
  called sudo); or is the device null, zero or full; or is open in this process (/dev/stdout, /dev/fd/N). vnic follows
  no link (O_NOFOLLOW) and opens no FIFO, socket or other device: their open() has effects, or never returns. In
  directories like /tmp, Linux has fs.protected_symlinks, protected_regular and protected_fifos for this, but some
  machines turn them off, and they skip other users' directories (Documentation/admin-guide/sysctl/fs.rst).
* A file to read is a regular one, or a pipe that is open in this process. Links are followed: reading changes nothing.
* Below an exported directory all files are ours. vnic opens each directory from its parent (openat, O_NOFOLLOW), makes
  each file under a temporary name (O_EXCL) and renames it over the old one, so it replaces a link and follows none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from vnic.errors import VnicError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HELD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_HELD_NUMBERS = ("/dev/fd/", "/proc/self/fd/")
_DEVICES = frozenset({(1, 3), (1, 5), (1, 7)})
"""null, zero, full: writing to them has no effect (Documentation/admin-guide/devices.txt)."""


class PathError(VnicError, OSError):
    """A file of the wrong kind or owner; ``strerror`` says what it is."""

    def __init__(self, path: str | Path, why: str) -> None:
        super().__init__(errno.EINVAL, why, str(path))

    def __str__(self) -> str:
        """Return the file and its fault."""
        return f"{self.filename}: {self.strerror}"


def _kind(mode: int) -> str:
    """Return the kind of a file that is not regular."""
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
    """Return the users whose files are ours: this process's and, under sudo, the user that called it."""
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
    """Return our descriptor behind a name like /dev/stdout; None: it is not such a name."""
    for prefix in _HELD_NUMBERS:
        number = path.removeprefix(prefix)
        if number != path and number.isascii() and number.isdecimal() and len(number) < 8:
            return int(number)
    return _HELD.get(path)


def _refuse(path: str, found: os.stat_result) -> None:
    """Raise PathError unless vnic may write to this file."""
    mode = found.st_mode
    if stat.S_ISLNK(mode):
        raise PathError(path, "is a symbolic link, which is not followed: name the file itself")
    if stat.S_ISCHR(mode) and (os.major(found.st_rdev), os.minor(found.st_rdev)) in _DEVICES:
        return
    if not stat.S_ISREG(mode):
        raise PathError(path, f"is {_kind(mode)}, not a file to write")
    if found.st_uid not in _users():
        raise PathError(path, "belongs to another user: remove it, or name another file")
    if found.st_nlink > 1:
        raise PathError(path, "has another name too (a hard link): remove it, or name another file")


def create(path: str | Path, *, truncate: bool = True) -> int:
    """Open a file to write; make it if it is missing. Return: its descriptor.

    Args:
        path: its name.
        truncate: empty the file; False: keep its contents.

    Raises:
        OSError: the file cannot be made, or the rule refuses it; ``strerror`` is the second half of a sentence.
    """
    name = _path(path)
    if (held := _held(name)) is not None:
        return os.dup(held)
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    for _ in range(8):  # other processes may make and remove it meanwhile
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
    raise PathError(name, "is made and removed by another process all the time")


@contextlib.contextmanager
def instead_of(path: str | Path) -> Iterator[BinaryIO]:
    """Yield a file of a temporary name in the same directory; at the end it replaces the one of this name.

    If the block or the disk fails, the file of this name stays as it was. A device, and a file that is open in this
    process (/dev/stdout), are written to directly.

    Raises:
        OSError: as :func:`create`; or the file could not be written.
    """
    name = _path(path)
    mode = 0o644
    try:
        found = os.lstat(name)
        if _held(name) is None:
            _refuse(name, found)
        mode = stat.S_IMODE(found.st_mode)
        direct = not stat.S_ISREG(found.st_mode)
    except FileNotFoundError:
        if not name:
            raise
        direct = False
    if direct or _held(name) is not None:
        with os.fdopen(create(name), "wb") as file:
            yield file
        return
    new = Path(name).with_name(f".{Path(name).name[:200]}.{os.getpid()}")
    try:
        new.unlink(missing_ok=True)  # left by a killed process that had our pid
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.rename(name)
    except BaseException as e:
        with contextlib.suppress(OSError):
            new.unlink()
        if isinstance(e, OSError) and e.filename in (None, str(new), new):
            raise type(e)(e.errno, e.strerror, name) from None
        raise


def read(path: str | Path, most: int) -> bytes:
    """Return the contents of a regular file, or of a pipe that is open in this process (``<(...)`` of a shell).

    OSError: it is neither, has more than ``most`` bytes, or cannot be read.
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
    """Open a regular file to read, and nothing else. Return: its descriptor. OSError: it is not a regular file."""
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
    """A directory to write files below; a context manager. It makes the directory and its parents if they are missing.

    Raises:
        PathError: the directory cannot be made or opened, or is a link.
    """

    def __init__(self, directory: str | Path) -> None:
        self._name = _path(directory)
        if not self._name:
            raise PathError("''", "is not a directory's name")
        name = self._name.rstrip("/") or "/"  # with a trailing slash the kernel follows a link
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
                raise PathError(said, "belongs to another user, who could change the files written there")
            return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            os.close(fd)

    def _at(self, parts: tuple[str, ...]) -> int:
        """Return the descriptor of a directory below; make it if it is missing."""
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
        """Yield a temporary name and its directory's descriptor; at the end rename the file to its own name."""
        above, name = self._split(path)
        new = f".{name[:200]}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=above)  # left by a killed process that had our pid
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
        """Write one file, by its path below the directory, and replace a file of that name."""
        with self._instead_of(path) as (new, above):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(new, flags, 0o644, dir_fd=above), "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))

    def link(self, path: str, to: str) -> None:
        """Make a symbolic link, and replace a file of that name."""
        with self._instead_of(path) as (new, above):
            os.symlink(to, new, dir_fd=above)
