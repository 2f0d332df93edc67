"""The capture reader: scapy as oracle, every header field by hand, and files cut or damaged anywhere."""

import errno
import re
import struct
from itertools import accumulate

import pytest
from captures import (
    FRAMES,
    T0,
    S,
    enhanced,
    interface,
    obsolete,
    pcap,
    read,
    replay,
    section,
    simple,
    whole,
)
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import PcapWriter, RawPcapReader

import vnic
from vnic._core import ffi, lib

STAMPS = [T0 + n for n in (0, 1_000, 2_000_999, 3 * S, 3 * S + 1, 3 * S + 999_999_999, 4 * S, 5 * S)]

# ---- building captures ----


# ---- reading ----


# ---- scapy is the oracle ----


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nano", [False, True])
def test_scapys_pcap_files_read_the_same(tmp_path, order, nano):
    path = tmp_path / "x.pcap"
    with PcapWriter(str(path), linktype=1, endianness=order, nano=nano) as w:
        w.write_header(None)
        for t, data in zip(STAMPS, FRAMES, strict=True):
            w.write_packet(
                data, sec=t // S, usec=t % S // (1 if nano else 1000), caplen=len(data), wirelen=len(data) + 5
            )
    resolution = 1 if nano else 1000
    expected = [
        (t // resolution * resolution, d, len(d) + 5, lib.FRAME_CUT) for t, d in zip(STAMPS, FRAMES, strict=True)
    ]
    assert read(path.read_bytes()) == (expected, "")
    with RawPcapReader(str(path)) as r:
        assert [(m.sec * S + m.usec * resolution, d) for d, m in r] == [e[:2] for e in expected]


@pytest.mark.parametrize("order", "<>")
def test_scapy_agrees_on_our_own_files(tmp_path, order):
    """The builders of this file write what scapy reads: so what they build and scapy does not know is right as well."""
    for name, data in {
        "x.pcap": pcap([(t, d, len(d)) for t, d in zip(STAMPS, FRAMES, strict=True)], order=order, nano=True),
        "x.pcapng": section(order) + interface(order, tsresol=9)
        + b"".join(enhanced(d, t, order=order) for t, d in zip(STAMPS, FRAMES, strict=True)),
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(data)
        with RawPcapReader(str(tmp_path / name)) as r:
            assert [d for d, _ in r] == FRAMES
        assert read(data) == (whole(zip(STAMPS, FRAMES, strict=True)), "")


# ---- pcapng, field by field ----


def test_a_frame_cut_by_the_snap_length_is_offered_as_captured_and_flagged(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([(0, FRAMES[0], len(FRAMES[0])), (1000, FRAMES[4][:60], len(FRAMES[4]))], snaplen=60))
    assert [(len(d), n, flags) for _, d, n, flags in read(path.read_bytes())[0]] == [
        (42, 42, 0),
        (60, 1442, lib.FRAME_CUT),
    ]
    with replay(path) as host:
        assert (host.wire.c.cut, host.ledger().offered) == (1, 2)


def test_a_length_below_the_captured_one_is_not_a_cut():
    assert read(pcap([(0, b"x" * 60, 10)])) == (whole([(0, b"x" * 60)]), "")


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "an empty file"),
        (b"hello, world", "not a capture file (pcap or pcapng)"),
        (pcap([], linktype=189), "link type 189: holds no packets that vnic knows how to find"),
        (section() + interface(linktype=189), "link type 189: holds no packets that vnic knows how to find"),
        (b"\xd4\xc3\xb2\xa1\1\0" + pcap([])[6:], "pcap version 1 is not supported"),
        (section()[:12] + b"\2\0" + section()[14:], "pcapng version 2.0 is not supported"),
        (section()[:14] + b"\1\0" + section()[16:], "pcapng version 1.1 is not supported"),
        (section(options=b"\4\0\x99\0"), "an option of 153 bytes in a smaller block: the file is damaged"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path, data, why):
    assert read(data) == ([], why)
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(vnic.CaptureError, match=re.escape(why)):
        vnic.CaptureWire([tmp_path / "x"])


@pytest.mark.parametrize(
    "tail, why",
    [
        (enhanced(b"x" * 20, 0, interface=1), "frame 2 names interface 1 of 1: the file is damaged"),
        (
            enhanced(b"x" * 20, 0)[:-4] + struct.pack("<I", 68),
            "a block of 60 bytes behind frame 1 ends with another length: the file is damaged",
        ),
        *(
            (made[:20] + struct.pack("<I", n) + made[24:] + section(), f"frame 2 claims {n} bytes: the file is damaged")
            for made in [enhanced(b"x" * 20, 0)]
            for n in (29, 30, 32, 36, 40, 100, 300_000)  # 28 are left, with what follows the packet
        ),
        (struct.pack("<II", 5, 8) + bytes(8), "a block of 8 bytes behind frame 1: the file is damaged"),
        (
            struct.pack("<II", 5, 13) + bytes(8),
            "a block of 13 bytes behind frame 1 ends with another length: the file is damaged",
        ),
        (section()[:8] + b"ABCD" + section()[12:], "a section header with an unknown byte order: the file is damaged"),
    ],
)
def test_damage_is_named_and_what_came_before_is_kept(tail, why):
    first = enhanced(b"x" * 60, 4)
    assert read(section() + interface() + first + tail) == (whole([(4_000, b"x" * 60)]), why)


# ---- cut anywhere, damaged anywhere ----

SMALL = [(1000 * i, bytes([i]) * (14 + 3 * i), 14 + 3 * i) for i in range(1, 4)]


def pieces(order: str, *, ng: bool) -> list[bytes]:
    """A small capture, in pieces between which it may end."""
    if not ng:
        return [pcap([], order=order)] + [pcap([p], order=order)[24:] for p in SMALL]
    first, second, third = (data for _, data, _ in SMALL)
    return [section(order), interface(order), enhanced(first, 1, order=order), interface(order, tsresol=9),
            simple(second, order=order), obsolete(third, 5, order=order, interface=1)]  # fmt: skip


CAPTURES = {f"{'pcapng' if ng else 'pcap'}{o}": pieces(o, ng=ng) for ng in (False, True) for o in "<>"}


@pytest.mark.parametrize("parts", CAPTURES.values(), ids=CAPTURES)
def test_a_file_cut_at_any_byte_ends_cleanly_or_says_in_which_frame(parts):
    data = b"".join(parts)
    ends = set(accumulate(len(p) for p in parts))
    complete, error = read(data)
    assert (len(complete), error) == (3, "")
    for cut in range(len(data)):
        got, error = read(data[:cut])
        assert got == complete[: len(got)]
        if cut < 4:
            assert error == ("not a capture file" if cut else "an empty file")
        elif cut < 24 and data[:4] != b"\x0a\x0d\x0d\x0a":
            assert error == "the file ends inside its header"
        else:
            assert error == ("" if cut in ends else f"truncated in frame {len(got) + 1}")


REASONS = re.compile(
    r"|truncated in frame \d+|frame \d+ (claims \d+ bytes|names interface \d+ of \d+): the file is damaged"
    r"|a block of \d+ bytes behind frame \d+( ends with another length)?: the file is damaged"
    r"|not a capture file \(pcap or pcapng\)"
    r"|a section header with an unknown byte order: the file is damaged|pcap(ng)? version [\d.]+ is not supported"
    r"|an option of \d+ bytes in a smaller block: the file is damaged"
    r"|an interface description too short: the file is damaged"
    r"|link type \d+: holds no packets that vnic knows how to find"
)


@given(st.sampled_from(sorted(CAPTURES)), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=6))
def test_no_damage_crashes_the_reader(name, damage):
    data = bytearray(b"".join(CAPTURES[name]))
    for at, value in damage:
        data[at % len(data)] = value
    got, error = read(bytes(data))
    assert REASONS.fullmatch(error)
    assert len(got) <= len(data) // 12


