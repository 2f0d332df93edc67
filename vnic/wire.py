"""Wires: where frames come from. In memory, capture files, or any Python object with ``read_burst``."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from vnic._core import ffi, lib
from vnic.errors import CaptureError, ConfigError, VnicError, check
from vnic.lifetime import Living
from vnic.uninterrupted import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vnic.host import Host

    Frame = bytes | bytearray | memoryview | tuple[int, bytes] | Any
    """Bytes, ``(t_ns, bytes)``, or a scapy packet."""


class BurstWire(Protocol):
    """What an own wire has to have.

    If it has ``write_burst(frames)`` too, that gets what the card sends: a list of ``(t_ns, bytes)``.
    """

    def read_burst(self, max_frames: int) -> Sequence[Frame] | None:
        """At most ``max_frames`` frames, in the order of time; None: there will be no more."""


def is_stamped(frame: object) -> bool:
    """Is it ``(t_ns, frame)``?"""
    return isinstance(frame, tuple) and len(frame) == 2 and isinstance(frame[0], int)


def frame_bytes(frame: Frame) -> bytes:
    """The bytes of a frame; a scapy packet is built. TypeError: it is neither."""
    if isinstance(frame, int):
        raise TypeError("a frame is bytes, a scapy packet, or (t_ns, bytes)")
    return frame if isinstance(frame, bytes) else bytes(cast("Any", frame))


class Wire(Living):
    """Common to all: ``c`` is the ``struct wire *``, with pace (knobs ``link`` and ``speed``) and counters.

    A wire is one host's, and closed with it; one that no host got has to be closed.
    """

    _noun = "wire"
    _struct: Any = None
    _read_no_more = False

    def __init__(self, c: Any) -> None:
        """Made around a struct whose memory is the caller's."""
        self._begin(c)

    def _is_owned(self) -> bool:
        return self._struct is None or super()._is_owned()

    def _made(self, struct: Any, free: Callable[[Any], None]) -> None:
        if struct == ffi.NULL:
            raise MemoryError(f"no memory for the {self._noun}")
        self._free = free
        self._struct = struct
        self._begin(ffi.addressof(struct.wire))

    def _whole(self) -> Any:
        """The struct that ``c`` is the first part of. VnicError: it is closed."""
        return self._struct if self.c is not None else None

    def __repr__(self) -> str:
        return f"<vnic.{type(self).__name__}{' closed' if self.closed else ''}>"

    def belong_to(self, host: Host) -> None:
        """It is this host's wire now. VnicError: it is another's, or closed."""
        if self.c is not None and super()._is_owned():
            raise VnicError("the wire is another host's: each has its own")
        self._owner = host

    def host_is_gone(self) -> None:
        """It was closed, and closes its wire."""
        self._owner = None
        self._give_back()

    def read_no_more(self) -> None:
        """The host stops: what it still sends is taken, but nothing is read any more."""
        self._read_no_more = True

    def give_up(self) -> None:
        """The host stops, and what is behind the wire fails: it is not asked any more."""

    def refill(self, host: Host) -> None:  # noqa: ARG002
        """Called when the wire ran dry and had said that it wants to be asked (EV_WIRE)."""
        self.c  # noqa: B018 - is it open?

    def open_output(self) -> bool:
        """Called before a host with addresses of its own starts: can it send on this wire?"""
        return bool(self.c.write != ffi.NULL)

    def close(self) -> None:
        """Give the memory back; a host closes its own. VnicError: one uses it."""
        if self._at is not None and super()._is_owned():
            raise VnicError("the wire is in use: close its host")
        super().close()

    def _give_back(self) -> None:
        struct = self.__dict__.pop("_struct", None)  # one call: of two that close it one does
        self._end()
        if struct is not None:
            self._free(struct)


class MemoryWire(Wire):
    """A wire in memory: feed it frames. Times are virtual nanoseconds."""

    def __init__(self, arena_bytes: int = 1 << 20, frames: int = 4096) -> None:
        uninterrupted(lambda: self._made(lib.mem_wire_new(arena_bytes, frames), lib.mem_wire_free))
        self.c.started = 1  # stamps are virtual time already

    @property
    def _mem(self) -> Any:
        return self._whole()

    def feed(
        self,
        host: Host,
        frames: Iterable[Frame] | Frame,
        *,
        at_ns: int | None = None,
        gap_ns: int = 0,
    ) -> int:
        """Queue frames for the card. Return: how many.

        Args:
            host: whose card is on this wire.
            frames: one frame or several; each bytes, a scapy packet, or ``(t_ns, bytes)``.
            at_ns: virtual time of the first (default: as soon as the wire is free).
            gap_ns: time between two frames that bring no time of their own.
        """
        if self.c.live and not self.c.ask:
            raise VnicError("the card's thread reads this wire: feed a live host through a PythonWire")
        nic = ffi.addressof(host.c.nic)
        if isinstance(frames, (bytes, bytearray, memoryview)) or hasattr(frames, "fields_desc") or is_stamped(frames):
            frames = [frames]
        t = int(self.c.last_ts) if at_ns is None else at_ns
        n = 0
        for n, frame in enumerate(frames, 1):  # noqa: B007
            if isinstance(frame, tuple):
                t, frame = frame  # noqa: PLW2901
            data = frame_bytes(frame)
            if lib.mem_wire_feed(self._mem, nic, data, len(data), len(data), t) < 0:
                raise MemoryError("no memory for the frame")
            t += gap_ns
        return n

    def open_output(self) -> bool:
        """What the card sends is kept until :meth:`sent` fetches it: 1024 frames, 4 MiB."""
        check(lib.mem_wire_sends(self._mem), "keep what is sent")
        return True

    def sent(self) -> list[tuple[int, bytes]]:
        """What the card sent since the last call: when (ns), and the frame."""
        data = bytearray(lib.MEM_OUT_BYTES)
        frames = ffi.new("struct mem_frame[]", lib.MEM_OUT_MAX)
        n = lib.mem_wire_fetch(self._mem, ffi.from_buffer(data), frames) if self._mem.out != ffi.NULL else 0
        return [(int(f.t_ns), bytes(data[f.off : f.off + f.len])) for f in frames[0:n]]

    def end(self) -> None:
        """Nobody feeds this wire any more: running dry is the end."""
        self._mem.closed = 1
        self.c.hungry = 0


