"""Capture files in pcapng's format: blocks, interfaces, clocks, sections."""

import struct

import pytest
from captures import FRAMES, T0, S, block, enhanced, interface, obsolete, option, read, replay, section, simple, whole
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import PcapNgWriter, rdpcap

import vnic
from vnic._core import lib


def test_scapys_pcapng_file_reads_the_same(tmp_path):
    path = tmp_path / "x.pcapng"
    with PcapNgWriter(str(path)) as w:
        for data in FRAMES[:6]:
            w.write(data)
    theirs = [(round(float(p.time) * 1e6), bytes(p)) for p in rdpcap(str(path))]
    ours, error = read(path.read_bytes())
    assert error == ""
    assert [data for _, data, _, _ in ours] == [data for _, data in theirs] == FRAMES[:6]
    assert all(abs(t // 1000 - us) <= 1 for (t, *_), (us, _) in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    "tsresol, tsoffset, ticks, t_ns",
    [
        (None, None, 1_500_000, 1_500_000_000),  # microseconds are the default
        (6, None, 1_500_000, 1_500_000_000),
        (9, None, T0 + 7, T0 + 7),
        (0, None, 1_700_000_000, T0),
        (3, None, 1_234, 1_234_000_000),
        (12, None, 5_999, 5),  # picoseconds
        (0x80, None, 3, 3 * S),  # base 2
        (0x80 | 10, None, 1024 + 512, 1_500_000_000),
        (0x80 | 20, None, 3 << 19, 1_500_000_000),
        (0x80 | 32, None, (T0 // S << 32) + (1 << 31), T0 + S // 2),
        (0x80 | 63, None, 3 << 62, 1_500_000_000),
        (6, 1_700_000_000, 1, T0 + 1000),
        (9, -3, 5 * S, 2 * S),
        (0x80 | 1, 10, 3, 11_500_000_000),
    ],
)
def test_time_resolution_and_offset_of_an_interface(order, tsresol, tsoffset, ticks, t_ns):
    head = section(order) + interface(order, tsresol=tsresol, tsoffset=tsoffset)
    assert read(head + enhanced(b"x" * 60, ticks, order=order)) == (whole([(t_ns, b"x" * 60)]), "")


@pytest.mark.parametrize("order", "<>")
def test_interfaces_have_clocks_of_their_own(order):
    data = section(order) + interface(order) + interface(order, tsresol=9) + interface(order, tsresol=0x83, tsoffset=1)
    for ticks, i in ((5, 0), (5_000, 1), (4, 2)):
        data += enhanced(b"%d" % i * 20, ticks, order=order, interface=i)
    assert read(data) == (whole([(5_000, b"0" * 20), (5_000, b"1" * 20), (S + S // 2, b"2" * 20)]), "")


@pytest.mark.parametrize("order", "<>")
def test_obsolete_and_simple_packet_blocks(order):
    """A simple one has no stamp: it is as late as the one before."""
    data = section(order) + interface(order, snaplen=50) + enhanced(b"a" * 30, 7, order=order)
    data += (
        obsolete(b"b" * 41, 9, order=order) + simple(b"c" * 42, order=order) + simple(b"d" * 50, order=order, length=99)
    )
    expected = [
        *whole([(7_000, b"a" * 30), (9_000, b"b" * 41), (9_000, b"c" * 42)]),
        (9_000, b"d" * 50, 99, lib.FRAME_CUT),
    ]
    assert read(data) == (expected, "")


def test_simple_packets_among_stamped_ones_do_not_go_backwards(tmp_path):
    path = tmp_path / "x.pcapng"
    path.write_bytes(section() + interface(tsresol=9) + (enhanced(FRAMES[0], T0) + simple(FRAMES[1])) * 3)
    with replay(path) as host:
        assert (host.wire.c.backwards, host.wire.c.frames) == (0, 6)


def test_blocks_nobody_knows_are_skipped():
    data = section() + block("<", 0x0BAD, b"?" * 40) + interface() + block("<", 5, bytes(12)) + enhanced(b"x" * 60, 0)
    assert read(data) == (whole([(0, b"x" * 60)]), "")


def test_a_new_section_brings_its_own_byte_order_and_interfaces():
    data = b"".join(
        section(o) + interface(o, tsresol=n) + enhanced(b"x" * 20, 1, order=o) for o, n in (("<", 3), (">", 6))
    )
    assert read(data) == (whole([(1_000_000, b"x" * 20), (1000, b"x" * 20)]), "")


def test_frames_of_another_link_without_a_packet_have_a_fate_of_their_own(tmp_path):
    path = tmp_path / "x.pcapng"
    data = section() + interface(linktype=113) + interface()
    path.write_bytes(data + enhanced(bytes(60), 1) + enhanced(FRAMES[0], 2, interface=1) + enhanced(bytes(60), 3))
    with replay(path) as host:
        assert host.ledger().fates["LINK_TYPE"] == 2
        assert host.ledger().offered == 3
        (link,) = host.wire.links
        assert link == {"linktype": 113, "name": "Linux cooked", "carried": 0, "aliens": 2}
        assert host.wire.error_text == ""


@pytest.mark.parametrize("cooked", [b"", enhanced(b"cooked" * 10, 1)])
def test_a_file_without_a_frame_asks_for_the_next_when_it_is_read_and_not_before(tmp_path, cooked):
    paths = [tmp_path / "none.pcapng", tmp_path / "one.pcapng"]
    paths[0].write_bytes(section() + interface(linktype=113) + interface() + cooked)
    paths[1].write_bytes(section() + interface() + enhanced(FRAMES[0], 1))
    wire = vnic.CaptureWire(paths)
    assert wire.c.hungry == 0
    with pytest.raises(vnic.VnicError, match="asks for the next file when it has ended"):
        wire.refill()
    with vnic.Host(wire=wire, sink=True, cost="zero", link="inf") as host:
        host.run()
        assert host.ledger().offered == 1 + bool(cooked)


OPTIONS = st.lists(st.tuples(st.integers(1, 0xFFFF), st.binary(max_size=9)), max_size=4)


@given(OPTIONS, st.sampled_from("<>"), st.booleans())
def test_a_sections_options_are_passed_over_whatever_their_lengths(options, order, end):
    made = b"".join(option(order, code, value) for code, value in options) + (option(order, 0) if end else b"")
    data = section(order, made) + interface(order) + enhanced(FRAMES[0], 5, order=order)
    assert read(data) == (whole([(5000, FRAMES[0])]), "")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("before", "n", "damaged"), [(0, 4, False), (1, 4, False), (0, 5, True), (3, 5, True)])
def test_an_option_longer_than_its_section_header_is_damage(order, before, n, damaged):
    said = b"".join(option(order, 4, b"x" * (i + 1)) for i in range(before)) + struct.pack(order + "HH", 4, n) + b"abcd"
    frames, error = read(section(order, said) + interface(order) + enhanced(FRAMES[0], 5, order=order))
    assert bool(error) == damaged
    assert (f"an option of {n} bytes in a smaller block" in error) == damaged
    assert len(frames) == (not damaged)
