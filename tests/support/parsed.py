"""A frame as the C sees it."""

from vnic._core import ffi, lib


def parse(raw: bytes):
    f = ffi.new("struct frame *", {"data": ffi.from_buffer(raw), "len": len(raw)})
    lib.frame_parse(f)
    return f
