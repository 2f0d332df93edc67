"""Captures: what the file says of a packet at each point, as scapy and tshark read it."""

import struct
import subprocess

import frames
import pcapng_blocks
import peer
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from pcapng_blocks import read_back

import vnic
import vnic.capture

BASE_NS = 1_700_000_000_123_456_789


def tagged(tpid, tci):
    inner = frames.udp(b"tagged")
    return inner[:12] + struct.pack("!HH", tpid, tci) + inner[12:]


@pytest.fixture
def capture(host, tmp_path):
    """capture([frame, ...], knob=...) -> what is in the file."""

    def run(fed, *, base_ns=0, gap_ns=0, **knobs):
        h = host(**knobs)
        tap = vnic.Capture(h, tmp_path / "tap.pcapng", base_ns=base_ns)
        h.feed(fed, at_ns=0, gap_ns=gap_ns)
        h.run()
        tap.close()
        return read_back(tmp_path / "tap.pcapng")

    return run


def test_bytes_order_and_stamps(capture):
    fed = [frames.udp(b"one"), frames.icmp(), frames.arp(), frames.eth(b"who?", type=0x88B5)]
    got = capture(fed, base_ns=BASE_NS, gap_ns=1001)
    assert got == [(BASE_NS + 1001 * i, frame) for i, frame in enumerate(fed)]


def test_an_empty_capture_is_a_capture(capture, tmp_path):
    assert capture([]) == []
    assert (tmp_path / "tap.pcapng").stat().st_size > 28


@given(st.lists(st.binary(min_size=14, max_size=600), max_size=20), st.sampled_from((128, 2048)))
def test_any_frame_comes_back_as_it_was(tmp_path_factory, fed, rx_buf_len):
    """But those with a VLAN tag, see below."""
    fed = [f for f in fed if f[12:14] not in {b"\x81\x00", b"\x88\xa8"}]
    path = tmp_path_factory.mktemp("tap") / "any.pcapng"
    with vnic.Host(cost="zero", link="inf", gro=False, rx_buf_len=rx_buf_len) as host:
        tap = vnic.Capture(host, path)
        host.feed(fed)
        host.run()
        assert tap.packets == len(fed)
        tap.close()
    assert [data for _, data in read_back(path)] == fed


@pytest.mark.parametrize("tpid", [0x8100, 0x88A8])
@pytest.mark.parametrize("tci", [5, 0x6005, 0xE000, 0x0FFF])
def test_the_vlan_tag_is_put_back_and_the_packet_is_there_once(capture, tpid, tci):
    frame = tagged(tpid, tci)
    assert [data for _, data in capture([frame])] == [frame]


def test_merged_packets_are_one_with_the_first_ones_headers(capture):
    segments = [frames.tcp(b"%d" % i * 100, seq=1 + 100 * i, id=7 + i) for i in range(5)]
    ((_, merged),) = capture(segments)
    assert merged[54:] == b"".join(s[54:] for s in segments)
    assert merged[16:20] == struct.pack("!HH", 40 + 500, 7)
    assert frames.csum(merged[14:34]) == 0


def test_a_tag_is_put_back_in_front_of_a_merged_packet(capture):
    segments = [frames.tcp(bytes([i]) * 100, seq=1 + 100 * i, id=i, mac={"vlan": 5}) for i in range(3)]
    ((_, merged),) = capture(segments)
    assert merged[:18] == segments[0][:18]
    assert merged[58:] == b"".join(s[58:] for s in segments)


def test_without_gro_they_are_as_many(capture):
    segments = [frames.tcp(b"x" * 100, seq=1 + 100 * i) for i in range(5)]
    assert [data for _, data in capture(segments, gro=False)] == segments


def test_packets_for_other_hosts_are_seen_and_what_the_card_dropped_is_not(capture):
    ours, theirs = frames.udp(b"ours"), frames.udp(b"theirs", mac={"dst": b"\x02\0\0\0\0\x99"})
    mac = "02:00:00:00:00:01"
    assert [f for _, f in capture([ours, theirs], mac=mac, promisc=True)] == [ours, theirs]
    assert [f for _, f in capture([ours, theirs], mac=mac)] == [ours]


def test_what_a_protocol_drops_later_is_seen(capture):
    bad = frames.udp(check=1)
    assert [f for _, f in capture([bad])] == [bad]


