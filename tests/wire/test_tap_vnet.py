"""Virtio headers at the TAP: what the kernel left to the card is done at the wire, as the kernel itself would have."""

import struct
import time
from collections import Counter

import frames
import pytest
from dma_card import Card
from hypothesis import given
from hypothesis import strategies as st
from live_tap import wait_until
from pcapng_blocks import read_back
from peer import decode
from unfinished_frames import DESTINATION, HOP_BY_HOP, ROUTING, TAGS, Made
from vnet_pair import ECN, NEEDS_CSUM, SLOT, TCPV4, TCPV6, UDP_L4, Pair, big_tcp, big_udp, header, partial

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


@given(st.data())
def test_a_checksum_is_completed_inside_the_frame_or_the_header_is_bad(data):
    """To the byte: both of the sum's bytes are the frame's, or none is written."""
    frame = bytes(range(60))
    start = data.draw(st.integers(0, 63) | st.integers(0, 65535))
    offset = data.draw(st.integers(max(0, 56 - start), max(0, 63 - start)) | st.integers(0, 65535))
    inside = start < len(frame) and start + offset + 2 <= len(frame)
    with Pair() as pair:
        (got,) = pair.give(struct.pack("<BBHHHH", NEEDS_CSUM, 0, 0, 0, start, offset), frame)
        assert (pair.c.csum_filled, pair.c.bad_vnet) == (1, not inside)
    at = start + offset
    same = got if not inside else got[:at] + frame[at : at + 2] + got[at + 2 :]
    assert same == frame


SHAPES = [
    {}, {"tags": TAGS[1]}, {"tags": TAGS[2]}, {"v6": True}, {"v6": True, "tags": TAGS[1]},
    {"v6": True, "headers": (DESTINATION,)}, {"v6": True, "headers": (HOP_BY_HOP, ROUTING), "tags": TAGS[2]},
]  # fmt: skip
TCP_OPTIONS = b"\1\1\x08\x0a" + bytes(8)


