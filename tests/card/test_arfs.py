"""Accelerated RFS: the card brings a flow to the queue of the CPU where its reader runs."""

import frames
import pytest
from steering import ON, by_queue, play
from tcp_streams import sockets, stream

from vnic._core import ffi, lib


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("reader", [0, 1, 2, 3])
def test_a_flow_comes_to_its_readers_queue(host, reader, v6):
    h = host(reader_cpu=reader, **ON)
    ip = {"src": "fd00::1", "dst": "fd00::2"} if v6 else {}
    play(h, [frames.tcp(b"x" * 100, seq=1 + i * 100, dport=80, **ip) for i in range(10)])
    assert by_queue(h)[reader] >= 8
    assert h.softnet()[reader].processed >= 8
    assert h.mib()["TcpExt_TCPOFOQueue"] == 0


def test_without_ntuple_it_stays_in_its_queue_and_rps_moves_the_packets(host):
    h = host(reader_cpu=2, **(ON | {"ntuple": False}))
    play(h, stream(1000, 10))
    assert sorted(by_queue(h)) == [0, 0, 0, 10]
    assert h.nic.arfs().added == 0
    assert h.softnet()[2].processed >= 9


def test_a_reader_that_moves_takes_the_filter_along(host):
    h = host(reader_cpu=1, **ON)
    segments = stream(1000, 30)
    play(h, segments[:10])
    first = by_queue(h)
    for sk in sockets(h):
        sk.reader_cpu = 3
    play(h, segments[10:])
    assert by_queue(h)[3] - first[3] >= 18
    arfs = h.nic.arfs()
    assert (arfs.added, arfs.filters) == (1, 1)
    assert arfs.hits >= 26


@pytest.mark.parametrize(
    "frame",
    [
        frames.icmp(),
        frames.arp(),
        frames.eth(frames.ipv4(b"x" * 40, 253)),
        frames.udp(frag=0x2000),
        frames.udp(options=b"\1\1\1\0"),
    ],
)
def test_what_has_no_ports_is_not_steered(host, frame):
    h = host(**ON)
    packet = ffi.from_buffer("uint8_t[]", frame[14:])
    n = len(packet)
    skb = ffi.new("struct sk_buff *", {"data": packet, "len": n, "head_len": n})
    skb.protocol = int.from_bytes(frame[12:14], "little")
    assert lib.rx_flow_steer(h.machine.c.cpu[0], skb, 1, 0) == -93


def test_a_full_table_refuses_and_the_flow_stays(host):
    h = host(**ON)
    a = h.machine.c.nic.arfs
    for i in range(a.mask + 1):
        a.filter[i].used = 1
    packet = ffi.from_buffer("uint8_t[]", frames.tcp()[14:])
    skb = ffi.new("struct sk_buff *", {"data": packet, "len": 40, "head_len": 40, "protocol": 8})
    assert lib.rx_flow_steer(h.machine.c.cpu[0], skb, 1, 0) == -28
    assert h.nic.arfs().full == 1
    for i in range(a.mask + 1):
        a.filter[i].used = 0


def test_a_filter_decides_before_the_indirection_table(host):
    h = host(**ON)
    frame = frames.tcp(b"x", dport=80)
    packet = ffi.from_buffer("uint8_t[]", frame[14:])
    skb = ffi.new("struct sk_buff *", {"data": packet, "len": 41, "head_len": 41, "protocol": 8})
    for queue in (3, 1, 1, 2):
        assert lib.rx_flow_steer(h.machine.c.cpu[0], skb, queue, 0) >= 0
        before = by_queue(h)
        h.feed(frame)
        lib.nic_run(ffi.addressof(h.machine.c.nic), h.machine.c.nic.now)
        assert by_queue(h)[queue] == before[queue] + 1
    assert h.nic.arfs().added == 1
    h.run()


@pytest.mark.parametrize(("size", "slots"), [(1, 1), (5, 8), (8, 8), (9, 16)])
def test_a_table_has_a_power_of_two_of_slots_and_they_are_free(host, size, slots):
    a = ffi.addressof(host().machine.c.nic.arfs)  # without ntuple it has none
    assert (lib.arfs_init(a, size), a.mask + 1) == (0, slots)
    assert not any(a.filter[i].used for i in range(slots))


def test_filter_number_0_is_one_like_any_other(host):
    """A table of one slot: its only filter is number 0. It is the row's, so it does not expire at once."""
    h = host(reader_cpu=1, **ON)
    h.machine.c.nic.arfs.mask = 0
    play(h, stream(1000, 30))
    arfs = h.nic.arfs()
    assert (arfs.added, arfs.expired, arfs.filters) == (1, 0, 1)
    assert by_queue(h)[1] >= 28


def test_the_table_has_room_for_8192_flows(host):
    """Eight slots are tried for each: a table that is an eighth full refuses nobody."""
    h = host(**ON)
    for i in range(1024):
        frame = frames.tcp(sport=1024 + i)
        packet = ffi.from_buffer("uint8_t[]", frame[14:])
        skb = ffi.new("struct sk_buff *", {"data": packet, "len": 40, "head_len": 40, "protocol": 8})
        assert 0 <= lib.rx_flow_steer(h.machine.c.cpu[0], skb, 1, 0) < 8192
    arfs = h.nic.arfs()
    assert (arfs.added, arfs.full, arfs.filters) == (1024, 0, 1024)
