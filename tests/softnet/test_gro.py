"""GRO: which packets are held, how many, how long; and a model for random batches of all protocols.

The rows are of gro_rows.py: the kernel's selftest and more, and what Linux 6.18 delivered. test_gro_tcp.py and
test_gro_inet.py have the rows of their stages.
"""

import random
import struct
from itertools import groupby

import pytest
from frames import ACK, ECE, PSH, pseudo, udp
from gro_batches import Batch, Item, Vnic, random_batch
from gro_rows import ADDRESSES, MS, flows, rows_of, seg, train
from gro_tap import transport
from hypothesis import given, settings
from hypothesis import strategies as st
from model.gro import Gro

from vnic._core import ffi, lib


@pytest.mark.parametrize(("v", "batch", "expected"), rows_of("gro"))
def test_linux_6_18_delivers(tap, v, batch, expected):
    assert tap().told(batch) == expected.split(", ")


@pytest.mark.parametrize(("v", "batch", "expected"), rows_of("gro"))
def test_a_card_that_verifies_changes_no_merge(tap, v, batch, expected):
    assert [p[:-1] for p in tap(rx=True).told(batch)] == [p[:-1] for p in expected.split(", ")]


def test_a_packet_that_was_held_alone_is_left_as_it_came(tap):
    frame = seg(flags=ACK | ECE)
    assert tap().deliver(frame) == [(frame[14:], 1, "V")]


@pytest.mark.parametrize(
    ("limit", "sizes"),
    [(4180, [4000, 4000, 2000]), (2000, [1000] * 10), (2040, [1000] * 10), (2041, [2000] * 5)],
)
def test_a_packet_stays_below_gro_max_size(tap, limit, sizes):
    seen = tap(gro_ipv4_max_size=limit).deliver(train(*[{}] * 10, n=1000))
    assert [len(transport(p)[1]) for p, *_ in seen] == sizes


@pytest.mark.parametrize(("hz", "expected"), [(250, [64, 64, 2]), (999, [64, 64, 2]), (1000, [130])])
def test_a_full_poll_flushes_all_below_1000_hz(tap, hz, expected):
    assert [segs for _, segs, _ in tap(hz=hz).deliver(train(*[{}] * 130))] == expected


@pytest.mark.parametrize(("hz", "jiffy_ms"), [(100, 10), (250, 4), (1000, 1)])
def test_what_an_earlier_jiffy_brought_is_flushed(tap, hz, jiffy_ms):
    """Two in one jiffy stay held; one in the next jiffy joins, and then they are old."""
    t = tap(hz=hz, gro_flush_timeout=1000 * MS)
    within = [(1, seg(0)), (jiffy_ms * MS - 1, seg(100))]
    t.host.feed(within)
    t.host.run(until_ns=jiffy_ms * MS - 1)
    assert t.seen == []
    t.host.feed([(jiffy_ms * MS, seg(200))])
    t.host.run(until_ns=jiffy_ms * MS)
    assert [segs for _, segs, _ in t.seen] == [3]


@pytest.mark.parametrize(
    ("at_ms", "expected"),
    [([0, 20], [2]), ([0, 20, 40], [2, 1]), ([0, 0, 20, 40], [3, 1]), ([0, 3], [2])],
)
def test_age_is_looked_at_after_receiving(tap, at_ms, expected):
    """gro_flush_timeout is a second: what comes 20 ms later merges, then the old one goes."""
    t = tap(gro_flush_timeout=1000 * MS)
    seen = t.deliver([(ms * MS, seg(i * 100)) for i, ms in enumerate(at_ms)])
    assert [segs for _, segs, _ in seen] == expected


def test_gro_off_merges_nothing(tap):
    assert [s for _, s, _ in tap(gro=False).deliver(train({}, {}, {}))] == [1, 1, 1]


