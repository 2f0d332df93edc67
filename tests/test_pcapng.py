"""The tap: a pcapng file of what came up after GRO, as scapy and tshark read it."""

import resource
import shutil
import struct
import subprocess

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import PcapNgReader

import vnic

BASE_NS = 1_700_000_000_123_456_789


def read_back(path):
    """[(ns, bytes)], by scapy."""
    with PcapNgReader(str(path)) as reader:
        return [(int(p.time * 1_000_000_000), bytes(p)) for p in reader]


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


def test_a_capture_changes_no_fate_and_no_time(host, tmp_path):
    hosts = [host(sink=True, cost="linux", cpus=2, rps_cpus="3", latency=True) for _ in range(2)]
    tap = vnic.Capture(hosts[0], tmp_path / "tap.pcapng")
    for h in hosts:
        h.feed([frames.udp(sport=i) for i in range(300)], gap_ns=100)
        h.run()
    tap.close()
    assert hosts[0].ledger() == hosts[1].ledger()
    assert hosts[0].softnet() == hosts[1].softnet()
    assert hosts[0].latencies() == hosts[1].latencies()


def test_more_than_the_buffer_holds(capture):
    fed = [frames.udp(bytes([i % 256]) * 1400) for i in range(2000)]
    assert [data for _, data in capture(fed, gap_ns=1000)] == fed


SPREAD = [
    {"queues": 4, "rx_usecs": 20, "rx_frames": 16},
    {"rps_cpus": "f"},
    {"queues": 2, "rps_cpus": "e", "netdev_max_backlog": 100_000},
]


@pytest.mark.parametrize("knobs", SPREAD)
@pytest.mark.parametrize("size", [18, 1400])
def test_the_file_is_in_the_order_of_stamps_whoever_took_the_packets(capture, knobs, size):
    """CPUs have turns, and a backlog may be long: blocks once stood in the order in which they came up."""
    fed = [frames.udp(i.to_bytes(4) + bytes(size), sport=i % 97) for i in range(4000)]
    got = capture(fed, gap_ns=150, cost="linux", sink=True, fifo=1 << 24, link="inf", rcvbuf=1 << 30, **knobs)
    stamps = [t for t, _ in got]
    assert stamps == sorted(stamps)
    assert len(got) == 4000
    flow = [int.from_bytes(data[42:46]) for _, data in got if int.from_bytes(data[34:36]) == 5]
    assert flow == sorted(flow)


def test_what_comes_too_late_is_in_the_file_all_the_same_and_counted(host, tmp_path):
    h = host(gro=False)
    tap = vnic.Capture(h, tmp_path / "tap.pcapng", base_ns=10**18)
    h.feed([frames.udp(b"x" * 1400)] * 3000, gap_ns=1000)
    h.run()
    tap.set_base(0)
    h.feed(frames.udp(b"late"))
    h.run()
    assert (tap.packets, tap.late) == (3001, 1)
    tap.close()
    assert len(read_back(tmp_path / "tap.pcapng")) == 3001


def test_closing_twice_is_closing_once_and_the_host_closes_it_too(host, tmp_path):
    h = host()
    tap = vnic.Capture(h, tmp_path / "a.pcapng")
    tap.close()
    tap.close()
    vnic.Capture(h, tmp_path / "b.pcapng")
    h.feed(frames.udp())
    h.run()
    h.close()
    assert len(read_back(tmp_path / "b.pcapng")) == 1


def test_after_it_was_closed_nothing_is_captured(host, tmp_path):
    h = host()
    tap = vnic.Capture(h, tmp_path / "tap.pcapng")
    tap.close()
    h.feed(frames.udp())
    h.run()
    assert read_back(tmp_path / "tap.pcapng") == []


# ---- a file that cannot be written ----


@pytest.mark.parametrize("n", [1, 5, 3000])
def test_a_full_disk_is_said_in_one_sentence_and_every_packet_lost_is_counted(host, n):
    h = host(sink=True)
    tap = vnic.Capture(h, "/dev/full")
    h.feed([frames.udp(b"x" * 1400)] * n, gap_ns=1000)
    h.run()
    with pytest.raises(vnic.VnicError, match=f"^/dev/full: No space left on device; {n} packets"):
        tap.close()
    assert h.ledger().fates == {"DELIVERED_UDP": n}  # the path did not mind


def test_of_a_file_that_may_not_grow_what_is_whole_is_there(host, tmp_path):
    h = host(sink=True)
    tap = vnic.Capture(h, tmp_path / "tap.pcapng")
    h.feed([frames.udp(b"x" * 958)] * 20, gap_ns=1000)
    h.run()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(vnic.VnicError, match="File too large; 11 packets are missing"):
            tap.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    whole = (10_000 - 28 - 40) // (32 + 1000)  # section, interface, then packets of 1000 bytes
    assert whole == 20 - 11


def test_a_file_that_cannot_be_made_is_said_in_one_sentence(host, tmp_path):
    with pytest.raises(vnic.VnicError, match="No such file or directory"):
        vnic.Capture(host(), tmp_path / "no" / "such" / "place.pcapng")


def test_a_name_of_an_interface_has_an_end(host, tmp_path):
    with pytest.raises(vnic.VnicError, match="name is too long"):
        vnic.Capture(host(), tmp_path / "tap.pcapng", name="x" * 65)


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


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_tshark_reads_it_to_the_nanosecond(capture, tmp_path):
    fed = [frames.udp(b"one"), tagged(0x8100, 5), frames.tcp(b"two"), frames.icmpv6()]
    capture(fed, base_ns=BASE_NS, gap_ns=7)
    rows = tshark(tmp_path / "tap.pcapng", "frame.time_epoch", "frame.len", "vlan.id", "frame.interface_name")
    assert [int(t.replace(".", "")[:19]) for t, *_ in rows] == [BASE_NS + 7 * i for i in range(4)]
    assert [int(length) for _, length, _, _ in rows] == [len(f) for f in fed]
    assert [vlan for _, _, vlan, _ in rows] == ["", "5", "", ""]
    assert {name for *_, name in rows} == {"vnic0"}
