"""The running kernel as an oracle for a socket's memory: frames into a TAP of this namespace, and SO_MEMINFO.

The caller's namespace is the test's own (the netns fixture). The TAP is opened with O_NONBLOCK: then its driver puts a
frame into a fragment of a page. Without IFF_NAPI a write goes up to the socket before it returns.
"""

import fcntl
import os
import socket
import struct
from typing import NamedTuple, Self

import frames
from kernel_gro import IFF_NO_PI, IFF_TAP, SO_RCVBUFFORCE, TUNSETIFF
from pyroute2 import IPRoute

SO_MEMINFO = 55
ADDRESS, PORT, MTU = "10.0.0.2", 5000, 65521


class MemInfo(NamedTuple):
    """Those of SK_MEMINFO_* that a receiver changes."""

    rmem_alloc: int
    rcvbuf: int
    fwd_alloc: int
    drops: int


def words(raw: bytes) -> MemInfo:
    """The numbers of getsockopt(SO_MEMINFO)."""
    rmem_alloc, rcvbuf, _, _, fwd_alloc, _, _, _, drops = struct.unpack("9I", raw)
    return MemInfo(rmem_alloc, rcvbuf, fwd_alloc, drops)


class KernelSock:
    """A TAP with 10.0.0.2/24, and a UDP socket at port 5000."""

    def __init__(self, name: str = "ks0") -> None:
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        with IPRoute() as ipr:
            index = ipr.link_lookup(ifname=name)[0]
            ipr.link("set", index=index, state="up", mtu=MTU, address=frames.MAC.hex(":"))
            ipr.addr("add", index=index, address=ADDRESS, prefixlen=24)
        self.sock = self.another()

    @staticmethod
    def another() -> socket.socket:
        """A new socket at the port. The one before must be closed."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.bind((ADDRESS, PORT))
        return sock

    def renew(self) -> None:
        """Go on with a socket that nothing has happened to."""
        self.sock.close()
        self.sock = self.another()

    def deliver(self, frame: bytes) -> None:
        os.write(self.fd, frame)

    def read(self) -> bytes | None:
        """The oldest datagram, or None."""
        try:
            return self.sock.recv(1 << 16)
        except BlockingIOError:
            return None

    def set_rcvbuf(self, value: int) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, value)

    def meminfo(self) -> MemInfo:
        return words(self.sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))

    def rx_queue(self) -> int:
        """Of /proc/net/udp."""
        with open("/proc/net/udp") as lines:
            (line,) = [fields for fields in map(str.split, lines) if fields[1].endswith(f":{PORT:04X}")]
        return int(line[4].split(":")[1], 16)

    def close(self) -> None:
        self.sock.close()
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc) -> None:
        self.close()
