"""Capture files made by hand, pcap and pcapng, and what the C reader makes of their bytes."""

import os
import struct

import frames

import vnic
from vnic._core import ffi, lib

S = 1_000_000_000
T0 = 1_700_000_000 * S
FRAMES = [frames.udp(bytes(n)) for n in (0, 1, 2, 3, 1400)] + [frames.arp(), b"\1" * 14, b""]


def pcap(packets, *, order="<", nano=False, linktype=1, snaplen=65535) -> bytes:
    """packets: (t_ns, captured bytes, length on the wire)"""
    out = struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snaplen, linktype)
    for t, data, length in packets:
        out += struct.pack(order + "IIII", t // S, t % S // (1 if nano else 1000), len(data), length) + data
    return out


def pcap_each_second(records, *, linktype=1) -> bytes:
    """Whole frames, a second apart, from 0."""
    return pcap([(i * S, data, len(data)) for i, data in enumerate(records)], linktype=linktype)


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def option(order, code, value=b"") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + pad(value)


def block(order, kind, body) -> bytes:
    body = pad(body)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def section(order="<", options=b"") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options)


def simple(data, *, order="<", length=None) -> bytes:
    return block(order, 3, struct.pack(order + "I", length or len(data)) + data)


def read_from(data: bytes, *, piece_bytes=None):
    """As read(), from memory; or from a file, in pieces of at least so many bytes."""
    p, memory = ffi.gc(lib.pcap_wire_new(), lib.pcap_wire_free), ffi.new("uint8_t[]", data or b"\0")
    base, burst, out = int(ffi.cast("uintptr_t", memory)), ffi.new("struct frame[3]"), []
    if piece_bytes is None:
        rc = lib.pcap_wire_open_memory(p, memory, len(data))
    else:
        p.piece_bytes, fd = piece_bytes, os.memfd_create("capture")
        os.write(fd, data)
        rc = lib.pcap_wire_open(p, fd, len(data))
    if rc == 0:
        while (n := p.wire.read_burst(ffi.addressof(p.wire), burst, 3)) > 0:
            for f in burst[0:n]:
                at = int(ffi.cast("uintptr_t", f.data)) - base
                assert piece_bytes is not None or 0 <= at <= at + f.len <= len(data)
                out.append((f.t_ns, bytes(ffi.buffer(f.data, f.len)), f.wire_len, f.flags))
    return out, ffi.string(p.error_text).decode()


def read(data: bytes):
    """What the reader makes of these bytes: [(t_ns, bytes, length on the wire, flags)], and why it ended early."""
    found = read_from(data)
    assert read_from(data, piece_bytes=1) == found
    return found


def whole(packets):
    return [(t, data, len(data), 0) for t, data in packets]


def interface(order="<", *, linktype=1, snaplen=0, tsresol=None, tsoffset=None) -> bytes:
    options = option(order, 2, b"eth0")
    if tsresol is not None:
        options += option(order, 9, bytes([tsresol]))
    if tsoffset is not None:
        options += option(order, 14, struct.pack(order + "q", tsoffset))
    return block(order, 1, struct.pack(order + "HHI", linktype, 0, snaplen) + options + option(order, 0))


def enhanced(data, ticks, *, order="<", interface=0, length=None) -> bytes:
    head = struct.pack(order + "IIIII", interface, ticks >> 32, ticks % 2**32, len(data), length or len(data))
    return block(order, 6, head + pad(data) + option(order, 2, struct.pack(order + "I", 1)))


def obsolete(data, ticks, *, order="<", interface=0) -> bytes:
    head = struct.pack(order + "HHIIII", interface, 7, ticks >> 32, ticks % 2**32, len(data), len(data))
    return block(order, 2, head + data)


def replay(path, **knobs):
    """A host that has read this file."""
    host = vnic.Host(**{"wire": vnic.CaptureWire([path]), "sink": True, "cost": "zero", "link": "inf"} | knobs)
    host.run()
    return host
