"""Rings start, stop, are enabled and disabled; frames and chains of every shape go through them."""

import struct
import time

import frames as made
import pytest
import steering
from front_end import HASH_REPORT, MRG_RXBUF, USUAL, WRITE
from vhost_checks import bad_chains, collect, flows, receives, sends, until, works

import vnic
from vnic._core import lib

SIZES = pytest.mark.parametrize("offer", [(), ("HASH_REPORT",)], ids=["12 bytes", "20 bytes"])


def _features(offer):
    return USUAL | (HASH_REPORT if offer else 0)


# ---- where a ring begins ----


@pytest.mark.parametrize("base", [1, 255, 256, 65530])
def test_the_driver_says_where_the_ring_begins_and_the_used_index_is_read(vhost, attach, base):
    """A driver that comes back does not begin at 0; 65530: both indices wrap."""
    card = vhost()
    front = attach(card)
    for ring in front.rings:
        ring.restart_at(base)
    works(front.start(), card, 1)


def test_a_driver_that_is_loaded_anew_begins_at_zero(vhost, attach):
    """rmmod and insmod: the same connection, the same memory, both indices 0 again."""
    card = vhost()
    front = attach(card).start()
    for _ in range(5):
        works(front, card, 1)
        for i, ring in enumerate(front.rings):
            assert front.stop(i) == ring.used
            front.enable(i, 0)
            ring.restart_at(0)
        for i in (0, 1):
            front.start_ring(i)
            front.enable(i)
        front.post_buffers(front.rings[0], 128)


