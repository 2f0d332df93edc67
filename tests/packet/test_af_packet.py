"""Packet sockets: what they see, their ring, and that nobody else notices them."""

import errno
import select
import socket
import struct
import threading
from collections import deque

import frames
import kernel_device
import pytest
from bpf_programs import keep
from hypothesis import given
from hypothesis import strategies as st
from live_tap import live_tap, send_all, settle
from pyroute2 import IPRoute
from stdin import stdin_closed

import vnic
from vnic import bpf
from vnic._core import ffi, lib

HAS_PCAP = bpf._libpcap() is not None


def test_bytes_stamps_and_all_that_is_told_beside(host):
    h = host(queues=2)
    sock = h.packet_socket()
    fed = [frames.udp(b"one"), frames.arp(), frames.eth(b"who?", type=0x88B5)]
    h.feed(fed, at_ns=500, gap_ns=1001)
    got = list(sock)
    assert [bytes(p.data) for p in got] == fed
    assert [p.len for p in got] == [len(f) for f in fed]
    assert [p.t_ns for p in got] == [500, 1501, 2502]
    assert [p.pkttype for p in got] == [0, 1, 0]
    assert got[0].queue == got[0].hash % 2
    assert [bool(p.hash) for p in got] == [True, False, False]
    assert [p.vlan_tci for p in got] == [None] * 3
    assert sock.statistics() == vnic.PacketStatistics(packets=3, drops=0)


def test_packets_for_others_are_seen_and_what_the_card_dropped_is_not(host):
    theirs = frames.udp(mac={"dst": b"\2\0\0\0\0\x99"})
    for promisc, seen in ((True, [3]), (False, [])):
        h = host(mac="02:00:00:00:00:01", promisc=promisc)
        sock = h.packet_socket()
        h.feed(theirs)
        assert [p.pkttype for p in sock] == seen


@pytest.mark.parametrize("tpid", [0x8100, 0x88A8])
def test_a_tag_is_told_beside_the_bytes(host, tpid):
    h = host()
    sock = h.packet_socket()
    inner = frames.udp(b"tagged")
    h.feed(inner[:12] + struct.pack("!HH", tpid, 0x6005) + inner[12:])
    packet = sock.recv()
    assert (packet.vlan_tci, packet.vlan_tpid, bytes(packet.data), packet.len) == (0x6005, tpid, inner, len(inner))
    assert bytes(packet) == inner[:12] + struct.pack("!HH", tpid, 0x6005) + inner[12:]


def test_a_packet_socket_sees_a_packet_after_gro_before_the_protocols(host):
    h = host()
    sock = h.packet_socket()
    h.feed([*(frames.tcp(b"%d" % i * 100, seq=1 + 100 * i) for i in range(5)), frames.udp(check=1)])
    merged, bad = sorted(sock, key=lambda p: p.len, reverse=True)
    assert (merged.len, bytes(merged.data[54:])) == (554, b"".join(b"%d" % i * 100 for i in range(5)))
    assert bytes(bad.data) == frames.udp(check=1)
    assert "UDP_CSUM" in h.ledger().fates


def test_a_packet_socket_sees_a_packet_after_rps(host):
    h = host(cpus=2, rps_cpus="2")
    sock = h.packet_socket([(0x20, 0, 0, -0x1000 + 36), (0x16, 0, 0, 0)])  # ld cpu; ret a
    h.feed(frames.udp())
    assert sock.recv().data == frames.udp()[:1]


@pytest.mark.parametrize("rx_buf_len", [128, 2048])
def test_a_program_says_how_much_of_a_packet_it_wants(host, rx_buf_len):
    h = host(rx_buf_len=rx_buf_len)
    frame = frames.udp(bytes(range(256)) * 4)
    wants = (0, 1, 13, 14, 15, 100, 300, 1 << 31)
    socks = [h.packet_socket(keep(n)) for n in wants]
    h.feed(frame)
    h.run()
    for n, sock in zip(wants, socks, strict=True):
        assert [(bytes(p.data), p.len) for p in sock] == ([(frame[:n], len(frame))] if n else [])


