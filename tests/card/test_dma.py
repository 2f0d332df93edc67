"""The card writes into the driver's buffers, where the descriptors say, nowhere else; it checks checksums on the way.

The driver is tests/support/foreign_driver.py's class, by hand.
"""

import frames
import pytest
from dma_card import RING, Card, header, plain
from foreign_driver import FEATURES
from hypothesis import given
from hypothesis import strategies as st

from vnic._core import ffi, lib

VALID = lib.VIRTIO_NET_HDR_F_DATA_VALID


# ---- where the bytes go ----


def test_the_ring_is_not_decoration(card):
    """Change desc.addr after posting, and the bytes land there."""
    posted = card.buffer(0)
    card.start()
    elsewhere = card.driver.buffers + 40 * card.driver.stride + 7
    card.driver.describe(0, elsewhere, 2048)
    assert card.receive(plain(100)) == [(0, 120)]
    assert card.driver.mem[elsewhere : elsewhere + 120] == header() + plain(100)
    assert card.driver.mem[posted : posted + 2048] == bytes(2048)


def test_the_ring_is_not_decoration_for_vnics_own_driver_either(host):
    h = host()
    sock = h.udp(5000)
    dq = h.machine.c.dq[0]
    first = dq.vq.avail.ring[0]
    dq.vq.desc[first].addr = dq.vq.desc[dq.vq.avail.ring[9]].addr  # the driver will look into an empty buffer
    h.feed([frames.udp(b"lost"), frames.udp(b"found")])
    h.run()
    assert sock.recv() == b"found"
    assert h.ledger().fates == {"UNHANDLED_PROTO": 1, "DELIVERED_UDP": 1}


def test_frames_lie_in_the_buffers_in_the_order_of_the_wire(card):
    sent = [plain(60 + i) for i in range(5)]
    for i in (3, 1, 4, 0, 2):
        card.buffer(i)
    card.start()
    used = card.receive(*sent)
    assert [head for head, _ in used] == [3, 1, 4, 0, 2]
    assert [card.frame([u])[1] for u in used] == sent


# ---- chains that are no good ----


def test_vnics_own_driver_gets_a_refused_buffer_back(host):
    h = host(rx_ring=16)
    h.udp(5000)
    dq = h.machine.c.dq[0]
    dq.vq.desc[dq.vq.avail.ring[0]].addr = 1 << 60
    h.feed(frames.udp())
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 1}
    assert h.nic.queues()[0].dma_failed == 1
    assert h.laws() == 0


# ---- an index that cannot be: the card stops ----


@pytest.mark.parametrize("what", ["index", "head"])
def test_an_impossible_index_stops_the_card(card, what):
    d = card.driver
    card.start()
    assert card.receive(plain(60), plain(61)) == []
    assert card.host.ledger().in_flight_at["fifo"] == 2
    if what == "index":
        d.put("<H", d.avail + 2, RING + 1)
    else:
        card.buffer(0)
        d.put("<H", d.avail + 4, RING)
    before = bytes(d.mem[d.used :])
    assert card.receive() == []
    assert card.status & lib.VIRTIO_S_NEEDS_RESET
    assert card.receive(plain(62)) == []
    assert card.host.ledger().fates == {"DEV_READY": 3}
    assert d.mem[d.used + 2 : d.used + 4] == before[2:4]
    assert d.mem[d.buffers :] == before[d.buffers - d.used :]


# ---- the transport checksum ----

RIGHT = {
    f"{build.__name__}{v} {n}": build((bytes(range(1, 256)) * 6)[:n], src=src, dst=dst)
    for build in (frames.udp, frames.tcp)
    for v, src, dst in ((4, "10.0.0.1", "10.0.0.2"), (6, "fd00::1", "fd00::2"))
    for n in (0, 1, 18, 33, 701, 1400)
}


def l4(raw: bytes) -> tuple[int, int, bytes]:
    """Where its checksum is, and the pseudo-header and all, for a frame without options."""
    version, proto = raw[14] >> 4, raw[23] if raw[14] >> 4 == 4 else raw[20]
    at = 34 if version == 4 else 54
    addresses = raw[26:34] if version == 4 else raw[22:54]
    body = raw[at:]
    return (
        at + (6 if proto == 17 else 16),
        proto,
        addresses + len(body).to_bytes(4, "big") + bytes([0, 0, 0, proto]) + body,
    )


def partial(raw: bytes) -> bytes:
    """As a sender leaves it to its card: the checksum field holds the pseudo-header's sum."""
    at, _, summed = l4(raw)
    pseudo = summed[: 16 if raw[14] >> 4 == 4 else 40]
    return raw[:at] + (~frames.csum(pseudo) & 0xFFFF).to_bytes(2, "big") + raw[at + 2 :]


def through(raw: bytes, *, size: int = 2048, features: int = FEATURES, **knobs):
    """One frame through a card with buffers of this size: (header flags, bytes, counters)."""
    with Card(rx_ring=128, rx_pool=128, **knobs) as card:
        card.driver.put("<Q", 32, features)
        for i in range(128):
            card.buffer(i, size)
        card.start()
        head, data = card.frame(card.receive(raw))
        q = card.host.nic.queues()[0]
        return head[0], data, (q.csum_good, q.csum_errors, int(card.host.wire.c.csum_completed))


