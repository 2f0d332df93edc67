"""GRO: the kernel's selftest as a table, what Linux 6.18 delivered, and a model for random batches.

A row is what comes in and what the tap sees, in order: payload, flags, /segments, and the state of
the checksum: P rewritten (partial), V verified, - nobody looked. The card verifies nothing here
(rx=off), as a TAP does not.
"""

import random
import struct
from itertools import groupby

import pytest
from frames import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG, csum, eth, ipv4, pseudo, tcp, udp
from gro_batches import Batch, Item, Vnic, random_batch
from hypothesis import given, settings
from hypothesis import strategies as st
from model.gro import Gro

from vnic._core import ffi, lib

ADDRESSES = {
    4: {"src": "192.168.1.200", "dst": "192.168.1.100", "ttl": 8},
    6: {"src": "fdaa::2", "dst": "fdaa::1", "hops": 8},
}
CSUM = {lib.CHECKSUM_NONE: "-", lib.CHECKSUM_UNNECESSARY: "V", lib.CHECKSUM_PARTIAL: "P"}
MS = 1_000_000


def seg(off=0, n=100, v=4, **kw):
    """The selftest's segment."""
    base = {"sport": 1500, "dport": 8000, "seq": 100 + off, "ack": 100} | ADDRESSES[v]
    return tcp(b"a" * n, **(base | kw))


def train(*changes, v=4, n=100):
    """Segments in sequence; each change is what is special about one."""
    return [seg(i * n, n, v, **change) for i, change in enumerate(changes)]


class Tap:
    """IP packets as a tap sees them: a list of (packet, segments, checksum state)."""

    def __init__(self, host):
        self.host = host
        self.seen = []
        for ethertype in (0x0800, 0x86DD):
            host.packet_type(ethertype)(self.take)

    def take(self, burst):
        queue = self.host.c.upcalls
        for i, packet in enumerate(burst):
            skb = queue.slot[(queue.tail + i) % lib.UPCALLS_MAX].skb
            self.seen.append((bytes(packet), skb.segs, CSUM[skb.ip_summed]))

    def deliver(self, batch):
        self.seen.clear()
        self.host.feed(batch)
        self.host.run()
        return list(self.seen)


@pytest.fixture
def tap(host):
    return lambda **knobs: Tap(host(**({"rx": False, "rxhash": False, "fifo": 1 << 20} | knobs)))


def transport(packet):
    """Flags and payload."""
    total, at = (struct.unpack_from("!H", packet, 2)[0], (packet[0] & 15) * 4)
    if packet[0] >> 4 == 6:
        total, at = struct.unpack_from("!H", packet, 4)[0] + 40, 40
        following = packet[6]
        while following in {44, 60}:
            following, at = packet[at], at + 8
    letters = "".join(c for i, c in enumerate("FSRPAUEC") if packet[at + 13] >> i & 1)
    return letters, packet[at + (packet[at + 12] >> 4) * 4 : total]


def told(packet, segs, state):
    letters, payload = transport(packet)
    return f"{len(payload)}{letters}{f'/{segs}' if segs > 1 else ''} {state}"


def bad(frame, at):
    """One bit wrong."""
    return frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :]


def v6ext(frame, kind, body):
    """Put an 8-byte extension header between IPv6 and TCP."""
    length = struct.pack("!H", struct.unpack_from("!H", frame, 18)[0] + 8)
    return frame[:18] + length + bytes([kind]) + frame[21:54] + b"\6\0" + body + frame[54:]


def ip_options(frame, options):
    return eth(ipv4(frame[34:], 6, options=options, **ADDRESSES[4]))


def timestamp(value, layout="NNT"):
    nops = {"N": b"\1", "T": b"\x08\x0a" + struct.pack("!II", value, 0)}
    return {"options": b"".join(nops[c] for c in layout)}


def flows(n, *changes, size=100):
    """n flows, round by round; a change is what is special about a round."""
    return [seg(size * i, size, sport=1500 + flow, **change) for i, change in enumerate(changes) for flow in range(n)]


def flagged(flag):
    """The selftest's send_flags(): the third of five is empty and has the flag."""
    return lambda v: [seg(0, 0, v, flags=ACK | flag) if i == 2 else seg(i * 100, v=v) for i in range(5)]


