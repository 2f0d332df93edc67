"""The card writes into the driver's buffers, where the descriptors say, nowhere else; it checks checksums on the way.

The driver is tests/support/foreign_driver.py's class, by hand.
"""

import errno

import frames
import pytest
from foreign_driver import FEATURES, HEADER, INDIRECT, NEXT, WRITE, Driver
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic._core import ffi, lib

RING = 16
VALID = lib.VIRTIO_NET_HDR_F_DATA_VALID


def plain(length: int) -> bytes:
    """A frame without anything to hash or to check."""
    return frames.eth(bytes(i % 255 + 1 for i in range(length - 14)), type=0x88B5)


def header(num_buffers: int = 1) -> bytes:
    return HEADER.pack(0, 0, 0, 0, 0, 0, num_buffers, 0, 0, 0)


class Card:
    """A host without a driver of its own, and one by hand, before DRIVER_OK."""

    def __init__(self, **knobs) -> None:
        knobs = {"cost": "zero", "link": "inf", "rx_ring": RING, "rx_pool": 64, "sockets": 16} | knobs
        self.host = vnic.Host(external_driver=True, **knobs)
        self.driver = Driver(self.host.nic.memfd)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        assert self.host.ledger().closed
        self.driver.u16.release()
        self.driver.mem.close()
        self.host.close()

    def start(self) -> None:
        self.driver.ok()
        self.host.nic.driver_ok()

    def buffer(self, i: int, length: int = 2048, **desc) -> int:
        """Describe and post buffer i. Its address."""
        addr = self.driver.buffers + i * self.driver.stride
        self.driver.describe(i, addr, length, **desc)
        self.driver.post(i)
        return addr

    def receive(self, *raw: bytes) -> list[tuple[int, int]]:
        """Feed, run; the used entries."""
        self.host.feed(raw)
        self.host.nic.kick()
        self.host.run()
        return self.driver.take()

    def frame(self, used) -> tuple[tuple, bytes]:
        """Header and bytes of the frame in these buffers."""
        data = b"".join(self.driver.buffer(head, n) for head, n in used)
        return HEADER.unpack_from(data), data[HEADER.size :]

    @property
    def status(self) -> int:
        return self.driver.get("<I", 20)[0]


@pytest.fixture
def card():
    with Card() as c:
        yield c


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
    dq = h.c.dq[0]
    first = dq.vq.avail.ring[0]
    dq.vq.desc[first].addr = dq.vq.desc[dq.vq.avail.ring[9]].addr  # the driver will look into an empty buffer
    h.feed([frames.udp(b"lost"), frames.udp(b"found")])
    h.run()
    assert sock.recv() == b"found"
    assert h.ledger().fates == {"UNHANDLED_PROTO": 1, "DELIVERED_UDP": 1}


chains = st.lists(st.tuples(st.integers(20, 150), st.lists(st.integers(0, 150), max_size=3)), min_size=1, max_size=RING)


@given(chains, st.integers(14, 1200))
def test_a_frame_fills_chains_and_buffers_in_order_and_nothing_else(shapes, length):
    with Card() as card:
        d, used, descriptors, wanted = card.driver, [], 0, header() + plain(length)
        where = d.buffers
        posted = []  # [[(address, length)]]
        for first, more in shapes:
            lengths = [first, *more][: RING - descriptors]
            if not lengths:
                break
            head = descriptors
            posted.append((head, []))
            for i, n in enumerate(lengths):
                last = i == len(lengths) - 1
                d.describe(descriptors, where, n, WRITE | (0 if last else NEXT), 0 if last else descriptors + 1)
                posted[-1][1].append((where, n))
                where += n + 3
                descriptors += 1
            d.post(head)
        card.start()
        image, left, taken = bytearray(d.mem), len(wanted), []
        for head, buffers in posted:
            room = sum(n for _, n in buffers)
            if left:
                taken.append((head, buffers))
                used.append((head, min(left, room)))
                left -= min(left, room)
        wanted = header(len(taken)) + wanted[HEADER.size :]
        if not left:
            at = 0
            for addr, n in (b for _, buffers in taken for b in buffers):
                image[addr : addr + len(wanted[at : at + n])] = wanted[at : at + n]
                at += n
        assert card.receive(plain(length)) == ([] if left else used)
        assert d.mem[d.buffers :] == image[d.buffers :]
        ledger = card.host.ledger()
        if left and len(posted) == RING:
            assert ledger.fates == {"RX_OVER": 1}
        elif left:
            assert (ledger.fates, card.host.c.nic.rx_no_buffer_count) == ({}, 1)
        else:
            assert ledger.fates == {"DELIVERED_DRIVER": 1}


