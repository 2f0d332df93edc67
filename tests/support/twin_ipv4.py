"""Parts of random IPv4 packets: options, fragments, what an error quotes; and what all random inputs have in common."""

import struct
from random import Random

import frames


def often(rng: Random, usual, others, chance: float = 0.25):
    """The usual, or with this chance one of the others."""
    return rng.choice(others) if rng.random() < chance else usual


def some_bytes(rng: Random, most: int) -> bytes:
    """Bytes, few or up to most."""
    return rng.randbytes(rng.choice((0, 1, 2, 7, 8, 16, rng.randrange(most + 1))))


def any_options(rng: Random) -> bytes:
    """Options of a header, padded to a multiple of 4 bytes."""
    out = b""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind = rng.choice((0, 1, 7, 7, 68, 68, 131, 137, 134, 148, 130, 133, 136, rng.randrange(256)))
        if kind in (0, 1):
            out += bytes((kind,))
            continue
        room = rng.choice((4, 8, 12))
        if kind in (7, 131, 137):
            data = bytes((often(rng, 4, (0, 3, 5, 8, 12, 16, room + 4, 255)),)) + b"".join(
                rng.choice((bytes(4), b"\x0a\0\0\1", b"\x0a\0\0\2", b"\xc0\0\2\1")) for _ in range(room // 4)
            )
        elif kind == 68:
            flag = rng.choice((0, 1, 3, 2, 15))
            data = bytes((often(rng, 5, (0, 4, 6, 9, 13, 17, 255)), rng.choice((0, 0, 0x10, 0xF0)) | flag)) + b"".join(
                rng.choice((bytes(4), b"\x0a\0\0\2", b"\x0a\0\0\1")) for _ in range(room // 4)
            )
        elif kind == 148:
            data = often(rng, b"\0\0", (b"\0\1", b"\0", b"\0\0\0\0"))
        elif kind == 134:
            data = rng.choice((b"\0\0\0\1\1\4\0\1", rng.randbytes(8)))
        else:
            data = some_bytes(rng, 8)[:8]
        length = often(rng, 2 + len(data), (0, 1, 2, 3, 4, 40, 2 + len(data) + 1), 0.15)
        out += bytes((kind, length)) + data
    out = out[:40]
    return out + rng.choice((b"\0", b"\1")) * (-len(out) % 4)


def full_options(rng: Random) -> bytes:
    """Options that are mostly right, with room or just none, some of them twice."""
    out = b""
    for _ in range(rng.choice((1, 1, 2, 3))):
        kind = rng.choice((7, 7, 68, 68, 68, 131, 137, 134))
        slots = rng.choice((1, 2, 3, 4))
        if kind == 68:
            flag = rng.choice((0, 1, 3))
            entry = 4 if flag == 0 else 8
            slots = min(slots, 2) if entry == 8 else slots
            hosts = (b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x0a\1\0\2", bytes(4), b"\x0a\0\0\xff", b"\xe0\0\0\1")
            data = b"".join((rng.choice(hosts) + bytes(4))[:entry] for _ in range(slots))
            pointer = 5 + entry * rng.randrange(slots + 1) + often(rng, 0, (1, 2, 3, 4), 0.1)
            data = bytes((pointer, rng.choice((0, 0, 1, 14, 15)) << 4 | flag)) + data
        elif kind == 134:
            data = rng.choice((bytes(4), b"\0\0\0\1")) + rng.choice((b"\1\4\0\1", b"\2\4\0\1", b"\1\0", b"\1", b""))
        else:
            hosts = (b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x0a\0\0\7", b"\xc0\0\2\1", b"\x0a\1\0\x09")
            data = b"".join(rng.choice(hosts) for _ in range(slots))
            data = bytes((4 + 4 * rng.randrange(slots + 1) + often(rng, 0, (1, 2, 3), 0.1),)) + data
        out += rng.choice((b"", b"\1", b"\1\1")) + bytes((kind, 2 + len(data))) + data
    out = out[: rng.choice((40, 40, 40, 36, 20))]
    return out + rng.choice((b"\0", b"\1")) * (-len(out) % 4)


def quoted(rng: Random) -> bytes:
    """A packet that this host may have sent."""
    sport, port = rng.choice(((6000, 7000), (5000, 7000), (5001, 7000), (9, 9)))
    src = often(rng, "10.0.0.2", ("10.1.0.2", "10.0.0.1", "192.0.2.1"), 0.1)
    dst = often(rng, "10.0.0.1", ("10.0.0.255", "224.0.0.1", "10.0.0.2"), 0.1)
    proto = often(rng, 17, (6, 1, 136, 47, 200), 0.2)
    body = struct.pack("!HHHH", sport, port, 12, 0) + b"data"
    if proto == 1:
        body = struct.pack("!BBHHH", rng.choice((8, 0, 3)), 0, 0, 1, 1)
    if rng.random() < 0.1:
        body = body[: rng.randrange(8)]
    frag = often(rng, 0x4000, (0, 0x2000, 0x2001, 1), 0.1)
    options = often(rng, b"", (b"\x01\x01\x01\x00", b"\x07\x07\x04\0\0\0\0\0"), 0.1)
    whole = frames.ipv4(body, proto, src=src, dst=dst, frag=frag, options=options)
    return whole[: rng.randrange(len(whole))] if rng.random() < 0.05 else whole


def piece(rng: Random) -> tuple[str, bytes]:
    """A fragment of one of a few datagrams, the same for the same id."""
    whole = rng.randrange(12)
    of_it = Random(whole)
    src = of_it.choice(("10.0.0.1", "10.0.0.1", "10.1.0.9"))
    kind = whole % 6
    if kind < 3:
        body = b"\x08\0\0\0\x12\x34\0\1" + of_it.randbytes(of_it.randrange(8, 60))
        proto, body = 1, body[:2] + struct.pack("!H", frames.csum(body)) + body[4:]
    else:
        proto, body = (
            (17, frames.udp(of_it.randbytes(of_it.randrange(40)), sport=7000, dport=5000 + kind % 2 * 4, src=src)[34:])
            if kind < 5
            else (200, of_it.randbytes(40))
        )
    options = full_options(of_it) if of_it.random() < 0.5 else b""
    cuts = sorted({0, len(body), *(of_it.randrange(1, 6) * 8 for _ in range(2))})
    cuts = [c for c in cuts if c <= len(body)]
    at = rng.randrange(len(cuts) - 1)
    more = 0x2000 if at + 2 < len(cuts) else 0
    packet = frames.ipv4(
        body[cuts[at] : cuts[at + 1]],
        proto,
        src=src,
        dst="10.0.0.2",
        id=whole,
        tos=often(rng, 0, (1, 2, 3, 0xB8), 0.1),
        frag=cuts[at] // 8 | more,
        options=options,
    )
    return f"ip4 piece{kind}", frames.eth(packet)