def with_flag(flag, *which, n=5):
    return lambda v: train(*({"flags": ACK | flag} if i in which else {} for i in range(n)), v=v)


def pair(v=None, **second):
    def chosen(v):
        return {name: value[v] if name in {"src", "dst"} else value for name, value in second.items()}

    return (lambda v: train({}, chosen(v), v=v)) if v is None else train({}, second, v=v)


def big(v, extra):
    """As many full segments as fit, then two of the remainder plus extra."""
    mss, most = 4096 - 60, 65535 - (40 if v == 4 else 60)
    rem = most % mss + extra
    n = most // mss
    return [seg(i * mss, mss, v) for i in range(n)] + [
        seg(n * mss, rem, v),
        seg((n + 1) * mss, rem, v),
    ]


SAME, TWO = "200A/2 P", "100A V, 100A V"

BOTH = {
    "data_same": (lambda v: train({}, {}, v=v), SAME),
    "data_lrg_sml": (lambda v: [seg(0, 100, v), seg(100, 50, v)], "150A/2 P"),
    "data_sml_lrg": (lambda v: [seg(0, 50, v), seg(50, 100, v)], "50A V, 100A V"),
    "large, small, large": (
        lambda v: [seg(0, 100, v), seg(100, 50, v), seg(150, 100, v)], "150A/2 P, 100A V"),
    "data_lrg_1byte": (lambda v: [seg(0, 100, v), seg(100, 1, v)], "101A/2 P"),
    "data_burst": (
        lambda v: [(i // 2 * 100 * MS, f) for i, f in enumerate(train({}, {}, {}, {}, v=v))],
        "200A/2 P, 200A/2 P"),
    "single": (lambda v: [seg(v=v)], "100A V"),
    "ack": (lambda v: [seg(n=0, v=v), seg(n=0, v=v), seg(n=0, v=v, ack=101)], "0A V, 0A V, 0A V"),
    "pure ack between data": (
        lambda v: [seg(0, 100, v), seg(100, 0, v), seg(100, 100, v)], "100A V, 0A V, 100A V"),
    "ack number": (pair(ack=101), TWO),
    "flags_psh": (with_flag(PSH, 2), "300PA/3 P, 200A/2 P"),
    "flags_syn": (flagged(SYN), "200A/2 P, 0SA V, 200A/2 P"),
    "flags_rst": (flagged(RST), "200A/2 P, 0RA V, 200A/2 P"),
    "flags_urg": (flagged(URG), "200A/2 P, 0AU V, 200A/2 P"),
    "flags_cwr": (with_flag(CWR, 1, 2), "100A V, 100AC V, 100AC V, 200A/2 P"),
    "CWR on both": (with_flag(CWR, 0, 1, n=2), "100AC V, 100AC V"),
    "plain data after CWR": (with_flag(CWR, 0, n=2), "100AC V, 100A V"),
    "ECE on the second": (with_flag(ECE, 1, n=2), "100A V, 100AE V"),
    "ECE on both": (with_flag(ECE, 0, 1, n=2), "200AE/2 P"),
    "FIN on the second of three": (with_flag(FIN, 1, n=3), "200FA/2 P, 100A V"),
    "FIN first": (with_flag(FIN, 0, n=2), "100FA V, 100A V"),
    "PSH first": (with_flag(PSH, 0, n=2), "100PA V, 100A V"),
    "SYN first": (with_flag(SYN, 0, n=2), "100SA V, 100A V"),
    "no ACK flag": (pair(flags=0), "100A V, 100 V"),
    "AE": (lambda v: [seg(0, v=v), with_byte_12(seg(100, v=v), v, 0x51)], TWO),
    "window": (pair(window=1000), TWO),
    "urg_ptr without URG": (pair(urg=7), SAME),
    "tcp_csum: the bad one overtakes": (
        lambda v: [seg(0, v=v), bad(seg(100, v=v), TCP_CHECK[v])], "100A -, 100A V"),
    "tcp_csum, first": (
        lambda v: [bad(seg(0, v=v), TCP_CHECK[v]), seg(100, v=v)], "100A -, 100A V"),
    "data, a bad copy, data": (
        lambda v: [seg(0, v=v), bad(seg(0, v=v), TCP_CHECK[v]), seg(100, v=v)], "100A -, 200A/2 P"),
    "tcp_seq": (lambda v: [seg(0, v=v), seg(101, v=v)], TWO),
    "seq reversed": (lambda v: [seg(100, v=v), seg(0, v=v)], TWO),
    "seq wraps": (lambda v: [seg(-200, v=v), seg(-100, v=v)], SAME),
    "tcp_ts": (
        lambda v: train(timestamp(0), timestamp(0), timestamp(100), timestamp(100, "NTN"),
                        timestamp(100, "TNN"), v=v),
        "200A/2 P, 100A V, 100A V, 100A V"),
    "tcp_opt": (
        lambda v: train(timestamp(0), timestamp(0), {"options": b"\1\3\3\0"}, v=v),
        "200A/2 P, 100A V"),
    "source address": (pair(src={4: "192.168.1.201", 6: "fdaa::3"}), TWO),
    "destination address": (pair(dst={4: "192.168.1.101", 6: "fdaa::9"}), TWO),
    "source MAC": (pair(mac={"src": b"\2\0\0\0\0\3"}), TWO),
    "not for us: merged all the same": (
        lambda v: train(*[{"mac": {"dst": b"\2\0\0\0\0\7"}}] * 2, v=v), SAME),
    "padded: refused, but in order": (
        lambda v: [seg(0, v=v), seg(100, v=v) + bytes(10)], "100A V, 100A -"),
}  # fmt: skip

IDS = {
    "ip_id_df1_inc": (0x4000, [8, 9], SAME),
    "ip_id_df1_fixed": (0x4000, [8, 8], SAME),
    "ip_id_df0_inc": (0, [8, 9], SAME),
    "ip_id_df0_fixed": (0, [8, 8], SAME),
    "ip_id_df1_inc_fixed": (0x4000, [8, 9, 9], "200A/2 P, 100A V"),
    "ip_id_df1_fixed_inc": (0x4000, [8, 8, 9], "200A/2 P, 100A V"),
    "id gap": (0x4000, [8, 10], TWO),
    "id wraps": (0x4000, [65535, 0], SAME),
    "id goes back": (0x4000, [9, 8], TWO),
}

V4 = {name: (train(*({"id": i, "frag": frag} for i in ids)), told_)
      for name, (frag, ids, told_) in IDS.items()} | {
    "ip_ecn": (pair(4, tos=2), TWO),
    "ip_tos": (pair(4, tos=1), TWO),
    "ip_ttl": (pair(4, ttl=7), TWO),
    "DF": (train({"id": 8}, {"id": 9, "frag": 0}), TWO),
    "ip_csum": ([seg(0), bad(seg(100), 24), seg(200)], "100A -, 100A V, 100A V"),
    "ip_opt": ([seg(0), ip_options(seg(100), b"\x44\x28\5\0" + bytes(36)), seg(200)],
               "100A -, 100A V, 100A V"),
    "ip_opt on both": ([ip_options(seg(i), b"\1\1\1\0") for i in (0, 100)], "100A -, 100A -"),
    "ip_frag4": (pair(4, frag=0x6000), "100A -, 100A V"),
    "reserved bit: refused, but in order": (pair(4, frag=0xC000), "100A V, 100A -"),
    "1 byte, padded to 60": ([seg(0), seg(100, 1).ljust(60, b"\0")], "100A V, 1A -"),
    "interleaved": (flows(2, {}, {}, {}), "300A/3 P, 300A/3 P"),
    "8 flows": (flows(8, {}, {}), ", ".join([SAME] * 8)),
    "9 flows": (flows(9, {}, {}), ", ".join(["100A V"] * 18)),
    "capacity 8": (flows(8, {}, {"flags": ACK | PSH}, size=200), ", ".join(["400PA/2 P"] * 8)),
    "capacity 9": (flows(9, {}, {"flags": ACK | PSH}, size=200),
                   ", ".join(["200A V", "200PA V", *["400PA/2 P"] * 8])),
    "large_max": (big(4, 0), "65495A/17 P, 919A V"),
    "large_rem": (big(4, 1), "64576A/16 P, 920A V, 920A V"),
    "46 x 1448 with timestamps": (train(*[timestamp(1)] * 46, n=1448), "65160A/45 P, 1448A V"),
    "64 in order": (train(*[{}] * 64), "6400A/64 P"),
    "70 in order: a full poll flushes": (train(*[{}] * 70), "6400A/64 P, 600A/6 P"),
    "130 in order": (train(*[{}] * 130), "6400A/64 P, 6400A/64 P, 200A/2 P"),
}  # fmt: skip

V6 = {
    "traffic class": (pair(6, tc=0xF), TWO),
    "hop limit": (pair(6, hops=7), TWO),
    "flow label": (pair(6, flow=5), TWO),
    "ip_frag6": ([*train({}, {}, v=6), (50 * MS, v6ext(seg(200, v=6), 44, bytes(6))),
                  (50 * MS, seg(300, v=6))], "200A/2 P, 100A -, 100A V"),
    "fragment header overtakes": (
        [seg(0, v=6), v6ext(seg(100, v=6), 44, bytes(6))], "100A -, 100A V"),
    "ip_v6ext_same": ([v6ext(s, 60, bytes(6)) for s in train({}, {}, v=6)], SAME),
    "ip_v6ext_diff": ([v6ext(s, 60, bytes([17 * i] * 6)) for i, s in enumerate(train({}, {}, v=6))],
                      TWO),
    "extension header on one": ([seg(0, v=6), v6ext(seg(100, v=6), 60, bytes(6))], TWO),
    "large_max": (big(6, 0), "65475A/17 P, 899A V"),
    "large_rem": (big(6, 1), "64576A/16 P, 900A V, 900A V"),
}  # fmt: skip

TCP_CHECK = {4: 14 + 20 + 17, 6: 14 + 40 + 17}


def with_byte_12(frame, v, byte):
    """Data offset, reserved bits and AE; the checksum follows."""
    at = TCP_CHECK[v] - 17
    segment = bytearray(frame[at:])
    segment[12], segment[16:18] = byte, b"\0\0"
    pair = pseudo(ADDRESSES[v]["src"], ADDRESSES[v]["dst"], 6, len(segment))
    segment[16:18] = struct.pack("!H", csum(pair + bytes(segment)))
    return frame[:at] + bytes(segment)


ROWS = [
    pytest.param(v, make(v) if callable(make) else make, expected, id=f"v{v} {name}")
    for v, rows in ((4, BOTH), (6, BOTH), (4, V4), (6, V6))
    for name, (make, expected) in rows.items()
]


@pytest.mark.parametrize(("v", "batch", "expected"), ROWS)
def test_linux_6_18_delivers(tap, v, batch, expected):
    assert ", ".join(told(*packet) for packet in tap().deliver(batch)) == expected


@pytest.mark.parametrize(("v", "batch", "expected"), ROWS)
def test_a_card_that_verifies_changes_no_merge(tap, v, batch, expected):
    got = [told(*packet) for packet in tap(rx=True).deliver(batch)]
    assert [p[:-1] for p in got] == [p[:-1] for p in expected.split(", ")]


def test_the_merged_header_speaks_for_all(tap):
    """Observed: length 252, id 8, PSH set, the first's window and options, checksum 856b."""
    first, last = {"id": 8} | timestamp(1), {"id": 9, "flags": ACK | PSH, "urg": 7} | timestamp(1)
    [(packet, segs, state)] = tap().deliver(train(first, last))
    want = bytearray(seg(0, 200, id=8, flags=ACK | PSH, **timestamp(1))[14:])
    want[36:38] = b"\x85\x6b"
    assert (packet, segs, state) == (bytes(want), 2, "P")
    assert csum(packet[:20]) == 0


def test_the_merged_ipv6_header_speaks_for_all(tap):
    [(packet, segs, state)] = tap().deliver(train({}, {"flags": ACK | FIN}, v=6, n=80))
    want = bytearray(seg(0, 160, 6, flags=ACK | FIN)[14:])
    want[56:58] = struct.pack("!H", ~csum(pseudo("fdaa::2", "fdaa::1", 6, 180)) & 0xFFFF)
    assert (packet, segs, state) == (bytes(want), 2, "P")


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


def test_big_tcp_over_ipv6_has_a_jumbo_payload_header(tap):
    """RFC 2675: the length field says 0, a hop-by-hop option the length."""
    t = tap(gro_max_size=200_000, rx_buf_len=9000)
    [(packet, segs, _)] = t.deliver(train(*[{}] * 12, v=6, n=8000))
    assert (len(packet), segs) == (48 + 20 + 96_000, 12)
    assert packet[4:7] == b"\0\0\0"
    assert packet[40:48] == b"\6\0\xc2\4" + (8 + 20 + 96_000).to_bytes(4)
    assert [s for _, s, _ in t.deliver(train(*[{}] * 12, n=8000))] == [8, 4]


def test_big_tcp_over_ipv4_says_0(tap):
    [(packet, segs, _)] = tap(gro_ipv4_max_size=200_000, rx_buf_len=9000).deliver(train(*[{}] * 12, n=8000))
    assert (len(packet), segs, packet[2:4]) == (40 + 96_000, 12, b"\0\0")
    assert csum(packet[:20]) == 0


@pytest.mark.parametrize("v", [4, 6])
def test_big_tcp_is_one_long_piece_of_its_stream(host, v):
    h = host(gro_max_size=200_000, gro_ipv4_max_size=200_000, rx_buf_len=9000, fifo=1 << 20, rcvbuf=1 << 24)
    listener = h.tcp(8000)
    h.feed(train(*[{}] * 12, v=v, n=8000))
    stream = listener.accept()
    h.run()
    assert (h.gro().flushed_skbs, stream.read(1 << 20)) == (1, b"a" * 96_000)
    stream.close()


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


def test_udp_passes_at_once(tap):
    seen = tap().deliver([seg(), udp(), udp()])
    assert [p[9] for p, *_ in seen] == [17, 17, 6]


def test_gro_off_merges_nothing(tap):
    assert [s for _, s, _ in tap(gro=False).deliver(train({}, {}, {}))] == [1, 1, 1]


def test_the_cards_hash_spreads_flows_over_eight_buckets(tap):
    """24 flows fit where 8 would in one bucket; the buckets are flushed in order."""
    t = tap(rxhash=True)
    rss, a = ffi.addressof(t.host.c.nic.rss), ADDRESSES[4]
    addresses = pseudo(a["src"], a["dst"], 6, 0)[:8]
    hashes = {port: lib.rss_toeplitz(rss, addresses + struct.pack("!HH", port, 8000), 12) for port in range(1500, 1524)}
    full = [p for p in hashes if sum(hashes[q] & 7 == hashes[p] & 7 for q in hashes) > 8]
    assert not full
    seen = t.deliver(flows(24, {}, {}))
    assert [segs for _, segs, _ in seen] == [2] * 24
    ports = [struct.unpack_from("!H", p, 20)[0] for p, *_ in seen]
    assert ports == sorted(hashes, key=lambda p: (hashes[p] & 7, p))


def test_the_list_goes_up_when_it_speaks_for_gro_normal_batch_segments(host):
    """Stepped one packet at a time: 7 wait; a merged one of 6 segments counts as 6."""
    h = host(rxhash=False, catch_up=1)
    sd, napi = h.c.cpu[0], h.c.dq[0].napi
    merged = train(*[{}] * 5, {"flags": ACK | PSH})
    h.feed([*[udp()] * 8, *merged, udp(), udp()])
    lib.nic_run(ffi.addressof(h.c.nic), 0)
    lib.do_hardirqs(sd)
    sd.horizon = 0
    steps = [(0, 0)]
    while not lib.net_rx_action(sd):
        steps.append((napi.rx_count, sd.processed))
    eight_datagrams = [*((n, 0) for n in range(8)), (0, 8)]
    six_merged_and_two = [(6, 8), (7, 8), (0, 11)]
    assert [state for state, _ in groupby(steps)] == eight_datagrams + six_merged_and_two
    h.run()


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