def test_the_cards_hash_spreads_flows_over_eight_buckets(tap):
    """24 flows fit where 8 would in one bucket; the buckets are flushed in order."""
    t = tap(rxhash=True)
    rss, a = ffi.addressof(t.host.machine.c.nic.rss), ADDRESSES[4]
    addresses = pseudo(a["src"], a["dst"], 6, 0)[:8]
    hashes = {port: lib.rss_toeplitz(rss, addresses + struct.pack("!HH", port, 8000), 12) for port in range(1500, 1524)}
    full = [p for p in hashes if sum(hashes[q] & 7 == hashes[p] & 7 for q in hashes) > 8]
    assert not full
    seen = t.deliver(flows(24, {}, {}))
    assert [segs for _, segs, _ in seen] == [2] * 24
    ports = [struct.unpack_from("!H", p, 20)[0] for p, *_ in seen]
    assert ports == sorted(hashes, key=lambda p: (hashes[p] & 7, p))


def test_the_list_goes_up_when_it_speaks_for_gro_normal_batch_segments(host):
    """A packet a microsecond: 7 wait; a merged one of 6 segments counts as 6."""
    h = host(rxhash=False)
    sd, napi = h.machine.c.cpu[0], h.machine.c.dq[0].napi
    merged = train(*[{}] * 5, {"flags": ACK | PSH})
    h.feed([*[udp()] * 8, *merged, udp(), udp()])
    h.machine.c.cost[lib.COST_RX] = 1000
    steps = []
    for t in range(500, 17_000, 1000):
        h.run(until_ns=t)
        steps.append((napi.rx_count, sd.processed))
    eight_datagrams = [*((n, 0) for n in range(8)), (0, 8)]
    six_merged_and_two = [(6, 8), (7, 8), (0, 11)]
    assert [state for state, _ in groupby(steps)] == eight_datagrams + six_merged_and_two


# ---- random batches against the model ----


def expected(frames, **limits):
    gro = Gro(**limits)
    for i, frame in enumerate(frames, 1):
        gro.receive(frame)
        if i % 64 == 0:
            gro.flush()
    gro.flush()
    return gro.out


CONFIGS = {"no": {}, "segments": {"rx_udp_gro_forwarding": True}, "list": {"rx_gro_list": True}}


@settings(max_examples=6 * settings.default.max_examples)
@given(
    seed=st.integers(0),
    n=st.integers(1, 150),
    limit=st.sampled_from([65536, 65536, 540]),
    udp=st.sampled_from(["no", "segments", "list"]),
)
def test_random_batches_come_out_as_the_model_says(seed, n, limit, udp):
    frames = random_batch(random.Random(seed), n=n).frames()
    with Vnic(gro_max_size=limit, gro_ipv4_max_size=limit, **CONFIGS[udp]) as v:
        seen = v.deliver(frames)
        segments = v.host.gro()
    out = expected(frames, max_size=limit, udp=udp)
    assert [s.packet[14:] for s in seen] == [packet for packet, _ in out]
    assert [bool(s.gso) for s in seen] == [n > 1 for _, n in out]
    assert segments.merged == sum(n - 1 for _, n in out)
    assert segments.flushed_skbs == segments.held
    assert segments.flushed_segs == segments.held + segments.merged
    assert segments.frames_per_skb == len(frames) / len(out)


@given(batch=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 200), st.booleans()), max_size=150))
def test_without_loss_each_flow_reads_what_was_sent(batch):
    kinds = tuple(("tcp4", "tcp6")[flow % 3 == 2] for flow in range(12))
    frames = Batch(kinds, tuple(Item(flow, n, ("psh",) * psh) for flow, n, psh in batch)).frames()
    sent, got = {}, {}
    for (flow, n, _), frame in zip(batch, frames, strict=True):
        sent[flow] = sent.get(flow, b"") + frame[len(frame) - n :]
    with Vnic(rx=True, rxhash=True) as v:
        for packet, *_ in v.deliver(frames):
            payload = transport(packet[14:])[1]
            flow = int.from_bytes(packet[34:36] if packet[14] >> 4 == 4 else packet[54:56]) - 1500
            got[flow] = got.get(flow, b"") + payload
    assert got == sent