@pytest.mark.parametrize("at", [*vnic.capture.POINTS, vnic.capture.POINTS])
def test_a_capture_changes_no_fate_and_no_time(host, tmp_path, at):
    hosts = [host(sink=True, cost="linux", cpus=2, rps_cpus="3", latency=True) for _ in range(2)]
    tap = vnic.Capture(hosts[0], tmp_path / "tap.pcapng", at=at)
    for h in hosts:
        h.feed([frames.udp(sport=i) for i in range(300)], gap_ns=100)
        h.run()
    tap.close()
    assert hosts[0].ledger() == hosts[1].ledger()
    assert hosts[0].softnet() == hosts[1].softnet()
    assert hosts[0].latencies() == hosts[1].latencies()


# ---- points ----


@given(strategies.configs(), strategies.traffic())
def test_the_file_has_each_frame_once_at_the_wire_and_every_fate(tmp_path_factory, config, traffic):
    path = tmp_path_factory.mktemp("tap") / "all.pcapng"
    knobs = {name: value for name, value in config.items() if name != "python"}
    with vnic.Host(**knobs) as h:
        if config["python"]:
            h.packet_type(0x88B5)(lambda burst: [len(packet) % 2 for packet in burst])
        vnic.Capture(h, path, at=("wire", "nic", "stack"))
        h.feed(traffic)
        h.finish()
        ledger, ledger_tx = h.ledger(), h.tx_ledger()
        taken = h.nic.stats().rx_packets
        for capture in h.nic.captures:
            capture.close()
    blocks = pcapng_blocks.read(path)
    wire, nic, stack = (pcapng_blocks.at(blocks, point) for point in ("wire", "nic", "stack"))
    sent, wire = [b for b in wire if b.sent], [b for b in wire if not b.sent]
    assert len(sent) == ledger_tx.fates.get("TX_SENT", 0)
    assert sorted(b.id for b in wire) == list(range(1, len(traffic) + 1))
    assert sorted(b.data for b in wire) == sorted(frame if isinstance(frame, bytes) else frame[1] for frame in traffic)
    assert sorted(b.id for b in nic) == sorted(b.id for b in wire if not b.fate)
    assert len(nic) == taken
    assert {b.id for b in stack} <= {b.id for b in nic}
    assert sum(b.frames for b in stack) == len(nic)
    assert pcapng_blocks.fates(wire + stack) == ledger.fates


@given(st.lists(st.binary(min_size=14, max_size=600), max_size=20), st.sampled_from((128, 2048)))
def test_bytes_are_the_same_at_all_points(tmp_path_factory, fed, rx_buf_len):
    fed = [f[:12] + b"\x88\xb5" + f[14:] for f in fed]
    path = tmp_path_factory.mktemp("tap") / "any.pcapng"
    with vnic.Host(cost="zero", link="inf", rx_buf_len=rx_buf_len) as host:
        tap = vnic.Capture(host, path, at=vnic.capture.POINTS)
        host.feed(fed)
        host.run()
        tap.close()
    blocks = pcapng_blocks.read(path)
    for point in vnic.capture.POINTS:
        assert [(b.id, b.data) for b in pcapng_blocks.at(blocks, point)] == list(enumerate(fed, 1))


def captured(host, tmp_path, fed, *, gap_ns=0, at=vnic.capture.POINTS, **knobs):
    h = host(**knobs)
    tap = vnic.Capture(h, tmp_path / "tap.pcapng", at=at)
    h.feed(fed, at_ns=0, gap_ns=gap_ns)
    h.finish()
    tap.close()
    return pcapng_blocks.read(tmp_path / "tap.pcapng")


def test_what_the_card_loses_is_at_the_wire_with_the_reason(host, tmp_path):
    frame = frames.udp(b"x" * 1000)
    theirs = frames.udp(mac={"dst": b"\2\0\0\0\0\x99"})
    fed = [theirs, b"short", *[frame] * 60]
    blocks = captured(
        host, tmp_path, fed, sink=True, mac="02:00:00:00:00:01", fifo=4096, rx_ring=16, cost="linux", link="100G"
    )
    wire = pcapng_blocks.at(blocks, "wire")
    assert wire[0].comment == "MAC_FILTER: not for us: the address filter"
    assert wire[1].fate == "RX_LENGTH"
    lost = [b for b in wire if b.fate == "FIFO_OVERRUN"]
    assert {b.comment for b in lost} == {"FIFO_OVERRUN: the card's FIFO was full (rx_fifo_errors)"}
    assert len(pcapng_blocks.at(blocks, "nic")) == len(fed) - 2 - len(lost)


