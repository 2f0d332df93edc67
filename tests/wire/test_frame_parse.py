"""Where the headers of a frame are."""

import itertools

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsed import parse

from vnic._core import ffi, lib

V4 = {"src": "10.1.2.3", "dst": "10.4.5.6"}
V6 = {"src": "fd00::1:2", "dst": "fd00::3:4"}


@given(st.binary(min_size=14, max_size=120), st.sampled_from([b"\x08\0E", b"\x86\xdd`", b"\x81\0\0\1\x08\0F", b""]))
def test_what_the_parser_points_at_is_inside_the_frame(raw, start):
    raw = raw[:12] + start + raw[12 + len(start) :] if len(raw) > 20 else raw
    f = parse(raw)
    if f.flags & lib.FRAME_L4:
        assert f.l3_off + 20 <= f.l4_off
        assert f.l4_off + f.l4_len <= len(raw)
        assert f.l4_len >= {6: 20, 17: 8}[f.ip_proto]
    if f.l3:
        assert f.l3_off + {4: 20, 6: 40}[f.l3] <= len(raw)


OPTIONS = st.tuples(st.sampled_from([0, 43, 60]), st.integers(0, 3))  # which header, and how many times 8 bytes more


@pytest.mark.parametrize("proto", [6, 17, 58, 44, 50, 59])
@given(st.lists(OPTIONS, max_size=10), st.integers(0, 2))
def test_the_transport_header_lies_behind_eight_options_headers_at_most_and_all_of_them_before_the_end(
    proto, options, tags
):
    kinds = [kind for kind, _ in options] + [proto]
    headers = [bytes([kinds[i + 1], n]) + bytes(6 + 8 * n) for i, (_, n) in enumerate(options)]
    at, passed = 14 + 4 * tags, sum(map(len, headers[:8]))
    for rest, more in itertools.product((0, 1, 7, 8, 9, 19, 20, 21), (0, 1, -1, -7, -8, -9, -16, -40)):
        body = b"".join(headers) + bytes(rest)
        total = max(len(body) + more, 0)  # as the packet says
        raw = bytearray(frames.eth(frames.ipv6(body, kinds[0], length=total, **V6), type=0x86DD))
        raw[12:12] = b"\x81\0\0\1" * tags
        f = ffi.new("struct frame *", {"data": ffi.from_buffer(raw), "len": len(raw), "l4_len": 77, "ip_proto": 99})
        assert lib.frame_parse(f) == (total == 0)
        found, left = passed <= total <= len(body), total - passed
        assert (f.l3, f.l3_off) == (6, at)
        assert (f.ip_proto, f.l4_len) == ((kinds[min(8, len(options))], left) if found else (0, 0))
        assert not found or f.l4_off == at + 40 + passed
        ports = found and left >= {6: 20, 17: 8}.get(f.ip_proto, 1 << 16)
        assert bool(f.flags & lib.FRAME_L4) == ports
        hashed = lib.HASH_TCPV6 if f.ip_proto == 6 else lib.HASH_UDPV6
        assert f.hash_report == (hashed if ports else lib.HASH_IPV6)


@pytest.mark.parametrize("proto", [6, 17, 1, 47])
@pytest.mark.parametrize("tags", [0, 1, 2])
@pytest.mark.parametrize("frag", [0, 0x4000, 0x2000, 1, 0x1FFF])
def test_the_transport_header_lies_behind_the_ipv4_header_and_ends_with_the_packet(proto, tags, frag):
    for words, rest, more, check in itertools.product(
        (4, 5, 6, 15), (0, 1, 7, 8, 9, 19, 20, 21), (0, 1, 4, 8, -1, -8, -20, -100), (0, 1)
    ):
        body = frames.ipv4(bytes(rest), proto, options=bytes(max(words - 5, 0) * 4), frag=frag, check=check, **V4)
        total = max(len(body) + more, 0)
        raw = bytearray(frames.eth(body))
        raw[14] = 0x40 | words
        raw[16:18] = total.to_bytes(2, "big")
        raw[12:12] = b"\x81\0\0\1" * tags
        f = ffi.new("struct frame *", {"data": ffi.from_buffer(raw), "len": len(raw), "l4_len": 77, "ip_proto": 99})
        assert lib.frame_parse(f) == (check == 0 or (total == 0))
        at, left = 14 + 4 * tags, total - words * 4
        found = words >= 5 and left >= 0 and total <= len(body) and not frag & 0x3FFF
        assert (f.l3, f.l3_off, f.ip_proto, f.l4_len) == (4, at, proto, left if found else 0)
        assert not found or f.l4_off == at + words * 4
        ports = found and left >= {6: 20, 17: 8}.get(proto, 1 << 16)
        plain = lib.FRAME_PLAIN if words == 5 else 0
        assert f.flags & (lib.FRAME_L4 | lib.FRAME_PLAIN) == (lib.FRAME_L4 | plain if ports else 0)
        hashed = lib.HASH_TCPV4 if proto == 6 else lib.HASH_UDPV4
        assert f.hash_report == (hashed if ports else lib.HASH_IPV4)
