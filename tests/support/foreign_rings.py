"""The foreign driver with buffers posted and a sending ring, and where page 0 says what: a test makes it hostile."""

import struct

import frames
from foreign_driver import ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, HEADER, Driver

import vnic

ALL = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK
NEEDS_RESET, FAILED = 64, 128
QUEUE = struct.Struct("<IIQQQQII")  # size, enabled, desc, avail, used, buffers, stride, count
PAGE_QUEUES, PAGE_TX = 56, 56 + 16 * QUEUE.size
SIZE, ENABLED, DESC, AVAIL, USED = 0, 4, 8, 16, 24
FRAME = frames.eth(bytes(46), type=0x88B5)


class Foreign(Driver):
    """With buffers posted, a sending ring, and what else can be written in page 0."""

    def __init__(self, host: vnic.Host) -> None:
        super().__init__(host.nic.memfd)
        self.host = host
        self.tx = QUEUE.unpack_from(self.mem, PAGE_TX)
        self.sent = 0

    def post_all(self) -> None:
        for i in range(self.n):
            self.describe(i, self.buffers + i * self.stride, 2048)
            self.post(i)

    def begin(self) -> int:
        """Empty rings, all buffers, DRIVER_OK."""
        self.mem[self.avail : self.avail + 6 + 2 * self.n] = bytes(6 + 2 * self.n)
        self.mem[self.used : self.used + 6 + 8 * self.n] = bytes(6 + 8 * self.n)
        self.posted = self.taken = self.sent = 0
        self.status(0)
        self.put("<Q", 32, self.features)
        self.post_all()
        self.ok()
        return self.driver_ok()

    def driver_ok(self) -> int:
        """Say it to the card. Return: 0, or -errno of its refusal."""
        try:
            self.host.nic.driver_ok()
        except vnic.HostError as refusal:
            return -refusal.errno
        return 0

    def send(self, frame: bytes) -> None:
        """Post it, and ring."""
        size, _, desc, avail, _, buffers, stride, _ = self.tx
        i = self.sent % size
        addr, data = buffers + i * stride, HEADER.pack(*[0] * 10) + frame
        self.mem[addr : addr + len(data)] = data
        self.put("<QIHH", desc + 16 * i, addr, len(data), 0, 0)
        self.u16[avail // 2 + 2 + i] = i
        self.sent += 1
        self.u16[avail // 2 + 1] = self.sent % 65536
        self.host.nic.kick()

    def receives(self, n: int = 3) -> int:
        """Feed n frames. How many it got."""
        self.host.feed([FRAME] * n)
        self.host.run()
        return len(self.take())

    def close(self) -> None:
        self.u16.release()
        self.mem.close()
