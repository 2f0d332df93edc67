"""Send a capture's frames at their times (``vnic send``), into a TAP device or out of an interface."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
from typing import TYPE_CHECKING, Any, Protocol

from vnic._core import ffi, lib
from vnic.capture_select import ALL, Selection
from vnic.capture_wire import CaptureWire
from vnic.cli.exit import ending
from vnic.errors import ConfigError, TapError, said
from vnic.pace import Pace, pace
from vnic.tap import privileges
from vnic.tap.netns import inside
from vnic.tap.rtnetlink import Links, check_name
from vnic.tap.wire import TapWire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from vnic.capture_input import CaptureInput

SCHEMA = "vnic.send/1"
_SLICE_NS = 100_000_000
_LEAD_NS = 1_000_000  # from now to the first frame's due time, so that the first frame is not late
_FOREVER = 2**64 - 1
_MOST = 1 << 62
LONG_GAP_NS = 5_000_000_000
"""A longer wait for a frame is announced."""
_ETHERNET, _LOOPBACK = 1, 772  # ARPHRD_*


def _refuse(name: str, value: float | None, low: float, high: float, kind: tuple[type, ...]) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, kind):
        raise ConfigError(f"{name}={said(value)}: must be a {'whole ' if kind == (int,) else ''}number")
    if not low <= value <= high:
        raise ConfigError(f"{name}={said(value)}: must be between {low:g} and {high:g}")


# ---- where to ----


class Target(Protocol):
    """The destination of the frames: a file descriptor, and the interface's properties."""

    name: str
    mtu: int
    to: int
    fd: int

    def dropped(self) -> int | None:
        """Return the frames that the interface dropped since this object exists, of any sender; None: it is gone."""

    def close(self) -> None:
        """Close the descriptors."""


class IntoTap:
    """A TAP's file descriptor: the kernel's interface receives the written frames, as if from a cable."""

    to = int(lib.SEND_TAP)

    def __init__(self, name: str, netns: str | None) -> None:
        try:
            self._wire = TapWire(name, netns=netns, vnet_hdr=False, fifo_bytes=60)
        except TapError as e:
            if "another process is attached" not in str(e):
                raise
            raise TapError(f"{e}; to send to that process from the kernel's side, use --dev {name}") from e
        self.name, self.mtu, self.fd = name, self._wire.mtu, self._wire.fds[0]

    def dropped(self) -> int | None:
        """Return 0: the kernel receives each frame or refuses the write."""
        return 0

    def close(self) -> None:
        """Detach; a TAP created here disappears."""
        self._wire.close()


class OutOfDev:
    """A packet socket: frames leave by the interface like the kernel's; a TAP hands them to the attached process."""

    to = int(lib.SEND_DEV)

    def __init__(self, name: str, netns: str | None) -> None:
        self.name = check_name(name)
        self._links: Links | None = None
        self._socket: socket.socket | None = None
        try:
            with inside(netns):
                self._links = Links()
                self._open(self._links)
        except BaseException:
            self.close()
            raise

    def _open(self, links: Links) -> None:
        link = links.find(self.name)
        if link is None:
            raise TapError(f"there is no interface {self.name}")
        if link.up and not link.carrier:
            raise TapError(f"{self.name} has no carrier, so the kernel would drop every frame: attach a process first")
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket.bind((self.name, 0))
        except PermissionError as e:
            raise TapError(f"send out of {self.name}: not permitted: needs CAP_NET_RAW, so run it as root") from e
        except OSError as e:
            raise TapError(f"send out of {self.name}: {_why(self.name, e.errno)}") from e
        if self._socket.getsockname()[3] not in (_ETHERNET, _LOOPBACK):
            raise TapError(f"{self.name} does not take Ethernet frames")
        self.mtu, self.fd = link.mtu, self._socket.fileno()
        self._before = link.tx_dropped

    def dropped(self) -> int | None:
        """Return the frames dropped by the interface's queue, because its reader is too slow; None: it is gone."""
        link = self._links.find(self.name) if self._links else None
        return None if link is None else link.tx_dropped - self._before

    def close(self) -> None:
        """Close both sockets."""
        if self._socket is not None:
            self._socket.close()
        if self._links is not None:
            self._links.close()


def _why(name: str, why: int | None) -> str:
    """Return the sentence for an errno of sending."""
    if why in (errno.EIO, errno.ENETDOWN):
        return f"{name} is down: run 'ip link set {name} up'"
    if why in (errno.EBADFD, errno.ENXIO, errno.ENODEV):
        return f"{name} is gone: it was deleted"
    return f"{name}: {os.strerror(why or 0)}"


# ---- the run ----


