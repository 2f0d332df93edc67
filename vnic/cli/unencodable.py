r"""What the encoding of a terminal or a pipe has no character for: shown by what looks like it, or as an escape.

Bars and arrows have stand-ins. A byte of a file name that was no text is shown as ``\xff``, any other character as
``\u20ac``. So no output is ever refused for want of a character; what is JSON is ASCII anyway.
"""

from __future__ import annotations

import codecs
import sys

ERRORS = "vnic.stand_in"
_STAND_INS = {"█": "#", "→": ">", "✗": "x", "━": "-", "╸": "-", "╺": "-", "…": "~", "•": "*"} | dict.fromkeys(
    "▏▎▍▌▋▊▉", "|"
)


def stand_in(text: str) -> str:
    """The same in ASCII, a character for each of ours, an escape for the others."""
    return "".join(map(_one, text))


def _one(c: str) -> str:
    if c in _STAND_INS or c.isascii():
        return _STAND_INS.get(c, c)
    code = ord(c)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape's
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def visible(text: str) -> str:
    """On one line, and without what a terminal obeys: control characters as escapes."""
    return "".join(c if c >= " " and not "\x7f" <= c <= "\x9f" else f"\\x{ord(c):02x}" for c in text)


def _handler(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return stand_in(error.object[error.start : error.end]), error.end


def never_refuse() -> None:
    """From now on standard output and standard error take every character."""
    codecs.register_error(ERRORS, _handler)
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors=ERRORS)
