"""The wire of ``vnic replay`` and ``vnic send``: capture files, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.capture_course import Course
from vnic.capture_files import gather
from vnic.capture_select import ALL, LOOP_MAX, Selection
from vnic.errors import CaptureError, VnicError
from vnic.knobs.parse import whole
from vnic.links import LINKS
from vnic.machine.uninterrupted import uninterrupted
from vnic.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vnic.capture_input import CaptureInput


class CaptureWire(Wire):
    """Capture files, one after another, read piece by piece.

    :mod:`vnic.capture_files` says what a path may be, and in which order files are read; for streams and compressed
    files see :mod:`vnic.capture_input`. If a file begins earlier than the last one ended, its frames follow the last
    one's without a gap. If a file breaks off, the next one is read. ``select``: which frames, how many passes, at what
    rate. ``times``: how often all of that comes, see :mod:`vnic.capture_course`.
    """

    def __init__(self, paths: Sequence[str | Path | CaptureInput], *, select: Selection = ALL, times: int = 1) -> None:
        if not isinstance(select, Selection):
            raise TypeError("select: a vnic.capture_select.Selection")
        times = whole("times", times, 1, LOOP_MAX)
        self.inputs = gather(paths)
        self.left_out = self.inputs.left_out
        """A sentence for each member of a directory that is not read."""
        self.paths = [i.path for i in self.inputs]
        self._own = [i for i in self.inputs if i not in paths]
        self._course = Course(select, times=times, files=len(self.inputs))
        self._bytes = 0
        self._bytes_before = 0
        self._ended_ns = 0
        self._broken: list[str] = []
        self.overlaps = 0
        """Files that begin before the one in front of them ended."""
        for later in self.inputs[1:]:
            later.look()  # refuse it now, not after hours of earlier files
        uninterrupted(self._open_first)

    def _open_first(self) -> None:
        self._made(lib.pcap_wire_new(), lib.pcap_wire_free)
        self._course.begin(self._pcap)
        try:
            self._open_next()
        except BaseException:
            self._give_back()
            raise

    def _open_next(self) -> None:
        if self._course.next:
            self._leave()
        rebase = self._course.step(self.c)
        opened = self.inputs[self._course.next - 1]
        if self._course.next > 1 and self._course.passes == 1:
            first = opened.look()
            self.overlaps += first is not None and first < self._ended_ns
        self._bytes_before += self._bytes
        self._pcap.more = self._course.more
        self._bytes = 0
        self._bytes = opened.begin(self._pcap)
        self.c.rebase = rebase or self.c.rebase

    def _leave(self) -> None:
        """Note why the current file broke off, if it did, and forget its unpacked bytes."""
        if self._pcap.nframe:
            self._ended_ns = int(self._pcap.stamp_ns)
        if self._pcap.broken:
            self._note(f"{self.path}: {self.error_text}")
            self._pcap.broken = 0
        self._pcap.nframe = 0
        if len(self.inputs) > 1:  # a single one is read again at once
            self.inputs[self._course.next - 1].release()

    def _note(self, text: str) -> None:
        if text not in self._broken:  # each pass of vnic send meets it again
            self._broken.append(text)

    def _go_on(self) -> None:
        """Open the next file that can be opened, and note why others cannot. Without one, the wire ends."""
        while self._course.more:
            try:
                return self._open_next()
            except CaptureError as e:  # it was a capture when this wire was made
                self._note(str(e))
        self._course.give_up()
        lib.pcap_wire_damaged(self._pcap, b"")
        self._pcap.size = self._pcap.pos = self._pcap.more = self.c.hungry = 0
        return None

    @property
    def _pcap(self) -> Any:
        return self._whole()

    @property
    def pcap(self) -> Any:
        """The ``struct pcap_wire *``."""
        return self._pcap

    @property
    def error_text(self) -> str:
        """Why the current file broke off; empty if it did not."""
        return bytes(ffi.string(self._pcap.error_text)).decode()

    @property
    def broken(self) -> list[str]:
        """A sentence for each file that broke off, or that could not be opened in its turn."""
        return list(dict.fromkeys([*self._broken, *([f"{self.path}: {self.error_text}"] if self.c.error else [])]))

    @property
    def bytes_total(self) -> int:
        """Bytes in all files; a packed file counts with its unpacked bytes once it is unpacked."""
        return sum(i.size for i in self.inputs) * self._course.repeats

    @property
    def path(self) -> Path:
        """The current file."""
        return self.paths[self._course.next - 1]

    @property
    def selected(self) -> dict[str, Any] | None:
        """What was asked for, and the frames that it took and left out; None: all frames are read, once."""
        self.c  # noqa: B018 - is it open?
        return self._course.facts

    @property
    def bytes_read(self) -> int:
        """Bytes read of all files, for a progress bar."""
        return int(self._pcap.pos) + self._bytes_before

    @property
    def links(self) -> list[dict[str, Any]]:
        """Frames of other links than Ethernet, by link: those given an Ethernet header, those without a packet."""
        return [
            {
                "linktype": int(link.linktype),
                "name": LINKS.get(link.linktype, f"link type {link.linktype}"),
                "carried": int(link.carried),
                "aliens": int(link.aliens),
            }
            for link in self._pcap.links[0 : self._pcap.nlinks]
        ]

    def refill(self) -> None:
        """Open the next file. VnicError: no file is left, or the current one has not ended."""
        machine = None if self._machine is None else self._refuse_others()
        if self._course.resumes(self.c):
            return
        if not self.c.hungry or not self._course.more:
            raise VnicError(f"{self.path} is being read, and asks for the next file when it has ended")
        (uninterrupted if machine is None else machine.turn.do)(self._go_on)

    def restart(self) -> None:
        """Open the first file again, for another pass. CaptureError: no file can be opened any more."""
        self._leave()
        self._course.next = self._bytes = self._bytes_before = 0
        uninterrupted(self._go_on)

    def _give_back(self) -> None:
        super()._give_back()
        for opened in self._own:
            opened.close()
        for opened in self.inputs:
            opened.release()
