"""Virtio headers at the TAP: what the kernel left to the card is done at the wire, as the kernel itself would have."""

import struct
import time
from collections import Counter

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_tap import wait_until
from pcapng_blocks import read_back
from vnet_pair import SLOT, TCPV4, TCPV6, UDP_L4, Pair, big_tcp, big_udp, header, partial

import vnic
from vnic._core import ffi, lib

# ---- beside the running kernel, which cuts for a TAP without these headers ----


# ---- over a socket pair that keeps messages apart: no root ----


@given(st.integers(0, 1400), st.booleans(), st.booleans())
def test_a_partial_checksum_is_completed(n, v6, tcp):
    where = {"src": "fd00::1", "dst": "fd00::2"} if v6 else {}
    whole = (frames.tcp if tcp else frames.udp)(bytes(i & 255 for i in range(n)), **where)
    field = 16 if tcp else 6
    with Pair() as pair:
        assert pair.give(header(whole, 0, 0, field), partial(whole, field)) == [whole]
        assert pair.give(header(whole, 0, 0, field, flags=0), whole) == [whole]
        assert (pair.c.csum_filled, pair.c.bad_vnet) == (1, 0)


@given(st.binary(min_size=10, max_size=10), st.binary(max_size=200))
def test_no_header_whatever_it_says_does_harm(head, junk):
    """Each frame comes out, cut or as it is, within its slot."""
    frame = big_tcp(False, junk)
    with Pair() as pair:
        got = pair.give(head, frame)
        assert got
        assert all(len(f) <= SLOT for f in got)
        assert pair.c.nfree == pair.c.nslots


@pytest.mark.parametrize(
    "change",
    [
        {"gso_size": 0},
        {"gso_type": 3},  # UFO was not offered
        {"flags": 0},
        {"csum_start": 60000},
        {"csum_start": 20},
        {"gso_size": 60000},
    ],
)
def test_a_header_that_cannot_be_is_counted_and_the_frame_passes_as_it_is(change):
    frame = big_tcp(False, bytes(1000))
    names = ("flags", "gso_type", "hdr_len", "gso_size", "csum_start", "csum_offset")
    values = dict(zip(names, struct.unpack("<BBHHHH", header(frame, TCPV4, 100, 16)), strict=True)) | change
    with Pair() as pair:
        assert pair.give(struct.pack("<BBHHHH", *values.values()), frame) == [frame]
        assert pair.c.bad_vnet == 1


def test_a_big_one_waits_for_slots_and_loses_nothing():
    """300 slots, and three frames of 200 segments: what was read first is cut first."""
    data = [bytes([i]) * 20000 for i in range(3)]
    with Pair() as pair:
        for d in data:
            frame = big_udp(False, d)
            pair.kernel.send(header(frame, UDP_L4, 100, 6) + bytes(2) + frame)
        f, held, got = ffi.new("struct frame[]", lib.BURST), [], b""
        while (n := pair.wire.read_burst(pair.wire, f, lib.BURST)) > 0 or held:
            for i in range(max(n, 0)):
                if f[i].head:
                    lib.tap_vnet_whole(pair.wire, f + i)
                got += bytes(ffi.buffer(f[i].data, f[i].len))[42:]
                held.append(f[i].slot)
            if n <= 0 or len(held) > 250:
                for slot in held:
                    f[0].slot, f[0].head = slot, 0
                    pair.wire.release(pair.wire, f)
                held.clear()
        assert got == b"".join(data)


def test_what_waits_for_slots_goes_on_as_soon_as_there_are_some():
    """The FIFO holds more than there are slots, so these run out first; then some are free, and that is all."""
    with Pair() as pair:
        wire = vnic.wire.Wire(pair.wire)
        wire.close = lambda: None
        knobs = {"rx_ring": 256, "rx_pool": 256, "rcvbuf": 1 << 24, "gro": False, "fifo": 1 << 20}
        with vnic.Host(live=True, wire=wire, **knobs) as host:
            sock = host.udp(5000)  # nobody reads: it keeps all buffers
            host.start()
            frame = big_udp(False, bytes(62_000))
            pair.kernel.send(header(frame, UDP_L4, 100, 6) + bytes(2) + frame)
            wait_until(lambda: pair.c.nfree == 0 and host.ledger().offered == 256 + 300)
            time.sleep(0.1)  # the card sleeps
            sock.close()
            wait_until(lambda: host.ledger().offered == 620)
            host.stop()


def test_what_is_sent_has_its_header_in_front():
    with Pair() as pair:
        memory = ffi.new("uint8_t[]", 12 + 1000)
        hdr = ffi.new("struct virtio_net_hdr_v1_hash *", {"flags": 1, "gso_type": 5, "gso_size": 77, "csum_start": 34})
        assert pair.wire.write(pair.wire, memory + 12, 1000, hdr, 0) == 0
        sent = pair.kernel.recv(2000)
        assert sent == struct.pack("<BBHHHHH", 1, 5, 0, 77, 34, 0, 0) + bytes(1000)


