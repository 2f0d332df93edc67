"""One place where a return code of the data plane becomes an exception."""

from __future__ import annotations

import os


class VnicError(Exception):
    """Base of what vnic raises by itself. Its text is one sentence for a person."""


class ConfigError(VnicError, ValueError):
    """A knob that does not exist, or a value it cannot take."""


class CaptureError(VnicError):
    """A file that is no capture vnic can read."""


class TapError(VnicError, OSError):
    """The kernel refused something about the TAP; the text says what mends it."""


class NoThreadError(VnicError, RuntimeError):
    """The system has no thread for us: there are too many, or there is not enough memory for its stack."""

    def __init__(self) -> None:
        super().__init__("can't start a thread: there are too many, or there is not enough memory")


_SAID_MAX = 200


def said(value: object) -> str:
    """What was given, as a sentence repeats it: on one line, without control characters, and cut if it is long."""
    try:
        text = str(value)
    except ValueError:  # a number of thousands of digits
        text = "a number of thousands of digits"
    return one_line(text if len(text) <= _SAID_MAX else f"{text[:_SAID_MAX]}...")


def quoted(value: object) -> str:
    """The same in quotes, where the sentence is about a word."""
    return f"'{said(value)}'"


def one_line(text: str) -> str:
    """The text without what would end its line, move the cursor or be no character: escapes instead."""
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(c: str) -> str:
    if 0xDC80 <= ord(c) <= 0xDCFF:  # a byte of a name that was no text
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape", "surrogatepass").decode()


def check(rc: int, doing: str) -> int:
    """Return ``rc``, or raise OSError for a negative errno, naming what was being done."""
    if rc < 0:
        raise OSError(-rc, f"{doing}: {os.strerror(-rc)}")
    return rc
