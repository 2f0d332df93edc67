"""A driver for the card in another process: plain Python, written from virtio 1.2 alone, no vnic in it.

Usage: foreign_driver.py MEMFD KICK CALL FRAMES BUFFER_BYTES. KICK is the doorbell, CALL the interrupt (eventfds). Takes
that many frames, writes each to standard output behind its length. tests/card/test_dma.py uses the class by hand.
"""

import mmap
import os
import select
import struct
import sys

ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK = 1, 2, 4, 8  # 2.1
NEXT, WRITE, INDIRECT = 1, 2, 4  # 2.7.5
FEATURES = 1 << 32 | 1 << 29 | 1 << 1 | 1 << 15 | 1 << 57  # VERSION_1 EVENT_IDX GUEST_CSUM MRG_RXBUF HASH_REPORT
HEADER = struct.Struct("<BBHHHHHIHH")  # virtio_net_hdr_v1_hash, 5.1.6; num_buffers is its seventh


class Driver:
    """Queue 0. Addresses are offsets into the shared memory; page 0 says where things are (struct vnic_config)."""

    def __init__(self, memfd: int) -> None:
        self.mem = mmap.mmap(memfd, 0)
        # What the card may read at any moment is stored whole: struct.pack_into() writes zeros first
        self.u16 = memoryview(self.mem).cast("H")
        magic, abi, self.size, _, _, offered = self.get("<IIQIIQ", 0)
        assert (magic.to_bytes(4, "little"), abi, len(self.mem)) == (b"vnic", 1, self.size)
        self.features = FEATURES & offered
        self.n, _, self.desc, self.avail, self.used, self.buffers, self.stride, self.count = self.get("<IIQQQQII", 56)
        self.status(ACKNOWLEDGE | DRIVER)
        self.put("<Q", 32, self.features)
        self.status(ACKNOWLEDGE | DRIVER | FEATURES_OK)
        self.posted = self.taken = 0

    def get(self, fmt: str, at: int) -> tuple:
        return struct.unpack_from(fmt, self.mem, at)

    def put(self, fmt: str, at: int, *values: int) -> None:
        struct.pack_into(fmt, self.mem, at, *values)

    def status(self, bits: int) -> None:
        self.put("<I", 20, bits)

    def ok(self) -> None:
        self.status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)

    def describe(self, i: int, addr: int, length: int, flags: int = WRITE, successor: int = 0) -> None:
        self.put("<QIHH", self.desc + 16 * i, addr, length, flags, successor)

    def post(self, head: int) -> None:
        self.u16[self.avail // 2 + 2 + self.posted % self.n] = head
        self.posted = (self.posted + 1) % 65536
        self.u16[self.avail // 2 + 1] = self.posted

    def interrupt_me_at(self, index: int) -> None:
        self.u16[self.avail // 2 + 2 + self.n] = index % 65536

    def take(self) -> list[tuple[int, int]]:
        """Used entries that came since: (head, bytes written)."""
        end, entries = self.u16[self.used // 2 + 1], []
        while self.taken != end:
            entries.append(self.get("<II", self.used + 4 + 8 * (self.taken % self.n)))
            self.taken = (self.taken + 1) % 65536
        return entries

    def buffer(self, head: int, length: int) -> bytes:
        addr = self.get("<Q", self.desc + 16 * head)[0]
        return self.mem[addr : addr + length]


def main() -> None:
    memfd, kick, call, frames, size = map(int, sys.argv[1:])
    driver, out, rest = Driver(memfd), sys.stdout.buffer, 0
    for i in range(driver.n):
        driver.describe(i, driver.buffers + i * driver.stride, size)
        driver.post(i)
    driver.ok()
    data, received = b"", []
    while len(received) < frames:
        driver.interrupt_me_at(driver.taken)
        os.write(kick, struct.pack("=Q", 1))  # always: plain Python has no fence, but a system call is one
        entries = driver.take()
        if not entries:
            select.select([call], [], [])
            os.read(call, 8)
        for head, length in entries:
            piece = driver.buffer(head, length)
            driver.post(head)
            if not rest:
                rest, piece = HEADER.unpack_from(piece)[6], piece[HEADER.size :]
            data, rest = data + piece, rest - 1
            if not rest:
                received.append(data)
                data = b""
    out.write(b"".join(len(f).to_bytes(4, "little") + f for f in received))


if __name__ == "__main__":
    main()
