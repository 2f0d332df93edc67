"""A vhost-user front-end in plain Python: the driver's process. Written from vhost-user.rst and virtio 1.2 alone.

Each message can be sent by hand, well formed or not, in any order; start() is the usual one. The memory is one file in
one or several regions. A ring's place in it is 64 KiB; behind the rings are buffers, a slot each.
"""

from __future__ import annotations

import itertools
import mmap
import os
import select
import socket
import struct
import time
from typing import Self

GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE = 1, 2, 3, 4, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = 15, 16, 17, 18
NET_SET_MTU, SET_BACKEND_REQ_FD, GET_CONFIG, SET_CONFIG, RESET_DEVICE = 20, 21, 24, 25, 34

VERSION_1, PROTOCOL, EVENT_IDX, MRG_RXBUF, CSUM, GUEST_CSUM, HASH_REPORT, MQ = (
    1 << bit for bit in (32, 30, 29, 15, 0, 1, 57, 22)
)
USUAL = VERSION_1 | PROTOCOL | EVENT_IDX | MRG_RXBUF | CSUM | GUEST_CSUM
REPLY_ACK = 1 << 3
NEXT, WRITE, INDIRECT = 1, 2, 4
NO_FILE = 1 << 8
PATIENCE_S = 10.0

RING_BYTES = 1 << 16
DESC, AVAIL, USED = 0, 0x8000, 0xA000
SLOT = 2048


class Memory:
    """One file, mapped here; the back-end maps ``regions`` equal pieces of it, each elsewhere by either address."""

    def __init__(self, size: int, regions: int = 1, offset: int = 0) -> None:
        self.size, self.offset, self.piece = size, offset, size // regions
        self.fd = os.memfd_create("front-end", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, offset + size)
        self.map = mmap.mmap(self.fd, offset + size)
        self.bytes = memoryview(self.map)[offset:]
        self.u16 = self.bytes.cast("H")

    def bus(self, at: int) -> int:
        """The guest physical address of this place."""
        return 0x10000000 + at + at // self.piece * 0x100000000

    def user(self, at: int) -> int:
        """The same by the front-end's own addresses."""
        return 0x7F0000000000 + at + at // self.piece * 0x200000000

    def rows(self) -> list[tuple[int, int, int, int]]:
        """The memory table: guest physical address, size, own address, offset in the file."""
        return [(self.bus(at), self.piece, self.user(at), self.offset + at) for at in range(0, self.size, self.piece)]

    def close(self) -> None:
        self.u16.release()
        self.bytes.release()
        self.map.close()
        os.close(self.fd)


