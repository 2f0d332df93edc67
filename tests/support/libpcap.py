"""libpcap, if it is there, by ctypes: what it reads of a capture file."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NANO = 1


class _Header(ctypes.Structure):
    _fields_ = (
        ("sec", ctypes.c_long),
        ("frac", ctypes.c_long),
        ("caplen", ctypes.c_uint32),
        ("len", ctypes.c_uint32),
    )


def load() -> ctypes.CDLL | None:
    """The library; None: there is none."""
    name = ctypes.util.find_library("pcap") or "libpcap.so.0.8"
    try:
        lib = ctypes.CDLL(name)
    except OSError:
        return None
    lib.pcap_open_offline_with_tstamp_precision.restype = ctypes.c_void_p
    lib.pcap_geterr.restype = ctypes.c_char_p
    return lib


def read(lib: ctypes.CDLL, path: Path) -> tuple[list[tuple[int, bytes, int]], int, str]:
    """[(t_ns, captured bytes, length on the wire)], the snap length it takes, and why it stopped early."""
    text = ctypes.create_string_buffer(256)
    pcap = lib.pcap_open_offline_with_tstamp_precision(str(path).encode(), _NANO, text)
    if not pcap:
        return [], 0, text.value.decode()
    pcap = ctypes.c_void_p(pcap)
    head, data, found = ctypes.POINTER(_Header)(), ctypes.POINTER(ctypes.c_ubyte)(), []
    while (rc := lib.pcap_next_ex(pcap, ctypes.byref(head), ctypes.byref(data))) == 1:
        h = head.contents
        found.append((h.sec * 10**9 + h.frac, ctypes.string_at(data, h.caplen), h.len))
    error = lib.pcap_geterr(pcap).decode() if rc == -1 else ""
    snaplen = lib.pcap_snapshot(pcap)
    lib.pcap_close(pcap)
    return found, snaplen, error
