"""A capture's order: time never goes back in the file, and at the wire frames are as they came, whatever their fate."""

import contextlib
import socket
import struct
import threading
from collections import Counter
from itertools import pairwise

import frames
import pcapng_blocks
import peer
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from live_tap import live_tap, wait_until

import vnic
import vnic.capture
from vnic._core import ffi, lib

MAC = "02:00:00:00:00:01"
THEIRS = b"\x02\0\0\0\0\x99"


def check_order(blocks):
    """What docs/captures.md promises of any file. Return: the frames that arrived, as the wire has them."""
    assert all(a.t_ns <= b.t_ns for a, b in pairwise(blocks))
    arrived = [b for b in pcapng_blocks.at(blocks, "wire") if not b.sent]
    for point in ("wire", "nic"):
        ids = [b.id for b in pcapng_blocks.at(blocks, point) if not b.sent]
        assert all(a < b for a, b in pairwise(ids)), point
    seen = {}
    for b in blocks:
        if not b.sent:
            seen.setdefault(b.id, []).append(vnic.capture.POINTS.index(b.point))
    assert all(points == sorted(points) for points in seen.values())  # nobody has a frame before it came
    return arrived


def check_answers(blocks):
    """What is sent stands behind what it is an answer to, as the host got that."""
    asked, answered = set(), 0
    for b in blocks:
        icmp = b.data[12:14] == b"\x08\0" and b.data[23:24] == b"\1"
        if icmp and b.point == "gro":
            asked.add(b.data[38:60])
        if icmp and b.sent:
            assert b.data[38:60] in asked
            answered += 1
    return answered


# ---- virtual time ----


@given(strategies.configs(), strategies.traffic(), st.booleans())
def test_any_traffic_is_in_order_at_all_points(tmp_path_factory, config, traffic, filtered):
    path = tmp_path_factory.mktemp("order") / "all.pcapng"
    config["strict_csum"] = True  # nothing is completed: the wire has what was fed
    with vnic.Host(**{name: value for name, value in config.items() if name != "python"}) as h:
        if config["python"]:
            h.packet_type(0x88B5)(lambda burst: [len(packet) % 2 for packet in burst])
        if filtered:
            h.nic.filter(lambda burst: [len(frame) % 3 for frame in burst])
        tap = vnic.Capture(h, path, at=vnic.capture.POINTS)
        h.feed(traffic)
        h.finish()
        tap.close()
        fates = h.ledger().fates
    blocks = pcapng_blocks.read(path)
    arrived = check_order(blocks)
    assert [b.id for b in arrived] == list(range(1, len(traffic) + 1))
    assert [b.data for b in arrived] == [frame if isinstance(frame, bytes) else frame[1] for frame in traffic]
    assert pcapng_blocks.fates(blocks) == fates
    assert (tap.late, tap.drops) == (0, 0)


@pytest.mark.parametrize("knobs", [{"link": "inf", "speed": "max"}, {"link": "10G"}, {"link": "inf", "cost": "linux"}])
def test_a_burst_that_the_card_refuses_in_part_stays_as_it_came(host, tmp_path, knobs):
    """Bug: those that it refused came before those that it took."""
    h = host(mac=MAC, fifo=1500, mtu=600, sink=True, **knobs)
    tap = vnic.Capture(h, tmp_path / "f", at="wire")
    kinds = [frames.udp(), frames.udp(mac={"dst": THEIRS}), b"short", frames.udp(bytes(700)), frames.udp(bytes(500))]
    fed = [kinds[i % 5] for i in range(200)]
    h.feed(fed, at_ns=0)
    h.finish()
    tap.close()
    arrived = check_order(pcapng_blocks.read(tmp_path / "f"))
    assert [b.data for b in arrived] == fed
    assert [b.fate for b in arrived[1::5]] == ["MAC_FILTER"] * 40
    assert [b.fate for b in arrived[2::5]] == [b.fate for b in arrived[3::5]] == ["RX_LENGTH"] * 40
    assert {b.fate for b in arrived[4::5]} <= {None, "FIFO_OVERRUN"}


def test_the_wire_is_seen_at_once_not_when_a_frame_leaves_the_fifo(host, tmp_path):
    """Its file goes on growing though nothing can leave the card; what is sent stands where it belongs."""
    h = host(rx_pool=64, rx_ring=16, fifo=1 << 16, rcvbuf=1 << 30)
    h.udp(5000)  # nobody reads: the pool is empty after 64
    tap = vnic.Capture(h, tmp_path / "f", at=("wire", "nic"))
    h.feed([frames.udp()] * 100, at_ns=0, gap_ns=1000)
    h.run()
    assert h.ledger().in_flight_at["fifo"] == 36
    assert tap.packets == 100 + 64
    h.finish()
    tap.close()
    blocks = pcapng_blocks.read(tmp_path / "f")
    assert [b.fate for b in check_order(blocks)] == [None] * 64 + ["DEV_READY"] * 36
    assert tap.late == 0


