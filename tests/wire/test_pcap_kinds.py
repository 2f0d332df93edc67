"""What a capture file says of its frames: kinds and versions of pcap, check sequences, interfaces. Oracle: libpcap."""

import json
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import frames
import libpcap
import pcapng_blocks
import pytest
from captures import FRAMES, T0, S, block, option, pad, read, section, simple, whole
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic._core import ffi, lib
from vnic.runs.replay import replay

# ---- building ----

MICRO, NANO, MODIFIED, IXIA_HW, IXIA_SW = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34, 0x1C0001AC, 0x1C0001AB
FCS_PRESENT = 1 << 26
FRAME = FRAMES[4]


def kind(packets, *, magic=MICRO, order="<", version=(2, 4), link=1, snaplen=65535, swap=False) -> bytes:
    """packets: (t_ns, captured bytes, length on the wire)"""
    records = b""
    for t, data, length, *_ in packets:
        lengths = (length, len(data)) if swap else (len(data), length)
        records += struct.pack(order + "IIII", t // S, t % S // (1 if magic in (NANO, IXIA_HW) else 1000), *lengths)
        records += struct.pack(order + "iHBB", 3, 0x0800, 4, 0) if magic == MODIFIED else b""
        records += data
    head = struct.pack(order + "IHHiIII", magic, *version, -3600, 7, snaplen, link)
    return head + (struct.pack(order + "I", len(records)) if magic in (IXIA_HW, IXIA_SW) else b"") + records


def fcs(data: bytes, n: int = 4) -> bytes:
    """With the check sequence that Ethernet puts behind it, or as much as fits in n bytes."""
    return data + struct.pack("<I", zlib.crc32(data))[:n].ljust(n, b"\xfc")


def described(order="<", *, fcslen=None, linktype=1, snaplen=0) -> bytes:
    options = option(order, 13, bytes([fcslen])) if fcslen is not None else b""
    return block(order, 1, struct.pack(order + "HHI", linktype, 0, snaplen) + options + option(order, 0))


def packet(data, *, order="<", interface=0, length=None, flags=None, before=b"", obsolete=False) -> bytes:
    numbers = struct.pack(order + "HH", interface, 0) if obsolete else struct.pack(order + "I", interface)
    head = numbers + struct.pack(order + "IIII", 0, 1, len(data), length or len(data))
    options = before + (option(order, 2, struct.pack(order + "I", flags)) if flags is not None else b"")
    return block(order, 2 if obsolete else 6, head + pad(data) + options + (option(order, 0) if options else b""))


# ---- kinds of pcap ----

PACKETS = [(T0 + i * 1_001_000, data, len(data) + 3 * i) for i, data in enumerate(FRAMES)]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("magic", [MICRO, NANO, MODIFIED, IXIA_HW, IXIA_SW])
def test_every_kind_of_pcap_is_read_in_both_byte_orders(order, magic):
    expected = [(t, d, n, lib.FRAME_CUT * (n > len(d))) for t, d, n in PACKETS]
    assert read(kind(PACKETS, magic=magic, order=order)) == (expected, "")


@pytest.mark.parametrize("magic", [MICRO, NANO, MODIFIED, IXIA_HW, IXIA_SW])
def test_a_file_of_any_kind_may_end_only_between_frames(magic):
    data = kind(PACKETS[:2], magic=magic)
    head, record = 28 if magic in (IXIA_HW, IXIA_SW) else 24, 24 if magic == MODIFIED else 16
    first = head + record + len(PACKETS[0][1])
    for cut in range(4, len(data)):
        got, why = read(data[:cut])
        if cut < head:
            assert (got, why) == ([], "the file ends inside its header")
        else:
            assert why == ("" if cut in (head, first) else f"truncated in frame {1 + (cut > first)}")


@pytest.mark.parametrize("version", [(2, 0), (2, 1), (2, 2), (2, 3), (543, 0)])
@pytest.mark.parametrize("order", "<>")
def test_lengths_are_swapped_before_version_2_3_and_in_it_where_they_cannot_be(version, order):
    expected = [(t, d, n, lib.FRAME_CUT * (n > len(d))) for t, d, n in PACKETS]
    assert read(kind(PACKETS, version=version, order=order, swap=True)) == (expected, "")


def test_version_2_3_with_the_lengths_in_order_is_read_as_it_is():
    expected = [(t, d, n, lib.FRAME_CUT * (n > len(d))) for t, d, n in PACKETS]
    assert read(kind(PACKETS, version=(2, 3))) == (expected, "")


@pytest.mark.parametrize("version", [(2, 5), (3, 4), (543, 1)])
def test_a_later_version_than_the_last_one_is_read_as_that(version):
    assert read(kind(PACKETS, version=version)) == read(kind(PACKETS))


@pytest.mark.parametrize("version", [(0, 0), (1, 0), (1, 4)])
def test_a_version_before_the_first_one_is_refused(version):
    assert read(kind(PACKETS, version=version)) == ([], f"pcap version {version[0]} is not supported")


@pytest.mark.parametrize("snaplen", [0, 1, 60, 262144, 0x7FFFFFFF, 0xFFFFFFFF])
def test_no_snap_length_takes_bytes_from_a_frame_that_is_there(snaplen):
    assert read(kind(whole([(T0, FRAME)]), snaplen=snaplen))[0] == whole([(T0, FRAME)])


@pytest.mark.parametrize("n, why", [(262144, ""), (262145, "frame 1 claims 262145 bytes: the file is damaged")])
def test_the_longest_frame_is_libpcaps(n, why):
    got, said = read(kind([(T0, bytes(n), n)]))
    assert (len(got), said) == (not why, why)


@pytest.fixture(scope="module")
def peer():
    found = libpcap.load()
    if found is None:
        pytest.skip("needs libpcap (libpcap0.8)")
    return found


@st.composite
def files(draw):
    """Kinds that libpcap knows, with lengths of all sorts. It refuses later versions; tshark decides on those."""
    order, magic = draw(st.sampled_from("<>")), draw(st.sampled_from([MICRO, NANO, MODIFIED]))
    version = draw(st.sampled_from([(2, 4), (2, 4), (2, 3), (2, 2), (2, 0), (543, 0), (1, 4)]))
    link = 1 | draw(st.sampled_from([0, 0, 0x24000000, 0x20000000, 0xF4000000, 0x04000000]))
    packets = []
    for size, more in draw(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 40)), max_size=6)):
        packets.append((T0 + 1000 * size, bytes(range(size)), size + more))
    swap = version < (2, 3) or version == (543, 0) or (version == (2, 3) and draw(st.booleans()))
    data = kind(packets, magic=magic, order=order, version=version, link=link, swap=swap,
                snaplen=draw(st.sampled_from([0, 40, 65535, 262144, 0xFFFFFFFF])))  # fmt: skip
    return data[: len(data) - draw(st.sampled_from([0, 0, 0, 1, 9, 20]))], link


