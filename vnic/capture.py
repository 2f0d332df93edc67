"""Captures: what passes a point of the path, into a pcapng file with nanosecond stamps."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic import own_paths
from vnic._core import ffi, lib
from vnic.bpf import compile as compile_filter
from vnic.errors import ConfigError, VnicError
from vnic.stats import FATES, enum_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.bpf import Filter
    from vnic.host import Host

POINTS = tuple(n.removeprefix("TAP_").lower() for n in enum_names("tap_point", "TAP_POINTS"))
"""wire, nic, gro, stack"""

_BATCH_BYTES, _BATCH_BYTES_LIVE = 1 << 21, 1 << 23


def _bits(at: str | Iterable[str]) -> int:
    bits = 0
    for point in (at,) if isinstance(at, str) else at:
        if point not in POINTS:
            raise ConfigError(f"at={point}: the points are {', '.join(POINTS)}")
        bits |= 1 << POINTS.index(point)
    if not bits:
        raise ConfigError(f"at: one or more of {', '.join(POINTS)}")
    return bits


class Capture:
    """Write what passes some points of the path to ``path`` until closed. Costs the path nothing when there is none.

    The points, each an interface of the file named like ``"vnic0 gro"``:

    * ``wire``: each frame as it arrived at the card; if the card loses it, the comment says why.
    * ``nic``: the frames that the card put into the ring.
    * ``gro``: packets behind GRO and RPS, before the protocols: what an AF_PACKET socket sees.
    * ``stack``: packets in the moment of their fate, which is the comment.

    Each packet has the id of its first frame (epb_packetid) and its queue; a merged one says in its comment which
    frames it was made of. Stamps are virtual time, counted from the input's first stamp (live: from the epoch), and the
    file is in their order as far as some megabytes reach back; :attr:`late` counts what came later than that. Live, a
    thread writes; what the file is too slow for is not captured, and counted in :attr:`drops`.

    Args:
        host: whose path.
        path: a file that is made anew (see vnic/own_paths.py for what is refused), ``"-"``: standard output, or a
            descriptor, which stays the caller's.
        at: one or more of the points.
        filter: only what it wants, see :func:`vnic.bpf.compile`; it sees each packet as the file would have it.
        base_ns: epoch time of virtual time 0, ns.
        name: the card's, for the interfaces; at most 64 bytes.

    Raises:
        ConfigError: there is no such point, or the file cannot be made.
    """

    def __init__(
        self,
        host: Host,
        path: str | Path | int,
        *,
        at: str | Iterable[str] = ("gro",),
        filter: Filter | None = None,  # noqa: A002 - tcpdump's word
        base_ns: int = 0,
        name: str = "vnic0",
    ) -> None:
        self._host = host
        self._totals = (0, 0, 0)
        self._freeing = threading.Lock()
        points = _bits(at)
        program = None if filter is None else compile_filter(filter)
        try:
            own = {"-": 1}.get(str(path), path)
            self._fd = os.dup(own) if isinstance(own, int) else own_paths.create(own)
        except OSError as e:
            raise ConfigError(f"{path}: {e.strerror}") from e
        self.path = Path(str(path))
        self._given = path if isinstance(path, int) else None
        texts = [f"{fate}: {ffi.string(lib.fate_text(i)).decode()}" for i, fate in enumerate(FATES)]
        self._texts = [ffi.new("char[]", t.encode()) for t in texts]  # the C side has pointers to them
        self._verdicts = ffi.new("char *[]", self._texts)
        size = _BATCH_BYTES_LIVE if host.live else _BATCH_BYTES
        self._c: Any = lib.capture_new(
            host.c,
            self._fd,
            base_ns,
            name.encode(),
            points,
            self._verdicts,
            ffi.NULL if program is None else program.c(),
            size,
            host.live,
        )
        if self._c == ffi.NULL:
            os.close(self._fd)
            raise VnicError(f"{path}: no memory, or the interface's name is too long")
        self._writer: threading.Thread | None = None
        host.nic.captures.append(self)
        if host.running:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def start(self) -> None:
        """Live: start the thread that writes (the host does when it starts, without what privileges were dropped)."""
        from vnic.live import set_name, start_quietly

        if self._writer is not None:
            return

        def write() -> None:
            set_name("capture")
            lib.capture_thread(self._c)

        writer = threading.Thread(target=write, name="capture", daemon=True)
        start_quietly(writer)
        self._writer = writer

    def _counts(self) -> tuple[int, int, int]:
        if self._c is not None:
            lost = int(self._c.lost)
            self._totals = int(self._c.packets) - lost, int(self._c.drops) + lost, int(self._c.late)
        return self._totals

    @property
    def packets(self) -> int:
        """Packets captured (merged ones count once; each point counts)."""
        return self._counts()[0]

    @property
    def drops(self) -> int:
        """Packets missing: the file was slower than the path, or did not take them."""
        return self._counts()[1]

    @property
    def late(self) -> int:
        """Packets whose place in the order was in the file already: they stand behind it."""
        return self._counts()[2]

    def finish(self) -> dict[str, Any]:
        """Close it. Return: its part of a report's facts; what could not be written is said there."""
        error = None
        try:
            self.close()
        except VnicError as e:
            error = str(e)
        return {"packets": self.packets, "drops": self.drops, "late": self.late, "error": error}

    @property
    def broken(self) -> bool:
        """Did the file or the pipe refuse something? Then no more is written."""
        with self._freeing:
            return self._c is not None and int(self._c.error) < 0

    def give_up(self) -> None:
        """From another thread: a pipe whose reader is slow gets no more, and what it has not got is counted."""
        with self._freeing:
            if self._c is not None:
                lib.capture_give_up(self._c)

    def set_base(self, base_ns: int) -> None:
        """Epoch time of virtual time 0, ns."""
        self._c.base_ns = base_ns

    def close(self) -> None:
        """Write the rest. VnicError if the file could not take all of it (the packets lost are counted)."""
        if self._c is None:
            return
        lib.capture_detach(self._host.c, self._c)
        lib.capture_stop(self._c)
        if self._writer is not None:
            self._writer.join()
        rc = lib.capture_flush(self._c)
        self._counts()
        with self._freeing:
            lib.capture_free(self._c)
            self._c = None
        self._host.nic.captures.remove(self)
        os.close(self._fd)
        if rc < 0:
            why = "its reader does not read" if rc == -errno.EAGAIN else os.strerror(-rc)
            name = {"-": "standard output", str(self._given): "the capture"}.get(str(self.path), self.path)
            raise VnicError(f"{name}: {why}; {self.drops} packets are missing")