@pytest.mark.parametrize("zero", [False, True], ids=["", "checksums of 0"])
@pytest.mark.parametrize("room", [True, False], ids=["room for payloads", "none"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tcp", [{"options": b""}, {"options": TCP_OPTIONS}, None], ids=["TCP", "TCP, options", "UDP"])
def test_it_cuts_as_its_senders_card_had_done(tcp, shape, room, zero):
    """Payloads stay where they were read if there is room, of what is plain. A checksum that comes out as 0 is sent as
    0 by TCP and as ffff by UDP. What needs no cutting is completed likewise."""
    flags = frames.ACK | frames.PSH | frames.FIN | frames.CWR
    shape = shape | ({"tcp": False} if tcp is None else tcp)

    def made(part, nth, first, last):
        number = {} if shape.get("v6") else {"id": 0xFFFE + nth & 0xFFFF}
        mine = flags & ~(0 if first else frames.CWR) & ~(0 if last else frames.FIN | frames.PSH)
        return Made(
            payload=part, **shape, **number, **({} if tcp is None else {"seq": 2**32 - 150 + 100 * nth, "flags": mine})
        )

    def pieces(payload):
        return [made(payload[100 * i : 100 * i + 100], i, i == 0, i == 9) for i in range(10)]

    payload = bytearray(i * 7 % 251 for i in range(950))
    if zero:
        for i in range(10):
            payload[100 * i : 100 * i + 2] = bytes(2)
        for i, piece in enumerate(pieces(payload)):
            payload[100 * i : 100 * i + 2] = piece.data[piece.sum_at : piece.sum_at + 2]
    want = pieces(bytes(payload))
    assert not zero or {p.data[p.sum_at : p.sum_at + 2] for p in want} == {b"\xff\xff" if tcp is None else b"\0\0"}
    big = made(bytes(payload), 0, first=True, last=True)
    kind = UDP_L4 if tcp is None else (TCPV6 if big.v6 else TCPV4) | ECN
    heads = len(big.data) - len(payload)
    with Pair() as pair:
        for i in range(lib.TAP_AHEAD - 1):
            pair.c.big_refs[i] += not room
        head = struct.pack("<BBHHHH", NEEDS_CSUM, kind, heads, 100, big.l4, big.sum_at - big.l4)
        assert pair.give(head, big.left(transport="long")) == [p.data for p in want]
        assert (pair.c.gso_frames, pair.c.gso_segments, pair.c.bad_vnet) == (1, 10, 0)
        for piece in want:
            head = struct.pack("<BBHHHH", NEEDS_CSUM, 0, 0, 0, piece.l4, piece.sum_at - piece.l4)
            assert pair.give(head, piece.left(transport="long")) == [piece.data]
        assert (pair.c.csum_filled, pair.c.bad_vnet) == (10, 0)


ODD = {  # bits to turn round in the IPv4 and in the IPv6 header, and how much further on the payload's header is
    "plain": ({}, {}, 0),
    "another protocol": ({9: 64}, {6: 64}, 0),
    "the other protocol": ({9: 6 ^ 17}, {6: 6 ^ 17}, 0),
    "the first fragment": ({6: 0x20}, {6: 44}, 0),
    "a fragment": ({7: 1}, {6: 44}, 0),
    "options": ({0: 3}, {6: 60}, 0),
    "its transport header is further on": ({}, {}, 8),
    "it is behind options": ({0: 2}, {6: 60}, 8),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("tcp", [False, True])
def test_in_two_parts_is_only_what_the_card_would_look_at_likewise_if_it_were_whole(tcp, v6, odd):
    frame = bytearray((big_tcp if tcp else big_udp)(v6, b"P" * 2000))  # whatever is looked at is a length of 20
    further = ODD[odd][2]
    for at, bits in ODD[odd][v6].items():
        frame[14 + at] ^= bits
    l4 = (54 if v6 else 34) + further
    head = struct.pack("<BBHHHH", NEEDS_CSUM, (TCPV6 if v6 else TCPV4) if tcp else UDP_L4, 0, 100, l4, 16 if tcp else 6)
    with Pair() as pair:
        pair.kernel.send(head + bytes(2) + frame)
        f, split, n = ffi.new("struct frame[]", lib.BURST), 0, 0
        while (got := pair.wire.read_burst(pair.wire, f, lib.BURST)) > 0:
            for i in range(got):
                if f[i].head:
                    split += 1
                    said = (f[i].l3, f[i].l3_off, f[i].l4_off, f[i].l4_len, f[i].ip_proto)
                    lib.tap_vnet_whole(pair.wire, f + i)
                    p = ffi.new("struct frame *", {"data": f[i].data, "len": f[i].len})
                    lib.frame_parse(p)
                    assert said == (p.l3, p.l3_off, p.l4_off, p.l4_len, p.ip_proto)
                n += 1
                pair.wire.release(pair.wire, f + i)
        assert n >= 19
        assert pair.c.bad_vnet == 0
        assert split == (n if odd == "plain" else 0)


def test_a_frame_longer_than_its_slot_is_cut_and_counted():
    with Pair() as pair:
        lengths = [60, SLOT, SLOT + 1, 60, SLOT + 1000]
        got = [pair.give(bytes(10), bytes(n)) for n in lengths]
        assert got == [[bytes(min(n, SLOT))] for n in lengths]
        assert (pair.c.over, pair.c.bad_vnet) == (2, 0)


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


def test_no_burst_is_longer_than_asked_for_though_a_big_one_is_behind_a_small_one():
    small, big = frames.udp(b"small"), big_udp(False, bytes(2000))
    with Pair() as pair:
        f, got = ffi.new("struct frame[]", lib.BURST), []
        for before in range(8):  # one of these times it is read together with a small one
            for _ in range(before):
                pair.kernel.send(bytes(12) + small)
            pair.kernel.send(header(big, UDP_L4, 100, 6) + bytes(2) + big)
            while (n := pair.wire.read_burst(pair.wire, f, 6)) > 0:
                got.append(n)
                for i in range(n):
                    pair.wire.release(pair.wire, f + i)
        assert max(got) == 6
        assert sum(got) == sum(range(8)) + 8 * 20


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
            assert host.machine.c.tx.offload == (
                lib.NETIF_F_HW_CSUM | lib.NETIF_F_GSO_UDP_L4 | lib.NETIF_F_TSO | lib.NETIF_F_TSO6
            )


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("n", [1, 99, 100, 101, 950, 6000])
def test_udp_segments_go_out_as_one_frame_for_the_kernel_to_cut(v6, n):
    data = bytes(i * 7 % 251 for i in range(n))
    with Pair() as pair:
        wire = vnic.wire.Wire(pair.wire)
        wire.close = lambda: None
        with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], wire=wire) as host:
            host.udp(7).sendto(data, ("ff02::fb" if v6 else "224.0.0.251", 9), gso_size=100)
            host.run()
        sent = pair.kernel.recv(1 << 16)
        assert len(sent) == 12 + max(60, 14 + (40 if v6 else 20) + 8 + n)
        flags, kind, _, size, start, offset, _ = struct.unpack("<BBHHHHH", sent[:12])
        assert (flags, kind, size) == ((NEEDS_CSUM, UDP_L4, 100) if n > 100 else (flags, 0, 0))
        assert not flags or (start, offset) == (54 if v6 else 34, 6)
        got = [decode(0, f.ljust(60, b"\0")) for f in pair.give(sent[:10], sent[12:])]
        assert [s.payload[8:] for s in got] == [data[i : i + 100] for i in range(0, n, 100)]


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


@pytest.mark.parametrize("gro", [True, False])
@pytest.mark.parametrize("rx", [True, False])
@pytest.mark.parametrize(
    "knobs", [{}, {"queues": 2, "cpus": 2}, {"fifo": 1 << 16, "rx_ring": 16}, {"rx_buf_len": 256, "rx_ring": 1024}]
)
def test_segments_in_two_parts_are_counted_and_read_like_whole_ones(rx, gro, knobs):
    """Nobody looks at them on their way, so the card's DMA alone brings them together."""
    texts = [bytes([i]) * (1448 * 20 + 1 + i) for i in range(4)]
    given = [(big_tcp(v6, texts[v6]), TCPV6 if v6 else TCPV4, 16) for v6 in (False, True)]
    given += [(big_udp(v6, texts[2 + v6]), UDP_L4, 6) for v6 in (False, True)]
    with Pair() as pair:
        want = [f for frame, kind, field in given for f in pair.give(header(frame, kind, 1448, field), frame)]
    with Pair() as pair:
        wire = vnic.wire.Wire(pair.wire)
        wire.close = lambda: None
        options = {"fifo": 1 << 20, "rcvbuf": 1 << 28, "cpus": 1} | knobs
        with vnic.Host(live=True, wire=wire, rx=rx, gro=gro, **options) as host:
            listener, sock = host.tcp(80), host.udp(5000)
            host.start()
            for frame, kind, field in given:
                before = host.ledger().offered
                pair.kernel.send(header(frame, kind, 1448, field) + bytes(2) + frame)
                wait_until(lambda before=before: host.ledger().offered == before + 21)
                if kind != UDP_L4:
                    stream, got = listener.accept(timeout=20), b""
                    while len(got) < len(texts[kind == TCPV6]):
                        got += stream.read(timeout=20)
                    assert got == texts[kind == TCPV6]
            for text in texts[2:]:
                assert b"".join(sock.recv(timeout=20) for _ in range(21)) == text
            host.stop()
            queues = host.nic.queues()
            assert sum(q.packets for q in queues) == len(want) == 84
            assert sum(q.bytes for q in queues) == sum(map(len, want))
            assert sum(q.csum_good for q in queues) == (84 if rx else 0)
            assert sum(q.csum_errors for q in queues) == 0
            assert host.ledger().fates == {"DELIVERED_TCP": 42, "DELIVERED_UDP": 42}


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("rx", [False, True])
def test_a_driver_gets_a_segment_in_two_parts_as_it_gets_a_whole_one(rx, tcp, v6):
    """Header and bytes, in the next buffer that it posted and no other; and what the card notes beside the ring."""
    data = bytes(i * 7 % 251 for i in range(950))
    frame = big_tcp(v6, data) if tcp else big_udp(v6, data)
    head = header(frame, (TCPV6 if v6 else TCPV4) if tcp else UDP_L4, 100, 16 if tcp else 6)
    with Pair() as pair:
        want = pair.give(head, frame)
    with Card(rx=rx) as card:
        for i in range(10):
            card.buffer(i)
        card.start()
        whole = [card.frame([used]) for used in card.receive(*want)]
    with Pair() as pair:
        wire = vnic.wire.Wire(pair.wire)
        wire.close = lambda: None
        with Card(rx=rx, wire=wire) as card:
            for i in (5, 3, 11, 8, 0, 1, 12, 4, 7, 9, 15):
                card.buffer(i)
            card.start()
            pair.kernel.send(head + bytes(2) + frame)
            card.host.nic.kick()
            card.host.run()
            used = card.driver.take()
            assert used == [(i, 20 + len(f)) for i, f in zip((5, 3, 11, 8, 0, 1, 12, 4, 7, 9), want, strict=True)]
            assert [card.frame([u]) for u in used] == whole
            shadow = card.host.machine.c.nic.queue[0].shadow
            assert [shadow[i].id for i, _ in used] == list(range(1, 11))
            assert {(shadow[i].t_wire, shadow[i].t_dma) for i, _ in used} == {(card.host.machine.c.nic.now,) * 2}
            assert (pair.c.gso_segments, sum(pair.c.big_refs)) == (10, 0)
    assert [header[0] for header, _ in whole] == [lib.VIRTIO_NET_HDR_F_DATA_VALID if rx else 0] * 10


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
