"""Captures: write the packets that pass a point of the path to a pcapng file with nanosecond stamps."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vnic import own_paths
from vnic._core import ffi, lib
from vnic.bpf import compile as compile_filter
from vnic.counters.snapshots import FATES
from vnic.errors import ConfigError, VnicError
from vnic.fault import FAULTS
from vnic.knobs.parse import TIME_MAX_NS, whole
from vnic.machine.lifetime import Uncopied
from vnic.machine.uninterrupted import Job, QuietThread
from vnic.schema import POINTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vnic.bpf import Filter, Program
    from vnic.host import Host

_FD_MAX = (1 << 31) - 1
_TIME_MAX_NS = (1 << 64) - 1 - TIME_MAX_NS  # virtual time added to it does not wrap
_HURRY_S = 0.1
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


class Capture(Uncopied):
    """Write the packets that pass some points of the path to ``path``, until closed. Without one the path pays nothing.

    A capture belongs to its host. When the host closes, the file is completed; then the counts stay, and close() does
    nothing.

    The points, each an interface of the file named like ``"vnic0 gro"``:

    * ``wire``: each frame as it arrives at the card, in the order of arrival, lost or not; if the card loses it, the
      comment says why. Also the frames that the card sends.
    * ``nic``: the frames that the card put into the ring, in that order, stamped when their DMA is done; the comment
      names the faults on purpose (``--fault``) that hit one.
    * ``gro``: packets behind GRO and RPS, before the protocols, as an AF_PACKET socket sees them, with the time they
      left GRO.
    * ``stack``: packets at the moment of their fate; the comment names the fate.

    Each packet has its queue and the id of its first frame (epb_packetid); the comment of a merged packet names its
    frames. Ids count arrivals: they ascend at ``wire`` and ``nic``. Stamps are virtual time, counted from the input's
    first stamp (live: from the epoch). They never decrease within the file, and a frame passes the points in the order
    of the path. A packet that comes after a later one was written gets the later stamp; its comment says by how much,
    and :attr:`late` counts it. docs/captures.md has the whole contract. Live, a thread writes; packets that the file is
    too slow for are not captured, and :attr:`drops` counts them.

    Args:
        host: the host whose path it captures.
        path: a file to make anew (vnic/own_paths.py says which it refuses), ``"-"`` for standard output, or a
            descriptor, which stays the caller's.
        at: one or more of the points.
        filter: capture only packets that match, see :func:`vnic.bpf.compile`; it sees each packet as in the file.
        base_ns: epoch time of virtual time 0, ns.
        name: the card's name, for the interfaces; at most 64 bytes.

    Raises:
        ConfigError: there is no such point, or the file cannot be made.
    """

    _capture: Any = None
    _writer: QuietThread | None = None
    _hurry = False

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
        self._totals = (0, 0, 0)
        from vnic.host import Host

        if not isinstance(host, Host):
            raise TypeError("a capture needs a host: Capture(host, path)")
        self._machine = machine = host.machine
        points, base_ns = _bits(at), whole("base_ns", base_ns, 0, _TIME_MAX_NS)
        if not isinstance(name, str) or isinstance(path, bool):
            raise TypeError("path: a file's name or a descriptor; name: text")
        machine.refuse_others()
        self.path = Path(str(path))
        self._given = path if isinstance(path, int) else None
        machine.c  # noqa: B018 - is it open?
        program = None if filter is None else compile_filter(filter)
        machine.turn.do(lambda: self._open(path, points, program, base_ns, name))

    def _open(self, path: str | Path | int, points: int, program: Program | None, base_ns: int, name: str) -> None:
        machine = self._machine
        try:
            own = {"-": 1}.get(str(path), path)
            own = whole("path", own, 0, _FD_MAX) if isinstance(own, int) else own
            self._fd = os.dup(own) if isinstance(own, int) else own_paths.create(own)
        except OSError as e:
            raise ConfigError(f"{path}: {e.strerror}") from e
        texts = [f"{fate}: {ffi.string(lib.fate_text(i)).decode()}" for i, fate in enumerate(FATES)] + list(FAULTS)
        self._texts = [ffi.new("char[]", t.encode()) for t in texts]  # the C side keeps pointers to them
        self._verdicts = ffi.new("char *[]", self._texts)
        size = _BATCH_BYTES_LIVE if machine.live else _BATCH_BYTES
        c = lib.capture_new(
            machine.c,
            self._fd,
            base_ns,
            name.encode(),
            points,
            self._verdicts,
            ffi.NULL if program is None else program.c(),
            size,
            machine.live,
        )
        if c == ffi.NULL:
            os.close(self._fd)
            raise VnicError(f"{path}: no memory, or the interface's name is too long")
        self._capture = c
        machine.captures.append(self)
        if machine.is_running:
            try:
                self._start()
            except BaseException:
                self._give_back()
                raise

    def start(self) -> None:
        """Live: start the thread that writes. The host does so at its start, without privileges that it dropped."""
        if self._c is not None and self._writer is None:
            self._machine.turn.do(self._start)

    def _start(self) -> None:
        if not self._machine.live:
            raise VnicError("start() is for live hosts; in virtual time the path writes its captures")
        self._writer = QuietThread(
            "capture", lib.capture_thread, self._c
        )  # it keeps neither this object nor the host alive
        self._writer.start()

    def _counts(self) -> tuple[int, int, int]:
        c = self._capture
        if c is not None and not self._machine.closed:
            packets, drops, late, lost = c.packets, c.drops, c.late, c.lost
            self._totals = int(packets) - int(lost), int(drops) + int(lost), int(late)
        return self._totals

    @property
    def packets(self) -> int:
        """Packets captured: a merged packet counts once, and each point counts."""
        return self._counts()[0]

    @property
    def drops(self) -> int:
        """Packets missing in the file: it was slower than the path, or a write failed."""
        return self._counts()[1]

    @property
    def late(self) -> int:
        """Packets with a stamp later than their own time, and fates decided after their frame was written."""
        return self._counts()[2]

    def finish(self) -> dict[str, Any]:
        """Close the capture. Return: its part of a report's facts, with the packets that could not be written."""
        error = None
        try:
            self._close()
        except VnicError as e:
            error = str(e)
        return {"packets": self.packets, "drops": self.drops, "late": self.late, "error": error}

    @property
    def broken(self) -> bool:
        """Did the file or the pipe refuse a write? Then no more is written."""
        c = self._capture
        return c is not None and not self._machine.closed and c.error < 0

    def give_up(self) -> None:
        """Write no more to a pipe with a slow reader, and count the packets it misses. Another thread calls this."""
        self._hurry = True

    def set_base(self, base_ns: int) -> None:
        """Epoch time of virtual time 0, ns."""
        self._c.base_ns = whole("base_ns", base_ns, 0, _TIME_MAX_NS)

    @property
    def _c(self) -> Any:
        self._machine.c  # noqa: B018 - is that open, and for us?
        if self._capture is None:
            raise VnicError("the capture is closed")
        return self._capture

    def __repr__(self) -> str:
        return f"<vnic.Capture {self.path}{' closed' if self._capture is None or self._machine.closed else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Write the rest. Live, give up on a pipe whose reader takes nothing for 2 s; otherwise wait, until Ctrl-C.

        A second call does nothing, and neither does a call in a child process.

        Raises:
            VnicError: the file could not take all packets (:attr:`drops` counts them). The capture is closed anyway.
        """
        if self._capture is not None and not self._machine.closed:
            self._machine.turn.refuse_within(self)
        self._close()

    def _close(self) -> None:
        if self._capture is None or self._machine.closed:
            return
        self._machine.refuse_others()
        try:
            self._machine.turn.do(self._give_back)
        except BaseException:
            self._hurry = True
            raise

    def _give_back(self) -> None:
        c = self.__dict__.pop("_capture", None)  # one call: of two that close it one does
        if c is None:
            return
        lib.capture_detach(self._machine.c, c)
        lib.capture_stop(c)
        rc = self._flush(c)
        packets, drops, late, lost = c.packets, c.drops, c.late, c.lost
        self._totals = int(packets) - int(lost), int(drops) + int(lost), int(late)
        self._machine.turn.others_out_of(self)
        lib.capture_free(c)
        self._machine.captures.remove(self)
        os.close(self._fd)
        if rc < 0:
            why = "its reader does not read" if rc == -errno.EAGAIN else os.strerror(-rc)
            name = {"-": "standard output", str(self._given): "the capture"}.get(str(self.path), self.path)
            raise VnicError(f"{name}: {why}; {self.drops} packets are missing")

    def _flush(self, c: Any) -> int:
        """Write the rest on a thread of its own, so that the caller can give up on it."""
        writer = self._writer

        def write() -> int:
            if writer is not None:
                writer.finish()
            return int(lib.capture_flush(c))

        job = Job(write)
        job.start()
        while not job.wait(_HURRY_S):
            if self._hurry:
                lib.capture_give_up(c)
        return job.result()
