r"""Print a stand-in or an escape for each character that the encoding of a terminal or a pipe lacks.

Bars and arrows have similar characters as stand-ins. A byte of a file name that is not text appears as ``\xff``, any
other character as ``\u20ac``. So no output fails for lack of a character. JSON is ASCII anyway.
"""

from __future__ import annotations

import codecs
import sys

ERRORS = "vnic.stand_in"
_STAND_INS = {"█": "#", "→": ">", "✗": "x", "━": "-", "╸": "-", "╺": "-", "…": "~", "•": "*"} | dict.fromkeys(
    "▏▎▍▌▋▊▉", "|"
)


def stand_in(text: str) -> str:
    """Return the text in ASCII: a similar character for each bar and arrow, an escape for any other."""
    return "".join(map(_one, text))


def _one(c: str) -> str:
    if c in _STAND_INS or c.isascii():
        return _STAND_INS.get(c, c)
    code = ord(c)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that surrogateescape stored
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def visible(text: str) -> str:
    """Return the text with control characters as escapes, so that it stays on one line and a terminal shows it."""
    return "".join(c if c >= " " and not "\x7f" <= c <= "\x9f" else f"\\x{ord(c):02x}" for c in text)


def _handler(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return stand_in(error.object[error.start : error.end]), error.end


def never_refuse() -> None:
    """Make standard output and standard error accept every character from now on."""
    codecs.register_error(ERRORS, _handler)
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors=ERRORS)
