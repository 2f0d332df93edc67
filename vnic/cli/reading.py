"""Show progress on stderr while a command reads a pipe: only on a terminal, and only if reading takes long."""

from __future__ import annotations

import sys
import time

import click

from vnic.errors import one_line

_FIRST_S, _EACH_S = 0.5, 0.2


class Reading:
    """Prints the amount read so far, or that nothing has arrived yet; see :mod:`vnic.capture_input`."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _FIRST_S

    def __call__(self, name: str, total: int) -> None:
        """Report the bytes read so far."""
        now = time.monotonic()
        if now < self._next or not sys.stderr.isatty():
            return
        self._next = now + _EACH_S
        what = f"{total / 1e6:.1f} MB" if total else "waiting for the first byte"
        click.echo(f"\r\x1b[Kreading {one_line(name)}: {what}\r", nl=False, err=True)