@pytest.mark.parametrize("size", [2048, 61, 81, 91], ids="buffers of {} bytes".format)
@pytest.mark.parametrize("raw", RIGHT.values(), ids=RIGHT)
def test_a_right_checksum_is_verified_and_an_offloaded_one_completed(raw, size):
    """61, 81, 91: the two bytes of UDP's (IPv4, IPv6) and of TCP's (IPv6) are in different buffers."""
    assert through(raw, size=size) == (VALID, raw, (1, 0, 0))
    offloaded = partial(raw)
    assert offloaded != raw
    assert through(offloaded, size=size) == (VALID, raw, (1, 0, 1))
    assert through(offloaded, size=size, strict_csum=True) == (0, offloaded, (0, 1, 0))


@given(st.sampled_from(sorted(RIGHT)), st.integers(21, 400), st.integers(0, 2000), st.integers(1, 255))
def test_any_wrong_byte_is_found_wherever_the_buffers_end(name, size, where, flip):
    """The model is RFC 1071 on the bytes: a flipped byte of ports, flags, checksum or data is not right any more."""
    raw = bytearray(RIGHT[name])
    start = 34 if raw[14] >> 4 == 4 else 54
    where = start + where % (len(raw) - start)
    raw[where] ^= flip
    at, proto, summed = l4(bytes(raw))
    unused = proto == 17 and raw[at : at + 2] == b"\0\0"
    bad_length = proto == 17 and int.from_bytes(raw[at - 2 : at], "big") != len(raw) - start
    right = frames.csum(summed) == 0 and not bad_length
    if unused:
        right = raw[14] >> 4 == 4
    flags, data, (good, bad, completed) = through(bytes(raw), size=size)
    if not completed:
        assert data == raw
        assert (flags, good, bad) == ((VALID, 1, 0) if right else (0, 0, 1))


def test_a_computed_udp_checksum_of_zero_is_sent_as_ones():
    raw = frames.udp(frames.udp(b"\0\0")[40:42])  # the data makes up for everything else
    assert raw[40:42] == b"\xff\xff"
    assert through(partial(raw))[:2] == (VALID, raw)


@pytest.mark.parametrize(
    "raw, flags",
    [
        (frames.udp(check=0), VALID),  # RFC 768: not computed
        (frames.udp(check=0, src="fd00::1", dst="fd00::2"), 0),  # RFC 8200: must be
        (frames.udp(length=20), 0),  # UDP's length is not IP's: the host decides
        (frames.udp(frag=0x2000), 0),
        (frames.icmp(), 0),
        (frames.udp()[:50], 0),  # cut by the snap length
        (frames.udp(mac={"vlan": 7}), VALID),
        (frames.udp() + bytes(18), VALID),  # padding behind the datagram is not summed
        (frames.udp(options=bytes([1] * 8)), VALID),
    ],
)
def test_what_is_verified(raw, flags):
    assert through(raw)[:2] == (flags, raw)


@pytest.mark.parametrize("knobs", [{"rx": False}, {"features": FEATURES & ~(1 << lib.VIRTIO_NET_F_GUEST_CSUM)}])
def test_nothing_is_vouched_for_when_it_is_off_or_not_negotiated(knobs):
    raw = frames.udp()
    assert through(raw, **knobs) == (0, raw, (0, 0, 0))
    assert through(partial(raw), **knobs) == (0, raw, (0, 0, 1))  # the sender's card is still completed


def test_the_header_carries_hash_and_type():
    from model import rss

    with Card() as card:
        card.buffer(0)
        card.start()
        head, _ = card.frame(card.receive(frames.tcp(sport=5, dport=6)))
        assert head[7:9] == rss.rss("10.0.0.1", "10.0.0.2", 6, 5, 6)


# ---- the shared memory ----


@pytest.mark.parametrize("addr, length, inside", [
    (0, 0, True), (0, 1, True), (-1, 1, True), (0, "all", True), (-1, 2, False), (0, "more", False), ("end", 0, True),
    ("end", 1, False), (2**64 - 1, 1, False), (2**63, 2**63, False),
])  # fmt: skip
def test_a_bus_address_is_an_offset_into_the_region(card, addr, length, inside):
    dma = card.host.machine.c.nic.dma
    size = dma.size
    addr = size if addr == "end" else addr + size if addr == -1 else addr
    length = {"all": size, "more": size + 1}.get(length, length)
    got = lib.dma_map(ffi.addressof(dma), addr, length)
    assert got == (ffi.cast("void *", dma.base + addr) if inside else ffi.NULL)


def test_a_table_of_regions_ends_where_it_says():
    memory, dma = ffi.new("uint8_t[8192]"), ffi.new("struct dma *")
    for i in range(2):
        dma.region[i] = {"bus": 4096 * i, "size": 4096, "base": memory + 4096 * i}
    for dma.nregions, found in ((2, memory + 4096), (1, ffi.NULL)):
        assert lib.dma_map(dma, 4096, 10) == found
