"""The command line's exit codes, and what vnic refuses as one sentence on stderr."""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.unencodable import never_refuse
from vnic.errors import CaptureError, ConfigError, TapError, VnicError, one_line, said
from vnic.machine.uninterrupted import settle_all
from vnic.own_paths import PathError

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 10.0
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_PRIVILEGE = 0, 1, 2, 3
EXIT_BUG = 70
"""sysexits.h's EX_SOFTWARE: something here is wrong, not what was asked for."""
_TERMINAL = ("COLUMNS", "LINES")
_TERMINAL_MAX = 1000


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What vnic refuses, as one sentence and an exit code."""
    try:
        yield
    except (CaptureError, ConfigError, PathError) as e:
        fail(EXIT_USAGE, str(e))
    except TapError as e:
        fail(EXIT_PRIVILEGE, str(e))
    except VnicError as e:
        fail(EXIT_FAILED, str(e))
    except OSError as e:
        fail(EXIT_FAILED, reason(e))
    except MemoryError as e:
        fail(EXIT_FAILED, str(e) or "there is not enough memory")


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Inside, Ctrl-C is a KeyboardInterrupt, so that all is closed or undone, and then the end that it is outside.

    Outside it is the kernel's to handle, in the command. A library's caller has a handler, and keeps it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        yield
        return
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        settle_all(WAIT_S)  # files that are being closed are whole; another Ctrl-C ends it at once
        signal.raise_signal(signal.SIGINT)  # a shell sees what ended it
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def reason(e: OSError) -> str:
    """What the system said, without the number: the file, if it was one, and why."""
    if e.strerror is None or isinstance(e, VnicError):
        return str(e)
    return e.strerror if e.filename is None else f"{os.fsdecode(e.filename)}: {e.strerror}"


def fail(code: int, message: str) -> None:
    """Say it, on one line whatever is in it, and end."""
    with contextlib.suppress(OSError):  # there is nobody to say it to
        click.echo(f"vnic: {one_line(message)}", file=sys.stderr)
    sys.exit(code)


class Group(click.Group):
    """The command line as a whole: also what cannot be printed is one sentence, and what nobody thought of."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click's. VNIC_TRACEBACK=1 in the environment: a bug shows where it is."""
        _stand_in()
        never_refuse()
        _believe_terminal()
        try:
            return super().main(*args, **kwargs)
        except OSError as e:  # of a command that prints; a reader that had enough is click's
            leave_stdout()
            fail(EXIT_FAILED, f"standard output: {e.strerror}" if e.filename is None else reason(e))
        except MemoryError as e:
            fail(EXIT_FAILED, str(e) or "there is not enough memory")
        except Exception as e:
            if os.environ.get("VNIC_TRACEBACK"):
                raise
            fail(EXIT_BUG, f"a bug in vnic: {type(e).__name__}: {said(e)} (VNIC_TRACEBACK=1 shows where)")


def _stand_in() -> None:
    """Who was started without a standard stream has one that refuses, and no other file gets its number."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if fd == 1 else os.O_RDWR)
            if getattr(sys, name) is None:
                setattr(sys, name, open(fd, "w" if fd else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _believe_terminal() -> None:
    """A size in the environment that can be none is as good as unset."""
    for name in _TERMINAL:
        size = os.environ.get(name, "1")
        if not (size.isascii() and size.isdecimal() and len(size) < 9 and 0 < int(size) <= _TERMINAL_MAX):
            del os.environ[name]


def leave_stdout() -> None:
    """Nobody takes what is left of it, and the interpreter does not try again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


class Seconds(click.FloatRange):
    """A time that can be waited for: click lets nan through, and inf is none."""

    name = "seconds"

    def __init__(self, low: float = 0.0, high: float = 1e9) -> None:
        super().__init__(low, high, min_open=low == 0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click's."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a time", param, ctx)
        return seconds


class Whole(click.IntRange):
    """A whole number in ASCII digits, and there is a highest one: what is beyond overflows somewhere."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__(low, high)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click's, but int() takes 1_000 and digits of other scripts too."""
        if isinstance(value, str) and not re.fullmatch(r"\s*[+-]?[0-9]{1,40}\s*", value, re.ASCII):
            self.fail(f"{value!r} is not a whole number", param, ctx)
        return super().convert(value, param, ctx)
