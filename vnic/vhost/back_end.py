"""A foreign back-end, as its front-end sees it: one connection. It is asked and told, one message after another.

Each call waits for the answer, at most :data:`_PATIENCE_S`, and ends at once when the host stops. With REPLY_ACK every
message that has no reply of its own is acknowledged, so a refusal is known by its name. The back-end's memory table has
one region: the port's own file (csrc/vhost/vhost_port.c).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from typing import Any

from vnic._core import lib
from vnic.errors import VnicError
from vnic.vhost import door, messages
from vnic.vhost.messages import HEADER, NEED_REPLY, REPLY, U64, VERSION

_PATIENCE_S = 5.0
_LAST_S = 1.0
_VERSION_1, _PROTOCOL, _EVENT_IDX, _MQ, _MRG_RXBUF = (1 << bit for bit in (32, 30, 29, 22, 15))
_GUEST_OFFLOADS = sum(1 << bit for bit in (1, 7, 8, 9, 54, 55))
"""GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_USO4, GUEST_USO6: the wire completes sums, and cuts."""
_WANTED = _VERSION_1 | _PROTOCOL | _EVENT_IDX | _MRG_RXBUF | _GUEST_OFFLOADS
_WANTED_PROTOCOL = messages.PROTOCOL_MQ | messages.PROTOCOL_REPLY_ACK | messages.PROTOCOL_NET_MTU
_NUMBERS = {kind.name: number for number, kind in messages.KINDS.items()}


class BackEndError(VnicError):
    """The back-end cannot be used, or did what it may not."""


class BackEnd:
    """A connection to a back-end. ``sock`` stays the caller's. ``stop``: a file that is readable once all must end."""

    def __init__(self, sock: socket.socket, stop: int) -> None:
        sock.setblocking(False)
        self._sock, self._stop = sock, stop
        self.features = self.protocol = 0
        self._patience_s = _PATIENCE_S

    def fileno(self) -> int:
        """Return the connection's descriptor."""
        return self._sock.fileno()

    @property
    def event_idx(self) -> bool:
        """Has it taken EVENT_IDX?"""
        return bool(self.features & _EVENT_IDX)

    # ---- the handshake ----

    def greet(self, lanes: int, mtu: int) -> None:
        """Agree on features. BackEndError: it lacks one that is needed, or has fewer queues."""
        offered = self._number("GET_FEATURES")
        if not offered & _VERSION_1:
            raise BackEndError("the back-end does not offer VIRTIO_F_VERSION_1")
        if offered & _PROTOCOL:
            self.protocol = self._number("GET_PROTOCOL_FEATURES") & _WANTED_PROTOCOL
            self._tell("SET_PROTOCOL_FEATURES", U64.pack(self.protocol))
        self._tell("SET_OWNER")
        if lanes > 1:
            pairs = self._number("GET_QUEUE_NUM") if self.protocol & messages.PROTOCOL_MQ else 1
            if pairs < lanes:
                raise BackEndError(f"the back-end has {pairs} pairs of queues, not {lanes}")
        self.features = offered & (_WANTED | (_MQ if lanes > 1 else 0))
        self._tell("SET_FEATURES", U64.pack(self.features))
        if self.protocol & messages.PROTOCOL_NET_MTU:
            self._tell("NET_SET_MTU", U64.pack(mtu))

    def give(self, port: Any) -> None:
        """Give it the memory and the rings, which the caller has attached, and enable them."""
        size, bus = int(port.memory.size), int(lib.PORT_BUS)
        row = messages.REGION.pack(bus, size, bus, 0)
        self._tell("SET_MEM_TABLE", messages.RING.pack(1, 0) + row, [int(port.memory.memfd)])
        rings = range(2 * int(port.nlanes))
        for ring in rings:
            lane = port.lane[ring // 2]
            at = lib.vhost_port_ring(port, ring)
            self._tell("SET_VRING_NUM", messages.RING.pack(ring, lib.PORT_RING))
            self._tell("SET_VRING_BASE", messages.RING.pack(ring, 0))
            self._tell("SET_VRING_ADDR", messages.ADDR.pack(ring, 0, at.desc, at.used, at.avail, 0))
            self._call(ring, int(lane.call))
            self._tell("SET_VRING_KICK", U64.pack(ring), [int(lane.kick[ring & 1])])
        if self.features & _PROTOCOL:
            for ring in rings:
                self._tell("SET_VRING_ENABLE", messages.RING.pack(ring, 1))

    def _call(self, ring: int, fd: int) -> None:
        """Give a receiving ring its interrupt; a sending one has none, since the wire reclaims when it sends."""
        if ring & 1:
            self._tell("SET_VRING_CALL", U64.pack(ring | messages.NO_FILE))
        else:
            self._tell("SET_VRING_CALL", U64.pack(ring), [fd])

    def take_back(self, lanes: int) -> None:
        """Stop its rings, so that it touches the memory no more; the host stops, so it gets little time for that."""
        self._stop, self._patience_s = -1, _LAST_S
        for ring in range(2 * lanes):
            self._ask("GET_VRING_BASE", messages.RING.pack(ring, 0))

    def has_hung_up(self) -> bool:
        """Has it closed the connection? What it may say of itself is read and forgotten."""
        try:
            return not self._sock.recv(4096)
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionError:
            return True

    # ---- messages ----

    def _number(self, name: str) -> int:
        answer = self._ask(name)
        if len(answer) != U64.size:
            raise BackEndError(f"the back-end answered {name} with {len(answer)} bytes")
        return int(U64.unpack(answer)[0])

    def _ask(self, name: str, payload: bytes = b"") -> bytes:
        self._send(name, 0, payload, [])
        return self._answer(name)

    def _tell(self, name: str, payload: bytes = b"", files: list[int] | None = None) -> None:
        """Send a message without a reply of its own. BackEndError: with REPLY_ACK, it says no."""
        acks = bool(self.protocol & messages.PROTOCOL_REPLY_ACK) and name != "SET_PROTOCOL_FEATURES"
        self._send(name, NEED_REPLY if acks else 0, payload, files or [])
        if acks and any(answer := self._answer(name)):
            raise BackEndError(f"the back-end refuses {name} ({int.from_bytes(answer, 'little')})")

    def _send(self, name: str, flags: int, payload: bytes, files: list[int]) -> None:
        data = HEADER.pack(_NUMBERS[name], VERSION | flags, len(payload)) + payload
        end = time.monotonic() + self._patience_s
        while data:
            self._wait(select.POLLOUT, end, f"does not read {name}")
            with contextlib.suppress(BlockingIOError, InterruptedError):
                data = data[socket.send_fds(self._sock, [data], files, socket.MSG_NOSIGNAL) :]
                files = []  # they go with the first byte

    def _answer(self, name: str) -> bytes:
        end = time.monotonic() + self._patience_s
        request, flags, size = HEADER.unpack(self._read(HEADER.size, end, name))
        if size > messages.PAYLOAD_MAX:
            raise BackEndError(f"the back-end answered {name} with {size:,} bytes")
        payload = self._read(size, end, name)
        if request != _NUMBERS[name] or not flags & REPLY:
            raise BackEndError(f"the back-end answered {name} with message {request}, flags {flags:#x}")
        return payload

    def _read(self, size: int, end: float, name: str) -> bytes:
        data = b""
        while len(data) < size:
            self._wait(select.POLLIN, end, f"does not answer {name}")
            try:
                part, files, _, _ = socket.recv_fds(self._sock, size - len(data), 1, socket.MSG_CMSG_CLOEXEC)
            except (BlockingIOError, InterruptedError):
                continue
            for fd in files:  # none is due
                os.close(fd)
            if not part:
                raise BackEndError(f"the back-end hung up at {name}")
            data += part
        return data

    def _wait(self, event: int, end: float, what: str) -> None:
        files = {self.fileno(): event} | ({self._stop: select.POLLIN} if self._stop >= 0 else {})
        ready = door.ready(files, max(0.0, end - time.monotonic()))
        if self._stop in ready and self.fileno() not in ready:
            raise BackEndError("the host stops")
        if not ready:
            raise BackEndError(f"the back-end {what} within {self._patience_s:.0f} s")
