"""What a sender had left to its card, in a capture of its frames before that: checksums, IP lengths, segmentation."""

import itertools
import struct

import frames
import pcapng_blocks
import pytest
from captures import T0, pcap
from frames import ACK, CWR, FIN, PSH, SYN
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic._core import ffi, lib
from vnic.runs.replay import replay

V6 = {"src": "fd00::1", "dst": "fd00::2"}
TAGS = [b"", b"\x81\0\0\5", b"\x88\xa8\0\7\x81\0\0\5"]
HOP_BY_HOP = (0, bytes([6, 0, 5, 2, 0, 0, 1, 0]))
DESTINATION = (60, bytes([6, 0, 1, 4, 0, 0, 0, 0]))
ROUTING = (43, bytes([6, 0, 4, 0, 0, 0, 0, 0]))


def put(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + struct.pack("!H", value) + data[at + 2 :]


def partial(l4: bytes, proto: int, length: int, *, v6: bool) -> int:
    """The pseudo-header's sum alone, as it is left in the field."""
    addresses = ("fd00::1", "fd00::2") if v6 else ("10.0.0.1", "10.0.0.2")
    return ~frames.csum(frames.pseudo(*addresses, proto, length)) & 0xFFFF


class Made:
    """One frame, complete; and where what a card completes is in it."""

    def __init__(self, *, v6=False, tcp=True, tags=b"", payload=b"x" * 100, options=b"", headers=(), **more):
        make = frames.tcp if tcp else frames.udp
        addresses = V6 if v6 else {"options": b""} | ({"id": more.pop("id", 7)})
        more = {"dport": 80} | more
        if tcp:
            more["options"] = options
            addresses.pop("options", None)
        self.data = make(payload, **addresses, **more)
        self.v6, self.tcp, self.ip, self.proto = v6, tcp, 14 + len(tags), 6 if tcp else 17
        if headers:
            chain = b"".join(
                bytes([headers[i + 1][0] if i + 1 < len(headers) else self.proto]) + body[1:]
                for i, (_, body) in enumerate(headers)
            )
            l4 = self.data[54:]
            self.data = self.data[:14] + frames.ipv6(chain + l4, headers[0][0], **V6)
        self.l4 = self.ip + (40 if v6 else 20) + sum(len(body) for _, body in headers)
        self.data = self.data[:12] + tags + self.data[12:]
        self.sum_at = self.l4 + (16 if tcp else 6)

    def left(self, *, ip_sum=False, length=False, transport=None) -> bytes:
        """As it was before the card had it. transport: 'long', 'short': the pseudo-header with the length, without."""
        data = self.data
        if length:
            data = put(data, self.ip + (4 if self.v6 else 2), 0)
        if ip_sum:
            data = put(data, self.ip + 10, 0)
        if transport:
            n = len(data) - self.l4 if transport == "long" else 0
            data = put(data, self.sum_at, partial(data[self.l4 :], self.proto, n, v6=self.v6))
        return data


def run(tmp_path, *fed, at=("gro",), **options):
    """Replay frames, 1 us apart. Return: the facts, and the packets at the points that were asked for."""
    path, out = tmp_path / "x.pcap", tmp_path / "out.pcapng"
    path.write_bytes(pcap([(T0 + i * 1000, d, len(d)) for i, d in enumerate(fed)], snaplen=262144))
    options = {"cost": "zero", "link": "inf", "gro": False, "fifo": 1 << 20, "rcvbuf": 1 << 24} | options
    facts = replay([path], write=out, at=at, **options).facts
    assert facts["ledger"]["offered"] == sum(facts["ledger"]["fates"].values())
    assert facts["ledger"]["in_flight"] == 0
    return facts, pcapng_blocks.read(out)


# ---- checksums and lengths ----


@st.composite
def made(draw):
    v6, tcp = draw(st.booleans()), draw(st.booleans())
    headers = ()
    if v6:
        headers = draw(st.sampled_from([(), (HOP_BY_HOP,), (DESTINATION,), (HOP_BY_HOP, ROUTING, DESTINATION)]))
    options = draw(st.sampled_from([b"", b"\1\1\x08\x0a" + bytes(8)])) if tcp else b""
    payload = draw(st.binary(min_size=1, max_size=1).map(lambda b: b * draw(st.integers(20, 1400))))
    return Made(v6=v6, tcp=tcp, tags=draw(st.sampled_from(TAGS)), payload=payload, options=options, headers=headers)


@given(made(), st.booleans(), st.booleans(), st.sampled_from([None, "long", "short"]))
def test_whatever_was_left_to_the_card_is_what_it_would_have_filled_in(tmp_path_factory, frame, ip_sum, length, how):
    ip_sum = ip_sum and not frame.v6
    length = length and not (frame.v6 and frame.data[frame.ip + 6] == 0)  # a hop-by-hop header may say it
    facts, packets = run(
        tmp_path_factory.mktemp("made"), frame.left(ip_sum=ip_sum, length=length, transport=how), frame.data
    )
    assert [p.data for p in packets] == [frame.data] * 2
    counted = {name: facts["input"][name] for name in ("csum_completed", "ip_csum_completed", "length_completed")}
    assert counted == {
        "csum_completed": int(how is not None),
        "ip_csum_completed": int(ip_sum),
        "length_completed": int(length),
    }
    assert facts["input"]["bytes"] == 2 * len(frame.data)


@pytest.mark.parametrize("tags", TAGS)
def test_windows_sending_side_is_not_lost(tmp_path, tags):
    """Bug: the header's checksum of 0 was a loss, though the transport's was completed."""
    sent = [Made(tags=tags, payload=bytes([i]) * 400, seq=1 + 400 * i, id=i) for i in range(12)]
    facts, _ = run(tmp_path, *(f.left(ip_sum=True, transport="long") for f in sent), gro=True, rx_usecs=100)
    assert facts["ledger"]["fates"] == ({"DELIVERED_TCP": 12} if len(tags) < 8 else facts["ledger"]["fates"])
    assert facts["input"]["ip_csum_completed"] == facts["input"]["csum_completed"] == 12
    assert facts["gro"]["merged"] == 11


def test_a_checksum_of_0_that_is_right_stays(tmp_path):
    data = next(
        d for d in (Made(id=i, src=f"10.0.{i >> 8 & 255}.{i & 255}").data for i in range(1 << 17)) if not any(d[24:26])
    )
    facts, packets = run(tmp_path, data)
    assert (facts["input"]["ip_csum_completed"], packets[0].data) == (0, data)


@pytest.mark.parametrize("value", [1, 0x1234, 0xFFFF])
def test_a_wrong_checksum_that_is_not_0_is_a_loss(tmp_path, value):
    facts, _ = run(tmp_path, put(Made().data, 24, value))
    assert facts["ledger"]["fates"] == {"IP_CSUM": 1}


@pytest.mark.parametrize(
    "data, fate",
    [
        (frames.icmp(total=0), "IP_INHDR"),  # no card fills in the length of what it does not cut
        (frames.tcp(b"x" * 100, frag=0x2000, total=0), "IP_INHDR"),
        (frames.tcp(b"x" * 100, total=19), "IP_INHDR"),
        (put(put(Made().data, 24, 0), 14, 0x4300), "IP_INHDR"),  # a header of 12 bytes has no checksum
    ],
)
def test_what_no_card_completes_is_left_alone(tmp_path, data, fate):
    facts, _ = run(tmp_path, data)
    assert facts["ledger"]["fates"] == {fate: 1}
    assert not facts["input"]["length_completed"] + facts["input"]["ip_csum_completed"]


def test_ipv6_without_a_payload_has_the_length_0(tmp_path):
    empty = frames.eth(frames.ipv6(b"", 59, **V6) + bytes(6), type=0x86DD)
    facts, _ = run(tmp_path, empty)
    assert facts["input"]["length_completed"] == 0


def test_udp_without_a_checksum_has_none_in_ipv4(tmp_path):
    facts, packets = run(tmp_path, put(Made(tcp=False).data, 40, 0))
    assert (facts["ledger"]["fates"], facts["input"]["csum_completed"]) == ({"DELIVERED_UDP": 1}, 0)
    assert packets[0].data[40:42] == b"\0\0"


def test_a_fragments_header_is_completed_and_its_datagram_delivered(tmp_path):
    whole = Made(tcp=False, payload=bytes(range(240)))
    body = whole.data[34:]
    pieces = [
        frames.eth(
            frames.ipv4(body[at : at + 80], 17, frag=(at // 8) | (0x2000 if at + 80 < len(body) else 0), check=0)
        )
        for at in range(0, len(body), 80)
    ]
    facts, _ = run(tmp_path, *pieces)
    assert facts["ledger"]["fates"] == {"DELIVERED_UDP": len(pieces)}
    assert facts["input"]["ip_csum_completed"] == len(pieces)


def test_a_cut_frames_header_is_completed_as_far_as_it_goes(tmp_path):
    path, data = tmp_path / "x.pcap", Made().left(ip_sum=True)
    path.write_bytes(pcap([(T0, data[:n], len(data)) for n in (20, 33, 34, 60)]))
    assert replay([path]).facts["input"]["ip_csum_completed"] == 2


def test_strict_csum_takes_all_as_it_is(tmp_path):
    big = Made(payload=b"x" * 20_000)
    fed = [Made().left(ip_sum=True), frames.tcp(b"x" * 100, total=0), Made().left(transport="short"),
           Made(v6=True).left(length=True), Made(v6=True, tcp=False).left(transport="long"),
           big.left(transport="long")]  # fmt: skip
    facts, packets = run(tmp_path, *fed, strict_csum=True, at=("wire",))
    fates = facts["ledger"]["fates"]
    assert (fates["IP_CSUM"], fates["IP_INHDR"], fates["TCP_CSUM"], fates["UDP_CSUM"]) == (1, 1, 2, 1)
    assert [p.data for p in packets] == fed
    assert not any(
        facts["input"][name]
        for name in ("csum_completed", "ip_csum_completed", "length_completed", "gso_frames", "gso_segments")
    )


def test_a_wire_in_memory_completes_likewise(host):
    h = host()
    sock = h.udp(80)
    h.feed([Made(tcp=False, payload=bytes([i]) * 20).left(ip_sum=True, length=True) for i in range(3)] * 2)
    h.run()
    assert [sock.recv() for _ in range(6)] == [bytes([i]) * 20 for i in range(3)] * 2
    assert (h.wire.c.ip_csum_completed, h.wire.c.length_completed) == (6, 6)


# ---- segmentation ----


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
