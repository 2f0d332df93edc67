"""A card for a driver in another process, on a Unix socket: vhost-user's back-end."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.capture_wire import CaptureWire
from vnic.errors import ConfigError, VnicError, said
from vnic.host import Host
from vnic.knobs.parse import whole
from vnic.machine.uninterrupted import QuietThread
from vnic.vhost import door, messages
from vnic.vhost.session import Session

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from vnic.wire import Wire

_OFFERS = {
    "VERSION_1": 32,
    "IN_ORDER": 35,
    "PROTOCOL_FEATURES": 30,
    "EVENT_IDX": 29,
    "MRG_RXBUF": 15,
    "CSUM": 0,
    "GUEST_CSUM": 1,
    "MAC": 5,
    "MTU": 3,
    "STATUS": 16,
}
_BY_PAIRS = {"MQ": 22}
"""Offered only with several pairs: Linux refuses a card that has it without a control queue, which only QEMU adds."""
_BY_VNET = {"HOST_TSO4": 11, "HOST_TSO6": 12, "HOST_ECN": 13, "HOST_USO": 56}
"""Offered only if the wire takes virtio headers: the kernel behind a TAP then cuts."""
_BY_HEADERS = {"GUEST_TSO4": 7, "GUEST_TSO6": 8, "GUEST_ECN": 9, "GUEST_USO4": 54, "GUEST_USO6": 55}
"""Offered only if the wire gives virtio headers: what its sender has not cut then reaches the driver in one piece."""
_ASKED = {"HASH_REPORT": 57}
"""Offered only if asked for. Linux refuses a card that has it without a control queue; QEMU adds one (``hash=on``)."""
_FEATURES = _OFFERS | _BY_PAIRS | _BY_VNET | _BY_HEADERS | _ASKED
_PROTOCOL = (
    messages.PROTOCOL_MQ
    | messages.PROTOCOL_REPLY_ACK
    | messages.PROTOCOL_NET_MTU
    | messages.PROTOCOL_CONFIG
    | messages.PROTOCOL_BACKEND_REQ
)


def _bits(what: str, names: Iterable[str]) -> int:
    bits = 0
    for name in (names,) if isinstance(names, str) else names:
        bit = _FEATURES.get(name.upper().removeprefix("VIRTIO_NET_F_").removeprefix("VIRTIO_F_"))
        if bit is None:
            raise ConfigError(f"{what}={name}: the features are {', '.join(_FEATURES)}")
        bits |= 1 << bit
    return bits


class VhostCard(Host):
    """A card without a host behind it. A front-end (QEMU, User Mode Linux, virtio-user) attaches by its socket.

    All that a card has works by the same words as for a :class:`vnic.Host`: ``nic``, ``knobs``, captures at ``wire``
    and ``nic``, ``ledger()``, ethtool's commands. Each frame that arrives ends as DELIVERED_DRIVER in the driver's
    ring, or as a loss of the card's. It runs in real time, on one thread. A context manager; it must be closed.

    Args:
        path: the Unix socket.
        wire: the other side, as for a :class:`vnic.Host`.
        queues: pairs of rings, 1 to 128; the front-end says how many of them it enables.
        connect: the front-end listens, and the card connects, again and again; otherwise the card listens.
        mac: of the card; the driver may take it as its own.
        offer, withhold: names of virtio features that are offered besides the usual ones (``["HASH_REPORT"]``), or are
            not (``["EVENT_IDX"]``).
        knobs: the card's, as for a host.

    Raises:
        ConfigError: the path, a name or a knob is wrong; or another process listens there already.
    """

    _card_only = True

    def __init__(
        self,
        path: str | Path,
        *,
        wire: Wire | None = None,
        queues: int = 1,
        connect: bool = False,
        mac: str | None = None,
        offer: Iterable[str] = (),
        withhold: Iterable[str] = (),
        **knobs: Any,
    ) -> None:
        self.path = Path(path)
        door.check_path(self.path)
        self.pairs = whole("queues", queues, 1, lib.NIC_QUEUES_MAX)
        self.connects = bool(connect)
        self.vhost: Any = None
        self.session: Session | None = None
        self.sessions = 0
        """Front-ends that have attached so far."""
        self.refused: list[str] = []
        """What front-ends asked for that they could not have, a sentence each; the latest sixteen."""
        self._listener: socket.socket | None = None
        self._control: QuietThread | None = None
        self._wake = self._hang = -1
        offered, withheld = _bits("offer", offer), _bits("withhold", withhold)
        if mac is not None:
            knobs["mac"] = mac
        super().__init__(wire=wire, cpus=1, live=True, external_driver=True, queues=self.pairs, **knobs)
        try:
            self._begin(offered, withheld)
        except BaseException:
            self.machine.turn.do(self.machine.close)  # close() would wait for this call to end
            self._close_files()
            raise

    def _begin(self, offered: int, withheld: int) -> None:
        nic = self.nic.c
        self.wire.open_output()
        self.wire.c.paced = isinstance(self.wire, CaptureWire)
        offers = sum(1 << bit for bit in _OFFERS.values())
        if self.pairs > 1:
            offers |= sum(1 << bit for bit in _BY_PAIRS.values())
        if self.wire.c.vnet:
            offers |= sum(1 << bit for bit in _BY_VNET.values())
        if self.wire.c.rests != ffi.NULL:
            offers |= sum(1 << bit for bit in _BY_HEADERS.values())
        self.offers = nic.offers = (offers | offered) & ~withheld
        self.protocol_offers = _PROTOCOL
        v = lib.vhost_new(ffi.addressof(nic), self.pairs)
        if v == ffi.NULL:
            raise MemoryError("no memory, or no files, for a vhost-user card")
        self.vhost = self.machine.vhost = v
        self.machine.split_latency()
        nic.lat = self.machine.histograms[0] + lib.LAT_RING
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._hang = self.machine.hang_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        if nic.faults != ffi.NULL:
            nic.faults.wake_fd = self._hang
        if not self.connects:
            self._listener = door.listen(self.path)
        self._control = QuietThread("vhost", self._serve)

    # ---- the socket ----

    def start(self, *, pin: Any = None) -> None:
        """Start the card's thread, and the one that speaks vhost-user."""
        super().start(pin=pin)
        if self._control is not None and not self._control.is_alive():
            self._control.start()

    def _serve(self) -> None:
        """Run sessions, one after another, until stop(): the control thread."""
        while not self._ended():
            sock = door.next_peer(self.path, self._listener, self._wake, self.note)
            if sock is None:
                continue
            self.session = session = Session(self, sock)
            self.sessions += 1
            try:
                self._run(session)
            except (OSError, VnicError) as e:  # no error of one front-end's may keep the next one out
                self.note(f"{said(str(e))}: the connection was ended")
            finally:
                session.close()
                with contextlib.suppress(VnicError):  # the card is being stopped, which does the same
                    self.machine.while_stopped(self._hang_up)
                self.session = None

    def _hang_up(self) -> None:
        lib.vhost_hang_up(self.vhost)

    def _ended(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
            return True
        return False

    def _run(self, session: Session) -> None:
        while True:
            reads, writes = session.wants()
            deadline = session.deadline()
            seconds = None if deadline is None else max(0.0, deadline - time.monotonic()) + 0.01
            events = (select.POLLIN if reads else 0) | (select.POLLOUT if writes else 0)
            mine = {self._wake: select.POLLIN, self._hang: select.POLLIN}
            ready = door.ready(mine | {session.sock.fileno(): events}, seconds)
            if self._wake in ready:
                os.eventfd_write(self._wake, 1)  # for _ended()
                return
            if self._hang in ready:
                os.eventfd_read(self._hang)
                return
            if not session.run():
                return

    # ---- what the session asks ----

    def note(self, refusal: str) -> None:
        """Keep what was refused, for a person to read."""
        self.refused = [*self.refused[-15:], refusal]

    def config_space(self) -> bytes:
        """Return struct virtio_net_config: MAC, status, pairs, MTU (virtio 1.2, section 5.1.4)."""
        nic = self.nic.c
        mtu = int(nic.mtu) or 1500
        return bytes(nic.filter.addr) + struct.pack("<HHH", 1, self.pairs, min(mtu, 65535))

    def set_mtu(self, mtu: int) -> int:
        """Take the MTU that the front-end has. The card's thread is parked."""
        rc = int(lib.nic_fit(ffi.addressof(self.nic.c), self.nic.c.fifo.size, mtu))
        if rc == 0:
            self.nic.c.mtu = mtu
        return rc

    # ---- what a person asks ----

    @property
    def attached(self) -> bool:
        """Is a front-end there whose driver has started a receive queue?"""
        return bool(self.nic.c.up)

    def rings(self) -> list[dict[str, int]]:
        """Return the state of each ring: started, enabled, broken, size, indices, doorbells, interrupts."""
        names = ("started", "enabled", "broken", "polls", "num", "last_avail", "used_idx", "kicks", "calls")
        states = (lib.vhost_state(self.vhost, i) for i in range(2 * self.pairs))
        return [{name: int(getattr(s, name)) for name in names} for s in states]

    def wait_for_driver(self, seconds: float | None = None) -> bool:
        """Wait until a driver has started a receive queue (True), or the time is over (False)."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self.attached:
            if end is not None and time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    # ---- the end ----

    def stop(self) -> None:
        """End the session, stop reading the wire, join the threads. Then the ledger is closed."""
        self._end_control()
        super().stop()

    def close(self) -> None:
        """As stop(), and free all."""
        if self.closed:
            return
        self._end_control()
        super().close()
        self._close_files()

    def _close_files(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            with contextlib.suppress(OSError):
                self.path.unlink()
        for fd in (self._wake, self._hang):
            if fd >= 0:
                os.close(fd)
        self._wake = self._hang = -1

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """As :meth:`close`. If an exception ended the block, an error of close() becomes a note of that exception."""
        try:
            self.close()
        except VnicError as e:
            if error is None:
                raise
            error.add_note(str(e))

    def _end_control(self) -> None:
        control = self._control
        if control is not None and control.is_alive():
            os.eventfd_write(self._wake, 1)
            control.join(10)
            if control.is_alive():
                raise VnicError(said(f"{self.path}: the session did not end within 10 s"))
        self._control = None
