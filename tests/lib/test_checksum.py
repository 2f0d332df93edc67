"""The Internet checksum against RFC 1071 done plainly and against scapy; each instruction set gives the same."""

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import checksum as scapy_checksum

from vnic._core import ffi, lib


def fold(total: int) -> int:
    """The checksum as it stands in a header, as a number."""
    return int.from_bytes(lib.csum_fold(total).to_bytes(2, "little"), "big")


@given(st.binary(max_size=700), st.integers(0, 7))
def test_a_checksum_is_rfc_1071s_at_any_length_and_alignment(data, offset):
    memory = ffi.new("uint8_t[]", bytes(offset) + data)
    got = fold(lib.csum_partial(memory + offset, len(data), 0))
    assert got == frames.csum(data) == scapy_checksum(data)


@given(
    st.binary(max_size=700) | st.binary(min_size=256, max_size=700),
    st.integers(0, 7),
    st.integers(0, 7),
    st.integers(0, 2**32 - 1),
)
def test_copying_sums_the_same_and_writes_nothing_else(data, source, target, start):
    a = ffi.new("uint8_t[]", bytes(source) + data)
    b = ffi.new("uint8_t[]", list(b"\xee" * (target + len(data) + 64)))
    got = lib.csum_and_copy(b + target, a + source, len(data), start)
    assert fold(got) == fold(lib.csum_partial(a + source, len(data), start))
    assert bytes(b) == b"\xee" * target + data + b"\xee" * 64


@pytest.mark.parametrize("byte", [0x00, 0xFF])
@pytest.mark.parametrize("length", [1, 2, 3, 64, 255, 256, 257, 1514, 65535])
def test_no_carry_of_a_checksum_is_lost(byte, length):
    data = bytes([byte]) * length
    out = ffi.new("uint8_t[]", length)
    for total in (lib.csum_partial(data, length, 0xFFFFFFFF), lib.csum_and_copy(out, data, length, 0xFFFFFFFF)):
        assert fold(total) == frames.csum(data, start=0xFFFF)


@given(st.binary(max_size=300), st.data())
def test_sums_of_even_pieces_add_up(data, draw):
    cut = draw.draw(st.integers(0, len(data) // 2)) * 2
    first = lib.csum_partial(data[:cut], cut, 0)
    assert fold(lib.csum_partial(data[cut:], len(data) - cut, first)) == frames.csum(data)


@pytest.mark.parametrize("build, src, dst, proto", [
    (frames.udp, "10.0.0.1", "10.0.0.2", 17), (frames.tcp, "255.255.255.255", "254.1.2.3", 6),
    (frames.udp, "fd00::1", "ff02::fb", 17), (frames.tcp, "ffff:ffff::ffff", "fe80::1", 6),
])  # fmt: skip
@pytest.mark.parametrize("length", [0, 1, 2, 701, 1400])
def test_a_right_packet_sums_to_zero_with_its_pseudo_header(build, src, dst, proto, length):
    packet = build(bytes(range(256)) * 5 + bytes(120) if length == 1400 else b"\xa5" * length, src=src, dst=dst)[14:]
    version = packet[0] >> 4
    l4 = packet[20 if version == 4 else 40 :]
    pseudo = lib.csum_pseudo(packet, version, len(l4), proto)
    assert fold(lib.csum_partial(l4, len(l4), pseudo)) == 0
    assert fold(pseudo) == frames.csum(frames.pseudo(src, dst, proto, len(l4)))
