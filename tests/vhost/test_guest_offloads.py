"""Frames that a sender has not cut reach a driver that takes them so in one piece, with their header; others, cut.

The card's wire is a port, whose other end is a back-end of the test's: it sends what a kernel sends by a TAP.
"""

import struct
import time

import frames
import front_end
import pytest
from back_end import BackEnd
from front_end import FrontEnd
from vhost_checks import until

import vnic

TSO4, TSO6, ECN, USO4, USO6 = (1 << bit for bit in (7, 8, 9, 54, 55))
ALL = TSO4 | TSO6 | ECN | USO4 | USO6


def partial(frame: bytes, start: int, at: int, v6: bool) -> bytes:
    """The frame with only the pseudo header's sum in its checksum field, as a sender with offload leaves it."""
    out = bytearray(frame)
    addresses = out[22:54] if v6 else out[26:34]
    words = struct.unpack(f"!{len(addresses) // 2}H", addresses)
    total = sum(words) + (out[20] if v6 else out[23]) + len(out) - start
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    out[at : at + 2] = struct.pack("!H", total)
    return bytes(out)


def tcp4(size):
    return partial(frames.tcp(bytes(i % 251 for i in range(size))), 34, 50, v6=False), (1, 34, 16, 54)


def tcp6(size):
    return partial(frames.tcp(bytes(i % 241 for i in range(size)), src="fd00::1", dst="fd00::2"), 54, 70, v6=True), (
        4,
        54,
        16,
        74,
    )


def udp4(size):
    return partial(frames.udp(bytes(i % 239 for i in range(size))), 34, 40, v6=False), (5, 34, 6, 42)


def header(kind, mss=1400, flags=1):
    gso, start, offset, hdr_len = kind
    return struct.pack("<BBHHHHH", flags, gso, hdr_len, mss, start, offset, 1)


@pytest.fixture
def through(tmp_path, vhost):
    """A function: a card on a port, a driver with these features on the card, a back-end on the port."""
    with BackEnd(tmp_path / "port") as there:
        card = vhost(wire=vnic.VhostWire(tmp_path / "port"), fifo=1 << 20, mtu=1500)

        def make(features=ALL, *, without=0):
            front = FrontEnd(card.path, features=(front_end.USUAL | features) & ~without)
            made.append(front)
            front.start(buffers=250)
            until(lambda: card.wire.attached and there.up.is_set() and card.attached)
            return card, front, there

        made = []
        yield make
        for front in made:
            front.close()


@pytest.mark.parametrize("size", [1448, 1449, 3000, 32_000, 65_000])
@pytest.mark.parametrize("make", [tcp4, tcp6, udp4])
def test_a_driver_that_takes_gso_frames_gets_them_whole(through, make, size):
    if make is udp4:
        size = min(size, 65_400)
    card, front, there = through()
    frame, kind = make(size)
    for turn in range(40):  # more than the wire has read buffers
        assert there.send(frame, header=header(kind)) == 1
        assert front.frames(1) == [frame]
        got = struct.unpack("<BBHHHHH", front.headers[0])
        assert got[:6] == struct.unpack("<BBHHHHH", header(kind))[:6]
        assert got[6] == -(-(len(frame) + 12) // 2048)
        assert card.wire.facts()["vnet_hdr"]["gso_taken"] == turn + 1
    assert card.ledger().fates == {"DELIVERED_DRIVER": 40}
    assert card.wire.facts()["vnet_hdr"]["gso_segments"] == 0


@pytest.mark.parametrize(
    ("make", "features"),
    [
        (tcp4, 0),
        (tcp4, TSO6 | USO4 | USO6 | ECN),
        (tcp6, TSO4 | USO4 | USO6 | ECN),
        (udp4, TSO4 | TSO6),
        (udp4, TSO4 | TSO6 | USO4),
    ],
)
def test_a_driver_that_takes_none_gets_segments(through, make, features):
    card, front, there = through(features)
    frame, kind = make(4000)
    assert there.send(frame, header=header(kind)) == 1
    got = front.frames(3)
    assert len(got) == 3
    assert b"".join(f[kind[3] :] for f in got) == frame[kind[3] :]
    assert not any(h[1] for h in front.headers)
    assert card.wire.facts()["vnet_hdr"]["gso_taken"] == 0


def test_ecn_needs_its_own_feature(through):
    card, front, there = through(TSO4)
    frame, kind = tcp4(4000)
    there.send(frame, header=header((kind[0] | 128, *kind[1:])))
    assert len(front.frames(3)) == 3
    assert card.wire.facts()["vnet_hdr"]["gso_taken"] == 0


@pytest.mark.parametrize("missing", [front_end.GUEST_CSUM, front_end.MRG_RXBUF])
def test_without_checksum_offload_or_mergeable_buffers_nothing_is_whole(through, missing):
    _, front, there = through(ALL, without=missing)
    frame, kind = tcp4(4000)
    there.send(frame, header=header(kind))
    assert len(front.frames(3)) == 3


def test_more_than_the_read_buffers_wait_for_a_driver_without_buffers(through):
    """The FIFO holds what the driver has no buffers for; at the last read buffer the wire cuts, and reads on."""
    card, front, there = through()
    frame, kind = tcp4(30_000)
    for i in range(16):  # the ring's 250 buffers; one after another, or the last read buffer would be cut
        assert there.send(frame, header=header(kind)) == 1
        until(lambda i=i: card.ledger().fates.get("DELIVERED_DRIVER", 0) == i + 1)
    for _ in range(25):
        assert there.send(frame, header=header(kind)) == 1
    facts = card.wire.facts
    until(lambda: facts()["vnet_hdr"]["gso_frames"] == 41)
    assert facts()["vnet_hdr"]["gso_taken"] == 16 + 15
    assert facts()["vnet_hdr"]["gso_segments"] == 10 * 22
    whole = segments = 0
    end = time.monotonic() + 10
    while (whole, segments) != (31, 220) and time.monotonic() < end:
        for got, head in zip(front.frames(1, seconds=0.2), front.headers, strict=True):
            whole += got == frame
            segments += not head[1]
    assert (whole, segments) == (31, 220)


def test_the_next_driver_gets_what_it_asks_for(through):
    card, front, there = through(ALL)
    frame, kind = tcp4(4000)
    there.send(frame, header=header(kind))
    assert front.frames(1) == [frame]
    front.close()
    until(lambda: card.session is None)
    assert card.wire.c.gso_whole == 0
    _, front, _ = through(0)
    there.send(frame, header=header(kind))
    assert len(front.frames(3)) == 3


def test_the_mtu_is_for_segments(through):
    """A frame that was not cut is longer than the MTU, and no error; an ordinary one of that length is."""
    card, front, there = through()
    frame, kind = tcp4(4000)
    there.send(frame, header=header(kind))
    assert front.frames(1) == [frame]
    there.send(frames.udp(bytes(2000)))
    until(lambda: card.ledger().offered == 2)
    assert card.ledger().fates == {"DELIVERED_DRIVER": 1, "RX_LENGTH": 1}
