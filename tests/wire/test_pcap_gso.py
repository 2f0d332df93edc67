"""A capture's frames that were never on a wire whole: they are cut as their sender's card cut them."""

import itertools
import struct

import frames
import pytest
from captures import T0, pcap
from frames import ACK, CWR, FIN, PSH, SYN
from hypothesis import given
from hypothesis import strategies as st
from unfinished_frames import DESTINATION, HOP_BY_HOP, ROUTING, TAGS, V6, Made, put, run

import vnic
from vnic._core import ffi, lib
from vnic.runs.replay import replay


def cut(frame: Made, payload: bytes, mtu: int, **more) -> list[bytes]:
    """The plain way: what a card makes of it."""
    size = mtu - (len(frame.data) - len(payload) - frame.ip)
    flags = more.pop("flags", ACK)
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
    out = []
    for i, piece in enumerate(pieces):
        mine = flags & ~CWR if i else flags
        mine = mine if i == len(pieces) - 1 else mine & ~(FIN | PSH)
        number = {} if frame.v6 else {"id": (7 + i) & 0xFFFF}
        out.append(Made(payload=piece, flags=mine, seq=1 + i * size, **number, **more).data)
    return out


SHAPES = [
    {},
    {"tags": TAGS[1]},
    {"tags": TAGS[2]},
    {"options": b"\1\1\x08\x0a" + bytes(8)},
    {"v6": True},
    {"v6": True, "tags": TAGS[2]},
    {"v6": True, "headers": (DESTINATION,)},
    {"v6": True, "headers": (HOP_BY_HOP, ROUTING)},
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("how", ["long", "short", "length"])
def test_a_gso_frame_is_cut_as_its_senders_card_had_done(tmp_path, shape, how):
    payload = bytes(i * 7 % 251 for i in range(20_000))
    flags = ACK | PSH | FIN | CWR
    frame = Made(payload=payload, flags=flags, **shape)
    data = frame.left(length=True, ip_sum=not frame.v6) if how == "length" else frame.left(transport=how)
    facts, packets = run(tmp_path, data, Made(tcp=False).data)
    expected = cut(frame, payload, 1500, flags=flags, **shape)
    assert [p.data for p in packets] == [*expected, Made(tcp=False).data]
    assert [p.id for p in packets] == list(range(1, len(expected) + 2))
    told = facts["input"]
    assert (told["frames"], told["bytes"]) == (2, len(data) + len(Made(tcp=False).data))
    assert (told["gso_frames"], told["gso_segments"]) == (1, len(expected))
    assert told["oversize"] == sum(len(d) > 1518 for d in expected)
    assert facts["ledger"]["offered"] == len(expected) + 1


@given(st.integers(1, 65_000), st.integers(576, 9216), st.booleans())
def test_no_byte_is_lost_whatever_the_mtu(tmp_path_factory, size, mtu, v6):
    payload = bytes(i % 251 for i in range(size))
    frame = Made(payload=payload, v6=v6)
    facts, packets = run(tmp_path_factory.mktemp("cut"), frame.left(transport="long"), capture_mtu=mtu)
    assert [p.data for p in packets] == cut(frame, payload, mtu, v6=v6)
    assert facts["input"]["gso_frames"] == (len(packets) > 1)
    assert max(len(p.data) for p in packets) <= mtu + 14


def big_tcp(payload: bytes, *, v6: bool, jumbo: bool = False) -> bytes:
    """Longer than 16 bits can say: the length 0, or in a hop-by-hop header."""
    seg = struct.pack("!HHIIBBHHH", 1000, 80, 1, 1, 5 << 4, ACK, 65535, 0, 0) + payload
    seg = seg[:16] + struct.pack("!H", 0x5555) + seg[18:]  # Linux sums what it can, here that is nobody's
    if not v6:
        return frames.eth(frames.ipv4(seg, 6, total=0, id=7))
    header = struct.pack("!BBBBI", 6, 0, 0xC2, 4, len(seg) + 8) if jumbo else b""
    return frames.eth(frames.ipv6(header + seg, 0 if jumbo else 6, length=0, **V6), type=0x86DD)


@pytest.mark.parametrize("kind", [{"v6": False}, {"v6": True}, {"v6": True, "jumbo": True}])
def test_big_tcp_is_cut_too_and_its_jumbo_header_taken_off(tmp_path, kind):
    payload = bytes(i * 3 % 251 for i in range(180_000))
    facts, packets = run(tmp_path, big_tcp(payload, **kind))
    assert [p.data for p in packets] == segments(payload, v6=kind["v6"])
    assert facts["ledger"]["fates"] == {"DELIVERED_TCP": len(packets)}


def test_a_payload_that_looks_like_a_jumbo_header_is_a_payload(tmp_path):
    """The bytes where IPv6 has it are the first of the payload in IPv4."""
    rest = bytes(i * 3 % 251 for i in range(20_000))
    payload = struct.pack("!BBBBI", 6, 0, 0xC2, 4, len(rest) + 8) + rest
    frame = put(put(big_tcp(payload, v6=False), 18, 0), 20, 0)  # identification, DF
    facts, packets = run(tmp_path, frame)
    assert b"".join(p.data[54:] for p in packets) == payload
    assert facts["ledger"]["fates"] == {"DELIVERED_TCP": len(packets)}


def segments(payload: bytes, *, v6: bool) -> list[bytes]:
    size = 1440 if v6 else 1460
    number = (lambda _: {}) if v6 else (lambda i: {"id": 7 + i})
    return [
        Made(v6=v6, payload=payload[at : at + size], seq=1 + at, **number(at // size)).data
        for at in range(0, len(payload), size)
    ]


def test_off_offers_it_whole_and_completes_it(tmp_path):
    """Frame numbers are the file's then, and what a card would never see goes through it."""
    frame = Made(payload=b"x" * 20_000)
    facts, packets = run(
        tmp_path, frame.left(transport="long"), frame.left(length=True), capture_mtu="off", rx_buf_len=65536
    )
    assert [p.data for p in packets] == [frame.data] * 2
    told = facts["input"]
    assert (told["csum_completed"], told["length_completed"], told["gso_frames"], told["oversize"]) == (1, 1, 0, 2)


@pytest.mark.parametrize(
    "data",
    [
        Made(payload=b"x" * 8000).data,  # a jumbo frame: its checksum is there
        Made(payload=b"x" * 1460).left(transport="long"),  # the MTU
        Made(tcp=False, payload=b"x" * 8000).left(transport="long"),  # UDP: nobody knows its datagrams
        put(Made(payload=b"x" * 8000).left(transport="long"), 20, 0x2000),  # a fragment
        put(Made(payload=b"x" * 8000).left(transport="long"), 16, 4000),  # IP says that it ends before
        Made(payload=b"x" * 8000, flags=SYN).left(transport="long"),
        Made(payload=b"x" * 8000, tags=TAGS[1] * 9).left(transport="long"),
    ],
    ids=["jumbo", "mtu", "udp", "fragment", "padded", "syn", "tags"],
)
def test_what_a_wire_may_have_carried_is_not_cut(tmp_path, data):
    facts, _ = run(tmp_path, data)
    assert (facts["input"]["gso_frames"], facts["ledger"]["offered"]) == (0, 1)


def test_a_gso_frame_that_was_not_captured_whole_is_not_cut(tmp_path):
    path, data = tmp_path / "x.pcap", Made(payload=b"x" * 20_000).left(transport="long")
    path.write_bytes(pcap([(T0, data[:n], len(data)) for n in (60, 2000, len(data) - 1)]))
    told = replay([path]).facts["input"]
    assert (told["gso_frames"], told["cut"]) == (0, 3)


def test_longer_than_any_jumbo_frame_no_wire_has_carried_it(tmp_path):
    """As after LRO: its checksum is the first segment's, or right."""
    facts, packets = run(tmp_path, Made(payload=b"x" * 9300).data)
    assert (facts["input"]["gso_frames"], len(packets)) == (1, 7)


def test_segments_arrive_one_after_the_other(tmp_path):
    """A 64 KB frame is no frame that takes 52 us: each segment has its own time on the wire."""
    frame = Made(payload=b"x" * 14_600)
    facts, packets = run(tmp_path, frame.left(transport="long"), link="10G", at=("wire",))
    gaps = {b.t_ns - a.t_ns for a, b in itertools.pairwise(packets)}
    assert gaps <= {1230, 1231}
    assert len(packets) == 10
    assert facts["ledger"]["fates"] == {"DELIVERED_TCP": 10}


def test_no_frame_of_64_kb_is_lost_to_a_fifo_of_64_kb(tmp_path):
    """Offered whole it would never fit."""
    frame = Made(payload=b"x" * 65_450)
    data = frame.left(transport="long")
    facts, _ = run(tmp_path, *[data] * 3, fifo=65536, link="10G", cost="linux")
    assert "FIFO_OVERRUN" not in facts["ledger"]["fates"]


def test_slots_come_back_also_from_frames_that_are_lost(tmp_path):
    path = tmp_path / "x.pcap"
    data = Made(payload=b"x" * 30_000).left(transport="long")
    path.write_bytes(pcap([(T0, data, len(data))] * 200))
    wire = vnic.CaptureWire([path])
    with vnic.Host(wire=wire, sink=True, link="100G", rx_ring=16, fifo=20_000) as host:
        host.run()
        slots = wire.pcap.slots
        assert host.ledger().fates["FIFO_OVERRUN"] > 100
        assert slots.nfree == slots.n <= 128
        assert sorted(slots.free[0 : slots.n]) == list(range(slots.n))
        assert {slots.room[i] for i in range(slots.n)} <= {0, 2048}


@pytest.mark.parametrize("knobs", [{"speed": "max"}, {"speed": "max", "link": "1G"}, {"speed": "0.5", "link": "inf"}])
def test_the_pace_changes_nothing(tmp_path, knobs):
    frame = Made(payload=bytes(range(250)) * 200)
    facts, packets = run(tmp_path, *[frame.left(transport="long"), Made().left(ip_sum=True)] * 40, **knobs)
    assert facts["ledger"]["offered"] == 40 * 36 == len(packets)
    assert {p.data for p in packets} == {*cut(frame, bytes(range(250)) * 200, 1500), Made().data}


def test_two_files_with_a_frame_that_is_being_cut_where_one_ends(tmp_path):
    frame, paths = Made(payload=b"x" * 60_000), [tmp_path / n for n in "ab"]
    for path in paths:
        data = frame.left(transport="long")
        path.write_bytes(pcap([(T0, data, len(data))] * 3))
    told = replay(paths, cost="zero", fifo=1 << 20).facts
    assert told["input"]["frames"] == 6
    assert told["ledger"]["offered"] == 6 * 42


def test_sending_a_capture_again_cuts_nothing(tmp_path):
    """vnic send has a device with an MTU; what is longer is counted there."""
    path, data = tmp_path / "x.pcap", Made(payload=b"x" * 20_000).left(transport="long")
    path.write_bytes(pcap([(T0, data, len(data))]))
    wire, burst = vnic.CaptureWire([path]), ffi.new("struct frame[4]")
    assert wire.c.read_burst(wire.c, burst, 4) == 1
    assert burst[0].len == len(data)
    wire.close()


def test_the_mtu_of_a_capture_is_a_number_or_off():
    for bad in (575, 65536, "never", "1.5"):
        with pytest.raises(vnic.VnicError, match="capture-mtu="):
            vnic.Host(capture_mtu=bad)
    with vnic.Host(capture_mtu="off") as host:
        assert host.knobs.capture_mtu == "off"
    with vnic.Host() as host:
        assert host.knobs.capture_mtu == 1500
        assert lib.wire_pulled(host.wire.c) == 0


@pytest.mark.parametrize("option", [0x1E, 0x05])
def test_another_hop_by_hop_header_is_no_jumbo_header(tmp_path, option):
    """Its bytes are those of one, but for the option's type: the receiver has to see it."""
    payload = bytes(i * 3 % 251 for i in range(20_000))
    frame = bytearray(big_tcp(payload, v6=True, jumbo=True))
    frame[14 + 40 + 2] = option
    _, packets = run(tmp_path, bytes(frame))
    assert len(packets) > 1
    assert all(p.data[14 + 6] == 0 and p.data[54:62] == bytes(frame[54:62]) for p in packets)