@given(st.binary(max_size=200), st.sampled_from([section(), section() + interface(), pcap([])]))
def test_no_garbage_crashes_the_reader(garbage, head):
    assert REASONS.fullmatch(read(head + garbage)[1])


@pytest.mark.parametrize("ticks", [(0, 2**64 - 1), (2**64 - 5, 3, 9), (5, 2**63, 6), (0, 2**64 - 1000, 2**64 - 500)])
def test_stamps_at_the_end_of_time_end_in_a_fate(tmp_path, ticks):
    path = tmp_path / "x.pcapng"
    path.write_bytes(section() + interface(tsresol=9) + b"".join(enhanced(FRAMES[0], t) for t in ticks))
    with replay(path) as host:
        host.finish()
        assert host.ledger().fates == {"DELIVERED_UDP": len(ticks)}
        assert host.laws() == 0


# ---- several files, and time ----


def arrivals(paths):
    """When each frame of these files arrives, ns of virtual time."""
    wire = vnic.CaptureWire(paths)
    wire.c.speed_ppm, wire.c.ps_per_byte = 1_000_000, 0
    burst, out = ffi.new("struct frame[4]"), []
    while (n := lib.wire_next(wire.c, burst, 4, 0)) != -errno.ENODATA:
        if n > 0:
            out += [(f.id, f.t_ns) for f in burst[0:n]]
        elif wire.c.hungry:
            wire.refill()
    backwards = wire.c.backwards
    wire.close()
    return out, backwards


@pytest.mark.parametrize(
    "files, expected, backwards",
    [
        ([[5, 7, 9]], [0, 2, 4], 0),
        ([[5, 9, 7, 8, 10]], [0, 4, 4, 4, 5], 2),  # clamped to the latest seen
        ([[5, 7], [8, 9]], [0, 2, 3, 4], 0),  # the second is later: its distance is kept
        ([[5, 7], [1, 4]], [0, 2, 2, 5], 0),  # it is earlier: follows on from the last frame
        ([[5, 7], [1, 4], [2, 3]], [0, 2, 2, 5, 5, 6], 0),
        ([[5, 7], [], [1, 4]], [0, 2, 2, 5], 0),
        ([[], [5, 7]], [0, 2], 0),
        ([[5, 7], [1, 4, 2]], [0, 2, 2, 5, 5], 1),
        ([[5, 6, 7, 8, 9], [6, 9]], [0, 1, 2, 3, 4, 4, 7], 0),  # the border is inside a burst
    ],
)
def test_several_files_are_one_wire(tmp_path, files, expected, backwards):
    paths = []
    for i, stamps in enumerate(files):
        paths.append(tmp_path / f"{i}.pcap")
        paths[-1].write_bytes(pcap([(T0 + s * S, b"x" * 60, 60) for s in stamps]))
    assert arrivals(paths) == ([(i, s * S) for i, s in enumerate(expected, 1)], backwards)


def test_the_number_in_truncated_counts_within_its_file(tmp_path):
    a, b = tmp_path / "a.pcap", tmp_path / "b.pcap"
    a.write_bytes(pcap([(0, FRAMES[0], 42)] * 5))
    b.write_bytes(pcap([(0, FRAMES[0], 42)] * 2)[:-1])
    with vnic.Host(wire=vnic.CaptureWire([a, b]), sink=True, cost="zero") as host:
        host.run()
        assert host.ledger().offered == 6
        assert (host.wire.path, host.wire.error_text) == (b, "truncated in frame 2")
        assert host.wire.bytes_read < host.wire.bytes_total
