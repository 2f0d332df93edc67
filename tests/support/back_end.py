"""A vhost-user back-end in plain Python: a foreign switch, well behaved or not.

It listens, takes one front-end after another, maps the memory that comes, and fills or empties the rings by hand.
``offers``, ``protocol``, ``pairs``: what it says that it can. ``says``: message -> function(back_end, payload), in
place of the usual answer; None: it says nothing.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import struct
import threading
from pathlib import Path
from typing import Any, Self

GET_FEATURES, SET_FEATURES, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR = 1, 2, 5, 8, 9
GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = 11, 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = 15, 16, 17, 18
VERSION_1, PROTOCOL, EVENT_IDX, MRG_RXBUF, MQ = (1 << bit for bit in (32, 30, 29, 15, 22))
GUEST_OFFLOADS = sum(1 << bit for bit in (1, 7, 8, 54, 55))
USUAL = VERSION_1 | PROTOCOL | EVENT_IDX | MRG_RXBUF | MQ | GUEST_OFFLOADS
USUAL_PROTOCOL = 1 << 0 | 1 << 3 | 1 << 4
NUMBER, RING = struct.Struct("=Q"), struct.Struct("=II")
PLAIN = struct.pack("<BBHHHHH", 0, 0, 0, 0, 0, 0, 1)
"""A virtio header that asks for nothing."""


class Ring:
    """A ring of the front-end's, as the device has it."""

    def __init__(self) -> None:
        self.size, self.kick, self.call, self.enabled = 0, -1, -1, False
        self.desc = self.avail = self.used = 0
        self.taken = self.used_idx = 0