def test_the_descriptor_that_wakes_its_reader_may_have_number_0(host):
    """It is readable from a packet on, until the reader has found the ring empty."""
    h = host()
    with stdin_closed(), h.packet_socket() as sock:
        assert sock.fileno() == 0
        for _ in range(2):
            h.feed(frames.udp())
            h.run()
            assert select.select([sock], [], [], 0)[0] == [sock]
            assert [bytes(p.data) for p in sock.recv_nowait()] == [frames.udp()]
            assert sock.recv_nowait() == []
            assert select.select([sock], [], [], 0)[0] == []


def test_recv_runs_the_host_until_there_is_one(host):
    h = host()
    sock = h.packet_socket()
    h.feed([frames.udp(bytes([i])) for i in range(200)], gap_ns=1000)
    assert sock.recv_nowait() == []
    assert bytes(sock.recv().data) == frames.udp(b"\0")
    assert h.ledger().offered < 200
    assert len(list(sock)) == 199
    with pytest.raises(TimeoutError, match="no packet came"):
        sock.recv()


@given(st.lists(st.one_of(st.integers(0, 1500), st.sampled_from(["read", "read one"])), max_size=150))
def test_the_ring_is_a_queue_that_drops_what_does_not_fit(steps):
    with vnic.Host(cost="zero", link="inf") as h:
        sock = h.packet_socket(ring=4096)
        waiting, seen, drops = deque(), 0, 0
        for i, step in enumerate(steps):
            if isinstance(step, int):
                frame = frames.eth(bytes([i]) * step, type=0x88B5)
                h.feed(frame)
                h.run()
                seen += 1
                if sock.statistics().drops == drops:
                    waiting.append(frame)
                else:
                    drops += 1
                    assert sum(len(f) + 32 for f in waiting) + 2 * (len(frame) + 32) > 4096 - 8 * len(waiting) - 8
            else:
                got = sock.recv_nowait(1 if step == "read one" else 64)
                assert [bytes(p.data) for p in got] == [waiting.popleft() for _ in got]
                assert got or not waiting
        assert [bytes(p.data) for p in sock] == list(waiting)
        assert sock.statistics() == vnic.PacketStatistics(packets=seen, drops=drops)


def test_a_ring_is_filled_to_its_last_byte(host):
    """An entry is its info and the bytes, on multiples of 8; three that fill it fit, and one for each that is read."""
    h = host()
    frame = frames.eth(bytes(106), type=0x88B5)  # 120 bytes
    entry = ffi.sizeof("struct packet_info") + 120
    ps = lib.packet_sock_new(h.machine.c, ffi.NULL, 3 * entry)
    buf, info = ffi.new("u8[]", 120), ffi.new("struct packet_info *")
    for fed, packets, drops in ((3, 3, 0), (1, 4, 1)):
        h.feed([frame] * fed)
        h.run()
        assert (ps.packets, ps.drops) == (packets, drops)
    for _ in range(5):
        assert lib.packet_recv(ps, buf, 120, info, 1) == 1
        assert ffi.buffer(buf)[:] == frame
        h.feed(frame)
        h.run()
        assert ps.drops == 1
    assert lib.packet_recv(ps, buf, 119, info, 1) == -errno.EMSGSIZE
    lib.packet_sock_free(h.machine.c, ps)


@pytest.mark.parametrize("ring", [0, 4095, 1 << 31])
def test_the_ring_of_a_packet_socket_has_limits(host, ring):
    with pytest.raises(vnic.ConfigError, match="ring="):
        host().packet_socket(ring=ring)


@pytest.mark.parametrize("n", [0, 1025])
def test_a_burst_of_a_packet_socket_has_limits(host, n):
    with pytest.raises(vnic.ConfigError, match="n is 1 to 1024"):
        host().packet_socket().recv_nowait(n)


# ---- live ----


@pytest.mark.root
def test_live_it_waits_and_an_event_loop_can_wait_for_it(netns):
    fed = [frames.udp(b"%03d" % i, sport=i + 1) for i in range(100)]
    with live_tap(sink=True, gro=False, cpus=2, queues=2) as h, h.packet_socket("udp" if HAS_PCAP else None) as sock:
        with pytest.raises(TimeoutError):
            sock.recv(timeout=0.01)
        send_all("vt0", fed)
        got = [bytes(sock.recv(timeout=20).data)]
        while len(got) < len(fed):
            assert select.select([sock], [], [], 20)[0]
            got += [bytes(p.data) for p in sock.recv_nowait()]
        assert sorted(got) == sorted(fed)
        settle(h, len(fed))
        assert not sock.recv_nowait()
        assert not select.select([sock], [], [], 0)[0]
        h.stop()
        assert list(sock) == []