@pytest.mark.parametrize(
    "fate, knobs, fed",
    [
        ("RX_OVER", {"rx_ring": 16, "rx_buf_len": 128}, frames.udp(bytes(6000))),
        ("RX_NO_BUFFER", {"rx_ring": 16, "rx_pool": 64, "rcvbuf": 0, "drop_en": True}, None),
    ],
)
def test_a_fate_behind_the_fifo_is_in_the_frames_block(host, tmp_path, fate, knobs, fed):
    """As its last option: the block had been made."""
    h = host(cost="linux", sink=True, **knobs)
    tap = vnic.Capture(h, tmp_path / "f", at=("wire", "stack"))
    h.feed([frames.udp(), fed or frames.udp(), frames.udp()] * 100, at_ns=0)
    h.finish()
    tap.close()
    blocks = pcapng_blocks.read(tmp_path / "f")
    arrived = check_order(blocks)
    assert Counter(b.fate for b in arrived)[fate] == h.ledger().fates[fate] > 5
    assert {b.comment.partition(": ")[0] for b in arrived if b.fate == fate} == {fate}
    assert all(b.queue == 0 for b in arrived)
    assert pcapng_blocks.fates(blocks) == h.ledger().fates


def test_a_fate_that_comes_when_its_frame_is_in_the_file_is_counted(host, tmp_path):
    """Frames stand in the FIFO while megabytes go by that do not fit."""
    h = host(rx_pool=64, rx_ring=16, fifo=100_000, rcvbuf=1 << 30)
    h.udp(5000)
    tap = vnic.Capture(h, tmp_path / "f", at=("wire", "stack"))
    h.feed([frames.udp(bytes(1400))] * 5000, at_ns=0, gap_ns=1000)
    h.finish()
    tap.close()
    fates = h.ledger().fates
    blocks = pcapng_blocks.read(tmp_path / "f")
    check_order(blocks)
    said = pcapng_blocks.fates(blocks)
    assert fates["DEV_READY"] == tap.late == 69
    assert said == {name: n for name, n in fates.items() if name != "DEV_READY"}
    assert tap.packets == len(blocks)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_the_fate_of_each_frame_of_a_batch_finds_its_block(host, tmp_path, n):
    """The first too: what came before is in the file already. Some came at the same instant."""
    h = host(rx_pool=64, rx_ring=16, fifo=100_000, rcvbuf=1 << 30)
    h.udp(5000)  # nobody reads: the pool is empty after 64
    tap = vnic.Capture(h, tmp_path / "f", at="wire")
    h.feed([frames.udp()] * 64, at_ns=0)
    h.run()
    assert lib.capture_flush(tap._c) == 0
    h.feed([(1000 + i // 2, frames.udp()) for i in range(n)])
    h.finish()
    tap.close()
    assert [b.fate for b in check_order(pcapng_blocks.read(tmp_path / "f"))] == [None] * 64 + ["DEV_READY"] * n
    assert tap.late == 0


@pytest.mark.parametrize("wants, late", [("all", 69), ("none", 0), ("later", 0)])
def test_of_frames_that_a_capture_has_not_it_does_not_miss_the_fate(host, tmp_path, wants, late):
    h = host(rx_pool=64, rx_ring=16, fifo=100_000, rcvbuf=1 << 30)
    h.udp(5000)
    fed = [frames.udp(bytes(1400))] * 5000
    if wants == "later":
        h.feed(fed[:133], at_ns=0, gap_ns=1000)
        h.run()
    program = [(6, 0, 0, 0)] if wants == "none" else None
    tap = vnic.Capture(h, tmp_path / "f", at="wire", filter=program)
    h.feed(fed[h.ledger().offered :], gap_ns=1000)
    h.finish()
    tap.close()
    assert h.ledger().fates["DEV_READY"] == 69
    assert tap.late == late


@pytest.mark.slow
def test_what_waited_longer_than_the_buffers_reach_gets_a_later_stamp_and_says_so(host, tmp_path, monkeypatch):
    """Time never goes back: the place in the order that it had is in the file already."""
    monkeypatch.setattr(vnic.capture, "_BATCH_BYTES", 1 << 20)
    knobs = {"cpus": 2, "rps_cpus": "2", "netdev_max_backlog": 100_000, "rx_pool": 20_000}
    h = host(cost="linux", sink=True, reader_cpu=1, gro=False, link="inf", rcvbuf=1 << 30, fifo=1 << 26, **knobs)
    tap = vnic.Capture(h, tmp_path / "f", at=("wire", "gro", "stack"))
    h.feed([frames.udp(bytes(1400), sport=i % 7 + 1) for i in range(12_000)], at_ns=0, gap_ns=300)
    h.finish()
    tap.close()
    blocks = pcapng_blocks.read(tmp_path / "f")
    check_order(blocks)
    late = [b for b in blocks if b.comment.startswith("stamped ")]
    assert 0 < len(late) == tap.late
    assert {b.point for b in late} == {"gro"}
    assert all(b.comment.split()[2:] == ["ns", "late"] and int(b.comment.split()[1]) > 0 for b in late)
    assert tap.packets == len(blocks)
    assert pcapng_blocks.fates(blocks) == h.ledger().fates


def test_a_capture_of_the_wire_changes_nothing_on_a_wire_without_a_pace(host, tmp_path):
    """There the card gets bursts; with the tap, one frame after the other."""
    fed = [frames.udp(bytes(i % 900), sport=i % 50 + 1, mac={"dst": THEIRS} if i % 7 == 0 else {}) for i in range(3000)]
    hosts = [host(mac=MAC, sink=True, queues=3, speed="max", link="inf", fifo=5000, cost="linux") for _ in range(2)]
    tap = vnic.Capture(hosts[0], tmp_path / "f", at="wire")
    for h in hosts:
        h.feed(fed)
        h.finish()
    tap.close()
    assert hosts[0].ledger() == hosts[1].ledger()
    assert hosts[0].nic.queues() == hosts[1].nic.queues()
    assert hosts[0].softnet() == hosts[1].softnet()
    assert [b.data for b in check_order(pcapng_blocks.read(tmp_path / "f"))] == fed


# ---- live ----


class Talking:
    """A wire with bursts of everything; it takes what is sent."""

    def __init__(self, bursts):
        self.bursts, self.end, self.taken = list(bursts), threading.Event(), 0

    def read_burst(self, max_frames):
        if self.bursts:
            return self.bursts.pop(0)
        return None if self.end.wait(0.01) else []

    def write_burst(self, burst):
        self.taken += len(burst)


def mixed(n):
    """Bursts of 40: taken, refused for several reasons, answered, and merged."""
    kinds = [
        lambda i: frames.udp(i.to_bytes(4) + bytes(100), sport=i % 97 + 1, dport=9),
        lambda i: frames.udp(i.to_bytes(4), mac={"dst": THEIRS}),
        lambda i: frames.icmp(i.to_bytes(4) + bytes(40)),
        lambda i: frames.tcp(bytes(1000), seq=1 + 1000 * i, id=i & 0xFFFF),
        lambda _: b"short",
        lambda i: frames.eth(i.to_bytes(4) + bytes(50), type=0x88B5),
        lambda _: frames.udp(bytes(2000)),
    ]
    fed = [kinds[i * i % 7 if i % 3 else 3](i) for i in range(n)]
    return [fed[i : i + 40] for i in range(0, n, 40)]


LIVE = [
    {"cpus": 2, "queues": 2, "rps_cpus": "3", "mtu": 1500},
    {"cpus": 1, "fifo": 4000, "rx_ring": 16},
    {"cpus": 3, "queues": 3, "rps_cpus": "7", "drop_en": True, "rx_ring": 16, "rx_usecs": 20},
    {"cpus": 2, "threaded": True, "gro_flush_timeout": 50_000, "napi_defer_hard_irqs": 2},
    {"cpus": 2, "queues": 2, "python": True},
]


@pytest.mark.parametrize("knobs", LIVE, ids=lambda k: " ".join(f"{n}={v}" for n, v in k.items()))
def test_live_any_mixture_is_in_order_at_all_points(tmp_path, knobs):
    bursts = mixed(6000)
    wire = Talking([[peer.arp(1, "10.0.0.1", "10.0.0.2")], *bursts])
    knobs = {"fifo": 1 << 24, "mac": MAC, "ip": "10.0.0.2/24", "sink": True} | knobs
    python = knobs.pop("python", False)
    with vnic.Host(wire=vnic.PythonWire(wire), live=True, **knobs) as h:
        if python:
            h.nic.filter(lambda burst: [len(frame) % 4 for frame in burst])
        path = tmp_path / "live.pcapng"
        tap = vnic.Capture(h, path, at=vnic.capture.POINTS)
        h.start()
        wait_until(lambda: h.ledger().offered == 6001, 60)
        h.stop()
        tap.close()
        ledger, sent = h.ledger(), h.tx_ledger()
        wire.end.set()
    blocks = pcapng_blocks.read(path)
    arrived = check_order(blocks)
    offered = [frame for burst in bursts for frame in burst]
    if tap.drops:  # a busy machine writes too slowly, and says so
        rest = iter(offered)
        assert all(b.data in rest for b in arrived[1:])
        return
    assert [b.data for b in arrived[1:]] == offered
    assert pcapng_blocks.fates(blocks) == ledger.fates
    assert sum(b.sent for b in blocks) == sent.fates.get("TX_SENT", 0)
    assert len({b.fate for b in arrived}) > 1
    assert check_answers(blocks) > 0 or python


@pytest.mark.slow
def test_live_captures_that_come_and_go_are_each_in_order(tmp_path):
    wire = Talking(mixed(40_000))
    with vnic.Host(wire=vnic.PythonWire(wire), live=True, mac=MAC, cpus=2, queues=2, rps_cpus="3", sink=True) as h:
        h.start()
        for i in range(8):
            points = vnic.capture.POINTS if i % 2 else ("wire",)
            tap = vnic.Capture(h, tmp_path / f"{i}", at=points)
            before = h.ledger().offered
            wait_until(lambda was=before: h.ledger().offered > was + 500 or not wire.bursts)
            tap.close()
            ids = [b.id for b in check_order(pcapng_blocks.read(tmp_path / f"{i}"))]
            missing = ids[-1] - ids[0] + 1 - len(ids) if ids else 0
            assert 0 <= missing <= tap.drops  # a busy machine writes too slowly, and says so
            assert ids or tap.drops or not wire.bursts
        wire.end.set()
        h.stop()
        assert h.laws() == 0


# ---- on a TAP ----


def alternating(number):
    """For us and not for us in turn; a number in each."""
    kind = [frames.eth(struct.pack("!I", number) + bytes(50), type=0x88B5), None][number % 2]
    return kind or frames.udp(struct.pack("!I", number) + bytes(96), sport=number % 50 + 1, mac={"dst": THEIRS})


def number_of(frame):
    return struct.unpack_from("!I", frame, 14 if frame[12:14] == b"\x88\xb5" else 42)[0]


@pytest.mark.root
@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("spin", [False, True], ids=["", "lent"])
def test_a_tap_is_captured_in_the_order_of_arrival(netns, tmp_path, lanes, spin):
    """Also while a CPU that idles works bursts off for the card, and the card sends."""
    n, path = 8000, tmp_path / "f"
    knobs = {"ip": "10.0.0.2/24", "mac": MAC, "sink": True, "lanes": lanes, "host_ip": "10.0.0.1/24"}
    with live_tap(cpus=1, **knobs) as h:
        if spin:
            h.machine.c.spin_max_ns = 200_000
        tap = vnic.Capture(h, path, at=vnic.capture.POINTS)
        with contextlib.closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as s:
            s.bind(("vt0", 0))
            for i in range(n):
                s.send(alternating(i))
                if i % 100 == 0:
                    s.send(frames.icmp(struct.pack("!I", i) + bytes(40)))
        wait_until(lambda: h.ledger().offered + h.wire.kernel_drops() >= n + n // 100)
        h.stop()
        tap.close()
        ledger = h.ledger()
    blocks = pcapng_blocks.read(path)
    arrived = check_order(blocks)
    assert [b.id for b in arrived] == list(range(1, len(arrived) + 1))
    assert len(arrived) == ledger.offered
    assert pcapng_blocks.fates(blocks) == ledger.fates
    assert any(b.sent for b in blocks)
    if lanes == 1:  # the kernel spreads flows over several
        numbers = [number_of(b.data) for b in arrived if b.data[6:12] == frames.PEER and b.data[23:24] != b"\1"]
        assert len(numbers) > n // 2
        assert all(a < b for a, b in pairwise(numbers))


def test_a_burst_on_loan_stands_before_what_the_card_sends_meanwhile(host, tmp_path):
    """The CPU that borrowed it tells of it later."""
    h = host()
    tap = vnic.Capture(h, tmp_path / "f", at="wire", base_ns=1000)
    data = ffi.from_buffer(frames.udp())
    at_wire = [(30, {"flags": lib.FRAME_SENT}), (20, {"id": 1}), (20, {"id": 2}), (40, {"id": 3})]
    for t, more in at_wire:
        frame = ffi.new("struct frame *", {"data": data, "len": len(data), "wire_len": len(data)} | more)
        h.machine.c.nic.watch(ffi.addressof(h.machine.c.nic), lib.POINT_WIRE, frame, t, -1, 0)
    tap.close()
    got = [(b.t_ns, b.id, b.sent) for b in pcapng_blocks.read(tmp_path / "f")]
    assert got == [(1020, 1, False), (1020, 2, False), (1030, None, True), (1040, 3, False)]
