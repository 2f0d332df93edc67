"""The command line's exit codes, and what vnic refuses as one sentence on stderr."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from vnic.errors import CaptureError, ConfigError, TapError, VnicError
from vnic.unencodable import never_refuse, visible
from vnic.uninterrupted import settle_all

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 10.0
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_PRIVILEGE = 0, 1, 2, 3


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What vnic refuses, as one sentence and an exit code."""
    try:
        yield
    except (CaptureError, ConfigError) as e:
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

    Outside it is the kernel's to handle, in the command (vnic_command). A library's caller has a handler, and keeps it.
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
    """Say it and end."""
    click.echo(f"vnic: {visible(message)}", file=sys.stderr)
    sys.exit(code)


class Group(click.Group):
    """The command line as a whole: also what cannot be printed is one sentence."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click's."""
        _stand_in()
        never_refuse()
        try:
            return super().main(*args, **kwargs)
        except OSError as e:  # of a command that prints; a reader that had enough is click's
            leave_stdout()
            fail(EXIT_FAILED, f"standard output: {e.strerror}" if e.filename is None else reason(e))


def _stand_in() -> None:
    """Who was started without a standard stream has one that refuses, and no other file gets its number."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if fd == 1 else os.O_RDWR)
            if getattr(sys, name) is None:
                setattr(sys, name, open(fd, "w" if fd else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


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