def test_frames_lie_in_the_buffers_in_the_order_of_the_wire(card):
    sent = [plain(60 + i) for i in range(5)]
    for i in (3, 1, 4, 0, 2):
        card.buffer(i)
    card.start()
    used = card.receive(*sent)
    assert [head for head, _ in used] == [3, 1, 4, 0, 2]
    assert [card.frame([u])[1] for u in used] == sent


@pytest.mark.parametrize("length, fate", [(2028, "UNHANDLED_PROTO"), (2029, "RX_OVER")])
def test_a_frame_longer_than_the_whole_ring_is_lost_and_the_next_is_not(host, length, fate):
    """16 buffers of 128 bytes, less one header of 20."""
    h = host(rx_ring=16, rx_buf_len=128)
    h.udp(5000)
    h.feed([plain(length), frames.udp()])
    h.run()
    assert h.ledger().fates == {fate: 1, "DELIVERED_UDP": 1}
    assert h.nic.stats().rx_over_errors == h.nic.stats().rx_errors == (fate == "RX_OVER")
    assert h.laws() == 0


def test_a_frame_that_spans_buffers_raises_the_interrupt(host):
    """Bug: the device counted frames where the ring counts buffers, and thought that the driver knew."""
    h = host(rx_buf_len=128)
    sock = h.udp(5000)
    h.feed(frames.udp(bytes(range(250)) * 4))
    h.run()
    assert sock.recv() == bytes(range(250)) * 4
    assert h.nic.queues()[0].interrupts == 1


def test_a_long_frame_waits_for_buffers_and_the_doorbell_brings_it(host):
    """Bug: the doorbell was not asked for when some buffers, but too few, were there."""
    h = host(rx_ring=16, rx_buf_len=128, rx_frames=1)
    sock = h.udp(5000)
    bodies = [bytes([i]) * 900 for i in range(20)]
    h.feed([frames.udp(b) for b in bodies])
    h.run()
    assert [sock.recv() for _ in bodies] == bodies
    assert h.nic.queues()[0].no_buffer > 0


# ---- chains that are no good ----

BAD = {
    "outside": lambda d: d.describe(0, d.size, 100),
    "its last byte is outside": lambda d: d.describe(0, d.size - 99, 100),
    "address and length wrap": lambda d: d.describe(0, 2**64 - 50, 100),
    "length beyond everything": lambda d: d.describe(0, d.buffers, 0xFFFFFFFF),
    "not writable": lambda d: d.describe(0, d.buffers, 2048, 0),
    "indirect": lambda d: d.describe(0, d.buffers, 2048, WRITE | INDIRECT),
    "its own successor": lambda d: d.describe(0, d.buffers, 30, WRITE | NEXT, 0),
    "a loop of two": lambda d: (
        d.describe(0, d.buffers, 30, WRITE | NEXT, 1),
        d.describe(1, d.buffers + 30, 0, WRITE | NEXT, 0),
    ),
    "successor that is none": lambda d: d.describe(0, d.buffers, 30, WRITE | NEXT, RING),
    "second is outside": lambda d: (d.describe(0, d.buffers, 30, WRITE | NEXT, 1), d.describe(1, d.size, 4000)),
    "second is not writable": lambda d: (
        d.describe(0, d.buffers, 30, WRITE | NEXT, 1),
        d.describe(1, d.buffers + 30, 2048, 0),
    ),
    "no room for the header": lambda d: d.describe(0, d.buffers, 19),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_bad_chain_is_given_back_empty_and_nothing_is_written(card, make):
    make(card.driver)
    card.driver.post(0)
    good = card.buffer(8)
    card.start()
    before = bytearray(card.driver.mem)
    assert card.receive(plain(60)) == [(0, 0), (8, 80)]
    after = bytearray(card.driver.mem)
    assert after[good : good + 80] == header() + plain(60)
    for at, n in ((good, 80), (card.driver.used, 6 + 8 * RING)):
        before[at : at + n] = after[at : at + n] = bytes(n)
    assert after == before
    assert card.host.nic.queues()[0].dma_failed == 1
    assert card.host.ledger().fates == {"DELIVERED_DRIVER": 1}


def test_a_frame_begins_again_behind_a_bad_chain(card):
    card.buffer(0, 100)
    card.buffer(1, 100)
    card.buffer(2, flags=0)
    card.buffer(3)
    card.start()
    used = card.receive(plain(500))
    assert used == [(0, 0), (1, 0), (2, 0), (3, 520)]
    assert card.frame(used)[0][6] == 1
    assert card.frame(used)[1] == plain(500)


def test_only_bad_chains_and_the_frame_waits(card):
    for i in range(3):
        card.buffer(i, flags=0)
    card.start()
    assert card.receive(plain(60)) == [(0, 0), (1, 0), (2, 0)]
    assert card.host.ledger().fates == {}
    card.buffer(4)
    assert card.receive() == [(4, 80)]


def test_vnics_own_driver_gets_a_refused_buffer_back(host):
    h = host(rx_ring=16)
    h.udp(5000)
    dq = h.c.dq[0]
    dq.vq.desc[dq.vq.avail.ring[0]].addr = 1 << 60
    h.feed(frames.udp())
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 1}
    assert h.nic.queues()[0].dma_failed == 1
    assert h.laws() == 0