@given(files())
def test_libpcap_reads_the_same(peer, tmp_path_factory, file):
    """But it cuts a frame at the snap length, and leaves a check sequence where it is."""
    data, link = file
    path = tmp_path_factory.mktemp("peer") / "x.pcap"
    path.write_bytes(data)
    theirs, snaplen, their_error = libpcap.read(peer, path)
    ours, error = read(data)
    assert bool(error) == bool(their_error), (error, their_error)
    last = (link >> 28) * 2 if link & FCS_PRESENT else 0
    expected = [(t, d[: max(0, n - last)], max(0, n - last)) for t, d, n in theirs]
    assert [(t, d[:snaplen], n) for t, d, n, _ in ours] == expected


needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")


def tshark(path, *fields, options=()):
    asked = [a for f in fields for a in ("-e", f)]
    out = subprocess.run(
        ["tshark", "-n", "-r", str(path), *options, "-T", "fields", *asked], capture_output=True, text=True, check=True
    )
    return [line.split("\t") for line in out.stdout.splitlines()]


@needs_tshark
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("magic", [IXIA_HW, IXIA_SW])
def test_wireshark_reads_ixias_files_the_same(tmp_path, magic, order):
    path = tmp_path / "x.pcap"
    path.write_bytes(kind(whole((t, d) for t, d, _ in PACKETS[:5]), magic=magic, order=order))
    ours, _ = read(path.read_bytes())  # its stamps: hardware's were nanoseconds for it from 4.2 on only
    assert [int(n) for (n,) in tshark(path, "frame.len")] == [n for _, _, n, _ in ours]