def test_a_host_behind_virtio_headers_is_offered_segmentation():
    with Pair() as pair:
        wire = vnic.wire.Wire(pair.wire)
        wire.close = lambda: None
        with vnic.Host(ip="10.0.0.2/24", wire=wire) as host:
            assert host.c.tx.offload == 3


# ---- a segment in two parts: its payload is where it was read until DMA ----


def bigs():
    """Frames of 64 KB and less, of all kinds that are cut; and one small one between them."""
    out = []
    for i in range(6):
        frame = (
            big_tcp(i % 2, bytes([i]) * (1448 * (40 - i) + i), seq=1000 * i)
            if i < 4
            else big_udp(i % 2, bytes([i]) * 20_001)
        )
        out.append((header(frame, (TCPV6 if i % 2 else TCPV4) if i < 4 else UDP_L4, 1448, 16 if i < 4 else 6), frame))
        out.append((bytes(10), frames.udp(b"small", dport=7)))
    return out


LOOKS = {
    "nobody": {},
    "several buffers a frame": {"rx_buf_len": 256},
    "a FIFO that overruns": {"fifo": 4000},
    "a short ring": {"rx_ring": 16},
    "no offload": {"rx": False},
    "two queues": {"queues": 2, "cpus": 2},
}


@pytest.mark.parametrize("look", [*LOOKS, "a capture at the wire", "a capture that comes late", "a filter in Python"])
def test_segments_in_two_parts_arrive_whole_whoever_looks(look, tmp_path):
    given = bigs()
    with Pair() as pair:
        want = [f for head, frame in given for f in pair.give(head, frame)]
        assert any(len(f) > 1400 for f in want)
    with Pair() as pair:
        wire = vnic.wire.Wire(pair.wire)
        wire.close = lambda: None
        options = {"fifo": 1 << 20, "gro": False, "sink": True, "rcvbuf": 1 << 28, "cpus": 1} | LOOKS.get(look, {})
        with vnic.Host(live=True, wire=wire, **options) as host:
            seen, late = vnic.Capture(host, tmp_path / "gro"), None
            if look == "a capture at the wire":
                late = vnic.Capture(host, tmp_path / "wire", at="wire")
            if look == "a filter in Python":
                host.nic.filter(lambda burst: [bytes(p) in want for p in burst])
            if look == "a capture that comes late":
                host.knobs.update({"rx-usecs": 50_000, "rx-ring": 16})  # the rest stays in the FIFO for a while
            host.start()
            for head, frame in given:
                pair.kernel.send(head + bytes(2) + frame)
            if look == "a capture that comes late":
                wait_until(lambda: host.ledger().in_flight_at["fifo"] > 20)
                late = vnic.Capture(host, tmp_path / "wire", at="nic")  # what is in the FIFO has been at the wire
            wait_until(lambda: host.ledger().offered == len(want))
            host.stop()
            for capture in (seen, late):
                if capture is not None:
                    capture.close()
            assert host.laws() == 0
            got = [bytes(data) for _, data in read_back(tmp_path / "gro")]
            lost = host.ledger().fates.get("FIFO_OVERRUN", 0)
        assert sum(pair.c.big_refs) == 0
        assert pair.c.nfree == pair.c.nslots
    assert len(got) == len(want) - lost
    assert (lost > 0) == (look == "a FIFO that overruns")
    assert not Counter(got) - Counter(want)
    if late is not None:
        wire_saw = [bytes(data) for _, data in read_back(tmp_path / "wire")]
        assert len(wire_saw) > 20
        assert not Counter(wire_saw) - Counter(want)
        assert late.packets == len(want) or look == "a capture that comes late"


def test_when_all_room_is_referred_to_segments_are_made_whole():
    """A FIFO of 16 MB may hold many more than the wire has room for: the last buffer is for reading on."""
    frame = big_tcp(False, bytes(1448 * 20))
    head = header(frame, TCPV4, 1448, 16)
    with Pair() as pair:
        f, split, held = ffi.new("struct frame[]", lib.BURST), 0, []
        for _ in range(14):
            pair.kernel.send(head + bytes(2) + frame)
            while (n := pair.wire.read_burst(pair.wire, f, lib.BURST)) > 0:
                for i in range(n):
                    split += bool(f[i].head)
                    held.append(ffi.new("struct frame *", f[i]))
        assert len(held) == 14 * 20
        assert split == 14 * 20
        for one in held:
            pair.wire.release(pair.wire, one)
        assert sum(pair.c.big_refs) == 0
        for i in range(lib.TAP_AHEAD - 1):
            pair.c.big_refs[i] += 1
        got = pair.give(head, frame)
        assert len(got) == 20
        for i in range(lib.TAP_AHEAD - 1):
            pair.c.big_refs[i] -= 1
        assert sum(pair.c.big_refs) == 0