class Sender:
    """Files, their destination and their schedule; :meth:`run` sends them."""

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path | CaptureInput],
        target: Target,
        how: Pace,
        *,
        select: Selection = ALL,
        loop: int = 1,
        limit: int | None = None,
        duration: float | None = None,
        maxsleep: float | None = None,
        drop: bool = False,
    ) -> None:
        self.how, self.target = how, target
        self.stopped = False
        self.wire = CaptureWire([paths] if isinstance(paths, (str, os.PathLike)) else paths, select=select)
        self.c = ffi.new("struct sender *")
        c = self.c
        c.pcap, c.several = self.wire.pcap, len(self.wire.inputs) > 1
        c.fd, c.to, c.frame_max, c.drop = target.fd, target.to, target.mtu + lib.ETH_HLEN, drop
        c.passes, c.limit = loop or _FOREVER, _FOREVER if limit is None else limit
        c.end_ns = _FOREVER if duration is None else round(duration * 1e9)
        c.schedule.pace, c.schedule.rate = how.c, how.rate
        c.schedule.max_gap_ns = 0 if maxsleep is None else max(1, round(maxsleep * 1e6))

    def run(
        self,
        progress: Callable[[int, int], None] | None = None,
        waiting: Callable[[int], None] | None = None,
    ) -> None:
        """Send until the file ends or ``stopped`` is set, in slices of 0.1 s so that Ctrl-C works.

        OSError: the interface refuses.
        """
        self.wire.c  # noqa: B018 - is it open?
        self.c.start_ns = int(lib.clock_ns()) + _LEAD_NS
        rc, awaited = 1, 0
        while rc > 0 and not self.stopped:
            rc = lib.send_run(self.c, int(lib.clock_ns()) + _SLICE_NS)
            if self.c.asks == lib.ASKS_FIRST_FILE:
                self.wire.restart()
            elif self.c.asks:
                self.wire.refill()
            self.c.asks = lib.ASKS_NOTHING
            if progress is not None:
                progress(int(self.c.frames), max(0, int(lib.clock_ns()) - int(self.c.start_ns)))
            due = int(self.c.next_ns)
            if rc > 0 and waiting is not None and due != awaited and (ns := due - int(lib.clock_ns())) > LONG_GAP_NS:
                awaited = due
                waiting(ns)
        if rc < 0:
            raise OSError(-rc, _why(self.target.name, -rc))

    def rates(self) -> dict[str, dict[str, float] | None]:
        """Return frames and Mb per second from the first frame to the last, as asked and as reached."""
        c = self.c
        asked = None if c.schedule.pace == lib.PACE_TOPSPEED else int(c.last_due_ns - c.first_due_ns)
        return {"asked": self._rate(asked), "reached": self._rate(int(c.last_sent_ns - c.first_sent_ns))}

    def _rate(self, ns: int | None) -> dict[str, float] | None:
        gaps, data = int(self.c.frames) - 1, int(self.c.bytes - self.c.last_bytes)
        return {"pps": gaps * 1e9 / ns, "mbps": data * 8000 / ns} if ns and gaps > 0 else None


