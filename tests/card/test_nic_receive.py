"""Frames arrive at the card: their length, and what is counted of them."""

import frames
import pytest
from dma_card import Card, plain
from model import rss

from vnic._core import ffi, lib
from vnic.counters.snapshots import FATES


@pytest.mark.parametrize("mtu, length, vlan, fate", [
    (1500, 1514, None, "UNHANDLED_PROTO"),
    (1500, 1515, None, "RX_LENGTH"),
    (1500, 1518, 7, "UNHANDLED_PROTO"),
    (1500, 1519, 7, "RX_LENGTH"),
    (9000, 9014, None, "UNHANDLED_PROTO"),
    (9000, 9015, None, "RX_LENGTH"),
    (0, 20000, None, "UNHANDLED_PROTO"),
    (1500, 14, None, "UNHANDLED_PROTO"),
    (1500, 13, None, "RX_LENGTH"),
    (1500, 0, None, "RX_LENGTH"),
])  # fmt: skip
def test_length_limits(host, mtu, length, vlan, fate):
    h = host(mtu=mtu)
    raw = frames.eth(bytes(length), type=0x88B5, vlan=vlan)[:length]
    h.feed(raw)
    h.run()
    assert h.ledger().fates == {fate: 1}
    assert h.nic.stats().rx_length_errors == h.nic.stats().rx_errors == (fate == "RX_LENGTH")


def test_a_cut_frame_is_as_long_as_it_was_on_the_wire(host):
    h = host(mtu=1500)
    raw = frames.eth(bytes(46), type=0x88B5)
    for wire_len in (1514, 1515):
        lib.mem_wire_feed(h.wire._mem, raw, len(raw), wire_len, 0)
    h.run()
    assert h.ledger().fates == {"UNHANDLED_PROTO": 1, "RX_LENGTH": 1}


def test_everything_offered_is_counted_whatever_becomes_of_it(host):
    h = host(mtu=100, mac="02:00:00:00:00:01", rx_vlan_filter=True)
    h.udp(5000)
    h.feed(
        [frames.udp(), frames.udp(bytes(200)), frames.udp(mac={"dst": frames.PEER}), frames.udp(mac={"vlan": 9}), b"?"]
    )
    h.run()
    ledger = h.ledger()
    assert ledger.fates == {"DELIVERED_UDP": 1, "RX_LENGTH": 2, "MAC_FILTER": 1, "VLAN_FILTER": 1}
    assert (ledger.offered, h.laws()) == (5, 0)
    assert set(ledger.fates) <= set(FATES)


@pytest.mark.parametrize("change", ["rxhash off", "another key", "no UDP ports", "on again"])
def test_frames_read_ahead_are_hashed_as_the_card_is_set_when_they_arrive(host, change):
    """A burst is parsed and hashed when it is read from the wire; the knobs may change before its last frame comes."""
    h = host(queues=2, link="inf", gro=False, cpus=1, cost="zero")
    r, key, proto = h.machine.c.nic.rss, rss.KEY, 17
    r.enabled = change != "on again"
    h.feed([frames.udp(b"x", sport=1000 + i) for i in range(32)], gap_ns=1000)
    h.run(until_ns=16_500)
    expected = [int(h.machine.c.nic.queue[i].frames) for i in range(2)]
    arrived = sum(expected)
    assert 10 < arrived < 25
    if change == "another key":
        key = bytes(range(1, 53))
        lib.rss_set_key(ffi.addressof(r), key, len(key))
    elif change == "no UDP ports":
        proto = None
        h.knobs["rx-flow-hash-udp"] = "sd"
    else:
        r.enabled = change == "on again"
    h.run()
    for sport in range(1000 + arrived, 1032):
        hashed = rss.rss("10.0.0.1", "10.0.0.2", proto, sport, 5000, key)[0]
        expected[0 if change == "rxhash off" else int(r.indir[hashed & 127])] += 1
    assert [int(h.machine.c.nic.queue[i].frames) for i in range(2)] == expected


@pytest.mark.parametrize("dma_ns", [0, 100])
def test_a_frame_that_found_too_few_buffers_is_tried_again_when_there_are_more(dma_ns):
    """Until then the card has no work, and counts the shortage once."""
    with Card(rx_buf_len=128) as card:
        card.host.machine.c.cost[lib.COST_DMA] = dma_ns
        card.buffer(0, 128)
        card.start()
        assert card.receive(plain(300)) == []
        for _ in range(3):
            card.host.nic.kick()
            card.host.run()
        assert (card.host.machine.c.nic.rx_no_buffer_count, card.host.machine.c.nic.dma_busy) == (1, 0)
        for i in (1, 2):
            card.buffer(i, 128)
        card.host.nic.kick()
        card.host.run()
        used = card.driver.take()
        assert card.frame(used)[1] == plain(300)
