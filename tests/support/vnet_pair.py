"""Frames behind virtio headers, and a TAP whose kernel is the test."""

import socket
import struct

import frames

from vnic._core import ffi, lib

NEEDS_CSUM, TCPV4, TCPV6, UDP_L4, ECN = 1, 1, 4, 5, 0x80
SLOT = 1664


def partial(frame, field):
    """The checksum field holds the pseudo header's sum alone."""
    head, version = bytearray(frame), frame[14] >> 4
    l4 = 34 if version == 4 else 54
    proto = frame[23] if version == 4 else frame[20]
    a, b = (26, 30) if version == 4 else (22, 38)
    size = 4 if version == 4 else 16
    pseudo = frame[a : a + size] + frame[b : b + size] + struct.pack("!II", len(frame) - l4, proto)
    head[l4 + field : l4 + field + 2] = struct.pack("!H", 0xFFFF ^ frames.csum(pseudo))
    return bytes(head)


def big_tcp(v6, payload, *, flags=frames.ACK, options=b"", seq=1, ident=0):
    where = {"src": "fd00::1", "dst": "fd00::2"} if v6 else {"id": ident}
    return partial(frames.tcp(payload, flags=flags, options=options, seq=seq, **where), 16)


def big_udp(v6, payload, ident=0):
    where = {"src": "fd00::1", "dst": "fd00::2"} if v6 else {"id": ident}
    return partial(frames.udp(payload, **where), 6)


def header(frame, gso_type, size, field, *, flags=NEEDS_CSUM):
    l4 = 34 if frame[14] >> 4 == 4 else 54
    return struct.pack("<BBHHHH", flags, gso_type, l4 + (20 if field == 16 else 8), size, l4, field)


def read_all(wire):
    got, f = [], ffi.new("struct frame[]", lib.BURST)
    while (n := wire.read_burst(wire, f, lib.BURST)) > 0:
        for i in range(n):
            if f[i].head:
                lib.tap_vnet_whole(wire, f + i)
            got.append(bytes(ffi.buffer(f[i].data, f[i].len)))
            wire.release(wire, f + i)
    return got


class Pair:
    """A TAP of which we are the kernel."""

    def __enter__(self):
        self.kernel, self.card = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for s in (self.kernel, self.card):
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.c = lib.tap_wire_new([self.card.fileno()], 1, SLOT, 300, 1)
        self.wire = ffi.addressof(self.c.wire)
        return self

    def __exit__(self, *exc):
        lib.tap_wire_free(self.c)
        self.kernel.close()
        self.card.close()

    def give(self, head, frame):
        self.kernel.send(head + bytes(2) + frame)
        return read_all(self.wire)
