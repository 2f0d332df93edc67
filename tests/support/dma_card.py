"""A card whose driver is a test, buffer by buffer: tests/card/conftest.py has one as a fixture."""

import frames
from foreign_driver import HEADER, Driver

import vnic

RING = 16


def header(num_buffers: int = 1) -> bytes:
    return HEADER.pack(0, 0, 0, 0, 0, 0, num_buffers, 0, 0, 0)


class Card:
    """A host without a driver of its own, and one by hand, before DRIVER_OK."""

    def __init__(self, **knobs) -> None:
        knobs = {"cost": "zero", "link": "inf", "rx_ring": RING, "rx_pool": 64, "sockets": 16} | knobs
        self.host = vnic.Host(external_driver=True, **knobs)
        self.driver = Driver(self.host.nic.memfd)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        assert self.host.ledger().closed
        self.driver.u16.release()
        self.driver.mem.close()
        self.host.close()

    def start(self) -> None:
        self.driver.ok()
        self.host.nic.driver_ok()

    def buffer(self, i: int, length: int = 2048, **desc) -> int:
        """Describe and post buffer i. Its address."""
        addr = self.driver.buffers + i * self.driver.stride
        self.driver.describe(i, addr, length, **desc)
        self.driver.post(i)
        return addr

    def receive(self, *raw: bytes) -> list[tuple[int, int]]:
        """Feed, run; the used entries."""
        self.host.feed(raw)
        self.host.nic.kick()
        self.host.run()
        return self.driver.take()

    def frame(self, used) -> tuple[tuple, bytes]:
        """Header and bytes of the frame in these buffers."""
        data = b"".join(self.driver.buffer(head, n) for head, n in used)
        return HEADER.unpack_from(data), data[HEADER.size :]

    @property
    def status(self) -> int:
        return self.driver.get("<I", 20)[0]


def plain(length: int) -> bytes:
    """A frame without anything to hash or to check."""
    return frames.eth(bytes(i % 255 + 1 for i in range(length - 14)), type=0x88B5)