def test_used_and_available_index_may_differ(vhost, attach):
    """BASE is the next entry to take; what was taken and not returned is lost, as after a crash."""
    card = vhost()
    front = attach(card)
    for ring in front.rings:
        ring.restart_at(100)
        ring.taken = 97
        front.memory.u16[(ring.at + 0xA000) // 2 + 1] = 97
    works(front.start(), card, 1)
    assert [r["used_idx"] + 3 for r in card.rings()][1] == card.rings()[1]["last_avail"]


def test_a_ring_that_stops_in_a_burst_goes_on_from_there(vhost, attach):
    """Each frame is sent once, in order; after the answer nothing is written."""
    card = vhost()
    front = attach(card).start(buffers=0)
    ring, sent, out = front.rings[1], flows(64), []
    for turn in range(60):
        front.transmit(*sent, bell=turn % 2 == 0)
        base = front.stop(1)
        at = ring.used
        memory = bytes(front.memory.bytes[ring.at : ring.at + 0x10000])
        assert base == at
        ring.ring_bell()
        time.sleep(0.0005)
        assert bytes(front.memory.bytes[ring.at : ring.at + 0x10000]) == memory
        front.set_base(1, base)
        front.set_kick(1)
        assert len(ring.wait(64)) == 64
        out += [f for _, f in card.wire.sent()]
    assert out == sent * 60


def test_a_receive_ring_that_stops_gets_nothing_more(vhost, attach):
    card = vhost()
    front = attach(card).start()
    for _ in range(30):
        card.feed(flows(20))
        base = front.stop(0)
        used = front.rings[0].used
        assert base == used
        front.frames(used - front.rings[0].taken)
        front.set_base(0, base)
        front.set_kick(0)
    until(lambda: not card.ledger().in_flight)
    assert front.rings[0].used == card.ledger().delivered
    front.frames(20, seconds=0.05)
    receives(front, card, [0])


def test_a_ring_that_was_never_started_stops_at_its_base(vhost, attach):
    card = vhost()
    front = attach(card)
    front.negotiate()
    assert front.stop(1) == 0
    front.set_base(1, 77)
    assert front.stop(1) == 77


def test_after_the_pause_only_inbound_frames_come(vhost, attach):
    """No doorbell rings after a start; the buffers are there already."""
    card = vhost()
    front = attach(card)
    front.post_buffers(front.rings[0], 64, bell=False)
    front.negotiate()
    front.set_memory()
    front.set_num(0)
    front.set_base(0, 0)
    for step in (front.set_addr, front.set_call, front.set_kick, front.enable):
        step(0)
    card.feed(flows(30))
    assert len(front.rings[0].wait(30)) == 30


# ---- enabled and disabled ----


def test_the_hash_chooses_among_the_rings_that_are_enabled(vhost, attach):
    card = vhost(queues=4)
    front = attach(card, pairs=4).start()
    for enabled in ([0], [3], [1, 2], [0, 1, 2, 3], [2]):
        for pair in range(4):
            front.enable(2 * pair, int(pair in enabled))
        sent = flows(100)
        card.feed(sent)
        got = collect(front, range(4), len(sent))
        assert [bool(of_pair) for of_pair in got] == [pair in enabled for pair in range(4)]
        assert sorted(f for of_pair in got for f in of_pair) == sorted(sent)


def test_a_table_that_names_a_ring_which_is_not_in_use_loses_its_frames(vhost, attach):
    """ethtool -X while the guest uses fewer queues: they end as DEV_READY, and nothing is written."""
    card = vhost(queues=3)
    front = attach(card, pairs=2).start()
    card.knobs["rss-indir"] = [2]
    card.feed(flows(10))
    until(lambda: card.ledger().fates == {"DEV_READY": 10})
    card.knobs["rss-indir"] = [1]
    front.enable(2, 0)
    card.knobs["rss-indir"] = [1]
    front.set_addr(2)
    card.feed(flows(10))
    until(lambda: card.ledger().fates == {"DEV_READY": 20})
    assert front.rings[2].used == 0
    card.knobs["rss-indir"] = [0]
    receives(front, card, [0])


@pytest.mark.parametrize("asked", [[1], [0, 2, 2, 1], [0, 1]])
def test_a_table_of_the_users_holds_again_when_its_queues_are_back(vhost, attach, asked):
    card = vhost(queues=3)
    front = attach(card, pairs=3).start()
    whole = [asked[i % len(asked)] for i in range(128)]
    card.knobs["rss-indir"] = whole
    for gone in ([1], [2], [1, 2]):
        for pair in gone:
            front.enable(2 * pair, 0)
        used = [i for i in range(3) if i not in gone]
        now = list(card.knobs["rss-indir"])
        assert all(queue in used for queue in now)
        assert [n for n, w in zip(now, whole, strict=True) if w in used] == [w for w in whole if w in used]
        for pair in gone:
            front.enable(2 * pair, 1)
        assert list(card.knobs["rss-indir"]) == whole
    front.enable(2, 0)
    card.knobs["rss-indir"] = [0] * 128  # asked anew while a queue is gone
    front.enable(2, 1)
    assert list(card.knobs["rss-indir"]) == [0] * 128
    card.knobs["rss-indir"] = "default"
    front.enable(2, 0)
    assert list(card.knobs["rss-indir"]) == [(0, 2)[i % 2] for i in range(128)]
    front.enable(2, 1)
    assert list(card.knobs["rss-indir"]) == [i % 3 for i in range(128)]


def test_one_of_many_pairs_is_enough(vhost, attach):
    card = vhost(queues=128)
    front = attach(card, pairs=1).start()
    works(front, card, 1)


def test_frames_that_wait_for_a_ring_that_goes_have_a_fate(vhost, attach):
    card = vhost(queues=2)
    front = attach(card, pairs=2).start(buffers=0)
    card.feed(flows(50))
    until(lambda: card.ledger().in_flight == 50)
    front.enable(0, 0)
    waiting = card.ledger().in_flight
    assert 0 < waiting < 50
    assert card.ledger().fates == {"DEV_READY": 50 - waiting}
    front.post_buffers(front.rings[2], 64)
    assert len(front.frames(waiting, pair=1)) == waiting


def test_the_fifo_that_holds_more_than_its_size_loses_no_frame_unseen(vhost, attach):
    card = vhost(queues=2, fifo=1 << 16)
    front = attach(card, pairs=2).start(buffers=0)
    card.feed(flows(100))
    until(lambda: card.ledger().in_flight == 100)
    card.knobs["fifo"] = 2048
    front.enable(2, 0)
    ledger = card.ledger()
    assert ledger.offered == ledger.in_flight + sum(ledger.fates.values())


def test_a_disabled_ring_is_left_alone(vhost, attach):
    """User Mode Linux resets by disabling the rings, and uses their memory for other things."""
    card = vhost(queues=2)
    front = attach(card, pairs=2).start()
    works(front, card, 2)
    for i in (0, 1):
        front.enable(i, 0)
    front.memory.bytes[0:0x20000] = junk = bytes(range(256)) * 512
    for i in (0, 1):
        front.rings[i].ring_bell()
    sends(front, card, 1)
    receives(front, card, [1])
    assert bytes(front.memory.bytes[0:0x20000]) == junk


# ---- frames into buffers ----


@SIZES
@pytest.mark.parametrize("more", [0, -1, 1])
def test_a_frame_that_fills_a_buffer_exactly_takes_one(vhost, attach, offer, more):
    card = vhost(offer=offer)
    front = attach(card, features=_features(offer)).start(buffers=0)
    frame = flows(1, 300)[0]
    front.post_buffers(front.rings[0], 8, front.header + len(frame) + more)
    card.feed([frame])
    assert front.frames(1) == [frame]
    assert front.rings[0].used == (2 if more < 0 else 1)


@SIZES
@pytest.mark.parametrize("room", [1, 2, 14, 40, 41, 200])
def test_a_frame_over_many_buffers_is_whole(vhost, attach, offer, room):
    card = vhost(offer=offer)
    front = attach(card, features=_features(offer)).start(buffers=0)
    sent = flows(3, 120)
    n = -(-len(sent[0]) // (room + front.header)) + 1
    front.post_buffers(front.rings[0], 200, front.header + room)
    card.feed(sent)
    assert front.frames(3) == sent
    assert front.rings[0].used <= 3 * n


@pytest.mark.parametrize("more", [0, -1])
def test_without_mergeable_buffers_a_frame_fits_one_or_is_lost(vhost, attach, more):
    card = vhost()
    front = attach(card, features=USUAL & ~MRG_RXBUF).start(buffers=0)
    frame = flows(1, 300)[0]
    front.post_buffers(front.rings[0], 8, 12 + len(frame) + more)
    card.feed([frame, *flows(2)])
    assert front.frames(3 + more) == ([frame] if more == 0 else []) + flows(2)
    assert card.ledger().fates.get("RX_OVER", 0) == -more


def test_without_mergeable_buffers_a_chain_is_one_buffer(vhost, attach):
    card = vhost()
    front = attach(card, features=USUAL & ~MRG_RXBUF).start(buffers=0)
    ring, frame = front.rings[0], flows(1, 300)[0]
    for i in range(4):
        ring.describe(i, front.slot(ring, i), 100, WRITE | (i < 3), i + 1)
    ring.post(0)
    card.feed([frame])
    assert ring.wait(1) == [(0, 12 + len(frame))]
    parts = [bytes(front.memory.bytes[(at := front.slot(ring, i)) : at + 100]) for i in range(4)]
    assert b"".join(parts)[12 : 12 + len(frame)] == frame


def test_the_hash_is_in_the_header(vhost, attach):
    card = vhost(offer=["HASH_REPORT"])
    front = attach(card, features=_features(True)).start()
    card.feed(flows(5))
    hashes = set()
    for head, _ in front.rings[0].wait(5):
        at = front.slot(front.rings[0], head)
        value, report = struct.unpack_from("<IH", front.memory.bytes, at + 12)
        assert report == lib.HASH_UDPV4
        hashes.add(value)
    assert len(hashes) == 5


@pytest.mark.parametrize("good", [True, False])
def test_a_checksum_that_is_right_is_marked(vhost, attach, good):
    card = vhost()
    front = attach(card).start()
    frame = made.udp(b"x" * 100) if good else made.udp(b"x" * 100, check=0x1234)
    card.feed([frame])
    ((head, _),) = front.rings[0].wait(1)
    assert front.memory.bytes[front.slot(front.rings[0], head)] == (2 if good else 0)


# ---- chains onto the wire ----


@SIZES
@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 18])
def test_a_chain_of_any_pieces_is_one_frame(vhost, attach, offer, pieces):
    """The header may be spread over several descriptors too."""
    card = vhost(offer=offer)
    front = attach(card, features=_features(offer)).start()
    for _ in range(30):
        front.transmit(*flows(3, 150), pieces=pieces)
        assert len(front.rings[1].wait(3)) == 3
    assert [f for _, f in card.wire.sent()] == flows(3, 150) * 30