def test_a_chain_of_more_than_2_gib_is_a_chain():
    """Bug: the sum of its lengths wrapped."""
    with Card(rx_ring=64, rx_pool=32768) as card:
        d = card.driver
        for i in range(48):  # 3.4 GB: below zero as an int
            d.describe(i, d.buffers, d.size - d.buffers, WRITE | (NEXT if i < 47 else 0), i + 1)
        d.post(0)
        card.start()
        used = card.receive(plain(60))
        assert (used, card.frame(used)[1]) == ([(0, 80)], plain(60))


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


def test_a_driver_that_starts_over_gets_a_card_that_starts_over(card):
    d = card.driver
    for i in range(3):
        card.buffer(i)
    card.start()
    assert len(card.receive(plain(60), plain(61))) == 2
    d.put("<H", d.avail + 2, 1000)
    card.receive(plain(62), plain(63))
    assert card.status & lib.VIRTIO_S_NEEDS_RESET
    d.mem[d.avail : d.avail + 6 + 2 * RING] = bytes(6 + 2 * RING)
    d.mem[d.used : d.used + 6 + 8 * RING] = bytes(6 + 8 * RING)
    d.posted = d.taken = 0
    card.buffer(5)
    card.start()
    assert card.receive(plain(64)) == [(5, 84)]
    assert card.frame([(5, 84)])[1] == plain(64)


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
    dma = card.host.c.nic.dma
    size = dma.size
    addr = size if addr == "end" else addr + size if addr == -1 else addr
    length = {"all": size, "more": size + 1}.get(length, length)
    got = lib.dma_map(ffi.addressof(dma), addr, length)
    assert got == (ffi.cast("void *", dma.base + addr) if inside else ffi.NULL)


QUEUE = 56
WRONG = {
    "no DRIVER_OK": (lambda d: d.status(lib.VIRTIO_S_ACKNOWLEDGE), errno.EPROTO),
    "a feature that was not offered": (lambda d: d.put("<Q", 32, FEATURES | 1 << 17), errno.EPROTO),
    "no VERSION_1": (lambda d: d.put("<Q", 32, FEATURES & ~(1 << 32)), errno.EPROTO),
    "no MRG_RXBUF": (lambda d: d.put("<Q", 32, FEATURES & ~(1 << 15)), errno.EPROTO),
    "no HASH_REPORT": (lambda d: d.put("<Q", 32, FEATURES & ~(1 << 57)), errno.EPROTO),
    "size 0": (lambda d: d.put("<I", QUEUE, 0), errno.EINVAL),
    "size 12": (lambda d: d.put("<I", QUEUE, 12), errno.EINVAL),
    "size 65536": (lambda d: d.put("<I", QUEUE, 65536), errno.EINVAL),
    "descriptors misaligned": (lambda d: d.put("<Q", QUEUE + 8, d.desc + 8), errno.EINVAL),
    "avail ring misaligned": (lambda d: d.put("<Q", QUEUE + 16, d.avail + 1), errno.EINVAL),
    "used ring misaligned": (lambda d: d.put("<Q", QUEUE + 24, d.used + 2), errno.EINVAL),
    "descriptors outside": (lambda d: d.put("<Q", QUEUE + 8, d.size - 240), errno.EINVAL),
    "used_event outside": (lambda d: d.put("<Q", QUEUE + 16, d.size - 36), errno.EINVAL),
    "avail_event outside": (lambda d: d.put("<Q", QUEUE + 24, d.size - 132), errno.EINVAL),
}


@pytest.mark.parametrize("make, why", WRONG.values(), ids=WRONG)
def test_a_driver_that_sets_up_nonsense_gets_nothing(card, make, why):
    card.driver.ok()
    make(card.driver)
    with pytest.raises(vnic.HostError) as refused:
        card.host.nic.driver_ok()
    assert refused.value.errno == why
    assert card.receive(plain(60)) == []
    assert card.host.ledger().fates == {"DEV_READY": 1}


@pytest.mark.parametrize("make, why", WRONG.values(), ids=WRONG)
def test_a_driver_that_sets_up_nonsense_the_second_time_gets_nothing_either(card, make, why):
    """The card once kept its old state, with the new, unchecked addresses in it."""
    card.driver.ok()
    card.host.nic.driver_ok()
    make(card.driver)
    with pytest.raises(vnic.HostError) as refused:
        card.host.nic.driver_ok()
    assert refused.value.errno == why
    assert card.receive(plain(60)) == []
    assert card.host.ledger().fates == {"DEV_READY": 1}
