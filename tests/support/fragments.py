"""Fragments: how they are cut, as frames, and random batches of them, from a datagram in order to hostile ones."""

import struct
from collections import Counter
from dataclasses import replace
from random import Random

import frames
from model.inet_fragment import Fragment, Reassembler, Whole

import vnic
from vnic._core import ffi

ADDRESSES = {4: ("10.0.0.1", "10.0.0.2"), 6: ("fd00::1", "fd00::2")}
OTHER_SENDER = {4: "10.0.0.9", 6: "fd00::9"}
PORT = 5000
DATA = bytes(i % 253 for i in range(1 << 16))
BEFORE = {4: 20, 6: 48}


def datagram(family: int, payload: bytes, *, src: str | None = None, dst: str | None = None, **udp) -> bytes:
    """UDP header and payload."""
    a, b = ADDRESSES[family]
    if family == 4:
        udp["total"] = min(28 + len(payload), 65535)
    frame = frames.udp(payload, src=src or a, dst=dst or b, dport=PORT, **udp)
    return frame[34 if family == 4 else 54 :]


def cut(family: int, data: bytes, borders, *, id: int = 1, src: str | None = None, proto: int = 17, ecn: int = 0):
    """Data cut at offsets (multiples of 8 that are inside)."""
    a, b = ADDRESSES[family]
    ends = [*sorted({x for x in borders if 0 < x < len(data)}), len(data)]
    return [
        Fragment(family, src or a, b, id, proto, start, data[start:end], end < len(data), ecn, BEFORE[family])
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def frame(f: Fragment) -> bytes:
    """As it comes on the wire."""
    if f.family == 4:
        packet = frames.ipv4(
            f.data, f.proto, src=f.src, dst=f.dst, id=f.id, frag=f.offset // 8 | f.more << 13, tos=f.ecn
        )
        return frames.eth(packet)
    header = struct.pack("!BBHI", f.proto, 0, f.offset | f.more, f.id)
    return frames.eth(frames.ipv6(header + f.data, 44, src=f.src, dst=f.dst, tc=f.ecn), type=0x86DD)


def udp_payload(whole: Whole) -> tuple[bytes | None, str]:
    """What a socket at PORT gets of a datagram that became whole, and the fate of its frames."""
    data = whole.data
    if len(data) < 8:
        return None, "PKT_TOO_SMALL"
    _, port, length, check = struct.unpack("!4H", data[:8])
    if not 8 <= length <= len(data):
        return None, "PKT_TOO_SMALL"
    pseudo = frames.pseudo(whole.first.src, whole.first.dst, 17, length)
    if (check or whole.first.family == 6) and (not check or frames.csum(pseudo + data[:length])):
        return None, "UDP_CSUM"
    return (data[8:length], "DELIVERED_UDP") if port == PORT else (None, "NO_SOCKET")


def _size(r: Random) -> int:
    return r.choice(
        [
            r.randrange(1, 100),
            r.randrange(1, 3000),
            r.randrange(1, 3000),
            r.randrange(60000, 65508),
            r.randrange(65500, 65528),
        ]
    )


def _one(r: Random, family: int, id: int) -> list[Fragment]:
    """A datagram's fragments in some order, maybe with something wrong about them."""
    size = _size(r)
    data = datagram(family, DATA[:size], src=(src := r.choice([None, None, None, OTHER_SENDER[family]])))
    step = max(8, len(data) // r.choice((2, 3, 5, 20, 70)) & ~7)
    borders = (
        range(step, len(data), step) if r.random() < 0.5 else [r.randrange(len(data) // 8 + 1) * 8 for _ in range(9)]
    )
    ecn = r.choice([0, 0, 0, 1, 2])
    borders = [*borders, 32768]  # too long for one packet, some
    parts = cut(family, data, borders, id=id, src=src, ecn=ecn)
    order = r.randrange(4)
    if order == 1:
        parts.reverse()
    elif order > 1:
        r.shuffle(parts)
    for _ in range(r.choice([0, 0, 1, 1, 2])):
        _spoil(r, parts, data)
    return parts


def _spoil(r: Random, parts: list[Fragment], data: bytes) -> None:
    i = r.randrange(len(parts))
    f, kind = parts[i], r.randrange(11)
    somewhere = r.randrange(len(parts) + 1)
    if kind < 2:  # once more
        parts.insert(somewhere, f)
    elif kind == 2:  # lost
        del parts[i]
    elif kind == 3:  # another part of the same
        a = r.randrange(0, max(len(data) // 8, 1)) * 8
        b = min(a + 8 * r.randrange(1, 40), len(data))
        parts.insert(somewhere, replace(f, offset=a, data=data[a:b], more=b < len(data)))
    elif kind == 4:  # of a length that is no multiple of 8
        parts[i] = replace(f, data=f.data[: -r.randrange(1, 8)])
    elif kind == 5:  # nothing in it
        parts.insert(somewhere, replace(f, data=b"", more=r.random() < 0.5))
    elif kind == 6:  # another end
        offset = min(f.offset + 8 * r.randrange(3), 65528)
        parts.insert(somewhere, replace(f, offset=offset, data=f.data[:30000], more=r.random() < 0.5))
    elif kind == 7:  # beyond the end of everything
        parts.insert(somewhere, replace(f, offset=65528, data=DATA[: r.choice((7, 8, 80))], more=r.random() < 0.3))
    elif kind == 8:
        parts[i] = replace(f, ecn=r.randrange(4))
    elif kind == 9:  # other bytes
        parts[i] = replace(f, data=bytes(b ^ 1 for b in f.data))
    else:  # of another datagram
        parts[i] = replace(f, id=f.id + 1)
    if not parts:
        parts.append(f)


def batch(r: Random, family: int, id: int) -> list[Fragment]:
    """Fragments of a few datagrams, one behind the other or mixed; ids from id on, fewer than 16."""
    datagrams = [_one(r, family, id + 2 * i) for i in range(r.randrange(1, 5))]
    if r.random() < 0.5:
        return [f for parts in datagrams for f in parts]
    out = []
    while datagrams:
        parts = r.choice(datagrams)
        out.append(parts.pop(0))
        datagrams = [d for d in datagrams if d]
    return out


# ---- vnic beside the model ----


def drain(sock) -> list[bytes]:
    """All datagrams that are queued."""
    return list(iter(lambda: (sock.recvfrom_nowait() or (None,))[0], None))


def check(model: Reassembler, batch: list[Fragment], **knobs) -> None:
    """A batch at one instant: sockets, fates, counters and what waits are the model's; then time passes."""
    prefix = "Ip6_" if model.family == 6 else "Ip_"
    with vnic.Host(**({"cost": "zero", "link": "inf", "fifo": 1 << 26, "rcvbuf": 1 << 28} | knobs)) as host:
        sock = host.udp(PORT)
        host.feed([frame(f) for f in batch], at_ns=1000)
        host.run(until_ns=2000)
        want, fates = [], Counter()
        for f in batch:
            whole = model.fragment(f)
            if whole:
                payload, fate = udp_payload(whole)
                fates[fate] += whole.frames
                want += [] if payload is None else [payload]
        assert drain(sock) == want
        ledger = host.ledger()
        assert ledger.fates == {k: n for k, n in (fates + model.fates).items() if n}
        assert ledger.in_flight_at["frag"] == model.waiting == ledger.in_flight
        assert (host.machine.c.ip6_frags if model.family == 6 else host.machine.c.ip_frags).mem == model.memory
        assert host.laws() == 0
        assert counters(host, prefix) == {k: n for k, n in model.mib.items() if n}

        model.tick(1e9)
        host.finish()
        assert host.ledger().fates == {k: n for k, n in (fates + model.fates).items() if n}
        assert host.ledger().in_flight == host.laws() == 0
        assert counters(host, prefix) == {k: n for k, n in model.mib.items() if n}
        assert host.machine.c.ip_frags.mem == host.machine.c.ip6_frags.mem == 0


def counters(host: vnic.Host, prefix: str) -> dict[str, int]:
    """Those of reassembly that are not 0, and IPv6's header errors."""
    mib = {
        n.removeprefix("IpExt_").removeprefix(prefix): v
        for n, v in host.mib().items()
        if n.startswith((prefix, "IpExt_"))
    }
    return {n: v for n, v in mib.items() if v and (n.startswith("Reasm") or (prefix == "Ip6_" and n == "InHdrErrors"))}


def queues(host, family: int = 4) -> int:
    """Datagrams of a family that wait for fragments."""
    c = host.machine.c
    table, n = c.ip6_frags if family == 6 else c.ip_frags, 0
    for oldest in table.oldest[0 : c.ncpus]:
        q = oldest
        while q != ffi.NULL:
            n, q = n + 1, q.newer
    return n


TEXT = bytes(range(200))
MS = 1_000_000


def feed(host, *parts):
    """Fragments, or frames, all at once; a moment passes, not the time that fragments wait."""
    host.feed([p if isinstance(p, bytes) else frame(p) for p in parts], at_ns=host.now_ns)
    host.run(until_ns=host.now_ns + MS)
