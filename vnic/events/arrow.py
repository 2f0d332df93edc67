"""Rows as an Arrow C stream in a PyCapsule. csrc/events/arrow.c makes the stream; vnic needs no library of Arrow's.

The capsule's destructor is a C function: a consumer may drop the capsule when the interpreter is about to end.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.events.table import Table

if TYPE_CHECKING:
    from vnic.events.rows import Rows

_api = ctypes.pythonapi
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(("PyCapsule_New", _api))
_pointer = ctypes.cast(_api.PyCapsule_GetPointer, ctypes.c_void_p).value
lib.arrow_capsule_by(ffi.cast("void *(*)(void *, const char *)", _pointer))


def _address(c: Any) -> int:
    return int(ffi.cast("uintptr_t", c))


def capsule(rows: Rows[Any]) -> object:
    """Return a capsule of a new stream. MemoryError: there is not enough memory for it."""
    table = Table(rows)  # it owns what the struct points to
    stream = lib.arrow_stream_new(table.c)
    if stream == ffi.NULL:
        raise MemoryError("no memory for an Arrow stream")
    drop = ffi.addressof(lib, "arrow_capsule_drop")  # type: ignore[call-arg]
    try:
        return _new(_address(stream), _address(lib.arrow_capsule_name()), _address(drop))
    except BaseException:
        lib.arrow_stream_free(stream)
        raise
