"""End a command: exit codes, one sentence on stderr for an error, Ctrl-C, and a stdout without a reader."""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import sys
import weakref
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.unencodable import never_refuse
from vnic.errors import CaptureError, ConfigError, TapError, VnicError, one_line, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

WAIT_S = 10.0
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_PRIVILEGE = 0, 1, 2, 3
EXIT_BUG = 70
"""EX_SOFTWARE of sysexits.h: a bug in vnic, not a wrong request."""
_TERMINAL = ("COLUMNS", "LINES")
_TERMINAL_MAX = 1000


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn errors inside this block into one sentence on stderr and an exit code."""
    from vnic.own_paths import PathError  # before the block: without privileges the file may be unreadable

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


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ending() -> list[signal.Signals]:
    """Return the signals that end what has no other end. SIGINT also if a shell's background job began with it ignored.

    SIGHUP only if nohup does not ignore it.
    """
    return [n for n in _ENDING if n is not signal.SIGHUP or signal.getsignal(n) is signal.SIG_DFL]


_AGAIN_S = 0.001
_FINALIZERS = weakref.finalize.__call__.__code__.co_filename


def _is_ignored(frame: FrameType | None) -> bool:
    """Would the interpreter print an exception and go on? It does in a finalizer."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename == _FINALIZERS:
            return True
        frame = frame.f_back
    return False


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _is_ignored(frame):
        raise _Ended(number)
    import threading

    again = threading.Timer(_AGAIN_S, signal.pthread_kill, (threading.main_thread().ident, number))
    again.daemon = True
    again.start()


class _Ended(KeyboardInterrupt):
    """One of these signals came, not only Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def _caught() -> Iterator[None]:
    """Raise _Ended on each of the signals that has the kernel's default action now."""
    caught = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in caught:
            signal.signal(number, _interrupt)
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """On Ctrl-C, SIGTERM or SIGHUP inside this block, raise KeyboardInterrupt, and then end by that signal.

    The exception lets the block close or undo everything. In the command, these signals have the kernel's default
    action outside this block, and an ignored one stays ignored (nohup, a shell's background job). In a library, the
    caller's handlers stay.
    """
    from vnic.machine.uninterrupted import settle_all

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        yield
        return
    try:
        with _caught():
            yield
    except _Ended as e:
        signal.signal(e.number, signal.SIG_DFL)
        settle_all(WAIT_S)  # complete the files that are being closed; a second Ctrl-C ends the process at once
        signal.raise_signal(e.number)  # so that a shell sees the signal as the cause


@contextlib.contextmanager
def until_signal() -> Iterator[None]:
    """Inside interruptible(), end this block, which has no other end, on one of these signals; then go on after it.

    A shell starts background jobs with SIGINT ignored; SIGINT ends this block there too, as it ends vnic run.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def reason(e: OSError) -> str:
    """Return the system's error text without the number: the file, if the error names one, and the reason."""
    if e.strerror is None or isinstance(e, VnicError):
        return str(e)
    return e.strerror if e.filename is None else f"{os.fsdecode(e.filename)}: {e.strerror}"


def fail(code: int, message: str) -> None:
    """Print the message on one line, whatever it contains, and exit."""
    with contextlib.suppress(OSError):  # stderr is closed
        click.echo(f"vnic: {one_line(message)}", file=sys.stderr)
    sys.exit(code)


def incomplete(left_out: Sequence[str], ended: str) -> None:
    """If the report lacks a part of the input, say so in a sentence for each file, and exit; else return.

    Args:
        left_out: the members of a directory that were not read.
        ended: why the input ended early; empty if it did not.
    """
    sentences = [*left_out, *([ended] if ended else [])]
    with contextlib.suppress(OSError):  # stderr is closed
        for text in sentences[:-1]:
            click.echo(f"vnic: {one_line(text)}", file=sys.stderr)
    if sentences:
        fail(EXIT_FAILED, sentences[-1])


class Group(click.Group):
    """The command line as a whole. It also reports output errors and unexpected exceptions in one sentence."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, after a look for a file or another's word at the front: see vnic/cli/words.py."""
        from vnic.cli.words import with_command

        return super().parse_args(ctx, with_command(self, ctx, args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first word, or guess at one that is near."""
        from vnic.cli.words import unknown_command

        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise unknown_command(self, ctx, args[0])
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run as click does. With VNIC_TRACEBACK=1 in the environment, a bug prints its traceback."""
        _stand_in()
        never_refuse()
        _believe_terminal()
        try:
            return super().main(*args, **kwargs)
        except OSError as e:  # printing failed; click itself handles a closed pipe
            leave_stdout()
            fail(EXIT_FAILED, f"standard output: {e.strerror}" if e.filename is None else reason(e))
        except MemoryError as e:
            fail(EXIT_FAILED, str(e) or "there is not enough memory")
        except Exception as e:
            if os.environ.get("VNIC_TRACEBACK"):
                raise
            fail(EXIT_BUG, f"a bug in vnic: {type(e).__name__}: {said(e)} (VNIC_TRACEBACK=1 shows where)")


def _stand_in() -> None:
    """Open /dev/null for each standard stream that is closed, so that no other file gets its number."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if fd == 1 else os.O_RDWR)
            if getattr(sys, name) is None:
                setattr(sys, name, open(fd, "w" if fd else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _believe_terminal() -> None:
    """Remove an impossible terminal size from the environment."""
    for name in _TERMINAL:
        size = os.environ.get(name, "1")
        if not (size.isascii() and size.isdecimal() and len(size) < 9 and 0 < int(size) <= _TERMINAL_MAX):
            del os.environ[name]


def leave_stdout() -> None:
    """Point stdout to /dev/null, so that the interpreter does not write the rest again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


class Seconds(click.FloatRange):
    """A finite time in seconds. click alone would accept nan."""

    name = "seconds"

    def __init__(self, low: float = 0.0, high: float = 1e9) -> None:
        super().__init__(low, high, min_open=low == 0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert as click does, and refuse nan."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a time", param, ctx)
        return seconds


class Whole(click.IntRange):
    """A whole number in ASCII digits, with an upper bound, so that it does not overflow in C."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__(low, high)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert as click does, but refuse 1_000 and digits of other scripts, which int() takes."""
        if isinstance(value, str) and not re.fullmatch(r"\s*[+-]?[0-9]{1,40}\s*", value, re.ASCII):
            self.fail(f"{value!r} is not a whole number", param, ctx)
        return super().convert(value, param, ctx)