# ---- the frame check sequence ----


def facts(path, **options):
    return replay([path], **({"cost": "zero", "link": "inf"} | options)).facts


def segments(n=12):
    return [frames.tcp(bytes([65 + i]) * 400, seq=1000 + 400 * i, id=i) for i in range(n)]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("n", [0, 2, 4, 8, 30])
def test_a_check_sequence_that_the_link_type_field_tells_of_is_taken_off(order, n):
    link = 1 | FCS_PRESENT | (n // 2) << 28
    data = kind(whole((T0, fcs(d, n)) for d in FRAMES), order=order, link=link)
    assert read(data) == (whole((T0, d) for d in FRAMES), "")


@pytest.mark.parametrize("link", [0x20000001, 0x28000001, 0x03FF0001])
def test_a_length_without_the_flag_and_reserved_bits_say_nothing(link):
    """The draft: a reader takes no notice of them."""
    assert read(kind(whole([(T0, FRAME)]), link=link)) == (whole([(T0, FRAME)]), "")


@pytest.mark.parametrize(
    "captured, on_the_wire, kept, length, cut",
    [
        (64, 64, 60, 60, False),
        (62, 64, 60, 60, False),  # only some of it was captured
        (60, 64, 60, 60, False),  # nothing of it, and all of the frame
        (59, 64, 59, 60, True),
        (20, 64, 20, 60, True),
        (3, 3, 0, 0, False),
        (0, 64, 0, 60, True),
    ],
)
def test_of_a_cut_frame_only_what_was_captured_of_it_is_taken_off(captured, on_the_wire, kept, length, cut):
    data = bytes(range(captured))
    expected = [(T0, data[:kept], length, lib.FRAME_CUT * cut)]
    assert read(kind([(T0, data, on_the_wire)], link=0x24000001)) == (expected, "")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("said, n", [(32, 4), (16, 2), (4, 4), (2, 2), (0, 0), (8, 1), (64, 8)])
def test_if_fcslen_is_in_bits_or_what_cannot_be_bits_in_bytes(order, said, n):
    data = section(order) + described(order, fcslen=said) + packet(fcs(FRAME, n), order=order)
    data += simple(fcs(FRAMES[5], n), order=order) + packet(fcs(FRAME, n), order=order, obsolete=True)
    assert [d for _, d, _, _ in read(data)[0]] == [FRAME, FRAMES[5], FRAME]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("obsolete", [False, True])
@pytest.mark.parametrize("on_interface", [None, 0, 16, 32])
def test_a_packets_own_length_goes_before_its_interfaces(order, obsolete, on_interface):
    """epb_flags, pack_flags: bits 5 to 8, bytes; 0 says nothing. Behind other options, too."""
    comment = option(order, 1, b"hello")
    data = section(order) + described(order, fcslen=on_interface)
    for flags, n in ((4 << 5, 4), (2 << 5 | 1, 2), (1, (on_interface or 0) // 8), (15 << 5, 15)):
        data += packet(fcs(FRAME, n), order=order, flags=flags, before=comment, obsolete=obsolete)
    assert [d for _, d, _, _ in read(data)[0]] == [FRAME] * 4


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("obsolete", [False, True])
def test_behind_the_end_of_the_options_is_none(order, obsolete):
    said = option(order, 1, b"hello") + option(order, 0)
    data = section(order) + described(order) + packet(FRAME, order=order, flags=4 << 5, before=said, obsolete=obsolete)
    assert [d for _, d, _, _ in read(data)[0]] == [FRAME]


@pytest.mark.parametrize("order", "<>")
def test_the_last_option_needs_no_end_behind_it(order):
    """The end of the options is said by an option of its own, or by the block's."""
    flags = option(order, 2, struct.pack(order + "I", 4 << 5))
    head = struct.pack(order + "IIIII", 0, 0, 1, len(FRAME) + 4, len(FRAME) + 4)
    data = section(order) + described(order) + block(order, 6, head + pad(fcs(FRAME)) + flags)
    assert [d for _, d, _, _ in read(data)[0]] == [FRAME]


def test_interfaces_differ_in_their_check_sequences(tmp_path):
    path = tmp_path / "x.pcapng"
    data = section() + described(fcslen=32) + described() + packet(fcs(FRAME)) + packet(FRAME, interface=1)
    path.write_bytes(data)
    found = facts(path)
    assert (found["input"]["fcs_stripped"], found["input"]["bytes"]) == (1, 2 * len(FRAME))


def test_frames_with_a_check_sequence_merge_as_those_without(tmp_path):
    """Bug: it was taken for padding, so GRO refused every segment."""
    found = {}
    for name, link, made in (("fcs", 0x24000001, fcs), ("plain", 1, bytes)):
        path = tmp_path / name
        path.write_bytes(kind(whole((T0 + i, made(d)) for i, d in enumerate(segments())), link=link))
        found[name] = facts(path, rx_usecs=100)
        found[name]["input"].pop("files")
        assert found[name]["input"].pop("fcs_stripped") == (12 if name == "fcs" else 0)
        assert found[name]["input"].pop("fcs_bytes") == (48 if name == "fcs" else 0)
    assert found["fcs"] == found["plain"]
    assert found["fcs"]["gro"]["merged"] == 11


def test_no_check_sequence_is_in_what_is_captured_again(tmp_path):
    path, out = tmp_path / "x.pcap", tmp_path / "out.pcapng"
    path.write_bytes(kind(whole([(T0, fcs(FRAME))]), link=0x24000001))
    facts(path, write=out, at=("wire", "nic", "stack"))
    assert {b.data for b in pcapng_blocks.read(out)} == {FRAME}


def test_no_check_sequence_is_sent(tmp_path):
    """To a TAP or a device it would be payload."""
    path, out = tmp_path / "x.pcap", tmp_path / "out"
    path.write_bytes(kind(whole([(T0, fcs(FRAME))]), link=0x24000001))
    wire = vnic.CaptureWire([path])
    with out.open("wb") as f:
        sender = ffi.new("struct sender *", {
            "pcap": wire.pcap, "fd": f.fileno(), "to": lib.SEND_TAP, "frame_max": 1514, "passes": 1, "limit": 2**64 - 1,
            "end_ns": 2**64 - 1, "schedule": {"pace": lib.PACE_TOPSPEED},
        })  # fmt: skip
        while lib.send_step(sender, 1) >= 0:
            pass
    assert out.read_bytes() == FRAME
    wire.close()


@needs_tshark
def test_wireshark_finds_the_check_sequence_where_it_was_taken_off(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(kind(whole([(T0, fcs(FRAME))]), link=0x24000001))
    assert tshark(path, "eth.fcs.status", options=("-o", "eth.check_fcs:TRUE")) == [["1"]]


def test_frames_that_arrived_damaged_are_counted(tmp_path):
    """epb_flags, bits 24 to 31."""
    path = tmp_path / "x.pcapng"
    data = section() + described() + b"".join(packet(FRAME, flags=f) for f in (1 << 24, 1 << 31, 1 << 23, 1 << 16, 2))
    path.write_bytes(data)
    found = facts(path)
    assert (found["input"]["link_errors"], found["ledger"]["offered"]) == (2, 5)


# ---- interfaces, sections ----


@pytest.mark.parametrize("n", [8, 9, 64, 65, 1000, 70_000])
def test_a_section_has_any_number_of_interfaces(n):
    """Bug: 64 was the end. A simple packet is of the first, an obsolete one's number has 16 bits."""
    data = section() + described(linktype=113) + described(fcslen=32) * (n - 2) + described(fcslen=16)
    data += packet(fcs(FRAME, 2), interface=n - 1) + packet(fcs(FRAME), interface=n - 2)
    assert [d for _, d, _, _ in read(data)[0]] == [FRAME, FRAME]
    assert read(data + packet(FRAME, interface=n))[1] == f"frame 3 names interface {n} of {n}: the file is damaged"


def test_sections_without_end_begin_with_no_interface_each():
    data = b"".join(section(o) + described(o) * 20 + packet(FRAME, order=o, interface=19) for o in "<>" * 50)
    assert len(read(data)[0]) == 100
    assert read(data + section() + packet(FRAME))[1] == "frame 101 names interface 0 of 0: the file is damaged"


def test_a_files_interfaces_are_not_the_next_ones(tmp_path):
    """One reader for many files: what the first said of its frames is not said of the second's."""
    a, b = tmp_path / "a.pcap", tmp_path / "b.pcap"
    a.write_bytes(kind(whole([(T0, fcs(FRAME))]), link=0x24000001, version=(2, 2), magic=MODIFIED, order=">"))
    b.write_bytes(kind(whole([(T0, FRAME)])))
    result = replay([a, b], cost="zero").facts["input"]
    assert (result["frames"], result["bytes"], result["fcs_stripped"]) == (2, 2 * len(FRAME), 1)


@pytest.mark.parametrize("said", [(2, 4), (1, 900, 2, 4)])
def test_an_option_that_reaches_beyond_its_block_ends_the_file(said):
    """Its value would be the next block's."""
    head = struct.pack("<IIIII", 0, 0, 1, len(FRAME), len(FRAME)) + pad(FRAME)
    damaged = block("<", 6, head + struct.pack(f"<{len(said)}H", *said))
    found, why = read(section() + described() + packet(FRAME) + damaged + packet(FRAME))
    assert [d for _, d, _, _ in found] == [FRAME]
    assert why == f"an option of {said[1]} bytes in a smaller block: the file is damaged"


def test_ethernet_may_be_described_after_packets_that_are_none(tmp_path):
    """Bug: what came before the first packet decided."""
    path, cooked = tmp_path / "x.pcapng", described(linktype=113) + packet(bytes(30))
    path.write_bytes(section() + cooked * 3 + described() + packet(FRAME, interface=3) + section(">") + described(">"))
    told = facts(path)
    assert (told["input"]["frames"], told["ledger"]["fates"]["LINK_TYPE"]) == (4, 3)
    usb = described(linktype=189) + packet(b"usb" * 9)
    for data in (section() + usb, section() + usb * 2 + section() + usb, section() + usb + b"\5\0\0\0" * 3):
        assert read(data) == ([], "link type 189: holds no packets that vnic knows how to find")


# ---- anything at all ----


@given(
    st.sampled_from([MICRO, NANO, MODIFIED, IXIA_HW, IXIA_SW]),
    st.sampled_from("<>"),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=160),
)
def test_no_header_and_no_garbage_behind_it_crashes_the_reader(magic, order, link, garbage):
    got, why = read(kind([], magic=magic, order=order, link=link & ~0xFFFF | 1) + garbage)
    assert re.fullmatch(r"|truncated in frame \d+|frame \d+ claims \d+ bytes: the file is damaged", why)
    assert all(len(d) <= n for _, d, n, _ in got)


@pytest.mark.slow
def test_the_command_says_what_it_took_off(tmp_path):
    path = Path(tmp_path / "x.pcap")
    path.write_bytes(kind(whole((T0 + i, fcs(d)) for i, d in enumerate(segments())), link=0x24000001))
    command = [sys.executable, "-m", "vnic", "replay", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "12 frames with a frame check sequence" in text
    told = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout)
    assert told["input"]["fcs_stripped"] == 12
