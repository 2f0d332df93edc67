"""One tree of exceptions, and one place where a return code of the data plane becomes one.

    VnicError
      ConfigError      (ValueError)    a knob or an argument
      CaptureError                     a capture file
      TapError         (OSError)       the kernel refused something about a TAP
      HostError        (OSError)       the emulated host refused: ``errno`` says why
      PortTakenError   (both of these) another socket has the port: EADDRINUSE
      TimedOutError    (TimeoutError)  nothing came in time, or the input is over
      NoThreadError    (RuntimeError)  the system has no thread for vnic

Outside the tree are Python's own: TypeError for an argument of the wrong type, and MemoryError.
"""

from __future__ import annotations

import errno
import os
from typing import Any


class VnicError(Exception):
    """Base of all errors that vnic raises itself. The text is one sentence for a person."""


class ConfigError(VnicError, ValueError):
    """A knob that does not exist, or a value that it cannot take."""


class CaptureError(VnicError):
    """A file that is not a capture, or a capture that vnic cannot read."""


class TapError(VnicError, OSError):
    """The kernel refused an operation on the TAP; the text says what to do."""


class HostError(VnicError, OSError):
    """The emulated host refused a call; ``errno`` says why, as for the system call of the same name.

    It is also the OSError that Python has for that errno: ECONNREFUSED is a ConnectionRefusedError too.
    """

    def __str__(self) -> str:
        """Return the operation and the reason; the number is in ``errno``."""
        return str(self.strerror)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by errno and text: the class for an errno is made when it is needed."""
        return _host_error, (self.errno, self.strerror)


class PortTakenError(HostError, ConfigError):
    """Another socket has the port; ``errno`` is EADDRINUSE. As an argument that cannot be, it is a ConfigError too."""

    def __init__(self, port: int) -> None:
        super().__init__(errno.EADDRINUSE, f"port {port} is bound already")
        self.port = port

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by port."""
        return PortTakenError, (self.port,)


class TimedOutError(VnicError, TimeoutError):
    """Live: nothing came in time. In virtual time: the input is over, so nothing will come."""


class NoThreadError(VnicError, RuntimeError):
    """The system has no thread for vnic: there are too many, or there is not enough memory for its stack."""

    def __init__(self) -> None:
        super().__init__("cannot start a thread: there are too many, or there is not enough memory")


_BY_OSERROR: dict[type[OSError], type[HostError]] = {OSError: HostError}


def _host_error(number: int, text: str) -> HostError:
    kind = type(OSError(number, text))
    if kind not in _BY_OSERROR:
        members = {"__module__": __name__, "__doc__": HostError.__doc__}
        _BY_OSERROR[kind] = type(f"Host{kind.__name__}", (HostError, kind), members)
    return _BY_OSERROR[kind](number, text)


def refused(number: int, doing: str) -> HostError:
    """Return the HostError for a positive errno, with the name of the operation."""
    return _host_error(number, f"{doing}: {os.strerror(number)}")


_SAID_MAX = 200


def said(value: object) -> str:
    """Return a value as an error repeats it: on one line, without control characters, and cut if it is long."""
    try:
        text = str(value)
    except ValueError:  # a number of thousands of digits
        text = "a number of thousands of digits"
    return one_line(text if len(text) <= _SAID_MAX else f"{text[:_SAID_MAX]}...")


def quoted(value: object) -> str:
    """As :func:`said`, in quotes, for a sentence about a word."""
    return f"'{said(value)}'"


def one_line(text: str) -> str:
    """Return the text with escapes for line ends, control characters and bytes that are not text."""
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(c: str) -> str:
    if 0xDC80 <= ord(c) <= 0xDCFF:  # a byte of a name that is not text
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape", "surrogatepass").decode()


def check(rc: int, doing: str) -> int:
    """Return ``rc``; for a negative errno raise HostError, with the name of the operation."""
    if rc < 0:
        raise refused(-rc, doing)
    return rc
