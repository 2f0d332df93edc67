"""A port of a foreign vhost-user back-end as the wire of a live host: the front-end's half."""

from __future__ import annotations

import contextlib
import os
import select
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import VnicError, said
from vnic.knobs.parse import whole
from vnic.machine.uninterrupted import QuietThread, uninterrupted
from vnic.vhost import door
from vnic.vhost.back_end import BackEnd, BackEndError
from vnic.wire import Wire

if TYPE_CHECKING:
    import socket

_JOIN_S = 10.0
LANES_MAX = int(lib.PORT_LANES_MAX)


class VhostWire(Wire):
    """The wire of a live host: a port of DPDK's net_vhost, of Open vSwitch, or of any other vhost-user back-end.

    What the back-end sends to its port arrives at the card, as frames from a TAP do; what the host sends goes there. A
    back-end may come late, go, and come back. While none is there, nothing arrives, and what the host sends is lost
    (TX_WIRE_ERROR). Frames for which no buffer is posted are the back-end's loss: it counts them, vnic cannot.

    Args:
        path: the Unix socket.
        listen: the back-end connects; otherwise it listens, and the wire connects, again and again.
        lanes: pairs of rings, 1 to 16. The card's own RSS chooses its queue, as for a TAP with several queues.
        mtu: of the card; longer frames are not sent. A longer frame that arrives is cut, and counted.
        fifo_bytes: size of the card's FIFO; the wire has slots for all frames that fit.

    Raises:
        ConfigError: the path or a number is wrong; or another process listens there already.
    """

    def __init__(
        self, path: str | Path, *, listen: bool = False, lanes: int = 1, mtu: int = 1500, fifo_bytes: int = 65536
    ) -> None:
        self.path = Path(path)
        door.check_path(self.path)
        self.listen = bool(listen)
        lanes = whole("lanes", lanes, 1, LANES_MAX)
        self.mtu = whole("mtu", mtu, 68, 65535)
        self.sessions = 0
        """Back-ends that got the rings so far."""
        self.refused: list[str] = []
        """Why a back-end was of no use, a sentence each; the latest sixteen."""
        self._port: Any = None
        self._listener: socket.socket | None = None
        self._control: QuietThread | None = None
        self._wake = -1

        def make() -> None:
            try:
                if self.listen:
                    self._listener = door.listen(self.path)
                self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                self._allocate(lanes, fifo_bytes)
            except BaseException:
                self._free_port()
                self._close_files()
                raise

        uninterrupted(make)

    def _allocate(self, lanes: int, fifo_bytes: int) -> None:
        port = lib.vhost_port_new(lanes, self.mtu)
        if port == ffi.NULL:
            raise MemoryError("no memory, or no files, for a vhost-user port")
        self._port = port
        calls = [port.lane[i].call for i in range(lanes)]
        size, slots = lib.tap_slot_size(self.mtu), lib.tap_nslots(fifo_bytes)
        wire = lib.tap_wire_of_port(ffi.addressof(port.port), calls, lanes, size, slots)
        self._made(wire, lib.tap_wire_free)

    def __repr__(self) -> str:
        return f"<vnic.VhostWire {self.path}{' closed' if self.closed else ''}>"

    # ---- what a person asks ----

    @property
    def name(self) -> str:
        """The socket's name, which is short enough to name a card."""
        return self.path.name[:15]

    @property
    def attached(self) -> bool:
        """Has a back-end the rings now?"""
        return self.c is not None and bool(self._port.attached)

    @property
    def lanes(self) -> int:
        """Pairs of rings."""
        return int(self._port.nlanes)

    def facts(self) -> dict[str, Any]:
        """Return what a report says of the wire."""
        self.c  # noqa: B018 - is it open?
        port, wire = self._port, self._whole()
        lanes = [
            {
                "frames": int(wire.lane[i].frames),
                **{name: int(getattr(port.lane[i], name)) for name in ("sent", "kicks", "calls")},
            }
            for i in range(self.lanes)
        ]
        return {
            "back_ends": self.sessions,
            "refused": self.refused,
            "lanes": lanes,
            "vnet_hdr": {
                n: int(getattr(wire, n)) for n in ("gso_frames", "gso_segments", "gso_taken", "csum_filled", "bad_vnet")
            },
            **{name: int(getattr(port, name)) for name in ("bad_used", "too_long", "unsent")},
            "error": None,
        }

    # ---- back-ends come and go: the control thread ----

    def _host_runs(self) -> None:
        self._control = QuietThread("vhost", self._serve)
        self._control.start()

    def _serve(self) -> None:
        """Be the front-end of one back-end after another, until the host stops."""
        while not self._ended():
            sock = door.next_peer(self.path, self._listener, self._wake, self._note)
            if sock is None:
                continue
            try:
                self._session(sock)
            except (OSError, VnicError) as e:
                self._note(f"{said(str(e))}: the connection was ended")
                door.ready({self._wake: select.POLLIN}, door.AGAIN_S)
            finally:
                sock.close()

    def _session(self, sock: socket.socket) -> None:
        back_end = BackEnd(sock, stop=self._wake)
        back_end.greet(self.lanes, self.mtu)
        self._stopped(lambda: lib.vhost_port_attach(self._port, back_end.event_idx))
        try:
            back_end.give(self._port)
            self.sessions += 1
            self._until_it_goes(back_end)
        finally:
            with contextlib.suppress(VnicError):  # the host is ending: no thread reads the rings
                self._stopped(lambda: lib.vhost_port_detach(self._port))

    def _until_it_goes(self, back_end: BackEnd) -> None:
        hang = int(self._port.hang_fd)
        while True:
            ready = door.ready({self._wake: select.POLLIN, back_end.fileno(): select.POLLIN, hang: select.POLLIN})
            if self._wake in ready:
                with contextlib.suppress(OSError, VnicError):  # it may be gone already
                    back_end.take_back(self.lanes)
                return
            if hang in ready:
                raise BackEndError("the back-end broke a ring")
            if back_end.has_hung_up():
                return

    def _stopped(self, work: Any) -> None:
        machine = self._machine
        if machine is None:
            raise VnicError("the wire has no host")
        machine.while_stopped(work)

    def _note(self, refusal: str) -> None:
        if refusal not in self.refused[-1:]:
            self.refused = [*self.refused[-15:], refusal]

    def _ended(self) -> bool:
        return bool(door.ready({self._wake: select.POLLIN}, 0))

    # ---- the end ----

    def _host_stops(self) -> None:
        self._end_control()

    def _end_control(self) -> None:
        control = self._control
        if control is not None and control.is_alive():
            os.eventfd_write(self._wake, 1)
            control.join(_JOIN_S)
            if control.is_alive():
                raise VnicError(said(f"{self.path}: the session did not end within {_JOIN_S:.0f} s"))
        self._control = None

    def refill(self) -> None:
        """Do nothing, because the data plane reads the rings."""

    def _in_child(self) -> None:
        """Close the child's copies of the sockets, which would keep them alive."""
        if self._listener is not None:
            self._listener.close()

    def _give_back(self) -> None:
        self._end_control()
        super()._give_back()
        self._free_port()
        self._close_files()

    def _free_port(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            lib.vhost_port_free(port)

    def _close_files(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
            with contextlib.suppress(OSError):
                self.path.unlink()
        wake, self._wake = self._wake, -1
        if wake >= 0:
            os.close(wake)
