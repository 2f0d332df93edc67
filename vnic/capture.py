"""The tap: what an AF_PACKET socket after GRO would see, into a pcapng file with nanosecond stamps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import ConfigError, VnicError

if TYPE_CHECKING:
    from vnic.host import Host


class Capture:
    """Write what the host's protocols receive to ``path`` until closed. Costs the path nothing when there is none.

    Stamps are virtual time, counted from the input's first stamp (live: from the epoch), and the file is in their order
    as far as a megabyte of packets reaches back; :attr:`late` counts what came later than that.
    """

    def __init__(self, host: Host, path: str | Path, *, base_ns: int = 0, name: str = "vnic0") -> None:
        self._host = host
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as e:
            raise ConfigError(f"{path}: {e.strerror}") from e
        self.path = Path(path)
        self._c: Any = lib.capture_new(host.c, self._fd, base_ns, name.encode())
        if self._c == ffi.NULL:
            os.close(self._fd)
            raise VnicError(f"{path}: no memory, or the interface's name is too long")
        host.nic.capture = self

    @property
    def packets(self) -> int:
        """Packets written (merged ones count once)."""
        return int(self._c.packets) if self._c is not None else 0

    @property
    def late(self) -> int:
        """Packets whose place in the order was in the file already: they stand behind it."""
        return int(self._c.late) if self._c is not None else 0

    def set_base(self, base_ns: int) -> None:
        """Epoch time of virtual time 0, ns."""
        self._c.base_ns = base_ns

    def close(self) -> None:
        """Write the rest. VnicError if the file could not take all of it (the packets lost are counted)."""
        if self._c is None:
            return
        rc, drops = lib.capture_flush(self._c), int(self._c.drops)
        lib.capture_free(self._host.c, self._c)
        self._c = None
        self._host.nic.capture = None
        os.close(self._fd)
        if rc < 0:
            raise VnicError(f"{self.path}: {os.strerror(-rc)}; {drops} packets are missing")