class PythonWire(MemoryWire):
    """A wire around any object with ``read_burst(max_frames)``; it is asked whenever it has run dry."""

    _given_up = False

    def __init__(self, source: BurstWire) -> None:
        super().__init__()
        self.source = source
        self.c.ask = 1

    def give_up(self) -> None:
        """What is sent from here on the object does not get."""
        self._given_up = True

    def open_output(self) -> bool:
        """Only if the object has ``write_burst``."""
        return hasattr(self.source, "write_burst") and super().open_output()

    def refill(self, host: Host) -> None:
        """Give the object what was sent, and ask it for the next burst, even if it had none the last time.

        When a live host stops, it gets the last of what was sent, and is not asked any more.
        """
        if self._mem.nout:
            sent = self.sent()
            if not self._given_up:
                self.source.write_burst(sent)  # type: ignore[attr-defined]
            if not self._read_no_more:
                self._mem.closed = self.c.eof = 0
        if self._read_no_more:
            self.end()
            return
        burst = self.source.read_burst(lib.BURST)
        if burst is None or (not burst and not host.c.live):
            self.end()
        elif burst:
            self.feed(host, burst)
        else:
            self.c.hungry = 0


class CaptureWire(Wire):
    """Capture files, one after another: mapped, never loaded.

    A file that begins earlier than the last one ended follows on from it.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        if not paths:
            raise ConfigError("no capture file given")
        self.paths = [Path(p) for p in paths]
        self._next = 0
        self._maps: list[Any] = []
        self._pinned: Any = None
        self.bytes_total = 0
        self._bytes_before = 0
        for path in self.paths:
            try:
                self.bytes_total += path.stat().st_size
            except OSError as e:
                raise CaptureError(f"{path}: {e.strerror}") from e
        for path in self.paths[1:]:
            self._refuse(path)
        uninterrupted(self._open_first)

    def _open_first(self) -> None:
        self._made(lib.pcap_wire_new(), lib.pcap_wire_free)
        try:
            self._open_next()
        except BaseException:
            self._give_back()
            raise

    @classmethod
    def _refuse(cls, path: Path) -> None:
        """CaptureError now, not after hours of the files before it, if this one is no capture."""
        pcap = lib.pcap_wire_new()
        try:
            data = cls._map(path)
            if pcap != ffi.NULL and lib.pcap_wire_open(pcap, ffi.from_buffer(data), len(data)) < 0:
                raise CaptureError(f"{path}: {bytes(ffi.string(pcap.error_text)).decode()}")
        finally:
            lib.pcap_wire_free(pcap)

    @staticmethod
    def _map(path: Path) -> Any:
        try:
            with path.open("rb") as f:
                if not path.is_file():
                    raise CaptureError(f"{path}: not a regular file: save it first")
                empty = path.stat().st_size == 0
                return b"" if empty else mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as e:
            raise CaptureError(f"{path}: {getattr(e, 'strerror', None) or e}") from e

    def _open_next(self) -> None:
        path = self.paths[self._next]
        self._next += 1
        self._bytes_before += len(self._maps[-1]) if self._maps else 0
        data = self._map(path)
        if data:
            data.madvise(mmap.MADV_SEQUENTIAL)
        self._maps.append(data)
        self._pinned = ffi.from_buffer(data)  # nobody closes a map that is read
        self._pcap.more = self._next < len(self.paths)
        if lib.pcap_wire_open(self._pcap, self._pinned, len(data)) < 0:
            raise CaptureError(f"{path}: {self.error_text}")

    @property
    def _pcap(self) -> Any:
        return self._whole()

    @property
    def pcap(self) -> Any:
        """The ``struct pcap_wire *``."""
        return self._pcap

    @property
    def mapped(self) -> Any:
        """The bytes of the file being read."""
        self.c  # noqa: B018 - is it open?
        return self._maps[-1]

    @property
    def error_text(self) -> str:
        """Why reading ended early; empty if it did not."""
        return bytes(ffi.string(self._pcap.error_text)).decode()

    @property
    def unread(self) -> str:
        """Which files were not read because this one broke off, as the end of a sentence."""
        rest = ", ".join(str(p) for p in self.paths[self._next :])
        return f" ({rest} not read)" if rest else ""

    @property
    def path(self) -> Path:
        """The file being read."""
        return self.paths[self._next - 1]

    @property
    def bytes_read(self) -> int:
        """How far into all files, for a progress bar."""
        return int(self._pcap.pos) + self._bytes_before

    @property
    def skipped_linktype(self) -> int:
        """Link type of frames that were skipped because they are not Ethernet."""
        return int(self._pcap.skipped_linktype)

    def refill(self, host: Host) -> None:
        """Go on with the next file."""
        (uninterrupted if self._owner is None else host.turn.do)(self._open_next)

    def _give_back(self) -> None:
        super()._give_back()
        self._maps.clear()
        self._pinned = None