def test_a_partial_checksum_is_completed(vhost, attach):
    card = vhost()
    front = attach(card).start()
    whole = made.udp(b"abc" * 30)
    pseudo = sum(struct.unpack("!4H", whole[26:34])) + 17 + len(whole) - 34  # both addresses, the protocol, the length
    partial = whole[:40] + struct.pack("!H", (pseudo & 0xFFFF) + (pseudo >> 16)) + whole[42:]
    assert partial != whole
    front.transmit(partial, header=struct.pack("<BBHHHHH", 1, 0, 0, 0, 34, 6, 0))
    assert front.rings[1].wait(1)
    assert [f for _, f in card.wire.sent()] == [whole]


def test_a_short_frame_is_padded_and_the_longest_fits(vhost, attach):
    card = vhost()
    front = attach(card).start()
    front.transmit(b"\x02" * 14)
    assert front.rings[1].wait(1)
    assert [f for _, f in card.wire.sent()] == [b"\x02" * 14 + bytes(46)]
    ring, at = front.rings[1], 4 << 20
    front.memory.bytes[at : at + 12 + lib.TX_FRAME_MAX] = bytes(12) + b"\x02" * lib.TX_FRAME_MAX
    ring.describe(5, at, 12 + lib.TX_FRAME_MAX)
    ring.describe(6, at, 13 + lib.TX_FRAME_MAX)
    ring.post(5, 6)
    assert len(ring.wait(2)) == 2
    assert [len(f) for _, f in card.wire.sent()] == [lib.TX_FRAME_MAX]
    assert bad_chains(card) == 1


