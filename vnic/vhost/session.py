"""One front-end's connection. It asks and sets, one message after another; the card obeys, or refuses.

    bytes -> Message (messages.py) -> Session.handle() -> the rings and the memory of csrc/vhost/

What touches rings or memory runs while the card's thread is parked between two bursts. A message that fails changes
nothing; with REPLY_ACK the front-end hears an error, without it the connection ends. No call here waits for the peer:
the socket is not blocking, and while replies wait to be read nothing more is taken from it.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.vhost import messages
from vnic.vhost.memory_files import refuse_served
from vnic.vhost.messages import HEADER, REPLY, U64, VERSION, Message, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.vhost.card import VhostCard

_PATIENCE_S = 10.0
"""A message that was begun ends within this time."""
PROTOCOL_FEATURES = 1 << 30


class Session:
    """A connection that is up. ``card``: the card; ``sock``: taken over, and closed with the session."""

    def __init__(self, card: VhostCard, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.card, self.sock = card, sock
        self.features = self.protocol = 0
        self.backend_req = -1
        self.messages = 0
        """Messages taken so far."""
        self._data = bytearray()
        self._files: list[int] = []
        self._begun = 0.0
        self._out = bytearray()

    # ---- bytes ----

    def wants(self) -> tuple[bool, bool]:
        """Return whether to wait for the socket to be readable, and to be writable."""
        return not self._out, bool(self._out)

    def deadline(self) -> float | None:
        """Return when a message that was begun must be over, by time.monotonic()."""
        return self._begun + _PATIENCE_S if self._data else None

    def run(self) -> bool:
        """Take what has come, and answer it. Return: False: the front-end has hung up. ProtocolError: it must be."""
        if self._out and not self._flush():
            return True
        if self._data and time.monotonic() > self._begun + _PATIENCE_S:
            raise ProtocolError(f"half a message, and no more for {_PATIENCE_S:.0f} s")
        for _ in range(64):  # then another turn, which looks at the end of the card first
            message = self._read()
            if message is None:
                return True
            if message is _END:
                return False
            try:
                self._take(message)
            finally:
                for fd in message.files:
                    os.close(fd)
            if self._out and not self._flush():
                return True
        return True

    def _read(self) -> Message | None:
        """Return the next whole message; None: not yet; _END: the front-end has hung up."""
        while True:
            want = HEADER.size
            if len(self._data) >= want:
                request, flags, size = HEADER.unpack_from(self._data)
                messages.check_header(request, flags, size)
                want += size
            if len(self._data) >= HEADER.size and len(self._data) == want:
                message = Message(request, flags, bytes(self._data[HEADER.size :]), self._files)
                self._data, self._files = bytearray(), []
                return message
            try:
                data, files, flags, _ = socket.recv_fds(
                    self.sock, want - len(self._data), messages.FILES_MAX + 1, socket.MSG_CMSG_CLOEXEC
                )
            except (BlockingIOError, InterruptedError):
                return None
            except ConnectionError:
                return _END
            self._files += files
            if flags & socket.MSG_CTRUNC:
                raise ProtocolError("more files came than this process may open")
            if len(self._files) > messages.FILES_MAX:  # they would add up: each byte may bring some
                raise ProtocolError(f"{len(self._files)} files in one message; none has more than {messages.FILES_MAX}")
            if not data:
                return _END
            if not self._data:
                self._begun = time.monotonic()
            self._data += data

    def _flush(self) -> bool:
        try:
            sent = self.sock.send(self._out, socket.MSG_NOSIGNAL)
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionError:
            sent = len(self._out)  # the next read says that it has hung up
        del self._out[:sent]
        return not self._out

    def _reply(self, message: Message, payload: bytes) -> None:
        self._out += HEADER.pack(message.request, VERSION | REPLY, len(payload)) + payload

    # ---- messages ----

    def _take(self, message: Message) -> None:
        self.messages += 1
        try:
            messages.check(message)
            answer = _HANDLERS[message.request](self, message)
        except ProtocolError as e:
            self.card.note(str(e))
            known = messages.KINDS.get(message.request)
            if not self._acks(message) or (known is not None and known.replies):
                raise
            self._reply(message, U64.pack(errno.EINVAL))
            return
        if answer is not None:
            self._reply(message, answer)
        elif self._acks(message):
            self._reply(message, U64.pack(0))

    def _acks(self, message: Message) -> bool:
        """Asked after the message was handled: Linux wants an answer already to the one that agrees on answers."""
        return message.need_reply and bool(self.protocol & messages.PROTOCOL_REPLY_ACK)

    def _stopped(self, work: Callable[[], Any], what: str) -> int:
        """Do it while the card's thread is parked. ProtocolError: the card refuses."""
        rc = int(self.card.machine.while_stopped(work))
        if rc < 0:
            raise ProtocolError(f"{what}: {os.strerror(-rc)}")
        return rc

    @property
    def _v(self) -> Any:
        return self.card.vhost

    def _ring(self, ring: int) -> int:
        if ring >= 2 * self.card.pairs:
            raise ProtocolError(f"ring {ring}: the card has {2 * self.card.pairs}")
        return ring

    def _get_features(self, _: Message) -> bytes:
        return U64.pack(self.card.offers)

    def _set_features(self, message: Message) -> None:
        (features,) = U64.unpack(message.payload)
        if extra := features & ~self.card.offers:
            raise ProtocolError(f"features {extra:#x} were not offered")
        self._stopped(lambda: self._start_over() or lib.vhost_set_features(self._v, features), "SET_FEATURES")
        self.features = features
        if not features & PROTOCOL_FEATURES:  # such a front-end knows of no ENABLE
            self._stopped(self._enable_all, "SET_FEATURES")

    def _start_over(self) -> int:
        """Stop rings that are disabled: User Mode Linux resets its device by no other message."""
        states = [lib.vhost_state(self._v, i) for i in range(2 * self.card.pairs)]
        if any(s.started for s in states) and not any(s.started and s.enabled for s in states):
            for i in range(len(states)):
                lib.vhost_stop(self._v, i)
        return 0

    def _enable_all(self) -> int:
        for i in range(2 * self.card.pairs):
            lib.vhost_enable(self._v, i, 1)
        return 0

    def _nothing(self, _: Message) -> None:
        return

    def _reset_owner(self, _: Message) -> None:
        def disable() -> int:
            for i in range(2 * self.card.pairs):
                lib.vhost_enable(self._v, i, 0)
            return 0

        self._stopped(disable, "RESET_OWNER")

    def _reset_device(self, _: Message) -> None:
        self._stopped(self._reset, "RESET_DEVICE")
        self.features = 0

    def _reset(self) -> int:
        lib.vhost_reset(self._v)
        return 0

    def _set_mem_table(self, message: Message) -> None:
        n, _ = messages.RING.unpack_from(message.payload)
        if len(message.payload) < 8 + n * messages.REGION.size or n != len(
            message.files
        ):  # User Mode Linux sends two rows
            raise ProtocolError(
                f"SET_MEM_TABLE of {n} regions with {len(message.payload)} bytes and {len(message.files)} files"
            )
        for fd in message.files:
            refuse_served(fd)
        regions = ffi.new("struct vhost_region[]", max(n, 1))
        for i in range(n):
            bus, size, user, offset = messages.REGION.unpack_from(message.payload, 8 + i * messages.REGION.size)
            regions[i].bus, regions[i].size, regions[i].user, regions[i].offset = bus, size, user, offset
        files = ffi.new("int[]", message.files or [0])
        self._stopped(lambda: lib.vhost_set_memory(self._v, regions, files, n), "SET_MEM_TABLE")

    def _set_vring_num(self, message: Message) -> None:
        ring, num = messages.RING.unpack(message.payload)
        self._set_ring(ring, lambda: lib.vhost_set_num(self._v, ring, num), f"ring {ring} of {num} entries")

    def _set_vring_base(self, message: Message) -> None:
        ring, base = messages.RING.unpack(message.payload)
        self._set_ring(ring, lambda: lib.vhost_set_base(self._v, ring, base), f"ring {ring} from {base} on")

    def _set_ring(self, ring: int, work: Callable[[], Any], what: str) -> None:
        self._ring(ring)

        def change() -> int:
            state = lib.vhost_state(self._v, ring)
            if state.started and not state.enabled:
                lib.vhost_stop(self._v, ring)
            return int(work())

        self._stopped(change, what)

    def _set_vring_addr(self, message: Message) -> None:
        ring, flags, desc, used, avail, _ = messages.ADDR.unpack(message.payload)
        if flags:
            raise ProtocolError(f"SET_VRING_ADDR with flags {flags:#x}: logging was not offered")
        self._ring(ring)
        self._stopped(lambda: lib.vhost_set_addr(self._v, ring, desc, avail, used), f"ring {ring} at {desc:#x}")

    def _get_vring_base(self, message: Message) -> bytes:
        ring, _ = messages.RING.unpack(message.payload)
        self._ring(ring)
        base = self._stopped(lambda: lib.vhost_stop(self._v, ring), f"stop ring {ring}")
        return messages.RING.pack(ring, base)

    def _file(self, message: Message) -> tuple[int, int]:
        """Return the ring, and the file, -1 for none. The file is the caller's."""
        (value,) = U64.unpack(message.payload)
        ring = self._ring(value & 0xFF)
        if value & ~(0xFF | messages.NO_FILE):
            raise ProtocolError(f"{message.kind.name} with the number {value:#x}")
        if bool(value & messages.NO_FILE) == bool(message.files):
            raise ProtocolError(
                f"{message.kind.name}: it says that a file comes, or that none does, and that is not so"
            )
        return ring, message.files.pop() if message.files else -1  # a copy would fail where files are scarce

    def _set_file(self, message: Message, call: Callable[[Any, int, int], Any], then: Callable[[int], int]) -> None:
        ring, fd = self._file(message)
        try:
            self._stopped(lambda: _done(int(call(self._v, ring, fd)), lambda: then(ring)), message.kind.name)
        except BaseException:
            if fd >= 0 and not self._kept(ring, fd):
                os.close(fd)
            raise

    def _kept(self, ring: int, fd: int) -> bool:
        r = self._v.ring[ring]
        return fd in {int(r.kick), int(r.call), int(r.err)}

    def _set_vring_kick(self, message: Message) -> None:
        self._set_file(message, lib.vhost_set_kick, lambda ring: int(lib.vhost_start(self._v, ring)))

    def _set_vring_call(self, message: Message) -> None:
        self._set_file(message, lib.vhost_set_call, lambda _: 0)

    def _set_vring_err(self, message: Message) -> None:
        self._set_file(message, lib.vhost_set_err, lambda _: 0)

    def _get_protocol_features(self, _: Message) -> bytes:
        return U64.pack(self.card.protocol_offers)

    def _set_protocol_features(self, message: Message) -> None:
        (protocol,) = U64.unpack(message.payload)
        if extra := protocol & ~self.card.protocol_offers:
            raise ProtocolError(f"protocol features {extra:#x} were not offered")
        self.protocol = protocol

    def _get_queue_num(self, _: Message) -> bytes:
        return U64.pack(self.card.pairs)

    def _set_vring_enable(self, message: Message) -> None:
        ring, on = messages.RING.unpack(message.payload)
        if on > 1:
            raise ProtocolError(f"SET_VRING_ENABLE of ring {ring} with {on}; 0 or 1")
        self._ring(ring)
        self._stopped(lambda: lib.vhost_enable(self._v, ring, on), f"enable ring {ring}")

    def _net_set_mtu(self, message: Message) -> None:
        (mtu,) = U64.unpack(message.payload)
        if not 68 <= mtu <= 65535:
            raise ProtocolError(f"NET_SET_MTU of {mtu}; 68 to 65535")
        self._stopped(lambda: self.card.set_mtu(mtu), "NET_SET_MTU")

    def _set_backend_req_fd(self, message: Message) -> None:
        if not message.files:
            raise ProtocolError("SET_BACKEND_REQ_FD without a file")
        if self.backend_req >= 0:
            os.close(self.backend_req)
        self.backend_req = message.files.pop()

    def _get_config(self, message: Message) -> bytes:
        offset, size, flags = messages.CONFIG.unpack_from(message.payload)
        if offset + size > messages.CONFIG_MAX or len(message.payload) not in (
            messages.CONFIG.size,
            messages.CONFIG.size + size,
        ):
            raise ProtocolError(f"GET_CONFIG of {size} bytes from {offset} on")
        config = self.card.config_space().ljust(messages.CONFIG_MAX, b"\0")
        return messages.CONFIG.pack(offset, size, flags) + config[offset : offset + size]

    def _set_config(self, _: Message) -> None:
        raise ProtocolError("SET_CONFIG: nothing in this card's config can be written")

    def close(self) -> None:
        """Close the connection and what came over it. The card's rings are the caller's to stop."""
        for fd in (*self._files, *([self.backend_req] if self.backend_req >= 0 else ())):
            os.close(fd)
        self._files, self.backend_req = [], -1
        self.sock.close()


def _done(rc: int, then: Callable[[], int]) -> int:
    return rc if rc < 0 else then()


_END = Message(0, 0, b"", [])
_HANDLERS: dict[int, Callable[[Session, Message], bytes | None]] = {
    number: getattr(Session, "_nothing" if kind.name == "SET_OWNER" else f"_{kind.name.lower()}")
    for number, kind in messages.KINDS.items()
}