@contextlib.contextmanager
def _signals(sender: Sender) -> Iterator[None]:
    """Handle SIGINT, SIGTERM and SIGHUP: the first ends the run with a report, the second raises KeyboardInterrupt."""

    def handle(*_: object) -> None:
        if sender.stopped:
            raise KeyboardInterrupt
        sender.stopped = True

    previous = {s: signal.signal(s, handle) for s in ending()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def octaves(histogram: Any) -> list[dict[str, int]]:
    """Fold a histogram of the data plane into powers of two (from ns, below ns, frames), with empty ones in between."""
    counts: dict[int, int] = {}
    for b, n in enumerate(histogram.bucket[0 : lib.LAT_BUCKETS]):
        if n:
            bits = b.bit_length() if b < 64 else b // 64 + 6
            counts[bits] = counts.get(bits, 0) + n
    rows = range(min(counts, default=0), max(counts, default=-1) + 1)
    return [{"from_ns": 1 << b - 1 if b else 0, "below_ns": 1 << b, "frames": counts.get(b, 0)} for b in rows]


def facts(sender: Sender) -> dict[str, Any]:
    """Return the facts of the run: what was asked and what was reached; times in ns, rates per second."""
    c, wire = sender.c, sender.wire
    h = ffi.addressof(c.gap_error)
    return {
        "schema": SCHEMA,
        "input": {
            "file": ", ".join(map(str, wire.paths)),
            "passes": int(c.passes_done),
            "cut": int(c.cut),
            "links": wire.links,
            **({} if wire.selected is None else {"selected": wire.selected}),
            "time_backwards": int(c.schedule.backwards),
            "overlaps": wire.overlaps,
            "left_out": list(wire.left_out),
            "error": "; ".join(dict.fromkeys([*wire.broken, *([f"{wire.path}: {wire.error_text}"] if c.error else [])]))
            or None,
        },
        "to": {
            "interface": sender.target.name,
            "by": "tap" if sender.target.to == lib.SEND_TAP else "dev",
            "mtu": sender.target.mtu,
            "dropped": sender.target.dropped(),
        },
        "pace": sender.how.text,
        "sent": {
            "frames": int(c.frames),
            "bytes": int(c.bytes),
            "duration_ns": int(c.last_sent_ns - c.first_sent_ns),
        },
        "rate": sender.rates(),
        "not_sent": {name: int(getattr(c, name)) for name in ("too_long", "too_short", "aliens", "dropped")},
        "shortened": {"gaps": int(c.schedule.shortened), "ns": int(c.schedule.saved_ns)},
        "queue_full": int(c.queue_full),
        "late": {"frames": int(c.late), "over_ns": int(lib.SEND_LATE_NS), "max_ns": int(c.late_max_ns)},
        "gap_error_ns": {
            "count": int(h.count),
            "mean": round(h.sum / h.count, 1) if h.count else 0.0,
            "p50": int(lib.lat_percentile(h, 0.50)),
            "p99": int(lib.lat_percentile(h, 0.99)),
            "max": int(h.max),
            "octaves": octaves(c.gap_error),
        },
        "interrupted": sender.stopped,
        "error": None,
    }


def send(
    paths: str | Path | Sequence[str | Path | CaptureInput],
    *,
    tap: str | None = None,
    dev: str | None = None,
    netns: str | None = None,
    how: Pace | None = None,
    select: Selection = ALL,
    loop: int = 1,
    limit: int | None = None,
    duration: float | None = None,
    maxsleep: float | None = None,
    drop: bool = False,
    progress: Callable[[int, int], None] | None = None,
    waiting: Callable[[int], None] | None = None,
    command: bool = False,
) -> dict[str, Any]:
    """Send a capture's frames. Return the run's facts (as ``vnic send --json``), also if it ended early.

    Args:
        paths: pcap or pcapng files, one after another, also directories and ``-``; see :class:`vnic.CaptureWire`.
        tap: TAP to write into; the kernel receives the frames. It is created if it does not exist.
        dev: interface to send out of, instead of ``tap``.
        netns: network namespace of the interface, by name or path.
        how: see :func:`pace`; None: as recorded.
        select: the filter and the times of frames; its limit, passes and rate are this function's own.
        loop: passes over the file; 0: until interrupted, or until one of the next two ends the run.
        limit: most frames to send.
        duration: seconds; frames due later are not sent.
        maxsleep: longest gap between two frames in milliseconds (tcpreplay's word and unit). A longer gap is
            shortened, and all later frames are due earlier; this holds for every pace, and between passes.
        drop: drop frames while the kernel's queue is full, instead of sending them late.
        progress: called every 0.1 s with the frames sent and the ns since the start.
        waiting: called with ns, once for each gap longer than 5 s.
        command: the process does nothing else, and this is its main thread: drop privileges when all is open, and let
            SIGINT and SIGTERM end the run.

    Raises:
        ConfigError: no interface, or two; a number out of range.
        CaptureError: not a capture file.
        TapError: the interface cannot be used; the text says why and how to fix it.
    """
    if (tap is None) == (dev is None):
        raise ConfigError("give either --tap NAME (its interface receives the frames) or --dev NAME (it sends them)")
    _refuse("loop", loop, 0, _MOST, (int,))
    _refuse("limit", limit, 1, _MOST, (int,))
    _refuse("duration", duration, 0, 1e9, (int, float))
    _refuse("maxsleep", maxsleep, 1e-6, 1e12, (int, float))
    target: Target = IntoTap(tap, netns) if tap is not None else OutOfDev(str(dev), netns)
    sender = None
    try:
        sender = Sender(
            paths,
            target,
            pace() if how is None else how,
            select=select,
            loop=loop,
            limit=limit,
            duration=duration,
            maxsleep=maxsleep,
            drop=drop,
        )
        if command:
            privileges.drop()
        error = None
        try:
            with _signals(sender) if command else contextlib.nullcontext():
                sender.run(progress, waiting)
        except KeyboardInterrupt:
            sender.stopped = True
        except OSError as e:
            error = e.strerror
        return facts(sender) | {"error": error}
    finally:
        target.close()
        if sender is not None:
            sender.wire.close()