class BackEnd:
    """A back-end on this path. A context manager."""

    def __init__(
        self,
        path: Any,
        *,
        offers: int = USUAL,
        protocol: int = USUAL_PROTOCOL,
        pairs: int = 16,
        says: dict[int, Any] | None = None,
    ) -> None:
        self.offers, self.protocol, self.pairs, self.says = offers, protocol, pairs, says or {}
        self.features = self.sessions = 0
        self.rings: dict[int, Ring] = {}
        self.memory: mmap.mmap | None = None
        self.u16: memoryview | None = None
        self.bus = 0
        self.up = threading.Event()
        self._socket, self._front = socket.socket(socket.AF_UNIX), None
        self._socket.bind(str(path))
        self._socket.listen(1)
        self._path, self._over = path, False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    # ---- messages ----

    def _serve(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                front, _ = self._socket.accept()
                if self._over:
                    return
                self._front = front
                with contextlib.suppress(OSError, struct.error):
                    self._session(front)
            if self._over:
                return
            self.hang_up()
            self._forget()

    def _session(self, front: socket.socket) -> None:
        while True:
            head = self._read(front, 12)
            request, flags, size = struct.unpack("=III", head[0])
            payload, fds = self._read(front, size)
            fds = head[1] + fds
            if request in self.says:
                answer = self.says[request]
                if answer is not None:
                    answer(self, payload)
                continue
            answer = self._take(request, payload, fds)
            if answer is None and flags & 8:
                answer = NUMBER.pack(0)
            if answer is not None:
                self.reply(request, answer)

    def _read(self, front: socket.socket, size: int) -> tuple[bytes, list[int]]:
        data, fds = b"", []
        while len(data) < size:
            part, some, _, _ = socket.recv_fds(front, size - len(data), 8)
            if not part:
                raise OSError("hung up")
            data, fds = data + part, fds + some
        return data, fds

    def reply(self, request: int, payload: bytes, flags: int = 5) -> None:
        """Send an answer."""
        self._front.sendall(struct.pack("=III", request, flags, len(payload)) + payload)

    def _take(self, request: int, payload: bytes, fds: list[int]) -> bytes | None:
        if request == GET_FEATURES:
            return NUMBER.pack(self.offers)
        if request == GET_PROTOCOL_FEATURES:
            return NUMBER.pack(self.protocol)
        if request == GET_QUEUE_NUM:
            return NUMBER.pack(self.pairs)
        if request == SET_FEATURES:
            (self.features,) = NUMBER.unpack(payload)
        elif request == SET_MEM_TABLE:
            _, _, self.bus, size, _, offset = struct.unpack("=IIQQQQ", payload)
            self.memory = mmap.mmap(fds[0], size, offset=offset)
            self.u16 = memoryview(self.memory).cast("H")  # struct.pack_into("<H") writes one byte, then the other
            os.close(fds[0])
        elif request == SET_VRING_NUM:
            self._ring(payload).size = RING.unpack(payload)[1]
        elif request == SET_VRING_ADDR:
            ring, _, desc, used, avail, _ = struct.unpack("=IIQQQQ", payload)
            r = self.rings.setdefault(ring, Ring())
            r.desc, r.used, r.avail = (at - self.bus for at in (desc, used, avail))
        elif request in (SET_VRING_KICK, SET_VRING_CALL):
            r = self.rings.setdefault(NUMBER.unpack(payload)[0] & 0xFF, Ring())
            setattr(r, "kick" if request == SET_VRING_KICK else "call", fds[0] if fds else -1)
        elif request == SET_VRING_ENABLE:
            self._ring(payload).enabled = bool(RING.unpack(payload)[1])
            if all(r.enabled for r in self.rings.values()):
                self.sessions += 1
                self.up.set()
        elif request == GET_VRING_BASE:
            return RING.pack(RING.unpack(payload)[0], self._ring(payload).taken)
        return None

    def _ring(self, payload: bytes) -> Ring:
        return self.rings.setdefault(RING.unpack(payload)[0], Ring())

    # ---- rings ----

    def posted(self, ring: int) -> int:
        """The front-end's index of a ring."""
        return self.u16[(self.rings[ring].avail + 2) // 2]

    def next(self, ring: int) -> tuple[int, int, int] | None:
        """Take what the front-end posted next. Return: descriptor, offset of its buffer, bytes; None: nothing."""
        r = self.rings[ring]
        if self.posted(ring) == r.taken % 65536:
            return None
        desc = self.u16[(r.avail + 4) // 2 + r.taken % r.size]
        r.taken += 1
        at, length = struct.unpack_from("<QI", self.memory, r.desc + 16 * desc)
        return desc, at - self.bus, length

    def use(self, ring: int, desc: int, length: int, *, by: int = 1) -> None:
        """Give a descriptor back, and publish unless ``by`` is 0: how far the index moves."""
        r = self.rings[ring]
        struct.pack_into("<II", self.memory, r.used + 4 + 8 * (r.used_idx % r.size), desc, length)
        r.used_idx += by
        if by:
            self._publish(r)

    def _publish(self, r: Ring) -> None:
        self.u16[(r.used + 2) // 2] = r.used_idx % 65536
        if r.call >= 0:
            os.eventfd_write(r.call, 1)

    def send(self, *frames: bytes, header: bytes = PLAIN, pair: int = 0) -> int:
        """Put frames into a receiving ring, over several buffers if they are long. Return: how many found buffers."""
        for n, frame in enumerate(frames):
            data, pieces = header + frame, []
            while data or not pieces:
                if (got := self.next(2 * pair)) is None:
                    self.rings[2 * pair].taken -= len(pieces)
                    return n
                desc, at, room = got
                self.memory[at : at + len(data[:room])] = data[:room]
                pieces.append((desc, at, len(data[:room])))
                data = data[room:]
            struct.pack_into("<H", self.memory, pieces[0][1] + 10, len(pieces))
            for desc, _, length in pieces[:-1]:  # seen together with the last
                self.use(2 * pair, desc, length, by=0)
                self.rings[2 * pair].used_idx += 1
            self.use(2 * pair, pieces[-1][0], pieces[-1][2])
        return len(frames)

    def received(self, pair: int = 0) -> list[bytes]:
        """Take what the front-end has sent, without virtio headers."""
        out = []
        while (got := self.next(2 * pair + 1)) is not None:
            desc, at, length = got
            out.append(self.memory[at + 12 : at + length])
            self.use(2 * pair + 1, desc, 0)
        return out

    # ---- the end ----

    def hang_up(self) -> None:
        """End the connection."""
        if self._front is not None:
            with contextlib.suppress(OSError):
                self._front.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        self.up.clear()
        for ring in self.rings.values():
            for fd in (ring.kick, ring.call):
                if fd >= 0:
                    os.close(fd)
        self.rings = {}
        if self._front is not None:
            self._front.close()
            self._front = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self.hang_up()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._forget()
        self._socket.close()
        with contextlib.suppress(OSError):
            Path(self._path).unlink()