class Ring:
    """The driver's half of one ring."""

    def __init__(self, memory: Memory, index: int, size: int) -> None:
        self.memory, self.index, self.size = memory, index, size
        self.at = index * RING_BYTES
        self.event_idx = True
        self.kick, self.call, self.err = (os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(3))
        self.posted = self.taken = 0

    def place(self, part: int) -> int:
        """Its descriptors (DESC), available ring (AVAIL) or used ring (USED), by the front-end's addresses."""
        return self.memory.user(self.at + part)

    def describe(
        self, i: int, at: int, length: int, flags: int = 0, successor: int = 0, *, bus: int | None = None
    ) -> None:
        """Write descriptor i: a place in the memory, or any bus address."""
        address = self.memory.bus(at) if bus is None else bus
        struct.pack_into("<QIHH", self.memory.bytes, self.at + DESC + 16 * i, address % 2**64, length, flags, successor)

    def post(self, *heads: int, bell: bool = True) -> None:
        """Make chains available."""
        word = (self.at + AVAIL) // 2
        for head in heads:
            self.memory.u16[word + 2 + self.posted % self.size] = head
            self.posted = (self.posted + 1) % 65536
        self.show(self.posted, bell=bell)

    def show(self, index: int, *, bell: bool = True) -> None:
        """Write avail->idx, whatever it is."""
        self.memory.u16[(self.at + AVAIL) // 2 + 1] = index % 65536
        if bell:
            self.ring_bell()

    def ring_bell(self) -> None:
        os.eventfd_write(self.kick, 1)

    @property
    def used(self) -> int:
        """used->idx, as it is now."""
        return self.memory.u16[(self.at + USED) // 2 + 1]

    @property
    def bell_wanted(self) -> bool:
        """Without EVENT_IDX: does the card want a doorbell? (used->flags)"""
        return not self.memory.u16[(self.at + USED) // 2] & 1

    @property
    def bell_at(self) -> int:
        """With EVENT_IDX: the index whose passing is to ring (avail_event)."""
        return self.memory.u16[(self.at + USED) // 2 + 2 + 4 * self.size]

    def interrupt_at(self, index: int) -> None:
        """With EVENT_IDX: interrupt me when you pass this (used_event)."""
        self.memory.u16[(self.at + AVAIL) // 2 + 2 + self.size] = index % 65536

    def interrupts(self, on: bool) -> None:
        """Without EVENT_IDX: interrupt me, or do not (avail->flags)."""
        self.memory.u16[(self.at + AVAIL) // 2] = not on

    def take(self) -> list[tuple[int, int]]:
        """Used entries that came since: (head, bytes written)."""
        end, entries = self.used, []
        while self.taken != end:
            at = self.at + USED + 4 + 8 * (self.taken % self.size)
            entries.append(struct.unpack_from("<II", self.memory.bytes, at))
            self.taken = (self.taken + 1) % 65536
        return entries

    def wait(self, n: int, seconds: float = PATIENCE_S) -> list[tuple[int, int]]:
        """Wait for n used entries. Return: those that came, which may be fewer."""
        entries: list[tuple[int, int]] = []
        end = time.monotonic() + seconds
        while len(entries) < n and time.monotonic() < end:
            more = self.take()
            entries += more
            if not more:
                time.sleep(0.0005)
        return entries

    def interrupted(self, seconds: float = 0.0) -> int:
        """Wait for an interrupt. Return: how many came since the last call."""
        if not select.select([self.call], [], [], seconds)[0]:
            return 0
        return os.eventfd_read(self.call)

    def failed(self, seconds: float = PATIENCE_S) -> bool:
        """Has the card reported that it is broken?"""
        return bool(select.select([self.err], [], [], seconds)[0])

    def restart_at(self, index: int) -> None:
        """Both indices, in memory and here."""
        self.posted = self.taken = index
        self.memory.u16[(self.at + AVAIL) // 2 + 1] = self.memory.u16[(self.at + USED) // 2 + 1] = index

    def close(self) -> None:
        for fd in (self.kick, self.call, self.err):
            os.close(fd)


class FrontEnd:
    """A connection, a memory, the rings of ``pairs`` pairs. ``listen``: the card connects."""

    def __init__(
        self,
        path: object,
        *,
        pairs: int = 1,
        size: int = 256,
        regions: int = 1,
        offset: int = 0,
        features: int = USUAL,
        listen: bool = False,
        memory: Memory | None = None,
    ) -> None:
        self.sock = _accepted(str(path)) if listen else _connected(str(path))
        self.wanted, self.features, self.protocol = features, 0, 0
        self.own_memory = memory is None
        self.memory = memory or Memory(8 << 20, regions, offset)
        self.rings = [Ring(self.memory, i, size) for i in range(2 * pairs)]
        self.first_slot = 2 * pairs * RING_BYTES
        self.headers: list[bytes] = []
        """The virtio headers of the frames that the last call of frames() returned."""

    # ---- messages ----

    def send(
        self,
        request: int,
        body: bytes = b"",
        fds: list[int] | tuple[int, ...] = (),
        *,
        flags: int = 1,
        size: int | None = None,
    ) -> None:
        """Send one message, as it is given."""
        data = struct.pack("=III", request, flags, len(body) if size is None else size) + body
        if fds:
            socket.send_fds(self.sock, [data], list(fds))
        else:
            self.sock.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """Return the next reply: its request and payload. ConnectionError: the back-end has hung up."""
        request, flags, size = struct.unpack("=III", self._read(12))
        assert flags == 5, "a reply has version 1 and the reply bit"
        return request, self._read(size)

    def _read(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            piece = self.sock.recv(n - len(data))
            if not piece:
                raise ConnectionError("the back-end has hung up")
            data += piece
        return data

    def ask(self, request: int, body: bytes = b"", fds: list[int] | tuple[int, ...] = (), *, flags: int = 1) -> bytes:
        """Send a message that has a reply. Return: its payload."""
        self.send(request, body, fds, flags=flags)
        answered, payload = self.receive()
        assert answered == request
        return payload

    def number(self, request: int) -> int:
        """Ask for a u64."""
        return struct.unpack("=Q", self.ask(request))[0]

    def do(self, request: int, body: bytes = b"", fds: list[int] | tuple[int, ...] = ()) -> int:
        """Send a message without a reply of its own. Return: 0; the error, if REPLY_ACK was agreed on."""
        if self.protocol & REPLY_ACK:
            return struct.unpack("=Q", self.ask(request, body, fds, flags=1 | 8))[0]
        self.send(request, body, fds)
        return 0

    def sync(self) -> None:
        """Wait until all messages before are done."""
        self.number(GET_QUEUE_NUM)

    def gone(self, seconds: float = PATIENCE_S) -> bool:
        """Has the back-end hung up? What it still sends is dropped."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.sock], [], [], left)[0]:
                return False
            try:
                if not self.sock.recv(65536):
                    return True
            except ConnectionError:
                return True
        return False

    # ---- the usual ones ----

    def negotiate(self, protocol: int = 1 | REPLY_ACK) -> None:
        offered = self.number(GET_FEATURES)
        self.features = offered & self.wanted
        if self.features & PROTOCOL:
            self.protocol = self.number(GET_PROTOCOL_FEATURES) & protocol
            self.send(SET_PROTOCOL_FEATURES, struct.pack("=Q", self.protocol))
        self.do(SET_OWNER)
        self.set_features()

    def set_features(self) -> int:
        for ring in self.rings:
            ring.event_idx = bool(self.features & EVENT_IDX)
        return self.do(SET_FEATURES, struct.pack("=Q", self.features))

    def set_memory(self, rows: list[tuple[int, int, int, int]] | None = None, fds: list[int] | None = None) -> int:
        rows = self.memory.rows() if rows is None else rows
        body = struct.pack("=II", len(rows), 0) + b"".join(struct.pack("=QQQQ", *row) for row in rows)
        return self.do(SET_MEM_TABLE, body, [self.memory.fd] * len(rows) if fds is None else fds)

    def set_num(self, i: int, num: int | None = None) -> int:
        return self.do(SET_VRING_NUM, struct.pack("=II", i, self.rings[i].size if num is None else num))

    def set_base(self, i: int, base: int | None = None) -> int:
        return self.do(SET_VRING_BASE, struct.pack("=II", i, self.rings[i].posted if base is None else base))

    def set_addr(self, i: int) -> int:
        ring = self.rings[i]
        desc, used, avail = (ring.place(part) for part in (DESC, USED, AVAIL))
        return self.do(SET_VRING_ADDR, struct.pack("=IIQQQQ", i, 0, desc, used, avail, 0))

    def set_file(self, request: int, i: int, fd: int | None) -> int:
        if fd is None:
            return self.do(request, struct.pack("=Q", i | NO_FILE))
        return self.do(request, struct.pack("=Q", i), [fd])

    def set_kick(self, i: int) -> int:
        return self.set_file(SET_VRING_KICK, i, self.rings[i].kick)

    def set_call(self, i: int) -> int:
        return self.set_file(SET_VRING_CALL, i, self.rings[i].call)

    def set_err(self, i: int) -> int:
        return self.set_file(SET_VRING_ERR, i, self.rings[i].err)

    def enable(self, i: int, on: int = 1) -> int:
        return self.do(SET_VRING_ENABLE, struct.pack("=II", i, on))

    def stop(self, i: int) -> int:
        """GET_VRING_BASE. Return: the next entry that the card would take."""
        ring, base = struct.unpack("=II", self.ask(GET_VRING_BASE, struct.pack("=II", i, 0)))
        assert ring == i
        return base

    def start_ring(self, i: int) -> None:
        assert [
            f(i) for f in (self.set_num, self.set_base, self.set_addr, self.set_err, self.set_call, self.set_kick)
        ] == [0] * 6

    def start(self, buffers: int | None = None) -> FrontEnd:
        """All of it: negotiate, memory, rings, and buffers in the receive rings."""
        self.negotiate()
        assert self.set_memory() == 0
        for i in range(len(self.rings)):
            self.start_ring(i)
        if self.features & PROTOCOL:
            for i in range(len(self.rings)):
                assert self.enable(i) == 0
        for ring in self.rings[::2]:
            self.post_buffers(ring, ring.size // 2 if buffers is None else buffers)
        self.sync()
        return self

    # ---- frames ----

    @property
    def header(self) -> int:
        return 20 if self.features & HASH_REPORT else 12

    def slot(self, ring: Ring, i: int) -> int:
        """Where buffer i of this ring is."""
        return self.first_slot + (ring.index * ring.size + i) * SLOT % (self.memory.size - self.first_slot - SLOT)

    def post_buffers(self, ring: Ring, n: int, length: int = SLOT, *, bell: bool = True) -> None:
        for i in range(n):
            ring.describe(i, self.slot(ring, i), length, WRITE)
        ring.post(*range(n), bell=bell)

    def frames(self, n: int, pair: int = 0, seconds: float = PATIENCE_S) -> list[bytes]:
        """Receive n frames and post their buffers again. Return: those that came, which may be fewer."""
        ring, frames, self.headers = self.rings[2 * pair], [], []
        end = time.monotonic() + seconds
        pieces: list[bytes] = []
        while len(frames) < n and time.monotonic() < end:
            entries = ring.wait(1, 0.01)
            for head, length in entries:
                at = self.slot(ring, head)
                pieces.append(bytes(self.memory.bytes[at : at + length]))
                if len(pieces) == struct.unpack_from("<H", pieces[0], 10)[0]:
                    frames.append(b"".join(pieces)[self.header :])
                    self.headers.append(pieces[0][: self.header])
                    pieces = []
            ring.post(*(head for head, _ in entries), bell=bool(entries))
        return frames

    def transmit(self, *frames: bytes, pair: int = 0, header: bytes = b"", pieces: int = 1, bell: bool = True) -> None:
        """Send frames, each a chain of so many descriptors. At most as many as the ring has room for."""
        ring, heads = self.rings[2 * pair + 1], []
        for n, frame in enumerate(frames):
            data = header.ljust(self.header, b"\0") + frame
            head = (ring.posted * pieces + n * pieces) % ring.size
            cuts = [len(data) * i // pieces for i in range(pieces + 1)]
            for i, (begin, end) in enumerate(itertools.pairwise(cuts)):
                d, last = (head + i) % ring.size, i + 1 == pieces
                at = self.slot(ring, d)
                self.memory.bytes[at : at + end - begin] = data[begin:end]
                ring.describe(d, at, end - begin, 0 if last else NEXT, 0 if last else (d + 1) % ring.size)
            heads.append(head)
        ring.post(*heads, bell=bell)

    def hang_up(self) -> None:
        """Close the connection; memory and rings stay."""
        self.sock.close()

    def close(self) -> None:
        self.sock.close()
        for ring in self.rings:
            ring.close()
        self.rings = []
        if self.own_memory:
            self.memory.close()
        self.own_memory = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _connected(path: str) -> socket.socket:
    end = time.monotonic() + PATIENCE_S
    while True:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE_S)
        try:
            sock.connect(path)
        except BlockingIOError:  # as many wait as the listener lets wait
            sock.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.001)
        except BaseException:
            sock.close()
            raise
        else:
            return sock


def _accepted(path: str) -> socket.socket:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(PATIENCE_S)
        listener.bind(path)
        listener.listen(1)
        sock = listener.accept()[0]
    sock.settimeout(PATIENCE_S)
    return sock
