"""GRO's table: the kernel's selftest and more, as rows of what comes in and what Linux 6.18 delivered.

What a tap sees, in order: payload, flags, /segments, and the state of the checksum: P rewritten (partial), V verified,
- not looked at.
"""

import struct

import pytest
from frames import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG, csum, eth, ipv4, pseudo, tcp

ADDRESSES = {
    4: {"src": "192.168.1.200", "dst": "192.168.1.100", "ttl": 8},
    6: {"src": "fdaa::2", "dst": "fdaa::1", "hops": 8},
}
MS = 1_000_000


def seg(off=0, n=100, v=4, **kw):
    """The selftest's segment."""
    base = {"sport": 1500, "dport": 8000, "seq": 100 + off, "ack": 100} | ADDRESSES[v]
    return tcp(b"a" * n, **(base | kw))


def train(*changes, v=4, n=100):
    """Segments in sequence; each change is what is special about one."""
    return [seg(i * n, n, v, **change) for i, change in enumerate(changes)]


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

_GRO = {
    "data_burst", "single", "source MAC", "not for us: merged all the same", "interleaved", "8 flows", "9 flows",
    "capacity 8", "capacity 9", "large_max", "large_rem", "46 x 1448 with timestamps", "64 in order",
    "70 in order: a full poll flushes", "130 in order",
}  # fmt: skip
_INET = {"source address", "destination address", "padded: refused, but in order", *V4, *V6} - _GRO


def rows_of(stage):
    """The rows that are about csrc/softnet/gro.c, gro_inet.c or gro_tcp.c."""

    def stage_of(row):
        name = row.id.split(" ", 1)[1]
        return "gro" if name in _GRO else "gro_inet" if name in _INET else "gro_tcp"

    return [row for row in ROWS if stage_of(row) == stage]


TABLE = {row.id: row.values[1] for row in ROWS if not any(isinstance(f, tuple) for f in row.values[1])}