@pytest.mark.root
def test_live_sockets_come_and_go_while_packets_come(netns):
    fed = [frames.udp(bytes(200), sport=i + 1) for i in range(2000)]
    with live_tap(sink=True, cpus=2, queues=2, rps_cpus="3") as h:
        sender = threading.Thread(target=send_all, args=("vt0", fed))
        stays = h.packet_socket(ring=1 << 24)
        sender.start()
        while sender.is_alive():
            with h.packet_socket(keep(100), ring=4096) as sock:
                sock.recv_nowait()
        sender.join()
        h.wait(0.05)
        h.stop()
        ledger = h.ledger()  # what the kernel's own queue lost never came
        assert stays.statistics() == vnic.PacketStatistics(packets=ledger.offered, drops=0)
        assert ledger.offered > 0
        assert h.laws() == 0


@pytest.mark.root
def test_who_iterates_in_a_thread_of_his_own_ends_with_the_host(netns):
    seen = []
    with live_tap(sink=True) as h:
        sock = h.packet_socket()
        reader = threading.Thread(target=lambda: seen.extend(sock), daemon=True)
        reader.start()
        send_all("vt0", [frames.udp()] * 5)
        settle(h, 5)
        h.stop()
        reader.join(20)
        assert not reader.is_alive()
    assert len(seen) == 5


def test_a_frame_is_sent_as_it_is(host):
    h = host(ip=[])
    frame = b"\xff" * 6 + bytes.fromhex("020000000001") + b"\x88\xb5" + bytes(range(200)) * 7
    with h.packet_socket() as sock:
        assert sock.send(frame) == len(frame)
        assert sock.send(bytearray(frame[:60])) == 60
        h.run(until_ns=1_000_000)
        assert [f for _, f in h.nic.sent()] == [frame, frame[:60]]
        assert sock.recv_nowait() == []  # it sees what is received only
    assert h.tx_ledger().fates["TX_SENT"] == 2


def test_a_frame_that_takes_several_buffers_is_sent_as_it_is(host):
    h = host(ip=[], mtu=9000)
    frame = b"\xff" * 6 + bytes.fromhex("020000000001") + b"\x88\xb5" + bytes(range(250)) * 30
    with h.packet_socket() as sock:
        sock.send(frame)
    h.run(until_ns=10_000_000)
    assert [f for _, f in h.nic.sent()] == [frame]


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (bytes(13), errno.EINVAL),
        (bytes(14), None),
        (bytes(1514), None),
        (bytes(1515), errno.EMSGSIZE),
        (bytes(12) + b"\x81\0" + bytes(1504), None),
        (bytes(12) + b"\x81\0" + bytes(1505), errno.EMSGSIZE),
    ],
)
def test_a_frame_has_a_header_and_fits_the_mtu(host, frame, error):
    sock = host(ip=["10.0.0.2/24"]).packet_socket()
    if error is None:
        assert sock.send(frame) == len(frame)
        return
    with pytest.raises(vnic.HostError) as refusal:
        sock.send(frame)
    assert refusal.value.errno == error


@pytest.mark.root
def test_the_kernel_bounds_a_frame_likewise(netns):
    with kernel_device.Tap(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        with IPRoute() as ipr:
            ipr.link("set", index=ipr.link_lookup(ifname="vnic0")[0], txqlen=100)
        sock.bind(("vnic0", 0))
        for frame in (bytes(14), bytes(1514), bytes(12) + b"\x81\0" + bytes(1504)):
            assert sock.send(frame) == len(frame)
        for frame, error in ((bytes(13), errno.EINVAL), (bytes(1515), errno.EMSGSIZE)):
            with pytest.raises(OSError) as refusal:
                sock.send(frame)
            assert refusal.value.errno == error
        with pytest.raises(OSError, match="too long"):
            sock.send(bytes(12) + b"\x81\0" + bytes(1505))


def test_a_host_that_only_listens_sends_nothing(host):
    with pytest.raises(vnic.HostError) as refusal:
        host().packet_socket().send(bytes(60))
    assert refusal.value.errno == errno.ENETDOWN
