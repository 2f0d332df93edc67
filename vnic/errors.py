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


def check(rc: int, doing: str) -> int:
    """Return ``rc``, or raise OSError for a negative errno, naming what was being done."""
    if rc < 0:
        raise OSError(-rc, f"{doing}: {os.strerror(-rc)}")
    return rc
