"""Where the headers of a frame are."""

from hypothesis import given
from hypothesis import strategies as st
from parsed import parse

from vnic._core import lib


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
