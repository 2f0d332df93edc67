"""Show progress while a command reads a pipe: only on a terminal, and only if reading takes long."""

from __future__ import annotations

from vnic.cli.progress import Progress
from vnic.errors import one_line
from vnic.look.units import size

_FIRST_S = 0.5


class Reading:
    """Shows the amount read so far of each pipe, or that nothing has arrived yet; see :mod:`vnic.capture_input`."""

    def __init__(self) -> None:
        self._name, self._shown = "", Progress("", first_s=_FIRST_S)

    def __call__(self, name: str, total: int) -> None:
        """Report the bytes read so far."""
        if name != self._name:
            self.close()
            self._name, self._shown = name, Progress(f"reading {one_line(name)}", first_s=_FIRST_S)
        self._shown(total, 0, size(total) if total else "waiting for the first byte")

    def close(self) -> None:
        """Remove the line."""
        self._shown.close()
