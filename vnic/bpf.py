"""Packet filters: classic BPF programs, and expressions (``tcp port 80``), which libpcap compiles if installed."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import index
from typing import Any

from vnic._core import ffi, lib
from vnic.errors import ConfigError

Insn = tuple[int, int, int, int]
"""code, jt, jf, k"""

_DLT_EN10MB = 1
_SNAPLEN = 262144
_NETMASK_UNKNOWN = 0xFFFFFFFF
_DDD = re.compile(r"\s*\d+\s*(?:[\n,]\s*\d+\s+\d+\s+\d+\s+\d+\s*)*[\n,]?\s*")
_compiler = threading.Lock()  # libpcap's compiler is not thread-safe before 1.8


_WORD_MAX = 20  # digits of a number; int() raises its own error for thousands of them


def _after_fork() -> None:
    """Replace the lock: a thread of the parent may hold it, and that thread does not exist in the child."""
    global _compiler  # noqa: PLW0603
    _compiler = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that passed the check; ``str()`` gives the text of ``tcpdump -ddd``.

    Raises:
        ConfigError: the check refused it; the text names the instruction (the first is 0) and the reason.
    """

    insns: tuple[Insn, ...]
    tag_in_bytes: bool = False
    """Made for frames with the VLAN tag inside, as in capture files. Expressions are, the kernel's programs are not."""

    def __post_init__(self) -> None:
        for i, (code, jt, jf, k) in enumerate(self.insns):
            if not (0 <= code <= 0xFFFF and 0 <= jt <= 0xFF and 0 <= jf <= 0xFF and -(1 << 31) <= k < 1 << 32):
                raise ConfigError(f"filter: instruction {i}: a number is out of range")
        at = ffi.new("uint32_t *")
        error = lib.bpf_check(self._c(), len(self.insns), at)
        if error != ffi.NULL:
            text = ffi.string(error).decode()
            raise ConfigError(f"filter: instruction {at[0]}: {text}" if self._counted() else f"filter: {text}")

    def _counted(self) -> bool:
        return 0 < len(self.insns) <= int(lib.BPF_MAXINSNS)

    def _c(self) -> Any:
        return ffi.new("struct bpf_insn[]", [(code, jt, jf, k & 0xFFFFFFFF) for code, jt, jf, k in self.insns])

    def c(self) -> Any:
        """Return a ``struct bpf_prog`` of the program. The caller frees it."""
        prog = lib.bpf_prog_new(self._c(), len(self.insns), self.tag_in_bytes)
        if prog == ffi.NULL:
            raise MemoryError("no memory for the filter")
        return prog

    def __str__(self) -> str:
        return "\n".join([str(len(self.insns)), *(" ".join(map(str, insn)) for insn in self.insns)])


def predicate(program: Program) -> Callable[[bytes], bool]:
    """Return a test for frames outside the path, with VLAN tags in place: does the filter want it?"""
    prog = ffi.gc(program.c(), lib.bpf_prog_free)

    def wants(frame: bytes) -> bool:
        return bool(lib.bpf_run_frame(prog, ffi.from_buffer("uint8_t[]", frame), len(frame), len(frame)))

    return wants


Filter = str | Program | Iterable[Insn]


def compile(program: Filter) -> Program:  # noqa: A001 - its name everywhere
    """Make a filter.

    Args:
        program: an expression (pcap-filter(7)); or a program, as ``tcpdump -ddd`` prints it or as (code, jt, jf, k).

    Raises:
        ConfigError: libpcap refuses the expression (the text is its own) or is not installed, or the check refuses the
            program.
    """
    if isinstance(program, Program):
        return program
    if not isinstance(program, str):
        try:
            return Program(tuple((index(a), index(b), index(c), index(d)) for a, b, c, d in program))
        except (TypeError, ValueError) as e:
            if isinstance(e, ConfigError):
                raise
            raise ConfigError("filter: an instruction is four whole numbers") from e
    if _DDD.fullmatch(program):
        return read(program)
    return Program(_by_libpcap(program), tag_in_bytes=True)


def read(text: str, *, tag_in_bytes: bool = False) -> Program:
    """Parse a program as ``tcpdump -ddd`` prints it. ConfigError: it is malformed, or the check refuses it."""
    words = text.replace(",", " ").split()
    if not words or any(len(word) > _WORD_MAX or not re.fullmatch("-?[0-9]+", word, re.ASCII) for word in words):
        raise ConfigError("filter: a program is numbers below 2^32, as tcpdump -ddd prints it")
    count, *numbers = map(int, words)
    if 4 * count != len(numbers):
        raise ConfigError(f"filter: the first line says {count} instructions, and {len(numbers) // 4} follow")
    each = [iter(numbers)] * 4
    return Program(tuple(zip(*each, strict=True)), tag_in_bytes)


class _Insn(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _BpfProgram(ctypes.Structure):
    _fields_ = (("len", ctypes.c_uint), ("insns", ctypes.POINTER(_Insn)))


@functools.cache
def _libpcap() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("pcap")
    if name is None:
        return None
    try:
        pcap = ctypes.CDLL(name)
    except OSError:
        return None
    pcap.pcap_open_dead.restype = ctypes.c_void_p
    pcap.pcap_geterr.restype = ctypes.c_char_p
    pcap.pcap_geterr.argtypes = pcap.pcap_close.argtypes = (ctypes.c_void_p,)
    pcap.pcap_compile.argtypes = (
        ctypes.c_void_p,
        ctypes.POINTER(_BpfProgram),
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_uint32,
    )
    return pcap


def _by_libpcap(expression: str) -> tuple[Insn, ...]:
    pcap = _libpcap()
    if pcap is None:
        raise ConfigError(f"filter {expression!r}: expressions need libpcap (Debian: apt install libpcap0.8)")
    if "\0" in expression:
        raise ConfigError(f"filter {expression!r}: has a NUL in it")
    program, text = _BpfProgram(), expression.encode(errors="surrogatepass")
    with _compiler:
        handle = pcap.pcap_open_dead(_DLT_EN10MB, _SNAPLEN)
        if not handle:
            raise MemoryError("no memory for libpcap")
        try:
            if pcap.pcap_compile(handle, ctypes.byref(program), text, 1, _NETMASK_UNKNOWN) < 0:
                raise ConfigError(f"filter {expression!r}: {pcap.pcap_geterr(handle).decode(errors='replace')}")
            insns = tuple((i.code, i.jt, i.jf, i.k) for i in program.insns[: program.len])
            pcap.pcap_freecode(ctypes.byref(program))
        finally:
            pcap.pcap_close(handle)
    return insns
