"""How much of malloc()'s memory is in use: for a test that says that all is given back."""

import ctypes


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def bytes_in_use() -> int:
    """Of the whole process; Python's own small objects are not among them (mallinfo(3))."""
    call = ctypes.CDLL(None).mallinfo2
    call.restype = _Mallinfo2
    info = call()
    return int(info.uordblks + info.hblkhd)


def growth(what, times: int = 10) -> int:
    """Call it once, so that what stays is there, then so often. Return: bytes a call that were not given back."""
    what()
    before = bytes_in_use()
    for _ in range(times):
        what()
    return (bytes_in_use() - before) // times
