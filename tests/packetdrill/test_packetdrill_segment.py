"""Segments and bytes: what is built is read again, sums are right, and a packet of any bytes is read or is none."""

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic.packetdrill.script import Opt
from vnic.packetdrill.segment import Segment, build, icmp_packet, read, sums_are_right

PORT, NUMBER = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
options = st.one_of(
    st.sampled_from([Opt("nop"), Opt("sackOK")]),
    PORT.map(lambda n: Opt("mss", (n,))),
    st.integers(0, 255).map(lambda n: Opt("wscale", (n,))),
    st.tuples(NUMBER, NUMBER).map(lambda v: Opt("TS", v)),
    st.tuples(NUMBER, NUMBER, NUMBER, NUMBER).map(lambda v: Opt("sack", v)),
)
flags = st.lists(st.booleans(), min_size=8, max_size=8).map(
    lambda on: "".join(f for f, b in zip("FSRP.UEW", on, strict=True) if b)
)
segments = st.builds(
    Segment, st.just("192.168.0.1"), st.just("192.0.2.1"), PORT, PORT, flags, NUMBER, NUMBER, PORT, PORT,
    st.lists(options, max_size=2).map(tuple), st.integers(0, 3000), st.integers(0, 255), st.integers(0, 255),
)  # fmt: skip


@given(segments)
def test_what_was_built_is_read_again(segment):
    packet = build(segment)
    assert sums_are_right(packet)
    got = read(packet)
    padding = tuple(o for o in got.options if o.kind != "eol")
    assert (got, padding) == (got, segment.options)
    for name in Segment.__slots__:
        if name != "options":
            assert getattr(got, name) == getattr(segment, name)


def test_a_segment_is_as_the_tests_other_builder_makes_it():
    ours = build(Segment("10.0.0.1", "10.0.0.2", 5, 6, "S.", 7, 8, 9, 0, (Opt("mss", (1460,)),), 4))
    theirs = frames.tcp(
        bytes(4),
        sport=5,
        dport=6,
        flags=0x12,
        seq=7,
        ack=8,
        window=9,
        options=b"\2\4\5\xb4",
        src="10.0.0.1",
        dst="10.0.0.2",
    )
    assert ours[20:] == theirs[34:][: len(ours) - 20]


@given(segments, st.integers(0, 59), st.integers(1, 255))
def test_a_changed_byte_is_noticed(segment, at, bits):
    packet = bytearray(build(segment))
    if at < min(len(packet), 40) and at not in (
        0,
        2,
        3,
        9,
        32,
    ):  # the lengths and the protocol: it is another packet then
        packet[at] ^= bits
        assert not sums_are_right(bytes(packet))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_segment_or_none(raw):
    read(raw)
    read(b"\x45" + raw[:1] + b"\0\x50" + raw[:5] + b"\6" + raw)


@pytest.mark.parametrize(
    ("kind", "code", "first"), [("unreachable", "frag_needed", b"\3\4"), ("time_exceeded", None, b"\x0b\0")]
)
def test_icmp_quotes_the_header_and_eight_bytes(kind, code, first):
    quoted = Segment("192.168.0.1", "192.0.2.1", 80, 90, ".", 77, 0, 0, 0, (), 1000)
    packet = icmp_packet(kind, code, 1200, "192.0.2.1", quoted)
    icmp = packet[20:]
    assert (icmp[:2], icmp[6:8], len(icmp)) == (first, (1200).to_bytes(2, "big"), 8 + 28)
    assert frames.csum(icmp) in (0, 0xFFFF)
    assert icmp[28:36] == b"\0\x50\0\x5a\0\0\0\x4d"
