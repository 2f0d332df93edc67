"""What a sender had left to its card, in a capture of its frames before that: checksums, IP lengths, segmentation."""

import frames
import pytest
from captures import T0, pcap
from hypothesis import given
from hypothesis import strategies as st
from unfinished_frames import DESTINATION, HOP_BY_HOP, ROUTING, TAGS, V6, Made, put, run

import vnic
from vnic._core import ffi, lib
from vnic.runs.replay import replay

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


@pytest.mark.parametrize(("n", "completed"), [(65_535, 1), (65_536, 0)])
@pytest.mark.parametrize("v6", [False, True])
def test_a_length_is_completed_up_to_what_its_field_holds(tmp_path, v6, n, completed):
    """n: of all in IPv4, of the payload in IPv6."""
    whole = Made(v6=v6, tcp=False, payload=bytes(n - 8 - (0 if v6 else 20) - (n > 65_535)))
    left = whole.left(length=True) + bytes(n > 65_535)
    facts, packets = run(tmp_path, left, capture_mtu="off", at=("wire",))
    assert (facts["input"]["length_completed"], facts["ledger"]["offered"]) == (completed, 1)
    assert [p.data for p in packets] == ([whole.data] if completed else [left])


@pytest.mark.parametrize("tags", TAGS)
def test_windows_sending_side_is_not_lost(tmp_path, tags):
    """Bug: the header's checksum of 0 was a loss, though the transport's was completed."""
    sent = [Made(tags=tags, payload=bytes([i]) * 400, seq=1 + 400 * i, id=i) for i in range(12)]
    facts, _ = run(tmp_path, *(f.left(ip_sum=True, transport="long") for f in sent), gro=True, rx_usecs=100)
    assert facts["ledger"]["fates"] == ({"DELIVERED_TCP": 12} if len(tags) < 8 else facts["ledger"]["fates"])
    assert facts["input"]["ip_csum_completed"] == facts["input"]["csum_completed"] == 12
    assert facts["gro"]["merged"] == 11


@pytest.mark.slow
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


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("v6", [False, True])
def test_only_a_whole_header_of_the_version_that_the_type_says_is_completed(v6, tags):
    whole = Made(v6=v6, tags=tags)
    left, header = whole.left(ip_sum=not v6, length=True), 40 if v6 else 20
    other = left[: whole.ip] + bytes([0x45 if v6 else 0x65]) + left[whole.ip + 1 :]
    fed = [left, other, *(left[:n] for n in range(whole.ip, whole.ip + header + 2))]
    changed, counted = [], []
    with vnic.Host() as host:
        w = host.wire.c
        for data in fed:
            memory = ffi.new("uint8_t[]", data + bytes(40))
            f = ffi.new("struct frame *", {"data": memory, "len": len(data), "wire_len": len(left)})
            before = int(w.length_completed)
            lib.sender_complete(w, f)
            changed.append(bytes(memory)[: len(data)] != data)
            counted.append(w.length_completed > before)
    assert changed == counted == [True, False] + [False] * header + [True] * 2


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("headers", [(HOP_BY_HOP,), (HOP_BY_HOP, ROUTING)])
def test_the_length_0_of_ipv6_behind_which_a_hop_by_hop_header_may_say_it_stays(tmp_path, headers, tcp):
    data = Made(v6=True, tcp=tcp, headers=headers).left(length=True)
    facts, packets = run(tmp_path, data)
    assert facts["input"]["length_completed"] == 0
    assert [p.data for p in packets] == [data]


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