def test_what_the_host_decides_is_at_the_stack_whole(host, tmp_path):
    fed = [frames.udp(b"one"), frames.tcp(b"two"), frames.udp(check=1), frames.eth(b"who?", type=0x88B5), frames.arp()]
    stack = pcapng_blocks.at(captured(host, tmp_path, fed, sink=True, gro=False), "stack")
    assert [b.data for b in stack] == fed
    assert [b.comment for b in stack] == [
        "DELIVERED_UDP: in a UDP socket's queue",
        "DELIVERED_TCP: taken by a TCP stream: data queued in order, or a segment without data",
        "UDP_CSUM: bad UDP checksum",
        "UNHANDLED_PROTO: no protocol handler for it",
        "DELIVERED_ARP: taken by ARP",
    ]


@pytest.mark.parametrize("rx_buf_len", [128, 2048])
def test_a_merged_packet_says_of_which_frames_it_was_made(host, tmp_path, rx_buf_len):
    sizes = [1000, 1000, 300]
    fed = [frames.tcp(b"x" * n, seq=1 + 1000 * i, id=i) for i, n in enumerate(sizes)]
    blocks = captured(host, tmp_path, [frames.udp(), *fed], sink=True, rx_buf_len=rx_buf_len)
    (gro,) = (b for b in pcapng_blocks.at(blocks, "gro") if b.frames > 1)
    (stack,) = (b for b in pcapng_blocks.at(blocks, "stack") if b.frames > 1)
    assert (gro.id, gro.comment) == (2, "3 frames: 1000 1000 300")
    assert (stack.id, stack.data) == (2, gro.data)
    assert stack.comment.endswith("a segment without data; 3 frames: 1000 1000 300")


def test_what_is_lost_when_a_program_closes_its_stream_is_as_late_as_the_latest_cpu(host, tmp_path):
    h = host(gro=False, cpus=2, cost="linux")
    listener = h.tcp(80)
    tap = vnic.Capture(h, tmp_path / "tap.pcapng", at="stack")
    h.feed([frames.tcp(seq=0, flags=2), frames.tcp(b"early", seq=11)], at_ns=5000)
    h.run()
    listener.accept().close()
    tap.close()
    lost = pcapng_blocks.read(tmp_path / "tap.pcapng")[-1]
    assert (lost.fate, lost.t_ns) == ("TCP_CLOSE", h.now_ns)
    assert h.now_ns > 5000


def test_of_very_many_the_first_are_said(host, tmp_path):
    fed = [frames.tcp(b"x" * 100, seq=1 + 100 * i, id=i) for i in range(40)]
    (gro,) = captured(host, tmp_path, fed, sink=True, at="gro")
    assert gro.comment == "40 frames:" + " 100" * 16 + " ..."


def test_each_has_its_queue_and_its_stamp(host, tmp_path):
    fed = [frames.udp(sport=i + 1) for i in range(50)]
    blocks = captured(host, tmp_path, fed, sink=True, queues=4, cost="linux", gap_ns=1000)
    by_id = {}
    for b in blocks:
        by_id.setdefault(b.id, []).append(b)
    for seen in by_id.values():
        assert [b.point for b in seen] == list(vnic.capture.POINTS)
        assert len({b.queue for b in seen}) == 1
        assert [b.t_ns for b in seen] == sorted(b.t_ns for b in seen)
    assert {b.queue for b in blocks} == {0, 1, 2, 3}
    assert [b.t_ns for b in blocks] == sorted(b.t_ns for b in blocks)


def test_several_captures_at_once_and_packets_from_before_them(host, tmp_path):
    h = host(sink=True)
    h.feed(frames.udp(b"before"))
    h.run()
    a, b = (vnic.Capture(h, tmp_path / name, at=at) for name, at in (("a", "wire"), ("b", ("gro", "wire"))))
    h.feed(frames.udp(b"1"))
    h.run()
    a.close()
    h.feed(frames.udp(b"2"))
    h.run()
    b.close()
    assert [(x.point, x.id) for x in pcapng_blocks.read(tmp_path / "a")] == [("wire", 2)]
    assert sorted((x.point, x.id) for x in pcapng_blocks.read(tmp_path / "b")) == [
        ("gro", 2), ("gro", 3), ("wire", 2), ("wire", 3),
    ]  # fmt: skip