class Deaf(vnic.MemoryWire):
    """A wire that takes no frames; a card on it sleeps until a doorbell rings."""

    def open_output(self):
        return False


@pytest.mark.parametrize("features", [USUAL, USUAL & ~(1 << 29)], ids=["event index", "flags"])
def test_what_no_wire_takes_is_returned_all_the_same(vhost, attach, features):
    """The driver rings only when it is asked to."""
    card = vhost(wire=Deaf())
    front = attach(card, features=features).start()
    ring = front.rings[1]
    for n in (1, 64, 3, 256, 128, 1, 64) * 10:
        asked = ring.bell_at if ring.event_idx else None
        old = ring.posted
        front.transmit(*flows(1) * n, bell=False)
        if (
            ring.bell_wanted
            if asked is None
            else (ring.posted - ring.bell_at - 1) % 65536 < (ring.posted - old) % 65536
        ):
            ring.ring_bell()
        assert len(ring.wait(n)) == n
    assert int(card.nic.c.tx.fates[lib.TX_DEV_READY]) == ring.posted


@pytest.mark.parametrize("features", [USUAL, USUAL & ~(1 << 29)], ids=["event index", "flags"])
def test_a_driver_that_rings_only_when_asked_to_is_never_forgotten(vhost, attach, features):
    card = vhost()
    front = attach(card, features=features).start()
    ring = front.rings[1]
    bells = 0
    for n in (1, 64, 3, 200, 128, 1, 64) * 40:
        old = ring.posted
        front.transmit(*flows(1) * n, bell=False)
        if (
            ring.bell_wanted
            if not ring.event_idx
            else (ring.posted - ring.bell_at - 1) % 65536 < (ring.posted - old) % 65536
        ):
            ring.ring_bell()
            bells += 1
        assert len(ring.wait(n)) == n
        card.wire.sent()
    assert bells


def test_a_rule_that_names_a_ring_which_is_not_in_use_is_as_if_it_were_not_there(vhost, attach):
    card = vhost(queues=2, ntuple=True)
    front = attach(card, pairs=2).start()
    steering.run(card, "-N vnic0 flow-type udp4 dst-port 5000 action 1")
    receives(front, card, [1])
    front.enable(2, 0)
    receives(front, card, [0])


def test_a_ring_that_the_card_has_not_stops_at_zero(vhost):
    card = vhost()
    card.vhost.ring[2].base = 77
    assert lib.vhost_stop(card.vhost, 2) == 0
