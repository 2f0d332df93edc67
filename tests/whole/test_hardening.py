"""The extension is linked as a program that reads foreign bytes should be: its ELF headers and imports say so."""

import platform
import struct
from pathlib import Path

import pytest

from vnic import _core

ENDBR64 = b"\xf3\x0f\x1e\xfa"
SHT_DYNSYM = 11
PT_LOAD, PT_DYNAMIC, PT_GNU_STACK, PT_GNU_RELRO = 1, 2, 0x6474E551, 0x6474E552
DT_BIND_NOW, DT_FLAGS, DT_FLAGS_1 = 24, 30, 0x6FFFFFFB
DF_BIND_NOW, DF_1_NOW = 8, 1


@pytest.fixture(scope="module")
def image():
    data = Path(_core.__file__).read_bytes()
    if b"__asan_" in data or b"__tsan_" in data:
        pytest.skip("built with a sanitizer, which checks more")
    if b"__stack_chk_fail" not in data and "mutants" in _core.__file__:
        pytest.skip("built by scripts/mutate, without any of it")
    return data


@pytest.fixture(scope="module")
def segments(image):
    """Type -> (flags, offset, size) of each program header (ELF-64, little-endian)."""
    phoff, phentsize, phnum = struct.unpack_from("<32xQ14xHH", image)
    rows = [struct.unpack_from("<IIQQQQ", image, phoff + i * phentsize) for i in range(phnum)]
    return {kind: (flags, offset, size) for kind, flags, offset, _, _, size in rows}


def test_nothing_that_the_linker_fills_in_can_be_written_later(image, segments):
    assert PT_GNU_RELRO in segments
    _, offset, size = segments[PT_DYNAMIC]
    dynamic = dict(struct.iter_unpack("<qQ", image[offset : offset + size]))
    assert DT_BIND_NOW in dynamic or dynamic.get(DT_FLAGS, 0) & DF_BIND_NOW or dynamic.get(DT_FLAGS_1, 0) & DF_1_NOW


def test_the_stack_is_not_executable(segments):
    assert segments[PT_GNU_STACK][0] & 1 == 0


def exported(image):
    """Name -> the file's bytes from its first instruction on, of each function that the extension exports."""
    shoff, shentsize, shnum = struct.unpack_from("<40xQ10xHH", image)
    sections = [struct.unpack_from("<IIQQQQIIQQ", image, shoff + i * shentsize) for i in range(shnum)]
    _, _, _, _, at, size, link, *_ = next(s for s in sections if s[1] == SHT_DYNSYM)
    names = sections[link][4]
    found = {}
    for name, info, _, section, value, _ in struct.iter_unpack("<IBBHQQ", image[at : at + size]):
        if section and info & 15 == 2:
            _, _, _, address, offset, *_ = sections[section]
            text = image[names + name : image.index(b"\0", names + name)].decode()
            found[text] = image[value - address + offset :]
    return found


@pytest.mark.skipif(platform.machine() != "x86_64", reason="landing pads are x86's")
def test_a_jump_through_a_pointer_lands_where_a_function_begins(image):
    """Intel's CET. cffi's module has one function for others; the data plane's are called through pointers inside."""
    functions = exported(image)
    assert set(functions) == {"PyInit__core"}
    assert functions["PyInit__core"].startswith(ENDBR64)
    assert image.count(ENDBR64) > 100


@pytest.mark.parametrize("name", [b"__stack_chk_fail", b"__snprintf_chk", b"__memset_chk"])
def test_buffers_on_the_stack_and_copies_into_them_are_checked(image, name):
    assert name + b"\0" in image