@pytest.mark.parametrize("at", ["nowhere", (), ("gro", "GRO")])
def test_a_point_that_does_not_exist(host, tmp_path, at):
    with pytest.raises(vnic.ConfigError, match="wire, nic, gro, stack"):
        vnic.Capture(host(), tmp_path / "tap.pcapng", at=at)
    assert not (tmp_path / "tap.pcapng").exists()


# ---- another reader ----


def tshark(path, *fields):
    options = [option for field in fields for option in ("-e", field)]
    out = subprocess.run(
        ["tshark", "-r", str(path), "-T", "fields", *options],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [line.split("\t") for line in out.splitlines()]


@pytest.mark.needs("tshark")
def test_tshark_reads_it_to_the_nanosecond(capture, tmp_path):
    fed = [frames.udp(b"one"), tagged(0x8100, 5), frames.tcp(b"two"), frames.icmpv6()]
    capture(fed, base_ns=BASE_NS, gap_ns=7)
    rows = tshark(tmp_path / "tap.pcapng", "frame.time_epoch", "frame.len", "vlan.id", "frame.interface_name")
    assert [int(t.replace(".", "")[:19]) for t, *_ in rows] == [BASE_NS + 7 * i for i in range(4)]
    assert [int(length) for _, length, _, _ in rows] == [len(f) for f in fed]
    assert [vlan for _, _, vlan, _ in rows] == ["", "5", "", ""]
    assert {name for *_, name in rows} == {"vnic0 gro"}


@pytest.mark.needs("tshark")
def test_tshark_shows_points_ids_queues_and_comments(host, tmp_path):
    captured(host, tmp_path, [frames.udp(b"one"), frames.udp(check=1)], sink=True)
    rows = tshark(
        tmp_path / "tap.pcapng", "frame.interface_name", "frame.packet_id", "frame.interface_queue", "frame.comment"
    )
    assert sorted(row[:3] for row in rows) == sorted(
        [f"vnic0 {point}", str(i), "0"] for point in vnic.capture.POINTS for i in (1, 2)
    )
    assert [row[3] for row in rows if row[0] == "vnic0 stack"] == [
        "DELIVERED_UDP: in a UDP socket's queue",
        "UDP_CSUM: bad UDP checksum",
    ]


def test_scapy_reads_all_points(host, tmp_path):
    captured(host, tmp_path, [frames.udp(b"one")], sink=True)
    assert [data for _, data in read_back(tmp_path / "tap.pcapng")] == [frames.udp(b"one")] * 4


def test_what_is_sent_is_at_the_wire_and_says_so(tmp_path):
    """epb_flags: outbound. With its checksum, as the card completed it, and padded."""
    path = tmp_path / "both.pcapng"
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as h:
        tap = vnic.Capture(h, path, at=("wire", "gro"))
        h.feed([peer.arp(1, "10.0.0.1", "10.0.0.2"), frames.icmp(b"hello")])
        h.run(until_ns=10**9)
        tap.close()
        sent = h.nic.sent()
    wire = pcapng_blocks.at(pcapng_blocks.read(path), "wire")
    assert [b.sent for b in wire] == [False, True, False, True]
    assert [b.data for b in wire if b.sent] == [frame for _, frame in sent]
    assert all(peer.decode(0, b.data).src_ip in ("", "10.0.0.2") for b in wire if b.sent)
    assert not any(b.sent for b in pcapng_blocks.at(pcapng_blocks.read(path), "gro"))


def test_blocks_are_padded_with_zeros(capture, tmp_path):
    """Section 3.1 of the draft: padding bytes SHOULD be 0."""
    capture([frames.udp(b"\xff" * n) for n in range(1, 9)])
    data, at, padding = (tmp_path / "tap.pcapng").read_bytes(), 0, b""
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            captured = struct.unpack_from("<I", data, at + 20)[0]
            padding += data[at + 28 + captured : at + 28 + (captured + 3) // 4 * 4]
        at += length
    assert padding == bytes(12)


@pytest.mark.parametrize("at", ["wire", "nic", "gro", "stack"])
def test_a_packet_has_its_frames_number_also_without_the_latency_split(host, tmp_path, at):
    h = host(latency=False, gro=False)
    h.udp(5000)
    tap = vnic.Capture(h, tmp_path / "a.pcapng", at=at)
    h.feed([frames.udp(b"%d" % i) for i in range(20)])
    h.run()
    tap.close()
    assert [block.id for block in pcapng_blocks.read(tmp_path / "a.pcapng")] == list(range(1, 21))
